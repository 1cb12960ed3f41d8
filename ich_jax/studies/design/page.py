"""The page of a design run: the delivered designs, why they were chosen, and how well they follow their briefs."""

from collections.abc import Sequence
from pathlib import Path

from ich_jax.config import DesignConfig
from ich_jax.evaluation.drawing import Images
from ich_jax.report import page, tables
from ich_jax.report.provenance import Provenance
from ich_jax.report.text import count
from ich_jax.studies.design import figures
from ich_jax.studies.design import tables as design_tables
from ich_jax.studies.design.result import BriefResult, quality, summary
from ich_jax.studies.tables import config_table, judge_tables
from ich_jax.training.inspector import InspectorReport
from ich_jax.types import DesignSpace

SHOWN = 60
"""Briefs that get a section of the page; a page with hundreds of sheets would be too large to open."""


def write(
    folder: str | Path,
    *,
    config: DesignConfig,
    space: DesignSpace,
    results: Sequence[BriefResult],
    images: Sequence[Images],
    inspector: InspectorReport | None,
    about: str,
    simulated: bool,
    provenance: Provenance,
) -> Path:
    """Writes `report/index.html` with its figures and tables beside it.

    Args:
        folder: Work directory.
        config: The study.
        space: Design space of the run.
        results: Results of the briefs.
        images: Designs of each brief, `[K, H, W, C]` uint8.
        inspector: The inspector's errors on real images; None if it was not used.
        about: Description of the generator.
        simulated: Whether it was trained on images of the renderer.
        provenance: Command, machine, versions and revision.

    Raises:
        WorkdirError: A file cannot be written.
    """
    totals = summary(results, config.deliver)
    samples = f"{count(len(results), 'brief')}, {count(totals['n_designs'], 'design')} \u00b7 seed {config.seed}"
    sections = [
        page.Section(
            "How well briefs are followed", items=(design_tables.quality_table(results, samples),), simulated=simulated
        ),
        *(_brief(result, designs, space, simulated) for result, designs in zip(results[:SHOWN], images, strict=False)),
    ]
    if inspector is not None:
        sections.append(
            page.Section(
                "The inspector",
                text=(
                    "The inspector was trained on real images only. It took no part in choosing the designs and judges "
                    "those that were delivered.",
                ),
                items=tuple(judge_tables(inspector)),
                folded=True,
                simulated=simulated,
            )
        )
    sections.append(page.Section("Configuration", items=(config_table(config),), folded=True))
    report = Path(folder) / "report"
    page.write_files(report, sections)
    return page.write(
        report / "index.html",
        title=f"Designs: {config.name}",
        summary=_summary(config, results, about),
        sections=sections,
        provenance=provenance,
        headlines=_headlines(config, results),
        warnings=_warnings(config, results),
        simulated="The generator learned from images that the procedural renderer drew; no photograph is involved."
        if simulated
        else "",
    )


def _brief(result: BriefResult, images: Images, space: DesignSpace, simulated: bool) -> page.Section:
    items: list[page.Figure | tables.Table | page.PaperQuote] = []
    picture = figures.brief_sheet(result, images)
    n = len(result.delivered)
    if picture is not None:
        caption = (
            "Below each design: its rank and noise (seed/index)." if result.chosen else "In the order of the request."
        )
        alt = f"{count(n, 'design')} for {result.title}"
        items.append(page.Figure(f"sheet_{result.name}", "Delivered", picture, caption, f"n = {n}", alt))
    if result.chosen:
        a, b = result.cloud.names
        items.append(
            page.Figure(
                f"candidates_{result.name}",
                "Candidates",
                figures.candidates(result.cloud),
                f"All candidates by {a} and {b}, as read by the run's own reading head. Rings: delivered designs with "
                "their rank; dashed lines: values that the brief states.",
                f"n = {count(result.n_candidates, 'candidate')}",
            )
        )
    items.append(design_tables.chosen_table(result))
    text: tuple[str, ...] = ()
    if result.chosen and not n:
        text = (
            "No candidate meets this brief, so no design is delivered. State fewer parts, or raise candidates or "
            "tolerance.",
        )
    return page.Section(result.title, text=text, items=tuple(items), facets=_facets(result, space), simulated=simulated)


def _facets(result: BriefResult, space: DesignSpace) -> tuple[tuple[str, str], ...]:
    """Returns the facets by which the page can be filtered: product and elements as stated, axes in three ranges."""
    stated = dict(result.stated)
    names = ("product", *(element.name for element in space.elements))
    facets = [(name, str(stated.get(name, "open"))) for name in names]
    for axis in space.axes:
        value = stated.get(axis)
        facets.append((axis, "open" if not isinstance(value, int | float) else _range(float(value))))
    return tuple(facets)


def _range(value: float) -> str:
    if value < -1:
        return "below \u22121"
    return "above +1" if value > 1 else "\u22121 to +1"


def _summary(config: DesignConfig, results: Sequence[BriefResult], about: str) -> str:
    rules = {
        "diverse": "the most diverse of those that meet the brief are delivered",
        "best": "those that meet the brief most closely are delivered",
        "first": "the first that meet the brief are delivered",
    }
    parts = (
        count(len(results), "brief"),
        count(sum(result.n_candidates for result in results), "candidate"),
        count(sum(len(result.delivered) for result in results), "design") + " delivered",
    )
    choice = f" The run's own discriminator reads the candidates; {rules[config.select]}."
    return f"{about}. {', '.join(parts)}.{choice if any(result.chosen for result in results) else ''}"


def _headlines(config: DesignConfig, results: Sequence[BriefResult]) -> list[page.Headline]:
    delivered = [design for result in results for design in result.delivered]
    judged, first = quality([d.judged for d in delivered]), quality([result.first_judged for result in results])
    totals = summary(results, config.deliver)
    strip = [page.Headline("designs delivered", f"{len(delivered):,}", count(len(results), "brief"))]
    if judged is not None and judged.interval is not None:
        low, high = judged.interval.low, judged.interval.high
        detail = f"by the inspector; 95 % {low:.3f} to {high:.3f}"
        strip.append(page.Headline("meet their brief", f"{judged.share:.3f}", detail))
        strip.append(
            page.Headline("beyond 0.5 on an axis", f"{judged.beyond_half:,}", f"of {count(judged.n, 'design')}")
        )
    if first is not None and first.share is not None:
        strip.append(page.Headline("first draws that meet it", f"{first.share:.3f}", f"n = {first.n:,}, not selected"))
    if totals["diversity_ratio"] is not None:
        strip.append(
            page.Headline("diversity", f"{totals['diversity_ratio']:.3f}", "relative to real images of the same briefs")
        )
    strip.append(page.Headline("candidates per second", f"{totals['candidates_per_s']:,.0f}", "drawn, read and chosen"))
    return strip


def _warnings(config: DesignConfig, results: Sequence[BriefResult]) -> list[str]:
    short = [result for result in results if result.chosen and len(result.delivered) < config.deliver]
    warnings = []
    if short:
        examples = ", ".join(f"{result.title} ({len(result.delivered)})" for result in short[:3])
        warnings.append(
            f"For {len(short)} of {count(len(results), 'brief')}, fewer than {count(config.deliver, 'design')} could "
            f"be delivered, as too few candidates meet them: {examples}{' and others' if len(short) > 3 else ''}."
        )
    if not config.judge:
        warnings.append(
            "The inspector was not used, so only the reading head that chose the designs judges how well they follow "
            "their briefs."
        )
    if len(results) > SHOWN:
        warnings.append(f"The first {SHOWN} of {count(len(results), 'brief')} are shown; `designs.csv` holds all.")
    return warnings
