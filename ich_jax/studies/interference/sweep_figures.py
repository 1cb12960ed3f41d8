"""Figures of an interference sweep."""

import numpy as np

from ich_jax.report import charts, line_charts
from ich_jax.report.charts import Dot
from ich_jax.report.line_charts import Line, SeriesPanel
from ich_jax.report.style import Picture
from ich_jax.studies.interference.comparison import MEAN, InterferenceError
from ich_jax.studies.interference.paper import CLAIM
from ich_jax.studies.interference.sweep_result import Static


def curves(result: Static) -> Picture:
    """Accuracy over severity, a panel for each product."""
    panels = []
    severity = np.arange(6)
    for p, name in enumerate(result.products):
        lines = tuple(
            Line(
                kind.replace("_", " "),
                severity,
                c.accuracy,
                c.interval.low,
                c.interval.high,
                colour=i % 7,
                dashed=i >= 7,
            )
            for i, kind in enumerate(result.scored)
            for c in (result.curves[kind][p],)
        )
        guides = ((CLAIM[name], f"paper: {CLAIM[name]:.2%}"),) if name in CLAIM else ()
        panels.append(SeriesPanel(name, lines, guides=guides, x_label="severity", y_label="accuracy"))
    return line_charts.series(panels, height=320)


def heat_map(result: Static) -> Picture:
    """Accuracy of every kind at every severity, of all products and of each."""
    kinds = [*result.scored, *(kind for kind in result.kinds if kind not in result.scored)]
    accuracy = np.array([[c.accuracy for c in result.curves[kind]] for kind in kinds])  # [kinds, products, 6]
    panels = {"all products": accuracy.mean(axis=1)}
    if len(result.products) <= 5:
        panels |= {name: accuracy[:, p] for p, name in enumerate(result.products)}
    return charts.heat_maps(
        panels,
        [kind.replace("_", " ") for kind in kinds],
        [str(s) for s in range(6)],
        x_label="severity",
        rule=len(result.scored) if len(result.scored) < len(kinds) else 0,
    )


def error_bars(error: InterferenceError) -> Picture:
    """Interference error and relative error of each kind and over all, with their intervals."""
    dots = []
    for series, by_kind, mean, intervals in (
        ("IE", error.each, error.mie, error.interval),
        ("relative IE", error.relative_each, error.relative_mie, error.relative_interval),
    ):
        for kind, value in {**by_kind, MEAN: mean}.items():
            if value is not None:
                ends, label = intervals[kind], "all kinds" if kind == MEAN else kind.replace("_", " ")
                dots.append(Dot(label, value, float(ends.low), float(ends.high), series=series))
    dots.sort(key=lambda dot: dot.label == "all kinds")
    return charts.dots(dots, x_label="% of the reference generator's", guide=100.0, bars=True, log=True)


def retention(result: Static) -> Picture:
    """Retention of each product under each kind."""
    dots = [
        Dot(kind.replace("_", " "), result.curves[kind][p].retention, series=name)
        for kind in result.scored
        for p, name in enumerate(result.products)
    ]
    return charts.dots(dots, x_label="least accuracy over accuracy without interference")
