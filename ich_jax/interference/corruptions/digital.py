"""Digital corruptions: brightness, contrast, saturation, elastic, pixels, JPEG. Planes `[B, C, H, W]` in [0, 1]."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.interference.corruptions import draws, filters
from ich_jax.interference.corruptions.severities import Table, scalar

TABLES = {
    "brightness": scalar("added", (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": scalar("factor", (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "saturate": Table(
        ("factor", "offset"),
        ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    ),
    "elastic_transform": Table(  # the published script multiplies by 244 at 224 px; so does this table
        ("alpha", "sd", "jitter"),
        tuple((32 * a, 32 * s, 32 * j) for a, s, j in ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06)))
        + tuple((32 * a, 32 * s, 32 * j) for a, s, j in ((0.1, 0.04, 0.05), (0.1, 0.03, 0.03))),
        tuple((244 * a, 244 * s, 244 * j) for a, s, j in ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02)))
        + tuple((244 * a, 244 * s, 244 * j) for a, s, j in ((0.07, 0.01, 0.02), (0.12, 0.01, 0.02))),
        lengths=("alpha", "sd", "jitter"),
    ),
    "pixelate": scalar("factor", (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": scalar("quality", (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}
"""Parameters by severity."""


def brightness(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Adds to the value of HSV.

    At fixed hue and saturation the three channels are proportional to the value, so nothing needs to be converted.
    """
    del words
    added = jnp.asarray(TABLES["brightness"].at(min(x.shape[2:]))["added"])[level]
    value = _over_channels(jnp.maximum, x)
    brighter = jnp.clip(value + added, 0.0, 1.0)
    return jnp.where(value > 0, x * (brighter / jnp.where(value > 0, value, 1.0)), brighter)


def _over_channels(pick: Callable[[jax.Array, jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """Returns the largest or the smallest channel, `[B, 1, H, W]`: written out, since a reduction is another pass."""
    return functools.reduce(pick, (x[:, i : i + 1] for i in range(x.shape[1])))


def saturate(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Scales the saturation of HSV and adds to it; greys become reddish where it adds, grey images stay as they are."""
    del words
    if x.shape[1] == 1:
        return x
    table = TABLES["saturate"].at(min(x.shape[2:]))
    factor, offset = (jnp.asarray(table[name])[level] for name in ("factor", "offset"))
    value, smallest = _over_channels(jnp.maximum, x), _over_channels(jnp.minimum, x)
    spread = value - smallest
    # How far each channel lies below the value, as a share of the spread. The hue of a grey is red by convention.
    red = jnp.asarray([0.0, 1.0, 1.0], x.dtype).reshape(1, 3, 1, 1)
    depth = jnp.where(spread > 0, (value - x) / jnp.where(spread > 0, spread, 1.0), red)
    saturation = spread / jnp.where(value > 0, value, 1.0)
    return value * (1.0 - jnp.clip(saturation * factor + offset, 0.0, 1.0) * depth)


def contrast(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Pulls each channel towards its mean."""
    del words
    factor = jnp.asarray(TABLES["contrast"].at(min(x.shape[2:]))["factor"])[level]
    mean = filters.plane_mean(x)
    return jnp.clip((x - mean) * factor + mean, 0.0, 1.0)


def elastic_transform(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Applies the affine map that moves three points at random, then displaces every pixel smoothly."""
    height, width = x.shape[2:]
    jitter = 2.0 * draws.uniform(words, (3, 2), 0) - 1.0
    fields = 2.0 * draws.uniform(words, (2, height, width), 1) - 1.0
    return elastic(x, jitter, fields, level)


def elastic(x: jax.Array, jitter: jax.Array, fields: jax.Array, level: jax.Array) -> jax.Array:
    """Applies given draws.

    Args:
        x: `[B, C, H, W]`.
        jitter: Moves of the three points (x, y), in [-1, 1], `[B, 3, 2]`.
        fields: Horizontal and vertical displacement before smoothing, in [-1, 1], `[B, 2, H, W]`.
        level: Severity - 1.
    """
    height, width = x.shape[2:]
    table = TABLES["elastic_transform"].at(min(height, width))
    alpha, reach = (jnp.asarray(table[name])[level] for name in ("alpha", "jitter"))

    # Affine: the targets of the points are drawn, so that the origin of a pixel comes from the inverse map, in closed
    # form.
    centre, side = np.array([height // 2, width // 2], np.float32), min(height, width) // 3
    points = np.stack([centre + side, [centre[0] + side, centre[1] - side], centre - side])
    moved = jnp.asarray(points)[None] + reach * jitter
    u, v = moved[:, 0] - moved[:, 1], moved[:, 1] - moved[:, 2]  # go back to (0, 2 side) and (2 side, 0)
    scale = 2.0 * side / (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    grid_x = jnp.arange(width, dtype=x.dtype)[None, None] - moved[:, 1, 0].reshape(-1, 1, 1)
    grid_y = jnp.arange(height, dtype=x.dtype)[None, :, None] - moved[:, 1, 1].reshape(-1, 1, 1)
    ux, uy, vx, vy, scale = (part.reshape(-1, 1, 1) for part in (u[:, 0], u[:, 1], v[:, 0], v[:, 1], scale))
    along_u = (grid_x * vy - grid_y * vx) * scale  # coordinate along u, in units of 1 / (2 side)
    along_v = (grid_y * ux - grid_x * uy) * scale
    x = filters.sample_bilinear(x, along_u + points[1, 1], along_v + points[1, 0], "reflect")

    smooth = jnp.asarray(_smoothing(table["sd"], height))[level], jnp.asarray(_smoothing(table["sd"], width))[level]
    smoothed = jax.lax.optimization_barrier(alpha * filters.along(fields, *smooth))
    dx, dy = smoothed[:, 0], smoothed[:, 1]
    y_at = jnp.arange(height, dtype=x.dtype)[None, :, None] + dy
    x_at = jnp.arange(width, dtype=x.dtype)[None, None] + dx
    return jnp.clip(filters.sample_bilinear(x, y_at, x_at, "symmetric"), 0.0, 1.0)


def _smoothing(sds: filters.Table, side: int) -> filters.Table:
    """Matrices `[5, side, side]` that smooth a line by a Gaussian, mirrored at its ends as often as necessary."""
    matrices = np.zeros((len(sds), side, side))
    for i, matrix in enumerate(matrices):
        kernel = filters.gaussian_kernels(sds[i : i + 1], truncate=3.0)[0]
        reach = len(kernel) // 2
        for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
            column = (np.arange(side) + offset) % (2 * side)
            matrix[np.arange(side), np.minimum(column, 2 * side - 1 - column)] += weight
    return matrices.astype(np.float32)


_DENSE = 96  # px; below, reading columns costs more than a product with a matrix of zeros and ones


def pixelate(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Makes an image smaller and large again, both by Pillow's box filter, which rounds to 8 bits along each side."""
    del words
    factors = TABLES["pixelate"].at(min(x.shape[2:]))["factor"]
    x = jnp.round(x * 255.0)
    back = {}
    for axis in (3, 2):  # along the width first, as Pillow does
        first, count, source = _boxes(x.shape[axis], factors)
        number = jnp.asarray(count)[level]
        total = _sums(x, axis, jnp.asarray(first)[level], number, int(count.max()))
        # Sums of whole numbers, so halves are exact; Pillow rounds them up.
        x = jax.lax.optimization_barrier(jnp.floor(total / _spread(number, axis) + 0.5))
        back[axis] = jnp.asarray(source)[level]
    for axis, nearest in back.items():
        x = jax.lax.optimization_barrier(_sums(x, axis, nearest, jnp.ones(nearest.shape, x.dtype), 1))
    return x * (1 / 255.0)


def _sums(x: jax.Array, axis: int, first: jax.Array, count: jax.Array, max_count: int) -> jax.Array:
    """Adds up neighbouring rows (axis 2) or columns (axis 3) of planes: `count[i]` of them from `first[i]` on."""
    side = x.shape[axis]
    if axis == 3 and side < _DENSE:
        index = jnp.arange(side)[None]
        inside = (index >= first[:, None]) & (index < first[:, None] + count[:, None].astype(jnp.int32))
        matrix = jax.lax.optimization_barrier(inside.astype(x.dtype))
        summed: jax.Array = jnp.einsum("bchv,wv->bchw", x, matrix, precision=jax.lax.Precision.HIGHEST)
        return summed
    total = jnp.take(x, first, axis, mode="clip")
    for k in range(1, max_count):
        total += jnp.where(_spread(count, axis) > k, jnp.take(x, first + k, axis, mode="clip"), 0.0)
    return total


def _spread(values: jax.Array, axis: int) -> jax.Array:
    """Shapes one value for each row (axis 2) or column (axis 3) to broadcast over planes."""
    return values.reshape(1, 1, 1, -1) if axis == 3 else values.reshape(1, 1, -1, 1)


def _boxes(side: int, factors: filters.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pillow's box filter down to factor x side pixels and up again.

    Returns:
        First pixel of each smaller one and how many it averages, `[5, n]` (those beyond the size of a severity: one),
        and the smaller pixel that each pixel takes on the way back, `[5, side]`.
    """
    sizes = [int(side * round(float(f), 6)) for f in factors]
    first, count = np.zeros((len(sizes), max(sizes)), np.int32), np.ones((len(sizes), max(sizes)), np.float32)
    source = np.zeros((len(sizes), side), np.int32)
    for i, size in enumerate(sizes):
        down = _box(side, size) > 0
        first[i, :size], count[i, :size] = down.argmax(axis=1), down.sum(axis=1)
        source[i] = _box(size, side).argmax(axis=1)  # enlarging takes one pixel each
    return first, count, source


def _box(source: int, target: int) -> np.ndarray:
    scale = source / target
    centre = (np.arange(target)[:, None] + 0.5) * scale
    support = 0.5 * max(scale, 1.0)
    first, last = np.floor(centre - support + 0.5), np.floor(centre + support + 0.5)
    index = np.arange(source)[None]
    offset = (index - centre + 0.5) / max(scale, 1.0)
    inside = (index >= first) & (index < last) & (offset > -0.5) & (offset <= 0.5)
    return inside / inside.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- JPEG

# Quantisation tables of annex K of ITU-T T.81 (1992), rows of increasing vertical frequency.
_LUMINANCE = (
    *((16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56)),
    *((14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92)),
    *((49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99)),
)
_CHROMINANCE = (
    *((17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99)),
    *((47, 66, 99, 99, 99, 99, 99, 99), *((99,) * 8,) * 4),
)


def jpeg_compression(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Compresses as JPEG with colour at half resolution, and decompresses as libjpeg does (smooth upsampling)."""
    del words
    quality = TABLES["jpeg_compression"].at(min(x.shape[2:]))["quality"]
    scale = np.where(quality < 50, np.floor(5000 / quality), 200 - 2 * quality)[:, None, None]
    luminance, chrominance = (
        jnp.asarray(np.clip(np.floor((np.array(table) * scale + 50) / 100), 1, 255).astype(np.float32))[level]
        for table in (_LUMINANCE, _CHROMINANCE)
    )
    height, width = x.shape[2:]
    unit = 16 if x.shape[1] == 3 else 8
    x = jnp.round(x * 255.0)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, -height % unit), (0, -width % unit)), mode="edge")
    if x.shape[1] == 1:
        return _clip8(_blocks(x - 128.0, luminance) + 128.0)[:, :, :height, :width] * (1 / 255.0)
    red, green, blue = (x[:, i] for i in range(3))
    y = jnp.round(0.299 * red + 0.587 * green + 0.114 * blue)
    cb = jnp.round(-0.168735892 * red - 0.331264108 * green + 0.5 * blue + 128.0)
    cr = jnp.round(0.5 * red - 0.418687589 * green - 0.081312411 * blue + 128.0)
    chroma = jax.lax.optimization_barrier(jnp.stack([cb, cr], axis=1))
    # The mean of four; ties are rounded up and down alternately along the row.
    half = chroma.reshape(*chroma.shape[:2], chroma.shape[2] // 2, 2, chroma.shape[3])
    half = half[:, :, :, 0] + half[:, :, :, 1]
    half = half[:, :, :, ::2] + half[:, :, :, 1::2]
    bias = 1.0 + (jnp.arange(half.shape[3]) % 2).astype(x.dtype)
    half = jnp.floor((half + bias[None, None, None]) * 0.25)
    y = _clip8(_blocks(y[:, None] - 128.0, luminance) + 128.0)[:, 0]
    half = _clip8(_blocks(half - 128.0, chrominance) + 128.0)
    full = _smooth_upsample(half[:, :, : -(-height // 2), : -(-width // 2)])
    y, full = y[:, :height, :width], full[:, :, :height, :width] - 128.0
    cb, cr = full[:, 0], full[:, 1]
    channels = y + jnp.round(1.402 * cr), y - jnp.round(0.344136286 * cb + 0.714136286 * cr), y + jnp.round(1.772 * cb)
    return _clip8(jnp.stack(channels, axis=1)) * (1 / 255.0)


def _clip8(x: jax.Array) -> jax.Array:
    return jnp.clip(jnp.round(x), 0.0, 255.0)


def _blocks(x: jax.Array, table: jax.Array) -> jax.Array:
    """Rounds the cosine coefficients of 8 x 8 blocks to multiples of a table."""
    batch, channels, height, width = x.shape
    k, n = np.arange(8)[:, None], np.arange(8)[None]
    basis = np.cos(np.pi * (2 * n + 1) * k / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    # Blocks as rows of 64 coefficients: one product with a 64 x 64 matrix each way.
    matrix = jnp.asarray(np.kron(basis, basis).astype(np.float32))
    blocks = x.reshape(batch * channels, height // 8, 8, width // 8, 8).transpose(0, 1, 3, 2, 4).reshape(-1, 64)
    step = table.reshape(1, 64)
    precision = jax.lax.Precision.HIGHEST
    coefficients = jnp.round(jnp.matmul(blocks, matrix.T, precision=precision) / step) * step
    blocks = jnp.matmul(coefficients, matrix, precision=precision)
    blocks = blocks.reshape(batch * channels, height // 8, width // 8, 8, 8).transpose(0, 1, 3, 2, 4)
    return blocks.reshape(batch, channels, height, width)


def _smooth_upsample(x: jax.Array) -> jax.Array:
    """Doubles height and width with weights 3/4 and 1/4 of the nearer and the farther neighbour (edges repeated)."""
    batch, channels, height, width = x.shape
    padded = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
    rows = [3.0 * x + padded[:, :, i : i + height] for i in (0, 2)]
    x = jnp.stack(rows, axis=3).reshape(batch, channels, 2 * height, width)
    padded = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="edge")
    left, right = 3.0 * x + padded[:, :, :, :width] + 8.0, 3.0 * x + padded[:, :, :, 2:] + 7.0
    columns = jnp.stack([left, right], axis=4).reshape(batch, channels, 2 * height, 2 * width)
    return jnp.floor(columns * (1 / 16))
