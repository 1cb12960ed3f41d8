"""Distances of generated images, as a set, from held-out real images, beside those of other real images."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax.config import EvalConfig
from ich_jax.evaluation import distances, neighbours
from ich_jax.evaluation.drawing import Images
from ich_jax.evaluation.features import RandomFeatures

MIN_IMAGES = 8
"""Below this number of images a distance between distributions means nothing."""

_Features = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several feature networks.

    Attributes:
        mean: Mean over feature seeds.
        sd: Standard deviation over feature seeds, n - 1 in the denominator; 0 for a single one.
        values: The figure of each seed.
    """

    mean: float
    sd: float
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Distribution:
    """Distance of n images, as a set, from the n held-out real images of the test split.

    Attributes:
        n: Images on each side.
        rfd: Random-feature Fréchet distance (not an FID).
        rfd_inf: The same, extrapolated to infinitely many samples; may be negative.
        kid: Kernel distance, unbiased, mean over subsets; may be negative.
        kid_subset_sd: Standard deviation of the kernel distance over subsets, mean over feature seeds.
        kid_subset: Images per subset: `config.evaluation.kid_subset`, at most half of n.
        kid_subsets: Number of subsets.
        precision: Share of the images near real ones.
        recall: Share of real images near the images.
        density: Mean number of real neighbourhoods around an image, over k; 1 in expectation for real images.
        coverage: Share of real neighbourhoods with an image inside.
        expected_coverage: Coverage in expectation if both sets followed one distribution.
        nearest_k: k of the last figures: `config.evaluation.nearest_k`, at most n - 1.
    """

    n: int
    rfd: Spread
    rfd_inf: Spread
    kid: Spread
    kid_subset_sd: float
    kid_subset: int
    kid_subsets: int
    precision: Spread
    recall: Spread
    density: Spread
    coverage: Spread
    expected_coverage: float
    nearest_k: int


def compare_with_real(
    settings: EvalConfig,
    networks: Sequence[RandomFeatures],
    generated: Images,
    other_real: Images,
    reference: Images,
) -> tuple[Distribution, Distribution]:
    """Compares generated images, and other real images, with the same reference images.

    Args:
        settings: Subsets and neighbours.
        networks: Feature networks, one per feature seed.
        generated: `[n, H, W, C]` uint8, n >= 8.
        other_real: `[n, H, W, C]` uint8.
        reference: `[n, H, W, C]` uint8, held-out real images.
    """
    features = [(network(generated), network(other_real), network(reference)) for network in networks]
    return (
        _distribution(settings, [(seed[0], seed[2]) for seed in features]),
        _distribution(settings, [(seed[1], seed[2]) for seed in features]),
    )


def _distribution(settings: EvalConfig, pairs: Sequence[tuple[_Features, _Features]]) -> Distribution:
    """Summarises (samples, reference) features, one pair per feature seed."""
    n = len(pairs[0][0])
    # A subset of all images would be the same in every draw and hide the spread.
    subset, k = min(settings.kid_subset, n // 2), min(settings.nearest_k, n - 1)
    kids = [
        distances.kid(samples, reference, subset=subset, subsets=settings.kid_subsets, seed=settings.seed)
        for samples, reference in pairs
    ]
    overlap = [neighbours.precision_recall_density_coverage(reference, samples, k=k) for samples, reference in pairs]
    return Distribution(
        n=n,
        rfd=_spread(distances.frechet(reference, samples) for samples, reference in pairs),
        rfd_inf=_spread(distances.frechet_inf(reference, samples, seed=settings.seed) for samples, reference in pairs),
        kid=_spread(kid.mean for kid in kids),
        kid_subset_sd=float(np.mean([kid.sd for kid in kids])),
        kid_subset=subset,
        kid_subsets=settings.kid_subsets,
        precision=_spread(prdc.precision for prdc in overlap),
        recall=_spread(prdc.recall for prdc in overlap),
        density=_spread(prdc.density for prdc in overlap),
        coverage=_spread(prdc.coverage for prdc in overlap),
        expected_coverage=neighbours.expected_coverage(n, n, k),
        nearest_k=k,
    )


def _spread(values: Iterable[float]) -> Spread:
    by_seed = tuple(float(value) for value in values)
    return Spread(float(np.mean(by_seed)), float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else 0.0, by_seed)
