"""Confidence intervals of shares and simultaneous bands of estimates, in float64."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Interval(Result):
    """A two-sided interval.

    Attributes:
        low: Lower limit; float64 scalar, or an array of the shape that the counts had.
        high: Upper limit, likewise.
    """

    columns = ("low", "high")

    low: Any
    high: Any


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Band(Result):
    """A band that covers all K estimates at once.

    Attributes:
        low: `[K]` lower limits.
        high: `[K]` upper limits.
        critical: Limits lie this many standard errors from the estimates.
    """

    columns = ("low", "high")

    low: float64.Array
    high: float64.Array
    critical: float


def sup_t(
    estimates: npt.ArrayLike,
    covariance: npt.ArrayLike,
    key: jax.Array,
    *,
    confidence: float = 0.95,
    n_draws: int = 100_000,
) -> Band:
    """Simultaneous band of constant width in standard errors, from the quantile of the largest |t|.

    Example:
        Two independent estimates: P(both |z| < c) = 0.95 for c = 2.236.

        >>> import jax, numpy as np
        >>> from ich_jax.uncertainty import sup_t
        >>> round(sup_t([0.0, 0.0], np.eye(2), jax.random.key(0)).critical, 1)
        2.2

    Args:
        estimates: `[K]`.
        covariance: `[K, K]` of the estimates; may be singular. Estimates without variance have no width.
        key: Random key.
        confidence: Chance that the band covers all K, inside (0, 1).
        n_draws: Normal draws behind the critical value; its Monte Carlo error is about 0.4 % of it at 100,000.

    Raises:
        ConfigError: `confidence` is not inside (0, 1).
        DataError: Shapes that do not fit, values that are not finite, or a covariance that is not one.

    References:
        Montiel Olea and Plagborg-Møller (2019), Simultaneous confidence bands: theory, implementation, and an
        application to SVARs, section 2.
    """
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    beta = float64.finite(estimates, "sup_t: estimates", ndim=1)
    v = float64.finite(covariance, "sup_t: covariance", ndim=2)
    if v.shape != (len(beta), len(beta)):
        raise errors.DataError(f"sup_t: covariance must be [{len(beta)}, {len(beta)}], got {list(v.shape)}.")
    se = np.sqrt(np.maximum(np.diag(v), 0.0))
    moving = se > 0
    eigenvalues, vectors = np.linalg.eigh((v + v.T) / 2.0)
    if eigenvalues.min() < -1e-8 * max(eigenvalues.max(), 0.0) or not moving.any():
        raise errors.DataError(
            f"sup_t: covariance must be positive semidefinite and not all zero; its eigenvalues run from "
            f"{eigenvalues.min():.3g} to {eigenvalues.max():.3g}."
        )
    root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    with float64.enabled():
        z = np.asarray(jax.random.normal(key, (n_draws, len(beta)), jnp.float64))
    largest = np.abs(z @ root.T[:, moving] / se[moving]).max(axis=1)
    critical = float(np.quantile(largest, confidence))
    return Band(low=beta - critical * se, high=beta + critical * se, critical=critical)


def wilson(successes: npt.ArrayLike, n: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Score interval of a share: close to its nominal coverage on average, also near 0 and 1.

    Example:
        >>> from ich_jax.uncertainty import wilson
        >>> limits = wilson(8, 10)
        >>> round(float(limits.low), 3), round(float(limits.high), 3)
        (0.49, 0.943)

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
    # At 0 and n successes the limit is exactly 0 or 1; rounding would move it slightly.
    return Interval(np.where(k == 0, 0.0, centre - half)[()], np.where(k == n, 1.0, centre + half)[()])


def clopper_pearson(successes: npt.ArrayLike, n: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Exact interval of a share: its coverage is never below the nominal one.

    Example:
        Without a success the upper limit solves (1 - p)^10 = 0.025.

        >>> from ich_jax.uncertainty import clopper_pearson
        >>> round(float(clopper_pearson(0, 10).high), 4), round(1 - 0.025**0.1, 4)
        (0.3085, 0.3085)

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
    # The beta quantile is undefined at 0 and n successes, where the limit is 0 or 1; any valid argument will do.
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
