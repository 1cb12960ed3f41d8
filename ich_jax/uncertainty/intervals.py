"""Confidence intervals of shares, in float64."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval.

    Attributes:
        low: Lower limit; float64 scalar, or an array of the shape that the counts had.
        high: Upper limit, likewise.
    """

    low: Any
    high: Any


def wilson(successes: npt.ArrayLike, n: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Score interval of a share: close to its nominal coverage on average, also near 0 and 1.

    Args:
        successes: Counts, of any shape.
        n: Numbers of trials, broadcast against `successes`.
        confidence: Coverage, inside (0, 1).

    Raises:
        DataError: A count is negative or above its number of trials, or there are no trials.

    References:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    k, n = _counts(successes, n, confidence)
    z = stats.norm.isf((1.0 - confidence) / 2.0)
    p = k / n
    centre = (p + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
    half = z / (1.0 + z**2 / n) * np.sqrt(p * (1.0 - p) / n + z**2 / (4.0 * n**2))
    # At 0 and n successes the limit is exactly 0 or 1; rounding would leave it beside.
    return Interval(np.where(k == 0, 0.0, centre - half)[()], np.where(k == n, 1.0, centre + half)[()])


def clopper_pearson(successes: npt.ArrayLike, n: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Exact interval of a share: its coverage is never below the nominal one.

    Args:
        successes: Counts, of any shape.
        n: Numbers of trials, broadcast against `successes`.
        confidence: Coverage, inside (0, 1).

    Raises:
        DataError: A count is negative or above its number of trials, or there are no trials.

    References:
        Clopper and Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial.
    """
    k, n = _counts(successes, n, confidence)
    tail = (1.0 - confidence) / 2.0
    # The beta quantile is undefined at 0 and n successes, where the limit is 0 or 1; any valid argument stands in.
    low = np.where(k == 0, 0.0, stats.beta.ppf(tail, np.maximum(k, 1.0), n - k + 1.0))
    high = np.where(k == n, 1.0, stats.beta.isf(tail, k + 1.0, np.maximum(n - k, 1.0)))
    return Interval(low[()], high[()])


def _counts(
    successes: npt.ArrayLike, n: npt.ArrayLike, confidence: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    k, trials = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(n, np.float64))
    if not np.all((trials >= 1) & (k >= 0) & (k <= trials)):
        raise errors.DataError(
            f"An interval of a share needs 0 <= successes <= n and n >= 1; got successes={successes!r}, n={n!r}."
        )
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    return k, trials
