"""Your own images at 64 px, in the small-set setting; see `folder_32` for the layout of the folder.

Command:
    python experiments/train.py --config=configs/folder_64.py --config.data.path=PATH --workdir=runs/folder_64

Expected time: a few hours on two cores; minutes on an accelerator.

Expected result: as `folder_32`, with finer lines.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="folder_64",
            data=config_lib.DataConfig(source="folder", size=64, augment="flip,color,translation,cutout"),
            objective=config_lib.ObjectiveConfig(noise_kl_final=1.0, noise_mismatch=0.0),  # as in folder_32
            generator=config_lib.GeneratorConfig(widths=(96, 64, 48, 32)),
            discriminator=config_lib.DiscriminatorConfig(widths=(32, 48, 64, 96)),
            train=config_lib.TrainConfig(steps=8000, batch=32, g_lr=1e-3, d_lr=1e-3, ema=0.999),
            inspector=config_lib.InspectorConfig(widths=(32, 48, 64), blocks=1, steps=1500, batch=32),
        )
    )
