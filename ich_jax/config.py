"""Typed configuration: what a run is, where each default lives, and which fields may change on resume.

A configuration is a tree of frozen dataclasses. Config files return an editable copy of one (`editable`), absl flags
change single fields of that copy, and `resolve` turns it back into the typed tree, checks it and fills in what is
derived. After that nothing changes: code receives the dataclass of its own room and never asks for a default.

Fields are of two kinds, marked where they are declared:

* `result(...)`: changes what the run computes. Another value in the same work directory is refused.
* `execution(...)`: how the run is carried out (devices, logging, progress). May change between resumes.
"""

import ast
import dataclasses
import hashlib
import importlib.util
import inspect
import json
import math
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from ich_jax import errors

ARMS = ("residual", "plain")
NETWORKS = ("own", "sngan", "r3gan")
LOSSES = ("minimax", "non_saturating", "hinge", "wasserstein", "relativistic")
PENALTIES = ("none", "r1", "r1_r2", "wgan_gp")
UPDATES = ("simultaneous", "alternate")
PARALLEL = ("jit", "pmap")
SOURCES = ("procedural", "folder", "npz")
ACTIVATIONS = ("silu", "leaky_relu", "relu", "gelu")
DTYPES = ("float32", "bfloat16")
FORMULATIONS = ("auto", "direct", "merged")
PENALTY_RULES = ("auto", "autodiff", "exact")
AUGMENTATIONS = ("flip", "color", "translation", "cutout")


def result(default: Any, doc: str) -> Any:
    """Declares a field that changes the result of a run."""
    return dataclasses.field(default=default, metadata={"kind": "result", "doc": doc})


def execution(default: Any, doc: str) -> Any:
    """Declares a field that changes only how a run is carried out."""
    return dataclasses.field(default=default, metadata={"kind": "execution", "doc": doc})


def _section(cls: type) -> Any:
    return dataclasses.field(
        default_factory=cls, metadata={"kind": "section", "doc": (cls.__doc__ or "").split("\n")[0]}
    )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where images come from and how they are prepared."""

    source: str = result("procedural", "One of procedural, folder, npz.")
    path: str = result("", "Image folder or .npz file; unused for procedural data.")
    size: int = result(32, "Height and width of the images in pixels.")
    channels: int = result(3, "3 for colour, 1 for grey.")
    holdout_share: float = result(0.15, "Share of a folder or .npz set kept out of training, to judge against.")
    max_bad_share: float = result(0.01, "A run goes on without unreadable images only up to this share of the set.")
    elements: str = result(
        "auto", "Element columns of metadata.csv, comma separated; auto: columns named element_*; none."
    )
    axes: str = result(
        "auto", "Axis columns of metadata.csv; auto: columns named axis_*, else measured; measured; none."
    )
    keywords: int = result(0, "Number of most frequent keywords that become present/absent elements.")
    augment: str = result("", "Differentiable augmentation policy: any of flip,color,translation,cutout.")
    n_train: int = result(200_000, "Procedural: images that count as the training set (memorisation check, epochs).")
    device_limit_mib: int = execution(
        1024, "Sets up to this size live on the device as uint8; larger ones go through grain."
    )
    workers: int = execution(0, "Worker processes of the host pipeline; 0 decodes in the main process.")


@dataclasses.dataclass(frozen=True)
class GeneratorConfig:
    """The generator: residual blocks between 4 px and half the image size."""

    network: str = result("own", "own, or a published one to compare speed with: sngan, r3gan.")
    arm: str = result("residual", "residual: H(x) = F(x) + x (eq. 4); plain: H(x) = F(x).")
    z_dim: int = result(32, "Length of the noise vector.")
    mapping: int = result(128, "Width of the mapping network from noise and brief to the FiLM style.")
    widths: tuple[int, ...] = result((96, 64, 32), "Channels per stage, from 4 px upward; each stage doubles the size.")
    blocks: int = result(1, "Residual blocks per stage.")
    activation: str = result("silu", "Activation inside the blocks.")
    residual_scale: float = result(0.1, "Initial gain of the last layer of a residual block; 0 makes it the identity.")
    plain_scale: float = result(1.0, "Initial gain of the last layer of a plain block.")


@dataclasses.dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator: scores realism given the brief, and reads the brief back."""

    network: str = result("own", "own, sngan or r3gan.")
    arm: str = result("residual", "residual or plain, as for the generator.")
    widths: tuple[int, ...] = result((32, 64, 96), "Channels per stage, from half the image size downward.")
    blocks: int = result(1, "Residual blocks per stage.")
    activation: str = result("silu", "Activation inside the blocks.")
    residual_scale: float = result(0.1, "Initial gain of the last layer of a residual block.")
    plain_scale: float = result(1.0, "Initial gain of the last layer of a plain block.")


@dataclasses.dataclass(frozen=True)
class InspectorConfig:
    """The frozen judge: trained on real images only, never part of a generator's loss."""

    seed: int = result(7919, "Seed of the inspector, apart from the run's.")
    widths: tuple[int, ...] = result((64, 64, 64), "Channels per stage.")
    blocks: int = result(2, "Residual blocks per stage.")
    steps: int = result(12_000, "Training steps.")
    batch: int = result(64, "Images per step.")
    learning_rate: float = result(2e-3, "Peak step size of AdamW, cosine to zero.")
    ema: float = result(0.999, "Decay of the averaged weights that judge.")
    n_check: int = result(2000, "Held-out real images on which its own error is measured.")
    path: str = execution(
        "", "A trained inspector to use; empty: the shipped one if it fits, else the cache, else train."
    )


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What generator and discriminator are asked to do."""

    loss: str = result("relativistic", "minimax (eq. 1-3), non_saturating, hinge, wasserstein or relativistic.")
    update: str = result("simultaneous", "simultaneous: D and G from one pair of forward passes; alternate: D, then G.")
    d_steps: int = result(1, "Discriminator steps per generator step (alternate only).")
    penalty: str = result("r1_r2", "none, r1, r1_r2 or wgan_gp.")
    penalty_weight: float = result(0.5, "gamma: weight of (gamma/2) |grad_x D|^2, or lambda of the WGAN penalty.")
    penalty_share: float = result(
        0.125, "Share of each batch on which the penalty is taken; an unbiased estimate of it."
    )
    penalty_interval: int = result(1, "Steps between penalties (lazy regularisation); each then counts as many times.")
    reading_d: float = result(1.0, "Weight of reading the brief off real images (discriminator).")
    reading_g: float = result(1.0, "Weight of having the brief read back (generator).")
    reconstruction: float = result(
        120.0, "Weight of drawing real images again (mean absolute error) from the noise read off them; 0: never."
    )
    noise_kl: float = result(0.05, "Weight of keeping what that noise says about one image small (nats).")
    noise_kl_final: float = result(0.1, "That weight after the last step as a share of it (exponential decay).")
    noise_mismatch: float = result(0.1, "Weight of keeping that noise standard normal over all images.")
    condition_dropout: float = result(0.1, "Probability that a stated part of a brief is left open in training.")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Duration and optimisers."""

    steps: int = result(0, "Generator steps; 0: derived from images.")
    images: int = result(0, "Real images shown; 0: derived from steps. State one of the two.")
    batch: int = result(32, "Images per step over all devices.")
    g_lr: float = result(2e-3, "Peak step size of the generator's Adam.")
    d_lr: float = result(2e-3, "Peak step size of the discriminator's Adam.")
    beta1: float = result(0.5, "Adam's first decay.")
    beta2: float = result(0.99, "Adam's second decay.")
    warmup: int = result(200, "Steps of linear warm-up.")
    final_lr: float = result(0.03, "Step size at the end, as a share of the peak (cosine).")
    clip: float = result(5.0, "Global gradient norm at which gradients are clipped; 0: never.")
    ema: float = result(0.998, "Decay of the averaged generator.")
    max_skips: int = result(5, "Non-finite steps in a row after which the run rolls back to the last checkpoint.")


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """How a trained generator is judged. Briefs and noise are fixed by `seed`; one draw per brief, no selection."""

    seed: int = result(20260101, "Seed of test briefs and noise, apart from the run's.")
    n_designs: int = result(1000, "Test briefs.")
    n_validation: int = result(512, "Validation briefs (other than the test briefs) that pick the best checkpoint.")
    n_images: int = result(2000, "Generated images for distribution distances, at most the real ones that exist.")
    feature_seeds: int = result(3, "Random-feature networks over which distances are averaged.")
    kid_subset: int = result(500, "Images per KID subset, at most the number of images.")
    kid_subsets: int = result(50, "Number of KID subsets.")
    nearest_k: int = result(5, "Neighbours of precision, recall, density and coverage.")
    diversity_briefs: int = result(64, "Briefs at which diversity at a fixed brief is measured.")
    diversity_draws: int = result(16, "Draws per such brief.")
    style_strength: float = result(1.0, "Classifier-free strength of the brief at sampling; 1: as trained.")


@dataclasses.dataclass(frozen=True)
class ComputeConfig:
    """Precision, compilation and devices."""

    dtype: str = result("float32", "Compute type of the networks; parameters, losses and optimisers stay float32.")
    tf32: bool = result(False, "Let float32 products round their factors to TF32, where the device can.")
    formulation: str = execution("auto", "How convolutions are computed: auto (measured once), direct or merged.")
    penalty_rule: str = execution("auto", "Gradients of R1 and R2: autodiff, exact (fewer passes), auto: as it fits.")
    steps_per_call: int = execution(
        1, "Training steps in one compiled call: a loop on accelerators, written out on CPU."
    )
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    devices: int = execution(0, "Devices that share each batch; 0: all, over all hosts.")
    parallel: str = execution("jit", "How they share it: jit (one partitioned program) or pmap (one program each).")
    shard_optimiser: bool = execution(False, "Divide the optimisers' moments among the devices (jit).")


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """Logging, checkpoints and progress."""

    log_every: int = execution(0, "Steps between log lines; 0: a hundredth of the run.")
    validate_every: int = execution(0, "Steps between validations; 0: a tenth of the run.")
    checkpoint_every: int = execution(0, "Steps between checkpoints; 0: a tenth of the run.")
    sample_every: int = execution(0, "Steps between sample sheets; 0: a tenth of the run.")
    keep: int = execution(2, "Newest checkpoints kept beside the best one.")
    progress: bool = execution(True, "Show a live bar on a terminal.")
    tensorboard: bool = execution(True, "Write TensorBoard event files.")


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole run."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    seed: int = result(0, "Seed of initialisation, noise and data order.")
    data: DataConfig = _section(DataConfig)
    generator: GeneratorConfig = _section(GeneratorConfig)
    discriminator: DiscriminatorConfig = _section(DiscriminatorConfig)
    inspector: InspectorConfig = _section(InspectorConfig)
    objective: ObjectiveConfig = _section(ObjectiveConfig)
    train: TrainConfig = _section(TrainConfig)
    evaluation: EvalConfig = _section(EvalConfig)
    compute: ComputeConfig = _section(ComputeConfig)
    loop: LoopConfig = _section(LoopConfig)


# ---------------------------------------------------------------- error comparison

COMPARED = ("both", "generator")


@dataclasses.dataclass(frozen=True)
class ComparisonConfig:
    """Which networks are compared with and without shortcuts, and how both arms are set up."""

    seeds: int = result(3, "Trained networks of each arm and depth: seeds config.seed, config.seed + 1, ...")
    depths: tuple[int, ...] = result((1,), "Blocks per stage; one, or several to see how errors grow with depth.")
    networks: str = result("both", "Networks without shortcuts in the plain arm: both, or generator.")
    axes: str = result("all", "Axes that are compared, comma separated; all: those of the data.")
    tolerance: float = result(0.5, "|error| above it counts as beyond.")
    residual_gains: tuple[float, ...] = result((0.1, 1.0), "Initial gains tried for residual blocks, in both networks.")
    plain_gains: tuple[float, ...] = result(
        (1.0, 0.9), "Initial gains tried for plain blocks of the generator: He's, and one that keeps a signal's size."
    )
    plain_d_gains: tuple[float, ...] = result(
        (1.0, 1.8), "The same for the discriminator, whose signals are small: there SiLU halves them."
    )
    learning_rates: tuple[float, ...] = result((1e-3, 2e-3), "Peak step sizes tried in both arms, for both networks.")
    trial_steps: int = result(1000, "Steps of each trial; 0: no trials, the first gain and step size are taken.")
    trial_seeds: int = result(1, "Networks of each trial; their seeds take no part in the comparison.")
    appended: int = result(1, "Blocks appended to each stage of the trained generators, to see what they change.")
    best_of: int = result(8, "Draws per brief among which D's reading head picks, in a row of its own; 0: no such row.")
    n_resamples: int = result(9999, "Bootstrap resamples, and sign flips where these are drawn.")
    stack_seeds: bool = execution(
        False, "Train all seeds of an arm and depth in one program (vmap): for accelerators with room to spare."
    )

    def __post_init__(self) -> None:
        errors.require(self.networks, COMPARED, "config.comparison.networks")
        limits = {
            "seeds": (1, 1000),
            "trial_steps": (0, 10**7),
            "trial_seeds": (1, 1000),
            "appended": (1, 100),
            "best_of": (0, 1024),
            "n_resamples": (99, 10**7),
            "tolerance": (0.0, 6.0),
        }
        for name, (low, high) in limits.items():
            whole = isinstance(low, int)
            errors.require_within(getattr(self, name), low, high, f"config.comparison.{name}", whole=whole)
        if list(self.depths) != sorted(set(self.depths)) or not self.depths or self.depths[0] < 1:
            raise errors.ConfigError(f"config.comparison.depths: expected ascending numbers from 1, got {self.depths}.")
        for name in ("residual_gains", "plain_gains", "plain_d_gains", "learning_rates"):
            values = getattr(self, name)
            twice = name in ("residual_gains", "learning_rates") and len(set(values)) < len(values)
            if not values or min(values) < 0 or twice:
                raise errors.ConfigError(
                    f"config.comparison.{name}: expected one or more different numbers of 0 or more, got {values}."
                )
        n = len(self.plain_gains)
        if len(self.plain_d_gains) != n or len(set(zip(self.plain_gains, self.plain_d_gains, strict=True))) < n:
            raise errors.ConfigError(
                f"config.comparison.plain_gains={self.plain_gains} and plain_d_gains={self.plain_d_gains} are tried in "
                "pairs; give as many of one as of the other, and no pair twice."
            )
        if self.best_of == 1:
            raise errors.ConfigError("config.comparison.best_of: one draw is no choice; take 2 or more, or 0.")


@dataclasses.dataclass(frozen=True)
class ErrorComparisonConfig(Config):
    """Two arms that differ in nothing but the shortcut; the fields of a run are those of every network."""

    comparison: ComparisonConfig = _section(ComparisonConfig)


# ---------------------------------------------------------------- economic benefit

SALES = ("simulated", "csv")
TASKS = ("analyse", "size_study")
SCALES = ("index", "yuan")
SIMULATED_PRODUCTS = ("book", "earrings", "fan", "figurine")


@dataclasses.dataclass(frozen=True)
class SalesConfig:
    """Where the daily benefits come from."""

    source: str = result("simulated", "simulated or csv.")
    path: str = result(
        "", "CSV file with date, unit, product, arm and benefit (or units, price, cost); unused for simulated data."
    )
    calendar: str = result(
        "", "CSV file of holidays with date and holiday; empty: the built-in calendar, 2018 to 2030."
    )


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
    """What simulated daily benefits assume."""

    first: str = result("2024-01-01", "First day.")
    products: tuple[str, ...] = result(SIMULATED_PRODUCTS, "Products, of those four; none depends on which others.")
    days: int = result(365, "Number of days; the launches lie in the middle fifth.")
    treated: int = result(1, "Outlets with AI-assisted design, for each product.")
    local: int = result(8, "Outlets without it, for each product.")
    effect: float = result(0.25, "Effect at full size, as a share of the level before.")
    ramp_days: int = result(45, "Days over which it rises evenly.")
    growth: float = result(0.2, "Growth of the effect, a year.")
    autocorrelation: float = result(0.4, "Of the daily error (AR(1)).")
    noise: float = result(0.08, "Standard deviation of the daily error, as a share of the level.")
    common: float = result(0.05, "The same for a shock that all outlets of a product share.")
    spread: float = result(0.2, "Standard deviation of the logarithm of the outlets' levels.")
    seed: int = result(0, "Seed of the noise.")

    def __post_init__(self) -> None:
        limits = {
            "days": (30, 20_000),
            "treated": (1, 10_000),
            "local": (1, 10_000),
            "effect": (-0.9, 100.0),
            "ramp_days": (0, 20_000),
            "growth": (-0.9, 100.0),
            "autocorrelation": (-0.99, 0.99),
            "noise": (0.001, 1.0),
            "common": (0.0, 1.0),
            "spread": (0.0, 2.0),
            "seed": (0, 2**63),
        }
        for name, (low, high) in limits.items():
            whole = isinstance(low, int) and isinstance(high, int)
            errors.require_within(getattr(self, name), low, high, f"simulation.{name}", whole=whole)
        for name in self.products:
            errors.require(name, SIMULATED_PRODUCTS, "simulation.products")
        if not self.products or len(set(self.products)) < len(self.products):
            raise errors.ConfigError(
                f"config.simulation.products={self.products}: name at least one of {', '.join(SIMULATED_PRODUCTS)}, "
                "and none twice."
            )


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """What adopting costs and how its effect goes on."""

    horizon_days: int = result(365, "Days that are counted, from the launch; at most ten years.")
    discount_rate: float = result(0.05, "A year, effective: 1.05 yuan after 365 days are worth 1 yuan now.")
    investment: float = result(0.0, "Yuan, paid at the launch.")
    running_cost: float = result(0.0, "Yuan a day.")
    ramp_days: int = result(0, "Days over which the effect rises evenly to its size; 0: at once.")
    growth: float = result(0.0, "Of the effect, a year: on day d it is multiplied by (1 + growth)^((d - 1) / 365).")
    growth_error: float = result(0.0, "Standard error of growth, drawn from a normal distribution, not below -0.99.")

    def __post_init__(self) -> None:
        limits = {
            "horizon_days": (1, 3650),
            "discount_rate": (-0.5, 10.0),
            "investment": (0.0, math.inf),
            "running_cost": (0.0, math.inf),
            "ramp_days": (0, math.inf),
            "growth": (-0.99, 100.0),
            "growth_error": (0.0, math.inf),
        }
        for name, (low, high) in limits.items():
            errors.require_within(getattr(self, name), low, high, f"plan.{name}", whole=name.endswith("_days"))


@dataclasses.dataclass(frozen=True)
class AnalysisConfig:
    """How effects are estimated and tested."""

    scale: str = result(
        "index", "index: each unit relative to its own mean before the first launch; yuan: as they are."
    )
    alpha: float = result(0.05, "Level of the tests; intervals cover 1 - alpha.")
    power: float = result(0.8, "Power at which the audit states the least detectable effect.")
    n_simulations: int = result(1000, "Panels that the audit simulates from the days before the launch.")
    n_refits: int = result(100, "The same for methods that fit weights to every simulated panel.")
    n_resamples: int = result(9999, "Reassignments, bootstrap draws and Monte Carlo draws.")
    n_placebos: int = result(200, "Placebos behind the error of synthetic difference-in-differences.")
    max_missing: float = result(
        0.1, "Synthetic controls leave out units with a larger share of missing days, then days with any missing unit."
    )
    order: int = result(1, "Order of the autoregressive errors of the interrupted time series.")

    def __post_init__(self) -> None:
        errors.require(self.scale, SCALES, "analysis.scale")
        limits = {
            "alpha": (0.001, 0.5),
            "power": (0.05, 0.999),
            "n_simulations": (100, 10**7),
            "n_refits": (20, 10**7),
            "n_resamples": (99, 10**7),
            "n_placebos": (20, 10**6),
            "max_missing": (0.0, 0.99),
            "order": (1, 30),
        }
        for name, (low, high) in limits.items():
            errors.require_within(getattr(self, name), low, high, f"analysis.{name}", whole=isinstance(low, int))


@dataclasses.dataclass(frozen=True)
class SizeStudyConfig:
    """Simulated panels on which the tests are checked against their nominal level."""

    autocorrelation: tuple[float, ...] = result((0.0, 0.4, 0.8), "Of the daily errors.")
    controls: tuple[int, ...] = result((4, 8, 20), "Numbers of untreated units.")
    periods: tuple[int, ...] = result((60, 180, 365), "Numbers of days, the launch in the middle.")
    treated: int = result(4, "Treated units.")
    effect: float = result(0.0, "Effect, in standard deviations of a day: 0 for size, above for power.")
    n_panels: int = result(1000, "Panels of each design.")
    n_pairs: int = result(100, "The same for leave-two-out, which fits three weights for each pair of donors.")


@dataclasses.dataclass(frozen=True)
class BenefitConfig:
    """What a product line is worth per day."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    seed: int = result(0, "Seed of resampling and Monte Carlo.")
    task: str = result("analyse", "analyse a file or simulated data, or size_study: do the tests hold their level.")
    data: SalesConfig = _section(SalesConfig)
    simulation: SimulationConfig = _section(SimulationConfig)
    analysis: AnalysisConfig = _section(AnalysisConfig)
    plan: PlanConfig = _section(PlanConfig)
    size_study: SizeStudyConfig = _section(SizeStudyConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    progress: bool = execution(True, "Show a live bar on a terminal.")
    threads: int = execution(0, "Products that are worked on at once; 0: as many as there are processor cores.")

    def __post_init__(self) -> None:
        errors.require_within(self.threads, 0, 1024, "threads", whole=True)
        errors.require(self.task, TASKS, "task")
        errors.require(self.data.source, SALES, "data.source")
        if self.data.source == "csv" and not self.data.path:
            raise errors.ConfigError(
                "config.data.source is 'csv' but config.data.path is empty; give --config.data.path=FILE."
            )


# ---------------------------------------------------------------- interference

INTERFERENCE_TASKS = ("sweep", "pulse")


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """The grid of the static sweep: every kind at severities 1 to 5."""

    kinds: tuple[str, ...] = result(("all",), "Kinds of interference, or all.")
    n: int = result(1000, "Designs of each product at each severity and sampling seed.")
    seeds: tuple[int, ...] = result((1, 2, 3), "Sampling seeds.")
    real: bool = result(True, "Corrupt held-out real images too, to tell the inspector's limits from the generator's.")
    batch: int = execution(256, "Designs per call.")

    def __post_init__(self) -> None:
        errors.require_within(self.n, 10, 10**6, "sweep.n", whole=True)
        errors.require_within(self.batch, 2, 65_536, "sweep.batch", whole=True)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise errors.ConfigError(f"sweep.seeds: got {self.seeds}; expected one or more different whole numbers.")


@dataclasses.dataclass(frozen=True)
class PulseConfig:
    """Pulses of interference while the generator is trained on from its checkpoint."""

    pulses: tuple[str, ...] = result(
        (
            *("corrupted_images:0.4", "corrupted_images:0.8", "label_flips:0.3", "label_flips:0.7"),
            *("learning_rate:3", "learning_rate:10"),
        ),
        "KIND:STRENGTH of each pulse.",
    )
    seeds: tuple[int, ...] = result((1, 2, 3), "Training seeds; each has a control without a pulse.")
    steps: int = result(1800, "Training steps of a run.")
    first: float = result(0.25, "Where the window opens, as a share of the run.")
    share: float = result(0.1, "Length of the window, as a share of the run.")
    evaluations: int = result(60, "Evaluations of a run.")
    n: int = result(250, "Designs of each product at each evaluation.")
    n_fresh: int = result(1000, "Other designs of each product that tell a run's least accuracy and that at its end.")
    lr: float = result(0.5, "Step sizes, as a share of the training run's largest; constant through the run.")
    ema: float = result(0.9, "Decay of the averaged generator, which is judged: that of training hides a short pulse.")

    def __post_init__(self) -> None:
        errors.require_within(self.steps, 40, 10**7, "pulse.steps", whole=True)
        errors.require_within(self.evaluations, 30, self.steps, "pulse.evaluations", whole=True)
        errors.require_within(self.n, 10, 10**6, "pulse.n", whole=True)
        errors.require_within(self.n_fresh, 10, 10**6, "pulse.n_fresh", whole=True)
        errors.require_within(self.lr, 1e-6, 1e3, "pulse.lr")
        errors.require_within(self.ema, 0.0, 0.99999, "pulse.ema")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise errors.ConfigError(f"pulse.seeds: got {self.seeds}; expected one or more different whole numbers.")


@dataclasses.dataclass(frozen=True)
class InterferenceConfig:
    """How far a trained generator can be trusted under interference."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    task: str = result("sweep", "sweep of a frozen generator, or pulse: interference while it trains on.")
    sweep: SweepConfig = _section(SweepConfig)
    pulse: PulseConfig = _section(PulseConfig)
    second: bool = result(True, "A second inspector, built and seeded differently, reads every design as well.")
    judge: InspectorConfig = _section(InspectorConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    progress: bool = execution(True, "Show a live bar on a terminal.")

    def __post_init__(self) -> None:
        errors.require(self.task, INTERFERENCE_TASKS, "task")


# ---------------------------------------------------------------- editing and loading


def editable(config: Any) -> ml_collections.ConfigDict:
    """Returns a ConfigDict with the fields of a config dataclass, for config files and absl flags."""

    def convert(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {f.name: convert(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return value

    return ml_collections.ConfigDict(convert(config))


def resolve(config: Any, cls: type = Config) -> Any:
    """Turns an edited ConfigDict (or mapping, or dataclass) into the typed, checked and completed tree.

    Args:
        config: What a config file's `get_config()` returned, after overrides.
        cls: The dataclass to build; experiments with fields of their own pass theirs.

    Raises:
        ConfigError: An unknown name, an ill-typed value, or values that cannot work together.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        config = editable(config)
    typed = _build(cls, config, "config")
    return _complete(typed) if isinstance(typed, Config) else typed


def load(path: str | Path, overrides: Mapping[str, Any] | None = None, cls: type = Config) -> Any:
    """Loads `path` or `path:variant` and applies overrides named by dotted path.

    Example:
        `load("configs/quick.py", {"train.steps": 10})`

    Raises:
        ConfigError: The file, the variant, or a name in it does not exist, or a value is ill-typed.
    """
    config = load_editable(path).to_dict()  # a ConfigDict would convert values on its own terms, True to 1.0 say
    for dotted, value in (overrides or {}).items():
        _override(config, dotted, value)
    return resolve(config, cls)


def load_editable(path: str | Path) -> ml_collections.ConfigDict:
    """Runs `get_config()` of `path`, or `get_config("variant")` of `path:variant`."""
    file, _, variant = str(path).partition(":")
    if not Path(file).is_file():
        folder = Path(file).parent
        known = sorted(str(p) for p in folder.glob("*.py")) if folder.is_dir() else []
        raise errors.ConfigError(f"No config file at {file!r}; {errors.nearest(file, known)}.")
    spec = importlib.util.spec_from_file_location("ich_jax_config_file", file)
    if spec is None or spec.loader is None:
        raise errors.ConfigError(f"{file} is not a Python file; a config file is named like configs/quick.py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise errors.ConfigError(f"{file} has no get_config(); see configs/quick.py for the form.")
    if variant and not inspect.signature(module.get_config).parameters:
        raise errors.ConfigError(f"{file} has no variants: its get_config() takes no argument; drop ':{variant}'.")
    return module.get_config(variant) if variant else module.get_config()


def _override(config: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, name = dotted.split(".")
    node = config
    for section in sections:
        known = [key for key in node if isinstance(node[key], dict)]
        if section not in known:
            raise errors.ConfigError(
                f"Unknown config section {section!r} in {dotted!r}; {errors.nearest(section, known)}."
            )
        node = node[section]
    if name not in node:
        raise errors.ConfigError(f"Unknown config field {dotted!r}; {errors.nearest(name, node)}.")
    if isinstance(node[name], dict):
        example = f"{dotted}.{next(iter(node[name]))}"
        raise errors.ConfigError(f"{dotted!r} is a config section; override its fields, such as {example!r}.")
    node[name] = value


def _build(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping | ml_collections.ConfigDict):
        raise errors.ConfigError(f"{where}: expected the fields of {cls.__name__}, got {values!r}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if name not in fields:
            raise errors.ConfigError(f"Unknown config field '{where}.{name}'; {errors.nearest(name, fields)}.")
    hints = typing.get_type_hints(cls)
    return cls(**{name: _convert(hints[name], values[name], f"{where}.{name}") for name in values})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple:
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                value = (value,)
        if not isinstance(value, tuple | list):
            value = (value,)
        item = typing.get_args(hint)[0]
        if item is str:  # no name has a comma
            parts = [v.split(",") if isinstance(v, str) else [v] for v in value]
            value = [v.strip() if isinstance(v, str) else v for of in parts for v in of]
        return tuple(_convert(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise errors.ConfigError(f"{where}: expected {hint.__name__}, got {value!r} ({type(value).__name__}).")
    if isinstance(value, float) and not math.isfinite(value):
        raise errors.ConfigError(f"{where}: expected a finite number, got {value!r}.")
    return value


# ---------------------------------------------------------------- checks and derived values


_POSITIVE = (
    *("compute.steps_per_call", "objective.penalty_interval"),
    *("data.size", "data.n_train", "generator.z_dim", "generator.mapping", "objective.d_steps"),
    *("inspector.steps", "inspector.batch", "inspector.learning_rate", "inspector.n_check"),
    *("train.batch", "train.g_lr", "train.d_lr", "train.max_skips", "loop.keep"),
    *("evaluation.n_designs", "evaluation.n_images", "evaluation.feature_seeds", "evaluation.kid_subset"),
    *("evaluation.kid_subsets", "evaluation.nearest_k", "evaluation.diversity_briefs", "evaluation.diversity_draws"),
)
_SHARES = (
    *("data.max_bad_share", "objective.condition_dropout", "objective.noise_kl_final", "objective.penalty_share"),
    "train.final_lr",
)
_DECAYS = ("train.beta1", "train.beta2", "train.ema", "inspector.ema", "data.holdout_share")  # 1 would freeze or empty


def _complete(config: Config) -> Config:
    """Checks values that depend on each other and fills in those that are derived."""
    _check(config)
    train, loop = config.train, config.loop
    if train.steps and train.images and -(-train.images // train.batch) != train.steps:
        raise errors.ConfigError(
            f"config.train states both steps={train.steps} and images={train.images}, which differ at "
            f"batch={train.batch}; state one and set the other to 0."
        )
    if not train.steps and not train.images:
        raise errors.ConfigError("config.train.steps is 0 and so is config.train.images; state how long to train.")
    steps = train.steps or -(-train.images // train.batch)
    train = dataclasses.replace(train, steps=steps, images=steps * train.batch)
    loop = dataclasses.replace(
        loop,
        log_every=loop.log_every or max(1, steps // 100),
        validate_every=loop.validate_every or max(1, steps // 10),
        checkpoint_every=loop.checkpoint_every or max(1, steps // 10),
        sample_every=loop.sample_every or max(1, steps // 10),
    )
    return dataclasses.replace(config, train=train, loop=loop)


def _check(config: Config) -> None:
    _check_numbers(flatten(config))
    _check_choices(config)
    data, objective = config.data, config.objective
    if data.channels not in (1, 3):
        raise errors.ConfigError(f"config.data.channels: expected 1 (grey) or 3 (colour), got {data.channels}.")
    if data.source != "procedural" and not data.path:
        raise errors.ConfigError(
            f"config.data.path is empty but config.data.source is {data.source!r}; give --config.data.path=PATH."
        )
    if data.source == "procedural" and not (16 <= data.size <= 256 and data.channels == 3):
        raise errors.ConfigError(
            f"Procedural data are colour images of 16 to 256 px, got config.data.size={data.size} and "
            f"config.data.channels={data.channels}."
        )
    if objective.update == "simultaneous" and objective.d_steps != 1:
        raise errors.ConfigError("config.objective.d_steps other than 1 needs config.objective.update='alternate'.")
    if objective.penalty != "none" and objective.penalty_share == 0:
        raise errors.ConfigError(
            f"config.objective.penalty is {objective.penalty!r} but config.objective.penalty_share is 0; "
            "raise the share or set config.objective.penalty='none'."
        )
    for name, section in (("generator", config.generator), ("discriminator", config.discriminator)):
        halvings = len(section.widths) - _UNHALVED.get((name, section.network), 0)
        factor = 2**halvings
        if data.size % factor or data.size // factor < 2:
            raise errors.ConfigError(
                f"config.{name}.widths has {len(section.widths)} stages, but {data.size} px cannot be halved "
                f"{halvings} times down to 2 px or more; change the number of widths or config.data.size."
            )
        if section.network != "own" and section.arm != "residual":
            raise errors.ConfigError(
                f"config.{name}.network={section.network!r} is residual throughout; config.{name}.arm='plain' needs "
                "network='own'."
            )
        if section.network == "r3gan" and any(2 * width % 16 for width in section.widths):
            raise errors.ConfigError(
                f"config.{name}.widths={section.widths}: the grouped convolutions of r3gan take multiples of 8."
            )


_UNHALVED = {("generator", "sngan"): 1, ("generator", "r3gan"): 1, ("discriminator", "r3gan"): 1}
"""Networks one of whose widths is that of the full size."""


def _check_numbers(flat: Mapping[str, Any]) -> None:
    for name in flatten(Config()):  # fields that an experiment adds are its own to check
        value = flat[name]
        if isinstance(value, tuple) and not (value and min(value) > 0):
            raise errors.ConfigError(f"config.{name}: expected one or more positive numbers, got {value}.")
        if not isinstance(value, int | float):
            continue
        if name in _POSITIVE and value <= 0:
            raise errors.ConfigError(f"config.{name}: expected a positive number, got {value}.")
        if name in _SHARES and not 0 <= value <= 1:
            raise errors.ConfigError(f"config.{name}: expected a share in [0, 1], got {value}.")
        if name in _DECAYS and not 0 <= value < 1:
            raise errors.ConfigError(f"config.{name}: expected a number in [0, 1), got {value}.")
        if value < 0:
            raise errors.ConfigError(f"config.{name}: expected 0 or more, got {value}.")


def _check_choices(config: Config) -> None:
    errors.require(config.data.source, SOURCES, "config.data.source")
    errors.require(config.generator.network, NETWORKS, "config.generator.network")
    errors.require(config.discriminator.network, NETWORKS, "config.discriminator.network")
    errors.require(config.generator.arm, ARMS, "config.generator.arm")
    errors.require(config.discriminator.arm, ARMS, "config.discriminator.arm")
    errors.require(config.generator.activation, ACTIVATIONS, "config.generator.activation")
    errors.require(config.discriminator.activation, ACTIVATIONS, "config.discriminator.activation")
    errors.require(config.objective.loss, LOSSES, "config.objective.loss")
    errors.require(config.objective.penalty, PENALTIES, "config.objective.penalty")
    errors.require(config.objective.update, UPDATES, "config.objective.update")
    errors.require(config.compute.parallel, PARALLEL, "config.compute.parallel")
    errors.require(config.compute.dtype, DTYPES, "config.compute.dtype")
    errors.require(config.compute.formulation, FORMULATIONS, "config.compute.formulation")
    errors.require(config.compute.penalty_rule, PENALTY_RULES, "config.compute.penalty_rule")
    for policy in filter(None, config.data.augment.split(",")):
        errors.require(policy, AUGMENTATIONS, "config.data.augment")


# ---------------------------------------------------------------- identity of a run


def to_dict(config: Any) -> dict[str, Any]:
    """Returns nested plain dictionaries, ready for JSON."""
    return dataclasses.asdict(config)


def flatten(config: Any, kind: str | None = None, prefix: str = "") -> dict[str, Any]:
    """Returns `{dotted name: value}` of all fields, or of those of one kind (`result` or `execution`)."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            flat |= flatten(value, kind, f"{prefix}{field.name}.")
        elif kind is None or field.metadata["kind"] == kind:
            flat[prefix + field.name] = value
    return flat


def fingerprint(values: Any) -> str:
    """Returns 16 hex digits that identify the result fields of a config, or any JSON value."""
    if dataclasses.is_dataclass(values):
        values = flatten(values, "result")
    text = json.dumps(values, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
