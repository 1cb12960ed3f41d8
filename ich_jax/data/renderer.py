"""Draws designs in jnp, with exact ground truth.

A design is a short list of convex polygons (`shapes.py`) in a unit frame. The form axes scale that frame: `width` and
`height` are the extent of its front face, `depth` is the length of an oblique extrusion towards the upper right (for
earrings and dance fans, which come in pairs, the distance of the second one). A convex polygon is an intersection of
half-planes, so its signed distance is a maximum over its edges, and sweeping it along the depth vector only moves those
half-planes outwards (Minkowski sum with a segment): the whole renderer is multiply, add, maximum and blend over
`[B, parts, H, W]`, which XLA fuses into a few loops. Nothing is sampled, nothing iterates, no branch depends on the
product.

Everything a brief states is drawn; everything it leaves open (position, light, backdrop, grain) is a `Nuisance` that
a generator's noise has to explain.

Units: lengths of the layout are given at 32 px and scale with the image size.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.data import shapes
from ich_jax.data.shapes import PRODUCTS, SPACE
from ich_jax.types import Brief

VERSION = "37da00ac21844c4b"
"""Identifies the pictures, and so the sets of images, the inspectors trained on them and the work directories.

To be changed, to any other text, together with the pictures: `tests/data/test_renderer.py` compares them with stored
ones. Shipped inspectors are then to be trained again (`scripts/train_inspector.py`).
"""

# Layout in pixels at 32 px: extent = centre + slope * axis. Each axis moves the outline by 10 px over its range; the
# smallest front face is 12 px, so that an ornament can still be read on it.
_WIDTH = (17.0, 5 / 3)
_HEIGHT = (17.0, 5 / 3)
_DEPTH = (5.8, 1.7)
_DEPTH_DIRECTION = (0.70, -0.714)  # unit vector to the upper right; image y points down
_JITTER = 1.0

# ---------------------------------------------------------------- colours

_PALETTES = (
    np.array(
        [  # main, second (contrasts with main: ornaments are drawn in it)
            [(196, 52, 45), (250, 230, 185)],  # vermilion and rice paper
            [(33, 76, 140), (222, 236, 246)],  # indigo and moon white
            [(72, 148, 122), (236, 247, 232)],  # celadon and pale glaze
            [(232, 168, 32), (124, 44, 22)],  # gamboge and umber
            [(58, 58, 66), (206, 186, 138)],  # ink and silk
        ],
        np.float32,
    )
    / 255
)
_FIXED = np.array([(222, 178, 74), (250, 236, 214), (44, 34, 34), (120, 76, 46)], np.float32) / 255  # gold..wood
_GILT = np.array((255, 226, 130), np.float32) / 255
_LEAF = np.array((255, 242, 184), np.float32) / 255
_INKED = np.array((26, 22, 24), np.float32) / 255


class Nuisance(NamedTuple):
    """What a brief does not state and the generator's noise has to explain.

    Attributes:
        position: `[B, 2]` offset in [-1, 1] (times 1.2 px at 32 px).
        light: `[B, 2]` direction of the light (radians) and its strength in [0, 1].
        backdrop: `[B, 4]` tint (three values in [0, 1]) and height of the table edge in [0, 1].
        grain: `[B]` PRNG keys of the pixel noise and of the flecks' places.
    """

    position: jax.Array
    light: jax.Array
    backdrop: jax.Array
    grain: jax.Array


# ---------------------------------------------------------------- geometry


class _Geometry(NamedTuple):
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


def _geometry(brief: Brief, position: jax.Array, size: int) -> _Geometry:
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
    return _Geometry(
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


def _cover(distance: jax.Array) -> jax.Array:
    """Share of a pixel inside an edge at a signed distance in pixels (box filter)."""
    return jnp.clip(0.5 - distance, 0.0, 1.0)


def _ornament(frame: jax.Array, scale: jax.Array, category: jax.Array) -> jax.Array:
    """Signed distance in pixels, `[B, H, W]`, of the ornament of each design.

    `frame` `[B, 2, H, W]` runs over [-1, 1] inside the panel, `scale` `[B]` is its unit in pixels.

    cloud: a ruyi head of three scrolls; lattice: the crossed diagonals of a window; wave: swelling horizontal bands;
    meander: the running fret (huiwen), upright bars joined above and below in turn. Each is one coarse figure, so that
    ten pixels are enough to tell them apart; the detail shows at larger sizes.
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


def _flecks(geometry: _Geometry, key: jax.Array, unit: float) -> jax.Array:
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


# ---------------------------------------------------------------- pictures


def render(brief: Brief, nuisance: Nuisance, size: int) -> jax.Array:
    """Draws designs.

    Args:
        brief: B briefs of `SPACE`; `given` is ignored, every value is drawn.
        nuisance: What the briefs leave open.
        size: Height and width in pixels (static).

    Returns:
        `[B, size, size, 3]` float32 in [0, 1].
    """
    geometry = _geometry(brief, nuisance.position, size)
    _, ornament, palette, trim, finish = (brief.elements[:, i] for i in range(len(SPACE.elements)))
    paint = jnp.concatenate(
        [jnp.asarray(_PALETTES)[palette], jnp.broadcast_to(jnp.asarray(_FIXED), (palette.shape[0], *_FIXED.shape))],
        axis=1,
    )  # [B, roles, 3]
    angle, strength = nuisance.light[:, 0], nuisance.light[:, 1]
    scene = _Scene(
        unit=size / 32.0,
        geometry=geometry,
        is_book=brief.product == PRODUCTS.index("book"),
        ornament=ornament,
        trim=trim,
        finish=finish,
        paint=paint,
        light_x=jnp.cos(angle),
        light_y=jnp.sin(angle),
        light_strength=strength,
        x=geometry.local[:, 0],
        y=geometry.local[:, 1],
        half_width=geometry.half[:, 0, None, None],
        half_height=geometry.half[:, 1, None, None],
        swept=jnp.min(geometry.swept, axis=1),
        front=jnp.min(geometry.front[:, : shapes.SOLIDS], axis=1),
    )
    image = _backdrop(scene, nuisance.backdrop, size)
    image = _with_sides(image, scene)
    image = _with_fronts(image, scene)
    leaf_key, grain_key = (jax.vmap(lambda k, i=i: jax.random.fold_in(k, i))(nuisance.grain) for i in (0, 1))
    image = _with_finish(image, scene, leaf_key)
    grain = jax.vmap(lambda k: jax.random.normal(k, (size, size, 1), jnp.float32))(grain_key)
    return jnp.clip(image + 0.012 * grain, 0.0, 1.0)


class _Scene(NamedTuple):
    """What the layers of a picture are painted from; lengths in pixels."""

    unit: float  # a length of 1 px at 32 px
    geometry: _Geometry
    is_book: jax.Array  # [B]
    ornament: jax.Array  # [B]
    trim: jax.Array  # [B]
    finish: jax.Array  # [B]
    paint: jax.Array  # [B, roles, 3]
    light_x: jax.Array  # [B] direction
    light_y: jax.Array  # [B]
    light_strength: jax.Array  # [B]
    x: jax.Array  # [B, H, W] from the centre of the front face
    y: jax.Array  # [B, H, W]
    half_width: jax.Array  # [B, 1, 1] of the front face
    half_height: jax.Array  # [B, 1, 1]
    swept: jax.Array  # [B, H, W] signed distance to the union of the swept solids
    front: jax.Array  # [B, H, W] signed distance to the union of their front faces

    @property
    def contour(self) -> float:
        """Half the width of an ink line."""
        return 0.36 * self.unit


def _over(image: jax.Array, alpha: jax.Array, colour: jax.Array) -> jax.Array:
    """Blends a colour, `[3]`, `[B, 3]` or `[B, H, W, 3]`, over the image with opacity alpha `[B, H, W]`."""
    colour = jnp.atleast_2d(colour)
    colour = colour[:, None, None, :] if colour.ndim == 2 else colour
    return image + alpha[..., None] * (colour - image)


def _only(element: jax.Array, category: int) -> jax.Array:
    """Returns 1 for designs of this category and 0 for others, `[B, 1, 1]`."""
    return (element == category).astype(jnp.float32)[:, None, None]


def _backdrop(scene: _Scene, backdrop: jax.Array, size: int) -> jax.Array:
    """Paints a tinted wall above a slightly darker table, and a soft shadow away from the light."""
    unit, geometry = scene.unit, scene.geometry
    pixel = (jnp.arange(size, dtype=jnp.float32) + 0.5) / size
    tint = 0.86 + 0.12 * backdrop[:, :3]
    table_edge = 0.55 + 0.35 * backdrop[:, 3]
    below = _cover((table_edge[:, None] - pixel[None]) * size)  # [B, H]
    wall = tint[:, None, :] * (1.0 - 0.09 * below[..., None])
    image = jnp.broadcast_to(wall[:, :, None, :], (*below.shape, size, 3))
    sx = (scene.x - geometry.depth[:, 0, None, None] / 2 + 1.5 * unit * scene.light_x[:, None, None]) / (
        scene.half_width * 1.15 + 1.5 * unit
    )
    sy = (scene.y - scene.half_height) / (2.2 * unit)
    shadow = 0.28 * jnp.exp(-2.0 * (sx**2 + sy**2))
    return image * (1.0 - shadow[..., None])


def _with_sides(image: jax.Array, scene: _Scene) -> jax.Array:
    """Paints the swept solids, darkened; those of a book are its page block."""
    unit, geometry, paint, is_book = scene.unit, scene.geometry, scene.paint, scene.is_book
    side = paint[jnp.arange(is_book.shape[0]), jnp.where(is_book, shapes.CREAM, shapes.MAIN)]
    side_light = jnp.where(is_book, 0.78, 0.60) + 0.10 * scene.light_strength * scene.light_x
    striped = is_book.astype(jnp.float32)[:, None, None]
    stripe = 1.0 - 0.14 * striped * (0.5 + 0.5 * jnp.cos(geometry.along * (2 * np.pi / (2.6 * unit))))
    image = _over(image, _cover(scene.swept), (side * side_light[:, None])[:, None, None, :] * stripe[..., None])
    ornament = _ornament(geometry.panel_back, geometry.panel_scale, scene.ornament)
    second = _cover(ornament) * geometry.paired[:, None, None]
    for k in range(shapes.HOSTS):  # the second of a pair carries the same ornament
        alpha = second * _cover(geometry.swept[:, k]) * geometry.hosts[:, k, None, None]
        image = _over(image, alpha, paint[:, shapes.SECOND] * side_light[:, None])
    back_line = jnp.abs(scene.swept + scene.contour) - scene.contour
    return _over(image, 0.75 * _cover(back_line), jnp.asarray(_INKED))


def _with_fronts(image: jax.Array, scene: _Scene) -> jax.Array:
    """Paints the front faces, each with its ink line, and the ornament on its hosts."""
    unit, geometry, paint = scene.unit, scene.geometry, scene.paint
    ramp = 1.0 + 0.14 * scene.light_strength[:, None, None] * (
        scene.light_x[:, None, None] * scene.x / (scene.half_width + unit)
        + scene.light_y[:, None, None] * scene.y / (scene.half_height + unit)
    )
    motif = _cover(_ornament(geometry.panel, geometry.panel_scale, scene.ornament))
    for k in range(shapes.SOLIDS + shapes.DECALS):
        distance = geometry.front[:, k]
        colour = jnp.take_along_axis(paint, geometry.roles[:, k, None, None], axis=1)[:, 0]
        image = _over(image, _cover(distance), colour[:, None, None, :] * ramp[..., None])
        if k < shapes.HOSTS:
            image = _over(image, motif * _cover(distance) * geometry.hosts[:, k, None, None], paint[:, shapes.SECOND])
        if k < shapes.SOLIDS:
            line = jnp.abs(distance + scene.contour) - scene.contour
            image = _over(image, 0.8 * _cover(line), colour * 0.30)
        if k == shapes.SOLIDS - 1:  # the trim runs along the edge of the front, under the decals
            band = jnp.abs(scene.front + 1.0 * unit) - 0.55 * unit
            image = _over(image, _cover(band) * _only(scene.trim, 1), jnp.asarray(_GILT))
            band = jnp.abs(scene.front + 0.75 * unit) - 0.75 * unit
            image = _over(image, _cover(band) * _only(scene.trim, 2), jnp.asarray(_INKED))
    return image


def _with_finish(image: jax.Array, scene: _Scene, leaf_key: jax.Array) -> jax.Array:
    """Adds the reflection of a glaze or sprinkled gold leaf, on the sides as well."""
    unit = scene.unit
    outline = jnp.minimum(scene.swept, scene.front)
    body, inner = _cover(outline), _cover(outline + 1.2 * unit)  # leaf on an edge would hide where it lies
    extent = scene.half_width + scene.half_height
    streak = jnp.abs((scene.x + scene.y) * np.float32(np.sqrt(0.5)) + 0.25 * extent) - 0.11 * extent
    gloss = 0.55 * _cover(streak) * body * _only(scene.finish, 1)
    image = _over(image, gloss, jnp.ones((3,), jnp.float32))
    leaf = 0.92 * _cover(_flecks(scene.geometry, leaf_key, unit)) * inner * _only(scene.finish, 2)
    return _over(image, leaf, jnp.asarray(_LEAF))


def draw_sketch(brief: Brief, size: int, position: jax.Array | None = None) -> jax.Array:
    """Draws the line art of the same designs: black lines on white, no colour, light or finish.

    Args:
        brief: B briefs of `SPACE`.
        size: Height and width in pixels (static).
        position: `[B, 2]` offsets as in `Nuisance.position`; centred if absent.

    Returns:
        `[B, size, size, 1]` float32 in [0, 1].
    """
    unit = size / 32.0
    position = jnp.zeros((brief.product.shape[0], 2), jnp.float32) if position is None else position
    geometry = _geometry(brief, position, size)
    pen = max(0.35 * unit, 0.5)
    page = 1.0 - _cover(jnp.abs(jnp.min(geometry.swept, axis=1)) - pen)
    motif = _ornament(geometry.panel, geometry.panel_scale, brief.elements[:, 1])
    for k in range(shapes.SOLIDS + shapes.DECALS):
        distance = geometry.front[:, k]
        inside = _cover(distance)
        page = page + inside * (1.0 - page)
        if k < shapes.HOSTS:
            page = page * (1.0 - inside * geometry.hosts[:, k, None, None] * _cover(jnp.abs(motif) - 0.6 * pen))
        page = page * (1.0 - _cover(jnp.abs(distance) - pen))
    return page[..., None]


def silhouette_distance(brief: Brief, size: int) -> jax.Array:
    """Returns the signed distance in pixels, `[B, size, size]`, to the outline of each centred design."""
    geometry = _geometry(brief, jnp.zeros((brief.product.shape[0], 2), jnp.float32), size)
    return jnp.minimum(jnp.min(geometry.swept, axis=1), jnp.min(geometry.front[:, : shapes.SOLIDS], axis=1))
