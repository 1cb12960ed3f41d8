"""Images and labels in one `.npz` file of arrays."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax import errors
from ich_jax.config import DataConfig, fingerprint
from ich_jax.data import archive, decode, measure, pipeline, split
from ich_jax.data.dataset import Dataset
from ich_jax.types import Brief, DesignSpace

PREPARATION = 1
"""Part of the fingerprint; raise it whenever the same file would give other pixels, briefs or splits."""

_IMAGES = ("x", "image", "images")
_LABELS = ("y", "label", "labels")
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as pillow's conversion to grey


def make(config: DataConfig) -> Dataset:
    """Makes the dataset of a `.npz` file.

    The file holds `x` (or `image`, `images`): uint8 `[N, H, W]` or `[N, H, W, C]`, C 1 or 3; optionally `y` (or
    `label`, `labels`): `[N]` integers from 0, or names; optionally `class_names`. Pictures larger than
    `config.size` are scaled by area, grey and colour are converted to `config.channels`, and the axes are measured.

    Raises:
        DataError: Names the file, the array and the row, the allowed values and how to repair it.
    """
    path = Path(config.path)
    arrays = _load(path)
    images = _find_images(path, arrays, config.size)
    product, products = _find_labels(path, arrays, len(images))
    if config.elements not in ("auto", "none", "") or config.keywords:
        raise errors.DataError(
            f"{path}: elements and keywords need the metadata.csv of an image folder; set --config.data.elements=none "
            "and --config.data.keywords=0, or use --config.data.source=folder."
        )
    if config.axes not in ("auto", "measured", "none", ""):
        raise errors.DataError(
            f"{path}: --config.data.axes={config.axes!r} names columns, which a .npz file does not have; allowed: "
            "auto, measured, none."
        )
    pixels = _convert(images, config)
    n, measured = len(images), config.axes in ("auto", "measured")
    axes = measure.measure(pipeline.to_unit(pixels), np) if measured else np.zeros((n, 0), np.float32)
    contents = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    elements = np.zeros((n, 0), np.int32)
    rows = split.split_rows(
        product, elements, elements, [f"{row:09d}" for row in range(n)], contents, config.holdout_share
    )
    brief: tuple[Any, ...] = (
        product,
        elements,
        axes,
        np.ones((n, 1 + axes.shape[1] + (config.sketches == "derived")), np.float32),
    )  # on the host: numpy where Brief says jax
    records = pipeline.Records(
        space=DesignSpace(products, (), measure.AXES if measured else (), sketches=config.sketches == "derived"),
        size=config.size,
        channels=config.channels,
        brief=Brief(*brief),
        rows=rows,
        load=lambda index: pixels[index],
        fingerprint=fingerprint(
            [
                PREPARATION,
                contents,
                product.tolist(),
                products,
                config.size,
                config.channels,
                config.holdout_share,
                measured,
            ]
        ),
    )
    return pipeline.make_dataset(records, device_limit_mib=config.device_limit_mib, workers=0)


def _load(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise errors.DataError(
            f"No .npz file at {path}{' (it is a folder)' if path.is_dir() else ''}; correct --config.data.path, or set "
            "--config.data.source=folder for a folder of images."
        )
    wanted = (*_IMAGES, *_LABELS, "class_names")
    try:
        found = archive.read(path, wanted)
        return found or dict.fromkeys(archive.listed(path), np.empty(0))
    except errors.DataError as error:
        raise errors.DataError(
            f"{path} is not a readable .npz file of plain arrays ({error}); write it again with "
            "numpy.savez(path, x=..., y=...). Arrays of Python objects are refused because reading them can run code."
        ) from error


def _find_images(path: Path, arrays: dict[str, np.ndarray], size: int) -> np.ndarray:
    name = next((name for name in _IMAGES if name in arrays), None)
    if name is None:
        raise errors.DataError(
            f"{path} holds no images: expected an array named {' or '.join(_IMAGES)}, got {list(arrays)}."
        )
    images = arrays[name]
    if images.dtype != np.uint8:
        raise errors.DataError(
            f"{path}: array {name!r} is {images.dtype}; expected uint8 from 0 to 255. Scale it and store "
            "x.round().astype('uint8')."
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise errors.DataError(
            f"{path}: array {name!r} has shape {arrays[name].shape}; expected [N, H, W] or [N, H, W, C] with 1 or 3 "
            "channels last (transpose [N, C, H, W] with x.transpose(0, 2, 3, 1)) and at least one image."
        )
    if max(images.shape[1:3]) < size:
        raise errors.DataError(
            f"{path}: the images of array {name!r} are {images.shape[1]}x{images.shape[2]} px, smaller than the "
            f"model's {size} px, and are not enlarged; set --config.data.size to {max(images.shape[1:3])} or less."
        )
    return images


def _find_labels(path: Path, arrays: dict[str, np.ndarray], n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    names = None
    if "class_names" in arrays:
        stored = arrays["class_names"]
        if stored.ndim != 1 or stored.dtype.kind not in "US" or not 0 < len(stored) <= n:
            raise errors.DataError(
                f"{path}: class_names is {stored.dtype} of shape {stored.shape}; expected one to {n} names (no more "
                "than there are images), as np.array([...]) of text."
            )
        names = tuple(map(str, stored.astype("U")))
        _check_names(path, names)
    key = next((name for name in _LABELS if name in arrays), None)
    if key is None:
        if names is not None and len(names) != 1:
            raise errors.DataError(
                f"{path} names {len(names)} classes but holds no labels; add an array y of length {n}."
            )
        return np.zeros(n, np.int32), names or ("image",)
    labels = arrays[key]
    if labels.shape != (n,):
        raise errors.DataError(f"{path}: array {key!r} has shape {labels.shape}; expected ({n},), one label per image.")
    if labels.dtype.kind == "U":
        names = names or tuple(str(name) for name in np.unique(labels))
        _check_names(path, names)
        for row, label in enumerate(labels):
            if label not in names:
                raise errors.DataError(f"{path}: {key}[{row}] is {str(label)!r}; {errors.nearest(str(label), names)}.")
        labels = np.array([names.index(label) for label in labels])
    elif labels.dtype.kind not in "iu":
        raise errors.DataError(f"{path}: array {key!r} is {labels.dtype}; expected integers from 0, or names.")
    limit = len(names) if names else int(labels.max()) + 1
    if limit > n and not names:
        raise errors.DataError(
            f"{path}: the largest of {key!r} is {labels.max()}, but {n} images can be of {n} classes at most: labels "
            f"count from 0 without gaps, so allowed are 0 to {n - 1}. Number the classes anew, or store their names."
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= limit))
    if len(wrong):
        meaning = f" ({', '.join(names[:10])}{', ...' * (len(names) > 10)})" if names else ""
        raise errors.DataError(
            f"{path}: {key}[{wrong[0]}] is {labels[wrong[0]]}, and {len(wrong) - 1} more are outside the classes; "
            f"allowed: 0 to {limit - 1}{meaning}. Correct the labels or class_names."
        )
    names = names or tuple(str(label) for label in range(limit))
    empty = [name for label, name in enumerate(names) if not (labels == label).any()]
    if empty:
        raise errors.DataError(
            f"{path}: no image of class {', '.join(empty[:10])}{f' and {len(empty) - 10} more' * (len(empty) > 10)}; "
            f"every class needs one. Remove the class from class_names "
            "and number the labels from 0 without gaps."
        )
    return labels.astype(np.int32), names


def _check_names(path: Path, names: Sequence[str]) -> None:
    unclean = [name for name in names if not errors.clean(name)]
    if unclean:
        raise errors.DataError(
            f"{path}: the class name {errors.abbreviated(unclean[0])} holds control characters, which can neither be "
            "printed nor drawn; take them out."
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise errors.DataError(f"{path}: the class {twice!r} is named twice; name each once.")


def _convert(images: np.ndarray, config: DataConfig) -> np.ndarray:
    if images.shape[3] == 3 and config.channels == 1:
        images = np.rint(images @ _LUMA).astype(np.uint8)[..., None]
    elif images.shape[3] == 1 and config.channels == 3:
        images = np.repeat(images, 3, axis=3)
    return np.stack([decode.fit_square(image, config.size) for image in images])
