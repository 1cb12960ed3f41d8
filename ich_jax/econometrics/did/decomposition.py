"""Goodman-Bacon decomposition: the comparisons that a two-way fixed-effects coefficient averages."""

import dataclasses

import numpy as np
import numpy.typing as npt

from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Bacon(Result):
    """Comparisons of two groups that make up the two-way fixed-effects coefficient.

    Attributes:
        kind: One of "treated vs never", "earlier vs later" and "later vs earlier" for each of M comparisons.
        group: `[M]` start of the group whose change counts as treated (index of the period).
        control: `[M]` start of its control group; T for units that are never treated.
        estimate: `[M]` two-by-two effects.
        weight: `[M]`, positive, adding up to 1.
        forbidden: Weight of "later vs earlier": treated units serve as controls there, so that effects which grow
            over time enter with the wrong sign.
    """

    columns = ("kind", "group", "control", "estimate", "weight")

    kind: tuple[str, ...]
    group: npt.NDArray[np.int64]
    control: npt.NDArray[np.int64]
    estimate: Array
    weight: Array
    forbidden: float


def bacon(data: Panel) -> Bacon:
    """Decomposes the two-way fixed-effects coefficient into its two-by-two comparisons.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 3.0, 4.0]], start=[2, 3, 3])
        >>> did.bacon(panel)  # a single start: nothing but treated against never treated
        Bacon(forbidden=0, 1 row of kind, group, control, estimate, weight)

    Args:
        data: Panel without gaps.

    Raises:
        DataError: A gap.

    References:
        Goodman-Bacon (2021), Difference-in-differences with variation in treatment timing, theorem 1.
    """
    y = panel.balanced(data, "bacon")
    periods = y.shape[1]
    starts, counts = np.unique(data.start, return_counts=True)
    mean = {int(s): y[data.start == s].mean(axis=0) for s in starts}
    size = {int(s): c / len(y) for s, c in zip(starts, counts, strict=True)}
    share = {s: 1.0 - s / periods for s in mean}  # of the periods in which the group is treated

    def change(group: int, control: int, first: int, middle: int, last: int) -> float:
        gap = mean[group] - mean[control]
        return float(gap[middle:last].mean() - gap[first:middle].mean())

    comparisons: list[tuple[str, int, int, float, float]] = []
    treated = [s for s in mean if s < periods]
    for k in treated:
        if periods in mean:
            both = size[k] * size[periods] * share[k] * (1.0 - share[k])
            comparisons.append(("treated vs never", k, periods, change(k, periods, 0, k, periods), both))
        for late in (s for s in treated if s > k):
            pair = size[k] * size[late] * (share[k] - share[late])
            early = change(k, late, 0, k, late), pair * (1.0 - share[k])
            comparisons.append(("earlier vs later", k, late, *early))
            forbidden = change(late, k, k, late, periods), pair * share[late]
            comparisons.append(("later vs earlier", late, k, *forbidden))
    kind, group, control, estimate, weight = zip(*comparisons, strict=True)
    normalised = np.array(weight) / np.sum(weight)
    return Bacon(
        kind=kind,
        group=np.array(group),
        control=np.array(control),
        estimate=np.array(estimate),
        weight=normalised,
        forbidden=float(normalised[[k == "later vs earlier" for k in kind]].sum()),
    )
