"""The networks of R3GAN, to time the state of the art beside ours on the same accelerator.

No normalisation, no attention, leaky ReLU with unit gain. Briefs enter where R3GAN's class labels do.

References:
    Huang et al., The GAN is dead; long live the GAN! A modern GAN baseline (R3GAN), 2024, and its published code: block
    1x1 - grouped 3x3 - 1x1, Fix-up initialisation (Zhang et al., 2019), resampling by [1, 3, 3, 1].
"""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ich_jax.models import blocks, convolutions, layers
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import Brief, DesignSpace, ImageSpec, Reading

_GROUP = 16  # channels of a group of the 3x3 convolution


def _normal(gain: float) -> Callable[..., jax.Array]:
    """Normal with deviation gain / sqrt(fan in)."""
    return layers.he_normal(gain / math.sqrt(2.0))


def _fixup_gain(n_blocks: int) -> float:
    """Gain of a residual branch's first two layers in a network of n blocks: sqrt(2 / (1 + 0.2^2)) * n^(-1/4)."""
    return math.sqrt(2.0 / (1.0 + layers.LEAK**2)) * n_blocks**-0.25


class _Bias(nn.Module):
    """Adds a value to each channel; convolutions have no bias."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        bias = self.param("bias", nn.initializers.zeros_init(), (x.shape[-1],), jnp.float32)
        return x + bias.astype(x.dtype).reshape(1, 1, 1, -1)


class Block(nn.Module):
    """x + P(phi(b2 + C(phi(b1 + E(x))))): E 1x1 to twice the width, C a grouped 3x3, P 1x1 back, zero at first.

    Attributes:
        gain: Initial gain of E and C.
        activation: Name of phi.
        form: How convolutions are computed.
        dtype: Compute type.
    """

    gain: float
    activation: str
    form: Formulation = DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape; twice C is a multiple of the group's 16 channels."""
        act = layers.activation(self.activation)
        width = x.shape[-1]
        expand = nn.Dense(2 * width, False, self.dtype, kernel_init=_normal(self.gain), name="expand")
        h = act(_Bias(name="bias1")(expand(x)))
        kernel = self.param("kernel", _normal(self.gain), (3, 3, _GROUP, 2 * width), jnp.float32)
        h = convolutions.grouped_conv3x3(h, kernel.astype(self.dtype), self.form)
        h = act(_Bias(name="bias2")(h))
        return x + nn.Dense(width, False, self.dtype, kernel_init=nn.initializers.zeros, name="project")(h)


class Generator(nn.Module):
    """A learned 4 px basis weighed by noise and brief, then blocks between bilinear doublings.

    Attributes:
        spec: Design space of the briefs and shape of the pictures.
        widths: Channels at each resolution, from the lowest to the full one.
        n_blocks: Blocks per resolution.
        activation: Name of the activation.
        form: How convolutions are computed.
        dtype: Compute type.
    """

    spec: ImageSpec
    widths: tuple[int, ...]
    n_blocks: int
    activation: str
    form: Formulation = DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array, brief: Brief) -> jax.Array:
        """Draws B pictures `[B, H, W, C]`, float32, from noise `[B, z_dim]` and briefs; not clipped."""
        side = self.spec.size // 2 ** (len(self.widths) - 1)
        gain = _fixup_gain(len(self.widths) * self.n_blocks)
        condition = nn.Dense(z.shape[-1], False, kernel_init=_normal(1.0), name="brief")(
            layers.brief_features(brief, self.spec.space)
        )
        z = jnp.concatenate([z.astype(jnp.float32), condition], axis=-1)
        weight = nn.Dense(self.widths[0], False, self.dtype, kernel_init=_normal(1.0), name="weight")(z)
        basis = self.param("basis", nn.initializers.normal(1.0), (side, side, self.widths[0]), jnp.float32)
        x = basis.astype(self.dtype)[None] * weight[:, None, None, :]
        for stage, width in enumerate(self.widths):
            if stage:
                if width != self.widths[stage - 1]:
                    x = nn.Dense(width, False, self.dtype, kernel_init=_normal(1.0), name=f"width_{stage}")(x)
                x = convolutions.upsample_bilinear(x, self.form)
            for i in range(self.n_blocks):
                name = f"stage_{stage}_block_{i}"
                x = Block(gain, self.activation, self.form, self.dtype, name=name)(x)
        picture = nn.Dense(self.spec.channels, False, self.dtype, kernel_init=_normal(1.0), name="picture")
        return picture(x).astype(jnp.float32)


class Discriminator(nn.Module):
    """Blocks between bilinear halvings down to the lowest resolution, where every position has its own weights.

    Attributes:
        space: The design space of the briefs.
        widths: Channels at each resolution, from the full one downward.
        n_blocks: Blocks per resolution.
        activation: Name of the activation.
        form: How convolutions are computed.
        dtype: Compute type.
    """

    space: DesignSpace
    widths: tuple[int, ...]
    n_blocks: int
    activation: str
    form: Formulation = DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, brief: Brief) -> tuple[jax.Array, Reading]:
        """Judges B pictures `[B, H, W, C]`; as `models.discriminator.Discriminator`."""
        gain = _fixup_gain(len(self.widths) * self.n_blocks)
        x = nn.Dense(self.widths[0], False, self.dtype, kernel_init=_normal(1.0), name="picture")(
            images.astype(self.dtype)
        )
        for stage, width in enumerate(self.widths):
            if stage:
                x = convolutions.downsample_bilinear(x, self.form)
                if width != self.widths[stage - 1]:
                    x = nn.Dense(width, False, self.dtype, kernel_init=_normal(1.0), name=f"width_{stage}")(x)
            for i in range(self.n_blocks):
                name = f"stage_{stage}_block_{i}"
                x = Block(gain, self.activation, self.form, self.dtype, name=name)(x)
        weight = self.param("positions", _position_init, x.shape[1:], jnp.float32)
        h = jnp.einsum("bhwc,hwc->bc", x.astype(jnp.float32), weight)
        h = nn.Dense(self.widths[-1], False, kernel_init=_normal(1.0), name="hidden")(h)
        embedding = nn.Dense(self.widths[-1], False, kernel_init=_normal(self.widths[-1] ** -0.5), name="projection")(
            layers.brief_features(brief, self.space)
        )
        return jnp.sum(embedding * h, axis=-1), blocks.Heads(self.space, name="reading")(h)


def _position_init(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """Normal with the deviation of a depthwise convolution over all positions."""
    return jax.random.normal(key, shape, dtype) / jnp.sqrt(jnp.asarray(shape[0] * shape[1], dtype))
