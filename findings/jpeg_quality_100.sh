#!/usr/bin/env bash
# Pillow 13.0.0, OpenCV 5.0.0: how far JPEG of quality 100 is from its picture.
#
# Guess:   At quality 100 colour is no longer halved, as in the programs that switch to 4:4:4 above 90, and no pixel
#          moves by more than some levels.
# Outcome: Both halve the resolution of colour at every quality: at 100 a blue disc on red is wrong by up to 97 of 255,
#          more than at 95 (93), and red and blue stripes of one pixel are one purple, wrong by 152. With subsampling=0
#          the errors at 100 are 3 and 1. The number of quality says nothing about edges of colour.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import io

import cv2
import numpy as np
import PIL
from PIL import Image

y, x = np.mgrid[:64, :64]
disc = np.where(((y - 32) ** 2 + (x - 32) ** 2 < 400)[..., None], (20, 60, 200), (200, 30, 30)).astype(np.uint8)
stripes = np.where((x % 2 == 0)[..., None], (255, 0, 0), (0, 0, 255)).astype(np.uint8)

def pillow(pixels, quality, **settings):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, **settings)
    return np.asarray(Image.open(file))

def opencv(pixels, quality):
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]

def errors(encode):
    return [int(np.abs(encode(pixels).astype(int) - pixels).max()) for pixels in (disc, stripes)]

seen = {f"Pillow {q}": errors(lambda pixels: pillow(pixels, q)) for q in (95, 100)}
seen["OpenCV 100"] = errors(lambda pixels: opencv(pixels, 100))
seen["Pillow 100, subsampling=0"] = errors(lambda pixels: pillow(pixels, 100, subsampling=0))
print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}: largest errors of disc and stripes {seen}")
assert seen["Pillow 100"][0] > 60 < seen["Pillow 95"][0] and seen["Pillow 100"][1] > 100
assert min(seen["OpenCV 100"]) > 60 and max(seen["Pillow 100, subsampling=0"]) < 6
PYTHON
