"""Adherence to sketches against brute force."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.data import pipeline, sketch
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import sketches
from ich_jax.types import Batch, Brief, DesignSpace, Reading

SPACE = DesignSpace(("a", "b"), axes=("width",), sketches=True)
EDGES = np.random.default_rng(0).random((5, 9, 11)) < 0.08
OTHERS = np.random.default_rng(1).random((5, 9, 11)) < 0.08


def test_f1_and_chamfer_are_those_of_brute_force() -> None:
    f1, chamfer = sketches.edge_f1(EDGES, OTHERS), sketches.chamfer(EDGES, OTHERS)
    for n in range(len(EDGES)):
        a, b = np.argwhere(EDGES[n]), np.argwhere(OTHERS[n])
        apart = np.abs(a[:, None] - b[None])
        near = apart.max(-1) <= 1
        precision, recall = near.any(1).mean(), near.any(0).mean()
        assert f1[n] == pytest.approx(2 * precision * recall / (precision + recall) if near.any() else 0.0)
        distance = np.sqrt((apart**2).sum(-1))
        assert chamfer[n] == pytest.approx((distance.min(1).mean() + distance.min(0).mean()) / 2)
    np.testing.assert_array_equal(sketches.edge_f1(EDGES, EDGES), 1.0)
    np.testing.assert_array_equal(sketches.chamfer(EDGES, EDGES), 0.0)


def test_where_nothing_is_drawn() -> None:
    none = np.zeros_like(EDGES)
    np.testing.assert_array_equal(sketches.edge_f1(EDGES, none), 0.0)
    np.testing.assert_allclose(sketches.chamfer(none, EDGES), np.hypot(9, 11))
    np.testing.assert_array_equal(sketches.edge_f1(none, none), 1.0)
    np.testing.assert_array_equal(sketches.chamfer(none, none), 0.0)


def test_a_shift_by_one_pixel_is_within_and_one_by_two_is_not() -> None:
    line = np.zeros((1, 12, 12), bool)
    line[0, 2:10, 4] = True
    assert sketches.edge_f1(line, np.roll(line, 1, 2))[0] == 1.0
    assert sketches.edge_f1(line, np.roll(line, 2, 2))[0] == 0.0
    assert sketches.chamfer(line, np.roll(line, 2, 2))[0] == 2.0


def images() -> Batch:
    """Squares of different places, every third of which has no sketch."""
    rng = np.random.default_rng(0)
    pixels = np.full((9, 16, 16, 3), 255, np.uint8)
    for n, (top, left) in enumerate(rng.integers(1, 7, (9, 2))):
        pixels[n, top : top + 8, left : left + 8] = 90
    image = jnp.asarray(pipeline.to_unit(pixels))
    given = np.ones((9, 3), np.float32)
    given[::3, -1] = 0.0
    axes = rng.uniform(-3, 3, (9, 1)).astype(np.float32)
    brief = Brief(
        jnp.zeros(9, jnp.int32),
        jnp.zeros((9, 0), jnp.int32),
        jnp.asarray(axes),
        jnp.asarray(given),
        sketch.derive(image),
    )
    return Batch(image, brief)


def dataset(batch: Batch) -> Dataset:
    return Dataset(
        space=SPACE,
        size=16,
        channels=3,
        n_train=9,
        n_holdout=9,
        fingerprint="made",
        simulated=False,
        arrays=None,
        sample=None,
        host_batches=None,
        holdout=lambda split, n: jax.tree.map(lambda x: x[:n], batch),
        train_images=lambda n: batch,
        briefs=lambda key, n: batch.brief,
    )


def test_a_generator_that_copies_the_sketch_reaches_the_real_row() -> None:
    batch = images()

    def sampler(params: None, key: jax.Array, brief: Brief) -> jax.Array:
        if brief.sketch is None:
            return jnp.ones((len(brief.product), 16, 16, 3))  # nothing drawn
        return jnp.repeat(brief.sketch * 2 - 1, 3, axis=3)

    def read(drawn: jax.Array) -> Reading:
        n = len(drawn)
        return Reading(jnp.zeros((n, 2)), (), jnp.full((n, 1), 0.5))

    found = sketches.measure(dataset(batch), sampler, None, read, n=9, key=jax.random.key(0))
    assert found is not None and found.n == 6
    assert found.real.f1 == 1.0 and found.real.chamfer == 0.0
    assert found.followed.f1 > 0.99 and found.followed.chamfer < 0.3
    assert found.withheld.f1 == 0.0 and found.withheld.chamfer == pytest.approx(np.hypot(16, 16))
    rows = np.arange(9)[np.arange(9) % 3 > 0]
    wanted = np.abs(0.5 - np.asarray(batch.brief.axes)[rows, 0])
    assert found.followed.axis_mae == pytest.approx(wanted.mean(), rel=1e-5)
    np.testing.assert_array_equal(found.shown.real, pipeline.to_uint8(np.asarray(batch.image))[rows])

    bare = batch._replace(brief=batch.brief._replace(given=batch.brief.given.at[:, -1].set(0.0)))
    assert sketches.measure(dataset(bare), sampler, None, read, n=9, key=jax.random.key(0)) is None
    assert dataclasses.replace(SPACE, sketches=False).n_given == 2
