"""The interface of a data set to training and evaluation, whatever its source."""

import dataclasses
from collections.abc import Callable, Iterator

import jax

from ich_jax.types import Batch, Brief, DesignSpace, ImageSpec, PyTree

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A set of images with briefs, as pure functions.

    Exactly one of `sample` and `host_batches` feeds training: device-resident and procedural sets are sampled inside
    the compiled step, sets too large for the device come from the host. Both give the same order of images for the
    same seed, and that order is a pure function of (seed, step).

    Attributes:
        space: Names of products, elements and axes.
        size: Height and width in pixels.
        channels: 1 or 3.
        n_train: Number of training images.
        n_holdout: Number of held-out images that exist (procedural sets: any number).
        fingerprint: Identifies the images and how they were prepared.
        simulated: True for procedural images.
        arrays: Pytree of device arrays that `sample` reads; an argument of the compiled step, never a constant in it.
        sample: `(arrays, index) -> Batch` of the training images at `index` `[B]` uint32, jittable. None when the set
            is fed from the host.
        host_batches: `(seed, start_step, batch, local_rows=None) -> iterator` of host `Batch`es from `start_step` on;
            None when sampled in the step. `seed` is the integer from which the data key is made; `local_rows` are the
            rows of each batch to load, by default all.
        holdout: `(split, n) -> Batch` of the first n images of `validation` or `test`, which training never sees.
        train_images: `(n) -> Batch` of n training images (memorisation check, sheets), without augmentation.
        briefs: `(key, n) -> Brief` drawn from the distribution of the set's briefs, with everything known stated but
            sketches: a sketch says where a design stands as well, so it belongs to one picture.
    """

    space: DesignSpace
    size: int
    channels: int
    n_train: int
    n_holdout: int
    fingerprint: str
    simulated: bool
    arrays: PyTree
    sample: Callable[[PyTree, jax.Array], Batch] | None
    host_batches: Callable[..., Iterator[Batch]] | None
    holdout: Callable[[str, int], Batch]
    train_images: Callable[[int], Batch]
    briefs: Callable[[jax.Array, int], Brief]

    @property
    def spec(self) -> ImageSpec:
        """Design space and shape of the images."""
        return ImageSpec(self.space, self.size, self.channels)
