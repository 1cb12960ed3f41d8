"""ich_jax.training.shipped: what is written comes back, what does not fit is refused, what ships follows briefs."""

import dataclasses
import json

import jax
import numpy as np
import pytest

import ich_jax
from ich_jax import errors
from ich_jax.training import checkpoint, shipped


@pytest.fixture(scope="module")
def model(untrained):
    return checkpoint.restore_for_inference(untrained)


@pytest.fixture
def folder(model, tmp_path):
    shipped.save(model, tmp_path, {"quality": {"kid": 0.5}})
    return tmp_path


def test_what_is_written_comes_back_rounded_to_float16(model, folder):
    back, rounded = shipped.load(folder), shipped.rounded(model)
    for name in ("ema_params", "g_params", "d_params"):
        jax.tree.map(np.testing.assert_array_equal, getattr(back, name), getattr(rounded, name))
    difference = jax.tree.map(lambda a, b: np.abs(a - b).max(), back.ema_params, model.ema_params)
    assert 0 < max(jax.tree.leaves(difference)) < 1e-3  # 2^-11 of values of about 1
    assert (back.config, back.space, back.size, back.step) == (model.config, model.space, model.size, model.step)
    assert shipped.about(folder)["quality"] == {"kid": 0.5}


def test_images_of_a_user_are_not_shipped(model, tmp_path):
    data = dataclasses.replace(model.config.data, source="folder", path="somewhere")
    theirs = dataclasses.replace(model, config=dataclasses.replace(model.config, data=data))
    with pytest.raises(errors.ConfigError, match=r"data\.source: 'folder' images are not part of the package"):
        shipped.save(theirs, tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def test_files_that_are_too_large_and_values_beyond_float16_write_nothing(model, tmp_path, monkeypatch):
    huge = jax.tree.map(lambda leaf: leaf * 1e9, model.ema_params)
    with pytest.raises(errors.CheckpointError, match=r"generator\.npz: .* not finite in float16"):
        shipped.save(dataclasses.replace(model, ema_params=huge), tmp_path / "new", {})
    monkeypatch.setattr(shipped, "LARGEST_FILE", 1000)
    with pytest.raises(errors.CheckpointError, match="at most 1,000 are shipped"):
        shipped.save(model, tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def test_another_renderer_is_refused(folder, monkeypatch):
    from ich_jax.data.procedural import renderer

    monkeypatch.setattr(renderer, "VERSION", "another")
    with pytest.raises(errors.CheckpointError, match=r"this version of ich_jax renders others .*--checkpoint=RUN"):
        shipped.load(folder)


def test_damage_is_refused(folder):
    about = folder / "about.json"
    text = about.read_text()
    (folder / "generator.npz").write_bytes(b"PK")
    with pytest.raises(errors.CheckpointError, match="is damaged"):
        shipped.load(folder)
    about.write_text(json.dumps({name: value for name, value in json.loads(text).items() if name != "data"}))
    with pytest.raises(errors.CheckpointError, match="is damaged: KeyError"):
        shipped.load(folder)
    about.write_text(text[:-9])
    with pytest.raises(errors.CheckpointError, match="No shipped generator can be read"):
        shipped.load(folder)


def test_other_networks_are_refused(folder):
    about = json.loads((folder / "about.json").read_text())
    about["config"]["generator"]["widths"] = [2 * width for width in about["config"]["generator"]["widths"]]
    (folder / "about.json").write_text(json.dumps(about))
    with pytest.raises(errors.CheckpointError, match=r"generator\.npz has other networks"):
        shipped.load(folder)


class TestTheShippedOne:
    """The files in the package."""

    @pytest.fixture(scope="class")
    @classmethod
    def generator(cls):
        return ich_jax.load_generator()

    def test_it_is_small_and_says_how_good_it_is(self, generator):
        about = shipped.about()
        assert all((shipped.FOLDER / file).stat().st_size <= shipped.LARGEST_FILE for file in shipped._PARAMS.values())
        assert about["quality"]["as shipped"]["product_accuracy"] >= 0.99
        assert generator.model.config.name == "procedural_32"

    def test_the_inspector_reads_off_it_what_was_asked_for(self, generator):
        brief = generator.space.brief(product="fan", palette="indigo", width=1.5)
        table = generator.read(generator.draw(brief, n=32))
        assert np.mean(table["product"] == "fan") >= 0.96
        assert np.mean(table["palette"] == "indigo") >= 0.75  # a brief that leaves four elements open is the hardest
        assert abs(table["width"].mean() - 1.5) < 0.2
