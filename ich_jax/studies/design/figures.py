"""Pictures of a design run: sheets of the delivered designs, and the candidates on two axes."""

from collections.abc import Callable, Sequence

import matplotlib
import numpy as np

from ich_jax.evaluation.drawing import Images
from ich_jax.report import contact, sheets
from ich_jax.report.style import COLOURS, INK, MUTED, PAGE_WIDTH, Picture, finish, make_opaque, new_figure, rc_params
from ich_jax.report.text import signed
from ich_jax.studies.design.result import BriefResult, Cloud, Delivered
from ich_jax.types import AXIS_LIMIT

_PER_ROW = 6
_PALE = "#b8bfca"


def label(design: Delivered, *, chosen: bool) -> str:
    """Returns the label below a design: its rank and noise, or its description."""
    return f"{design.rank} \u00b7 noise {design.seed}/{design.noise}" if chosen else design.reason


def heading(result: BriefResult) -> str:
    """Returns the brief on three lines: the product, its elements, its axes."""
    if not result.chosen and result.columns:  # a path or sweep, whose designs have different briefs
        return result.title.replace(": ", "\n", 1)
    stated = dict(result.stated)
    product = str(stated.pop("product", "any product"))
    words = [value.replace("_", " ") for value in stated.values() if isinstance(value, str)]
    numbers = [f"{name} {signed(value)}" for name, value in stated.items() if not isinstance(value, str)]
    return "\n".join(filter(None, [product, ", ".join(words), "  ".join(numbers)]))


def brief_sheet(result: BriefResult, images: Images) -> Picture | None:
    """Draws the designs of one brief, `[K, H, W, C]` uint8; None without designs."""
    if not len(images):
        return None
    columns = result.columns or min(_PER_ROW, len(images))
    labels = [label(design, chosen=result.chosen) for design in result.delivered]
    rows = -(-len(images) // columns)
    labels += [""] * (rows * columns - len(labels))
    cells = [labels[r * columns : (r + 1) * columns] for r in range(rows)]
    return sheets.sheet({"": _grid(images, columns)}, cell_labels=cells, cell=150)


def all_briefs(results: Sequence[BriefResult], images: Sequence[Images]) -> Picture | None:
    """Draws the designs of several briefs, one or more rows for each; None without designs."""
    shown = [(result, designs) for result, designs in zip(results, images, strict=True) if len(designs)]
    if not shown:
        return None
    columns = max(result.columns or min(_PER_ROW, len(designs)) for result, designs in shown)
    grids, labels = [], []
    for result, designs in shown:
        grid = _grid(designs, columns)
        grids.append(grid)
        labels += [heading(result), *[" "] * (len(grid) - 1)]
    same = len({len(grid) for grid in grids}) == 1
    return sheets.sheet(
        {"": np.concatenate(grids)}, row_labels=labels, rows_per_group=len(grids[0]) if same else 0, cell=112
    )


def print_sheet(
    results: Sequence[BriefResult],
    images: Sequence[Images],
    *,
    title: str,
    enlarge: Callable[[Images], Images],
    side: int,
    dpi: int,
) -> bytes:
    """Returns the contact sheet as a PDF file.

    Args:
        results: The briefs.
        images: Of each, its designs `[K, H, W, C]` uint8.
        title: Title of the document.
        enlarge: Enlarges a design for print.
        side: Side of the enlarged copy in pixels.
        dpi: Pixels per inch.
    """
    groups = [
        contact.Group(result.title, list(designs), [label(design, chosen=result.chosen) for design in result.delivered])
        for result, designs in zip(results, images, strict=True)
        if len(designs)
    ]
    return contact.contact_sheet(
        groups, title=title, foot=size_on_paper(side, dpi), prepare=enlarge, side=side, dpi=dpi
    )


def size_on_paper(side: int, dpi: int) -> str:
    """Returns the size of a picture on paper in words."""
    return f"{contact.millimetres(side, dpi):.1f} mm a picture: {side} px at {dpi} dpi"


def candidates(cloud: Cloud) -> Picture:
    """Draws the candidates on two axes and numbers the delivered ones by rank."""
    points = np.asarray(cloud.points, float).reshape(-1, 2)
    meets, delivered = np.asarray(cloud.meets, bool), list(cloud.taken)
    with matplotlib.rc_context(rc_params()):
        fig, (ax,) = new_figure(PAGE_WIDTH * 0.6, 380, 1, 1)
        for rows, colour, name in ((~meets, _PALE, "misses the brief"), (meets, COLOURS[4], "meets the brief")):
            if rows.any():
                ax.plot(*points[rows].T, "o", ms=4, mew=0, color=colour, alpha=0.8, label=name)
        ax.plot(*points[delivered].T, "o", ms=7, mew=1.2, mfc="none", color=COLOURS[1], label="delivered")
        for rank, i in enumerate(delivered):
            ax.annotate(str(rank + 1), points[i], (4, 4), textcoords="offset points", fontsize=8.5, color=INK)
        for value, line in zip(cloud.asked, (ax.axvline, ax.axhline), strict=True):
            if value is not None:
                line(value, color=MUTED, lw=0.8, ls="--", zorder=0)
        ax.set(xlabel=f"{cloud.names[0]}, as read", ylabel=f"{cloud.names[1]}, as read")
        if max(np.abs(points).max(initial=0.0), 0.0) <= AXIS_LIMIT + 1 and cloud.names[0] != "first component":
            ends = (-AXIS_LIMIT - 0.5, AXIS_LIMIT + 0.5)
            ax.set(xlim=ends, ylim=ends)
        make_opaque(fig.legend(loc="outside lower center", ncols=3))
        return finish(fig, "svg")


def _grid(images: Images, columns: int) -> Images:
    """Returns images in rows, `[R, columns, H, W, C]`, the last row filled with white."""
    missing = -len(images) % columns
    filled = np.concatenate([images, np.full((missing, *images.shape[1:]), 255, np.uint8)])
    return filled.reshape(-1, columns, *images.shape[1:])
