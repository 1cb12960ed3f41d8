"""Training through a pulse of interference and beyond, beside a control without the pulse.

Interference reaches the training step through its input: images and briefs of a batch pass a function whose strength is
an argument of the compiled call, 0 outside the window. A run and its control share seed, batches and noise, and a
control that is run by the program of a kind (`like`) is the same bit for bit until the window opens.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors, liveness, workdir
from ich_jax.config import Config
from ich_jax.config.interference import FRESH_SEEDS
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.studies.interference import schedules, sweep
from ich_jax.studies.interference.curves import Correct
from ich_jax.studies.interference.pulse_kinds import TABLE, Kind
from ich_jax.studies.interference.schedules import Window
from ich_jax.training import parallel, sampling
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.training.formulation import AS_WRITTEN, Choice
from ich_jax.training.parallel import Layout
from ich_jax.training.state import TrainState
from ich_jax.training.window import Window as MetricWindow
from ich_jax.types import Batch, Brief, PyTree
from ich_jax.uncertainty import float64

CONTROL = "control"

_Step = Callable[[TrainState, PyTree, MetricWindow], tuple[TrainState, MetricWindow]]
_Source = tuple[PyTree, jax.Array, jax.Array]
"""The dataset's arrays, the strength of interference and its key: the inputs of a disturbed batch."""
_Lowest = list[tuple[float, PyTree]]
"""For each product, the least accuracy since the window opened and the generator that had it."""


@dataclasses.dataclass(frozen=True)
class Pulse:
    """One run: a pulse, or a control.

    Attributes:
        kind: A name in `TABLE`, or `control`.
        strength: Strength inside the window.
        seed: Training seed.
    """

    kind: str
    strength: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Course:
    """Accuracy in the course of a run.

    Attributes:
        pulse: The run.
        window: Steps in which interference acted.
        steps: `[K]` steps of the evaluations.
        accuracy: `[K, products]` of the averaged generator.
        n: Designs of each product at each evaluation.
        n_fresh: Designs of each product behind the next two figures; none of them belongs to an evaluation.
        fresh_minimum: `[products]` accuracy on fresh designs of the generator whose evaluation was the lowest after the
            window opened. That evaluation itself is biased downward, since it is the least of many.
        fresh_end: `[products]` accuracy on fresh designs of the generator at the end.
        skipped: Steps that were skipped because a value was not finite.
        params_sha256: Digest of the final parameters of all networks.
        seconds: Wall time.
    """

    pulse: Pulse
    window: Window
    steps: np.ndarray
    accuracy: np.ndarray
    n: int
    n_fresh: int
    fresh_minimum: np.ndarray
    fresh_end: np.ndarray
    skipped: int
    params_sha256: str
    seconds: float


def check(pulses: Sequence[Pulse]) -> None:
    """Checks kinds and strengths.

    Raises:
        ConfigError: An unknown kind, or a strength out of range.
    """
    for pulse in pulses:
        errors.require(pulse.kind, (CONTROL, *TABLE), "kind of pulse")
        if pulse.kind != CONTROL:
            high = 1.0 if TABLE[pulse.kind].unit == "share of images" else 1e6
            errors.require_within(pulse.strength, 1e-9, high, f"strength of {pulse.kind}")


# ---------------------------------------------------------------- evaluation


@dataclasses.dataclass(frozen=True)
class _Evaluator:
    """Draws designs and reads them.

    Attributes:
        draw: `(params, z [B, z_dim], brief) -> images [B, H, W, C]`, compiled.
        read: The inspector.
        dataset: Gives the briefs.
        z_dim: Length of the noise.
    """

    draw: sweep.Draw
    read: sweep.Reader
    dataset: Dataset
    z_dim: int


def _correct(evaluator: _Evaluator, params: PyTree, brief: Brief, key: jax.Array) -> Correct:
    """Returns whether the design of each brief is read as the requested product, `[B]`."""
    z = jax.random.normal(key, (len(brief.product), evaluator.z_dim), jnp.float32)
    images = pipeline.to_uint8(np.nan_to_num(np.asarray(evaluator.draw(params, z, brief))))
    reading = evaluator.read(pipeline.to_unit(images))
    return np.asarray(np.asarray(reading.product).argmax(axis=1) == np.asarray(brief.product))


def _accuracy(evaluator: _Evaluator, params: PyTree, seed: int, step: int, n: int) -> float64.Array:
    """Returns the accuracy of each product, `[products]`, over n designs of each that depend on seed and step."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 4), step)
    correct = _correct(evaluator, params, sweep.product_briefs(evaluator.dataset, seed, n), key)
    return np.asarray(correct.reshape(-1, n).mean(axis=1))


def _fresh_accuracy(evaluator: _Evaluator, params: PyTree, seed: int, product: int, n: int, batch: int) -> float:
    """Returns the accuracy of one product over n other designs, in batches as large as an evaluation."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 6), product)
    briefs = sweep.product_briefs(evaluator.dataset, seed + FRESH_SEEDS, n)
    briefs = _rows(briefs, np.arange(product * n, (product + 1) * n))
    correct = []
    for i in range(0, n, batch):
        rows = np.minimum(np.arange(i, i + batch), n - 1)
        correct.append(_correct(evaluator, params, _rows(briefs, rows), jax.random.fold_in(key, i)))
    return float(np.concatenate(correct)[:n].mean())


def _rows(briefs: Brief, rows: np.ndarray) -> Brief:
    selected: Brief = jax.tree.map(lambda x: x[rows], briefs)
    return selected


# ---------------------------------------------------------------- runs


def make_runner(
    config: Config,
    dataset: Dataset,
    start: Callable[[int], TrainState],
    read: sweep.Reader,
    choice: Choice = AS_WRITTEN,
) -> Callable[..., Course]:
    """Returns a function that trains through one pulse.

    Args:
        config: The training run; `train.steps` is its length.
        dataset: Its images, sampled on the device.
        start: Function from a seed to the state before the first step.
        read: The inspector.
        choice: How convolutions are computed.

    Returns:
        `run(pulse, window, every, n, n_fresh, like="") -> Course`: evaluates before the first step and after every
        `every` steps, each time on n other designs of each product; on n_fresh designs for the minima and the end.
        `like` is, for a control, the kind whose program it shares. Programs are compiled once for all runs of a kind.

    Raises:
        DataError: The images come from the host.
    """
    if dataset.sample is None:
        raise errors.DataError(
            "Pulses need images that lie on the device; raise --config.data.device_limit_mib to the size of this set."
        )
    draw = jax.jit(sampling.make_draw(config, dataset.spec, choice.form))
    # The arguments of the step are placed where its results will be: otherwise its second call would compile again.
    layout = parallel.single()
    return functools.partial(
        _run,
        config,
        _Evaluator(draw, read, dataset, config.generator.z_dim),
        start,
        functools.cache(functools.partial(_make_step, config, dataset, layout, choice)),
        layout,
        layout.put(dataset.arrays),
    )


def _make_step(config: Config, dataset: Dataset, layout: Layout, choice: Choice, kind: str) -> _Step:
    """Returns the training step of a kind; its batches come from `(arrays, strength, key)`."""
    assert dataset.sample is not None  # checked by make_runner
    sample, change = dataset.sample, TABLE[kind].batch if kind in TABLE else None

    def disturbed(source: _Source, index: jax.Array) -> Batch:
        arrays, strength, key = source
        batch = sample(arrays, index)
        if change is None:
            return batch
        words = jax.random.key_data(jax.vmap(jax.random.fold_in, (None, 0))(key, index.astype(jnp.uint32)))
        changed = change(batch, words, strength, dataset)
        return jax.tree.map(
            lambda new, old: jnp.where(strength > 0, new, old.astype(new.dtype)),
            changed,
            batch._replace(image=pipeline.as_unit(batch.image)),
        )

    return step_lib.make_step(config, dataclasses.replace(dataset, sample=disturbed), layout, choice)


def _run(
    config: Config,
    evaluator: _Evaluator,
    start: Callable[[int], TrainState],
    step_of: Callable[[str], _Step],
    layout: Layout,
    arrays: PyTree,
    pulse: Pulse,
    window: Window,
    every: int,
    n: int,
    n_fresh: int,
    *,
    like: str = "",
) -> Course:
    """Trains through the window and evaluates, as `make_runner` says."""
    check((pulse,))
    steps, seed = config.train.steps, pulse.seed
    schedules.check(window, steps)
    started = time.perf_counter()
    kind = TABLE.get(pulse.kind, Kind(""))
    step = step_of(like or pulse.kind)
    state, metrics = layout.put_state(start(seed)), layout.put(window_lib.new_window())
    key = jax.random.fold_in(jax.random.key(seed), 5)
    evaluated, accuracy = [0], [_accuracy(evaluator, state.ema_params, seed, 0, n)]
    products = len(evaluator.dataset.space.products)
    lowest: _Lowest = [(np.inf, None)] * products
    for i in range(steps):
        liveness.stage(f"pulse {pulse.kind}, seed {seed}: step {i + 1} of {steps}")
        inside = bool(window.holds(i))
        state = _disturb_state(state, kind, pulse.strength, window, i, key)
        strength = jnp.float32(pulse.strength if inside and kind.batch is not None else 0.0)
        # Copied, because the step takes over the buffers of its state.
        frozen = {name: jax.tree.map(jnp.copy, getattr(state, name)) for name in kind.frozen} if inside else {}
        state, metrics = step(state, (arrays, strength, key), metrics)
        state = state.replace(**frozen)
        if (i + 1) % every == 0 or i + 1 == steps:
            evaluated.append(i + 1)
            accuracy.append(_accuracy(evaluator, state.ema_params, seed, i + 1, n))
            if i + 1 > window.start:
                lowest = _with_lower(lowest, accuracy[-1], state.ema_params)
    fresh = [
        [_fresh_accuracy(evaluator, params, seed, p, n_fresh, products * n) for p, params in enumerate(generators)]
        for generators in ([params for _, params in lowest], [state.ema_params] * products)
    ]
    return Course(
        pulse=pulse,
        window=window,
        steps=np.array(evaluated),
        accuracy=np.array(accuracy),
        n=n,
        n_fresh=n_fresh,
        fresh_minimum=np.array(fresh[0]),
        fresh_end=np.array(fresh[1]),
        skipped=int(state.skipped),
        params_sha256=state_lib.params_sha256(state),
        seconds=time.perf_counter() - started,
    )


def _with_lower(lowest: _Lowest, accuracy: float64.Array, params: PyTree) -> _Lowest:
    """Replaces the entries of the products whose accuracy is lower now."""
    if not (accuracy < [least for least, _ in lowest]).any():
        return lowest
    kept = jax.tree.map(jnp.copy, params)  # the step takes over the buffers of its state
    return [(share, kept) if share < pair[0] else pair for share, pair in zip(accuracy, lowest, strict=True)]


def _disturb_state(
    state: TrainState, kind: Kind, strength: float, window: Window, step: int, key: jax.Array
) -> TrainState:
    """Changes weights and step sizes at the edges of the window, for the kinds that act on them."""
    if step == window.start and kind.weights:
        state = state.replace(g_params=_noisy(state.g_params, strength, key))
    if kind.lr and step in (window.start, window.stop):
        factor = strength if step == window.start else 1.0 / strength
        state = state.replace(lr_scale=state.lr_scale * jnp.float32(factor))
    return state


def _noisy(params: PyTree, strength: float, key: jax.Array) -> PyTree:
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        w + jnp.float32(strength) * jnp.std(w) * jax.random.normal(k, w.shape, w.dtype)
        for k, w in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, noisy)


# ---------------------------------------------------------------- files


def save(folder: str | Path, course: Course) -> None:
    """Writes a course as one JSON file."""
    workdir.write_record(_path(folder, course.pulse), course)


def load(folder: str | Path, pulse: Pulse) -> Course | None:
    """Reads a course; None if the run has not been made.

    Raises:
        WorkdirError: The file is damaged.
    """
    path = _path(folder, pulse)
    values = workdir.read_record(path)
    if values is None:
        return None
    try:
        return Course(
            pulse=Pulse(**values.pop("pulse")),
            window=Window(**values.pop("window")),
            steps=np.array(values.pop("steps"), int),
            accuracy=np.array(values.pop("accuracy"), float),
            fresh_minimum=np.array(values.pop("fresh_minimum"), float),
            fresh_end=np.array(values.pop("fresh_end"), float),
            **values,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise errors.WorkdirError(
            f"{path} does not hold the course of a run ({error}); remove it and give the command again."
        ) from error


def _path(folder: str | Path, pulse: Pulse) -> Path:
    return Path(folder) / "courses" / f"{pulse.kind}_{pulse.strength:g}_seed{pulse.seed}.json"
