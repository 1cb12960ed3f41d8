#!/usr/bin/env bash
# optax 0.2.8: what one large, finite gradient does to Adam.
#
# Guess:   A gradient of 1e20 in one step out of thousands costs that step; its square fades out of the second moment
#          within some thousand steps. apply_if_finite covers what is not finite.
# Outcome: The square overflows in float32, the second moment is infinite from then on, and every later step is 0: a
#          parameter whose gradients are 1 otherwise stands at -.01 after 10 steps and still after 3,000. Adam, AMSGrad
#          and RMSprop agree. apply_if_finite lets it pass and counts no error, since it looks at the gradient and the
#          step, which are finite. Lion and a clip of the global norm ahead of Adam go on to -3.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 optax==0.2.8
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import optax

def descend(tx):
    @jax.jit
    def step(i, carry):
        x, state = carry
        updates, state = tx.update(jnp.where(i == 10, 1e20, 1.0) * jnp.ones(1), state, x)
        return optax.apply_updates(x, updates), state

    carry, at = (jnp.zeros(1), tx.init(jnp.zeros(1))), []
    for i in range(3000):
        carry = step(i, carry)
        at += [round(float(carry[0][0]), 2)] if i in (9, 2999) else []
    return at, carry[1]

seen = {
    "adam": optax.adam(1e-3),
    "apply_if_finite(adam)": optax.apply_if_finite(optax.adam(1e-3), 5),
    "amsgrad": optax.amsgrad(1e-3),
    "rmsprop": optax.rmsprop(1e-3),
    "lion": optax.lion(1e-3),
    "clip, adam": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3)),
}
states = {name: descend(tx) for name, tx in seen.items()}
at = {name: state[0] for name, state in states.items()}
skipped = int(states["apply_if_finite(adam)"][1].total_notfinite)
print(f"optax {optax.__version__}: after 10 and 3,000 steps {at}; errors that apply_if_finite counted: {skipped}")
assert skipped == 0
assert all(a == b for a, b in (at[name] for name in ("adam", "apply_if_finite(adam)", "amsgrad", "rmsprop")))
assert at["lion"][1] < -2.9 and at["clip, adam"][1] < -2.9
PYTHON
