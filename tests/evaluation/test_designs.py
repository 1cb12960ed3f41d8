import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.data import pipeline
from ich_jax.evaluation import design_sheets, designs, drawing, validation
from tests import helpers
from tests.evaluation.made import (
    BARE,
    CONFIG,
    EXACT,
    SPACE,
    draw_brief,
    make_config,
    make_dataset,
    perfect,
    read_cells,
    real_draws,
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
    validate = validation.make_validate(CONFIG, make, counted, read_cells, real_draws=real_draws)
    before = validate(jnp.float32(1.0))
    design_sheets.make_sheets(CONFIG, make, counted, jnp.float32(1.0), read_cells, real_draws=real_draws)
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
    validation.make_validate(CONFIG, make_dataset(), loud, watch)(jnp.float32(1.0))
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


def test_space_without_elements_and_axes():
    read = functools.partial(read_cells, space=BARE)
    found = designs.evaluate(CONFIG, make_dataset(BARE), perfect, jnp.float32(1.0), read)
    assert (found.designs.elements, found.designs.axes, found.designs.axes_by_product) == ((), None, {})
    assert set(designs.summary(found)) == {"product_accuracy", "n_designs", "kid"}
    text = workdir.json_text(designs.results(found))
    assert "null" not in text
    assert '"axes"' not in text
    values = validation.make_validate(CONFIG, make_dataset(BARE), perfect, read)(jnp.float32(1.0))
    assert set(values) == {"product_accuracy", "diversity", "diversity_real", "score"}
    assert values["score"] == max(0.0, 1.0 - values["diversity"] / values["diversity_real"])
    sheets = design_sheets.make_sheets(CONFIG, make_dataset(BARE), perfect, jnp.float32(1.0), read)
    assert sheets.sweeps is None
    assert sheets.sweep_readings is None


def test_pixels_that_are_not_finite_are_refused():
    with pytest.raises(errors.DataError, match="earlier checkpoint"):
        designs.evaluate(CONFIG, make_dataset(), perfect, jnp.float32(np.nan), read_cells)
    with pytest.raises(errors.DataError, match="not finite"):
        validation.make_validate(CONFIG, make_dataset(), perfect, read_cells)(jnp.float32(np.inf))
