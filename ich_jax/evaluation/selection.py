"""The choice of the designs that are delivered among many candidates: pure functions from arrays to arrays.

A candidate meets a brief if every part that the brief states is read off it as asked, axes within a tolerance. Of those
that meet it the k most diverse, the k closest to the brief or the first k are taken. Further criteria, such as a price,
count through Pareto fronts; so do word scores, through their `desirability`. Limits of a price or of elements narrow
what may be taken: `within`, `with_elements`. The network that reads the candidates must not be the one that judges the
delivered designs.

Order and ties are deterministic everywhere: among equals the candidate that was drawn first wins.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import Brief, Element, Reading

METHODS = ("diverse", "best", "first")

_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """N candidates compared with their briefs, part by part: the product, then E elements, then A axes.

    Attributes:
        missed: `[N, 1 + E + A]`, whether a part is stated and not read as asked.
        cost: `[N, 1 + E + A]` float64, distance of the reading of a stated part from the brief; 0 for a part left open.
            For product and elements the cross-entropy in nats, for axes the absolute error over the tolerance.
    """

    missed: _Bools
    cost: _Floats

    @property
    def meets(self) -> _Bools:
        """`[N]`, whether every stated part is read as asked."""
        return np.logical_not(self.missed.any(axis=1))

    @property
    def total(self) -> _Floats:
        """`[N]`, the sum of the costs; 0 for a perfect match."""
        total: _Floats = self.cost.sum(axis=1)
        return total


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """The candidates that were taken, in the order of choice.

    Attributes:
        index: `[K]` int, positions among the candidates; fewer than were asked for where too few may be taken.
        distance: `[K]` float64, distance of each to the nearest one taken before it; NaN for the first, and for methods
            that use no distance.
    """

    index: _Ints
    distance: _Floats


def compare(brief: Brief, reading: Reading, tolerance: float) -> Comparison:
    """Compares the readings of candidates with their briefs.

    Args:
        brief: Briefs of N candidates.
        reading: Readings of the same candidates.
        tolerance: Largest absolute error of a stated axis that still meets the brief, above 0.

    Raises:
        DataError: A reading is not finite.
    """
    logits = [np.asarray(part, np.float64) for part in (reading.product, *reading.elements)]
    axes = np.asarray(reading.axes, np.float64)
    if not all(np.isfinite(part).all() for part in (*logits, axes)):
        raise errors.DataError("What was read off the candidates is not finite: the reading head is damaged.")
    asked = np.concatenate([np.asarray(brief.product)[:, None], np.asarray(brief.elements)], axis=1)
    rows = np.arange(len(axes))
    missed = [part.argmax(axis=1) != asked[:, i] for i, part in enumerate(logits)]
    cost = [_log_sum_exp(part) - part[rows, asked[:, i]] for i, part in enumerate(logits)]
    error = np.abs(axes - np.asarray(brief.axes, np.float64))
    stated = np.asarray(brief.given)[:, : len(logits) + axes.shape[1]] > 0  # a sketch is not read off a picture
    return Comparison(
        missed=np.concatenate([np.stack(missed, axis=1), error > tolerance], axis=1) & stated,
        cost=np.where(stated, np.concatenate([np.stack(cost, axis=1), error / tolerance], axis=1), 0.0),
    )


def choose(
    method: str,
    k: int,
    allowed: npt.ArrayLike,
    cost: npt.ArrayLike,
    features: npt.ArrayLike,
    criteria: npt.ArrayLike | None = None,
) -> Selection:
    """Takes up to k of N candidates.

    Args:
        method: `diverse`: the one of least cost, then always the one farthest from those taken (`most_diverse`);
            `best`: those of least cost; `first`: in the order in which they were drawn.
        k: Number of candidates to take, at least 1.
        allowed: `[N]` bool, for example those that meet the brief.
        cost: `[N]`, lower is better.
        features: `[N, D]`, between which distances are taken.
        criteria: `[N, M]`, further figures of which lower is better, such as a price. The candidates of the first
            Pareto fronts are preferred: only as many fronts take part as are needed for k candidates.

    Raises:
        ConfigError: An unknown method, or k below 1.
    """
    errors.require(method, METHODS, "select")
    errors.require_within(k, 1, 10**6, "k", whole=True)
    cost = np.asarray(cost, np.float64)
    index = np.flatnonzero(np.asarray(allowed, bool))
    if criteria is not None and len(index):
        front = pareto_fronts(np.asarray(criteria)[index])
        last = np.sort(front)[min(k, len(front)) - 1]
        index = index[front <= last]
    if method == "diverse" and len(index):
        start = int(np.argmin(cost[index]))
        diverse = most_diverse(np.asarray(features)[index], k, start)
        return Selection(index[diverse.index], diverse.distance)
    order = np.argsort(cost[index], kind="stable") if method == "best" else np.arange(len(index))
    taken = index[order[:k]]
    return Selection(taken, np.full(len(taken), np.nan))


def most_diverse(points: npt.ArrayLike, k: int, start: int = 0) -> Selection:
    """Takes the point `start`, then always the point that is farthest from its nearest taken one, up to k.

    The least distance between the points taken is at least half of the largest that any k points can have.

    Args:
        points: `[N, D]`.
        k: Number of points to take.
        start: The first one.

    References:
        Gonzalez, Clustering to minimize the maximum intercluster distance, 1985.
    """
    points = np.asarray(points, np.float64)
    taken, gaps = [start], [np.nan]
    nearest = np.linalg.norm(points - points[start], axis=1)
    nearest[start] = -1.0  # never taken again, even where all distances are 0
    while len(taken) < min(k, len(points)):
        far = int(np.argmax(nearest))
        taken.append(far)
        gaps.append(float(nearest[far]))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[far], axis=1))
        nearest[taken] = -1.0
    return Selection(np.array(taken, np.int64), np.array(gaps, np.float64))


def pareto_front(criteria: npt.ArrayLike) -> _Bools:
    """Returns which of N candidates are not dominated, `[N]` bool.

    One candidate dominates another if it is no worse in any criterion and better in one.

    Args:
        criteria: `[N, M]`, lower is better.

    Raises:
        DataError: A criterion is not finite.
    """
    values = np.asarray(criteria, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise errors.DataError(f"criteria: expected finite numbers [candidates, criteria], got shape {values.shape}.")
    no_worse = (values[:, None] <= values[None]).all(axis=2)  # [i, j]: i is no worse than j
    better = (values[:, None] < values[None]).any(axis=2)
    return np.logical_not((no_worse & better).any(axis=0))


def pareto_fronts(criteria: npt.ArrayLike) -> _Ints:
    """Returns the number of each candidate's front, `[N]` int: 0 for the Pareto front, 1 for that of the others, ...

    Args:
        criteria: `[N, M]`, lower is better.

    References:
        Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002, section III A.
    """
    values = np.asarray(criteria, np.float64)
    number = np.full(len(values), -1, np.int64)
    left = np.arange(len(values))
    while len(left):
        front = pareto_front(values[left])
        number[left[front]] = number.max() + 1
        left = left[~front]
    return number


def desirability(
    scores: npt.ArrayLike,
    least: npt.ArrayLike,
    enough: npt.ArrayLike,
    *,
    weight: npt.ArrayLike | None = None,
    shape: npt.ArrayLike = 1.0,
) -> _Floats:
    """Returns how desirable each of N candidates is by all of W scores at once, `[N]` from 0 to 1.

    Each score counts 0 at `least` and below, 1 at `enough` and beyond, and in between as a straight line to a power;
    the geometric mean weighs them, so that a candidate that fails one score is not desirable at all. Its negative is a
    criterion of `choose`.

    Args:
        scores: `[N, W]`, such as predicted scores on words.
        least: `[W]` or one for all: not acceptable.
        enough: `[W]` or one for all: as good as can be; below `least` if less is better, as of a price.
        weight: `[W]` importance of each score, above 0; None: all alike.
        shape: `[W]` or one for all, above 0: power of the line; above 1, only scores near `enough` count much.

    Raises:
        DataError: Scores that are not finite `[N, W]`.
        ConfigError: `least` equals `enough`, or a weight or power that is not above 0.

    References:
        Derringer and Suich, Simultaneous optimization of several response variables, 1980.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise errors.DataError(f"desirability: expected finite scores [candidates, words], got shape {values.shape}.")
    ones = np.ones(values.shape[1])
    low, high, power = (np.asarray(v, np.float64) * ones for v in (least, enough, shape))
    weights = ones if weight is None else np.asarray(weight, np.float64) * ones
    if (low == high).any() or not (weights > 0).all() or not (power > 0).all():
        raise errors.ConfigError("desirability: needs least and enough to differ, and weights and powers above 0.")
    single = np.clip((values - low) / (high - low), 0.0, 1.0) ** power
    with np.errstate(divide="ignore"):
        mean: _Floats = np.exp(np.log(single) @ (weights / weights.sum()))
    return mean


def within(values: npt.ArrayLike, least: npt.ArrayLike = -np.inf, most: npt.ArrayLike = np.inf) -> _Bools:
    """Returns which of N candidates keep every limit, `[N]` bool; part of `allowed` of `choose`.

    Args:
        values: `[N, M]`, such as a price.
        least: `[M]` or one for all.
        most: `[M]` or one for all.

    Raises:
        DataError: Values that are not numbers `[N, M]`.
    """
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or np.isnan(table).any():
        raise errors.DataError(f"within: expected numbers [candidates, values], got shape {table.shape}.")
    inside: _Bools = np.all((table >= np.asarray(least)) & (table <= np.asarray(most)), axis=1)
    return inside


def with_elements(codes: npt.ArrayLike, elements: Sequence[Element], allowed: Mapping[str, Collection[str]]) -> _Bools:
    """Returns which of N candidates have allowed categories only, `[N]` bool; part of `allowed` of `choose`.

    Args:
        codes: `[N, E]` category of each element, such as the largest logits of a reading.
        elements: `[E]` elements.
        allowed: For some elements the categories that may be.

    Raises:
        ConfigError: An element or category that does not exist, or an element of which nothing is allowed.
    """
    table = np.asarray(codes)
    kept = np.ones(len(table), bool)
    by_name = {element.name: j for j, element in enumerate(elements)}
    for name, categories in allowed.items():
        j = by_name[errors.require(name, by_name, "with_elements")]
        for category in categories:
            errors.require(category, elements[j].categories, f"with_elements: {name}")
        if not categories:
            raise errors.ConfigError(f"with_elements: {name}: nothing is allowed.")
        kept &= np.isin(table[:, j], [elements[j].categories.index(category) for category in categories])
    return kept


def _log_sum_exp(logits: _Floats) -> _Floats:
    largest = logits.max(axis=1)
    summed: _Floats = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return summed
