"""The common style of all figures: widths, colours, fonts, and how a figure is begun and finished.

Figures are pure functions from arrays to PNG or SVG bytes, drawn through matplotlib's object-oriented interface under a
style of our own, so that nothing here reads or leaves global state, and equal input gives equal bytes. Lengths are CSS
pixels: one point of matplotlib is one pixel of the page.
"""

import dataclasses
import io
import warnings
from typing import Any

import matplotlib
from matplotlib import axes as mpl_axes
from matplotlib import figure as mpl_figure
from matplotlib import layout_engine, ticker

from ich_jax.report import fonts

PAGE_WIDTH = 1080
"""Widest figure, in CSS pixels; the text column of the page is as wide."""
# Okabe and Ito's colours in the order in which neighbours differ most, also for colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B6B6B")
STAMP = "#9a5b00"
INK, MUTED, FAINT, BAND = "#1f2430", "#667085", "#d9dde3", "#e7f1ec"
ROW_LABEL: dict[str, Any] = {"fontsize": 11, "fontweight": "bold"}
ROW_DETAIL: dict[str, Any] = {"fontsize": 10, "color": MUTED}
COLUMN_LABEL: dict[str, Any] = {"fontsize": 9.5, "color": MUTED, "ha": "center"}
CELL_LABEL: dict[str, Any] = {"fontsize": 8.5, "color": MUTED, "ha": "center"}
PANEL_TITLE: dict[str, Any] = {"fontsize": 12, "fontweight": "bold"}
DENSITY = 2  # device pixels per CSS pixel in PNG files, for screens of high density


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


def rc_params() -> dict[str, Any]:
    """Settings of matplotlib under which every figure is drawn; those of the user are not read."""
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


def new_figure(width: float, height: float, rows: int, columns: int) -> tuple[mpl_figure.Figure, list[mpl_axes.Axes]]:
    """Returns a figure of a size in CSS pixels, and its axes row by row."""
    """Makes a figure of `rows` times `columns` charts; width and height in CSS pixels."""
    layout = layout_engine.ConstrainedLayoutEngine(w_pad=6 / 72, h_pad=6 / 72, wspace=0.02, hspace=0.03)
    fig = mpl_figure.Figure(figsize=(width / 72, height / 72), dpi=72 * DENSITY, layout=layout)
    return fig, list(fig.subplots(rows, columns, squeeze=False).flat)


def finish(fig: mpl_figure.Figure, file_format: str, stamp: str = "") -> Picture:
    """Lays a figure out and returns it in a file format (`png` or `svg`), stamped if there is a stamp."""
    if stamp:
        fig.suptitle(stamp, x=0.995, ha="right", fontsize=9, fontweight="bold", color=STAMP)
    fonts.complete(fig)
    buffer = io.BytesIO()
    # Without a date, equal figures are equal bytes.
    metadata = {"Date": None} if file_format == "svg" else {"Software": None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # reported by `fonts.complete`, once
        fig.savefig(buffer, format=file_format, metadata=metadata)
    width, height = fig.get_size_inches() * 72
    return Picture(buffer.getvalue(), file_format, round(width), round(height))


def log_scale(ax: mpl_axes.Axes, ratio: float) -> None:
    """Makes the vertical axis logarithmic, with plain numbers at its ticks.

    Args:
        ax: The chart.
        ratio: Largest value over the smallest.
    """
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if ratio < 50 else (1,)))
    ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: f"{v:g}"))
    ax.yaxis.set_minor_formatter(ticker.NullFormatter())


def thousands(value: float, _: object) -> str:
    """Writes a tick with commas between thousands and a true minus sign."""
    return f"{value:,.10g}".replace("-", "\u2212")


def write_note(
    ax: mpl_axes.Axes, text: str, position: tuple[float, float], shift: tuple[float, float], data: str, **style: Any
) -> None:
    """Writes a small remark into a chart."""
    """Writes a small text; the coordinate named by `data` is on the data's scale, the other a share of the chart."""
    transform = ax.get_xaxis_transform() if data == "x" else ax.get_yaxis_transform()
    ax.annotate(text, position, shift, transform, "offset points", **{"color": MUTED, **style})


def make_opaque(legend: Any) -> None:
    """Shows the colours of a legend in full, where the points themselves are pale because they are many."""
    for handle in legend.legend_handles:
        handle.set_alpha(1)
