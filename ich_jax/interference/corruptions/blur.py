"""Blurs: Gaussian, defocus, glass, motion and zoom. Images are planes `[B, C, H, W]` in [0, 1]."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax.interference.corruptions import draws, filters
from ich_jax.interference.corruptions.severities import LARGE, SEVERITIES, Table, scalar

TABLES = {
    "gaussian_blur": scalar("sd", (0.4, 0.6, 0.7, 0.8, 1), (1, 2, 3, 4, 6), ("sd",)),
    "defocus_blur": Table(
        ("radius", "alias_sd"),
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        lengths=("radius", "alias_sd"),
    ),
    "glass_blur": Table(
        ("sd", "shift", "iterations"),
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        lengths=("sd", "shift"),
        whole=("shift",),
    ),
    "motion_blur": Table(
        ("radius", "sd"),
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        lengths=("radius", "sd"),
        whole=("radius",),
    ),
}
"""Parameters by severity, but for zoom blur."""

_ZOOMS_SMALL = (7, 12, 16, 21, 26)  # 1, 1.01, ...; rounding decides whether numpy's arange holds its bound
_ZOOMS_LARGE = ((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03))


def zoom_factors(size: int) -> list[list[float]]:
    """Returns the zoom factors of zoom blur, severities 1 to 5."""
    steps = [(n, 0.01) for n in _ZOOMS_SMALL] if size < LARGE else list(_ZOOMS_LARGE)
    return [[round(1 + i * step, 2) for i in range(n)] for n, step in steps]


def gaussian_blur(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Blurs with a Gaussian."""
    del words
    kernels = filters.gaussian_kernels(TABLES["gaussian_blur"].at(min(x.shape[2:]))["sd"])
    return filters.separable(x, jnp.asarray(kernels)[level], "edge")


def defocus_blur(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Averages over a disc whose edge is smoothed.

    A disc is a row of vertical runs, and a run is the difference of two running sums down the column: two reads for
    each column of the disc instead of one for each of its pixels.
    """
    del words
    table = TABLES["defocus_blur"].at(min(x.shape[2:]))
    reach = int(table["radius"].max())
    offsets = np.arange(-reach, reach + 1)
    antialias = _antialias(table["radius"], table["alias_sd"])
    within = table["radius"][:, None] ** 2 - offsets[None] ** 2  # [5, columns of the disc]
    half = np.where(within >= 0, np.sqrt(np.maximum(within, 0)) + 1e-6, -1).astype(np.int32)
    area = (2 * half + 1).clip(min=0).sum(axis=1)
    gain = np.array([_gain(*row) for row in zip(table["radius"], half, antialias, strict=True)], np.float32)
    smooth = antialias.shape[1] // 2
    height, width = x.shape[2:]

    padded = filters.pad(x, reach + smooth, reach + smooth, "reflect")
    padded = filters.inner(padded, jnp.asarray(antialias)[level]) - 0.5  # about 0, which keeps the sums small
    # Running sums down each column, as rows of a table with one row of zeros before the first.
    lines = padded.transpose(2, 0, 1, 3)
    _, sums = jax.lax.scan(lambda total, line: (total + line, total + line), jnp.zeros_like(lines[0]), lines)
    sums = jax.lax.optimization_barrier(jnp.pad(sums, ((1, 0), (0, 0), (0, 0), (0, 0))))
    first = jnp.asarray(np.where(half >= 0, reach - half, reach))[level]
    beyond = jnp.asarray(reach + 1 + half)[level]  # the same as first where the disc has no pixel
    total = jnp.zeros((height, *x.shape[:2], width), x.dtype)
    for i in range(2 * reach + 1):
        column = sums[:, :, :, i : i + width]
        total += jax.lax.dynamic_slice_in_dim(column, beyond[i], height)
        total -= jax.lax.dynamic_slice_in_dim(column, first[i], height)
    total = jax.lax.optimization_barrier(total).transpose(1, 2, 0, 3)
    return jnp.clip((total / jnp.asarray(area, x.dtype)[level] + 0.5) * jnp.asarray(gain)[level], 0.0, 1.0)


def _gain(radius: float, half: npt.NDArray[np.int32], antialias: npt.NDArray[np.float32]) -> float:
    """Returns the sum of the reference's kernel, which is above 1 where the disc touches the frame of its kernel.

    The disc is smoothed inside a frame of 8 pixels around its centre, or of its radius if that is larger, mirrored at
    the border: the tips of the disc gain there up to 1.3 %.
    """
    reach, frame = len(half) // 2, 8 if radius <= 8 else int(radius)
    if reach < frame:
        return 1.0
    offsets = np.arange(-frame, frame + 1)
    disc = (np.abs(offsets)[:, None] <= half[None, reach - frame : reach + frame + 1]).astype(float)
    smooth = len(antialias) // 2
    lines = np.pad(disc, smooth, mode="reflect")
    for axis in range(2):
        lines = np.apply_along_axis(lambda line: np.convolve(line, antialias, "valid"), axis, lines)
    return float(lines.sum() / disc.sum())


def _antialias(radius: filters.Table, sd: filters.Table) -> filters.Table:
    """Kernels that smooth the disc's edge, `[5, k]`: 3 weights up to radius 8, 5 beyond, as in the reference."""
    reach = 1 if radius.max() <= 8 else 2
    kernels = np.zeros((SEVERITIES, 2 * reach + 1))
    for row, r, s in zip(kernels, radius, sd, strict=True):
        row_reach = 1 if r <= 8 else 2
        offsets = np.arange(-row_reach, row_reach + 1)
        weights = np.exp(-0.5 * (offsets / float(s)) ** 2)
        row[reach - row_reach : reach + row_reach + 1] = weights / weights.sum()
    return kernels.astype(np.float32)


def glass_blur(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Blurs, displaces pixels, and blurs again.

    The reference intends to swap pixels but copies them: both sides of its assignment are views of one array. Every
    pixel takes the value of a neighbour, shifts exclude +shift, and some values are lost. This function does the same.
    """
    return glass(x, _shares(x, words), level, _copied)


def glass_blur_permuted(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Glass blur with pixels swapped one after the other, as the reference intends: slower, and no value is lost."""
    return glass(x, _shares(x, words), level, _swapped)


Shuffle = Callable[[jax.Array, jax.Array, jax.Array, jax.Array, int], jax.Array]
"""`(index images [B, H, W], moves down and right [B, H, W], shift, largest shift) -> index images`."""


def _shares(x: jax.Array, words: jax.Array) -> jax.Array:
    passes = int(TABLES["glass_blur"].at(min(x.shape[2:]))["iterations"].max())
    return jnp.stack([draws.uniform(words, (2, *x.shape[2:]), i) for i in range(passes)])


def glass(x: jax.Array, shares: jax.Array, level: jax.Array, shuffle: Shuffle) -> jax.Array:
    """Applies given draws.

    Args:
        x: `[B, C, H, W]`.
        shares: For each pass, how far each pixel moves (down, right) as a share of all moves, in (0, 1),
            `[passes, B, 2, H, W]`.
        level: Severity - 1.
        shuffle: One pass over the pixels.
    """
    height, width = x.shape[2:]
    table = TABLES["glass_blur"].at(min(height, width))
    kernel = jnp.asarray(filters.gaussian_kernels(table["sd"]))[level]
    shift = jnp.asarray(table["shift"].astype(np.int32))[level]
    iterations = jnp.asarray(table["iterations"].astype(np.int32))[level]
    x = jnp.floor(filters.separable(x, kernel, "edge") * 255.0 + 1e-3) / 255.0  # the reference stores 8 bits here
    moves = jnp.floor(shares * (2 * shift).astype(x.dtype)).astype(jnp.int32) - shift
    identity = jnp.arange(height * width, dtype=jnp.int32).reshape(1, height, width)
    max_shift = int(table["shift"].max())

    def pass_over(i: jax.Array, source: jax.Array) -> jax.Array:
        return shuffle(source, moves[i, :, 0], moves[i, :, 1], shift, max_shift)

    source = jax.lax.fori_loop(0, iterations, pass_over, jnp.broadcast_to(identity, (x.shape[0], height, width)))
    return jnp.clip(filters.separable(filters.take(x, source), kernel, "edge"), 0.0, 1.0)


def _copied(source: jax.Array, down: jax.Array, right: jax.Array, shift: jax.Array, max_shift: int) -> jax.Array:
    """One pass of copies, from the last pixel to the first.

    The source of a pixel depends on whether its neighbour has been visited, that is, lies later. Such neighbours form
    chains, and every look-up doubles the length of chain that is followed: no loop over pixels is needed.
    """
    height, width = source.shape[1:]
    y, x = jnp.arange(height)[:, None], jnp.arange(width)[None]
    visited = (y > shift) & (y <= height - shift) & (x > shift) & (x <= width - shift)
    here = (y * width + x)[None]
    neighbour = jnp.where(visited[None], here + down * width + right, here)
    if max_shift > 1:  # shifts of one pixel only lead to earlier pixels
        later = (neighbour > here) & visited[None]
        goes_on = later & _pick(jnp.broadcast_to(visited[None], later.shape), neighbour)
        follow = jnp.where(goes_on, neighbour, here)
        for _ in range(5):  # chains of up to 32; longer ones: fewer than one pixel in 1e12
            follow = _pick(follow, follow)
        neighbour = _pick(neighbour, follow)
    return _pick(source, neighbour)


def _swapped(source: jax.Array, down: jax.Array, right: jax.Array, shift: jax.Array, max_shift: int) -> jax.Array:
    """One pass of swaps, from the last pixel to the first, for all images at once."""
    del max_shift
    batch, height, width = source.shape
    flat = source.reshape(batch, -1)
    step = (down * width + right).reshape(batch, -1)
    images = jnp.arange(batch)

    def swap(i: jax.Array, flat: jax.Array) -> jax.Array:
        here = height * width - 1 - i
        y, x = here // width, here % width
        visited = (y > shift) & (y <= height - shift) & (x > shift) & (x <= width - shift)
        there = jnp.where(visited, here + step[:, here], here)
        first, second = flat[:, here], flat[images, there]
        return flat.at[:, here].set(second).at[images, there].set(first)

    return jax.lax.fori_loop(0, height * width, swap, flat).reshape(source.shape)


def _pick(values: jax.Array, index: jax.Array) -> jax.Array:
    # The barrier: fused into one loop with the next look-up, each of its reads would repeat this one.
    values, index = jax.lax.optimization_barrier((values, index))
    batch = values.shape[0]
    picked = jnp.take_along_axis(values.reshape(batch, -1), index.reshape(batch, -1), axis=1, mode="promise_in_bounds")
    return picked.reshape(values.shape)


def motion_blur(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Smears each image in a random direction within 45 degrees of the horizontal."""
    table = TABLES["motion_blur"].at(min(x.shape[2:]))
    angle = (draws.uniform(words, ()) - 0.5) * (np.pi / 2)
    return jnp.clip(smear(x, angle, motion_kernels(table["radius"], table["sd"])[level]), 0.0, 1.0)


def motion_kernels(radius: npt.NDArray[np.float32], sd: npt.NDArray[np.float32]) -> jax.Array:
    """Returns the weights along a smear, `[5, n]`: the right half of a Gaussian of 2 radius + 1 pixels."""
    kernels = np.zeros((SEVERITIES, int(2 * radius.max() + 1)))
    for row, r, s in zip(kernels, radius, sd, strict=True):
        n = int(2 * r + 1)
        weights = np.exp(-0.5 * (np.arange(n) / float(s)) ** 2)
        row[:n] = weights / weights.sum()
    return jnp.asarray(kernels.astype(np.float32))


def smear(x: jax.Array, angle: jax.Array, kernel: jax.Array) -> jax.Array:
    """Averages each image with copies of itself shifted along a line.

    Args:
        x: `[B, C, H, W]`; edge pixels are repeated beyond the edge.
        angle: Direction of each image, `[B]`, in radians.
        kernel: Weight of each copy, `[n]`.
    """
    reach = kernel.shape[0] - 1
    _, channels, height, width = x.shape
    steps = jnp.arange(reach + 1, dtype=jnp.float32)
    down, right = (jnp.ceil(steps[None] * part(angle)[:, None] - 0.5).astype(jnp.int32) for part in (jnp.sin, jnp.cos))
    padded = filters.pad(x, reach, reach, "edge")

    def smear_image(image: jax.Array, down: jax.Array, right: jax.Array) -> jax.Array:
        def copy(i: int) -> jax.Array:
            start = (jnp.zeros_like(down[0]), reach + down[i], reach + right[i])
            return kernel[i] * jax.lax.dynamic_slice(image, start, (channels, height, width))

        total = copy(0)
        for i in range(1, reach + 1):
            total += copy(i)
        return total

    return each_image(smear_image, padded, down, right)


def each_image(function: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """Applies `function` to every image: in a loop on CPUs, where slices at traced places stay cheap; else batched."""
    result: jax.Array = jax.lax.platform_dependent(
        *arrays,
        cpu=lambda *arrays: jax.lax.map(lambda image_arrays: function(*image_arrays), arrays),
        default=jax.vmap(function),
    )
    return result


def zoom_blur(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Averages an image with enlargements of its middle."""
    del words
    height, width = x.shape[2:]
    lists = zoom_factors(min(height, width))
    longest = max(map(len, lists))
    padded = [factors + [1.0] * (longest - len(factors)) for factors in lists]
    positions = [[filters.zoom_positions(side, f) for f in factors] for side in (height, width) for factors in padded]
    first = [np.stack([[p[0] for p in row] for row in positions[i * SEVERITIES :][:SEVERITIES]]) for i in range(2)]
    share = [np.stack([[p[1] for p in row] for row in positions[i * SEVERITIES :][:SEVERITIES]]) for i in range(2)]
    n = jnp.asarray([len(factors) for factors in lists])[level]
    (top, left), (down, right) = ([jnp.asarray(table)[level] for table in part] for part in (first, share))

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        upper, lower = (x.at[:, :, top[i] + k].get(mode="clip") for k in range(2))
        rows = jax.lax.optimization_barrier(upper + down[i][None, None, :, None] * (lower - upper))
        before, after = (rows.at[:, :, :, left[i] + k].get(mode="clip") for k in range(2))
        return total + before + right[i][None, None, None] * (after - before)

    total = jax.lax.fori_loop(0, n, add, x)
    return jnp.clip(total / (n + 1).astype(x.dtype), 0.0, 1.0)
