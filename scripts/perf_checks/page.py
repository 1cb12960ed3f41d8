"""Pages of `scripts/perf_check.py`: a comparison, and the history of facts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax.perf.check import show, verdicts
from ich_jax.perf.check.result import Result, Row
from ich_jax.report import charts, line_charts, page, provenance, tables

SHOWN_FACTS = ("flops", "operand_bytes", "memory_estimate", "equations", "text_bytes")
_MANY = 200  # rows of a table of facts


def write(folder: Path, result: Result) -> Path:
    """Writes the page of a comparison to `folder/index.html`."""
    timed = [row for row in result.rows if row.times is not None]
    sections = [_verdicts(result)]
    if timed:
        sections.append(_times(timed))
    sections += [_reach(result), _facts(result), _causes(result)]
    unreached = sum(len(reached.lines) for reached in result.unreached())
    return page.write(
        folder / "index.html",
        title="Is it slower?",
        summary=f"{show.heading(result)}. Verdict of the change: {result.verdict()}.",
        sections=sections,
        provenance=provenance.provenance(),
        headlines=[
            page.Headline("verdict", result.verdict(), f"exit code {result.exit_code()}"),
            page.Headline("workloads", str(len(result.rows))),
            page.Headline("changed lines that nothing reaches", str(unreached)),
            page.Headline("ended after", f"{max(result.seconds.values(), default=0.0):.0f} s"),
        ],
        warnings=result.notes,
    )


def _verdicts(result: Result) -> page.Section:
    rows: list[tuple[tables.Cell, ...]] = []
    for row in result.rows:
        word, reason = row.verdict()
        rows.append(
            (
                row.name,
                word,
                reason,
                None if row.missing else ("identical" if row.identical else "changed"),
                row.answer.kind if row.answer else None,
                show.times_text(row) if row.times else None,
                " ".join(row.notes),
            )
        )
    columns = ("workload", "verdict", "reason", "program", "answer", "time", "notes")
    stages = f"Stages ended after: {show.seconds(result.seconds)}."
    return page.Section(
        "Verdicts", items=(tables.Table("verdicts", "Workloads", columns, tuple(rows), caption=stages),)
    )


def _times(rows: Sequence[Row]) -> page.Section:
    dots, panels = [], []
    for row in rows:
        times = row.times
        assert times is not None
        for series, found in (("head over base", times.change), ("second base over base", times.control)):
            dots.append(charts.Dot(row.name, 100.0 * found.middle, 100.0 * found.low, 100.0 * found.high, series))
        lines, first = [], 0
        for i, ratios in enumerate(times.ratios):
            x = np.arange(first, first + len(ratios))
            lines.append(line_charts.Line(f"start {i + 1}", x, 100.0 * np.expm1(ratios), colour=i, points=True))
            first += len(ratios)
        margin = 100.0 * times.margin
        guides = ((margin, "margin"), (-margin, ""))
        panels.append(
            line_charts.SeriesPanel(row.name, tuple(lines), guides=guides, x_label="round", y_label="longer by, %")
        )
    n = sum(row.times.pairs for row in rows if row.times)
    samples = f"{n} rounds, processes started anew three times"
    return page.Section(
        "Times",
        text=("Both sides and a second process of the base take turns; the second base shows what noise does.",),
        items=(
            page.Figure(
                "times",
                "How much longer a call takes",
                charts.dots(dots, x_label="longer by, %", guide=0.0),
                "Estimate and 95 % interval of a bootstrap that draws processes first and their rounds then.",
                samples,
            ),
            page.Figure(
                "rounds",
                "Every round",
                line_charts.series(panels),
                "Each point compares blocks of the head with blocks of the base within a second; colours are starts.",
                samples,
            ),
        ),
    )


def _reach(result: Result) -> page.Section:
    rows = [
        (show.place(reached), ", ".join(reached.workloads) or verdicts.NOT_MEASURED) for reached in result.reach
    ] or [("nothing differs", "")]
    table = tables.Table(
        "reach",
        "Changed lines of code and the workloads that pass through them",
        ("lines", "workloads"),
        tuple(rows),
        caption=f"{len(result.aside)} changed files are in no program: tests, documents, scripts.",
    )
    return page.Section("Reach", items=(table,))


def _facts(result: Result) -> page.Section:
    rows: list[tuple[tables.Cell, ...]] = []
    for row in result.rows:
        differing = {d.fact: d for d in row.differences}
        flat = {side: verdicts.flat(row.facts.get(side, {})) for side in ("base", "head")}
        for name in SHOWN_FACTS:
            if name in flat["head"] and name not in differing:
                rows.append((row.name, name, flat["base"].get(name), flat["head"][name], "=", ""))
        for d in row.differences:
            judged = (
                d.judgement + ("" if d.exact else " (not exact)") + (f" (accepted: {d.accepted})" if d.accepted else "")
            )
            rows.append((row.name, d.fact, d.base, d.head, d.relative().strip(" ()"), judged))
    columns = ("workload", "fact", "base", "head", "change", "judgement")
    left = f"{len(rows) - _MANY} more rows are in perf_check.json." if len(rows) > _MANY else ""
    return page.Section(
        "Facts", items=(tables.Table("facts", "Facts side by side", columns, tuple(rows[:_MANY]), left),)
    )


def _causes(result: Result) -> page.Section:
    rows: list[tuple[tables.Cell, ...]] = []
    for row in result.rows:
        for cause in row.causes.causes[:12] if row.causes else ():
            what = ", ".join(f"{n:+d} {name}" for name, n in cause.more.items())
            rows.append((row.name, cause.place, "yes" if cause.changed else "no", cause.scope, what))
    shares = [
        f"{row.name}: {100.0 * row.causes.unattributed:.0f} % of the operations that came or went are not attributed."
        for row in result.rows
        if row.causes and row.causes.causes
    ]
    columns = ("workload", "line", "changed", "scope", "operations")
    table = tables.Table("causes", "Lines that brought operations", columns, tuple(rows), " ".join(shares))
    return page.Section("Causes", items=(table,), folded=not rows)


def write_history(folder: Path, commits: Sequence[Mapping[str, Any]], steps: Sequence[str]) -> Path:
    """Writes the page of a history to `folder/index.html`.

    Args:
        folder: Where.
        commits: Of each, oldest first: `sha`, `subject` and `facts`, of each workload by name.
        steps: What changed between them, a sentence each.
    """
    names = sorted({name for commit in commits for name in commit["facts"]})
    sections = []
    for name in names:
        panels = []
        for fact in SHOWN_FACTS:
            y = [commit["facts"].get(name, {}).get(fact, np.nan) for commit in commits]
            if np.isfinite(y).any():
                line = line_charts.Line("", np.arange(len(y)), np.asarray(y, float), points=len(y) < 3)
                panels.append(line_charts.SeriesPanel(fact, (line,), x_label="commit"))
        figure = page.Figure(
            f"history_{name}",
            name,
            line_charts.series(panels),
            "One point a commit, the oldest at the left; gaps are commits that have no such workload.",
            f"{len(commits)} commits",
        )
        sections.append(page.Section(name, items=(figure,)))
    table = tables.Table(
        "steps", "Commits that moved a fact by 1 % or more", ("step",), tuple((step,) for step in steps)
    )
    return page.write(
        folder / "index.html",
        title="Facts over commits",
        summary=f"{len(commits)} commits that touch the package, traced and lowered for CPU, nothing compiled.",
        sections=[page.Section("Steps", items=(table,)), *sections],
        provenance=provenance.provenance(),
    )
