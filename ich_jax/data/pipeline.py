"""From prepared records to a `Dataset`: the order of images, on the device or from the host.

The order is a pure function of (seed, step). Position p of the endless stream of training images belongs to epoch
p // n; within an epoch a keyed permutation of range(n) is evaluated at p mod n, so nothing is stored, nothing is
dropped at the end of an epoch, and a run can start at any step. `shuffled_index` and `batch_indices` give the same
bits under numpy and traced under jax, which is what makes the device path and the host path interchangeable.

The key of that order is `data_key(seed)`. A training step that samples on the device calls `dataset.sample(arrays,
index)` with the `batch_indices` of that key and the step; `dataset.host_batches(config.seed, ...)` does so itself.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors
from ich_jax.data import sketch as sketch_lib
from ich_jax.data.dataset import Dataset
from ich_jax.types import Array, ArrayT, Batch, Brief, DesignSpace, PyTree

_DATA_STREAM = 0x64617461  # "data": separates the order of images from every other use of the run's seed
_ROUNDS = 8  # four make a pseudorandom permutation in theory; the halves of small sets have few bits, so twice that
_PREFETCH = 4  # batches decoded ahead of the training step
_DECODE_THREADS = 4


# ---------------------------------------------------------------- order


def data_key(seed: int | jax.Array) -> jax.Array:
    """Returns the key that orders the images of a run.

    The implementation is fixed, so that a changed default generator (`jax_default_prng_impl`) moves no image.

    Args:
        seed: The run's `config.seed`; may be traced.
    """
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), _DATA_STREAM)


def shuffled_index(key: Array, epoch: Array, position: Array, n: int, xp: ModuleType = jnp) -> Any:
    """Evaluates a keyed permutation of range(n) without storing it.

    A balanced Feistel network on the smallest even number of bits that can hold n, followed along its cycle until it
    enters range(n) (fewer than four steps on average).

    Args:
        key: A jax key, or its words (`jax.random.key_data(key)`, `[K]` uint32), which is what numpy callers pass.
        epoch: `[B]` uint32; every epoch has its own permutation.
        position: `[B]` uint32, each below n.
        n: Number of images, from 1 to 2**31 - 1.
        xp: `jax.numpy` (may be traced) or `numpy`; both give the same bits.

    Returns:
        `[B]` uint32, distinct for the distinct positions of an epoch.

    References:
        Luby and Rackoff (1988), How to construct pseudorandom permutations from pseudorandom functions;
        Black and Rogaway (2002), Ciphers with arbitrary finite domains (cycle walking).
    """
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    mask = np.uint32((1 << half) - 1)
    shift = np.uint32(half)
    words = _words(key)
    stream = xp.asarray(epoch, dtype=np.uint32)
    for k in range(words.shape[0]):
        stream = _mix(stream ^ words[k : k + 1])
    round_keys = [_mix(stream + np.uint32(0x9E3779B9 * (r + 1) & 0xFFFFFFFF)) for r in range(_ROUNDS)]

    def permute(x: ArrayT) -> ArrayT:
        left, right = x >> shift, x & mask
        for round_key in round_keys:
            left, right = right, left ^ (_mix(right ^ round_key) & mask)
        return (left << shift) | right

    def walk(x: ArrayT) -> Any:
        return xp.where(x >= np.uint32(n), permute(x), x)

    x = permute(xp.asarray(position, dtype=np.uint32))
    if xp is np:
        while (x >= n).any():
            x = walk(x)
        return x
    return jax.lax.while_loop(lambda x: jnp.any(x >= np.uint32(n)), walk, x)


def batch_indices(key: Array, step: Array | int, batch: int, n: int, xp: ModuleType = jnp) -> Any:
    """Returns which training images make up the batch of a step.

    Image i of the batch sits at position step * batch + i of the endless stream; batches may straddle epochs.

    Args:
        key: A jax key, or its words.
        step: Scalar int, may be traced.
        batch: Images per step.
        n: Number of training images, from 1 to 2**31 - 1.
        xp: `jax.numpy` or `numpy`.

    Returns:
        `[batch]` uint32 indices into the training images.
    """
    n32 = np.uint32(n)

    def carry(epoch: ArrayT, offset: ArrayT) -> tuple[ArrayT, ArrayT]:
        over = offset >= n32
        return epoch + over.astype(np.uint32), xp.where(over, offset - n32, offset)

    # step * batch leaves 32 bits in long runs, so the product is formed as (epoch, offset) by doubling and adding over
    # the bits of `batch`: no intermediate exceeds 2 n.
    steps = xp.asarray(step).astype(np.uint32).reshape(1)
    step_epoch, step_offset = steps // n32, steps % n32
    epoch, offset = xp.zeros_like(steps), xp.zeros_like(steps)
    for bit in bin(batch)[2:]:
        epoch, offset = carry(epoch + epoch, offset + offset)
        if bit == "1":
            epoch, offset = carry(epoch + step_epoch, offset + step_offset)
    i = np.arange(batch, dtype=np.uint32)
    epoch, offset = carry(epoch + xp.asarray(i // n32), offset + xp.asarray(i % n32))
    return shuffled_index(key, epoch, offset, n, xp)


def _words(key: Array) -> Array:
    """Returns the uint32 words of a jax key; words are returned as they are."""
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


def _mix(x: ArrayT) -> ArrayT:
    """Hashes uint32 words (the finaliser `lowbias32` of Wellons' hash prospector)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


# ---------------------------------------------------------------- units


def to_unit(images: ArrayT) -> ArrayT:
    """Maps uint8 images to float32 in [-1, 1], 0 to -1 and 255 to 1.

    Works on numpy and jax arrays with the same bits: 2 x - 255 is exact, so there is one rounding, which no fusion of
    multiplication and addition can change.
    """
    return (images.astype(np.float32) * np.float32(2.0) - np.float32(255.0)) * np.float32(1.0 / 255.0)


def as_unit(images: ArrayT) -> ArrayT:
    """Returns images as floats in [-1, 1]: uint8 is mapped by `to_unit`, floats are left as they are."""
    return to_unit(images) if images.dtype == np.uint8 else images


def to_uint8(images: ArrayT) -> ArrayT:
    """Maps images in [-1, 1] to uint8, rounded to nearest and clipped; the inverse of `to_unit`."""
    scaled = (images.astype(np.float32) + np.float32(1.0)) * np.float32(127.5)
    return scaled.round().clip(0.0, 255.0).astype(np.uint8)


# ---------------------------------------------------------------- datasets


@dataclasses.dataclass(frozen=True)
class Records:
    """Prepared real images, on the host.

    Attributes:
        space: Names of products, elements and axes.
        size: Height and width in pixels.
        channels: 1 or 3.
        brief: The brief of each of N images, as numpy arrays, sketches as uint8. If the space has sketches and the
            briefs none, lines are found in the images.
        rows: Row numbers in [0, N) of each split: `train`, `validation`, `test`.
        load: `(rows) -> [B, H, W, C]` uint8 images of these rows.
        fingerprint: Identifies the images and how they were prepared.
    """

    space: DesignSpace
    size: int
    channels: int
    brief: Brief
    rows: dict[str, np.ndarray]
    load: Callable[[np.ndarray], np.ndarray]
    fingerprint: str


def fits_device(n: int, size: int, channels: int, limit_mib: int) -> bool:
    """Returns whether n images fit on the device as uint8 under `config.data.device_limit_mib`."""
    return n * size * size * channels <= limit_mib * 2**20


def make_dataset(records: Records, *, device_limit_mib: int, workers: int) -> Dataset:
    """Builds the dataset of real images: on the device when they fit, else fed from the host through grain.

    Args:
        records: The prepared images.
        device_limit_mib: Training sets up to this size are sampled inside the compiled step.
        workers: Worker processes of the host pipeline; 0 decodes in threads of the main process. Grain's worker
            processes read absl flags, so they need a program that was started by `absl.app.run`.
    """
    rows = records.rows
    n_train = len(rows["train"])
    train_brief = _take(records.brief, rows["train"])
    drawn_brief = train_brief.without_sketch()
    derive = _derives(records)
    on_device = fits_device(n_train, records.size, records.channels, device_limit_mib)

    def holdout(split: str, n: int) -> Batch:
        errors.require(split, ("validation", "test"), "Split of held-out images")
        return _on_device(_batch(records, rows[split][:n]))

    def train_images(n: int) -> Batch:
        return _on_device(_batch(records, rows["train"][:n]))

    def briefs(key: jax.Array, n: int) -> Brief:
        index = jax.random.randint(key, (n,), 0, n_train)
        drawn: Brief = jax.tree.map(lambda x: jnp.asarray(x)[index], drawn_brief)
        return drawn

    return Dataset(
        space=records.space,
        size=records.size,
        channels=records.channels,
        n_train=n_train,
        n_holdout=len(rows["validation"]) + len(rows["test"]),
        fingerprint=records.fingerprint,
        simulated=False,
        arrays=_on_device((records.load(rows["train"]), train_brief)) if on_device else None,
        sample=functools.partial(_sample, derive=derive) if on_device else None,
        host_batches=None if on_device else functools.partial(_host_batches, records, workers),
        holdout=holdout,
        train_images=train_images,
        briefs=briefs,
    )


def _batch(records: Records, index: np.ndarray) -> Batch:
    """Returns images and briefs at `index` `[B]`, on the host."""
    image: Any = to_unit(records.load(index))  # numpy where Batch says jax
    brief = _take(records.brief, index)
    if _derives(records):
        brief = brief._replace(sketch=sketch_lib.derive(image, np))
    return Batch(image, _with_page(brief))


def _derives(records: Records) -> bool:
    return records.space.sketches and records.brief.sketch is None


def _with_page(brief: Brief) -> Brief:
    """Turns sketches of 8 bits into floats in [0, 1]."""
    if brief.sketch is None or brief.sketch.dtype != np.uint8:
        return brief
    return brief._replace(sketch=brief.sketch.astype(np.float32) * np.float32(1.0 / 255.0))


def _on_device(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.asarray, tree)


def _sample(arrays: tuple[jax.Array, Brief], index: jax.Array, *, derive: bool = False) -> Batch:
    """Returns images and briefs at `index` `[B]` of arrays that are on the device; jittable."""
    images, brief = arrays

    def pick(x: jax.Array) -> jax.Array:
        return x.at[index].get(mode="promise_in_bounds")

    image, picked = to_unit(pick(images)), jax.tree.map(pick, brief)
    return Batch(image, picked._replace(sketch=sketch_lib.derive(image)) if derive else _with_page(picked))


def _host_batches(
    records: Records, workers: int, seed: int, start_step: int, batch: int, local_rows: np.ndarray | None = None
) -> Iterator[Batch]:
    """Yields the training batches from `start_step` on, as `Dataset.host_batches` says."""
    words = np.asarray(_words(data_key(seed)))
    train = records.rows["train"]

    def load(step: int) -> Batch:
        index = batch_indices(words, step, batch, len(train), np)
        return _batch(records, train[index if local_rows is None else index[local_rows]])

    steps = grain.MapDataset.range(start_step, np.iinfo(np.int32).max).map(load)
    stream = steps.to_iter_dataset(grain.ReadOptions(num_threads=_DECODE_THREADS, prefetch_buffer_size=_PREFETCH))
    if workers:
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(stream)


def check_batch(dataset: Dataset, batch: int) -> None:
    """Checks that a batch holds no image twice; called before anything is compiled.

    Raises:
        DataError: The batch is larger than the training set.
    """
    if not dataset.simulated and batch > dataset.n_train:
        raise errors.DataError(
            f"--config.train.batch is {batch}, larger than the {dataset.n_train} training images "
            f"({dataset.n_holdout} more are held out). Allowed: 1 to {dataset.n_train}; lower --config.train.batch, "
            "lower --config.data.holdout_share, or add images."
        )


def _take(brief: Brief, rows: np.ndarray) -> Brief:
    taken: Brief = jax.tree.map(lambda x: x[rows], brief)
    return taken
