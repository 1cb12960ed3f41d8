"""Robustness of a trained generator under interference: all kinds, severities 0 to 5.

Command:
    python experiments/interference_sweep.py --config=configs/interference_sweep.py --checkpoint=runs/procedural_32 \
        --workdir=runs/interference_sweep

Expected time: 80 minutes on one core for 32 px: 27 kinds x 5 severities x 3 seeds x 1,000 designs of each product, each
drawn once and read twice. `--shard=i/n` with the same work directory divides it among processes.

Expected result: (as measured, docs/results/interference) no product falls below 97 % up to severity 3 of any kind;
beyond, flipped bits of weights and latent noise break every product, and noise on axes, elements and weights none.

Variants:
    :pulse   recovery (Figure 5): training continues under pulses, with a control for each seed: 21 runs of 240
             steps, each about 3 minutes of one core. Step size, strengths and the averaging were chosen
             in a pilot of one seed and 50 designs of each product: with three tenths of training's largest step size
             flips of 7 labels in 10 and a tenfold step size changed nothing; with half of it such flips cost 5 points,
             recovered within 40 steps, and a tenfold step size broke the generator for the rest of the run.
    :quick   eleven kinds, one seed, 100 designs of each product, in a few minutes.
    :pulse_quick  the same with one seed and two pulses beside their control, in some minutes: what curves look like,
             and too few runs to conclude from.
    :folder  for a generator of an image folder: no second inspector, which a small set cannot train.
    :tiny    every step of the sweep in a minute: two kinds and 10 designs of each product, on a generator that
             configs/quick.py:tiny has made (--checkpoint=runs/tiny). Its page means nothing.
    :tiny_pulse  every step of :pulse on the same generator: one pulse, one seed, 40 steps; two to three minutes the
             first time, nearly all of it compilation.
"""

from typing import Any

from ich_jax import config as config_lib

VARIANTS = ("", "pulse", "pulse_quick", "quick", "folder", "tiny", "tiny_pulse")
SECOND = config_lib.InspectorConfig(seed=104_729, widths=(48, 96), blocks=1, steps=3000)
QUICK = (
    *("latent_noise", "condition_noise", "element_dropout", "product_flip", "axis_noise", "weight_noise"),
    *("int8_bit_flips", "quantised", "image_gaussian_noise", "image_motion_blur", "image_jpeg_compression"),
)


def get_config(variant: str = "") -> Any:
    config_lib.errors.require(variant, VARIANTS, "variant of configs/interference_sweep.py")
    if variant == "quick":
        config = config_lib.InterferenceConfig(
            name="interference_sweep:quick",
            sweep=config_lib.SweepConfig(kinds=QUICK, n=100, seeds=(1,)),
            second=False,
        )
    elif variant == "pulse":
        config = config_lib.InterferenceConfig(
            name="interference_sweep:pulse", task="pulse", second=False, pulse=config_lib.PulseConfig(steps=240)
        )
    elif variant == "pulse_quick":
        config = config_lib.InterferenceConfig(
            name="interference_sweep:pulse_quick",
            task="pulse",
            second=False,
            # Neither changes images, so both share the compiled step of the control.
            pulse=config_lib.PulseConfig(
                pulses=("label_flips:0.7", "learning_rate:10"),
                seeds=(1,),
                steps=160,
                evaluations=40,
                n=100,
                n_fresh=250,
            ),
        )
    elif variant == "folder":
        config = config_lib.InterferenceConfig(name="interference_sweep:folder", second=False)
    elif variant == "tiny":
        config = config_lib.InterferenceConfig(
            name="interference_sweep:tiny",
            sweep=config_lib.SweepConfig(kinds=("latent_noise", "image_contrast"), n=10, seeds=(1,), batch=40),
            second=False,
        )
    elif variant == "tiny_pulse":
        config = config_lib.InterferenceConfig(
            name="interference_sweep:tiny_pulse",
            task="pulse",
            second=False,
            # A pulse that does not change images shares the compiled step of the control.
            pulse=config_lib.PulseConfig(
                pulses=("learning_rate:10",), seeds=(1,), steps=40, evaluations=40, n=10, n_fresh=10
            ),
        )
    else:
        config = config_lib.InterferenceConfig(name="interference_sweep", judge=SECOND)
    return config_lib.editable(config)
