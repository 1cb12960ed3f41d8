"""Kinds of interference with training: with its batches, its step sizes, its weights and its updates.

A new kind is one function and one line in `TABLE`.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.interference.corruptions import api as corruptions
from ich_jax.interference.corruptions import draws
from ich_jax.types import AXIS_LIMIT, Batch

_MIXED = ("gaussian_noise", "motion_blur", "snow", "contrast", "jpeg_compression")
_SEVERITY = 3

Change = Callable[[Batch, jax.Array, jax.Array, Dataset], Batch]
"""`(batch, key words [B, 2], strength, dataset) -> batch`; at strength 0 the batch is unchanged."""


def _corrupted_images(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Corrupts this share of the images, each by one of five kinds at severity 3."""
    n = batch.image.shape[0]
    selected = draws.uniform(words, (), 0) < strength
    kind = draws.integers(words, (), len(_MIXED), 1)
    unit = jnp.clip(0.5 * pipeline.as_unit(batch.image) + 0.5, 0.0, 1.0)
    keys = jax.vmap(jax.random.wrap_key_data)(words)
    image = unit
    for i, name in enumerate(_MIXED):
        corrupted = corruptions.corrupt(unit, name, jnp.int32(_SEVERITY), keys)
        image = jnp.where((selected & (kind == i)).reshape(n, 1, 1, 1), corrupted, image)
    image = 2.0 * image - 1.0
    return batch._replace(image=jnp.where(selected.reshape(n, 1, 1, 1), image, pipeline.as_unit(batch.image)))


def _label_flips(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Labels this share of the images as another product.

    References:
        Kaneko et al. (2019), Label-noise robust generative adversarial networks (symmetric noise).
    """
    n = len(dataset.space.products)
    other = (batch.brief.product + 1 + draws.integers(words, (), n - 1, 1)) % n
    product = jnp.where(draws.uniform(words, (), 0) < strength, other, batch.brief.product)
    return batch._replace(brief=batch.brief._replace(product=product))


def _condition_mismatch(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Replaces elements and axes of this share of the images by random ones."""
    selected = (draws.uniform(words, (), 0) < strength)[:, None]
    sizes = dataset.space.cardinalities
    elements = [draws.integers(words, (), size, 2 + i) for i, size in enumerate(sizes)]
    axes = AXIS_LIMIT * (2.0 * draws.uniform(words, batch.brief.axes.shape[1:], 1) - 1.0)
    brief = batch.brief._replace(
        elements=jnp.where(selected, jnp.stack(elements, 1), batch.brief.elements) if sizes else batch.brief.elements,
        axes=jnp.where(selected, axes, batch.brief.axes),
    )
    return batch._replace(brief=brief)


def _missing_product(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Replaces images of the last product by others of the batch (at any strength above 0)."""
    missing = (batch.brief.product == len(dataset.space.products) - 1) & (strength > 0)
    n = missing.shape[0]
    # The k-th missing image is replaced by the k-th remaining one, cyclically.
    remaining = jnp.nonzero(~missing, size=n, fill_value=0)[0]
    rank = jnp.cumsum(missing) - 1
    index = jnp.where(missing, remaining[rank % jnp.maximum(n - missing.sum(), 1)], jnp.arange(n))
    replaced: Batch = jax.tree.map(lambda x: x[index], batch)
    return replaced


def _nan_batch(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Makes the images NaN (at any strength above 0): such a step must leave the state unchanged."""
    image = pipeline.as_unit(batch.image)
    return batch._replace(image=jnp.where(strength > 0, jnp.nan, image))


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of interference with training.

    Attributes:
        unit: Meaning of its strength.
        batch: Change of the batch of every step in the window; None: no change.
        lr: Whether the strength multiplies both step sizes in the window.
        weights: Whether the generator's weights receive Gaussian noise once, when the window opens; the strength is its
            deviation relative to that of each tensor.
        frozen: Fields of the state that keep their values through the window (at any strength above 0).
    """

    unit: str
    batch: Change | None = None
    lr: bool = False
    weights: bool = False
    frozen: tuple[str, ...] = ()


_GENERATOR = ("g_params", "g_opt", "e_params", "e_opt", "ema_params")
_DISCRIMINATOR = ("d_params", "d_opt")

TABLE = {
    "corrupted_images": Kind("share of images", _corrupted_images),
    "label_flips": Kind("share of images", _label_flips),
    "condition_mismatch": Kind("share of images", _condition_mismatch),
    "missing_product": Kind("1", _missing_product),
    "learning_rate": Kind("factor", lr=True),
    "weight_noise": Kind("sd relative to a tensor's", weights=True),
    "nan_batch": Kind("1", _nan_batch),
    "frozen_generator": Kind("1", frozen=_GENERATOR),
    "frozen_discriminator": Kind("1", frozen=_DISCRIMINATOR),
}
"""Every kind of interference with training."""
