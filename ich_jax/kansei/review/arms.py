"""Comparison of two arms by several methods, each with its interval or test."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.kansei.review import effect_sizes, means, ranks
from ich_jax.uncertainty import float64, multiplicity
from ich_jax.uncertainty import permutation as permutation_tests
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Permutation(Result):
    """Permutation test of a difference of means.

    Attributes:
        difference: First mean minus second.
        p: Two-sided: share of assignments whose difference is at least as large in absolute value.
        p_studentised: The same with Welch's t instead of the difference; NaN with a single work in an arm.
        p_doubled: Twice the smaller one-sided p-value, the other definition of "two-sided".
        p_greater: One-sided p-value for the alternative that the first arm scores higher.
        count: Number of assignments at least as extreme as the observed one.
        n_assignments: Number of evaluated assignments.
        exact: Whether these are all assignments.
        monte_carlo_error: Standard error of `p` from sampling assignments; 0 when exact.
        smallest_p: Smallest p-value that is possible in this design.
        null: `[n_assignments]` differences under the assignments.
    """

    difference: float
    p: float
    p_studentised: float
    p_doubled: float
    p_greater: float
    count: int
    n_assignments: int
    exact: bool
    monte_carlo_error: float
    smallest_p: float
    null: Array


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Paired(Result):
    """Analysis of pairs, for designs that state their pairing.

    Attributes:
        difference: Mean of first minus second.
        p: Two-sided p-value of the mean by sign flips.
        smallest_p: Smallest p-value that is possible with this number of pairs.
        positive: Number of pairs in which the first is higher.
        n: Number of pairs.
        correlation: Pearson correlation between the members of a pair; NaN if one side does not vary.
        wilcoxon: Signed-rank test; None if every difference is zero.
    """

    difference: float
    p: float
    smallest_p: float
    positive: int
    n: int
    correlation: float
    wilcoxon: ranks.Wilcoxon | None


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Comparison(Result):
    """Two arms compared.

    Attributes:
        quantity: Names of the rows of the table.
        estimate: `[R]` estimates.
        low: `[R]` lower limits, NaN where there are none.
        high: `[R]` upper limits.
        p: `[R]` p-values, NaN where there are none.
        n_first: Works in the first arm.
        n_second: Works in the second arm.
        welch: Difference of means.
        permutation: Permutation test, exact or with sampled assignments.
        mann_whitney: Exact rank test; None when all scores tie.
        brunner_munzel: Brunner-Munzel test with its warning; None if it is not defined.
        shift: Hodges-Lehmann shift; None if no interval has the coverage.
        superiority: Probability of superiority, A12.
        hedges: Hedges' g with the exact correction.
        hedges_approximate: Hedges' g with the correction that most programs use.
        spread: Ratio of spreads; None if an arm does not vary.
        bayes_factor: BF10 with a Cauchy prior of scale sqrt(2) / 2.
        power_observed: Power at the observed d. It carries no more information than p, but reports ask for it.
        minimum_detectable: Smallest d that is detected with 80 % power with these numbers of works.
    """

    columns = ("quantity", "estimate", "low", "high", "p")

    quantity: tuple[str, ...]
    estimate: Array
    low: Array
    high: Array
    p: Array
    n_first: int
    n_second: int
    welch: means.Welch
    permutation: Permutation
    mann_whitney: ranks.MannWhitney | None
    brunner_munzel: ranks.BrunnerMunzel | None
    shift: ranks.Shift | None
    superiority: ranks.Superiority
    hedges: effect_sizes.HedgesG
    hedges_approximate: effect_sizes.HedgesG
    spread: means.Spread | None
    bayes_factor: float
    power_observed: float
    minimum_detectable: float


class Statistics(NamedTuple):
    """Result of the kernel `statistics`; scalars, or batched by `vmap`."""

    difference: jax.Array
    welch_t: jax.Array
    u: jax.Array
    a12: jax.Array
    shift: jax.Array
    d: jax.Array
    sd_ratio: jax.Array


def statistics(first: jax.Array, second: jax.Array) -> Statistics:
    """Kernel: the statistics of two arms, for `jit` and `vmap` over simulated or resampled reviews.

    Args:
        first: `[n1]` float64 JAX array.
        second: `[n2]`.
    """
    m = means.moments(first, second)
    differences = first[:, None] - second[None, :]
    wins = 0.5 * (1.0 + jnp.sign(differences))
    return Statistics(
        difference=m.difference,
        welch_t=m.t,
        u=wins.sum(),
        a12=wins.mean(),
        shift=jnp.median(differences),
        d=m.difference / m.pooled_sd,
        sd_ratio=jnp.sqrt(m.variance_first / m.variance_second),
    )


def permutation(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    key: jax.Array | None = None,
    n_resamples: int = 9999,
    max_exact: int = 10**6,
) -> Permutation:
    """Permutation test with works as units, over all assignments if there are few enough.

    Example:
        >>> from ich_jax.kansei import published, review
        >>> test = review.permutation(published.REVIEW_EXPERIMENTAL, published.REVIEW_CONTROL)
        >>> test.count, test.n_assignments, round(test.p, 5)
        (354, 184756, 0.00192)

    Args:
        first: `[n1]` scores; one work is enough.
        second: `[n2]`.
        key: Random key, needed above `max_exact` assignments.
        n_resamples: Number of sampled assignments in that case.
        max_exact: Largest number of assignments that are all evaluated.

    Raises:
        ConfigError: Assignments must be sampled and there is no key.
        DataError: An empty arm, values that are not finite, or equal scores throughout.

    References:
        Fisher (1935), The design of experiments. Phipson and Smyth (2010), Permutation p-values should never be zero.
    """
    a = float64.finite(first, "permutation: first arm", ndim=1)
    b = float64.finite(second, "permutation: second arm", ndim=1)
    pooled = np.concatenate([a, b])
    if len(pooled) and np.ptp(pooled) == 0:
        raise errors.DataError(f"permutation: all {len(pooled)} scores are {pooled[0]:g}; there is nothing to test.")
    label = np.repeat([1.0, 0.0], [len(a), len(b)])
    options = {"key": key, "n_resamples": n_resamples, "max_exact": max_exact}
    test = permutation_tests.two_sample(pooled, label, statistic="mean", **options)  # type: ignore[arg-type]
    studentised = np.nan
    if min(len(a), len(b)) > 1:
        with_t = permutation_tests.two_sample(pooled, label, statistic="t", **options)  # type: ignore[arg-type]
        studentised = float(with_t.p[0])
    tails = [
        multiplicity.max_t(test.statistic, test.null, exact=test.exact, alternative=side).p[0]
        for side in ("greater", "less")
    ]
    n, p = len(test.null), float(test.p[0])
    return Permutation(
        difference=float(test.statistic[0]),
        p=p,
        p_studentised=studentised,
        p_doubled=min(1.0, 2.0 * float(min(tails))),
        p_greater=float(tails[0]),
        count=round(p * n) if test.exact else round(p * (n + 1)) - 1,
        n_assignments=n,
        exact=test.exact,
        monte_carlo_error=0.0 if test.exact else float(np.sqrt(p * (1.0 - p) / n)),
        smallest_p=test.smallest_p,
        null=test.null[:, 0],
    )


def paired(first: npt.ArrayLike, second: npt.ArrayLike, *, key: jax.Array | None = None) -> Paired:
    """Sign-flip and signed-rank tests of pairs, only for designs that paired their works before scoring.

    Args:
        first: `[n]` scores.
        second: `[n]`, in the same order of pairs.
        key: Random key, needed above 20 pairs.

    Raises:
        DataError: Different lengths, fewer than two pairs, or no difference at all.
    """
    a, b = means.two_arms(first, second, "paired")
    if len(a) != len(b):
        raise errors.DataError(f"paired: {len(a)} and {len(b)} scores make no pairs.")
    d = a - b
    test = permutation_tests.sign_flip(d, statistic="mean", key=key)
    varying = np.ptp(a) > 0 and np.ptp(b) > 0
    few = 0 < (d != 0).sum() <= ranks.EXACT_LIMIT
    return Paired(
        difference=float(d.mean()),
        p=float(test.p[0]),
        smallest_p=test.smallest_p,
        positive=int((d > 0).sum()),
        n=len(d),
        correlation=float(np.corrcoef(a, b)[0, 1]) if varying else np.nan,
        wilcoxon=ranks.wilcoxon(d) if few else None,
    )


def compare(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    key: jax.Array,
    confidence: float = 0.95,
    n_resamples: int = 9999,
) -> Comparison:
    """Compares two arms of reviewed works by all methods of this module.

    Args:
        first: `[n1]` scores, one for each work (a sum or mean over raters).
        second: `[n2]`.
        key: Random key of the bootstrap, and of sampled assignments.
        confidence: Coverage of the intervals.
        n_resamples: Bootstrap resamples, and sampled assignments if not all are evaluated.

    Raises:
        DataError: Fewer than two works in an arm, or scores that do not vary inside the arms.
    """
    # Longer than other functions: each statement is computed once, and is a row of the table and a field of the result.
    a, b = means.two_arms(first, second, "compare", varying=True)
    n1, n2 = len(a), len(b)
    key_p, key_a = jax.random.split(key)
    mean = means.welch(a, b, confidence=confidence)
    permuted = permutation(a, b, key=key_p, n_resamples=n_resamples)
    g = effect_sizes.hedges_g(a, b, confidence=confidence)
    approximate = effect_sizes.hedges_g(a, b, exact=False, confidence=confidence)
    superiority = ranks.probability_of_superiority(a, b, key=key_a, confidence=confidence, n_resamples=n_resamples)
    u = ranks.mann_whitney(a, b)
    try:
        munzel = ranks.brunner_munzel(a, b)
    except errors.DataError:  # arms that do not overlap
        munzel = None
    try:
        shift = ranks.hodges_lehmann(a, b, confidence=confidence)
    except errors.DataError:  # too few works for this coverage, or too many for the exact distribution
        shift = None
    varied = means.spread(a, b) if np.ptp(a) > 0 and np.ptp(b) > 0 else None
    pooled_t = float(means.host_moments(a, b).pooled_t)
    rows = [
        ("difference of means (Welch)", mean.difference, mean.low, mean.high, mean.p),
        ("difference of means (permutation)", permuted.difference, np.nan, np.nan, permuted.p),
        ("Welch's t (permutation)", mean.t, np.nan, np.nan, permuted.p_studentised),
        ("Mann-Whitney U (exact)", u.u, np.nan, np.nan, u.p),
        ("Mann-Whitney U (asymptotic)", u.u, np.nan, np.nan, u.p_asymptotic),
        ("Hedges' g, exact J", g.g, g.low, g.high, np.nan),
        ("Hedges' g, approximate J", approximate.g, approximate.low, approximate.high, np.nan),
        ("A12", superiority.a12, superiority.low, superiority.high, np.nan),
    ]
    if shift is not None:
        rows.append(("Hodges-Lehmann shift", shift.shift, shift.low, shift.high, np.nan))
    if munzel is not None:
        rows.append(("Brunner-Munzel t", munzel.t, np.nan, np.nan, munzel.p))
    if varied is not None:
        rows.append(("ratio of standard deviations", varied.sd_ratio, np.nan, np.nan, varied.p))
    names, *numbers = zip(*rows, strict=True)
    estimate, low, high, p = (np.array(column, np.float64) for column in numbers)
    return Comparison(
        quantity=names,
        estimate=estimate,
        low=low,
        high=high,
        p=p,
        n_first=n1,
        n_second=n2,
        welch=mean,
        permutation=permuted,
        mann_whitney=u,
        brunner_munzel=munzel,
        shift=shift,
        superiority=superiority,
        hedges=g,
        hedges_approximate=approximate,
        spread=varied,
        bayes_factor=effect_sizes.bayes_factor(pooled_t, n1, n2),
        power_observed=effect_sizes.power(g.d, n1, n2),
        minimum_detectable=effect_sizes.minimum_detectable_effect(n1, n2),
    )
