"""Tables of a design run."""

import csv
import io
from collections.abc import Sequence

from ich_jax.report.tables import Table
from ich_jax.report.text import count, signed
from ich_jax.studies.design.result import BriefResult, Delivered, Quality, Seen, quality
from ich_jax.types import DesignSpace


def designs_csv(results: Sequence[BriefResult], space: DesignSpace) -> str:
    """Returns `designs.csv`: a row for each design with its brief, noise, both readings, errors, rank and reason.

    `asked_*` is the brief that a design was drawn from; `open_parts` names its parts that were not asked for.
    """
    names = ("product", *(element.name for element in space.elements), *space.axes)
    head = [
        "brief",
        "rank",
        "file",
        "seed",
        "noise",
        "reason",
        "meets_brief_own",
        "meets_brief_inspector",
        "open_parts",
    ]
    columns = [f"{what}_{name}" for what in ("asked", "own", "inspector") for name in names]
    columns += [f"error_{what}_{name}" for what in ("own", "inspector") for name in space.axes]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*head, *columns])
    for result in results:
        for design in result.delivered:
            asked, readers = dict(design.stated), (design.own, design.judged)
            row: list[object] = [result.name, design.rank, design.file, design.seed, design.noise, design.reason]
            row += ["" if seen is None else ("yes" if seen.meets else "no") for seen in readers]
            row.append(";".join(design.open_parts))
            row += [asked.get(name, "") for name in names]
            row += ["" if seen is None else seen.parts[name] for seen in readers for name in names]
            row += ["" if seen is None else seen.error.get(name, "") for seen in readers for name in space.axes]
            writer.writerow(row)
    return buffer.getvalue()


def chosen_table(result: BriefResult) -> Table:
    """Returns the reason for the choice of each design, and its differences from the brief by both readers."""
    rows = tuple(
        (
            design.rank,
            design.reason,
            f"{design.seed}/{design.noise}",
            _differs(design, design.own),
            _differs(design, design.judged) if design.judged is not None else None,
        )
        for design in result.delivered
    )
    refused = "; ".join(f"{name} {missed}" for name, missed in result.refused.items() if missed) or "none"
    caption = (
        "Differences from the stated parts by each reader: errors of axes, and categories read differently from the "
        "brief."
    )
    if any(design.open_parts for design in result.delivered):
        caption += (
            " Parts that the brief leaves open were drawn for each candidate from images of the run; designs are not "
            "compared with these parts."
        )
    if result.chosen:
        caption += (
            f" {result.n_meeting} of {count(result.n_candidates, 'candidate')} meet the brief by the run's own reading "
            f"head; candidates that miss each part: {refused}."
        )
    columns = ("rank", "why", "noise", "own reading", "inspector")
    return Table(f"chosen_{result.name}", "Why each design was delivered", columns, rows, caption)


def quality_table(results: Sequence[BriefResult], samples: str) -> Table:
    """Compares the delivered designs with the first draw of each brief, by both readers."""
    delivered = [design for result in results for design in result.delivered]
    rows = []
    for what, own_readings, judged in (
        ("delivered", [d.own for d in delivered], [d.judged for d in delivered]),
        ("first draw of each brief", [result.first for result in results], [result.first_judged for result in results]),
    ):
        for reader, summarised in (("inspector", quality(judged)), ("own reading head", quality(own_readings))):
            if summarised is not None:
                rows.append((what, reader, *_cells(summarised)))
    columns = ("designs", "read by", "n", "meet their brief", "low", "high", "axis MAE", "beyond 0.5", "misread parts")
    return Table(
        "quality",
        "Delivered against first draw",
        columns,
        tuple(rows),
        "Share of designs that meet their brief (every category read as stated, every axis within the tolerance) with "
        "its 95 % Wilson interval; mean absolute error over stated axes; number of designs with an error beyond 0.5 on "
        "any of them. The inspector took no part in choosing; the run's own reading head did, so its row flatters the "
        "delivered designs.",
        samples,
        (("meet their brief", 4), ("low", 4), ("high", 4)),
    )


def _cells(summarised: Quality) -> tuple[int | float | str | None, ...]:
    low, high = (summarised.interval.low, summarised.interval.high) if summarised.interval else (None, None)
    wrong = ", ".join(f"{name} {missed}" for name, missed in summarised.wrong.items()) or "none"
    return (summarised.n, summarised.share, low, high, summarised.mae, summarised.beyond_half, wrong)


def _differs(design: Delivered, seen: Seen | None) -> str:
    if seen is None:
        return ""
    asked = dict(design.stated)
    differences = [f"{name} {seen.parts[name]}, not {asked[name]}" for name in seen.wrong if name not in seen.error]
    differences += [f"{name} {signed(error)}" for name, error in seen.error.items()]
    return "; ".join(differences) or "as asked"
