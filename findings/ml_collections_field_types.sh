#!/usr/bin/env bash
# ml_collections 1.1.0: which values a ConfigDict field of a known type takes.
#
# Guess:   An int field takes ints, a float field any real number, and a tuple field tuples of the same types.
# Outcome: An int field takes True and keeps it as a bool, and refuses np.int64(4) and 2.0; a float field turns True
#          into 1.0 and refuses np.float32(2); every field takes None; a tuple of ints takes a string inside. So
#          n_steps=True passes, and a value out of a NumPy sweep does not.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ml_collections==1.1.0 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import ml_collections
import numpy as np

def taken(name, value):
    config = ml_collections.ConfigDict({"n": 3, "x": 1.0, "t": (1, 2)})
    try:
        setattr(config, name, value)
    except TypeError:
        return "refused"
    return repr(getattr(config, name))

seen = {f"{name}={value!r}": taken(name, value) for name, value in [
    ("n", True), ("n", np.int64(4)), ("n", 2.0), ("n", None),
    ("x", True), ("x", np.float32(2)), ("x", np.float64(2)), ("t", (1, "a")),
]}
print(f"ml_collections 1.1.0: {seen}")
assert list(seen.values()) == ["True", "refused", "refused", "None", "1.0", "refused", "np.float64(2.0)", "(1, 'a')"]
PYTHON
