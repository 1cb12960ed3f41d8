"""Charts of the economic benefit: the data of `line_charts.series` and `charts.dots` for each product."""

import math

import numpy as np

from ich_jax.report import charts, line_charts
from ich_jax.report.line_charts import Line, SeriesPanel
from ich_jax.report.style import Picture
from ich_jax.studies.benefit import daily
from ich_jax.studies.benefit.analysis import Analysis, ProductResult
from ich_jax.studies.benefit.calibration import SizeStudy

STAMP = "SIMULATED DATA"
WORDS = {"ai": "with AI-assisted design", "before": "before it", "local": "local average of the same type"}
_COLOUR = {"ai": 1, "before": 0, "local": 2}
_GREY = 6
_VERDICTS = ("usable", "pointless here", "not audited", "truth")


def stamp(result: Analysis) -> str:
    """The stamp on each figure."""
    return STAMP if result.simulated else ""


def curves(result: Analysis) -> Picture:
    """The three curves of each product."""
    panels = []
    for product in result.products:
        raw = product.prepared.raw
        lines: list[Line] = []
        bands = {arm.name: arm for arm in product.arms}
        for name, (days, mean) in daily.curves(raw).items():
            lines.append(Line("", days, mean, colour=_COLOUR[name], pale=True))
            if name in bands:
                ends = np.array([days[0], days[-1]])
                low, high = np.full(2, bands[name].low), np.full(2, bands[name].high)
                lines.append(Line("", ends, np.full(2, bands[name].mean), low, high, colour=_COLOUR[name], dashed=True))
            lines.append(Line(f"{WORDS[name]}, 7-day mean", days, mean, colour=_COLOUR[name], window=7))
        panels.append(
            SeriesPanel(product.prepared.name, tuple(lines), _launches(product, "launch"), y_label="yuan a day")
        )
    return line_charts.series(panels, height=270, stamp=stamp(result))


def event_study(result: Analysis) -> Picture:
    """Effects by time since the launch, and placebo effects before it."""
    panels = []
    for product in result.products:
        p = product.path
        lines = (Line(f"effect, with simultaneous {p.confidence:.0%} band", p.relative, p.estimate, p.low, p.high),)
        label = f"{product.prepared.bin}s since the launch"
        panels.append(SeriesPanel(product.prepared.name, lines, ((-0.5, "launch"),), ((0.0, ""),), label, "yuan a day"))
    return line_charts.series(panels, stamp=stamp(result))


def synthetic(product: ProductResult, picture_stamp: str) -> Picture:
    """Paths of the treated units and their synthetic control, and the gap among those of the donors."""
    s = product.synthetic
    if s is None:
        raise ValueError(f"{product.prepared.name} has no synthetic control.")
    launch = ((s.periods[s.start], "launch"),)
    paths = (
        Line("treated", s.periods, s.treated, colour=1),
        Line("synthetic control", s.periods, s.path, colour=0, dashed=True),
    )
    spaghetti = [
        Line("donors, each treated in turn" if j == 0 else "", s.periods, gap, colour=_GREY, pale=True)
        for j, gap in enumerate(s.placebo_gap)
    ]
    after = s.periods[s.start :]
    bounded = np.isfinite(s.low) & np.isfinite(s.high)
    low, high = np.where(bounded, s.low, np.nan), np.where(bounded, s.high, np.nan)
    band = [Line("", after, s.gap[s.start :], low, high, colour=1, pale=True)] if bounded.any() else []
    gaps = (*spaghetti, *band, Line("treated minus synthetic control", s.periods, s.gap, colour=1))
    unit = product.prepared.bin
    return line_charts.series(
        [
            SeriesPanel(f"{product.prepared.name}: paths, {unit}ly means" if unit == "week" else "paths", paths, launch,
                        y_label="yuan a day"),
            SeriesPanel("gaps", gaps, launch, ((0.0, ""),), y_label="yuan a day"),
        ],
        height=290,
        stamp=picture_stamp,
    )  # fmt: skip


def forest(product: ProductResult, picture_stamp: str) -> Picture:
    """Effects of every method, coloured by its verdict in the audit."""
    points: list[charts.Dot] = []
    if not math.isnan(product.truth):
        points.append(charts.Dot("true effect (simulated)", product.truth, series="truth"))
    finite = [x for e in product.estimates for x in (e.effect, e.low, e.high) if math.isfinite(x)] + [0.0]
    span = max(finite) - min(finite)
    left, right = min(finite) - 0.05 * span, max(finite) + 0.05 * span
    for e in product.estimates:
        label = f"{e.method} (main)" if e.method == product.main.method else e.method
        low = None if math.isnan(e.low) else max(e.low, left - span)
        high = None if math.isnan(e.high) else min(e.high, right + span)
        points.append(charts.Dot(label, e.effect, low, high, e.verdict))
    return charts.dots(
        points,
        x_label="effect, yuan a day of a treated unit",
        limits=(left, right),
        guide=0.0,
        order=_VERDICTS,
        stamp=picture_stamp,
    )


def products(result: Analysis) -> Picture:
    """Main estimates of all products, with the truth where it is known."""
    points = []
    for product in result.products:
        e = product.main
        low, high = (None if not math.isfinite(x) else x for x in (e.low, e.high))
        points.append(charts.Dot(product.prepared.name, e.effect, low, high, f"{result.method}"))
        if not math.isnan(product.truth):
            points.append(charts.Dot(product.prepared.name, product.truth, series="true effect (simulated)"))
    return charts.dots(points, x_label="effect, yuan a day of a treated unit", guide=0.0, stamp=stamp(result))


def money(result: Analysis) -> Picture:
    """Time until the investment is earned back, and the largest investment that would be."""
    horizon, accepted, plans = [], [], []
    for k, product in enumerate(result.products):
        v = product.value
        if v is not None:
            day = np.arange(1, len(v.p_break_even) + 1)
            horizon.append(Line(product.prepared.name, day, v.p_break_even, colour=k))
            accepted.append(Line(product.prepared.name, v.investments, v.acceptability, colour=k))
            plans.append(v.plan)
    plan = plans[0]
    stated = ((plan.investment, ""),) if plan.investment else ()
    even = SeriesPanel(
        f"Broken even, investment {plan.investment:,.0f} yuan",
        tuple(horizon),
        x_label="days since the launch",
        y_label="share of draws",
    )
    curve = SeriesPanel(
        f"Earned back within {plan.horizon_days:,} days, by investment",
        tuple(accepted),
        stated,
        x_label="investment, yuan",
        y_label="share of draws",
    )
    return line_charts.series([even, curve] if plan.investment else [curve], stamp=stamp(result))


def balance(result: Analysis) -> Picture:
    """Present value up to each day."""
    panels = []
    for product in result.products:
        v = product.value
        if v is None:
            continue
        day = np.arange(1, len(v.balance) + 1)
        name = f"present value, with {v.confidence:.0%} limits of each day"
        line = Line(name, day, v.balance, v.balance_low, v.balance_high, colour=2)
        panels.append(SeriesPanel(product.prepared.name, (line,), (), ((0.0, ""),), "days since the launch", "yuan"))
    return line_charts.series(panels, height=210, stamp=stamp(result))


def sizes(study: SizeStudy) -> Picture:
    """Rejection of each method over the designs of a size study, by autocorrelation."""
    points = [
        charts.Dot(method, float(share), series=f"autocorrelation {rho:g}")
        for j, method in enumerate(study.methods)
        for rho, share in zip(study.autocorrelation, study.rejected[:, j], strict=True)
    ]
    x_label = "share of panels without an effect that is rejected"
    return charts.dots(points, x_label=x_label, guide=study.alpha, stamp=STAMP)


def _launches(product: ProductResult, word: str) -> tuple[tuple[object, str], ...]:
    days = [np.datetime64(day) for day in product.prepared.launches]
    return tuple((day, f"{word} {day}" if i == 0 else "") for i, day in enumerate(days[:6]))
