#!/usr/bin/env bash
# factor_analyzer 0.5.1: communalities after the default rotation.
#
# Guess:   A rotation, oblique ones included, moves loadings and leaves communalities and uniquenesses as they were, so
#          that they may be read off the default fit.
# Outcome: After promax, the default, and oblimin get_communalities() adds up squared loadings as if the factors were
#          not correlated: .489 instead of .533 for the fourth of eight words, and a uniqueness of .511. The same fit
#          without rotation or with varimax has .533, and so have the rotated loadings once the correlation of the
#          factors, .56, is used. Shares of explained variance inherit this. (Needs scikit-learn before 1.8; with later
#          ones every fit raises a TypeError.)
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  factor_analyzer==0.5.1 scikit-learn==1.7.2 pandas==2.3.3 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from factor_analyzer import FactorAnalyzer

rng = np.random.default_rng(0)
factors = rng.normal(size=(400, 2)) @ [[1.0, 0.6], [0.0, 0.8]]
pattern = np.array([[0.8, 0.8, 0.7, 0.7, 0, 0, 0, 0], [0, 0, 0, 0, 0.8, 0.7, 0.7, 0.6]])
words = factors @ pattern + 0.6 * rng.normal(size=(400, 8))

seen, true = {}, {}
for rotation in (None, "varimax", "promax", "oblimin"):
    fit = FactorAnalyzer(2, rotation=rotation).fit(words)
    between = np.eye(2) if getattr(fit, "phi_", None) is None else fit.phi_
    seen[rotation] = round(float(fit.get_communalities()[3]), 3)
    true[rotation] = round(float((fit.loadings_ @ between @ fit.loadings_.T)[3, 3]), 3)
default = FactorAnalyzer().rotation
print(f"factor_analyzer {version('factor_analyzer')}, default {default}: communality {seen}, with correlations {true}")
assert default == "promax" and set(true.values()) == {seen[None]} == {seen["varimax"]}
assert min(seen[None] - seen["promax"], seen[None] - seen["oblimin"]) > 0.03
PYTHON
