#!/usr/bin/env bash
# tensorboardX 2.6.5: what importing it does where PyTorch is installed.
#
# Guess:   tensorboardX is chosen where PyTorch is not wanted; it imports it at most when a PyTorch tensor or model is
#          logged.
# Outcome: `import tensorboardX` imports torch at once wherever that is installed, which takes seconds and its threads.
#          Only an ImportError is caught: an installation that raises anything else, such as the OSError of a shared
#          library that is missing, makes tensorboardX impossible to import for a program that never uses PyTorch.
#          Shown with an empty package called torch.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check tensorboardX==2.6.5
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import pathlib
import subprocess
import sys

def imported(torch):
    pathlib.Path("torch.py").write_text(torch)
    code = "import sys, tensorboardX; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

whole = imported("class Tensor: pass")
missing = imported("raise ImportError('not here')")
broken = imported("raise OSError('libcudart.so: cannot open shared object file')")
print(f"tensorboardX 2.6.5: torch imported {whole}; ImportError {missing}; OSError: {broken}")
assert whole == "True" and missing == "False" and broken.startswith("OSError")
PYTHON
