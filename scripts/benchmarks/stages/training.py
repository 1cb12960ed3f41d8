"""Trainings that use all remaining minutes: stopped with a checkpoint at the deadline, and resumed later."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from benchmarks.stages.job import Job
from benchmarks.stages.sizes import Run

import ich_jax
from ich_jax import errors, workdir
from ich_jax.data import procedural
from ich_jax.report import sheets

_GRACE_S = 25.0
"""Seconds before the deadline at which a run is asked to save and leave."""
_POLL_S = 0.2
_TOLERANCE = 0.5  # of the comparison


def compare(job: Job) -> None:
    """Trains and judges both arms of the deep error comparison, as shards beside each other."""
    folder = job.folder / "error_comparison"
    made = job.size.comparison
    commands = {
        f"shard {i}": command("error_comparison", made, folder, f"--shard={i}/{job.size.shards}")
        for i in range(job.size.shards)
    }
    ended = side_by_side(job, commands)
    complete = all(code == 0 for code in ended.values())
    if complete and not (folder / "results.json").exists():  # every shard waited for the others' cells
        ended = side_by_side(job, {"all cells": command("error_comparison", made, folder)})
        complete = all(code == 0 for code in ended.values())
    for cell in sorted(folder.glob("*/*/metrics.jsonl")):
        job.add("Cells", cell=f"{cell.parent.parent.name}/{cell.parent.name}", **where(cell.parent))
    for record in sorted(folder.glob("cells/*/cell.json")):
        _add_judged(job, record)
    _close(job, ended, complete and (folder / "results.json").exists(), folder)


def train(job: Job) -> None:
    """Trains the procedural configs, and stores a sheet of the designs of each at the step that it has reached."""
    left, wrong = len(job.size.trained), []
    for name, made in job.size.trained.items():
        folder = job.folder / name
        ended = side_by_side(job, {name: command("train", made, folder)}, within_s=job.left_s() / left)
        left -= 1
        done = all(code == 0 for code in ended.values()) and (folder / "results.json").exists()
        job.add("Runs", run=name, **where(folder), finished="yes" if done else "")
        try:
            _close(job, ended, done, folder)
            if _newest(folder) is not None:
                store_sheet(job, name, folder)
        except errors.IchJaxError as error:  # the other runs keep their value
            wrong.append(str(error))
            continue
        if done:
            job.add("Results", run=name, **_figures(folder))
    if wrong:
        raise errors.IchJaxError("; ".join(wrong))


def command(study: str, made: Run, folder: Path, *more: str) -> list[str]:
    """The command line of a study in a work directory."""
    return [sys.executable, "-m", f"ich_jax.studies.{study}", *made.flags(), f"--workdir={folder}", *more]


def side_by_side(job: Job, commands: Mapping[str, list[str]], *, within_s: float | None = None) -> dict[str, int]:
    """Runs commands in parallel until they end, or until they have to save and leave.

    Args:
        job: The stage; the output of the commands goes to files beside their work directories.
        commands: By name.
        within_s: Seconds; None: to the deadline of the stage.

    Returns:
        Exit codes: 143 of a run that saved and left when it was asked to, -9 of one that did not leave.
    """
    allowed = min(job.left_s(), job.left_s() if within_s is None else within_s)
    grace = min(_GRACE_S, 0.3 * max(0.0, allowed))
    ask_at = time.monotonic() + allowed - grace
    job.folder.mkdir(parents=True, exist_ok=True)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, words in commands.items():
            with open(job.folder / f"{name.replace(' ', '_')}.log", "ab") as log:
                # In the group of this process: a signal that ends the group ends them, too.
                running[name] = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        asked = False
        while any(process.poll() is None for process in running.values()):
            now = time.monotonic()
            if not asked and now >= ask_at:
                asked = True
                for process in running.values():
                    if process.poll() is None:
                        process.send_signal(signal.SIGTERM)
            if now >= ask_at + grace:
                break
            time.sleep(_POLL_S)
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
            process.wait()
    return {name: int(process.returncode) for name, process in running.items()}


def where(folder: Path) -> dict[str, Any]:
    """Returns the step that a work directory has reached, the number of steps, and the speed."""
    step, rate = 0, None
    metrics = folder / "metrics.jsonl"
    for line in metrics.read_text(encoding="utf-8").splitlines() if metrics.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:  # a line that was being written
            continue
        step, rate = max(step, int(row.get("step", 0))), row.get("img_per_s", rate)
    config = folder / "config.json"
    steps = json.loads(config.read_text(encoding="utf-8"))["train"]["steps"] if config.exists() else None
    return {"step": step, "of": steps, "img_per_s": rate, "checkpoint": _newest(folder)}


def store_sheet(job: Job, name: str, folder: Path) -> None:
    """Draws designs to briefs from the newest checkpoint, and stores them beside the record."""
    rows, draws = job.size.sheet
    generator = ich_jax.load_generator(folder, best=False)
    brief = procedural.sample_brief(jax.random.key(0), rows)
    images = generator.draw(brief, seed=0, n=draws)
    panel = {f"{name}, step {_newest(folder)}": images.reshape(rows, draws, *images.shape[1:])}
    picture = sheets.sheet(panel, row_labels=sheets.describe(jax.device_get(brief), generator.space))
    workdir.write_bytes(job.record.folder / "sheets" / f"{name}.png", picture.data)


def _close(job: Job, ended: Mapping[str, int], done: bool, folder: Path) -> None:
    stopped = [name for name, code in ended.items() if code in (128 + signal.SIGTERM, -signal.SIGTERM)]
    killed = [name for name, code in ended.items() if code == -signal.SIGKILL]
    wrong = {name: code for name, code in ended.items() if code and name not in (*stopped, *killed)}
    if wrong:
        logs = {name: job.folder / f"{name.replace(' ', '_')}.log" for name in wrong}
        last = "; ".join(f"{name} left with {wrong[name]}: {_tail(log)}" for name, log in logs.items())
        raise errors.IchJaxError(last)
    for name in killed:
        job.leave_out(name, "did not save and leave in time; it resumes from its previous checkpoint, if it has one")
    if not done:
        job.goes_on = "; ".join(filter(None, [job.goes_on, f"{folder.name}: {_reached(folder)}"]))


def _add_judged(job: Job, path: Path) -> None:
    """Adds how many of a cell's designs have an axis beyond the tolerance."""
    record = json.loads(path.read_text(encoding="utf-8"))
    error = np.abs(np.asarray(record["read"], np.float64) - np.asarray(record["requested"], np.float64))
    beyond = error > _TOLERANCE
    job.add(
        "Judged cells",
        cell=path.parent.name,
        arm=record["arm"],
        blocks=record["depth"],
        seed=record["seed"],
        steps=record["steps"],
        designs=len(error),
        beyond_on_any_axis=int(beyond.any(axis=1).sum()),
        mean_error=float(error.mean()),
        largest_error=float(error.max()),
        diverged="yes" if record["diverged"] else "",
    )


def _figures(folder: Path) -> dict[str, Any]:
    """Headline figures of a run that is finished."""
    summary = json.loads((folder / "results.json").read_text(encoding="utf-8"))["summary"]
    return {name: value for name, value in summary.items() if isinstance(value, int | float)}


def _reached(folder: Path) -> str:
    places = [folder, *sorted(path.parent for path in folder.glob("*/*/metrics.jsonl"))]
    steps = [where(place)["step"] for place in places]
    return f"step {max(steps)} reached"


def _newest(folder: Path) -> int | None:
    """The step of the newest checkpoint; None if there is none."""
    steps = [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]
    return max(steps, default=None)


def _tail(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").split()[-60:])
