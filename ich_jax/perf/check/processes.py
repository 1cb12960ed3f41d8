"""Workers: a process on each side that takes orders as lines of JSON, has a time limit, and is always ended."""

import concurrent.futures
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax import errors

_TOOL = Path(__file__).resolve().parents[3]
_WORKER = Path(__file__).resolve().parent / "worker.py"
_QUOTED_LINES = 15  # last lines of a worker's output that messages quote


class WorkerError(errors.IchJaxError):
    """A worker ended, took too long, or could not carry out an order."""


class AbsentError(WorkerError):
    """The side of a worker lacks the workload."""


class Worker:
    """A process that measures one side.

    Attributes:
        name: Name for messages.
    """

    def __init__(self, name: str, side: Path, table: Path, log: Path, *, cache: Path | None, nice: int = 0) -> None:
        """Starts the process.

        Args:
            name: Name for messages.
            side: Root of the tree.
            table: File of workloads.
            log: File for the output of the process.
            cache: Folder for compiled programs; None: all programs are compiled.
            nice: Increment of its niceness.
        """
        self.name = name
        self._log = log
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION_CACHE")
        }
        environment |= {"PYTHONPATH": str(side), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # several processes share one accelerator, by turns
        environment["JAX_ENABLE_COMPILATION_CACHE"] = "false" if cache is None else "true"
        if cache is not None:
            environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
            environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
            environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
        command = [sys.executable, "-P", str(_WORKER), str(_TOOL), str(side), str(table)]
        with open(log, "w") as file:
            self._process = subprocess.Popen(
                [*(["nice", "-n", str(nice)] if nice else []), *command],
                env=environment,
                cwd=log.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                process_group=0,  # Ctrl-C on the terminal does not reach it; this process ends it
            )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def ready(self, timeout_s: float) -> None:
        """Waits until the process has imported the tree.

        Raises:
            WorkerError: The import failed or took too long.
        """
        self._answer("importing the tree", timeout_s)

    def ask(self, do: str, timeout_s: float, **order: Any) -> dict[str, Any]:
        """Gives an order and returns the answer.

        Raises:
            AbsentError: The side of the worker lacks the workload.
            WorkerError: The order failed, or the process ended or took too long; the message quotes its last output.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
            self._process.stdin.flush()
        return self._answer(" ".join(filter(None, (do, str(order.get("name", ""))))), timeout_s)

    def alive(self) -> bool:
        """Returns whether the process still runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """Ends the process and all processes that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _answer(self, what: str, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=max(timeout_s, 0.01))
        except queue.Empty:
            self.end()
            raise WorkerError(f"{self.name}, {what}: no answer within {timeout_s:.0f} s.{self._printed()}") from None
        if line is None:
            code = self._process.wait()
            raise WorkerError(f"{self.name}, {what}: the process ended with exit code {code}.{self._printed()}")
        reply: dict[str, Any] = json.loads(line)
        if not reply.pop("ok"):
            if reply["absent"]:
                raise AbsentError(f"{self.name}, {what}: {reply['error']}")
            raise WorkerError(f"{self.name}, {what}: {reply['error']}{self._printed()}")
        return reply

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _printed(self) -> str:
        try:
            lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            lines = []
        return " Its last output:" + "".join(f"\n    {line}" for line in lines[-_QUOTED_LINES:]) if lines else ""


@contextlib.contextmanager
def workers() -> Iterator[Callable[..., Worker]]:
    """Yields a function that starts workers, all of which are ended with the block."""
    started: list[Worker] = []

    def start(*arguments: Any, **options: Any) -> Worker:
        worker = Worker(*arguments, **options)
        started.append(worker)
        return worker

    try:
        yield start
    finally:
        for worker in started:
            worker.end()


@contextlib.contextmanager
def signals_end_the_block() -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into SystemExit, so that all cleanup is done."""

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    handled = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def together(calls: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Makes calls concurrently and returns the result of each, or the WorkerError that it raised."""

    def caught(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except WorkerError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(max(1, len(calls))) as pool:
        futures = {name: pool.submit(caught, call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def first_error(results: Sequence[Any]) -> WorkerError | None:
    """Returns the first error among results of `together`."""
    return next((result for result in results if isinstance(result, WorkerError)), None)
