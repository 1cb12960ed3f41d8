#!/usr/bin/env bash
# xlogit 0.2.7: the rows of each choice in another order.
#
# Guess:   Constants belong to the alternatives by name, whatever the order in which the rows of a choice stand.
# Outcome: Names are sorted, values are taken by position. Against low, high has a constant of .94 and mid one of .61 if
#          the rows of each choice are in the order high, low, mid; in the order low, mid, high the same choices give
#          -.61 and .34, which are low and high against mid under the names of high and mid against low. The likelihood
#          and the coefficient of x are equal. No warning; rows that differ in order between choices are refused.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check xlogit==0.2.7 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from xlogit import MultinomialLogit

rng = np.random.default_rng(0)
names = np.array(["high", "low", "mid"])  # utility 1, 0 and .5
x = rng.normal(size=(400, 3))
chosen = names[(x + [1.0, 0.0, 0.5] + rng.gumbel(size=(400, 3))).argmax(axis=1)]

def constants(order):
    columns = [list(names).index(name) for name in order]
    model = MultinomialLogit()
    model.fit(
        X=x[:, columns].reshape(-1, 1),
        y=np.repeat(chosen, 3),
        varnames=["x"],
        alts=np.tile(names[columns], 400),
        ids=np.repeat(np.arange(400), 3),
        fit_intercept=True,
        base_alt="low",
        verbose=0,
    )
    return {str(name): round(float(value), 2) for name, value in zip(model.coeff_names, model.coeff_)}

seen = {", ".join(order): constants(order) for order in (("high", "low", "mid"), ("low", "mid", "high"))}
print(f"xlogit {version('xlogit')}: {seen}")
by_name, by_position = ([values[key] for key in ("_intercept.high", "_intercept.mid", "x")] for values in seen.values())
assert np.allclose(by_name, [0.94, 0.61, 0.94], atol=0.02)
assert np.allclose(by_position, [-0.61, 0.34, 0.94], atol=0.02)
PYTHON
