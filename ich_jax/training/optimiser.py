"""One step of the optimisers: step size, clipping, Adam, the averaged generator."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from ich_jax.config import TrainConfig
from ich_jax.training import state as state_lib
from ich_jax.training.state import TrainState
from ich_jax.types import Params, PyTree


def keep(finite: jax.Array, proposed: TrainState, state: TrainState) -> TrainState:
    """Returns the proposed state if everything in it is finite, else the state as it was."""
    return jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed, state)


def lr_share(config: TrainConfig, step: jax.Array) -> jax.Array:
    """Step size at a step as a share of the peak: linear warm-up (at most half the run) times cosine to `final_lr`."""
    warmup = max(1, min(config.warmup, config.steps // 2))
    step = step.astype(jnp.float32)
    rise = jnp.minimum(1.0, (step + 1) / warmup)
    fall = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(1.0, step / config.steps)))
    return rise * (config.final_lr + (1 - config.final_lr) * fall)


def _descend(
    config: TrainConfig, params: Params, opt: PyTree, gradient: Params, lr: jax.Array
) -> tuple[Any, Any, jax.Array]:
    """Clips by global norm and takes one step of Adam; also returns the norm before clipping."""
    norm = optax.tree.norm(gradient)
    if config.clip > 0:
        shrink = config.clip / jnp.maximum(norm, config.clip)
        gradient = jax.tree.map(lambda g: g * shrink, gradient)
    with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an int32 count
        direction, opt = state_lib.adam(config).update(gradient, opt)
    return jax.tree.map(lambda p, u: p - lr * u, params, direction), opt, norm


def freeze(gradient: Params, stages: int) -> Params:
    """Returns the gradient of a discriminator with zeros for its first stages, whose weights Adam so leaves alone.

    Args:
        gradient: Of the parameters of `models.discriminator`.
        stages: How many, from the picture inward; the layer that reads the pixels belongs to the first.

    References:
        Mo et al., Freeze the discriminator: a simple baseline for fine-tuning GANs, 2020.
    """
    if not stages:
        return gradient
    frozen = ("stem", *(f"{name}_{stage}" for stage in range(stages) for name in ("width", "stage")))

    def is_frozen(name: str) -> bool:
        return any(name == each or name.startswith(f"{each}_") for each in frozen)

    return {name: jax.tree.map(jnp.zeros_like, part) if is_frozen(name) else part for name, part in gradient.items()}


def descend_d(config: TrainConfig, state: TrainState, gradient: Params) -> tuple[TrainState, jax.Array]:
    """Updates the discriminator; returns the norm of its gradient before clipping."""
    lr = config.d_lr * lr_share(config, state.step) * state.lr_scale
    gradient = freeze(gradient, config.freeze_d)
    params, opt, norm = _descend(config, state.d_params, state.d_opt, gradient, lr)
    return state.replace(d_params=params, d_opt=opt), norm


def descend_ge(config: TrainConfig, state: TrainState, gradient: tuple[Any, Any]) -> tuple[TrainState, jax.Array]:
    """Updates generator and encoder, and the generator's average; returns the norm of the generator's gradient.

    The average's decay rises to `ema`, so that it forgets the first steps.
    """
    lr = config.g_lr * lr_share(config, state.step) * state.lr_scale
    g_gradient, e_gradient = gradient
    params, opt, norm = _descend(config, state.g_params, state.g_opt, g_gradient, lr)
    step = state.step.astype(jnp.float32)
    decay = jnp.minimum(config.ema, (1 + step) / (10 + step))
    ema = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.ema_params, params)
    state = state.replace(g_params=params, g_opt=opt, ema_params=ema)
    if state.e_params:
        e_params, e_opt, e_norm = _descend(config, state.e_params, state.e_opt, e_gradient, lr)
        # Its norm joins the generator's only if it is not finite: then the step must not count.
        state, norm = state.replace(e_params=e_params, e_opt=e_opt), norm + 0.0 * e_norm
    return state, norm
