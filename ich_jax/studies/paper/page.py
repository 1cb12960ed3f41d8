"""The page of the reproduction: claims, the paper section by section, what its report lacks, pitfalls, stages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax.config import ReproduceConfig
from ich_jax.report import page
from ich_jax.report.page import Headline, Section
from ich_jax.report.provenance import Provenance
from ich_jax.report.tables import Table
from ich_jax.report.text import count
from ich_jax.studies.paper import deciding, pitfalls, running
from ich_jax.studies.paper import sections as paper_sections
from ich_jax.studies.paper.deciding import Decided
from ich_jax.studies.paper.ours import Second
from ich_jax.studies.paper.running import Entry
from ich_jax.studies.paper.stages import Stage
from ich_jax.studies.paper.stated import Paper
from ich_jax.studies.tables import config_table

TIMES = "minutes"
"""Stem of the only table that differs between two runs of the same results."""

_LACKS = (
    ("sizes of networks, training schedule, data", "a config file for every run, stored with its results", "train"),
    ("axes, unit and n of the errors", "axes with ground truth, n and seeds, tests with max-T", "error_comparison"),
    ("kind and strength of the interference", "27 kinds at five severities, published code", "interference"),
    ("what accuracy is, over how many designs", "a frozen inspector and its own error, Wilson limits", "interference"),
    ("time of recovery", "curves for every seed with a control, censored recovery times", "pulse"),
    ("standard deviations, raters' scores", "bounds that hold without them; ICC where scores exist", "kansei"),
    ("forms of the samples", "design elements of every design, Quantification Theory I", "kansei_loop"),
    ("assignment of students, tests of the scores", "exact permutation tests, effect sizes with intervals", "kansei"),
    ("baselines, outlets, days, tests", "an audit of what the design can show, then estimates", "benefit"),
    ("any market or region", "choice and diffusion with their uncertainty", "market"),
)  # fmt: skip


def write(
    root: Path,
    *,
    config: ReproduceConfig,
    table: Sequence[Stage],
    entries: Sequence[Entry],
    decided: Sequence[Decided],
    seconds: Mapping[int, Second],
    results: Mapping[str, Mapping[str, Any]],
    provenance: Provenance,
) -> Path:
    """Writes the page, its figures and tables; returns the path of the page.

    Args:
        root: Work directory.
        config: The run.
        table: The stages.
        entries: How each stands.
        decided: Claims and findings.
        seconds: Second verdicts by claim.
        results: `results.json` of the stages that have results.
        provenance: Command, machine, versions and revision.

    Raises:
        WorkdirError: A file cannot be written.
    """
    material = paper_sections.Material(
        root,
        Paper(),
        {item.claim.number: item for item in decided},
        {entry.stage: entry for entry in entries},
        {stage.name: stage for stage in table},
        results,
    )
    sections = [
        _claims(decided, seconds),
        *paper_sections.sections(material),
        Section("What the report lacks", items=(_lacks(material),)),
        Section("Pitfalls", items=(pitfalls.table(),)),
        Section("Evidence", items=(paper_sections.evidence(decided),), folded=True),
        _stages(table, entries, root),
        Section("Configuration", items=(config_table(config),), folded=True),
    ]
    report = root / "report"
    page.write_files(report, sections)
    found = deciding.counts(decided)
    shown = sum(entry.shown for entry in entries)
    return page.write(
        report / "index.html",
        title="What of the paper holds?",
        summary=f"Of {found['claims']} claims of Huo (2026, doi 10.70917/ijcisim-2026-0038), decided by code from the "
        f"paper's own figures, {found['holds']} hold. {count(shown, 'stage')} of this package beside its sections.",
        sections=sections,
        provenance=provenance,
        headlines=[Headline(verdict, str(found[verdict.lower().replace(" ", "_")])) for verdict in deciding.VERDICTS],
        warnings=_warnings(entries),
        simulated="All data of our experiments: images, raters and sales. The paper's figures are the paper's.",
    )


def _claims(decided: Sequence[Decided], seconds: Mapping[int, Second]) -> Section:
    rows = []
    for item in decided:
        claim, found, second = item.claim, item.finding, seconds.get(item.claim.number)
        rows.append(
            (
                str(claim.number),
                f"{claim.statement} ({claim.section})",
                found.verdict,
                found.reason,
                second.label if second else "",
                claim.kind,
            )
        )
    columns = ("id", "claim", "verdict", "why", "our experiments", "kind")
    meanings = {
        deciding.FAILS: "its own data say otherwise",
        deciding.CONTRADICTS: "two places disagree",
        deciding.ERROR: "an equation is wrong",
        deciding.NOT_TESTABLE: "the data exist and are not published",
        deciding.UNSUPPORTED: "no data of the kind are reported",
        deciding.WORDING: "a wrong term",
        deciding.REMARK: "not claimed, worth knowing",
    }
    return Section(
        "Claims",
        items=(
            Table(
                "claims",
                "Claims of the paper",
                columns,
                tuple(rows),
                "; ".join(f"{verdict}: {meaning}" for verdict, meaning in meanings.items())
                + ". A verdict of our experiments tells whether something of the kind can be shown on SIMULATED data.",
                filters=("verdict", "our experiments", "kind"),
            ),
            *(_second_table(decided, seconds),) * bool(seconds),
        ),
    )


def _second_table(decided: Sequence[Decided], seconds: Mapping[int, Second]) -> Table:
    return Table(
        "second_verdicts",
        "Second verdicts: what our experiments say to claims",
        ("claim", "verdict", "what they show", "stage", "sample size and seeds"),
        tuple(
            (str(item.claim.number), second.label, second.reason, second.stage, second.samples)
            for item in decided
            if (second := seconds.get(item.claim.number)) is not None
        ),
        "Read from the results of the stages. SIMULATED: images of a renderer, simulated raters, simulated sales.",
    )


def _lacks(material: paper_sections.Material) -> Table:
    def state(stage: str) -> str:
        entry = material.entries.get(stage)
        return f"{stage} ({entry.state})" if entry else stage

    return Table(
        "lacks",
        "What the paper's report lacks, and what is done here instead",
        ("not in the paper", "here", "stage"),
        tuple((missing, instead, state(stage)) for missing, instead, stage in _LACKS),
    )


def _stages(table: Sequence[Stage], entries: Sequence[Entry], root: Path) -> Section:
    about = {stage.name: stage for stage in table}
    rows = tuple((e.stage, about[e.stage].paper, about[e.stage].about, e.state, e.reason) for e in entries)
    spent = tuple((e.stage, e.seconds / 60) for e in entries if e.seconds)
    links = tuple(
        (e.stage, f"../{e.stage}/report/index.html")
        for e in entries
        if e.shown and (root / e.stage / "report" / "index.html").exists()
    )
    return Section(
        "Stages",
        items=(
            Table("stages", "Stages", ("stage", "paper", "shows", "state", "why"), rows),
            *(_minutes(spent),) * bool(spent),
        ),
        links=links,
    )


def _minutes(spent: tuple[tuple[str, float], ...]) -> Table:
    return Table(
        TIMES,
        "Minutes of each stage",
        ("stage", "minutes"),
        (*spent, ("together", sum(minutes for _, minutes in spent))),
        "Of all calls; what a killed call had spent on an unfinished stage is not counted.",
        digits=(("minutes", 1),),
    )


def _warnings(entries: Sequence[Entry]) -> list[str]:
    failed = [f"`{e.stage}` failed: {e.reason}" for e in entries if e.state == running.FAILED]
    missing = [e.stage for e in entries if e.state == running.MISSING]
    return failed + ([f"Not in this version of the package: {', '.join(missing)}."] if missing else [])
