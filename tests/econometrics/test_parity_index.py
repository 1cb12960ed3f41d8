"""`parity.json` names functions and tests that exist, and the versions that stand in the stored references."""

import ast
import importlib
import json
from pathlib import Path

import pytest

from tests.econometrics import made

ROOT = Path(__file__).resolve().parents[2]
KANSEI = ("kansei_review", "kansei_survey", "kansei_semantic", "kansei_quantification")
ROWS = json.loads((made.REFERENCE / "parity.json").read_text())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['function'].rsplit('.', 1)[1]}: {row['target']}")
def test_names_exist(row):
    module, function = row["function"].rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), function))
    path, test = row["test"].split("::")
    defined = [node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert test in defined
    assert row["tolerance"] and row["reference"]


def test_versions_are_those_of_the_references():
    stored: dict[str, str] = {}
    for name in ("linear", "multiplicity", "staggered", "wild", "synthetic", "series", "choice", *KANSEI):
        stored |= made.reference(name)["versions"]
    for row in ROWS:
        packages, numbers = row["reference"].split(", "), row["version"].split(", ")
        for package, version in zip(packages, numbers, strict=False):
            if package in stored and version != "runtime":  # compared with what is installed
                assert version == stored[package], row
