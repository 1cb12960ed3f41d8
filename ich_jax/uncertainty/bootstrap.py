"""Bootstrap: resampled units as weights, resampled series as blocks; `bootstrap_intervals` makes intervals of them.

Rows, clusters and the two-way (design, seed) layout are resampled through weights: a statistic sees the data once, with
the number of times that each row was drawn, so that clusters of unequal size keep one shape and everything compiles
once. A statistic of a time series, whose order matters, sees the resampled series instead.

A statistic is compiled once for each function object and shape: pass a module's function, not a new lambda each time.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import PyTree
from ich_jax.uncertainty import float64, resampling
from ich_jax.uncertainty.resampling import SeriesStatistic, Statistic
from ich_jax.uncertainty.results import Result

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
        jackknife: Per resampled factor `[units, ...]`, the statistic without one unit; empty if it was not requested.
        estimate_error: `[...]` standard error of the estimate by the caller's formula, None without one.
        replicate_errors: `[B, ...]` that formula in each resample, None without one.
    """

    columns = ("estimate", "standard_error", "bias")

    estimate: float64.Array
    replicates: float64.Array
    standard_error: float64.Array
    bias: float64.Array
    units: tuple[int, ...]
    jackknife: tuple[float64.Array, ...] = ()
    estimate_error: float64.Array | None = None
    replicate_errors: float64.Array | None = None

    def _sizes(self) -> dict[str, Any]:
        return {"resamples": len(self.replicates), "units": " x ".join(map(str, self.units))}


def iid(
    key: jax.Array,
    statistic: Statistic,
    data: PyTree,
    *,
    n_resamples: int = 9999,
    strata: npt.ArrayLike | None = None,
    standard_error: Statistic | None = None,
    jackknife: bool = False,
) -> Bootstrap:
    """Resamples rows with replacement.

    Example:
        Of the four resamples of two rows, two have the mean 1, and one each 0 and 2: variance 1/2.

        >>> import jax, numpy as np
        >>> from ich_jax.uncertainty import bootstrap
        >>> result = bootstrap.iid(jax.random.key(0), bootstrap.weighted_mean, np.array([0.0, 2.0]))
        >>> float(result.estimate), round(float(result.standard_error) ** 2, 1)
        (1.0, 0.5)

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
    layout = resampling.unit_layout(np.arange(shape[0]), shape[0], strata, "bootstrap.iid")
    return _weighted(key, statistic, standard_error, data, (layout,), shape, n_resamples, jackknife, "bootstrap.iid")


def cluster(
    key: jax.Array,
    statistic: Statistic,
    data: PyTree,
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
    layout = resampling.unit_layout(clusters, shape[0], strata, "bootstrap.cluster")
    name = "bootstrap.cluster"
    return _weighted(key, statistic, standard_error, data, (layout,), shape, n_resamples, jackknife, name)


def two_way(
    key: jax.Array,
    statistic: Statistic,
    data: PyTree,
    *,
    over: str = "both",
    n_resamples: int = 9999,
    standard_error: Statistic | None = None,
    jackknife: bool = False,
) -> Bootstrap:
    """Resamples rows and columns of a crossed layout, such as designs and seeds, independently of each other.

    The weight of a cell is the product of the counts of its row and its column. With both resampled, the result holds
    for new rows under new columns, and its variance errs on the large side; with one, it is conditional on the levels
    of the other factor: over designs alone it holds for these trained networks only.

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
    name = "bootstrap.two_way"
    layouts = tuple(
        resampling.unit_layout(np.arange(size), size, None, f"{name}: {factor}") if over in ("both", factor) else None
        for factor, size in zip(("rows", "columns"), shape, strict=True)
    )
    return _weighted(key, statistic, standard_error, data, layouts, shape, n_resamples, jackknife, name)


def block(
    key: jax.Array,
    statistic: SeriesStatistic,
    series: PyTree,
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
        values = resampling.block_replicates(
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
    """Smallest value such that at least a share `q` of the weight lies at or below it, along the leading axis.

    Args:
        values: `[N, ...]`.
        weights: `[N]`.
        q: Share, inside [0, 1].

    Returns:
        `[...]`.
    """
    flat = values.reshape(values.shape[0], -1)

    def quantile(column: jax.Array) -> jax.Array:
        order = jnp.argsort(column)
        total = jnp.cumsum(weights[order])
        # Weights are counts: half a count of slack keeps rounding of q * total from moving to the next value.
        return column[order][jnp.searchsorted(total, q * total[-1] - 1e-9 * total[-1])]

    return jax.vmap(quantile, 1)(flat).reshape(values.shape[1:])


def _weighted(
    key: jax.Array,
    statistic: Statistic,
    standard_error: Statistic | None,
    data: PyTree,
    layouts: tuple[resampling.Layout | None, ...],
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
            resampling.replicates(
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
            np.asarray(resampling.jackknife(data, layouts, statistic=statistic, shape=shape, factor=i, work=work))
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


def _data(data: PyTree, leading: int, name: str) -> tuple[PyTree, tuple[int, ...]]:
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
