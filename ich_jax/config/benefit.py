"""Fields of the benefit study."""

import dataclasses
import math

from ich_jax import errors
from ich_jax.config.fields import execution, result, section

SALES = ("simulated", "csv")
TASKS = ("analyse", "size_study")
SCALES = ("index", "yuan")
SIMULATED_PRODUCTS = ("book", "earrings", "fan", "figurine")


@dataclasses.dataclass(frozen=True)
class SalesConfig:
    """Source of the daily benefits."""

    source: str = result("simulated", "simulated or csv.", choices=SALES)
    path: str = result(
        "",
        "CSV file with date, unit, product, arm and benefit (or units, price, cost); unused for simulated data.",
        location=True,
    )
    calendar: str = result(
        "", "CSV file of holidays with date and holiday; empty: the built-in calendar, 2018 to 2030.", location=True
    )


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
    """Assumptions of simulated daily benefits."""

    first: str = result("2024-01-01", "First day.")
    products: tuple[str, ...] = result(
        SIMULATED_PRODUCTS,
        "Products, of those four; none depends on which others.",
        choices=SIMULATED_PRODUCTS,
        distinct=True,
    )
    days: int = result(365, "Number of days; the launches lie in the middle fifth.", at_least=30, at_most=20_000)
    treated: int = result(1, "Outlets with AI-assisted design, for each product.", at_least=1, at_most=10_000)
    local: int = result(8, "Outlets without it, for each product.", at_least=1, at_most=10_000)
    effect: float = result(0.25, "Effect at full size, as a share of the level before.", at_least=-0.9, at_most=100)
    ramp_days: int = result(45, "Days over which the effect rises evenly.", at_most=20_000)
    growth: float = result(0.2, "Growth of the effect, a year.", at_least=-0.9, at_most=100)
    autocorrelation: float = result(0.4, "Of the daily error (AR(1)).", at_least=-0.99, at_most=0.99)
    noise: float = result(
        0.08, "Standard deviation of the daily error, as a share of the level.", at_least=0.001, at_most=1
    )
    common: float = result(0.05, "The same for a shock that all outlets of a product share.", at_most=1)
    spread: float = result(0.2, "Standard deviation of the logarithm of the outlets' levels.", at_most=2)
    seed: int = result(0, "Seed of the noise.", seed=True)


@dataclasses.dataclass(frozen=True)
class PlanConfig:
    """Costs of adoption and persistence of its effect; limits are those of `econometrics.value.Plan`."""

    horizon_days: int = result(365, "Days that are counted, from the launch.", most=100_000)
    discount_rate: float = result(
        0.05, "A year, effective: 1.05 yuan after 365 days are worth 1 yuan now.", at_least=-math.inf
    )
    investment: float = result(0.0, "Yuan, paid at the launch.")
    running_cost: float = result(0.0, "Yuan a day.")
    ramp_days: int = result(0, "Days over which the effect rises evenly to its size; 0: at once.", most=100_000)
    growth: float = result(
        0.0, "Of the effect, a year: on day d it is multiplied by (1 + growth)^((d - 1) / 365).", at_least=-math.inf
    )
    growth_error: float = result(0.0, "Standard error of growth, drawn from a normal distribution, not below -0.99.")


@dataclasses.dataclass(frozen=True)
class AnalysisConfig:
    """How effects are estimated and tested."""

    scale: str = result(
        "index", "index: each unit relative to its own mean before the first launch; yuan: as they are.", choices=SCALES
    )
    alpha: float = result(0.05, "Level of the tests; intervals cover 1 - alpha.", at_least=0.001, at_most=0.5)
    power: float = result(
        0.8, "Power at which the audit states the least detectable effect.", at_least=0.05, at_most=0.999
    )
    n_simulations: int = result(
        1000, "Panels that the audit simulates from the days before the launch.", at_least=100, at_most=10**7
    )
    n_refits: int = result(
        100, "The same for methods that fit weights to every simulated panel.", at_least=20, at_most=10**7
    )
    n_resamples: int = result(9999, "Reassignments, bootstrap draws and Monte Carlo draws.", at_least=99, at_most=10**7)
    n_placebos: int = result(
        200, "Placebos behind the error of synthetic difference-in-differences.", at_least=20, at_most=10**6
    )
    max_missing: float = result(
        0.1,
        "Synthetic controls leave out units with a larger share of missing days, then days with any missing unit.",
        at_most=0.99,
    )
    order: int = result(1, "Order of the autoregressive errors of the interrupted time series.", at_least=1, at_most=30)


@dataclasses.dataclass(frozen=True)
class SizeStudyConfig:
    """Simulated panels that check the tests against their nominal level."""

    autocorrelation: tuple[float, ...] = result((0.0, 0.4, 0.8), "Of the daily errors.", above=-1, below=1)
    controls: tuple[int, ...] = result((4, 8, 20), "Numbers of untreated units.", at_least=1)
    periods: tuple[int, ...] = result((60, 180, 365), "Numbers of days, the launch in the middle.", at_least=2)
    treated: int = result(4, "Treated units.", at_least=1)
    effect: float = result(
        0.0, "Effect, in standard deviations of a day: 0 for size, above for power.", at_least=-math.inf
    )
    n_panels: int = result(1000, "Panels of each design.", at_least=1)
    n_pairs: int = result(
        100, "The same for leave-two-out, which fits three weights for each pair of donors.", at_least=1
    )


@dataclasses.dataclass(frozen=True)
class BenefitConfig:
    """The benefit of a product line per day."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    seed: int = result(0, "Seed of resampling and Monte Carlo.", seed=True)
    task: str = result(
        "analyse", "analyse a file or simulated data, or size_study: do the tests hold their level.", choices=TASKS
    )
    data: SalesConfig = section(SalesConfig)
    simulation: SimulationConfig = section(SimulationConfig)
    analysis: AnalysisConfig = section(AnalysisConfig)
    plan: PlanConfig = section(PlanConfig)
    size_study: SizeStudyConfig = section(SizeStudyConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    progress: bool = execution(True, "Show a live bar on a terminal.")
    threads: int = execution(
        0, "Products that are worked on at once; 0: as many as there are processor cores.", at_most=1024
    )

    def check(self, flag: str) -> None:
        """Refuses sales from a file without its name.

        Raises:
            ConfigError: It is not.
        """
        if self.data.source == "csv" and not self.data.path:
            raise errors.ConfigError(
                f"{flag}.data.source is 'csv' but {flag}.data.path is empty; give {flag}.data.path=FILE."
            )
