#!/usr/bin/env bash
# jax 0.10.2: what a call of a jitted function finds of a program that was lowered and compiled ahead of time.
#
# Guess:   `f.lower(x).compile()` returns a program of its own; the first `f(x)` afterwards compiles a second time, as the
#          objects that the two ways return have nothing to do with each other.
# Outcome: the call compiles nothing. Tracing, lowering and compilation are all found again, also from another thread, so
#          that `lower().compile()` can warm a function up without running it. With other shapes the call compiles.
#
# Seen with jax and jaxlib 0.10.2 (Python 3.11) on a CPU; exits non-zero if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'EOF'
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np

compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **details: compiled.append(event) if event.endswith("backend_compile_duration") else None
)
f = jax.jit(lambda x: jnp.sin(x) @ x.T)
x = np.ones((4, 3), np.float32)

def count(work):
    before = len(compiled)
    work()
    return len(compiled) - before

thread = threading.Thread(target=lambda: f.lower(x).compile())
ahead = count(lambda: (thread.start(), thread.join()))
call = count(lambda: jax.block_until_ready(f(x)))
again = count(lambda: f.lower(x).compile())
other = count(lambda: jax.block_until_ready(f(x[:2])))
print(f"jax {jax.__version__}: compilations ahead of time {ahead}, in the call {call}, ahead again {again}, other shape {other}")
sys.exit((ahead, call, again, other) != (1, 0, 0, 1))
EOF
