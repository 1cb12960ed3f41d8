#!/usr/bin/env bash
# chex 0.1.92: what its comparisons of trees take for equal.
#
# Guess:   Trees are equal if names, shapes, types and values are; NaN differs from everything, as it does in JAX.
# Outcome: assert_trees_all_close and assert_trees_all_equal both pass for NaN beside NaN, for float32 beside int8, and
#          for a vector of ones beside a single 1, which NumPy's comparison broadcasts; a column beside a row of the
#          same length is refused. A test that a restored or a resumed state equals the old one therefore passes after
#          both have become NaN, after a silent cast, and for a state that was reduced to one number.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 chex==0.1.92
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import chex
import jax.numpy as jnp

nan = jnp.array([float("nan"), 1.0])
pairs = {
    "NaN, NaN": (nan, nan),
    "float32, int8": (jnp.ones(3), jnp.ones(3, jnp.int8)),
    "[3], []": (jnp.ones(3), jnp.ones(())),
    "[3, 1], [3]": (jnp.ones((3, 1)), jnp.ones(3)),
}

def passes(check, a, b):
    try:
        check({"w": a}, {"w": b})
    except AssertionError:
        return False
    return True

checks = (chex.assert_trees_all_close, chex.assert_trees_all_equal)
seen = {name: [passes(check, *pair) for check in checks] for name, pair in pairs.items()}
print(f"chex {chex.__version__}: close and equal pass for {seen}")
assert seen == {"NaN, NaN": [True] * 2, "float32, int8": [True] * 2, "[3], []": [True] * 2, "[3, 1], [3]": [False] * 2}
PYTHON
