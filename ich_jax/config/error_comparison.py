"""Fields of the error comparison."""

import dataclasses

from ich_jax import errors
from ich_jax.config.fields import execution, result, section
from ich_jax.config.run import Config

COMPARED = ("both", "generator")
TRIAL_SEEDS = 1_000_000
"""Added to the seeds of trials, so that they differ from the seeds of the comparison."""


@dataclasses.dataclass(frozen=True)
class ComparisonConfig:
    """The networks that are compared with and without shortcuts, and the settings of both arms."""

    seeds: int = result(
        3, "Trained networks of each arm and depth: seeds config.seed, config.seed + 1, ...", at_least=1, at_most=1000
    )
    depths: tuple[int, ...] = result(
        (1,), "Blocks per stage; one, or several to see how errors grow with depth.", at_least=1
    )
    networks: str = result("both", "Networks without shortcuts in the plain arm: both, or generator.", choices=COMPARED)
    axes: str = result("all", "Axes that are compared, comma separated; all: those of the data.")
    tolerance: float = result(0.5, "|error| above it counts as beyond.", at_most=6)
    residual_gains: tuple[float, ...] = result(
        (0.1, 1.0), "Initial gains tried for residual blocks, in both networks.", distinct=True
    )
    plain_gains: tuple[float, ...] = result(
        (1.0, 0.9),
        "Initial gains tried for plain blocks of the generator: He's, and one that keeps a signal's size.",
        at_least=0,
    )
    plain_d_gains: tuple[float, ...] = result(
        (1.0, 1.8), "The same for the discriminator, whose signals are small: there SiLU halves them.", at_least=0
    )
    learning_rates: tuple[float, ...] = result(
        (1e-3, 2e-3), "Peak step sizes tried in both arms, for both networks.", distinct=True
    )
    trial_steps: int = result(
        1000, "Steps of each trial; 0: no trials, the first gain and step size are taken.", at_most=10**7
    )
    trial_seeds: int = result(
        1, "Networks of each trial; their seeds take no part in the comparison.", at_least=1, at_most=1000
    )
    appended: int = result(
        1, "Blocks appended to each stage of the trained generators, to see their effect.", at_least=1, at_most=100
    )
    best_of: int = result(
        8, "Draws per brief among which D's reading head picks, in an extra row; 0: no such row.", at_most=1024
    )
    n_resamples: int = result(
        9999, "Bootstrap resamples, and sign flips where these are drawn.", at_least=99, at_most=10**7
    )
    stack_seeds: bool = execution(
        False, "Train all seeds of an arm and depth in one program (vmap): for accelerators with room to spare."
    )

    def check(self, flag: str) -> None:
        """Refuses depths out of order, gains that form no pairs, and a choice among one draw.

        Raises:
            ConfigError: Which field, and how to repair it.
        """
        if list(self.depths) != sorted(set(self.depths)):
            raise errors.ConfigError(f"{flag}.depths: got {self.depths}; expected ascending numbers from 1.")
        n = len(self.plain_gains)
        if len(self.plain_d_gains) != n or len(set(zip(self.plain_gains, self.plain_d_gains, strict=True))) < n:
            raise errors.ConfigError(
                f"{flag}.plain_gains={self.plain_gains} and {flag}.plain_d_gains={self.plain_d_gains} are tried in "
                "pairs; give as many of one as of the other, and no pair twice."
            )
        if self.best_of == 1:
            raise errors.ConfigError(f"{flag}.best_of: got 1; expected 2 or more draws to choose from, or 0.")


@dataclasses.dataclass(frozen=True)
class ErrorComparisonConfig(Config):
    """Two arms that differ in the shortcut alone; the fields of a run apply to every network."""

    comparison: ComparisonConfig = section(ComparisonConfig)

    def check(self, flag: str) -> None:
        """Checks a run as `Config.check` does, and refuses a seed so large that a network's would repeat another's."""
        super().check(flag)
        errors.require_seed(self.seed, f"{flag}.seed", largest=errors.LARGEST_SEED - TRIAL_SEEDS - 1000)
