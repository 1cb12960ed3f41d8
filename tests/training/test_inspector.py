"""The inspector: learns from real images, is checked on others, is kept and refused by fingerprint."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import procedural
from ich_jax.training import inspector
from tests import helpers
from tests.training import made

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"widths": (6, 6), "blocks": 1, "steps": 40, "batch": 12, "n_check": 12, "learning_rate": 5e-3}


def held_out(fingerprint="made"):
    """The made-up set, with its own images as the held-out ones: what is tested is the bookkeeping."""
    dataset = made.dataset(fingerprint=fingerprint)
    return dataclasses.replace(dataset, n_holdout=made.N, holdout=lambda split, n: dataset.train_images(n))


@pytest.fixture(scope="module")
def trained():
    """One inspector of the made-up set, its config, and the mean loss of each twentieth of its training."""
    config, losses = made.config(inspector=SMALL), []
    params = inspector.train(config, held_out(), report_progress=lambda step, loss, ema: losses.append(loss))
    return config, params, losses


def test_training_learns_the_training_images(trained):
    _, _, losses = trained
    assert len(losses) == 20
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])


def test_the_reader_takes_any_number_of_images_and_pads_nothing_into_them(trained):
    config, params, _ = trained
    read = inspector.make_reader(config.inspector, held_out(), params)
    images = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (130, made.SIZE, made.SIZE, 3)), jnp.float32)
    together = read(images)
    assert together.product.shape == (130, 2)
    assert together.axes.shape == (130, 1)
    alone = read(images[128:])
    np.testing.assert_allclose(alone.axes, together.axes[128:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(alone.elements[0], together.elements[0][128:], rtol=1e-5, atol=1e-5)


def test_the_report_is_what_reading_the_held_out_images_gives(trained):
    config, params, _ = trained
    dataset = held_out()
    read = inspector.make_reader(config.inspector, dataset, params)
    report = inspector.check(read, config.inspector, dataset)
    real = dataset.holdout("test", min(12, dataset.n_holdout))
    reading = read(real.image)
    error = np.abs(np.asarray(reading.axes) - np.asarray(real.brief.axes))[:, 0]
    assert report.n == len(error)
    assert report.axis_max == (pytest.approx(float(error.max())),)
    assert report.axis_mae == (pytest.approx(float(error.mean())),)
    right = np.asarray(reading.product).argmax(1) == np.asarray(real.brief.product)
    assert report.product_accuracy == pytest.approx(float(right.mean()))
    assert report.fingerprint == inspector.fingerprint(config.inspector, dataset)


def test_without_held_out_images_the_report_says_so(trained):
    config, params, _ = trained
    dataset = made.dataset()
    assert dataset.n_holdout == 0
    report = inspector.check(inspector.make_reader(config.inspector, dataset, params), config.inspector, dataset)
    assert report.n == 0
    assert report.fingerprint == inspector.fingerprint(config.inspector, dataset)


def test_what_is_saved_reads_as_before(trained, tmp_path):
    config, params, _ = trained
    dataset = held_out()
    read = inspector.make_reader(config.inspector, dataset, params)
    report = inspector.check(read, config.inspector, dataset)
    inspector.save(tmp_path / "kept.npz", params, report)
    again, loaded = inspector.load(tmp_path / "kept.npz", dataset.space)
    assert loaded == report
    images = dataset.train_images(12).image
    np.testing.assert_allclose(
        inspector.make_reader(config.inspector, dataset, again)(images).axes, read(images).axes, atol=0.02
    )  # float16 storage


def test_an_inspector_is_trained_once_and_then_found(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config, dataset = made.config(inspector=SMALL | {"steps": 2}), held_out()
    first = inspector.get(config, dataset)
    assert first.source == "trained"
    monkeypatch.setattr(inspector, "train", None)  # calling it would fail
    second = inspector.get(config, dataset)
    assert second.source == "cache"
    assert second.report == first.report
    images = dataset.train_images(12).image
    helpers.assert_trees_equal(second.read(images), first.read(images))  # what judges first is what is stored


def test_other_images_or_settings_need_another_inspector():
    config, dataset = made.config(inspector=SMALL), held_out()
    own = inspector.fingerprint(config.inspector, dataset)
    assert inspector.fingerprint(config.inspector, held_out("others")) != own
    assert inspector.fingerprint(dataclasses.replace(config.inspector, steps=41), dataset) != own
    assert inspector.fingerprint(dataclasses.replace(config.inspector, path="elsewhere"), dataset) == own


def test_a_given_inspector_of_other_images_is_refused(trained, tmp_path):
    config, params, _ = trained
    others = held_out("others")
    read = inspector.make_reader(config.inspector, others, params)
    inspector.save(tmp_path / "other.npz", params, inspector.check(read, config.inspector, others))
    given = made.config(inspector=SMALL | {"path": str(tmp_path / "other.npz")})
    with pytest.raises(errors.DataError, match="other images or with another configuration"):
        inspector.get(given, held_out())


def test_missing_damaged_and_foreign_files_are_refused(trained, tmp_path):
    config, params, _ = trained
    dataset = held_out()
    with pytest.raises(errors.DataError, match="nowhere"):
        inspector.load(tmp_path / "nowhere.npz", dataset.space)
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 not a zip file")
    with pytest.raises(errors.DataError, match="damaged"):
        inspector.load(tmp_path / "damaged.npz", dataset.space)
    read = inspector.make_reader(config.inspector, dataset, params)
    inspector.save(tmp_path / "kept.npz", params, inspector.check(read, config.inspector, dataset))
    with pytest.raises(errors.DataError, match="other elements or axes"):
        inspector.load(tmp_path / "kept.npz", dataclasses.replace(dataset.space, axes=("depth",)))


def test_a_damaged_cache_is_trained_again(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config, dataset = made.config(inspector=SMALL | {"steps": 2}), held_out()
    inspector.get(config, dataset)
    (stored,) = inspector.cache_folder().iterdir()
    stored.write_bytes(stored.read_bytes()[:200])
    assert inspector.get(config, dataset).source == "trained"


def test_the_shipped_inspector_belongs_to_the_renderer_and_is_far_better_than_what_it_judges():
    config = config_lib.load(ROOT / "configs" / "procedural_32.py")
    dataset = procedural.make(config.data)
    shipped = inspector.SHIPPED / f"inspector_{inspector.fingerprint(config.inspector, dataset)}.npz"
    assert shipped.is_file(), "the renderer has changed: python scripts/train_inspector.py makes a new one"
    found = inspector.get(config, dataset)
    assert found.source == "shipped"
    assert found.report.n == 2000
    assert found.report.product_accuracy >= 0.999
    assert min(found.report.element_accuracy.values()) >= 0.99
    assert max(found.report.axis_p999) < 0.2
    assert max(found.report.axis_max) < 0.25
    real = dataset.holdout("validation", 128)
    reading = found.read(real.image)
    assert (np.asarray(reading.product).argmax(1) == np.asarray(real.brief.product)).all()
    assert np.abs(np.asarray(reading.axes) - np.asarray(real.brief.axes)).mean() < 0.06
