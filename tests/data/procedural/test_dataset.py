"""The procedural designs: exact ground truth, one compilation, nothing that depends on the batch."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.config import DataConfig
from ich_jax.data import pipeline, procedural
from ich_jax.data.procedural import geometry as geometry_lib
from ich_jax.data.procedural import renderer, shapes
from ich_jax.data.procedural.shapes import PAIRED, PRODUCTS, SPACE
from ich_jax.types import Brief
from tests import helpers

silhouette_distance = jax.jit(renderer.silhouette_distance, static_argnums=1)
geometry_of = jax.jit(geometry_lib.build, static_argnums=2)
render = jax.jit(renderer.render, static_argnums=2)
KINDS = list(itertools.product(range(len(PRODUCTS)), range(len(SPACE.elements[0].categories))))


def brief_of(product, silhouette, axes=(0.0, 0.0, 0.0), elements=(0, 0, 0, 0)):
    return Brief(
        product=jnp.asarray([product], jnp.int32),
        elements=jnp.asarray([[silhouette, *elements]], jnp.int32),
        axes=jnp.asarray([axes], jnp.float32),
        given=jnp.ones((1, SPACE.n_given), jnp.float32),
    )


def box_of(mask, size):
    """Returns (left, top, right, bottom) of a mask in pixels at 32 px."""
    rows, columns = np.where(mask.any(1))[0], np.where(mask.any(0))[0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) * 32 / size


@pytest.mark.parametrize(("product", "silhouette"), KINDS)
def test_every_axis_moves_the_outline_by_ten_pixels(product, silhouette):
    size = 256
    assert 6 * geometry_lib._WIDTH[1] >= 10 and 6 * geometry_lib._HEIGHT[1] >= 10 and 6 * geometry_lib._DEPTH[1] >= 10
    for axis, sides in ((0, (0, 2)), (1, (1, 3))):
        low, high = np.zeros(3), np.zeros(3)
        low[axis], high[axis] = -3, 3
        boxes = [
            box_of(np.asarray(silhouette_distance(brief_of(product, silhouette, tuple(a)), size))[0] < 0, size)
            for a in (low, high)
        ]
        extent = [box[sides[1]] - box[sides[0]] for box in boxes]
        assert extent[1] - extent[0] >= 9.6  # a mask misses the very tips of acute corners
    boxes = [
        box_of(np.asarray(silhouette_distance(brief_of(product, silhouette, (0, 0, d)), size))[0] < 0, size)
        for d in (-3, 3)
    ]
    grown = [(box[2] - box[0], box[3] - box[1]) for box in boxes]
    assert np.hypot(grown[1][0] - grown[0][0], grown[1][1] - grown[0][1]) >= 9.6


@pytest.mark.parametrize(("product", "silhouette"), KINDS)
def test_width_and_height_are_the_extent_of_the_front_face(product, silhouette):
    size = 256
    axes = (1.5, -2.0, 0.5)
    geometry = geometry_of(brief_of(product, silhouette, axes), jnp.zeros((1, 2)), size)
    front = np.asarray(geometry.front[0, : shapes.SOLIDS]).min(0) < 0
    left, top, right, bottom = box_of(front, size)
    assert right - left == pytest.approx(17 + 5 / 3 * axes[0], abs=0.5)
    assert bottom - top == pytest.approx(17 + 5 / 3 * axes[1], abs=0.5)


@pytest.mark.parametrize("axes", [(-3, -3, -3), (3, 3, 3), (3, -3, 3), (-3, 3, 3)])
def test_designs_of_any_form_stay_inside_the_picture(axes):
    size = 64
    for product, silhouette in KINDS:
        for corner in itertools.product((-1.0, 1.0), repeat=2):
            geometry = geometry_of(brief_of(product, silhouette, axes), jnp.asarray([corner]), size)
            mask = np.asarray(jnp.minimum(geometry.swept.min(1), geometry.front[:, :6].min(1)))[0] < -0.5  # pixels
            assert not mask[0].any() and not mask[-1].any() and not mask[:, 0].any() and not mask[:, -1].any()


@pytest.mark.parametrize(("product", "silhouette"), [(0, 0), (0, 2), (3, 1), (3, 2), (1, 1), (2, 2)])
def test_sweep_is_the_union_of_all_shifted_faces(product, silhouette):
    size = 48
    brief = brief_of(product, silhouette, (0.7, -0.4, 1.3))
    geometry = geometry_of(brief, jnp.zeros((1, 2)), size)
    swept = np.asarray(geometry.swept[0]) < 0
    depth = np.asarray(geometry.depth[0])
    steps = [1.0] if PRODUCTS[product] in PAIRED else np.linspace(0, 1, 60)
    union = np.zeros_like(swept)
    for t in steps:  # moving the whole design by one jitter unit moves it by _JITTER * size / 32 pixels
        offset = jnp.asarray([t * depth / (geometry_lib._JITTER * size / 32)], jnp.float32)
        union |= np.asarray(geometry_of(brief, offset, size).front[0, : shapes.SOLIDS]) < 0
    assert (swept != union).mean() < 0.002


def test_a_design_does_not_depend_on_its_batch():
    index = jnp.asarray([5, 91, 3, 5_000])
    draw = jax.jit(lambda i: renderer.render(*procedural.designs("train", i), 32))
    together = np.asarray(draw(index))
    for k in range(4):
        alone = np.asarray(draw(jnp.broadcast_to(index[k : k + 1], (4,))))[0]
        np.testing.assert_allclose(alone, together[k], atol=1e-6)


def test_one_compilation_serves_every_brief():
    jax.block_until_ready(render(*procedural.designs("train", jnp.arange(8)), 32))
    others = procedural.designs("test", jnp.arange(8))
    with helpers.count_compiles() as compiles:
        jax.block_until_ready(render(*others, 32))
    assert compiles.count == 0


def test_one_compilation_serves_every_split():
    dataset = procedural.make(DataConfig(size=8))
    dataset.holdout("validation", 1)
    with helpers.count_compiles() as compiles:
        jax.block_until_ready((dataset.holdout("test", 1), dataset.train_images(1)))
    assert not [name for name in compiles.functions if "draw" in name], compiles.functions


@pytest.mark.parametrize("element", range(1, len(SPACE.elements)))
def test_every_category_of_every_element_changes_the_picture(element):
    nuisance = procedural.sample_nuisance(jax.random.key(0), 1)
    for product, silhouette in KINDS:
        pictures = []
        for category in range(SPACE.cardinalities[element]):
            elements = [1, 1, 0, 0]
            elements[element - 1] = category
            brief = brief_of(product, silhouette, (-2.5, -2.5, 0.0), elements)
            pictures.append(np.asarray(render(brief, nuisance, 32))[0])
        for a, b in itertools.combinations(pictures, 2):
            assert (np.abs(a - b).max(-1) > 0.1).sum() >= 8  # pixels of the smallest designs


def test_nuisances_change_the_picture_and_not_the_brief():
    brief = procedural.sample_brief(jax.random.key(1), 4)
    pictures = np.asarray(procedural.draws(brief, jax.random.key(2), 3, 32))
    assert pictures.shape == (4, 3, 32, 32, 3)
    assert (np.abs(pictures[:, 0] - pictures[:, 1]).mean((1, 2, 3)) > 0.02).all()


@pytest.mark.parametrize("size", [16, 28, 32, 64, 256])
def test_any_size(size):
    brief, nuisance = procedural.designs("train", jnp.arange(2))
    image = np.asarray(render(brief, nuisance, size))
    assert image.shape == (2, size, size, 3)
    assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.1


def test_sketch_is_black_line_art_on_white():
    brief = procedural.sample_brief(jax.random.key(3), 6)
    sketch = np.asarray(renderer.draw_sketch(brief, 64))
    assert sketch.shape == (6, 64, 64, 1)
    assert sketch.min() >= 0 and sketch.max() <= 1
    assert (sketch[:, [0, -1]] == 1).all()  # the border is blank
    dark = (sketch < 0.5).mean((1, 2, 3))
    assert (dark > 0.02).all() and (dark < 0.5).all()


def test_briefs_cover_the_space_evenly():
    brief = procedural.sample_brief(jax.random.key(4), 4000)
    for values, n in zip([brief.product, *brief.elements.T], [4, *SPACE.cardinalities], strict=True):
        counts = np.bincount(np.asarray(values), minlength=n)
        assert len(counts) == n
        assert np.abs(counts / 4000 - 1 / n).max() < 0.04
    axes = np.asarray(brief.axes)
    assert axes.min() >= -3 and axes.max() <= 3
    np.testing.assert_allclose(axes.mean(0), 0, atol=0.15)
    np.testing.assert_allclose(axes.std(0), np.sqrt(3), atol=0.08)


def test_training_order_is_the_pipelines_and_splits_are_apart():
    dataset = procedural.make(DataConfig(n_train=500))
    index = pipeline.batch_indices(pipeline.data_key(3), jnp.int32(7), 16, 500)
    batch = dataset.sample(dataset.arrays, index)
    brief, _ = procedural.designs("train", index)
    np.testing.assert_array_equal(np.asarray(batch.brief.axes), np.asarray(brief.axes))
    held_out = dataset.holdout("test", 20)
    assert held_out.image.shape == (20, 32, 32, 3)
    training = np.asarray(dataset.train_images(500).brief.axes)
    distance = np.abs(np.asarray(held_out.brief.axes)[:, None] - training[None]).max(-1)
    assert distance.min() > 1e-5


def test_pictures_are_stored_levels():
    image = np.asarray(procedural.make(DataConfig()).holdout("validation", 3).image)
    levels = (image + 1) * 127.5
    np.testing.assert_allclose(levels, levels.round(), atol=1e-3)
    assert image.min() >= -1 and image.max() <= 1
