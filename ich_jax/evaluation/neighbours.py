"""Nearest neighbours among images, in any features: overlap of two sets, and copies.

The full matrix of distances never exists: it is computed by blocks of rows.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.evaluation.distances import feature_pair

BLOCK = 256  # rows of the distance matrix that exist at a time


@dataclasses.dataclass(frozen=True, slots=True)
class Prdc:
    """Overlap of two sets, from balls around each image that reach to its k-th nearest neighbour.

    Attributes:
        precision: Share of samples inside any real ball.
        recall: Share of real images inside any ball of a sample.
        density: Mean number of real balls around a sample, over k; 1 in expectation for equal distributions.
        coverage: Share of real balls that hold a sample; see `expected_coverage`.
        k: Neighbours.
        n_real: Real images.
        n_samples: Samples.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int
    n_real: int
    n_samples: int


def precision_recall_density_coverage(real: npt.ArrayLike, samples: npt.ArrayLike, *, k: int = 5) -> Prdc:
    """Measures how well samples and real images cover each other; compare only at equal N, M and k.

    Args:
        real: `[N, d]` features.
        samples: `[M, d]` features.
        k: Neighbours, an image itself not counted; below N and M.

    Raises:
        DataError: The features do not fit together, or k is not below the size of both sets.

    References:
        Kynkaanniemi et al. (2019), Improved precision and recall metric for assessing generative models;
        Naeem et al. (2020), Reliable fidelity and diversity metrics for generative models.
    """
    real, samples = feature_pair(real, samples)
    n, m = len(real), len(samples)
    if not 1 <= k < min(n, m):
        raise errors.DataError(f"precision and recall with k={k}: allowed 1 to {min(n, m) - 1} (below both set sizes).")
    mean = real.mean(0)
    a, b = _single(real - mean), _single(samples - mean)
    real_radius = _nearest(a, a, k, exclude_self=True)[0][:, -1]
    sample_radius = _nearest(b, b, k, exclude_self=True)[0][:, -1]
    real_balls, _ = _balls(b, a, real_radius)
    sample_balls, to_sample = _balls(a, b, sample_radius)
    return Prdc(
        precision=float(np.mean(np.asarray(real_balls) > 0)),
        recall=float(np.mean(np.asarray(sample_balls) > 0)),
        density=float(np.asarray(real_balls, np.float64).mean() / k),
        coverage=float(np.mean(np.asarray(to_sample) < np.asarray(real_radius))),
        k=k,
        n_real=n,
        n_samples=m,
    )


def expected_coverage(n_real: int, n_samples: int, k: int) -> float:
    """Coverage in expectation when both sets follow one distribution: 1 - prod_{t=1..k} (N - t) / (N + M - t).

    References:
        Naeem et al. (2020), Lemma 2.
    """
    t = np.arange(1, k + 1)
    return float(1.0 - np.prod((n_real - t) / (n_real + n_samples - t)))


@dataclasses.dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest point of each of N queries.

    Attributes:
        distance: `[N]` float64, Euclidean.
        index: `[N]` int, index of the nearest point.
    """

    distance: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]


def nearest_distances(queries: npt.ArrayLike, points: npt.ArrayLike) -> Nearest:
    """Finds the nearest of M points `[M, d]` to each of N queries `[N, d]`.

    The search is in float32; the distance is then taken in float64, so that a copy is at exactly 0.
    """
    queries, points = feature_pair(queries, points, least=1)
    mean = points.mean(0)
    _, nearest = _nearest(_single(queries - mean), _single(points - mean), 1, exclude_self=False)
    index = np.asarray(nearest[:, 0], np.int64)
    return Nearest(np.sqrt(np.square(queries - points[index]).sum(axis=1)), index)


@dataclasses.dataclass(frozen=True, slots=True)
class Memorisation:
    """Are samples nearer to the training images than unseen real images are?

    Attributes:
        median_samples: Median distance of a sample to its nearest training image.
        median_real: The same of held-out real images.
        ratio: median_samples / median_real; well below 1 speaks for copying. None where most held-out images are
            copies of training images themselves (median 0).
        share_close: Share of samples nearer to a training image than 95 % of the held-out real images are (nearer than
            their 5 % quantile); about 0.05 for a generator that draws like reality without copying.
        n_samples: Samples.
        n_real: Held-out real images.
        n_train: Number of training images that were searched.
    """

    median_samples: float
    median_real: float
    ratio: float | None
    share_close: float
    n_samples: int
    n_real: int
    n_train: int


def memorisation(of_samples: npt.ArrayLike, of_real: npt.ArrayLike, n_train: int) -> Memorisation:
    """Compares how far samples and held-out real images are from the nearest of the same training images.

    Args:
        of_samples: `[N]` distances of samples.
        of_real: `[M]` distances of held-out real images.
        n_train: Number of training images that were searched.
    """
    of_samples, of_real = np.asarray(of_samples, np.float64), np.asarray(of_real, np.float64)
    median_samples, median_real = float(np.median(of_samples)), float(np.median(of_real))
    return Memorisation(
        median_samples=median_samples,
        median_real=median_real,
        ratio=median_samples / median_real if median_real > 0.0 else None,
        share_close=float(np.mean(of_samples < np.quantile(of_real, 0.05))),
        n_samples=len(of_samples),
        n_real=len(of_real),
        n_train=n_train,
    )


@functools.partial(jax.jit, static_argnames=("k", "exclude_self"))
def _nearest(queries: jax.Array, points: jax.Array, k: int, *, exclude_self: bool) -> tuple[jax.Array, jax.Array]:
    """Squared distances `[N, k]` to the nearest points, ascending, and their indices; self: point i for query i."""

    def block(start: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        squared = _squared_distances(rows, points)
        if exclude_self:
            # By index, not by dropping the smallest: rounding does not leave it at zero, and copies do not hide it.
            index = start + jnp.arange(BLOCK, dtype=jnp.int32)
            is_self = index[:, None] == jnp.arange(points.shape[0], dtype=jnp.int32)[None, :]
            squared = jnp.where(is_self, jnp.inf, squared)
        negated, index = jax.lax.top_k(-squared, k)
        return -negated, index

    return _by_blocks(block, queries)


@jax.jit
def _balls(queries: jax.Array, centres: jax.Array, squared_radius: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Number of balls around each query `[N]` int32, and squared distance to the nearest centre `[N]`."""

    def block(start: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        del start
        squared = _squared_distances(rows, centres)
        inside = squared < squared_radius[None, :]
        return jnp.sum(inside, axis=1, dtype=jnp.int32), jnp.min(squared, axis=1)

    return _by_blocks(block, queries)


def _by_blocks(
    function: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]], queries: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Maps `function(start, rows)` over blocks of rows, so that the matrix of all distances never exists."""
    n = queries.shape[0]
    blocks = -(-n // BLOCK)
    rows = jnp.pad(queries, ((0, blocks * BLOCK - n), (0, 0))).reshape(blocks, BLOCK, -1)
    starts = jnp.arange(blocks, dtype=jnp.int32) * BLOCK
    out = jax.lax.map(lambda block: function(*block), (starts, rows))
    first, second = (leaf.reshape(blocks * BLOCK, *leaf.shape[2:])[:n] for leaf in out)
    return first, second


def _squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    cross = jnp.dot(a, b.T, precision="highest")
    squared = jnp.sum(a * a, axis=1)[:, None] + jnp.sum(b * b, axis=1)[None, :] - 2.0 * cross
    return jnp.maximum(squared, 0.0)


def _single(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """To float32; from centred features only, as |a|^2 + |b|^2 - 2 a.b loses its digits far from the origin."""
    return x.astype(np.float32)
