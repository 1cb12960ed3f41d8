#!/usr/bin/env bash
# statsmodels 0.15.0: a logit of True and False by two of its classes.
#
# Guess:   A formula with a column of booleans models the chance of True in GLM with a binomial family as in Logit; with
#          the words yes and no it is the chance of yes, or refused.
# Outcome: Logit refuses both columns. GLM takes them and models the chance of False, and of no: the slope is -1.664
#          where that of the same column as 0 and 1 is +1.664. The two columns into which the formula turns the outcome
#          are read as numbers of successes and failures, and False comes first. No warning; the summary has
#          ['liked[False]', 'liked[True]'] for the dependent variable.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  statsmodels==0.15.0 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import pandas as pd
import statsmodels
import statsmodels.api as sm
import statsmodels.formula.api as smf

rng = np.random.default_rng(0)
data = pd.DataFrame({"x": rng.normal(size=200)})
data["liked"] = data.x + rng.normal(size=200) > 0
data["number"] = data.liked.astype(int)
data["word"] = np.where(data.liked, "yes", "no")

def slope(fit):
    try:
        return round(float(fit().params["x"]), 3)
    except ValueError:
        return "refused"

seen = {}
for name in ("number", "liked", "word"):
    glm = smf.glm(f"{name} ~ x", data, family=sm.families.Binomial())
    seen[name] = [slope(lambda: smf.logit(f"{name} ~ x", data).fit(disp=0)), slope(glm.fit)]
print(f"statsmodels {statsmodels.__version__}, slopes of Logit and GLM: {seen}")
up = seen["number"][0]
assert up > 1 and seen == {"number": [up, up], "liked": ["refused", -up], "word": ["refused", -up]}
PYTHON
