"""Two revisions of a small package with most faults of the self-test between them, compared once for all tests."""

import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ich_jax import errors
from ich_jax.perf.check import processes, show, stages
from ich_jax.perf.check.result import Result, Row

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts" / "perf_checks"
TOGETHER = {
    "extra transpose",
    "lost donation",
    "retrace in each step",
    "float64 leak",
    "constant folded into the program",
    "bfloat16 upcast",
    "lost merged form",
    "extra transfer",
    "changed answer",
    "change that nothing reaches",
}
"""Faults that do not change the same text, and that need no times."""


@pytest.fixture(scope="module")
def faults() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("perf_check_faults", SCRIPTS / "faults.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def planted(faults: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("planted")
    lines = faults.plant(root, tuple(fault for fault in faults.FAULTS if fault.name in TOGETHER))
    return root, lines


def options(root: Path, **changes: object) -> stages.Options:
    asked = stages.Options(
        root=root,
        table=SCRIPTS / "planted" / "table.py",
        base="HEAD",
        head="worktree",
        stages=("lower", "compile", "run"),
        log=lambda _: None,
    )
    return dataclasses.replace(asked, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result(planted: tuple[Path, dict], faults: ModuleType) -> Result:
    names = [fault.workload for fault in planted[1] if fault.workload]
    return stages.compare(options(planted[0], workloads=(*names, "drawn")))


def row(result: Result, name: str) -> Row:
    (found,) = [row for row in result.rows if row.name == name]
    return found


def test_each_fault_is_caught_and_its_line_named(
    result: Result, planted: tuple[Path, dict], faults: ModuleType
) -> None:
    for fault, line in planted[1].items():
        place = f"planted/work.py:{line}"
        if fault.stage == "reach":
            assert place in [show.place(reached) for reached in result.unreached()]
            continue
        found = row(result, fault.workload)
        assert found.verdict()[0] in fault.verdicts, (fault.name, found.verdict())
        worse = [d.fact for d in found.differences if d.gates and d.fact.startswith(fault.fact)]
        assert worse or not fault.fact, (fault.name, found.differences)
        assert any(place in text for text in show.row_lines(found)), (fault.name, show.row_lines(found))
    assert result.verdict() == "DIFFERENT ANSWER" and result.exit_code() == 2


def test_what_no_fault_touches_is_the_same(result: Result) -> None:
    drawn = row(result, "drawn")
    assert drawn.identical and drawn.verdict()[0] == "SAME" and not drawn.differences
    assert result.rows[0].answer is not None


def test_the_argument_of_a_retrace_is_told(result: Result) -> None:
    found = row(result, "looped")
    assert found.counts["base"]["traces"] == 0 and found.counts["head"]["traces"] >= 1
    assert "planted/work.py" in found.causes_of_retracing[0]
    assert not any("perf_check-" in cause for cause in found.causes_of_retracing)


def test_operations_are_attributed_to_the_changed_line(result: Result, planted: tuple[Path, dict]) -> None:
    (line,) = [line for fault, line in planted[1].items() if fault.name == "extra transpose"]
    causes = row(result, "dense").causes
    assert causes is not None and causes.unattributed == 0.0
    assert causes.causes[0].place == f"planted/work.py:{line}" and causes.causes[0].more["transpose"] == 3


def test_markdown_and_json_say_the_same(result: Result) -> None:
    text, record = show.markdown(result), result.to_json()
    assert text.startswith("### Is it slower? **DIFFERENT ANSWER**")
    for each in record["rows"]:
        assert f"| {each['name']} | " in text and f"**{each['verdict']}**" in text
    assert record["exit_code"] == 2


def test_the_sides_are_left_as_they_were(result: Result, planted: tuple[Path, dict]) -> None:
    root = planted[0]
    status = subprocess.run(["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True).stdout
    assert status == " M planted/work.py\n"
    worktrees = subprocess.run(["git", "-C", str(root), "worktree", "list"], capture_output=True, text=True).stdout
    assert len(worktrees.splitlines()) == 1
    assert not list(root.rglob("__pycache__"))


def test_the_same_twice_is_silent_and_timed(planted: tuple[Path, dict]) -> None:
    same = stages.compare(
        options(planted[0], head="HEAD", workloads=("drawn",), stages=("lower", "time"), seconds=3.0, restarts=1)
    )
    (found,) = same.rows
    assert found.identical and not found.differences
    assert found.times is not None and found.times.restarts == 1 and found.times.pairs >= 5
    assert found.times.verdict in ("SAME", "UNDECIDED")
    assert same.exit_code() in (0, 3)


def test_a_workload_that_the_base_lacks_is_new_and_not_green(planted: tuple[Path, dict], tmp_path: Path) -> None:
    root = tmp_path / "repository"
    subprocess.run(["git", "clone", "-q", str(planted[0]), str(root)], check=True)
    path = root / "planted" / "work.py"
    path.write_text(
        path.read_text().replace("def chained(", "def chained_anew(").replace("(chained)", "(chained_anew)")
    )
    table = tmp_path / "table.py"
    table.write_text(
        (SCRIPTS / "planted" / "table.py")
        .read_text()
        .replace('"drawn": _of("drawn"', '"drawn": _of("chained_anew"')
        .replace('"added": _of("added"', '"added": _of("chained"')
    )
    found = stages.compare(options(root, table=table, workloads=("drawn", "added"), stages=("lower",)))
    assert row(found, "drawn").missing.startswith("new, nothing to compare with")
    assert row(found, "added").missing.startswith("the head has no such workload")
    assert found.exit_code() == 4


def test_sides_with_other_dependencies_are_refused(planted: tuple[Path, dict], tmp_path: Path) -> None:
    root = tmp_path / "repository"
    subprocess.run(["git", "clone", "-q", str(planted[0]), str(root)], check=True)
    (root / "requirements.txt").write_text("jax==99\n")
    with pytest.raises(errors.MismatchError, match=r"only in the head \['jax==99'\].*--allow_receipts"):
        stages.compare(options(root))
    with pytest.raises(errors.ConfigError, match="did you mean 'lower'"):
        stages.compare(options(root, stages=("lowr",)))


def test_a_tree_that_does_not_import_is_an_error(planted: tuple[Path, dict], tmp_path: Path) -> None:
    root = tmp_path / "repository"
    subprocess.run(["git", "clone", "-q", str(planted[0]), str(root)], check=True)
    (root / "planted" / "__init__.py").write_text("def broken(:\n")
    with pytest.raises(processes.WorkerError, match="head, importing the tree: SyntaxError"):
        stages.compare(options(root))
