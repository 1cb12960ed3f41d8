"""A pulse of interference while a generator trains, and what comes after it, beside a control without the pulse.

Interference reaches the training step through what the step reads: images and briefs of a batch pass a function whose
strength is an argument of the compiled call, 0 outside the window. A run and its control share seed, batches and noise,
and a control that is run by the program of a kind (`like`) is the same bit for bit until the window opens.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors, liveness, workdir
from ich_jax.config import Config
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.interference.corruptions import api as corruptions
from ich_jax.interference.corruptions import draws
from ich_jax.studies.interference import schedules, sweep
from ich_jax.studies.interference.schedules import Window
from ich_jax.training import parallel, sampling
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.training.formulation import AS_WRITTEN, Choice
from ich_jax.types import AXIS_LIMIT, Batch, Brief

CONTROL = "control"
_MIXED = ("gaussian_noise", "motion_blur", "snow", "contrast", "jpeg_compression")
_SEVERITY = 3
_FRESH = 1_000_003  # added to the seed of briefs that no evaluation asked for

Change = Callable[[Batch, jax.Array, jax.Array, Dataset], Batch]
"""`(batch, key words [B, 2], strength, dataset) -> batch`; strength 0 leaves it as it is."""


# ---------------------------------------------------------------- interference with a batch


def _corrupted_images(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Corrupts this share of the images, each by one of five kinds at severity 3."""
    n = batch.image.shape[0]
    hit = draws.uniform(words, (), 0) < strength
    kind = draws.integers(words, (), len(_MIXED), 1)
    unit = jnp.clip(0.5 * pipeline.as_unit(batch.image) + 0.5, 0.0, 1.0)
    keys = jax.vmap(jax.random.wrap_key_data)(words)
    image = unit
    for i, name in enumerate(_MIXED):
        worse = corruptions.corrupt(unit, name, jnp.int32(_SEVERITY), keys)
        image = jnp.where((hit & (kind == i)).reshape(n, 1, 1, 1), worse, image)
    corrupted = 2.0 * image - 1.0
    return batch._replace(image=jnp.where(hit.reshape(n, 1, 1, 1), corrupted, pipeline.as_unit(batch.image)))


def _label_flips(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Gives this share of the images the name of another product.

    References:
        Kaneko et al. (2019), Label-noise robust generative adversarial networks (symmetric noise).
    """
    n = len(dataset.space.products)
    other = (batch.brief.product + 1 + draws.integers(words, (), n - 1, 1)) % n
    product = jnp.where(draws.uniform(words, (), 0) < strength, other, batch.brief.product)
    return batch._replace(brief=batch.brief._replace(product=product))


def _condition_mismatch(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Gives this share of the images elements and axes at random."""
    hit = (draws.uniform(words, (), 0) < strength)[:, None]
    sizes = dataset.space.cardinalities
    elements = [draws.integers(words, (), size, 2 + i) for i, size in enumerate(sizes)]
    axes = AXIS_LIMIT * (2.0 * draws.uniform(words, batch.brief.axes.shape[1:], 1) - 1.0)
    brief = batch.brief._replace(
        elements=jnp.where(hit, jnp.stack(elements, 1), batch.brief.elements) if sizes else batch.brief.elements,
        axes=jnp.where(hit, axes, batch.brief.axes),
    )
    return batch._replace(brief=brief)


def _missing_product(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Puts others of the batch in the place of images of the last product (any strength above 0)."""
    gone = (batch.brief.product == len(dataset.space.products) - 1) & (strength > 0)
    n = gone.shape[0]
    # The k-th missing image is replaced by the k-th that stays, over again.
    stay = jnp.nonzero(~gone, size=n, fill_value=0)[0]
    rank = jnp.cumsum(gone) - 1
    index = jnp.where(gone, stay[rank % jnp.maximum(n - gone.sum(), 1)], jnp.arange(n))
    replaced: Batch = jax.tree.map(lambda x: x[index], batch)
    return replaced


def _nan_batch(batch: Batch, words: jax.Array, strength: jax.Array, dataset: Dataset) -> Batch:
    """Makes the images NaN (any strength above 0): such a step has to change nothing."""
    image = pipeline.as_unit(batch.image)
    return batch._replace(image=jnp.where(strength > 0, jnp.nan, image))


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of interference with training.

    Attributes:
        unit: What its strength is.
        batch: Changes the batch of every step in the window.
        lr: The strength multiplies both step sizes in the window.
        weights: Gaussian noise on the generator's weights once, when the window opens, relative to each tensor.
        frozen: Fields of the state that keep their values through the window (any strength above 0).
    """

    unit: str
    batch: Change | None = None
    lr: bool = False
    weights: bool = False
    frozen: tuple[str, ...] = ()


_GENERATOR = ("g_params", "g_opt", "e_params", "e_opt", "ema_params")
_DISCRIMINATOR = ("d_params", "d_opt")

TABLE = {
    "corrupted_images": Kind("share of images", _corrupted_images),
    "label_flips": Kind("share of images", _label_flips),
    "condition_mismatch": Kind("share of images", _condition_mismatch),
    "missing_product": Kind("1", _missing_product),
    "learning_rate": Kind("factor", lr=True),
    "weight_noise": Kind("sd relative to a tensor's", weights=True),
    "nan_batch": Kind("1", _nan_batch),
    "frozen_generator": Kind("1", frozen=_GENERATOR),
    "frozen_discriminator": Kind("1", frozen=_DISCRIMINATOR),
}
"""Every kind of interference with training; a new one is one function and one line."""


# ---------------------------------------------------------------- runs


@dataclasses.dataclass(frozen=True)
class Pulse:
    """One run.

    Attributes:
        kind: A name in `TABLE`, or `control`.
        strength: Inside the window.
        seed: Training seed.
    """

    kind: str
    strength: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Course:
    """Accuracy over a run.

    Attributes:
        pulse: Which run.
        window: When interference acted.
        steps: `[K]` steps of the evaluations.
        accuracy: `[K, products]` of the averaged generator.
        n: Designs of each product at each evaluation.
        n_fresh: Designs of each product behind the next two; others than those of the evaluations.
        fresh_minimum: `[products]` accuracy of the generator of the evaluation at which the product was read right
            least often after the window opened. The evaluation's own accuracy is too low, as it is the least of many.
        fresh_end: `[products]` accuracy of the generator at the end.
        skipped: Steps that changed nothing because something was not finite.
        params_sha256: Of the final parameters.
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
    """Refuses unknown kinds and strengths that mean nothing.

    Raises:
        ConfigError: As said.
    """
    for pulse in pulses:
        errors.require(pulse.kind, (CONTROL, *TABLE), "kind of pulse")
        if pulse.kind != CONTROL:
            high = 1.0 if TABLE[pulse.kind].unit == "share of images" else 1e6
            errors.require_within(pulse.strength, 1e-9, high, f"strength of {pulse.kind}")


def make_runner(
    config: Config,
    dataset: Dataset,
    start: Callable[[int], state_lib.TrainState],
    read: sweep.Reader,
    choice: Choice = AS_WRITTEN,
) -> Callable[..., Course]:
    """Returns a function that makes one run under a pulse.

    Args:
        config: The training run; `train.steps` is its length.
        dataset: Its images, sampled on the device.
        start: From a seed to the state before the first step.
        read: The inspector.
        choice: How convolutions are computed.

    Returns:
        `run(pulse, window, every, n, n_fresh) -> Course`: evaluates before the first step, then every so many steps,
        n designs of each product at a time, other ones each time; n_fresh for the minima and the end. Programs are
        compiled once for all runs of a kind.

    Raises:
        DataError: The images come from the host.
    """
    sample = dataset.sample
    if sample is None:
        raise errors.DataError(
            "Pulses need images that lie on the device; raise --config.data.device_limit_mib to the size of this set."
        )
    draw = jax.jit(sampling.make_draw(config, dataset.space, dataset.size, dataset.channels, choice.form))
    products = len(dataset.space.products)
    # What the step takes lies where it puts what it returns: else the second call would compile it again.
    layout = parallel.single()
    arrays = layout.put(dataset.arrays)

    @functools.cache
    def step_of(kind: str) -> Callable[..., Any]:
        change = TABLE[kind].batch if kind in TABLE else None

        def disturbed(arrays: Any, index: jax.Array) -> Batch:
            real, strength, key = arrays
            batch = sample(real, index)
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

    def right(params: Any, brief: Brief, key: jax.Array) -> np.ndarray:
        z = jax.random.normal(key, (len(brief.product), config.generator.z_dim), jnp.float32)
        images = pipeline.to_uint8(np.nan_to_num(np.asarray(draw(params, z, brief))))
        return np.asarray(read(pipeline.to_unit(images)).product).argmax(axis=1) == np.asarray(brief.product)

    def accuracy_of(params: Any, seed: int, at: int, n: int) -> np.ndarray:
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 4), at)
        return right(params, sweep.briefs_of(dataset, seed, n), key).reshape(products, n).mean(axis=1)

    def fresh_accuracy_of(params: Any, seed: int, product: int, n: int, batch: int) -> float:
        """In batches of an evaluation, whose programs it shares."""
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 6), product)
        brief = sweep.briefs_of(dataset, seed + _FRESH, n)
        brief = jax.tree.map(lambda x: x[product * n : (product + 1) * n], brief)
        found = []
        for i in range(0, n, batch):
            rows = np.minimum(np.arange(i, i + batch), n - 1)
            found.append(right(params, jax.tree.map(lambda x: x[rows], brief), jax.random.fold_in(key, i)))  # noqa: B023
        return float(np.concatenate(found)[:n].mean())

    def run(pulse: Pulse, window: Window, every: int, n: int, n_fresh: int, *, like: str = "") -> Course:
        """`like`: for a control, the kind whose program it shares."""
        check((pulse,))
        steps = config.train.steps
        schedules.check(window, steps)
        started = time.perf_counter()
        kind = TABLE.get(pulse.kind, Kind(""))
        step = step_of(like or pulse.kind)
        state, metrics = layout.put_state(start(pulse.seed)), layout.put(window_lib.new_window())
        key = jax.random.fold_in(jax.random.key(pulse.seed), 5)
        at, found = [0], [accuracy_of(state.ema_params, pulse.seed, 0, n)]
        lowest: list[tuple[float, Any]] = [(np.inf, None)] * products
        for i in range(steps):
            liveness.stage(f"pulse {pulse.kind}, seed {pulse.seed}: step {i + 1} of {steps}")
            inside = bool(window.holds(i))
            if i == window.start and kind.weights:
                state = state.replace(g_params=_noisy(state.g_params, pulse.strength, key))
            if kind.lr and i in (window.start, window.stop):
                factor = pulse.strength if inside else 1.0 / pulse.strength
                state = state.replace(lr_scale=state.lr_scale * jnp.float32(factor))
            strength = jnp.float32(pulse.strength if inside and kind.batch is not None else 0.0)
            # Copied, because the step takes over the buffers of its state.
            kept = {name: jax.tree.map(jnp.copy, getattr(state, name)) for name in kind.frozen} if inside else {}
            state, metrics = step(state, (arrays, strength, key), metrics)
            state = state.replace(**kept)
            if (i + 1) % every == 0 or i + 1 == steps:
                at.append(i + 1)
                found.append(accuracy_of(state.ema_params, pulse.seed, i + 1, n))
                if i + 1 > window.start and (found[-1] < [a for a, _ in lowest]).any():
                    now = jax.tree.map(jnp.copy, state.ema_params)
                    lowest = [(a, now) if a < least[0] else least for a, least in zip(found[-1], lowest, strict=True)]
        fresh = [
            [fresh_accuracy_of(params, pulse.seed, p, n_fresh, products * n) for p, params in enumerate(each)]
            for each in ([params for _, params in lowest], [state.ema_params] * products)
        ]
        return Course(
            pulse=pulse,
            window=window,
            steps=np.array(at),
            accuracy=np.array(found),
            n=n,
            n_fresh=n_fresh,
            fresh_minimum=np.array(fresh[0]),
            fresh_end=np.array(fresh[1]),
            skipped=int(state.skipped),
            params_sha256=state_lib.params_sha256(state),
            seconds=time.perf_counter() - started,
        )

    return run


def _noisy(params: Any, strength: float, key: jax.Array) -> Any:
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        w + jnp.float32(strength) * jnp.std(w) * jax.random.normal(k, w.shape, w.dtype)
        for k, w in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, noisy)


def save(folder: str | Path, course: Course) -> None:
    """Writes a course as one JSON file."""
    workdir.write_json(_path(folder, course.pulse), course)


def load(folder: str | Path, pulse: Pulse) -> Course | None:
    """Reads a course; None if that run was not made.

    Raises:
        WorkdirError: The file is damaged.
    """
    path = _path(folder, pulse)
    if not path.is_file():
        return None
    values = workdir.read_json(path)
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
            f"{path} does not hold a course ({error}); remove it and give the command again."
        ) from error


def _path(folder: str | Path, pulse: Pulse) -> Path:
    return Path(folder) / "courses" / f"{pulse.kind}_{pulse.strength:g}_seed{pulse.seed}.json"
