"""Proves the check: plants each fault, one at a time, and compares the same with itself, which has to stay silent."""

import dataclasses
import time
from pathlib import Path
from typing import Any

from perf_checks import faults

from ich_jax.perf.check import show, stages, trees
from ich_jax.perf.check.result import Result
from ich_jax.report import tables

_STAGES = {
    "reach": ("lower",),
    "lower": ("lower",),
    "run": ("lower", "compile", "run"),
    "time": ("lower", "run", "time"),
}
TABLE = faults.PLANTED / "table.py"


@dataclasses.dataclass(frozen=True)
class Planted:
    """What became of a fault.

    Attributes:
        fault: Its name.
        stage: Which has to find it.
        verdict: What was said.
        found: The fact, count or interval that gave it away; empty if it was missed.
        named: Whether the report names its line.
        seconds: That it took.
    """

    fault: str
    stage: str
    verdict: str
    found: str
    named: bool
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether the stage found it and the report names its line."""
        return bool(self.found) and self.named


@dataclasses.dataclass(frozen=True)
class Silent:
    """A comparison of the same with itself.

    Attributes:
        run: Number of the comparison.
        workload: Which.
        alarm: What it said, if that was an alarm.
        kind: `facts` or `time`.
        band: What the second base showed, as a share; None if nothing was timed.
        verdict: Of the times.
    """

    run: int
    workload: str
    alarm: str
    kind: str
    band: float | None
    verdict: str


def plant(fault: faults.Fault, *, seconds: float, limit_s: float) -> Planted:
    """Plants a fault and compares."""
    began = time.monotonic()
    with trees.scratch() as scratch:
        root = scratch / "planted"
        line = faults.plant(root, (fault,))[fault]
        result = stages.compare(_options(root, fault, seconds, limit_s))
        verdict = result.rows[0].verdict()[0] if fault.workload else result.verdict()
        found = _found(fault, result, line) if verdict in fault.verdicts else ""
        place = f"planted/work.py:{line}"
        text = "\n".join([*show.reach_lines(result), *show.closing(result)])
    return Planted(fault.name, fault.stage, verdict, found, place in text, time.monotonic() - began)


def silent(runs: int, *, seconds: float, limit_s: float) -> list[Silent]:
    """Compares the same with itself; every workload of every comparison counts as one run.

    Args:
        runs: At least so many.
        seconds: For the times of one comparison.
        limit_s: For one order.
    """
    found: list[Silent] = []
    with trees.scratch() as scratch:
        root = scratch / "planted"
        faults.plant(root, ())
        while len(found) < runs:
            asked = stages.Options(root, TABLE, "HEAD", "HEAD", seconds=seconds, limit_s=limit_s, log=lambda _: None)
            result = stages.compare(asked)
            found += [_silent(len(found) // len(result.rows), row) for row in result.rows]
            alarms = sum(bool(each.alarm) for each in found)
            print(f"  {len(found)} comparisons of the same with itself, {alarms} alarms", flush=True)
    return found


def _silent(run: int, row: Any) -> Silent:
    verdict, reason = row.verdict()
    gates = [str(d) for d in row.differences if d.gates]
    times = row.times
    band = max(abs(times.control.low), abs(times.control.high)) if times else None
    said = times.verdict if times else ""
    if gates or row.missing or (row.answer and row.answer.kind != "equal"):
        return Silent(run, row.name, f"{verdict}: {reason}", "facts", band, said)
    alarm = f"{said} {show.percent(times.change)}" if times and said in ("SLOWER", "FASTER") else ""
    return Silent(run, row.name, alarm, "time" if alarm else "", band, said)


def _options(root: Path, fault: faults.Fault, seconds: float, limit_s: float) -> stages.Options:
    return stages.Options(
        root=root,
        table=TABLE,
        base="HEAD",
        head=trees.WORKTREE,
        workloads=(fault.workload or "dense",),
        stages=_STAGES[fault.stage],
        seconds=seconds,
        limit_s=limit_s,
        log=lambda _: None,
    )


def _found(fault: faults.Fault, result: Result, line: int) -> str:
    """What gave a fault away at the stage that has to find it."""
    if fault.stage == "reach":
        return next((show.place(r) for r in result.unreached() if r.side == "head" and line in r.lines), "")
    (row,) = result.rows
    if fault.stage == "time":
        return show.times_text(row) if row.times else ""
    if not fault.fact:
        return f"answers {row.answer.kind}" if row.answer else ""
    return next((str(d) for d in row.differences if d.gates and d.fact.startswith(fault.fact)), "")


def table_of(planted: list[Planted], silences: list[Silent]) -> list[tables.Table]:
    """Returns the tables that are stored."""
    rows = tuple(
        (
            p.fault,
            p.stage,
            "caught" if p.caught else "missed",
            p.verdict,
            p.found,
            "yes" if p.named else "no",
            p.seconds,
        )
        for p in planted
    )
    columns = ("fault", "stage", "outcome", "verdict", "found by", "line named", "seconds")
    caption = "One fault at a time in scripts/perf_checks/planted; the base is the package without it."
    shown = [tables.Table("planted", "Planted faults", columns, rows, caption, digits=(("seconds", 0),))]
    if silences:
        alarms = tuple((s.run, s.workload, s.kind, s.alarm) for s in silences if s.alarm) or ((0, "none", "", ""),)
        words = [s.verdict for s in silences if s.verdict]
        said = ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))
        title = f"Alarms in {len(silences)} comparisons of the same with itself"
        shown.append(
            tables.Table("silent", title, ("run", "workload", "kind", "alarm"), alarms, f"Times said: {said}.")
        )
    return shown
