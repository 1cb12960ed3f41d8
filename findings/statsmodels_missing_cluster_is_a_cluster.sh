#!/usr/bin/env bash
# statsmodels 0.15.0, linearmodels 7.1: standard errors clustered by a column with gaps.
#
# Guess:   Rows whose cluster is missing are left out, as rows with gaps in the formula are, and the number of rows says
#          so; else they are refused.
# Outcome: statsmodels takes all 14 rows without a cluster for one more cluster: .1607 with 96 rows, where the 82 rows
#          with a cluster give .1858 and the whole column .1794. Nothing is said, and the summary names 96 observations.
#          linearmodels refuses.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  statsmodels==0.15.0 linearmodels==7.1 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import linearmodels
import numpy as np
import pandas as pd
import statsmodels
import statsmodels.formula.api as smf
from linearmodels.iv import IV2SLS

rng = np.random.default_rng(0)
data = pd.DataFrame({"g": np.repeat(np.arange(8.0), 12)})
for name in ("x", "y"):
    data[name] = rng.normal(size=96) + rng.normal(size=8)[data.g.astype(int)]
gaps = data.assign(g=data.g.where(data.index % 7 > 0))

def error(table, groups):
    fit = smf.ols("y ~ x", table).fit(cov_type="cluster", cov_kwds={"groups": groups})
    return round(float(fit.bse["x"]), 4), int(fit.nobs)

seen = {
    "no gaps": error(data, data.g),
    "14 gaps": error(gaps, gaps.g),
    "14 gaps named -1": error(gaps, gaps.g.fillna(-1)),
    "82 rows": error(gaps.dropna(), gaps.dropna().g),
}
try:
    IV2SLS.from_formula("y ~ 1 + x", gaps).fit(cov_type="clustered", clusters=gaps.g)
    other = "takes them"
except ValueError as problem:
    other = str(problem)
print(f"statsmodels {statsmodels.__version__}: {seen}; linearmodels {linearmodels.__version__}: {other}")
assert seen["14 gaps"] == seen["14 gaps named -1"] == (0.1607, 96) and seen["82 rows"] == (0.1858, 82)
assert "missing" in other
PYTHON
