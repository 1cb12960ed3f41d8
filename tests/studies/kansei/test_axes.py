"""Factors of words as axes of a folder of images."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ich_jax import errors
from ich_jax.data import metadata
from ich_jax.kansei import published, semantic
from ich_jax.studies.kansei import axes
from ich_jax.studies.kansei.result import WordsResult


def words(samples: tuple[str, ...]) -> WordsResult:
    """What the axes need of a result."""
    found = object.__new__(WordsResult)
    for name, value in (("samples", samples), ("words", published.WORDS), ("means", published.TABLE_1)):
        object.__setattr__(found, name, value)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(11):
        path = tmp_path / "images" / ("fan" if k < 6 else "book") / f"picture {k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    return tmp_path / "images"


def test_factor_scores_stand_beside_what_was_there(folder: Path) -> None:
    images = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.png"))]
    lines = ["file_name,element_palette", *(f"{name},red" for name in images)]
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    names = axes.write(words(tuple(f"picture {k}" for k in range(10))), folder)
    with (folder / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(names) == 3 and list(rows[0]) == ["file_name", "element_palette", *(f"axis_{name}" for name in names)]
    expected = semantic.factor_analysis(published.TABLE_1, 3, published.WORDS).scores(published.TABLE_1)
    by_name = {row["file_name"]: row for row in rows}
    for k in range(10):
        own = by_name[f"{'fan' if k < 6 else 'book'}/picture {k}.png"]
        found = [float(own[f"axis_{name}"]) for name in names]
        np.testing.assert_allclose(found, np.clip(expected[k], -3, 3), atol=1e-4)
    assert by_name["book/picture 10.png"][f"axis_{names[0]}"] == "" and rows[0]["element_palette"] == "red"
    assert metadata.read(folder / "metadata.csv", images).columns[0] == "file_name"
    with pytest.raises(errors.DataError, match="has axes already"):
        axes.write(words(tuple(f"picture {k}" for k in range(10))), folder)


def test_samples_are_one_image_each(folder: Path) -> None:
    with pytest.raises(errors.DataError, match="'other' is no image"):
        axes.write(words(("other", *(f"picture {k}" for k in range(1, 10)))), folder)
    Image.new("RGB", (4, 4)).save(folder / "book" / "picture 0.png")
    with pytest.raises(errors.DataError, match="several images"):
        axes.write(words(tuple(f"picture {k}" for k in range(10))), folder)
    with pytest.raises(errors.DataError, match="no image"):
        axes.write(words(()), folder / "none")
    assert not (folder / "metadata.csv").exists()
