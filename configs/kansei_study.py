"""What people want and how they judge it: the paper's questionnaire counts, Table 1 and Table 2, analysed again.

Command:
    python experiments/kansei_study.py --config=configs/kansei_study.py --workdir=runs/kansei_study

Expected time: under a minute on two cores, without an accelerator.

Expected result: the experimental works score higher (21.5 against 17.3; exact permutation p 354/184,756 = .0019);
Table 1 supports one dimension, not three; of the 270 differences between two samples on a word 113 are significant
whatever the unpublished standard deviations are.
Tables 1 and 2 are the paper's. Its questionnaires are not published: those of this config are SIMULATED so that their
counts are the paper's, and their importances are made up beyond the order of the first three.

Variants:
    :loop_tiny  the same with few designs and raters.
    :tiny  the same with as few draws as are allowed.
    :loop  once round: designs to random briefs, SIMULATED raters whose true part-worths are known, what they want, and
           designs to that; --checkpoint=RUN names the generator, the shipped one by default. A few minutes.
    :csv   your own files: --config.data.path=FOLDER; --write_templates=FOLDER writes examples and a data dictionary.
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "tiny", "csv", "loop", "loop_tiny")


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, VARIANTS, "variant of configs/kansei_study.py")
    if variant == "csv":
        config = config_lib.KanseiConfig(
            name="kansei_study:csv", data=config_lib.KanseiDataConfig(source="csv", path="answers")
        )
    elif variant == "tiny":
        config = config_lib.KanseiConfig(
            name="kansei_study:tiny",
            analysis=config_lib.KanseiAnalysisConfig(n_resamples=199, n_parallel=100),
        )
    elif variant == "loop":
        config = config_lib.KanseiConfig(name="kansei_study:loop", data=config_lib.KanseiDataConfig(source="loop"))
    elif variant == "loop_tiny":
        config = config_lib.KanseiConfig(
            name="kansei_study:loop_tiny",
            data=config_lib.KanseiDataConfig(source="loop"),
            analysis=config_lib.KanseiAnalysisConfig(n_resamples=199, n_parallel=100, n_briefs=2),
            loop=config_lib.KanseiLoopConfig(designs=32, candidates=8, deliver=4, raters=6),
        )
    else:
        config = config_lib.KanseiConfig(name="kansei_study")
    return config_lib.editable(config)
