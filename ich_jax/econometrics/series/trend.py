"""Is there a trend, and how steep: Mann-Kendall, Sen's slope, and a block bootstrap.

A daily series that depends on the day before shows "growing trends" by chance. Every test here but the plain one is
corrected for that, and the plain one is there to compare.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import bootstrap, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

CORRECTIONS = ("hamed_rao", "none")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class MannKendall(Result):
    """Test of a monotone trend in T periods.

    Attributes:
        s: Rising pairs minus falling pairs.
        tau: s over the number of pairs.
        z: Standardised, with a continuity correction.
        p: Two-sided.
        variance: Variance of s, with corrections for ties and autocorrelation.
        inflation: Factor by which autocorrelation changed the variance; 1 without correction.
        slope: Sen's slope, per period.
        intercept: Median of the outcome minus slope x median of time (0, 1, ...).
        low: Lower limit of the slope, from the same variance.
        high: Upper limit.
        confidence: Its coverage.
        correction: "hamed_rao" or "none".
    """

    bracketed = "slope"

    s: int
    tau: float
    z: float
    p: float
    variance: float
    inflation: float
    slope: float
    intercept: float
    low: float
    high: float
    confidence: float
    correction: str


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class BootstrapTrend(Result):
    """Trend compared with trends in resampled blocks of the detrended series.

    Attributes:
        s: Rising pairs minus falling pairs.
        p: Two-sided p-value of s; the data count as one of the draws.
        slope: Least-squares slope, per period.
        low: Lower limit of the slope (basic bootstrap).
        high: Upper limit.
        confidence: Its coverage.
        length: Expected length of a block.
        null_s: `[B]` s of each resample.
        null_slope: `[B]` slope of each resample.
        smallest_p: 1 / (B + 1).
    """

    bracketed = "slope"

    s: int
    p: float
    slope: float
    low: float
    high: float
    confidence: float
    length: float
    null_s: Array
    null_slope: Array
    smallest_p: float


def mann_kendall(
    outcome: npt.ArrayLike,
    *,
    correction: str = "hamed_rao",
    lags: int | None = None,
    level: float = 0.05,
    confidence: float = 0.95,
) -> MannKendall:
    """Tests whether later values tend to be larger, or smaller, than earlier ones.

    Example:
        >>> from ich_jax.econometrics import series
        >>> series.mann_kendall([1.0, 2.0, 4.0, 3.0, 6.0, 5.0, 8.0], correction="none").s
        17

    Args:
        outcome: `[T]` of equally spaced periods.
        correction: "hamed_rao" multiplies the variance by a factor from significant autocorrelations of the detrended
            ranks; "none" takes the periods as independent.
        lags: Number of autocorrelations that are used; None: all T - 1.
        level: An autocorrelation counts if it exceeds the two-sided normal limit of this level.
        confidence: Coverage of the interval of the slope.

    Raises:
        ConfigError: Another correction; lags outside 1 to T - 1; a level or confidence outside (0, 1).
        DataError: Fewer than four periods, values that are not finite, a constant outcome, or a corrected variance
            that is not positive.

    References:
        Mann (1945). Kendall (1975). Sen (1968). Hamed and Rao (1998), A modified Mann-Kendall trend test for
        autocorrelated data, eq. 14. Gilbert (1987), Statistical methods for environmental pollution monitoring, 16.4.2.
    """
    # Half of this function is its options and their documentation.
    errors.require(correction, CORRECTIONS, "mann_kendall: correction")
    y = _series(outcome, "mann_kendall")
    n = len(y)
    _check_options(n, lags, level, confidence)
    with float64.enabled():
        early, late = np.triu_indices(n, 1)
        s, slopes = (np.asarray(value) for value in _pairs(y, early, late, (late - early).astype(np.float64)))
    slope = float(np.median(slopes))
    ties = np.unique(y, return_counts=True)[1].astype(np.float64)
    variance = (n * (n - 1.0) * (2.0 * n + 5.0) - (ties * (ties - 1.0) * (2.0 * ties + 5.0)).sum()) / 18.0
    inflation = 1.0
    if correction == "hamed_rao":
        inflation = _inflation(y - slope * np.arange(n), n - 1 if lags is None else int(lags), level)
        if inflation <= 0:
            raise errors.DataError(
                f"mann_kendall: the autocorrelations make the variance negative ({inflation:.3g} times that of "
                "independent periods); pass fewer `lags`, or use `bootstrap_trend`."
            )
    variance *= inflation
    z = float((s - np.sign(s)) / np.sqrt(variance))
    low, high = _slope_limits(slopes, variance, confidence)
    return MannKendall(
        s=int(s),
        tau=float(s / (0.5 * n * (n - 1.0))),
        z=z,
        p=float(2.0 * stats.norm.sf(abs(z))),
        variance=float(variance),
        inflation=float(inflation),
        slope=slope,
        intercept=float(np.median(y) - slope * (n - 1.0) / 2.0),
        low=low,
        high=high,
        confidence=confidence,
        correction=correction,
    )


def _check_options(n: int, lags: int | None, level: float, confidence: float) -> None:
    for name, value in (("level", level), ("confidence", confidence)):
        if not 0.0 < value < 1.0:
            raise errors.ConfigError(f"mann_kendall: {name}: expected a number inside (0, 1), got {value!r}.")
    if lags is not None and (lags != int(lags) or not 1 <= lags < n):
        raise errors.ConfigError(f"mann_kendall: lags: expected a whole number from 1 to {n - 1}, got {lags!r}.")


def _slope_limits(slopes: Array, variance: float, confidence: float) -> tuple[float, float]:
    """Limits of Sen's slope: order statistics of the slopes of all pairs."""
    # Rounded as in scipy's theilslopes.
    reach = stats.norm.isf((1.0 - confidence) / 2.0) * np.sqrt(variance)
    first = max(round((len(slopes) - reach) / 2.0) - 1, 0)
    last = min(round((len(slopes) + reach) / 2.0), len(slopes) - 1)
    ordered = np.sort(slopes)
    return float(ordered[first]), float(ordered[last])


def bootstrap_trend(
    outcome: npt.ArrayLike,
    key: jax.Array,
    *,
    length: float | None = None,
    n_resamples: int = 1999,
    confidence: float = 0.95,
) -> BootstrapTrend:
    """Tests a trend by resampling blocks of the detrended series, which keep its dependence.

    Example:
        >>> import jax
        >>> from ich_jax.econometrics import series
        >>> trend = series.bootstrap_trend([0.0, 2.0, 1.0, 3.0, 5.0, 4.0], jax.random.key(0))
        >>> trend.s, round(trend.slope, 4)  # 13 rising pairs, 2 falling ones
        (11, 0.8857)

    Args:
        outcome: `[T]` of equally spaced periods.
        key: Random key.
        length: Expected length of a block; None: `block_length` of the detrended series.
        n_resamples: Number B of resamples (stationary bootstrap).
        confidence: Coverage of the interval of the slope.

    Raises:
        ConfigError: A length outside 1 to T, or a confidence outside (0, 1).
        DataError: Fewer than four periods, values that are not finite, or a constant outcome.

    References:
        Kundzewicz and Robson (2004), Change detection in hydrological records. Politis and Romano (1994).
    """
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"bootstrap_trend: confidence: expected a number inside (0, 1), got {confidence!r}.")
    y = _series(outcome, "bootstrap_trend")
    with float64.enabled():
        s, slope = (float(value) for value in _observed(y))
    residuals = y - y.mean() - slope * (np.arange(len(y)) - (len(y) - 1.0) / 2.0)
    if length is None:
        length = block_length(residuals)
    result = bootstrap.block(key, _score_and_slope, residuals, length=length, n_resamples=n_resamples)
    null_s, null_slope = result.replicates.T
    tail = (1.0 - confidence) / 2.0
    low, high = slope - np.quantile(null_slope, [1.0 - tail, tail])
    return BootstrapTrend(
        s=round(s),
        p=float((1 + (np.abs(null_s) >= abs(s) - 0.5).sum()) / (1 + n_resamples)),
        slope=slope,
        low=float(low),
        high=float(high),
        confidence=confidence,
        length=float(length),
        null_s=null_s,
        null_slope=null_slope,
        smallest_p=1.0 / (1 + n_resamples),
    )


def block_length(series: npt.ArrayLike) -> float:
    """Expected block length of the stationary bootstrap that suits an AR(1) process.

    (2 r / (1 - r^2))^(2/3) T^(1/3) for the lag-one autocorrelation r, at least 1, at most 3 sqrt(T) and T / 3.

    Args:
        series: `[T]` without trend.

    Raises:
        DataError: Fewer than four periods, values that are not finite, or a constant series.

    References:
        Politis and White (2004), Automatic block-length selection for the dependent bootstrap, with the correction of
        Patton, Politis and White (2009), for the autocovariances of an AR(1) process.
    """
    y = _series(series, "block_length")
    n = len(y)
    centred = y - y.mean()
    r = float(centred[1:] @ centred[:-1] / (centred @ centred))
    length = (2.0 * abs(r) / (1.0 - r * r)) ** (2.0 / 3.0) * n ** (1.0 / 3.0)
    return float(min(max(length, 1.0), 3.0 * n**0.5, max(n / 3.0, 1.0)))


def score(series: jax.Array) -> jax.Array:
    """Mann-Kendall's S, rising pairs minus falling pairs; a kernel that holds T numbers, not T^2.

    Args:
        series: `[T]`.

    Raises:
        DataError: The series is not float64.
    """
    series = float64.kernel_array(series, "score: series")
    n = series.shape[0]

    def add_lag(lag: jax.Array, total: jax.Array) -> jax.Array:
        rise = jnp.sign(jnp.roll(series, -lag) - series)
        return total + jnp.where(jnp.arange(n) + lag < n, rise, 0.0).sum()

    return jnp.asarray(jax.lax.fori_loop(1, n, add_lag, jnp.zeros((), series.dtype)))


def _score_and_slope(series: jax.Array) -> jax.Array:
    n = series.shape[0]
    time = jnp.arange(n, dtype=series.dtype) - (n - 1.0) / 2.0
    return jnp.stack([score(series), (time @ series) / (time @ time)])


_observed = programs.jit(_score_and_slope)


@programs.jit
def _pairs(series: jax.Array, early: jax.Array, late: jax.Array, apart: jax.Array) -> tuple[jax.Array, jax.Array]:
    """S, and the slopes of all pairs."""
    rise = series[late] - series[early]
    # `apart` is an argument because XLA multiplies by the reciprocal of a constant, which is a rounding off.
    return jnp.sign(rise).sum(), rise / apart


def _inflation(detrended: Array, lags: int, level: float) -> float:
    n = len(detrended)
    # Pairs whose slope is the median tie exactly, but for rounding; ranks must not depend on that.
    ranks = stats.rankdata(np.round(detrended / (np.abs(detrended).max() or 1.0), 10))
    centred = ranks - ranks.mean()
    total = centred @ centred
    if total == 0:  # a straight line leaves no residuals that could be correlated
        return 1.0
    limit = stats.norm.isf(level / 2.0) / np.sqrt(n)
    added = 0.0
    for lag in range(1, lags + 1):
        r = float(centred[lag:] @ centred[:-lag] / total)
        if abs(r) > limit:
            added += (n - lag) * (n - lag - 1.0) * (n - lag - 2.0) * r
    return 1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * added


def _series(values: npt.ArrayLike, name: str) -> Array:
    y = float64.finite(values, f"{name}: outcome", ndim=1)
    if len(y) < 4:
        raise errors.DataError(f"{name}: {len(y)} periods cannot show a trend; at least four are needed.")
    if y.min() == y.max():
        raise errors.DataError(f"{name}: the outcome is {y[0]:g} in every period; there is nothing to test.")
    return y
