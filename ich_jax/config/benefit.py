"""Fields of the benefit study."""

import dataclasses

from ich_jax import errors
from ich_jax.config.fields import execution, result, section

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
    """What adopting costs and how its effect continues; limits are those of `econometrics.value.Plan`."""

    horizon_days: int = result(365, "Days that are counted, from the launch.")
    discount_rate: float = result(0.05, "A year, effective: 1.05 yuan after 365 days are worth 1 yuan now.")
    investment: float = result(0.0, "Yuan, paid at the launch.")
    running_cost: float = result(0.0, "Yuan a day.")
    ramp_days: int = result(0, "Days over which the effect rises evenly to its size; 0: at once.")
    growth: float = result(0.0, "Of the effect, a year: on day d it is multiplied by (1 + growth)^((d - 1) / 365).")
    growth_error: float = result(0.0, "Standard error of growth, drawn from a normal distribution, not below -0.99.")


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
    data: SalesConfig = section(SalesConfig)
    simulation: SimulationConfig = section(SimulationConfig)
    analysis: AnalysisConfig = section(AnalysisConfig)
    plan: PlanConfig = section(PlanConfig)
    size_study: SizeStudyConfig = section(SizeStudyConfig)
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
