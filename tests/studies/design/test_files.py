"""Designs as PNG files that say how they were drawn, and their larger copies."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ich_jax import errors
from ich_jax.studies.design import files
from ich_jax.studies.design.files import Card
from ich_jax.studies.design.recipes import Near, Noise

CARD = Card(
    stated=(("product", "\u6247"), ("width", 1.5)),
    recipe=Near(Noise(0, 3), 0.3, Noise(5, 2)),
    checkpoint="ab" * 32,
    run="demo, step 9",
    style_strength=1.0,
    batch=8,
    row=3,
    versions={"jax": "1"},
)
IMAGE = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_holds_pixels_and_card(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(files.encode(IMAGE[..., :channels], CARD))
    image, card = files.decode(path)
    np.testing.assert_array_equal(image, IMAGE[..., :channels])
    assert card == CARD
    with Image.open(path) as file:
        file.load()
        assert file.text["Brief"] == "product=\u6247, width=+1.5"  # type: ignore[attr-defined]
        assert (file.text["Seed"], file.text["Noise"]) == ("5", "2")  # type: ignore[attr-defined]
        assert "ab" * 32 in file.text["Checkpoint"] and "ich_jax" in file.text["Software"]  # type: ignore[attr-defined]


def test_what_does_not_say_how_it_was_drawn_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(IMAGE).save(path)
    with pytest.raises(errors.DataError, match="does not say how it was drawn"):
        files.decode(path)
    Image.fromarray(IMAGE).save(tmp_path / "a.jpg")
    with pytest.raises(errors.DataError, match="does not say"):
        files.decode(tmp_path / "a.jpg")
    whole = files.encode(IMAGE, CARD)
    for data in (b"", b"no image", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(errors.DataError):
            files.decode(path)
    with pytest.raises(errors.DataError, match="cannot be read"):
        files.decode(tmp_path / "absent.png")
    path.write_bytes(whole.replace(b'"stated"', b'"stathd"'))  # its check sum is wrong, or what it says is
    with pytest.raises(errors.DataError):
        files.decode(path)


def test_larger_copies() -> None:
    large = files.enlarge(IMAGE, 13, "nearest")  # 13 / 4 is nearest to a factor of 3
    assert large.shape == (12, 12, 3)
    np.testing.assert_array_equal(large, np.kron(IMAGE, np.ones((3, 3, 1), np.uint8)))
    np.testing.assert_array_equal(files.enlarge(IMAGE, 2, "nearest"), IMAGE)
    smooth = files.enlarge(IMAGE[..., :1], 13, "lanczos")
    assert smooth.shape == (13, 13, 1)
    card = dataclasses.replace(CARD, enlarged="nearest 13")
    np.testing.assert_array_equal(files.enlarged_as(card, IMAGE), large)
    np.testing.assert_array_equal(files.enlarged_as(CARD, IMAGE), IMAGE)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "designs" / "a.png"
    files.write_new(path, b"first")
    files.write_new(path, b"second")
    assert path.read_bytes() == b"first"
