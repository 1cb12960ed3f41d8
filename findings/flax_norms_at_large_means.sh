#!/usr/bin/env bash
# flax 0.12.8 (linen) with jax 0.10.2: what normalisation leaves of inputs with a large mean.
#
# Guess:   LayerNorm and GroupNorm give a standard deviation of 1 whatever the mean of their input, in float32 as long
#          as the input itself resolves its variation.
# Outcome: The variance is computed as E[x^2] - E[x]^2 by default. For inputs of deviation 1 the output has one of 4
#          (LayerNorm) and 350 (GroupNorm) at a mean of 1,000, and of about 500 at 3,000, where float32 still resolves
#          x to 2e-4. With use_fast_variance=False it is 1.0000 throughout.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 flax==0.12.8
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import flax
import flax.linen as nn
import jax
import numpy as np

x = jax.random.normal(jax.random.key(0), (8, 32, 32, 16))

def deviation(layer, mean):
    y = layer.apply(layer.init(jax.random.key(1), x + mean), x + mean)
    return float(np.asarray(y).std())

for mean in (0, 1000, 3000):
    fast = [deviation(layer, mean) for layer in (nn.LayerNorm(), nn.GroupNorm(num_groups=4))]
    exact = [deviation(nn.LayerNorm(use_fast_variance=False), mean),
             deviation(nn.GroupNorm(num_groups=4, use_fast_variance=False), mean)]
    print(f"flax {flax.__version__}, mean {mean}: default {fast}, use_fast_variance=False {exact}")
    assert max(abs(value - 1) for value in exact) < 1e-3
    assert all(value > 100 for value in fast) if mean == 3000 else mean == 1000 or max(fast) < 1.001
PYTHON
