"""Figures of the report pages: pure functions from arrays to PNG or SVG bytes.

Sheets of images are PNG, composed pixel by pixel so that small images stay crisp; charts are SVG. Everything is drawn
through matplotlib's object-oriented interface under a style of our own, so that nothing here reads or leaves global
state, and equal input gives equal bytes. Lengths are CSS pixels: one point of matplotlib is one pixel of the page.
"""

import dataclasses
import io
import math
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import colors, dates, layout_engine, ticker
from matplotlib import figure as mpl_figure
from numpy.typing import ArrayLike, NDArray

from ich_jax.report import fonts
from ich_jax.types import AXIS_LIMIT, Brief, DesignSpace

PAGE_WIDTH = 1080
"""Widest figure, in CSS pixels; the text column of the page is as wide."""

# Okabe and Ito's colours in the order in which neighbours differ most, also for colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B6B6B")
STAMP = "#9a5b00"
INK, MUTED, FAINT, BAND = "#1f2430", "#667085", "#d9dde3", "#e7f1ec"

_PANEL_TITLE: dict[str, Any] = {"fontsize": 12, "fontweight": "bold"}
_ROW_LABEL: dict[str, Any] = {"fontsize": 11, "fontweight": "bold"}
_ROW_DETAIL: dict[str, Any] = {"fontsize": 10, "color": MUTED}
_COLUMN_LABEL: dict[str, Any] = {"fontsize": 9.5, "color": MUTED, "ha": "center"}
_CELL_LABEL: dict[str, Any] = {"fontsize": 8.5, "color": MUTED, "ha": "center"}
_HAIRLINE = 226
_FEW = 5  # points that are drawn large
_DENSITY = 2  # device pixels per CSS pixel in PNG files, for screens of high density


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A finished figure.

    Attributes:
        data: The file's bytes.
        format: `png` or `svg`.
        width: Width at which it is meant to be shown, in CSS pixels.
        height: Height at which it is meant to be shown, in CSS pixels.
    """

    data: bytes
    format: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """A line of a curve panel.

    Attributes:
        name: Its entry in the legend.
        x: `[N]`, for example steps.
        y: `[N]`; entries that are not finite are left out.
    """

    name: str
    x: ArrayLike
    y: ArrayLike


@dataclasses.dataclass(frozen=True, slots=True)
class CurvePanel:
    """One small chart among the training curves.

    Attributes:
        title: What is shown.
        curves: Its lines.
        log: Whether the vertical axis is logarithmic; ignored where a value is not positive.
        guides: Horizontal reference lines as (height, label).
    """

    title: str
    curves: tuple[Curve, ...]
    log: bool = False
    guides: tuple[tuple[float, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Dot:
    """A point with its interval in a dot chart.

    Attributes:
        label: Its row.
        value: The point.
        low: Lower end; None where there is no interval.
        high: Upper end; None where there is no interval.
        series: Points of one series share a colour.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    series: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A line of a series panel.

    Attributes:
        name: Its entry in the legend; empty: none.
        x: `[N]` numbers or dates (datetime64).
        y: `[N]`; NaN leaves a gap.
        low: `[N]` lower end of a band; None: no band.
        high: `[N]` upper end.
        colour: Index into `COLOURS`.
        pale: Thin and light, as raw values or one of many placebos.
        dashed: Whether it is dashed.
        window: Drawn as the centred mean over so many values; 0: as they are.
        points: Drawn as points that are not joined, large where there are few.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    colour: int = 0
    pale: bool = False
    dashed: bool = False
    window: int = 0
    points: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesPanel:
    """One chart of series over time.

    Attributes:
        title: What is shown.
        lines: Its lines, the first ones at the back.
        marks: Vertical lines as (x, label), for example a launch.
        guides: Horizontal lines as (height, label).
        x_label: Name of the horizontal axis; dates need none.
        y_label: Name of the vertical axis.
        x_ticks: Places and names of ticks on the horizontal axis; empty: chosen by the data.
        log: Whether the vertical axis is logarithmic; ignored where a value is not positive.
        spans: Shaded ranges of x as (first, last, label), for example a time when something acted.
    """

    title: str
    lines: tuple[Line, ...]
    marks: tuple[tuple[Any, str], ...] = ()
    guides: tuple[tuple[float, str], ...] = ()
    x_label: str = ""
    y_label: str = ""
    x_ticks: tuple[tuple[float, str], ...] = ()
    log: bool = False
    spans: tuple[tuple[Any, Any, str], ...] = ()


# ---------------------------------------------------------------- sheets of images


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
        column_labels: A label for every column, over all panels.
        cell_labels: `[R][C]` small texts under the images, over all panels.
        rows_per_group: Leave a wider gap after every so many rows; 0: never.
        width: Width that the sheet should not exceed, in CSS pixels.
        cell: Largest side of an image, in CSS pixels. Images are enlarged by whole factors, and never to less than
            three device pixels per pixel while they are 32 px or smaller.

    Raises:
        ValueError: The panels differ in rows or image size, or there are none.
    """
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
    scale = round(min(cell, max(room, 24)) * _DENSITY / max(size_y, size_x))
    scale = max(scale, 3 if max(size_y, size_x) <= 32 else 1)
    cell_y, cell_x = size_y * scale / _DENSITY, size_x * scale / _DENSITY

    line = 13
    top = (26 if any(images) else 0) + (18 if any(column_labels) else 0)
    below = line if any(any(row) for row in cell_labels) else 0
    row_height = max([cell_y + below, *(15 + line * (len(lines) - 1) for lines in wrapped)]) + gap
    canvas_width = label_width + columns * (cell_x + gap) - gap + panel_gap * (len(images) - 1) + 1
    starts = [top + r * row_height + group_gap * (r // rows_per_group if rows_per_group else 0) for r in range(rows)]
    canvas_height = starts[-1] + row_height - gap + 1
    canvas = np.full((math.ceil(canvas_height * _DENSITY), math.ceil(canvas_width * _DENSITY), 3), 255, np.uint8)
    # The figure is made exactly as large as the array of pixels, so that no image is resampled on the way to the file.
    canvas_height, canvas_width = canvas.shape[0] / _DENSITY, canvas.shape[1] / _DENSITY

    texts: list[tuple[float, float, str, dict[str, Any]]] = []
    x, column = float(label_width), 0
    for title, array in images.items():
        if title:
            texts.append((x, 14, title, _PANEL_TITLE))
        for c in range(array.shape[1]):
            if any(column_labels):
                texts.append((x + cell_x / 2, top - 6, column_labels[column], _COLUMN_LABEL))
            for r in range(rows):
                y = starts[r]
                _paste(canvas, np.kron(array[r, c], np.ones((scale, scale, 1), np.uint8)), y, x)
                if below:
                    texts.append((x + cell_x / 2, y + cell_y + 10, cell_labels[r][column], _CELL_LABEL))
            x += cell_x + gap
            column += 1
        x += panel_gap - gap
    for r, lines in enumerate(wrapped):
        for i, text in enumerate(lines):
            baseline = starts[r] + 11 + i * line + (2 if i else 0)
            texts.append((0, baseline, text, _ROW_DETAIL if i else _ROW_LABEL))

    with matplotlib.rc_context(_style()):
        fig = mpl_figure.Figure(figsize=(canvas_width / 72, canvas_height / 72), dpi=72 * _DENSITY)
        fig.figimage(canvas, 0, 0, origin="upper")
        for left, baseline, text, style in texts:
            fig.text(left / canvas_width, 1 - baseline / canvas_height, text, **style)
        return _finish(fig, "png")


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
        readings: `[P, A, S]`, what the inspector reads on the swept axis, written under each image.
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
    product, elements, axes, given = (np.asarray(part) for part in brief)
    labels = []
    for b in range(len(product)):
        stated = given[b] > 0
        name = space.products[int(product[b])] if stated[0] else "any product"
        at_elements, at_axes = stated[1 : 1 + len(space.elements)], stated[1 + len(space.elements) :]
        words = [
            e.categories[int(elements[b, i])].replace("_", " ") for i, e in enumerate(space.elements) if at_elements[i]
        ]
        numbers = [f"{axis} {signed(axes[b, i])}" for i, axis in enumerate(space.axes) if at_axes[i]]
        labels.append("\n".join(filter(None, [name, ", ".join(words), "  ".join(numbers)])))
    return tuple(labels)


def signed(value: float) -> str:
    """Returns a number with its sign (a true minus) and one decimal."""
    text = f"{abs(float(value)):.1f}"
    return "0.0" if text == "0.0" else ("\u2212" if value < 0 else "+") + text


# ---------------------------------------------------------------- charts


def curves(panels: Sequence[CurvePanel], *, x_label: str = "step", columns: int = 2) -> Picture:
    """Draws small charts of training curves: the raw values pale, their moving mean over them.

    Args:
        panels: The charts, in reading order.
        x_label: Name of the horizontal axis.
        columns: Charts per row.
    """
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(_style()):
        fig, grid = _figure(PAGE_WIDTH * min(columns, len(panels)) / columns, 216 * rows + 20, rows, columns)
        for ax, panel in zip(grid, panels, strict=False):
            _curve_panel(ax, panel)
        for i, ax in enumerate(grid):
            if i >= len(panels):
                ax.remove()
            elif i + columns >= len(panels):
                ax.set_xlabel(x_label)
        return _finish(fig, "svg")


def series(panels: Sequence[SeriesPanel], *, columns: int = 2, height: int = 250, stamp: str = "") -> Picture:
    """Draws series with their bands, several charts in one figure and one legend for all.

    Args:
        panels: The charts, in reading order.
        columns: Charts per row.
        height: Height of a chart, in CSS pixels.
        stamp: Written at the top of the figure, for example that its data are simulated.
    """
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(_style()):
        width = PAGE_WIDTH * min(columns, len(panels)) / columns
        fig, grid = _figure(width, height * rows + 40 + 16 * bool(stamp), rows, columns)
        named: dict[str, Any] = {}
        for ax, panel in zip(grid, panels, strict=False):
            _series_panel(ax, panel)
            handles, names = ax.get_legend_handles_labels()
            named |= {name: handle for handle, name in zip(handles, names, strict=True) if name not in named}
        for ax in grid[len(panels) :]:
            ax.remove()
        if named:
            fig.legend(named.values(), named.keys(), loc="outside lower center", ncols=min(len(named), 4))
        return _finish(fig, "svg", stamp)


def error_strips(
    errors: Mapping[str, ArrayLike], axes: Sequence[str], *, band: float = 0.5, limit: float | None = None
) -> Picture:
    """Draws every signed error per axis as a strip whose width follows the density, with the median and P5 to P95.

    Args:
        errors: Name of each series and its errors `[N, A]` (read minus requested), on the scale of the axes; NaN where
            an axis was not requested.
        axes: A names.
        band: Half-width of the shaded band of tolerated errors.
        limit: Half-range of the vertical axis; by default all errors are inside. Errors beyond are drawn at the edge.

    References:
        Figure 4 of the paper shows errors per axis and a bound of 0.5.
    """
    series = {name: np.asarray(values, float) for name, values in errors.items()}
    largest = max((np.max(np.abs(v), initial=0.0, where=np.isfinite(v)) for v in series.values()), default=0.0)
    limit = limit if limit is not None else max(2 * band, 1.08 * largest)
    with matplotlib.rc_context(_style()):
        fig, (ax,) = _figure(PAGE_WIDTH, 330, 1, 1)
        ax.axhspan(-band, band, color=BAND, zorder=0, lw=0)
        ax.axhline(0, color=MUTED, lw=0.8, zorder=1)
        slot = 0.8 / max(len(series), 1)
        for s, (name, values) in enumerate(series.items()):
            colour = COLOURS[s % len(COLOURS)]
            for a in range(len(axes)):
                centre = a - 0.4 + slot * (s + 0.5)
                _strip(ax, centre, 0.42 * slot, np.clip(values[:, a], -limit, limit), colour, name if a == 0 else None)
                beyond, n = np.sum(np.abs(values[:, a]) > band), np.sum(np.isfinite(values[:, a]))
                _note(ax, f"{beyond:,} of {n:,} beyond", (centre, 1), (0, 4), "x", ha="center")
        ax.set_xlim(-0.5, len(axes) - 0.5)
        ax.set_ylim(-limit, limit)
        ax.set_xticks(range(len(axes)), list(axes), fontsize=12, fontweight="bold", color=INK)
        ax.tick_params(axis="x", length=0)
        ax.set_ylabel("error (read \u2212 requested)")
        _note(ax, f"within \u00b1{band:g}", (0, -band), (4, 4), "y", color="#4d7a64")
        if len(series) > 1:
            legend = ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(series), markerscale=3)
            _opaque(legend)
        return _finish(fig, "svg")


def requested_read(
    requested: ArrayLike,
    read: ArrayLike,
    axes: Sequence[str],
    *,
    groups: ArrayLike | None = None,
    group_names: Sequence[str] = (),
    band: float = 0.5,
) -> Picture:
    """Draws what the inspector reads against what the brief asked for, one chart per axis.

    Args:
        requested: `[N, A]`; NaN where an axis was not requested.
        read: `[N, A]`.
        axes: A names.
        groups: `[N]` index into `group_names`, for example the product; up to six groups are told apart by colour.
        group_names: Names of the groups.
        band: Half-width of the shaded band around the identity.
    """
    requested, read = np.asarray(requested, float), np.asarray(read, float)
    groups = np.zeros(len(requested), int) if groups is None or len(group_names) > 6 else np.asarray(groups)
    names = list(group_names) if 1 < len(group_names) <= 6 else [""]
    columns = min(len(axes), 3)
    rows = -(-len(axes) // columns)
    ends = np.array([-AXIS_LIMIT - 0.4, AXIS_LIMIT + 0.4])
    side = PAGE_WIDTH / 3
    with matplotlib.rc_context(_style()):
        fig, grid = _figure(side * columns, (side + 14) * rows + 34 * (len(names) > 1), rows, columns)
        for a, ax in enumerate(grid[: len(axes)]):
            ax.fill_between(ends, ends - band, ends + band, color=BAND, lw=0, zorder=0)
            ax.plot(ends, ends, color=MUTED, lw=0.8, zorder=1)
            for g, name in enumerate(names):
                of = groups == g
                x, y = requested[of, a], np.clip(read[of, a], ends[0], ends[1])
                ax.plot(x, y, "o", ms=3, mew=0, alpha=0.55, color=COLOURS[g], label=name, rasterized=True)
            ax.set(xlim=ends, ylim=ends, aspect="equal", xlabel="requested")
            ax.set_title(axes[a], fontsize=12, fontweight="bold")
            ax.xaxis.set_major_locator(ticker.MultipleLocator(1))
            ax.yaxis.set_major_locator(ticker.MultipleLocator(1))
            if a % columns == 0:
                ax.set_ylabel("read by the inspector")
        for ax in grid[len(axes) :]:
            ax.remove()
        if len(names) > 1:
            handles = grid[0].get_legend_handles_labels()
            _opaque(fig.legend(*handles, loc="outside lower center", ncols=len(names), markerscale=2))
        return _finish(fig, "svg")


def confusion(
    counts: ArrayLike, names: Sequence[str], *, row_name: str = "requested", column_name: str = "read"
) -> Picture:
    """Draws a confusion matrix: counts, coloured by their share of the row.

    Args:
        counts: `[K, K]`, rows requested, columns read.
        names: K names.
        row_name: What a row is.
        column_name: What a column is.
    """
    counts = np.asarray(counts, float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    k = len(names)
    side = float(np.clip(k * 58, 190, 620))
    letters = 6.4 * max(map(len, names))
    upright = k <= 5 and letters < side / k
    with matplotlib.rc_context(_style()):
        fig, (ax,) = _figure(side + letters + 46, side + 46 + (20 if upright else letters), 1, 1)
        ax.imshow(share, cmap=_blues(), vmin=0, vmax=1)
        ax.grid(False)
        ax.set_xticks(range(k), list(names), rotation=0 if upright else 90)
        ax.set_yticks(range(k), list(names))
        ax.tick_params(length=0)
        ax.set(xlabel=column_name, ylabel=row_name)
        ax.spines[:].set_visible(False)
        if k <= 16:
            for i, j in np.ndindex(k, k):
                if counts[i, j]:
                    colour = "white" if share[i, j] > 0.55 else INK
                    size = 11 if k <= 8 else 8
                    ax.text(j, i, f"{counts[i, j]:,.0f}", ha="center", va="center", color=colour, fontsize=size)
        return _finish(fig, "svg")


def heat_maps(
    panels: Mapping[str, ArrayLike],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    x_label: str = "",
    rule: int = 0,
) -> Picture:
    """Draws shares as coloured cells, charts with common rows side by side: white is 1, the more colour the less.

    Args:
        panels: Title of each chart and its shares `[R, C]`; NaN leaves a cell empty. They share one scale of colours.
        rows: R names.
        columns: C names.
        x_label: Name of the columns.
        rule: Draw a line above this row, where another group of rows begins; 0: none.

    Raises:
        ValueError: A chart of another shape, or none.
    """
    shares = {title: np.asarray(values, float) for title, values in panels.items()}
    shape = (len(rows), len(columns))
    if not shares or any(values.shape != shape for values in shares.values()):
        raise ValueError(f"heat_maps: expected charts of {shape}, got {[v.shape for v in shares.values()]}.")
    lowest = min((float(np.nanmin(v)) for v in shares.values() if np.isfinite(v).any()), default=0.0)
    low = min(lowest, 0.99)
    names = max(6.0 * max(map(len, rows)), 40)
    cell = min((PAGE_WIDTH - names - 12 * len(shares)) / (len(columns) * len(shares)), 52.0)
    width = names + len(shares) * (cell * len(columns) + 12)
    with matplotlib.rc_context(_style()):
        fig, grid = _figure(width, 21 * len(rows) + 62, 1, len(shares))
        for i, (ax, (title, values)) in enumerate(zip(grid, shares.items(), strict=True)):
            ax.imshow(values, cmap=_warm(), vmin=low, vmax=1, aspect="auto")
            ax.grid(False)
            ax.set_xticks(range(len(columns)), list(columns))
            ax.set_yticks(range(len(rows)), list(rows) if i == 0 else [], color=INK)
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
            ax.set_title(title, fontweight="bold")
            ax.set_xlabel(x_label)
            if rule:
                ax.axhline(rule - 0.5, color=INK, lw=0.9)
            for r, c in zip(*np.nonzero(np.isfinite(values)), strict=True):
                deep = (1 - values[r, c]) / (1 - low) > 0.8
                text = "100" if values[r, c] >= 0.9995 else f"{100 * values[r, c]:.1f}"
                ax.text(c, r, text, ha="center", va="center", color="white" if deep else INK, fontsize=7.5)
        return _finish(fig, "svg")


def dots(
    points: Sequence[Dot],
    *,
    x_label: str,
    limits: tuple[float, float] | None = None,
    guide: float | None = None,
    bars: bool = False,
    log: bool = False,
    order: Sequence[str] = (),
    stamp: str = "",
) -> Picture:
    """Draws points with their intervals, one row per label, series told apart by colour and marker.

    Args:
        points: The points; labels are rows in the order in which they first appear.
        x_label: Name of the horizontal axis.
        limits: Range of the horizontal axis; by default it fits the data.
        guide: A vertical reference line, for example a goal.
        bars: Join each point to the reference line (0 without one) by a bar.
        log: Logarithmic horizontal axis, for ratios; what is not positive stands at its left end.
        order: Names of series in the order of their colours; empty: as they appear.
        stamp: Written at the top of the figure, for example that its data are simulated.
    """
    labels, series = list(dict.fromkeys(p.label for p in points)), list(dict.fromkeys(p.series for p in points))

    series.sort(key=lambda name: list(order).index(name) if name in order else len(order))
    if log:
        ends = [x for p in points for x in (p.value, p.low, p.high) if x is not None and x > 0]
        least = min(ends, default=1.0) / 2
        points = [
            dataclasses.replace(
                p,
                value=max(p.value, least),
                low=None if p.low is None else max(p.low, least),
                high=None if p.high is None else max(p.high, least),
            )
            for p in points
        ]

    def beside(label: str, name: str) -> float:
        """Where a series stands in a row, among those that have a point there."""
        there = [s for s in series if any(p.label == label and p.series == s for p in points)]
        return (there.index(name) - (len(there) - 1) / 2) * 0.3

    with matplotlib.rc_context(_style()):
        fig, (ax,) = _figure(PAGE_WIDTH * 0.75, 27 * len(labels) + 62 + 26 * (len(series) > 1) + 16 * bool(stamp), 1, 1)
        if guide is not None:
            ax.axvline(guide, color=MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
        for name in series:
            own = [p for p in points if p.series == name]
            s = list(order).index(name) if name in order else series.index(name)
            y = [labels.index(p.label) + beside(p.label, name) for p in own]
            colour, marker = COLOURS[s % len(COLOURS)], "osD^v"[s % 5]
            if bars:
                start = guide or 0.0
                ax.barh(y, [p.value - start for p in own], 0.26, start, color=colour, alpha=0.28, lw=0, zorder=1)
            for point, height in zip(own, y, strict=True):
                if point.low is not None and point.high is not None:
                    ax.plot([point.low, point.high], [height, height], color=colour, lw=2, alpha=0.45, zorder=2)
            ax.plot([p.value for p in own], y, marker, color=colour, ms=6, label=name, zorder=3)
        ax.set_yticks(range(len(labels)), labels, color=INK)
        ax.set_ylim(len(labels) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(x_label)
        if log:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
            ax.xaxis.set_minor_locator(ticker.NullLocator())
        if limits is not None:
            ax.set_xlim(*limits)
        if len(series) > 1:
            fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=len(series))
        return _finish(fig, "svg", stamp)


# ---------------------------------------------------------------- parts


def _style() -> dict[str, Any]:
    return {
        **matplotlib.rcParamsDefault,
        "backend": "agg",
        "font.family": [fonts.FAMILY],
        "font.size": 10.5,
        "text.color": INK,
        "text.parse_math": False,  # a class may be called "$5"
        "axes.edgecolor": FAINT,
        "axes.labelcolor": MUTED,
        "axes.labelsize": 10.5,
        "axes.titlesize": 11.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": "#eceff3",
        "grid.linewidth": 0.8,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "legend.frameon": False,
        "legend.fontsize": 10,
        "legend.labelcolor": INK,
        "figure.facecolor": "white",
        "svg.fonttype": "path",
        "svg.hashsalt": "ich_jax",
        "savefig.dpi": "figure",
    }


def _figure(width: float, height: float, rows: int, columns: int) -> tuple[mpl_figure.Figure, list[mpl_axes.Axes]]:
    """Makes a figure of `rows` times `columns` charts; width and height in CSS pixels."""
    layout = layout_engine.ConstrainedLayoutEngine(w_pad=6 / 72, h_pad=6 / 72, wspace=0.02, hspace=0.03)
    fig = mpl_figure.Figure(figsize=(width / 72, height / 72), dpi=72 * _DENSITY, layout=layout)
    return fig, list(fig.subplots(rows, columns, squeeze=False).flat)


def _finish(fig: mpl_figure.Figure, file_format: str, stamp: str = "") -> Picture:
    if stamp:
        fig.suptitle(stamp, x=0.995, ha="right", fontsize=9, fontweight="bold", color=STAMP)
    fonts.complete(fig)
    buffer = io.BytesIO()
    # Without a date, equal figures are equal bytes.
    metadata = {"Date": None} if file_format == "svg" else {"Software": None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # said by `fonts.complete`, once
        fig.savefig(buffer, format=file_format, metadata=metadata)
    width, height = fig.get_size_inches() * 72
    return Picture(buffer.getvalue(), file_format, round(width), round(height))


def _images(title: str, array: ArrayLike) -> NDArray[np.uint8]:
    images = np.asarray(array)
    if images.ndim != 5 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"sheet: panel {title!r} must be uint8 [rows, columns, H, W, 1 or 3], got {images.dtype} {images.shape}."
        )
    return np.broadcast_to(images, (*images.shape[:4], 3))


def _paste(canvas: NDArray[np.uint8], image: NDArray[np.uint8], top: float, left: float) -> None:
    """Puts an image on the canvas, framed by a hairline that shows how far a white backdrop reaches."""
    y, x = round(top * _DENSITY), round(left * _DENSITY)
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


def _curve_panel(ax: mpl_axes.Axes, panel: CurvePanel) -> None:
    everything = []
    for i, curve in enumerate(panel.curves):
        x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
        finite = np.isfinite(y)
        x, y = x[finite], y[finite]
        everything.append(y)
        colour = COLOURS[i % len(COLOURS)]
        if len(y) >= 20:
            ax.plot(x, y, color=colour, lw=0.8, alpha=0.3)
            ax.plot(x, _moving_mean(y, max(3, len(y) // 25)), color=colour, lw=1.8, label=curve.name)
        else:
            ax.plot(x, y, color=colour, lw=1.6, marker="o", ms=3.5, label=curve.name)
    for height, label in panel.guides:
        ax.axhline(height, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        _note(ax, label, (1, height), (-2, 3), "y", ha="right", fontsize=9)
    values = np.concatenate([*everything, np.zeros(0)])
    if panel.log and values.size and values.min() > 0:
        _log_scale(ax, float(values.max() / values.min()))
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: f"{v:,.0f}"))
    ax.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
    ax.set_title(panel.title, fontweight="bold")
    if len(panel.curves) > 1 or (panel.curves and panel.curves[0].name != panel.title):
        ax.legend(loc="best", handlelength=1.4, labelspacing=0.3)


def _series_panel(ax: mpl_axes.Axes, panel: SeriesPanel) -> None:
    for line in panel.lines:
        x, y = np.asarray(line.x), np.asarray(line.y, float)
        y = _moving_mean(y, line.window) if line.window else y
        colour = COLOURS[line.colour % len(COLOURS)]
        if line.low is not None and line.high is not None:
            low, high = np.asarray(line.low, float), np.asarray(line.high, float)
            ax.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)
        if line.points:
            size, alpha = (7, 1.0) if len(x) <= _FEW else (3, 0.4)
            ax.plot(x, y, "o", ms=size, mew=0, color=colour, alpha=alpha, label=line.name or None, rasterized=True)
            continue
        style: dict[str, Any] = {"lw": 0.8, "alpha": 0.35} if line.pale else {"lw": 1.7}
        marker = "o" if len(x) <= 60 and not line.pale and not line.dashed else ""
        ax.plot(
            x, y, color=colour, ls="--" if line.dashed else "-", marker=marker, ms=3, label=line.name or None, **style
        )
    for height, label in panel.guides:
        ax.axhline(height, color=MUTED, lw=0.9, zorder=1)
        _note(ax, label, (1, height), (-2, 3), "y", ha="right", fontsize=9)
    for first, last, label in panel.spans:
        ax.axvspan(first, last, color=MUTED, alpha=0.16, lw=0, zorder=0)
        _note(ax, label, (first, 1), (2, -11), "x", fontsize=9)
    for at, label in panel.marks:
        ax.axvline(at, color=INK, lw=1, ls=(0, (4, 3)), zorder=1)
        _note(ax, label, (at, 1), (4, -11), "x", fontsize=9)
    if panel.lines and np.issubdtype(np.asarray(panel.lines[0].x).dtype, np.datetime64):
        locator = dates.AutoDateLocator(minticks=3, maxticks=7)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    else:
        ax.xaxis.set_major_formatter(ticker.FuncFormatter(_thousands))
    if panel.x_ticks:
        ax.set_xticks([at for at, _ in panel.x_ticks], [name for _, name in panel.x_ticks])
    values = np.concatenate([np.zeros(0), *(np.ravel(np.asarray(line.y, float)) for line in panel.lines)])
    if panel.log and values.size and np.nanmin(values) > 0:
        _log_scale(ax, float(np.nanmax(values) / np.nanmin(values)))
    else:
        ax.yaxis.set_major_formatter(ticker.FuncFormatter(_thousands))
    ax.set_title(panel.title, fontweight="bold")
    ax.set_xlabel(panel.x_label)
    ax.set_ylabel(panel.y_label)


def _log_scale(ax: mpl_axes.Axes, ratio: float) -> None:
    """Makes the vertical axis logarithmic, with plain numbers at its ticks.

    Args:
        ax: The chart.
        ratio: Largest value over the smallest.
    """
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if ratio < 50 else (1,)))
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: f"{v:g}"))
    ax.yaxis.set_minor_formatter(ticker.NullFormatter())


def _thousands(value: float, _: Any) -> str:
    return f"{value:,.10g}".replace("-", "\u2212")


def _note(
    ax: mpl_axes.Axes, text: str, at: tuple[float, float], shift: tuple[float, float], data: str, **style: Any
) -> None:
    """Writes a small text; the coordinate named by `data` is on the data's scale, the other a share of the chart."""
    transform = ax.get_xaxis_transform() if data == "x" else ax.get_yaxis_transform()
    ax.annotate(text, at, shift, transform, "offset points", **{"color": MUTED, **style})


def _opaque(legend: Any) -> None:
    """Shows the colours of a legend in full, where the points themselves are pale because they are many."""
    for handle in legend.legend_handles:
        handle.set_alpha(1)


def _moving_mean(y: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Centred mean over `window` values; near the ends over those that exist."""
    total = np.concatenate([[0.0], np.cumsum(y)])
    low = np.maximum(np.arange(len(y)) - window // 2, 0)
    high = np.minimum(np.arange(len(y)) + window // 2 + 1, len(y))
    return (total[high] - total[low]) / (high - low)


def _strip(
    ax: mpl_axes.Axes, centre: float, half_width: float, values: NDArray[np.float64], colour: str, label: str | None
) -> None:
    values = np.sort(values[np.isfinite(values)])
    if not values.size:
        return
    # Points spread sideways in proportion to the density around them, by a fixed low-discrepancy sequence.
    edges = np.linspace(values[0] - 1e-9, values[-1] + 1e-9, int(np.clip(len(values) // 15, 6, 40)))
    density, _ = np.histogram(values, edges)
    here = np.interp(values, (edges[1:] + edges[:-1]) / 2, density / density.max())
    sideways = 2 * ((np.arange(len(values)) * 0.6180339887498949) % 1) - 1
    size = float(np.clip(60 / math.sqrt(len(values)), 2.0, 5.0))
    x = centre + half_width * sideways * here
    ax.plot(x, values, "o", ms=size, mew=0, color=colour, alpha=0.45, rasterized=True, label=label)
    p5, median, p95 = np.percentile(values, [5, 50, 95])
    edge = centre + 1.12 * half_width
    ax.plot([edge, edge], [p5, p95], color=INK, lw=1.6, solid_capstyle="butt")
    ax.plot([edge], [median], "o", color="white", mec=INK, ms=5, mew=1.4)


def _warm() -> Any:
    return colors.LinearSegmentedColormap.from_list("ich_warm", [COLOURS[1], "#f4c7a5", "#fbfbfa"])


def _blues() -> Any:
    return colors.LinearSegmentedColormap.from_list("ich_blues", ["#f6f8fa", "#9cc3de", COLOURS[0]])
