"""Trains, checks and keeps the inspector: the frozen network that judges every generator.

It sees real images only. An inspector belongs to one set of images, one preparation and one configuration; its
fingerprint says which, and a stored inspector with another fingerprint is never used. `get` looks for one in the path
of the config, then among those shipped with the package, in the user's cache and in the work directory, and trains one
if there is none.
"""

import dataclasses
import functools
import io
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import logging

from ich_jax import cache, errors, workdir
from ich_jax import config as config_lib
from ich_jax.config import Config, InspectorConfig
from ich_jax.data import archive, augment, pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.models import inspector as network
from ich_jax.training import losses
from ich_jax.types import DesignSpace, Params, PyTree, Reading

SHIPPED = Path(network.__file__).parent / "weights"
_CACHE = "inspectors"
_READ_BATCH = 128
_STORED = np.float16  # rounding is far below the inspector's error
_VERSION = 2  # counts changes of network or training that alter an inspector under an unchanged config

Progress = Callable[[int, float, Params], None]
"""`(step, mean loss, averaged parameters)`: shows how far the training of an inspector is."""


@dataclasses.dataclass(frozen=True)
class InspectorReport:
    """How well an inspector reads held-out real images. A figure is NaN where no image states what it is about.

    Attributes:
        n: Number of images.
        product_accuracy: Share of products read right.
        element_accuracy: Share read right of each element, by name.
        axes: Names of the axes; the next four hold one value each.
        axis_mae: Mean absolute error.
        axis_p95: 95th percentile of the absolute error.
        axis_p999: 99.9th percentile of the absolute error.
        axis_max: Largest absolute error.
        seed: Seed of the inspector.
        steps: Training steps.
        fingerprint: Of data, preparation and configuration.
    """

    n: int
    product_accuracy: float
    element_accuracy: dict[str, float]
    axes: tuple[str, ...]
    axis_mae: tuple[float, ...]
    axis_p95: tuple[float, ...]
    axis_p999: tuple[float, ...]
    axis_max: tuple[float, ...]
    seed: int
    steps: int
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class Inspector:
    """A frozen judge.

    Attributes:
        read: `images [N, H, W, C] float in [-1, 1] -> Reading` for any N; compiled once.
        report: Its own error, to be printed beside whatever it judges.
        source: Its origin: `path`, `shipped`, `cache`, `workdir` or `trained`.
    """

    read: Callable[[jax.Array], Reading]
    report: InspectorReport
    source: str


def fingerprint(config: InspectorConfig, dataset: Dataset) -> str:
    """Identifies the inspector that `config` gives on `dataset`."""
    fields = config_lib.flatten(config, "result")
    return config_lib.fingerprint({"version": _VERSION, "data": dataset.fingerprint, **fields})


def get(config: Config, dataset: Dataset, folder: str | Path | None = None) -> Inspector:
    """Returns the inspector of a data set, training and keeping it if none is stored.

    A newly trained one is kept before it is checked, so that nothing that follows can cost its training.

    Args:
        config: The run.
        dataset: The real images.
        folder: A work directory, where a newly trained inspector is kept besides the user's cache; None: there only.

    Raises:
        DataError: `config.inspector.path` names a file that is missing or belongs to other images.
        WorkdirError: The work directory cannot be written.
    """
    wanted = fingerprint(config.inspector, dataset)
    if config.inspector.path:
        params, report = load(config.inspector.path, dataset.space)
        if report.fingerprint != wanted:
            raise errors.DataError(
                f"The inspector at {config.inspector.path} was trained on other images or with another configuration "
                f"(fingerprint {report.fingerprint}, needed {wanted}). Leave --config.inspector.path empty to "
                "train one."
            )
        return _frozen(config.inspector, dataset, params, report, "path")
    name = f"inspector_{wanted}.npz"
    keep = functools.partial(_keep, name, folder)
    for path, source in _stored(name, folder):
        try:
            params, report = load(path, dataset.space)
            if report.fingerprint != wanted:
                raise errors.DataError(f"The inspector at {path} is not the one that its name says.")
        except errors.DataError as error:  # those of the package cannot be damaged: another one is found or trained
            logging.warning("%s It is left out.", error)
            continue
        found = _frozen(config.inspector, dataset, params, report, source)
        return found if report.n or not dataset.n_holdout else _checked(found, config.inspector, dataset, params, keep)
    logging.info("No trained inspector for these images: training one (%d steps).", config.inspector.steps)
    params = as_stored(train(config, dataset))
    report = _blank_report(config.inspector, dataset)
    keep(params, report)
    trained = _frozen(config.inspector, dataset, params, report, "trained")
    return _checked(trained, config.inspector, dataset, params, keep)


def cache_folder() -> Path | None:
    """Returns the folder in which trained inspectors are kept; None if the user has no home."""
    return cache.folder(_CACHE)


def _stored(name: str, folder: str | Path | None) -> Iterator[tuple[Path, str]]:
    """Yields the files that may hold an inspector, with their origin."""
    if (SHIPPED / name).is_file():
        yield SHIPPED / name, "shipped"
    cached = cache.find(_CACHE, name)
    if cached is not None:
        yield cached, "cache"
    if folder is not None and (Path(folder) / name).is_file():
        yield Path(folder) / name, "workdir"


def _keep(name: str, folder: str | Path | None, params: Params, report: InspectorReport) -> None:
    data = _to_bytes(params, report)
    if folder is not None:
        workdir.write_bytes(Path(folder) / name, data)
    cache.store(_CACHE, name, data)


def _checked(
    inspector: Inspector,
    config: InspectorConfig,
    dataset: Dataset,
    params: Params,
    keep: Callable[[Params, InspectorReport], None],
) -> Inspector:
    """Measures an inspector that was kept before it was checked, and keeps the outcome."""
    report = check(inspector.read, config, dataset)
    keep(params, report)
    return dataclasses.replace(inspector, report=report)


# ---------------------------------------------------------------- training


class _State(flax.struct.PyTreeNode):
    """Everything that an inspector's step changes."""

    step: jax.Array
    params: Params
    ema: Params
    opt: PyTree


def train(config: Config, dataset: Dataset, *, report_progress: Progress | None = None) -> Params:
    """Trains an inspector on the training images of a data set.

    Args:
        config: `inspector` holds its settings; of `data.augment`, the operations that keep readings true are applied.
        dataset: The real images.
        report_progress: Called now and then with the step, the mean loss since the last call, and averaged parameters.

    Returns:
        The averaged parameters.
    """
    c = config.inspector
    model = network.create(c, dataset.space)
    schedule = optax.warmup_cosine_decay_schedule(0.0, c.learning_rate, min(200, c.steps // 2), c.steps)
    tx = optax.chain(optax.clip_by_global_norm(2.0), optax.adamw(schedule, weight_decay=1e-4))
    # Shifts and cut-outs move or hide what is read; mirroring and colour do not.
    policy = ",".join(p for p in config.data.augment.split(",") if p in ("flip", "color"))
    distort = augment.make_augment(policy)
    key = jax.random.key(c.seed)
    data_key = pipeline.data_key(c.seed)

    def init() -> _State:
        images = jnp.zeros((1, dataset.size, dataset.size, dataset.channels), jnp.float32)
        params = model.init(key, images)["params"]
        return _State(jnp.int32(0), params, jax.tree.map(jnp.copy, params), tx.init(params))

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(state: _State, total: jax.Array, source: PyTree) -> tuple[_State, jax.Array]:
        batch = source
        if dataset.sample is not None:
            batch = dataset.sample(source, pipeline.batch_indices(data_key, state.step, c.batch, dataset.n_train))
        keys = jax.random.split(jax.random.fold_in(key, state.step), c.batch)
        images = distort(keys, pipeline.as_unit(batch.image))

        def loss_fn(params: Params) -> jax.Array:
            reading = model.apply({"params": params}, images)
            each = losses.reading_loss(reading, batch.brief) + losses.large_error_loss(reading, batch.brief)
            return jnp.mean(each)

        loss, grads = jax.value_and_grad(loss_fn)(state.params)
        with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an int32 count
            updates, opt = tx.update(grads, state.opt, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = jnp.minimum(c.ema, (state.step + 1) / (state.step + 10)).astype(jnp.float32)
        ema = jax.tree.map(lambda e, p: decay * e + (1 - decay) * p, state.ema, params)
        return _State(state.step + 1, params, ema, opt), total + loss

    state, total = jax.jit(init)(), jnp.float32(0)
    batches: Iterator[Any]
    if dataset.sample is None:
        assert dataset.host_batches is not None  # a Dataset has one of the two
        batches = dataset.host_batches(c.seed, 0, c.batch)
    else:
        batches = iter(lambda: dataset.arrays, None)
    every, started = max(1, c.steps // 20), time.perf_counter()
    for n in range(1, c.steps + 1):
        state, total = step(state, total, next(batches))
        if n % every == 0 or n == c.steps:
            mean = float(total) / (n % every or every)
            total = jnp.float32(0)
            left = (time.perf_counter() - started) / n * (c.steps - n)
            logging.info("inspector: step %d of %d, loss %.4f, %.0f s left", n, c.steps, mean, left)
            if report_progress is not None:
                report_progress(n, mean, state.ema)
    return state.ema


# ---------------------------------------------------------------- reading and checking


def make_reader(config: InspectorConfig, dataset: Dataset, params: Params) -> Callable[[jax.Array], Reading]:
    """Returns `images -> Reading` that works in blocks of one shape, so that it compiles once."""
    model = network.create(config, dataset.space)
    apply = jax.jit(lambda p, images: model.apply({"params": p}, images))

    def read(images: jax.Array) -> Reading:
        n = images.shape[0]
        padded = np.zeros((-(-n // _READ_BATCH) * _READ_BATCH, *images.shape[1:]), np.float32)
        padded[:n] = np.asarray(images, np.float32)
        blocks = [apply(params, padded[i : i + _READ_BATCH]) for i in range(0, len(padded), _READ_BATCH)]
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:n], *blocks)

    return read


def check(read: Callable[[jax.Array], Reading], config: InspectorConfig, dataset: Dataset) -> InspectorReport:
    """Measures an inspector on held-out real images of the test split; without any, the report says n = 0."""
    n = min(config.n_check, dataset.n_holdout)
    if n == 0:
        logging.warning(
            "No real images are held out (--config.data.holdout_share), so the inspector cannot be checked."
        )
        return _blank_report(config, dataset)
    real = dataset.holdout("test", n)
    if not len(real.image):
        return _blank_report(config, dataset)
    reading = read(real.image)
    given = np.asarray(real.brief.given) > 0
    n_elements = len(dataset.space.elements)
    right = np.asarray(reading.product).argmax(-1) == np.asarray(real.brief.product)
    elements = {}
    for i, element in enumerate(dataset.space.elements):
        hit = np.asarray(reading.elements[i]).argmax(-1) == np.asarray(real.brief.elements)[:, i]
        elements[element.name] = float(hit[given[:, 1 + i]].mean()) if given[:, 1 + i].any() else float("nan")
    error = np.abs(np.asarray(reading.axes) - np.asarray(real.brief.axes))
    columns = [error[given[:, 1 + n_elements + a], a] for a in range(len(dataset.space.axes))]

    def of_axes(figure: Callable[[np.ndarray], Any]) -> tuple[float, ...]:
        return tuple(float(figure(column)) if len(column) else math.nan for column in columns)

    return dataclasses.replace(
        _blank_report(config, dataset),
        n=int(real.image.shape[0]),
        product_accuracy=float(right.mean()),
        element_accuracy=elements,
        axis_mae=of_axes(np.mean),
        axis_p95=of_axes(lambda c: np.quantile(c, 0.95)),
        axis_p999=of_axes(lambda c: np.quantile(c, 0.999)),
        axis_max=of_axes(np.max),
    )


def _blank_report(config: InspectorConfig, dataset: Dataset) -> InspectorReport:
    """The report of an inspector that has not been checked."""
    elements = {element.name: math.nan for element in dataset.space.elements}
    axes = (math.nan,) * len(dataset.space.axes)
    return InspectorReport(
        n=0,
        product_accuracy=math.nan,
        element_accuracy=elements,
        axes=dataset.space.axes,
        axis_mae=axes,
        axis_p95=axes,
        axis_p999=axes,
        axis_max=axes,
        seed=config.seed,
        steps=config.steps,
        fingerprint=fingerprint(config, dataset),
    )


def _frozen(
    config: InspectorConfig, dataset: Dataset, params: Params, report: InspectorReport, source: str
) -> Inspector:
    return Inspector(make_reader(config, dataset, params), report, source)


# ---------------------------------------------------------------- storage


def as_stored(params: Params) -> Params:
    """Rounds parameters as `save` does, so that an inspector judges alike before and after it is stored."""
    return jax.tree.map(lambda value: jnp.asarray(np.asarray(value, _STORED), jnp.float32), params)


def save(path: str | Path, params: Params, report: InspectorReport) -> None:
    """Writes averaged parameters (as float16) and the report."""
    workdir.write_bytes(Path(path), _to_bytes(params, report))


def _to_bytes(params: Params, report: InspectorReport) -> bytes:
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    arrays: dict[str, Any] = {name: np.asarray(value, _STORED) for name, value in flat.items()}
    arrays["report"] = np.array(json.dumps(dataclasses.asdict(report)))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load(path: str | Path, space: DesignSpace) -> tuple[Params, InspectorReport]:
    """Reads what `save` wrote.

    Raises:
        DataError: The file is missing, damaged, or reads another design space.
    """
    try:
        arrays = archive.read(Path(path))
        values: dict[str, Any] = json.loads(str(arrays.pop("report")))
        flat = {name: array.astype(np.float32) for name, array in arrays.items()}
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        report = InspectorReport(**values)
    except (errors.DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise errors.DataError(f"No inspector can be read from {path}: {error}.") from error
    elements = tuple(e.name for e in space.elements)
    if report.axes != space.axes or (report.n > 0 and tuple(report.element_accuracy) != elements):
        raise errors.DataError(f"The inspector at {path} reads other elements or axes than this data set has.")
    return flax.traverse_util.unflatten_dict(flat, sep="/"), report
