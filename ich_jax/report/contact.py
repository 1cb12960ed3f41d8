"""A contact sheet for print: pages of A4 with images at a stated size in millimetres and labels as vector text."""

import dataclasses
import io
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib import figure as mpl_figure
from matplotlib.backends import backend_pdf
from numpy.typing import NDArray

from ich_jax.report import fonts
from ich_jax.report.style import FAINT, INK, MUTED, rc_params

PAGE_MM = (210.0, 297.0)  # ISO 216 A4, upright
MARGIN_MM = 14.0
WIDEST_MM = PAGE_MM[0] - 2 * MARGIN_MM
"""Largest side of an image that fits on a page."""

_GAP_MM, _LABEL_MM, _HEAD_MM, _FOOT_MM = 3.0, 5.0, 11.0, 8.0
_MM_PER_INCH = 25.4
_POINTS_PER_MM = 72.0 / _MM_PER_INCH


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Images under one heading.

    Attributes:
        title: The heading.
        images: N arrays `[H, W, C]` uint8, square.
        labels: A short text below each.
    """

    title: str
    images: Sequence[NDArray[np.uint8]]
    labels: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    page: int
    x: float
    y: float  # of the top edge, from the top of the page
    group: int
    image: int  # -1: the heading


def contact_sheet(
    groups: Sequence[Group],
    *,
    title: str,
    foot: str,
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    side: int,
    dpi: int,
) -> bytes:
    """Returns a PDF file.

    Args:
        groups: The images.
        title: At the foot of every page and in the file's properties.
        foot: Further text at the foot, such as the size of the images.
        prepare: Enlarges an image to its printed size; called page by page, as thousands of large images would fill
            memory.
        side: Pixels of a side of an enlarged image; over `dpi` its size on paper.
        dpi: Pixels per inch.

    Raises:
        ValueError: An image is wider than `WIDEST_MM`.
    """
    places = _places(groups, millimetres(side, dpi))
    n_pages = max((place.page for place in places), default=0) + 1
    buffer = io.BytesIO()
    # A date would make files of equal content differ.
    with (
        matplotlib.rc_context(rc_params() | {"pdf.fonttype": 42, "pdf.compression": 6}),
        backend_pdf.PdfPages(buffer, metadata={"Title": title, "Creator": "ich_jax", "CreationDate": None}) as pdf,
    ):
        for page in range(n_pages):
            fig = mpl_figure.Figure(figsize=(PAGE_MM[0] / _MM_PER_INCH, PAGE_MM[1] / _MM_PER_INCH), dpi=dpi)
            for place in places:
                if place.page == page:
                    _put(fig, groups[place.group], place, millimetres(side, dpi), prepare)
            _text(fig, MARGIN_MM, PAGE_MM[1] - 9.0, f"{title}  \u00b7  {foot}", fontsize=7, color=MUTED)
            number = f"{page + 1} / {n_pages}"
            _text(fig, PAGE_MM[0] - MARGIN_MM, PAGE_MM[1] - 9.0, number, fontsize=7, color=MUTED, ha="right")
            fonts.complete(fig)
            pdf.savefig(fig)
    return buffer.getvalue()


def millimetres(pixels: int, dpi: int) -> float:
    """Returns the length on paper of a number of pixels."""
    return pixels / dpi * _MM_PER_INCH


def _places(groups: Sequence[Group], side: float) -> list[_Place]:
    """Lays groups out from the top; a heading stays with its first row."""
    bottom = PAGE_MM[1] - MARGIN_MM - _FOOT_MM
    places, page, y = [], 0, MARGIN_MM
    for g, group in enumerate(groups):
        if side > WIDEST_MM + 1e-6:
            raise ValueError(
                f"An image of {side:.0f} mm does not fit on a page, which has room for {WIDEST_MM:.0f} mm."
            )
        per_row = max(1, int((WIDEST_MM + _GAP_MM + 1e-6) // (side + _GAP_MM)))
        row_mm = side + _LABEL_MM + _GAP_MM
        if y > MARGIN_MM and y + _HEAD_MM + row_mm > bottom:
            page, y = page + 1, MARGIN_MM
        places.append(_Place(page, MARGIN_MM, y, g, -1))
        y += _HEAD_MM
        for i in range(len(group.images)):
            if i and i % per_row == 0:
                y += row_mm
                if y + row_mm > bottom:
                    page, y = page + 1, MARGIN_MM
            places.append(_Place(page, MARGIN_MM + (i % per_row) * (side + _GAP_MM), y, g, i))
        y += row_mm if group.images else _LABEL_MM
    return places


def _put(
    fig: mpl_figure.Figure,
    group: Group,
    place: _Place,
    side: float,
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> None:
    if place.image < 0:
        _text(fig, place.x, place.y + 4.5, group.title, fontsize=9, color=INK, fontweight="bold")
        return
    image = prepare(group.images[place.image])
    left, low = place.x / PAGE_MM[0], 1.0 - (place.y + side) / PAGE_MM[1]
    ax = fig.add_axes((left, low, side / PAGE_MM[0], side / PAGE_MM[1]))
    # `none` writes the pixels as they are; anything else would resample them.
    ax.imshow(np.broadcast_to(image, (*image.shape[:2], 3)), interpolation="none", aspect="auto")
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=FAINT, linewidth=0.4)
    room = int(side * _POINTS_PER_MM / 3.2)  # letters of 6 points in the width of the image
    label = group.labels[place.image]
    short = label if len(label) <= room else label[: max(room - 1, 1)] + "\u2026"
    _text(fig, place.x, place.y + side + 3.2, short, fontsize=6, color=MUTED)


def _text(fig: mpl_figure.Figure, x: float, y: float, text: str, **style: object) -> None:
    """Writes text; x and y in millimetres from the upper left corner, y of the baseline."""
    fig.text(x / PAGE_MM[0], 1.0 - y / PAGE_MM[1], text, **style)
