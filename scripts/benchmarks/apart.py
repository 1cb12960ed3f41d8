"""Ways to do the same work, each in a separate process, in turns.

Two programs in one process share its allocator, caches and pools of threads, and a ratio of their times may depend more
on that than on the programs. Here each program has a process with its own environment, and works only on request.
"""

import contextlib
import dataclasses
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ich_jax import errors
from ich_jax.perf import memory

_ROOT = Path(__file__).resolve().parents[2]
_READY, _DONE = "ready", "done"

MEMORY: Mapping[str, Mapping[str, str]] = {"stock": {memory.SWITCH: "system"}, "large pages": {}}
"""Environments of processes that take memory as the system has it, and as experiments do."""


def serve(work: Callable[[int], object]) -> None:
    """Works on request of the process that started this one, and reports when it is done; ends with its input."""
    print(_READY, flush=True)
    for line in sys.stdin:
        work(int(line))
        print(_DONE, flush=True)


@dataclasses.dataclass(eq=False)
class Worker:
    """A process that serves.

    Attributes:
        name: For messages.
        process: The process.
        log: Its standard error.
        said: Its other lines on standard output.
    """

    name: str
    process: subprocess.Popen[str]
    log: Path
    said: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()  # None: it printed its last line
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def take(self, steps: int) -> None:
        """Runs some steps in the process, and returns when they are done.

        Raises:
            IchJaxError: It ended instead; the message holds its last output.
        """
        self.ask(steps)
        self.wait_for(_DONE)

    def ask(self, steps: int) -> None:
        """Starts some steps in the process; `wait` returns when they are done."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()

    def wait(self) -> None:
        """Returns when the steps that `ask` started are done.

        Raises:
            IchJaxError: As `take`.
        """
        self.wait_for(_DONE)

    def wait_for(self, word: str, timeout_s: float | None = None) -> None:
        """Waits for a line that is this word.

        Raises:
            IchJaxError: As `take`, or it did not come in time.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise errors.IchJaxError(f"{self.name}: not {word} within {timeout_s:.0f} s.") from None
            if line is None:
                last = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
                raise errors.IchJaxError(f"{self.name}: its process left with {self.process.wait()}: {last}")
            if line == word:
                return
            self.said.append(line)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.strip())
        self._lines.put(None)

    def end(self) -> None:
        """Kills the process and closes its pipes."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        self._reader.join(timeout=10)  # it ends with the process, unless a child of the process holds the pipe


@contextlib.contextmanager
def workers(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> Iterator[dict[str, Worker]]:
    """Starts `scripts/benchmark.py ARGUMENTS` for each name, one after another, and ends them all afterwards.

    Args:
        commands: From names to the arguments of a command that calls `serve`.
        environment: Added to that of this process, without its settings of malloc.

    Yields:
        The processes, ready.
    """
    running: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for i, (name, arguments) in enumerate(commands.items()):
                running[name] = _start(name, arguments, environment, Path(folder) / f"{i}.txt")
                running[name].wait_for(_READY)
            yield running
        finally:
            _end(running.values())


@contextlib.contextmanager
def workers_at_once(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> Iterator[tuple[dict[str, Worker], Callable[[float], dict[str, str]]]]:
    """Starts processes as `workers` does, but all at the same time, and continues while they get ready.

    Args:
        commands: As for `workers`.
        environment: As for `workers`.

    Yields:
        The processes, and a function that waits for them for at most the given seconds, then ends and removes those
        that are not ready, and returns the reasons.
    """
    running: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:

        def wait(timeout_s: float) -> dict[str, str]:
            until, lost = time.monotonic() + timeout_s, {}
            for name, worker in list(running.items()):
                try:
                    worker.wait_for(_READY, max(0.0, until - time.monotonic()))
                except errors.IchJaxError as error:
                    lost[name] = str(error)
                    _end([running.pop(name)])
            return lost

        try:
            for i, (name, arguments) in enumerate(commands.items()):
                running[name] = _start(name, arguments, environment, Path(folder) / f"{i}.txt")
            yield running, wait
        finally:
            _end(running.values())


def _start(name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Worker:
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, str(_ROOT / "scripts/benchmark.py"), *arguments],
            env={**memory.undecided(os.environ), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    return Worker(name, process, log)


def _end(running: Iterable[Worker]) -> None:
    for worker in running:
        worker.end()
