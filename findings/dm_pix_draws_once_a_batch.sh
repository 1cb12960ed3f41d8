#!/usr/bin/env bash
# dm-pix 0.4.5: how many decisions a random augmentation makes for a batch.
#
# Guess:   The functions take [..., height, width, channel], so that each picture of a batch is flipped, shifted or
#          brightened by a draw of its own.
# Outcome: One draw serves the whole batch: for each of 200 keys all 32 pictures are flipped or none, brightness changes
#          by one number, and a crop is cut at one place. Only vmap over keys draws for each picture.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  jax==0.10.2 jaxlib==0.10.2 dm-pix==0.4.5 chex==0.1.92 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import dm_pix
import jax
import numpy as np

images = np.random.default_rng(0).uniform(0.3, 0.6, (32, 8, 8, 3)).astype(np.float32)

@jax.jit
def flip(key):
    return dm_pix.random_flip_left_right(key, images)

@jax.jit
def flip_each(key):
    return jax.vmap(dm_pix.random_flip_left_right)(jax.random.split(key, 32), images)

def shares(function):
    results = [np.asarray(function(jax.random.key(i))) for i in range(200)]
    return {float((result == images[:, :, ::-1]).all((1, 2, 3)).mean()) for result in results}

together, apart = shares(flip), shares(flip_each)
spread = float(np.ptp(np.asarray(dm_pix.random_brightness(jax.random.key(1), images, 0.3)) - images))
crops = np.asarray(dm_pix.random_crop(jax.random.key(1), images, (32, 4, 4, 3)))
corners = [(i, j) for i in range(5) for j in range(5)]
places = {(i, j) for i, j in corners for a, b in zip(images, crops) if (a[i : i + 4, j : j + 4] == b).all()}
print(f"brightness differs by {spread:.0e} within a batch; its 32 crops are cut at {len(places)} place")
print(f"dm-pix {version('dm-pix')}: shares of a batch that are flipped {sorted(together)}; by vmap {len(apart)} shares")
assert together == {0.0, 1.0} and len(apart) > 8 and spread < 1e-6 and len(places) == 1
PYTHON
