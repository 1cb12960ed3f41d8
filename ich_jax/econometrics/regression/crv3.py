"""CRV3, the covariance of a linear fit from leaving out one cluster at a time."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.regression import covariance, linear
from ich_jax.econometrics.regression.covariance import Covariance, SmallSample
from ich_jax.uncertainty import float64, programs

_UNDETERMINED = 1e-9
"""Share of the variation of a column below which the rows without a cluster are said to have none."""


def jackknife(
    fit: linear.LinearFit, clusters: npt.ArrayLike, *, small_sample: SmallSample = covariance.DEFAULT
) -> Covariance:
    """CRV3: the sum over clusters of the squared change of beta when the cluster is left out.

    With few clusters it is more accurate than CRV1, and tends to be conservative.

    Args:
        fit: Linear fit; absorbed effects are estimated again without each cluster.
        clusters: `[N]` labels.
        small_sample: Correction. The classical jackknife factor (G - 1) / G is `UNCORRECTED` times that.

    Raises:
        DataError: Fewer than two clusters, labels that do not fit, or a cluster without which a coefficient is not
            determined, such as the only treated one.

    References:
        MacKinnon, Nielsen and Webb (2023), Fast and reliable jackknife and bootstrap methods for cluster-robust
        inference, eq. 13 (the clusters' influence is centred at the full estimate).
    """
    (code,), (size,) = covariance.clusterings_of(fit, (clusters,), "jackknife")
    _, distinct = float64.codes(clusters, len(fit.scores), "jackknife: clusters", fit.rows)
    effects = sorted(fit.absorbed, key=lambda a: -a.levels)
    with float64.enabled():
        if all(covariance.nested(a, code) for a in effects):  # then the others' effects do not change either
            left_out, determined = map(np.asarray, _leave_cluster_out(fit.x, fit.y, fit.weights, code, size=size))
        else:
            left_out, determined = map(
                np.asarray,
                _absorb_without_cluster(
                    fit.x,
                    fit.y,
                    fit.weights,
                    code,
                    tuple(a.codes for a in effects),
                    levels=tuple(a.levels for a in effects),
                    size=size,
                ),
            )
    if not determined.all():
        g, k = (int(i) for i in np.argwhere(~determined)[0])
        lost = int((~determined).any(axis=1).sum())
        raise errors.DataError(
            f"jackknife: without cluster {distinct[g]} the data do not determine the coefficient {fit.names[k]!r}, so "
            f"CRV3 does not exist ({lost} of {size} clusters are like this). It needs every coefficient to vary in at "
            "least two clusters: use CRV1 or a test that permutes treatment, or absorb columns of single clusters as "
            "fixed effects."
        )
    change = left_out - fit.beta
    factor = covariance.cluster_factor(fit, [code], size, small_sample)
    return Covariance(factor * (change.T @ change), "CRV3", (factor,), size - 1.0, (size,))


@programs.jit(static_argnames=("size",))
def _leave_cluster_out(
    x: jax.Array, y: jax.Array, weights: jax.Array, code: jax.Array, *, size: int
) -> tuple[jax.Array, jax.Array]:
    """`[G, K]` coefficients without each cluster, and whether the remaining rows determine them."""
    weighted = x * weights[:, None]

    # A column at a time: all products of two columns at once would need N K^2 numbers.
    def of_column(column: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(weighted * column[:, None], code, size)

    grams = jnp.moveaxis(jax.lax.map(of_column, x.T), 0, 1)  # [G, K, K]
    products = jax.ops.segment_sum(weighted * y[:, None], code, size)

    scale = jnp.sqrt(jnp.diagonal(grams.sum(axis=0)))

    def without(gram: jax.Array, product: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _solve(grams.sum(axis=0) - gram, products.sum(axis=0) - product, scale)

    return jax.vmap(without)(grams, products)


@programs.jit(static_argnames=("levels", "size"))
def _absorb_without_cluster(
    x: Any, y: Any, weights: Any, code: Any, effects: tuple[Any, ...], *, levels: tuple[int, ...], size: int
) -> tuple[jax.Array, jax.Array]:
    """The same with the fixed effects of the remaining rows."""
    scale = jnp.sqrt(weights @ jnp.square(x))

    def without(cluster: jax.Array) -> tuple[jax.Array, jax.Array]:
        left = jnp.where(code == cluster, 0.0, weights)
        inner = linear.demean(jnp.concatenate([y[:, None], x], axis=1), left, effects, levels)
        weighted = inner[:, 1:] * left[:, None]
        return _solve(weighted.T @ inner[:, 1:], weighted.T @ inner[:, 0], scale)

    return jax.lax.map(without, jnp.arange(size))


def _solve(gram: jax.Array, product: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Solves normal equations; `[K]` coefficients, and which of them the equations determine.

    Args:
        gram: `[K, K]`.
        product: `[K]`.
        scale: `[K]` size of each column over all rows. What is left of it without a cluster may be rounding, which a
            limit relative to the remaining rows could not tell from variation.
    """
    values, vectors = jnp.linalg.eigh(gram / jnp.outer(scale, scale))
    kept = values > _UNDETERMINED
    inverse = jnp.where(kept, 1.0 / jnp.where(kept, values, 1.0), 0.0)
    solution = vectors @ (inverse * (vectors.T @ (product / scale))) / scale
    return solution, jnp.square(vectors) @ jnp.where(kept, 0.0, 1.0) < _UNDETERMINED
