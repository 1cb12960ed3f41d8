#!/usr/bin/env bash
# jax 0.10.2: what jax.random draws when too few outcomes have a positive probability.
#
# Guess:   Drawing five of five without replacement when only one has a positive probability is refused, as NumPy does,
#          or marked in some way; so is a categorical distribution without any.
# Outcome: random.choice(replace=False, p=[1, 0, 0, 0, 0]) returns all five, those of probability 0 included;
#          categorical of logits that are all -inf returns class 0; randint with an empty range returns its lower end.
#          All look like ordinary draws.
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

key, p = jax.random.key(0), [1.0, 0.0, 0.0, 0.0, 0.0]
drawn = sorted(jax.random.choice(key, 5, (5,), replace=False, p=jnp.array(p)).tolist())
category = int(jax.random.categorical(key, jnp.full(3, -jnp.inf)))
numbers = jax.random.randint(key, (4,), 5, 2).tolist()
try:
    np.random.default_rng(0).choice(5, 5, replace=False, p=p)
except ValueError as error:
    refused = str(error)
print(f"jax {jax.__version__}: choice {drawn}, categorical {category}, randint(5, 2) {numbers}; NumPy: {refused}")
assert drawn == [0, 1, 2, 3, 4] and category == 0 and numbers == [5] * 4
PYTHON
