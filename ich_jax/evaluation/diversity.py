"""Diversity of generated images: whether the noise is used, measured by the spread of pixels."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
import numpy.typing as npt

from ich_jax.config import EvalConfig
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing
from ich_jax.types import Brief

SAME_BRIEF, SAME_PRODUCT = "same brief", "same product"


@dataclasses.dataclass(frozen=True, slots=True)
class Diversity:
    """Does the noise matter? Standard deviation of a pixel (images in [-1, 1], so at most about 1), mean over pixels.

    Attributes:
        generated: Over draws of the noise at one brief, mean over briefs.
        real: Of real images, likewise; None where the held-out images are too few.
        ratio: generated / real; None where real is None or 0.
        reference: Kind of `real`: over real images of the `same brief` where the set can draw them, else over real
            images of the `same product`, which also differ in their briefs, so that a ratio below 1 is expected.
        n_briefs: Briefs.
        n_draws: Draws per brief.
        within_product_generated: Over generated images of one product (each at its own brief), mean over products.
        within_product_real: Over as many held-out real images of one product.
        n_within_product: Images on either side of the last two.
    """

    generated: float
    real: float | None
    ratio: float | None
    reference: str
    n_briefs: int
    n_draws: int
    within_product_generated: float | None
    within_product_real: float | None
    n_within_product: int


def measure(
    settings: EvalConfig,
    dataset: Dataset,
    draw: Callable[[jax.Array, Brief], drawing.Images],
    real_draws: drawing.RealDraws | None,
    *,
    generated: tuple[drawing.Images, jax.Array],
    real: tuple[drawing.Images, jax.Array],
) -> Diversity:
    """Measures diversity at fixed briefs and within products.

    Args:
        settings: Seed, and numbers of briefs and draws.
        dataset: Source of the briefs.
        draw: `(key, brief) -> [B, H, W, C]` uint8.
        real_draws: Real images of a given brief, if the set can draw them.
        generated: Images `[n, H, W, C]` and their products `[n]`, each at its own brief.
        real: As many held-out real images and their products.
    """
    n_briefs, n_draws = settings.diversity_briefs, settings.diversity_draws
    key = jax.random.key(settings.seed)
    noise_key = drawing.noise_key(key, drawing.Purpose.DIVERSITY)
    brief = drawing.briefs(dataset, key, drawing.Purpose.DIVERSITY, n_briefs)
    images = draw(noise_key, drawing.repeat(brief, n_draws))
    spread = pixel_sd(images.reshape(n_briefs, n_draws, *images.shape[1:]))
    within_real = within_product(*real)
    if real_draws is None:
        real_spread, reference = within_real, SAME_PRODUCT
    else:
        real_spread, reference = pixel_sd(drawing.draw_real(real_draws, noise_key, brief, n_draws)), SAME_BRIEF
    return Diversity(
        generated=spread,
        real=real_spread,
        ratio=spread / real_spread if real_spread else None,
        reference=reference,
        n_briefs=n_briefs,
        n_draws=n_draws,
        within_product_generated=within_product(*generated),
        within_product_real=within_real,
        n_within_product=len(generated[0]),
    )


def pixel_sd(images: drawing.Images) -> float:
    """Standard deviation over the second axis of `[B, n, ...]` images, mean over all else, on the scale [-1, 1]."""
    # One brief at a time, as float32 copies of all images would be the peak of the whole evaluation.
    scale = np.float32(127.5)
    return float(np.mean([(group.astype(np.float32) / scale).std(axis=0, ddof=1).mean() for group in images]))


def within_product(images: drawing.Images, product: npt.ArrayLike) -> float | None:
    """Standard deviation of a pixel over the images of one product, mean over the products with two or more."""
    products = np.asarray(product)
    groups = [images[products == p] for p in np.unique(products)]
    spreads = [pixel_sd(group[None]) for group in groups if len(group) > 1]
    return float(np.mean(spreads)) if spreads else None
