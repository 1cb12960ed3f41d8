"""Puts `experiments/` where Python puts it when one of them is run, first on the path; and images for all of them."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments"))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey discs and squares of 16 px, whose width, height and mass can be measured."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    radius, square = rng.uniform(0.3, 0.9, (80, 1, 1)), np.arange(80)[:, None, None] % 2
    inside = np.where(square, np.maximum(abs(x), abs(y)), np.hypot(x, y)) < radius
    path = tmp_path_factory.mktemp("images") / "shapes.npz"
    np.savez(path, x=np.where(inside, 40, 250).astype(np.uint8), y=np.arange(80) % 2)
    return path
