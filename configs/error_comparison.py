"""Do residual blocks reduce the error on each axis? The networks of `procedural_32`, with and without shortcuts.

Command:
    python experiments/error_comparison.py --config=configs/error_comparison.py --workdir=runs/error_comparison

Expected time: 8 trials of 500 steps and 6 trainings of 3,000, 75 minutes on two cores as two shards. It can be stopped
and resumed at any point, and `--shard=i/n` divides it among processes and hosts.

Expected result: (as measured, docs/results/error_comparison) no visible difference at one block a stage: mean
errors of 0.14 to 0.15 on every axis in either arm, 6 to 10 of 299 designs of each network beyond 0.5. On a GPU, with
8 times the images, 0.09 to 0.10, and 0 to 2 designs beyond (docs/results/error_comparison/gpu: 6 minutes).

Variants:
    :quick   two seeds, small networks of two blocks a stage, far from trained: about 6 minutes on two cores
    :depth   ten seeds, small networks of 1, 2, 4 and 8 blocks a stage: 40 trials of 100 steps and 80 trainings of 300,
             100 minutes on two cores. Such small networks do not fill two cores: start it twice, with --shard=0/2 and
             --shard=1/2 in one work directory, each bound to a core. The plain arm is behind on every axis from 4 on
    :folder  your own images: --config.data.path=PATH; axes from columns axis_<name>, else measured in the pictures
    :tiny    every step, trials included, with networks of one stage and 6 steps that learn nothing; two minutes on
             two cores the first time, nearly all of it compilation
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "quick", "depth", "folder", "tiny")

# Small networks, for many trainings of several depths; images and judge are those of `procedural_32`.
_SMALL: dict[str, Any] = {
    "generator": config_lib.GeneratorConfig(mapping=64, widths=(24, 16, 16)),
    "discriminator": config_lib.DiscriminatorConfig(widths=(16, 16, 24)),
}


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, VARIANTS, "variant of configs/error_comparison.py")
    if variant == "quick":
        config = config_lib.ErrorComparisonConfig(
            name="error_comparison:quick",
            train=config_lib.TrainConfig(steps=180, batch=16, warmup=50, ema=0.98),
            evaluation=config_lib.EvalConfig(n_designs=299, n_validation=128),
            loop=config_lib.LoopConfig(log_every=20, validate_every=90, checkpoint_every=90, tensorboard=False),
            # Trials have the length of the cells, whose compiled programs they share.
            comparison=config_lib.ComparisonConfig(
                seeds=2,
                depths=(2,),
                residual_gains=(0.1,),
                trial_steps=180,
                learning_rates=(2e-3,),
                best_of=4,
                n_resamples=1999,
            ),
            **_SMALL,
        )
    elif variant == "tiny":
        config = config_lib.ErrorComparisonConfig(
            name="error_comparison:tiny",
            generator=config_lib.GeneratorConfig(z_dim=4, mapping=8, widths=(8,)),
            discriminator=config_lib.DiscriminatorConfig(widths=(8,)),
            # Most of its time is compilation, which this shortens.
            objective=config_lib.ObjectiveConfig(penalty="none", reconstruction=0.0),
            compute=config_lib.ComputeConfig(formulation="direct"),
            train=config_lib.TrainConfig(steps=6, batch=4, warmup=2),
            evaluation=config_lib.EvalConfig(n_designs=16, n_validation=8),
            loop=config_lib.LoopConfig(log_every=2, validate_every=6, checkpoint_every=6, tensorboard=False),
            comparison=config_lib.ComparisonConfig(
                seeds=2,
                residual_gains=(0.1,),
                plain_gains=(1.0,),
                plain_d_gains=(1.0,),
                trial_steps=6,
                learning_rates=(2e-3,),
                best_of=2,
                n_resamples=99,
            ),
        )
    elif variant == "depth":
        config = config_lib.ErrorComparisonConfig(
            name="error_comparison:depth",
            train=config_lib.TrainConfig(steps=300, batch=16, warmup=50, ema=0.98),
            evaluation=config_lib.EvalConfig(n_designs=299, n_validation=128),
            loop=config_lib.LoopConfig(validate_every=100, checkpoint_every=100, tensorboard=False),
            comparison=config_lib.ComparisonConfig(
                seeds=10,
                depths=(1, 2, 4, 8),
                plain_gains=(1.0, 0.9, 0.8),  # the last pair: for eight blocks, where signals would grow otherwise
                plain_d_gains=(1.0, 1.8, 1.7),
                trial_steps=100,
                best_of=0,
            ),
            **_SMALL,
        )
    elif variant == "folder":
        config = config_lib.ErrorComparisonConfig(
            name="error_comparison:folder",
            data=config_lib.DataConfig(source="folder", size=32, augment="flip,color,translation,cutout"),
            # As in folder_32: among a few hundred pictures, the noise could identify each one.
            objective=config_lib.ObjectiveConfig(noise_kl_final=1.0, noise_mismatch=0.0),
            train=config_lib.TrainConfig(steps=5000, batch=32, ema=0.999),
            inspector=config_lib.InspectorConfig(widths=(32, 48, 64), blocks=1, steps=1500, batch=32),
            evaluation=config_lib.EvalConfig(n_designs=299),
            comparison=config_lib.ComparisonConfig(learning_rates=(5e-4, 1e-3)),
        )
    else:
        config = config_lib.ErrorComparisonConfig(
            name="error_comparison",
            objective=config_lib.ObjectiveConfig(condition_dropout=0.05),
            train=config_lib.TrainConfig(steps=3000, batch=32, ema=0.999),
            evaluation=config_lib.EvalConfig(n_designs=299),
            comparison=config_lib.ComparisonConfig(trial_steps=500),
        )
    return config_lib.editable(config)
