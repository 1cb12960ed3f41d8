"""A made-up set of twelve 8 px images and a run on it, with the compiled step shared by all tests of the loop."""

import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import config as config_lib
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.training import parallel, state, step
from ich_jax.types import Batch, Brief, DesignSpace, Element, ImageSpec

SPACE = DesignSpace(products=("disc", "square"), elements=(Element("fill", ("plain", "dotted")),), axes=("width",))
SIZE, N = 8, 12
SPEC = ImageSpec(SPACE, SIZE, 3)


WHOLE = {name: getattr(config_lib.ObjectiveConfig(), name) for name in ("penalty", "reconstruction")}
"""Section `objective` of a run with the parts that `config` leaves out: their derivatives double the compilation."""


def config(steps: int = 8, **sections: dict[str, Any]) -> config_lib.Config:
    """A run of a few steps with networks too small to learn anything."""
    every = {"log_every": 2, "validate_every": 4, "checkpoint_every": 4, "sample_every": 4, "tensorboard": False}
    values: dict[str, dict[str, Any]] = {
        "data": {"source": "npz", "path": "made.npz", "size": SIZE},
        "generator": {"z_dim": 3, "mapping": 6, "widths": (4, 4)},
        "discriminator": {"widths": (4, 4)},
        "objective": {"penalty": "none", "reconstruction": 0.0},
        "train": {"steps": steps, "batch": 4, "warmup": 1, "max_skips": 2},
        "compute": {"devices": 1},
        "loop": every,
    }
    for name, fields in sections.items():
        values[name] = values.get(name, {}) | fields
    return config_lib.resolve(values)


def dataset(*, from_host: bool = False, fingerprint: str = "made") -> Dataset:
    """The images, on the device or fed from the host."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, SIZE, SIZE, 3)).astype(np.uint8)
    brief = Brief(
        product=rng.integers(0, 2, (N,)).astype(np.int32),
        elements=rng.integers(0, 2, (N, 1)).astype(np.int32),
        axes=rng.uniform(-3, 3, (N, 1)).astype(np.float32),
        given=np.ones((N, 3), np.float32),
    )

    def batch_of(index: Any) -> Batch:
        return Batch(pipeline.to_unit(images[index]), Brief(*(x[index] for x in brief[:4])))

    def sample(arrays: Any, index: jax.Array) -> Batch:
        stored, known = arrays
        return Batch(pipeline.to_unit(stored[index]), Brief(*(x[index] for x in known[:4])))

    def host_batches(seed: int, start: int, batch: int, own: np.ndarray) -> Iterator[Batch]:
        words = np.asarray(jax.random.key_data(pipeline.data_key(seed)))
        for at in itertools.count(start):
            yield batch_of(pipeline.batch_indices(words, at, batch, N, np)[own])

    return Dataset(
        space=SPACE,
        size=SIZE,
        channels=3,
        n_train=N,
        n_holdout=0,
        fingerprint=fingerprint,
        simulated=False,
        arrays=None if from_host else jax.tree.map(jnp.asarray, (images, brief)),
        sample=None if from_host else sample,
        host_batches=host_batches if from_host else None,
        holdout=lambda split, n: batch_of(np.arange(n)),
        train_images=lambda n: batch_of(np.arange(n)),
        briefs=lambda key, n: Brief(*(jnp.asarray(x[np.arange(n) % N]) for x in brief[:4])),
    )


@functools.lru_cache(maxsize=6)  # all would hold more memory maps than a process may have
def compiled_step(
    run: config_lib.Config, from_host: bool, layout: parallel.Layout, n_steps: int = 1, make_step: Any = step.make_step
) -> Any:
    """`make_step`, once per run, way of feeding it, devices and steps of a call."""
    return make_step(run, dataset(from_host=from_host), layout, n_steps=n_steps)


@functools.cache
def initial_state(*arguments: Any, create_state: Any = state.create_state) -> Any:
    """`create_state`, once per run, as numpy arrays."""
    return jax.device_get(create_state(*arguments))


def rows(folder: Path) -> list[dict[str, Any]]:
    """Lines of `metrics.jsonl`."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
