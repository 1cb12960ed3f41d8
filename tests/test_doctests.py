"""Examples in docstrings of the statistical rooms give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for room in ("uncertainty", "econometrics", "kansei")
    for path in sorted((ROOT / "ich_jax" / room).rglob("*.py"))
    if path.name != "__init__.py" and ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0 and failed == 0


def test_each_room_shows_some() -> None:
    assert {name.split(".")[1] for name in MODULES} == {"uncertainty", "econometrics", "kansei"} and len(MODULES) >= 10
