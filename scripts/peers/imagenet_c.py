"""The reference implementation of the corruptions, run from a checkout of github.com/hendrycks/robustness.

It was written for the libraries of 2018 and for fixed sizes, and needs ImageMagick. Here only its functions are
compiled from the checkout and given their dependencies: present names of functions that have been renamed,
ImageMagick's motion blur after its documentation, and random numbers that a caller can prescribe.
"""

import ast
import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import scipy.ndimage
import scipy.special
import skimage
import skimage.color
import skimage.filters
import skimage.util
from PIL import Image

SCRIPTS = {32: "ImageNet-C/create_c/make_cifar_c.py", 224: "ImageNet-C/imagenet_c/imagenet_c/corruptions.py"}
TEXTURES = "ImageNet-C/create_c"
FROST = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""Textures of frost; the reference has a sixth and never uses it."""


class Random:
    """Stands in for numpy.random: quantiles of uniform numbers, from PCG64 or as prescribed.

    Args:
        uniforms: `shape -> uniform numbers of that shape in (0, 1)`.
    """

    def __init__(self, uniforms: Callable[[tuple[int, ...]], np.ndarray]) -> None:
        self._uniforms = uniforms

    def _draw(self, size: Any) -> np.ndarray:
        return self._uniforms(() if size is None else (size,) if isinstance(size, int) else tuple(size))

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        """As numpy's."""
        return low + (high - low) * self._draw(size)

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        """As numpy's."""
        return loc + scale * scipy.special.ndtri(self._draw(size))

    def randint(self, low: int, high: int | None = None, size: Any = None) -> Any:
        """As numpy's."""
        if high is None:
            low, high = 0, low
        return (low + np.floor((high - low) * self._draw(size))).astype(int)

    def poisson(self, rate: np.ndarray) -> np.ndarray:
        """As numpy's."""
        return np.random.default_rng(int(self._draw(None) * 2**32)).poisson(rate)


def load(checkout: Path, size: int, random: Random) -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """Returns `{kind: function}` of `(image [H, W, 3] uint8, severity) -> [H, W, 3] uint8` for 32 or 224 px."""
    source = (checkout / SCRIPTS[size]).read_text()
    wanted = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name != "fgsm"]
    numpy = _Numpy(random)
    names: dict[str, Any] = {
        "np": numpy,
        "cv2": cv2,
        "os": os,
        "PILImage": Image,
        "BytesIO": io.BytesIO,
        "scizoom": scipy.ndimage.zoom,
        "map_coordinates": scipy.ndimage.map_coordinates,
        "gaussian": _gaussian,
        "MotionImage": _MotionImage,
        "resource_filename": lambda _, path: os.path.basename(path),
        "sk": SimpleNamespace(
            color=skimage.color, util=SimpleNamespace(random_noise=lambda x, mode, amount: _salt(x, amount, random))
        ),
    }
    exec(compile(ast.Module(list(wanted), []), SCRIPTS[size], "exec"), names)
    textures = checkout / TEXTURES
    kinds = [node.name for node in wanted if [arg.arg for arg in node.args.args][1:] == ["severity"]]

    def make(kind: str) -> Callable[[np.ndarray, int], np.ndarray]:
        def corrupt(image: np.ndarray, severity: int) -> np.ndarray:
            with contextlib.chdir(textures):
                return np.asarray(names[kind](Image.fromarray(image), severity)).astype(np.uint8)

        return corrupt

    return {kind: make(kind) for kind in kinds}


class _Numpy:
    """numpy, with prescribed random numbers and two names that it had in 2018."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.float_ = np.float64

    def fromstring(self, data: bytes, dtype: Any) -> np.ndarray:
        return np.frombuffer(data, dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _gaussian(x: np.ndarray, sigma: float, multichannel: bool = False, **rest: Any) -> np.ndarray:
    return skimage.filters.gaussian(x, sigma=sigma, channel_axis=-1 if multichannel else None, **rest)


def _salt(x: np.ndarray, amount: float, random: Random) -> np.ndarray:
    """Salt and pepper as `skimage.util.random_noise` draws it."""
    flipped, salted = random.uniform(size=x.shape) <= amount, random.uniform(size=x.shape) <= 0.5
    return np.where(flipped, salted.astype(float), x)


class _MotionImage:
    """Motion blur of a PNG as ImageMagick documents it: half a Gaussian along a line of nearest pixels."""

    def __init__(self, blob: bytes) -> None:
        self._image = np.asarray(Image.open(io.BytesIO(blob)))

    def motion_blur(self, radius: float, sigma: float, angle: float) -> None:
        n = int(2 * radius + 1)
        kernel = np.exp(-(np.arange(n) ** 2) / (2 * sigma**2))
        kernel /= kernel.sum()
        down, right = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
        height, width = self._image.shape[:2]
        rows, columns = np.arange(height), np.arange(width)
        total = np.zeros(self._image.shape)
        for i, weight in enumerate(kernel):
            y = np.clip(rows + int(np.ceil(i * down - 0.5)), 0, height - 1)
            x = np.clip(columns + int(np.ceil(i * right - 0.5)), 0, width - 1)
            total += weight * self._image[y][:, x]
        self._image = np.round(total).astype(np.uint8)

    def make_blob(self) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(self._image).save(stream, format="PNG")
        return stream.getvalue()


def frost_crops(checkout: Path, size: int, n: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yields crops of the frost textures as the reference takes them, equally many of each, `[size, size, 3]` uint8."""
    rng, scale = np.random.default_rng(seed), 0.2 if size == 32 else 1.0
    for name in FROST:
        texture = cv2.imread(str(checkout / TEXTURES / name))[..., ::-1]
        texture = cv2.resize(texture, (0, 0), fx=scale, fy=scale) if scale < 1 else texture
        for _ in range(n // len(FROST)):
            y, x = (rng.integers(0, side - size) for side in texture.shape[:2])
            yield texture[y : y + size, x : x + size]


def pictures(n: int, size: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yields pictures with flat and shaded areas, edges and grain, `[H, W, 3]` uint8: made up, the same everywhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    for _ in range(n):
        picture = rng.random(3) * 0.6 + 0.2 + 0.3 * (rng.random(3) - 0.5) * (x + y)[..., None]
        for _ in range(6):
            cy, cx, ry, rx = rng.random(4) * (1, 1, 0.3, 0.3) + (0, 0, 0.08, 0.08)
            inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
            picture[inside] = rng.random(3) * (1.0 if rng.random() < 0.7 else 0.02)
        picture += (rng.random((size, size, 3)) - 0.5) * 0.1
        yield (np.clip(picture, 0, 1) * 255).astype(np.uint8)
