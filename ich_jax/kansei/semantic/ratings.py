"""Ratings of samples on words: the table of means with standard errors, and rankings that means alone establish."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class MeanTable(Result):
    """Mean score of every sample on every word.

    Attributes:
        samples: `[S]` names in order of first appearance.
        words: `[W]` words in order of first appearance.
        mean: `[S, W]` mean scores.
        sd: `[S, W]` standard deviations (divisor n - 1); NaN for a single rating.
        standard_error: `[S, W]` standard errors of the means.
        n: `[S, W]` numbers of ratings.
        score: `[R, S, W]` scores of each rater; NaN for missing ratings.
        raters: `[R]` names of the raters.
    """

    samples: tuple[str, ...]
    words: tuple[str, ...]
    mean: Array
    sd: Array
    standard_error: Array
    n: npt.NDArray[np.int64]
    score: Array
    raters: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class SurvivingRankings(Result):
    """Differences of published means that hold for any unpublished standard deviations.

    Attributes:
        higher: `[P]` sample with the higher mean.
        lower: `[P]` sample with the lower mean.
        difference: `[P]` difference of their means.
        z_independent: `[P]` difference divided by its largest possible standard error for independent ratings.
        z_any: `[P]` the same for any correlation between the ratings of one rater.
        survives: `[P]` whether `z_any` exceeds the critical value.
        critical: Normal quantile.
        n: Number of raters behind each mean.
    """

    columns = ("higher", "lower", "difference", "z_independent", "z_any", "survives")

    higher: tuple[str, ...]
    lower: tuple[str, ...]
    difference: Array
    z_independent: Array
    z_any: Array
    survives: npt.NDArray[np.bool_]
    critical: float
    n: int


def mean_table(
    raters: Sequence[str],
    samples: Sequence[str],
    words: Sequence[str],
    scores: npt.ArrayLike,
    *,
    scale: tuple[float, float],
    whole: bool = True,
) -> MeanTable:
    """Converts ratings in long form, with a row for each rater, sample and word, to a table of means.

    Args:
        raters: `[N]` names of raters.
        samples: `[N]` names of samples.
        words: `[N]` words.
        scores: `[N]` scores.
        scale: Lowest and highest score.
        whole: Whether scores must be integers.

    Raises:
        DataError: A score is outside the scale or between its levels, a rater rated a sample twice on a word, a sample
            has no rating on some word, or columns have different lengths.
    """
    score = float64.finite(scores, "mean_table: scores", ndim=1)
    names = [list(map(str, column)) for column in (raters, samples, words)]
    if {len(column) for column in names} != {len(score)} or len(score) == 0:
        raise errors.DataError(
            f"mean_table: {[len(column) for column in names]} raters, samples and words for {len(score)} scores."
        )
    low, high = scale
    bad = (score < low) | (score > high) | (whole & (score != np.round(score)))
    if bad.any():
        i = int(bad.argmax())
        kind = "a whole number " if whole else ""
        raise errors.DataError(
            f"mean_table: row {i} (rater {names[0][i]!r}, sample {names[1][i]!r}, word {names[2][i]!r}) has score "
            f"{score[i]:g}; expected {kind}from {low:g} to {high:g}."
        )
    levels = [list(dict.fromkeys(column)) for column in names]
    index = [
        np.array([{name: k for k, name in enumerate(level)}[name] for name in column])
        for level, column in zip(levels, names, strict=True)
    ]
    cube = np.full([len(level) for level in levels], np.nan)
    times = np.zeros(cube.shape, np.int64)
    np.add.at(times, tuple(index), 1)
    if (times > 1).any():
        r, s, w = (level[i] for level, i in zip(levels, np.argwhere(times > 1)[0], strict=True))
        raise errors.DataError(f"mean_table: rater {r!r} rated sample {s!r} on word {w!r} {times.max()} times.")
    cube[tuple(index)] = score
    n = times.sum(axis=0)
    if (n == 0).any():
        s, w = np.argwhere(n == 0)[0]
        raise errors.DataError(f"mean_table: nobody rated sample {levels[1][s]!r} on word {levels[2][w]!r}.")
    mean = np.nansum(cube, axis=0) / n
    square = np.nansum((cube - mean[None]) ** 2, axis=0)
    sd = np.sqrt(np.where(n > 1, square / np.maximum(n - 1, 1), np.nan))
    return MeanTable(
        samples=tuple(levels[1]),
        words=tuple(levels[2]),
        mean=mean,
        sd=sd,
        standard_error=sd / np.sqrt(n),
        n=n,
        score=cube,
        raters=tuple(levels[0]),
    )


def surviving_rankings(
    means: npt.ArrayLike,
    n: int,
    scale: tuple[float, float],
    *,
    samples: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> SurvivingRankings:
    """Finds pairs of means on one word that differ significantly even with the largest possible standard deviations.

    On a scale from a to b, scores with mean m have a variance of at most (b - m)(m - a). With n raters the standard
    error of a difference is at most sqrt((v1 + v2) / n) for independent ratings, and (s1 + s2) / sqrt(n) for ratings of
    the same people with any correlation.

    Args:
        means: `[S]` published means of one word.
        n: Number of raters behind each mean.
        scale: Lowest and highest score.
        samples: `[S]` names; None: "1", "2", ...
        confidence: Confidence level of each two-sided comparison, without adjustment for their number.

    Raises:
        DataError: A mean outside the scale, or fewer than two raters.

    References:
        Bhatia and Davis (2000), A better bound on the variance.
    """
    m = float64.finite(means, "surviving_rankings: means", ndim=1)
    low, high = scale
    if n < 2 or not low < high or ((m < low) | (m > high)).any():
        raise errors.DataError(
            f"surviving_rankings: needs two raters and means from {low:g} to {high:g}, got n={n} and means from "
            f"{m.min():g} to {m.max():g}."
        )
    names = list(samples) if samples is not None else [str(k + 1) for k in range(len(m))]
    if len(names) != len(m):
        raise errors.DataError(f"surviving_rankings: {len(names)} names for {len(m)} means.")
    variance = (high - m) * (m - low)
    order = np.argsort(-m, kind="stable")
    pairs = list(itertools.combinations(order.tolist(), 2))
    first, second = (np.array([pair[k] for pair in pairs], np.int64) for k in (0, 1))
    difference = m[first] - m[second]
    independent = np.sqrt((variance[first] + variance[second]) / n)
    same = (np.sqrt(variance[first]) + np.sqrt(variance[second])) / math.sqrt(n)
    critical = float(stats.norm.isf((1.0 - confidence) / 2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        z, z_any = (np.where(difference > 0, difference / se, 0.0) for se in (independent, same))
    return SurvivingRankings(
        higher=tuple(names[k] for k in first),
        lower=tuple(names[k] for k in second),
        difference=difference,
        z_independent=z,
        z_any=z_any,
        survives=z_any > critical,
        critical=critical,
        n=n,
    )
