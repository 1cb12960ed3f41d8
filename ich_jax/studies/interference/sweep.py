"""The static sweep: a frozen generator under every kind of interference, severities 0 to 5.

The work is divided into jobs, one for each kind and sampling seed, and each job is one file: a stopped sweep resumes
with the missing jobs, and several processes can share them. A design's noise and interference are functions of (seed,
product, number of the design, kind) alone: neither batch size nor the order of jobs changes a reading, and all kinds
and severities see the same designs. Severity 0, at which no kind changes anything, is drawn once for all of them.
"""

import dataclasses
import functools
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors, liveness, workdir
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.interference import disturbances
from ich_jax.interference.corruptions import api as corruptions
from ich_jax.interference.disturbances import SEVERITIES, TABLE, Inputs
from ich_jax.studies.interference.curves import Correct
from ich_jax.types import Brief, DesignSpace, PyTree, Reading

CLEAN = "clean"
"""Job without interference: severity 0 of every kind."""
REAL = "real_"
"""Prefix of jobs that corrupt held-out real images instead of designs."""

Draw = Callable[[PyTree, jax.Array, Brief], jax.Array]
"""`(params, z [B, z_dim], brief) -> images [B, H, W, C]`."""
Reader = Callable[[jax.Array], Reading]
"""`(images [B, H, W, C] in [-1, 1]) -> reading`, as inspectors have it."""
Program = Callable[..., Any]
"""A compiled function of one kind: it corrupts real images, or draws designs."""
Progress = Callable[[str, int], None]
"""`(name of a job, jobs done)`."""


@dataclasses.dataclass(frozen=True)
class Generator:
    """A trained generator.

    Attributes:
        draw: As `training.sampling.make_draw` returns it.
        params: Its parameters.
        z_dim: Length of the noise.
        space: Names of everything that a brief can ask for.
    """

    draw: Draw
    params: PyTree
    z_dim: int
    space: DesignSpace


@dataclasses.dataclass(frozen=True)
class Readings:
    """Readings of the designs of one job.

    Attributes:
        severities: Severities in the order of the arrays.
        product: `{judge: [severities, products, n]}` whether the requested product was read.
        element_accuracy: `[severities, products]` share of the requested elements that were read; NaN without any.
        axis_error: `[severities, products]` mean absolute error of the requested axes; NaN without any.
        seconds: Time of the job, of which `first_s` went into its first batch, compilation included.
        first_s: See `seconds`.
    """

    severities: tuple[int, ...]
    product: dict[str, Correct]
    element_accuracy: npt.NDArray[np.float64]
    axis_error: npt.NDArray[np.float64]
    seconds: float
    first_s: float


def jobs(kinds: Sequence[str], seeds: Sequence[int], *, real: bool) -> list[tuple[str, int]]:
    """Returns all (kind, seed) of a sweep, in the order of work: every kind before the next seed.

    Args:
        kinds: Names in `disturbances.TABLE`.
        seeds: Sampling seeds.
        real: Corrupt held-out real images as well, once, for every kind that acts on images.
    """
    disturbances.check(tuple(kinds))
    design_jobs = [(kind, seed) for seed in seeds for kind in (CLEAN, *kinds)]
    image_kinds = [kind for kind in kinds if TABLE[kind].on == "image"]
    return design_jobs + [(REAL + kind, seeds[0]) for kind in image_kinds if real]


def run(
    generator: Generator,
    dataset: Dataset,
    judges: dict[str, Reader],
    folder: str | Path,
    jobs: Sequence[tuple[str, int]],
    *,
    n: int,
    batch: int,
    progress: Progress = lambda text, done: None,
) -> None:
    """Computes the jobs whose files are missing.

    Args:
        generator: The generator that is disturbed.
        dataset: Source of briefs and held-out real images.
        judges: Inspectors by name; the first one's readings of elements and axes are kept too.
        folder: Receives one file per job.
        jobs: (kind, seed) of each job, as `jobs` lists them, or a part of them.
        n: Designs of each product.
        batch: Designs per call.
        progress: Called after each job with its name and the number of jobs done.
    """
    missing = [job for job in jobs if workdir.read_record(_path(folder, *job)) is None]
    programs: dict[str, Program] = {}
    for done, (kind, seed) in enumerate(missing, start=len(jobs) - len(missing) + 1):
        started = time.perf_counter()
        if kind not in programs:
            programs[kind] = _program(generator, kind)
        readings = _job(generator, dataset, judges, programs[kind], kind, seed, n=n, batch=batch, started=started)
        save(_path(folder, kind, seed), readings)
        progress(f"{kind}, seed {seed}", done)


# ---------------------------------------------------------------- one job


def product_briefs(dataset: Dataset, seed: int, n: int) -> Brief:
    """Returns n briefs of every product, `[products n]`: briefs of the data with the product replaced."""
    products = len(dataset.space.products)
    drawn = dataset.briefs(jax.random.fold_in(jax.random.key(seed), 0), products * n)
    return drawn._replace(product=jnp.repeat(jnp.arange(products, dtype=jnp.int32), n))


def design_keys(seed: int, products: int, n: int) -> jax.Array:
    """Returns the key of every design, `[products n]`: seed, then product, then number."""
    root = jax.random.fold_in(jax.random.key(seed), 1)
    by_product = jax.vmap(jax.random.fold_in, (None, 0))(root, jnp.arange(products))
    by_number = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))
    return by_number(by_product, jnp.arange(n)).reshape(-1)


def _program(generator: Generator, kind: str) -> Program:
    """Returns the compiled drawing function of a kind, which serves all severities."""
    # Not hash(), which differs from process to process.
    number = zlib.crc32(kind.removeprefix(REAL).encode()) & 0x7FFFFFFF
    if kind.startswith(REAL):
        corruption = kind.removeprefix(REAL + "image_")

        @jax.jit
        def corrupted(images: jax.Array, keys: jax.Array, severity: jax.Array) -> jax.Array:
            kind_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
            return corruptions.corrupt(images, corruption, severity, kind_keys)

        return corrupted
    disturbed = disturbances.make_disturbed(generator.draw, generator.space, _first_kind(kind))

    @jax.jit
    def drawn(
        params: PyTree, keys: jax.Array, brief: Brief, severity: jax.Array, cell: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        z = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, 0), (generator.z_dim,), jnp.float32))(keys)
        kind_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        images = disturbed(Inputs(params, z, brief), severity, kind_keys, jax.random.fold_in(cell, number))
        finite = jnp.all(jnp.isfinite(images), axis=(1, 2, 3))
        return pipeline.to_uint8(jnp.nan_to_num(images, nan=0.0)), finite

    return drawn


def _first_kind(kind: str) -> str:
    return next(iter(TABLE)) if kind == CLEAN else kind


_Images = Callable[[npt.NDArray[np.int64], jax.Array], tuple[jax.Array, npt.ArrayLike]]
"""`(rows [B], severity) -> uint8 images [B, H, W, C] and whether each was finite [B]`."""


def _designs(generator: Generator, dataset: Dataset, program: Program, seed: int, n: int) -> tuple[Brief, _Images]:
    """Returns the briefs of a job on n designs of each product, and a function that draws them."""
    brief = product_briefs(dataset, seed, n)
    keys = design_keys(seed, len(dataset.space.products), n)
    cell = jax.random.fold_in(jax.random.key(seed), 3)

    def draw(rows: npt.NDArray[np.int64], severity: jax.Array) -> tuple[jax.Array, jax.Array]:
        selected = jax.tree.map(lambda x: x[rows], brief)
        images, finite = program(generator.params, keys[rows], selected, severity, cell)
        return images, finite

    return brief, draw


def _real_images(dataset: Dataset, program: Program, seed: int, n: int) -> tuple[Brief, _Images]:
    """Returns the briefs of a job on n held-out real images, and a function that corrupts them."""
    real = dataset.holdout("test", min(n, dataset.n_holdout))
    stored = pipeline.to_uint8(np.asarray(real.image))
    keys = corruptions.image_keys(jax.random.fold_in(jax.random.key(seed), 2), 0, len(stored))

    def corrupt(rows: npt.NDArray[np.int64], severity: jax.Array) -> tuple[jax.Array, npt.ArrayLike]:
        return program(stored[rows], keys[rows], severity), np.ones(len(rows), bool)

    return real.brief, corrupt


def _job(
    generator: Generator,
    dataset: Dataset,
    judges: dict[str, Reader],
    program: Program,
    kind: str,
    seed: int,
    *,
    n: int,
    batch: int,
    started: float,
) -> Readings:
    severities = (0,) if kind == CLEAN else SEVERITIES
    products = len(dataset.space.products)
    if kind.startswith(REAL):
        brief, images_at = _real_images(dataset, program, seed, products * n)
        groups = np.asarray(brief.product)
    else:
        brief, images_at = _designs(generator, dataset, program, seed, n)
        groups = np.repeat(np.arange(products), n)
    total = len(groups)
    first_s = 0.0
    correct: dict[str, list[Correct]] = {name: [] for name in judges}
    elements, axes = [], []
    for severity in severities:
        liveness.stage(f"{kind}, seed {seed}, severity {severity}")
        batches: dict[str, list[Reading]] = {name: [] for name in judges}
        finite_batches: list[Correct] = []
        for start in range(0, total, batch):
            rows = np.minimum(np.arange(start, start + batch), total - 1)  # one shape: the last batch is padded
            images, finite = images_at(rows, jnp.int32(severity))
            unit: Any = pipeline.to_unit(np.asarray(images))  # on the host; readers say jax
            for name, judge in judges.items():
                batches[name].append(jax.tree.map(np.asarray, judge(unit)))
            finite_batches.append(np.asarray(finite))
            first_s = first_s or time.perf_counter() - started
        readings = {name: jax.tree.map(lambda *x: np.concatenate(x)[:total], *parts) for name, parts in batches.items()}
        is_finite = np.concatenate(finite_batches)[:total]  # an image that is not finite counts as wrong
        for name, reading in readings.items():
            correct[name].append((reading.product.argmax(axis=1) == np.asarray(brief.product)) & is_finite)
        main = next(iter(readings.values()))
        elements.append(_element_accuracy(main, brief))
        axes.append(_axis_error(main, brief))
    return Readings(
        severities=severities,
        product={name: _by_product(np.stack(rows), groups, products) for name, rows in correct.items()},
        element_accuracy=_means(np.stack(elements), groups, products),
        axis_error=_means(np.stack(axes), groups, products),
        seconds=time.perf_counter() - started,
        first_s=first_s,
    )


def _by_product(rows: Correct, groups: npt.NDArray[np.int64], products: int) -> Correct:
    """Sorts `[severities, N]` into `[severities, products, n]`, n the least that a product has."""
    n = min(int((groups == p).sum()) for p in range(products))
    return np.stack([rows[:, groups == p][:, :n] for p in range(products)], axis=1)


def _means(values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64], products: int) -> npt.NDArray[np.float64]:
    return np.stack([values[:, groups == p].mean(axis=1) for p in range(products)], axis=1)


def _element_accuracy(reading: Reading, brief: Brief) -> npt.NDArray[np.float64]:
    """Share of the requested elements that were read, for each design."""
    if not reading.elements:
        return np.full(len(reading.product), np.nan)
    asked = np.asarray(brief.elements)
    return np.mean([logits.argmax(axis=1) == asked[:, i] for i, logits in enumerate(reading.elements)], axis=0)


def _axis_error(reading: Reading, brief: Brief) -> npt.NDArray[np.float64]:
    """Mean absolute error of the axes of each design."""
    if not reading.axes.shape[1]:
        return np.full(len(reading.product), np.nan)
    error: npt.NDArray[np.float64] = np.abs(np.nan_to_num(reading.axes, nan=1e3) - np.asarray(brief.axes)).mean(axis=1)
    return error


# ---------------------------------------------------------------- files


def _path(folder: str | Path, kind: str, seed: int) -> Path:
    return Path(folder) / "cells" / f"{kind}_seed{seed}.json"


def save(path: Path, readings: Readings) -> None:
    """Writes the readings of a job: bits of correct readings in hexadecimal, so that comparisons stay paired."""
    n = next(iter(readings.product.values())).shape[2]
    packed = {
        name: [[np.packbits(row).tobytes().hex() for row in rows] for rows in c] for name, c in readings.product.items()
    }
    values = {field.name: getattr(readings, field.name) for field in dataclasses.fields(readings)}
    workdir.write_record(path, values | {"n": n, "product": packed})


def load(folder: str | Path, kind: str, seed: int) -> Readings:
    """Reads a job.

    Raises:
        WorkdirError: It was not done, or its file is damaged.
    """
    path = _path(folder, kind, seed)
    values = workdir.read_record(path)
    if values is None:
        raise errors.WorkdirError(f"{path} is missing or damaged. Run the sweep again; intact cells are kept.")
    try:
        n = values.pop("n")
        unpack = functools.partial(np.unpackbits, count=n)
        product = {
            name: np.array([[unpack(np.frombuffer(bytes.fromhex(r), np.uint8)) for r in rows] for rows in c], bool)
            for name, c in values.pop("product").items()
        }
        return Readings(
            severities=tuple(values.pop("severities")),
            product=product,
            element_accuracy=np.array(values.pop("element_accuracy"), float),
            axis_error=np.array(values.pop("axis_error"), float),
            **values,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.WorkdirError(
            f"{path} does not hold the readings of a sweep ({error}); it is damaged. Remove it and run the sweep again."
        ) from error


def correct(folder: str | Path, kind: str, seeds: Sequence[int], judge: str) -> Correct:
    """Returns `[seeds, 6, products, n]`, severity 0 taken from the job without interference."""
    parts = []
    for seed in seeds:
        clean, kind_readings = load(folder, CLEAN, seed), load(folder, kind, seed)
        parts.append(np.concatenate([clean.product[judge], kind_readings.product[judge]]))
    return np.stack(parts)
