"""The 19 corruptions of ImageNet-C and CIFAR-10-C as one pure, batched, compiled function.

    from ich_jax.interference import corrupt
    worse = corrupt(images, "motion_blur", 3, jax.random.key(0))

The result of an image depends on its pixels, its key, kind and severity alone: not on the batch, its order or the
devices. Severity is an ordinary argument, so one compiled program serves all five; 0 returns the images bit for bit.

`mode="reference"` keeps the peculiarities of the reference; each is named where it is computed. Remaining differences:
shot noise expands the Poisson quantile above 5 photons; frost is procedural unless textures are given; JPEG rounds its
colour transform in floating point; defocus spreads evenly the excess weight that the reference puts at the tips of its
disc.

References:
    Hendrycks and Dietterich (2019), Benchmarking neural network robustness to common corruptions and perturbations.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors
from ich_jax.interference.corruptions import blur, digital, noise, weather
from ich_jax.types import Array

Kernel = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""`(planes [B, C, H, W] in [0, 1], key words [B, 2] uint32, severity - 1) -> planes`."""


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        kernel: Computes it.
        benchmark: Part of the published benchmark that it belongs to, `common` or `validation`; empty: none.
        rounded: The last step of the reference is ImageMagick's, which rounds to 8 bits; other results are truncated.
    """

    kernel: Kernel
    benchmark: str = ""
    rounded: bool = False


_TABLE = {
    "gaussian_noise": Corruption(noise.gaussian_noise, "common"),
    "shot_noise": Corruption(noise.shot_noise, "common"),
    "impulse_noise": Corruption(noise.impulse_noise, "common"),
    "defocus_blur": Corruption(blur.defocus_blur, "common"),
    "glass_blur": Corruption(blur.glass_blur, "common"),
    "motion_blur": Corruption(blur.motion_blur, "common", rounded=True),
    "zoom_blur": Corruption(blur.zoom_blur, "common"),
    "snow": Corruption(weather.snow, "common"),
    "frost": Corruption(weather.frost, "common"),
    "fog": Corruption(weather.fog, "common"),
    "brightness": Corruption(digital.brightness, "common"),
    "contrast": Corruption(digital.contrast, "common"),
    "elastic_transform": Corruption(digital.elastic_transform, "common"),
    "pixelate": Corruption(digital.pixelate, "common"),
    "jpeg_compression": Corruption(digital.jpeg_compression, "common"),
    "speckle_noise": Corruption(noise.speckle_noise, "validation"),
    "gaussian_blur": Corruption(blur.gaussian_blur, "validation"),
    "spatter": Corruption(weather.spatter, "validation"),
    "saturate": Corruption(digital.saturate, "validation"),
}
COMMON = tuple(kind for kind, corruption in _TABLE.items() if corruption.benchmark == "common")
"""The 15 kinds of the benchmark."""
VALIDATION = tuple(kind for kind, corruption in _TABLE.items() if corruption.benchmark == "validation")
"""The 4 kinds that the benchmark keeps for validation."""
KINDS = tuple(_TABLE)
"""Every kind."""
TABLES = noise.TABLES | blur.TABLES | weather.TABLES | digital.TABLES
"""Parameters of every kind by severity; zoom blur has `blur.zoom_factors` instead."""

MODES = ("reference", "permute")
LEAST_SIZE, LARGEST_SIZE = 16, 1024
_MAX_SEVERITY = 5
_TOLERANCE = 1e-3  # of an 8-bit level: float32 falls short of whole numbers


def corrupt(
    images: Array,
    kind: str,
    severity: int | jax.Array,
    keys: jax.Array,
    *,
    mode: str = "reference",
    texture: Array | None = None,
) -> jax.Array:
    """Corrupts images.

    Args:
        images: `[B, H, W, C]`, C 1 or 3: uint8, or float32 in [0, 1].
        kind: One of `KINDS`.
        severity: 0 (nothing happens) to 5, an int or a traced int32.
        keys: One key per image, `[B]`, or a single key from which image i takes `fold_in(key, i)`.
        mode: How glass blur treats a pixel and its neighbour: `reference` copies one over the other, as in the
            published sets; `permute` swaps them.
        texture: Frost textures `[T, h, w, C]`, uint8 or float32 in [0, 1], at the scale at which they are to appear
            and at least as large as the images; None: procedural frost.

    Returns:
        Images of the same shape and type. uint8 is truncated, not rounded, as in the published sets (only motion blur
        is rounded).

    Raises:
        ConfigError: An unknown kind or mode, or a severity outside 0 to 5.
        DataError: Images of an impossible type, shape or range, or a wrong number of keys. Values are checked only
            outside of jit.
    """
    errors.require(kind, KINDS, "kind of corruption")
    errors.require(mode, MODES, "mode of corruption")
    images = _checked(images, "images")
    _check_severity(severity)
    if texture is not None:
        texture = _checked(texture, "texture")
        if texture.shape[3] != images.shape[3] or any(texture.shape[i] < images.shape[i] for i in (1, 2)):
            raise errors.DataError(
                f"texture: got {list(texture.shape)} for images of {list(images.shape[1:])}; textures have as many "
                "channels and at least their height and width."
            )
    return _corrupt(images, kind, jnp.asarray(severity, jnp.int32), _words(keys, images.shape[0]), mode, texture)


def image_keys(key: jax.Array, first: int | jax.Array, n: int) -> jax.Array:
    """Returns the keys of images first..first+n-1 of a set: `fold_in(key, i)`, `[n]`."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, first + jnp.arange(n, dtype=jnp.int32))


@functools.partial(jax.jit, static_argnames=("kind", "mode"))
def _corrupt(
    images: jax.Array, kind: str, severity: jax.Array, words: jax.Array, mode: str, texture: jax.Array | None
) -> jax.Array:
    # Barriers: inside a larger program the compiler then fuses and rounds as in a program of this function alone.
    images, severity, words = jax.lax.optimization_barrier((images, severity, words))
    if images.shape[0] == 1:  # a program for one image has other loops and rounds differently
        twice = jnp.repeat(images, 2, axis=0), jnp.repeat(words, 2, axis=0)
        return _corrupt(twice[0], kind, severity, twice[1], mode, texture)[:1]
    kernel = _TABLE[kind].kernel
    if kind == "glass_blur" and mode == "permute":
        kernel = blur.glass_blur_permuted
    if kind == "frost" and texture is not None:
        kernel = functools.partial(weather.frost, texture=_unit(texture))
    # Planes: neighbours along a row are neighbours in memory, so the compiler can vectorise.
    planes = jax.lax.optimization_barrier(_unit(images).transpose(0, 3, 1, 2))
    result = kernel(planes, words, jnp.clip(severity - 1, 0, _MAX_SEVERITY - 1))
    result = jax.lax.optimization_barrier(result).transpose(0, 2, 3, 1)
    if images.dtype == jnp.uint8:
        result = jnp.floor(result * 255.0 + (0.5 if _TABLE[kind].rounded else _TOLERANCE)).astype(jnp.uint8)
    result = jax.lax.optimization_barrier(result)
    return jnp.where(severity == 0, images, result)


def _unit(images: jax.Array) -> jax.Array:
    return images.astype(jnp.float32) * (1 / 255.0) if images.dtype == jnp.uint8 else images


def _words(keys: jax.Array, n: int) -> jax.Array:
    """Returns the two words of each image's key, `[n, 2]` uint32."""
    if not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        raise errors.DataError(f"keys: got an array of {keys.dtype}; expected keys as jax.random.key makes them.")
    if keys.ndim == 0:
        keys = image_keys(keys, 0, n)
    if keys.shape != (n,):
        raise errors.DataError(f"keys: got {list(keys.shape)} for {n} images; expected one key per image, or one.")
    return jax.random.key_data(keys)[:, :2]


def _check_severity(severity: int | jax.Array) -> None:
    if isinstance(severity, jax.core.Tracer):
        return
    value = np.asarray(severity)
    if value.shape or not np.issubdtype(value.dtype, np.integer) or not 0 <= value <= _MAX_SEVERITY:
        raise errors.ConfigError(
            f"severity: got {severity!r}; expected a whole number from 0 (nothing) to {_MAX_SEVERITY}."
        )


def _checked(images: Array, where: str) -> jax.Array:
    shape, dtype = np.shape(images), getattr(images, "dtype", None)
    if len(shape) != 4 or shape[3] not in (1, 3) or not all(LEAST_SIZE <= n <= LARGEST_SIZE for n in shape[1:3]):
        raise errors.DataError(
            f"{where}: got shape {list(shape)}; expected [B, H, W, C] with C 1 or 3 and {LEAST_SIZE} to {LARGEST_SIZE} "
            "pixels each way."
        )
    if dtype not in (np.uint8, np.float32):
        raise errors.DataError(f"{where}: got {dtype}; expected uint8, or float32 in [0, 1].")
    if dtype == np.float32 and not isinstance(images, jax.core.Tracer) and not jnp.all((images >= 0) & (images <= 1)):
        raise errors.DataError(
            f"{where}: values reach from {np.nanmin(images):g} to {np.nanmax(images):g}, {np.isnan(images).sum()} are "
            "NaN; expected float32 in [0, 1]. Convert images in [-1, 1] by 0.5 * images + 0.5."
        )
    return jnp.asarray(images)
