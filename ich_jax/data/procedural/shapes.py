"""The forms of figurine, earrings, fan and book, as lists of convex polygons.

Polygons live in a unit frame with y pointing down; `table` turns them into arrays that the renderer indexes by product
and silhouette, so that no branch of the compiled program depends on the product.
"""

import functools
from typing import NamedTuple

import numpy as np

from ich_jax.types import DesignSpace, Element

PRODUCTS = ("figurine", "earrings", "fan", "book")
SPACE = DesignSpace(
    products=PRODUCTS,
    elements=(
        Element("silhouette", ("round", "square", "flared")),
        Element("ornament", ("cloud", "lattice", "wave", "meander")),
        Element("palette", ("vermilion", "indigo", "celadon", "gamboge", "ink")),
        Element("trim", ("bare", "gilt", "inked")),
        Element("finish", ("matte", "glazed", "flecked")),
    ),
    axes=("width", "height", "depth"),
)
"""The design space of procedural briefs. Palettes are traditional Chinese pigments: zhuhong (vermilion), dianqing
(indigo), qingci (celadon), tenghuang (gamboge) and mo (ink)."""

# ---------------------------------------------------------------- parts: convex polygons in the unit frame

VERTICES = 16
SOLIDS = 6  # swept along depth
HOSTS = 2  # the first of them may carry the ornament
DECALS = 8  # painted on the front face only
MAIN, SECOND, GOLD, CREAM, DARK, WOOD = range(6)


def _ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
    angle = 2 * np.pi * (np.arange(VERTICES) + 0.5) / VERTICES
    reach = 1 / np.cos(np.pi / VERTICES)  # edges, not corners, touch the bounding box
    return np.stack([cx + rx * np.cos(angle) * reach, cy + ry * np.sin(angle) * reach], axis=1)


def _box(cx: float, cy: float, rx: float, ry: float, turn: float = 0.0) -> np.ndarray:
    corners = np.array([[-rx, -ry], [rx, -ry], [rx, ry], [-rx, ry]])
    c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    return corners @ np.array([[c, s], [-s, c]]) + np.array([cx, cy])


def _chamfered(cx: float, cy: float, rx: float, ry: float, cut: float) -> np.ndarray:
    x, y = rx - cut * rx, ry - cut * ry
    points = [[-x, -ry], [x, -ry], [rx, -y], [rx, y], [x, ry], [-x, ry], [-rx, y], [-rx, -y]]
    return np.array(points) + np.array([cx, cy])


def _robe(top: float, bottom: float, half_top: float, half_bottom: float, cx: float = 0.0) -> np.ndarray:
    return np.array(
        [[cx - half_top, top], [cx + half_top, top], [cx + half_bottom, bottom], [cx - half_bottom, bottom]]
    )


def _sector(cx: float, cy: float, radius: float, start: float, stop: float, height: float = 1.0) -> np.ndarray:
    angle = np.deg2rad(np.linspace(start, stop, VERTICES - 1))
    arc = np.stack([cx + radius * np.cos(angle), cy - height * radius * np.sin(angle)], axis=1)
    return np.concatenate([[[cx, cy]], arc])


def _arch(cx: float, top: float, rx: float, bottom: float, rise: float) -> np.ndarray:
    angle = np.deg2rad(np.linspace(180, 0, VERTICES - 2))
    arc = np.stack([cx + rx * np.cos(angle), top + rise - rise * np.sin(angle)], axis=1)
    return np.concatenate([arc, [[cx + rx, bottom], [cx - rx, bottom]]])


def _poly(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=float)


class _Shape(NamedTuple):
    """Parts in painting order, as (colour role, polygon).

    Attributes:
        solids: Swept along depth, and front faces.
        decals: On the front face only.
        panel: (cx, cy, half width, half height) of the frame in which the ornament is drawn.
        hosts: The ornament covers the first `hosts` solids.
    """

    solids: tuple[tuple[int, np.ndarray], ...]
    decals: tuple[tuple[int, np.ndarray], ...]
    panel: tuple[float, float, float, float]
    hosts: int = 1


_SHAPES: dict[tuple[str, str], _Shape] = {
    ("figurine", "round"): _Shape(
        solids=(
            (MAIN, _ellipse(0, 0.32, 1.0, 0.68)),
            (DARK, _ellipse(-0.40, -0.84, 0.20, 0.16)),
            (DARK, _ellipse(0.40, -0.84, 0.20, 0.16)),
            (DARK, _ellipse(0, -0.56, 0.60, 0.42)),
        ),
        decals=(
            (CREAM, _ellipse(0, -0.48, 0.50, 0.33)),
            (DARK, _ellipse(-0.20, -0.50, 0.07, 0.065)),
            (DARK, _ellipse(0.20, -0.50, 0.07, 0.065)),
            (MAIN, _ellipse(0, -0.30, 0.11, 0.045)),
        ),
        panel=(0, 0.42, 0.86, 0.54),
    ),
    ("figurine", "square"): _Shape(
        solids=(
            (MAIN, _robe(-0.12, 1.0, 0.62, 0.80)),
            (MAIN, _box(-0.78, 0.22, 0.22, 0.22)),
            (MAIN, _box(0.78, 0.22, 0.22, 0.22)),
            (CREAM, _box(0, -0.36, 0.46, 0.30)),
            (DARK, _box(0, -0.80, 0.50, 0.20)),
            (DARK, _box(0, -0.70, 1.0, 0.075)),
        ),
        decals=(
            (DARK, _ellipse(-0.19, -0.40, 0.07, 0.07)),
            (DARK, _ellipse(0.19, -0.40, 0.07, 0.07)),
            (DARK, _robe(-0.22, 0.02, 0.26, 0.10)),
            (GOLD, _box(0, -0.84, 0.13, 0.08)),
        ),
        panel=(0, 0.46, 0.72, 0.54),
    ),
    ("figurine", "flared"): _Shape(
        solids=(
            (MAIN, _robe(-0.26, 1.0, 0.22, 1.0)),
            (SECOND, _poly((-1.0, -0.66), (-0.82, -0.76), (0.02, -0.10), (-0.12, 0.06))),
            (SECOND, _poly((1.0, -0.66), (0.82, -0.76), (-0.02, -0.10), (0.12, 0.06))),
            (DARK, _ellipse(0, -0.62, 0.38, 0.30)),
            (DARK, _ellipse(0, -0.90, 0.24, 0.12)),
        ),
        decals=(
            (CREAM, _ellipse(0, -0.57, 0.30, 0.22)),
            (DARK, _ellipse(-0.13, -0.58, 0.05, 0.05)),
            (DARK, _ellipse(0.13, -0.58, 0.05, 0.05)),
            (MAIN, _ellipse(0, -0.45, 0.07, 0.03)),
            (GOLD, _box(0, 0.02, 0.34, 0.045)),
        ),
        panel=(0, 0.52, 0.80, 0.48),
    ),
    ("earrings", "round"): _Shape(
        solids=(
            (MAIN, _ellipse(0, 0.30, 1.0, 0.70)),
            (GOLD, _ellipse(0, -0.70, 0.26, 0.30)),
        ),
        decals=((CREAM, _ellipse(0, -0.70, 0.13, 0.17)),),
        panel=(0, 0.30, 0.78, 0.55),
    ),
    ("earrings", "square"): _Shape(
        solids=(
            (MAIN, _chamfered(0, 0.10, 1.0, 0.56, 0.14)),
            (GOLD, _ellipse(0, -0.72, 0.26, 0.28)),
            (SECOND, _robe(0.62, 1.0, 0.10, 0.34)),
        ),
        decals=((CREAM, _ellipse(0, -0.72, 0.13, 0.15)), (GOLD, _box(0, 0.70, 0.20, 0.05))),
        panel=(0, 0.10, 0.82, 0.44),
    ),
    ("earrings", "flared"): _Shape(
        solids=(
            (MAIN, _poly((-0.20, -0.52), (0.20, -0.52), (0.72, 0.06), (1.0, 0.60), (-1.0, 0.60), (-0.72, 0.06))),
            (GOLD, _ellipse(0, -0.74, 0.26, 0.26)),
            (SECOND, _robe(0.56, 1.0, 0.10, 0.12, -0.72)),
            (SECOND, _robe(0.56, 1.0, 0.10, 0.12, -0.24)),
            (SECOND, _robe(0.56, 1.0, 0.10, 0.12, 0.24)),
            (SECOND, _robe(0.56, 1.0, 0.10, 0.12, 0.72)),
        ),
        decals=((CREAM, _ellipse(0, -0.74, 0.13, 0.14)), (GOLD, _box(0, 0.56, 0.92, 0.05))),
        panel=(0, 0.14, 0.72, 0.46),
    ),
    ("fan", "round"): _Shape(
        solids=(
            (MAIN, _ellipse(0, -0.30, 1.0, 0.70)),
            (WOOD, _box(0, 0.70, 0.10, 0.30)),
        ),
        decals=((WOOD, _robe(-0.02, 0.42, 0.03, 0.13)), (GOLD, _box(0, 0.92, 0.14, 0.05))),
        panel=(0, -0.32, 0.78, 0.54),
    ),
    ("fan", "square"): _Shape(
        solids=(
            (MAIN, _chamfered(0, -0.32, 1.0, 0.68, 0.22)),
            (WOOD, _box(0, 0.70, 0.10, 0.30)),
        ),
        decals=((WOOD, _robe(-0.02, 0.40, 0.03, 0.13)), (GOLD, _box(0, 0.92, 0.14, 0.05))),
        panel=(0, -0.34, 0.84, 0.56),
    ),
    ("fan", "flared"): _Shape(
        solids=((MAIN, _sector(0, 1.0, 1.0, 6, 174, 2.0)),),
        decals=(
            (CREAM, _sector(0, 1.0, 0.46, 6, 174, 2.0)),
            *(
                (
                    WOOD,
                    _poly(
                        (-0.03, 1.0),
                        (0.03, 1.0),
                        (0.46 * np.cos(a) + 0.03, 1 - 0.92 * np.sin(a)),
                        (0.46 * np.cos(a) - 0.03, 1 - 0.92 * np.sin(a)),
                    ),
                )
                for a in np.deg2rad([30, 60, 90, 120, 150])
            ),
            (WOOD, _ellipse(0, 0.93, 0.10, 0.08)),
        ),
        panel=(0, -0.02, 0.84, 0.86),
    ),
    ("book", "round"): _Shape(
        solids=((MAIN, _arch(0, -1.0, 1.0, 1.0, 0.62)),),
        decals=((SECOND, _box(-0.86, 0.30, 0.05, 0.70)), (CREAM, _ellipse(0.05, -0.62, 0.22, 0.20))),
        panel=(0.06, 0.26, 0.76, 0.64),
    ),
    ("book", "square"): _Shape(
        solids=((MAIN, _box(0, 0, 1, 1)),),
        decals=(
            (SECOND, _box(-0.74, 0, 0.035, 1.0)),
            *((SECOND, _box(-0.86, y, 0.13, 0.035)) for y in (-0.75, -0.25, 0.25, 0.75)),
            (CREAM, _box(0.66, -0.52, 0.18, 0.40)),
            (DARK, _box(0.66, -0.52, 0.05, 0.26)),
        ),
        panel=(0.06, 0.10, 0.76, 0.82),
    ),
    ("book", "flared"): _Shape(
        solids=(
            (MAIN, _poly((-1.0, -1.0), (0.0, -0.72), (0.0, 1.0), (-1.0, 0.72))),
            (MAIN, _poly((1.0, -1.0), (0.0, -0.72), (0.0, 1.0), (1.0, 0.72))),
        ),
        decals=(
            (CREAM, _poly((-1.0, 0.58), (0.0, 0.86), (0.0, 1.0), (-1.0, 0.72))),
            (CREAM, _poly((1.0, 0.58), (0.0, 0.86), (0.0, 1.0), (1.0, 0.72))),
            (DARK, _box(0, 0.14, 0.035, 0.86)),
        ),
        panel=(0.0, -0.02, 0.88, 0.80),
        hosts=2,
    ),
}
PAIRED = ("earrings", "fan")
"""Products that come in pairs: their depth is the distance of the second one."""


class Table(NamedTuple):
    """`_SHAPES` as arrays indexed by [product, silhouette]; edges run so that (dy, -dx) points outwards."""

    vertices: np.ndarray  # [4, 3, P, V, 2]
    roles: np.ndarray  # [4, 3, P]
    exists: np.ndarray  # [4, 3, P]
    panel: np.ndarray  # [4, 3, 4]
    hosts: np.ndarray  # [4, 3, HOSTS] 1 where the solid carries the ornament


@functools.cache
def table() -> Table:
    """Returns the shapes as arrays."""
    n_silhouettes = len(SPACE.elements[0].categories)
    shape = (len(PRODUCTS), n_silhouettes, SOLIDS + DECALS)
    arrays = Table(
        vertices=np.zeros((*shape, VERTICES, 2), np.float32),
        roles=np.zeros(shape, np.int32),
        exists=np.zeros(shape, np.float32),
        panel=np.zeros((*shape[:2], 4), np.float32),
        hosts=np.zeros((*shape[:2], HOSTS), np.float32),
    )
    for (product, silhouette), design in _SHAPES.items():
        i, j = PRODUCTS.index(product), SPACE.elements[0].categories.index(silhouette)
        corners = np.concatenate([polygon for _, polygon in design.solids])
        low, high = corners.min(0), corners.max(0)  # the front face fills [-1, 1]^2 exactly, so width is width
        centre, half = (low + high) / 2, (high - low) / 2
        parts = [*enumerate(design.solids), *enumerate(design.decals, start=SOLIDS)]
        for k, (role, polygon) in parts:
            polygon = (polygon - centre) / half
            following = np.roll(polygon, -1, axis=0)
            area = np.sum(polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0])
            polygon = polygon if area > 0 else polygon[::-1]
            padding = np.repeat(polygon[-1:], VERTICES - len(polygon), axis=0)
            arrays.vertices[i, j, k] = np.concatenate([polygon, padding])
            arrays.roles[i, j, k] = role
            arrays.exists[i, j, k] = 1.0
        arrays.panel[i, j] = [*((design.panel[:2] - centre) / half), *(design.panel[2:] / half)]
        arrays.hosts[i, j, : design.hosts] = 1.0
    return arrays
