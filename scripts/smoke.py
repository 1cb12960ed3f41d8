"""Runs every experiment from its command line to its page, small and within a time limit, as a user would.

    .venv/bin/python scripts/smoke.py [--patience=2]

Called by `make smoke`, with the standard library alone, in the environment of the interpreter that runs it. Work
folders and compiled programs go to a temporary folder that starts empty and is removed in the end, so that every
command starts cold and the user's cache is left alone. Two commands run side by side, since most of their time is
compilation, which keeps one core busy; for the same reason programs are compiled without optimisation where that takes
less time. A command passes if it exits with 0 within its limit, the page that it names exists and its last line
is a summary that can be read.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUMMARY = "summary: "
_PAGE = "Page: "
_TINY = "--checkpoint={work}/tiny"
_SHOWN = 30  # lines of a failed command's output


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that has to succeed.

    Attributes:
        name: For people.
        arguments: Those of the interpreter; `{work}` stands for the temporary folder.
        limit_s: Seconds after which it is ended.
        xla_flags: Added to those of the user.
    """

    name: str
    arguments: tuple[str, ...]
    limit_s: float
    xla_flags: str = ""


def _experiment(name: str, config: str, folder: str, limit_s: float, *others: str) -> Command:
    flags = (f"--config=configs/{config}", f"--workdir={{work}}/{folder}", *others)
    return Command(config, (f"experiments/{name}.py", *flags), limit_s, _fast_compilation())


def _fast_compilation() -> str:
    """Returns XLA's flags under which this version of JAX compiles fastest: these runs do little else.

    They are the same for all commands: programs that were compiled under others would not be shared.
    """
    if tuple(map(int, importlib.metadata.version("jax").split(".")[:2])) < (0, 11):
        return "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    return ""  # later versions have no other emitter and compile no faster without optimisation


# Commands of a chain need one another, or share compiled programs; a chain starts when one of those before it has
# ended, so the last one finds the networks of the first. A limit ends a command that hangs; each is several times its
# duration on two slow cores (2.4 GHz, AVX2).
CHAINS = (
    (
        _experiment("train", "quick.py:tiny", "tiny", 600),
        _experiment("design", "design.py:tiny", "designs", 400, _TINY, "--brief=product=fan", "--brief=product=book"),
        _experiment("interference_sweep", "interference_sweep.py:tiny_pulse", "pulses", 600, _TINY),
    ),
    (
        _experiment("economic_benefit", "economic_benefit.py:tiny", "benefit_tiny", 600),
        _experiment("economic_benefit", "economic_benefit.py:quick", "benefit_quick", 900),
    ),
    (
        _experiment("kansei_study", "kansei_study.py:tiny", "kansei", 300),
        _experiment("reproduce_paper", "reproduce_paper.py:tiny", "paper", 400, "--from=kansei={work}/kansei"),
    ),
    (_experiment("market", "market.py:tiny", "market", 300),),
    (_experiment("train", "sketch_32.py:tiny", "sketches", 600),),
    (_experiment("error_comparison", "error_comparison.py:tiny", "errors", 900),),
    (_experiment("interference_sweep", "interference_sweep.py:tiny", "sweep", 400, _TINY),),
)
_AT_ONCE = 2


class SmokeError(Exception):
    """A command failed."""


def main() -> None:
    """Parses the command line, runs all commands and reports their outcome."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patience", type=float, default=1.0, help="factor on all time limits, for slow machines")
    patience = parser.parse_args().patience
    if not patience > 0:
        parser.error(f"--patience={patience}: expected a positive number")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    started, n = time.monotonic(), sum(map(len, CHAINS))
    try:
        failed = run_all(
            [
                [dataclasses.replace(command, limit_s=patience * command.limit_s) for command in chain]
                for chain in CHAINS
            ]
        )
    except KeyboardInterrupt:
        sys.exit("smoke: interrupted")
    facts = {
        "commands": n,
        "seconds": f"{time.monotonic() - started:.0f}",
        "python": platform.python_version(),
        "jax": importlib.metadata.version("jax"),
    }
    print(f"{n - failed} passed, {failed} failed")
    print(SUMMARY + " ".join(f"{name}={value}" for name, value in facts.items()), flush=True)
    sys.exit(failed > 0)


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


def run_all(chains: Sequence[Sequence[Command]]) -> int:
    """Runs the commands of each chain one after another, two chains side by side; prints a line for each command.

    Returns:
        Number of failed commands.
    """
    failed = [0] * len(chains)
    # The remains of a command that was ended may still change while they are removed.
    with tempfile.TemporaryDirectory(prefix="ich_jax_smoke_", ignore_cleanup_errors=True) as folder:
        running: list[subprocess.Popen[bytes]] = []
        interrupted = threading.Event()
        waiting = iter(range(len(chains)))  # shared: each number goes to one of the threads

        def work() -> None:
            for k in waiting:
                run_chain(k)

        def run_chain(k: int) -> None:
            # A cache for each chain: JAX does not write its entries atomically.
            cache, output = Path(folder) / f"cache_{k}", Path(folder) / f"output_{k}.txt"
            environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONUNBUFFERED": "1"}
            for command in chains[k]:
                if interrupted.is_set():
                    return
                started = time.monotonic()
                try:
                    run_one(command, folder, environment, output, running)
                    verdict = ["passed"]
                except SmokeError as error:
                    failed[k] += 1
                    verdict = [f"FAILED: {error}", *(f"    {line}" for line in _lines(output)[-_SHOWN:])]
                report = f"{time.monotonic() - started:6.1f} s  {command.name}  " + "\n".join(verdict)
                print(report + "\n", end="", flush=True)  # one call, so that chains do not mix their lines

        threads = [threading.Thread(target=work, daemon=True) for _ in range(_AT_ONCE)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            interrupted.set()
            for process in running.copy():
                _end(process)
            for thread in threads:
                thread.join()
            raise
    return sum(failed)


def run_one(
    command: Command,
    work: str,
    environment: Mapping[str, str],
    output: Path,
    running: list[subprocess.Popen[bytes]],
) -> None:
    """Runs a command to its end or its limit, and checks its output.

    Args:
        command: What to run.
        work: Replaces `{work}`.
        environment: Variables of the process.
        output: File for its output. Not a pipe, which a child that outlives it could keep open.
        running: Holds the process while it runs, so that it can be ended.

    Raises:
        SmokeError: It failed; the message says how.
    """
    arguments = [sys.executable, *(argument.replace("{work}", work) for argument in command.arguments)]
    with open(output, "wb") as file:
        process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env={**environment, "XLA_FLAGS": f"{environment.get('XLA_FLAGS', '')} {command.xla_flags}".strip()},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running.append(process)
    try:
        code = process.wait(command.limit_s)
    except subprocess.TimeoutExpired:
        _end(process)
        raise SmokeError(f"not done after {command.limit_s:g} s, ended") from None
    finally:
        running.remove(process)
    if code:
        raise SmokeError(f"exit code {code}")
    check_output(_lines(output))


def check_output(lines: Sequence[str]) -> dict[str, str]:
    """Checks that the last line is a summary and that the page exists.

    Args:
        lines: The output of an experiment.

    Returns:
        The values of the summary by name.

    Raises:
        SmokeError: One of them is not as it should be.
    """
    if not lines or not lines[-1].startswith(SUMMARY):
        raise SmokeError(f"the last line does not begin with {SUMMARY!r}")
    words = lines[-1].removeprefix(SUMMARY).split()
    values = {name: value for name, _, value in (word.partition("=") for word in words)}
    wrong = [word for word in words if not re.fullmatch(r"[^\W\d][\w.]*=[^=]+", word)]
    if not words or wrong or len(values) < len(words):
        raise SmokeError(f"the summary is not made of name=value, no name twice: {' '.join(wrong) or words}")
    pages = [line.removeprefix(_PAGE) for line in lines if line.startswith(_PAGE)]
    if len(pages) != 1:
        raise SmokeError(f"{len(pages)} lines begin with {_PAGE!r}")
    if not (ROOT / pages[0]).is_file():
        raise SmokeError(f"the page {pages[0]} does not exist")
    return values


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command with all of its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _lines(output: Path) -> list[str]:
    return output.read_text(encoding="utf-8", errors="replace").splitlines()


if __name__ == "__main__":
    main()
