"""A tiny set of random pictures whose brief is known, and steps on it, compiled once for all tests."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import config as config_lib
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.types import Batch, Brief, DesignSpace, Element, ImageSpec

SPACE = DesignSpace(("a", "b"), (Element("tint", ("red", "green", "blue")),), ("light",))
SIZE, N = 8, 32
SPEC = ImageSpec(SPACE, SIZE, 3)
BASE = config_lib.Config(
    generator=config_lib.GeneratorConfig(z_dim=4, mapping=8, widths=(6,)),
    discriminator=config_lib.DiscriminatorConfig(widths=(6,)),
    train=config_lib.TrainConfig(steps=200, batch=8, warmup=4, beta1=0.0),
)
NO_PENALTY = {"penalty": "none"}  # compiled in half the time
FROZEN = 1e-12  # a step size that moves nothing


def vary(**sections: dict[str, Any]) -> config_lib.Config:
    return dataclasses.replace(
        BASE, **{name: dataclasses.replace(getattr(BASE, name), **values) for name, values in sections.items()}
    )


def pictures() -> tuple[np.ndarray, Brief]:
    """Noise around a light level given by the axis, in a channel given by the tint, on a side given by the product."""
    rng = np.random.default_rng(0)
    product, tint = rng.integers(0, 2, N).astype(np.int32), rng.integers(0, 3, (N, 1)).astype(np.int32)
    axes = rng.uniform(-3, 3, (N, 1)).astype(np.float32)
    image = 128 + rng.normal(0, 20, (N, SIZE, SIZE, 3))
    for i in range(N):
        image[i, :, 4 * product[i] : 4 * product[i] + 4, tint[i, 0]] += 30 * axes[i, 0]
    return image.clip(0, 255).astype(np.uint8), Brief(product, tint, axes, np.ones((N, 3), np.float32))


def batch_index(step: int, batch: int) -> np.ndarray:
    words = np.asarray(jax.random.key_data(pipeline.data_key(BASE.seed)))
    return pipeline.batch_indices(words, step, batch, N, np)


def dataset(*, on_device: bool = True) -> Dataset:
    images, brief = pictures()

    def sample(arrays: Any, index: jax.Array) -> Batch:
        return Batch(*jax.tree.map(lambda x: x[index], arrays))

    return Dataset(
        space=SPACE,
        size=SIZE,
        channels=3,
        n_train=N,
        n_holdout=0,
        fingerprint="tiny",
        simulated=True,
        arrays=jax.device_put((pipeline.to_unit(images), brief)),
        sample=sample if on_device else None,
        host_batches=None,
        holdout=lambda split, n: None,
        train_images=lambda n: None,
        briefs=lambda key, n: None,
    )


def initial_state(config: config_lib.Config = BASE) -> state_lib.TrainState:
    return jax.tree.map(jnp.array, _created(config))  # a copy: the step donates it


@functools.cache
def _created(config: config_lib.Config) -> state_lib.TrainState:
    return state_lib.create_state(config, SPEC)


@functools.lru_cache(maxsize=6)  # all would hold more memory maps than a process may have
def compiled_step(config: config_lib.Config, source: str = "device") -> Any:
    """The step, compiled ahead of time."""
    images, brief = pictures()
    batch = jax.tree.map(lambda x: x[None, :8], Batch(images, brief))
    images_on_device = dataset()
    step = step_lib.make_step(config, dataset(on_device=source == "device"))
    return step.lower(
        initial_state(config), images_on_device.arrays if source == "device" else batch, window_lib.new_window()
    ).compile()


def run(n: int, config: config_lib.Config = BASE, state: Any = None) -> tuple[state_lib.TrainState, dict[str, float]]:
    arrays, window = dataset().arrays, window_lib.new_window()
    state = initial_state(config) if state is None else state
    for _ in range(n):
        state, window = compiled_step(config)(state, arrays, window)
    return state, window_lib.read_window(window)
