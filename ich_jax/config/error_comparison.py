"""Fields of the error comparison."""

import dataclasses

from ich_jax import errors
from ich_jax.config.fields import execution, result, section
from ich_jax.config.run import Config

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

    comparison: ComparisonConfig = section(ComparisonConfig)
