"""Economic benefit in yuan a day: computed from sales, described by three curves, and tests for growth of an effect."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.series import interrupted, trend
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

DAYS = 365  # in a year, as in the paper: 1,312 yuan a day are 478,880 a year
ARMS = ("ai", "before", "local")  # with AI-assisted design, before it, local average of the same type
_LAST = 7  # days that make up the end of a curve: a whole week, so that the day of the week does not matter


@dataclasses.dataclass(frozen=True, slots=True)
class Arm:
    """One of the three curves of a product.

    Attributes:
        name: "ai", "before" or "local".
        days: Days that it covers.
        mean: Yuan a day.
        low: Lower limit of the mean, with AR(1) errors.
        high: Upper limit.
        last: Mean of the last seven days (of all, if there are fewer).
    """

    name: str
    days: int
    mean: float
    low: float
    high: float
    last: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Growth(Result):
    """Growth of the effect with its tests.

    Attributes:
        per_year: Change of the effect, in yuan a day, over a year (least squares).
        low: Lower limit, by block bootstrap.
        high: Upper limit.
        p: Two-sided p-value of the same bootstrap, on Mann-Kendall's S.
        relative: `per_year` over the mean effect.
        mann_kendall: The test with the correction of Hamed and Rao beside it; None where its variance is not positive.
        bootstrap: The bootstrap itself.
    """

    bracketed = "per_year"

    per_year: float
    low: float
    high: float
    p: float
    relative: float
    mann_kendall: trend.MannKendall | None
    bootstrap: trend.BootstrapTrend


def from_sales(units: npt.ArrayLike, price: npt.ArrayLike, cost: npt.ArrayLike) -> Array:
    """Benefit in yuan a day: units x (price - cost).

    Example:
        >>> from ich_jax.econometrics import benefit
        >>> benefit.from_sales([3, 0], price=[20.0, 20.0], cost=12.0).tolist()
        [24.0, 0.0]

    Args:
        units: `[...]` sold that day.
        price: Yuan each; `[...]` or one number.
        cost: Yuan each; `[...]` or one number.

    Returns:
        `[...]`; negative where things are sold below cost.

    Raises:
        DataError: Values that are not finite, negative units, prices or costs, or shapes that do not fit.
    """
    given = {"units": units, "price": price, "cost": cost}
    arrays = {name: float64.finite(value, f"from_sales: {name}") for name, value in given.items()}
    shape = arrays["units"].shape
    for name, array in arrays.items():
        if array.shape not in (shape, ()):
            raise errors.DataError(
                f"from_sales: {name} has shape {list(array.shape)}, units {list(shape)}; expected the same, or one "
                "number."
            )
        if (array < 0).any():
            where = np.argwhere(np.atleast_1d(array) < 0)[0].tolist()
            raise errors.DataError(
                f"from_sales: {name} is negative at index {where} ({array.min():g}); enter returns as fewer units, and "
                "subsidies as a lower cost."
            )
    return np.asarray(arrays["units"] * (arrays["price"] - arrays["cost"]))


def arms(curves: Mapping[str, npt.ArrayLike], *, confidence: float = 0.95) -> tuple[Arm, ...]:
    """Describes the three curves; the differences between them are no effects.

    Args:
        curves: `[days]` mean over the units of each arm, in the order of time, by the names of `ARMS`.
        confidence: Coverage of the limits.

    Raises:
        ConfigError: Another name.
        DataError: Fewer than five days in an arm, values that are not finite, or a constant curve.

    References:
        The limits are those of a mean under AR(1) errors (`interrupted.autoregressive`).
    """
    result = []
    for name in (*curves,):
        errors.require(name, ARMS, "arms: curves")
    for name in ARMS:
        if name not in curves:
            continue
        y = float64.finite(curves[name], f"arms: {name}", ndim=1)
        if len(y) < 5:
            raise errors.DataError(f"arms: {name} has {len(y)} days; at least five are needed for an interval.")
        table = interrupted.autoregressive(y, {}, confidence=confidence).table
        last = float(y[-_LAST:].mean())
        result.append(Arm(name, len(y), float(table.estimate[0]), float(table.low[0]), float(table.high[0]), last))
    return tuple(result)


def growth(effects: npt.ArrayLike, key: jax.Array, *, n_resamples: int = 1999, confidence: float = 0.95) -> Growth:
    """Tests whether the daily effect grows after the launch.

    Args:
        effects: `[T1]` effect of each day after the launch, for example a gap to a synthetic control.
        key: Random key.
        n_resamples: Resamples of the block bootstrap.
        confidence: Coverage of the limits.

    Raises:
        ConfigError: As for `trend.bootstrap_trend`.
        DataError: As for `trend.bootstrap_trend`.
    """
    y = float64.finite(effects, "growth: effects", ndim=1)
    tested = trend.bootstrap_trend(y, key, n_resamples=n_resamples, confidence=confidence)
    try:
        beside = trend.mann_kendall(y, confidence=confidence)
    except errors.DataError:  # its corrected variance may be negative; the bootstrap does not need it
        beside = None
    mean = float(y.mean())
    return Growth(
        per_year=DAYS * tested.slope,
        low=DAYS * tested.low,
        high=DAYS * tested.high,
        p=tested.p,
        relative=DAYS * tested.slope / mean if mean != 0 else float("nan"),
        mann_kendall=beside,
        bootstrap=tested,
    )
