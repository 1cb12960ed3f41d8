"""The page of an interference sweep: kinds that break the generator, by product, and the limits of the inspector."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax.config import InterferenceConfig, flatten
from ich_jax.interference.disturbances import TABLE
from ich_jax.report import page, sheets
from ich_jax.report.provenance import Provenance
from ich_jax.report.tables import Table
from ich_jax.studies.interference import sweep_figures, sweep_result, sweep_tables
from ich_jax.studies.interference.comparison import MEAN
from ich_jax.studies.interference.paper import PAPER
from ich_jax.studies.interference.sweep_result import Static

Sheet = tuple[Sequence[str], npt.NDArray[np.uint8]]
"""Kinds and `[kinds, 6, H, W, C]`: one design under each kind, severities 0 to 5."""


def write(
    folder: str | Path,
    *,
    config: InterferenceConfig,
    result: Static,
    sheet: Sheet,
    inspectors: dict[str, float],
    about: str,
    simulated: bool,
    provenance: Provenance,
) -> Path:
    """Writes `report/index.html` with figures and tables beside it.

    Args:
        folder: Work directory.
        config: The sweep.
        result: Its result.
        sheet: One design under each kind.
        inspectors: Accuracy of each inspector on held-out real images, by name.
        about: Name of the generator.
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


def _summary(result: Static, about: str) -> str:
    worst = min(range(len(result.products)), key=lambda p: sweep_result.least(result, p)[0].minimum)
    curve, kind = sweep_result.least(result, worst)
    return (
        f"{about}, under {len(result.scored)} scored kinds of interference at five severities. Lowest accuracy: "
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
    warnings = []
    low = [f"{name} {share:.1%}" for name, share in inspectors.items() if share < 0.98]
    if low:
        warnings.append(
            f"Inspectors misread real images themselves (accuracy on held-out ones: {', '.join(low)}), which bounds "
            "every accuracy shown."
        )
    if result.error.withheld and result.reference:
        warnings.append(f"mIE is withheld: {result.error.withheld}.")
    return warnings


def _sections(
    config: InterferenceConfig, result: Static, sheet: Sheet, inspectors: dict[str, float]
) -> list[page.Section]:
    judges = ", ".join(f"{name} {share:.2%}" for name, share in inspectors.items())
    chance = f"chance is {1 / len(result.products):.0%}"
    sections = [
        _introduction(judges, chance),
        _accuracy_section(result, judges, chance),
        _grid_section(result),
        _retention_section(result),
        _sheet_section(sheet),
    ]
    corruptions = [kind for kind in result.kinds if TABLE[kind].on == "image"]
    if corruptions:
        sections.append(page.Section("The observer", items=(sweep_tables.observer(result, corruptions),)))
    if result.agreement:
        sections.append(page.Section("A second inspector", items=(sweep_tables.second(result),)))
    sections.append(_reference_section(result))
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    sections.append(
        page.Section("Configuration", items=(Table("config", "Configuration", ("field", "value"), rows),), folded=True)
    )
    return sections


def _introduction(judges: str, chance: str) -> page.Section:
    return page.Section(
        "What is measured",
        text=(
            "A generator draws the same designs, from the same noise and briefs, under increasing interference. "
            "Accuracy is the share of designs in which the inspector reads the requested product. "
            f"Inspectors on held-out real images: {judges}; {chance}.",
            "Product flips request another product, so accuracy has to fall; corruptions of finished images test the "
            "inspector, not the generator. Both are shown, but enter no mean and no minimum: they are not scored.",
        ),
        items=(PAPER,),
    )


def _accuracy_section(result: Static, judges: str, chance: str) -> page.Section:
    return page.Section(
        "Accuracy by product",
        items=(
            page.Figure(
                "curves",
                "Accuracy over severity",
                sweep_figures.curves(result),
                "One line for each scored kind; bands are 95 % Wilson intervals. The grey line is the paper's claim "
                "for the book (97 %) and the earrings (92.99 %). Inspectors on real images: "
                f"{judges}; {chance}.",
                sweep_tables.samples(result),
            ),
            sweep_tables.worst(result),
            *sweep_tables.claims(result),
        ),
    )


def _grid_section(result: Static) -> page.Section:
    return page.Section(
        "Every kind at every severity",
        items=(
            page.Figure(
                "grid_map",
                "Accuracy by kind and severity, %",
                sweep_figures.heat_map(result),
                "White is 100 %. Scored kinds are above the line, product flips and corruptions of finished images "
                "below it.",
                sweep_tables.samples(result),
            ),
            sweep_tables.grid(result),
            sweep_tables.kinds(result),
            sweep_tables.paired(result),
        ),
    )


def _retention_section(result: Static) -> page.Section:
    return page.Section(
        "Retention",
        items=(
            page.Figure(
                "retention",
                "Least accuracy as a share of accuracy without interference",
                sweep_figures.retention(result),
                "One dot for each product and scored kind, over severities 1 to 5.",
                sweep_tables.samples(result),
            ),
        ),
    )


def _sheet_section(sheet: Sheet) -> page.Section:
    kinds, images = sheet
    return page.Section(
        "One design under interference",
        items=(
            page.Figure(
                "sheet",
                "One design under each kind",
                sheets.sheet({"": images}, row_labels=kinds, column_labels=[str(s) for s in range(6)], cell=64),
                "Severity 0 to 5 from left to right.",
                "1 design, not selected",
            ),
        ),
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
                sweep_figures.error_bars(error),
                "Lines are 95 % bootstrap intervals over designs, which both generators share.",
                sweep_tables.samples(result),
            ),
            sweep_tables.error(result),
        ),
    )
