"""Synthetic control of treated series, matched on their outcomes before treatment, and its placebo tests."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.synthetic import rmspe, simplex
from ich_jax.uncertainty import float64, programs, results
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLOCK = 64  # fits of one call; larger blocks wait for their slowest fit


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Study(Result):
    """A treated series and its donors, J of them over T periods.

    Attributes:
        series: `[T]` outcome of the treated unit, or mean over the treated units.
        pool: `[J, T]` outcomes of the donors.
        donors: `[J]` labels.
        periods: `[T]` labels.
        start: Index of the first treated period.
    """

    hidden = ("start",)

    series: Array
    pool: Array
    donors: npt.NDArray[Any]
    periods: npt.NDArray[Any]
    start: int

    def _sizes(self) -> dict[str, Any]:
        return {"donors": len(self.donors), "periods": len(self.periods), "treated_from": self.periods[self.start]}


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class SyntheticControl(Result):
    """A synthetic control.

    Attributes:
        weights: `[J]` of the donors.
        donors: `[J]` labels.
        path: `[T]` outcome of the synthetic control.
        gap: `[T]` treated minus synthetic outcome.
        effect: Mean gap from the start of treatment on.
        pre_rmspe: Root mean square of the gap before the start.
        post_rmspe: The same from the start on.
        ratio: post_rmspe / pre_rmspe.
        periods: `[T]` labels.
        start: Index of the first treated period.
        kkt_gap: Sum of squares that the exact optimum could be lower by (NaN with `augmented`).
        ridge: Penalty of the augmentation; None without it.
    """

    columns = ("donors", "weights")
    hidden = ("start", "kkt_gap")

    weights: Array
    donors: npt.NDArray[Any]
    path: Array
    gap: Array
    effect: float
    pre_rmspe: float
    post_rmspe: float
    ratio: float
    periods: npt.NDArray[Any]
    start: int
    kkt_gap: float
    ridge: float | None = None

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the treated series and its synthetic control; a dashed line marks the first treated period.

        Args:
            ax: Axes to draw into; None: those of a new figure.
        """
        ax = results.new_axes() if ax is None else ax
        x = self.periods if self.periods.dtype.kind in "iufM" else np.arange(len(self.periods))
        ax.plot(x, self.path + self.gap, color="C0", label="treated")
        ax.plot(x, self.path, color="0.4", linestyle="--", label="synthetic control")
        ax.axvline(x[self.start], linewidth=0.8, linestyle=":", color="0.4", zorder=0)
        if x is not self.periods:
            shown = np.unique(np.linspace(0, len(x) - 1, 6).astype(int))
            ax.set_xticks(x[shown], [str(label) for label in self.periods[shown]])
        ax.set_xlabel("period")
        ax.set_ylabel("outcome")
        ax.legend()
        return ax


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class SpacePlacebo(Result):
    """Every donor treated in turn, against the other donors.

    Attributes:
        units: `[J + 1]` labels; the treated unit is first, named "treated".
        gap: `[J + 1, T]`.
        ratio: `[J + 1]` post over pre RMSPE.
        rank: Rank of the treated unit's ratio, 1 the largest.
        p: rank / (J + 1); ties count against the treated unit.
        smallest_p: 1 / (J + 1).
    """

    columns = ("units", "ratio")

    units: npt.NDArray[Any]
    gap: Array
    ratio: Array
    rank: int
    p: float
    smallest_p: float


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class LeaveTwoOut(Result):
    """Leave-two-out placebo test.

    Attributes:
        p: Share of pairs of donors in which the treated unit's ratio is not the largest of the three.
        pairs: Number of pairs.
        losses: Pairs that the treated unit did not win.
        units: Number of units J + 1.
    """

    p: float
    pairs: int
    losses: int
    units: int

    def level_bound(self, alpha: float) -> float:
        """Chance of p <= alpha under the null hypothesis, at most (Lei and Sudijono 2024, eq. 9).

        Args:
            alpha: Nominal level, inside (0, 1).
        """
        n = float(self.units)
        a = 1.0 - 1.0 / n
        inner = 9.0 * a**2 - 12.0 * (1.0 / n - 4.0 / (3.0 * n**2) + alpha * a * (1.0 - 2.0 / n))
        return (3.0 * a - math.sqrt(max(inner, 0.0))) / 2.0


def study(data: Panel, unit: object = None) -> Study:
    """The treated series and the never-treated donors of a panel.

    Args:
        data: Panel without gaps.
        unit: Label of one treated unit; None: the mean of all, who must start in one period.

    Raises:
        DataError: A gap, an unknown unit, several starts, fewer than two donors, or fewer than two periods before.
    """
    y = panel.balanced(data, "synthetic control")
    on = data.ever_treated if unit is None else (data.units == unit) & data.ever_treated
    if not on.any():
        treated = ", ".join(str(label) for label in data.units[data.ever_treated])
        raise errors.DataError(f"synthetic control: {unit!r} is not a treated unit; treated are {treated}.")
    starts = np.unique(data.start[on])
    if len(starts) > 1:
        raise errors.DataError(
            f"synthetic control: treated units start in {len(starts)} periods "
            f"({', '.join(str(data.periods[s]) for s in starts)}); name one unit at a time."
        )
    donors = ~data.ever_treated
    if donors.sum() < 2 or starts[0] < 2:
        raise errors.DataError(
            f"synthetic control: {donors.sum()} donors and {starts[0]} periods before treatment; at least 2 needed."
        )
    return Study(y[on].mean(axis=0), y[donors], data.units[donors], data.periods, int(starts[0]))


def synthetic_control(data: Study) -> SyntheticControl:
    """Weights of the donors that fit the treated series best before treatment, exactly.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import synthetic
        >>> panel = econometrics.from_matrix([[2.0, 3.0, 9.0], [1.0, 2.0, 4.0], [3.0, 4.0, 6.0]], start=[2, 3, 3])
        >>> fit = synthetic.synthetic_control(synthetic.study(panel))
        >>> round(fit.effect, 3), fit.weights.round(3).tolist()
        (4.0, [0.5, 0.5])

    Args:
        data: From `study`.

    References:
        Abadie, Diamond and Hainmueller (2010), with all outcomes before treatment as predictors of equal weight.
    """
    donors, pre = np.ones(len(data.pool)), before_mask(data)
    with float64.enabled():
        weights, gap, kkt = (np.asarray(v) for v in _fit_one(data.series, data.pool, donors, pre))
    return summarise_fit(data, weights, gap, float(kkt), None)


def placebo_in_space(data: Study) -> SpacePlacebo:
    """Ranks the treated unit's ratio of RMSPEs among those of the donors, each treated in turn.

    Example:
        The treated series is the mean of two donors before treatment, which no donor is of the others.

        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import synthetic
        >>> y = [[2.0, 3.0, 2.0, 9.0], [1.0, 2.0, 1.0, 4.0], [3.0, 4.0, 3.0, 6.0], [9.0, 0.0, 9.0, 1.0]]
        >>> study = synthetic.study(econometrics.from_matrix(y, start=[3, 4, 4, 4]))
        >>> synthetic.placebo_in_space(study).p  # rank 1 of 4
        0.25

    Args:
        data: From `study`.

    References:
        Abadie, Diamond and Hainmueller (2010), section 3.4.
    """
    pool, j = np.vstack([data.series, data.pool]), len(data.pool)
    allowed = _others(j + 1)
    gap, ratio, _ = _many(pool, np.arange(j + 1), allowed, data)
    rank = int((ratio >= ratio[0] * (1.0 - 1e-12)).sum())
    units = np.array(["treated", *data.donors.astype(str)])
    return SpacePlacebo(units, gap, ratio, rank, rank / (j + 1), 1.0 / (j + 1))


def placebo_in_time(data: Study, starts: Sequence[int]) -> list[SyntheticControl]:
    """Pretends that treatment began earlier and measures the effect up to its real start, where there is none.

    Args:
        data: From `study`.
        starts: Indices of the pretended first treated periods, from 2 to the real start minus 1.

    Returns:
        One result per start, whose series end before the real start.

    Raises:
        ConfigError: A start outside that range.
    """
    for start in starts:
        if not 2 <= start < data.start:
            raise errors.ConfigError(f"placebo_in_time: starts must lie from 2 to {data.start - 1}, got {start}.")
    cut = data.start
    series, pool, periods = data.series[:cut], data.pool[:, :cut], data.periods[:cut]
    pre = (np.arange(cut) < np.array(starts, np.int64)[:, None]).astype(np.float64)
    with float64.enabled():
        results = _fit_periods(series, pool, np.ones(len(pool)), pre)
        weights, gap, kkt = (np.asarray(value) for value in results)
    earlier = [Study(series, pool, data.donors, periods, int(start)) for start in starts]
    return [summarise_fit(s, w, g, float(k), None) for s, w, g, k in zip(earlier, weights, gap, kkt, strict=True)]


def leave_one_donor_out(data: Study) -> Array:
    """Effects without each donor.

    Args:
        data: From `study`.

    Returns:
        `[J]`; where a donor has no weight the effect does not change.
    """
    j = len(data.pool)
    pool = np.vstack([data.series, data.pool])
    allowed = np.concatenate([np.zeros((j, 1)), 1.0 - np.eye(j)], axis=1)
    gap, _, _ = _many(pool, np.zeros(j, np.int64), allowed, data)
    return np.asarray(gap[:, data.start :].mean(axis=1))


def leave_two_out(data: Study) -> LeaveTwoOut:
    """Compares the treated unit with each pair of donors, none of the three serving as a donor.

    Finer p-values than the rank among J + 1 units allows, at a level that is bounded (see `level_bound`).

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import synthetic
        >>> y = [[2.0, 3.0, 2.0, 9.0], [1.0, 2.0, 1.0, 4.0], [3.0, 4.0, 3.0, 6.0], [9.0, 0.0, 9.0, 1.0]]
        >>> study = synthetic.study(econometrics.from_matrix(y, start=[3, 4, 4, 4]))
        >>> synthetic.leave_two_out(study).pairs
        3

    Args:
        data: From `study`; needs three donors.

    Raises:
        DataError: Fewer than three donors.

    References:
        Lei and Sudijono (2024), Inference for synthetic controls via refined placebo tests, section 2.
    """
    j = len(data.pool)
    if j < 3:
        raise errors.DataError(f"leave_two_out: needs at least three donors, got {j}.")
    a, b = np.triu_indices(j, 1)
    pairs = len(a)
    pool = np.vstack([data.series, data.pool])
    _, alone, weights = _many(pool, np.arange(j + 1), _others(j + 1), data)
    targets = np.concatenate([np.zeros(pairs, np.int64), a + 1, b + 1])
    left_out = np.zeros((3 * pairs, j + 1))
    left_out[np.arange(3 * pairs), np.tile(a + 1, 3)] = left_out[np.arange(3 * pairs), np.tile(b + 1, 3)] = 1.0
    # Leaving out a donor without weight does not change the optimum: only the other fits are repeated. Proposition 99
    # takes 551 fits, fillings included, instead of 2,109.
    ratio = alone[targets]
    changed = np.flatnonzero((weights[targets] * left_out).sum(axis=1) > 0)
    for block in np.split(changed, range(_BLOCK, len(changed), _BLOCK)):
        filled = np.resize(block, _BLOCK)  # one shape, one program, whatever the data
        k = targets[filled]
        ratio[block] = _many(pool, k, _others(j + 1)[k] * (1.0 - left_out[filled]), data)[1][: len(block)]
    treated, first, second = ratio.reshape(3, pairs)
    losses = int((treated <= np.maximum(first, second)).sum())
    return LeaveTwoOut(p=losses / pairs, pairs=pairs, losses=losses, units=j + 1)


def fit_weights(
    series: jax.Array, pool: jax.Array, allowed: jax.Array, pre: jax.Array, start: jax.Array | None = None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Synthetic-control weights and gaps; the kernel that every placebo vmaps.

    Args:
        series: `[T]`.
        pool: `[J, T]`.
        allowed: `[J]` 1 for donors that may have weight.
        pre: `[T]` 1 for periods that are matched.
        start: As for `simplex.exact`.

    Returns:
        Weights `[J]`, gaps `[T]`, and the duality gap of the sum of squares.
    """
    fit = simplex.exact((pool - series[None, :]).T * pre[:, None], allowed, jnp.zeros_like(allowed), start)
    return fit.weights, series - fit.weights @ pool, fit.gap


@programs.jit
def _fit_one(series: jax.Array, pool: jax.Array, allowed: jax.Array, pre: jax.Array) -> tuple[jax.Array, ...]:
    return fit_weights(series, pool, allowed, pre)


@programs.jit
def _fit_periods(series: jax.Array, pool: jax.Array, allowed: jax.Array, pre: jax.Array) -> tuple[jax.Array, ...]:
    return jax.vmap(fit_weights, (None, None, None, 0))(series, pool, allowed, pre)


@programs.jit
def _placebos(pool: jax.Array, target: jax.Array, allowed: jax.Array, pre: jax.Array) -> tuple[jax.Array, ...]:
    def fit_unit(k: jax.Array, donors: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        weights, gap, _ = fit_weights(pool[k], pool, donors, pre)
        square = jnp.square(gap)
        before = (square * pre).sum() / pre.sum()
        after = (square * (1.0 - pre)).sum() / (1.0 - pre).sum()
        return gap, rmspe.ratio(before, after, jnp.abs(pool[k]).max()), weights

    return jax.vmap(fit_unit)(target, allowed)


def _many(pool: Array, target: npt.NDArray[np.int64], allowed: Array, data: Study) -> tuple[Array, Array, Array]:
    """Gaps `[F, T]`, ratios `[F]` and weights `[F, J + 1]` of F fits."""
    with float64.enabled():
        gap, ratio, weights = _placebos(pool, target, allowed, before_mask(data))
        return np.asarray(gap), np.asarray(ratio), np.asarray(weights)


def _others(n: int) -> Array:
    """`[n, n]` donors of each unit: all other units except the treated one, the first, which is never a donor."""
    allowed = 1.0 - np.eye(n)
    allowed[:, 0] = 0.0
    return allowed


def before_mask(data: Study) -> Array:
    """1 for the periods before treatment, 0 from its start on `[T]`."""
    return (np.arange(len(data.series)) < data.start).astype(np.float64)


def summarise_fit(data: Study, weights: Array, gap: Array, kkt: float, ridge: float | None) -> SyntheticControl:
    """A synthetic control from its weights `[J]` and gaps `[T]`; the other arguments are fields of the result."""
    before, after, ratio = rmspe.of_gap(gap, data.start, data.series)
    return SyntheticControl(
        weights=weights,
        donors=data.donors,
        path=data.series - gap,
        gap=gap,
        effect=float(gap[data.start :].mean()),
        pre_rmspe=before,
        post_rmspe=after,
        ratio=ratio,
        periods=data.periods,
        start=data.start,
        kkt_gap=kkt,
        ridge=ridge,
    )
