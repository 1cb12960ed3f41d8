"""Weather: snow, frost, fog and spatter. Images are planes `[B, C, H, W]` in [0, 1]."""

import functools
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.interference.corruptions import blur, draws, filters
from ich_jax.interference.corruptions.severities import Table

TABLES = {
    "snow": Table(
        ("mean", "sd", "zoom", "threshold", "radius", "blur_sd", "mix"),
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        lengths=("zoom", "radius", "blur_sd"),
        whole=("radius",),
    ),
    "frost": Table(
        ("image", "frost"),
        ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    ),
    "fog": Table(
        ("amount", "decay"),
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "spatter": Table(
        ("mean", "sd", "blur", "threshold", "strength", "mud"),
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
        lengths=("blur",),
    ),
}
"""Parameters by severity."""

_GREY = (0.299, 0.587, 0.114)


def snow(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Whitens the image and lays streaks over it, and the same streaks turned by half a turn."""
    noise = draws.normal(words, (1, *x.shape[2:]), 1)
    angle = (-0.75 + 0.5 * draws.uniform(words, ())) * np.pi
    return snow_with(x, noise, angle, level)


def snow_with(x: jax.Array, noise: jax.Array, angle: jax.Array, level: jax.Array) -> jax.Array:
    """Adds snow of given draws.

    Args:
        x: `[B, C, H, W]`.
        noise: Standard normal, `[B, 1, H, W]`.
        angle: Direction of the streaks, `[B]`, in radians.
        level: Severity - 1.
    """
    table = TABLES["snow"].at(min(x.shape[2:]))
    value = {name: jnp.asarray(column)[level] for name, column in table.items()}
    zooms = np.maximum(table["zoom"], 1.0)
    layer = value["mean"] + value["sd"] * noise
    layer = filters.along(layer, *(jnp.asarray(filters.zoom_matrices(side, zooms))[level] for side in x.shape[2:]))
    layer = jnp.where(layer < value["threshold"], 0.0, jnp.clip(layer, 0.0, 1.0))
    layer = jnp.floor(layer * 255.0)
    layer = jnp.round(blur.smear(layer, angle, blur.motion_kernels(table["radius"], table["blur_sd"])[level])) / 255.0
    white = jnp.maximum(x, 1.5 * grey(x) + 0.5)
    x = value["mix"] * x + (1.0 - value["mix"]) * white
    return jnp.clip(x + layer + layer[:, :, ::-1, ::-1], 0.0, 1.0)


def grey(x: jax.Array) -> jax.Array:
    """Returns luminance `[B, 1, H, W]`."""
    if x.shape[1] == 1:
        return x
    return _total(weight * x[:, i : i + 1] for i, weight in enumerate(_GREY))


def fog(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Adds plasma and scales the result so that the brightest value stays the same."""
    return _fog(x, _uniform(words), level)


Draw = Callable[[int], jax.Array]
"""`n -> [B, 3, n, n]`, numbers in (0, 1) for squares and both kinds of diamonds of an n x n grid; wrapped: `n -> [B, 3,
n + 2, n + 2]`, the same with the last row and column before the first and the first after the last."""


def _uniform(words: jax.Array) -> Draw:
    """Returns wrapped draws, which need not be stored before they are wrapped."""

    def draw(n: int) -> jax.Array:
        index = (jnp.arange(n + 2, dtype=jnp.uint32) + (n - 1)) % n
        channel = jnp.arange(3, dtype=jnp.uint32)[:, None, None]
        return draws.to_unit(draws.bits_at(words, (channel * n + index[None, :, None]) * n + index[None, None], n))

    return draw


def fog_with(x: jax.Array, draw: Draw, level: jax.Array) -> jax.Array:
    """Adds plasma of given draws, not wrapped."""
    return _fog(x, lambda n: jnp.pad(draw(n), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="wrap"), level)


def _fog(x: jax.Array, draw: Draw, level: jax.Array) -> jax.Array:
    side = 1 << (max(x.shape[2:]) - 1).bit_length()
    table = TABLES["fog"].at(min(x.shape[2:]))
    amount, decay = (jnp.asarray(table[name])[level] for name in ("amount", "decay"))
    field = plasma(draw, side, decay)[:, None, : x.shape[2], : x.shape[3]]
    brightest = jnp.max(x, axis=(1, 2, 3), keepdims=True)
    return jnp.clip((x + amount * field) * (brightest / (brightest + amount)), 0.0, 1.0)


def plasma(draw: Draw, side: int, decay: jax.Array) -> jax.Array:
    """Returns plasma fractals by the diamond-square algorithm on a torus, `[B, side, side]` in [0, 1].

    The torus is unrolled: an n x n grid is held with two rows and columns more on each side (the outermost before the
    first is never read), so that neighbours are slices. Rolling arrays instead takes twice the time to compile.

    Args:
        draw: Random numbers, wrapped.
        side: A power of two.
        decay: By how much the amplitude's root falls from one scale to the next.
    """
    root = jnp.asarray(100.0, jnp.float32)
    field, n = jnp.zeros((1, 5, 5), jnp.float32), 1
    while n < side:
        noise = jax.lax.optimization_barrier((root * root) * (2.0 * draw(n) - 1.0))  # or rounding depends on fusion
        known = field[:, 1:, 1:]  # -1 to n + 1; all else from -1 to n
        corners = known[:, :-1] + known[:, 1:]
        centre = jax.lax.optimization_barrier((corners[:, :, :-1] + corners[:, :, 1:]) / 4 + noise[:, 0])
        above = jnp.pad(centre, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        before = jnp.pad(centre, ((0, 0), (0, 0), (1, 0)))[:, :, :-1]
        field = known[:, :-1, :-1]
        across = (centre + above + field + known[:, :-1, 1:]) / 4 + noise[:, 1]
        down = (centre + before + field + known[:, 1:, :-1]) / 4 + noise[:, 2]
        field = jnp.broadcast_to(field, centre.shape)
        upper = jnp.stack([field, across], axis=3).reshape(-1, n + 2, 1, 2 * n + 4)
        lower = jnp.stack([down, centre], axis=3).reshape(-1, n + 2, 1, 2 * n + 4)
        field = jnp.concatenate([upper, lower], axis=2).reshape(-1, 2 * n + 4, 2 * n + 4)
        field, root, n = jax.lax.optimization_barrier(field), root / decay, 2 * n
    field = field[:, 2:-2, 2:-2]
    low, high = (extreme(field, axis=(1, 2), keepdims=True) for extreme in (jnp.min, jnp.max))
    return (field - low) / (high - low)


# Textures of the reference (frost1 to frost5 of github.com/hendrycks/robustness, of which frost6 is never taken), crops
# of 32 px at a fifth of their size and of 224 px at full size, which agree: per channel the mean, the deviation of the
# crops' means and the deviation inside a crop. Measured by scripts/make_corruption_reference.py.
_FROST_MEAN = (0.565, 0.648, 0.695)
_FROST_BETWEEN = (0.199, 0.139, 0.133)
_FROST_WITHIN = (0.095, 0.089, 0.090)


def frost(x: jax.Array, words: jax.Array, level: jax.Array, texture: jax.Array | None = None) -> jax.Array:
    """Mixes the image with frost: procedural, or crops of textures.

    Args:
        x: `[B, C, H, W]`.
        words: Keys, `[B, 2]`.
        level: Severity - 1.
        texture: `[T, h, w, C]` in [0, 1], at the scale at which they are to appear; None: ridged plasma whose mean and
            deviation are those of the reference's textures.
    """
    table = TABLES["frost"].at(min(x.shape[2:]))
    image, amount = (jnp.asarray(table[name])[level] for name in ("image", "frost"))
    layer = _procedural(x, words) if texture is None else _crops(x, words, texture)
    return jnp.clip(image * x + amount * layer, 0.0, 1.0)


def _procedural(x: jax.Array, words: jax.Array) -> jax.Array:
    channels, height, width = x.shape[1:]
    side = 1 << (max(height, width) - 1).bit_length()
    # Needles grow along the ridges of plasma: where it crosses its middle.
    field = plasma(_uniform(words), side, jnp.asarray(1.7, jnp.float32))[:, None, :height, :width]
    ridges = 1.0 - jnp.abs(2.0 * field - 1.0)
    mean = filters.plane_mean(ridges)
    sd = jnp.sqrt(filters.plane_mean((ridges - mean) ** 2) + 1e-6)
    tint, between, within = (
        jnp.asarray(c if channels == 3 else (np.dot(c, _GREY),), x.dtype).reshape(1, channels, 1, 1)
        for c in (_FROST_MEAN, _FROST_BETWEEN, _FROST_WITHIN)
    )
    return jnp.clip(tint + between * draws.normal(words, (1, 1, 1), 0) + within * (ridges - mean) / sd, 0.0, 1.0)


def _crops(x: jax.Array, words: jax.Array, texture: jax.Array) -> jax.Array:
    channels, height, width = x.shape[1:]
    planes = jnp.asarray(texture).transpose(0, 3, 1, 2)
    limits = planes.shape[0], planes.shape[2] - height + 1, planes.shape[3] - width + 1
    which, top, left = (draws.integers(words, (), limit, i) for i, limit in enumerate(limits))

    def crop(which: jax.Array, top: jax.Array, left: jax.Array) -> jax.Array:
        start = (which, jnp.zeros_like(which), top, left)
        return jax.lax.dynamic_slice(planes, start, (1, channels, height, width))[0]

    return jax.vmap(crop)(which, top, left)


# ---------------------------------------------------------------- spatter

_WATER = (175 / 255, 238 / 255, 238 / 255)  # turquoise in the order of OpenCV, blue first: the reference adds it as is
_MUD = (63 / 255, 42 / 255, 20 / 255)


def spatter(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Spatters the image with water (severities 1 to 3) or mud (4 and 5)."""
    return spatter_with(x, draws.normal(words, (1, *x.shape[2:])), level)


def spatter_with(x: jax.Array, noise: jax.Array, level: jax.Array) -> jax.Array:
    """Spatters with given noise, standard normal, `[B, 1, H, W]`."""
    table = TABLES["spatter"].at(min(x.shape[2:]))
    value = {name: jnp.asarray(column)[level] for name, column in table.items()}
    kernel = jnp.asarray(filters.gaussian_kernels(table["blur"]))[level]
    liquid = filters.separable(value["mean"] + value["sd"] * noise, kernel, "edge")
    return jax.lax.cond(
        value["mud"] > 0,
        # The reference takes the strength for the deviation of the mud's second blur too.
        lambda: _mud(x, liquid, value, jnp.asarray(filters.gaussian_kernels(table["strength"]))[level]),
        lambda: _water(x, liquid, value),
    )


def _mud(x: jax.Array, liquid: jax.Array, value: dict[str, jax.Array], kernel: jax.Array) -> jax.Array:
    mask = jnp.where(liquid > value["threshold"], 1.0, 0.0)
    mask = filters.separable(mask, kernel, "edge")
    mask = jnp.where(mask < 0.8, 0.0, mask)
    return jnp.clip(x * (1.0 - mask) + _coloured(_MUD, x) * mask, 0.0, 1.0)


def _coloured(colour: tuple[float, ...], x: jax.Array) -> jax.Array:
    channels = colour if x.shape[1] == 3 else (float(np.dot(colour, _GREY)),)
    return jnp.asarray(channels, x.dtype).reshape(1, -1, 1, 1)


def _water(x: jax.Array, liquid: jax.Array, value: dict[str, jax.Array]) -> jax.Array:
    """Adds drops of water, which shine where they are far from their edge."""
    level = jnp.floor(jnp.where(liquid < value["threshold"], 0.0, liquid) * 255.0)
    distance = jnp.minimum(_distance(_edges(level)), 20.0)
    distance = _equalised(jnp.floor(_mean3(distance) + 1e-4))
    relief = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))
    padded = filters.pad(distance, 1, 1, "reflect")
    height, width = x.shape[2:]
    lit = sum(relief[i][j] * padded[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3))
    shine = level * jnp.round(_mean3(jnp.clip(lit, 0.0, 255.0)))
    brightest = jnp.max(shine, axis=(2, 3), keepdims=True)
    shine = shine / jnp.where(brightest > 0, brightest, 1.0) * value["strength"]
    return jnp.clip(x + shine * _coloured(_WATER, x), 0.0, 1.0)


def _mean3(x: jax.Array) -> jax.Array:
    """Averages over 3 x 3 pixels."""
    height, width = x.shape[2:]
    padded = filters.pad(x, 1, 1, "reflect")
    rows = _total(padded[:, :, i : i + height] for i in range(3))
    return _total(rows[:, :, :, i : i + width] for i in range(3)) / 9.0


def _edges(level: jax.Array) -> jax.Array:
    """Canny's edges with thresholds 50 and 150 of the 1-norm of Sobel's gradient, as OpenCV draws them."""
    height, width = level.shape[2:]
    p = filters.pad(level, 1, 1, "edge")
    shifted = {(i, j): p[:, :, 1 + i : 1 + i + height, 1 + j : 1 + j + width] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    gx = (shifted[-1, 1] + 2 * shifted[0, 1] + shifted[1, 1]) - (shifted[-1, -1] + 2 * shifted[0, -1] + shifted[1, -1])
    gy = (shifted[1, -1] + 2 * shifted[1, 0] + shifted[1, 1]) - (shifted[-1, -1] + 2 * shifted[-1, 0] + shifted[-1, 1])
    size = jnp.abs(gx) + jnp.abs(gy)
    p = jnp.pad(size, ((0, 0), (0, 0), (1, 1), (1, 1)))
    near = {(i, j): p[:, :, 1 + i : 1 + i + height, 1 + j : 1 + j + width] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    flat, steep = jnp.abs(gy) < 0.41421356 * jnp.abs(gx), jnp.abs(gy) > 2.41421356 * jnp.abs(gx)
    along_x = (size > near[0, -1]) & (size >= near[0, 1])
    along_y = (size > near[-1, 0]) & (size >= near[1, 0])
    falling = (size > near[-1, -1]) & (size > near[1, 1])
    rising = (size > near[-1, 1]) & (size > near[1, -1])
    diagonal = jnp.where(gx * gy < 0, rising, falling)
    peak = jnp.where(flat, along_x, jnp.where(steep, along_y, diagonal))
    weak, strong = peak & (size > 50), peak & (size > 150)

    def grow(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        grown = jax.lax.reduce_window(state[0], False, jax.lax.bitwise_or, (1, 1, 3, 3), (1, 1, 1, 1), "SAME") & weak
        return grown, jnp.any(grown != state[0])

    return jax.lax.while_loop(lambda state: state[1], grow, (strong, jnp.asarray(True)))[0]


def _distance(edges: jax.Array) -> jax.Array:
    """Distance to the nearest edge up to 20 px, by OpenCV's steps of 1, 1.4 and 2.1969."""
    height, width = edges.shape[2:]
    steps = {(1, 0): 1.0, (0, 1): 1.0, (1, 1): 1.4, (1, 2): 2.1969, (2, 1): 2.1969}
    steps = {(si * i, sj * j): cost for (i, j), cost in steps.items() for si in (-1, 1) for sj in (-1, 1)}

    def relax(_: int, distance: jax.Array) -> jax.Array:
        p = jnp.pad(distance, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=1e4)
        for (i, j), cost in steps.items():
            distance = jnp.minimum(distance, p[:, :, 2 + i : 2 + i + height, 2 + j : 2 + j + width] + cost)
        return distance

    return jax.lax.fori_loop(0, 20, relax, jnp.where(edges, 0.0, 1e4))


def _equalised(x: jax.Array) -> jax.Array:
    """OpenCV's histogram equalisation of whole numbers from 0 to 20."""
    levels = jnp.arange(21, dtype=x.dtype)
    counts = jnp.sum(jnp.where(x[:, 0, :, :, None] == levels[None, None, None], 1.0, 0.0), axis=(1, 2))  # [B, 21]
    cumulative = jnp.cumsum(counts, axis=1)
    total = cumulative[:, -1:]
    first = jnp.take_along_axis(counts, jnp.argmax(counts > 0, axis=1)[:, None], axis=1)
    rank = jnp.clip((cumulative - first) / jnp.maximum(total - first, 1.0), 0.0, 1.0)
    table = jnp.where(first == total, levels[None], jnp.round(255.0 * rank))
    return _total(jnp.where(x == k, table[:, k].reshape(-1, 1, 1, 1), 0.0) for k in range(21))


def _total(terms: Iterable[jax.Array]) -> jax.Array:
    return functools.reduce(jnp.add, terms)
