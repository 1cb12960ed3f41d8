"""The discriminator: scores realism given the brief, and reads the brief off the picture."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ich_jax.config import DiscriminatorConfig
from ich_jax.models import blocks, convolutions, layers
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import Brief, DesignSpace, Reading


class SketchCritic(nn.Module):
    """Scores whether a picture follows its sketch: a residual network over both, channel beside channel.

    It stands apart from the network that reads the brief: a reading that saw the sketch would read the form off the
    sketch, and the picture would be free to differ.

    Attributes:
        arm: `residual` or `plain`.
        widths: Channels per stage, from half the picture's size downward.
        activation: Name of the activation.
        gain: Initial gain of each block's last layer.
        dtype: Compute type.
        form: How convolutions are computed.
    """

    arm: str
    widths: tuple[int, ...]
    activation: str
    gain: float
    dtype: DTypeLike = jnp.float32
    form: Formulation = DIRECT

    @nn.compact
    def __call__(self, images: jax.Array, brief: Brief) -> jax.Array:
        """Returns what the sketches add to the scores of B pictures, `[B]` float32: 0 where a sketch is left open."""
        act = layers.activation(self.activation)
        both = jnp.concatenate([images.astype(self.dtype), layers.ink(brief, images.shape[1]).astype(self.dtype)], -1)
        x = convolutions.space_to_depth(both, 2)
        x = layers.Conv3x3(self.widths[0], form=self.form, dtype=self.dtype, name="stem")(x)
        block = functools.partial(blocks.Block, self.arm, self.gain, self.activation, self.dtype, self.form)
        x = blocks.downward(x, self.widths, 1, block, self.dtype)
        hidden = nn.Dense(2 * self.widths[-1], dtype=self.dtype, kernel_init=layers.he_normal(1.0), name="hidden")
        h = act(hidden(act(x).reshape(x.shape[0], -1))).astype(jnp.float32)
        return nn.Dense(1, name="score")(h)[:, 0] * brief.given[:, -1]


class Discriminator(nn.Module):
    """A residual discriminator without normalisation, with projection on the brief and a reading head.

    The lowest feature map is flattened, not pooled: axes are lengths in the picture, so reading them needs to know
    where things are. The reading does not depend on the brief. Where briefs can hold sketches, a `SketchCritic` half as
    wide adds to the score.

    Attributes:
        space: The design space of the briefs.
        arm: `residual` or `plain`.
        widths: Channels per stage, from half the picture's size downward.
        n_blocks: Blocks per stage.
        activation: Name of the activation.
        gain: Initial gain of each block's last layer.
        dtype: Compute type.
        form: How convolutions are computed.

    References:
        Miyato and Koyama, cGANs with projection discriminator, 2018; Odena et al., auxiliary classifier GANs, 2017.
    """

    space: DesignSpace
    arm: str
    widths: tuple[int, ...]
    n_blocks: int
    activation: str
    gain: float
    dtype: DTypeLike = jnp.float32
    form: Formulation = DIRECT

    @nn.compact
    def __call__(self, images: jax.Array, brief: Brief) -> tuple[jax.Array, Reading]:
        """Judges B pictures.

        Args:
            images: `[B, H, W, C]` float in [-1, 1]; size divisible by 2**len(widths).
            brief: The brief of each picture.

        Returns:
            The score `[B]` (a logit: positive means real) and the reading of the pictures; both float32.
        """
        act = layers.activation(self.activation)
        x = convolutions.space_to_depth(images.astype(self.dtype), 2)
        x = layers.Conv3x3(self.widths[0], form=self.form, dtype=self.dtype, name="stem")(x)
        block = functools.partial(blocks.Block, self.arm, self.gain, self.activation, self.dtype, self.form)
        x = blocks.downward(x, self.widths, self.n_blocks, block, self.dtype)
        n_hidden = 4 * self.widths[-1]
        hidden = nn.Dense(n_hidden, dtype=self.dtype, kernel_init=layers.he_normal(1.0), name="hidden")
        h = act(hidden(act(x).reshape(x.shape[0], -1))).astype(jnp.float32)  # [B, n_hidden]
        embedding = nn.Dense(n_hidden, use_bias=False, name="projection")(layers.brief_features(brief, self.space))
        score = nn.Dense(1, name="score")(h)[:, 0] + jnp.sum(embedding * h, axis=-1) / n_hidden**0.5
        if self.space.sketches:
            half = tuple(-(-width // 2) for width in self.widths)
            critic = SketchCritic(self.arm, half, self.activation, self.gain, self.dtype, self.form, name="sketch")
            score = score + critic(images, brief)
        return score, blocks.Heads(self.space, name="reading")(h)


def create(
    config: DiscriminatorConfig, space: DesignSpace, dtype: DTypeLike, form: Formulation = DIRECT
) -> Discriminator:
    """Returns the discriminator that `config` describes; size and channels are those of the pictures."""
    return Discriminator(
        space=space,
        arm=config.arm,
        widths=config.widths,
        n_blocks=config.blocks,
        activation=config.activation,
        gain=config.residual_scale if config.arm == "residual" else config.plain_scale,
        dtype=dtype,
        form=form,
    )
