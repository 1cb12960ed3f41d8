"""The whole paper: every experiment of the package, and one page that goes through the paper section by section.

Command:
    python experiments/reproduce_paper.py --config=configs/reproduce_paper.py --workdir=runs/reproduce_paper --jobs=2

Expected time: a night on two cores, or `--submit=slurm` on a cluster; each stage takes what its own config says. Given
again, finished stages are kept and the others resume.

Expected result: of the 30 claims of the paper 9 hold, 1 fails on its own table, 4 contradict one another, 1 equation is
wrong, 8 cannot be tested without unpublished data, 4 rest on no data, 1 is a wrong term and 2 are remarks; beside them
what the experiments show, on SIMULATED data.

Variants:
    :quick   every stage small, in about half an hour on two cores; sweep and design take the shipped generator.
    :tiny    the claims and the cheapest stage only, to run every step; the other stages are shown as left out.
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "quick", "tiny")


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, VARIANTS, "variant of configs/reproduce_paper.py")
    if variant == "quick":
        config = config_lib.ReproduceConfig(name="reproduce_paper:quick", size="quick")
    elif variant == "tiny":
        config = config_lib.ReproduceConfig(name="reproduce_paper:tiny", size="tiny", stages=("kansei",))
    else:
        config = config_lib.ReproduceConfig(name="reproduce_paper")
    return config_lib.editable(config)
