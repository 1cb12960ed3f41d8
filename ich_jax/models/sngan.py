"""The residual networks of SNGAN without normalisation, a common benchmark of GAN training steps.

Resampling sits inside the blocks, whose shortcuts resample as well; they have no plain arm. Unlike in the
networks of `generator` and `discriminator` the brief enters once, beside the noise, and by projection.

References:
    Miyato et al., Spectral normalization for GANs, 2018, table 4; Miyato and Koyama, cGANs with projection
    discriminator, 2018; Gulrajani et al., WGAN-GP, 2017 (the first block of the discriminator).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ich_jax.models import blocks, layers
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import Brief, DesignSpace, ImageSpec, Reading


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, with a change of resolution or without.

    Attributes:
        width: Output channels.
        gain: Initial gain of the second convolution.
        activation: Name of the activation.
        resample: `up`, `down` or empty; without, the shortcut is the identity and the width stays.
        first: The block reads pictures: no activation before the first convolution.
        form: How convolutions are computed.
        dtype: Compute type.
    """

    width: int
    gain: float
    activation: str
    resample: str = ""
    first: bool = False
    form: Formulation = DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to `[B, H, W, width]`, where `resample` doubles or halves height and width."""
        act = layers.activation(self.activation)
        up, down = (self.resample if self.resample == name else "" for name in ("up", "down"))
        common = {"form": self.form, "dtype": self.dtype}
        h = x if self.first else act(x)
        h = layers.Conv3x3(self.width, resample=up, name="conv1", **common)(h)
        h = layers.Conv3x3(self.width, layers.he_normal(self.gain), down, name="conv2", **common)(act(h))
        if self.resample:
            x = layers.Conv1x1(self.width, self.resample, name="shortcut", **common)(x)
        return x + h


class Generator(nn.Module):
    """Noise and brief in, picture out: a dense layer to 4 px, then one up-sampling block per doubling.

    Attributes:
        spec: Design space of the briefs and shape of the pictures.
        widths: Channels at each resolution, from the lowest to the full one.
        gain: Initial gain of each block's last layer.
        activation: Name of the activation.
        form: How convolutions are computed.
        dtype: Compute type.
    """

    spec: ImageSpec
    widths: tuple[int, ...]
    gain: float
    activation: str
    form: Formulation = DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, brief: Brief) -> jax.Array:
        """Draws B pictures `[B, H, W, C]`, float32 in [-1, 1], from noise `[B, z_dim]` and briefs."""
        side = self.spec.size // 2 ** (len(self.widths) - 1)
        x = jnp.concatenate([z.astype(jnp.float32), layers.brief_features(brief, self.spec.space)], axis=-1)
        x = nn.Dense(side * side * self.widths[0], dtype=self.dtype, name="base")(x)
        x = x.reshape(-1, side, side, self.widths[0])
        for i, width in enumerate(self.widths[1:]):
            block = Block(width, self.gain, self.activation, "up", form=self.form, dtype=self.dtype, name=f"block_{i}")
            x = block(x)
        x = layers.activation(self.activation)(x)
        x = layers.Conv3x3(self.spec.channels, form=self.form, dtype=self.dtype, name="picture")(x)
        return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
    """Halves the picture in one block per width, then two blocks at the lowest resolution, summed over positions.

    Attributes:
        space: The design space of the briefs.
        widths: Channels of each halving, from the full size downward.
        n_blocks: Blocks at the lowest resolution.
        gain: Initial gain of each block's last layer.
        activation: Name of the activation.
        form: How convolutions are computed.
        dtype: Compute type.
    """

    space: DesignSpace
    widths: tuple[int, ...]
    n_blocks: int
    gain: float
    activation: str
    form: Formulation = DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, brief: Brief) -> tuple[jax.Array, Reading]:
        """Judges B pictures `[B, H, W, C]`; as `models.discriminator.Discriminator`."""
        x = images.astype(self.dtype)
        common: dict[str, Any] = {"gain": self.gain, "activation": self.activation, "form": self.form}
        common["dtype"] = self.dtype
        for i, width in enumerate(self.widths):
            x = Block(width, resample="down", first=i == 0, name=f"block_{i}", **common)(x)
        for i in range(self.n_blocks):
            x = Block(self.widths[-1], name=f"block_{len(self.widths) + i}", **common)(x)
        h = jnp.sum(layers.activation(self.activation)(x).astype(jnp.float32), axis=(1, 2))  # [B, C]
        embedding = nn.Dense(h.shape[-1], use_bias=False, name="projection")(layers.brief_features(brief, self.space))
        score = nn.Dense(1, name="score")(h)[:, 0] + jnp.sum(embedding * h, axis=-1)
        return score, blocks.Heads(self.space, name="reading")(h)
