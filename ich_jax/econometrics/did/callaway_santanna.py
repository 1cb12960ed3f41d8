"""Group-time effects of staggered adoption and their aggregates, with influence functions of every unit."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.uncertainty import draws, float64, intervals, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

CONTROLS = ("never", "not_yet")
BASES = ("varying", "universal")
KINDS = ("simple", "group", "calendar", "dynamic")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class GroupTime(Result):
    """Average effects ATT(g, t) on the units that start in period g, in period t.

    Attributes:
        group: `[M]` index of the first treated period.
        period: `[M]` index of the period.
        att: `[M]`.
        standard_error: `[M]` from the influence functions; with clusters of units their sums, times G / (G - 1).
        influence: `[U, M]` influence of each unit; their mean is 0, and att errs by about their sample mean.
        cohort: `[U]` index of the first treated period of each unit, T if never.
        clusters: `[U]` codes of the clusters.
        control: "never" or "not_yet".
        skipped: Pairs (g, t) without a base period, or without a control or treated unit that is observed in both
            periods; they are left out.
    """

    columns = ("group", "period", "att", "standard_error")

    group: npt.NDArray[np.int64]
    period: npt.NDArray[np.int64]
    att: Array
    standard_error: Array
    influence: Array
    cohort: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]
    control: str
    skipped: tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Aggregate(Result):
    """Weighted averages of group-time effects.

    Attributes:
        kind: "simple", "group", "calendar" or "dynamic".
        label: `[E]` group, period, or periods since the start; empty for "simple".
        att: `[E]`.
        standard_error: `[E]`.
        influence: `[U, E]`.
        overall: Average of all (for "dynamic", of those from the start on).
        overall_error: Its standard error.
        overall_influence: `[U]`.
        clusters: `[U]` codes of the clusters.
    """

    columns = ("label", "att", "standard_error")
    curve = ("label", "att", "low", "high")

    kind: str
    label: npt.NDArray[np.int64]
    att: Array
    standard_error: Array
    influence: Array
    overall: float
    overall_error: float
    overall_influence: Array
    clusters: npt.NDArray[np.int64]

    @property
    def low(self) -> Array:
        """`[E]` lower pointwise limits of `att`, 95 % by the normal distribution."""
        return self.att - stats.norm.ppf(0.975) * self.standard_error

    @property
    def high(self) -> Array:
        """`[E]` upper limits of `att`."""
        return self.att + stats.norm.ppf(0.975) * self.standard_error


class _Comparison(NamedTuple):
    """Group, period and base period of one ATT(g, t), with the treated units `[U]` and control units `[U]`."""

    group: int
    period: int
    base: int
    treated: npt.NDArray[np.bool_]
    controls: npt.NDArray[np.bool_]


def group_time(
    data: Panel,
    *,
    control: str = "never",
    base: str = "varying",
    anticipation: int = 0,
    clusters: npt.ArrayLike | None = None,
) -> GroupTime:
    """Estimates ATT(g, t) as the change of a group since its base period minus that of its control units.

    Under gaps each ATT(g, t) takes the units that are observed in both of its periods, as csdid in Stata does by
    default; groups weigh by all of their units.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 3.0, 4.0]], start=[2, 3, 3])
        >>> did.group_time(panel).att.round(6).tolist()
        [0.0, 3.5]

    Args:
        data: Panel, with or without gaps.
        control: "never" compares with units that are never treated, "not_yet" with all that are untreated by period t.
        base: Base of the periods before the start: "varying" is the period before each, "universal" the last one
            before the start for all.
        anticipation: Periods before the start in which there may be an effect already.
        clusters: `[U]` cluster of each unit, or a column indexed by unit; None: each unit is its own.

    Raises:
        ConfigError: An unknown option.
        DataError: No control unit anywhere.

    References:
        Callaway and Sant'Anna (2021), Difference-in-differences with multiple time periods, eq. 2.8 and 2.9 without
        covariates, and theorem 2.
    """
    # Half of this function is its documentation.
    errors.require(control, CONTROLS, "group_time: control")
    errors.require(base, BASES, "group_time: base")
    if anticipation < 0:
        raise errors.ConfigError(f"group_time: anticipation: expected 0 or more, got {anticipation}.")
    y = np.where(data.observed, data.outcome, 0.0)
    units = len(y)
    code = np.arange(units)
    if clusters is not None:
        labels = panel.unit_labels(data, clusters, "group_time: clusters")
        code = float64.codes(labels, units, "group_time: clusters")[0]
    comparisons, skipped = _comparisons(data, control, base, anticipation)
    if not comparisons:
        raise errors.DataError(
            f'group_time: no group has a control unit under control={control!r}; with control="not_yet" later groups '
            "serve as controls."
        )
    group, period, base_period = np.array([(c.group, c.period, c.base) for c in comparisons]).T
    treated, controls = np.array([c.treated for c in comparisons]), np.array([c.controls for c in comparisons])
    with float64.enabled():
        effects = _group_time(y, treated, controls, period, base_period)
        att, influence = (np.asarray(value) for value in effects)
    return GroupTime(
        group=group,
        period=period,
        att=att,
        standard_error=_errors(influence, code),
        influence=influence,
        cohort=data.start,
        clusters=code,
        control=control,
        skipped=skipped,
    )


def aggregate(effects: GroupTime, kind: str = "simple") -> Aggregate:
    """Averages group-time effects, with the sampling error of the groups' sizes.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import did
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 3.0, 4.0]], start=[2, 3, 3])
        >>> round(did.aggregate(did.group_time(panel)).overall, 6)
        3.5

    Args:
        effects: ATT(g, t).
        kind: "simple": all pairs from the start on, by size of group. "group": each group's average over its treated
            periods. "calendar": each period's average over the groups treated by then. "dynamic": each time since the
            start, the ones before it too.

    Raises:
        ConfigError: Another kind.
        DataError: No pair lies at or after its group's start.

    References:
        Callaway and Sant'Anna (2021), section 3 and table 1.
    """
    errors.require(kind, KINDS, "aggregate: kind")
    post = effects.period >= effects.group
    if not post.any():
        raise errors.DataError("aggregate: no group-time effect lies at or after the start of its group.")
    share = np.array([(effects.cohort == g).mean() for g in effects.group])
    if kind == "simple":
        overall, overall_influence = _average(effects, post, share)
        empty = np.zeros((len(effects.cohort), 0))
        return _aggregate(effects, kind, np.zeros(0, np.int64), np.zeros(0), empty, overall, overall_influence)
    labels = {"group": effects.group, "calendar": effects.period, "dynamic": effects.period - effects.group}[kind]
    chosen = np.ones_like(post) if kind == "dynamic" else post
    values = np.unique(labels[chosen])
    parts = [_average(effects, chosen & (labels == value), share) for value in values]
    att = np.array([part[0] for part in parts])
    influence = np.stack([part[1] for part in parts], axis=1)
    if kind == "group":
        # Groups weigh by their size, which is estimated too.
        group_share = np.array([(effects.cohort == g).mean() for g in values])
        overall = float(group_share @ att / group_share.sum())
        sizes = _size_influence(effects.cohort, values, group_share)
        overall_influence = influence @ (group_share / group_share.sum()) + sizes @ att
    else:
        counted = values >= 0 if kind == "dynamic" else np.ones(len(values), bool)
        overall, overall_influence = float(att[counted].mean()), influence[:, counted].mean(axis=1)
    return _aggregate(effects, kind, values, att, influence, overall, overall_influence)


def band(result: Aggregate, key: jax.Array, *, confidence: float = 0.95, n_draws: int = 9999) -> intervals.Band:
    """Simultaneous band over the entries of an aggregate, by the multiplier bootstrap with random signs.

    Args:
        result: An aggregate that is not "simple".
        key: Random key.
        confidence: Chance that the band covers all entries, inside (0, 1).
        n_draws: Draws of signs, one for each cluster.

    Raises:
        ConfigError: A "simple" aggregate, or a confidence that is not inside (0, 1).

    References:
        Callaway and Sant'Anna (2021), algorithm 1 (spread of the draws by their interquartile range).
    """
    if result.kind == "simple":
        raise errors.ConfigError("band: a simple aggregate is one number; its interval is att ± z standard errors.")
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    summed = _by_cluster(result.influence, result.clusters)
    with float64.enabled():
        moved = np.asarray(_multiplied(key, summed, n_draws=n_draws)) / len(result.influence)
    upper, lower = np.quantile(moved, [0.75, 0.25], axis=0)
    spread = (upper - lower) / (stats.norm.ppf(0.75) - stats.norm.ppf(0.25))
    moving = spread > 0
    critical = float(np.quantile(np.abs(moved[:, moving] / spread[moving]).max(axis=1), confidence))
    return intervals.Band(result.att - critical * spread, result.att + critical * spread, critical)


def _comparisons(
    data: Panel, control: str, base: str, anticipation: int
) -> tuple[list[_Comparison], tuple[tuple[int, int], ...]]:
    """Comparisons that the panel allows, in the order of groups and periods; and the pairs (g, t) without one."""
    periods = len(data.periods)
    comparisons: list[_Comparison] = []
    skipped: list[tuple[int, int]] = []
    for g in np.unique(data.start[data.ever_treated]):
        for t in range(periods):
            before = int(g) - 1 - anticipation
            reference = t - 1 if t <= before and base == "varying" else before
            if reference == t:
                continue  # the base period itself: 0 by construction
            if control == "never":
                controls = data.start == periods
            else:
                controls = (data.start > max(t, reference) + anticipation) & (data.start != g)
            observed = data.observed[:, t] & data.observed[:, max(reference, 0)]
            treated, controls = (data.start == g) & observed, controls & observed
            if reference < 0 or not controls.any() or not treated.any():
                if not (base == "varying" and t == 0):  # the first period has nothing before it in any panel
                    skipped.append((int(g), t))
                continue
            comparisons.append(_Comparison(int(g), t, reference, treated, controls))
    return comparisons, tuple(skipped)


@programs.jit
def _group_time(
    y: jax.Array, treated: jax.Array, controls: jax.Array, period: jax.Array, reference: jax.Array
) -> tuple[jax.Array, jax.Array]:
    n = y.shape[0]

    def cell(group: jax.Array, control: jax.Array, t: jax.Array, before: jax.Array) -> tuple[jax.Array, jax.Array]:
        change = y[:, t] - y[:, before]

        def mean(chosen: jax.Array) -> tuple[jax.Array, jax.Array]:
            inside = chosen.astype(y.dtype)
            value = inside @ change / inside.sum()
            return value, n * inside * (change - value) / inside.sum()

        change_treated, influence_treated = mean(group)
        change_controls, influence_controls = mean(control)
        return change_treated - change_controls, influence_treated - influence_controls

    att, influence = jax.vmap(cell)(treated, controls, period, reference)
    return att, influence.T


@programs.jit(static_argnames=("n_draws",))
def _multiplied(key: jax.Array, summed: jax.Array, *, n_draws: int) -> jax.Array:
    def signed_sum(index: jax.Array) -> jax.Array:
        return jax.random.rademacher(jax.random.fold_in(key, index), (summed.shape[0],), jnp.float64) @ summed

    return jnp.asarray(draws.each(signed_sum, n_draws, summed.size))


def _average(effects: GroupTime, chosen: npt.NDArray[np.bool_], share: Array) -> tuple[float, Array]:
    weight = share[chosen] / share[chosen].sum()
    influence = effects.influence[:, chosen] @ weight
    sizes = _size_influence(effects.cohort, effects.group[chosen], share[chosen])
    return float(weight @ effects.att[chosen]), influence + sizes @ effects.att[chosen]


def _size_influence(cohort: npt.NDArray[np.int64], group: npt.NDArray[np.int64], share: Array) -> Array:
    """`[U, M]` influence of each unit on the weights share / sum(share)."""
    moved = (cohort[:, None] == group) - share
    return np.asarray(moved / share.sum() - np.outer(moved.sum(axis=1), share) / share.sum() ** 2)


def _by_cluster(influence: Array, code: npt.NDArray[np.int64]) -> Array:
    summed = np.zeros((int(code.max()) + 1, influence.shape[1]))
    np.add.at(summed, code, influence)
    return summed


def _errors(influence: Array, code: npt.NDArray[np.int64]) -> Array:
    summed = _by_cluster(influence, code)
    g, n = len(summed), len(influence)
    # As the peers do: clusters of several units are few enough for the factor to matter, units by themselves are not.
    factor = g / (g - 1.0) if g < n else 1.0
    return np.asarray(np.sqrt(factor * np.square(summed).sum(axis=0)) / n)


def _aggregate(
    effects: GroupTime,
    kind: str,
    label: npt.NDArray[np.int64],
    att: Array,
    influence: Array,
    overall: float,
    overall_influence: Array,
) -> Aggregate:
    return Aggregate(
        kind=kind,
        label=label,
        att=att,
        standard_error=_errors(influence, effects.clusters),
        influence=influence,
        overall=overall,
        overall_error=float(_errors(overall_influence[:, None], effects.clusters)[0]),
        overall_influence=overall_influence,
        clusters=effects.clusters,
    )
