"""The page of pulses of interference: the drop of each product, and whether and when it recovers."""

from pathlib import Path

import numpy as np

from ich_jax.config import InterferenceConfig, flatten
from ich_jax.report import line_charts, page
from ich_jax.report.line_charts import Line, SeriesPanel
from ich_jax.report.provenance import Provenance
from ich_jax.report.style import Picture
from ich_jax.report.tables import Cell, Table
from ich_jax.report.text import count
from ich_jax.studies.interference import pulse_result
from ich_jax.studies.interference.paper import CLAIM, PAPER
from ich_jax.studies.interference.pulse import CONTROL
from ich_jax.studies.interference.pulse_result import Temporal


def write(
    folder: str | Path,
    *,
    config: InterferenceConfig,
    result: Temporal,
    inspector: float,
    about: str,
    simulated: bool,
    provenance: Provenance,
) -> Path:
    """Writes `report/index.html` with figures and tables beside it.

    Args:
        folder: Work directory.
        config: The pulses.
        result: Their result.
        inspector: Accuracy of the inspector on held-out real images.
        about: Name of the generator.
        simulated: Whether the images it was trained on are simulated.
        provenance: Command, machine, versions and revision.

    Returns:
        The path of the page.

    Raises:
        WorkdirError: A file cannot be written.
    """
    sections = [
        _introduction(result, inspector),
        _course_section(result, inspector),
        _recovery_section(result),
        _config_section(config),
    ]
    report = Path(folder) / "report"
    page.write_files(report, sections)
    figures = pulse_result.summary(result)
    return page.write(
        report / "index.html",
        title=f"Recovery: {config.name}",
        summary=f"{about}, trained for {config.pulse.steps:,} more steps with a pulse of {result.window.steps}. "
        f"{figures['recovered']:.0%} of the curves recovered.",
        sections=sections,
        provenance=provenance,
        headlines=[
            page.Headline(
                f"{name}, least accuracy",
                f"{figures[f'acc_min_{name}']:.1%}",
                f"{figures[f'acc_pre_{name}']:.1%} before; under {pulse_result.least(result, p)[1]}",
            )
            for p, name in enumerate(result.products)
        ],
        simulated="The generator was trained on images that a renderer draws." if simulated else "",
    )


def _samples(result: Temporal) -> str:
    seeds = count(len({course.pulse.seed for course in result.courses}), "training seed")
    return f"n = {count(result.courses[0].n, 'design')} a point, {seeds}"


def _introduction(result: Temporal, inspector: float) -> page.Section:
    return page.Section(
        "What is measured",
        text=(
            "Training continues from the checkpoint of the generator; inside the window (steps "
            f"{result.window.start} to {result.window.stop}) interference acts on its training. "
            f"Accuracy is the share of designs whose product the inspector reads as asked; on held-out "
            f"real images it is {inspector:.2%}.",
            "A run has recovered at the first evaluation after the window from which accuracy stays within one "
            "point of its mean before the window for five evaluations in a row. Runs that do not recover are "
            "censored, not left out.",
        ),
        items=(PAPER,),
    )


def _course_section(result: Temporal, inspector: float) -> page.Section:
    return page.Section(
        "Accuracy over the run",
        items=tuple(
            page.Figure(
                f"course_{name.replace(':', '_').replace('.', 'p')}",
                name.replace("_", " ").replace(":", ", strength "),
                course_chart(result, name),
                "Pale: each seed; strong: their mean with a simultaneous 95 % band; dashed: mean of the controls "
                "without a pulse; shaded: the window; dots: least accuracy and recovery of the mean. The "
                f"inspector on real images: {inspector:.2%}; chance is "
                f"{1 / len(result.products):.0%}.",
                _samples(result),
            )
            for name in result.survival
        ),
    )


def _recovery_section(result: Temporal) -> page.Section:
    return page.Section(
        "Drop and recovery",
        items=(
            _pulse_table(result),
            _recovery_table(result),
            page.Figure(
                "survival",
                "Share of curves that have not recovered",
                survival_chart(result),
                "Kaplan-Meier over products and seeds; time from the end of the window.",
                _samples(result),
            ),
        ),
        notes=_notes(result),
    )


def _config_section(config: InterferenceConfig) -> page.Section:
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    return page.Section(
        "Configuration", items=(Table("config", "Configuration", ("field", "value"), rows),), folded=True
    )


def course_chart(result: Temporal, name: str) -> Picture:
    """Accuracy of every product over the runs of one pulse, with their controls."""
    runs = [c for c in result.courses if pulse_result.pulse_name(c.pulse) == name]
    controls = [c for c in result.courses if c.pulse.kind == CONTROL]
    panels = []
    for p, product in enumerate(result.products):
        lines = [Line("", c.steps, c.accuracy[:, p], colour=1, pale=True) for c in runs]
        band, mean = result.bands[name][p], np.mean([c.accuracy[:, p] for c in runs], axis=0)
        lines.append(Line("pulse", runs[0].steps, mean, band.low, band.high, colour=1))
        control = np.mean([c.accuracy[:, p] for c in controls], axis=0)
        lines.append(Line("control", controls[0].steps, control, colour=0, dashed=True))
        recovery = result.means[name][p]
        lines.append(Line("least", [recovery.minimum_step], [recovery.minimum], colour=3, points=True))
        if recovery.recovered:
            back = result.window.stop + recovery.recovery_steps
            lines.append(Line("recovered", [back], mean[runs[0].steps == back], colour=2, points=True))
        span = (float(result.window.start), float(result.window.stop), "pulse")
        guides = ((CLAIM[product], f"paper: {CLAIM[product]:.2%}"),) if product in CLAIM else ()
        panels.append(SeriesPanel(product, tuple(lines), (), guides, "step", "accuracy", spans=(span,)))
    return line_charts.series(panels, height=240)


def survival_chart(result: Temporal) -> Picture:
    """Kaplan-Meier curves as steps."""
    lines = []
    end = max(int(c.steps[-1]) for c in result.courses) - result.window.stop
    for i, (name, km) in enumerate(result.survival.items()):
        x = np.concatenate([[0.0], np.repeat(km.times, 2), [end]])
        y = np.concatenate([[1.0], np.repeat(np.concatenate([[1.0], km.survival]), 2)[1:]])
        lines.append(Line(name, x, y[: len(x)], colour=i % 7))
    panel = SeriesPanel("", tuple(lines), x_label="steps after the window", y_label="not recovered")
    return line_charts.series([panel], columns=1, height=280)


def _pulse_table(result: Temporal) -> Table:
    """One row for each pulse and product, all seeds together."""
    rows: list[tuple[Cell, ...]] = []
    for name in result.survival:
        runs = [i for i, c in enumerate(result.courses) if pulse_result.pulse_name(c.pulse) == name]
        for p, product in enumerate(result.products):
            recoveries = [result.recoveries[i][p] for i in runs]
            minima = [result.courses[i].fresh_minimum[p] for i in runs]
            ends = [result.courses[i].fresh_end[p] for i in runs]
            median, p_end = pulse_result.time_to_recovery(recoveries).median, result.equivalence_p[name][p]
            rows.append(
                (
                    name,
                    product,
                    100 * float(np.mean([r.before for r in recoveries])),
                    100 * float(np.mean(minima)),
                    100 * float(np.mean(ends)),
                    100 * float(np.min(minima)),
                    100 * float(result.bands[name][p].low.min()),
                    f"{sum(r.recovered for r in recoveries)} of {len(recoveries)}",
                    int(median) if np.isfinite(median) else None,
                    f"{p_end:.4f}" if p_end >= 1e-4 else "< 0.0001",
                )
            )
    percent = ("before, %", "least, %", "end, %", "least of all seeds, %", "band, %")
    return Table(
        "pulses",
        "Each pulse",
        ("pulse", "product", *percent, "recovered", "median recovery, steps", "p of the end"),
        tuple(rows),
        caption="Least and end: accuracy of each seed's generator at its lowest evaluation and at the end, on "
        f"{result.courses[0].n_fresh:,} other designs, means over seeds. Band: least lower limit of a simultaneous "
        "95 % band of the mean over time. Median recovery: Kaplan-Meier, none if fewer than half recovered. p of the "
        "end: two one-sided tests; small: accuracy at the end is within one point of that before.",
        samples=_samples(result),
        digits=tuple((name, 2) for name in percent),
    )


def _recovery_table(result: Temporal) -> Table:
    rows = []
    for course, recoveries in zip(result.courses, result.recoveries, strict=True):
        for p, (product, r) in enumerate(zip(result.products, recoveries, strict=True)):
            time = r.recovery_steps if r.recovered else None
            fresh = (100 * course.fresh_minimum[p], 100 * course.fresh_end[p])
            levels = (100 * r.before, 100 * r.minimum, *fresh, 100 * r.drop, r.retention, 100 * r.loss_area)
            half = r.half_life if np.isfinite(r.half_life) else None
            rows.append(
                (
                    pulse_result.pulse_name(course.pulse),
                    course.pulse.seed,
                    product,
                    *levels,
                    time,
                    half,
                    100 * r.residual,
                )
            )
    level_columns = ("before, %", "least, %", "least again, %", "end again, %", "drop", "retention", "loss area")
    percent = tuple((name, 2) for name in level_columns if name != "retention")
    return Table(
        "recovery",
        "Every run and product",
        ("pulse", "seed", "product", *level_columns, "recovery, steps", "half-life, steps", "residual"),
        tuple(rows),
        caption="Drop, loss area (mean shortfall from the start of the window on) and residual in points. Again: the "
        f"generators of the lowest evaluation and of the end, on {result.courses[0].n_fresh:,} other designs each; the "
        "least of many evaluations is biased downward, these figures are not. No recovery time: censored at the end of "
        "the run. Controls are measured as if they had a window.",
        samples=_samples(result),
        digits=(*percent, ("retention", 3), ("residual", 2)),
    )


def _notes(result: Temporal) -> tuple[str, ...]:
    notes = []
    if result.log_rank is not None:
        t = result.log_rank
        notes.append(
            f"Log-rank test of recovery times between pulses: chi-squared {t.statistic:.2f}, df {t.df}, p {t.p:.3g}."
        )
    for name, p_values in result.equivalence_p.items():
        same = [q for q, p in zip(result.products, p_values, strict=True) if p < 0.05]
        notes.append(
            f"{name}: accuracy at the end within one point of that before (two one-sided tests at 5 %) for "
            f"{', '.join(same) or 'no product'}."
        )
    for product, level in CLAIM.items():
        if product in result.products:
            p = result.products.index(product)
            low = pulse_result.lowest(result, p)
            notes.append(
                f"{product}: the least lower limit of a simultaneous 95 % band over the run is {low:.2%}; the paper "
                f"reports {level:.2%}."
            )
    return tuple(notes)
