"""Four products at 64 px from the procedural set: one more stage than `procedural_32`.

Command:
    python experiments/train.py --config=configs/procedural_64.py --workdir=runs/procedural_64

Expected time: some hours on two cores; minutes on an accelerator.

Expected result: designs follow briefs as at 32 px, with sharper ornaments and edges; see docs/results/train.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="procedural_64",
            data=config_lib.DataConfig(size=64),
            generator=config_lib.GeneratorConfig(widths=(96, 64, 48, 32)),
            discriminator=config_lib.DiscriminatorConfig(widths=(32, 48, 64, 96)),
            train=config_lib.TrainConfig(steps=20_000, batch=32),
        )
    )
