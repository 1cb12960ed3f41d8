#!/usr/bin/env bash
# jax 0.10.2: running sums of small whole numbers beside NumPy's.
#
# Guess:   sum and cumsum take bytes up to a wider type, as NumPy does; the last number of cumsum is the sum.
# Outcome: sum does, cumsum does not: of ten bytes of 100, jnp.sum is 1,000 and the last of jnp.cumsum 232, where NumPy
#          has 1,000 twice. cumprod, dot and add.accumulate stay in bytes as well, while trace and prod widen. An
#          integral image, a cumulative histogram or a count of uint8 masks wraps at 256; one of booleans does not,
#          since they become int32.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

def last(module):
    x = module.full(10, 100, dtype="uint8")
    values = {
        "sum": x.sum(),
        "cumsum": module.cumsum(x)[-1],
        "add.accumulate": module.add.accumulate(x)[-1],
        "cumprod of 3": module.cumprod(x[:3])[-1],
        "prod of 3": module.prod(x[:3]),
        "trace of 3": module.trace(module.broadcast_to(x[:3], (3, 3))),
        "cumsum of 300 True": module.cumsum(module.ones(300, dtype=bool))[-1],
    }
    return {name: int(value) for name, value in values.items()}

numpy, ours = last(np), last(jnp)
print(f"jax {jax.__version__}: {ours}; NumPy {np.__version__}: {numpy}")
assert numpy == {
    "sum": 1000,
    "cumsum": 1000,
    "add.accumulate": 1000,
    "cumprod of 3": 10**6,
    "prod of 3": 10**6,
    "trace of 3": 300,
    "cumsum of 300 True": 300,
}
assert ours == numpy | {"cumsum": 232, "add.accumulate": 232, "cumprod of 3": 10**6 % 256}
PYTHON
