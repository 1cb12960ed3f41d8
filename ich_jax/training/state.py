"""Everything that a run carries from step to step: one pytree, one checkpoint."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ich_jax import errors
from ich_jax.config import ComputeConfig, Config, ObjectiveConfig, TrainConfig
from ich_jax.models import networks
from ich_jax.types import Brief, ImageSpec, Params, PyTree

_INIT_STREAM = 0x696E6974  # "init": separates initial weights from every other use of the run's seed


class TrainState(flax.struct.PyTreeNode):
    """The networks, their optimisers, the averaged generator and the counters.

    Attributes:
        step: int32, steps taken, skipped ones included.
        seed: uint32, the run's seed: a value of the state, so that runs that differ in it share one compiled step.
        g_params: Generator parameters, float32.
        d_params: Discriminator parameters, float32.
        e_params: Encoder parameters, float32; empty unless `config.objective.reconstruction` is above 0.
        ema_params: Averaged generator parameters: those to judge and to sample from.
        g_opt: State of the generator's optimiser.
        d_opt: State of the discriminator's optimiser.
        e_opt: State of the encoder's optimiser.
        lr_scale: float32 factor on both step sizes; lowered when a run rolls back.
        skipped: int32, steps that changed nothing because something was not finite.
        skipped_in_a_row: int32, such steps since the last good one.
    """

    step: jax.Array
    seed: jax.Array
    g_params: Params
    d_params: Params
    e_params: Params
    ema_params: Params
    g_opt: PyTree
    d_opt: PyTree
    e_opt: PyTree
    lr_scale: jax.Array
    skipped: jax.Array
    skipped_in_a_row: jax.Array


def adam(config: TrainConfig) -> optax.GradientTransformation:
    """Returns Adam's direction; clipping and step size are applied by the step, which also reports them."""
    return optax.scale_by_adam(config.beta1, config.beta2, eps=1e-8)


def create_state(config: Config, spec: ImageSpec) -> TrainState:
    """Builds the state before the first step, a pure function of `config.seed`.

    Args:
        config: The run.
        spec: Design space and shape of its images.
    """
    create = _compiled_create(_alike(config), spec)
    state: TrainState = create(_seed(config), _gains(config, spec))
    return state


def _alike(config: Config) -> Config:
    """The config reduced to the fields that shape the program that makes states; gains and arm are not among them."""
    same: dict[str, Any] = {"arm": "residual", "residual_scale": 1.0, "plain_scale": 1.0}
    return dataclasses.replace(
        Config(),
        generator=dataclasses.replace(config.generator, **same),
        discriminator=dataclasses.replace(config.discriminator, **same),
        objective=ObjectiveConfig(reconstruction=float(config.objective.reconstruction > 0)),  # is there an encoder?
        compute=ComputeConfig(dtype=config.compute.dtype),
    )


@functools.lru_cache(maxsize=8)
def _compiled_create(config: Config, spec: ImageSpec) -> Callable[..., TrainState]:
    """Returns the function that builds the states of all seeds and gains, compiled once in a process."""
    create = _make_create(config, spec)
    # One draw per parameter, run once: optimising the generated code would take five times as long as it saves.
    return jax.jit(create, compiler_options={"xla_backend_optimization_level": 0})


def abstract_state(config: Config, spec: ImageSpec) -> TrainState:
    """Returns shapes and types of `create_state`; nothing is computed."""
    gains = _gains(config, spec)
    state: TrainState = jax.eval_shape(_make_create(config, spec), _seed(config), gains)
    return state


def _make_create(config: Config, spec: ImageSpec) -> Callable[..., TrainState]:
    modules = _gained(config, spec)
    e_module = networks.create_encoder(config, spec.space)
    space, optimiser = spec.space, adam(config.train)

    def create(seed: jax.Array, gains: tuple[jax.Array, jax.Array]) -> TrainState:
        g_module, d_module = (
            module.clone(gain=gain) if hasattr(module, "gain") else module
            for module, gain in zip(modules, gains, strict=True)
        )
        g_key, d_key, e_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), _INIT_STREAM), 3)
        brief = Brief(
            product=jnp.zeros((1,), jnp.int32),
            elements=jnp.zeros((1, len(space.elements)), jnp.int32),
            axes=jnp.zeros((1, len(space.axes)), jnp.float32),
            given=jnp.ones((1, space.n_given), jnp.float32),
            sketch=jnp.zeros((1, spec.size, spec.size, 1), jnp.float32) if space.sketches else None,
        )
        g_params = g_module.init(g_key, jnp.zeros((1, config.generator.z_dim), jnp.float32), brief)["params"]
        images = jnp.zeros((1, spec.size, spec.size, spec.channels), jnp.float32)
        d_params = d_module.init(d_key, images, brief)["params"]
        e_params = e_module.init(e_key, images, brief)["params"] if config.objective.reconstruction > 0 else {}
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            seed=seed,
            g_params=g_params,
            d_params=d_params,
            e_params=e_params,
            ema_params=g_params,
            g_opt=optimiser.init(g_params),
            d_opt=optimiser.init(d_params),
            e_opt=optimiser.init(e_params),
            lr_scale=jnp.ones((), jnp.float32),
            skipped=jnp.zeros((), jnp.int32),
            skipped_in_a_row=jnp.zeros((), jnp.int32),
        )

    return create


def _gained(config: Config, spec: ImageSpec) -> tuple[nn.Module, nn.Module]:
    """Returns generator and discriminator, whose blocks have an initial gain in most networks."""
    return networks.create_generator(config, spec), networks.create_discriminator(config, spec.space)


def _gains(config: Config, spec: ImageSpec) -> tuple[jax.Array, jax.Array]:
    """Initial gains of both networks: arguments, so that runs that differ in them share one compiled program."""
    g_module, d_module = _gained(config, spec)
    return jnp.float32(getattr(g_module, "gain", 1.0)), jnp.float32(getattr(d_module, "gain", 1.0))


def _seed(config: Config) -> jax.Array:
    errors.require_seed(config.seed, "config.seed")  # a config that was put together without `resolve`
    return jnp.asarray(config.seed, jnp.uint32)


def params_sha256(state: TrainState) -> str:
    """Returns the SHA-256 of all parameters (generator, its average, discriminator, encoder): every path and byte."""
    return sha256({name: getattr(state, name) for name in ("d_params", "e_params", "ema_params", "g_params")})


def sha256(params: PyTree, *, paths: bool = True) -> str:
    """Returns the SHA-256 of parameters.

    Args:
        params: Arrays in a tree.
        paths: Whether their paths count besides their bytes. The interference study has stored digests without.
    """
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(params)):
        if paths:
            digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
