"""Which way imports go, and what no module of the library may do when it is imported."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASE = {"types", "errors", "config", "workdir", "liveness", "jaxprs", "cache"}

# Room -> the other rooms that it may import. Results of the right side travel into the left side, never back.
ALLOWED = {
    "types": {"errors"},
    "errors": set(),
    "liveness": set(),
    "adversarial": set(),
    "jaxprs": set(),
    "config": {"adversarial", "errors"},
    "workdir": {"types", "errors", "config"},
    "cache": {"errors", "workdir"},
    "lock": {"errors", "liveness", "workdir"},
    "data": BASE,
    "models": BASE,
    "uncertainty": BASE,
    "perf": BASE,
    "econometrics": {"errors", "types", "uncertainty"},
    "kansei": {"errors", "types", "uncertainty"},
    "training": BASE | {"adversarial", "data", "models", "perf"},
    "evaluation": BASE | {"data", "models", "uncertainty"},
    "interference": BASE - {"config"} | {"data", "uncertainty"},
    "report": BASE - {"config"} | {"perf"},
    "studies": BASE
    | {
        *("data", "models", "uncertainty", "perf", "econometrics", "kansei", "training"),
        *("evaluation", "interference", "report", "lock"),
    },
    "api": set(),  # filled below: the front door may use every room, and no room the front door
}
ALLOWED["api"] = ALLOWED.keys() - {"api"}
STUDIES = {path.parent.name for path in (ROOT / "ich_jax" / "studies").glob("*/__init__.py")}
FLAGS = {"console.py", "__main__.py"}  # of studies: where the command line is read
LIBRARY = sorted((ROOT / "ich_jax").rglob("*.py"))
CONFIGS = sorted((ROOT / "configs").glob("*.py"))


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yields the dotted name of everything that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes that run when a module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from run_at_import(child)


def test_every_room_is_in_the_table() -> None:
    rooms = {path.relative_to(ROOT / "ich_jax").parts[0].removesuffix(".py") for path in LIBRARY} - {"__init__"}
    assert rooms <= ALLOWED.keys()


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_direction_of_imports(path: Path) -> None:
    tree = ast.parse(path.read_text())
    room = path.relative_to(ROOT / "ich_jax").parts[0].removesuffix(".py")
    for name in imported_names(tree):
        top, *rest = name.split(".")
        assert top not in {"experiments", "configs", "scripts", "tests"}, f"{path}: imports {name}"
        reads_flags = room == "studies" and path.name in FLAGS
        assert reads_flags or name not in {"absl.flags", "absl.app"}, f"{path}: flags belong to the command line"
        if top == "ich_jax" and room != "__init__":
            assert rest[0] in ALLOWED[room] | {room, "__version__"}, f"{path}: {room} may not import {name}"
        if room == "studies" and len(rest) > 1 and rest[0] == "studies" and rest[1] in STUDIES:
            own = path.relative_to(ROOT / "ich_jax" / "studies").parts[0]
            assert own == rest[1] or len(rest) == 3, f"{path}: {name} is an inside of another study"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_importing_changes_no_setting_of_jax(path: Path) -> None:
    for node in run_at_import(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) != "jax.config.update", f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_configs_import_only_the_config_module(path: Path) -> None:
    names = {name for name in imported_names(ast.parse(path.read_text())) if name.split(".")[0] not in {"typing"}}
    assert names <= {"ich_jax.config", "ml_collections"}


def test_the_walk_sees_what_runs_at_import() -> None:
    source = "if x:\n    jax.config.update('a', 1)\ndef f():\n    jax.config.update('b', 2)\n"
    calls = [node for node in run_at_import(ast.parse(source)) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls] == ["jax.config.update('a', 1)"]


def test_every_study_is_offered() -> None:
    import ich_jax.studies

    assert set(ich_jax.studies.__all__) == STUDIES
