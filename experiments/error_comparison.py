"""Do residual blocks reduce the error on each axis? Two arms that differ in nothing but the shortcut, over many seeds.

    python experiments/error_comparison.py --config=configs/error_comparison.py:quick --workdir=runs/error_comparison
    python experiments/error_comparison.py --config=configs/error_comparison.py:depth --workdir=runs/depth --shard=0/2

First short trials choose the initial gain and the step size of each arm, then every cell (arm, depth, seed) is trained
as an ordinary run in a folder of its own: `cells/<arm>_<depth>_<seed>` holds its config, checkpoints and metrics, its
designs and what the inspector read. The same command goes on where it was stopped, within a cell too. With
`--shard=i/n` a process does every n-th piece of work; once nothing is missing, the last one (or the command without it)
reports. Shards may share the work directory, or each has one of its own and `--merge_from=DIR,DIR` collects what others
have finished.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

import dataclasses
import functools
import io
import math
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from absl import app, flags, logging
from command_line import keep_compiled_programs, parse_flags, show_log_lines, shown
from ml_collections import config_flags
from PIL import Image
from train import describe, errors_of, make_real_draws, parameter_count

from ich_jax import config as config_lib
from ich_jax import errors, liveness, workdir
from ich_jax.config import Config, ErrorComparisonConfig
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import axis_errors, comparison, degradation, designs, drawing
from ich_jax.evaluation.comparison import CellRecord, Choice, Gradients, Trial
from ich_jax.models import networks
from ich_jax.report import error_page, provenance
from ich_jax.training import checkpoint, formulation, gradients, loop, seeds, writer
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib

FLAGS = flags.FLAGS

RECORD_FILE, DESIGNS_FILE = "cell.json", "designs.png"
_TRIAL_SEEDS = 1_000_000  # added to the seeds of trials, which so are none of a comparison
_TEST, _PICKED = 6, 7  # what keys are for; `evaluation.designs` uses those below
_N_INSPECTOR = 2000  # real images on which the inspector's own error is measured, where there are as many
_N_APPENDED = 64  # designs drawn with and without appended blocks
_WORST = 8
_RUNS_KEPT = 4  # whose compiled programs are held


@dataclasses.dataclass(frozen=True)
class Piece:
    """A training run of the comparison: a trial or a cell.

    Attributes:
        kind: `trials` or `cells`, the folder that it lies in.
        arm: `plain` or `residual`.
        depth: Blocks per stage.
        gain: Initial gain of the generator's blocks.
        d_gain: Initial gain of the discriminator's blocks.
        learning_rate: Peak step size.
        seed: Seed of the run.
    """

    kind: str
    arm: str
    depth: int
    gain: float
    d_gain: float
    learning_rate: float
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        tried = f"_gain{self.gain:g}-{self.d_gain:g}_lr{self.learning_rate:g}" if self.kind == "trials" else ""
        return f"{self.arm}_depth{self.depth}{tried}_seed{self.seed}"

    def folder(self, root: str | Path) -> Path:
        """Its work directory."""
        return Path(root) / self.kind / self.name


@dataclasses.dataclass(frozen=True)
class Judge:
    """What all cells are asked for and read by.

    Attributes:
        dataset: The images.
        inspector: The frozen judge.
        axes: Indices of the axes that are compared.
        names: Their names.
        brief: The test briefs, every compared axis stated.
        made: What is compiled once for all runs that may share it, by run and name; filled by `once`.
    """

    dataset: Dataset
    inspector: inspector_lib.Inspector
    axes: tuple[int, ...]
    names: tuple[str, ...]
    brief: Any
    made: dict[Config, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def once(self, what: str, config: Config, make: Callable[[Config], Any]) -> Any:
        """Returns `make(config)`, made for the first of the runs that differ in seed and initial gains only.

        What earlier runs used is dropped: compiled programs hold memory maps, of which a process may have 65,530, and a
        sweep over depths needs more.
        """
        initial = {"residual_scale": 0.0, "plain_scale": 0.0}
        alike = dataclasses.replace(
            config,
            name="",
            seed=0,
            generator=dataclasses.replace(config.generator, **initial),
            discriminator=dataclasses.replace(config.discriminator, **initial),
            loop=config_lib.LoopConfig(),
        )
        of_run = self.made.pop(alike, {})
        self.made[alike] = of_run  # the last one is the last that was used
        while len(self.made) > _RUNS_KEPT:
            del self.made[next(iter(self.made))]
        if what not in of_run:
            of_run[what] = make(config)
        return of_run[what]

    def make_step(
        self,
        config: Config,
        dataset: Dataset,
        layout: Any,
        choice: formulation.Choice = formulation.AS_WRITTEN,
        *,
        n_steps: int = 1,
    ) -> Any:
        """The compiled step: a state carries its seed, so that runs can share one."""
        return self.once(
            f"{n_steps} steps, {choice.form}, {choice.options}",  # whatever the reason for the choice
            config,
            lambda own: step_lib.make_step(own, dataset, layout, choice, n_steps=n_steps),
        )


def define_flags() -> None:
    """Declares the flags; apart from importing this module, so that several experiments can be imported at once."""
    config_flags.DEFINE_config_file(
        "config", None, "Config file, such as configs/error_comparison.py, or FILE:VARIANT."
    )
    flags.DEFINE_string("workdir", None, "Folder of the comparison; given again, it goes on.")
    flags.DEFINE_string("shard", "", "i/n: do every n-th piece of work, from the i-th on (from 0).")
    flags.DEFINE_list("merge_from", [], "Work directories of the same comparison whose finished pieces are taken over.")
    flags.DEFINE_integer("stop_after", 0, "Stop each training at this step as a preemption would.", lower_bound=0)
    flags.DEFINE_bool("dry_run", False, "Print config, pieces of work and parameter counts, then leave.")
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    if len(argv) > 1:
        raise app.UsageError(
            f"What is {' '.join(argv[1:])!r}? Every argument is a flag, such as --workdir=runs/errors."
        )
    if FLAGS.workdir is None and not FLAGS.dry_run:
        raise app.UsageError("No --workdir is given: name the folder of the comparison, such as --workdir=runs/errors.")
    show_log_lines()
    try:
        config = config_lib.resolve(FLAGS.config, ErrorComparisonConfig)
        if FLAGS.dry_run:
            plan(config)
            return
        stopped_by = run(
            config, FLAGS.workdir, shard=FLAGS.shard, merge_from=FLAGS.merge_from, stop_after=FLAGS.stop_after
        )
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    if stopped_by is not None:
        sys.exit(128 + stopped_by)  # what a shell reports of a process that a signal ended


def run(
    config: ErrorComparisonConfig,
    folder: str,
    *,
    shard: str = "",
    merge_from: Iterable[str] = (),
    stop_after: int = 0,
) -> int | None:
    """Trains what is missing, and reports once nothing is.

    Returns:
        The signal that stopped it, if one did.
    """
    if config.compute.compilation_cache:
        keep_compiled_programs()
    liveness.at("images")
    # ---------------- everything that can be refused is refused here, before anything is trained
    index, n = parse_shard(shard)
    designs.check(config)
    dataset = make.make(config.data, seed=config.seed)
    axes = chosen_axes(config, dataset)
    loop.check(cell_config(config, cells(config, ())[0]), folder, dataset)
    if (Path(folder) / workdir.CONFIG_FILE).exists():
        workdir.claim(folder, config)  # a folder of another comparison is refused before the inspector is trained
    liveness.at("inspector")
    inspector = inspector_lib.get(config, dataset)
    logging.info("The inspector (%s) on real images: %s", inspector.source, errors_of(inspector.report))
    judge = Judge(
        dataset, inspector, axes, tuple(dataset.space.axes[a] for a in axes), draw_briefs(config, dataset, axes)
    )
    describe(cell_config(config, cells(config, ())[0]), dataset)
    workdir.claim(folder, config)
    liveness.keeps(f"finished trials, cells and their checkpoints in {folder} are kept, and the same command resumes")
    for other in merge_from:
        merge(config, folder, other)

    # ---------------- trials, then cells
    clock = PieceClock()
    tried = trials(config)
    stopped = work(config, folder, judge, tried[index::n], clock, try_out, stop_after)
    if stopped is not None:
        return stopped.signal
    outcomes = [read_trial(folder, piece) for piece in tried]
    waiting = [piece for piece, outcome in zip(tried, outcomes, strict=True) if outcome is None]
    if waiting:
        return pause(
            f"{len(waiting)} of {len(tried)} trials are other shards' and not done: {waiting[0].name}", waiting
        )
    done = [outcome for outcome in outcomes if outcome is not None]
    choices = comparison.choose(done) if done else untried(config)
    tell(choices)
    planned = cells(config, choices)
    stopped = work(config, folder, judge, planned[index::n], clock, train_cell, stop_after)
    if stopped is not None:
        return stopped.signal
    records = [read_record(config, folder, piece, judge) for piece in planned]
    waiting = [piece for piece, record in zip(planned, records, strict=True) if record is None]
    if waiting:
        return pause(
            f"{len(waiting)} of {len(planned)} cells are other shards' and not done: {waiting[0].name}", waiting
        )

    # ---------------- what they show
    report(config, folder, judge, planned, [record for record in records if record is not None], done, choices)
    return None


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
    liveness.at("comparison")
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
    liveness.at("page")
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
        told = "  ".join(f"{name} p {p:.4g}" for name, p in test.p_max_t.items()) or test.withheld
        print(f"over {test.level} ({test.claim}): {told}")
    print(*(f"note: {note}" for note in result.headline.notes), sep="\n")
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def without_values(record: CellRecord) -> dict[str, Any]:
    """A record without the values of single designs, which stand in the cell's own file."""
    names = (field.name for field in dataclasses.fields(record))
    return {name: getattr(record, name) for name in names if name not in ("requested", "read", "best_read")}


# ---------------------------------------------------------------- pieces of work


def trials(config: ErrorComparisonConfig) -> list[Piece]:
    """Every trial: both arms, every depth, gain and step size, on seeds of their own."""
    settings = config.comparison
    if not settings.trial_steps:
        return []
    return [
        Piece("trials", arm, depth, *gain, rate, config.seed + _TRIAL_SEEDS + k)
        for depth in settings.depths
        for arm in comparison.ARMS
        for gain in gains(config, arm)
        for rate in settings.learning_rates
        for k in range(settings.trial_seeds)
    ]


def untried(config: ErrorComparisonConfig) -> tuple[Choice, ...]:
    """The first gain and step size of each arm and depth: what is taken without trials."""
    settings = config.comparison
    return tuple(
        Choice(arm, depth, *gains(config, arm)[0], settings.learning_rates[0], None, 0)
        for depth in settings.depths
        for arm in comparison.ARMS
    )


def cells(config: ErrorComparisonConfig, choices: Sequence[Choice]) -> list[Piece]:
    """Every cell: seeds vary slowest, so that a sweep that is stopped has whole pairs of arms."""
    chosen = {
        (choice.arm, choice.depth): (choice.gain, choice.d_gain, choice.learning_rate)
        for choice in choices or untried(config)
    }
    return [
        Piece("cells", arm, depth, *chosen[arm, depth], config.seed + k)
        for k in range(config.comparison.seeds)
        for depth in config.comparison.depths
        for arm in comparison.ARMS
    ]


def gains(config: ErrorComparisonConfig, arm: str) -> list[tuple[float, float]]:
    """Initial gains of generator and discriminator to try in an arm."""
    settings = config.comparison
    if arm == axis_errors.RESIDUAL:
        return [(gain, gain) for gain in settings.residual_gains]
    return list(zip(settings.plain_gains, settings.plain_d_gains, strict=True))


def cell_config(config: ErrorComparisonConfig, piece: Piece) -> Config:
    """The ordinary run that a piece is: the comparison's own, but for arm, depth, gain, step size and seed."""
    base = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    scale = "plain_scale" if piece.arm == axis_errors.PLAIN else "residual_scale"
    arm = {"arm": piece.arm, "blocks": piece.depth, scale: piece.gain}
    d_arm = {**arm, scale: piece.d_gain} if config.comparison.networks == "both" else {"blocks": piece.depth}
    base |= {
        "name": f"{config.name}/{piece.name}",
        "seed": piece.seed,
        "generator": dataclasses.replace(config.generator, **arm),
        "discriminator": dataclasses.replace(config.discriminator, **d_arm),
        "train": dataclasses.replace(config.train, g_lr=piece.learning_rate, d_lr=piece.learning_rate),
    }
    made = Config(**base)
    if piece.kind == "trials":
        steps = config.comparison.trial_steps
        once = {"validate_every": steps, "checkpoint_every": max(1, steps // 2), "log_every": max(1, steps // 10)}
        made = dataclasses.replace(
            made,
            train=dataclasses.replace(made.train, steps=steps, images=0),
            loop=dataclasses.replace(made.loop, **once),
        )
    resolved: Config = config_lib.resolve(made)
    return resolved


@dataclasses.dataclass(frozen=True)
class Stopped:
    """Training that was stopped, by a signal if by one."""

    signal: int | None


class PieceClock:
    """How long pieces take, in seconds per step and block, and so how long is left."""

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
    do: Callable[..., Stopped | None],
    stop_after: int,
) -> Stopped | None:
    """Does pieces one after the other, or in stacks of seeds; those that are done already are left alone."""
    missing = [piece for piece in pieces if not finished(config, folder, piece, judge)]
    if pieces:
        logging.info("%s: %d of %d are done.", pieces[0].kind, len(pieces) - len(missing), len(pieces))
    for number, group in enumerate(groups := in_groups(config, missing)):
        liveness.at(group[0].name)
        started = time.monotonic()
        sizes = [sum(effort(config, piece) for piece in of) for of in groups]
        names = ", ".join(piece.name for piece in group)
        logging.info(
            "%s %d/%d: %s  ETA %s", group[0].kind, number + 1, len(groups), names, clock.eta(sum(sizes[number:]))
        )
        stopped = do(config, folder, judge, group, stop_after)
        if stopped is not None:
            print("Stopped. Give the same command again to go on.")
            return stopped
        clock.add(time.monotonic() - started, sizes[number])
    return None


def effort(config: ErrorComparisonConfig, piece: Piece) -> float:
    """Size of a piece: its steps, times what a step costs by depth (the ends of the networks count as one block)."""
    steps = config.comparison.trial_steps if piece.kind == "trials" else config.train.steps
    return float(steps * (1 + piece.depth))


def in_groups(config: ErrorComparisonConfig, pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces that are trained together: alone, or with the other seeds of the same arm and settings."""
    if not config.comparison.stack_seeds:
        return [[piece] for piece in pieces]
    groups: dict[Piece, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(dataclasses.replace(piece, seed=0), []).append(piece)
    return list(groups.values())


def finished(config: ErrorComparisonConfig, folder: str, piece: Piece, judge: Judge) -> bool:
    """Whether a piece has left its record."""
    if piece.kind == "trials":
        return read_trial(folder, piece) is not None
    return read_record(config, folder, piece, judge) is not None


def pause(what: str, waiting: Sequence[Piece]) -> None:
    """Says that this shard is done and what the comparison waits for."""
    print(f"This shard is done; {what}. Once they are there, give the command again (without --shard, or with it).")
    print(f"summary: shard_done=1 waiting_for={len(waiting)}", flush=True)


def parse_shard(text: str) -> tuple[int, int]:
    """Reads `i/n`; empty: everything.

    Raises:
        ConfigError: It is not of that form, or i is not from 0 to n - 1.
    """
    if not text:
        return 0, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not int(match[1]) < int(match[2]):
        raise errors.ConfigError(f"--shard={text}: expected i/n with i from 0 to n - 1, such as --shard=0/4.")
    return int(match[1]), int(match[2])


def merge(config: ErrorComparisonConfig, folder: str, other: str) -> None:
    """Takes over the finished pieces of another work directory of the same comparison.

    Raises:
        WorkdirError: It is of another comparison.
    """
    stored = workdir.read_json(Path(other) / workdir.CONFIG_FILE).get("fingerprint")
    if stored != config_lib.fingerprint(config):
        raise errors.WorkdirError(
            f"{other} holds another comparison (fingerprint {stored}, {config_lib.fingerprint(config)} is wanted); "
            "merge work directories of the same config only."
        )
    for record in sorted(Path(other).glob(f"*/*/{RECORD_FILE}")):
        own = Path(folder) / record.parent.parent.name / record.parent.name
        if not (own / RECORD_FILE).exists():
            for source in sorted(record.parent.iterdir(), key=lambda path: path.name == RECORD_FILE):
                if source.is_file():
                    own.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, own / source.name)


# ---------------------------------------------------------------- trials


def try_out(
    config: ErrorComparisonConfig, folder: str, judge: Judge, group: Sequence[Piece], stop_after: int
) -> Stopped | None:
    """Trains trials and notes their validation error."""
    for piece in group:
        validate = make_validate(cell_config(config, piece), judge)
        diverged, stopped = train(
            config, folder, judge, [piece], lambda state, of=validate: of(state.ema_params), stop_after
        )
        if stopped is not None:
            return stopped
        scores = [row["validation/axis_mae"] for row in writer.read_history(piece.folder(folder) / writer.METRICS_FILE)
                  if row.get("validation/axis_mae") is not None]  # fmt: skip
        error = scores[-1] if scores and not diverged else math.inf
        workdir.write_json(piece.folder(folder) / RECORD_FILE, {"diverged": diverged, "axis_mae": error})
        logging.info("%s: mean axis error %.3f", piece.name, error)
    return None


def read_trial(folder: str, piece: Piece) -> Trial | None:
    """Returns the outcome of a trial, None if it is not done."""
    path = piece.folder(folder) / RECORD_FILE
    if not path.exists():
        return None
    error = workdir.read_json(path)["axis_mae"]  # null stands for infinity
    settings = (piece.arm, piece.depth, piece.gain, piece.d_gain, piece.learning_rate, piece.seed)
    return Trial(*settings, axis_mae=math.inf if error is None else error)


def tell(choices: Sequence[Choice]) -> None:
    """Prints what the trials chose."""
    for choice in choices:
        of = f"{choice.arm}, depth {choice.depth}"
        score = f"mean axis error {choice.axis_mae:.3f}, best of {choice.tried}" if choice.tried else "not tried"
        gains_of = f"gains {choice.gain:g} and {choice.d_gain:g}"
        print(f"{of}: {gains_of}, step size {choice.learning_rate:g} ({score})")


# ---------------------------------------------------------------- cells


def train(
    config: ErrorComparisonConfig,
    folder: str,
    judge: Judge,
    group: Sequence[Piece],
    validate: Callable[[state_lib.TrainState], Mapping[str, float]],
    stop_after: int,
) -> tuple[bool, Stopped | None]:
    """Trains runs in their folders, as a stack if there are several.

    Returns:
        Whether training was given up as it diverged, and whether it was stopped.
    """
    configs, folders = [cell_config(config, piece) for piece in group], [piece.folder(folder) for piece in group]
    for own, path in zip(configs, folders, strict=True):
        workdir.claim(path, own)
    if len(group) > 1:
        stopped, signal = seeds.train(configs, folders, judge.dataset, validate=validate, stop_after=stop_after)
        return False, Stopped(signal) if stopped or signal is not None else None
    try:
        result = loop.train(
            configs[0],
            folders[0],
            judge.dataset,
            validate=validate,
            stop_after=stop_after,
            make_step=judge.make_step,
        )
    except errors.TrainingDivergedError as error:
        logging.warning("%s: %s", group[0].name, error)
        return True, None
    return False, Stopped(result.signal) if result.stopped or result.signal is not None else None


def train_cell(
    config: ErrorComparisonConfig, folder: str, judge: Judge, group: Sequence[Piece], stop_after: int
) -> Stopped | None:
    """Trains cells and judges them."""
    own = cell_config(config, group[0])
    validate, norms = make_validate(own, judge), make_norms(own, judge)

    def measure(state: state_lib.TrainState) -> dict[str, float]:
        blocks = {f"gradient/{net}/{name}": norm for net, of in norms(state).items() for name, norm in of.items()}
        return {**validate(state.ema_params), **blocks}

    diverged, stopped = train(config, folder, judge, group, measure, stop_after)
    if stopped is not None:
        return stopped
    for piece in group:
        judge_cell(config, folder, judge, piece, diverged=diverged)
    return None


def make_sampler(config: Config, judge: Judge) -> drawing.Sampler:
    """Returns what draws designs."""
    dataset = judge.dataset
    sampler: drawing.Sampler = judge.once(
        "sampler", config, lambda own: step_lib.make_sampler(own, dataset.space, dataset.size, dataset.channels)
    )
    return sampler


def make_validate(config: Config, judge: Judge) -> Callable[[Any], dict[str, float]]:
    """Returns the judge of averaged weights on validation briefs."""
    dataset, sampler, read = judge.dataset, make_sampler(config, judge), judge.inspector.read
    validate: Callable[[Any], dict[str, float]] = judge.once(
        "validate",
        config,
        lambda own: designs.make_validate(own, dataset, sampler, read, real_draws=make_real_draws(dataset)),
    )
    return validate


def make_norms(config: Config, judge: Judge) -> Callable[[state_lib.TrainState], dict[str, dict[str, float]]]:
    """Returns a function that measures the gradient in each block of a state's networks; nothing if it cannot."""
    if judge.dataset.sample is None or config.objective.d_steps != 1:
        return lambda state: {}
    of = judge.once("gradients", config, lambda own: gradients.make_gradients(own, judge.dataset, judge.make_step))

    def norms(state: state_lib.TrainState) -> dict[str, dict[str, float]]:
        names = ("generator", "discriminator")
        return {name: degradation.block_norms(tree) for name, tree in zip(names, of(state), strict=True)}

    return norms


def judge_cell(
    config: ErrorComparisonConfig,
    folder: str,
    judge: Judge,
    piece: Piece,
    *,
    diverged: bool,
) -> None:
    """Draws and reads the test designs of a trained cell, and leaves its record."""
    liveness.at(f"{piece.name}: test designs")
    own, path, dataset, axes = cell_config(config, piece), piece.folder(folder), judge.dataset, list(judge.axes)
    model = checkpoint.restore_for_inference(path, best=False)  # the last step: nothing is selected
    sampler, norms = make_sampler(own, judge), make_norms(own, judge)
    key = jax.random.key(config.evaluation.seed)
    images = drawing.draw(sampler, model.ema_params, drawing.noise_key(key, _TEST), judge.brief)
    read = np.asarray(drawing.read_all(judge.inspector.read, images).axes, np.float64)
    start = state_lib.create_state(own, dataset.space, dataset.size, dataset.channels)
    history = writer.read_history(path / writer.METRICS_FILE)
    few = drawing.rows(judge.brief, slice(_N_APPENDED))
    record = CellRecord(
        arm=piece.arm,
        depth=piece.depth,
        seed=piece.seed,
        gain=piece.gain,
        d_gain=piece.d_gain,
        learning_rate=piece.learning_rate,
        requested=np.asarray(judge.brief.axes, np.float64)[:, axes],
        read=read[:, axes],
        best_read=best_read(config, own, judge, model, key),
        training_error=last_tenth(history, "reconstruction", own.train.steps) if own.objective.reconstruction else None,
        gradients=(Gradients(0, **(norms(start) or {"generator": {}, "discriminator": {}})), *in_training(history)),
        appended=degradation.appended(
            own, dataset.space, dataset.size, dataset.channels, model.ema_params, few, extra=config.comparison.appended
        ),
        g_parameters=parameter_count(model.g_params),
        d_parameters=parameter_count(model.d_params),
        steps=model.step,
        diverged=diverged,
        img_per_s=float(np.mean([row["img_per_s"] for row in history if row.get("img_per_s")] or [0.0])),
        config_fingerprint=config_lib.fingerprint(own),
        inspector_fingerprint=judge.inspector.report.fingerprint,
    )
    write_images(path / DESIGNS_FILE, images)
    workdir.write_json(path / RECORD_FILE, record)  # last: it says that the cell is finished
    logging.info("%s: mean axis error %.3f", piece.name, np.abs(record.read - record.requested).mean())


def best_read(
    config: ErrorComparisonConfig,
    own: Config,
    judge: Judge,
    model: checkpoint.TrainedModel,
    key: jax.Array,
) -> npt.NDArray[np.float64] | None:
    """What the inspector reads off the draw of each brief that the discriminator's reading head likes best."""
    k, axes, n = config.comparison.best_of, list(judge.axes), len(judge.brief.product)
    if not k:
        return None
    module = networks.create_discriminator(own, judge.dataset.space)
    head = judge.once(
        "head", own, lambda _: jax.jit(lambda params, *given: module.apply({"params": params}, *given)[1].axes)
    )
    many = drawing.repeat(judge.brief, k)
    sampler = make_sampler(own, judge)
    images = drawing.draw(sampler, model.ema_params, drawing.noise_key(key, _PICKED), many)
    own_reading = drawing.score_all(functools.partial(head, model.d_params), images, many).reshape(n, k, -1)[:, :, axes]
    miss = np.abs(own_reading - np.asarray(judge.brief.axes)[:, None, axes]).sum(axis=2)
    picked = images.reshape(n, k, *images.shape[1:])[np.arange(n), miss.argmin(axis=1)]
    return np.asarray(drawing.read_all(judge.inspector.read, picked).axes, np.float64)[:, axes]


def read_record(config: ErrorComparisonConfig, folder: str, piece: Piece, judge: Judge) -> CellRecord | None:
    """Returns the record of a cell, None if it is not done.

    Raises:
        WorkdirError: The cell is of another config, or was judged by another inspector or on other briefs.
    """
    path = piece.folder(folder) / RECORD_FILE
    if not path.exists():
        return None
    record = comparison.from_json(workdir.read_json(path))
    wanted = config_lib.fingerprint(cell_config(config, piece))
    if record.config_fingerprint != wanted:
        raise errors.WorkdirError(
            f"{path.parent} is a cell of another config (fingerprint {record.config_fingerprint}, {wanted} is wanted). "
            "Remove the folder to train it again, or use another --workdir."
        )
    asked = np.asarray(judge.brief.axes, np.float64)[:, list(judge.axes)]
    same_judge = record.inspector_fingerprint == judge.inspector.report.fingerprint
    if not same_judge or record.requested.shape != asked.shape or (record.requested != asked).any():
        raise errors.WorkdirError(
            f"{path.parent} was judged by another inspector (fingerprint {record.inspector_fingerprint}, "
            f"{judge.inspector.report.fingerprint} is wanted) or on other briefs. Remove {path} to judge it again."
        )
    return record


def in_training(history: Iterable[Mapping[str, Any]]) -> tuple[Gradients, ...]:
    """Gradients that validations during training have measured."""
    found = []
    for row in history:
        of: dict[str, dict[str, float]] = {"generator": {}, "discriminator": {}}
        for name, value in row.items():
            match = re.fullmatch(r"validation/gradient/(\w+)/(\w+)", name)
            if match:
                of[match[1]][match[2]] = float("nan") if value is None else value
        if of["generator"]:
            found.append(Gradients(int(row["step"]), **of))
    return tuple(found)


def last_tenth(history: Iterable[Mapping[str, Any]], name: str, steps: int) -> float | None:
    """Mean of a metric over the log lines of the last tenth of the steps; None if there is none."""
    values = [row[name] for row in history if row["step"] > 0.9 * steps and row.get(name) is not None]
    return float(np.mean(values)) if values else None


# ---------------------------------------------------------------- the judge and its briefs


def chosen_axes(config: ErrorComparisonConfig, dataset: Dataset) -> tuple[int, ...]:
    """Returns the indices of the axes that are compared.

    Raises:
        DataError: The data have none, or not one that the config names.
    """
    known = dataset.space.axes
    if not known:
        raise errors.DataError(
            "The images have no axes, so there is no error to compare. Give columns axis_<name> in metadata.csv, or "
            "--config.data.axes=measured."
        )
    wanted = config.comparison.axes
    names = known if wanted == "all" else tuple(name.strip() for name in wanted.split(","))
    for name in names:
        if name not in known:
            raise errors.DataError(
                f"config.comparison.axes: the data have no axis {name!r}; {errors.nearest(name, known)}."
            )
    return tuple(known.index(name) for name in names)


def draw_briefs(config: ErrorComparisonConfig, dataset: Dataset, axes: Sequence[int]) -> Any:
    """Draws the test briefs, one design each; those that leave a compared axis open are left out.

    Raises:
        DataError: Fewer than two state all of them.
    """
    n = config.evaluation.n_designs
    brief = drawing.briefs(dataset, jax.random.key(config.evaluation.seed), _TEST, n)
    first = 1 + len(dataset.space.elements)
    stated = (np.asarray(brief.given)[:, [first + a for a in axes]] > 0).all(axis=1)
    if stated.sum() < 2:
        names = ", ".join(dataset.space.axes[a] for a in axes)
        raise errors.DataError(
            f"Of {n} test briefs {stated.sum()} state all of {names}; fill in more of these columns, or name fewer in "
            "config.comparison.axes."
        )
    if not stated.all():
        logging.warning("%d of %d test briefs leave a compared axis open and are left out.", (~stated).sum(), n)
    return drawing.rows(brief, np.flatnonzero(stated))


def inspector_error(judge: Judge) -> npt.NDArray[np.float64] | None:
    """The inspector's own error `[M, A]` on held-out real images that state every compared axis."""
    images, brief = drawing.held_out(judge.dataset, "test", _N_INSPECTOR)
    first = 1 + len(judge.dataset.space.elements)
    axes = list(judge.axes)
    stated = (np.asarray(brief.given)[:, [first + a for a in axes]] > 0).all(axis=1)
    if stated.sum() < 2:
        return None
    read = np.asarray(drawing.read_all(judge.inspector.read, images[stated]).axes, np.float64)
    return read[:, axes] - np.asarray(brief.axes, np.float64)[stated][:, axes]


# ---------------------------------------------------------------- designs on disk


def write_images(path: Path, images: drawing.Images) -> None:
    """Writes designs `[N, H, W, C]` below each other into one PNG file, without loss."""
    column = images.reshape(-1, *images.shape[2:])
    buffer = io.BytesIO()
    Image.fromarray(column[..., 0] if column.shape[-1] == 1 else column).save(buffer, format="PNG")
    workdir.write_bytes(path, buffer.getvalue())


def read_images(path: Path, judge: Judge) -> drawing.Images:
    """Reads what `write_images` has written."""
    with Image.open(path) as picture:
        column = np.asarray(picture)
    size = judge.dataset.size
    return column.reshape(-1, size, size, judge.dataset.channels)


def plan(config: ErrorComparisonConfig) -> None:
    """Prints config, networks and pieces of work; trains nothing."""
    dataset = make.make(config.data, seed=config.seed)
    describe(cell_config(config, cells(config, ())[0]), dataset)
    chosen_axes(config, dataset)
    for pieces, steps in ((trials(config), config.comparison.trial_steps), (cells(config, ()), config.train.steps)):
        if pieces:
            print(f"{len(pieces)} {pieces[0].kind} of {steps:,} steps each, {pieces[0].name} to {pieces[-1].name}")


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse_flags)
