"""Measurements on an accelerator that is at hand for minutes only, in order of value.

    python scripts/benchmark.py accelerator --list
    python scripts/benchmark.py accelerator --minutes=9 --output=runs/accelerator
    python scripts/benchmark.py accelerator --minutes=9 --resume=runs/accelerator
    python scripts/benchmark.py accelerator --tiny --output=runs/tiny

The stages are the rows of one table (`benchmarks/stages/table.py`). One process works through them; another, which
touches no device, watches it: a stage that raises is recorded and the next one begins, also where the compiler kills
the whole process, or where a stage does not stop at its deadline. Every result is written as it comes, to
`accelerator.json` and `accelerator.md`; `--resume` keeps finished stages and resumes the others, trainings from their
checkpoints. Omissions of a stage, and their reasons, are stored beside its results.

`--tiny` runs every stage through the same code on a CPU. `--rehearse` does so and stores a receipt with a fingerprint
of the sources (`make rehearse`); a full run on an accelerator requires the receipt of the same sources, since a mistake
that a CPU reveals costs minutes there.
"""

import math
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from benchmarks.stages import record as records
from benchmarks.stages import table, watcher, worker
from benchmarks.stages.record import DONE, FAILED, Record
from benchmarks.stages.table import STAGES, Stage

from ich_jax import errors, workdir
from ich_jax.report import benchmark

FLAGS = flags.FLAGS
REHEARSAL = "docs/results/speed/accelerator/rehearsal"
PLATFORMS = ("accelerator", "gpu", "tpu", "cpu")
_ROOT = Path(__file__).resolve().parents[2]


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", "", "Folder of a new run.")
    flags.DEFINE_string("resume", "", "Folder of a run to resume.")
    flags.DEFINE_float("minutes", 0.0, "Minutes for all stages; 9 by default, unlimited with --tiny.")
    flags.DEFINE_bool("list", False, "Show the stages with their expected minutes, and leave.")
    flags.DEFINE_list(
        "stages", [], "Names of stages, such as device,step; by default all but those that run on request only."
    )
    flags.DEFINE_integer("devices", -1, "Also exercise this many devices, and two processes, together; 0: all devices.")
    flags.DEFINE_string("versus", "torch", "torch: compare with PyTorch where it is installed; none: alone.")
    flags.DEFINE_string("platform", "", f"Required platform of the device: {', '.join(PLATFORMS)}.")
    flags.DEFINE_bool("tiny", False, "At a tiny size, on a CPU unless --platform says otherwise.")
    flags.DEFINE_bool("rehearse", False, "As --tiny, and store the receipt if nothing failed.")
    flags.DEFINE_string("rehearsal", str(_ROOT / REHEARSAL), "Folder of that receipt.")
    flags.DEFINE_bool("rehearsed", True, "Require a rehearsal of the very same sources; --norehearsed: run without.")
    flags.DEFINE_string("side", "", "Task of this process; the command sets it for the processes that it starts.")
    flags.DEFINE_string("size", "", "Of such a process.")
    flags.DEFINE_float("until", 0.0, "Of such a process: deadline, in seconds since the epoch.")
    flags.DEFINE_string("variant", "", "Of such a process: the step in PyTorch.")
    flags.DEFINE_string("torch_device", "cpu", "Of such a process.")
    flags.DEFINE_string("form", "merged", "Of such a process: how convolutions are computed.")
    flags.DEFINE_string("coordinator", "", "Of such a process: address where the processes meet.")


def run() -> None:
    """Runs the stages that the flags select."""
    if FLAGS.list:
        print(table.listing())
        return
    if FLAGS.side:
        worker.serve()
        return
    began = time.monotonic()
    chosen, size, minutes = check_flags()
    record = _open(size)
    missing = [stage for stage in chosen if record.entries.get(stage.name, records.Entry("")).state != DONE]
    _check_rehearsal(size)
    if missing:
        watcher.supervise(record, missing, began + 60 * minutes, _platform())
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


# ---------------------------------------------------------------- checks before a minute is spent


def check_flags() -> tuple[list[Stage], str, float]:
    """Returns the selected stages, the size and the minutes.

    Raises:
        ConfigError: A flag has a value that cannot be used.
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
        raise errors.ConfigError("Name one folder: --output=DIR for a new run, or --resume=DIR to resume one.")
    tiny = FLAGS.tiny or FLAGS.rehearse
    minutes = FLAGS.minutes if FLAGS["minutes"].present else (60.0 if tiny else 9.0)
    least = min(chosen, key=lambda stage: stage.least)
    if not math.isfinite(minutes) or minutes < least.least:
        raise errors.ConfigError(
            f"--minutes={minutes:g}: too few for any stage asked for; {least.name} needs {least.least:g}, all of them "
            f"{sum(stage.minutes for stage in chosen):.1f}."
        )
    return chosen, "tiny" if tiny else "full", minutes


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
        raise errors.WorkdirError(f"--output={folder} holds a run already; resume it by --resume={folder}.")
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
    """Requires a rehearsal of these sources before a full run; warns of another version of JAX.

    Raises:
        ConfigError: There is none, or it failed.
    """
    if size == "tiny" or _platform() == "cpu":
        return
    file, how = Path(FLAGS.rehearsal) / "rehearsal.json", "run `make rehearse` first, or add --norehearsed"
    stored = workdir.read_json(file) if file.exists() else {}
    if FLAGS.rehearsed and stored.get("sources") != records.sources():
        rehearsed_of = "other sources than these" if stored else "nothing"
        raise errors.ConfigError(f"{REHEARSAL} is of a rehearsal of {rehearsed_of}; {how}.")
    there = benchmark.package_version("jax")
    if (rehearsed := stored.get("versions", {}).get("jax")) != there:
        print(f"warning: JAX {there} is installed here, and {rehearsed or 'none'} was rehearsed with.", flush=True)


def _store_rehearsal(record: Record, chosen: Sequence[Stage]) -> None:
    """Stores the receipt of a rehearsal in which every stage began and none failed."""
    entries = [record.entries.get(stage.name) for stage in chosen]
    bad = [stage.name for stage, entry in zip(chosen, entries, strict=True) if not entry or entry.state != DONE]
    complete = {stage.name for stage in STAGES if not stage.asked} <= {stage.name for stage in chosen}
    if bad or not complete:
        print(f"No receipt is stored: {', '.join(bad) or 'some stages'} not done.", flush=True)
        return
    folder = Path(FLAGS.rehearsal)
    receipt = {
        "sources": records.sources(),
        "versions": record.calls[-1]["versions"],
        "provenance": record.calls[-1]["provenance"],
        "minutes": sum(call.get("minutes", 0.0) for call in record.calls),
        "stages": {stage.name: record.entries[stage.name].state for stage in chosen},
    }
    workdir.write_json(folder / "rehearsal.json", receipt)
    workdir.write_text(folder / records.TABLES, records.markdown(record))
    shutil.copyfile(record.folder / "log.txt", folder / "log.txt")
    print(f"Receipt: {folder / 'rehearsal.json'}", flush=True)


def _figure(record: Record, name: str) -> float:
    entry = record.entries.get("step")
    return entry.figures.get(name, math.nan) if entry else math.nan
