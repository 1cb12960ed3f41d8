"""SIMULATED daily benefits: the default data, since the paper publishes none.

The paper gives two numbers: figurines end at 1,312 yuan a day and earrings at 1,118. Nothing else here comes from it.
The two products are scaled so that the mean of their treated units over the last seven days is exactly that; fans and
books stand at a level that was chosen freely. Effects, launches, noise and the number of outlets are assumptions, all
of them fields of `config.SimulationConfig`.
"""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ich_jax.config import SimulationConfig
from ich_jax.econometrics import holidays, panel
from ich_jax.studies.benefit.daily import Daily
from ich_jax.uncertainty.float64 import Array

FINALS: Mapping[str, float] = MappingProxyType({"figurine": 1312.0, "earrings": 1118.0})  # yuan a day, from the paper
LEVELS: Mapping[str, float] = MappingProxyType({"fan": 900.0, "book": 800.0})  # chosen freely
_LAST = 7


@dataclasses.dataclass(frozen=True, slots=True)
class Simulated:
    """Simulated data with the truth behind them.

    Attributes:
        data: As read from a file, marked as simulated.
        effect: By product, `[treated, T]` true effect on each treated outlet, yuan a day; 0 before the launch.
        assumptions: What was assumed.
    """

    data: Daily
    effect: Mapping[str, Array]
    assumptions: SimulationConfig


def simulate(assumptions: SimulationConfig | None = None) -> Simulated:
    """Simulates products: outlets of unequal size, days of the week, holidays, AR(1) errors, launches and effects.

    Args:
        assumptions: None: the defaults.

    Raises:
        DataError: An invalid first day, or days beyond the built-in calendar.
    """
    a = SimulationConfig() if assumptions is None else assumptions
    days = holidays.date(a.first, "simulation.first") + np.arange(a.days) * np.timedelta64(1, "D")
    season = _season(days)
    every = sorted({*FINALS, *LEVELS})
    names = sorted(a.products)
    panels, effects = [], {}
    for name in names:
        k = every.index(name)
        # A stream for each product, so that one product does not depend on which others there are, and how large.
        unscaled, effect = _product(np.random.default_rng([a.seed, k]), a, season, k, len(every))
        last = unscaled.outcome[unscaled.ever_treated, -_LAST:].mean()
        scale = (FINALS[name] if name in FINALS else LEVELS[name]) / last
        units = np.array([f"{name} {u}" for u in unscaled.units])
        panels.append(panel.Panel(units, days, unscaled.outcome * scale, unscaled.observed, unscaled.start))
        effects[name] = effect * scale
    finals = ", ".join(f"{name} {value:,.0f}" for name, value in FINALS.items() if name in names) or "none"
    source = f"simulation (seed {a.seed}; only the last seven days are calibrated: {finals} yuan a day)"
    return Simulated(Daily(tuple(names), tuple(panels), source, simulated=True), MappingProxyType(effects), a)


def autoregressive_noise(rng: np.random.Generator, shape: tuple[int, int], rho: float) -> Array:
    """Stationary AR(1) series of variance 1.

    Args:
        rng: Source of the shocks.
        shape: Series, periods.
        rho: Autocorrelation, inside (-1, 1).

    Returns:
        `[series, periods]`.
    """
    shocks = rng.normal(size=shape)
    series = np.empty(shape)
    series[:, 0] = shocks[:, 0]
    for t in range(1, shape[1]):
        series[:, t] = rho * series[:, t - 1] + math.sqrt(1.0 - rho * rho) * shocks[:, t]
    return series


def _season(days: npt.NDArray[np.datetime64]) -> Array:
    """`[T]` factor of the day: weekends and holidays are better."""
    factors = {"Friday": 0.05, "Saturday": 0.25, "Sunday": 0.2}
    factors |= {"spring_festival": 0.35, "labour_day": 0.4, "national_day": 0.45}
    columns = holidays.terms(days)
    return 1.0 + sum((factors.get(name, 0.0) * column for name, column in columns.items()), np.zeros(len(days)))


def _product(
    rng: np.random.Generator, a: SimulationConfig, season: Array, k: int, products: int
) -> tuple[panel.Panel, Array]:
    """One product at a level of about 1, and the effects in the same scale."""
    n = a.treated + a.local
    level = np.exp(a.spread * rng.normal(size=(n, 1)))
    error = a.noise * autoregressive_noise(rng, (n, a.days), a.autocorrelation)
    error = error + a.common * autoregressive_noise(rng, (1, a.days), a.autocorrelation)
    # Launches of the products lie in the middle fifth of the days, one after the other.
    launch = int(a.days * (0.4 + 0.2 * k / max(products - 1, 1)))
    since = np.arange(a.days) - launch + 1.0
    ramp = np.clip(since / a.ramp_days, 0.0, 1.0) if a.ramp_days else (since > 0).astype(np.float64)
    size = a.effect * ramp * (1.0 + a.growth) ** (np.maximum(since - 1.0, 0.0) / 365.0)
    effect = level[: a.treated] * season * size
    outcome = level * season * (1.0 + error)
    outcome[: a.treated] += effect
    start = np.where(np.arange(n) < a.treated, launch, a.days)
    names = [f"outlet {i + 1:02d}" for i in range(a.treated)] + [f"local {i + 1:02d}" for i in range(a.local)]
    return panel.Panel(np.array(names), np.arange(a.days), outcome, np.ones(outcome.shape, bool), start), effect
