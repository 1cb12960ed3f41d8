"""Differentiable augmentation of real and generated images alike, for small sets.

A discriminator that sees only augmented images, real and generated, cannot memorise a small set, and since every
operation is differentiable, the generator learns through it. Shifts and masks are filled with 0 (mid-grey).

References:
    Zhao et al. (2020), Differentiable augmentation for data-efficient GAN training.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ich_jax import errors

_MAX_SHIFT = 1 / 8  # of the image's side
_CUTOUT = 1 / 2  # side of the square that is cut out, as a share of the image's side


def make_augment(policy: str) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Returns the augmentation of a policy.

    Args:
        policy: Any of `flip`, `color`, `translation`, `cutout`, comma separated, applied in this order; empty: the
            identity.

    Returns:
        `augment(keys, images)`: keys `[B]` and images `[B, H, W, C]` in [-1, 1] to the same shape. The same key gives
        the same draws, so a real and a generated image can be augmented alike. `color` may leave [-1, 1].

    Raises:
        ConfigError: An unknown name in the policy.
    """
    names = [name for name in policy.split(",") if name]
    return _vmapped([_OPERATIONS[errors.require(name, _OPERATIONS, "--config.data.augment")] for name in names])


def make_augment_sketch(policy: str) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Returns the augmentation of a policy for sketches: they move, and are cut out, as the pictures of the same keys.

    Args:
        policy: As for `make_augment`, which has checked it; `color` leaves sketches alone.

    Returns:
        `augment(keys, sketches)`: `[B]` and `[B, H, W, 1]` in [0, 1] to the same shape; what is shifted in and cut out
        is paper, 1.
    """
    names = [name for name in policy.split(",") if name]
    if not set(names) - {"color"}:
        return lambda keys, sketches: sketches
    # Ink, not paper, is augmented, since shifts and holes are filled with 0. An operation keeps its place, and so its
    # draws.
    augment = _vmapped([_nothing if name == "color" else _OPERATIONS[name] for name in names])
    return lambda keys, sketches: 1.0 - augment(keys, 1.0 - sketches)


def _vmapped(
    operations: list[Callable[[jax.Array, jax.Array], jax.Array]],
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    def augment_image(key: jax.Array, image: jax.Array) -> jax.Array:
        for i, operation in enumerate(operations):
            image = operation(jax.random.fold_in(key, i), image)
        return image

    return jax.vmap(augment_image) if operations else lambda keys, images: images


def _nothing(key: jax.Array, image: jax.Array) -> jax.Array:
    del key
    return image


def _flip(key: jax.Array, image: jax.Array) -> jax.Array:
    """Mirrors an image left to right with probability one half."""
    return jnp.where(jax.random.bernoulli(key), image[:, ::-1], image)


def _color(key: jax.Array, image: jax.Array) -> jax.Array:
    """Changes brightness by up to a half, saturation by a factor in [0, 2] and contrast by one in [0.5, 1.5]."""
    brightness, saturation, contrast = jax.random.uniform(key, (3,), image.dtype)
    image = image + (brightness - 0.5)
    grey = jnp.mean(image, axis=2, keepdims=True)
    image = (image - grey) * (2.0 * saturation) + grey
    mean = jnp.mean(image)
    return (image - mean) * (0.5 + contrast) + mean


def _translation(key: jax.Array, image: jax.Array) -> jax.Array:
    """Shifts by whole pixels, up to an eighth of the side each way."""
    height, width, channels = image.shape
    key_y, key_x = jax.random.split(key)
    limit_y, limit_x = round(height * _MAX_SHIFT), round(width * _MAX_SHIFT)
    top = jax.random.randint(key_y, (), 0, 2 * limit_y + 1)
    left = jax.random.randint(key_x, (), 0, 2 * limit_x + 1)
    padded = jnp.pad(image, ((limit_y, limit_y), (limit_x, limit_x), (0, 0)))
    # One window per image: with its gradient 4 ms for 32 images of 64 px on one core, matrix products take 7.
    return jax.lax.dynamic_slice(padded, (top, left, jnp.zeros_like(top)), (height, width, channels))


def _cutout(key: jax.Array, image: jax.Array) -> jax.Array:
    """Cuts out one square of half the side, centred anywhere, so that it may reach over the edge."""
    key_y, key_x = jax.random.split(key)
    hole_y = _hole(key_y, image.shape[0])[:, None, None]
    hole_x = _hole(key_x, image.shape[1])[None, :, None]
    return jnp.where(hole_y & hole_x, jnp.zeros((), image.dtype), image)


def _hole(key: jax.Array, side: int) -> jax.Array:
    length = round(side * _CUTOUT)
    centre = jax.random.randint(key, (), 0, side + 1)
    position = jnp.arange(side)
    return (position >= centre - length // 2) & (position < centre - length // 2 + length)


_OPERATIONS = {"flip": _flip, "color": _color, "translation": _translation, "cutout": _cutout}
