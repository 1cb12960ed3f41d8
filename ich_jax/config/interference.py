"""Fields of the interference study."""

import dataclasses

from ich_jax import errors
from ich_jax.config.fields import execution, result, section
from ich_jax.config.run import InspectorConfig

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
    sweep: SweepConfig = section(SweepConfig)
    pulse: PulseConfig = section(PulseConfig)
    second: bool = result(True, "A second inspector, built and seeded differently, reads every design as well.")
    judge: InspectorConfig = section(InspectorConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    progress: bool = execution(True, "Show a live bar on a terminal.")

    def __post_init__(self) -> None:
        errors.require(self.task, INTERFERENCE_TASKS, "task")
