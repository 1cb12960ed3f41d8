#!/usr/bin/env bash
# scikit-image 0.26.0, dm-pix 0.4.5: what averaging does at the border of a white picture.
#
# Guess:   A mean or a blur of a picture that is 1 everywhere is 1 everywhere: what is outside is repeated, mirrored or
#          left out of the mean.
# Outcome: Both add zeros. downscale_local_mean of 5 by 5 ones by twos ends in .5 at two sides and .25 in the corner,
#          since the missing row and column count as 0 in the mean; block_reduce agrees. dm_pix.gaussian_blur of ones is
#          .42 in the corner and .65 along the side. scikit-image's own gaussian, SciPy and OpenCV keep 1.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  jax==0.10.2 jaxlib==0.10.2 dm-pix==0.4.5 chex==0.1.92 scikit-image==0.26.0 opencv-python-headless==5.0.0.93 \
  scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import cv2
import dm_pix
import numpy as np
import scipy.ndimage
import skimage

def border(x):
    x = np.asarray(x).squeeze()
    return [round(float(x[-1, -1]), 2), round(float(x[-1, len(x) // 2 - 1]), 2)]

white, large = np.ones((5, 5), np.float32), np.ones((16, 16), np.float32)
dark = {
    "downscale_local_mean": border(skimage.transform.downscale_local_mean(white, (2, 2))),
    "block_reduce": border(skimage.measure.block_reduce(white, 2, np.mean)),
    "dm_pix.gaussian_blur": border(dm_pix.gaussian_blur(large[..., None], 1.5, 5)),
}
right = {
    "scikit-image": border(skimage.filters.gaussian(large, 1.5)),
    "SciPy": border(scipy.ndimage.gaussian_filter(large, 1.5)),
    "OpenCV": border(cv2.GaussianBlur(large, (5, 5), 1.5)),
}
print(f"scikit-image {skimage.__version__}, dm-pix {version('dm-pix')}: corner and side {dark}; others {right}")
assert dark["downscale_local_mean"] == dark["block_reduce"] == [0.25, 0.5]
assert dark["dm_pix.gaussian_blur"] == [0.42, 0.65]
assert all(value == [1.0, 1.0] for value in right.values())
PYTHON
