"""Charts, as SVG: strips of errors, requested against read, confusion, heat maps, dots. For lines see `line_charts`."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import colors, ticker
from numpy.typing import ArrayLike, NDArray

from ich_jax.report.style import (
    BAND,
    COLOURS,
    INK,
    MUTED,
    PAGE_WIDTH,
    Picture,
    finish,
    make_opaque,
    new_figure,
    rc_params,
    write_note,
)
from ich_jax.types import AXIS_LIMIT


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
    with matplotlib.rc_context(rc_params()):
        fig, (ax,) = new_figure(PAGE_WIDTH, 330, 1, 1)
        ax.axhspan(-band, band, color=BAND, zorder=0, lw=0)
        ax.axhline(0, color=MUTED, lw=0.8, zorder=1)
        slot = 0.8 / max(len(series), 1)
        for s, (name, values) in enumerate(series.items()):
            colour = COLOURS[s % len(COLOURS)]
            for a in range(len(axes)):
                centre = a - 0.4 + slot * (s + 0.5)
                _strip(ax, centre, 0.42 * slot, np.clip(values[:, a], -limit, limit), colour, name if a == 0 else None)
                beyond, n = np.sum(np.abs(values[:, a]) > band), np.sum(np.isfinite(values[:, a]))
                write_note(ax, f"{beyond:,} of {n:,} beyond", (centre, 1), (0, 4), "x", ha="center")
        ax.set_xlim(-0.5, len(axes) - 0.5)
        ax.set_ylim(-limit, limit)
        ax.set_xticks(range(len(axes)), list(axes), fontsize=12, fontweight="bold", color=INK)
        ax.tick_params(axis="x", length=0)
        ax.set_ylabel("error (read \u2212 requested)")
        write_note(ax, f"within \u00b1{band:g}", (0, -band), (4, 4), "y", color="#4d7a64")
        if len(series) > 1:
            legend = ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(series), markerscale=3)
            make_opaque(legend)
        return finish(fig, "svg")


def requested_read(
    requested: ArrayLike,
    read: ArrayLike,
    axes: Sequence[str],
    *,
    groups: ArrayLike | None = None,
    group_names: Sequence[str] = (),
    band: float = 0.5,
) -> Picture:
    """Draws the inspector's readings against the requested values, one chart per axis.

    Args:
        requested: `[N, A]`; NaN where an axis was not requested.
        read: `[N, A]`.
        axes: A names.
        groups: `[N]` index into `group_names`, for example the product; colours distinguish up to six groups.
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
    with matplotlib.rc_context(rc_params()):
        fig, grid = new_figure(side * columns, (side + 14) * rows + 34 * (len(names) > 1), rows, columns)
        for a, ax in enumerate(grid[: len(axes)]):
            ax.fill_between(ends, ends - band, ends + band, color=BAND, lw=0, zorder=0)
            ax.plot(ends, ends, color=MUTED, lw=0.8, zorder=1)
            for g, name in enumerate(names):
                members = groups == g
                x, y = requested[members, a], np.clip(read[members, a], ends[0], ends[1])
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
            make_opaque(fig.legend(*handles, loc="outside lower center", ncols=len(names), markerscale=2))
        return finish(fig, "svg")


def confusion(
    counts: ArrayLike, names: Sequence[str], *, row_name: str = "requested", column_name: str = "read"
) -> Picture:
    """Draws a confusion matrix: counts, coloured by their share of the row.

    Args:
        counts: `[K, K]`, rows requested, columns read.
        names: K names.
        row_name: Meaning of a row.
        column_name: Meaning of a column.
    """
    counts = np.asarray(counts, float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    k = len(names)
    side = float(np.clip(k * 58, 190, 620))
    letters = 6.4 * max(map(len, names))
    upright = k <= 5 and letters < side / k
    with matplotlib.rc_context(rc_params()):
        fig, (ax,) = new_figure(side + letters + 46, side + 46 + (20 if upright else letters), 1, 1)
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
        return finish(fig, "svg")


def heat_maps(
    panels: Mapping[str, ArrayLike],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    x_label: str = "",
    rule: int = 0,
) -> Picture:
    """Draws shares as coloured cells, charts with common rows side by side: white is 1, deep colours are low shares.

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
    with matplotlib.rc_context(rc_params()):
        fig, grid = new_figure(width, 21 * len(rows) + 62, 1, len(shares))
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
        return finish(fig, "svg")


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
    """Draws points with their intervals, one row per label, series distinguished by colour and marker.

    Args:
        points: The points; labels are rows in the order in which they first appear.
        x_label: Name of the horizontal axis.
        limits: Range of the horizontal axis; by default that of the data.
        guide: A vertical reference line, for example a goal.
        bars: Join each point to the reference line (0 without one) by a bar.
        log: Logarithmic horizontal axis, for ratios; values that are not positive appear at its left end.
        order: Names of series in the order of their colours; empty: as they appear.
        stamp: Written at the top of the figure, for example that its data are simulated.
    """
    labels, series = list(dict.fromkeys(p.label for p in points)), list(dict.fromkeys(p.series for p in points))

    series.sort(key=lambda name: list(order).index(name) if name in order else len(order))
    if log:
        points = _positive(points)

    def beside(label: str, name: str) -> float:
        """Returns the place of a series in a row, among those that have a point there."""
        there = [s for s in series if any(p.label == label and p.series == s for p in points)]
        return (there.index(name) - (len(there) - 1) / 2) * 0.3

    with matplotlib.rc_context(rc_params()):
        fig, (ax,) = new_figure(
            PAGE_WIDTH * 0.75, 27 * len(labels) + 62 + 26 * (len(series) > 1) + 16 * bool(stamp), 1, 1
        )
        if guide is not None:
            ax.axvline(guide, color=MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
        for name in series:
            members = [p for p in points if p.series == name]
            s = list(order).index(name) if name in order else series.index(name)
            y = [labels.index(p.label) + beside(p.label, name) for p in members]
            colour, marker = COLOURS[s % len(COLOURS)], "osD^v"[s % 5]
            if bars:
                start = guide or 0.0
                ax.barh(y, [p.value - start for p in members], 0.26, start, color=colour, alpha=0.28, lw=0, zorder=1)
            for point, height in zip(members, y, strict=True):
                if point.low is not None and point.high is not None:
                    ax.plot([point.low, point.high], [height, height], color=colour, lw=2, alpha=0.45, zorder=2)
            ax.plot([p.value for p in members], y, marker, color=colour, ms=6, label=name, zorder=3)
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
        return finish(fig, "svg", stamp)


def _positive(points: Sequence[Dot]) -> list[Dot]:
    """Moves values of 0 and less to half the least positive one, the left end of a logarithmic axis."""
    ends = [x for p in points for x in (p.value, p.low, p.high) if x is not None and x > 0]
    least = min(ends, default=1.0) / 2
    return [
        dataclasses.replace(
            p,
            value=max(p.value, least),
            low=None if p.low is None else max(p.low, least),
            high=None if p.high is None else max(p.high, least),
        )
        for p in points
    ]


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
