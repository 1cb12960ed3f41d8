#!/usr/bin/env bash
# grain 0.2.18: what two runs with neighbouring seeds have in common.
#
# Guess:   Each seed gives its own sequence of shuffled epochs, so runs with seeds 0, 1 and 2 see their data in
#          unrelated orders, as independent repetitions of an experiment need.
# Outcome: `MapDataset.shuffle(seed=s).repeat()` shuffles epoch e with s + e. Epoch 1 of the run with seed 0 is epoch 0
#          of the run with seed 1, element for element, and so on: three "independent" runs of many epochs see nearly
#          the same orders, shifted by one.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check grain==0.2.18 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import grain

def epochs(seed, n=50, of=3):
    data = grain.MapDataset.range(n).shuffle(seed=seed).repeat(of)
    return [[int(data[e * n + i]) for i in range(n)] for e in range(of)]

zero, one, two = epochs(0), epochs(1), epochs(2)
shifted = zero[1] == one[0] and zero[2] == one[1] == two[0]
print(f"grain {grain.__version__}: epoch 1 of seed 0 is epoch 0 of seed 1, and so on: {shifted}")
assert shifted and zero[0] != one[0]
PYTHON
