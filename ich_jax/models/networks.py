"""The networks of a run, chosen by the names in its config."""

import flax.linen as nn
import jax.numpy as jnp

from ich_jax.config import Config
from ich_jax.models import discriminator, encoder, generator, r3gan, sngan
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import DesignSpace, ImageSpec


def create_generator(config: Config, spec: ImageSpec, form: Formulation = DIRECT) -> nn.Module:
    """Returns the generator of a run: `(z [B, z_dim], brief) -> [B, H, W, C]` float32.

    Args:
        config: The run.
        spec: Design space of the briefs and shape of the pictures.
        form: How convolutions are computed.
    """
    settings, dtype = config.generator, _dtype(config)
    if settings.network == "sngan":
        return sngan.Generator(spec, settings.widths, settings.residual_scale, settings.activation, form, dtype)
    if settings.network == "r3gan":
        return r3gan.Generator(spec, settings.widths, settings.blocks, settings.activation, form, dtype)
    return generator.create(settings, spec, dtype, form)


def create_discriminator(config: Config, space: DesignSpace, form: Formulation = DIRECT) -> nn.Module:
    """Returns the discriminator of a run: `(images [B, H, W, C], brief) -> (score [B], Reading)`, float32."""
    settings, dtype = config.discriminator, _dtype(config)
    if settings.network == "sngan":
        return sngan.Discriminator(
            space, settings.widths, settings.blocks, settings.residual_scale, settings.activation, form, dtype
        )
    if settings.network == "r3gan":
        return r3gan.Discriminator(space, settings.widths, settings.blocks, settings.activation, form, dtype)
    return discriminator.create(settings, space, dtype, form)


def create_encoder(config: Config, space: DesignSpace, form: Formulation = DIRECT) -> nn.Module:
    """Returns the encoder of a run: `(images, brief) -> (mean, log deviation)`, `[B, z_dim]` float32 each."""
    return encoder.create(config.discriminator, space, config.generator.z_dim, _dtype(config), form)


def _dtype(config: Config) -> jnp.dtype:
    return jnp.dtype(config.compute.dtype)
