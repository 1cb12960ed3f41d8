"""The inspector: the frozen judge that reads product, elements and axes off a picture."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from ich_jax.config import InspectorConfig
from ich_jax.models import blocks, convolutions, layers
from ich_jax.types import DesignSpace, Reading

_LARGEST_START = 16
"""Side of the largest feature map: above it, cost grows with the picture and precision does not."""


class Inspector(nn.Module):
    """A residual reader, deeper and wider than the discriminator, with other weights, data draws and another seed.

    No pixel is discarded before the blocks: the picture is rearranged into channels (2x2 pixels, more for pictures
    above 32 px), and the lowest feature map is flattened, so edges can be placed to a fraction of a pixel.

    Attributes:
        space: Names the parts that are read.
        widths: Channels per stage, from the largest feature map downward.
        n_blocks: Residual blocks per stage.
        activation: Name of the activation.
        gain: Initial gain of each block's last layer.
    """

    space: DesignSpace
    widths: tuple[int, ...]
    n_blocks: int
    activation: str = "silu"
    gain: float = 0.1

    @nn.compact
    def __call__(self, images: jax.Array) -> Reading:
        """Reads B pictures `[B, H, W, C]` float in [-1, 1] of even size; axes are on the scale [-3, 3] of briefs."""
        act = layers.activation(self.activation)
        size, factor = images.shape[1], 2
        while size // factor > _LARGEST_START and size % (2 * factor) == 0:
            factor *= 2
        x = convolutions.space_to_depth(images.astype(jnp.float32), factor)
        x = layers.Conv3x3(self.widths[0], name="stem")(x)
        block = functools.partial(blocks.Block, "residual", self.gain, self.activation)
        x = blocks.downward(x, self.widths, self.n_blocks, block, jnp.float32)
        hidden = nn.Dense(2 * self.widths[-1], kernel_init=layers.he_normal(1.0), name="hidden")
        h = act(hidden(act(x).reshape(x.shape[0], -1)))
        return blocks.Heads(self.space, name="reading")(h)


def create(config: InspectorConfig, space: DesignSpace) -> Inspector:
    """Returns the inspector that `config` describes; size and channels are those of the pictures."""
    return Inspector(space=space, widths=config.widths, n_blocks=config.blocks)
