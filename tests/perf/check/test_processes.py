import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ich_jax.perf.check import processes

TABLE = """
import time, os
PACKAGE, SOURCES = "small", ("small",)
class Program:
    function, advance, shapes = None, None, None
class Row:
    def __init__(self, make): self.default, self.make = True, make
def absent(): import small.missing
def broken(): raise ValueError("no such thing")
def hangs(): print("about to hang"); import sys; sys.stdout.flush(); time.sleep(100)
def dies(): os._exit(7)
WORKLOADS = {f.__name__: Row(f) for f in (absent, broken, dies, hangs)}
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "side" / "small").mkdir(parents=True)
    (tmp_path / "side" / "small" / "__init__.py").write_text("")
    (tmp_path / "table.py").write_text(TABLE)
    return tmp_path / "table.py"


def test_a_worker_says_what_is_absent_broken_hanging_or_dead(table: Path) -> None:
    """One worker after the other fails; each message says which, at what, and the last that was printed."""
    order = {"platforms": ["cpu"], "changed": {}}
    with processes.workers() as start:
        side, log = table.parent / "side", table.parent / "log"
        first, second = (start(name, side, table, log.with_suffix(name), cache=None) for name in (".a", ".b"))
        first.ready(120)
        second.ready(120)
        assert first.ask("workloads", 60)["sources"] == ["small"]
        with pytest.raises(processes.AbsentError, match=r"\.a, lower absent: ModuleNotFoundError"):
            first.ask("lower", 60, name="absent", **order)
        with pytest.raises(processes.WorkerError, match="ValueError: no such thing"):
            first.ask("lower", 60, name="broken", **order)
        with pytest.raises(
            processes.WorkerError, match=r"(?s)no answer within 1 s\. Its last output:\n.*about to hang"
        ):
            first.ask("lower", 1, name="hangs", **order)
        assert not first.alive() and second.alive()
        with pytest.raises(processes.WorkerError, match=r"\.b, lower dies: the process ended with exit code 7"):
            second.ask("lower", 60, name="dies", **order)


def test_a_tree_that_does_not_import(table: Path) -> None:
    (table.parent / "side" / "small" / "__init__.py").write_text("import nothing_of_this_name\n")
    with processes.workers() as start:
        worker = start("head", table.parent / "side", table, table.parent / "log", cache=None)
        with pytest.raises(processes.WorkerError, match=r"importing the tree: .*nothing_of_this_name"):
            worker.ready(120)


KILLED = """
import signal, sys, pathlib, time, tempfile
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
from ich_jax.perf.check import processes, trees
tempfile.tempdir = sys.argv[1]
try:
    with processes.signals_end_the_block(), trees.scratch() as folder, processes.workers() as start:
        (folder / "small").mkdir()
        (folder / "small" / "__init__.py").write_text("")
        worker = start("head", folder, pathlib.Path(sys.argv[2]), folder / "log", cache=None)
        print(worker._process.pid, flush=True)
        time.sleep(100)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_check_that_is_ended(number: signal.Signals, table: Path) -> None:
    folder = table.parent / "tmp"
    folder.mkdir()
    command = [sys.executable, "-c", KILLED, str(folder), str(table)]
    environment = {**os.environ, "PYTHONPATH": str(Path(processes.__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as check:
        assert check.stdout is not None
        pid = json.loads(check.stdout.readline())
        check.send_signal(number)
        check.wait(60)
    until = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(pid)
    if number != signal.SIGKILL:  # the folder of a process that was killed goes with the next check
        assert not list(folder.iterdir())


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"
