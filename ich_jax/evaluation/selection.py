"""The choice of the designs that are delivered among many candidates: pure functions from arrays to arrays.

A candidate meets a brief if every part that the brief states is read off it as asked, axes within a tolerance. Of those
that meet it the k most diverse, the k closest to the brief or the first k are taken. Further criteria, such as a price,
count through Pareto fronts. The network that reads the candidates must not be the one that judges the delivered
designs.

Order and ties are deterministic everywhere: among equals the candidate that was drawn first wins.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import Brief, Reading

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


def _log_sum_exp(logits: _Floats) -> _Floats:
    largest = logits.max(axis=1)
    summed: _Floats = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return summed
