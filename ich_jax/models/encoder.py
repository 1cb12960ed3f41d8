"""The encoder: infers the noise from which a picture would be drawn. Used in training only."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ich_jax.config import DiscriminatorConfig
from ich_jax.models import blocks, convolutions, layers
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import Brief, DesignSpace

_LOG_SD = (-6.0, 2.0)  # keeps exp() of it, and its square, far from overflow
_MEAN = 4.0  # deviations: noise beyond this is hardly ever drawn, so means are kept below it


class Encoder(nn.Module):
    """A residual network that infers, from a picture and its brief, the noise behind the parts that are left open.

    Attributes:
        space: The design space of the briefs.
        z_dim: Length of the noise vector.
        widths: Channels per stage, from half the picture's size downward.
        activation: Name of the activation.
        dtype: Compute type.
        form: How convolutions are computed.

    References:
        Kingma and Welling, Auto-encoding variational Bayes, 2014; Zhu et al., Toward multimodal image-to-image
        translation (BicycleGAN), 2017.
    """

    space: DesignSpace
    z_dim: int
    widths: tuple[int, ...]
    activation: str
    dtype: DTypeLike = jnp.float32
    form: Formulation = DIRECT

    @nn.compact
    def __call__(self, images: jax.Array, brief: Brief) -> tuple[jax.Array, jax.Array]:
        """Returns mean and log standard deviation, `[B, z_dim]` float32 each, of q(z | picture, brief).

        Args:
            images: `[B, H, W, C]` float in [-1, 1]; size divisible by 2**len(widths).
            brief: The brief of each picture.
        """
        act = layers.activation(self.activation)
        x = convolutions.space_to_depth(images.astype(self.dtype), 2)
        x = layers.Conv3x3(self.widths[0], form=self.form, dtype=self.dtype, name="stem")(x)
        block = functools.partial(blocks.Block, "residual", 0.1, self.activation, self.dtype, self.form)
        x = blocks.downward(x, self.widths, 1, block, self.dtype)
        n_hidden = 2 * self.z_dim
        hidden = nn.Dense(n_hidden, dtype=self.dtype, kernel_init=layers.he_normal(1.0), name="hidden")
        condition = nn.Dense(n_hidden, use_bias=False, name="brief")(layers.brief_features(brief, self.space))
        h = act(hidden(act(x).reshape(x.shape[0], -1)).astype(jnp.float32) + condition)
        mean = _MEAN * jnp.tanh(nn.Dense(self.z_dim, name="mean")(h) / _MEAN)
        # Starts at a small deviation, so that z matters to the generator from the first step on.
        log_sd = nn.Dense(self.z_dim, kernel_init=nn.initializers.zeros, name="log_sd")(h) - 1.0
        return mean, jnp.clip(log_sd, *_LOG_SD)


def create(
    config: DiscriminatorConfig, space: DesignSpace, z_dim: int, dtype: DTypeLike, form: Formulation = DIRECT
) -> Encoder:
    """Returns an encoder half as wide as the discriminator that `config` describes, with one block per stage."""
    widths = tuple(-(-width // 2) for width in config.widths)
    return Encoder(space, z_dim, widths, config.activation, dtype, form)
