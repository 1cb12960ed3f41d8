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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ich_jax import errors
from ich_jax.perf import memory

_ROOT = Path(__file__).resolve().parents[2]
_READY, _DONE = "ready", "done"

MEMORY: Mapping[str, Mapping[str, str]] = {"stock": {memory.SWITCH: "system"}, "large pages": {}}
"""What is set for a process that takes memory as the system has it, and as experiments do."""


def serve(work: Callable[[int], object]) -> None:
    """Does work when the process that started this one asks, and tells it when it is done; ends with its input."""
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
        log: What it printed to its standard error.
    """

    name: str
    process: subprocess.Popen[str]
    log: Path

    def take(self, steps: int) -> None:
        """Has it work, and returns when it is done.

        Raises:
            IchJaxError: It ended instead; the message holds the last that it printed.
        """
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        self.wait_for(_DONE)

    def wait_for(self, word: str) -> None:
        """Waits for a line that is this word.

        Raises:
            IchJaxError: As `take`.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == word:
                return
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
    running: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for i, (name, arguments) in enumerate(commands.items()):
                log = Path(folder) / f"{i}.txt"
                with open(log, "w") as file:
                    process = subprocess.Popen(
                        [sys.executable, str(_ROOT / "scripts/benchmark.py"), *arguments],
                        env={**memory.undecided(os.environ), **environment},
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=file,
                        text=True,
                    )
                running[name] = Worker(name, process, log)
                running[name].wait_for(_READY)
            yield running
        finally:
            for worker in running.values():
                worker.process.kill()
                with contextlib.suppress(BrokenPipeError):
                    worker.process.communicate()
