"""Fields of the study of which designs people choose, and how a new product spreads."""

import dataclasses

from ich_jax import errors
from ich_jax.config.fields import execution, result, section

MARKET_SOURCES = ("simulated", "csv")
CURVES = ("bass", "gompertz", "logistic")


@dataclasses.dataclass(frozen=True)
class MarketDataConfig:
    """Where choices and sales come from."""

    source: str = result(
        "simulated", "simulated: a SIMULATED market whose part-worths are known; csv: files of the user."
    )
    path: str = result("", "Folder with choices.csv, sales.csv, or both, and perhaps assortment.csv.")
    price: str = result("price", "Column of choices.csv that is the price.")
    outside: str = result(
        "none", "Alternative that stands for buying nothing; it gets a constant. Empty: there is none."
    )
    persons: int = result(300, "SIMULATED persons.")
    tasks: int = result(8, "SIMULATED tasks of a person.")
    periods: int = result(16, "SIMULATED quarters of sales.")

    def __post_init__(self) -> None:
        errors.require(self.source, MARKET_SOURCES, "data.source")
        if self.source == "csv" and not self.path:
            raise errors.ConfigError(
                "config.data.source is 'csv' but config.data.path is empty; give --config.data.path=FOLDER."
            )
        errors.require_within(self.persons, 20, 10**5, "data.persons", whole=True)
        errors.require_within(self.tasks, 1, 100, "data.tasks", whole=True)
        errors.require_within(self.periods, 5, 1000, "data.periods", whole=True)


@dataclasses.dataclass(frozen=True)
class MarketAnalysisConfig:
    """How choices and sales are analysed."""

    confidence: float = result(0.95, "Coverage of intervals.")
    n_resamples: int = result(9999, "Draws of the estimates, and bootstrap resamples of the sales.")
    n_window_resamples: int = result(499, "Bootstrap resamples of each early window of the sales.")
    curve: str = result("bass", "Curve of the forecast: bass, gompertz or logistic; the others are shown beside it.")
    horizon: int = result(8, "Periods that are forecast, and that the launch is valued over.")
    n_briefs: int = result(12, "Briefs of the combinations with the highest part-worths, for experiments/design.py.")

    def __post_init__(self) -> None:
        errors.require(self.curve, CURVES, "analysis.curve")
        errors.require_within(self.confidence, 0.5, 0.999, "analysis.confidence")
        errors.require_within(self.n_resamples, 99, 10**6, "analysis.n_resamples", whole=True)
        errors.require_within(self.n_window_resamples, 19, 10**5, "analysis.n_window_resamples", whole=True)
        errors.require_within(self.horizon, 1, 1000, "analysis.horizon", whole=True)
        errors.require_within(self.n_briefs, 1, 1000, "analysis.n_briefs", whole=True)


@dataclasses.dataclass(frozen=True)
class MarketLaunchConfig:
    """What a launch costs; assortment.csv may give costs of each design instead."""

    unit_cost: float = result(30.0, "Yuan that a unit costs to make.")
    design_cost: float = result(2000.0, "Yuan that each design costs to launch.")
    investment: float = result(10000.0, "Yuan that the launch costs besides.")
    discount_rate: float = result(0.05, "A year, effective.", at_least=-0.5)

    def __post_init__(self) -> None:
        for name in ("unit_cost", "design_cost", "investment"):
            errors.require_within(getattr(self, name), 0.0, 1e12, f"launch.{name}")
        errors.require_within(self.discount_rate, -0.5, 10.0, "launch.discount_rate")


@dataclasses.dataclass(frozen=True)
class MarketConfig:
    """Which designs people choose, what they would pay, and how a new product spreads."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    seed: int = result(0, "Seed of resampling, and of the SIMULATED market.", seed=True)
    data: MarketDataConfig = section(MarketDataConfig)
    analysis: MarketAnalysisConfig = section(MarketAnalysisConfig)
    launch: MarketLaunchConfig = section(MarketLaunchConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
