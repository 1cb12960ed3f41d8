"""Each treated unit against the untreated over the days around its own launch, tested by handing out launches anew.

A launch is a slot: a treated unit and the day on which it starts. The change of any unit at a slot is its mean from
that day on minus its mean before. The effect is the mean over slots of the treated unit's change minus that of the
units that are never treated; with one start for all it is difference-in-differences of means. Slopes before the launch
are tested in the same way, and several products together by handing out launches within each of them, or once for all
of them where the same units launch them on the same days.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import jax
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics.panel import Panel
from ich_jax.uncertainty import intervals, multiplicity, permutation
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

STATISTICS = ("change", "trend")
_TIE = 1.0 - 1e-10


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class LaunchTest(Result):
    """Randomisation inference over units.

    Attributes:
        effect: Mean over the launches.
        p: Two-sided p-value of no effect.
        low: Lower end of the constant effects that are not rejected; -inf if all are accepted on that side.
        high: Upper end.
        confidence: Coverage of that set.
        null: `[B]` statistic under every assignment, or those that were drawn; the data's own is first.
        moved: `[B]` what an effect of 1 on the treated adds to each of them; 1 for the data's own.
        exact: Whether these are all assignments.
        n_distinct: Number of assignments that exist.
        smallest_p: The least p that this design can give.
    """

    effect: float
    p: float
    low: float
    high: float
    confidence: float
    null: Array
    moved: Array
    exact: bool
    n_distinct: int
    smallest_p: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Path(Result):
    """Effects by time since the launch, and as placebos before it.

    Attributes:
        relative: `[E]` periods since the launch, 0 the first one.
        estimate: `[E]` treated minus untreated, minus the same over all periods before the launch.
        standard_error: `[E]` from how the untreated vary about their mean.
        low: `[E]` lower limit of a simultaneous band over all E.
        high: `[E]` upper limit.
        confidence: Chance that the band covers all E.
        critical: Limits lie this many standard errors from the estimates.
        df: Degrees of freedom: untreated units minus 1.
        treated: `[E]` treated units that are observed then.
        filled: Unit-periods of the untreated in which nothing was observed, taken as at their mean.
    """

    columns = ("relative", "estimate", "standard_error", "low", "high", "treated")
    curve = ("relative", "estimate", "low", "high")

    relative: npt.NDArray[np.int64]
    estimate: Array
    standard_error: Array
    low: Array
    high: Array
    confidence: float
    critical: float
    df: int
    treated: npt.NDArray[np.int64]
    filled: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Stratified(Result):
    """Test of one effect over K products.

    Attributes:
        effect: Mean of the products' effects, each over its own scale.
        p: Two-sided p-value.
        low: Lower end of the constant effects that are not rejected.
        high: Upper end.
        confidence: Coverage of that set.
        shared: Whether launches were handed out once for all products, and not within each of them.
        exact: Whether all joint assignments were evaluated.
        n_distinct: Number of joint assignments.
        smallest_p: The least p that this design can give.
        p_each: `[K]` p-value of each product by itself.
        p_adjusted: `[K]` adjusted for testing K products (Westfall-Young min-P, step-down).
    """

    columns = ("p_each", "p_adjusted")

    effect: float
    p: float
    low: float
    high: float
    confidence: float
    shared: bool
    exact: bool
    n_distinct: int
    smallest_p: float
    p_each: Array
    p_adjusted: Array


def values(data: Panel, statistic: str = "change") -> tuple[Array, Array]:
    """Statistic of every unit at every launch.

    Args:
        data: Panel, with or without gaps.
        statistic: "change": mean from the launch on minus mean before it. "trend": least-squares slope per period
            before it.

    Returns:
        `[U, K]` of the outcome, and of treatment itself (0 for "trend": there is none before a launch).

    Raises:
        ConfigError: Another statistic.
        DataError: A unit that is not observed on both sides of a launch, or on fewer than two days before it.
    """
    errors.require(statistic, STATISTICS, "launches: statistic")
    starts = data.start[data.ever_treated]
    y = np.where(data.observed, data.outcome, 0.0)
    time = np.arange(len(data.periods))
    of_outcome, of_treatment = [], []
    for start in starts:
        before = data.observed & (time < start)
        after = data.observed & (time >= start)
        n_before, n_after = before.sum(axis=1), after.sum(axis=1)
        lost = (n_before < (1 if statistic == "change" else 2)) | (n_after == 0)
        if lost.any():
            raise errors.DataError(
                f"launches: unit {data.units[lost.argmax()]} is not observed on both sides of the launch of "
                f"{data.periods[start]}; leave it out, or add days."
            )
        if statistic == "change":
            of_outcome.append((y * after).sum(axis=1) / n_after - (y * before).sum(axis=1) / n_before)
            d = data.treated
            of_treatment.append((d & after).sum(axis=1) / n_after - (d & before).sum(axis=1) / n_before)
        else:
            centred = np.where(before, time - ((before * time).sum(axis=1) / n_before)[:, None], 0.0)
            of_outcome.append((centred * y).sum(axis=1) / np.square(centred).sum(axis=1))
            of_treatment.append(np.zeros(len(y)))
    return np.stack(of_outcome, axis=1), np.stack(of_treatment, axis=1)


def randomise(
    data: Panel,
    *,
    statistic: str = "change",
    confidence: float = 0.95,
    n_resamples: int = 9999,
    max_exact: int = 20_000,
    seed: int = 0,
) -> LaunchTest:
    """Tests the effect, or the trend before the launch, by handing the launches to other units.

    Valid if it was as good as random which units were treated, and for a constant effect if it adds to the outcome.

    Args:
        data: Panel, with or without gaps; launches may differ between units.
        statistic: As for `values`.
        confidence: Coverage of the set of effects that are not rejected.
        n_resamples: Assignments that are drawn, where there are more than `max_exact`.
        max_exact: Up to so many are all evaluated.
        seed: Of the draws.

    Raises:
        ConfigError: Another statistic, or a confidence outside (0, 1).
        DataError: As for `values`; no unit that is never treated.

    References:
        MacKinnon and Webb (2020), Randomization inference for difference-in-differences with few treated clusters.
        Rosenbaum (2002), Observational studies, section 2.4, for the inversion.
    """
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    if data.ever_treated.all():
        raise errors.DataError("launches: every unit is treated in the end; add units that never are.")
    of_outcome, of_treatment = values(data, statistic)
    slots, total, exact = _assignments(data.start, data.ever_treated, n_resamples, max_exact, seed)
    null, moved = _statistics(of_outcome, slots), _statistics(of_treatment, slots)
    n1, n0 = int(data.ever_treated.sum()), int((~data.ever_treated).sum())
    mirrored = n1 == n0 and len(np.unique(data.start[data.ever_treated])) == 1
    p, low, high = _test(null, moved, confidence)
    if statistic == "trend":
        low = high = math.nan  # an effect after the launch moves no slope before it
    smallest = (2.0 if mirrored else 1.0) / total if exact else 1.0 / len(null)
    return LaunchTest(float(null[0]), p, low, high, confidence, null, moved, exact, total, smallest)


def stratified(
    tests: Sequence[LaunchTest],
    scales: npt.ArrayLike,
    *,
    shared: bool = False,
    confidence: float = 0.95,
    n_resamples: int = 9999,
    max_exact: int = 10**6,
    seed: int = 0,
) -> Stratified:
    """Joins the tests of several products.

    Args:
        tests: One for each product.
        scales: `[K]` positive; effects enter in units of them (the level of a product, for effects as shares of it).
        shared: Whether all tests are of the same units, which launch all products on the same days. One decision
            then launched them all, and counts once: assignment b of all tests is one assignment. Otherwise launches
            are handed out within each product, independently of the others.
        confidence: Coverage of the set of effects that are not rejected.
        n_resamples: Joint assignments that are drawn, where there are more than `max_exact`.
        max_exact: Up to so many are all evaluated.
        seed: Of the draws.

    Raises:
        ConfigError: No tests, scales that do not fit, tests of different units under `shared`, or a confidence outside
            (0, 1).

    References:
        Imbens and Rubin (2015), Causal inference, chapter 9, on stratified experiments. Westfall and Young (1993).
    """
    scale = np.asarray(scales, np.float64)
    if not tests or scale.shape != (len(tests),) or not (scale > 0).all():
        raise errors.ConfigError(f"stratified: expected a scale above 0 for each of {len(tests)} tests, got {scale}.")
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    sizes = [len(test.null) for test in tests]
    exact = all(test.exact for test in tests) and (shared or math.prod(sizes) <= max_exact)
    if shared:
        if len(set(sizes)) > 1:
            raise errors.ConfigError(f"stratified: tests of the same units have as many assignments, got {sizes}.")
        index = np.tile(np.arange(sizes[0]), (len(tests), 1))
    elif exact:
        index = np.stack([grid.ravel() for grid in np.meshgrid(*(np.arange(n) for n in sizes), indexing="ij")])
    else:
        rng = np.random.default_rng(seed)
        index = np.stack([np.concatenate([[0], rng.integers(0, n, n_resamples)]) for n in sizes])
    null = np.mean([t.null[i] / s for t, s, i in zip(tests, scale, index, strict=True)], axis=0)
    # An effect of 1 in units of the scale moves each product's statistic, over its scale, as an effect of 1 does.
    moved = np.mean([t.moved[i] for t, i in zip(tests, index, strict=True)], axis=0)
    p, low, high = _test(null, moved, confidence)
    ranks = np.stack([_ranks(np.abs(t.null))[i] for t, i in zip(tests, index, strict=True)], axis=1)
    total = tests[0].n_distinct if shared else math.prod(test.n_distinct for test in tests)
    # Where every product has a mirrored assignment, mirroring all of them gives the same size once more.
    mirrored = all(test.exact and test.smallest_p * test.n_distinct > 1.5 for test in tests)
    return Stratified(
        effect=float(null[0]),
        p=p,
        low=low,
        high=high,
        confidence=confidence,
        shared=shared,
        exact=exact,
        n_distinct=total,
        smallest_p=(2.0 if mirrored and exact else 1.0) / len(null),
        p_each=np.array([test.p for test in tests]),
        p_adjusted=multiplicity.westfall_young(ranks[0], ranks[1:] if not exact else ranks, exact=exact),
    )


def gaps(data: Panel) -> tuple[npt.NDArray[np.int64], Array, npt.NDArray[np.int64]]:
    """Treated minus untreated by time since the launch, minus the same over the periods before it.

    Args:
        data: Panel, with or without gaps.

    Returns:
        Periods since the launch `[E]`; mean over the treated units `[E]`, NaN where none is observed; how many `[E]`.

    Raises:
        DataError: A treated unit that is not observed before its launch together with untreated ones.
    """
    untreated = ~data.ever_treated
    count = (data.observed & untreated[:, None]).sum(axis=0)
    mean = np.where(data.observed[untreated], data.outcome[untreated], 0.0).sum(axis=0) / np.maximum(count, 1)
    start, periods = data.start[data.ever_treated], len(data.periods)
    relative = np.arange(-start.max(), periods - start.min())
    total, treated = np.zeros(len(relative)), np.zeros(len(relative), np.int64)
    for unit in np.flatnonzero(data.ever_treated):
        seen, before = _seen(data, int(unit), count)
        gap = data.outcome[unit] - mean
        row = np.flatnonzero(seen) - data.start[unit] - relative[0]
        total[row] += gap[seen] - gap[before].mean()
        treated[row] += 1
    return relative, np.where(treated > 0, total / np.maximum(treated, 1), np.nan), treated


def path(data: Panel, key: jax.Array, *, confidence: float = 0.95) -> Path:
    """Event study whose band rests on the untreated: with few treated units their own residuals say nothing.

    Treated units are taken to vary about their mean as untreated ones do, and units as independent of each other. The
    band's normal quantile is replaced by that of t with as many degrees of freedom as untreated units, less 1.

    Args:
        data: Panel, with or without gaps; at least two units that are never treated.
        key: Random key of the band.
        confidence: Chance that the band covers all periods.

    Raises:
        ConfigError: A confidence outside (0, 1).
        DataError: Fewer than two untreated units, or as for `gaps`.

    References:
        Conley and Taber (2011) for the spread of the untreated. Montiel Olea and Plagborg-Møller (2019) for the band.
    """
    untreated = ~data.ever_treated
    n0 = int(untreated.sum())
    if n0 < 2:
        raise errors.DataError(f"event study: {n0} untreated units show no spread; at least two are needed.")
    relative, estimate, treated = gaps(data)
    there = treated > 0
    weights = _weights(data, relative, treated)[:, there]
    seen = data.observed[untreated]
    values = np.where(seen, data.outcome[untreated], 0.0)
    count = np.maximum(seen.sum(axis=0), 1)
    residual = np.where(seen, values - values.sum(axis=0) / count, 0.0)
    sigma = residual.T @ residual / (n0 - 1)
    shared = weights.sum(axis=0)
    covariance = np.einsum("iet,ts,ifs->ef", weights, sigma, weights, optimize=True) + shared @ sigma @ shared.T / n0
    band = intervals.sup_t(estimate[there], covariance, key, confidence=confidence)
    critical = float(stats.t.isf(stats.norm.sf(band.critical), n0 - 1))
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return Path(
        relative=relative[there],
        estimate=estimate[there],
        standard_error=error,
        low=estimate[there] - critical * error,
        high=estimate[there] + critical * error,
        confidence=confidence,
        critical=critical,
        df=n0 - 1,
        treated=treated[there],
        filled=int((~seen).sum()),
    )


def _seen(data: Panel, unit: int, count: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Periods in which a treated unit is observed together with untreated ones, and those of them before its launch."""
    seen = data.observed[unit] & (count > 0)
    before = seen & (np.arange(len(count)) < data.start[unit])
    if not before.any():
        raise errors.DataError(
            f"event study: unit {data.units[unit]} is not observed before its launch together with untreated units."
        )
    return seen, before


def _weights(data: Panel, relative: npt.NDArray[np.int64], treated: npt.NDArray[np.int64]) -> Array:
    """`[K, E, T]` weights of the treated units' series in the path; those of the untreated mean are minus their sum."""
    count = (data.observed & ~data.ever_treated[:, None]).sum(axis=0)
    own = np.flatnonzero(data.ever_treated)
    weights = np.zeros((len(own), len(relative), len(data.periods)))
    for i, unit in enumerate(own):
        seen, before = _seen(data, int(unit), count)
        column = np.flatnonzero(seen)
        row = column - data.start[unit] - relative[0]
        weights[i, row, column] += 1.0
        weights[i, row] -= before / before.sum()
    return weights / np.maximum(treated, 1)[None, :, None]


def _statistics(matrix: Array, slots: npt.NDArray[np.int64]) -> Array:
    """`[B]`: mean over slots of the chosen unit's value minus the mean of the units that are in no slot."""
    units, k = matrix.shape
    column = np.arange(k)
    chosen = matrix[slots, column[None, :]].mean(axis=1)
    inside = matrix.mean(axis=1)[slots].sum(axis=1)  # of all slots, over the units that are in some slot
    rest = (matrix.mean(axis=1).sum() - inside) / (units - k)
    return np.asarray(chosen - rest)


def _assignments(
    start: npt.NDArray[np.int64], ever: npt.NDArray[np.bool_], n_resamples: int, max_exact: int, seed: int
) -> tuple[npt.NDArray[np.int64], int, bool]:
    """`[B, K]` units in the slots, the data's own first; number of distinct ones; whether these are all."""
    own = np.flatnonzero(ever)
    groups = [int(n) for n in np.unique(start[ever], return_counts=True)[1]]
    order = np.argsort(start[own], kind="stable")  # slots of one start stand together
    total, left = 1, len(start)
    for n in groups:
        total *= math.comb(left, n)
        left -= n
    if total <= max_exact:
        ordered = np.array(list(_partitions(tuple(range(len(start))), groups)))
        slots = np.empty_like(ordered)
        slots[:, order] = ordered
        same = (np.sort_complex(_key(slots, start[own])) == np.sort_complex(_key(own[None], start[own]))).all(axis=1)
        first = int(same.argmax())
        return np.concatenate([own[None], np.delete(slots, first, axis=0)]), total, True
    rng = np.random.default_rng(seed)
    drawn = np.argsort(rng.random((n_resamples, len(start))), axis=1)[:, : len(own)]
    return np.concatenate([own[None], drawn]), total, False


def _key(slots: npt.NDArray[np.int64], start: npt.NDArray[np.int64]) -> npt.NDArray[np.complex128]:
    """Start and unit of each slot as one number that sorts by both."""
    return np.asarray(np.broadcast_to(start, slots.shape) + 1j * slots)


def _partitions(units: tuple[int, ...], groups: list[int]) -> list[tuple[int, ...]]:
    if not groups:
        return [()]
    found = []
    for chosen in itertools.combinations(units, groups[0]):
        rest = tuple(unit for unit in units if unit not in chosen)
        found += [chosen + more for more in _partitions(rest, groups[1:])]
    return found


def _ranks(size: Array) -> Array:
    """P-value of each assignment among all: share of those that are at least as large."""
    ordered = np.sort(size)
    return np.asarray((len(size) - np.searchsorted(ordered, size * _TIE, side="left")) / len(size))


def _test(null: Array, moved: Array, confidence: float) -> tuple[float, float, float]:
    p: Callable[[float], float] = lambda effect: _p(null - effect * moved)  # noqa: E731
    spread = float(np.std(null)) or abs(float(null[0]))
    low, high = permutation.invert(p, float(null[0]), spread, 1.0 - confidence)
    return p(0.0), low, high


def _p(statistics: Array) -> float:
    size = np.abs(statistics)
    # The data count as one of the draws: the first.
    return float((size >= size[0] * _TIE).mean())
