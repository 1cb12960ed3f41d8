"""A work directory is written by one process at a time, and locks of processes that are gone do not stay."""

import dataclasses
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ich_jax import errors, lock, workdir
from ich_jax.workdir import PARTIAL

ROOT = Path(__file__).resolve().parents[1]


def _write(folder: Path, **changed: object) -> Path:
    """Leaves a lock as another process would; returns its path."""
    holder = dataclasses.replace(lock.this_process(), **changed)
    workdir.write_json(folder / lock.FILE, holder)
    return folder / lock.FILE


def test_a_folder_is_held_and_given_back(tmp_path: Path) -> None:
    with lock.hold(tmp_path / "runs" / "a"):
        assert (tmp_path / "runs" / "a" / lock.FILE).is_file()
    assert not (tmp_path / "runs").exists()  # nothing came of it
    with lock.hold(tmp_path / "runs" / "a"):
        workdir.write_text(tmp_path / "runs" / "a" / "config.json", "{}")
    assert [path.name for path in (tmp_path / "runs" / "a").iterdir()] == ["config.json"]


def test_a_second_process_is_told_who_holds_it_until_the_first_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom ich_jax import lock\n"
        "with lock.hold(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        told = rf"in use by process {other.pid} on .*, since 20.*--workdir"
        with pytest.raises(errors.WorkdirError, match=told), lock.hold(tmp_path):
            pytest.fail("held by two")
        with lock.hold(tmp_path, shard=(1, 3)):  # shards are held one by one
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert (tmp_path / lock.FILE).is_file()
    with lock.hold(tmp_path):
        pass
    assert not (tmp_path / lock.FILE).exists()


@pytest.mark.parametrize(
    "gone", [{"pid": 2**22 + 5}, {"pid": 10**30}, {"started": "1"}, {"boot": "an earlier start of the machine"}]
)
def test_locks_of_processes_that_are_gone_are_taken_over(
    gone: dict[str, object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path, **({"pid": os.getppid()} | gone))
    with caplog.at_level(logging.INFO), lock.hold(tmp_path):
        pass
    assert "which is gone; it is taken over" in caplog.text


def test_another_host_counts_as_long_as_it_renews_its_lock(tmp_path: Path) -> None:
    path = _write(tmp_path, host="another", pid=1)
    with pytest.raises(errors.WorkdirError, match=rf"process 1 on another, .*remove {path}\."), lock.hold(tmp_path):
        pass
    os.utime(path, (0, 0))
    with lock.hold(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"host": "a"}', '{"pid": "x"}', "\x00"])
def test_a_damaged_lock_stops_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / lock.FILE).write_text(content)
    with lock.hold(tmp_path):
        pass


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    left = [tmp_path / f".config.json.ab12_xyz{PARTIAL}", tmp_path / "report" / f".index.html.abcdefgh{PARTIAL}"]
    kept = [tmp_path / ".hidden", tmp_path / "config.json", tmp_path / ".bashrc.original"]
    for path in left + kept:
        workdir.write_text(path, "half")
    with lock.hold(tmp_path):
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in kept)
