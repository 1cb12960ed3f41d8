r"""Briefs with sketches at 32 px: the generator draws what the keywords say along the lines of a sketch.

Command:
    python experiments/train.py --config=configs/sketch_32.py --workdir=runs/sketch_32

Expected time: three quarters of an hour on two free cores, without an accelerator.

Expected result: with a sketch, edges of a design lie on its lines nearly as those of real images do, well above
designs of the same keywords without it; axis errors are no larger than without sketches (docs/results/design/sketch).

Variants:
    :folder  your own pictures, each with line art of the same thing (column sketch_file_name of metadata.csv, paths
             relative to the folder; empty cells are allowed). The folders that hold sketches are no classes, and
             classes may lie in a folder `images`:
                 python experiments/train.py --config=configs/sketch_32.py:folder --config.data.path=PATH \
                     --workdir=runs/my_sketches
             Pictures without line art: --config.data.sketches=derived has lines found in each.
    :tiny    the whole road, with networks too small to learn anything.
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "folder", "tiny")

TINY = config_lib.Config(
    name="sketch_32:tiny",
    data=config_lib.DataConfig(sketches="given"),
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
    config_lib.errors.require(variant, VARIANTS, "variant of configs/sketch_32.py")
    if variant == "tiny":
        return config_lib.editable(TINY)
    if variant == "folder":
        return config_lib.editable(
            config_lib.Config(
                name="sketch_32:folder",
                data=config_lib.DataConfig(
                    source="folder", size=32, sketches="given", augment="flip,color,translation,cutout"
                ),
                # As in folder_32: of few pictures the noise could say which one is meant.
                objective=config_lib.ObjectiveConfig(noise_kl_final=1.0, noise_mismatch=0.0),
                train=config_lib.TrainConfig(steps=5000, batch=32, g_lr=1e-3, d_lr=1e-3, ema=0.999),
                inspector=config_lib.InspectorConfig(widths=(32, 48, 64), blocks=1, steps=1500, batch=32),
            )
        )
    return config_lib.editable(
        config_lib.Config(
            name="sketch_32",
            data=config_lib.DataConfig(sketches="given"),
            train=config_lib.TrainConfig(steps=12_000, batch=32, ema=0.999),
        )
    )
