"""Four products at 32 px from the procedural set, trained until designs follow briefs closely.

Command:
    python experiments/train.py --config=configs/procedural_32.py --workdir=runs/procedural_32

Expected time: half an hour on two free cores, an hour on one, without an accelerator.

Expected result: (as measured, docs/results/train) product accuracy 0.999, every element at 0.98 or above, P95 of the
error of each axis below 0.2, 3 of 1,000 briefs with any axis off by more than 0.5, diversity at a fixed brief 0.93 of
the real one.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="procedural_32",
            objective=config_lib.ObjectiveConfig(condition_dropout=0.05),
            train=config_lib.TrainConfig(steps=12_000, batch=32, ema=0.999),
        )
    )
