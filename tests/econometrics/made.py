"""What several tests of this room share."""

import json
from pathlib import Path
from typing import Any

import numpy as np

REFERENCE = Path(__file__).parents[1] / "reference"


def reference(name: str) -> dict[str, Any]:
    """Stored numbers of other implementations."""
    return json.loads((REFERENCE / f"{name}.json").read_text())


def columns(table: dict[str, list[float]]) -> dict[str, np.ndarray]:
    """Stored table as arrays."""
    return {name: np.array(values) for name, values in table.items()}
