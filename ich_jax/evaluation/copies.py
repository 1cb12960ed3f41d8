"""Search for copies: how far generated images, and unseen real ones, are from the nearest training images."""

import dataclasses

import numpy as np
import numpy.typing as npt

from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing, neighbours

_TRAIN_IMAGES = 10_000  # training images that are searched for copies, at most
_SIMULATED_TRAIN_IMAGES = 2_000  # the same of a set that has to draw them anew, which takes longer than everything else
_TRAIN_BYTES = 512 * 2**20  # and as many as fit here as float32
_SIZE = 16  # px at which images are compared: copies remain recognisable, and 10,000 images take a second
_PAIRS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class ClosestPairs:
    """The generated images nearest to any training image, nearest first.

    Attributes:
        generated: `[K, H, W, C]` uint8.
        training: `[K, H, W, C]` uint8, the training image nearest to each.
        distance: `[K]` root mean square pixel difference at 16 px, pixels in [0, 1].
    """

    generated: drawing.Images
    training: drawing.Images
    distance: npt.NDArray[np.float64]


def search(
    dataset: Dataset, generated: drawing.Images, real: drawing.Images
) -> tuple[neighbours.Memorisation, ClosestPairs]:
    """Searches the first training images: as many as `_TRAIN_IMAGES` and `_TRAIN_BYTES` allow.

    Args:
        dataset: Source of the training images.
        generated: `[N, H, W, C]` uint8.
        real: `[M, H, W, C]` uint8, held-out real images.
    """
    most = _SIMULATED_TRAIN_IMAGES if dataset.simulated else _TRAIN_IMAGES
    n_train = min(dataset.n_train, most, _TRAIN_BYTES // (4 * dataset.size**2 * dataset.channels))
    train = drawing.stored(dataset.train_images(n_train).image)
    train_pixels = _small(train)
    of_generated = neighbours.nearest_distances(_small(generated), train_pixels)
    of_real = neighbours.nearest_distances(_small(real), train_pixels)
    nearest_first = np.argsort(of_generated.distance, kind="stable")[:_PAIRS]
    return (
        neighbours.memorisation(of_generated.distance, of_real.distance, len(train)),
        ClosestPairs(
            generated=generated[nearest_first],
            training=train[of_generated.index[nearest_first]],
            distance=of_generated.distance[nearest_first],
        ),
    )


def _small(images: drawing.Images) -> npt.NDArray[np.float32]:
    """Returns `[N, d]` pixels in [0, 1] at 16 px over sqrt(d): their distance is a root mean square difference."""
    n, height, width, _ = images.shape
    factor = max(1, height // _SIZE)
    height, width = height // factor * factor, width // factor * factor
    blocks = images[:, :height, :width].reshape(n, height // factor, factor, width // factor, factor, -1)
    pixels = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)
    return pixels / np.float32(255.0 * np.sqrt(pixels.shape[1]))
