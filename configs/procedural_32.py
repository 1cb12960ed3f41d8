"""Four products at 32 px from the procedural set, trained until briefs are followed closely.

Command:
    python experiments/train.py --config=configs/procedural_32.py --workdir=runs/procedural_32

Expected time: at most one hour on two cores, without an accelerator.

Expected result: product accuracy 0.995 or more, every element 0.98 or more, P95 of the error of each axis 0.35 or less,
at most 1 % of the briefs with any axis off by more than 0.5.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="procedural_32",
            generator=config_lib.GeneratorConfig(widths=(96, 64, 32)),
            discriminator=config_lib.DiscriminatorConfig(widths=(32, 64, 96)),
            objective=config_lib.ObjectiveConfig(condition_dropout=0.05),
            train=config_lib.TrainConfig(steps=15_000, batch=32, ema=0.999),
        )
    )
