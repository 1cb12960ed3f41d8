"""Distances between two sets of images, in any features.

Every figure depends on the number of images and on the features; compare figures only where both agree, and beside the
distance of real images from other real images.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors

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
    x, y = feature_pair(x, y)
    return frechet_gaussians(x.mean(0), _covariance(x), y.mean(0), _covariance(y))


def frechet_gaussians(
    mean_x: npt.NDArray[np.float64],
    covariance_x: npt.NDArray[np.float64],
    mean_y: npt.NDArray[np.float64],
    covariance_y: npt.NDArray[np.float64],
) -> float:
    """Returns |mx - my|^2 + tr(Sx + Sy - 2 (Sx^(1/2) Sy Sx^(1/2))^(1/2)) in float64.

    The square roots come from eigenvalues of symmetric matrices, negative ones (rounding) set to zero, so that there
    may be fewer images than features.
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
        seed: Seed of the subsets.

    References:
        Chong and Forsyth (2020), Effectively unbiased FID and Inception score and where to find them.
    """
    reference, samples = feature_pair(reference, samples, least=4)
    n, d = samples.shape
    # Below d + 1 samples the covariance is singular and the bias no longer linear in 1/N.
    least = max(2, min(max(n // 10, d + 1), n // 2))
    counts = np.unique(np.round(1.0 / np.linspace(1.0 / n, 1.0 / least, sizes)).astype(int))
    mean, covariance = reference.mean(0), _covariance(reference)
    root = _root(covariance)
    draw = np.random.Generator(np.random.Philox(seed))
    estimates = []
    for count in counts:
        subset = samples[draw.permutation(n)[:count]]
        estimates.append(_frechet(mean, covariance, root, subset.mean(0), _covariance(subset)))
    _, intercept = np.polyfit(1.0 / counts, estimates, 1)
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
        seed: Seed of the subsets.

    Raises:
        DataError: The features do not fit together, or a subset is larger than a set.

    References:
        Binkowski et al. (2018), Demystifying MMD GANs.
    """
    x, y = feature_pair(x, y)
    if not 2 <= subset <= min(len(x), len(y)) or subsets < 1:
        raise errors.DataError(
            f"kid: subset={subset}, subsets={subsets}; allowed: a subset of 2 to {min(len(x), len(y))} images (the "
            "smaller set) and at least one subset."
        )
    draw = np.random.Generator(np.random.Philox(seed))
    estimates = [
        mmd2_unbiased(x[draw.permutation(len(x))[:subset]], y[draw.permutation(len(y))[:subset]])
        for _ in range(subsets)
    ]
    return Kid(float(np.mean(estimates)), float(np.std(estimates, ddof=1)) if subsets > 1 else 0.0, subset, subsets)


def mmd2_unbiased(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Returns the U-statistic of the squared MMD with the kernel (a.b / d + 1)^3, in float64.

    A set's diagonal is left out of its own term and kept in the cross term, which pairs independent images.

    References:
        Gretton et al. (2012), A kernel two-sample test, equation 3.
    """
    x, y = feature_pair(x, y)
    n, m, d = len(x), len(y), x.shape[1]

    def kernel(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        base = a @ b.T / d + 1.0
        return base * base * base

    k_xx, k_yy = kernel(x, x), kernel(y, y)
    within = (k_xx.sum() - np.trace(k_xx)) / (n * (n - 1)) + (k_yy.sum() - np.trace(k_yy)) / (m * (m - 1))
    return float(within - 2.0 * kernel(x, y).mean())


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


def feature_pair(
    x: npt.ArrayLike, y: npt.ArrayLike, least: int = 2
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns two sets of features `[N, d]` and `[M, d]` in float64.

    Raises:
        DataError: The shapes do not fit together, a set has fewer than `least` images, or a value is not finite.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < least:
        raise errors.DataError(
            f"A distance needs features [N, d] and [M, d] of at least {least} images each; got {list(x.shape)} and "
            f"{list(y.shape)}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise errors.DataError("A distance needs finite features; NaN or infinity was found.")
    return x, y
