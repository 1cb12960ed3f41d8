"""Means of two arms: Welch, spread, equivalence."""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Welch(Result):
    """Difference of two means without assuming equal variances.

    Attributes:
        difference: Mean of the first arm minus mean of the second, in points of the score.
        low: Lower limit.
        high: Upper limit.
        t: Difference divided by its standard error.
        df: Satterthwaite's degrees of freedom.
        p: Two-sided p-value.
        standard_error: Standard error of the difference.
        mean_first: Mean of the first arm.
        mean_second: Mean of the second arm.
    """

    difference: float
    low: float
    high: float
    t: float
    df: float
    p: float
    standard_error: float
    mean_first: float
    mean_second: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Spread(Result):
    """Comparison of the spread of two arms.

    Attributes:
        sd_first: Standard deviation (divisor n - 1) of the first arm.
        sd_second: Standard deviation of the second arm.
        sd_ratio: First standard deviation divided by the second.
        variance_ratio: F, the square of `sd_ratio`.
        levene: Statistic of Brown and Forsythe (Levene's test about the medians).
        p: P-value of that test.
        ln_cvr: Logarithm of the ratio of the coefficients of variation, corrected for small samples.
    """

    sd_first: float
    sd_second: float
    sd_ratio: float
    variance_ratio: float
    levene: float
    p: float
    ln_cvr: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Equivalence(Result):
    """Two one-sided Welch tests against a margin.

    Attributes:
        difference: First mean minus second.
        margin: Margin in points of the score.
        p_equivalent: For a difference inside (-margin, margin): the larger of the two one-sided p-values.
        p_superior: For a difference above the margin.
        p_not_inferior: For a difference above -margin.
        low: Lower limit of the interval of coverage 1 - 2 alpha that corresponds to the tests.
        high: Upper limit.
    """

    difference: float
    margin: float
    p_equivalent: float
    p_superior: float
    p_not_inferior: float
    low: float
    high: float


class Moments(NamedTuple):
    """Result of the kernel `moments`; scalars, or batched by `vmap`."""

    difference: jax.Array
    standard_error: jax.Array
    t: jax.Array
    df: jax.Array
    pooled_sd: jax.Array
    pooled_t: jax.Array
    variance_first: jax.Array
    variance_second: jax.Array


def moments(first: jax.Array, second: jax.Array) -> Moments:
    """Kernel of the functions below, for `jit`, `vmap` and `grad`.

    Args:
        first: `[n1]` float64 JAX array, n1 at least 2.
        second: `[n2]`, likewise.
    """
    a, b = float64.kernel_array(first, "moments: first"), float64.kernel_array(second, "moments: second")
    n1, n2 = a.shape[0], b.shape[0]
    difference = a.mean() - b.mean()
    v1, v2 = a.var(ddof=1), b.var(ddof=1)
    share1, share2 = v1 / n1, v2 / n2
    se = jnp.sqrt(share1 + share2)
    pooled = jnp.sqrt(((n1 - 1) * v1 + (n2 - 1) * v2) / (n1 + n2 - 2))
    return Moments(
        difference=difference,
        standard_error=se,
        t=difference / se,
        df=jnp.square(share1 + share2) / (jnp.square(share1) / (n1 - 1) + jnp.square(share2) / (n2 - 1)),
        pooled_sd=pooled,
        pooled_t=difference / (pooled * math.sqrt(1 / n1 + 1 / n2)),
        variance_first=v1,
        variance_second=v2,
    )


_moments = programs.jit(moments)


def welch(first: npt.ArrayLike, second: npt.ArrayLike, *, confidence: float = 0.95) -> Welch:
    """Welch's test and interval of the difference of two means.

    Example:
        >>> from ich_jax.kansei import published, review
        >>> test = review.welch(published.REVIEW_EXPERIMENTAL, published.REVIEW_CONTROL)
        >>> round(test.difference, 1), round(test.t, 3), round(test.df, 1), round(test.p, 4)
        (4.2, 3.659, 13.0, 0.0029)

    Args:
        first: `[n1]` scores, one for each work.
        second: `[n2]`.
        confidence: Coverage of the interval, inside (0, 1).

    Raises:
        DataError: Fewer than two works in an arm, scores that are not finite, or no variation in either arm.

    References:
        Welch (1947), The generalization of "Student's" problem when several different population variances are
        involved.
    """
    a, b = two_arms(first, second, "welch", varying=True)
    m = host_moments(a, b)
    half = stats.t.isf((1.0 - checked(confidence)) / 2.0, m.df) * m.standard_error
    return Welch(
        difference=float(m.difference),
        low=float(m.difference - half),
        high=float(m.difference + half),
        t=float(m.t),
        df=float(m.df),
        p=float(2.0 * stats.t.sf(abs(m.t), m.df)),
        standard_error=float(m.standard_error),
        mean_first=float(a.mean()),
        mean_second=float(b.mean()),
    )


def spread(first: npt.ArrayLike, second: npt.ArrayLike) -> Spread:
    """Compares the spread of two arms.

    Args:
        first: `[n1]` scores.
        second: `[n2]`.

    Raises:
        DataError: Fewer than two works in an arm, or an arm whose scores are all equal. `ln_cvr` needs positive means
            and is NaN otherwise.

    References:
        Brown and Forsythe (1974), Robust tests for the equality of variances. Nakagawa et al. (2015), Meta-analysis of
        variation, equation 12.
    """
    a, b = two_arms(first, second, "spread")
    for name, arm in (("first", a), ("second", b)):
        if np.ptp(arm) == 0:
            raise errors.DataError(f"spread: all {len(arm)} scores of the {name} arm are {arm[0]:g}; no ratio exists.")
    sd1, sd2 = float(a.std(ddof=1)), float(b.std(ddof=1))
    test = stats.levene(a, b, center="median")
    ratio = math.nan
    if a.mean() > 0 and b.mean() > 0:
        ratio = math.log(sd1 / a.mean() / (sd2 / b.mean())) + 1 / (2 * (len(a) - 1)) - 1 / (2 * (len(b) - 1))
    return Spread(
        sd_first=sd1,
        sd_second=sd2,
        sd_ratio=sd1 / sd2,
        variance_ratio=(sd1 / sd2) ** 2,
        levene=float(test.statistic),
        p=float(test.pvalue),
        ln_cvr=ratio,
    )


def equivalence(first: npt.ArrayLike, second: npt.ArrayLike, margin: float, *, alpha: float = 0.05) -> Equivalence:
    """Tests a difference of means against a margin instead of against zero.

    Args:
        first: `[n1]` scores.
        second: `[n2]`.
        margin: Largest irrelevant difference in points of the score; positive.
        alpha: Level of each one-sided test; the interval covers 1 - 2 alpha.

    Raises:
        ConfigError: The margin is not positive.
        DataError: Fewer than two works in an arm, or no variation.

    References:
        Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach.
    """
    if not 0.0 < margin < math.inf:
        raise errors.ConfigError(f"equivalence: margin: expected a positive number of points, got {margin!r}.")
    a, b = two_arms(first, second, "equivalence", varying=True)
    m = host_moments(a, b)
    above, below = (float(stats.t.sf((m.difference - edge) / m.standard_error, m.df)) for edge in (-margin, margin))
    half = stats.t.isf(alpha, m.df) * m.standard_error
    return Equivalence(
        difference=float(m.difference),
        margin=margin,
        p_equivalent=max(above, 1.0 - below),
        p_superior=below,
        p_not_inferior=above,
        low=float(m.difference - half),
        high=float(m.difference + half),
    )


def host_moments(a: Array, b: Array) -> Moments:
    """Returns `moments` of checked NumPy arrays as NumPy scalars."""
    with float64.enabled():
        host: Moments = jax.tree.map(np.asarray, _moments(a, b))
    return host


def two_arms(first: npt.ArrayLike, second: npt.ArrayLike, name: str, *, varying: bool = False) -> tuple[Array, Array]:
    """Checks the scores of two arms.

    Args:
        first: `[n1]`.
        second: `[n2]`.
        name: Name of the calling function, for messages.
        varying: Whether at least one arm must vary.

    Raises:
        DataError: Fewer than two works in an arm, values that are not finite, or no variation where it is needed.
    """
    a = float64.finite(first, f"{name}: first arm", ndim=1)
    b = float64.finite(second, f"{name}: second arm", ndim=1)
    if min(len(a), len(b)) < 2:
        raise errors.DataError(f"{name}: each arm needs two works, got {len(a)} and {len(b)}.")
    if varying and np.ptp(a) == 0 and np.ptp(b) == 0:
        raise errors.DataError(
            f"{name}: the scores do not vary inside the arms (all {a[0]:g} and all {b[0]:g}), so there is no error to "
            "compare the difference with; use the exact permutation test."
        )
    return a, b


def checked(confidence: float) -> float:
    """Returns a coverage inside (0, 1), or raises ConfigError."""
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    return confidence
