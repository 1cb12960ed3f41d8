"""Fields of the interference study."""

import dataclasses

from ich_jax import errors
from ich_jax.config.fields import execution, result, section
from ich_jax.config.run import InspectorConfig

INTERFERENCE_TASKS = ("sweep", "pulse")
FRESH_SEEDS = 1_000_003
"""Added to the seed of a pulse for briefs that no evaluation uses."""


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """The grid of the static sweep: every kind at severities 1 to 5."""

    kinds: tuple[str, ...] = result(("all",), "Kinds of interference, or all.")
    n: int = result(1000, "Designs of each product at each severity and sampling seed.", most=1_000_000)
    seeds: tuple[int, ...] = result((1, 2, 3), "Sampling seeds.", seed=True)
    real: bool = result(
        True, "Corrupt held-out real images too, to separate the inspector's limits from the generator's."
    )
    batch: int = execution(256, "Designs per call.")

    def __post_init__(self) -> None:
        errors.require_within(self.n, 10, 10**6, "sweep.n", whole=True)
        errors.require_within(self.batch, 2, 65_536, "sweep.batch", whole=True)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise errors.ConfigError(f"sweep.seeds: got {self.seeds}; expected one or more different whole numbers.")


@dataclasses.dataclass(frozen=True)
class PulseConfig:
    """Pulses of interference while training continues from the checkpoint of the generator."""

    pulses: tuple[str, ...] = result(
        (
            *("corrupted_images:0.4", "corrupted_images:0.8", "label_flips:0.3", "label_flips:0.7"),
            *("learning_rate:3", "learning_rate:10"),
        ),
        "KIND:STRENGTH of each pulse.",
    )
    seeds: tuple[int, ...] = result(
        (1, 2, 3),
        "Training seeds; each has a control without a pulse.",
        seed=True,
        distinct=True,
        at_most=errors.LARGEST_SEED - FRESH_SEEDS,
    )
    steps: int = result(1800, "Training steps of a run.", most=1_000_000_000)
    first: float = result(0.25, "Where the window opens, as a share of the run.", at_most=1)
    share: float = result(0.1, "Length of the window, as a share of the run.", at_most=1)
    evaluations: int = result(60, "Evaluations of a run.", most=1_000_000)
    n: int = result(250, "Designs of each product at each evaluation.", most=1_000_000)
    n_fresh: int = result(
        1000, "Other designs of each product for the least accuracy of a run and for its end.", most=1_000_000
    )
    lr: float = result(0.5, "Step sizes, as a share of the training run's largest; constant throughout.")
    ema: float = result(
        0.9, "Decay of the averaged generator, which is judged; the decay of training would hide a short pulse."
    )

    def check(self, flag: str) -> None:
        """Refuses more evaluations than steps.

        Raises:
            ConfigError: There are.
        """
        if self.evaluations > self.steps:
            raise errors.ConfigError(
                f"{flag}.evaluations: got {self.evaluations}; expected at most {flag}.steps={self.steps}."
            )


@dataclasses.dataclass(frozen=True)
class InterferenceConfig:
    """Robustness of a trained generator under interference."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    task: str = result(
        "sweep",
        "sweep of a frozen generator, or pulse: interference while its training continues.",
        choices=INTERFERENCE_TASKS,
    )
    sweep: SweepConfig = section(SweepConfig)
    pulse: PulseConfig = section(PulseConfig)
    second: bool = result(True, "Let a second inspector, built and seeded differently, read every design as well.")
    judge: InspectorConfig = section(InspectorConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    progress: bool = execution(True, "Show a live bar on a terminal.")
