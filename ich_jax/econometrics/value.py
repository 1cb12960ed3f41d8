"""Value of an effect on the economic benefit: per year, after costs, discounted, with its uncertainty.

Discounting: yuan of day d, counted from the launch, are worth (1 + rate)^(-d / 365) yuan of the launch; the investment
is paid at the launch, and each day's benefit arrives at its end (d = 1, ..., horizon).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics.benefit import DAYS
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

_LIMITS: Mapping[str, tuple[float, float]] = {
    "horizon_days": (1, 3650),
    "discount_rate": (-0.5, 10.0),
    "investment": (0.0, np.inf),
    "running_cost": (0.0, np.inf),
    "ramp_days": (0, np.inf),
    "growth": (-0.99, 100.0),
    "growth_error": (0.0, np.inf),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Costs of adopting a design, and the course of its effect.

    Attributes:
        horizon_days: Days that are counted, from the launch.
        discount_rate: A year, effective.
        investment: Yuan, paid at the launch.
        running_cost: Yuan a day.
        ramp_days: Days over which the effect rises evenly to its size; 0: at once.
        growth: Growth of the effect per year: on day d it is multiplied by (1 + growth)^((d - 1) / 365).
        growth_error: Standard error of the growth, drawn from a normal distribution, not below -0.99.

    Raises:
        ConfigError: A value outside its limits.
    """

    horizon_days: int = DAYS
    discount_rate: float = 0.05
    investment: float = 0.0
    running_cost: float = 0.0
    ramp_days: int = 0
    growth: float = 0.0
    growth_error: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            errors.require_within(getattr(self, name), low, high, f"plan.{name}", whole=name.endswith("_days"))


class Valued(NamedTuple):
    """Result of the kernel.

    Attributes:
        gains: Present value of the gains over the horizon, before the investment; yuan.
        balance: `[H]` present value of gains to each day, minus the investment.
        break_even: First day whose balance is not negative; 0 without an investment, inf if there is none.
    """

    gains: jax.Array
    balance: jax.Array
    break_even: jax.Array


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Value(Result):
    """Value of an effect, from B draws of the uncertain quantities.

    Attributes:
        per_day: Effect, yuan a day: estimate, lower and upper limit.
        per_year: The same, 365 times.
        npv: Net present value, yuan: at the estimates, lower and upper limit.
        roi: Net present value over the investment, the same three; nan without an investment.
        break_even_day: Day at the estimates, lower and upper limit; inf is beyond the horizon.
        p_npv_positive: Share of draws whose net present value is above 0.
        p_break_even: `[H]` share of draws that have broken even by each day.
        investments: `[K]` yuan.
        acceptability: `[K]` share of draws in which the gains cover that investment: the acceptability curve.
        balance: `[H]` present value up to each day at the estimates, minus the investment.
        balance_low: `[H]` lower pointwise limit.
        balance_high: `[H]` upper pointwise limit.
        npv_draws: `[B]` draws of the net present value.
        confidence: Coverage of the limits.
        plan: Assumed costs and course of the effect.
        discounting: The discounting in words.
    """

    columns = ("quantity", "estimate", "low", "high")

    per_day: tuple[float, float, float]
    per_year: tuple[float, float, float]
    npv: tuple[float, float, float]
    roi: tuple[float, float, float]
    break_even_day: tuple[float, float, float]
    p_npv_positive: float
    p_break_even: Array
    investments: Array
    acceptability: Array
    balance: Array
    balance_low: Array
    balance_high: Array
    npv_draws: Array
    confidence: float
    plan: Plan
    discounting: str

    @property
    def quantity(self) -> tuple[str, ...]:
        """Names of the rows of the table."""
        return ("per_day", "per_year", "npv", "roi", "break_even_day")

    @property
    def estimate(self) -> Array:
        """`[5]` estimates of `quantity`."""
        return np.array([getattr(self, name)[0] for name in self.quantity])

    @property
    def low(self) -> Array:
        """`[5]` lower limits of `quantity`."""
        return np.array([getattr(self, name)[1] for name in self.quantity])

    @property
    def high(self) -> Array:
        """`[5]` upper limits of `quantity`."""
        return np.array([getattr(self, name)[2] for name in self.quantity])


def value(
    effect: float,
    plan: Plan,
    key: jax.Array,
    *,
    error: float | None = None,
    df: float = np.inf,
    samples: npt.ArrayLike | None = None,
    investments: npt.ArrayLike | None = None,
    n_draws: int = 9999,
    confidence: float = 0.95,
) -> Value:
    """Value of an effect over the horizon of a plan, by Monte Carlo over the uncertain quantities.

    The effect and its growth are uncertain; variation from day to day averages out over a horizon and is ignored.

    Example:
        One yuan a day for a year, without discounting.

        >>> import jax
        >>> from ich_jax.econometrics import value
        >>> plan = value.Plan(discount_rate=0.0, investment=100.0)
        >>> worth = value.value(1.0, plan, jax.random.key(0), error=0.0)
        >>> worth.npv[0], worth.break_even_day[0]
        (265.0, 100.0)

    Args:
        effect: Estimate, yuan a day.
        plan: Costs, horizon, discounting.
        key: Random key.
        error: Its standard error; the effect is drawn from Student's t about the estimate.
        df: Degrees of freedom of t; inf: normal.
        samples: `[n]` draws of the effect instead, such as bootstrap replicates; they are drawn from with replacement.
        investments: `[K]` yuan, for the acceptability curve; None: 41 from 0 to twice the gains (or the investment, if
            that is more).
        n_draws: Number B of draws; a share of .95 then has a Monte Carlo error of .002.
        confidence: Coverage of the limits.

    Raises:
        ConfigError: Both or neither of `error` and `samples`; a confidence outside (0, 1); fewer than 100 draws; a
            negative error or investment; df not above 0.
        DataError: Values that are not finite, or no samples.

    References:
        Briggs, Claxton and Sculpher (2006), Decision modelling for health economic evaluation, chapter 5.
    """
    pool = _checked_samples(effect, error, df, samples, n_draws=n_draws, confidence=confidence)
    terms = {"discount_rate": plan.discount_rate, "investment": plan.investment, "running_cost": plan.running_cost}
    terms |= {"ramp_days": float(plan.ramp_days)}
    with float64.enabled():
        valued, uniform, normal = jax.tree.map(
            np.asarray, _standard(float(effect), plan.growth, terms, key, days=plan.horizon_days, n_draws=n_draws)
        )
        tail = (1.0 - confidence) / 2.0
        drawn, low, high = _drawn(effect, error, df, pool, uniform, tail)
        rates = np.maximum(plan.growth + plan.growth_error * normal, -0.99)
        many = jax.tree.map(np.asarray, _many(drawn, rates, terms, days=plan.horizon_days))
    npv = many.gains - plan.investment
    limits = [tail, 1.0 - tail]
    if investments is None:
        # Twice the gains at the estimates, so that the curve's fall is in sight.
        investments = np.linspace(0.0, max(2.0 * float(valued.gains), 2.0 * plan.investment, 1.0), 41)
    grid = float64.finite(investments, "value: investments", ndim=1)
    if (grid < 0).any():
        raise errors.ConfigError(f"value: investments: expected yuan from 0, got {grid.min():g}.")
    npv_at = float(valued.gains) - plan.investment
    npv_low, npv_high = (float(v) for v in np.quantile(npv, limits))
    even_low, even_high = (float(v) for v in np.quantile(many.break_even, limits, method="inverted_cdf"))
    day = np.arange(1, plan.horizon_days + 1)
    paid = plan.investment if plan.investment > 0 else float("nan")
    balance_low, balance_high = np.quantile(many.balance, limits, axis=0)
    return Value(
        per_day=(float(effect), float(low), float(high)),
        per_year=(DAYS * float(effect), DAYS * float(low), DAYS * float(high)),
        npv=(npv_at, npv_low, npv_high),
        roi=(npv_at / paid, npv_low / paid, npv_high / paid),
        break_even_day=(float(valued.break_even), even_low, even_high),
        p_npv_positive=float((npv > 0).mean()),
        p_break_even=(many.break_even[:, None] <= day).mean(axis=0),
        investments=grid,
        acceptability=(many.gains[:, None] >= grid).mean(axis=0),
        balance=valued.balance,
        balance_low=balance_low,
        balance_high=balance_high,
        npv_draws=npv,
        confidence=confidence,
        plan=plan,
        discounting=(
            f"present value at the launch, {100 * plan.discount_rate:g} % a year: yuan of day d times "
            f"(1 + {plan.discount_rate:g})^(-d/365), over {plan.horizon_days} days"
        ),
    )


def _checked_samples(
    effect: float, error: float | None, df: float, samples: npt.ArrayLike | None, *, n_draws: int, confidence: float
) -> Array:
    """Checks the arguments of `value`; returns the samples of the effect, or a single zero if its error is given."""
    if (error is None) == (samples is None):
        raise errors.ConfigError("value: pass either the standard `error` of the effect or `samples` of it.")
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"value: confidence: expected a number inside (0, 1), got {confidence!r}.")
    if n_draws < 100 or n_draws != int(n_draws):
        raise errors.ConfigError(f"value: n_draws: expected a whole number from 100, got {n_draws!r}.")
    if not np.isfinite(effect) or (error is not None and not (np.isfinite(error) and error >= 0)) or not df > 0:
        raise errors.ConfigError(
            f"value: effect={effect!r}, error={error!r}, df={df!r}: expected finite numbers, an error from 0 and "
            "degrees of freedom above 0."
        )
    pool = np.zeros(1) if samples is None else float64.finite(samples, "value: samples", ndim=1)
    if len(pool) == 0:
        raise errors.DataError("value: samples is empty; pass the draws of the effect.")
    return pool


def _drawn(
    effect: float, error: float | None, df: float, pool: Array, uniform: Array, tail: float
) -> tuple[Array, float, float]:
    """Effects `[B]` at uniform numbers, and the limits with `tail` beyond each; without an error, of the pool."""
    if error is None:
        drawn = pool[np.minimum((uniform * len(pool)).astype(np.int64), len(pool) - 1)]
        low, high = np.quantile(pool, [tail, 1.0 - tail])
        return drawn, low, high
    half = float(stats.t.isf(tail, df)) * error
    return effect + error * stats.t.ppf(uniform, df), effect - half, effect + half


def present_value(
    effect: jax.Array,
    growth_rate: jax.Array,
    *,
    days: int,
    discount_rate: float | jax.Array,
    investment: float | jax.Array,
    running_cost: float | jax.Array,
    ramp_days: float | jax.Array,
) -> Valued:
    """Discounted gains of one effect; a kernel: pure, float64, for `jit`, `vmap` and `grad`.

    Args:
        effect: Scalar, yuan a day.
        growth_rate: Scalar, a year.
        days: Horizon H, fixed when compiled.
        discount_rate: Scalar, a year.
        investment: Scalar, yuan.
        running_cost: Scalar, yuan a day.
        ramp_days: Scalar, days.

    Raises:
        DataError: The effect is not float64.
    """
    effect = float64.kernel_array(effect, "present_value: effect")
    day = jnp.arange(1, days + 1, dtype=effect.dtype)
    ramp = jnp.minimum(day / jnp.maximum(ramp_days, 1.0), 1.0)
    net = effect * ramp * (1.0 + growth_rate) ** ((day - 1.0) / DAYS) - running_cost
    gains = jnp.cumsum(net * (1.0 + discount_rate) ** (-day / DAYS))
    balance = gains - investment
    even = balance >= 0.0
    first = jnp.where(even.any(), even.argmax().astype(effect.dtype) + 1.0, jnp.inf)
    return Valued(gains[-1], balance, jnp.where(investment > 0.0, first, 0.0))


@programs.jit(static_argnames=("days", "n_draws"))
def _standard(
    effect: jax.Array, growth_rate: jax.Array, terms: dict[str, jax.Array], key: jax.Array, *, days: int, n_draws: int
) -> Any:
    """The plan at the estimates, and uniform and normal numbers [B] (independent of how many there are)."""

    def draw(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        of_effect, of_growth = jax.random.split(jax.random.fold_in(key, index))
        # Inside (0, 1), so that quantiles are finite.
        uniform = jax.random.uniform(of_effect, (), jnp.float64, 1e-12, 1.0 - 1e-12)
        return uniform, jax.random.normal(of_growth, (), jnp.float64)

    valued = present_value(jnp.asarray(effect, jnp.float64), jnp.asarray(growth_rate, jnp.float64), days=days, **terms)
    return (valued, *draws.each(draw, n_draws, 8))


@programs.jit(static_argnames=("days",))
def _many(effects: jax.Array, rates: jax.Array, terms: dict[str, jax.Array], *, days: int) -> Valued:
    return jax.vmap(lambda e, g: present_value(e, g, days=days, **terms))(effects, rates)
