"""Layers and fixed linear maps that the networks share.

Everything is NHWC. Parameters are float32; arithmetic runs in the `dtype` of the module. Change of resolution is a
reshape or a repeat, never a strided or transposed convolution, and a 1x1 convolution is a matrix product: the gradients
of the other forms are many times slower on CPU.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from ich_jax import errors
from ich_jax.models import convolutions
from ich_jax.models.convolutions import Formulation
from ich_jax.types import AXIS_LIMIT, Brief, DesignSpace


class Activation(nn.Module):
    """An elementwise nonlinearity, by name; a module without parameters, so that it can be found in a network.

    Attributes:
        kind: `silu`, `leaky_relu`, `relu` or `gelu`.
    """

    kind: str

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps an array of any shape to one of the same shape."""
        return _ACTIVATIONS[self.kind](x)


def activation(name: str) -> Activation:
    """Returns the activation called `name`.

    Raises:
        ConfigError: No such activation.
    """
    return Activation(errors.require(name, _ACTIVATIONS, "activation"))


LEAK = 0.2
"""Slope of the leaky ReLU below zero."""

SLOPES = {"leaky_relu": LEAK, "relu": 0.0}
"""Slope below zero of the activations that are linear on either side of it."""

_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "silu": nn.silu,
    "leaky_relu": lambda x: nn.leaky_relu(x, LEAK),
    "relu": nn.relu,
    "gelu": nn.gelu,
}


def he_normal(gain: float | jax.Array) -> Callable[..., jax.Array]:
    """Returns an initialiser for `[..., in, out]` kernels: normal with deviation gain * sqrt(2 / fan in).

    References:
        He et al., Delving deep into rectifiers, 2015, eq. 10. A gain of 0 is allowed and gives zeros.
    """

    def init(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> jax.Array:
        fan_in = 1
        for n in shape[:-1]:
            fan_in *= n
        return jax.random.normal(key, shape, dtype) * jnp.asarray(gain * (2.0 / fan_in) ** 0.5, dtype)

    return init


def nearest_subpixel(factor: int) -> Callable[..., jax.Array]:
    """Returns an initialiser whose sub-pixel convolution starts as nearest up-sampling, so without a checkerboard.

    All factor**2 sub-pixels of an output channel share one kernel, in the channel order of `depth_to_space`.

    References:
        Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017 (ICNR).
    """

    def init(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> jax.Array:
        kernel = he_normal(1.0)(key, (*shape[:-1], shape[-1] // factor**2), dtype)
        return jnp.tile(kernel, (1,) * (len(shape) - 1) + (factor**2,))

    return init


class Conv3x3(nn.Module):
    """A 3x3 convolution with bias that keeps height and width (zero padding), or that resamples as well.

    Attributes:
        features: Output channels.
        kernel_init: Initialiser of the `[3, 3, in, out]` kernel.
        resample: `up`: pixels are doubled before; `down`: 2x2 pixels are averaged after; empty: neither.
        form: How it is computed.
        dtype: Compute type.
    """

    features: int
    kernel_init: Callable[..., jax.Array] = he_normal(1.0)
    resample: str = ""
    form: Formulation = convolutions.DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to `[B, H, W, features]`, where `resample` doubles or halves height and width."""
        kernel = self.param("kernel", self.kernel_init, (3, 3, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), jnp.float32)
        y = _CONV3X3[self.resample](x.astype(self.dtype), kernel.astype(self.dtype), self.form)
        return convolutions.add_bias(y, bias.astype(self.dtype))


class Conv1x1(nn.Module):
    """A 1x1 convolution with bias beside a change of resolution.

    Attributes:
        features: Output channels.
        kernel_init: Initialiser of the `[in, out]` kernel.
        resample: `up`: pixels are doubled; `down`: 2x2 pixels are averaged.
        form: How it is computed.
        dtype: Compute type.
    """

    features: int
    resample: str
    kernel_init: Callable[..., jax.Array] = he_normal(1.0)
    form: Formulation = convolutions.DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to `[B, 2H, 2W, features]` or `[B, H/2, W/2, features]`."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), jnp.float32)
        y = _CONV1X1[self.resample](x.astype(self.dtype), kernel.astype(self.dtype), self.form)
        return convolutions.add_bias(y, bias.astype(self.dtype))


_CONV3X3 = {"": convolutions.conv3x3, "up": convolutions.upsample_conv3x3, "down": convolutions.conv3x3_pool}
_CONV1X1 = {"up": convolutions.upsample_conv1x1, "down": convolutions.conv1x1_pool}


class Ramps(nn.Module):
    """Adds to every channel a linear function of position whose three coefficients the style sets.

    A ramp followed by an activation is an edge whose place and direction depend continuously on the brief; convolutions
    alone could only infer position from the padding of the border.

    Attributes:
        dtype: Compute type.

    References:
        Liu et al., An intriguing failing of convolutional neural networks and the CoordConv solution, 2018 (position as
        an input; here the style weighs it).
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, style: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape, given the style `[B, S]`."""
        height, width, channels = x.shape[1:]
        coefficients = nn.Dense(3 * channels, dtype=self.dtype, name="coefficients")(style)[:, None, None, :]
        across, down, level = jnp.split(coefficients, 3, axis=-1)
        along = jnp.linspace(-1.0, 1.0, width, dtype=self.dtype)[None, None, :, None]
        upright = jnp.linspace(-1.0, 1.0, height, dtype=self.dtype)[None, :, None, None]
        return x + across * along + down * upright + level


def pixel_noise_keys(z: jax.Array) -> jax.Array:
    """Returns one PRNG key per row of z, a function of its first column in steps of 2^-12.

    Pixel noise thus stays a function of z: the same z gives the same picture, and z with the same first column the same
    grain. Because of the steps this also holds for another number of devices, where z may differ in its last bits.
    """
    place = jnp.round(z[:, 0].astype(jnp.float32) * 4096.0).astype(jnp.int32)
    root = jax.random.key(0)
    return jax.vmap(lambda p: jax.random.fold_in(root, p))(place)


def ink(brief: Brief, size: int) -> jax.Array:
    """Returns the ink of the sketches of B briefs, `[B, size, size, 1]` float32: 1 on a line, 0 on paper.

    A sketch that is left open, or that is none at all, is blank.

    Args:
        brief: Briefs of a space with sketches.
        size: Height and width of the pictures.

    Raises:
        ConfigError: The sketches are of another size.
    """
    if brief.sketch is None:
        return jnp.zeros((brief.given.shape[0], size, size, 1), jnp.float32)
    if brief.sketch.shape[1:] != (size, size, 1):
        raise errors.ConfigError(
            f"brief: sketch: got an array of shape {brief.sketch.shape[1:]}; expected {(size, size, 1)}, the size of "
            "the pictures."
        )
    return (1.0 - brief.sketch.astype(jnp.float32)) * brief.given[:, -1, None, None, None].astype(jnp.float32)


class SketchInput(nn.Module):
    """Adds what a sketch shows at the resolution of a feature map, through one 3x3 convolution.

    Each position of the map sees 2x2 means of the ink, so that the map of half the picture's size loses nothing of it;
    and whether a sketch is stated, by which a blank sheet differs from none.

    Attributes:
        form: How the convolution is computed.
        dtype: Compute type.
    """

    form: Formulation = convolutions.DIRECT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, lines: jax.Array, given: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape.

        Args:
            x: Features.
            lines: Ink as `ink` returns it, of 2H or a multiple of it by a power of two.
            given: `[B]`, 1 where the sketch is stated.
        """
        while lines.shape[1] > 2 * x.shape[1]:
            lines = convolutions.average_pool(lines)
        stated = jnp.broadcast_to(given.astype(jnp.float32)[:, None, None, None], (*x.shape[:3], 1))
        planes = jnp.concatenate([convolutions.space_to_depth(lines, 2), stated], axis=-1)
        return x + Conv3x3(x.shape[-1], form=self.form, dtype=self.dtype, name="mix")(planes)


class PixelNoise(nn.Module):
    """Adds independent noise at every pixel, its strength learned per channel and zero at first.

    Detail that varies from pixel to pixel in real images (grain, scattered flecks) has more degrees of freedom than z.
    Without a source of it, the discriminator recognises generated images by its absence and teaches the generator
    nothing else.

    Attributes:
        index: Distinguishes the noise of this place from that of others.

    References:
        Karras et al., A style-based generator architecture, 2019, section 3.2 (noise inputs).
    """

    index: int

    @nn.compact
    def __call__(self, x: jax.Array, keys: jax.Array) -> jax.Array:
        """Maps `[B, H, W, C]` to the same shape; `keys` `[B]` are those of `pixel_noise_keys`."""
        strength = self.param("strength", nn.initializers.zeros, (x.shape[-1],), jnp.float32)
        height, width = x.shape[1:3]
        noise = jax.vmap(
            lambda key: jax.random.normal(jax.random.fold_in(key, self.index), (height, width, 1), jnp.float32)
        )(keys)
        noise = lax.optimization_barrier(noise)  # computed once, not again in every use of the sum
        return x + (noise * strength[None, None, None]).astype(x.dtype)


def interleave(first: jax.Array, second: jax.Array) -> jax.Array:
    """Interleaves the rows of `[n, ...]` and of `[n, ...]` or `[n - 1, ...]`, beginning with the first array.

    Unlike a concatenation this leaves every row on its device.
    """
    n = second.shape[0]
    both = jnp.stack([first[:n], second], axis=1).reshape(2 * n, *second.shape[1:])
    return both if first.shape[0] == n else jnp.concatenate([both, first[n:]])


def brief_features(brief: Brief, space: DesignSpace) -> jax.Array:
    """Encodes briefs as numbers that a linear layer can use, with open parts at zero.

    One-hot product and elements, axes on [-1, 1], the product of one-hot product and axes (an axis means another change
    of the picture for each product), all multiplied by `given`, then `given` itself, so that open differs from zero.

    Args:
        brief: Of B designs.
        space: Names the brief's numbers of categories.

    Returns:
        `[B, P + sum of categories + A + P*A + 1 + E + A]` float32; one more where the space has sketches, of which
        nothing is encoded but whether one is stated.
    """
    given = brief.given.astype(jnp.float32)
    product = jax.nn.one_hot(brief.product, len(space.products), dtype=jnp.float32) * given[:, :1]
    elements = [
        jax.nn.one_hot(brief.elements[:, i], n, dtype=jnp.float32) * given[:, i + 1 : i + 2]
        for i, n in enumerate(space.cardinalities)
    ]
    axes = brief.axes.astype(jnp.float32) / AXIS_LIMIT * given[:, space.axes_given]
    product_axes = (product[:, :, None] * axes[:, None, :]).reshape(axes.shape[0], -1)
    return jnp.concatenate([product, *elements, axes, product_axes, given], axis=-1)


def feature_names(space: DesignSpace) -> tuple[str, ...]:
    """Returns what each column of `brief_features` stands for, so that weights can be moved to another space."""
    product = [f"product={name}" for name in space.products]
    elements = [f"{element.name}={category}" for element in space.elements for category in element.categories]
    both = [f"{name}, {axis}" for name in product for axis in space.axes]
    given = [f"given {name}" for name in ("product", *(element.name for element in space.elements), *space.axes)]
    return (*product, *elements, *space.axes, *both, *given, *(["given sketch"] if space.sketches else []))
