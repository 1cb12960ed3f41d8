"""Line charts, as SVG: curves of training, and series over time with bands, marks and spans."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import dates, ticker
from numpy.typing import ArrayLike, NDArray

from ich_jax.report.style import (
    COLOURS,
    INK,
    MUTED,
    PAGE_WIDTH,
    Picture,
    finish,
    log_scale,
    new_figure,
    rc_params,
    thousands,
    write_note,
)

_FEW = 5  # points that are drawn large


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
        title: Subject of the chart.
        curves: Its lines.
        log: Whether the vertical axis is logarithmic; ignored where a value is not positive.
        guides: Horizontal reference lines as (height, label).
    """

    title: str
    curves: tuple[Curve, ...]
    log: bool = False
    guides: tuple[tuple[float, str], ...] = ()


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
        window: Drawn as the centred mean over this many values; 0: unsmoothed.
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
        title: Subject of the chart.
        lines: Its lines, the first ones at the back.
        marks: Vertical lines as (x, label), for example a launch.
        guides: Horizontal lines as (height, label).
        x_label: Name of the horizontal axis; dates need none.
        y_label: Name of the vertical axis.
        x_ticks: Places and names of ticks on the horizontal axis; empty: chosen by the data.
        log: Whether the vertical axis is logarithmic; ignored where a value is not positive.
        spans: Shaded ranges of x as (first, last, label), for example the time of an intervention.
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


def curves(panels: Sequence[CurvePanel], *, x_label: str = "step", columns: int = 2) -> Picture:
    """Draws small charts of training curves: the raw values pale, their moving mean over them.

    Args:
        panels: The charts, in reading order.
        x_label: Name of the horizontal axis.
        columns: Charts per row.
    """
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(rc_params()):
        fig, grid = new_figure(PAGE_WIDTH * min(columns, len(panels)) / columns, 216 * rows + 20, rows, columns)
        for ax, panel in zip(grid, panels, strict=False):
            _curve_panel(ax, panel)
        for i, ax in enumerate(grid):
            if i >= len(panels):
                ax.remove()
            elif i + columns >= len(panels):
                ax.set_xlabel(x_label)
        return finish(fig, "svg")


def series(panels: Sequence[SeriesPanel], *, columns: int = 2, height: int = 250, stamp: str = "") -> Picture:
    """Draws series with their bands, several charts in one figure and one legend for all.

    Args:
        panels: The charts, in reading order.
        columns: Charts per row.
        height: Height of a chart, in CSS pixels.
        stamp: Written at the top of the figure, for example that its data are simulated.
    """
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(rc_params()):
        width = PAGE_WIDTH * min(columns, len(panels)) / columns
        fig, grid = new_figure(width, height * rows + 40 + 16 * bool(stamp), rows, columns)
        named: dict[str, Any] = {}
        for ax, panel in zip(grid, panels, strict=False):
            _series_panel(ax, panel)
            handles, names = ax.get_legend_handles_labels()
            named |= {name: handle for handle, name in zip(handles, names, strict=True) if name not in named}
        for ax in grid[len(panels) :]:
            ax.remove()
        if named:
            fig.legend(named.values(), named.keys(), loc="outside lower center", ncols=min(len(named), 4))
        return finish(fig, "svg", stamp)


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
        write_note(ax, label, (1, height), (-2, 3), "y", ha="right", fontsize=9)
    values = np.concatenate([*everything, np.zeros(0)])
    if panel.log and values.size and values.min() > 0:
        log_scale(ax, float(values.max() / values.min()))
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
        write_note(ax, label, (1, height), (-2, 3), "y", ha="right", fontsize=9)
    for first, last, label in panel.spans:
        ax.axvspan(first, last, color=MUTED, alpha=0.16, lw=0, zorder=0)
        write_note(ax, label, (first, 1), (2, -11), "x", fontsize=9)
    for position, label in panel.marks:
        ax.axvline(position, color=INK, lw=1, ls=(0, (4, 3)), zorder=1)
        write_note(ax, label, (position, 1), (4, -11), "x", fontsize=9)
    if panel.lines and np.issubdtype(np.asarray(panel.lines[0].x).dtype, np.datetime64):
        locator = dates.AutoDateLocator(minticks=3, maxticks=7)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    else:
        ax.xaxis.set_major_formatter(ticker.FuncFormatter(thousands))
    if panel.x_ticks:
        ax.set_xticks([position for position, _ in panel.x_ticks], [name for _, name in panel.x_ticks])
    values = np.concatenate([np.zeros(0), *(np.ravel(np.asarray(line.y, float)) for line in panel.lines)])
    if panel.log and values.size and np.nanmin(values) > 0:
        log_scale(ax, float(np.nanmax(values) / np.nanmin(values)))
    else:
        ax.yaxis.set_major_formatter(ticker.FuncFormatter(thousands))
    ax.set_title(panel.title, fontweight="bold")
    ax.set_xlabel(panel.x_label)
    ax.set_ylabel(panel.y_label)


def _moving_mean(y: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Centred mean over `window` values; near the ends over the values that exist."""
    total = np.concatenate([[0.0], np.cumsum(y)])
    low = np.maximum(np.arange(len(y)) - window // 2, 0)
    high = np.minimum(np.arange(len(y)) + window // 2 + 1, len(y))
    return (total[high] - total[low]) / (high - low)
