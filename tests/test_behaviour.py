"""docs/behaviour.md keeps its word: the tests that it names exist, and what no file may hold is not there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "behaviour.md").read_text(encoding="utf-8")
NORMS = {"BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm"}  # of flax


def rows() -> Iterator[list[str]]:
    """Yields the cells of every row of the page's tables: what was seen, with, here, verdict, test."""
    for line in PAGE.partition("\n## References")[0].splitlines():
        if line.startswith("| ") and not line.startswith("| what was seen"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def defined(tree: ast.AST) -> set[str]:
    """Returns the names of functions, those of classes as `Class::name`."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{name}" for name in defined(node)}
    return found


def test_every_row_has_a_verdict_and_a_test_that_exists() -> None:
    table = list(rows())
    assert len(table) > 50
    for seen, _, here, verdict, tests in table:
        assert seen and here and verdict in {"right", "mended", "left"}, seen
        names = re.findall(r"`([\w/]+\.py)::([\w:]+)`", tests)
        assert names or verdict == "left", f"no test holds it: {seen}"
        for path, name in names:
            assert name in defined(ast.parse((ROOT / "tests" / path).read_text())), f"{path} has no {name}"


def calls(tree: ast.AST) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Yields the last name of everything that is called, with its keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            yield name, {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}


def fast_norms(source: str) -> list[str]:
    """Returns the norms of flax in a source whose variance is a difference of squares, as it is by default."""
    return [
        name
        for name, keywords in calls(ast.parse(source))
        if name in NORMS and ast.unparse(keywords.get("use_fast_variance", ast.Constant(True))) != "False"
    ]


SOURCES = sorted((ROOT / "ich_jax").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_norms_take_their_variance_about_the_mean(path: Path) -> None:
    assert not fast_norms(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_layer_looks_rows_up_by_number(path: Path) -> None:
    assert "Embed" not in {name for name, _ in calls(ast.parse(path.read_text()))}


def test_the_walk_sees_a_fast_norm() -> None:
    assert fast_norms("x = nn.LayerNorm(dtype=d)(x)\ny = GroupNorm(use_fast_variance=True)(x)") == [
        *("LayerNorm", "GroupNorm")
    ]
    assert not fast_norms("x = nn.LayerNorm(use_fast_variance=False)(x)")
