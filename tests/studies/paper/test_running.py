"""Stages as processes: order, failures, resuming, ends. The stages are trivial commands."""

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.studies.paper import running, stages, submitting
from ich_jax.studies.paper.running import Entry
from ich_jax.studies.paper.stages import STAGES, Stage

WRITE = (
    "import sys, pathlib, json; p = pathlib.Path(sys.argv[1]); (p / 'results.json').write_text(json.dumps({'x': 1}));"
)
COUNT = "f = p / 'times'; f.write_text(f.read_text() + 'x' if f.exists() else 'x')"


def stage(name: str, *words: str, code: str = "", after: str = "") -> Stage:
    return Stage(name, f"about {name}", "1", command=("-c", code or WRITE + COUNT, "{workdir}", *words, after))


def run(table: Sequence[Stage], root: Path, **options: object) -> dict[str, Entry]:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        start = running.in_threads(pool)
        entries = running.run_all(table, root, "tiny", start, say=lambda _: None, **options)  # type: ignore[arg-type]
    return {entry.stage: entry for entry in entries}


def times(root: Path, name: str) -> int:
    return len((root / name / "times").read_text())


def test_stages_run_once_and_those_that_failed_again(tmp_path: Path) -> None:
    broken = "import sys; print('first'); sys.exit('no good')"
    table = [stage("a"), stage("b", after="{a}"), stage("c", code=broken), stage("d", after="{c}")]
    found = run(table, tmp_path)
    assert {name: entry.state for name, entry in found.items()} == {
        "a": "done", "b": "done", "c": "failed", "d": "not run",
    }  # fmt: skip
    assert "exit code 1" in found["c"].reason and "no good" in found["c"].reason
    assert found["d"].reason == "it needs c"
    assert found["b"].command[-2:] == (f"./{'b'}", "./a")

    table[2] = stage("c")  # repaired
    found = run(table, tmp_path)
    assert {entry.state for entry in found.values()} == {"done"}
    assert [times(tmp_path, name) for name in "abcd"] == [1, 1, 1, 1]


def test_a_finished_run_stays_finished_when_its_folder_is_moved(tmp_path: Path) -> None:
    run([stage("a"), stage("b", after="{a}")], tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "moved")
    run([stage("a"), stage("b", after="{a}")], tmp_path / "moved")
    assert times(tmp_path / "moved", "a") == times(tmp_path / "moved", "b") == 1


def test_a_stage_without_results_has_failed(tmp_path: Path) -> None:
    assert run([stage("a", code="pass")], tmp_path)["a"].reason == "it left no results.json"


def test_only_some_are_run_and_others_are_shown_as_they_are(tmp_path: Path) -> None:
    table = [stage("a"), stage("b"), Stage("c", "", "", study="nowhere", configs={"tiny": "quick:tiny"})]
    found = run(table, tmp_path, only=["b"])
    assert [found[name].state for name in "abc"] == ["left out", "done", "missing"]
    assert "nowhere" in found["c"].reason
    assert [run(table, tmp_path, only=["a"])[name].state for name in "ab"] == ["done", "done"]


def test_given_runs_are_copied_so_that_the_whole_can_be_moved(tmp_path: Path) -> None:
    source = tmp_path / "elsewhere"
    (source / "report").mkdir(parents=True)
    (source / "results.json").write_text('{"x": 2}')
    (source / "report" / "index.html").write_text("page")
    (source / "report" / "weights.bin").write_text("not shown")
    root = tmp_path / "run"
    table = [stage("a"), stage("b", after="{a}")]
    found = run(table, root, given={"a": source})
    assert (found["a"].state, found["b"].state) == ("given", "done")
    assert found["b"].command[-1] == str(source)  # it starts from the run itself, not from the copy
    assert (root / "a" / "report" / "index.html").read_text() == "page"
    assert not (root / "a" / "report" / "weights.bin").exists()
    assert running.results(root, "a") == {"x": 2}
    with pytest.raises(errors.WorkdirError, match=r"holds no results\.json"):
        run(table, root, given={"a": tmp_path})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_ends_its_stage_and_resumes(tmp_path: Path, number: int) -> None:
    slow = (
        "import sys, os, pathlib, time, signal\n"
        "p = pathlib.Path(sys.argv[1])\n"
        "signal.signal(signal.SIGTERM, lambda *_: ((p / 'saved').touch(), os._exit(3)))\n"
        "if not (p / 'saved').exists():\n"
        "    (p / 'pid').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "(p / 'results.json').write_text('{}')\n"
    )
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, pathlib\n"
        "from ich_jax import liveness\n"
        "liveness.start()\n"
        "from ich_jax.studies.paper import running\n"
        f"running.execute(pathlib.Path({str(tmp_path)!r}), 'a', ('-c', {slow!r}, {str(tmp_path / 'a')!r}))\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": os.getcwd()})
    pid = tmp_path / "a" / "pid"
    _wait(lambda: pid.exists() and pid.read_text() != "")
    process.send_signal(number)
    process.wait()
    _wait(lambda: not _alive(int(pid.read_text())))
    assert (tmp_path / "a" / "saved").exists()  # it was told to leave, and saved its work
    assert running.read(tmp_path, "a") is None
    assert running.execute(tmp_path, "a", ("-c", slow, str(tmp_path / "a"))).state == "done"


def _wait(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_stages_as_jobs_of_a_cluster(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    table = [stage("a"), stage("b", code="import sys; sys.exit('no good')"), stage("c", after="{a}")]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        start = submitting.as_jobs(pool, "local", tmp_path, submitting.options(["timeout_min=5"]))
        entries = running.run_all(table, tmp_path, "tiny", start, say=lambda _: None)
    assert [entry.state for entry in entries] == ["done", "failed", "done"]
    assert "no good" in entries[1].reason


def test_options_of_jobs_are_read_and_refused() -> None:
    assert submitting.options(["timeout_min=5", "slurm_partition=gpu"]) == {"timeout_min": 5, "slurm_partition": "gpu"}
    with pytest.raises(errors.ConfigError, match="NAME=VALUE"):
        submitting.options(["gpu"])
    with pytest.raises(errors.ConfigError, match="'slurm'"), concurrent.futures.ThreadPoolExecutor(1) as pool:
        submitting.as_jobs(pool, "slrum", Path("."), {})


# ---------------------------------------------------------------- the shipped table


def test_every_shipped_stage_can_be_run_or_says_why_not(tmp_path: Path) -> None:
    names = [row.name for row in STAGES]
    assert len(set(names)) == len(names)
    for size in config_lib.SIZES:
        for row in STAGES:
            needs = row.needs(size)
            assert all(names.index(name) < names.index(row.name) for name in needs)
            why = stages.absent(row, size)
            if row.name != "market":  # it comes with its study
                assert why == ""
            folders = {name: tmp_path / name for name in names}
            words = stages.arguments(row, size, folders)
            assert f"--workdir={tmp_path / row.name}" in words and not any("{" in word for word in words)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "a.json").write_text(json.dumps({"stage": "a"}))
    with pytest.raises(errors.WorkdirError, match=r"a\.json does not say how a stage ended"):
        running.read(tmp_path, "a")
