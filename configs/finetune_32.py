"""A trained generator fine-tuned to your own few dozen pictures at 32 px ("targeted model training", section 2.3.2).

Images lie as for configs/folder_32.py. Start from the generator that ships with the package, or from any run of the
same size and widths:

Command:
    python experiments/train.py --config=configs/finetune_32.py --config.data.path=PATH --init_from=shipped \
        --workdir=runs/finetune_32

    --init_from=RUN takes a run of your own. What belongs to a name that both know (a product, a category, an axis)
    keeps its weights, new names start fresh; the log says which. The first stage of the discriminator stays as it was
    (train.freeze_d), and pictures are augmented.

Expected time: about 7 minutes on two cores, without an accelerator.

Expected result: closer to held-out pictures than the same steps from scratch. The page compares generated
images with the nearest training images: with so few of them look there first.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="finetune_32",
            data=config_lib.DataConfig(
                source="folder", size=32, holdout_share=0.35, augment="flip,color,translation,cutout"
            ),
            # As configs/folder_32.py: of few pictures the noise could say which one is meant.
            objective=config_lib.ObjectiveConfig(noise_kl_final=1.0, noise_mismatch=0.0),
            train=config_lib.TrainConfig(steps=1600, batch=32, g_lr=5e-4, d_lr=5e-4, warmup=50, ema=0.99, freeze_d=1),
            inspector=config_lib.InspectorConfig(widths=(32, 48, 64), blocks=1, steps=1000, batch=32),
        )
    )
