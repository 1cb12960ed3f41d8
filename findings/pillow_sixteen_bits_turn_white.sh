#!/usr/bin/env bash
# Pillow 13.0.0, OpenCV 5.0.0, imageio 2.38.1: a 16-bit picture as 8 bits.
#
# Guess:   Sixteen bits are scaled to eight by their upper byte, in grey as in colour; else the conversion is refused.
# Outcome: convert("L") and convert("RGB") clip: of nine greys from 0 to 65,535 the first stays 0 and all others become
#          255. Saved in colour, the same picture is scaled while it is opened, and nothing shows that it had 16 bits.
#          imageio does as Pillow does, OpenCV scales both. A folder of 16-bit scans read by open().convert("RGB") is a
#          folder of white pictures.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  pillow==13.0.0 opencv-python-headless==5.0.0.93 imageio==2.38.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import cv2
import imageio.v3 as imageio
import numpy as np
import PIL
from PIL import Image

ramp = np.linspace(0, 65535, 9).astype(np.uint16).reshape(3, 3)
cv2.imwrite("grey.png", ramp)
cv2.imwrite("colour.png", np.stack([ramp] * 3, axis=-1))

def first(pixels):
    return np.asarray(pixels).reshape(9, -1)[:, 0].tolist()

seen = {
    "grey as L": first(Image.open("grey.png").convert("L")),
    "grey as RGB": first(Image.open("grey.png").convert("RGB")),
    "grey, imageio": first(imageio.imread("grey.png", mode="RGB")),
    "grey, OpenCV": first(cv2.imread("grey.png")),
    "colour as RGB": first(Image.open("colour.png").convert("RGB")),
}
print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}, imageio: {seen}")
white, scaled = [0] + [255] * 8, [0, 31, 63, 95, 127, 159, 191, 223, 255]
assert seen["grey as L"] == seen["grey as RGB"] == seen["grey, imageio"] == white
assert seen["grey, OpenCV"] == seen["colour as RGB"] == scaled
PYTHON
