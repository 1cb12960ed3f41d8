"""Confidence intervals from bootstrap replicates: percentile, basic, BCa and studentised."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.bootstrap import Bootstrap
from ich_jax.uncertainty.intervals import Interval


def percentile(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Quantiles of the replicates, linear between order statistics.

    Example:
        >>> import jax, numpy as np
        >>> from ich_jax.uncertainty import bootstrap, percentile
        >>> result = bootstrap.iid(jax.random.key(0), bootstrap.weighted_mean, np.array([0.0, 2.0]))
        >>> percentile(result)  # a quarter of the resamples at each end
        Interval(low=0, high=2)

    Args:
        result: Replicates `[B, ...]`.
        confidence: Coverage, inside (0, 1).

    Returns:
        Limits of shape `[...]`.
    """
    tail = _tail(confidence)
    return _interval(*np.quantile(result.replicates, [tail, 1.0 - tail], axis=0))


def basic(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Reflected quantiles: 2 estimate - upper quantile, 2 estimate - lower quantile.

    References:
        Davison and Hinkley (1997), Bootstrap methods and their application, eq. 5.6.
    """
    tail = _tail(confidence)
    low, high = np.quantile(result.replicates, [tail, 1.0 - tail], axis=0)
    return _interval(2.0 * result.estimate - high, 2.0 * result.estimate - low)


def bca(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Bias-corrected and accelerated quantiles, second-order accurate.

    With two resampled factors the influence values of both enter the acceleration, as those of one sum of independent
    terms.

    Args:
        result: Made with `jackknife=True`.
        confidence: Coverage, inside (0, 1).

    Raises:
        ConfigError: There is no jackknife in the result.

    References:
        Efron (1987), Better bootstrap confidence intervals, eq. 2.3 and 7.3.
    """
    tail = _tail(confidence)
    if not result.jackknife:
        raise errors.ConfigError("bca: the result has no jackknife; make it with jackknife=True (not for blocks).")
    b = len(result.replicates)
    below = (result.replicates < result.estimate).sum(axis=0) + (result.replicates <= result.estimate).sum(axis=0)
    # All replicates on one side would put the limit at infinity; B draws resolve no less than half a replicate.
    shift = stats.norm.ppf(np.clip(below / (2.0 * b), 0.5 / b, 1.0 - 0.5 / b))
    influence = np.concatenate([(1.0 - 1.0 / len(left)) * (left.mean(axis=0) - left) for left in result.jackknife])
    spread = np.square(influence).sum(axis=0)
    cubes = (influence**3).sum(axis=0)
    acceleration = np.where(spread > 0, cubes / (6.0 * np.where(spread > 0, spread, 1.0) ** 1.5), 0.0)
    limits = []
    for z in (stats.norm.ppf(tail), stats.norm.isf(tail)):
        share = stats.norm.cdf(shift + (shift + z) / (1.0 - acceleration * (shift + z)))
        limits.append(_quantile_each(result.replicates, share))
    return _interval(*limits)


def studentised(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Bootstrap-t interval: quantiles of (replicate - estimate) / its error, scaled by the error of the estimate.

    Args:
        result: Made with a `standard_error`.
        confidence: Coverage, inside (0, 1).

    Raises:
        ConfigError: There are no standard errors in the result.
        DataError: A resample has a standard error that is not positive.

    References:
        Efron and Tibshirani (1993), An introduction to the bootstrap, section 12.5.
    """
    tail = _tail(confidence)
    if result.replicate_errors is None or result.estimate_error is None:
        raise errors.ConfigError("studentised: the result has no standard errors; make it with standard_error=...")
    flat = ~(result.replicate_errors > 0)
    if flat.any():
        raise errors.DataError(
            f"studentised: {flat.any(axis=tuple(range(1, flat.ndim))).sum()} of {len(flat)} resamples have a standard "
            "error that is not positive, so t is undefined; use percentile or bca, or resample within strata."
        )
    t = (result.replicates - result.estimate) / result.replicate_errors
    low, high = np.quantile(t, [tail, 1.0 - tail], axis=0)
    return _interval(result.estimate - high * result.estimate_error, result.estimate - low * result.estimate_error)


def _tail(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    return (1.0 - confidence) / 2.0


def _quantile_each(replicates: float64.Array, share: float64.Array) -> float64.Array:
    flat = replicates.reshape(len(replicates), -1)
    each = [np.quantile(column, q) for column, q in zip(flat.T, np.ravel(share), strict=True)]
    return np.reshape(each, replicates.shape[1:])


def _interval(low: npt.ArrayLike, high: npt.ArrayLike) -> Interval:
    return Interval(np.asarray(low)[()], np.asarray(high)[()])
