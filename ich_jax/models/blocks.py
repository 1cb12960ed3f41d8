"""The block in which the two arms of every comparison differ, and the heads that read a brief."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ich_jax.models import convolutions, layers
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import DesignSpace, Reading


class Block(nn.Module):
    """Two 3x3 convolutions F with pre-activation: H(x) = F(x) + x (residual) or H(x) = F(x) (plain).

    The arms have the same parameters and differ in the shortcut and in the initial `gain` only. Width and resolution
    stay as they are; changes of either lie outside the block, alike in both arms.

    Attributes:
        arm: `residual` or `plain`.
        gain: Initial gain of the last convolution; at 0 a residual block is exactly the identity.
        activation: Name of the activation.
        dtype: Compute type.
        form: How convolutions are computed.

    References:
        He et al., Deep residual learning, 2016 (the paper's equations 4 and 5); He et al., Identity mappings, 2016
        (pre-activation); Perez et al., FiLM, 2018.
    """

    arm: str
    gain: float
    activation: str = "silu"
    dtype: DTypeLike = jnp.float32
    form: Formulation = DIRECT

    @nn.compact
    def __call__(self, x: jax.Array, style: jax.Array | None = None) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape.

        Args:
            x: Features `[B, H, W, C]`.
            style: `[B, S]`; scales and shifts each channel between the two convolutions (FiLM). None: no FiLM.
        """
        act = layers.activation(self.activation)
        width = x.shape[-1]
        h = layers.Conv3x3(width, form=self.form, dtype=self.dtype, name="conv1")(act(x))
        if style is not None:
            scale, shift = jnp.split(nn.Dense(2 * width, dtype=self.dtype, name="film")(style)[:, None, None, :], 2, -1)
            h = h * (1 + scale) + shift
        last = layers.Conv3x3(width, layers.he_normal(self.gain), form=self.form, dtype=self.dtype, name="conv2")
        h = last(act(h))
        return x + h if self.arm == "residual" else h


def downward(
    x: jax.Array, widths: tuple[int, ...], n_blocks: int, block: Callable[..., Block], dtype: DTypeLike
) -> jax.Array:
    """Runs stages of blocks from the largest feature map downward, within the module that calls it.

    Args:
        x: Features `[B, H, W, widths[0]]`.
        widths: Channels per stage; each stage after the first halves height and width where they are even.
        n_blocks: Blocks per stage.
        block: Makes a block, given its `name`.
        dtype: Compute type.

    Returns:
        `[B, h, w, widths[-1]]`.
    """
    for stage, width in enumerate(widths):
        if stage:
            if x.shape[1] % 2 == 0:  # a 28 px picture has maps of 14, 7 and 7
                x = convolutions.average_pool(x)
            if width != widths[stage - 1]:
                x = nn.Dense(width, dtype=dtype, name=f"width_{stage}")(x)
        for i in range(n_blocks):
            x = block(name=f"stage_{stage}_block_{i}")(x)
    return x


class Heads(nn.Module):
    """Linear read-outs of all parts of a brief, in float32.

    Attributes:
        space: Names the parts that are read.
    """

    space: DesignSpace

    @nn.compact
    def __call__(self, features: jax.Array) -> Reading:
        """Maps features `[B, F]` to a `Reading`; parts that the space lacks are empty."""
        features = features.astype(jnp.float32)
        product = nn.Dense(len(self.space.products), name="product")(features)
        elements = tuple(nn.Dense(n, name=f"element_{i}")(features) for i, n in enumerate(self.space.cardinalities))
        n_axes = len(self.space.axes)
        axes = nn.Dense(n_axes, name="axes")(features) if n_axes else jnp.zeros((features.shape[0], 0), jnp.float32)
        return Reading(product, elements, axes)
