"""Image corruptions of other libraries, with our parameters for a size and a severity.

Each library is used in its best form: on arrays of the type that it takes, prepared beforehand; on whole batches where
possible; transforms are built and functions compiled outside of the timed part. Where a transform of a library does
something else but can be assembled from its parts (HSV and back for brightness, separate channels for contrast and
impulses), the parts are used. Where a parameter cannot be set exactly (whole radii only, no affine part), the library
gets the nearest possible value: the caller measures whether the result is still the same corruption.
"""

import dataclasses
import functools
import importlib
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax import errors
from ich_jax.interference import COMMON, VALIDATION
from ich_jax.interference.corruptions.api import TABLES
from ich_jax.interference.corruptions.blur import zoom_factors

DETERMINISTIC = (
    *("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"),
    *("gaussian_blur", "saturate"),
)
"""Kinds without random draws."""

_LARGEST_ELASTIC = 64
"""Pixels up to which kornia and dm_pix can be asked for elastic: at 224 px their kernels have a thousand weights."""

Severity = Callable[[Any], Any]
"""`images as the library takes them -> corrupted images, finished`."""


@dataclasses.dataclass(frozen=True)
class Library:
    """The corruptions of one library.

    Attributes:
        name: Its name.
        kinds: `{kind: [a function for each severity]}` on the result of `prepare`.
        prepare: From `[B, H, W, 3]` uint8 to the input of the functions.
        finish: From their results to `[B, H, W, 3]` uint8, truncated as ours are.
        one_by_one: Whether it takes one image at a time.
    """

    name: str
    kinds: dict[str, list[Severity]]
    prepare: Callable[[np.ndarray], Any]
    finish: Callable[[Any], np.ndarray]
    one_by_one: bool


def parameters(kind: str, size: int, severity: int) -> dict[str, float]:
    """Returns our parameters of a kind at severity 1 to 5; of zoom blur the end and the step of its factors."""
    if kind == "zoom_blur":
        factors = zoom_factors(size)[severity - 1]
        step = factors[1] - factors[0]
        return {"end": factors[-1] + step / 2, "step": step}
    return {name: round(float(column[severity - 1]), 6) for name, column in TABLES[kind].at(size).items()}


def _all_severities(make: dict[str, Callable[..., Severity]], size: int) -> dict[str, list[Severity]]:
    return {
        kind: [make_severity(**parameters(kind, size, s)) for s in range(1, 6)] for kind, make_severity in make.items()
    }


def _cut(images: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(images, 0, 1) * 255 + 1e-3).astype(np.uint8)


# ---------------------------------------------------------------- imagecorruptions


def imagecorruptions(clone: Path) -> Library:
    """Imports imagecorruptions from a clone, with current versions of its dependencies.

    It needs names that NumPy 2, SciPy 2 and setuptools no longer have; these are restored, and nothing else. It
    applies the parameters of 224 px at every size.

    Raises:
        DataError: There is no such clone.
    """
    folder = clone / "imagecorruptions"
    if not folder.is_dir():
        raise errors.DataError(f"--imagecorruptions: {clone} is no clone of github.com/bethgelab/imagecorruptions.")
    import scipy.ndimage

    for name, values in {
        "scipy.ndimage.interpolation": {"map_coordinates": scipy.ndimage.map_coordinates},
        "pkg_resources": {"resource_filename": lambda _, path: str(folder / path)},
    }.items():
        if name not in sys.modules:
            module = types.ModuleType(name)
            module.__dict__.update(values)
            sys.modules[name] = module
    sys.path.insert(0, str(clone))
    package = importlib.import_module("imagecorruptions")

    def make(kind: str, severity: int) -> Severity:
        return lambda images: [package.corrupt(x, severity=severity, corruption_name=kind) for x in images]

    kinds = {kind: [make(kind, severity) for severity in range(1, 6)] for kind in (*COMMON, *VALIDATION)}
    return Library("imagecorruptions", kinds, list, np.stack, one_by_one=True)


# ---------------------------------------------------------------- albumentations


def albumentations(size: int, threads: int) -> Library:
    """Returns albumentations' transforms on uint8 images, one by one.

    Raises:
        ImportError: It is absent.
    """
    # Over 60 lines: one table with a row for each kind, and functions for kinds that need more than a row.
    import albumentations as a
    import cv2

    cv2.setNumThreads(threads)

    def each(transform: Any) -> Severity:
        return lambda images: [transform(image=x)["image"] for x in images]

    def by_value(transform: Any) -> Severity:  # pixels that are values: it strikes all channels of one alike
        return lambda images: [transform(image=x.reshape(size, -1))["image"].reshape(x.shape) for x in images]

    def in_bgr(transform: Any) -> Severity:  # it hands channels to OpenCV as they are, which takes them for BGR
        flip = functools.partial(np.flip, axis=-1)
        return lambda images: [flip(transform(image=np.ascontiguousarray(flip(x)))["image"]) for x in images]

    def jitter(**factors: float) -> Severity:
        ranges = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
        return each(a.ColorJitter(**ranges | {name: (f, f) for name, f in factors.items()}, p=1))

    def speckle_noise(sd: float) -> Severity:  # evenly spread, the same deviation
        reach = min(math.sqrt(3) * sd, 1.0)
        return each(a.MultiplicativeNoise((1 - reach, 1 + reach), per_channel=True, elementwise=True, p=1))

    def motion_blur(radius: float, sd: float) -> Severity:
        del sd
        length = int(2 * radius + 1)
        return each(a.MotionBlur((length, length), angle_range=(0, 45), p=1))

    def elastic_transform(alpha: float, sd: float, jitter: float) -> Severity:
        del jitter
        return each(
            a.ElasticTransform(alpha, max(sd, 1.0), noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT, p=1)
        )

    def spatter(mean: float, sd: float, blur: float, threshold: float, strength: float, mud: float) -> Severity:
        mode = "mud" if mud else "rain"
        ranges = {"mean": mean, "std": sd, "gauss_sigma": blur, "cutout_threshold": threshold, "intensity": strength}
        ranges["intensity"] = min(ranges["intensity"], 1.0)
        return each(a.Spatter(**{name: (value, value) for name, value in ranges.items()}, mode=mode, p=1))

    make: dict[str, Callable[..., Severity]] = {
        "gaussian_noise": lambda sd: each(a.GaussNoise((sd, sd), p=1)),
        "shot_noise": lambda photons: each(a.ShotNoise((1 / photons, 1 / photons), p=1)),
        "impulse_noise": lambda share: by_value(a.SaltAndPepper((share, share), (0.5, 0.5), p=1)),
        "defocus_blur": lambda radius, alias_sd: each(
            a.Defocus((max(1, round(radius)),) * 2, (alias_sd, alias_sd), p=1)
        ),
        "glass_blur": lambda sd, shift, iterations: each(a.GlassBlur(sd, int(shift), int(iterations), "fast", p=1)),
        "motion_blur": motion_blur,
        "zoom_blur": lambda end, step: each(a.ZoomBlur((end, end), (step, step), p=1)),
        "snow": lambda mix, **_: each(a.RandomSnow(2.5, (1 - mix, 1 - mix), p=1)),
        "fog": lambda amount, **_: each(a.RandomFog(fog_coef_range=(min(amount / 4, 1),) * 2, p=1)),
        "brightness": lambda added: each(a.HueSaturationValue((0, 0), (0, 0), (255 * added,) * 2, p=1)),
        "contrast": lambda factor: jitter(contrast=factor),
        "elastic_transform": elastic_transform,
        "pixelate": lambda factor: each(
            a.Downscale((factor, factor), {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_NEAREST}, p=1)
        ),
        "jpeg_compression": lambda quality: in_bgr(a.ImageCompression("jpeg", (int(quality),) * 2, p=1)),
        "speckle_noise": speckle_noise,
        "gaussian_blur": lambda sd: each(a.GaussianBlur(0, (sd, sd), p=1)),
        "spatter": spatter,
        "saturate": lambda factor, offset: jitter(saturation=factor + offset),
    }
    return Library("albumentations", _all_severities(make, size), list, np.stack, one_by_one=True)


# ---------------------------------------------------------------- kornia


def kornia(size: int, threads: int) -> Library:
    """Returns kornia's functions on batches `[B, 3, H, W]` float32 in [0, 1], not compiled.

    Raises:
        ImportError: It is absent.
    """
    # Over 60 lines: one table, as that of albumentations.
    import torch
    from kornia import augmentation, color, enhance, filters

    torch.set_num_threads(threads)

    def clipped(function: Any) -> Severity:
        return lambda x: function(x).clamp_(0, 1)

    def by_channel(function: Any) -> Severity:  # each channel an image of its own
        return lambda x: function(x.reshape(-1, 1, size, size)).reshape(x.shape)

    def in_hsv(channel: int, factor: float, added: float) -> Severity:
        def change(x: Any) -> Any:
            hsv = color.rgb_to_hsv(x)
            hsv[:, channel].mul_(factor).add_(added).clamp_(0, 1)
            return color.hsv_to_rgb(hsv)

        return change

    def gaussian_blur(sd: float) -> Severity:
        length = 2 * int(4 * sd + 0.5) + 1
        return lambda x: filters.gaussian_blur2d(x, (length, length), (sd, sd), "replicate")

    def motion_blur(radius: float, sd: float) -> Severity:
        del sd
        return clipped(augmentation.RandomMotionBlur(int(2 * radius + 1), 45.0, (1.0, 1.0), "REPLICATE", p=1.0))

    def elastic_transform(alpha: float, sd: float, jitter: float) -> Severity:
        del jitter
        sd, share = max(sd, 0.5), 2 * alpha / size
        length = 2 * int(3 * sd + 0.5) + 1
        return clipped(
            augmentation.RandomElasticTransform(
                (length, length), (sd, sd), (share, share), padding_mode="reflection", p=1.0
            )
        )

    def jpeg_compression(quality: float) -> Severity:
        return lambda x: enhance.jpeg_codec_differentiable(x, torch.full((len(x),), quality))

    make: dict[str, Callable[..., Severity]] = {
        "gaussian_noise": lambda sd: clipped(augmentation.RandomGaussianNoise(0.0, sd, p=1.0)),
        "impulse_noise": lambda share: by_channel(
            augmentation.RandomSaltAndPepperNoise((share, share), (0.5, 0.5), p=1.0)
        ),
        "motion_blur": motion_blur,
        "snow": lambda mix, **_: clipped(augmentation.RandomSnow((1 - mix, 1 - mix), (2.5, 2.5), p=1.0)),
        "fog": lambda amount, **_: clipped(
            augmentation.RandomPlasmaBrightness((0.5, 0.5), (min(amount / 4, 1.0),) * 2, p=1.0)
        ),
        "brightness": lambda added: in_hsv(2, 1.0, added),
        "contrast": lambda factor: by_channel(
            functools.partial(enhance.adjust_contrast_with_mean_subtraction, factor=factor)
        ),
        "elastic_transform": elastic_transform,
        "jpeg_compression": jpeg_compression,
        "gaussian_blur": gaussian_blur,
        "saturate": lambda factor, offset: in_hsv(1, factor, offset),
    }

    if size > _LARGEST_ELASTIC:
        del make["elastic_transform"]

    def without_gradients(function: Severity) -> Severity:
        def run(x: Any) -> Any:
            with torch.inference_mode():
                return function(x)

        return run

    kinds = {kind: [without_gradients(f) for f in each] for kind, each in _all_severities(make, size).items()}
    return Library(
        "kornia",
        kinds,
        prepare=lambda images: torch.from_numpy(np.float32(images.transpose(0, 3, 1, 2)) / 255),
        finish=lambda x: _cut(x.numpy().transpose(0, 2, 3, 1)),
        one_by_one=False,
    )


# ---------------------------------------------------------------- dm_pix


def dm_pix(size: int, threads: int) -> Library:
    """Returns dm_pix' functions on batches `[B, H, W, 3]` float32 in [0, 1], compiled by jax.jit.

    Raises:
        ImportError: It is absent.
    """
    del threads  # of this process
    import dm_pix as pix
    import jax
    import jax.numpy as jnp

    def compiled(function: Callable[[Any], Any]) -> Severity:
        run = jax.jit(lambda x: jnp.clip(function(x), 0.0, 1.0))
        return lambda x: run(x).block_until_ready()

    def in_hsv(channel: int, factor: float, added: float) -> Severity:
        def change(x: Any) -> Any:
            hsv = pix.rgb_to_hsv(x)
            planes = [hsv[..., i] for i in range(3)]
            planes[channel] = jnp.clip(planes[channel] * factor + added, 0.0, 1.0)
            return pix.hsv_to_rgb(jnp.stack(planes, axis=-1))

        return compiled(change)

    def gaussian_blur(sd: float) -> Severity:
        reach = int(4 * sd + 0.5)

        def blur(x: Any) -> Any:  # it pads with zeros: padded here as the reference does
            x = jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
            return pix.gaussian_blur(x, sd, 2 * reach + 1, padding="VALID")

        return compiled(blur)

    def elastic_transform(alpha: float, sd: float, jitter: float) -> Severity:
        del jitter

        def deform(x: Any) -> Any:
            keys = jax.random.split(jax.random.key(0), len(x))
            return jax.vmap(lambda k, image: pix.elastic_deformation(k, image, alpha, max(sd, 0.8)))(keys, x)

        return compiled(deform)

    make: dict[str, Callable[..., Severity]] = {
        "brightness": lambda added: in_hsv(2, 1.0, added),
        "contrast": lambda factor: compiled(lambda x: pix.adjust_contrast(x, factor)),
        "elastic_transform": elastic_transform,
        "gaussian_blur": gaussian_blur,
        "saturate": lambda factor, offset: in_hsv(1, factor, offset),
    }
    if size > _LARGEST_ELASTIC:
        del make["elastic_transform"]
    return Library(
        "dm_pix",
        _all_severities(make, size),
        prepare=lambda images: jnp.asarray(np.float32(images) / 255),
        finish=lambda x: _cut(np.asarray(x)),
        one_by_one=False,
    )


LOADERS = {"albumentations": albumentations, "kornia": kornia, "dm_pix": dm_pix}
"""`{library: (size, threads) -> Library}`, for those that are installed as packages."""
