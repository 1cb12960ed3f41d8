"""Convolutions computed in several ways: the same values and gradients by different arithmetic.

A 3x3 convolution next to a change of resolution does work that its neighbour makes redundant. As *written* (`direct`)
the picture is resampled and then convolved, or convolved and then resampled; *merged* forms compute the same map with
fewer multiplications. Parameters are ordinary `[3, 3, in, out]` and `[in, out]` kernels in both, so checkpoints do
not depend on the form.

Everything is NHWC and keeps zero padding. `convolve` and its transposes have custom derivatives that call each other,
so gradients of gradients take the same forms.

References:
    Shi et al., Real-time single image super-resolution (sub-pixel convolution), 2016; Karras et al., StyleGAN2, 2020
    (resampling merged into convolutions).
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax import lax

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


@dataclasses.dataclass(frozen=True)
class Formulation:
    """How convolutions are computed; any choice gives the same values up to rounding.

    Attributes:
        merged: Merge changes of resolution into the convolutions beside them.
        taps: Compute kernel gradients of at most this many taps as that many matrix products; 0: leave all to the
            backend's own convolution.
        narrow: Compute 3x3 convolutions from or to at most this many channels, and the products in their gradients, as
            one matrix product over all taps where that is faster.
    """

    merged: bool = False
    taps: int = 0
    narrow: int = 0


DIRECT = Formulation()
"""As written, with the backend's own gradients."""


# ---------------------------------------------------------------- a convolution whose kernel gradient has two forms


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: jax.Array, kernel: jax.Array, taps: int = 0) -> jax.Array:
    """Convolves without padding (cross-correlation, stride 1).

    Args:
        x: `[B, H, W, I]`, padded by the caller: padding inside a convolution can make its kernel gradient tens of times
            slower on CPU.
        kernel: `[h, w, I, O]`.
        taps: As in `Formulation`.

    Returns:
        `[B, H - h + 1, W - w + 1, O]`.
    """
    del taps  # of kernel gradients
    return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=_DIMENSIONS)


def _convolve_forward(x: jax.Array, kernel: jax.Array, taps: int) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolve(x, kernel, taps), (x, kernel)


def _convolve_backward(taps: int, residuals: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    return _spread(g, kernel, taps), _correlate(x, g, kernel.shape[:2], taps)


convolve.defvjp(_convolve_forward, _convolve_backward)


def _spread(g: jax.Array, kernel: jax.Array, taps: int) -> jax.Array:
    """The transpose of a convolution with regard to its input: `[B, H, W, O]` to `[B, H + h - 1, W + w - 1, I]`."""
    h, w = kernel.shape[:2]
    padded = jnp.pad(g, ((0, 0), (h - 1, h - 1), (w - 1, w - 1), (0, 0)))
    return convolve(padded, _turn(kernel), taps)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _correlate(x: jax.Array, g: jax.Array, size: tuple[int, int], taps: int) -> jax.Array:
    """The transpose of a convolution with regard to its kernel: `[B, H, W, I]`, `[B, H', W', O]` to `[h, w, I, O]`."""
    if size[0] * size[1] > taps:
        # The backend's own derivatives of it would reverse `g`, for which XLA has no fast convolution on CPU.
        return lax.conv_general_dilated(x, g, (1, 1), "VALID", dimension_numbers=("CHWN", "IHWO", "HWNC"))
    height, width = g.shape[1:3]
    return jnp.stack(
        [
            jnp.stack(
                [
                    lax.dot_general(x[:, i : i + height, j : j + width], g, (((0, 1, 2), (0, 1, 2)), ((), ())))
                    for j in range(size[1])
                ]
            )
            for i in range(size[0])
        ]
    )


def _correlate_forward(
    x: jax.Array, g: jax.Array, size: tuple[int, int], taps: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _correlate(x, g, size, taps), (x, g)


def _correlate_backward(
    size: tuple[int, int], taps: int, residuals: tuple[jax.Array, jax.Array], kernel: jax.Array
) -> tuple[jax.Array, jax.Array]:
    del size
    x, g = residuals
    return _spread(g, kernel, taps), convolve(x, kernel, taps)


_correlate.defvjp(_correlate_forward, _correlate_backward)


# ---------------------------------------------------------------- 3x3, alone and beside a change of resolution


def conv3x3(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
    """3x3 convolution that keeps height and width: `[B, H, W, I]` to `[B, H, W, O]`."""
    n_in, n_out = kernel.shape[2:]
    if min(n_in, n_out) <= form.narrow:
        return _conv3x3_narrow(x, kernel)
    if not form.taps:
        return _conv3x3(x, kernel)
    return convolve(_pad(x, 1), kernel, form.taps)


def _conv3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=_DIMENSIONS)


@jax.custom_vjp
def _conv3x3_narrow(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`_conv3x3` from or to few channels. On CPU the backend's own convolution to few channels is several times slower.

    From 128 to 3 channels, 32 images of 32 px: 2.7 ms instead of 12.6, kernel gradient 5 instead of 12 to 28.
    """
    n_in, n_out = kernel.shape[2:]
    if n_in <= n_out:
        return _conv3x3(x, kernel)
    # The contribution of every pixel to each of its neighbours, then their sum.
    b, h, w, _ = x.shape
    parts = x @ kernel.transpose(2, 0, 1, 3).reshape(n_in, -1)
    padded = _pad(parts, 1).reshape(b, h + 2, w + 2, 9, n_out)
    y = jnp.zeros((b, h, w, n_out), x.dtype)
    for i in range(3):
        for j in range(3):
            y += padded[:, i : i + h, j : j + w, 3 * i + j]
    return y


@jax.custom_vjp
def _correlate3x3_narrow(x: jax.Array, g: jax.Array) -> jax.Array:
    """The kernel gradient of `_conv3x3_narrow`, `[3, 3, I, O]`."""
    n_in, n_out = x.shape[3], g.shape[3]
    if n_in <= n_out:
        return jax.vjp(lambda kernel: _conv3x3(x, kernel), jnp.zeros((3, 3, n_in, n_out), x.dtype))[1](g)[0]
    h, w = g.shape[1:3]
    padded = _pad(g, 1)
    under = jnp.concatenate([padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=-1)
    product = lax.dot_general(under, x, (((0, 1, 2), (0, 1, 2)), ((), ())))  # [9*O, I]
    return product.reshape(3, 3, n_out, n_in)[::-1, ::-1].swapaxes(2, 3)


def _turn(kernel: jax.Array) -> jax.Array:
    """The kernel of the convolution that carries gradients back to the input."""
    return kernel[::-1, ::-1].swapaxes(2, 3)


_conv3x3_narrow.defvjp(
    lambda x, kernel: (_conv3x3_narrow(x, kernel), (x, kernel)),
    lambda saved, g: (_conv3x3_narrow(g, _turn(saved[1])), _correlate3x3_narrow(saved[0], g)),
)
_correlate3x3_narrow.defvjp(
    lambda x, g: (_correlate3x3_narrow(x, g), (x, g)),
    lambda saved, kernel: (_conv3x3_narrow(saved[1], _turn(kernel)), _conv3x3_narrow(saved[0], kernel)),
)


@jax.custom_vjp
def add_bias(x: jax.Array, bias: jax.Array) -> jax.Array:
    """Adds `[C]` to the channels of `[B, H, W, C]`. Its gradient is a matrix product: CPUs reduce on one core."""
    return x + bias.reshape(1, 1, 1, -1)


def _sum_over_pixels(g: jax.Array) -> jax.Array:
    flat = g.reshape(-1, g.shape[3])
    return (jnp.ones((1, flat.shape[0]), g.dtype) @ flat)[0]


add_bias.defvjp(lambda x, bias: (add_bias(x, bias), None), lambda _, g: (g, _sum_over_pixels(g)))


def upsample_conv3x3(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
    """Doubles height and width by repeating pixels, then convolves: `[B, H, W, I]` to `[B, 2H, 2W, O]`.

    Of the nine pixels under the kernel, only 2x2 differ, so merged it is one 2x2 convolution for each of the four
    places that a new pixel can have in its old one: 16 multiplications instead of 36.
    """
    if not form.merged:
        return conv3x3(upsample_nearest(x), kernel, form)
    # Old rows under the three taps of a new row: at place 0 the row above and twice its own; at place 1 twice its own
    # and the row below.
    rows = jnp.stack([_pairs(kernel, 0, place) for place in (0, 1)])  # [2, 2, 3, I, O]
    phases = jnp.stack([_pairs(rows, 2, place) for place in (0, 1)], axis=1)  # [2, 2, 2, 2, I, O]: row, column place
    n_in, n_out = kernel.shape[2:]
    both = phases.transpose(2, 3, 4, 0, 1, 5).reshape(2, 2, n_in, 4 * n_out)
    return _interleave(convolve(_pad(x, 1), both, form.taps))


@jax.custom_vjp
def _interleave(y: jax.Array) -> jax.Array:
    """Puts phases in their places, `[B, H + 1, W + 1, 4*O]` to `[B, 2H, 2W, O]`; in one pass over each array.

    The place 0 of pixel i is computed at i, its place 1 at i + 1.
    """
    b, h, w, n = y.shape
    h, w, n = h - 1, w - 1, n // 4
    y = y.reshape(b, h + 1, w + 1, 2, 2, n)

    def phase_at(i: int, j: int) -> jax.Array:
        phase = lax.slice(y, (0, i, j, i, j, 0), (b, h + i, w + j, i + 1, j + 1, n)).reshape(b, h, 1, w, 1, n)
        return jnp.broadcast_to(phase, (b, h, 2, w, 2, n))

    row, column = (lax.broadcasted_iota(jnp.int32, (1, 1, 2, 1, 2, 1), axis) == 0 for axis in (2, 4))
    row, column = (jnp.broadcast_to(x, (b, h, 2, w, 2, n)) for x in (row, column))
    placed = jnp.where(
        row,
        jnp.where(column, phase_at(0, 0), phase_at(0, 1)),
        jnp.where(column, phase_at(1, 0), phase_at(1, 1)),
    )
    return placed.reshape(b, 2 * h, 2 * w, n)


@jax.custom_vjp
def _collect(g: jax.Array) -> jax.Array:
    """The transpose of `_interleave`: `[B, 2H, 2W, O]` to `[B, H + 1, W + 1, 4*O]`, zeros where nothing is placed."""
    phases = [jnp.pad(g[:, i::2, j::2], ((0, 0), (i, 1 - i), (j, 1 - j), (0, 0))) for i in (0, 1) for j in (0, 1)]
    return jnp.concatenate(phases, axis=-1)


_interleave.defvjp(lambda y: (_interleave(y), None), lambda _, g: (_collect(g),))
_collect.defvjp(lambda g: (_collect(g), None), lambda _, y: (_interleave(y),))


def conv3x3_pool(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
    """Convolves, then averages 2x2 pixels: `[B, H, W, I]` to `[B, H/2, W/2, O]`.

    Merged it is one 4x4 convolution of stride 2, here a 2x2 convolution of the pixels in groups of four: 16
    multiplications instead of 36.
    """
    if not form.merged:
        return average_pool(conv3x3(x, kernel, form))
    n_in, n_out = kernel.shape[2:]
    pad = [(0, 0)] * 4
    wide = sum(jnp.pad(kernel, [(i, 1 - i), (j, 1 - j), *pad[2:]]) for i in (0, 1) for j in (0, 1)) / jnp.asarray(
        4, kernel.dtype
    )  # [4, 4, I, O]
    grouped = wide.reshape(2, 2, 2, 2, n_in, n_out).transpose(0, 2, 1, 3, 4, 5).reshape(2, 2, 4 * n_in, n_out)
    return convolve(space_to_depth(_pad(x, 1), 2), grouped, form.taps)


def upsample_conv1x1(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
    """Doubles height and width, then maps channels by `[I, O]`; merged: in the other order, a quarter of the work."""
    return upsample_nearest(x @ kernel) if form.merged else upsample_nearest(x) @ kernel


def conv1x1_pool(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
    """Maps channels by `[I, O]`, then averages 2x2 pixels; merged: in the other order, a quarter of the work."""
    return average_pool(x) @ kernel if form.merged else average_pool(x @ kernel)


def grouped_conv3x3(x: jax.Array, kernel: jax.Array, form: Formulation) -> jax.Array:
    """3x3 convolution within groups of channels: `[B, H, W, G*I]` and `[3, 3, I, G*O]` to `[B, H, W, G*O]`.

    Merged it is nine matrix products batched over the groups: on CPU the kernel gradient of the backend's own grouped
    convolution takes hundreds of times as long.
    """
    n_in = kernel.shape[2]
    groups = x.shape[3] // n_in
    if not form.merged:
        return lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=_DIMENSIONS, feature_group_count=groups
        )
    b, h, w, _ = x.shape
    split = kernel.reshape(3, 3, n_in, groups, -1)
    padded = _pad(x, 1).reshape(b, h + 2, w + 2, groups, n_in)
    y = jnp.zeros((b, h, w, groups, split.shape[-1]), x.dtype)
    for i in range(3):
        for j in range(3):
            y += jnp.einsum("bhwgi,igo->bhwgo", padded[:, i : i + h, j : j + w], split[i, j])
    return y.reshape(b, h, w, -1)


# ---------------------------------------------------------------- changes of resolution


def upsample_bilinear(x: jax.Array, form: Formulation) -> jax.Array:
    """Doubles height and width with the filter [1, 3, 3, 1] / 4 along each: `[B, H, W, C]` to `[B, 2H, 2W, C]`.

    As written it is a convolution of each channel over pixels with zeros between them; merged, sums of shifted arrays:
    a new pixel is 3/4 of its old one and 1/4 of the neighbour on its side.
    """
    if not form.merged:
        return _depthwise(x, 4.0, padding=(2, 2), dilation=2, stride=1)
    for axis in (1, 2):
        padded = jnp.pad(x, [(1, 1) if i == axis else (0, 0) for i in range(4)])
        n = x.shape[axis]
        before, after = (lax.slice_in_dim(padded, i, i + n, axis=axis) for i in (0, 2))
        both = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = both.reshape([2 * m if i == axis else m for i, m in enumerate(x.shape)])
    return x


def downsample_bilinear(x: jax.Array, form: Formulation) -> jax.Array:
    """Halves height and width with the filter [1, 3, 3, 1] / 8 along each; the transpose of doubling, over 4.

    As written it is a convolution of each channel with stride 2; merged, sums of shifted arrays.
    """
    if not form.merged:
        return _depthwise(x, 1.0, padding=(1, 1), dilation=1, stride=2)
    for axis in (1, 2):
        n = x.shape[axis] // 2
        pairs = x.reshape([m for i, k in enumerate(x.shape) for m in ((n, 2) if i == axis else (k,))])
        even, odd = (lax.index_in_dim(pairs, i, axis + 1, keepdims=False) for i in (0, 1))
        pad = [(0, 0)] * 4
        pad[axis] = (1, 0)
        before = lax.slice_in_dim(jnp.pad(odd, pad), 0, n, axis=axis)
        pad[axis] = (0, 1)
        after = lax.slice_in_dim(jnp.pad(even, pad), 1, n + 1, axis=axis)
        x = (before + after) * 0.125 + (even + odd) * 0.375
    return x


def _depthwise(x: jax.Array, gain: float, padding: tuple[int, int], dilation: int, stride: int) -> jax.Array:
    filter_ = jnp.asarray([1.0, 3.0, 3.0, 1.0], x.dtype) / 8.0
    kernel = jnp.tile((gain * filter_[:, None] * filter_[None, :])[:, :, None, None], (1, 1, 1, x.shape[3]))
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [padding, padding],
        lhs_dilation=(dilation, dilation),
        dimension_numbers=_DIMENSIONS,
        feature_group_count=x.shape[3],
    )


def space_to_depth(x: jax.Array, factor: int) -> jax.Array:
    """Rearranges `[B, H, W, C]` into `[B, H/f, W/f, f*f*C]`, channels ordered (row, column, channel)."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // factor, factor, w // factor, factor, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h // factor, w // factor, factor * factor * c)


def depth_to_space(x: jax.Array, factor: int) -> jax.Array:
    """Inverse of `space_to_depth`: `[B, H, W, f*f*C]` to `[B, H*f, W*f, C]`."""
    b, h, w, c = x.shape
    c = c // factor**2
    x = x.reshape(b, h, w, factor, factor, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h * factor, w * factor, c)


def upsample_nearest(x: jax.Array) -> jax.Array:
    """Doubles height and width of `[B, H, W, C]` by repeating every pixel."""
    b, h, w, c = x.shape
    return jnp.broadcast_to(x[:, :, None, :, None, :], (b, h, 2, w, 2, c)).reshape(b, 2 * h, 2 * w, c)


def average_pool(x: jax.Array) -> jax.Array:
    """Halves height and width of `[B, H, W, C]` by averaging 2x2 pixels."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


# ---------------------------------------------------------------- inner workings


def _pad(x: jax.Array, n: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (n, n), (n, n), (0, 0)))


def _pairs(kernel: jax.Array, axis: int, place: int) -> jax.Array:
    """Adds the two taps of three along `axis` that fall on the same old pixel: `[..., 3, ...]` to `[..., 2, ...]`."""
    a, b, c = (lax.index_in_dim(kernel, i, axis, keepdims=False) for i in range(3))
    return jnp.stack([a, b + c] if place == 0 else [a + b, c], axis=axis)
