"""Distances between two sets of images, in whatever features they are given.

Every figure depends on the number of images and on the features; compare figures only where both agree, and beside the
distance of real images from other real images.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors

BLOCK = 256  # rows of the distance matrix that exist at a time


# ---------------------------------------------------------------- Fréchet distance


def frechet(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Fréchet distance between the normal distributions fitted to two sets of features; biased upward by O(1/N).

    Args:
        x: `[N, d]` features, N >= 2.
        y: `[M, d]` features, M >= 2.

    Raises:
        DataError: The features do not fit together, or a set is too small.

    References:
        Dowson and Landau (1982), The Fréchet distance between multivariate normal distributions.
    """
    x, y = _pair(x, y)
    return frechet_gaussians(x.mean(0), _covariance(x), y.mean(0), _covariance(y))


def frechet_gaussians(
    mean_x: npt.NDArray[np.float64],
    covariance_x: npt.NDArray[np.float64],
    mean_y: npt.NDArray[np.float64],
    covariance_y: npt.NDArray[np.float64],
) -> float:
    """Returns |mx - my|^2 + tr(Sx + Sy - 2 (Sx^(1/2) Sy Sx^(1/2))^(1/2)) in float64.

    The square roots come from eigenvalues of symmetric matrices, negative ones (rounding) set to zero, so that
    covariances of fewer images than features are no trouble.
    """
    return _frechet(mean_x, covariance_x, _root(covariance_x), mean_y, covariance_y)


def frechet_inf(reference: npt.ArrayLike, samples: npt.ArrayLike, *, sizes: int = 15, seed: int = 0) -> float:
    """Fréchet distance extrapolated to infinitely many samples.

    The bias is about linear in 1/N with a slope that differs between generators, so equal N does not remove it. The
    distance is measured at `sizes` numbers of samples from max(N / 10, d + 1) (at most N / 2) to N, evenly spaced in
    1/N, and the intercept of the straight line is returned. It can be negative. Only the samples are thinned: the bias
    that the fixed reference brings remains.

    Args:
        reference: `[M, d]` features of real images.
        samples: `[N, d]` features under test, N >= 4.
        sizes: Number of subset sizes, at least 2.
        seed: Of the subsets.

    References:
        Chong and Forsyth (2020), Effectively unbiased FID and Inception score and where to find them.
    """
    reference, samples = _pair(reference, samples, least=4)
    n, d = samples.shape
    # Below d + 1 samples the covariance is singular and the bias no longer linear in 1/N.
    least = max(2, min(max(n // 10, d + 1), n // 2))
    counts = np.unique(np.round(1.0 / np.linspace(1.0 / n, 1.0 / least, sizes)).astype(int))
    mean, covariance = reference.mean(0), _covariance(reference)
    root = _root(covariance)
    draw = np.random.Generator(np.random.Philox(seed))
    found = []
    for count in counts:
        subset = samples[draw.permutation(n)[:count]]
        found.append(_frechet(mean, covariance, root, subset.mean(0), _covariance(subset)))
    _, intercept = np.polyfit(1.0 / counts, found, 1)
    return float(intercept)


def _frechet(
    mean_x: npt.NDArray[np.float64],
    covariance_x: npt.NDArray[np.float64],
    root_x: npt.NDArray[np.float64],
    mean_y: npt.NDArray[np.float64],
    covariance_y: npt.NDArray[np.float64],
) -> float:
    product = root_x @ covariance_y @ root_x
    cross = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2.0).clip(min=0.0)).sum()
    return float(np.square(mean_x - mean_y).sum() + np.trace(covariance_x) + np.trace(covariance_y) - 2.0 * cross)


def _root(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    root: npt.NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
    return root


def _covariance(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    centred = x - x.mean(0)
    covariance: npt.NDArray[np.float64] = centred.T @ centred / (len(x) - 1)
    return covariance


# ---------------------------------------------------------------- kernel distance


@dataclasses.dataclass(frozen=True, slots=True)
class Kid:
    """Kernel distance over subsets.

    Attributes:
        mean: Mean of the unbiased estimates; may be negative.
        sd: Their standard deviation over subsets (zero for a single one).
        subset: Images per subset and side.
        subsets: Number of subsets.
    """

    mean: float
    sd: float
    subset: int
    subsets: int


def kid(x: npt.ArrayLike, y: npt.ArrayLike, *, subset: int, subsets: int, seed: int = 0) -> Kid:
    """Kernel distance: unbiased squared MMD with k(a, b) = (a.b / d + 1)^3, averaged over random subsets.

    Args:
        x: `[N, d]` features.
        y: `[M, d]` features.
        subset: Images per subset and side, drawn without replacement; from 2 to min(N, M).
        subsets: Number of subsets.
        seed: Of the subsets.

    Raises:
        DataError: The features do not fit together, or a subset is larger than a set.

    References:
        Binkowski et al. (2018), Demystifying MMD GANs.
    """
    x, y = _pair(x, y)
    if not 2 <= subset <= min(len(x), len(y)) or subsets < 1:
        raise errors.DataError(
            f"kid: subset={subset}, subsets={subsets}; allowed: a subset of 2 to {min(len(x), len(y))} images (the "
            "smaller set) and at least one subset."
        )
    draw = np.random.Generator(np.random.Philox(seed))
    found = [
        mmd2_unbiased(x[draw.permutation(len(x))[:subset]], y[draw.permutation(len(y))[:subset]])
        for _ in range(subsets)
    ]
    return Kid(float(np.mean(found)), float(np.std(found, ddof=1)) if subsets > 1 else 0.0, subset, subsets)


def mmd2_unbiased(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Returns the U-statistic of the squared MMD with the kernel (a.b / d + 1)^3, in float64.

    A set's diagonal is left out of its own term and kept in the cross term, which pairs independent images.

    References:
        Gretton et al. (2012), A kernel two-sample test, equation 3.
    """
    x, y = _pair(x, y)
    n, m, d = len(x), len(y), x.shape[1]

    def kernel(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        base = a @ b.T / d + 1.0
        return base * base * base

    k_xx, k_yy = kernel(x, x), kernel(y, y)
    own = (k_xx.sum() - np.trace(k_xx)) / (n * (n - 1)) + (k_yy.sum() - np.trace(k_yy)) / (m * (m - 1))
    return float(own - 2.0 * kernel(x, y).mean())


# ---------------------------------------------------------------- nearest neighbours


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
    """Measures how far samples and real images cover each other; compare only at equal N, M and k.

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
    real, samples = _pair(real, samples)
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
        index: `[N]` int, which point it is.
    """

    distance: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]


def nearest_distances(queries: npt.ArrayLike, points: npt.ArrayLike) -> Nearest:
    """Finds the nearest of M points `[M, d]` to each of N queries `[N, d]`.

    The search is in float32; the distance is then taken in float64, so that a copy is at exactly 0.
    """
    queries, points = _pair(queries, points, least=1)
    mean = points.mean(0)
    _, found = _nearest(_single(queries - mean), _single(points - mean), 1, exclude_self=False)
    index = np.asarray(found[:, 0], np.int64)
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
        n_train: Training images among which the nearest was sought.
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
    """Squared distances `[N, k]` to the nearest points, ascending, and which they are; self: point i for query i."""

    def block(start: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        squared = _squared_distances(rows, points)
        if exclude_self:
            # By index, not by dropping the smallest: rounding does not leave it at zero, and copies do not hide it.
            index = start + jnp.arange(BLOCK, dtype=jnp.int32)
            own = index[:, None] == jnp.arange(points.shape[0], dtype=jnp.int32)[None, :]
            squared = jnp.where(own, jnp.inf, squared)
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


def _by_blocks(function: Callable[..., Any], queries: jax.Array) -> Any:
    """Maps `function(start, rows)` over blocks of rows, so that the whole distance matrix never exists."""
    n = queries.shape[0]
    blocks = -(-n // BLOCK)
    rows = jnp.pad(queries, ((0, blocks * BLOCK - n), (0, 0))).reshape(blocks, BLOCK, -1)
    starts = jnp.arange(blocks, dtype=jnp.int32) * BLOCK
    out = jax.lax.map(lambda block: function(*block), (starts, rows))
    return jax.tree.map(lambda leaf: leaf.reshape(blocks * BLOCK, *leaf.shape[2:])[:n], out)


def _squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    cross = jnp.dot(a, b.T, precision="highest")
    squared = jnp.sum(a * a, axis=1)[:, None] + jnp.sum(b * b, axis=1)[None, :] - 2.0 * cross
    return jnp.maximum(squared, 0.0)


# ---------------------------------------------------------------- ranks


def auc(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Returns the probability that a positive scores above a negative, ties counting half (area under the ROC curve).

    Args:
        positive: `[N]` scores.
        negative: `[M]` scores.

    References:
        Hanley and McNeil (1982), The meaning and use of the area under a ROC curve.
    """
    positive, negative = np.asarray(positive, np.float64), np.asarray(negative, np.float64)
    n, m = len(positive), len(negative)
    scores = np.concatenate([positive, negative])
    if not (n and m and np.isfinite(scores).all()):
        raise errors.DataError(f"auc: needs finite scores on both sides; got {n} positive and {m} negative ones.")
    ranks = stats.rankdata(scores)
    return float((ranks[:n].sum() - n * (n + 1) / 2.0) / (n * m))


# ---------------------------------------------------------------- input


def _pair(
    x: npt.ArrayLike, y: npt.ArrayLike, least: int = 2
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < least:
        raise errors.DataError(
            f"A distance needs features [N, d] and [M, d] of at least {least} images each; got {list(x.shape)} and "
            f"{list(y.shape)}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise errors.DataError("A distance needs finite features; NaN or infinity was found.")
    return x, y


def _single(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """To float32; from centred features only, as |a|^2 + |b|^2 - 2 a.b loses its digits far from the origin."""
    return x.astype(np.float32)
