"""Ranks of two arms, exact with ties: Mann-Whitney, Hodges-Lehmann, probability of superiority, Wilcoxon."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.kansei.review.means import checked, two_arms
from ich_jax.uncertainty import bootstrap, bootstrap_intervals, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

EXACT_LIMIT = 100
"""Largest number of works or pairs for the exact distribution; its counts stay far below the largest float64."""
SMALL = 15
"""Works in an arm below which the t approximation of Brunner and Munzel's test rejects too often."""


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class MannWhitney(Result):
    """Mann-Whitney test.

    Attributes:
        u: Number of pairs in which the first arm scores higher; ties count one half.
        p: Exact two-sided p-value given the ties (share of reassignments with U at least as far from its mean); NaN
            above `EXACT_LIMIT` works.
        p_asymptotic: Normal approximation with the correction for ties and continuity.
        n_pairs: Number of pairs.
        ties: Number of works whose score another work shares.
    """

    u: float
    p: float
    p_asymptotic: float
    n_pairs: int
    ties: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Superiority(Result):
    """Probability that a work of the first arm scores higher than a work of the second (Vargha and Delaney's A12).

    Attributes:
        a12: The probability; ties count one half.
        low: Lower percentile limit, from works resampled within their arm.
        high: Upper percentile limit.
        cliffs_delta: 2 a12 - 1.
        n_resamples: Number of resamples behind the limits.
    """

    a12: float
    low: float
    high: float
    cliffs_delta: float
    n_resamples: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Shift(Result):
    """Hodges-Lehmann shift.

    Attributes:
        shift: Median of all differences between a work of the first arm and one of the second.
        low: Lower limit: an order statistic of the differences.
        high: Upper limit.
        coverage: Coverage of the interval without ties, by the exact distribution of U; ties increase it.
    """

    shift: float
    low: float
    high: float
    coverage: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class BrunnerMunzel(Result):
    """Brunner and Munzel's test that neither arm tends to score higher.

    Attributes:
        t: Statistic; positive when the first arm scores higher.
        df: Degrees of freedom.
        p: Two-sided p-value by the t approximation.
        warning: Warning about `p` in small arms; empty otherwise.
    """

    t: float
    df: float
    p: float
    warning: str


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Wilcoxon(Result):
    """Wilcoxon's signed-rank test, exact with ties.

    Attributes:
        statistic: Sum of the ranks of positive differences.
        p: Two-sided p-value: share of sign assignments whose statistic is at least as far from its mean.
        n: Number of non-zero differences.
        zeros: Number of differences of zero, which are dropped.
        ties: Number of differences of tied size, which get their mean rank.
    """

    statistic: float
    p: float
    n: int
    zeros: int
    ties: int


def mann_whitney(first: npt.ArrayLike, second: npt.ArrayLike) -> MannWhitney:
    """Mann-Whitney test with its exact p-value, ties included.

    Args:
        first: `[n1]` scores.
        second: `[n2]`.

    Raises:
        DataError: Fewer than two works in an arm, or scores that all tie.

    References:
        Mann and Whitney (1947). Lehmann (1975), Nonparametrics, section 1.4 (conditional distribution given ties).
    """
    a, b = two_arms(first, second, "mann_whitney")
    pooled = np.concatenate([a, b])
    if np.ptp(pooled) == 0:
        raise errors.DataError(f"mann_whitney: all {len(pooled)} scores are {pooled[0]:g}; there is nothing to rank.")
    n1, n2 = len(a), len(b)
    ranks = np.round(2.0 * stats.rankdata(pooled)).astype(np.int64)  # mean ranks are halves
    u = (ranks[:n1].sum() - n1 * (n1 + 1)) / 2.0
    exact = math.nan
    if n1 + n2 <= EXACT_LIMIT:
        counts = subset_sums(ranks, n1)
        exact = _two_sided(counts, int(ranks[:n1].sum()), n1 * (n1 + n2 + 1))
    _, tied = np.unique(pooled, return_counts=True)
    return MannWhitney(
        u=float(u),
        p=exact,
        p_asymptotic=float(stats.mannwhitneyu(a, b, method="asymptotic").pvalue),
        n_pairs=n1 * n2,
        ties=int(tied[tied > 1].sum()),
    )


def hodges_lehmann(first: npt.ArrayLike, second: npt.ArrayLike, *, confidence: float = 0.95) -> Shift:
    """Median of all pairwise differences, with the interval that belongs to the exact Mann-Whitney test.

    Args:
        first: `[n1]` scores.
        second: `[n2]`.
        confidence: Smallest coverage; since U is discrete, the interval covers more.

    Raises:
        DataError: Fewer than two works in an arm, or so few that no interval has this coverage.

    References:
        Hodges and Lehmann (1963), Estimates of location based on rank tests; Lehmann (1975), section 2.5.
    """
    a, b = two_arms(first, second, "hodges_lehmann")
    n1, n2 = len(a), len(b)
    if n1 + n2 > EXACT_LIMIT:
        raise errors.DataError(
            f"hodges_lehmann: {n1 + n2} works; the exact interval is available for at most {EXACT_LIMIT}."
        )
    differences = np.sort((a[:, None] - b[None, :]).ravel())
    counts = subset_sums(2 * np.arange(1, n1 + n2 + 1), n1)[::2]  # without ties every doubled sum is even
    cumulative = np.cumsum(counts) / counts.sum()
    first_u = n1 * (n1 + 1) // 2
    below = cumulative[first_u : first_u + n1 * n2]  # P(U <= 0), P(U <= 1), ...
    rank = int((below <= (1.0 - checked(confidence)) / 2.0).sum())
    if rank == 0:
        raise errors.DataError(
            f"hodges_lehmann: with {n1} and {n2} works even the range of all differences covers only "
            f"{1 - 2 * below[0]:.3f}; ask for less than {confidence:g}."
        )
    return Shift(
        shift=float(np.median(differences)),
        low=float(differences[rank - 1]),
        high=float(differences[-rank]),
        coverage=float(1.0 - 2.0 * below[rank - 1]),
    )


def probability_of_superiority(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    key: jax.Array,
    confidence: float = 0.95,
    n_resamples: int = 9999,
) -> Superiority:
    """Computes A12 with a percentile interval from works resampled within their arm.

    Args:
        first: `[n1]` scores.
        second: `[n2]`.
        key: Random key of the bootstrap.
        confidence: Coverage of the interval.
        n_resamples: Bootstrap resamples.

    Raises:
        DataError: Fewer than two works in an arm.

    References:
        Vargha and Delaney (2000), A critique and improvement of the CL common language effect size statistics.
    """
    a, b = two_arms(first, second, "probability_of_superiority")
    arm = np.repeat([1.0, 0.0], [len(a), len(b)])
    resampled = bootstrap.iid(
        key, _weighted_a12, {"score": np.concatenate([a, b]), "arm": arm}, n_resamples=n_resamples, strata=arm
    )
    limits = bootstrap_intervals.percentile(resampled, confidence=checked(confidence))
    a12 = float(resampled.estimate)
    return Superiority(
        a12=a12, low=float(limits.low), high=float(limits.high), cliffs_delta=2 * a12 - 1, n_resamples=n_resamples
    )


def _weighted_a12(data: dict[str, jax.Array], weights: jax.Array) -> jax.Array:
    score, arm = data["score"], data["arm"]
    wins = 0.5 * (1.0 + jnp.sign(score[:, None] - score[None, :]))
    first, second = weights * arm, weights * (1.0 - arm)
    return (first @ wins @ second) / (first.sum() * second.sum())


def brunner_munzel(first: npt.ArrayLike, second: npt.ArrayLike) -> BrunnerMunzel:
    """Brunner and Munzel's test, with a warning if its approximation is poor.

    Args:
        first: `[n1]` scores.
        second: `[n2]`.

    Raises:
        DataError: Fewer than two works in an arm, or arms that do not overlap: the statistic is then infinite.

    References:
        Brunner and Munzel (2000), The nonparametric Behrens-Fisher problem. Neubert and Brunner (2007), A studentized
        permutation test for the nonparametric Behrens-Fisher problem (its size in small samples).
    """
    a, b = two_arms(first, second, "brunner_munzel")
    n1, n2 = len(a), len(b)
    wins = 0.5 * (1.0 + np.sign(a[:, None] - b[None, :]))
    v1, v2 = wins.mean(axis=1).var(ddof=1) / n1, wins.mean(axis=0).var(ddof=1) / n2
    if v1 + v2 == 0:
        raise errors.DataError(
            "brunner_munzel: the arms do not overlap, so the statistic has no standard error; use the exact "
            "Mann-Whitney test."
        )
    t = float((wins.mean() - 0.5) / math.sqrt(v1 + v2))
    df = float((v1 + v2) ** 2 / (v1**2 / (n1 - 1) + v2**2 / (n2 - 1)))
    warning = ""
    if min(n1, n2) < SMALL:
        warning = f"{n1} and {n2} works: below {SMALL} in an arm this approximation rejects too often; use exact tests."
    return BrunnerMunzel(t=t, df=df, p=float(2.0 * stats.t.sf(abs(t), df)), warning=warning)


def wilcoxon(differences: npt.ArrayLike) -> Wilcoxon:
    """Wilcoxon's signed-rank test by all sign assignments: valid with ties; zeros are dropped.

    Args:
        differences: `[n]` paired differences.

    Raises:
        DataError: No difference that is not zero, or more than `EXACT_LIMIT` of them.

    References:
        Wilcoxon (1945), Individual comparisons by ranking methods (zeros are dropped).
    """
    d = float64.finite(differences, "wilcoxon: differences", ndim=1)
    kept = d[d != 0]
    if not 1 <= len(kept) <= EXACT_LIMIT:
        raise errors.DataError(
            f"wilcoxon: {len(kept)} of {len(d)} differences are not zero; needs from 1 to {EXACT_LIMIT} of those."
        )
    ranks = np.round(2.0 * stats.rankdata(np.abs(kept))).astype(np.int64)
    observed = int(ranks[kept > 0].sum())
    counts = all_subset_sums(ranks).sum(axis=0)
    _, tied = np.unique(np.abs(kept), return_counts=True)
    return Wilcoxon(
        statistic=observed / 2.0,
        p=_two_sided(counts, observed, float(ranks.sum()) / 2.0),
        n=len(kept),
        zeros=int(len(d) - len(kept)),
        ties=int(tied[tied > 1].sum()),
    )


def subset_sums(values: npt.NDArray[np.int64], size: int) -> Array:
    """Counts the subsets of `size` entries by their sum.

    Args:
        values: `[n]` positive integers.
        size: Number of entries in a subset.

    Returns:
        Counts `[sum + 1]`, exact up to 2^53 and to rounding above.
    """
    return all_subset_sums(values)[size]


def all_subset_sums(values: npt.NDArray[np.int64]) -> Array:
    """Counts the subsets by size and sum: `[n + 1, sum + 1]`."""
    with float64.enabled():
        return np.asarray(_subset_sums(np.asarray(values, np.int64), total=int(np.sum(values))))


@programs.jit(static_argnames=("total",))
def _subset_sums(values: jax.Array, *, total: int) -> jax.Array:
    n = values.shape[0]
    empty = jnp.zeros((n + 1, total + 1), jnp.float64).at[0, 0].set(1.0)

    def add(table: jax.Array, value: jax.Array) -> tuple[jax.Array, None]:
        # Nothing wraps around: no sum exceeds the total, and no subset has more than n entries.
        return table + jnp.roll(jnp.roll(table, value, axis=1), 1, axis=0), None

    table: jax.Array = jax.lax.scan(add, empty, values)[0]
    return table


def _two_sided(counts: Array, observed: int, centre: float) -> float:
    sums = np.arange(len(counts))
    extreme = np.abs(sums - centre) >= abs(observed - centre)
    return float(counts[extreme].sum() / counts.sum())
