#!/usr/bin/env bash
# Pillow 13.0.0, OpenCV 5.0.0: what a lossless WebP keeps.
#
# Guess:   Lossless means that all four channels come back as they were, as they do from PNG.
# Outcome: Wherever alpha is 0 the colour is replaced by black, in Pillow (lossless=True) and OpenCV (quality above 100)
#          alike. A picture whose colours count without its alpha, such as four feature maps, a depth in alpha or a
#          cut-out that is to be put back, loses them without a word. exact=True of Pillow keeps them; OpenCV has no
#          such choice.
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

pixels = np.random.default_rng(0).integers(1, 256, (16, 16, 4)).astype(np.uint8)
pixels[:8, :, 3] = 0

def pillow(kind, **settings):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **settings)
    return np.asarray(Image.open(file))

encoded = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])[1]
back = {
    "Pillow": pillow("WEBP", lossless=True),
    "Pillow, exact": pillow("WEBP", lossless=True, exact=True),
    "OpenCV": cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED),
    "PNG": pillow("PNG"),
}
changed = {name: float((result != pixels).any(axis=-1).mean()) for name, result in back.items()}
print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}: shares of pixels that changed {changed}")
assert changed == {"Pillow": 0.5, "Pillow, exact": 0.0, "OpenCV": 0.5, "PNG": 0.0}
assert not back["Pillow"][:8, :, :3].any() and not back["OpenCV"][:8, :, :3].any()
PYTHON
