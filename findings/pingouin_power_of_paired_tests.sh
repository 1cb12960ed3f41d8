#!/usr/bin/env bash
# pingouin 0.7.0: the effect size and the power beside a paired t-test.
#
# Guess:   Both belong to the test in whose row they stand: cohen_d is that of the differences, t / sqrt(n), and the
#          power is the chance of a paired test at that effect.
# Outcome: cohen_d divides by the spread of the scores and is put into the power of the paired test as if it were that
#          of the differences. Twenty raters whose scores rise by .5 with hardly any variation: t = 10.6, p = 2e-9, and
#          a power of .198 where that of the differences is 1.000. A reader takes a decisive test for an underpowered
#          one. Unequal lengths are compared as independent samples, with a warning only.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  pingouin==0.7.0 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import pingouin

before = np.arange(20.0) % 7
after = before + 0.5 + 0.3 * np.sin(np.arange(20))
row = pingouin.ttest(after, before, paired=True).iloc[0]
d = float(np.mean(after - before) / np.std(after - before, ddof=1))
own = float(pingouin.power_ttest(d=d, n=20, contrast="paired"))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    unequal = pingouin.ttest(after[:-1], before, paired=True).iloc[0]
print(f"19 and 20 scores: p {float(unequal['p_val']):.2f}, {len(caught)} warning")
print(
    f"pingouin {pingouin.__version__}: t {row['T']:.1f}, p {row['p_val']:.0e}, d {row['cohen_d']:.2f}, "
    f"power {row['power']:.3f}; of the differences d {d:.2f}, power {own:.3f}"
)
assert row["p_val"] < 1e-8 and row["power"] < 0.3 and row["cohen_d"] < 0.3
assert d > 2 and own > 0.999 and unequal["p_val"] > 0.4 and len(caught) == 1
PYTHON
