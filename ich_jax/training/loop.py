"""The training loop: from an empty work directory, or from its newest checkpoint, to a trained generator."""

import collections
import contextlib
import dataclasses
import functools
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.experimental import multihost_utils

from ich_jax import config as config_lib
from ich_jax import errors, liveness, workdir
from ich_jax.data.dataset import Dataset
from ich_jax.training import (
    checkpoint,
    checks,
    clock,
    data_description,
    formulation,
    health,
    parallel,
    transfer,
    writer,
)
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.training.state import TrainState
from ich_jax.training.window import Window
from ich_jax.types import PyTree

MAX_AHEAD = 4
"""Calls that the host may be ahead of the device: enough to hide dispatch, few enough to stop soon when asked to."""

SHOWN = ("d_loss", "g_loss", "real_beats_fake")
"""Metrics of a log line; `metrics.jsonl` holds all of them."""

Validate = Callable[[TrainState], Mapping[str, float]]
SampleSheet = Callable[[TrainState, int], None]


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """Outcome of a call of `train`.

    Attributes:
        state: The newest training state.
        steps: The step that it has reached.
        img_per_s: Images per second over the run, without compilation and pauses.
        first_step_s: Seconds of the first step of the newest process that trained, compilation included.
        history: Rows of `metrics.jsonl`.
        alarms: One per episode in which the run was not healthy.
        best_step: The checkpoint with the best validation score; None if none was validated.
        resumed_from: The step at which this call resumed; 0 for a new run.
        stopped: Whether the run ended before its last step.
        signal: The signal that stopped it; None if it was `stop_after`, or if it was not stopped.
    """

    state: TrainState
    steps: int
    img_per_s: float
    first_step_s: float
    history: list[dict[str, Any]]
    alarms: tuple[health.Alarm, ...]
    best_step: int | None
    resumed_from: int
    stopped: bool
    signal: int | None


def train(
    config: config_lib.Config,
    folder: str | Path,
    dataset: Dataset,
    *,
    validate: Validate | None = None,
    sample_sheet: SampleSheet | None = None,
    init_from: str = "",
    stop_after: int = 0,
    make_step: Callable[..., Any] | None = None,
) -> TrainResult:
    """Trains to the last step, or resumes the run in the work directory.

    Args:
        config: The run, for which the work directory was claimed.
        folder: The work directory.
        dataset: The images.
        validate: Returns metrics of a state on validation briefs; the checkpoint with the lowest `score` is kept.
        sample_sheet: Draws and stores a sheet of designs of a state at a step.
        init_from: Work directory or checkpoint whose networks a new run starts from, or `shipped`; empty: from scratch.
        stop_after: Stop at this step as a preemption there would; 0: do not.
        make_step: Makes the compiled step, as `step.make_step` does; for runs that share one. None: that function.

    Raises:
        DataError: The images cannot feed this config.
        WorkdirError: The images or `init_from` are not those that the run began with, or a file cannot be written.
        CheckpointError: A checkpoint cannot be written or read, or does not fit.
        TrainingDivergedError: Steps were not finite again after a rollback with a halved step size.
    """
    # Longer than other functions: it reads from top to bottom in the order of a run, whose state its parts share.
    process_folder = parallel.process_folder(folder)
    folder, steps, every = Path(folder), config.train.steps, config.loop
    checks.check(config, folder, dataset, init_from=init_from)
    layout = parallel.make_layout(config)
    workdir.write_json(process_folder / data_description.FILE, data_description.describe(dataset))

    with contextlib.ExitStack() as stack:
        # ---------------- where the run stands
        checkpoints = stack.enter_context(
            checkpoint.Checkpoints(folder, keep=every.keep, run=config_lib.fingerprint(config, located=False))
        )
        state, start, side = _newest(checkpoints, config, folder, dataset, layout, init_from)
        step, last = start, min(steps, stop_after or steps)
        closing = step >= last
        timer = clock.Clock(step_lib.images_per_step(config), **side)
        log = stack.enter_context(writer.MetricWriter(process_folder, step=start, tensorboard=every.tensorboard))
        alarms = health.check(log.history)
        if start:
            logging.info("Resuming from step %d of %d in %s.", start, steps, folder)

        # ---------------- set up
        choice = formulation.choose(config, process_folder)
        logging.info("Convolutions are computed %s: %s.", *choice.described())
        train = _make_call(config, dataset, layout, choice, make_step or step_lib.make_step)
        window = layout.put(window_lib.new_window())
        batches = _make_batches(config, dataset, layout, start)
        ahead = Ahead(MAX_AHEAD)
        show = stack.enter_context(writer.progress(steps, live=every.progress))
        stop = stack.enter_context(StopSignals(f"a checkpoint in {folder}"))

        # ---------------- train
        liveness.stage("first step, which is compiled")
        timer.start()
        while not closing:
            before = step
            state, window, step = train(state, batches, window, step, last)
            ahead.wait(state)
            stop.has_something_to_save()
            if not timer.compiled:
                jax.block_until_ready(state)
                timer.first_step_done(step)
            show(step, img_per_s=timer.img_per_s, eta_s=timer.eta_s(step, steps))
            closing = step == last or stop.asked(step)

            due = functools.partial(_due, before=before, step=step, steps=steps)
            if closing or due(every.log_every):
                metrics = window_lib.read_window(window)
                del metrics["step"]
                window = layout.put(window_lib.new_window())
                log.write(step, {**metrics, "img_per_s": timer.window(step)})
                alarms = _raise_alarms(alarms, log.history)
                text = "  ".join(f"{name} {metrics[name]:.3f}" for name in SHOWN if name in metrics)
                show(step, img_per_s=timer.img_per_s, eta_s=timer.eta_s(step, steps), text=text)
                checkpoints.check()
                if metrics["skipped_in_a_row"] >= config.train.max_skips:
                    diagnosis = health.diagnose(log.history)
                    if float(state.lr_scale) < 1.0:
                        raise errors.TrainingDivergedError(
                            f"Training diverged again at half the step size; it was stopped. {diagnosis}"
                        )
                    state, step, _ = _newest(checkpoints, config, folder, dataset, layout, init_from)
                    state, closing = state.replace(lr_scale=state.lr_scale / 2), False
                    batches = _make_batches(config, dataset, layout, step)
                    log.rewind(step)
                    timer.rewind(step)
                    logging.warning("%s Rolled back to step %d and halved the step size.", diagnosis, step)
                    continue

            validation_due = validate is not None and due(every.validate_every)
            sheet_due = sample_sheet is not None and due(every.sample_every)
            save_due = closing or validation_due or due(every.checkpoint_every)
            if save_due or sheet_due:
                jax.block_until_ready(state)
                with timer.pause(step):
                    judged = state.replace(ema_params=layout.local_copy(state.ema_params))
                    scores: dict[str, float] = {}
                    if validate is not None and validation_due:
                        liveness.stage(f"validation at step {step}")
                        scores = dict(validate(judged))
                        log.write(step, {f"validation/{name}": value for name, value in scores.items()})
                        alarms = _raise_alarms(alarms, log.history)
                    if sample_sheet is not None and sheet_due:
                        liveness.stage(f"sheet of designs at step {step}")
                        sample_sheet(judged, step)
                    if save_due and _healthy(state, step, steps):
                        liveness.stage(f"checkpoint at step {step}")
                        checkpoints.save(step, state, side=timer.totals(), score=scores.get("score"))

        # ---------------- result
        checkpoints.wait()
        return TrainResult(
            state=state,
            steps=step,
            img_per_s=timer.img_per_s,
            first_step_s=timer.first_step_s,
            history=log.history,
            alarms=alarms,
            best_step=checkpoints.best_step,
            resumed_from=start,
            stopped=step < steps,
            signal=stop.received,
        )


# ---------------------------------------------------------------- parts of the loop


def _newest(
    checkpoints: checkpoint.Checkpoints,
    config: config_lib.Config,
    folder: Path,
    dataset: Dataset,
    layout: parallel.Layout,
    init_from: str,
) -> tuple[TrainState, int, dict[str, Any]]:
    """Returns state, step and side values of the newest checkpoint, or those of a run that has not begun."""
    state = state_lib.create_state(config, dataset.spec)
    # Restored arrays are committed to devices, fresh ones are not, and the results of a step are committed if any
    # argument was: a step that met both kinds would be compiled once for each.
    state = layout.put_state(state)
    restored = checkpoints.restore(state)
    if restored:
        return restored.state, restored.step, restored.side
    if init_from:
        state, lineage = transfer.init_from(init_from, state, dataset.spec)
        workdir.write_json(parallel.process_folder(folder) / checkpoint.LINEAGE_FILE, lineage)
        logging.info("Starting from step %d of %s.", lineage["step"], lineage["path"])
        for what in ("kept", "fresh"):
            logging.info("Weights %s: %s.", what, ", ".join(lineage[what]) or "none that belong to a name")
    else:  # one may be left of an earlier start that left no checkpoint
        (parallel.process_folder(folder) / checkpoint.LINEAGE_FILE).unlink(missing_ok=True)
    return state, 0, {}


Batches = Callable[[int], PyTree]
"""`(n_steps) -> input of a call of that many steps`."""


def _make_call(
    config: config_lib.Config,
    dataset: Dataset,
    layout: parallel.Layout,
    choice: formulation.Choice,
    make_step: Callable[..., Any],
) -> Callable[..., Any]:
    """Returns `train(state, batches, window, step, last) -> (state, window, step)`: the next steps in one call.

    There are `config.compute.steps_per_call` of them, or a single one where that many would pass `last`; the program of
    a single step is compiled when it is first needed.
    """
    many = config.compute.steps_per_call
    make = functools.cache(lambda n: make_step(config, dataset, layout, choice=choice, n_steps=n))

    def train(
        state: TrainState, batches: Batches, window: Window, step: int, last: int
    ) -> tuple[TrainState, Window, int]:
        n = many if step + many <= last else 1
        return *make(n)(state, batches(n), window), step + n

    return train


def _make_batches(config: config_lib.Config, dataset: Dataset, layout: parallel.Layout, start: int) -> Batches:
    """Returns the input of each call: the same resident arrays every time, or the next batches from the host.

    Copies to the device begin when a call is made ready, while those before it run (`Ahead`).
    """
    if dataset.host_batches is None:
        arrays = layout.put(dataset.arrays)
        return lambda n: arrays
    d_steps = config.objective.d_steps
    host_rows = layout.host_rows(config.train.batch, d_steps)
    batches = dataset.host_batches(config.seed, start, step_lib.images_per_step(config), host_rows)

    def take(n: int) -> PyTree:
        several = [next(batches) for _ in range(n)]
        return layout.put_batch(jax.tree.map(lambda *x: np.concatenate(x), *several), n * d_steps)

    return take


def _due(interval: int, *, before: int, step: int, steps: int) -> bool:
    """Whether the steps after `before` up to `step` hold a multiple of `interval`, or the last step of the run."""
    return step // interval > before // interval or step == steps


def _healthy(state: TrainState, step: int, steps: int) -> bool:
    # A state whose last update was not finite may be about to diverge: no run should return to it.
    healthy = step == steps or int(state.skipped_in_a_row) == 0
    if not healthy:
        logging.warning("No checkpoint at step %d: its last update was not finite.", step)
    return healthy


def _raise_alarms(known: tuple[health.Alarm, ...], history: Sequence[Mapping[str, Any]]) -> tuple[health.Alarm, ...]:
    alarms = health.check(history)
    for alarm in alarms:
        if alarm not in known:
            logging.warning("%s", alarm)
    return alarms


class Ahead:
    """Keeps the host at most a few calls ahead of the device."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._pending: collections.deque[jax.Array] = collections.deque()

    def wait(self, state: TrainState) -> None:
        """Waits for the state of a few calls ago, if the device has not got there yet."""
        # The state itself is donated to the next call; a copy of its counter becomes ready with it.
        self._pending.append(jnp.copy(state.step))
        if len(self._pending) > self._calls:
            self._pending.popleft().block_until_ready()


class StopSignals:
    """Tells the loop when to save and leave: after a SIGTERM or SIGINT, which `liveness.saving` remembers.

    Where several processes train together a signal reaches one of them first; JAX's preemption service then agrees with
    the others on a step at which all leave, and SIGINT ends the process at once.
    """

    def __init__(self, what: str) -> None:
        """Args: work that is saved before the process leaves, for the message: "a checkpoint in runs/quick"."""
        self._saving = liveness.saving(what, needed=False)
        self._entered = contextlib.ExitStack()

    @property
    def received(self) -> int | None:
        """Number of the signal; None as long as there was none."""
        return self._saving.received

    def __enter__(self) -> Self:
        if jax.process_count() == 1:
            self._entered.enter_context(self._saving)
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered.close()

    def has_something_to_save(self) -> None:
        """Marks that from now on leaving at once would lose work."""
        self._saving.needed = True

    def asked(self, step: int) -> bool:
        """Whether the loop is to save and leave after this step; every process has to ask at every step."""
        if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
            self._saving.received = signal.SIGTERM
        return self.received is not None
