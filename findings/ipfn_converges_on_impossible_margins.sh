#!/usr/bin/env bash
# ipfn 1.4.4: margins that no table has.
#
# Guess:   Raking to margins of different totals, or to a category that no one of the sample belongs to, does not
#          converge, and the flag says so.
# Outcome: Both return the flag of convergence, 1. Margins of 150 and 300 people: the table has the one that was given
#          last, and the first is missed by a factor of two. A target of 10 for a category without a row is left out:
#          the table adds up to 140, and the targets 50, 60, 40 of the other variable become 46.7, 56.0, 37.3. Nothing
#          is said.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ipfn==1.4.4 pandas==3.1.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import pandas as pd
from ipfn.ipfn import ipfn

counts = np.array([[10.0, 20, 30], [40, 10, 20], [5, 5, 10]])
people = pd.DataFrame([(a, b, counts[i, j]) for i, a in enumerate("abc") for j, b in enumerate("xyz")])
people.columns = ["age", "place", "total"]

def margin(name, targets):
    return pd.Series({key: float(value) for key, value in targets.items()}).rename_axis(name)

def rake(*margins):
    variables = [[one.index.name] for one in margins]
    table, flag = ipfn(people.copy(), list(margins), variables, verbose=1).iteration()
    return [table.groupby(name)["total"].sum().round(1).tolist() for name in ("age", "place")], int(flag)

age, place = {"a": 50, "b": 60, "c": 40}, {"x": 70, "y": 40, "z": 40}
totals = rake(margin("age", age), margin("place", {key: 2 * value for key, value in place.items()}))
turned = rake(margin("place", {key: 2 * value for key, value in place.items()}), margin("age", age))
absent = rake(margin("age", age), margin("place", {"x": 70, "y": 40, "z": 30, "w": 10}))
print(f"totals 150, 300: {totals}; turned: {turned}")
print(f"ipfn {version('ipfn')}: a category without rows: {absent}")
assert totals == ([[100.0, 120.0, 80.0], [140.0, 80.0, 80.0]], 1) and turned[0][0] == [50.0, 60.0, 40.0]
assert turned[1] == 1 and absent == ([[46.7, 56.0, 37.3], [70.0, 40.0, 30.0]], 1)
PYTHON
