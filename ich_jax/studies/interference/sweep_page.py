"""The page of an interference sweep: what breaks the generator, product by product, and what the judge can see."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax.config import InterferenceConfig, flatten
from ich_jax.interference.disturbances import TABLE
from ich_jax.report import charts, line_charts, page, sheets
from ich_jax.report.charts import Dot
from ich_jax.report.line_charts import Line, SeriesPanel
from ich_jax.report.provenance import Provenance
from ich_jax.report.style import Picture
from ich_jax.report.tables import Cell, Table
from ich_jax.studies.interference import sweep_result
from ich_jax.studies.interference.metrics import CLAIM, MEAN, InterferenceError
from ich_jax.studies.interference.sweep_result import Static

PAPER = page.PaperQuote(
    "Under interference the accuracy of each product dips and recovers: book stays above 97 %, the lowest value is "
    "that of earrings, 92.99 %.",
    "section 3.2.1, Figure 5",
    "The paper does not say what the interference is, how strong, or how many designs stand behind a point. 92.99 % "
    "cannot be a share of 100, 200, 500 or 1,000 designs. The kinds and severities here are ours.",
)


def write(
    folder: str | Path,
    *,
    config: InterferenceConfig,
    result: Static,
    sheet: tuple[Sequence[str], Any],
    inspectors: dict[str, float],
    about: str,
    simulated: bool,
    provenance: Provenance,
) -> Path:
    """Writes `report/index.html` with figures and tables beside it.

    Args:
        folder: Work directory.
        config: The sweep.
        result: What it found.
        sheet: Kinds and `[kinds, 6, H, W, C]` uint8: one design under each kind, severities 0 to 5.
        inspectors: Accuracy of each judge on held-out real images, by name.
        about: Which generator it was.
        simulated: Whether the images it was trained on are simulated.
        provenance: Command, machine, versions and revision.

    Returns:
        The path of the page.

    Raises:
        WorkdirError: A file cannot be written.
    """
    sections = _sections(config, result, sheet, inspectors)
    report = Path(folder) / "report"
    page.write_files(report, sections)
    return page.write(
        report / "index.html",
        title=f"Interference: {config.name}",
        summary=_summary(result, about),
        sections=sections,
        provenance=provenance,
        headlines=_headlines(result),
        warnings=_warnings(result, inspectors),
        simulated="The generator was trained on images that a renderer draws." if simulated else "",
    )


def _samples(result: Static) -> str:
    return f"n = {result.n:,} designs a point and seed, {len(result.seeds)} sampling seeds"


def _summary(result: Static, about: str) -> str:
    worst = min(range(len(result.products)), key=lambda p: sweep_result.least(result, p)[0].minimum)
    curve, kind = sweep_result.least(result, worst)
    return (
        f"{about}. {len(result.scored)} kinds of interference count, at five severities. Lowest accuracy: "
        f"{result.products[worst]}, {curve.minimum:.1%} under {kind}; without interference "
        f"{result.clean.min():.1%} to {result.clean.max():.1%}."
    )


def _headlines(result: Static) -> list[page.Headline]:
    strip = []
    for p, name in enumerate(result.products):
        curve, kind = sweep_result.least(result, p)
        detail = f"{result.clean[p]:.1%} without; worst: {kind}"
        strip.append(page.Headline(f"{name}, least accuracy", f"{curve.minimum:.1%}", detail))
    if result.error.mie is not None:
        ends = result.error.interval[MEAN]
        detail = f"{ends.low:.0f} to {ends.high:.0f}; below 100: better than the reference generator"
        strip.append(page.Headline("mIE", f"{result.error.mie:.0f}", detail))
    return strip


def _warnings(result: Static, inspectors: dict[str, float]) -> list[str]:
    found = []
    low = [f"{name} {share:.1%}" for name, share in inspectors.items() if share < 0.98]
    if low:
        found.append(
            f"An inspector itself reads held-out real images at {', '.join(low)}: no accuracy can be above it."
        )
    if result.error.withheld and result.reference:
        found.append(f"mIE is withheld: {result.error.withheld}.")
    return found


def _sections(
    config: InterferenceConfig, result: Static, sheet: tuple[Sequence[str], Any], inspectors: dict[str, float]
) -> list[page.Section]:
    chance = f"chance is {1 / len(result.products):.0%}"
    judges = ", ".join(f"{name} {share:.2%}" for name, share in inspectors.items())
    observer = [kind for kind in result.kinds if TABLE[kind].on == "image"]
    sections = [
        page.Section(
            "What is measured",
            text=(
                "A generator draws the same designs, from the same noise and briefs, under more and more interference. "
                "Accuracy is the share of designs in which the inspector reads the product that was asked for. "
                f"Inspectors on held-out real images: {judges}; {chance}.",
                "Product flips ask for another product and lose by construction; corruptions of finished images test "
                "the inspector, not the generator. Both are shown, and neither enters a mean or a minimum.",
            ),
            items=(PAPER,),
        ),
        page.Section(
            "Accuracy by product",
            items=(
                page.Figure(
                    "curves",
                    "Accuracy over severity",
                    curve_chart(result),
                    "One line for each kind that counts; bands are 95 % Wilson intervals. The grey line is what the "
                    "paper claims of the book (97 %) and of the earrings (92.99 %). Inspectors on real images: "
                    f"{judges}; {chance}.",
                    _samples(result),
                ),
                _worst_table(result),
                *_claim_tables(result),
            ),
        ),
        page.Section(
            "Every kind at every severity",
            items=(
                page.Figure(
                    "grid_map",
                    "Accuracy by kind and severity, %",
                    heat_map(result),
                    "White is 100 %. Kinds that count stand above the line, product flips and corruptions of finished "
                    "images below it.",
                    _samples(result),
                ),
                _grid_table(result),
                _kinds_table(result),
                _paired_table(result),
            ),
        ),
        page.Section(
            "Retention",
            items=(
                page.Figure(
                    "retention",
                    "Least accuracy as a share of accuracy without interference",
                    retention_chart(result),
                    "One dot for each product and kind that counts, over severities 1 to 5.",
                    _samples(result),
                ),
            ),
        ),
        page.Section(
            "What it does to one design",
            items=(
                page.Figure(
                    "sheet",
                    "One design under each kind",
                    sheets.sheet(
                        {"": sheet[1]}, row_labels=sheet[0], column_labels=[str(s) for s in range(6)], cell=64
                    ),
                    "Severity 0 to 5 from left to right.",
                    "1 design, not selected",
                ),
            ),
        ),
    ]
    if observer:
        sections.append(page.Section("The observer", items=(_observer_table(result, observer),)))
    if result.agreement:
        sections.append(page.Section("A second inspector", items=(_second_table(result),)))
    sections.append(_reference_section(result))
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    sections.append(
        page.Section("Configuration", items=(Table("config", "Configuration", ("field", "value"), rows),), folded=True)
    )
    return sections


def curve_chart(result: Static) -> Picture:
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
    for series, figures_of, mean, intervals in (
        ("IE", error.each, error.mie, error.interval),
        ("relative IE", error.relative_each, error.relative_mie, error.relative_interval),
    ):
        for kind, value in {**figures_of, MEAN: mean}.items():
            if value is not None:
                ends, label = intervals[kind], "all kinds" if kind == MEAN else kind.replace("_", " ")
                dots.append(Dot(label, value, float(ends.low), float(ends.high), series=series))
    dots.sort(key=lambda dot: dot.label == "all kinds")
    return charts.dots(dots, x_label="% of the reference generator's", guide=100.0, bars=True, log=True)


def retention_chart(result: Static) -> Picture:
    """Retention of each product under each kind."""
    dots = [
        Dot(kind.replace("_", " "), result.curves[kind][p].retention, series=name)
        for kind in result.scored
        for p, name in enumerate(result.products)
    ]
    return charts.dots(dots, x_label="least accuracy over accuracy without interference")


def _worst_table(result: Static) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for p, name in enumerate(result.products):
        curve, kind = sweep_result.least(result, p)
        at = int(np.argmin(curve.accuracy[1:])) + 1
        mean = float(np.mean([result.curves[k][p].mean for k in result.scored]))
        rows.append(
            (
                name,
                100 * result.clean[p],
                100 * result.clean_interval.low[p],
                100 * result.clean_interval.high[p],
                100 * mean,
                100 * curve.minimum,
                100 * curve.minimum_corrected,
                kind,
                at,
                100 * curve.drop,
            )
        )
    return Table(
        "products",
        "Products",
        (
            "product",
            "without, %",
            "low",
            "high",
            "mean, %",
            "least, %",
            "corrected, %",
            "under",
            "severity",
            "drop, points",
        ),
        tuple(rows),
        caption="Least accuracy over all kinds that count and their severities; corrected for the bias of a minimum by "
        "a bootstrap. Intervals are 95 % Wilson.",
        samples=_samples(result),
        digits=tuple(
            (c, 2) for c in ("without, %", "low", "high", "mean, %", "least, %", "corrected, %", "drop, points")
        ),
    )


def _claim_tables(result: Static) -> list[Table]:
    """Up to which severity each claim of the paper holds, a table for each product of which it claims something."""
    tables = []
    for p, name in enumerate(result.products):
        if name in CLAIM:
            low, holds = sweep_result.band(result, p), sweep_result.holds_up_to(result, p)
            tables.append(
                Table(
                    f"claim_{name}",
                    f"Does accuracy of {name} stay above {CLAIM[name]:.2%}?",
                    ("kind", "holds up to severity", *(f"limit at {s}, %" for s in range(6))),
                    tuple(
                        (kind, holds[kind] if holds[kind] >= 0 else "never", *(100 * float(x) for x in low[kind]))
                        for kind in result.scored
                    ),
                    caption=f"{_claim(name, min(holds.values()))} Lower Wilson limits, 95 % for all kinds and "
                    "severities of the table at once (Bonferroni).",
                    samples=_samples(result),
                    digits=tuple((f"limit at {s}, %", 2) for s in range(6)),
                )
            )
    return tables


def _claim(name: str, severity: int) -> str:
    claim = f"that accuracy of {name} stays above {CLAIM[name]:.2%}"
    if severity < 0:
        return f"The claim {claim} is not shown even without interference."
    return f"The claim {claim} holds under every kind that counts up to severity {severity}."


def _grid_table(result: Static) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind in result.kinds:
        accuracy = np.mean([c.accuracy for c in result.curves[kind]], axis=0)
        rows.append((kind, "yes" if TABLE[kind].scored else "no", *(100 * float(a) for a in accuracy)))
    columns = ("kind", "counts", *(f"severity {s}, %" for s in range(6)))
    return Table(
        "grid",
        "Accuracy over all products",
        columns,
        tuple(rows),
        caption="Mean over products of the share of designs whose product was read as asked.",
        samples=_samples(result),
        digits=tuple((c, 1) for c in columns[2:]),
    )


def _kinds_table(result: Static) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind in result.kinds:
        for p, name in enumerate(result.products):
            c = result.curves[kind][p]
            rows.append(
                (
                    kind,
                    name,
                    100 * c.mean,
                    100 * c.minimum,
                    100 * c.drop,
                    c.retention,
                    c.area,
                    None if np.isinf(c.breakdown) else c.breakdown,
                    c.rises,
                    c.trend,
                    c.trend_p,
                    float(result.elements[kind][5]),
                    float(result.axes[kind][5]),
                )
            )
    return Table(
        "kinds",
        "Every kind and product",
        (
            "kind",
            "product",
            "mean, %",
            "least, %",
            "drop, points",
            "retention",
            "area",
            "breakdown",
            "rises",
            "log odds per severity",
            "p of trend",
            "elements at 5",
            "axis error at 5",
        ),
        tuple(tuple(None if isinstance(v, float) and not np.isfinite(v) else v for v in row) for row in rows),
        caption="Breakdown: severity at which accuracy falls below nine tenths of severity 0 (none: never). Rises: "
        "steps at which it goes up. Trend: logistic regression on severity, errors clustered by design. Elements and "
        "axes: over all products.",
        samples=_samples(result),
        digits=(("mean, %", 1), ("least, %", 1), ("drop, points", 1), ("retention", 3), ("area", 3), ("breakdown", 2)),
    )


def _paired_table(result: Static) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind in result.kinds:
        for name, c in zip(result.products, result.curves[kind], strict=True):
            change = 100 * (c.accuracy[1:] - c.accuracy[0])
            rows.append((kind, name, *(x for pair in zip(change, c.mcnemar_p, strict=True) for x in map(float, pair))))
    columns = tuple(f"{what} {s}" for s in range(1, 6) for what in ("change", "p"))
    return Table(
        "paired",
        "With interference against without, the same designs",
        ("kind", "product", *columns),
        tuple(rows),
        caption="Change of accuracy at severities 1 to 5 in points, and p of the exact McNemar test that designs are "
        "read right as often as at severity 0, adjusted by Holm over severities.",
        samples=_samples(result),
        digits=tuple((c, 2) for c in columns if c.startswith("change")),
    )


def _observer_table(result: Static, kinds: Sequence[str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind in kinds:
        own = np.mean([c.accuracy for c in result.curves[kind]], axis=0)
        real = result.real.get(kind, np.full(6, np.nan))
        shares = (*own[1:], *real[1:])
        rows.append((kind.removeprefix("image_"), *(100 * float(a) if np.isfinite(a) else None for a in shares)))
    columns = ("corruption", *(f"designs {s}, %" for s in range(1, 6)), *(f"real {s}, %" for s in range(1, 6)))
    return Table(
        "observer",
        "Corruption of finished images",
        columns,
        tuple(rows),
        caption="Accuracy of the inspector on corrupted designs and on corrupted held-out real images: where both fall "
        "alike, it is the inspector that fails.",
        samples=_samples(result),
        digits=tuple((c, 1) for c in columns[1:]),
    )


def _second_table(result: Static) -> Table:
    rows: list[tuple[Cell, ...]] = [(kind, *(100 * float(a) for a in result.agreement[kind])) for kind in result.kinds]
    columns = ("kind", *(f"severity {s}, %" for s in range(6)))
    clean = ", ".join(f"{name} {a:.1%}" for name, a in zip(result.products, result.second_clean, strict=True))
    return Table(
        "second",
        "Designs that both inspectors read alike",
        columns,
        tuple(rows),
        caption=f"Without interference the second inspector reads {clean} as asked.",
        samples=_samples(result),
        digits=tuple((c, 1) for c in columns[1:]),
    )


def _reference_section(result: Static) -> page.Section:
    error = result.error
    words = "Error under interference as a share of that of a reference generator on the same briefs and noise; "
    if error.withheld:
        return page.Section("Against a reference generator", text=(f"{words}withheld: {error.withheld}.",))
    return page.Section(
        "Against a reference generator",
        text=(
            f"{words}below 100 is better. IE sums errors over severities 1 to 5; relative IE sums their rise above "
            f"severity 0. The reference: {result.reference}.",
        ),
        items=(
            page.Figure(
                "mie",
                "Interference error, % of the reference generator's",
                error_bars(error),
                "Lines are 95 % bootstrap intervals over designs, which both generators share.",
                _samples(result),
            ),
            _error_table(result),
        ),
    )


def _error_table(result: Static) -> Table:
    error = result.error

    def ends(intervals: dict[str, Any], kind: str) -> tuple[float | None, float | None]:
        found = intervals.get(kind)
        return (None, None) if found is None else (float(found.low), float(found.high))

    rows = [
        (name, each, *ends(error.interval, kind), relative, *ends(error.relative_interval, kind))
        for name, kind, each, relative in (
            *((kind, kind, error.each[kind], error.relative_each[kind]) for kind in error.each),
            ("mean (IE), pooled (relative)", MEAN, error.mie, error.relative_mie),
        )
    ]
    columns = ("IE", "low", "high", "relative IE", "relative low", "relative high")
    return Table(
        "mie",
        "Interference error, % of the reference generator's",
        ("kind", *columns),
        tuple(rows),
        caption="A dash: the reference makes no error, or loses too little for a ratio.",
        samples=_samples(result),
        digits=tuple((c, 1) for c in columns),
    )
