"""The comparison as a whole: missing pieces are trained, then all cells are compared and reported."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors, liveness, lock, workdir
from ich_jax.config import ErrorComparisonConfig
from ich_jax.data import make
from ich_jax.evaluation import designs
from ich_jax.report import provenance
from ich_jax.studies.console import keep_compiled_programs, shown
from ich_jax.studies.describe import describe, errors_of
from ich_jax.studies.error_comparison import page as error_page
from ich_jax.studies.error_comparison import result as comparison
from ich_jax.studies.error_comparison.cells import (
    DESIGNS_FILE,
    RECORD_FILE,
    Stopped,
    finished,
    read_images,
    read_record,
    read_trial,
    train_cell,
    try_out,
)
from ich_jax.studies.error_comparison.judge import Judge, chosen_axes, draw_briefs, inspector_error
from ich_jax.studies.error_comparison.plan import Piece, cell_config, cells, effort, in_groups, trials, untried
from ich_jax.studies.error_comparison.result import CellRecord, Choice, Trial
from ich_jax.studies.shards import parse_shard
from ich_jax.training import checks, writer
from ich_jax.training import inspector as inspector_lib


def run(
    config: ErrorComparisonConfig,
    folder: str,
    *,
    shard: str = "",
    merge_from: Iterable[str] = (),
    stop_after: int = 0,
) -> int | None:
    """Trains the missing pieces, and reports once none is missing.

    Returns:
        The signal that stopped it, if one did.
    """
    index, n = parse_shard(shard)
    with lock.hold(folder, shard=(index, n)):
        return _run(config, folder, index, n, merge_from, stop_after)


def _run(
    config: ErrorComparisonConfig, folder: str, index: int, n: int, merge_from: Iterable[str], stop_after: int
) -> int | None:
    judge = prepare(config, folder)
    liveness.keeps(f"finished trials, cells and their checkpoints in {folder} are kept, and the same command resumes")
    for other in merge_from:
        merge(config, folder, other)

    # ---------------- trials, then cells
    clock = PieceClock()
    planned_trials = trials(config)
    stopped = work(config, folder, judge, planned_trials[index::n], clock, try_out, stop_after)
    if stopped is not None:
        return stopped.signal
    trial_results = {piece: read_trial(folder, piece) for piece in planned_trials}
    if wait_for_other_shards(trial_results):
        return None
    finished_trials = [trial for trial in trial_results.values() if trial is not None]
    choices = comparison.choose(finished_trials) if finished_trials else untried(config)
    print_choices(choices)
    planned_cells = cells(config, choices)
    stopped = work(config, folder, judge, planned_cells[index::n], clock, train_cell, stop_after)
    if stopped is not None:
        return stopped.signal
    records = {piece: read_record(config, folder, piece, judge) for piece in planned_cells}
    if wait_for_other_shards(records):
        return None

    # ---------------- the comparison of all cells
    finished_records = [record for record in records.values() if record is not None]
    report(config, folder, judge, planned_cells, finished_records, finished_trials, choices)
    return None


def prepare(config: ErrorComparisonConfig, folder: str) -> Judge:
    """Makes all checks before anything is trained, claims the work directory, and returns the judge."""
    if config.compute.compilation_cache:
        keep_compiled_programs()
    liveness.stage("images")
    designs.check(config)
    dataset = make.make(config.data, seed=config.seed)
    axes = chosen_axes(config, dataset)
    first = cell_config(config, cells(config, ())[0])
    checks.check(first, folder, dataset)
    contents = {"data.path": dataset.fingerprint}
    workdir.check(folder, config, contents)  # a folder of another comparison is refused before the inspector is trained
    liveness.stage("inspector")
    inspector = inspector_lib.get(config, dataset)
    logging.info("The inspector (%s) on real images: %s", inspector.source, errors_of(inspector.report))
    names = tuple(dataset.space.axes[a] for a in axes)
    judge = Judge(dataset, inspector, axes, names, draw_briefs(config, dataset, axes))
    describe(first, dataset)
    workdir.claim(folder, config, contents)
    return judge


def report(
    config: ErrorComparisonConfig,
    folder: str,
    judge: Judge,
    planned: Sequence[Piece],
    records: Sequence[CellRecord],
    tried: Sequence[Trial],
    choices: Sequence[Choice],
) -> None:
    """Compares the cells, writes page and `results.json`, and prints the summary line."""
    liveness.stage("comparison")
    settings = config.comparison
    result = comparison.compare(
        records,
        judge.names,
        inspector_error=inspector_error(judge),
        tolerance=settings.tolerance,
        best_of=settings.best_of,
        trials=tried,
        choices=choices,
        simulated=judge.dataset.simulated,
        seed=config.evaluation.seed,
        n_resamples=settings.n_resamples,
    )
    origin = provenance.provenance()
    liveness.stage("page")
    page = error_page.write(
        folder,
        config=config,
        space=judge.dataset.space,
        brief=judge.brief,
        result=result,
        records=records,
        images=[read_images(piece.folder(folder) / DESIGNS_FILE, judge) for piece in planned],
        inspector=judge.inspector.report,
        provenance=origin,
    )
    summary = comparison.summary(result)
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "label": "SIMULATED" if result.simulated else "images of the user",
            "comparison": result,
            "cells": [without_values(record) for record in records],
            "inspector": judge.inspector.report,
            "provenance": origin,
        },
    )
    for test in result.headline.tests:
        outcome = "  ".join(f"{name} p {p:.4g}" for name, p in test.p_max_t.items()) or test.withheld
        print(f"over {test.level} ({test.claim}): {outcome}")
    print(*(f"note: {note}" for note in result.headline.notes), sep="\n")
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def without_values(record: CellRecord) -> dict[str, Any]:
    """A record without the values of single designs, which are in the cell's own file."""
    names = (field.name for field in dataclasses.fields(record))
    return {name: getattr(record, name) for name in names if name not in ("requested", "read", "best_read")}


class PieceClock:
    """Estimates the remaining time from the seconds per step and block of the pieces so far."""

    def __init__(self) -> None:
        self._spent = self._done = 0.0

    def add(self, seconds: float, size: float) -> None:
        """Counts a piece."""
        self._spent += seconds
        self._done += size

    def eta(self, size: float) -> str:
        """Time that work of a size takes, as text."""
        return writer.duration(self._spent / self._done * size) if self._done else "-"


def work(
    config: ErrorComparisonConfig,
    folder: str,
    judge: Judge,
    pieces: Sequence[Piece],
    clock: PieceClock,
    train_group: Callable[..., Stopped | None],
    stop_after: int,
) -> Stopped | None:
    """Trains pieces one after the other, or in stacks of seeds; finished ones are skipped."""
    missing = [piece for piece in pieces if not finished(config, folder, piece, judge)]
    if pieces:
        logging.info("%s: %d of %d are done.", pieces[0].kind, len(pieces) - len(missing), len(pieces))
    for number, group in enumerate(groups := in_groups(config, missing)):
        liveness.stage(group[0].name)
        started = time.monotonic()
        sizes = [sum(effort(config, piece) for piece in pieces) for pieces in groups]
        names = ", ".join(piece.name for piece in group)
        logging.info(
            "%s %d/%d: %s  ETA %s", group[0].kind, number + 1, len(groups), names, clock.eta(sum(sizes[number:]))
        )
        stopped = train_group(config, folder, judge, group, stop_after)
        if stopped is not None:
            print("Stopped. Give the same command again to resume.")
            return stopped
        clock.add(time.monotonic() - started, sizes[number])
    return None


def wait_for_other_shards(results: Mapping[Piece, Trial | CellRecord | None]) -> bool:
    """Prints that this shard is done if pieces of other shards are not; returns whether any is missing."""
    missing = [piece for piece, result in results.items() if result is None]
    if missing:
        print(
            f"This shard is done; {len(missing)} of {len(results)} {missing[0].kind} are other shards' and not done: "
            f"{missing[0].name}. Once they are there, give the command again (without --shard, or with it)."
        )
        print(f"summary: shard_done=1 waiting_for={len(missing)}", flush=True)
    return bool(missing)


def merge(config: ErrorComparisonConfig, folder: str, other: str) -> None:
    """Copies the finished pieces of another work directory of the same comparison.

    Raises:
        WorkdirError: It is of another comparison.
    """
    stored = workdir.read_object(Path(other) / workdir.CONFIG_FILE).get("fingerprint")
    if stored != config_lib.fingerprint(config):
        raise errors.WorkdirError(
            f"{other} holds another comparison (fingerprint {stored}, {config_lib.fingerprint(config)} is wanted); "
            "merge work directories of the same config only."
        )
    for record in sorted(Path(other).glob(f"*/*/{RECORD_FILE}")):
        target = Path(folder) / record.parent.parent.name / record.parent.name
        if not (target / RECORD_FILE).exists():
            for source in sorted(record.parent.iterdir(), key=lambda path: path.name == RECORD_FILE):
                if source.is_file():
                    workdir.write_bytes(target / source.name, source.read_bytes())  # whole or not at all


def print_choices(choices: Sequence[Choice]) -> None:
    """Prints the gains and step size with which each arm is trained at each depth."""
    for choice in choices:
        score = f"mean axis error {choice.axis_mae:.3f}, best of {choice.tried}" if choice.tried else "not tried"
        print(
            f"{choice.arm}, depth {choice.depth}: gains {choice.gain:g} and {choice.d_gain:g}, "
            f"step size {choice.learning_rate:g} ({score})"
        )


def plan(config: ErrorComparisonConfig) -> None:
    """Prints config, networks and pieces of work; trains nothing."""
    dataset = make.make(config.data, seed=config.seed)
    describe(cell_config(config, cells(config, ())[0]), dataset)
    chosen_axes(config, dataset)
    for pieces, steps in ((trials(config), config.comparison.trial_steps), (cells(config, ()), config.train.steps)):
        if pieces:
            print(f"{len(pieces)} {pieces[0].kind} of {steps:,} steps each, {pieces[0].name} to {pieces[-1].name}")
