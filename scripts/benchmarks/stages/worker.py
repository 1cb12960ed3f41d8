"""The worker process: it runs stages one after the other, or one side of the comparison of a stage."""

import dataclasses
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags
from benchmarks.stages import record as records
from benchmarks.stages import several, sizes, stacks, step, table
from benchmarks.stages.job import Job
from benchmarks.stages.record import DONE, FAILED, LEFT_OUT, UNFINISHED, Record
from benchmarks.stages.table import STAGES, Stage

from ich_jax import errors
from ich_jax.report import benchmark, provenance
from ich_jax.studies.console import keep_compiled_programs

FLAGS = flags.FLAGS
READY, REFUSED = "ready", "refused: "
"""Lines by which it reports that the device is there, or why it cannot work; later output is for people."""
_VERSIONS = ("jax", "jaxlib", "jax-cuda13-plugin", "jax-cuda12-plugin", "flax", "optax", "numpy", "torch")


def serve() -> None:
    """Runs one of the processes that the command starts."""
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
        print(f"{REFUSED}JAX finds no device: {' '.join(str(error).split())}", flush=True)
        return
    if (there == "cpu") != (FLAGS.platform == "cpu") or FLAGS.platform not in ("accelerator", there):
        print(
            f"{REFUSED}--platform={FLAGS.platform}: JAX finds only {provenance.provenance().devices} ({there}). "
            "Install JAX for the device (docs/guide/hardware.md), or try everything out by --tiny.",
            flush=True,
        )
        return
    print(READY, flush=True)
    if not sys.stdin.readline():
        return
    threading.Thread(target=_end_with_input, daemon=True).start()
    keep_compiled_programs()
    record = records.read(Path(FLAGS.resume))
    known = {stage.name: stage for stage in STAGES}
    work(record, [known[name] for name in FLAGS.stages], size)


def work(record: Record, stages: Sequence[Stage], size: sizes.Size) -> None:
    """Runs stages one after the other; exceptions are recorded.

    Args:
        record: The run.
        stages: In the order of worth.
        size: Sizes of the measurements.
    """
    call = record.calls[-1]
    call["provenance"] = dataclasses.asdict(provenance.provenance()) | {"command": call["command"]}
    call["versions"] = {name: version for name in _VERSIONS if (version := benchmark.package_version(name))}
    left, shared = list(stages), dict[str, Any]()
    while left:
        stage = left[0]
        allowed = table.allowance(left, FLAGS.until - time.time())
        left.pop(0)
        if allowed < 60 * stage.least:
            reason = f"{max(0.0, allowed) / 60:.2f} minutes were left, {stage.least:g} are needed"
            known = record.entries.get(stage.name)
            if known is None or not known.rows:  # else an earlier call has begun it, and its results stay
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
        except Exception as error:  # any exception: the remaining minutes belong to the next stage
            traceback.print_exc()
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
            record.end(stage.name, FAILED, time.monotonic() - started, reason)
            print(f"{stage.name}: failed: {reason}", flush=True)
        else:
            reason = job.goes_on or (f"no time for {', '.join(job.late)}" if job.late else "")
            record.end(stage.name, UNFINISHED if reason else DONE, time.monotonic() - started, reason)
            print(f"{stage.name}: {record.entries[stage.name].state} {reason}".rstrip(), flush=True)


def _end_with_input() -> None:
    """Ends this process and its children when the watching process is gone."""
    while sys.stdin.readline():
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)
