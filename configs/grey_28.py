"""Grey images of 28 px from an .npz file, such as Fashion-MNIST or hand-drawn sketches.

The file holds images `[N, 28, 28]` uint8 and a class per image. 28 px can be halved twice, so both networks have two
stages.

Command:
    python experiments/train.py --config=configs/grey_28.py --config.data.path=FILE.npz --workdir=runs/grey_28

Expected time: about half an hour on two cores, without an accelerator.

Expected result: distinguishable classes on the sheet; the page of the run has the figures.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="grey_28",
            data=config_lib.DataConfig(source="npz", size=28, channels=1, augment="translation"),
            generator=config_lib.GeneratorConfig(widths=(64, 48)),
            discriminator=config_lib.DiscriminatorConfig(widths=(48, 64)),
            inspector=config_lib.InspectorConfig(widths=(64, 96), steps=4000),
            train=config_lib.TrainConfig(steps=10_000, batch=32),
        )
    )
