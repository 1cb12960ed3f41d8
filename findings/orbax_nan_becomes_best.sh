#!/usr/bin/env bash
# orbax-checkpoint 0.12.8: which checkpoint is best when one of the metrics is NaN.
#
# Guess:   A NaN ranks last, or is refused; the checkpoint with the least loss stays.
# Outcome: Losses 1.0, NaN, 2.0 with best_mode="min": the best step is said to be 2, the worst of all, and with
#          max_to_keep=2 the checkpoint with loss 1.0 is the one that is deleted. NaN that comes last is best in both
#          modes. Sorting compares with NaN, so the outcome depends on the order of saving. Saving a step a second time
#          with other values returns False without an exception and keeps the first.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 orbax-checkpoint==0.12.8
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import logging
import tempfile

logging.disable(logging.CRITICAL)
import jax.numpy as jnp
import orbax.checkpoint as ocp

def save(losses, mode):
    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=lambda m: m["loss"], best_mode=mode)
    with tempfile.TemporaryDirectory() as folder, ocp.CheckpointManager(folder, options=options) as manager:
        for step, loss in enumerate(losses):
            state = ocp.args.StandardSave({"a": jnp.full(2, float(step))})
            manager.save(step, args=state, metrics={"loss": loss})
            manager.wait_until_finished()
        again = manager.save(2, args=ocp.args.StandardSave({"a": jnp.full(2, 9.0)}), metrics={"loss": 0.0})
        kept = manager.restore(2, args=ocp.args.StandardRestore({"a": jnp.zeros(2)}))["a"].tolist()
        return manager.best_step(), sorted(manager.all_steps()), again, kept

nan = float("nan")
between, last = save([1.0, nan, 2.0], "min"), [save([1.0, 2.0, nan], mode)[0] for mode in ("min", "max")]
print(f"losses 1, NaN, 2, least is best: best step {between[0]}, kept {between[1]}; NaN last, min and max: {last}")
print(f"step 2 saved again: returns {between[2]}, restored {between[3]}")
assert between == (2, [1, 2], False, [2.0, 2.0]) and last == [2, 2]
PYTHON
