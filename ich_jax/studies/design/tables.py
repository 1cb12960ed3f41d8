"""Tables of a design run."""

import csv
import io
from collections.abc import Sequence

from ich_jax.report.tables import Table
from ich_jax.report.text import signed
from ich_jax.studies.design.result import BriefResult, Delivered, Quality, Seen, quality
from ich_jax.types import DesignSpace


def designs_csv(results: Sequence[BriefResult], space: DesignSpace) -> str:
    """Returns `designs.csv`: a row for each design with its brief, noise, both readings, errors, rank and reason.

    `asked_*` is the brief that a design was drawn from; `open_parts` names those of it that nobody asked for.
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
    for one in results:
        for design in one.delivered:
            asked, readers = dict(design.stated), (design.own, design.judged)
            row: list[object] = [one.name, design.rank, design.file, design.seed, design.noise, design.reason]
            row += ["" if seen is None else ("yes" if seen.meets else "no") for seen in readers]
            row.append(";".join(design.open_parts))
            row += [asked.get(name, "") for name in names]
            row += ["" if seen is None else seen.parts[name] for seen in readers for name in names]
            row += ["" if seen is None else seen.error.get(name, "") for seen in readers for name in space.axes]
            writer.writerow(row)
    return buffer.getvalue()


def chosen_table(result: BriefResult) -> Table:
    """Why each design of a brief was taken, and what both readers see that differs from the brief."""
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
    refused = "; ".join(f"{name} {count}" for name, count in result.refused.items() if count) or "none"
    caption = (
        "What each reader sees of the parts that are stated: errors of axes, and what is read otherwise than asked."
    )
    if any(design.open_parts for design in result.delivered):
        caption += (
            " Parts that the brief leaves open were drawn for each candidate as images of the run have them; designs "
            "are not compared with those."
        )
    if result.chosen:
        caption += (
            f" {result.n_meeting} of {result.n_candidates} candidates meet the brief as the run's own reading head "
            f"reads them; candidates that miss a part: {refused}."
        )
    columns = ("rank", "why", "noise", "own reading", "inspector")
    return Table(f"chosen_{result.name}", "Why each was delivered", columns, rows, caption)


def quality_table(results: Sequence[BriefResult], samples: str) -> Table:
    """What is delivered against the first draw of each brief, as both readers read them."""
    delivered = [design for one in results for design in one.delivered]
    rows = []
    for what, own, judged in (
        ("delivered", [d.own for d in delivered], [d.judged for d in delivered]),
        ("first draw of each brief", [one.first for one in results], [one.first_judged for one in results]),
    ):
        for reader, found in (("inspector", quality(judged)), ("own reading head", quality(own))):
            if found is not None:
                rows.append((what, reader, *_cells(found)))
    columns = ("designs", "read by", "n", "meet their brief", "low", "high", "axis MAE", "beyond 0.5", "misread parts")
    return Table(
        "quality",
        "Delivered against first draw",
        columns,
        tuple(rows),
        "Share of designs on which every stated part is read as asked, axes within the tolerance, with its 95 % Wilson "
        "interval; mean absolute error over stated axes; designs with an error beyond 0.5 on any of them. The "
        "inspector took no part in choosing; the run's own reading head did, so its row flatters what was delivered.",
        samples,
        (("meet their brief", 4), ("low", 4), ("high", 4)),
    )


def _cells(found: Quality) -> tuple[int | float | str | None, ...]:
    low, high = (found.interval.low, found.interval.high) if found.interval else (None, None)
    wrong = ", ".join(f"{name} {count}" for name, count in found.wrong.items()) or "none"
    return (found.n, found.share, low, high, found.mae, found.beyond_half, wrong)


def _differs(design: Delivered, seen: Seen | None) -> str:
    if seen is None:
        return ""
    asked = dict(design.stated)
    words = [f"{name} {seen.parts[name]}, not {asked[name]}" for name in seen.wrong if name not in seen.error]
    words += [f"{name} {signed(error)}" for name, error in seen.error.items()]
    return "; ".join(words) or "as asked"
