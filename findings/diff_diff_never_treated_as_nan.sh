#!/usr/bin/env bash
# diff-diff 3.13.0: units whose start of treatment is empty.
#
# Guess:   An empty cell, pandas' natural way to say never, means never treated in every estimator, as 0 and infinity
#          do, or is refused by every one.
# Outcome: Of 40 units 20 are never treated. With 0 or infinity Callaway and Sant'Anna's effect is 2.27 (against the not
#          yet treated); with NaN those units belong to no group, it is 1.44, and the only warning is of cells that
#          could not be estimated. Their comparison with the never treated refuses NaN; the imputation estimator takes
#          NaN for never (2.21), and for -1, a common code, falls to 1.45 without a word.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  diff-diff==3.13.0 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import diff_diff
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
data = pd.DataFrame([(unit, time) for unit in range(40) for time in range(1, 7)], columns=["unit", "time"])
start = np.where(data.unit < 10, 3.0, np.where(data.unit < 20, 5.0, np.inf))
data["y"] = rng.normal(size=240) * 0.3 + rng.normal(size=40)[data.unit]
data["y"] += np.where(data.time >= start, 2 + data.time - np.minimum(start, 9), 0) - (data.time >= start)

def effect(estimator, never):
    table = data.assign(start=np.where(np.isinf(start), never, start))
    try:
        fit = estimator.fit(table, outcome="y", unit="unit", time="time", first_treat="start")
    except ValueError:
        return "refused"
    return round(float(fit.overall_att), 2)

seen = {}
for never in (0.0, np.inf, np.nan, -1.0):
    not_yet = diff_diff.CallawaySantAnna(control_group="not_yet_treated")
    estimators = (not_yet, diff_diff.CallawaySantAnna(), diff_diff.ImputationDiD())
    seen[str(never)] = [effect(estimator, never) for estimator in estimators]
print(f"diff-diff {diff_diff.__version__}: against not yet, against never, by imputation: {seen}")
assert seen["0.0"] == seen["inf"] == [2.27, 2.28, 2.21]
assert seen["nan"] == [1.44, "refused", 2.21] and seen["-1.0"] == [1.44, "refused", 1.45]
PYTHON
