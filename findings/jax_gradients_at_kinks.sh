#!/usr/bin/env bash
# jax 0.10.2, flax 0.12.8: which derivative functions with a kink have at the kink.
#
# Guess:   One convention throughout: 0, or the middle of both sides. A rule for piecewise linear networks needs to
#          know it once.
# Outcome: Six: relu 0 but leaky_relu 1 (the slope of the right side), abs 1, maximum and clip one half, max shares a
#          tie evenly while max_pool gives all to the first of the window and median all to one of three equal values.
#          Zeros are common inputs: padding, dead units, constant images. norm, std and where(x > 0, sqrt(x), 0) give
#          NaN at 0.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 flax==0.12.8
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import flax.linen as nn
import jax
import jax.numpy as jnp

def slope(f, x):
    return jax.grad(f)(jnp.asarray(x)).ravel().tolist()

seen = {
    "relu": slope(jax.nn.relu, 0.0),
    "leaky_relu": slope(jax.nn.leaky_relu, 0.0),
    "abs": slope(jnp.abs, 0.0),
    "maximum": slope(lambda x: jnp.maximum(x, 0.0), 0.0),
    "clip": slope(lambda x: jnp.clip(x, -1.0, 1.0), 1.0),
    "max": slope(jnp.max, [1.0, 1.0, 0.0]),
    "max_pool": slope(lambda x: nn.max_pool(x.reshape(1, 2, 2, 1), (2, 2)).sum(), [0.0] * 4),
    "median": slope(jnp.median, [1.0, 1.0, 1.0]),
}
undefined = [
    bool(jnp.isnan(jnp.asarray(slope(f, x))).all())
    for f, x in [(jnp.linalg.norm, [0.0] * 3), (jnp.std, [1.0] * 3), (lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0), 0.0)]
]
print(f"jax {jax.__version__}: {seen}; NaN: {undefined}")
assert seen == {
    "relu": [0.0], "leaky_relu": [1.0], "abs": [1.0], "maximum": [0.5], "clip": [0.5],
    "max": [0.5, 0.5, 0.0], "max_pool": [1.0, 0.0, 0.0, 0.0], "median": [0.0, 1.0, 0.0],
}
assert undefined == [True, True, True]
PYTHON
