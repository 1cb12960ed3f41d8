"""Linear filters with traced weights, and sampling between pixels. Images here are planes `[B, C, H, W]`."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float32]


def gaussian_kernels(sds: npt.NDArray[np.float32], truncate: float = 4.0) -> Table:
    """Returns one Gaussian kernel per severity, `[5, 2 R + 1]`, cut off as `scipy.ndimage.gaussian_filter` does."""
    radii = [int(truncate * float(sd) + 0.5) for sd in sds]
    reach = max(radii)
    kernels = np.zeros((len(sds), 2 * reach + 1))
    for row, sd, radius in zip(kernels, sds, radii, strict=True):
        offsets = np.arange(-radius, radius + 1)
        weights = np.exp(-0.5 * (offsets / max(float(sd), 1e-9)) ** 2)
        row[reach - radius : reach + radius + 1] = weights / weights.sum()
    return kernels.astype(np.float32)


def separable(x: jax.Array, kernel: jax.Array, pad_mode: str) -> jax.Array:
    """Filters planes along height, then width.

    Args:
        x: `[B, C, H, W]`.
        kernel: Odd number of weights, traced.
        pad_mode: Mode of `jnp.pad` beyond the edge: `edge`, or `reflect` (the edge pixel once).
    """
    reach = kernel.shape[0] // 2
    if not reach:
        return x * kernel[0]
    return inner(pad(x, reach, reach, pad_mode), kernel)


def inner(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Filters planes along both sides; they become smaller by the kernel's reach at each edge."""
    n = kernel.shape[0]
    height, width = x.shape[2] - n + 1, x.shape[3] - n + 1
    rows = sum(kernel[i] * x[:, :, i : i + height] for i in range(n))
    # The barrier: fused into one loop, every sum of the first pass would be computed again for each of the second.
    rows = jax.lax.optimization_barrier(rows)
    filtered: jax.Array = sum(kernel[i] * rows[:, :, :, i : i + width] for i in range(n))
    return filtered


def pad(x: jax.Array, rows: int, columns: int, mode: str) -> jax.Array:
    """Pads height and width of planes on both sides."""
    padded: jax.Array = jax.lax.optimization_barrier(
        jnp.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)), mode=mode)
    )
    return padded


def plane_mean(x: jax.Array) -> jax.Array:
    """Returns the mean of each plane, `[B, C, 1, 1]`, summed in an order that does not depend on the batch."""
    flat = x.reshape(*x.shape[:2], -1)
    n = flat.shape[2]
    flat = jnp.pad(flat, ((0, 0), (0, 0), (0, (1 << (n - 1).bit_length()) - n)))
    while flat.shape[2] > 1:
        parts = jnp.split(flat, min(flat.shape[2], 8), axis=2)  # eight at once compile and run faster than two
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [a + b for a, b in zip(parts[:half], parts[half:], strict=True)]
        flat = jax.lax.optimization_barrier(parts[0])
    return flat[..., None] * (1.0 / n)


def along(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Applies a matrix to the height of planes and another to their width: `rows @ plane @ columns.T`.

    Args:
        x: `[B, C, H, W]`.
        rows: `[H', H]`.
        columns: `[W', W]`.
    """
    precision = jax.lax.Precision.HIGHEST
    x = jnp.einsum("bchw,vw->bchv", x, columns, precision=precision)
    return jnp.einsum("uh,bchv->bcuv", rows, x, precision=precision)


def zoom_matrices(side: int, factors: npt.NDArray[np.float32]) -> Table:
    """Returns `[len(factors), side, side]`: the middle of a line enlarged to its length, by linear interpolation.

    The crop, the rounding of the enlarged length and the trimming are those of the reference's `clipped_zoom`.
    """
    matrices = np.zeros((len(factors), side, side), np.float32)
    for matrix, factor in zip(matrices, factors, strict=True):
        first, share = zoom_positions(side, float(factor))
        index = np.arange(side)
        matrix[index, first] += 1 - share
        matrix[index, np.minimum(first + 1, side - 1)] += share
    return matrices


def zoom_positions(side: int, factor: float) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Returns the source of each pixel of an enlarged line: index of its left neighbour and weight of the right one."""
    factor = round(factor, 6)  # float32 tables: 2.25 and 1.06 as they are written
    crop = int(np.ceil(side / factor))
    enlarged = round(crop * factor)
    trim = (enlarged - side) // 2
    position = (np.arange(side) + trim) * ((crop - 1) / max(enlarged - 1, 1))
    position = np.minimum(position, crop - 1)
    first = np.minimum(np.floor(position).astype(np.int32), max(crop - 2, 0))
    return first + (side - crop) // 2, (position - first).astype(np.float32)


def sample_bilinear(x: jax.Array, y_at: jax.Array, x_at: jax.Array, mode: str) -> jax.Array:
    """Reads planes between pixels.

    Args:
        x: `[B, C, H, W]`.
        y_at: Row of each pixel, `[B, H, W]`.
        x_at: Column of each pixel, `[B, H, W]`.
        mode: Beyond the edge: `reflect` (edge pixel once) or `symmetric` (edge pixel twice).
    """
    height, width = x.shape[2:]
    top, left = jnp.floor(y_at), jnp.floor(x_at)
    down, right = (y_at - top)[:, None], (x_at - left)[:, None]
    top, left = top.astype(jnp.int32), left.astype(jnp.int32)
    rows = [_fold(top + i, height, mode) * width for i in range(2)]
    columns = [_fold(left + i, width, mode) for i in range(2)]
    # Barriers: without them, values would be computed again for every read of every channel.
    corners = jax.lax.optimization_barrier([row + column for row in rows for column in columns])
    a, b, c, d = jax.lax.optimization_barrier([take(x, corner) for corner in corners])
    upper = a + right * (b - a)
    lower = c + right * (d - c)
    return upper + down * (lower - upper)


def take(x: jax.Array, index: jax.Array) -> jax.Array:
    """Picks pixels of planes `[B, C, H, W]` by their position in a plane, `[B, H, W]` int32."""
    batch, channels, height, width = x.shape
    flat = x.reshape(batch, channels, height * width)
    picked = jax.vmap(lambda planes, positions: planes.at[:, positions].get(mode="promise_in_bounds"))(
        flat, index.reshape(batch, height * width)
    )
    return picked.reshape(x.shape)


def _fold(index: jax.Array, n: int, mode: str) -> jax.Array:
    """Maps any position onto 0..n-1 by reflection at the edges."""
    if mode == "symmetric":
        folded = jnp.mod(index, 2 * n)
        return jnp.minimum(folded, 2 * n - 1 - folded)
    folded = jnp.mod(index, 2 * (n - 1))
    return jnp.minimum(folded, 2 * (n - 1) - folded)
