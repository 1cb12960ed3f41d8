"""Sheets of images: designs by row, under a disturbance, beside their nearest real image.

PNG, composed pixel by pixel so that small images stay crisp.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import figure as mpl_figure
from numpy.typing import ArrayLike, NDArray

from ich_jax.report.style import (
    CELL_LABEL,
    COLUMN_LABEL,
    DENSITY,
    PAGE_WIDTH,
    PANEL_TITLE,
    ROW_DETAIL,
    ROW_LABEL,
    Picture,
    finish,
    rc_params,
)
from ich_jax.report.text import signed
from ich_jax.types import Brief, DesignSpace

_HAIRLINE = 226


def sheet(
    panels: Mapping[str, ArrayLike],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    cell_labels: Sequence[Sequence[str]] = (),
    rows_per_group: int = 0,
    width: int = PAGE_WIDTH,
    cell: int = 96,
) -> Picture:
    """Draws sheets of images, several of them side by side.

    Args:
        panels: Title of each panel and its images, `[R, C, H, W, channels]` uint8 with 1 or 3 channels; R and the
            image size are the same in all. An empty title leaves no room for one.
        row_labels: R labels; the first line is the name, further lines its details.
        column_labels: A label for every column, across all panels.
        cell_labels: `[R][C]` small texts under the images, across all panels.
        rows_per_group: Number of rows after which a wider gap follows; 0: never.
        width: Width that the sheet should not exceed, in CSS pixels.
        cell: Largest side of an image, in CSS pixels. Images are enlarged by whole factors, and never to less than
            three device pixels per pixel while they are 32 px or smaller.

    Raises:
        ValueError: The panels differ in rows or image size, or there are none.
    """
    # Over 60 lines: the sizes depend on each other, and every position depends on all of them.
    images = {title: _images(title, array) for title, array in panels.items()}
    if not images or len({(a.shape[0], *a.shape[2:4]) for a in images.values()}) != 1:
        shapes = {title: a.shape for title, a in images.items()}
        raise ValueError(f"sheet: panels need the same number of rows and the same image size, got {shapes}.")
    rows, _, size_y, size_x = next(iter(images.values())).shape[:4]
    columns = sum(a.shape[1] for a in images.values())
    wrapped = [_wrap(label) for label in row_labels]
    widths = [_text_width(text, i) for lines in wrapped for i, text in enumerate(lines)]
    label_width = 14 + round(max(widths)) if widths else 0
    gap, panel_gap, group_gap = 4, 28, 14

    room = (width - label_width - panel_gap * (len(images) - 1)) / columns - gap
    scale = round(min(cell, max(room, 24)) * DENSITY / max(size_y, size_x))
    scale = max(scale, 3 if max(size_y, size_x) <= 32 else 1)
    cell_y, cell_x = size_y * scale / DENSITY, size_x * scale / DENSITY

    line = 13
    top = (26 if any(images) else 0) + (18 if any(column_labels) else 0)
    below = line if any(any(row) for row in cell_labels) else 0
    row_height = max([cell_y + below, *(15 + line * (len(lines) - 1) for lines in wrapped)]) + gap
    canvas_width = label_width + columns * (cell_x + gap) - gap + panel_gap * (len(images) - 1) + 1
    starts = [top + r * row_height + group_gap * (r // rows_per_group if rows_per_group else 0) for r in range(rows)]
    canvas_height = starts[-1] + row_height - gap + 1
    canvas = np.full((math.ceil(canvas_height * DENSITY), math.ceil(canvas_width * DENSITY), 3), 255, np.uint8)
    # The figure is made exactly as large as the array of pixels, so that no image is resampled on the way to the file.
    canvas_height, canvas_width = canvas.shape[0] / DENSITY, canvas.shape[1] / DENSITY

    texts: list[tuple[float, float, str, dict[str, Any]]] = []
    x, column = float(label_width), 0
    for title, array in images.items():
        if title:
            texts.append((x, 14, title, PANEL_TITLE))
        for c in range(array.shape[1]):
            if any(column_labels):
                texts.append((x + cell_x / 2, top - 6, column_labels[column], COLUMN_LABEL))
            for r in range(rows):
                y = starts[r]
                _paste(canvas, np.kron(array[r, c], np.ones((scale, scale, 1), np.uint8)), y, x)
                if below:
                    texts.append((x + cell_x / 2, y + cell_y + 10, cell_labels[r][column], CELL_LABEL))
            x += cell_x + gap
            column += 1
        x += panel_gap - gap
    for r, lines in enumerate(wrapped):
        for i, text in enumerate(lines):
            baseline = starts[r] + 11 + i * line + (2 if i else 0)
            texts.append((0, baseline, text, ROW_DETAIL if i else ROW_LABEL))

    with matplotlib.rc_context(rc_params()):
        fig = mpl_figure.Figure(figsize=(canvas_width / 72, canvas_height / 72), dpi=72 * DENSITY)
        fig.figimage(canvas, 0, 0, origin="upper")
        for left, baseline, text, style in texts:
            fig.text(left / canvas_width, 1 - baseline / canvas_height, text, **style)
        return finish(fig, "png")


def sweeps(
    images: ArrayLike,
    values: ArrayLike,
    *,
    products: Sequence[str],
    axes: Sequence[str],
    readings: ArrayLike | None = None,
    width: int = PAGE_WIDTH,
) -> Picture:
    """Draws axis sweeps: one row per product and axis, one column per requested value.

    Args:
        images: `[P, A, S, H, W, channels]` uint8; noise and everything else of a brief is the same along S.
        values: `[S]` requested values of the swept axis.
        products: P names.
        axes: A names.
        readings: `[P, A, S]`, the inspector's reading of the swept axis, written under each image.
        width: Width that the sheet should not exceed, in CSS pixels.
    """
    array = np.asarray(images)
    p, a, s = array.shape[:3]
    rows = array.reshape(p * a, s, *array.shape[3:])
    cells: list[list[str]] = []
    if readings is not None:
        cells = [[f"read {signed(v)}" for v in row] for row in np.asarray(readings, float).reshape(p * a, s)]
    return sheet(
        {"": rows},
        row_labels=[f"{product}\n{axis}" for product in products for axis in axes],
        column_labels=[signed(v) for v in np.asarray(values, float)],
        cell_labels=cells,
        rows_per_group=a,
        width=width,
        cell=80,
    )


def pairs(
    generated: ArrayLike,
    nearest: ArrayLike,
    distances: ArrayLike,
    *,
    distance_name: str = "distance",
    nearest_name: str = "nearest training",
) -> Picture:
    """Draws generated images above their nearest training images, with the distance between them.

    Args:
        generated: `[N, H, W, channels]` uint8.
        nearest: `[N, H, W, channels]` uint8, the training image nearest to each.
        distances: `[N]` in the unit that the caption names.
        distance_name: Word before each distance.
        nearest_name: Label of the second row.
    """
    stack = np.stack([np.asarray(generated), np.asarray(nearest)])
    below = [f"{v:.3g}" for v in np.asarray(distances, float)]
    return sheet(
        {"": stack},
        row_labels=["generated", f"{nearest_name}\n{distance_name} below"],
        cell_labels=[[""] * len(below), below],
    )


def describe(brief: Brief, space: DesignSpace) -> tuple[str, ...]:
    """Returns a label for each of B briefs: the product, then the elements and axes that are stated."""
    product, elements, axes, given = (np.asarray(part) for part in brief[:4])
    labels = []
    for b in range(len(product)):
        stated = given[b] > 0
        name = space.products[int(product[b])] if stated[0] else "any product"
        at_elements, at_axes = stated[1 : 1 + len(space.elements)], stated[space.axes_given]
        words = [
            e.categories[int(elements[b, i])].replace("_", " ") for i, e in enumerate(space.elements) if at_elements[i]
        ]
        numbers = [f"{axis} {signed(axes[b, i])}" for i, axis in enumerate(space.axes) if at_axes[i]]
        labels.append("\n".join(filter(None, [name, ", ".join(words), "  ".join(numbers)])))
    return tuple(labels)


def _images(title: str, array: ArrayLike) -> NDArray[np.uint8]:
    images = np.asarray(array)
    if images.ndim != 5 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"sheet: panel {title!r} must be uint8 [rows, columns, H, W, 1 or 3], got {images.dtype} {images.shape}."
        )
    return np.broadcast_to(images, (*images.shape[:4], 3))


def _paste(canvas: NDArray[np.uint8], image: NDArray[np.uint8], top: float, left: float) -> None:
    """Puts an image on the canvas, framed by a hairline that shows how far a white backdrop reaches."""
    y, x = round(top * DENSITY), round(left * DENSITY)
    height, width = image.shape[:2]
    canvas[max(y - 1, 0) : y + height + 1, max(x - 1, 0) : x + width + 1] = _HAIRLINE
    canvas[y : y + height, x : x + width] = image


def _wrap(label: str) -> list[str]:
    """Breaks a label into a bold first line and short further ones."""
    head, *rest = label.split("\n")
    lines = [textwrap.shorten(head, 22, placeholder="\u2026") or " "]
    for text in rest:
        lines += textwrap.wrap(text, 28, break_on_hyphens=False)
    return lines


def _text_width(text: str, line: int) -> float:
    """Width of a line of a row label in CSS pixels; the first line is larger and bold."""
    return len(text) * (7.6 if line == 0 else 6.0)
