"""Figures of the study."""

import numpy as np

from ich_jax.econometrics.choice import Shares, WillingnessToPay
from ich_jax.report import charts, line_charts
from ich_jax.report.charts import Dot
from ich_jax.report.line_charts import Line, SeriesPanel
from ich_jax.report.style import Picture
from ich_jax.studies.market.result import ChoiceResult, DiffusionResult, LaunchResult


def part_worths(result: ChoiceResult, truth: dict[str, float], price: str) -> Picture:
    """Part-worths with their limits, the price left out for its other scale; with the true ones if they are known."""
    t = result.fit.table
    rows = [
        (name, float(e), float(low), float(high))
        for name, e, low, high in zip(t.names, t.estimate, t.low, t.high, strict=True)
        if name != price
    ]
    points = [Dot(name, e, low, high, "estimate" if truth else "") for name, e, low, high in rows]
    points += [Dot(name, truth[name], None, None, "true") for name, *_ in rows if name in truth]
    return charts.dots(points, x_label="part-worth", guide=0.0)


def willingness(wtp: WillingnessToPay) -> Picture:
    """Willingness to pay with its limits."""
    points = [
        Dot(name, float(e), float(low), float(high))
        for name, e, low, high in zip(wtp.attribute, wtp.estimate, wtp.low, wtp.high, strict=True)
    ]
    return charts.dots(points, x_label=f"willingness to pay, units of {wtp.price}", guide=0.0)


def shares(found: Shares) -> Picture:
    """Shares with their limits."""
    points = [
        Dot(name, 100 * float(p), 100 * float(low), 100 * float(high))
        for name, p, low, high in zip(found.alternative, found.share, found.low, found.high, strict=True)
    ]
    return charts.dots(points, x_label="share, %", bars=True)


def spread(result: DiffusionResult) -> Picture:
    """Sales, fitted curve with its band, and forecast."""
    f, ahead = result.fit, result.forecast
    past, later = np.arange(1.0, len(f.units) + 1), ahead.period.astype(float)
    panels = [
        SeriesPanel(
            "Units a period",
            (
                Line("forecast", later, ahead.units, ahead.low, ahead.high, colour=1, dashed=True),
                Line(f.shape.model, past, f.fitted, result.bands.fitted_low, result.bands.fitted_high, colour=0),
                Line("sales", past, f.units, colour=2, points=True),
            ),
            x_label="period",
            y_label="units",
        )
    ]
    return line_charts.series(panels, columns=1, height=320)


def windows(result: DiffusionResult) -> Picture:
    """The market as the first periods alone would have estimated it."""
    w = result.windows
    x = w.length.astype(float)
    line = Line("market", x, w.market, w.market_low, w.market_high, points=len(x) < 3)
    sold = Line("sold so far", x, np.cumsum(result.fit.units)[w.length - 1], colour=2, dashed=True)
    panel = SeriesPanel(
        "Estimate of the market m", (line, sold), x_label="periods that are seen", y_label="units", log=True
    )
    return line_charts.series([panel], columns=1, height=280)


def balance(result: LaunchResult) -> Picture:
    """Present value up to each period, minus what is spent."""
    x = np.arange(1.0, result.balance.shape[1] + 1)
    line = Line("balance", x, *result.balance)
    panel = SeriesPanel(
        "Present value after costs", (line,), guides=((0.0, ""),), x_label="period after the launch", y_label="yuan"
    )
    return line_charts.series([panel], columns=1, height=280)
