"""SNGAN's residual networks without normalisation at 32 px, to time training steps and compare them with PyTorch.

128 channels in the generator and 64 in the discriminator at every resolution, hinge loss, Adam.

Command:
    python scripts/benchmark.py train --config=configs/benchmark_32.py
    python experiments/train.py --config=configs/benchmark_32.py --workdir=runs/benchmark_32

Expected time: two minutes for the benchmark on two cores; 400 ms a step to train it there.

Expected result: time of a step, images a second, share of the machine's peak. The network is for timing; its objective
does not reward following the brief, so trained figures are poor.
"""

from typing import Any

from ich_jax import config as config_lib


def get_config() -> Any:
    return config_lib.editable(
        config_lib.Config(
            name="benchmark_32",
            generator=config_lib.GeneratorConfig(network="sngan", z_dim=128, widths=(128,) * 4, activation="relu"),
            discriminator=config_lib.DiscriminatorConfig(
                network="sngan", widths=(64,) * 2, blocks=2, activation="relu"
            ),
            objective=config_lib.ObjectiveConfig(
                loss="hinge", penalty="none", reading_d=0.0, reading_g=0.0, reconstruction=0.0, condition_dropout=0.0
            ),
            train=config_lib.TrainConfig(steps=1000, batch=32, g_lr=2e-4, d_lr=2e-4, beta1=0.0, beta2=0.9, clip=0.0),
        )
    )
