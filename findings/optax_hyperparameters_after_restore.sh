#!/usr/bin/env bash
# optax 0.2.8: which step size counts when a run is resumed with another one.
#
# Guess:   inject_hyperparams keeps hyperparameters in the state, so a restored state decides; or the new code decides.
#          One of the two.
# Outcome: It depends on how the old code wrote it: a number is taken from the restored state (0.1, the new 0.5 is
#          ignored), a schedule from the new code (0.5). Replacing a constant by a constant schedule changes which of
#          the two wins after a resume, silently.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 optax==0.2.8
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import optax

def resumed(old, new):
    gradient = {"w": jnp.array(1.0)}
    state = optax.inject_hyperparams(optax.sgd)(learning_rate=old).init(gradient)
    updates, _ = optax.inject_hyperparams(optax.sgd)(learning_rate=new).update(gradient, state)
    return round(-float(updates["w"]), 6)

number, schedule = resumed(0.1, 0.5), resumed(lambda step: 0.1, lambda step: 0.5)
print(f"optax {optax.__version__}: restored 0.1, code 0.5: a number gives {number}, a schedule {schedule}")
assert (number, schedule) == (0.1, 0.5)
PYTHON
