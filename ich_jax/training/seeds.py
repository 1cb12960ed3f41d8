"""Several runs that differ in their seed only, trained as one program.

The step is mapped over a leading axis of states (`vmap`). The result of a run does not depend on the runs beside it.
Convolutions of a stack become grouped convolutions, which accelerators run well and CPUs do not: on two CPU cores a
stack of two takes several times as long as one run after the other.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.config import Config
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.training import checkpoint, checks, clock, data_description, loop, parallel, writer
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.training.state import TrainState
from ich_jax.types import PyTree


@dataclasses.dataclass(frozen=True)
class Stacked(parallel.Layout):
    """One device that works on a stack of runs: state and window have a leading axis."""

    def compile(
        self, step: Callable[..., Any], *, from_host: bool, options: Mapping[str, Any] | None = None
    ) -> Callable[..., Any]:
        """Compiles `step(states, source, windows) -> (states, windows)`; states and windows are donated."""
        if from_host:
            raise errors.ConfigError(
                "Runs that are stacked sample their images in the step, but this set is fed from the host; set "
                "--config.comparison.stack_seeds=False, or raise --config.data.device_limit_mib."
            )
        stacked = jax.vmap(step, in_axes=(0, None, 0))
        return jax.jit(stacked, donate_argnums=(0, 2), compiler_options=self.compiler_options(options))


def stack(trees: Sequence[Any]) -> Any:
    """Stacks trees of arrays along a new leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def pick(tree: PyTree, i: int) -> Any:
    """Returns a copy of the i-th tree of a stack."""
    return jax.tree.map(lambda leaf: jnp.copy(leaf[i]), tree)


def train(
    configs: Sequence[Config],
    folders: Sequence[str | Path],
    dataset: Dataset,
    *,
    validate: Callable[[TrainState], Mapping[str, float]] | None = None,
    stop_after: int = 0,
) -> tuple[bool, int | None]:
    """Trains all runs to the last step, or resumes those in the work directories.

    Each work directory ends as that of an ordinary run: it can be judged, or trained on, by itself. Steps that are not
    finite change nothing but counters; no run is rolled back.

    Args:
        configs: The runs, alike but for the seed and their name; their work directories are claimed.
        folders: Their work directories.
        dataset: The images.
        validate: Returns metrics of one run's state on validation briefs.
        stop_after: Stop at this step as a preemption there would; 0: do not.

    Returns:
        Whether training was stopped before its last step, and by which signal, if by one.

    Raises:
        ConfigError: The runs differ in more than seed and name, or the images come from the host.
        WorkdirError: The runs have reached different steps.
    """
    # Longer than other functions: the loop of `loop.train` for several runs at once, in the same order.
    first = configs[0]
    for config in configs[1:]:
        if dataclasses.replace(config, seed=first.seed, name=first.name) != first:
            raise errors.ConfigError(
                f"{config.name} and {first.name} differ in more than their seed; train them separately."
            )
    pipeline.check_batch(dataset, step_lib.images_per_step(first))
    layout = Stacked(parallel.single().mesh)
    steps, every = first.train.steps, first.loop
    step_fn = step_lib.make_step(first, dataset, layout)

    with contextlib.ExitStack() as stacked:
        runs = [
            stacked.enter_context(
                checkpoint.Checkpoints(folder, keep=every.keep, run=config_lib.fingerprint(config, located=False))
            )
            for config, folder in zip(configs, folders, strict=True)
        ]
        states, starts, sides = [], set(), []
        for config, folder, checkpoints in zip(configs, folders, runs, strict=True):
            checks.check_images(folder, dataset)
            workdir.write_json(Path(folder) / data_description.FILE, data_description.describe(dataset))
            state = state_lib.create_state(config, dataset.spec)
            restored = checkpoints.restore(state)
            states.append(restored.state if restored else state)
            starts.add(restored.step if restored else 0)
            sides.append(restored.side if restored else {})
        if len(starts) > 1:
            raise errors.WorkdirError(
                f"The runs in {', '.join(str(folder) for folder in folders)} stand at different steps "
                f"({', '.join(map(str, sorted(starts)))}), so they cannot be stacked; train them one after the other."
            )
        (start,) = starts
        logs = [
            stacked.enter_context(writer.MetricWriter(folder, step=start, tensorboard=every.tensorboard))
            for folder in folders
        ]
        timer = clock.Clock(step_lib.images_per_step(first), **sides[0])
        show = stacked.enter_context(writer.progress(steps, live=every.progress))
        stop = stacked.enter_context(loop.StopSignals(f"a checkpoint in each of {len(folders)} folders"))
        ahead = loop.Ahead(loop.MAX_AHEAD)
        state, window = stack(states), stack([window_lib.new_window() for _ in configs])
        step, last = start, min(steps, stop_after or steps)
        timer.start()
        while step < last:
            state, window = step_fn(state, dataset.arrays, window)
            step += 1
            ahead.wait(state)
            stop.has_something_to_save()
            if not timer.compiled:
                jax.block_until_ready(state)
                timer.first_step_done(step)
            closing = step == last or stop.asked(step)
            if closing or step % every.log_every == 0:
                rate = timer.window(step)
                for i, log in enumerate(logs):
                    metrics = window_lib.read_window(jax.tree.map(lambda leaf, i=i: leaf[i], window))
                    del metrics["step"]
                    log.write(step, {**metrics, "img_per_s": rate})
                window = stack([window_lib.new_window() for _ in configs])
                show(step, img_per_s=timer.img_per_s, eta_s=timer.eta_s(step, steps), text=f"{len(configs)} runs")
            validation_due = validate is not None and (step % every.validate_every == 0 or step == steps)
            if closing or validation_due or step % every.checkpoint_every == 0:
                jax.block_until_ready(state)
                with timer.pause(step):
                    for i, (checkpoints, log) in enumerate(zip(runs, logs, strict=True)):
                        run_state, scores = pick(state, i), {}
                        if validate is not None and validation_due:
                            scores = dict(validate(run_state))
                            log.write(step, {f"validation/{name}": value for name, value in scores.items()})
                        checkpoints.save(step, run_state, side=timer.totals(), score=scores.get("score"))
            if closing and step < last:
                break
        for checkpoints in runs:
            checkpoints.wait()
        if step < steps:
            logging.info("Stopped at step %d of %d.", step, steps)
        return step < steps, stop.received
