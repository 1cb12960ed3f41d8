"""The script behind `make smoke` with commands that take no time: what passes, what fails, and that nothing hangs."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
GOOD = """
import pathlib
page = pathlib.Path(r"{work}", "index.html")
page.touch()
print("Page:", page)
print("summary: accuracy=0.5 p=nan method=conformal,whole")
"""
# Starts a child that holds the output open and ignores what asks it to leave, and waits for it.
SLOW = """
import pathlib, signal, subprocess, sys
for i in range(40):
    print("line", i, flush=True)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-c", code])
pathlib.Path({children!r}).write_text(str(child.pid))
child.wait()
"""


@pytest.fixture(scope="module")
def smoke() -> ModuleType:
    spec = importlib.util.spec_from_file_location("smoke", SCRIPTS / "smoke.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["smoke"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def command(smoke: ModuleType) -> Callable[..., Any]:
    def make(code: str, limit_s: float = 60.0) -> Any:
        return smoke.Command("fake", ("-c", code), limit_s)

    return make


def is_gone(pid: int) -> bool:
    """Whether a process has ended, or does so within ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":  # nobody has asked how it ended
            return True
        time.sleep(0.05)
    return False


def test_commands_that_come_through(
    smoke: ModuleType, command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cold = "import os, pathlib; assert not pathlib.Path(os.environ['XDG_CACHE_HOME']).exists()\n"
    assert smoke.run_all([[command(cold + GOOD), command(GOOD)]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:] for line in lines] == [["s", "fake", "passed"]] * 2


def test_a_command_beyond_its_limit_is_ended_with_its_children(
    smoke: ModuleType, command: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    children = tmp_path / "children"
    started = time.monotonic()
    failed = smoke.run_all([[command(SLOW.format(children=str(children)), limit_s=3.0), command(GOOD)]])
    assert failed == 1
    assert time.monotonic() - started < 60
    first, *shown, last = capsys.readouterr().out.splitlines()
    assert first.endswith("fake  FAILED: not done after 3 s, ended")
    assert [line.strip() for line in shown] == [f"line {i}" for i in range(10, 40)]
    assert last.endswith("fake  passed")
    assert is_gone(int(children.read_text()))


def test_an_interrupt_ends_the_command_that_runs(tmp_path: Path) -> None:
    children = tmp_path / "children"
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("smoke", {str(SCRIPTS / "smoke.py")!r})
smoke = sys.modules["smoke"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(smoke)
smoke.CHAINS = ((smoke.Command("fake", ("-c", {SLOW.format(children=str(children))!r}), 300.0),) * 2,)
sys.argv = ["smoke.py"]
smoke.main()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (children.exists() and children.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "smoke: interrupted" in stderr
    assert is_gone(int(children.read_text()))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit code -9"),
        ("print('and a word more')", "the last line does not begin with 'summary: '"),
        ("print('summary: accuracy')", "name=value, no name twice: accuracy"),
        ("print('summary: accuracy=')", "name=value, no name twice: accuracy="),
        ("print('summary: p=1 p=2')", "name=value, no name twice"),
        ("print('summary: ')", "name=value, no name twice"),
        ("page.unlink()", "does not exist"),
        ("print('Page: a'); print('summary: p=1')", "2 lines begin with 'Page: '"),
    ],
)
def test_a_command_that_does_not_come_through(
    smoke: ModuleType, command: Callable[..., Any], end: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke.run_all([[command(GOOD + end)]]) == 1
    first, *shown = capsys.readouterr().out.splitlines()
    assert "fake  FAILED: " in first and words in first
    assert any("summary: accuracy=0.5" in line for line in shown)


def test_a_command_without_output_fails(smoke: ModuleType, command: Callable[..., Any]) -> None:
    assert smoke.run_all([[command("")]]) == 1


def test_the_script_says_how_it_went_in_the_end(
    smoke: ModuleType, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(smoke, "CHAINS", ((command(GOOD),), (command("raise SystemExit(3)"),)))
    monkeypatch.setattr(smoke.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["smoke.py", "--patience=2"])
    with pytest.raises(SystemExit) as ended:
        smoke.main()
    assert ended.value.code == 1
    counts, summary = capsys.readouterr().out.splitlines()[-2:]
    assert counts == "1 passed, 1 failed"
    assert smoke.check_output(["Page: README.md", summary]).keys() == {"commands", "seconds", "python", "jax"}


def flags_of(command: Any) -> dict[str, str]:
    """Flags of a command with their values."""
    return dict(argument.removeprefix("--").split("=", 1) for argument in command.arguments[1:])


def test_every_experiment_is_run_on_a_config_that_exists(smoke: ModuleType) -> None:
    commands = [command for chain in smoke.CHAINS for command in chain]
    run = {command.arguments[0] for command in commands}
    known = {f"experiments/{path.name}" for path in (SCRIPTS.parent / "experiments").glob("*.py")}
    assert run == known
    everywhere: set[str] = set()
    for chain in smoke.CHAINS:
        # Those that an earlier command of the same chain has made, or for the last chain the first one.
        folders = {flags_of(command)["workdir"] for command in smoke.CHAINS[0]} if chain is smoke.CHAINS[-1] else set()
        for command in chain:
            flags = flags_of(command)
            assert (SCRIPTS.parent / flags["config"].partition(":")[0]).is_file()
            assert flags.get("checkpoint", flags["workdir"]) in {*folders, flags["workdir"]}
            folders.add(flags["workdir"])
        everywhere |= {flags_of(command)["workdir"] for command in chain}
    assert len(everywhere) == len(commands)


def test_two_chains_run_side_by_side(
    smoke: ModuleType, command: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Each waits for what the other one writes.
    wait = """
import pathlib, time
pathlib.Path({own!r}).touch()
until = time.monotonic() + 60
while not pathlib.Path({other!r}).exists():
    assert time.monotonic() < until
    time.sleep(0.05)
"""
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    chains = [[command(wait.format(own=own, other=other) + GOOD)] for own, other in ((one, two), (two, one))]
    assert smoke.run_all([*chains, [command(GOOD)]]) == 0
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [["s", "fake", "passed"]] * 3
