"""Resamples of the bootstrap: counts of the drawn units, periods of the drawn blocks, and compiled replicates."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import Array, PyTree
from ich_jax.uncertainty import draws, float64, programs

Statistic = Callable[[PyTree, jax.Array], jax.Array]  # (data, weights) -> estimate of any shape
SeriesStatistic = Callable[[PyTree], jax.Array]  # (series) -> estimate of any shape


class Layout(NamedTuple):
    """Units of one resampled factor, in the order in which they are drawn: stratum by stratum.

    Attributes:
        row: `[N]` unit of each row of the data.
        order: `[G]` units, sorted by stratum.
        start: `[G]` position in `order` of the first unit of the stratum that this position draws from.
        size: `[G]` number of units in that stratum, as a float.
    """

    row: Array
    order: Array
    start: Array
    size: Array


def unit_layout(clusters: npt.ArrayLike, n: int, strata: npt.ArrayLike | None, name: str) -> Layout:
    """Groups rows into the units that are resampled, and units into strata.

    Args:
        clusters: `[N]` label of the unit of each row.
        n: Number of rows N.
        strata: `[N]` labels, constant inside a cluster; None: one stratum.
        name: Calling function, for messages.

    Raises:
        DataError: Fewer than two units, or a cluster in two strata.
    """
    row, labels = float64.codes(clusters, n, f"{name}: clusters")
    g = len(labels)
    if g < 2:
        raise errors.DataError(f"{name}: resampling needs at least two units, got {g}.")
    if strata is None:
        return Layout(row, np.arange(g), np.zeros(g, np.int64), np.full(g, float(g)))
    stratum_of_row, names = float64.codes(strata, n, f"{name}: strata")
    stratum = np.zeros(g, np.int64)
    stratum[row] = stratum_of_row
    split = stratum[row] != stratum_of_row
    if split.any():
        raise errors.DataError(f"{name}: strata: cluster {labels[row[split.argmax()]]} lies in more than one stratum.")
    size = np.bincount(stratum, minlength=len(names))
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    order = np.argsort(stratum, kind="stable")
    # Position i of a resample draws from the stratum that lies at position i of the sorted units.
    return Layout(row, order, first[stratum[order]], size[stratum[order]].astype(np.float64))


def _counts(uniform: jax.Array, layout: Layout) -> jax.Array:
    drawn = layout.order[layout.start + jnp.floor(uniform * layout.size).astype(jnp.int64)]
    return jnp.zeros(layout.order.shape, jnp.float64).at[drawn].add(1.0)


def _weights(counts: list[jax.Array | None], layouts: tuple[Layout | None, ...], shape: tuple[int, ...]) -> jax.Array:
    factors = [
        jnp.ones(size, jnp.float64) if layout is None or count is None else count[layout.row]
        for count, layout, size in zip(counts, layouts, shape, strict=True)
    ]
    return factors[0] if len(factors) == 1 else factors[0][:, None] * factors[1][None, :]


@programs.jit(static_argnames=("statistic", "standard_error", "shape", "n_resamples", "work"))
def replicates(
    key: jax.Array,
    data: PyTree,
    layouts: tuple[Layout | None, ...],
    *,
    statistic: Statistic,
    standard_error: Statistic | None,
    shape: tuple[int, ...],
    n_resamples: int,
    work: int,
) -> tuple[Any, Any]:
    """Estimate and replicates of a statistic of weighted rows, each with its standard error or None.

    Args:
        key: Random key.
        data: Pytree of arrays `[*shape, ...]`.
        layouts: One for each factor of the data; None for a factor that is not resampled.
        statistic: `(data, weights [*shape]) -> [...]`.
        standard_error: `(data, weights [*shape]) -> [...]`, or None.
        shape: Leading axes of the data: rows, or rows and columns.
        n_resamples: Number B of resamples.
        work: Floats that one resample needs; decides how many are computed at once.
    """

    def evaluate(weights: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        return statistic(data, weights), None if standard_error is None else standard_error(data, weights)

    def resample(index: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        # One call for both factors: each call of the generator costs a quarter of a second to compile.
        sizes = [0 if layout is None else layout.order.shape[0] for layout in layouts]
        uniform = jax.random.uniform(jax.random.fold_in(key, index), (sum(sizes),), jnp.float64)
        parts = jnp.split(uniform, np.cumsum(sizes)[:-1])
        counts = [None if layout is None else _counts(u, layout) for u, layout in zip(parts, layouts, strict=True)]
        return evaluate(_weights(counts, layouts, shape))

    return evaluate(jnp.ones(shape, jnp.float64)), draws.each(resample, n_resamples, work)


@programs.jit(static_argnames=("statistic", "shape", "factor", "work"))
def jackknife(
    data: PyTree,
    layouts: tuple[Any, ...],
    *,
    statistic: Statistic,
    shape: tuple[int, ...],
    factor: int,
    work: int,
) -> jax.Array:
    """Statistic `[G, ...]` without each of the G units of one factor; arguments as for `replicates`."""
    g = layouts[factor].order.shape[0]

    def without(unit: jax.Array) -> jax.Array:
        counts: list[jax.Array | None] = [None] * len(layouts)
        counts[factor] = jnp.where(jnp.arange(g) == unit, 0.0, 1.0)
        return statistic(data, _weights(counts, layouts, shape))

    return jnp.asarray(draws.each(without, g, work))


@programs.jit(static_argnames=("statistic", "standard_error", "kind", "length", "n_resamples", "work"))
def block_replicates(
    key: jax.Array,
    series: PyTree,
    expected: jax.Array,
    *,
    statistic: SeriesStatistic,
    standard_error: SeriesStatistic | None,
    kind: str,
    length: int,
    n_resamples: int,
    work: int,
) -> tuple[Any, Any]:
    """Estimate and replicates of a statistic of a series, each with its standard error or None.

    Args:
        key: Random key.
        series: Pytree of arrays `[T, ...]`.
        expected: Scalar, mean length of a block; used by "stationary" only.
        statistic: `(series) -> [...]`.
        standard_error: `(series) -> [...]`, or None.
        kind: "moving", "circular" or "stationary".
        length: Length of a block; used by the other two kinds only.
        n_resamples: Number B of resamples.
        work: Floats that one resample needs.
    """
    n = jax.tree.leaves(series)[0].shape[0]

    def evaluate(resampled: PyTree) -> tuple[jax.Array, jax.Array | None]:
        return statistic(resampled), None if standard_error is None else standard_error(resampled)

    def resample(index: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        period = _block_index(jax.random.fold_in(key, index), n, kind, length, expected)
        return evaluate(jax.tree.map(lambda leaf: leaf[period], series))

    return evaluate(series), draws.each(resample, n_resamples, work)


def _block_index(key: jax.Array, n: int, kind: str, length: int, expected: jax.Array) -> jax.Array:
    """Periods `[n]` of one resampled series."""
    if kind == "stationary":
        uniform = jax.random.uniform(key, (2, n), jnp.float64)
        restart = uniform[0] < 1.0 / expected
        position = jnp.arange(n)
        # Each period continues the block that began at the last restart at or before it.
        origin = jax.lax.cummax(jnp.where(restart.at[0].set(True), position, 0))
        start = jnp.floor(uniform[1] * n).astype(jnp.int64)
        return (start[origin] + position - origin) % n
    blocks = -(-n // length)
    last = n - length + 1 if kind == "moving" else n
    start = jnp.floor(jax.random.uniform(key, (blocks,), jnp.float64) * last).astype(jnp.int64)
    return ((start[:, None] + jnp.arange(length)[None, :]) % n).reshape(-1)[:n]
