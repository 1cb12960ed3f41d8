"""Small image folders, made for each test."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ich_jax.config import DataConfig


def draw_box(width: int, height: int, size: int = 16, shade: int = 0) -> np.ndarray:
    """A dark box of known size near the middle of a white square."""
    pixels = np.full((size, size, 3), 255, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    pixels[top : top + height, left : left + width] = shade
    return pixels


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Returns `make(classes={"book": 12}, metadata=None)`: boxes of different sizes as PNG, named `00.png` on."""

    def make(classes: Mapping[str, int] | None = None, metadata: str | None = None, size: int = 16) -> Path:
        root = tmp_path / "images"
        for c, (label, n) in enumerate((classes or {"book": 12, "fan": 10}).items()):
            (root / label).mkdir(parents=True)
            for i in range(n):
                pixels = draw_box(2 + i % 12, 4 + 3 * c, size, shade=i)
                Image.fromarray(pixels).save(root / label / f"{i:02d}.png")
        if metadata is not None:
            (root / "metadata.csv").write_text(metadata, encoding="utf-8")
        return root

    return make


@pytest.fixture
def table() -> Callable[..., str]:
    """Returns `text(root-relative names, column={name: cell})`: a metadata.csv with a cell for each name."""

    def text(names: list[str], **columns: Callable[[int], object]) -> str:
        lines = [",".join(["file_name", *columns])]
        lines += [",".join([name, *(str(cell(i)) for cell in columns.values())]) for i, name in enumerate(names)]
        return "\n".join(lines) + "\n"

    return text


@pytest.fixture
def names() -> list[str]:
    """Names of the images that `image_folder` makes by default."""
    return [f"book/{i:02d}.png" for i in range(12)] + [f"fan/{i:02d}.png" for i in range(10)]


@pytest.fixture
def configure() -> Callable[..., DataConfig]:
    """Returns a folder configuration at 16 px with the given fields."""

    def build(path: Path, **fields: object) -> DataConfig:
        return DataConfig(**{"source": "folder", "path": str(path), "size": 16, **fields})

    return build
