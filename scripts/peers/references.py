"""Files of reference numbers that other libraries give: which versions stand behind them, and how they are written."""

import importlib.metadata
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[2] / "tests" / "reference"


def versions(*packages: str) -> dict[str, str]:
    """Returns the installed version of each package."""
    return {package: importlib.metadata.version(package) for package in packages}


def write(references: Mapping[str, Callable[[], dict[str, Any]]], names: Sequence[str]) -> None:
    """Writes `tests/reference/<name>.json` for the given names, or for all.

    Args:
        references: What computes the content of each file.
        names: Those to write; empty: all. An unknown one ends the process with a message.
    """
    unknown = set(names) - references.keys()
    if unknown:
        sys.exit(f"{Path(sys.argv[0]).stem}: no reference called {sorted(unknown)}; there are {', '.join(references)}")
    for name in names or references:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the peers, about themselves
            result = references[name]()
        (OUT / f"{name}.json").write_text(json.dumps(result, indent=1, default=lambda number: number.item()) + "\n")
        print(f"wrote tests/reference/{name}.json")
