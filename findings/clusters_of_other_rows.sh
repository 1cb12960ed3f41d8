#!/usr/bin/env bash
# statsmodels 0.15.0, linearmodels 7.1: clusters in a column whose rows stand in another order.
#
# Guess:   A pandas column is aligned with the data by its index, as pandas does in every sum, or refused; all models of
#          one package agree on that.
# Outcome: statsmodels and linearmodels' IV2SLS take it by position: the errors become .1053 instead of .1794 and .0979
#          instead of .1670 after the column was shuffled together with its index. linearmodels' PanelOLS refuses the
#          same column ("rows are paired by position").
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
from linearmodels import PanelOLS
from linearmodels.iv import IV2SLS

rng = np.random.default_rng(0)
data = pd.DataFrame({"g": np.repeat(np.arange(8), 12), "t": np.tile(np.arange(12), 8)})
for name in ("x", "y"):
    data[name] = rng.normal(size=96) + rng.normal(size=8)[data.g]
panel = data.set_index(["g", "t"], drop=False)

def statsmodels_ols(clusters):
    return smf.ols("y ~ x", data).fit(cov_type="cluster", cov_kwds={"groups": clusters}).bse["x"]

def linearmodels_iv(clusters):
    return IV2SLS.from_formula("y ~ 1 + x", data).fit(cov_type="clustered", clusters=clusters).std_errors["x"]

def linearmodels_panel(clusters):
    return PanelOLS.from_formula("y ~ 1 + x", panel).fit(cov_type="clustered", clusters=clusters).std_errors["x"]

def error(model, clusters):
    try:
        return round(float(model(clusters)), 4)
    except ValueError:
        return "refused"

seen = {}
for model, table in ((statsmodels_ols, data), (linearmodels_iv, data), (linearmodels_panel, panel)):
    orders = table[["g"]].rename_axis([None] * table.index.nlevels), table[["g"]].sample(frac=1, random_state=1)
    columns = [order if model is linearmodels_panel else order["g"] for order in orders]
    seen[model.__name__] = [error(model, column) for column in columns]
print(f"statsmodels {statsmodels.__version__}, linearmodels {linearmodels.__version__}, ordered and shuffled: {seen}")
assert seen["linearmodels_panel"][1] == "refused" and isinstance(seen["linearmodels_panel"][0], float)
assert seen["statsmodels_ols"] == [0.1794, 0.1053] and seen["linearmodels_iv"] == [0.167, 0.0979]
PYTHON
