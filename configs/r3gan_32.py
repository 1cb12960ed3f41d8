"""Networks and objective of R3GAN for 32 px, to compare speed with it on an accelerator.

Command:
    python scripts/benchmark.py train --config=configs/r3gan_32.py --set=train.batch=64
    python experiments/train.py --config=configs/r3gan_32.py --workdir=runs/r3gan_32

Expected time: for an accelerator; on a CPU a step of 512 images takes most of an hour.

Expected result: timings. Widths, blocks, groups and penalties are those of the published CIFAR-10 preset; its schedules
of penalty weight and moments are not, and updates are simultaneous. Never trained by us.

References:
    Huang et al., R3GAN, 2024: preset CIFAR10 (768 channels at four resolutions, two blocks each, batch 512).
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="r3gan_32",
            generator=config_lib.GeneratorConfig(
                network="r3gan", z_dim=64, widths=(768,) * 4, blocks=2, activation="leaky_relu"
            ),
            discriminator=config_lib.DiscriminatorConfig(
                network="r3gan", widths=(768,) * 4, blocks=2, activation="leaky_relu"
            ),
            objective=config_lib.ObjectiveConfig(
                loss="relativistic", penalty="r1_r2", penalty_weight=0.05, penalty_share=1.0, reading_d=0.0,
                reading_g=0.0, reconstruction=0.0, condition_dropout=0.0,
            ),
            train=config_lib.TrainConfig(
                images=20_000_000, batch=512, g_lr=2e-4, d_lr=2e-4, beta1=0.0, beta2=0.99, warmup=0, final_lr=0.25,
                clip=0.0,
            ),
        )
    )  # fmt: skip
