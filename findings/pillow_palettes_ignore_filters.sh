#!/usr/bin/env bash
# Pillow 13.0.0: which filter shrinks a picture with a palette.
#
# Guess:   resize(..., BICUBIC) of a palette picture interpolates its colours or is refused; thumbnail() gives a smooth
#          small copy.
# Outcome: Both take the nearest pixel, whatever filter is named, and say nothing: a disc of two colours keeps two,
#          where the same picture after convert("RGB") has over twenty. Bilevel pictures are treated alike. A folder in
#          which some files are palette PNGs, as designs in few colours are, is shrunk by two methods.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import PIL
from PIL import Image

y, x = np.mgrid[:64, :64]
inside = (y - 32) ** 2 + (x - 32) ** 2 < 400
disc = np.where(inside[..., None], (20, 60, 200), (200, 30, 30)).astype(np.uint8)
picture = Image.fromarray(disc)

def thumbnail(image):
    copy = image.copy()
    copy.thumbnail((20, 20), Image.Resampling.LANCZOS)
    return copy

def colours(image):
    return len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0))

def shrunk(image):
    small = image.resize((20, 20), Image.Resampling.BICUBIC)
    return [colours(small), colours(thumbnail(image))]

palette = picture.quantize(2)
seen = {"RGB": shrunk(picture), "palette": shrunk(palette), "bilevel": shrunk(Image.fromarray(inside))}
nearest = palette.resize((20, 20), Image.Resampling.NEAREST)
same = (np.asarray(nearest) == np.asarray(palette.resize((20, 20), Image.Resampling.LANCZOS))).all()
print(f"Pillow {PIL.__version__}: colours by resize and thumbnail {seen}; lanczos of the palette is nearest: {same}")
assert same and seen["palette"] == seen["bilevel"] == [2, 2] and min(seen["RGB"]) > 20
PYTHON
