"""Bootstrap: resampled units as weights, resampled series as blocks, and the intervals that follow.

Rows, clusters and the two-way (design, seed) layout are resampled through weights: a statistic sees the data once, with
how often each row was drawn beside it, so that unequal clusters keep one shape and everything compiles once. A
statistic of a time series, whose order matters, sees the resampled series instead.

A statistic is compiled once for each function object and shape: pass a module's function, not a new lambda each time.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.intervals import Interval
from ich_jax.uncertainty.results import Result

Statistic = Callable[[Any, jax.Array], jax.Array]  # (data, weights) -> estimate of any shape
SeriesStatistic = Callable[[Any], jax.Array]  # (series) -> estimate of any shape
BLOCKS = ("moving", "circular", "stationary")
OVER = ("both", "rows", "columns")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Bootstrap(Result):
    """Replicates of a statistic of shape `[...]`.

    Attributes:
        estimate: `[...]` statistic of the data as they are, float64.
        replicates: `[B, ...]` statistic of each resample.
        standard_error: `[...]` standard deviation of the replicates (divisor B - 1).
        bias: `[...]` mean of the replicates minus the estimate.
        units: Number of units that were resampled: rows, clusters, (rows, columns), or periods.
        jackknife: Per resampled factor `[units, ...]`, the statistic without one unit; empty if it was not asked for.
        estimate_error: `[...]` standard error of the estimate by the caller's formula, None without one.
        replicate_errors: `[B, ...]` that formula in each resample, None without one.
    """

    estimate: float64.Array
    replicates: float64.Array
    standard_error: float64.Array
    bias: float64.Array
    units: tuple[int, ...]
    jackknife: tuple[float64.Array, ...] = ()
    estimate_error: float64.Array | None = None
    replicate_errors: float64.Array | None = None


def iid(
    key: jax.Array,
    statistic: Statistic,
    data: Any,
    *,
    n_resamples: int = 9999,
    strata: npt.ArrayLike | None = None,
    standard_error: Statistic | None = None,
    jackknife: bool = False,
) -> Bootstrap:
    """Resamples rows with replacement.

    Args:
        key: Random key.
        statistic: `(data, weights [N]) -> [...]` in jnp; weights count how often each row was drawn (ones for the
            estimate itself, a zero for the row that the jackknife leaves out).
        data: Pytree of arrays `[N, ...]`; floats are computed in float64.
        n_resamples: Number B of resamples.
        strata: `[N]` labels; rows are drawn within their stratum, so that every resample has as many of each.
        standard_error: `(data, weights) -> [...]`, a standard error of the statistic, for `studentised`.
        jackknife: Also leave out each row once, for `bca`.

    Raises:
        DataError: Data whose leading axes differ or that hold values which are not finite; fewer than two rows.

    References:
        Efron and Tibshirani (1993), An introduction to the bootstrap, chapters 6 and 14.
    """
    data, shape = _data(data, 1, "bootstrap.iid")
    layout = _layout(np.arange(shape[0]), shape[0], strata, "bootstrap.iid")
    return _weighted(key, statistic, standard_error, data, (layout,), shape, n_resamples, jackknife, "bootstrap.iid")


def cluster(
    key: jax.Array,
    statistic: Statistic,
    data: Any,
    clusters: npt.ArrayLike,
    *,
    n_resamples: int = 9999,
    strata: npt.ArrayLike | None = None,
    standard_error: Statistic | None = None,
    jackknife: bool = False,
) -> Bootstrap:
    """Resamples whole clusters with replacement (the pairs cluster bootstrap).

    Args:
        key: Random key.
        statistic: `(data, weights [N]) -> [...]` as for `iid`; all rows of a cluster have its weight.
        data: Pytree of arrays `[N, ...]`.
        clusters: `[N]` labels.
        n_resamples: Number B of resamples.
        strata: `[N]` labels, constant inside a cluster; clusters are drawn within their stratum.
        standard_error: `(data, weights) -> [...]`, for `studentised`.
        jackknife: Also leave out each cluster once, for `bca`.

    Raises:
        DataError: As for `iid`; fewer than two clusters; a cluster in two strata.

    References:
        Cameron, Gelbach and Miller (2008), Bootstrap-based improvements for inference with clustered errors.
    """
    data, shape = _data(data, 1, "bootstrap.cluster")
    layout = _layout(clusters, shape[0], strata, "bootstrap.cluster")
    name = "bootstrap.cluster"
    return _weighted(key, statistic, standard_error, data, (layout,), shape, n_resamples, jackknife, name)


def two_way(
    key: jax.Array,
    statistic: Statistic,
    data: Any,
    *,
    over: str = "both",
    n_resamples: int = 9999,
    standard_error: Statistic | None = None,
    jackknife: bool = False,
) -> Bootstrap:
    """Resamples rows and columns of a crossed layout, such as designs and seeds, independently of each other.

    The weight of a cell is the product of the counts of its row and its column. With both resampled, the result speaks
    about new rows under new columns, and its variance errs on the large side; with one, it is conditional on the other
    factor as it is: over designs alone it speaks about these trained networks only.

    Args:
        key: Random key.
        statistic: `(data, weights [D, S]) -> [...]`.
        data: Pytree of arrays `[D, S, ...]`.
        over: "both", "rows" or "columns".
        n_resamples: Number B of resamples.
        standard_error: `(data, weights) -> [...]`, for `studentised`.
        jackknife: Also leave out each row and each column once, for `bca`.

    Raises:
        ConfigError: Another value of `over`.
        DataError: As for `iid`; fewer than two rows or columns of a factor that is resampled.

    References:
        Owen (2007), The pigeonhole bootstrap. Davezies, D'Haultfœuille and Guyonvarch (2021), Empirical process results
        for exchangeable arrays.
    """
    errors.require(over, OVER, "bootstrap.two_way: over")
    data, shape = _data(data, 2, "bootstrap.two_way")
    layouts = tuple(
        _layout(np.arange(size), size, None, f"bootstrap.two_way: {factor}") if over in ("both", factor) else None
        for factor, size in zip(("rows", "columns"), shape, strict=True)
    )
    name = "bootstrap.two_way"
    return _weighted(key, statistic, standard_error, data, layouts, shape, n_resamples, jackknife, name)


def block(
    key: jax.Array,
    statistic: SeriesStatistic,
    series: Any,
    *,
    length: float,
    kind: str = "stationary",
    n_resamples: int = 9999,
    standard_error: SeriesStatistic | None = None,
) -> Bootstrap:
    """Resamples blocks of consecutive periods, which keeps the dependence inside them.

    Args:
        key: Random key.
        statistic: `(series) -> [...]` in jnp, of the resampled series.
        series: Pytree of arrays `[T, ...]` in the order of time; all are cut at the same places.
        length: Periods in a block; for "stationary" their expected number (geometric), at least 1.
        kind: "moving" (Künsch 1989), "circular" (Politis and Romano 1992) or "stationary" (Politis and Romano 1994).
        n_resamples: Number B of resamples.
        standard_error: `(series) -> [...]`, for `studentised`.

    Raises:
        ConfigError: Another kind; a length below 1 or above T, or not whole where blocks are of fixed length.
        DataError: As for `iid`.
    """
    errors.require(kind, BLOCKS, "bootstrap.block: kind")
    series, (n,) = _data(series, 1, "bootstrap.block")
    if not 1 <= length <= n or (kind != "stationary" and length != int(length)):
        raise errors.ConfigError(
            f"bootstrap.block: length: got {length!r}; expected {'' if kind == 'stationary' else 'a whole number '}"
            f"from 1 to the {n} periods of the series."
        )
    _check_resamples(n_resamples, "bootstrap.block")
    with float64.enabled():
        values = _block_replicates(
            key,
            series,
            jnp.asarray(float(length), jnp.float64),
            statistic=statistic,
            standard_error=standard_error,
            kind=kind,
            length=0 if kind == "stationary" else int(length),
            n_resamples=n_resamples,
            work=sum(leaf.size for leaf in jax.tree.leaves(series)),
        )
        values = jax.tree.map(np.asarray, values)
    return _result(values, (), (n,), "bootstrap.block")


def percentile(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Quantiles of the replicates, linear between order statistics.

    Args:
        result: Replicates `[B, ...]`.
        confidence: Coverage, inside (0, 1).

    Returns:
        Limits of shape `[...]`.
    """
    tail = _tail(confidence)
    return _interval(*np.quantile(result.replicates, [tail, 1.0 - tail], axis=0))


def basic(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Reflected quantiles: 2 estimate - upper quantile, 2 estimate - lower quantile.

    References:
        Davison and Hinkley (1997), Bootstrap methods and their application, eq. 5.6.
    """
    tail = _tail(confidence)
    low, high = np.quantile(result.replicates, [tail, 1.0 - tail], axis=0)
    return _interval(2.0 * result.estimate - high, 2.0 * result.estimate - low)


def bca(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Bias-corrected and accelerated quantiles, second-order accurate.

    With two resampled factors the influence values of both enter the acceleration, as those of one sum of independent
    terms.

    Args:
        result: Made with `jackknife=True`.
        confidence: Coverage, inside (0, 1).

    Raises:
        ConfigError: There is no jackknife in the result.

    References:
        Efron (1987), Better bootstrap confidence intervals, eq. 2.3 and 7.3.
    """
    tail = _tail(confidence)
    if not result.jackknife:
        raise errors.ConfigError("bca: the result has no jackknife; make it with jackknife=True (not for blocks).")
    b = len(result.replicates)
    below = (result.replicates < result.estimate).sum(axis=0) + (result.replicates <= result.estimate).sum(axis=0)
    # All replicates on one side would put the limit at infinity; half a replicate is what B draws can tell.
    shift = stats.norm.ppf(np.clip(below / (2.0 * b), 0.5 / b, 1.0 - 0.5 / b))
    influence = np.concatenate([(1.0 - 1.0 / len(left)) * (left.mean(axis=0) - left) for left in result.jackknife])
    spread = np.square(influence).sum(axis=0)
    cubes = (influence**3).sum(axis=0)
    acceleration = np.where(spread > 0, cubes / (6.0 * np.where(spread > 0, spread, 1.0) ** 1.5), 0.0)
    limits = []
    for z in (stats.norm.ppf(tail), stats.norm.isf(tail)):
        share = stats.norm.cdf(shift + (shift + z) / (1.0 - acceleration * (shift + z)))
        limits.append(_quantile_each(result.replicates, share))
    return _interval(*limits)


def studentised(result: Bootstrap, *, confidence: float = 0.95) -> Interval:
    """Bootstrap-t interval: quantiles of (replicate - estimate) / its error, scaled by the error of the estimate.

    Args:
        result: Made with a `standard_error`.
        confidence: Coverage, inside (0, 1).

    Raises:
        ConfigError: There are no standard errors in the result.
        DataError: A resample has a standard error that is not positive.

    References:
        Efron and Tibshirani (1993), An introduction to the bootstrap, section 12.5.
    """
    tail = _tail(confidence)
    if result.replicate_errors is None or result.estimate_error is None:
        raise errors.ConfigError("studentised: the result has no standard errors; make it with standard_error=...")
    flat = ~(result.replicate_errors > 0)
    if flat.any():
        raise errors.DataError(
            f"studentised: {flat.any(axis=tuple(range(1, flat.ndim))).sum()} of {len(flat)} resamples have a standard "
            "error that is not positive, so t is undefined; use percentile or bca, or resample within strata."
        )
    t = (result.replicates - result.estimate) / result.replicate_errors
    low, high = np.quantile(t, [tail, 1.0 - tail], axis=0)
    return _interval(result.estimate - high * result.estimate_error, result.estimate - low * result.estimate_error)


def weighted_mean(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Mean over the leading axes that the weights have; a statistic for the functions of this module.

    Args:
        values: `[N, ...]`, or `[D, S, ...]` with weights `[D, S]`.
        weights: `[N]` or `[D, S]`.

    Returns:
        `[...]`.
    """
    axes = tuple(range(weights.ndim))
    return jnp.tensordot(weights, values, axes=(axes, axes)) / weights.sum()


def weighted_quantile(values: jax.Array, weights: jax.Array, q: float) -> jax.Array:
    """Smallest value below or at which lies at least a share `q` of the weight, along the leading axis.

    Args:
        values: `[N, ...]`.
        weights: `[N]`.
        q: Share, inside [0, 1].

    Returns:
        `[...]`.
    """
    flat = values.reshape(values.shape[0], -1)

    def one(column: jax.Array) -> jax.Array:
        order = jnp.argsort(column)
        total = jnp.cumsum(weights[order])
        # Weights are counts: half a count of slack keeps rounding of q * total from moving to the next value.
        return column[order][jnp.searchsorted(total, q * total[-1] - 1e-9 * total[-1])]

    return jax.vmap(one, 1)(flat).reshape(values.shape[1:])


class _Layout(NamedTuple):
    """Where a factor's units lie: `row` `[N]` unit of each row, `order`, `start`, `size` `[G]` for the draw."""

    row: Any
    order: Any
    start: Any
    size: Any


def _layout(clusters: npt.ArrayLike, n: int, strata: npt.ArrayLike | None, name: str) -> _Layout:
    row, labels = float64.codes(clusters, n, f"{name}: clusters")
    g = len(labels)
    if g < 2:
        raise errors.DataError(f"{name}: resampling needs at least two units, got {g}.")
    if strata is None:
        return _Layout(row, np.arange(g), np.zeros(g, np.int64), np.full(g, float(g)))
    stratum_of_row, names = float64.codes(strata, n, f"{name}: strata")
    stratum = np.zeros(g, np.int64)
    stratum[row] = stratum_of_row
    torn = stratum[row] != stratum_of_row
    if torn.any():
        raise errors.DataError(f"{name}: strata: cluster {labels[row[torn.argmax()]]} lies in more than one stratum.")
    size = np.bincount(stratum, minlength=len(names))
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    order = np.argsort(stratum, kind="stable")
    # Position i of a resample draws from the stratum that lies at position i of the sorted units.
    return _Layout(row, order, first[stratum[order]], size[stratum[order]].astype(np.float64))


def _counts(uniform: jax.Array, layout: _Layout) -> jax.Array:
    drawn = layout.order[layout.start + jnp.floor(uniform * layout.size).astype(jnp.int64)]
    return jnp.zeros(layout.order.shape, jnp.float64).at[drawn].add(1.0)


def _weights(counts: list[jax.Array | None], layouts: tuple[_Layout | None, ...], shape: tuple[int, ...]) -> jax.Array:
    factors = [
        jnp.ones(size, jnp.float64) if layout is None or count is None else count[layout.row]
        for count, layout, size in zip(counts, layouts, shape, strict=True)
    ]
    return factors[0] if len(factors) == 1 else factors[0][:, None] * factors[1][None, :]


@programs.jit(static_argnames=("statistic", "standard_error", "shape", "n_resamples", "work"))
def _replicates(
    key: jax.Array,
    data: Any,
    layouts: tuple[_Layout | None, ...],
    *,
    statistic: Statistic,
    standard_error: Statistic | None,
    shape: tuple[int, ...],
    n_resamples: int,
    work: int,
) -> tuple[Any, Any]:
    def both(weights: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        return statistic(data, weights), None if standard_error is None else standard_error(data, weights)

    def one(index: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        # One call for both factors: each call of the generator costs a quarter of a second to compile.
        sizes = [0 if layout is None else layout.order.shape[0] for layout in layouts]
        uniform = jax.random.uniform(jax.random.fold_in(key, index), (sum(sizes),), jnp.float64)
        parts = jnp.split(uniform, np.cumsum(sizes)[:-1])
        counts = [None if layout is None else _counts(u, layout) for u, layout in zip(parts, layouts, strict=True)]
        return both(_weights(counts, layouts, shape))

    return both(jnp.ones(shape, jnp.float64)), draws.each(one, n_resamples, work)


@programs.jit(static_argnames=("statistic", "shape", "factor", "work"))
def _jackknife(
    data: Any,
    layouts: tuple[Any, ...],
    *,
    statistic: Statistic,
    shape: tuple[int, ...],
    factor: int,
    work: int,
) -> jax.Array:
    here = layouts[factor]
    g = here.order.shape[0]

    def without(unit: jax.Array) -> jax.Array:
        counts: list[jax.Array | None] = [None] * len(layouts)
        counts[factor] = jnp.where(jnp.arange(g) == unit, 0.0, 1.0)
        return statistic(data, _weights(counts, layouts, shape))

    return jnp.asarray(draws.each(without, g, work))


@programs.jit(static_argnames=("statistic", "standard_error", "kind", "length", "n_resamples", "work"))
def _block_replicates(
    key: jax.Array,
    series: Any,
    expected: jax.Array,
    *,
    statistic: SeriesStatistic,
    standard_error: SeriesStatistic | None,
    kind: str,
    length: int,
    n_resamples: int,
    work: int,
) -> tuple[Any, Any]:
    n = jax.tree.leaves(series)[0].shape[0]

    def both(data: Any) -> tuple[jax.Array, jax.Array | None]:
        return statistic(data), None if standard_error is None else standard_error(data)

    def one(index: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        period = _block_index(jax.random.fold_in(key, index), n, kind, length, expected)
        return both(jax.tree.map(lambda leaf: leaf[period], series))

    return both(series), draws.each(one, n_resamples, work)


def _block_index(key: jax.Array, n: int, kind: str, length: int, expected: jax.Array) -> jax.Array:
    """Periods `[n]` of one resampled series."""
    if kind == "stationary":
        uniform = jax.random.uniform(key, (2, n), jnp.float64)
        restart = uniform[0] < 1.0 / expected
        position = jnp.arange(n)
        # Each period continues the block that began at the last restart at or before it.
        begun = jax.lax.cummax(jnp.where(restart.at[0].set(True), position, 0))
        start = jnp.floor(uniform[1] * n).astype(jnp.int64)
        return (start[begun] + position - begun) % n
    blocks = -(-n // length)
    last = n - length + 1 if kind == "moving" else n
    start = jnp.floor(jax.random.uniform(key, (blocks,), jnp.float64) * last).astype(jnp.int64)
    return ((start[:, None] + jnp.arange(length)[None, :]) % n).reshape(-1)[:n]


def _weighted(
    key: jax.Array,
    statistic: Statistic,
    standard_error: Statistic | None,
    data: Any,
    layouts: tuple[_Layout | None, ...],
    shape: tuple[int, ...],
    n_resamples: int,
    jackknife: bool,
    name: str,
) -> Bootstrap:
    _check_resamples(n_resamples, name)
    work = max(sum(leaf.size for leaf in jax.tree.leaves(data)), int(np.prod(shape)))
    with float64.enabled():
        values = jax.tree.map(
            np.asarray,
            _replicates(
                key,
                data,
                layouts,
                statistic=statistic,
                standard_error=standard_error,
                shape=shape,
                n_resamples=n_resamples,
                work=work,
            ),
        )
        left_out = tuple(
            np.asarray(_jackknife(data, layouts, statistic=statistic, shape=shape, factor=i, work=work))
            for i, layout in enumerate(layouts)
            if jackknife and layout is not None
        )
    return _result(values, left_out, tuple(len(layout.order) for layout in layouts if layout is not None), name)


def _result(
    values: tuple[Any, Any], jackknife: tuple[float64.Array, ...], units: tuple[int, ...], name: str
) -> Bootstrap:
    (estimate, estimate_error), (replicates, replicate_errors) = values
    if estimate.dtype != np.float64:
        raise errors.DataError(f"{name}: the statistic returned {estimate.dtype}; return float64 (do not cast down).")
    if not np.isfinite(estimate).all():
        raise errors.DataError(f"{name}: the statistic of the data themselves is not finite: {estimate}.")
    bad = ~np.isfinite(replicates.reshape(len(replicates), -1)).all(axis=1)
    if bad.any():
        raise errors.DataError(
            f"{name}: the statistic is not finite in {bad.sum()} of {len(replicates)} resamples, which would bias "
            "every interval. A resample probably left out a whole group: pass strata, or a statistic defined there."
        )
    if not all(np.isfinite(left).all() for left in jackknife):
        raise errors.DataError(f"{name}: the statistic is not finite when one unit is left out; use jackknife=False.")
    return Bootstrap(
        estimate=estimate,
        replicates=replicates,
        standard_error=np.std(replicates, axis=0, ddof=1),
        bias=replicates.mean(axis=0) - estimate,
        units=units,
        jackknife=jackknife,
        estimate_error=estimate_error,
        replicate_errors=replicate_errors,
    )


def _data(data: Any, leading: int, name: str) -> tuple[Any, tuple[int, ...]]:
    """Floats as finite float64, integers and booleans as they are; and the common leading shape."""
    leaves, structure = jax.tree.flatten(data)
    arrays = [np.asarray(leaf) for leaf in leaves]
    arrays = [float64.finite(a, f"{name}: data") if a.dtype.kind not in "biu" else a for a in arrays]
    shapes = {a.shape[:leading] for a in arrays}
    if len(shapes) != 1 or len(shape := shapes.pop()) != leading:
        raise errors.DataError(
            f"{name}: data must hold arrays that agree in their leading {leading} axes; got shapes "
            f"{[list(a.shape) for a in arrays]}."
        )
    return jax.tree.unflatten(structure, arrays), shape


def _check_resamples(n: int, name: str) -> None:
    if n < 2:
        raise errors.ConfigError(f"{name}: n_resamples: expected at least 2, got {n}.")


def _tail(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    return (1.0 - confidence) / 2.0


def _quantile_each(replicates: float64.Array, share: float64.Array) -> float64.Array:
    flat = replicates.reshape(len(replicates), -1)
    each = [np.quantile(column, q) for column, q in zip(flat.T, np.ravel(share), strict=True)]
    return np.reshape(each, replicates.shape[1:])


def _interval(low: npt.ArrayLike, high: npt.ArrayLike) -> Interval:
    return Interval(np.asarray(low)[()], np.asarray(high)[()])
