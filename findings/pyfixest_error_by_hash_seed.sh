#!/usr/bin/env bash
# pyfixest 0.60.0: one formula in several processes.
#
# Guess:   One formula on one table gives one standard error, with and without blanks, in every process.
# Outcome: y~x|a+b, clustered by a, gives .3588 or .3829 by the hash seed that Python draws for each process, 7 % apart;
#          so does y~x|b+a, under other seeds. With blanks around the bar it is .3829 under all six seeds. The seed,
#          which orders sets of strings, is all that differs between the processes.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyfixest==0.60.0
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import os
import subprocess
import sys

CODE = """
import numpy as np, pandas as pd, pyfixest
rng = np.random.default_rng(0)
data = pd.DataFrame({"a": np.repeat(np.arange(8), 30), "b": np.tile(np.arange(30), 8)})
data["x"] = rng.normal(size=240) + rng.normal(size=8)[data.a]
data["y"] = rng.normal(size=240) + rng.normal(size=8)[data.a] * data.x
errors = [pyfixest.feols(f, data, vcov={"CRV1": "a"}).se()["x"] for f in ("y~x|a+b", "y ~ x | a + b", "y~x|b+a")]
print(pyfixest.__version__, *(f"{error:.4f}" for error in errors))
"""

def run(seed):
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()

version, *errors = zip(*(run(seed) for seed in range(6)))
seen = {name: sorted(set(values)) for name, values in zip(("y~x|a+b", "y ~ x | a + b", "y~x|b+a"), errors)}
print(f"pyfixest {version[0]}, hash seeds 0 to 5: {seen}")
assert seen["y ~ x | a + b"] == ["0.3829"] and seen["y~x|a+b"] == seen["y~x|b+a"] == ["0.3588", "0.3829"]
PYTHON
