#!/usr/bin/env bash
# tensorboardX 2.6.5: which pixels arrive in the event file.
#
# Guess:   Floats are clipped to [0, 1], and whole numbers from 0 to 255 are kept whatever their type.
# Outcome: Floats are multiplied by 255 and cut to a byte without clipping: 1.01 arrives as 1 and -.01 as 254, so that
#          the slightest overshoot of a generator turns white into black. Whole numbers of any type but uint8 are
#          multiplied as well: of int32 the pixels 1, 100, 200, 255 arrive as 255, 156, 56, 1. Nothing is said.
#
# Seen on 2026-11-28 with Python 3.11 and 3.12 on a CPU; exits non-zero if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check tensorboardX==2.6.5 numpy==2.4.6 pillow==13.0.0
cd "$work"
JAX_PLATFORMS=cpu PYTHONWARNINGS=ignore "$work/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

import numpy as np
from PIL import Image
from tensorboardX.summary import image

def arrive(*values, kind):
    pixels = np.repeat(np.array(values, kind).reshape(1, -1, 1), 3, axis=2)
    encoded = image("a", pixels, dataformats="HWC").value[0].image.encoded_image_string
    return np.asarray(Image.open(io.BytesIO(encoded)))[0, :, 0].tolist()

floats = arrive(0, 0.5, 1, 1.01, -0.01, kind=np.float32)
bytes_, whole = (arrive(0, 1, 100, 200, 255, kind=kind) for kind in (np.uint8, np.int32))
print(f"0, 1, 100, 200, 255 arrive as {bytes_} from uint8 and as {whole} from int32")
print(f"tensorboardX {version('tensorboardX')}: 0, .5, 1, 1.01, -.01 arrive as {floats}")
assert floats == [0, 127, 255, 1, 254] and bytes_ == [0, 1, 100, 200, 255] and whole == [0, 255, 156, 56, 1]
PYTHON
