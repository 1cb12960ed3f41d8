"""Each treated unit against the untreated units around its own launch, tested by reassigning the launches.

A launch is a slot: a treated unit and the day on which it starts. The change of any unit at a slot is its mean from
that day on minus its mean before it. The effect is the mean over slots of the treated unit's change minus the mean
change of the units that are never treated; with a single start it is the difference-in-differences of means. Slopes
before the launch are tested in the same way. Several products are tested together by reassigning launches within each
of them, or once for all of them where the same units launch them on the same days.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.panel import Panel
from ich_jax.uncertainty import inversion, multiplicity
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
        low: Lower end of the constant effects that are not rejected; -inf if none is rejected on that side.
        high: Upper end.
        confidence: Coverage of that set.
        null: `[B]` statistic under every assignment, or under those that were drawn; that of the data is first.
        moved: `[B]` change of each estimate for an effect of 1 on the treated units; 1 for that of the data.
        exact: Whether `null` holds all assignments.
        n_distinct: Number of distinct assignments.
        smallest_p: Smallest p-value that this design can give.
    """

    bracketed = "effect"

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
class Stratified(Result):
    """Test of one effect over K products.

    Attributes:
        effect: Mean of the products' effects, each over its own scale.
        p: Two-sided p-value.
        low: Lower end of the constant effects that are not rejected.
        high: Upper end.
        confidence: Coverage of that set.
        shared: Whether launches were reassigned once for all products rather than within each of them.
        exact: Whether all joint assignments were evaluated.
        n_distinct: Number of joint assignments.
        smallest_p: Smallest p-value that this design can give.
        p_each: `[K]` p-value of each product alone.
        p_adjusted: `[K]` adjusted for testing K products (Westfall-Young min-P, step-down).
    """

    columns = ("p_each", "p_adjusted")
    bracketed = "effect"

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
        `[U, K]` of the outcome, and `[U, K]` of the treatment indicator (0 for "trend": no unit is treated before its
        launch).

    Raises:
        ConfigError: Another statistic.
        DataError: A unit that is not observed on both sides of a launch, or on fewer than two days before it.
    """
    errors.require(statistic, STATISTICS, "launches: statistic")
    starts = data.start[data.ever_treated]
    y = np.where(data.observed, data.outcome, 0.0)
    time = np.arange(len(data.periods))
    outcome_changes, treatment_changes = [], []
    for start in starts:
        before = data.observed & (time < start)
        after = data.observed & (time >= start)
        n_before, n_after = before.sum(axis=1), after.sum(axis=1)
        unusable = (n_before < (1 if statistic == "change" else 2)) | (n_after == 0)
        if unusable.any():
            raise errors.DataError(
                f"launches: unit {data.units[unusable.argmax()]} is not observed on both sides of the launch of "
                f"{data.periods[start]}; leave it out, or add days."
            )
        if statistic == "change":
            outcome_changes.append((y * after).sum(axis=1) / n_after - (y * before).sum(axis=1) / n_before)
            d = data.treated
            treatment_changes.append((d & after).sum(axis=1) / n_after - (d & before).sum(axis=1) / n_before)
        else:
            centred = np.where(before, time - ((before * time).sum(axis=1) / n_before)[:, None], 0.0)
            outcome_changes.append((centred * y).sum(axis=1) / np.square(centred).sum(axis=1))
            treatment_changes.append(np.zeros(len(y)))
    return np.stack(outcome_changes, axis=1), np.stack(treatment_changes, axis=1)


def randomise(
    data: Panel,
    *,
    statistic: str = "change",
    confidence: float = 0.95,
    n_resamples: int = 9999,
    max_exact: int = 20_000,
    seed: int = 0,
) -> LaunchTest:
    """Tests the effect, or the trend before the launch, by assigning the launches to other units.

    Valid if treatment was as good as randomly assigned; the interval also assumes a constant additive effect.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 3.0, 4.0]], start=[2, 3, 3])
        >>> test = did.randomise(panel)
        >>> test.effect, round(test.p, 3)  # the largest of three
        (3.5, 0.333)

    Args:
        data: Panel, with or without gaps; launches may differ between units.
        statistic: As for `values`.
        confidence: Coverage of the set of effects that are not rejected.
        n_resamples: Number of assignments drawn if there are more than `max_exact`.
        max_exact: Up to this number, all assignments are evaluated.
        seed: Seed of the drawn assignments.

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
        raise errors.DataError("launches: every unit is treated; add units that never are.")
    outcome, treatment = values(data, statistic)
    slots, total, exact = _assignments(data.start, data.ever_treated, n_resamples, max_exact, seed)
    null, moved = _statistics(outcome, slots), _statistics(treatment, slots)
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
    """Combines the tests of several products.

    Args:
        tests: One for each product.
        scales: `[K]` positive; each product's effect is divided by its scale (its level, for relative effects).
        shared: Whether all tests are of the same units, which launch all products on the same days. A single decision
            then launched all products and counts once: assignment b of every test is the same assignment. Otherwise
            launches are reassigned within each product, independently of the others.
        confidence: Coverage of the set of effects that are not rejected.
        n_resamples: Number of joint assignments drawn if there are more than `max_exact`.
        max_exact: Up to this number, all joint assignments are evaluated.
        seed: Seed of the drawn assignments.

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
    index, exact = _joint_assignments(tests, shared, n_resamples, max_exact, seed)
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
    """`[B, K]` units in the slots, those of the data first; number of distinct assignments; whether these are all."""
    launched = np.flatnonzero(ever)
    groups = [int(n) for n in np.unique(start[ever], return_counts=True)[1]]
    order = np.argsort(start[launched], kind="stable")  # slots of one start stand together
    total, left = 1, len(start)
    for n in groups:
        total *= math.comb(left, n)
        left -= n
    if total <= max_exact:
        ordered = np.array(list(_partitions(tuple(range(len(start))), groups)))
        slots = np.empty_like(ordered)
        slots[:, order] = ordered
        days = start[launched]
        same = (np.sort_complex(_key(slots, days)) == np.sort_complex(_key(launched[None], days))).all(axis=1)
        first = int(same.argmax())
        return np.concatenate([launched[None], np.delete(slots, first, axis=0)]), total, True
    rng = np.random.default_rng(seed)
    drawn = np.argsort(rng.random((n_resamples, len(start))), axis=1)[:, : len(launched)]
    return np.concatenate([launched[None], drawn]), total, False


def _joint_assignments(
    tests: Sequence[LaunchTest], shared: bool, n_resamples: int, max_exact: int, seed: int
) -> tuple[npt.NDArray[np.int64], bool]:
    """`[K, B]` assignment of each test in every joint assignment, that of the data first; whether these are all."""
    sizes = [len(test.null) for test in tests]
    exact = all(test.exact for test in tests) and (shared or math.prod(sizes) <= max_exact)
    if shared:
        if len(set(sizes)) > 1:
            raise errors.ConfigError(
                f"stratified: tests of the same units must have equally many assignments, got {sizes}."
            )
        return np.tile(np.arange(sizes[0]), (len(tests), 1)), exact
    if exact:
        grids = np.meshgrid(*(np.arange(n) for n in sizes), indexing="ij")
        return np.stack([grid.ravel() for grid in grids]), exact
    rng = np.random.default_rng(seed)
    return np.stack([np.concatenate([[0], rng.integers(0, n, n_resamples)]) for n in sizes]), exact


def _key(slots: npt.NDArray[np.int64], start: npt.NDArray[np.int64]) -> npt.NDArray[np.complex128]:
    """Start and unit of each slot as one number that sorts by both."""
    return np.asarray(np.broadcast_to(start, slots.shape) + 1j * slots)


def _partitions(units: tuple[int, ...], groups: list[int]) -> list[tuple[int, ...]]:
    if not groups:
        return [()]
    partitions = []
    for chosen in itertools.combinations(units, groups[0]):
        rest = tuple(unit for unit in units if unit not in chosen)
        partitions += [chosen + others for others in _partitions(rest, groups[1:])]
    return partitions


def _ranks(size: Array) -> Array:
    """P-value of each assignment among all: share of those that are at least as large."""
    ordered = np.sort(size)
    return np.asarray((len(size) - np.searchsorted(ordered, size * _TIE, side="left")) / len(size))


def _test(null: Array, moved: Array, confidence: float) -> tuple[float, float, float]:
    p: Callable[[float], float] = lambda effect: _p(null - effect * moved)  # noqa: E731
    spread = float(np.std(null)) or abs(float(null[0]))
    low, high = inversion.invert(p, float(null[0]), spread, 1.0 - confidence)
    return p(0.0), low, high


def _p(statistics: Array) -> float:
    size = np.abs(statistics)
    # The observed assignment counts as one of the draws: the first.
    return float((size >= size[0] * _TIE).mean())
