"""Reliability of scales and raters: Cronbach's alpha and the six intraclass correlations."""

import dataclasses
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

SHROUT_FLEISS = ("ICC1", "ICC2", "ICC3", "ICC1k", "ICC2k", "ICC3k")
MCGRAW_WONG = ("ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Alpha(Result):
    """Cronbach's alpha.

    Attributes:
        alpha: Alpha of complete rows.
        low: Lower limit (Feldt).
        high: Upper limit.
        n: Number of complete rows.
        alpha_pairwise: Alpha from covariances of all rows that have both items; equal to `alpha` if none are missing.
        n_pairwise: Smallest number of rows behind one of these covariances.
        items: Number of items.
    """

    alpha: float
    low: float
    high: float
    n: int
    alpha_pairwise: float
    n_pairwise: int
    items: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class IccTable(Result):
    """The six intraclass correlations in both notations.

    Attributes:
        name: `[6]` names by Shrout and Fleiss: ICC1 one-way, ICC2 two-way random, ICC3 two-way mixed; k: mean of k
            raters.
        also: `[6]` names by McGraw and Wong: A absolute agreement, C consistency.
        icc: `[6]` the correlations.
        f: `[6]` F statistics.
        df1: `[6]` degrees of freedom of the numerator.
        df2: `[6]` degrees of freedom of the denominator.
        p: `[6]` p-values for a correlation of zero.
        low: `[6]` lower limits; NaN if they are not defined.
        high: `[6]` upper limits.
        samples: Number of rated samples.
        raters: Number k of raters.
    """

    columns = ("name", "also", "icc", "low", "high", "f", "df1", "df2", "p")

    name: tuple[str, ...]
    also: tuple[str, ...]
    icc: Array
    f: Array
    df1: Array
    df2: Array
    p: Array
    low: Array
    high: Array
    samples: int
    raters: int


class MeanSquares(NamedTuple):
    """Two-way mean squares of ratings `[n, k]`; scalars, or batched by `vmap`."""

    samples: jax.Array
    raters: jax.Array
    error: jax.Array
    within: jax.Array


def mean_squares(ratings: jax.Array) -> MeanSquares:
    """Kernel: mean squares of complete ratings, for `jit` and `vmap`.

    Args:
        ratings: `[n, k]` float64 JAX array of n samples by k raters.
    """
    x = float64.kernel_array(ratings, "mean_squares: ratings")
    n, k = x.shape
    x = x - x.mean()
    by_sample, by_rater = x.mean(axis=1), x.mean(axis=0)
    residual = x - by_sample[:, None] - by_rater[None, :]
    within = jnp.square(x - by_sample[:, None]).sum()
    return MeanSquares(
        samples=k * jnp.square(by_sample).sum() / (n - 1),
        raters=n * jnp.square(by_rater).sum() / (k - 1),
        error=jnp.square(residual).sum() / ((n - 1) * (k - 1)),
        within=within / (n * (k - 1)),
    )


def icc_values(ratings: jax.Array) -> jax.Array:
    """Kernel: the six correlations `[6]` of ratings `[n, k]`, in the order of `SHROUT_FLEISS`."""
    n, k = ratings.shape
    b, j, e, w = mean_squares(ratings)
    return jnp.stack(
        [
            (b - w) / (b + (k - 1) * w),
            (b - e) / (b + (k - 1) * e + k * (j - e) / n),
            (b - e) / (b + (k - 1) * e),
            (b - w) / b,
            (b - e) / (b + (j - e) / n),
            (b - e) / b,
        ]
    )


_mean_squares = programs.jit(mean_squares)


def icc(ratings: npt.ArrayLike, *, confidence: float = 0.95) -> IccTable:
    """Six intraclass correlations with F tests and limits.

    Example:
        >>> from ich_jax.kansei import semantic
        >>> ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> semantic.icc(ratings).icc.round(2).tolist()
        [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]

    Args:
        ratings: `[n, k]` ratings of n samples by k raters, none missing.
        confidence: Coverage of the limits.

    Raises:
        DataError: Missing ratings, fewer than two samples or raters, or samples without variation.

    References:
        Shrout and Fleiss (1979), Intraclass correlations; McGraw and Wong (1996), Forming inferences about some
        intraclass correlation coefficients, Table 7.
    """
    x = float64.finite(ratings, "icc: ratings", ndim=2)
    n, k = x.shape
    if n < 2 or k < 2:
        raise errors.DataError(f"icc: got {n} samples and {k} raters; needs two of each.")
    with float64.enabled():
        b, j, e, w = (float(value) for value in _mean_squares(x))
    if np.ptp(x) == 0 or b <= 1e-14 * float(np.square(x).max()):
        raise errors.DataError("icc: the mean scores of the samples do not vary, so reliability is not defined.")
    noise = 1e-14 * (b + j)
    e, w = (0.0 if value <= noise else value for value in (e, w))  # rounding errors under perfect agreement
    tail = (1.0 - confidence) / 2.0
    df, df_w, df_e = n - 1, n * (k - 1), (n - 1) * (k - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        f_w, f_e = np.float64(b) / w, np.float64(b) / e
        consistent = (b - e) / (b + (k - 1) * e)
        absolute = (b - e) / (b + (k - 1) * e + k * (j - e) / n)
        limits_w = f_w / stats.f.isf(tail, df, df_w), f_w * stats.f.isf(tail, df_w, df)
        limits_e = f_e / stats.f.isf(tail, df, df_e), f_e * stats.f.isf(tail, df_e, df)
        absolute_limits = _absolute_limits(b, j, e, n, k, absolute, tail)
        low = [_icc_from_f(limits_w[0], k), absolute_limits[0], _icc_from_f(limits_e[0], k)]
        high = [_icc_from_f(limits_w[1], k), absolute_limits[1], _icc_from_f(limits_e[1], k)]
        low += [1 - 1 / limits_w[0], _stepped_up(low[1], k), 1 - 1 / limits_e[0]]
        high += [1 - 1 / limits_w[1], _stepped_up(high[1], k), 1 - 1 / limits_e[1]]
    f = np.array([f_w, f_e, f_e] * 2)
    df2 = np.array([df_w, df_e, df_e] * 2, np.float64)
    return IccTable(
        name=SHROUT_FLEISS,
        also=MCGRAW_WONG,
        icc=np.array(
            [
                (b - w) / (b + (k - 1) * w),
                absolute,
                consistent,
                (b - w) / b,
                (b - e) / (b + (j - e) / n),
                (b - e) / b,
            ]
        ),
        f=f,
        df1=np.full(6, float(df)),
        df2=df2,
        p=stats.f.sf(f, df, df2),
        low=np.array(low),
        high=np.array(high),
        samples=n,
        raters=k,
    )


def _icc_from_f(f: float, k: int) -> float:
    return 1.0 if np.isinf(f) else (f - 1) / (f + k - 1)


def _stepped_up(single: float, k: int) -> float:
    """Returns the reliability of the mean of k raters (Spearman-Brown)."""
    return single * k / (1 + single * (k - 1))


def _absolute_limits(b: float, j: float, e: float, n: int, k: int, icc2: float, tail: float) -> tuple[float, float]:
    """Returns the limits of ICC(A,1) by Satterthwaite's degrees of freedom; NaN without error variance."""
    if e <= 0:
        return float("nan"), float("nan")
    fj = j / e
    inner = n * (1 + (k - 1) * icc2) - k * icc2
    v = (n - 1) * (k - 1) * (k * icc2 * fj + inner) ** 2 / ((n - 1) * k**2 * icc2**2 * fj**2 + inner**2)
    upper, lower = stats.f.isf(tail, n - 1, v), stats.f.isf(tail, v, n - 1)
    rest = k * j + (n * k - n - k) * e
    return n * (b - upper * e) / (upper * rest + n * b), n * (lower * b - e) / (rest + n * lower * b)


def cronbach_alpha(items: npt.ArrayLike, *, confidence: float = 0.95) -> Alpha:
    """Cronbach's alpha of items; with missing values, by complete rows and by pairwise covariances, each with its n.

    Args:
        items: `[n, K]` people by items, NaN where missing.
        confidence: Coverage of Feldt's interval.

    Raises:
        DataError: Fewer than two items or complete rows, or totals that do not vary.

    References:
        Cronbach (1951), Coefficient alpha and the internal structure of tests. Feldt, Woodruff and Salih (1987),
        Statistical inference for coefficient alpha.
    """
    x = np.asarray(items, np.float64)
    if x.ndim != 2 or x.shape[1] < 2 or np.isinf(x).any():
        raise errors.DataError(f"cronbach_alpha: items must be finite [n, K] with K at least 2, got {list(x.shape)}.")
    given = ~np.isnan(x)
    complete = x[given.all(axis=1)]
    n, k = complete.shape
    if n < 2:
        raise errors.DataError(f"cronbach_alpha: {n} of {len(x)} rows are complete; needs two.")
    together = given.T.astype(np.int64) @ given.astype(np.int64)
    if together.min() < 2:
        raise errors.DataError("cronbach_alpha: fewer than two people answered both of two items.")
    alpha = _alpha(np.cov(complete, rowvar=False))
    f = stats.f.isf([(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0], n - 1, (n - 1) * (k - 1))
    low, high = 1.0 - (1.0 - alpha) * f
    return Alpha(
        alpha=alpha,
        low=float(low),
        high=float(high),
        n=n,
        alpha_pairwise=_alpha(_pairwise_covariance(x, given)),
        n_pairwise=int(together.min()),
        items=k,
    )


def _alpha(covariance: Array) -> float:
    k, total = len(covariance), covariance.sum()
    if total <= 0:
        raise errors.DataError("cronbach_alpha: the totals do not vary, so reliability is not defined.")
    return float(k / (k - 1) * (1.0 - np.trace(covariance) / total))


def _pairwise_covariance(x: Array, given: npt.NDArray[np.bool_]) -> Array:
    k = x.shape[1]
    covariance = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            rows = given[:, i] & given[:, j]
            covariance[i, j] = np.cov(x[rows, i], x[rows, j])[0, 1]
    return covariance
