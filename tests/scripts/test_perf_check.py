"""scripts/perf_check.py: what it refuses, what it writes, its history, and the exit code without a parent."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from ich_jax import errors
from ich_jax.perf.check import pairs, trees, verdicts
from ich_jax.perf.check.answers import Answer
from ich_jax.perf.check.attribution import Attribution, Cause
from ich_jax.perf.check.reach import Reached
from ich_jax.perf.check.result import Result, Row

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """Imports modules as scripts/perf_check.py does; flags are declared once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        command = importlib.import_module("perf_checks.command")
        command.define_flags()
        names = ("base", "head", "workloads", "platforms", "stages", "seconds", "limit", "allow_receipts")
        yield importlib.import_module
        for name in (*names, "output", "markdown", "self_test", "aa_runs", "history", "table"):
            delattr(flags.FLAGS, name)


@pytest.fixture
def command(scripts: Any) -> Iterator[Any]:
    flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver():
        yield scripts("perf_checks.command")


@pytest.fixture
def repository(scripts: Any, tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    scripts("perf_checks.faults").plant(root, ())
    return root


def test_outside_of_a_checkout_one_message_and_exit_code_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "perf_check.py")], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {tmp_path} is not in a git checkout")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("platforms", ["tpuu"], "did you mean 'tpu'"),
        ("stages", ["comple"], "did you mean 'compile'"),
        ("seconds", 0.0, "--seconds"),
        ("table", "missing.py", "no such file"),
        ("base", "nonsense", "nonsense: unknown revision"),
        ("self_test", True, "--output"),
    ],
)
def test_flags_that_cannot_be(command: Any, repository: Path, name: str, value: Any, match: str) -> None:
    setattr(flags.FLAGS, name, value)
    with pytest.raises(errors.ConfigError, match=match):
        command.run(repository)


def test_without_a_parent_nothing_is_measured(
    command: Any, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags.FLAGS.base, flags.FLAGS.head = "HEAD^", "HEAD"
    assert command.run(repository) == 4
    assert "verdict: NOT MEASURED (exit code 4): HEAD^: this commit has no such parent" in capsys.readouterr().out


def test_history_tells_which_commit_moved_a_fact(
    command: Any, scripts: Any, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = repository / "planted" / "work.py"
    work.write_text(work.read_text().replace("jnp.tanh(x @ w)", "jnp.tanh((w.T @ x.T).T) @ w"))
    subprocess.run(
        ["git", "-C", repository, *("-c", "user.name=a", "-c", "user.email=b"), "commit", "-qam", "Twice the work"],
        check=True,
    )
    flags.FLAGS.history, flags.FLAGS.output = 2, str(tmp_path / "history")
    flags.FLAGS.table = str(SCRIPTS / "perf_checks" / "planted" / "table.py")
    flags.FLAGS.workloads = ["dense"]
    assert command.run(repository) == 0
    printed = capsys.readouterr().out
    assert "Base: as before" in printed and "dense: flops +100.0 %" in printed
    assert "summary: commits=2 steps=1 failed=0" in printed
    html = (tmp_path / "history" / "report" / "index.html").read_text()
    assert "Twice the work" in html and "<img" in html


def test_facts_move_only_between_commits_that_were_measured(scripts: Any) -> None:
    commits = [
        {"sha": f"{i}" * 40, "subject": f"commit {i}", "facts": facts}
        for i, facts in enumerate(
            [{"a": {"flops": 100.0}}, {}, {"a": {"flops": 100.5}, "b": {"flops": 1.0}}, {"a": {"flops": 50.0}}]
        )
    ]
    assert scripts("perf_checks.history").moves(commits) == ["3333333333 a: flops -50.2 % (commit 3)"]


def test_the_page_holds_what_was_found(scripts: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ratios = [list(rng.normal(0.05, 0.004, 12)) for _ in range(3)]
    slower = Row(
        "step",
        differences=verdicts.compare({"flops": 10.0}, {"flops": 20.0}),
        facts={"base": {"flops": 10.0, "equations": 3}, "head": {"flops": 20.0, "equations": 3}},
        answer=Answer("ulp", 2.0, 1e-7, "x"),
        times=pairs.judge(ratios, [[0.0] * 12] * 3, [0.02] * 36),
        causes=Attribution((Cause("a.py:3", True, "net/up", {"dot_general": 2}),), 0.0),
    )
    new = Row("other", missing="new, nothing to compare with")
    side = {"revision": "HEAD", "sha": "1" * 40, "digest": "2"}
    reach = [Reached("a.py", "head", (3,), ("step",)), Reached("b.py", "head", (1, 2), ())]
    result = Result(
        side, side, {"head": {"jax": "0", "cores": 2}}, ("lower",), ("cpu",), reach, [], [slower, new], {}, []
    )
    html = scripts("perf_checks.page").write(tmp_path, result).read_text()
    for text in ("SLOWER", "NOT MEASURED", "b.py:1-2", "a.py:3", "net/up", "+2 dot_general", "new, nothing to compare"):
        assert text in html, text


def test_the_table_names_what_the_issue_of_speed_asks_for(scripts: Any) -> None:
    workloads = scripts("perf_checks.workloads").WORKLOADS
    assert {name for name, row in workloads.items() if row.default} == {"step_quick", "drawing", "placebo_studies"}
    assert all(callable(row.make) for row in workloads.values())


def test_each_fault_stands_once_in_the_planted_package(scripts: Any, tmp_path: Path) -> None:
    faults = scripts("perf_checks.faults")
    assert len(faults.FAULTS) >= 14
    for i, fault in enumerate(faults.FAULTS):
        (line,) = faults.plant(tmp_path / str(i), (fault,)).values()
        changed = (tmp_path / str(i) / "planted" / "work.py").read_text().splitlines()
        assert fault.new.splitlines()[0].strip() in changed[line - 1]
        compile("\n".join(changed), "work.py", "exec")
    with pytest.raises(errors.ConfigError, match="stands 0 times"):
        faults.plant(tmp_path / "none", (faults.Fault("no such text", "", "nowhere", "", "reach"),))
    assert trees.git(tmp_path / "0", "status", "--porcelain").strip() == "M planted/work.py"
