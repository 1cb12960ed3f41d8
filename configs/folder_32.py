"""Your own images at 32 px, in the small-set setting: a few hundred pictures and more, strongly augmented.

Images are arranged as `root/<class>/*.png|jpg|webp`, optionally with `root/metadata.csv` (a `file_name` column and one
column per element or axis). Without axis columns, width, height and mass are measured from the pictures.

Command:
    python experiments/train.py --config=configs/folder_32.py --config.data.path=PATH --workdir=runs/folder_32

    Columns of metadata.csv become design elements by name, for example --config.data.elements=kind,style.

Expected time: about 20 minutes on two cores, without an accelerator.

Variant `:baseline` trains a DCGAN-sized plain network on the same images, to compare KID with.

Expected result: distinguishable classes and no collapse; quality is limited by the number of pictures. The
page compares generated images with the nearest training images.
"""

from typing import Any

from ich_jax import config as config_lib

# A network of the size of a DCGAN at 32 px with half its widths (Radford et al., 2016), trained as a DCGAN is: plain
# blocks, non-saturating loss, Adam(2e-4, 0.5), no penalty, no augmentation, no reading of the brief. It has no batch
# normalisation, which would tie the pictures of a batch together.
BASELINE = config_lib.Config(
    name="folder_32:baseline",
    data=config_lib.DataConfig(source="folder", size=32),
    generator=config_lib.GeneratorConfig(arm="plain", widths=(128, 64, 32), activation="relu"),
    discriminator=config_lib.DiscriminatorConfig(arm="plain", widths=(32, 64, 128), activation="leaky_relu"),
    objective=config_lib.ObjectiveConfig(
        loss="non_saturating", penalty="none", reading_d=0.0, reading_g=0.0, reconstruction=0.0
    ),
    train=config_lib.TrainConfig(steps=5000, batch=32, g_lr=2e-4, d_lr=2e-4, ema=0.999),
    inspector=config_lib.InspectorConfig(widths=(32, 48, 64), blocks=1, steps=1500, batch=32),
)


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, ("", "baseline"), "variant of configs/folder_32.py")
    if variant == "baseline":
        return config_lib.editable(BASELINE)
    return config_lib.editable(
        config_lib.Config(
            name="folder_32",
            data=config_lib.DataConfig(source="folder", size=32, augment="flip,color,translation,cutout"),
            # Among a few hundred pictures, the noise could identify each one with its product: so its information stays
            # costly.
            objective=config_lib.ObjectiveConfig(noise_kl_final=1.0, noise_mismatch=0.0),
            train=config_lib.TrainConfig(steps=5000, batch=32, g_lr=1e-3, d_lr=1e-3, ema=0.999),
            inspector=config_lib.InspectorConfig(widths=(32, 48, 64), blocks=1, steps=1500, batch=32),
        )
    )
