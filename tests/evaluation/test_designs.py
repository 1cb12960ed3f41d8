"""A world small enough to know every answer: a picture writes its brief into flat cells, and noise below them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import designs, distances, drawing
from ich_jax.types import Batch, Brief, DesignSpace, Element, Reading
from tests import helpers

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


# ---------------------------------------------------------------- evaluation


@pytest.fixture(scope="module")
def ideal():
    return designs.evaluate(
        CONFIG,
        make_dataset(),
        perfect,
        jnp.float32(1.0),
        read_cells,
        d_score=lambda images, brief: images[:, -1, 0, 0],
        real_draws=real_draws,
    )


def test_a_perfect_generator_follows_every_brief(ideal):
    found = ideal.designs
    assert (ideal.n_designs, found.n, found.product.accuracy, found.elements[0].accuracy) == (150, 150, 1.0, 1.0)
    assert np.trace(found.confusion) == 150
    assert [axis.name for axis in found.axes.axes] == ["width", "depth"]
    assert all(axis.max < EXACT for axis in found.axes.axes)
    assert set(found.axes_by_product) == {"fan", "book"}
    assert sum(of.n for of in found.axes_by_product.values()) == 150
    assert ideal.inspector.n == 150
    assert ideal.inspector.product.accuracy == 1.0
    assert all(axis.max < EXACT for axis in ideal.inspector.axes.axes)


def test_a_perfect_generator_looks_like_reality(ideal):
    generated, truth = ideal.generated, ideal.real
    assert generated.n == truth.n == 200
    assert (generated.kid_subset, generated.kid_subsets, generated.nearest_k) == (60, 10, 5)
    assert len(generated.rfd.values) == len(ideal.feature_fingerprints) == 2
    assert generated.rfd.mean == pytest.approx(np.mean(generated.rfd.values))
    assert generated.rfd.sd == pytest.approx(np.std(generated.rfd.values, ddof=1))
    assert generated.rfd.mean < 1.5 * truth.rfd.mean
    assert abs(generated.kid.mean) < 4 * truth.kid_subset_sd
    assert abs(generated.coverage.mean - generated.expected_coverage) < 0.06
    assert abs(generated.density.mean - 1.0) < 0.2
    assert generated.expected_coverage == distances.expected_coverage(200, 200, 5)
    assert ideal.memorisation.ratio == pytest.approx(1.0, abs=0.05)
    assert (ideal.memorisation.n_samples, ideal.memorisation.n_train) == (200, 300)
    assert ideal.discriminator.n == 200
    assert ideal.discriminator.auc == pytest.approx(0.5, abs=0.12)


def test_diversity_of_a_perfect_generator(ideal):
    found = ideal.diversity
    assert found.reference == "same brief"
    assert (found.n_briefs, found.n_draws) == (20, 12)
    # Half of the pixels are noise of sd 0.5, clipped at +-1 (which takes its sd to 0.4796); the others are fixed.
    assert found.generated == pytest.approx(0.4796 / 2, rel=0.05)
    assert found.ratio == pytest.approx(1.0, abs=0.05)
    assert found.within_product_generated > found.generated
    assert found.within_product_generated == pytest.approx(found.within_product_real, rel=0.1)


def test_identity_of_the_evaluation(ideal):
    assert ideal.config_fingerprint == config_lib.fingerprint(CONFIG)
    assert (ideal.data_fingerprint, ideal.simulated) == ("tiny", True)
    assert (ideal.seed, ideal.evaluation_seed) == (CONFIG.seed, CONFIG.evaluation.seed)


def test_record_holds_what_the_figures_summarise(ideal):
    error = ideal.record.designs.axes_read - ideal.record.designs.axes_requested
    assert error.shape == (150, 2)
    assert np.abs(error).mean(axis=0) == pytest.approx([axis.mae for axis in ideal.designs.axes.axes])
    assert ideal.record.inspector.axes_read.shape == (150, 2)


def test_summary_names(ideal):
    assert designs.summary(ideal) == {
        "product_accuracy": 1.0,
        "axis_mae": pytest.approx(np.mean([axis.mae for axis in ideal.designs.axes.axes])),
        "axis_p95": max(axis.p95 for axis in ideal.designs.axes.axes),
        "exceed_half": 0,
        "n_designs": 150,
        "kid": ideal.generated.kid.mean,
    }


def test_results_are_strict_json_without_holes(ideal):
    text = workdir.json_text(designs.results(ideal))
    assert "null" not in text
    assert "NaN" not in text
    assert "record" not in designs.results(ideal)
    assert '"any_beyond": 0' in text
    for path in (("generated", "kid", "mean"), ("inspector", "product", "interval"), ("diversity", "ratio")):
        found = designs.results(ideal)
        for name in path:
            found = found[name]


def test_repeatable_and_compiled_once():
    traces = []

    @jax.jit
    def counted(params, key, brief):
        traces.append(brief.product.shape[0])
        return perfect(params, key, brief)

    def call():
        return designs.evaluate(CONFIG, make, counted, jnp.float32(1.0), read_cells, real_draws=real_draws)

    make = make_dataset()
    first = call()
    validate = designs.make_validate(CONFIG, make, counted, read_cells, real_draws=real_draws)
    before = validate(jnp.float32(1.0))
    designs.make_sheets(CONFIG, make, counted, jnp.float32(1.0), read_cells, real_draws=real_draws)
    assert traces == [drawing.BATCH]
    with helpers.count_compiles() as compiles:
        second, after = call(), validate(jnp.float32(1.0))
    assert compiles.count == 0, compiles.functions
    assert designs.results(first) == designs.results(second)
    assert before == after


def test_a_bias_shows_in_its_axis_and_product():
    @jax.jit
    def biased(params, key, brief):
        off = jnp.where(brief.product == 1, jnp.float32(-0.75), jnp.float32(0.0))
        clear = jnp.clip(brief.axes, -2.0, 2.0)  # room for the bias inside the range of a pixel
        return perfect(params, key, brief._replace(axes=clear.at[:, 1].add(off)))

    make = make_dataset()
    make = dataclasses.replace(
        make, briefs=lambda key, n: (lambda b: b._replace(axes=jnp.clip(b.axes, -2.0, 2.0)))(draw_brief(SPACE, key, n))
    )
    found = designs.evaluate(CONFIG, make, biased, jnp.float32(1.0), read_cells)
    books = int(np.sum(found.record.designs.product_requested == 1))
    assert 0 < books < 150
    assert designs.summary(found)["exceed_half"] == books
    width, depth = found.designs.axes_by_product["book"].axes
    assert depth.bias == pytest.approx(-0.75, abs=EXACT)
    assert (width.beyond, depth.beyond) == (0, books)
    assert found.designs.axes_by_product["fan"].any_beyond == 0
    assert designs.summary(found)["axis_p95"] == found.designs.axes.axes[1].p95


def test_noise_that_is_ignored_shows():
    found = designs.evaluate(CONFIG, make_dataset(), perfect, jnp.float32(0.0), read_cells, real_draws=real_draws)
    assert found.diversity.generated == pytest.approx(0.0, abs=1e-6)
    assert found.diversity.ratio == pytest.approx(0.0, abs=1e-5)
    assert found.diversity.within_product_generated > 0.0
    assert found.generated.kid.mean > 5 * found.real.kid_subset_sd
    assert found.generated.recall.mean < 0.5 * found.real.recall.mean


def test_copies_of_training_images_show():
    def copy(params, key, brief):
        return jax.random.permutation(key, make_dataset().train_images(300).image[: drawing.BATCH])

    found = designs.evaluate(CONFIG, make_dataset(), copy, None, read_cells)
    assert found.memorisation.ratio == 0.0
    assert found.memorisation.share_close == 1.0
    np.testing.assert_array_equal(found.record.closest.generated, found.record.closest.training)
    assert (found.record.closest.distance == 0.0).all()


def test_without_real_draws_diversity_is_held_against_the_product():
    found = designs.evaluate(CONFIG, make_dataset(), perfect, jnp.float32(1.0), read_cells).diversity
    assert found.reference == "same product"
    assert found.real == found.within_product_real
    assert found.ratio == pytest.approx(found.generated / found.real)
    assert found.ratio < 1.0


def test_only_stored_images_are_read_and_scored():
    """Whatever the generator puts out, the inspector and the discriminator see pixels of 8 bits in [-1, 1]."""
    seen = []

    def watch(images):
        seen.append(np.asarray(images))
        return read_cells(images)

    def score(images, brief):
        seen.append(np.asarray(images))
        return jnp.zeros(images.shape[0])

    def loud(params, key, brief):
        return 1.7 * perfect(params, key, brief)

    designs.evaluate(CONFIG, make_dataset(), loud, jnp.float32(1.0), watch, d_score=score)
    designs.make_validate(CONFIG, make_dataset(), loud, watch)(jnp.float32(1.0))
    images = np.concatenate(seen)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(pipeline.to_unit(pipeline.to_uint8(images)), images)


def test_one_draw_per_brief_and_no_selection():
    drawn = []

    def watch(params, key, brief):
        drawn.append(np.asarray(brief.axes))
        return perfect(params, key, brief)

    config = make_config(n_designs=130)
    found = designs.evaluate(config, make_dataset(), watch, jnp.float32(1.0), read_cells)
    asked = np.concatenate(drawn)[:130]
    np.testing.assert_allclose(found.record.designs.axes_requested, asked)
    assert len(np.unique(asked, axis=0)) == 130
    # designs, images for distances, briefs times draws: nothing is drawn beside these
    assert len(drawn) == sum(-(-n // drawing.BATCH) for n in (130, 200, 20 * 12))


# ---------------------------------------------------------------- sets that lack something


def test_space_without_elements_and_axes():
    read = functools.partial(read_cells, space=BARE)
    found = designs.evaluate(CONFIG, make_dataset(BARE), perfect, jnp.float32(1.0), read)
    assert (found.designs.elements, found.designs.axes, found.designs.axes_by_product) == ((), None, {})
    assert set(designs.summary(found)) == {"product_accuracy", "n_designs", "kid"}
    text = workdir.json_text(designs.results(found))
    assert "null" not in text
    assert '"axes"' not in text
    values = designs.make_validate(CONFIG, make_dataset(BARE), perfect, read)(jnp.float32(1.0))
    assert set(values) == {"product_accuracy", "diversity", "diversity_real", "score"}
    assert values["score"] == max(0.0, 1.0 - values["diversity"] / values["diversity_real"])
    sheets = designs.make_sheets(CONFIG, make_dataset(BARE), perfect, jnp.float32(1.0), read)
    assert sheets.sweeps is None
    assert sheets.sweep_readings is None


def test_small_sets_get_subsets_that_fit():
    make = make_dataset(n_holdout=21, simulated=False)
    found = designs.evaluate(make_config(nearest_k=30), make, perfect, jnp.float32(1.0), read_cells)
    assert (found.generated.n, found.generated.kid_subset, found.generated.nearest_k) == (21, 10, 20)
    assert found.generated.kid_subset_sd > 0.0
    assert found.inspector.n == 21
    assert found.memorisation.n_real == 21


@pytest.mark.parametrize("n_holdout", [5, 0])
def test_too_few_held_out_images_give_no_distance(n_holdout):
    make = make_dataset(n_holdout=n_holdout, simulated=False)
    found = designs.evaluate(
        CONFIG, make, perfect, jnp.float32(1.0), read_cells, d_score=lambda images, brief: images[:, 0, 0, 0]
    )
    assert found.generated is None
    assert found.real is None
    assert found.designs.product.accuracy == 1.0
    assert "kid" not in designs.summary(found)
    assert (
        (found.inspector is None) == (found.discriminator is None) == (found.memorisation is None) == (n_holdout == 0)
    )
    assert "null" not in workdir.json_text(designs.results(found))
    sheets = designs.make_sheets(CONFIG, make, perfect, jnp.float32(1.0), read_cells)
    assert (sheets.real == 255).all(axis=(2, 3, 4)).sum() >= sheets.real.shape[0] * sheets.real.shape[1] - 2 * n_holdout


# ---------------------------------------------------------------- errors


def test_pixels_that_are_not_finite_are_refused():
    with pytest.raises(errors.DataError, match="earlier checkpoint"):
        designs.evaluate(CONFIG, make_dataset(), perfect, jnp.float32(np.nan), read_cells)
    with pytest.raises(errors.DataError, match="not finite"):
        designs.make_validate(CONFIG, make_dataset(), perfect, read_cells)(jnp.float32(np.inf))


def test_diversity_needs_two_draws():
    with pytest.raises(errors.ConfigError, match="diversity_draws"):
        designs.evaluate(make_config(diversity_draws=1), make_dataset(), perfect, jnp.float32(1.0), read_cells)


# ---------------------------------------------------------------- validation


def validate(sampler, params=1.0, config=CONFIG, draws=real_draws, dataset=None):
    judge = designs.make_validate(config, dataset or make_dataset(), sampler, read_cells, real_draws=draws)
    return judge(jnp.float32(params))


def test_validate():
    found = validate(perfect)
    assert set(found) == {
        *("product_accuracy", "element_accuracy", "axis_mae", "axis_p95", "diversity", "diversity_real", "score")
    }
    assert (found["product_accuracy"], found["element_accuracy"]) == (1.0, 1.0)
    assert found["axis_mae"] < found["axis_p95"] < EXACT
    assert found["diversity"] == pytest.approx(found["diversity_real"], rel=0.05)
    assert found["score"] == found["axis_p95"] + max(0.0, 1.0 - found["diversity"] / found["diversity_real"])


def test_score_is_lower_for_the_better_generator():
    def worse(params, key, brief):
        return perfect(
            jnp.float32(1.0), key, brief._replace(product=jnp.zeros_like(brief.product), axes=brief.axes * params)
        )

    scores = [validate(worse, share)["score"] for share in (1.0, 0.8, 0.2)]
    assert scores == sorted(scores)
    found = validate(worse, 0.8)
    shortfall = max(0.0, 1.0 - found["diversity"] / found["diversity_real"])
    assert found["score"] == pytest.approx((1 - found["product_accuracy"]) + found["axis_p95"] + shortfall)


@pytest.mark.parametrize("draws", [real_draws, None])
def test_validation_sees_that_the_noise_is_ignored(draws):
    same, half = (validate(perfect, share, draws=draws) for share in (0.0, 0.5))
    if draws is not None:  # nothing but noise differs between draws of one brief
        assert same["diversity"] == pytest.approx(0.0, abs=1e-6)
        assert half["diversity"] == pytest.approx(0.5 * half["diversity_real"], rel=0.05)
    assert same["diversity"] < half["diversity"] < validate(perfect, draws=draws)["diversity"]
    assert same["score"] > half["score"]


def test_validation_of_a_set_without_held_out_images_has_no_diversity():
    found = validate(perfect, draws=None, dataset=make_dataset(n_holdout=0))
    assert "diversity" not in found
    assert found["score"] == found["axis_p95"]


def test_validation_briefs_are_not_test_briefs():
    seen = []

    def watch(params, key, brief):
        seen.append(np.asarray(brief.axes))
        return perfect(params, key, brief)

    config = make_config(n_designs=50, n_validation=50)
    designs.make_validate(config, make_dataset(), watch, read_cells)(jnp.float32(1.0))
    (validation,) = seen
    found = designs.evaluate(config, make_dataset(), watch, jnp.float32(1.0), read_cells)
    test = found.record.designs.axes_requested
    assert not np.isclose(validation[:, None, 0], test[None, :, 0]).any()


# ---------------------------------------------------------------- sheets


@pytest.fixture(scope="module")
def sheets():
    return designs.make_sheets(
        CONFIG, make_dataset(), perfect, jnp.float32(1.0), read_cells, real_draws=real_draws, rows=6, columns=3
    )


def test_sheet_rows_are_briefs_and_columns_noise(sheets):
    assert sheets.generated.shape == sheets.real.shape == (6, 3, SIZE, SIZE, 1)
    assert sheets.generated.dtype == sheets.real.dtype == np.uint8
    np.testing.assert_array_equal(sheets.briefs.product, [0, 0, 0, 1, 1, 1])
    for panel in (sheets.generated, sheets.real):
        read = read_cells(pipeline.to_unit(panel.reshape(18, SIZE, SIZE, 1)))
        np.testing.assert_allclose(read.axes, np.repeat(sheets.briefs.axes, 3, axis=0), atol=EXACT)
        below = panel[:, :, SIZE // 2 :].reshape(18, -1)
        assert len(np.unique(below, axis=0)) == 18
    assert sheets.real_reference == "same brief"


def test_sheet_shows_the_first_test_briefs(sheets, ideal):
    record = ideal.record.designs
    for p in (0, 1):
        first = record.axes_requested[record.product_requested == p][:3]
        np.testing.assert_allclose(sheets.briefs.axes[sheets.briefs.product == p], first)


def test_sweeps_move_one_axis_under_fixed_noise(sheets):
    assert sheets.sweeps.shape == (2, 2, 7, SIZE, SIZE, 1)
    assert sheets.sweep_values == (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
    np.testing.assert_allclose(sheets.sweep_readings, np.broadcast_to(sheets.sweep_values, (2, 2, 7)), atol=EXACT)
    np.testing.assert_array_equal(sheets.sweep_briefs.product, [0, 1])
    for p in range(2):
        for a in range(2):
            row = sheets.sweeps[p, a]
            assert (row[:, SIZE // 2 :] == row[:1, SIZE // 2 :]).all()
            read = read_cells(pipeline.to_unit(row))
            np.testing.assert_allclose(read.axes[:, 1 - a], 0.0, atol=EXACT)
            np.testing.assert_array_equal(np.asarray(read.product).argmax(1), p)


def test_real_sheet_of_a_folder_holds_each_image_once():
    make = make_dataset(n_holdout=6, simulated=False)
    sheets = designs.make_sheets(CONFIG, make, perfect, jnp.float32(1.0), read_cells, rows=6, columns=3)
    assert sheets.real_reference == "same product"
    cells = sheets.real.reshape(18, SIZE, SIZE, 1)
    filled = ~(cells == 255).all(axis=(1, 2, 3))
    assert len(np.unique(cells[filled], axis=0)) == filled.sum() <= 12
    read = np.asarray(read_cells(pipeline.to_unit(cells)).product).argmax(1)
    np.testing.assert_array_equal(read[filled], np.repeat(sheets.briefs.product, 3)[filled])
    products = [make.holdout(split, 6).brief.product for split in ("test", "validation")]
    held = np.bincount(np.concatenate(products), minlength=2)
    assert filled.sum() == np.minimum(held, 9).sum()
