#!/usr/bin/env bash
# jax 0.10.2: the keys of seeds beyond 32 bits, as hashes and time stamps give them.
#
# Guess:   A seed that does not fit is refused, or all of its bits count.
# Outcome: Without 64-bit types the upper bits are dropped silently: the seeds 5 and 2**32 + 5 give one key, and so the
#          same run twice. With them the two keys differ, so that a seed means another run in a process that enables
#          them.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import jax

def words(seed):
    return jax.random.key_data(jax.random.key(seed)).tolist()

narrow = words(5), words(2**32 + 5)
with jax.enable_x64(True):
    wide = words(5), words(2**32 + 5)
print(f"jax {jax.__version__}: seeds 5 and 2**32 + 5: {narrow}; with 64-bit types: {wide}")
assert narrow[0] == narrow[1] == [0, 5] and wide == ([0, 5], [1, 5])
PYTHON
