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
    n: int = result(1000, "Designs of each product at each severity and sampling seed.", at_least=10, at_most=10**6)
    seeds: tuple[int, ...] = result((1, 2, 3), "Sampling seeds.", distinct=True)
    real: bool = result(True, "Corrupt held-out real images too, to tell the inspector's limits from the generator's.")
    batch: int = execution(256, "Designs per call.", at_least=2, at_most=65_536)


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
    seeds: tuple[int, ...] = result((1, 2, 3), "Training seeds; each has a control without a pulse.", distinct=True)
    steps: int = result(1800, "Training steps of a run.", at_least=40, at_most=10**7)
    first: float = result(0.25, "Where the window opens, as a share of the run.", at_most=1)
    share: float = result(0.1, "Length of the window, as a share of the run.", at_most=1)
    evaluations: int = result(60, "Evaluations of a run, at most its steps.", at_least=30)
    n: int = result(250, "Designs of each product at each evaluation.", at_least=10, at_most=10**6)
    n_fresh: int = result(
        1000,
        "Other designs of each product that tell a run's least accuracy and that at its end.",
        at_least=10,
        at_most=10**6,
    )
    lr: float = result(
        0.5,
        "Step sizes, as a share of the training run's largest; constant through the run.",
        at_least=1e-6,
        at_most=1000,
    )
    ema: float = result(
        0.9, "Decay of the averaged generator, which is judged: that of training hides a short pulse.", below=1
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
    """How far a trained generator can be trusted under interference."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    task: str = result(
        "sweep", "sweep of a frozen generator, or pulse: interference while it trains on.", choices=INTERFERENCE_TASKS
    )
    sweep: SweepConfig = section(SweepConfig)
    pulse: PulseConfig = section(PulseConfig)
    second: bool = result(True, "A second inspector, built and seeded differently, reads every design as well.")
    judge: InspectorConfig = section(InspectorConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    progress: bool = execution(True, "Show a live bar on a terminal.")
