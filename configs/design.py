"""Designs to briefs: the 12 most diverse of those among 256 candidates that meet the brief.

Command:
    python experiments/design.py --config=configs/design.py \
        --brief="product=fan, palette=indigo, width=+1.5" --workdir=runs/design

Expected time: half a minute for the first brief at 32 px on two cores, nearly all of it compilation, then seconds.

Expected result: a sheet of 12 designs, or fewer where fewer candidates meet the brief, each also as a separate file; a
page with the candidates, the reason for each design, and its reading by the inspector.

Variants:
    :quick   64 candidates, the 6 most diverse.
    :folder  for a generator of an image folder, whose axes are measured: the tolerance is 1.
    :sketch  for briefs with --sketch=FILE, by a generator of configs/sketch_32.py: the sketch settles the form, so the
             tolerance of the axes is 1.
    :tiny    every step: 16 candidates, of which up to 4 are delivered, any axis being good enough, by a generator
             that configs/quick.py:tiny has made (--checkpoint=runs/tiny). Its page means nothing.
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "quick", "folder", "sketch", "tiny")


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, VARIANTS, "variant of configs/design.py")
    if variant == "quick":
        config = config_lib.DesignConfig(name="design:quick", candidates=64, deliver=6)
    elif variant == "folder":
        config = config_lib.DesignConfig(name="design:folder", tolerance=1.0)
    elif variant == "sketch":
        config = config_lib.DesignConfig(name="design:sketch", tolerance=1.0)
    elif variant == "tiny":
        config = config_lib.DesignConfig(
            name="design:tiny", candidates=16, deliver=4, tolerance=6.0, columns=3, batch=8
        )
    else:
        config = config_lib.DesignConfig(name="design")
    return config_lib.editable(config)
