"""Draws designs in jnp, with exact ground truth.

A design is a short list of convex polygons (`shapes`), given by the signed distance of every pixel to each of them
(`geometry`). The whole renderer is multiply, add, maximum and blend over `[B, parts, H, W]`, which XLA fuses into a few
loops. Nothing is sampled, nothing iterates, no branch depends on the product.

Everything a brief states is drawn; everything it leaves open (position, light, backdrop, grain) is a `Nuisance` that
a generator's noise has to explain.

Units: lengths of the layout are given at 32 px and scale with the image size.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.data.procedural import geometry, shapes
from ich_jax.data.procedural.geometry import Geometry
from ich_jax.data.procedural.shapes import PRODUCTS, SPACE
from ich_jax.types import Brief

VERSION = "37da00ac21844c4b"
"""Identifies the pictures, and so the sets of images, the inspectors trained on them and the work directories.

Whoever changes the pictures changes it to any other text: `tests/data/procedural/test_renderer.py` compares them with
stored ones. Shipped inspectors then have to be trained again (`scripts/train_inspector.py`).
"""

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
    """The parts of a picture that a brief leaves open and a generator's noise has to explain.

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


# ---------------------------------------------------------------- pictures


def render(brief: Brief, nuisance: Nuisance, size: int) -> jax.Array:
    """Draws designs.

    Args:
        brief: B briefs of `SPACE`; `given` is ignored, every value is drawn.
        nuisance: The parts that the briefs leave open.
        size: Height and width in pixels (static).

    Returns:
        `[B, size, size, 3]` float32 in [0, 1].
    """
    parts = geometry.build(brief, nuisance.position, size)
    _, ornament, palette, trim, finish = (brief.elements[:, i] for i in range(len(SPACE.elements)))
    paint = jnp.concatenate(
        [jnp.asarray(_PALETTES)[palette], jnp.broadcast_to(jnp.asarray(_FIXED), (palette.shape[0], *_FIXED.shape))],
        axis=1,
    )  # [B, roles, 3]
    angle, strength = nuisance.light[:, 0], nuisance.light[:, 1]
    scene = _Scene(
        unit=size / 32.0,
        geometry=parts,
        is_book=brief.product == PRODUCTS.index("book"),
        ornament=ornament,
        trim=trim,
        finish=finish,
        paint=paint,
        light_x=jnp.cos(angle),
        light_y=jnp.sin(angle),
        light_strength=strength,
        x=parts.local[:, 0],
        y=parts.local[:, 1],
        half_width=parts.half[:, 0, None, None],
        half_height=parts.half[:, 1, None, None],
        swept=jnp.min(parts.swept, axis=1),
        front=jnp.min(parts.front[:, : shapes.SOLIDS], axis=1),
    )
    image = _backdrop(scene, nuisance.backdrop, size)
    image = _with_sides(image, scene)
    image = _with_fronts(image, scene)
    leaf_key, grain_key = (jax.vmap(lambda k, i=i: jax.random.fold_in(k, i))(nuisance.grain) for i in (0, 1))
    image = _with_finish(image, scene, leaf_key)
    grain = jax.vmap(lambda k: jax.random.normal(k, (size, size, 1), jnp.float32))(grain_key)
    return jnp.clip(image + 0.012 * grain, 0.0, 1.0)


class _Scene(NamedTuple):
    """Inputs of the layers of a picture; lengths in pixels."""

    unit: float  # a length of 1 px at 32 px
    geometry: Geometry
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
    unit, parts = scene.unit, scene.geometry
    pixel = (jnp.arange(size, dtype=jnp.float32) + 0.5) / size
    tint = 0.86 + 0.12 * backdrop[:, :3]
    table_edge = 0.55 + 0.35 * backdrop[:, 3]
    below = geometry.cover((table_edge[:, None] - pixel[None]) * size)  # [B, H]
    wall = tint[:, None, :] * (1.0 - 0.09 * below[..., None])
    image = jnp.broadcast_to(wall[:, :, None, :], (*below.shape, size, 3))
    sx = (scene.x - parts.depth[:, 0, None, None] / 2 + 1.5 * unit * scene.light_x[:, None, None]) / (
        scene.half_width * 1.15 + 1.5 * unit
    )
    sy = (scene.y - scene.half_height) / (2.2 * unit)
    shadow = 0.28 * jnp.exp(-2.0 * (sx**2 + sy**2))
    return image * (1.0 - shadow[..., None])


def _with_sides(image: jax.Array, scene: _Scene) -> jax.Array:
    """Paints the swept solids, darkened; those of a book are its page block."""
    unit, parts, paint, is_book = scene.unit, scene.geometry, scene.paint, scene.is_book
    side = paint[jnp.arange(is_book.shape[0]), jnp.where(is_book, shapes.CREAM, shapes.MAIN)]
    side_light = jnp.where(is_book, 0.78, 0.60) + 0.10 * scene.light_strength * scene.light_x
    striped = is_book.astype(jnp.float32)[:, None, None]
    stripe = 1.0 - 0.14 * striped * (0.5 + 0.5 * jnp.cos(parts.along * (2 * np.pi / (2.6 * unit))))
    image = _over(
        image, geometry.cover(scene.swept), (side * side_light[:, None])[:, None, None, :] * stripe[..., None]
    )
    ornament = geometry.ornament_distance(parts.panel_back, parts.panel_scale, scene.ornament)
    second = geometry.cover(ornament) * parts.paired[:, None, None]
    for k in range(shapes.HOSTS):  # the second of a pair carries the same ornament
        alpha = second * geometry.cover(parts.swept[:, k]) * parts.hosts[:, k, None, None]
        image = _over(image, alpha, paint[:, shapes.SECOND] * side_light[:, None])
    back_line = jnp.abs(scene.swept + scene.contour) - scene.contour
    return _over(image, 0.75 * geometry.cover(back_line), jnp.asarray(_INKED))


def _with_fronts(image: jax.Array, scene: _Scene) -> jax.Array:
    """Paints the front faces, each with its ink line, and the ornament on its hosts."""
    unit, parts, paint = scene.unit, scene.geometry, scene.paint
    ramp = 1.0 + 0.14 * scene.light_strength[:, None, None] * (
        scene.light_x[:, None, None] * scene.x / (scene.half_width + unit)
        + scene.light_y[:, None, None] * scene.y / (scene.half_height + unit)
    )
    motif = geometry.cover(geometry.ornament_distance(parts.panel, parts.panel_scale, scene.ornament))
    for k in range(shapes.SOLIDS + shapes.DECALS):
        distance = parts.front[:, k]
        colour = jnp.take_along_axis(paint, parts.roles[:, k, None, None], axis=1)[:, 0]
        image = _over(image, geometry.cover(distance), colour[:, None, None, :] * ramp[..., None])
        if k < shapes.HOSTS:
            image = _over(
                image, motif * geometry.cover(distance) * parts.hosts[:, k, None, None], paint[:, shapes.SECOND]
            )
        if k < shapes.SOLIDS:
            line = jnp.abs(distance + scene.contour) - scene.contour
            image = _over(image, 0.8 * geometry.cover(line), colour * 0.30)
        if k == shapes.SOLIDS - 1:  # the trim runs along the edge of the front, under the decals
            band = jnp.abs(scene.front + 1.0 * unit) - 0.55 * unit
            image = _over(image, geometry.cover(band) * _only(scene.trim, 1), jnp.asarray(_GILT))
            band = jnp.abs(scene.front + 0.75 * unit) - 0.75 * unit
            image = _over(image, geometry.cover(band) * _only(scene.trim, 2), jnp.asarray(_INKED))
    return image


def _with_finish(image: jax.Array, scene: _Scene, leaf_key: jax.Array) -> jax.Array:
    """Adds the reflection of a glaze or sprinkled gold leaf, on the sides as well."""
    unit = scene.unit
    outline = jnp.minimum(scene.swept, scene.front)
    body, inner = (
        geometry.cover(outline),
        geometry.cover(outline + 1.2 * unit),
    )  # gold leaf on an edge would hide the edge
    extent = scene.half_width + scene.half_height
    streak = jnp.abs((scene.x + scene.y) * np.float32(np.sqrt(0.5)) + 0.25 * extent) - 0.11 * extent
    gloss = 0.55 * geometry.cover(streak) * body * _only(scene.finish, 1)
    image = _over(image, gloss, jnp.ones((3,), jnp.float32))
    leaf = (
        0.92 * geometry.cover(geometry.fleck_distance(scene.geometry, leaf_key, unit)) * inner * _only(scene.finish, 2)
    )
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
    parts = geometry.build(brief, position, size)
    pen = max(0.35 * unit, 0.5)
    page = 1.0 - geometry.cover(jnp.abs(jnp.min(parts.swept, axis=1)) - pen)
    motif = geometry.ornament_distance(parts.panel, parts.panel_scale, brief.elements[:, 1])
    for k in range(shapes.SOLIDS + shapes.DECALS):
        distance = parts.front[:, k]
        inside = geometry.cover(distance)
        page = page + inside * (1.0 - page)
        if k < shapes.HOSTS:
            page = page * (1.0 - inside * parts.hosts[:, k, None, None] * geometry.cover(jnp.abs(motif) - 0.6 * pen))
        page = page * (1.0 - geometry.cover(jnp.abs(distance) - pen))
    return page[..., None]


def silhouette_distance(brief: Brief, size: int) -> jax.Array:
    """Returns the signed distance in pixels, `[B, size, size]`, to the outline of each centred design."""
    parts = geometry.build(brief, jnp.zeros((brief.product.shape[0], 2), jnp.float32), size)
    return jnp.minimum(jnp.min(parts.swept, axis=1), jnp.min(parts.front[:, : shapes.SOLIDS], axis=1))
