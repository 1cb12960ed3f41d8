"""What several tests of this room share."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax.econometrics import panel

REFERENCE = Path(__file__).parents[1] / "reference"


def reference(name: str) -> dict[str, Any]:
    """Stored numbers of other implementations."""
    return json.loads((REFERENCE / f"{name}.json").read_text())


def columns(table: dict[str, list[float]]) -> dict[str, np.ndarray]:
    """Stored table as arrays."""
    return {name: np.array(values) for name, values in table.items()}


def launches(
    n1: int = 1,
    n0: int = 6,
    periods: int = 30,
    start: int | Sequence[int] = 18,
    effect: float = 0.0,
    seed: int = 0,
) -> panel.Panel:
    """Panel of n1 units that launch at `start` (one for all, or one each) and n0 that never do; normal noise."""
    rng = np.random.default_rng(seed)
    first = np.concatenate([np.full(n1, start) if np.isscalar(start) else np.asarray(start), np.full(n0, periods)])
    y = rng.normal(size=(n1 + n0, periods)) + rng.normal(size=periods) + 5.0
    return panel.from_matrix(y + effect * (np.arange(periods) >= first[:, None]), first)


def launched_together() -> np.ndarray:
    """Outcomes `[8, 6]` of eight units, of which the first three launch in period 4 and gain 2."""
    outcome = np.random.default_rng(3).normal(size=(8, 6)) + np.arange(8)[:, None]
    outcome[:3, 4:] += 2.0
    return outcome
