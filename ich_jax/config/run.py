"""Fields of a training run, and their limits."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ich_jax import adversarial, errors
from ich_jax.config import fields
from ich_jax.config.fields import execution, result, section

ARMS = ("residual", "plain")
NETWORKS = ("own", "sngan", "r3gan")
LOSSES = tuple(adversarial.OBJECTIVES)
PENALTIES = ("none", "r1", "r1_r2", "wgan_gp")
UPDATES = ("simultaneous", "alternate")
PARALLEL = ("jit", "pmap")
SOURCES = ("procedural", "folder", "npz")
ACTIVATIONS = ("silu", "leaky_relu", "relu", "gelu")
DTYPES = ("float32", "bfloat16")
FORMULATIONS = ("auto", "direct", "merged")
PENALTY_RULES = ("auto", "autodiff", "exact")
SKETCHES = ("none", "given", "derived")
AUGMENTATIONS = ("flip", "color", "translation", "cutout")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Source and preparation of the images."""

    source: str = result("procedural", "One of procedural, folder, npz.", choices=SOURCES)
    path: str = result("", "Image folder or .npz file; unused for procedural data.", location=True)
    size: int = result(32, "Height and width of the images in pixels.", at_least=1, most=4_096)
    channels: int = result(3, "3 for colour, 1 for grey.", choices=(1, 3))
    holdout_share: float = result(
        0.15, "Share of a folder or .npz set kept out of training, to judge against.", below=1
    )
    max_bad_share: float = result(
        0.01, "Largest share of unreadable images that a run leaves out; with more it stops.", at_most=1
    )
    elements: str = result(
        "auto", "Element columns of metadata.csv, comma separated; auto: columns named element_*; none."
    )
    axes: str = result(
        "auto", "Axis columns of metadata.csv; auto: columns named axis_*, else measured; measured; none."
    )
    keywords: int = result(0, "Number of most frequent keywords that become present/absent elements.", most=10_000)
    sketches: str = result(
        "none",
        "Sketches in briefs: given (procedural: outlines; a folder: column sketch_file_name of metadata.csv), derived "
        "(lines found in each image), none.",
        added=True,
        choices=SKETCHES,
    )
    augment: str = result("", "Differentiable augmentation policy: any of flip,color,translation,cutout.")
    n_train: int = result(
        200_000,
        "Procedural: images that count as the training set (memorisation check, epochs).",
        at_least=1,
        most=1_000_000_000,
    )
    device_limit_mib: int = execution(
        1024, "Sets up to this size stay on the device as uint8; larger ones go through grain.", most=10_000_000
    )
    workers: int = execution(0, "Worker processes of the host pipeline; 0 decodes in the main process.", most=256)

    def check(self, flag: str) -> None:
        """Refuses fields that do not fit together; `flag` is `--config.data` or wherever the section stands.

        Raises:
            ConfigError: Which ones, and how to repair it.
        """
        for policy in filter(None, self.augment.split(",")):
            errors.require(policy, AUGMENTATIONS, f"{flag}.augment")
        if self.source != "procedural" and not self.path:
            raise errors.ConfigError(
                f"{flag}.path is empty but {flag}.source is {self.source!r}; give {flag}.path=PATH."
            )
        if self.source == "npz" and self.sketches == "given":
            raise errors.ConfigError(
                f"A .npz file has no sketches, got {flag}.sketches={self.sketches!r}; set {flag}.sketches=derived, or "
                f"use {flag}.source=folder."
            )
        if self.source == "procedural" and not (16 <= self.size <= 256 and self.channels == 3):
            raise errors.ConfigError(
                f"Procedural data are colour images of 16 to 256 px, got {flag}.size={self.size} and "
                f"{flag}.channels={self.channels}."
            )


@dataclasses.dataclass(frozen=True)
class GeneratorConfig:
    """The generator: residual blocks between 4 px and half the image size."""

    network: str = result("own", "own, or a published one to compare speed with: sngan, r3gan.", choices=NETWORKS)
    arm: str = result("residual", "residual: H(x) = F(x) + x (eq. 4); plain: H(x) = F(x).", choices=ARMS)
    z_dim: int = result(32, "Length of the noise vector.", at_least=1, most=65_536)
    mapping: int = result(
        128, "Width of the mapping network from noise and brief to the FiLM style.", at_least=1, most=65_536
    )
    widths: tuple[int, ...] = result(
        (96, 64, 32), "Channels per stage, from 4 px upward; each stage doubles the size.", at_least=1, most=65_536
    )
    blocks: int = result(1, "Residual blocks per stage.", most=1_000)
    activation: str = result("silu", "Activation inside the blocks.", choices=ACTIVATIONS)
    residual_scale: float = result(0.1, "Initial gain of the last layer of a residual block; 0 makes it the identity.")
    plain_scale: float = result(1.0, "Initial gain of the last layer of a plain block.")


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator: scores realism given the brief, and reads the brief back."""

    network: str = result("own", "own, sngan or r3gan.", choices=NETWORKS)
    arm: str = result("residual", "residual or plain, as for the generator.", choices=ARMS)
    widths: tuple[int, ...] = result(
        (32, 64, 96), "Channels per stage, from half the image size downward.", at_least=1, most=65_536
    )
    blocks: int = result(1, "Residual blocks per stage.", most=1_000)
    activation: str = result("silu", "Activation inside the blocks.", choices=ACTIVATIONS)
    residual_scale: float = result(0.1, "Initial gain of the last layer of a residual block.")
    plain_scale: float = result(1.0, "Initial gain of the last layer of a plain block.")


@dataclasses.dataclass(frozen=True)
class InspectorConfig:
    """The frozen judge: trained on real images only, never part of a generator's loss."""

    seed: int = result(7919, "Seed of the inspector, apart from the run's.", seed=True)
    widths: tuple[int, ...] = result((64, 64, 64), "Channels per stage.", at_least=1, most=65_536)
    blocks: int = result(2, "Residual blocks per stage.", most=1_000)
    steps: int = result(12_000, "Training steps.", at_least=1, most=1_000_000_000)
    batch: int = result(64, "Images per step.", at_least=1, most=1_048_576)
    learning_rate: float = result(2e-3, "Peak step size of AdamW, cosine to zero.", above=0)
    ema: float = result(0.999, "Decay of the averaged weights that judge.", below=1)
    n_check: int = result(2000, "Held-out real images on which its own error is measured.", at_least=1, most=1_000_000)
    path: str = execution(
        "",
        "A trained inspector to use; empty: the shipped one if it fits, else the cache, else train.",
        location=True,
    )


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """The objective of generator and discriminator."""

    loss: str = result("relativistic", f"One of {', '.join(LOSSES)}; minimax: eq. 1-3.", choices=LOSSES)
    update: str = result(
        "simultaneous", "simultaneous: D and G from one pair of forward passes; alternate: D, then G.", choices=UPDATES
    )
    d_steps: int = result(1, "Discriminator steps per generator step (alternate only).", at_least=1, most=1_000)
    penalty: str = result("r1_r2", "none, r1, r1_r2 or wgan_gp.", choices=PENALTIES)
    penalty_weight: float = result(0.5, "gamma: weight of (gamma/2) |grad_x D|^2, or lambda of the WGAN penalty.")
    penalty_share: float = result(
        0.125, "Share of each batch on which the penalty is taken; an unbiased estimate of it.", at_most=1
    )
    penalty_interval: int = result(
        1, "Steps between penalties (lazy regularisation); each then counts as many times.", at_least=1, most=1_000_000
    )
    reading_d: float = result(1.0, "Weight of reading the brief off real images (discriminator).")
    reading_g: float = result(1.0, "Weight of reading the brief off generated images (generator).")
    reconstruction: float = result(
        120.0, "Weight of drawing real images again (mean absolute error) from the noise read off them; 0: never."
    )
    noise_kl: float = result(0.05, "Weight of limiting the information about one image in that noise (nats).")
    noise_kl_final: float = result(
        0.1, "That weight after the last step as a share of it (exponential decay).", at_most=1
    )
    noise_mismatch: float = result(0.1, "Weight of keeping that noise standard normal over all images.")
    condition_dropout: float = result(
        0.1, "Probability that a stated part of a brief is left open in training.", at_most=1
    )
    sketch_dropout: float = result(
        0.5,
        "Probability that a sketch is left open besides, so that keywords alone are learned too.",
        added=True,
        at_most=1,
    )

    def check(self, flag: str) -> None:
        """Refuses fields that do not fit together, as `DataConfig.check` does."""
        if self.update == "simultaneous" and self.d_steps != 1:
            raise errors.ConfigError(f"{flag}.d_steps other than 1 needs {flag}.update=alternate.")
        if self.penalty != "none" and self.penalty_share == 0:
            raise errors.ConfigError(
                f"{flag}.penalty is {self.penalty!r} but {flag}.penalty_share is 0; raise the share or set "
                f"{flag}.penalty=none."
            )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Duration and optimisers."""

    steps: int = result(0, "Generator steps; 0: derived from images.", most=1_000_000_000)
    images: int = result(0, "Real images shown; 0: derived from steps. State one of the two.")
    batch: int = result(32, "Images per step over all devices.", at_least=1, most=1_048_576)
    g_lr: float = result(2e-3, "Peak step size of the generator's Adam.", above=0)
    d_lr: float = result(2e-3, "Peak step size of the discriminator's Adam.", above=0)
    beta1: float = result(0.5, "Adam's first decay.", below=1)
    beta2: float = result(0.99, "Adam's second decay.", below=1)
    warmup: int = result(200, "Steps of linear warm-up.")
    final_lr: float = result(0.03, "Step size at the end, as a share of the peak (cosine).", at_most=1)
    freeze_d: int = result(
        0,
        "Stages of the discriminator, from the picture inward, that keep the weights they began with (--init_from).",
        added=True,
    )
    clip: float = result(5.0, "Global gradient norm at which gradients are clipped; 0: never.")
    ema: float = result(0.998, "Decay of the averaged generator.", below=1)
    max_skips: int = result(
        5,
        "Non-finite steps in a row after which the run rolls back to the last checkpoint.",
        at_least=1,
        most=1_000_000,
    )


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """How a trained generator is judged. Briefs and noise are fixed by `seed`; one draw per brief, no selection."""

    seed: int = result(20260101, "Seed of test briefs and noise, apart from the run's.", seed=True)
    n_designs: int = result(1000, "Test briefs.", at_least=1, most=1_000_000)
    n_validation: int = result(
        512, "Validation briefs (other than the test briefs) that pick the best checkpoint.", at_least=1, most=1_000_000
    )
    n_images: int = result(
        2000,
        "Generated images for distribution distances, at most the real ones that exist.",
        at_least=1,
        most=1_000_000,
    )
    feature_seeds: int = result(3, "Random-feature networks over which distances are averaged.", at_least=1, most=1_000)
    kid_subset: int = result(500, "Images per KID subset, at most the number of images.", at_least=1, most=100_000)
    kid_subsets: int = result(50, "Number of KID subsets.", at_least=1, most=100_000)
    nearest_k: int = result(5, "Neighbours of precision, recall, density and coverage.", at_least=1, most=1_000)
    diversity_briefs: int = result(
        64, "Briefs at which diversity at a fixed brief is measured.", at_least=1, most=100_000
    )
    diversity_draws: int = result(16, "Draws per such brief.", at_least=1, most=10_000)
    style_strength: float = result(1.0, "Classifier-free strength of the brief at sampling; 1: as trained.")


@dataclasses.dataclass(frozen=True)
class ComputeConfig:
    """Precision, compilation and devices."""

    dtype: str = result(
        "float32", "Compute type of the networks; parameters, losses and optimisers stay float32.", choices=DTYPES
    )
    tf32: bool = result(False, "Let float32 products round their factors to TF32, where the device can.")
    formulation: str = execution(
        "auto", "How convolutions are computed: auto (measured once), direct or merged.", choices=FORMULATIONS
    )
    penalty_rule: str = execution(
        "auto", "Gradients of R1 and R2: autodiff, exact (fewer passes), auto: as it fits.", choices=PENALTY_RULES
    )
    steps_per_call: int = execution(
        1, "Training steps in one compiled call: a loop on accelerators, written out on CPU.", at_least=1, most=10_000
    )
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    devices: int = execution(0, "Devices that share each batch; 0: all, over all hosts.", most=1_000_000)
    parallel: str = execution(
        "jit", "How they share it: jit (one partitioned program) or pmap (one program each).", choices=PARALLEL
    )
    shard_optimiser: bool = execution(False, "Divide the optimisers' moments among the devices (jit).")


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """Logging, checkpoints and progress."""

    log_every: int = execution(0, "Steps between log lines; 0: a hundredth of the run.")
    validate_every: int = execution(0, "Steps between validations; 0: a tenth of the run.")
    checkpoint_every: int = execution(0, "Steps between checkpoints; 0: a tenth of the run.")
    sample_every: int = execution(0, "Steps between sample sheets; 0: a tenth of the run.")
    keep: int = execution(2, "Newest checkpoints kept beside the best one.", at_least=1, most=1_000_000)
    progress: bool = execution(True, "Show a live bar on a terminal.")
    tensorboard: bool = execution(True, "Write TensorBoard event files.")


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole run."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    seed: int = result(0, "Seed of initialisation, noise and data order.", seed=True)
    data: DataConfig = section(DataConfig)
    generator: GeneratorConfig = section(GeneratorConfig)
    discriminator: DiscriminatorConfig = section(DiscriminatorConfig)
    inspector: InspectorConfig = section(InspectorConfig)
    objective: ObjectiveConfig = section(ObjectiveConfig)
    train: TrainConfig = section(TrainConfig)
    evaluation: EvalConfig = section(EvalConfig)
    compute: ComputeConfig = section(ComputeConfig)
    loop: LoopConfig = section(LoopConfig)

    def check(self, flag: str) -> None:
        """Refuses networks that do not fit the images, and a duration stated twice or not at all.

        Raises:
            ConfigError: Which fields, and how to repair it.
        """
        for name, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            halvings = len(network.widths) - _UNHALVED.get((name, network.network), 0)
            factor = 2**halvings
            if self.data.size % factor or self.data.size // factor < 2:
                raise errors.ConfigError(
                    f"{flag}.{name}.widths has {len(network.widths)} stages, but {self.data.size} px cannot be halved "
                    f"{halvings} times down to 2 px or more; change the number of widths or {flag}.data.size."
                )
            if network.network != "own" and self.data.sketches != "none":
                raise errors.ConfigError(
                    f"{flag}.{name}.network={network.network} takes no sketches; {flag}.data.sketches="
                    f"{self.data.sketches} needs {flag}.{name}.network=own."
                )
            if network.network != "own" and network.arm != "residual":
                raise errors.ConfigError(
                    f"{flag}.{name}.network={network.network} is residual throughout; {flag}.{name}.arm=plain needs "
                    f"{flag}.{name}.network=own."
                )
            if network.network == "r3gan" and any(2 * width % 16 for width in network.widths):
                raise errors.ConfigError(
                    f"{flag}.{name}.widths={network.widths}: the grouped convolutions of r3gan take multiples of 8."
                )
        train, stages = self.train, len(self.discriminator.widths)
        if train.freeze_d > stages or (train.freeze_d and self.discriminator.network != "own"):
            raise errors.ConfigError(
                f"{flag}.train.freeze_d: got {train.freeze_d}; expected 0 to {stages}, the discriminator's stages, and "
                f"{flag}.discriminator.network=own."
            )
        if train.steps and train.images and -(-train.images // train.batch) != train.steps:
            raise errors.ConfigError(
                f"{flag}.train.steps={train.steps} and {flag}.train.images={train.images} differ at "
                f"{flag}.train.batch={train.batch}; state one and set the other to 0."
            )
        if not train.steps and not train.images:
            raise errors.ConfigError(f"{flag}.train.steps and {flag}.train.images are both 0; state how long to train.")

    def completed(self) -> Self:
        """Returns the config with derived values filled in."""
        steps = self.train.steps or -(-self.train.images // self.train.batch)
        tenth = max(1, steps // 10)
        train = dataclasses.replace(self.train, steps=steps, images=steps * self.train.batch)
        loop = dataclasses.replace(
            self.loop,
            log_every=self.loop.log_every or max(1, steps // 100),
            validate_every=self.loop.validate_every or tenth,
            checkpoint_every=self.loop.checkpoint_every or tenth,
            sample_every=self.loop.sample_every or tenth,
        )
        return dataclasses.replace(self, train=train, loop=loop)


_UNHALVED = {("generator", "sngan"): 1, ("generator", "r3gan"): 1, ("discriminator", "r3gan"): 1}
"""Networks that have a width at the full size as well."""


def resolve(config: Any, cls: type = Config) -> Any:
    """Does what `fields.resolve` does, for a training run unless another dataclass is named."""
    return fields.resolve(config, cls)


def load(path: str | Path, overrides: Mapping[str, Any] | None = None, cls: type = Config) -> Any:
    """Loads a config, named as for `shipped.locate`, and applies overrides named by dotted path.

    Example:
        `load("quick", {"train.steps": 10})`

    Raises:
        ConfigError: As `fields.load`.
    """
    return fields.load(path, overrides, cls)
