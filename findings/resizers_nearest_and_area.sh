#!/usr/bin/env bash
# jax 0.10.2, Pillow 13.0.0, OpenCV 5.0.0, scikit-image 0.26.0, SciPy 1.17.1: eight pixels shrunk to three.
#
# Guess:   The nearest pixel is one and the same in five libraries, and so is the mean over an area (Pillow's BOX,
#          OpenCV's INTER_AREA).
# Outcome: Of the pixels 0 to 7, jax, Pillow and scikit-image take 1, 4, 6, OpenCV 0, 2, 5, and scipy.ndimage.zoom 0, 4,
#          7; OpenCV's INTER_NEAREST_EXACT and zoom's grid_mode agree with the first three. BOX averages whole pixels
#          whose middles lie inside (1, 3.5, 6), INTER_AREA takes fractions (.875, 3.5, 6.125): a line of 1 keeps .5 or
#          .375 of its height. Masks, label maps and features of a distance that were prepared by two of them are of
#          different pixels.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  jax==0.10.2 jaxlib==0.10.2 pillow==13.0.0 opencv-python-headless==5.0.0.93 scikit-image==0.26.0 scipy==1.17.1 \
  numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import cv2
import jax
import numpy as np
import PIL
import scipy
import scipy.ndimage
import skimage
from PIL import Image

def row(result):
    return np.asarray(result, np.float64)[1].round(3).tolist()

def pillow(x, method):
    return row(Image.fromarray(x).resize((3, 3), method))

def opencv(x, method):
    return row(cv2.resize(x, (3, 3), interpolation=method))

ramp = np.tile(np.arange(8, dtype=np.float32), (8, 1))
line = np.tile(np.eye(8, dtype=np.float32)[3], (8, 1))
shape = (3, 3)
nearest = {
    "jax": row(jax.image.resize(ramp, shape, "nearest")),
    "Pillow": pillow(ramp, Image.Resampling.NEAREST),
    "scikit-image": row(skimage.transform.resize(ramp, shape, order=0, anti_aliasing=False, preserve_range=True)),
    "OpenCV": opencv(ramp, cv2.INTER_NEAREST),
    "OpenCV, exact": opencv(ramp, cv2.INTER_NEAREST_EXACT),
    "SciPy": row(scipy.ndimage.zoom(ramp, 3 / 8, order=0)),
    "SciPy, grid": row(scipy.ndimage.zoom(ramp, 3 / 8, order=0, grid_mode=True, mode="nearest")),
}
area = {
    "Pillow": pillow(ramp, Image.Resampling.BOX) + pillow(line, Image.Resampling.BOX),
    "OpenCV": opencv(ramp, cv2.INTER_AREA) + opencv(line, cv2.INTER_AREA),
}
versions = (jax.__version__, PIL.__version__, skimage.__version__, cv2.__version__, scipy.__version__)
print(f"area: {area}")
print(f"jax, Pillow, scikit-image, OpenCV, SciPy {', '.join(versions)}, nearest: {nearest}")
most = [1.0, 4.0, 6.0]
assert nearest == dict.fromkeys(nearest, most) | {"OpenCV": [0.0, 2.0, 5.0], "SciPy": [0.0, 4.0, 7.0]}
assert area == {"Pillow": [1.0, 3.5, 6.0, 0.0, 0.5, 0.0], "OpenCV": [0.875, 3.5, 6.125, 0.0, 0.375, 0.0]}
PYTHON
