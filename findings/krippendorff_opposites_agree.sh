#!/usr/bin/env bash
# krippendorff 0.9.0: alpha at the ratio level on a scale through zero.
#
# Guess:   Scores from -3 to 3 are refused at the ratio level or give a value near the interval one; raters who
#          contradict each other agree less than by chance at every level.
# Outcome: Two raters of whom one says -x wherever the other says x have an alpha of 1, perfect agreement: the
#          difference is divided by the sum, and a sum of 0 counts as no difference. On the same scale from 1 to 7 alpha
#          is -.585, and at the interval level it is -.833 on both. No warning.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check krippendorff==0.9.0 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import krippendorff
import numpy as np

scores = np.array([[-3, -2, -1, 1, 2, 3], [3, 2, 1, -1, -2, -3]])

def alpha(level, shift):
    return round(float(krippendorff.alpha((scores + shift).astype(float), level_of_measurement=level)), 3)

seen = {f"{level}, {low} to {low + 6}": alpha(level, low + 3) for level in ("ratio", "interval") for low in (-3, 1)}
print(f"krippendorff {version('krippendorff')}, opposite raters: {seen}")
assert seen == {"ratio, -3 to 3": 1.0, "ratio, 1 to 7": -0.585, "interval, -3 to 3": -0.833, "interval, 1 to 7": -0.833}
PYTHON
