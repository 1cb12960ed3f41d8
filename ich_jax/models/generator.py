"""The generator: noise and brief in, picture out."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ich_jax.config import GeneratorConfig
from ich_jax.models import blocks, convolutions, layers
from ich_jax.models.convolutions import DIRECT, Formulation
from ich_jax.types import Brief, ImageSpec

_BACKDROP = 16  # channels of the backdrop's layers


class Generator(nn.Module):
    """A residual generator whose blocks are modulated by noise and brief.

    A two-layer mapping network turns noise and brief into a style. A dense layer of the style is the lowest resolution,
    and the style modulates every block. Between stages a 1x1 convolution changes the width and pixels are doubled. The
    last stage works at half size; a sub-pixel convolution that starts as nearest up-sampling makes the full picture
    from it. Each stage first adds ramps across the picture, set by the style, and noise at every pixel, which the
    picture itself receives too. One output channel is opacity: it lays the design over a backdrop, which the style sets
    separately. Where briefs can hold sketches, each stage sees the sketch at its resolution.

    Attributes:
        spec: Design space of the briefs and shape of the pictures; their size is divisible by 2**len(widths).
        arm: `residual` or `plain`.
        mapping: Width of the mapping network.
        widths: Channels per stage, from the lowest resolution upward.
        n_blocks: Blocks per stage.
        activation: Name of the activation.
        gain: Initial gain of each block's last layer.
        dtype: Compute type.
        form: How convolutions are computed.
    """

    spec: ImageSpec
    arm: str
    mapping: int
    widths: tuple[int, ...]
    n_blocks: int
    activation: str
    gain: float
    dtype: DTypeLike = jnp.float32
    form: Formulation = DIRECT

    @nn.compact
    def __call__(self, z: jax.Array, brief: Brief) -> jax.Array:
        """Draws B pictures.

        Args:
            z: Standard normal noise `[B, z_dim]`.
            brief: The brief of each picture.

        Returns:
            `[B, H, W, C]` float32, real pictures being in [-1, 1]; not clipped.
        """
        act = layers.activation(self.activation)
        noise_keys = layers.pixel_noise_keys(z)
        lines = layers.ink(brief, self.spec.size) if self.spec.space.sketches else None
        x = jnp.concatenate([z.astype(jnp.float32), layers.brief_features(brief, self.spec.space)], axis=-1)
        for i in range(2):
            dense = nn.Dense(self.mapping, dtype=self.dtype, kernel_init=layers.he_normal(1.0), name=f"mapping_{i}")
            x = act(dense(x))
        style = x
        side = self.spec.size // 2 ** len(self.widths)
        x = nn.Dense(side * side * self.widths[0], dtype=self.dtype, name="base")(style)
        x = x.reshape(-1, side, side, self.widths[0])  # [B, h, w, C]
        for stage, width in enumerate(self.widths):
            if stage:
                if width != self.widths[stage - 1]:
                    x = nn.Dense(width, dtype=self.dtype, name=f"width_{stage}")(x)
                x = convolutions.upsample_nearest(x)
            x = layers.Ramps(self.dtype, name=f"ramps_{stage}")(x, style)
            if lines is not None:
                mix = layers.SketchInput(self.form, self.dtype, name=f"sketch_{stage}")
                x = mix(x, lines, brief.given[:, -1])
            x = layers.PixelNoise(stage, name=f"noise_{stage}")(x, noise_keys)
            for i in range(self.n_blocks):
                name = f"stage_{stage}_block_{i}"
                x = blocks.Block(self.arm, self.gain, self.activation, self.dtype, self.form, name=name)(x, style)
        subpixel = layers.Conv3x3(
            4 * (self.spec.channels + 1), layers.nearest_subpixel(2), form=self.form, dtype=self.dtype, name="subpixel"
        )
        x = convolutions.depth_to_space(subpixel(act(x)).astype(jnp.float32), 2)
        colour, cover = x[..., :-1], jax.nn.sigmoid(x[..., -1:])
        backdrop = self._backdrop(style)
        x = backdrop + cover * (colour - backdrop)
        return layers.PixelNoise(len(self.widths), name="noise")(x, noise_keys)

    def _backdrop(self, style: jax.Array) -> jax.Array:
        """Draws the backdrop of the design, `[B, H, W, C]` float32.

        A function of style and position, pixel by pixel: it can be plain, shaded or divided by an edge, never mottled.
        """
        act = layers.activation(self.activation)
        x = jnp.zeros((style.shape[0], self.spec.size, self.spec.size, _BACKDROP), self.dtype)
        x = act(layers.Ramps(self.dtype, name="backdrop_ramps")(x, style))
        x = act(nn.Dense(_BACKDROP, dtype=self.dtype, kernel_init=layers.he_normal(1.0), name="backdrop_hidden")(x))
        return nn.Dense(self.spec.channels, dtype=self.dtype, name="backdrop")(x).astype(jnp.float32)


def create(config: GeneratorConfig, spec: ImageSpec, dtype: DTypeLike, form: Formulation = DIRECT) -> Generator:
    """Returns the generator that `config` describes, for pictures of `spec`."""
    return Generator(
        spec=spec,
        arm=config.arm,
        mapping=config.mapping,
        widths=config.widths,
        n_blocks=config.blocks,
        activation=config.activation,
        gain=config.residual_scale if config.arm == "residual" else config.plain_scale,
        dtype=dtype,
        form=form,
    )
