"""Ways to do the same work, each in a process of its own, which take turns.

Two programs in one process share its allocator, caches and pools of threads, and a ratio of their times may say more
about that than about them. Here each has its own, under an environment that is chosen for it, and works only when it is
asked to.
"""

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ich_jax import errors
from ich_jax.perf import memory

_ROOT = Path(__file__).resolve().parents[2]
_READY, _TAKES = "ready", "seconds"

MEMORY: Mapping[str, Mapping[str, str]] = {"stock": {memory.SWITCH: "system"}, "large pages": {}}
"""What is set for a process that takes memory as the system has it, and as experiments do."""


def serve(work: Callable[[int], object]) -> None:
    """Does work as often as the process that started this one asks, and tells it the seconds; ends with its input."""
    print(_READY, flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        work(int(line))
        print(_TAKES, time.perf_counter() - started, flush=True)


@dataclasses.dataclass(eq=False)
class Worker:
    """A process that serves.

    Attributes:
        name: For messages.
        process: The process.
        log: What it printed to its standard error.
    """

    name: str
    process: subprocess.Popen[str]
    log: Path

    def take(self, steps: int) -> float:
        """Has it work, and returns the seconds.

        Raises:
            IchJaxError: It ended instead; the message holds the last that it printed.
        """
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        return float(self.hear(_TAKES))

    def hear(self, word: str) -> str:
        """Waits for a line that begins with a word, and returns the rest of it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line.removeprefix(word).strip()
        last = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
        raise errors.IchJaxError(f"{self.name}: its process left with {self.process.wait()}: {last}")


@contextlib.contextmanager
def workers(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> Iterator[dict[str, Worker]]:
    """Starts `scripts/benchmark.py ARGUMENTS` for each name, one after another, and ends them all afterwards.

    Args:
        commands: From names to the arguments of a command that calls `serve`.
        environment: Added to that of this process, of which nothing about malloc is kept.

    Yields:
        The processes, ready.
    """
    ours = (memory.TUNABLES, memory.SWITCH, memory.ASKED)
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("MALLOC_")}
    running: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for i, (name, arguments) in enumerate(commands.items()):
                log = Path(folder) / f"{i}.txt"
                with open(log, "w") as file:
                    process = subprocess.Popen(
                        [sys.executable, str(_ROOT / "scripts/benchmark.py"), *arguments],
                        env={**kept, **environment},
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=file,
                        text=True,
                    )
                running[name] = Worker(name, process, log)
                running[name].hear(_READY)
            yield running
        finally:
            for worker in running.values():
                worker.process.kill()
                with contextlib.suppress(BrokenPipeError):
                    worker.process.communicate()


def in_turns(running: Mapping[str, Worker], *, rounds: int, steps: int) -> dict[str, np.ndarray]:
    """Returns seconds of a step, `[rounds]` for each name; the order changes from round to round."""
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for worker in running.values():
        worker.take(1)  # warm
    names = list(running)
    for i in range(rounds):
        for name in (*names[i % len(names) :], *names[: i % len(names)]):
            seconds[name].append(running[name].take(steps) / steps)
    return {name: np.array(values) for name, values in seconds.items()}
