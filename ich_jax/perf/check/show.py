"""Text of a comparison: lines for a terminal as stages finish, and Markdown for a pull request."""

import math
from collections.abc import Mapping, Sequence

from ich_jax.perf.check import pairs, trees, verdicts
from ich_jax.perf.check.reach import Reached
from ich_jax.perf.check.result import Result, Row

_FACTS = ("flops", "operand_bytes", "memory_estimate", "equations")
_SHOWN = 6  # lines of code, and facts, of one row


def heading(result: Result) -> str:
    """Names the sides, and the machine and version with which they were measured."""
    receipt = result.receipts.get("head", {})
    base, head = (f"{side['revision']} ({side['sha'][:10]})" for side in (result.base, result.head))
    cores = f"cores: {receipt.get('cores')}"
    return f"perf_check: base {base}, head {head}; jax {receipt.get('jax')}, {receipt.get('device')}, {cores}"


def reach_lines(result: Result) -> list[str]:
    """Lists the changed lines with the workloads that pass through them."""
    if not result.reach and not result.aside:
        return ["reach: nothing differs"]
    lines = [
        f"reach: {place(reached)} -> {', '.join(reached.workloads) or verdicts.NOT_MEASURED}"
        for reached in result.reach
    ]
    if result.aside:
        shown = ", ".join(result.aside[:_SHOWN]) + (", ..." if len(result.aside) > _SHOWN else "")
        lines.append(f"aside: changed files outside all programs: {len(result.aside)} ({shown})")
    return lines


def place(reached: Reached) -> str:
    """Formats a file with its lines; lines of the base are marked."""
    (text,) = trees.shown([(reached.path, reached.lines)])
    return text if reached.side == "head" else f"{text} (base)"


def fact_line(row: Row) -> str:
    """Summarises the facts of a workload's program in a line."""
    if row.missing:
        return f"{row.name}: {verdicts.NOT_MEASURED}: {row.missing}"
    parts = ["identical program" if row.identical else "program changed"]
    for name in _FACTS:
        base, head = (verdicts.flat(row.facts.get(side, {})).get(name) for side in ("base", "head"))
        parts.append(f"{name} {change(base, head)}")
    return f"{row.name}: {', '.join(parts)}"


def change(base: float | None, head: float | None) -> str:
    """Formats the change of a fact."""
    if base is None or head is None:
        return "n/a"
    if base == head:
        return "="
    return f"{100.0 * (head / base - 1.0):+.2f} %" if base else f"{verdicts.shown(base)} -> {verdicts.shown(head)}"


def times_text(row: Row) -> str:
    """Formats estimate and interval of the change in time."""
    if row.times is None:
        return "not timed"
    times = row.times
    return f"{percent(times.change)}, margin {100.0 * times.margin:.1f} %, pairs: {times.pairs}"


def percent(interval: pairs.Interval) -> str:
    """Formats an interval in per cent: estimate, lower end, upper end."""
    low, middle, high = (100.0 * x for x in (interval.low, interval.middle, interval.high))
    return f"{middle:+.1f} % [{low:+.1f} {high:+.1f}]"


def row_lines(row: Row) -> list[str]:
    """Lists the verdict of a workload and its evidence."""
    word, reason = row.verdict()
    lines = [f"{row.name}: {word}: {reason}"]
    gating = [d for d in row.differences if d.judgement]
    for difference in [*[d for d in gating if d.judgement == "worse"], *[d for d in gating if d.judgement == "better"]][
        :_SHOWN
    ]:
        extra = "" if difference.exact else ", not exact: cannot gate"
        extra += f", accepted: {difference.accepted}" if difference.accepted else ""
        lines.append(f"  {difference.judgement}: {difference}{extra}")
    if row.answer is not None and row.answer.kind != "equal":
        answer = row.answer
        lines.append(f"  answers: {answer.kind}, {answer.ulps:.3g} ulp, {answer.largest:.3g} absolute, {answer.where}")
    if row.times is not None:
        lines.append(f"  time: {times_text(row)}; second base {percent(row.times.control)}")
    if row.causes is not None:
        for cause in row.causes.causes[:_SHOWN]:
            lines.append(f"  {'brought by' if cause.changed else 'also'} {cause}")
        lines.append(f"  not attributed to a changed line: {100.0 * row.causes.unattributed:.0f} % of operations")
    if row.touched and word not in (verdicts.SAME, verdicts.FASTER):
        of_head = [reached for reached in row.touched if reached.side == "head"]
        # Lines that few workloads pass through are more informative than those that run at import.
        touched = sorted(of_head or row.touched, key=lambda reached: len(reached.workloads))
        shown = ", ".join(map(place, touched[:_SHOWN]))
        lines.append(f"  changed lines that it passes through: {shown}")
    lines += [f"  retraced: {' '.join(cause.split())[:300]}" for cause in row.causes_of_retracing[:2]]
    lines += [f"  note: {note}" for note in row.notes]
    return lines


def closing(result: Result) -> list[str]:
    """Lists the verdicts of the workloads and of the change."""
    lines = [line for row in result.rows for line in row_lines(row)]
    unreached = result.unreached()
    if unreached:
        n = sum(len(reached.lines) for reached in unreached)
        lines.append(f"{verdicts.NOT_MEASURED}: changed lines of code that no workload passes through: {n}")
        lines += [f"  {place(reached)}" for reached in unreached[:_SHOWN]]
        if len(unreached) > _SHOWN:
            lines.append(f"  further places: {len(unreached) - _SHOWN}")
    lines += [f"note: {note}" for note in result.notes]
    lines.append(f"verdict: {result.verdict()} (exit code {result.exit_code()})")
    return lines


def summary(result: Result) -> dict[str, float]:
    """Returns the headline figures."""
    bands = [max(abs(row.times.control.low), abs(row.times.control.high)) for row in result.rows if row.times]
    return {
        "workloads": float(len(result.rows)),
        "unreached": float(sum(len(reached.lines) for reached in result.unreached())),
        "facts_s": result.seconds.get("lower", math.nan),
        "total_s": max(result.seconds.values(), default=math.nan),
        "aa_band": max(bands, default=math.nan),
        "exit_code": float(result.exit_code()),
    }


def markdown(result: Result) -> str:
    """Returns the report for a pull request."""
    rows = []
    for row in result.rows:
        word, reason = row.verdict()
        flops, bytes_ = (
            change(*(verdicts.flat(row.facts.get(side, {})).get(name) for side in ("base", "head")))
            for name in ("flops", "operand_bytes")
        )
        program = "n/a" if row.missing else ("identical" if row.identical else "changed")
        answer = row.answer.kind if row.answer else "not compared"
        rows.append((row.name, program, flops, bytes_, answer, times_text(row), f"**{word}** {reason}"))
    columns = ("workload", "program", "operations", "bytes", "answer", "step time", "verdict")
    lines = [f"### Is it slower? **{result.verdict()}**", "", heading(result), "", _line(columns)]
    lines += [_line(["---"] * len(columns)), *map(_line, rows), ""]
    lines += ["<details><summary>Reach and causes</summary>", "", "```"]
    lines += [*reach_lines(result), *closing(result), "```", "", "</details>", ""]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def seconds(stages: Mapping[str, float]) -> str:
    """Formats the time from the start to the end of each stage."""
    return ", ".join(f"{name} {value:.0f} s" for name, value in stages.items())
