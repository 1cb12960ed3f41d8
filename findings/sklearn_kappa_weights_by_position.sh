#!/usr/bin/env bash
# scikit-learn 1.9.1: what the weights of a weighted kappa are distances of.
#
# Guess:   Linear and quadratic weights of cohen_kappa_score are distances of the scores themselves: from 2 to 7 is 5
#          points, whichever other scores occur.
# Outcome: They are distances of positions among the scores that occur. Twelve works scored 1, 2 and 7 on a scale of
#          seven by two raters have a quadratic kappa of .857; with labels=range(1, 8) it is .648, because from 2 to 7
#          is then five steps instead of one. One more work scored 4 by both would move it. Words are sorted by the
#          alphabet: of low, mid, high the linear kappa is .640, of the same answers as 0, 1, 2 it is .727.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import sklearn
from sklearn.metrics import cohen_kappa_score

a = [1, 1, 1, 1, 2, 2, 2, 2, 7, 7, 7, 7]
b = [1, 1, 1, 1, 2, 2, 2, 2, 7, 7, 2, 2]
first = ["low"] * 3 + ["mid"] * 3 + ["high"] * 3
second = ["low"] * 2 + ["mid"] * 4 + ["high"] * 2 + ["mid"]
rank = ["low", "mid", "high"].index

def kappa(x, y, weights, **settings):
    return round(float(cohen_kappa_score(x, y, weights=weights, **settings)), 3)

seen = {
    "scores": kappa(a, b, "quadratic"),
    "scores of a scale of 7": kappa(a, b, "quadratic", labels=range(1, 8)),
    "two more 4s": kappa([*a, 4], [*b, 4], "quadratic"),
    "words": kappa(first, second, "linear"),
    "their ranks": kappa([rank(word) for word in first], [rank(word) for word in second], "linear"),
}
print(f"scikit-learn {sklearn.__version__}: {seen}")
assert seen["scores"] == 0.857 and seen["scores of a scale of 7"] == 0.648 and seen["two more 4s"] < 0.85
assert seen["words"] == 0.64 and seen["their ranks"] == 0.727
PYTHON
