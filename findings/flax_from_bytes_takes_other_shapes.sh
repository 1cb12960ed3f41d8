#!/usr/bin/env bash
# flax 0.12.8: what serialization.from_bytes checks of the target that it is given.
#
# Guess:   The target says what is expected: other shapes, types or keys are refused.
# Outcome: In a dictionary an array of another shape and type takes the place of the one that was expected, and keys
#          that the target lacks are dropped silently. Only containers check their own size: a list of another length
#          and a dataclass with another field raise.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 flax==0.12.8
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import flax.struct
import jax
import jax.numpy as jnp
from flax import serialization

@flax.struct.dataclass
class Params:
    a: jax.Array

written = serialization.to_bytes({"a": jnp.ones((5,), jnp.int8), "b": jnp.zeros(2)})
read = serialization.from_bytes({"a": jnp.zeros((3,), jnp.float32)}, written)
refused = []
for target in (Params(jnp.zeros(3)), [jnp.zeros(3)]):
    source = written if isinstance(target, Params) else serialization.to_bytes([jnp.zeros(3)] * 2)
    try:
        serialization.from_bytes(target, source)
    except ValueError:
        refused.append(type(target).__name__)
print(f"wanted (3,) float32; got keys {list(read)}, {read['a'].shape} {read['a'].dtype}; refused by {refused}")
assert list(read) == ["a"] and read["a"].shape == (5,) and read["a"].dtype == jnp.int8
assert refused == ["Params", "list"]
PYTHON
