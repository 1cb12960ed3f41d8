"""The process that watches the worker and touches no device: it ends, replaces and records a worker that fails."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from benchmarks.stages import record as records
from benchmarks.stages import worker
from benchmarks.stages.record import FAILED, Record
from benchmarks.stages.table import Stage

from ich_jax import errors
from ich_jax.report import provenance

FLAGS = flags.FLAGS
_ROOT = Path(__file__).resolve().parents[3]
_GRACE_S = 15.0
"""Seconds after its deadline at which a stage that has not stopped is ended with its process."""
_LAST_S = 5.0
"""The same after the end of the whole time."""


def supervise(record: Record, stages: Sequence[Stage], deadline: float, platform: str) -> None:
    """Runs stages in a worker process, and the remaining ones in another if that process is lost.

    Args:
        record: The run; while a process works, it alone writes the file.
        stages: The missing stages, in order.
        deadline: Of `time.monotonic`.
        platform: Required platform of the device.

    Raises:
        ConfigError: There is no such device.
    """
    left = list(stages)
    record.calls.append({"command": provenance.command_line(sys.argv), "sources": records.sources(), "minutes": 0.0})
    for entry in record.entries.values():
        entry.until = 0.0  # below 0: it has ended in this call
    while left:
        until = time.time() + deadline - time.monotonic()
        with _started(record, left, until, platform) as (process, lines):
            code = _watch(record, process, lines, until)
        record.calls, record.entries = _stored(record)
        lost = records.interrupted(record, f"its process left with {code}; see log.txt", state=FAILED)
        for stage in [stage for stage in left if stage.name in lost]:
            print(f"{stage.name}: failed: its process left with {code}", flush=True)
        if not code:
            return
        ended = {name for name, entry in record.entries.items() if entry.until < 0}
        after = [stage for stage in left if stage.name not in ended]
        if len(after) == len(left):
            raise errors.IchJaxError(f"The process that does the work left with {code}: {_last_words(record)}")
        left = after


@contextlib.contextmanager
def _started(
    record: Record, stages: Sequence[Stage], until: float, platform: str
) -> Iterator[tuple[subprocess.Popen[str], "queue.SimpleQueue[str | None]"]]:
    """Starts the process in a new group, and ends the remains of the group afterwards."""
    words = [
        *(sys.executable, str(_ROOT / "scripts/benchmark.py"), "accelerator", "--side=stages", f"--until={until}"),
        *(f"--size={record.size}", f"--stages={','.join(stage.name for stage in stages)}", f"--versus={FLAGS.versus}"),
        *(f"--resume={record.folder}", f"--platform={platform}", f"--devices={FLAGS.devices}"),
    ]
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # others share the device
    if platform == "cpu":
        environment["JAX_PLATFORMS"] = "cpu"
        if FLAGS.devices > 1:
            environment["JAX_NUM_CPU_DEVICES"] = str(FLAGS.devices)
    process = subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.PIPE,  # closed when this process ends in any way; then the worker ends, too
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        yield process, lines
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _watch(record: Record, process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]", until: float) -> int:
    """Shows and logs the output of the process until it ends or has to be ended; returns its exit code."""
    log = None
    try:
        while True:
            try:
                line = lines.get(timeout=0.5)
            except queue.Empty:
                _, entries = _stored(record)
                due = [entry.until + _GRACE_S for entry in entries.values() if entry.state == records.RUNNING]
                if time.time() > min([*due, until + _LAST_S]):
                    print("A stage did not stop at its deadline; its process is ended.", flush=True)
                    return -signal.SIGKILL
                continue
            if line is None:
                return process.wait()
            if line.startswith(worker.REFUSED):
                raise errors.ConfigError(line.removeprefix(worker.REFUSED))
            if log is None and line == worker.READY:
                record.write()
                log = open(record.folder / "log.txt", "a", encoding="utf-8")  # noqa: SIM115 - it outlives this branch
                process.stdin.write("go\n")  # type: ignore[union-attr]  # it is a pipe
                process.stdin.flush()  # type: ignore[union-attr]
                continue
            print(line, flush=True)
            if log is not None:
                log.write(f"{line}\n")
                log.flush()
    finally:
        if log is not None:
            log.close()


def _stored(record: Record) -> tuple[list[dict[str, Any]], dict[str, records.Entry]]:
    """The record as the worker has written it."""
    if not (record.folder / records.FILE).exists():
        return record.calls, record.entries
    stored = records.read(record.folder)
    return stored.calls, stored.entries


def _last_words(record: Record) -> str:
    log = record.folder / "log.txt"
    return " ".join(log.read_text(encoding="utf-8").splitlines()[-5:]) if log.exists() else "it said nothing"
