"""The paper section by section: what it reports, and what our stages show beside it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax.kansei import published
from ich_jax.report.page import Figure, PaperQuote, Section
from ich_jax.report.tables import Cell, Table
from ich_jax.studies.paper import diagrams, pictures
from ich_jax.studies.paper.deciding import Decided
from ich_jax.studies.paper.running import Entry
from ich_jax.studies.paper.stages import Stage
from ich_jax.studies.paper.stated import Paper


@dataclasses.dataclass(frozen=True)
class Material:
    """Everything that sections are made from.

    Attributes:
        root: Work directory.
        paper: What the paper states.
        decided: Claims and findings.
        entries: How each stage stands, by name.
        stages: The rows of the table, by name.
        results: Their `results.json`, for those that have results.
    """

    root: Path
    paper: Paper
    decided: Mapping[int, Decided]
    entries: Mapping[str, Entry]
    stages: Mapping[str, Stage]
    results: Mapping[str, Mapping[str, Any]]


def sections(material: Material) -> list[Section]:
    """Returns the sections of the page that follow the paper."""
    return [
        make(material) for make in (_networks, _design, _demand, _words, _review, _errors, _accuracy, _benefit, _market)
    ]


def _networks(m: Material) -> Section:
    quote = PaperQuote(
        "A generator learns against a discriminator; residual blocks keep deep networks trainable. No size, no data, "
        "no training schedule and no measurement of the trained network is given.",
        "sections 2.1 and 2.2, Figures 1 and 2",
        m.decided[28].finding.reason,
    )
    ours = Figure(
        "figure_1", "Figure 1, ours", diagrams.adversarial(), "Networks of the package, and what feeds what.", ""
    )
    block = Figure(
        "figure_2",
        "Figure 2, ours",
        diagrams.residual_block(),
        "A residual block, and the block of the plain arm that comparisons set beside it: equal in depth, parameters, "
        "optimiser, data, steps and seeds.",
        "",
    )
    shown = _stage(m, "train", ("real_and_generated", "generated", "axis_errors"))
    return _section("2.1 and 2.2 Networks (Figures 1 and 2)", m, ("train",), (quote, ours, block, *shown))


def _design(m: Material) -> Section:
    quote = PaperQuote(
        "Generative software is to take over steps of design and to raise its efficiency. No time is measured.",
        "section 2.3",
        "Here a brief is stated, many candidates are drawn, and a network apart from their training reads them back.",
    )
    shown = (*_stage(m, "design", ("sheet_*",)), *_stage(m, "kansei_loop", ("*",), most=2))
    return _section("2.3 Design", m, ("design", "kansei_loop"), (quote, *shown))


def _demand(m: Material) -> Section:
    reported = Table(
        "figure_3_paper",
        "Figure 3, the paper's percentages as counts",
        ("figure", "%", "low", "high", "interval", "n", "count"),
        tuple(
            (e.name.removesuffix(", %"), e.value, e.low, e.high, e.interval, e.n, int(e.note))
            for e in m.decided[2].finding.evidence
            if e.n == m.paper.demand.valid
        ),
        "Percentages of section 3.1.1; counts and limits are ours. The importance of aspects is in the paper's figure "
        "only.",
        digits=(("%", 1), ("low", 1), ("high", 1)),
    )
    shown = _stage(m, "kansei", ("simulated_shares", "shares", "simulated_importance", "importance"))
    return _section("3.1.1 Demand (Figure 3)", m, ("kansei",), (reported, *shown))


def _words(m: Material) -> Section:
    table = Table(
        "table_1_paper",
        "Table 1 of the paper",
        ("sample", *published.WORDS, "mean"),
        tuple(
            (name, *map(float, row), float(row.mean()))
            for name, row in zip(m.paper.samples, m.paper.table_1, strict=True)
        ),
        "Mean scores as published; the last column is ours.",
        f"{m.paper.imagery.valid} raters behind each mean",
        tuple((word, 2) for word in (*published.WORDS, "mean")),
    )
    shown = _stage(m, "kansei", ("heat_map", "scree"))
    return _section("3.1.2 Words (Table 1)", m, ("kansei",), (table, *shown))


def _review(m: Material) -> Section:
    table = Table(
        "table_2_paper",
        "Table 2 of the paper",
        ("work", "experimental", "control"),
        tuple(
            (k + 1, int(a), int(b))
            for k, (a, b) in enumerate(zip(m.paper.review_experimental, m.paper.review_control, strict=True))
        ),
        "Sums of five experts' scores. Works of equal number are no documented pairs.",
    )
    ours = _evidence("table_2_ours", "Table 2, tested", [m.decided[k] for k in (9, 13, 14)])
    shown = _stage(m, "kansei", ("permutation", "effects"))
    return _section("3.1.3 Review (Table 2)", m, ("kansei",), (table, ours, *shown))


def _errors(m: Material) -> Section:
    quote = PaperQuote(
        "Without residual blocks the absolute error reaches 1.16, 0.72 and 0.77 on the three axes; with them it stays "
        "within 0.5.",
        "section 3.2.1, Figure 4",
        m.decided[16].finding.reason,
    )
    items: list[Figure | Table | PaperQuote] = [quote]
    if "error_comparison" in m.results:
        s = m.results["error_comparison"]["summary"]
        axes = [name.removeprefix("max_residual_") for name in s if name.startswith("max_residual_")]
        within, parts = f"within {m.paper.residual_bound}", ("max_plain", "max_residual", "exceed_residual")
        items.append(
            Table(
                "figure_4_ours",
                "Figure 4, in figures",
                ("axis", "paper, without", "paper, with", "ours, without", "ours, with", "ours beyond 0.5"),
                tuple(
                    (axis, stated, within, *(s[f"{name}_{axis}"] for name in parts))
                    for axis, stated in zip(axes, m.paper.plain_errors, strict=False)
                ),
                "The paper names neither axes nor unit, so rows stand side by side and are not compared. Ours are "
                "largest absolute errors without and with residual blocks, from \u22123 to 3, as an inspector reads.",
                f"{s['n_designs']} designs of each network, {s['n_seeds']} seeds",
                (("paper, without", 2), ("ours, without", 2), ("ours, with", 2)),
            )
        )
    shown = _stage(m, "error_comparison", ("error_strips", "gradients"))
    return _section("3.2.1 Errors on each axis (Figure 4)", m, ("error_comparison",), (*items, *shown))


def _accuracy(m: Material) -> Section:
    quote = PaperQuote(
        "The book stays above 97 % on average, the earrings fall to 92.99 %, and every product recovers.",
        "section 3.2.1, Figure 5",
        m.decided[18].finding.reason,
    )
    items: list[Figure | Table | PaperQuote] = [quote]
    rows: list[tuple[Cell, ...]] = []
    for name, what in (("interference", "sweep"), ("pulse", "pulse")):
        s = m.results.get(name, {}).get("summary", {})
        for product in ("figurine", "earrings", "fan", "book"):
            if f"acc_mean_{product}" in s:
                figures = (s.get(f"acc_{part}_{product}") for part in ("pre", "mean", "min", "end"))
                rows.append((product, what, *(None if v is None else 100 * v for v in figures), s["n_per_point"]))
    if rows:
        items.append(
            Table(
                "figure_5_ours",
                "Figure 5, in figures",
                ("product", "interference", "before, %", "mean, %", "least, %", "at the end, %", "n"),
                tuple(rows),
                "Share of designs whose product the inspector reads as asked. The paper gives 97 (book) and 92.99 "
                "(earrings) without saying what was disturbed.",
                digits=tuple((f"{name}, %", 1) for name in ("before", "mean", "least", "at the end")),
            )
        )
    shown = (*_stage(m, "interference", ("curves",)), *_stage(m, "pulse", ("course_*",)))
    return _section("3.2.1 Accuracy under interference (Figure 5)", m, ("interference", "pulse"), (*items, *shown))


def _benefit(m: Material) -> Section:
    quote = PaperQuote(
        "Benefits grow to 1,312 yuan a day (hand puppet) and 1,118 (earrings), above those before and those of similar "
        "local products.",
        "section 3.2.2, Figure 6",
        m.decided[22].finding.reason,
    )
    items: list[Figure | Table | PaperQuote] = [quote]
    if "benefit" in m.results:
        s = m.results["benefit"]["summary"]
        names = [name.removesuffix("_effect") for name in s if name.endswith("_effect")]
        stated = {"figurine" if name == "hand puppet" else name: v for name, v in m.paper.benefits["abstract"].items()}
        items.append(
            Table(
                "figure_6_ours",
                "Figure 6, in figures",
                ("product", "paper: final yuan a day", "ours: effect, yuan a day", "low", "high", "p"),
                tuple(
                    (name, stated.get(name), *(s[f"{name}_{part}"] for part in ("effect", "low", "high", "p")))
                    for name in names
                ),
                "A level and an effect are different things; the paper gives levels only. The simulated series "
                "end at the paper's two levels.",
                f"SIMULATED: {s['units']} outlets, {s['days']} days, seed {s['seed']}",
                (("paper: final yuan a day", 0), ("ours: effect, yuan a day", 0), ("low", 0), ("high", 0)),
            )
        )
    shown = _stage(m, "benefit", ("simulated_curves", "simulated_products"))
    return _section("3.2.2 Benefit (Figure 6)", m, ("benefit",), (*items, *shown))


def _market(m: Material) -> Section:
    quote = PaperQuote(
        "Such products are to develop the market and the regional economy. No market and no region is measured.",
        "title, section 3.2.2",
        m.decided[24].finding.reason,
    )
    return _section("Market development", m, ("market",), (quote, *_stage(m, "market", ("*",), most=3)))


def _section(title: str, m: Material, stages: Sequence[str], items: Sequence[Figure | Table | PaperQuote]) -> Section:
    """A section with the state of its stages and links to their pages."""
    present = [name for name in stages if name in m.entries]
    absent = [m.entries[name] for name in present if not m.entries[name].shown]
    links = [
        (f"Page of {m.stages[name].name}: {m.stages[name].about}", f"../{name}/report/index.html")
        for name in present
        if m.entries[name].shown and (m.root / name / "report" / "index.html").exists()
    ]
    return Section(
        title,
        text=tuple(f"No results of `{e.stage}`: {e.state}; {e.reason}." for e in absent),
        items=tuple(items),
        simulated=any(m.entries[name].shown for name in present if name != "kansei"),
        links=tuple(links),
    )


def _stage(m: Material, stage: str, names: tuple[str, ...], most: int = 6) -> tuple[Figure, ...]:
    """Figures of a stage, as far as they are there."""
    if stage not in m.results:
        return ()
    return tuple(
        Figure(
            f"{stage}_{stem}",
            stem.removeprefix("simulated_").replace("_", " ").capitalize(),
            picture,
            f"From the page of `{stage}`, which explains it"
            + (", on SIMULATED data." if stem[:9] == "simulated" else "."),
            "",
        )
        for stem, picture in pictures.find(m.root, stage, names)[:most]
    )


def _evidence(name: str, title: str, decided: Sequence[Decided]) -> Table:
    rows = tuple(
        (item.claim.number, e.name, e.value, e.low, e.high, e.interval, e.n, e.note)
        for item in decided
        for e in item.finding.evidence
    )
    return Table(name, title, ("claim", "figure", "value", "low", "high", "interval", "n", "note"), rows)


def evidence(decided: Sequence[Decided]) -> Table:
    """Every figure behind the verdicts."""
    return _evidence("evidence", "Figures behind the verdicts", decided)
