#!/usr/bin/env bash
# semopy 2.3.11: one factor model of answers on another scale.
#
# Guess:   Multiplying all answers by 100 changes neither chi-squared nor the fit measures; an optimiser that does not
#          get there says so.
# Outcome: chi-squared of six words with one factor and 9 degrees of freedom is 6.8, 6.9 and 844 for answers times 1, 10
#          and 100, and RMSEA 0, 0 and .557. Each time the optimiser reports success. Percentages instead of shares are
#          enough to refute a model that fits.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  semopy==2.3.11 scikit-learn==1.9.1 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pandas as pd
import semopy

rng = np.random.default_rng(0)
factor = rng.normal(size=(300, 1))
answers = factor * [0.8, 0.7, 0.6, 0.5, 0.7, 0.6] + rng.normal(size=(300, 6))
words = pd.DataFrame(answers, columns=list("abcdef"))

def fit(scale):
    model = semopy.Model("factor =~ a + b + c + d + e + f")
    result = model.fit(words * scale)
    measures = semopy.calc_stats(model).iloc[0]
    return round(float(measures["chi2"]), 1), round(float(measures["RMSEA"]), 3), bool(result.success)

seen = {scale: fit(scale) for scale in (1, 10, 100)}
print(f"semopy {version('semopy')}: chi-squared, RMSEA and success by scale {seen}")
assert all(success for *_, success in seen.values())
assert seen[1][0] < 15 and seen[1][1] < 0.05 and seen[100][0] > 300 and seen[100][1] > 0.3
PYTHON
