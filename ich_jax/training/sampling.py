"""Drawing with a trained generator."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from ich_jax import errors
from ich_jax.config import Config
from ich_jax.models import blocks, networks
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import Brief, DesignSpace, ImageSpec, Params, Reading


def make_sampler(
    config: Config, spec: ImageSpec, form: Formulation = DIRECT
) -> Callable[[Params, jax.Array, Brief], jax.Array]:
    """Returns the compiled drawing function of a trained generator.

    With a style strength w other than 1, the change that the brief makes to the picture is scaled by w:
    x_open + w (x_given - x_open), where x_open is drawn from the same noise with everything left open.

    Args:
        config: The run; `evaluation.style_strength` is w.
        spec: Design space and shape of its images.
        form: How convolutions are computed.

    Returns:
        `sample(params, key, brief) -> [B, H, W, C]` float32; real images are in [-1, 1], these are not clipped.

    References:
        Ho and Salimans, Classifier-free diffusion guidance, 2022, eq. 6; here on pictures, not on scores.
    """
    draw = make_draw(config, spec, form)

    @jax.jit
    def sample(params: Params, key: jax.Array, brief: Brief) -> jax.Array:
        z = jax.random.normal(key, (brief.product.shape[0], config.generator.z_dim), jnp.float32)
        return draw(params, z, brief)

    return sample


def make_draw(
    config: Config, spec: ImageSpec, form: Formulation = DIRECT
) -> Callable[[Params, jax.Array, Brief], jax.Array]:
    """As `make_sampler`, not compiled, of given noise: `draw(params, z [B, z_dim], brief) -> [B, H, W, C]`."""
    module = networks.create_generator(config, spec, form)
    strength = config.evaluation.style_strength

    def draw(params: Params, z: jax.Array, brief: Brief) -> jax.Array:
        given = module.apply({"params": params}, z, brief)
        if strength == 1.0:
            return given
        left_open = module.apply({"params": params}, z, brief._replace(given=jnp.zeros_like(brief.given)))
        return left_open + strength * (given - left_open)

    return draw


def make_read(config: Config, space: DesignSpace) -> Callable[[Params, jax.Array], tuple[Reading, jax.Array]]:
    """Returns the function by which a run's own discriminator reads pictures; not compiled.

    Returns:
        `read(d_params, images [B, H, W, C] in [-1, 1]) -> (reading, features [B, F])`; the features are those that the
        reading is a linear function of. Neither depends on a brief.

    Raises:
        CheckpointError: The run trained no reading head.
    """
    if config.objective.reading_d == 0.0:
        raise errors.CheckpointError(
            f"The discriminator of {config.name} has no trained reading head (objective.reading_d is 0), so nothing "
            "can be read off its designs. Take a run with objective.reading_d above 0."
        )
    module = networks.create_discriminator(config, space)

    def read(d_params: Params, images: jax.Array) -> tuple[Reading, jax.Array]:
        seen: list[jax.Array] = []

        def look(
            call: Callable[..., Any],
            args: tuple[Any, ...],
            kwargs: dict[str, Any],
            context: nn.module.InterceptorContext,
        ) -> Any:
            if isinstance(context.module, blocks.Heads):
                seen.append(args[0])
            return call(*args, **kwargs)

        n = images.shape[0]
        nothing = Brief(
            jnp.zeros((n,), jnp.int32),
            jnp.zeros((n, len(space.elements)), jnp.int32),
            jnp.zeros((n, len(space.axes)), jnp.float32),
            jnp.zeros((n, space.n_given), jnp.float32),
        )
        with nn.intercept_methods(look):
            _, reading = module.apply({"params": d_params}, images, nothing)
        return reading, seen[0].astype(jnp.float32)

    return read
