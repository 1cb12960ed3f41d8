"""Designs along a sketch that somebody drew: files of it, redraw, variations, refusals."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import DesignConfig
from ich_jax.data import sketch as sketch_lib
from ich_jax.studies.design import files, sketches
from ich_jax.studies.design import run as design
from ich_jax.studies.design.plan import Request
from ich_jax.types import DesignSpace
from tests import helpers

SPACE = DesignSpace(("a", "b"), sketches=True)
PAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 1)).astype(np.uint8)


def made(**others: Any) -> DesignConfig:
    values = {"name": "tiny", "candidates": 4, "deliver": 2, "tolerance": 6.0, "batch": 4, "judge": False}
    found = config_lib.resolve(values | {"columns": 2, "print_size": 64, "progress": False} | others, DesignConfig)
    assert isinstance(found, DesignConfig)
    return found


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work directory of a run with sketches whose networks have taken no step."""
    return helpers.write_untrained(tmp_path_factory.mktemp("drawer") / "run", "sketch_32:tiny")


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """White lines on black, 90 x 60."""
    pixels = np.zeros((60, 90), np.uint8)
    pixels[15:45, [30, 31, 60, 61]] = pixels[[15, 16, 44, 45], 30:62] = 255
    path = tmp_path_factory.mktemp("drawing") / "fan.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_sketch_is_followed_kept_in_the_designs_and_drawn_again(
    drawer: Path, drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    with caplog.at_level("INFO"):
        design.run(made(seeds=(3,)), str(folder), str(drawer), Request(("width=1",), sketch=str(drawing)))
    assert "the ground is dark (#000000)" in caplog.text
    (file,) = [path for path in (folder / "designs").glob("*.png") if "print" not in path.name]
    image, card = files.decode(file)
    page = np.asarray(Image.open(folder / "sketch.png"))
    np.testing.assert_array_equal(sketches.from_text(card.sketch)[..., 0], page)
    np.testing.assert_array_equal(page, sketch_lib.read(drawing.read_bytes(), 32).page[..., 0])
    design.redraw(made(), str(drawer), str(file))
    assert "All pixels are identical." in capsys.readouterr().out
    designer = design.load(str(drawer), made())
    open_brief = designer.space.brief(width=1.0)
    assert (designer.redraw(card.recipe, open_brief, card.row) != image).any()  # it is the sketch that was followed

    other = tmp_path / "around"
    design.run(made(spread=0.0, candidates=2), str(other), str(drawer), Request(around=str(file)))
    for path in (other / "designs").glob("*_0?.png"):
        varied, kept = files.decode(path)
        assert kept.sketch == card.sketch
        np.testing.assert_allclose(varied.astype(int), image, atol=1)
    path = tmp_path / "path"
    alone = tmp_path / "alone"
    design.run(made(seeds=(4,)), str(alone), str(drawer), Request(("product=fan",)))
    (bare,) = [path for path in (alone / "designs").glob("*.png") if "print" not in path.name]
    assert not files.decode(bare)[1].sketch and "sketch" not in json.loads(Image.open(bare).text[files.CHUNK])  # type: ignore[attr-defined]
    design.run(made(columns=3), str(path), str(drawer), Request(morph=f"{file},{bare}"))
    ends = sorted(p for p in (path / "designs").glob("*.png") if "print" not in p.name)
    np.testing.assert_allclose(files.decode(ends[0])[0].astype(int), image, atol=1)
    np.testing.assert_allclose(files.decode(ends[-1])[0].astype(int), files.decode(bare)[0], atol=1)


def test_what_is_no_sketch_is_refused_and_nothing_written(
    drawer: Path, untrained: Path, drawing: Path, tmp_path: Path
) -> None:
    blank, text, nothing = tmp_path / "blank.png", tmp_path / "text.png", tmp_path / "nothing.png"
    Image.fromarray(np.full((40, 40), 200, np.uint8)).save(blank)
    text.write_text("no image")
    nothing.write_bytes(b"")
    for path, source, message in (
        (blank, drawer, "blank.png: it is blank"),
        (text, drawer, "no image in any of the formats"),
        (nothing, drawer, r"empty \(0 bytes\)"),
        (tmp_path / "absent.png", drawer, "absent.png cannot be read"),
        (drawing, untrained, "trained without sketches"),
    ):
        with pytest.raises(errors.IchJaxError, match=message):
            design.run(made(), str(tmp_path / "new"), str(source), Request(("product=fan",), sketch=str(path)))
    request = Request(sketch=str(drawing), morph="a.png,b.png")
    with pytest.raises(errors.ConfigError, match="--sketch goes with --brief"):
        design.run(made(), str(tmp_path / "new"), str(drawer), request)
    assert not (tmp_path / "new").exists()


def test_pages_as_text() -> None:
    brief = sketches.with_page(SPACE, SPACE.brief(product="b"), PAGE)
    text = sketches.to_text(brief)
    np.testing.assert_array_equal(sketches.from_text(text), PAGE)
    np.testing.assert_array_equal(sketches.with_page(SPACE, SPACE.brief(), PAGE).sketch, brief.sketch)
    assert sketches.to_text(SPACE.brief()) == sketches.to_text(brief.without_sketch()) == ""
    for damaged in (text[:80], "%%%", "AAAA"):
        with pytest.raises(errors.DataError, match="the sketch that the design was drawn along is damaged"):
            sketches.from_text(damaged)
    card = files.Card((("product", "b"),), files.recipes.Noise(0, 0), "", "", 1.0, 1, 0, {}, sketch=text)
    np.testing.assert_array_equal(card.brief(SPACE).sketch, brief.sketch)
    with pytest.raises(errors.ConfigError, match="trained without sketches"):
        card.brief(dataclasses.replace(SPACE, sketches=False))
