"""Nine minutes on an accelerator, none of them wasted: everything that we want to know of one, in the order of worth.

    python scripts/benchmark.py accelerator --list
    python scripts/benchmark.py accelerator --minutes=9 --output=runs/accelerator
    python scripts/benchmark.py accelerator --minutes=9 --resume=runs/accelerator
    python scripts/benchmark.py accelerator --tiny --output=runs/tiny

The stages stand in one table (`benchmarks/stages/table.py`). A process works through them; another one, which touches
no device, watches it: a stage that raises is recorded and the next one begins, also where the compiler takes the whole
process down, or where a stage does not stop at its deadline. Every result is written as it comes, to
`accelerator.json` and `accelerator.md`; `--resume` leaves finished stages as they are and goes on with the others,
trainings from their checkpoints. What a stage had to leave out, and why, stands beside its results.

`--tiny` takes all of it through the same code on a CPU. `--rehearse` does so with a receipt that is stored with what it
ran on (`make rehearse`); a full run on an accelerator asks for the receipt of the same sources, since a mistake that
a CPU shows costs minutes there.
"""

import contextlib
import dataclasses
import hashlib
import math
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags
from benchmarks.stages import record as records
from benchmarks.stages import several, sizes, stacks, step, table
from benchmarks.stages.job import Job
from benchmarks.stages.record import DONE, FAILED, LEFT_OUT, UNFINISHED, Record
from benchmarks.stages.table import STAGES, Stage

from ich_jax import errors, workdir
from ich_jax.report import benchmark, provenance
from ich_jax.studies.console import keep_compiled_programs

FLAGS = flags.FLAGS
REHEARSAL = "docs/results/speed/accelerator/rehearsal"
PLATFORMS = ("accelerator", "gpu", "tpu", "cpu")
_ROOT = Path(__file__).resolve().parents[2]
_GRACE_S = 15.0
"""Seconds after its deadline at which a stage that has not stopped is ended with its process."""
_LAST_S = 5.0
"""The same after the end of all minutes."""
_VERSIONS = ("jax", "jaxlib", "jax-cuda13-plugin", "jax-cuda12-plugin", "flax", "optax", "numpy", "torch")
_READY, _REFUSED = "ready", "refused: "


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", "", "Folder of a new run.")
    flags.DEFINE_string("resume", "", "Folder of a run to go on with.")
    flags.DEFINE_float("minutes", 0.0, "Minutes for all of it; 9 by default, with --tiny as many as it takes.")
    flags.DEFINE_bool("list", False, "Show the stages and the minutes that they are expected to take, and leave.")
    flags.DEFINE_list(
        "stages", [], "Names of stages, such as device,step; by default all but those that are asked for."
    )
    flags.DEFINE_integer("devices", -1, "Exercise so many devices and two processes together, too; 0: all there are.")
    flags.DEFINE_string("versus", "torch", "torch: compare with PyTorch where it is installed; none: alone.")
    flags.DEFINE_string("platform", "", f"What the device has to be: {', '.join(PLATFORMS)}.")
    flags.DEFINE_bool("tiny", False, "At a tiny size, on a CPU unless --platform says otherwise.")
    flags.DEFINE_bool("rehearse", False, "As --tiny, and store the receipt if nothing failed.")
    flags.DEFINE_string("rehearsal", str(_ROOT / REHEARSAL), "Folder of that receipt.")
    flags.DEFINE_bool("rehearsed", True, "Ask for a rehearsal of the very same sources; --norehearsed: go on without.")
    flags.DEFINE_string("side", "", "What to do in this process; the command gives it to those that it starts.")
    flags.DEFINE_string("size", "", "Of such a process.")
    flags.DEFINE_float("until", 0.0, "Of such a process: when its work has to be done, in seconds since the epoch.")
    flags.DEFINE_string("variant", "", "Of such a process: the step in PyTorch.")
    flags.DEFINE_string("torch_device", "cpu", "Of such a process.")
    flags.DEFINE_string("form", "merged", "Of such a process: how convolutions are computed.")
    flags.DEFINE_string("coordinator", "", "Of such a process: where the processes meet.")


def run() -> None:
    """Does what the flags ask for."""
    if FLAGS.list:
        print(table.listing())
        return
    if FLAGS.side:
        serve()
        return
    began = time.monotonic()
    chosen, size, minutes = check_flags()
    record = _open(size)
    missing = [stage for stage in chosen if record.entries.get(stage.name, records.Entry("")).state != DONE]
    _check_rehearsal(size)
    if missing:
        supervise(record, missing, began + 60 * minutes, _platform())
    spent = (time.monotonic() - began) / 60
    if record.calls:
        record.calls[-1]["minutes"] = spent
    record.write()
    record.write_tables()
    states = [record.entries[stage.name].state for stage in chosen if stage.name in record.entries]
    figures = {
        "stages": float(len(chosen)),
        "done": float(states.count(DONE)),
        "failed": float(states.count(FAILED)),
        "step_vs_torch": _figure(record, "step_vs_torch"),
        "mfu": _figure(record, "mfu"),
        "minutes": spent,
    }
    if FLAGS.rehearse:
        _store_rehearsal(record, chosen)
    print(benchmark.summary(figures), flush=True)
    if figures["failed"]:
        sys.exit(1)


# ---------------------------------------------------------------- what is refused before a minute is spent


def check_flags() -> tuple[list[Stage], str, float]:
    """Returns the stages asked for, the size and the minutes.

    Raises:
        ConfigError: A flag cannot be.
    """
    errors.require(FLAGS.versus, ("torch", "none"), "--versus")
    errors.require(_platform(), PLATFORMS, "--platform")
    known = {stage.name: stage for stage in STAGES}
    for name in FLAGS.stages:
        errors.require(name, known, "--stages")
    asked = [stage for stage in STAGES if stage.name in FLAGS.stages]
    chosen = asked or [stage for stage in STAGES if not stage.asked]
    if FLAGS.devices >= 0 and known["devices"] not in chosen:
        chosen.append(known["devices"])
    if bool(FLAGS.output) == bool(FLAGS.resume):
        raise errors.ConfigError("Name one folder: --output=DIR for a new run, or --resume=DIR to go on with one.")
    tiny = FLAGS.tiny or FLAGS.rehearse
    minutes = FLAGS.minutes if FLAGS["minutes"].present else (60.0 if tiny else 9.0)
    least = min(chosen, key=lambda stage: stage.least)
    if not math.isfinite(minutes) or minutes < least.least:
        raise errors.ConfigError(
            f"--minutes={minutes:g}: too few for any stage asked for; {least.name} needs {least.least:g}, all of them "
            f"{sum(stage.minutes for stage in chosen):.1f}."
        )
    return chosen, "tiny" if tiny else "full", minutes


def sources() -> str:
    """Returns a fingerprint of everything that runs: the package, its scripts and its configs."""
    digest = hashlib.sha256()
    for folder in ("ich_jax", "scripts", "configs"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _platform() -> str:
    return str(FLAGS.platform or ("cpu" if FLAGS.tiny or FLAGS.rehearse else "accelerator"))


def _open(size: str) -> Record:
    """Opens the folder of the run.

    Raises:
        WorkdirError: It holds something else, cannot be written, or holds a run of another size.
    """
    if FLAGS.resume:
        record = records.read(Path(FLAGS.resume))
        if record.size != size:
            tiny = "with --tiny" if record.size == "tiny" else "without --tiny"
            raise errors.WorkdirError(f"--resume={FLAGS.resume}: that run is of size {record.size}; go on {tiny}.")
        records.interrupted(record, "its process was ended")
        return record
    folder = Path(FLAGS.output)
    if (folder / records.FILE).exists():
        raise errors.WorkdirError(f"--output={folder} holds a run already; go on with it by --resume={folder}.")
    try:
        foreign = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise errors.WorkdirError(workdir.explain(error, folder, action="read")) from error
    if foreign:
        raise errors.WorkdirError(f"--output={folder} holds something else; name a new or an empty folder.")
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
        if made:  # it is made when the device has been found
            folder.rmdir()
    except OSError as error:
        raise errors.WorkdirError(workdir.explain(error, folder).replace("--workdir", "--output")) from error
    return Record(folder, size)


def _check_rehearsal(size: str) -> None:
    """Asks for a rehearsal of these sources before a full run; another version of JAX is warned of.

    Raises:
        ConfigError: There is none, or it failed.
    """
    if size == "tiny" or _platform() == "cpu":
        return
    file, how = Path(FLAGS.rehearsal) / "rehearsal.json", "run `make rehearse` first, or add --norehearsed"
    stored = workdir.read_json(file) if file.exists() else {}
    if FLAGS.rehearsed and stored.get("sources") != sources():
        what = "other sources than these" if stored else "nothing"
        raise errors.ConfigError(f"{REHEARSAL} tells of a rehearsal of {what}; {how}.")
    there = benchmark.package_version("jax")
    if (rehearsed := stored.get("versions", {}).get("jax")) != there:
        print(f"warning: JAX {there} is installed here, and {rehearsed or 'none'} was rehearsed with.", flush=True)


def _store_rehearsal(record: Record, chosen: Sequence[Stage]) -> None:
    """Stores the receipt of a rehearsal in which nothing failed and everything was begun."""
    entries = [record.entries.get(stage.name) for stage in chosen]
    bad = [stage.name for stage, entry in zip(chosen, entries, strict=True) if not entry or entry.state != DONE]
    whole = {stage.name for stage in STAGES if not stage.asked} <= {stage.name for stage in chosen}
    if bad or not whole:
        print(f"No receipt is stored: {', '.join(bad) or 'some stages'} not done.", flush=True)
        return
    folder = Path(FLAGS.rehearsal)
    receipt = {
        "sources": sources(),
        "versions": record.calls[-1]["versions"],
        "provenance": record.calls[-1]["provenance"],
        "minutes": sum(call.get("minutes", 0.0) for call in record.calls),
        "stages": {stage.name: record.entries[stage.name].state for stage in chosen},
    }
    workdir.write_json(folder / "rehearsal.json", receipt)
    workdir.write_text(folder / records.TABLES, records.markdown(record))
    shutil.copyfile(record.folder / "log.txt", folder / "log.txt")
    print(f"Receipt: {folder / 'rehearsal.json'}", flush=True)


# ---------------------------------------------------------------- the process that watches


def supervise(record: Record, stages: Sequence[Stage], deadline: float, platform: str) -> None:
    """Has stages done by a process of their own, and by another one for the rest if that one is lost.

    Args:
        record: The run; while a process works, it alone writes the file.
        stages: What is missing, in order.
        deadline: Of `time.monotonic`.
        platform: What the device has to be.

    Raises:
        ConfigError: There is no such device.
    """
    left = list(stages)
    record.calls.append({"command": provenance.command_line(sys.argv), "sources": sources(), "minutes": 0.0})
    for entry in record.entries.values():
        entry.until = 0.0  # below 0: it has ended in this call
    while left:
        until = time.time() + deadline - time.monotonic()
        with _worker(record, left, until, platform) as (process, lines):
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
def _worker(
    record: Record, stages: Sequence[Stage], until: float, platform: str
) -> Iterator[tuple[subprocess.Popen[str], "queue.SimpleQueue[str | None]"]]:
    """Starts the process, in a group of its own, and ends whatever is left of it."""
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
        stdin=subprocess.PIPE,  # closed when this process ends, however it ends; then the other one ends, too
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
    """Shows and keeps what the process says, until it ends or has to be ended; returns its exit code."""
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
            if line.startswith(_REFUSED):
                raise errors.ConfigError(line.removeprefix(_REFUSED))
            if log is None and line == _READY:
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
    """What the other process has written."""
    if not (record.folder / records.FILE).exists():
        return record.calls, record.entries
    stored = records.read(record.folder)
    return stored.calls, stored.entries


def _last_words(record: Record) -> str:
    log = record.folder / "log.txt"
    return " ".join(log.read_text(encoding="utf-8").splitlines()[-5:]) if log.exists() else "it said nothing"


# ---------------------------------------------------------------- the process that works


def serve() -> None:
    """Is one of the processes that the command starts."""
    side, size = FLAGS.side, sizes.named(FLAGS.size)
    if side == "torch":
        step.serve_torch(size.step.load(), FLAGS.variant, FLAGS.torch_device)
    elif side == "small":
        keep_compiled_programs()
        stacks.serve(size, FLAGS.form)
    elif side.startswith("process"):
        several.serve_process(int(side.removeprefix("process")), FLAGS.coordinator)
    else:
        errors.require(side, ("stages",), "--side")
        _serve_stages(size)


def _serve_stages(size: sizes.Size) -> None:
    try:
        there = jax.default_backend()
    except RuntimeError as error:
        print(f"{_REFUSED}JAX finds no device: {' '.join(str(error).split())}", flush=True)
        return
    if (there == "cpu") != (FLAGS.platform == "cpu") or FLAGS.platform not in ("accelerator", there):
        print(
            f"{_REFUSED}--platform={FLAGS.platform}: JAX finds only {provenance.provenance().devices} ({there}). "
            "Install JAX for the device (docs/guide/hardware.md), or try everything out by --tiny.",
            flush=True,
        )
        return
    print(_READY, flush=True)
    if not sys.stdin.readline():
        return
    threading.Thread(target=_end_with_input, daemon=True).start()
    keep_compiled_programs()
    record = records.read(Path(FLAGS.resume))
    known = {stage.name: stage for stage in STAGES}
    work(record, [known[name] for name in FLAGS.stages], size)


def work(record: Record, stages: Sequence[Stage], size: sizes.Size) -> None:
    """Does stages one after the other; what one raises is recorded.

    Args:
        record: The run.
        stages: In the order of worth.
        size: What is measured.
    """
    call = record.calls[-1]
    call["provenance"] = dataclasses.asdict(provenance.provenance()) | {"command": call["command"]}
    call["versions"] = {name: found for name in _VERSIONS if (found := benchmark.package_version(name))}
    left, shared = list(stages), dict[str, Any]()
    while left:
        stage = left[0]
        allowed = table.allowance(left, FLAGS.until - time.time())
        left.pop(0)
        if allowed < 60 * stage.least:
            reason = f"{max(0.0, allowed) / 60:.2f} minutes were left, {stage.least:g} are needed"
            known = record.entries.get(stage.name)
            if known is None or not known.rows:  # else an earlier call has been at it, and what it found stays
                record.end(stage.name, LEFT_OUT, 0.0, reason)
            print(f"{stage.name}: left out: {reason}", flush=True)
            continue
        print(f"{stage.name}: {stage.worth}; {allowed / 60:.1f} minutes", flush=True)
        call["stage_began"] = time.time()
        record.begin(stage.name, time.time() + allowed)
        job = Job(stage.name, size, record, time.monotonic() + allowed, FLAGS.versus == "torch", FLAGS.devices, shared)
        started = time.monotonic()
        try:
            stage.run(job)
        except Exception as error:  # whatever it is, the minutes that are left are for the next stage
            traceback.print_exc()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
            record.end(stage.name, FAILED, time.monotonic() - started, reason)
            print(f"{stage.name}: failed: {reason}", flush=True)
        else:
            reason = job.goes_on or (f"no time for {', '.join(job.late)}" if job.late else "")
            record.end(stage.name, UNFINISHED if reason else DONE, time.monotonic() - started, reason)
            print(f"{stage.name}: {record.entries[stage.name].state} {reason}".rstrip(), flush=True)


def _end_with_input() -> None:
    """Ends this process and those that it started when the one that watches it is gone."""
    while sys.stdin.readline():
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _figure(record: Record, name: str) -> float:
    entry = record.entries.get("step")
    return entry.figures.get(name, math.nan) if entry else math.nan
