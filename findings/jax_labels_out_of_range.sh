#!/usr/bin/env bash
# jax 0.10.2, flax 0.12.8: what six ways to use a class label do with one that is out of range.
#
# Guess:   Labels of -1 ("unknown") and beyond the last class are dropped everywhere, or wrap everywhere as Python
#          indices do.
# Outcome: Of the labels [-1, 0, 1, 5] and three classes, bincount counts -1 in class 0; segment_sum drops both;
#          .at[].add wraps -1 to class 2 and drops 5; one_hot has rows of zeros; x[5] reads the last entry, and x[-7]
#          the first. nn.Embed of two rows gives NaN for 5, of a single row an ordinary vector. All silently. NumPy
#          refuses each of these labels.
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
import numpy as np

labels, ones = jnp.array([-1, 0, 1, 5]), jnp.ones(4)
seen = {
    "bincount": jnp.bincount(labels, length=3).tolist(),
    "segment_sum": jax.ops.segment_sum(ones, labels, 3).tolist(),
    "scatter": jnp.zeros(3).at[labels].add(ones).tolist(),
    "one_hot": jax.nn.one_hot(labels, 3).sum(axis=1).tolist(),
    "gather": [float(jnp.arange(3.0)[jnp.array(i)]) for i in (5, -7)],
}
for n in (1, 2):
    table = nn.Embed(n, 4)
    rows = table.apply(table.init(jax.random.key(0), jnp.array([0])), jnp.array([5]))
    seen[f"Embed({n})"] = "NaN" if np.isnan(rows).all() else "finite"
print(f"jax {jax.__version__}: {seen}")
assert seen == {
    "bincount": [2, 1, 0],
    "segment_sum": [1.0, 1.0, 0.0],
    "scatter": [1.0, 1.0, 1.0],
    "one_hot": [0.0, 1.0, 1.0, 0.0],
    "gather": [2.0, 0.0],
    "Embed(1)": "finite",
    "Embed(2)": "NaN",
}
PYTHON
