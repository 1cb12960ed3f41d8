"""Bounds of the agreement of experts from published sums of their scores."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class IdentifiedIcc(Result):
    """Bounds of the one-way ICC that hold for any unpublished scores.

    Attributes:
        single_low: Lower bound of ICC(1,1), the reliability of one rater.
        single_high: Upper bound.
        average_low: Lower bound of ICC(1,k), the reliability of the sum of the k raters.
        average_high: Upper bound.
        between: Mean square between works, of single scores.
        within_low: Smallest mean square within works that the sums allow.
        within_high: Largest mean square within works that the sums allow.
        n_works: Number of works.
        n_raters: Number k of raters.
    """

    single_low: float
    single_high: float
    average_low: float
    average_high: float
    between: float
    within_low: float
    within_high: float
    n_works: int
    n_raters: int


def icc_from_sums(sums: npt.ArrayLike, n_raters: int, scale: tuple[int, int]) -> IdentifiedIcc:
    """Computes bounds of the one-way ICC when only the sum of the raters' scores is known for each work.

    For k integer scores with sum s, the scores of one work differ least when they are two neighbouring numbers, and
    most when all but one lie at the ends of the scale. Both ICCs fall as the mean square within works rises. Two-way
    ICCs have no such bounds, since the severity of raters could explain part of the spread within works.

    Example:
        >>> from ich_jax.kansei import published, review
        >>> bounds = review.icc_from_sums(published.REVIEW_EXPERIMENTAL, 5, (1, 5))
        >>> round(bounds.single_high, 2), round(bounds.average_high, 2)
        (0.23, 0.6)

    Args:
        sums: `[n]` sums of the scores of each work.
        n_raters: Number k of raters who scored every work, at least 2.
        scale: Lowest and highest score that a rater can give; scores are integers.

    Raises:
        DataError: A sum is impossible for k scores on this scale, there are fewer than two works or raters, or all sums
            are equal.

    References:
        Shrout and Fleiss (1979), Intraclass correlations: uses in assessing rater reliability, case 1.
    """
    s = float64.finite(sums, "icc_from_sums: sums", ndim=1)
    low, high = scale
    n, k = len(s), n_raters
    if n < 2 or k < 2 or high <= low:
        raise errors.DataError(f"icc_from_sums: got {n} works, {k} raters and scale {scale}; needs two of each.")
    bad = (s != np.round(s)) | (s < k * low) | (s > k * high)
    if bad.any():
        where = int(bad.argmax())
        raise errors.DataError(
            f"icc_from_sums: sum {s[where]:g} at index {where} cannot come from {k} whole scores from {low} to {high} "
            f"(possible: {k * low} to {k * high})."
        )
    if np.ptp(s) == 0:
        raise errors.DataError(f"icc_from_sums: all {n} sums are {s[0]:g}; agreement is not defined without variation.")
    rest = np.mod(s, k)
    least = rest * (k - rest) / k
    n_high = np.floor((s - k * low) / (high - low))
    middle = np.where(n_high < k, s - n_high * high - (k - 1 - n_high) * low, 0.0)
    squares = n_high * high**2 + np.where(n_high < k, (k - 1 - n_high) * low**2 + middle**2, 0.0)
    most = squares - s**2 / k
    between = float(s.var(ddof=1) / k)
    within_low, within_high = (float(total.sum() / (n * (k - 1))) for total in (least, most))
    return IdentifiedIcc(
        single_low=_single(between, within_high, k),
        single_high=_single(between, within_low, k),
        average_low=(between - within_high) / between,
        average_high=(between - within_low) / between,
        between=between,
        within_low=within_low,
        within_high=within_high,
        n_works=n,
        n_raters=k,
    )


def _single(between: float, within: float, k: int) -> float:
    total = between + (k - 1) * within
    return (between - within) / total if total > 0 else math.nan
