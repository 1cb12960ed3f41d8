"""The page of a design run: what was delivered, why, and how well it follows its briefs."""

from collections.abc import Sequence
from pathlib import Path

from ich_jax.config import DesignConfig
from ich_jax.evaluation.drawing import Images
from ich_jax.report import page, tables
from ich_jax.report.provenance import Provenance
from ich_jax.studies.design import figures
from ich_jax.studies.design import tables as design_tables
from ich_jax.studies.design.result import BriefResult, quality, summary
from ich_jax.studies.tables import config_table, judge_tables
from ich_jax.training.inspector import InspectorReport
from ich_jax.types import DesignSpace

SHOWN = 60
"""Briefs that have a section of their own; a page of hundreds of sheets would not open."""


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
        space: Of the run.
        results: The briefs.
        images: Of each brief, its designs `[K, H, W, C]` uint8.
        inspector: Its own error; None if it was not asked.
        about: The generator in words.
        simulated: Whether its images come from the renderer.
        provenance: Command, machine, versions and revision.

    Raises:
        WorkdirError: A file cannot be written.
    """
    found = summary(results, config.deliver)
    samples = f"{found['n_briefs']} briefs, {found['n_designs']} designs \u00b7 seed {config.seed}"
    sections = [
        page.Section(
            "How well briefs are followed", items=(design_tables.quality_table(results, samples),), simulated=simulated
        ),
        *(_brief(one, of, space, simulated) for one, of in zip(results[:SHOWN], images, strict=False)),
    ]
    if inspector is not None:
        sections.append(
            page.Section(
                "The inspector",
                text=("It was trained on real images only, took no part in choosing, and judges what was delivered.",),
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
        caption = "Rank and noise (seed/index) below each." if result.chosen else "In the order asked for."
        alt = f"{n} designs for {result.title}"
        items.append(page.Figure(f"sheet_{result.name}", "Delivered", picture, caption, f"n = {n}", alt))
    if result.chosen:
        a, b = result.cloud.names
        items.append(
            page.Figure(
                f"candidates_{result.name}",
                "Candidates",
                figures.candidates(result.cloud),
                f"Every candidate on {a} and {b}, as the run's own reading head reads it; rings: those delivered, by "
                "rank; dashed: what the brief asks for.",
                f"n = {result.n_candidates} candidates",
            )
        )
    items.append(design_tables.chosen_table(result))
    text: tuple[str, ...] = ()
    if result.chosen and not n:
        text = (
            "No candidate meets this brief, so nothing is delivered. Ask for less, or raise candidates or tolerance.",
        )
    return page.Section(result.title, text=text, items=tuple(items), facets=_facets(result, space), simulated=simulated)


def _facets(result: BriefResult, space: DesignSpace) -> tuple[tuple[str, str], ...]:
    """Returns what a reader may filter by: product and elements as stated, axes in three ranges."""
    stated = dict(result.stated)
    names = ("product", *(element.name for element in space.elements))
    found = [(name, str(stated.get(name, "open"))) for name in names]
    for axis in space.axes:
        value = stated.get(axis)
        found.append((axis, "open" if not isinstance(value, int | float) else _range(float(value))))
    return tuple(found)


def _range(value: float) -> str:
    if value < -1:
        return "below \u22121"
    return "above +1" if value > 1 else "\u22121 to +1"


def _summary(config: DesignConfig, results: Sequence[BriefResult], about: str) -> str:
    n = sum(len(one.delivered) for one in results)
    drawn = sum(one.n_candidates for one in results)
    many = "1 brief" if len(results) == 1 else f"{len(results):,} briefs"
    ways = {
        "diverse": "of those that meet the brief, the most diverse are delivered",
        "best": "of those that meet the brief, the closest to it are delivered",
        "first": "the first that meet the brief are delivered",
    }
    how = f"read by the run's own discriminator; {ways[config.select]}" if any(r.chosen for r in results) else ""
    return f"{about}. {many}, {drawn:,} candidates drawn{', ' + how if how else ''}: {n:,} designs."


def _headlines(config: DesignConfig, results: Sequence[BriefResult]) -> list[page.Headline]:
    delivered = [design for one in results for design in one.delivered]
    judged, first = quality([d.judged for d in delivered]), quality([one.first_judged for one in results])
    found = summary(results, config.deliver)
    strip = [page.Headline("designs delivered", f"{len(delivered):,}", f"{len(results):,} briefs")]
    if judged is not None and judged.interval is not None:
        low, high = judged.interval.low, judged.interval.high
        detail = f"by the inspector; 95 % {low:.3f} to {high:.3f}"
        strip.append(page.Headline("meet their brief", f"{judged.share:.3f}", detail))
        strip.append(page.Headline("beyond 0.5 on an axis", f"{judged.beyond_half:,}", f"of {judged.n:,} designs"))
    if first is not None and first.share is not None:
        strip.append(page.Headline("first draws that do", f"{first.share:.3f}", f"n = {first.n:,}, without choosing"))
    if found["diversity_ratio"] is not None:
        strip.append(
            page.Headline("diversity", f"{found['diversity_ratio']:.3f}", "of that of real images of the same briefs")
        )
    strip.append(page.Headline("candidates per second", f"{found['candidates_per_s']:,.0f}", "drawn, read and chosen"))
    return strip


def _warnings(config: DesignConfig, results: Sequence[BriefResult]) -> list[str]:
    short = [one for one in results if one.chosen and len(one.delivered) < config.deliver]
    found = []
    if short:
        some = ", ".join(f"{one.title} ({len(one.delivered)})" for one in short[:3])
        found.append(
            f"For {len(short)} of {len(results)} briefs fewer than {config.deliver} candidates meet the brief: {some}"
            f"{' and others' if len(short) > 3 else ''}."
        )
    if not config.judge:
        found.append("The inspector was not asked, so only the reader that chose says how well briefs are followed.")
    if len(results) > SHOWN:
        found.append(f"The first {SHOWN} of {len(results)} briefs are shown; `designs.csv` holds all.")
    return found
