"""Geometry of a design: signed distances of every pixel to its polygons, ornament and flecks.

The form axes scale the unit frame of `shapes`: `width` and `height` are the extent of the front face, `depth` is the
length of an oblique extrusion towards the upper right (for earrings and dance fans, which come in pairs, the distance
of the second one). A convex polygon is an intersection of half-planes, so its signed distance is a maximum over its
edges, and sweeping it along the depth vector only moves those half-planes outwards (Minkowski sum with a segment).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.data.procedural import shapes
from ich_jax.data.procedural.shapes import PRODUCTS
from ich_jax.types import Brief

# Layout in pixels at 32 px: extent = centre + slope * axis. Each axis moves the outline by 10 px over its range; the
# smallest front face is 12 px, so that an ornament can still be read on it.
_WIDTH = (17.0, 5 / 3)
_HEIGHT = (17.0, 5 / 3)
_DEPTH = (5.8, 1.7)
_DEPTH_DIRECTION = (0.70, -0.714)  # unit vector to the upper right; image y points down
_JITTER = 1.0


class Geometry(NamedTuple):
    """Signed distances in pixels, negative inside; P = solids then decals."""

    front: jax.Array  # [B, P, H, W]
    swept: jax.Array  # [B, SOLIDS, H, W]
    along: jax.Array  # [B, H, W] pixels travelled along depth from the centre of the front face
    panel: jax.Array  # [B, 2, H, W] ornament frame, [-1, 1] inside
    panel_back: jax.Array  # [B, 2, H, W] the same frame on the second of a pair
    panel_scale: jax.Array  # [B] pixels per unit of that frame
    paired: jax.Array  # [B] 1 for products that come in pairs
    local: jax.Array  # [B, 2, H, W] pixels from the centre of the front face
    half: jax.Array  # [B, 2] half extent of the front face in pixels
    depth: jax.Array  # [B, 2] depth vector in pixels
    hosts: jax.Array  # [B, HOSTS]
    roles: jax.Array  # [B, P]


def build(brief: Brief, position: jax.Array, size: int) -> Geometry:
    """Returns the geometry of B designs whose offsets are `position` `[B, 2]`, on a grid of `size` pixels."""
    unit = size / 32.0
    table = shapes.table()
    product, silhouette = brief.product, brief.elements[:, 0]
    half = (
        unit
        / 2
        * jnp.stack([_WIDTH[0] + _WIDTH[1] * brief.axes[:, 0], _HEIGHT[0] + _HEIGHT[1] * brief.axes[:, 1]], axis=1)
    )
    depth = unit * (_DEPTH[0] + _DEPTH[1] * brief.axes[:, 2])[:, None] * jnp.asarray([_DEPTH_DIRECTION], jnp.float32)
    centre = size / 2 - depth / 2 + position * (_JITTER * unit)

    vertices = jnp.asarray(table.vertices)[product, silhouette] * half[:, None, None] + centre[:, None, None]
    edges = jnp.roll(vertices, -1, axis=2) - vertices
    length = jnp.sqrt(jnp.sum(edges**2, axis=-1))
    real = length > 1e-3  # polygons are padded with repeated vertices
    safe = jnp.where(real, length, 1.0)
    nx, ny = edges[..., 1] / safe, -edges[..., 0] / safe
    # Padding edges never bind; parts that do not exist lie infinitely far away.
    idle = jnp.where(jnp.asarray(table.exists)[product, silhouette] > 0, 1e4, -1e4)[..., None]
    offset = jnp.where(real, nx * vertices[..., 0] + ny * vertices[..., 1], idle)
    # Minkowski sum with the depth segment moves a half-plane by max(0, n.d); a pair's second member moves by n.d.
    push = nx * depth[:, None, None, 0] + ny * depth[:, None, None, 1]
    pair = jnp.asarray([p in shapes.PAIRED for p in PRODUCTS])[product][:, None, None]
    offset_back = offset + jnp.where(real, jnp.where(pair, push, jnp.maximum(push, 0.0)), 0.0)

    pixel = jnp.arange(size, dtype=jnp.float32) + 0.5
    px, py = pixel[None, None, None, :], pixel[None, None, :, None]
    all_parts, solid = slice(None), slice(0, shapes.SOLIDS)
    front = _polygon_distance(nx, ny, offset, px, py, all_parts)
    swept = _polygon_distance(nx, ny, offset_back, px, py, solid)
    # ... and adds the two half-planes that run along the segment.
    tx, ty = jnp.float32(-_DEPTH_DIRECTION[1]), jnp.float32(_DEPTH_DIRECTION[0])
    across = tx * vertices[:, solid, :, 0] + ty * vertices[:, solid, :, 1]
    beside = tx * px + ty * py
    rail = jnp.maximum(
        beside - jnp.max(across, axis=2)[:, :, None, None], jnp.min(across, axis=2)[:, :, None, None] - beside
    )
    swept = jnp.where(pair[..., None], swept, jnp.maximum(swept, rail))

    panel = jnp.asarray(table.panel)[product, silhouette]
    local = jnp.stack(jnp.broadcast_arrays(px[0] - centre[:, 0, None, None], py[0] - centre[:, 1, None, None]), axis=1)
    panel_half = panel[:, 2:] * half
    ornament = (local - (panel[:, :2] * half)[:, :, None, None]) / panel_half[:, :, None, None]
    direction = jnp.asarray(_DEPTH_DIRECTION, jnp.float32)
    return Geometry(
        front=front,
        swept=swept,
        along=local[:, 0] * direction[0] + local[:, 1] * direction[1],
        panel=ornament,
        panel_back=ornament - (depth / panel_half)[:, :, None, None],
        panel_scale=jnp.min(panel_half, axis=1),
        paired=pair[:, 0, 0].astype(jnp.float32),
        local=local,
        half=half,
        depth=depth,
        hosts=jnp.asarray(table.hosts)[product, silhouette],
        roles=jnp.asarray(table.roles)[product, silhouette],
    )


def _polygon_distance(
    nx: jax.Array, ny: jax.Array, offset: jax.Array, px: jax.Array, py: jax.Array, parts: slice
) -> jax.Array:
    """Returns the signed distance of pixels to convex polygons, `[B, parts, H, W]`: the largest to any half-plane.

    Normals and offsets `[B, P, V]` are those of the edges, `px` and `py` the coordinates of the pixels.
    """

    def plane(v: int) -> jax.Array:
        a, b, c = nx[:, parts, v], ny[:, parts, v], offset[:, parts, v]
        return a[:, :, None, None] * px + b[:, :, None, None] * py - c[:, :, None, None]

    distance = plane(0)
    for v in range(1, shapes.VERTICES):
        distance = jnp.maximum(distance, plane(v))
    return distance


def cover(distance: jax.Array) -> jax.Array:
    """Share of a pixel inside an edge at a signed distance in pixels (box filter)."""
    return jnp.clip(0.5 - distance, 0.0, 1.0)


def ornament_distance(frame: jax.Array, scale: jax.Array, category: jax.Array) -> jax.Array:
    """Signed distance in pixels, `[B, H, W]`, of the ornament of each design.

    `frame` `[B, 2, H, W]` runs over [-1, 1] inside the panel, `scale` `[B]` is its unit in pixels.

    cloud: a ruyi head of three scrolls; lattice: the crossed diagonals of a window; wave: swelling horizontal bands;
    meander: the running fret (huiwen), upright bars joined above and below in turn. Each is one coarse figure, so that
    ten pixels are enough to distinguish them; the detail shows at larger sizes.
    """
    x, y = frame[:, 0], frame[:, 1]

    def scroll(cx: float, cy: float, radius: float) -> jax.Array:
        r = jnp.sqrt((x - cx) ** 2 + (y - cy) ** 2 + 1e-6)
        return jnp.maximum(r - radius, 0.05 - jnp.abs(r - 0.55 * radius))  # a disc with a fine ring cut out

    cloud = jnp.minimum(jnp.minimum(scroll(-0.44, 0.30, 0.46), scroll(0.44, 0.30, 0.46)), scroll(0.0, -0.36, 0.52))
    root2 = np.float32(np.sqrt(0.5))
    lattice = jnp.minimum(jnp.abs(x + y), jnp.abs(x - y)) * root2 - 0.20
    wave = jnp.abs(jnp.mod(y + 0.10 * jnp.sin(2 * np.pi * x) + 0.5, 1.0) - 0.5) - 0.24
    bar = jnp.mod(x * 1.5 + 0.25, 1.0) - 0.5  # three bars; joins lie above and below in turn
    upright = jnp.abs(bar) - 0.24
    join = jnp.where(jnp.mod(jnp.floor(x * 1.5 + 0.75), 2.0) > 0.5, y + 0.84, y - 0.84)
    meander = jnp.minimum(upright / 1.5, jnp.abs(join) - 0.16)
    distance = jnp.stack([cloud, lattice, wave, meander], axis=1)
    chosen = jnp.take_along_axis(distance, category[:, None, None, None], axis=1)[:, 0]
    inside = jnp.maximum(jnp.abs(x), jnp.abs(y)) - 1.0
    return jnp.maximum(chosen, inside) * scale[:, None, None]


def fleck_distance(geometry: Geometry, key: jax.Array, unit: float) -> jax.Array:
    """Signed distance in pixels of sprinkled gold leaf: one fleck per cell of a jittered 3.4 px grid."""
    cell = 3.4 * unit
    n = 12  # cells per side: enough for the largest design with its depth
    place = jax.vmap(lambda k: jax.random.uniform(k, (n * n, 2), jnp.float32, 0.22, 0.78))(key)
    grid = geometry.local / cell + n / 2
    index = jnp.clip(jnp.floor(grid), 0, n - 1).astype(jnp.int32)
    flat = index[:, 1] * n + index[:, 0]
    spot = jnp.take_along_axis(place, flat.reshape(flat.shape[0], -1, 1), axis=1).reshape(*flat.shape, 2)
    dx = grid[:, 0] - index[:, 0].astype(jnp.float32) - spot[..., 0]
    dy = grid[:, 1] - index[:, 1].astype(jnp.float32) - spot[..., 1]
    return (jnp.sqrt(dx**2 + dy**2 + 1e-6) - 0.22) * cell
