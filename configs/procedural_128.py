"""Four products at 128 px from the procedural set: one more stage than `procedural_64`.

Command:
    python experiments/train.py --config=configs/procedural_128.py --workdir=runs/procedural_128

Expected time: made for an accelerator; days on two cores. `python scripts/benchmark.py accelerator` trains it for the
available minutes, stores a sheet and resumes another time.

Expected result: not measured yet; designs should follow briefs as at 64 px, with finer edges and ornaments.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="procedural_128",
            data=config_lib.DataConfig(size=128),
            generator=config_lib.GeneratorConfig(widths=(128, 96, 64, 48, 32)),
            discriminator=config_lib.DiscriminatorConfig(widths=(32, 48, 64, 96, 128)),
            train=config_lib.TrainConfig(steps=30_000, batch=32),
        )
    )
