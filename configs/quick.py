"""The demo: four products at 32 px from the procedural set, on two cores.

Command:
    python experiments/train.py --config=configs/quick.py --workdir=runs/quick

Expected time: 4 to 9 minutes on two cores, without an accelerator.

Expected result: (as measured, docs/results/train) a sheet with four distinguishable products and coarse ornaments;
product accuracy 0.99 and a mean axis error of 0.23 on the 7-level scale.

Variant `:tiny` runs every step, with networks too small to learn anything; nearly all of its time, one to four
minutes the first time, is compilation.
"""

from typing import Any

from ich_jax import config as config_lib

TINY = config_lib.Config(
    name="quick:tiny",
    generator=config_lib.GeneratorConfig(z_dim=4, mapping=8, widths=(8, 8, 8)),
    discriminator=config_lib.DiscriminatorConfig(widths=(8, 8, 8)),
    train=config_lib.TrainConfig(steps=6, batch=4, warmup=2),
    evaluation=config_lib.EvalConfig(
        n_designs=16, n_validation=8, n_images=16, feature_seeds=2, kid_subset=8, kid_subsets=4, nearest_k=2,
        diversity_briefs=2, diversity_draws=3,
    ),
    loop=config_lib.LoopConfig(log_every=2, validate_every=3, checkpoint_every=3, sample_every=3),
)  # fmt: skip


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, ("", "tiny"), "variant of configs/quick.py")
    if variant == "tiny":
        return config_lib.editable(TINY)
    return config_lib.editable(
        config_lib.Config(
            name="quick",
            train=config_lib.TrainConfig(steps=2000, batch=32),
            evaluation=config_lib.EvalConfig(n_designs=500, n_images=1000),
        )
    )
