"""Results of a comparison: a record for each workload and one for the change, both ready for JSON."""

import dataclasses
from typing import Any

from ich_jax.perf.check import attribution, pairs, verdicts
from ich_jax.perf.check.answers import Answer
from ich_jax.perf.check.reach import Reached


@dataclasses.dataclass(slots=True)
class Row:
    """The result of a workload, filled stage by stage.

    Attributes:
        name: Name of the workload.
        missing: Reason why it was not measured; empty if it was.
        reached: Whether it passes through a changed line.
        touched: Changed lines that it passes through.
        identical: Whether its program is the same on all platforms.
        facts: Side -> facts from tracing and lowering, and of the optimised program if it was compiled.
        differences: Facts and counts that differ.
        counts: Side -> counts of events in a step.
        causes_of_retracing: Explanations by JAX.
        answer: Distance between the results; None: not compared.
        times: Times; None: not timed.
        causes: Sources of differences in operations; None: there are none.
        notes: Further remarks for the reader.
        accepted: Fact -> reason of the trailer that accepts it.
    """

    name: str
    missing: str = ""
    reached: bool = True
    touched: list[Reached] = dataclasses.field(default_factory=list)
    identical: bool = False
    facts: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    differences: list[verdicts.Difference] = dataclasses.field(default_factory=list)
    counts: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    causes_of_retracing: list[str] = dataclasses.field(default_factory=list)
    answer: Answer | None = None
    times: pairs.Times | None = None
    causes: attribution.Attribution | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    accepted: dict[str, str] = dataclasses.field(default_factory=dict)

    def verdict(self) -> tuple[str, str]:
        """Returns the verdict and its reason."""
        times = self.times
        return verdicts.verdict(
            verdicts.Outcome(
                missing=self.missing,
                identical=self.identical,
                reached=self.reached,
                differences=tuple(self.differences),
                answer=self.answer.kind if self.answer else "",
                answer_accepted=self.accepted.get("answer", ""),
                time=times.verdict if times else "",
                time_accepted=self.accepted.get("time", ""),
                further_pairs=times.further_pairs if times else 0,
            )
        )


@dataclasses.dataclass(slots=True)
class Result:
    """The result of a comparison.

    Attributes:
        base: Revision, commit and digest of the base.
        head: Revision, commit and digest of the head.
        receipts: Side -> machine and versions with which it was measured.
        stages: Requested stages.
        platforms: Platforms for which programs were lowered.
        reach: Changed lines of code and the workloads that pass through them.
        aside: Changed files that no workload can pass through, such as documents and tests.
        rows: Results of the workloads.
        seconds: Stage -> seconds from the start to its end.
        notes: Further remarks for the reader.
    """

    base: dict[str, str]
    head: dict[str, str]
    receipts: dict[str, dict[str, Any]]
    stages: tuple[str, ...]
    platforms: tuple[str, ...]
    reach: list[Reached]
    aside: list[str]
    rows: list[Row]
    seconds: dict[str, float]
    notes: list[str]

    def unreached(self) -> list[Reached]:
        """Changed lines that no workload passes through."""
        return [reached for reached in self.reach if not reached.workloads]

    def verdict(self) -> str:
        """Verdict of the change."""
        return verdicts.of_change([row.verdict()[0] for row in self.rows], bool(self.unreached()))

    def exit_code(self) -> int:
        """Exit code of the command."""
        return verdicts.exit_code(self.verdict())

    def to_json(self) -> dict[str, Any]:
        """Returns all results, including verdicts."""
        rows = []
        for row in self.rows:
            word, reason = row.verdict()
            rows.append({"verdict": word, "reason": reason, **dataclasses.asdict(row)})
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "rows"}
        return {"verdict": self.verdict(), "exit_code": self.exit_code(), **plain, "rows": rows}
