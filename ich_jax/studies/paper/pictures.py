"""Figures of the stages, as their pages show them, read from their reports."""

import re
from pathlib import Path

from ich_jax.report.style import DENSITY, PAGE_WIDTH, Picture


def find(root: Path, stage: str, names: tuple[str, ...]) -> list[tuple[str, Picture]]:
    """Returns the figures of a stage that exist, with their names.

    Args:
        root: Work directory of the reproduction.
        stage: Name of the stage.
        names: Stems of the files, or patterns of them with `*`, in the order of the page.
    """
    folder = root / stage / "report"
    paths = [path for name in names for end in ("svg", "png") for path in sorted(folder.glob(f"{name}.{end}"))]
    return [(path.stem, read(path)) for path in paths]


def read(path: Path) -> Picture:
    """Reads a figure that `ich_jax.report.page.write_files` wrote.

    Raises:
        ValueError: It is no PNG or SVG with a size.
    """
    data = path.read_bytes()
    if path.suffix == ".png":
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError(f"{path} is no PNG file.")
        width, height = (int.from_bytes(data[k : k + 4], "big") // DENSITY for k in (16, 20))
    else:
        head = data[:2000].decode("utf-8", "replace")
        sizes = [re.search(rf'<svg[^>]*\b{name}="([\d.]+)', head) for name in ("width", "height")]
        if not all(sizes):
            raise ValueError(f"{path} is no SVG file with width and height.")
        width, height = (round(float(size[1])) for size in sizes if size)
    scale = min(1.0, PAGE_WIDTH / width)
    return Picture(data, path.suffix[1:], round(width * scale), round(height * scale))
