"""Drawing and reading in batches of one shape, so that generator, inspector and discriminator each compile once."""

import enum
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.data import pipeline, procedural
from ich_jax.data.dataset import Dataset
from ich_jax.types import Brief, PyTree, Reading

Images = npt.NDArray[np.uint8]
Tree = TypeVar("Tree")

Sampler = Callable[[PyTree, jax.Array, Brief], jax.Array]
"""`(params, key, brief) -> [B, H, W, C]` float, as `training.sampling.make_sampler` returns it."""

Read = Callable[[jax.Array], Reading]
"""`images [B, H, W, C] float32 in [-1, 1] -> Reading`."""

Score = Callable[[jax.Array, Brief], jax.Array]
"""`(images [B, H, W, C] float32 in [-1, 1], brief) -> [B]`, higher where the discriminator sees a real image."""

RealDraws = Callable[[Brief, jax.Array, int], jax.Array]
"""`(brief of B, key, n) -> [B, n, H, W, C]` float in [-1, 1], real images of each brief; jittable, n static."""

BATCH = 128
"""Designs per call of the sampler, the inspector and the discriminator."""


class Purpose(enum.IntEnum):
    """The use of a key; the number is folded into the evaluation key, so that it must stay as it is."""

    DESIGNS = 0
    IMAGES = 1
    VALIDATION = 2
    DIVERSITY = 3
    SHEET = 4
    SWEEP = 5
    COMPARED_DESIGNS = 6
    BEST_OF = 7
    SKETCHES = 8


def noise_key(key: jax.Array, purpose: Purpose) -> jax.Array:
    """Returns the key of the noise, which differs from the key of the briefs for the same purpose."""
    return jax.random.fold_in(jax.random.fold_in(key, int(purpose)), 1)


def briefs(dataset: Dataset, key: jax.Array, purpose: Purpose, n: int) -> Brief:
    """Draws n briefs of the set (numpy arrays)."""
    return on_host(dataset.briefs(jax.random.fold_in(jax.random.fold_in(key, int(purpose)), 0), n))


def held_out(dataset: Dataset, split: str, n: int) -> tuple[Images, Brief]:
    """Returns the first n images of a split, or all that exist, with their briefs but for sketches (numpy arrays).

    Sketches are withheld so that figures are those of keywords alone, as in runs without sketches; what sketches add is
    measured by `sketches`.
    """
    real = dataset.holdout(split, n)
    return stored(real.image), on_host(real.brief).without_sketch()


def draw(sampler: Sampler, params: PyTree, key: jax.Array, brief: Brief) -> Images:
    """Draws one design per brief, rounded to 8 bits as it would be stored.

    The noise of a design depends on `key` and its position alone.

    Raises:
        DataError: A pixel is not finite.
    """

    def fetch(images: jax.Array) -> Images:
        quantised, finite = _quantise(images)
        if not finite:
            raise errors.DataError(
                "The generator drew pixels that are not finite, so nothing can be measured: its weights are damaged or "
                "training diverged. Take an earlier checkpoint."
            )
        return np.asarray(quantised)

    images: Images = _map(lambda i, chunk: sampler(params, jax.random.fold_in(key, i), chunk), brief, fetch)
    return images


def draw_real(real_draws: RealDraws, key: jax.Array, brief: Brief, n: int) -> Images:
    """Draws n real images `[B, n, H, W, C]` of each brief."""
    compiled = functools.partial(jax.jit, static_argnums=2)(real_draws)
    images: Images = _map(
        lambda i, chunk: compiled(chunk, jax.random.fold_in(key, i), n), brief, stored, batch=max(1, BATCH // n)
    )
    return images


def read_all(read: Read, images: Images) -> Reading:
    """Reads stored images (numpy arrays)."""
    reading: Reading = _map(lambda _, chunk: read(pipeline.to_unit(chunk)), images, on_host)
    return reading


def score_all(d_score: Score, images: Images, brief: Brief) -> npt.NDArray[np.float64]:
    """Returns the discriminator's score `[N]` of stored images under their briefs."""
    scores: npt.NDArray[np.float64] = _map(
        lambda _, chunk: d_score(pipeline.to_unit(chunk[0]), chunk[1]),
        (images, brief),
        lambda scores: np.asarray(scores, np.float64),
    )
    return scores


def stored(images: npt.ArrayLike) -> Images:
    """Returns real images in [-1, 1] as the 8-bit pixels that they were read from."""
    quantised: Images = pipeline.to_uint8(np.asarray(images))
    return quantised


def rows(tree: Tree, index: slice | Sequence[int] | npt.NDArray[np.integer]) -> Tree:
    """Picks rows of every leaf."""
    picked: Tree = jax.tree.map(lambda leaf: leaf[index], tree)
    return picked


def repeat(brief: Brief, n: int) -> Brief:
    """Repeats each brief n times in a row."""
    repeated: Brief = jax.tree.map(lambda leaf: np.repeat(leaf, n, axis=0), brief)
    return repeated


def on_host(tree: Tree) -> Tree:
    """Turns every leaf into a numpy array."""
    arrays: Tree = jax.tree.map(np.asarray, tree)
    return arrays


def _map(
    function: Callable[[int, Any], PyTree],
    tree: PyTree,
    fetch: Callable[[Any], PyTree],
    *,
    batch: int = BATCH,
) -> PyTree:
    """Applies `function(i, chunk)` to chunks of `batch` rows, the last one padded, and joins what `fetch` returns."""
    n = len(jax.tree.leaves(tree)[0])
    parts = []
    for i, start in enumerate(range(0, n, batch)):
        chunk = rows(tree, np.minimum(np.arange(start, start + batch), n - 1))
        parts.append(fetch(function(i, chunk)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:n], *parts)


@jax.jit
def _quantise(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    return pipeline.to_uint8(images), jnp.all(jnp.isfinite(images))


def make_real_draws(dataset: Dataset) -> RealDraws | None:
    """Returns the source of real images of a given brief; only a renderer has more than one image of a brief."""
    if not dataset.simulated:
        return None
    return lambda brief, key, n: procedural.draws(brief, key, n, dataset.size)
