"""A world small enough to know every answer: a picture writes its brief into flat cells, and noise below them."""

import functools

import jax
import jax.numpy as jnp

from ich_jax import config as config_lib
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import designs
from ich_jax.types import Batch, Brief, DesignSpace, Element, Reading

SPACE = DesignSpace(("fan", "book"), (Element("trim", ("plain", "gold", "red")),), ("width", "depth"))
BARE = DesignSpace(("fan", "book"))
SIZE = 16
CELL = 4
WORLD = {"train": 0, "validation": 1, "test": 2}


def paint(brief, noise):
    """`[B, 8, 16, 1]` noise under a row of cells: product, then element categories, then axes over 3."""
    levels = [2.0 * brief.product.astype(jnp.float32)[:, None] - 1.0]
    levels += [brief.elements.astype(jnp.float32) - 1.0] if brief.elements.shape[1] else []
    levels = jnp.concatenate([*levels, brief.axes / 3.0], axis=1)
    cells = jnp.repeat(levels, CELL, axis=1)[:, None, :, None]
    cells = jnp.pad(cells, ((0, 0), (0, 0), (0, SIZE - cells.shape[2]), (0, 0)))
    return jnp.concatenate([jnp.repeat(cells, SIZE // 2, axis=1), noise], axis=1)


def draw_noise(key, n):
    return 0.5 * jax.random.normal(key, (n, SIZE // 2, SIZE, 1), jnp.float32)


def draw_brief(space, key, n):
    keys = jax.random.split(key, 3)
    return Brief(
        jax.random.randint(keys[0], (n,), 0, len(space.products)),
        jax.random.randint(keys[1], (n, len(space.elements)), 0, 3),
        jax.random.uniform(keys[2], (n, len(space.axes)), jnp.float32, -3.0, 3.0),
        jnp.ones((n, space.n_given), jnp.float32),
    )


@functools.partial(jax.jit, static_argnames=("space", "n"))
def real(space, key, n):
    brief = draw_brief(space, key, n)
    return Batch(pipeline.to_unit(pipeline.to_uint8(paint(brief, draw_noise(jax.random.fold_in(key, 9), n)))), brief)


def make_dataset(space=SPACE, *, n_holdout=100_000, n_train=300, simulated=True):
    def images(split, n):
        return real(space, jax.random.key(WORLD[split]), n)

    return Dataset(
        space=space,
        size=SIZE,
        channels=1,
        n_train=n_train,
        n_holdout=2 * n_holdout,
        fingerprint="tiny",
        simulated=simulated,
        arrays=(),
        sample=None,
        host_batches=None,
        holdout=lambda split, n: jax.tree.map(lambda leaf: leaf[: min(n, n_holdout)], images(split, n)),
        train_images=lambda n: images("train", n),
        briefs=functools.partial(draw_brief, space),
    )


@functools.partial(jax.jit, static_argnames="space")
def read_cells(images, space=SPACE):
    n_cells = 1 + len(space.elements) + len(space.axes)
    cells = images[:, : SIZE // 2, : CELL * n_cells, 0].reshape(-1, SIZE // 2, n_cells, CELL).mean(axis=(1, 3))

    def logits(value, levels):
        return -jnp.square(value[:, None] - jnp.asarray(levels, jnp.float32)[None, :])

    return Reading(
        logits(cells[:, 0], [-1.0, 1.0]),
        tuple(logits(cells[:, 1 + i], [-1.0, 0.0, 1.0]) for i in range(len(space.elements))),
        3.0 * cells[:, 1 + len(space.elements) :],
    )


@jax.jit
def perfect(params, key, brief):
    return paint(brief, draw_noise(key, brief.product.shape[0]) * params)


def real_draws(brief, key, n):
    b = brief.product.shape[0]
    repeated = jax.tree.map(lambda leaf: jnp.repeat(leaf, n, axis=0), brief)
    return paint(repeated, draw_noise(key, b * n)).reshape(b, n, SIZE, SIZE, 1)


def make_config(**evaluation):
    settings = dict(
        n_designs=150, n_validation=50, n_images=200, feature_seeds=2, kid_subset=60, kid_subsets=10,
        diversity_briefs=20, diversity_draws=12,
    )  # fmt: skip
    return config_lib.Config(evaluation=config_lib.EvalConfig(**(settings | evaluation)))


CONFIG = make_config()
EXACT = 3.0 / 127.5  # an axis is read to the rounding of a pixel


@functools.cache
def ideal_evaluation():
    """The evaluation of a perfect generator."""
    return designs.evaluate(
        CONFIG,
        make_dataset(),
        perfect,
        jnp.float32(1.0),
        read_cells,
        d_score=lambda images, brief: images[:, -1, 0, 0],
        real_draws=real_draws,
    )
