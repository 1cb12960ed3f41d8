"""Verdicts on differences between two sides: facts that gate, verdicts of workloads and of a change, exit codes.

Verdicts fail closed: a quantity that could not be measured on either side is NOT MEASURED, and never counts as SAME.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

SLOWER, FASTER, SAME = "SLOWER", "FASTER", "SAME"
DIFFERENT, UNDECIDED, NOT_MEASURED = "DIFFERENT ANSWER", "UNDECIDED", "NOT MEASURED"

OK, TOOL_ERROR, REGRESSION, UNDECIDED_CODE, NOT_MEASURED_CODE = range(5)
"""Exit codes."""

_CODES = {
    SLOWER: REGRESSION,
    DIFFERENT: REGRESSION,
    UNDECIDED: UNDECIDED_CODE,
    NOT_MEASURED: NOT_MEASURED_CODE,
    FASTER: OK,
    SAME: OK,
}
_ORDER = (
    DIFFERENT,
    SLOWER,
    NOT_MEASURED,
    UNDECIDED,
    FASTER,
    SAME,
)  # the verdict of a change is the first of these among its workloads


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A rule that decides when a fact is worse.

    Attributes:
        pattern: Regular expression that matches the full names of its facts.
        sign: 1: more is worse; -1: less is worse.
        relative: Largest relative change that counts as none.
        absolute: Largest change that counts as none.
    """

    pattern: str
    sign: int = 1
    relative: float = 0.0
    absolute: float = 0.0


RULES = (
    # Operations that move or convert numbers without computing, and operations that the device waits for.
    Rule(r"(?:operations|optimised_operations)\.(?:transpose|convert|copy|gather|scatter|while|dynamic_\w+|reverse)"),
    Rule(
        r"(?:operations|optimised_operations)\.(?:all[_-]\w+|collective[_-]\w+|reduce[_-]scatter|infeed|outfeed|send|recv)"
    ),
    Rule(r"operations\.(?:convolution|dot_general)"),
    Rule(r"custom_calls\..*(?:callback|host_|infeed|outfeed).*"),
    Rule(
        r"primitives\.(?:transpose|convert_element_type|copy|gather|scatter\w*|while|\w*callback|device_put|debug_\w+)"
    ),
    Rule(r"float64|dtypes\.(?:float64|complex128)"),
    Rule(r"convolution_types\.widest"),
    Rule(r"donated|alias_bytes", sign=-1),
    Rule(r"(?:literal|constant)_bytes", absolute=1024.0),
    Rule(
        r"flops|other_flops|operand_bytes|memory_estimate|temp_bytes|total_bytes|xla_\w+|transcendentals", relative=0.01
    ),
    Rule(r"compiles|traces|reads|waits|launches|puts", absolute=0.01),
)
"""Facts that gate; all others are for information."""

_WIDTH = {"f64": 8, "f32": 4, "tf32": 4, "bf16": 2, "f16": 2}


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A fact that differs between the sides.

    Attributes:
        fact: Name of the fact; after a colon, the platform of the lowered program.
        base: Value in the base; None: absent.
        head: Value in the head; None: absent.
        judgement: `worse`, `better`, or empty if the fact does not gate.
        exact: Whether two compilations of a side gave the same value; otherwise the fact cannot gate.
        accepted: Reason of a Perf-Accept trailer; empty without a trailer.
    """

    fact: str
    base: float | None
    head: float | None
    judgement: str
    exact: bool = True
    accepted: str = ""

    @property
    def gates(self) -> bool:
        """Whether the difference makes the workload SLOWER."""
        return self.judgement == "worse" and self.exact and not self.accepted

    def __str__(self) -> str:
        return f"{self.fact} {shown(self.base)} -> {shown(self.head)}{self.relative()}"

    def relative(self) -> str:
        """Formats the relative change in per cent in parentheses; empty if it is not defined."""
        if not self.base or self.head is None:
            return ""
        return f" ({100.0 * (self.head / self.base - 1.0):+.3g} %)"


def shown(value: float | None) -> str:
    """Formats the value of a fact."""
    if value is None:
        return "none"
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e7 else f"{value:.4g}"


def flat(facts: Mapping[str, Any]) -> dict[str, float]:
    """Returns facts by dotted names, without fingerprints.

    The widest type of a convolution is a fact, so that a cast from bfloat16 shows for any number of convolutions.
    """
    flattened: dict[str, float] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flattened |= {f"{name}.{kind}": float(n) for kind, n in value.items()}
        elif not isinstance(value, str):
            flattened[name] = float(value)
    if types := facts.get("convolution_types"):
        flattened["convolution_types.widest"] = float(max(_WIDTH.get(kind, 0) for kind in types))
    return flattened


def compare(
    base: Mapping[str, Any],
    head: Mapping[str, Any],
    *,
    platform: str = "",
    accepted: Mapping[str, str] | None = None,
    unstable: Sequence[str] = (),
) -> list[Difference]:
    """Lists the facts in which two sides differ.

    Args:
        base: Facts of the base.
        head: Facts of the head.
        platform: Platform, appended to the names.
        accepted: Fact -> reason of a trailer.
        unstable: Names of facts that differ between compilations of the same side.
    """
    old, new = flat(base), flat(head)
    differences = []
    for name in sorted({*old, *new}):
        table = name.partition(".")[0]
        counted = "." in name and (table in base and table in head)
        a = old.get(name, 0.0 if counted else None)
        b = new.get(name, 0.0 if counted else None)
        if a != b:
            label = f"{name}:{platform}" if platform else name
            reason = (accepted or {}).get(label) or (accepted or {}).get(name) or ""
            differences.append(Difference(label, a, b, judgement(name, a, b), name not in unstable, reason))
    return differences


def judgement(name: str, base: float | None, head: float | None) -> str:
    """Returns `worse`, `better`, or an empty string for a fact that does not gate or has hardly changed."""
    rule = next((rule for rule in RULES if re.fullmatch(rule.pattern, name)), None)
    if rule is None or base is None or head is None:
        return ""
    change = rule.sign * (head - base)
    if abs(change) <= max(rule.absolute, rule.relative * abs(base)):
        return ""
    return "worse" if change > 0 else "better"


def missing(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[str]:
    """Returns the gating facts that exist on one side only: a fact that disappeared is not measured."""
    return sorted(
        name
        for name in {*base, *head}
        if (name in base) != (name in head) and any(_gates(name, s) for s in (base, head))
    )


def _gates(name: str, facts: Mapping[str, Any]) -> bool:
    names = [key for key in flat({name: facts[name]})] if name in facts else []
    return any(re.fullmatch(rule.pattern, key) for rule in RULES for key in names)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The measurements of a workload on which its verdict rests.

    Attributes:
        missing: Reason why it was not measured; empty if it was.
        identical: Whether the program is the same on all platforms.
        reached: Whether a changed line is reached.
        differences: Facts and counts that differ.
        answer: `equal`, `ulp`, `different`, or empty if it was not compared.
        answer_accepted: Reason of a trailer that accepts another answer.
        time: Verdict of the times; empty if nothing was timed.
        time_accepted: Reason of a trailer that accepts a longer time.
        further_pairs: Approximate number of further pairs needed for a decision.
    """

    missing: str = ""
    identical: bool = False
    reached: bool = True
    differences: tuple[Difference, ...] = ()
    answer: str = ""
    answer_accepted: str = ""
    time: str = ""
    time_accepted: str = ""
    further_pairs: int = 0


def verdict(outcome: Outcome) -> tuple[str, str]:
    """Returns the verdict of a workload and its reason in words."""
    if outcome.missing:
        return NOT_MEASURED, outcome.missing
    if outcome.answer == "different" and not outcome.answer_accepted:
        return DIFFERENT, "the results differ by more than rounding"
    if gates := [difference for difference in outcome.differences if difference.gates]:
        return SLOWER, "; ".join(map(str, gates[:4])) + (f"; {len(gates) - 4} more" if len(gates) > 4 else "")
    if outcome.time == SLOWER and not outcome.time_accepted:
        return SLOWER, "it takes more time"
    notes = [f"{d.fact} accepted: {d.accepted}" for d in outcome.differences if d.judgement == "worse" and d.accepted]
    notes += [f"time accepted: {outcome.time_accepted}"] if outcome.time == SLOWER else []
    acceptance = "; ".join(notes)
    if outcome.identical and not outcome.reached:
        return SAME, "identical program, and it passes through no changed line"
    if outcome.time == UNDECIDED:
        return UNDECIDED, f"further pairs needed for timing: about {outcome.further_pairs:,}"
    if outcome.time:
        return (SAME if outcome.time == SLOWER else outcome.time), acceptance or "timed"
    if outcome.identical and outcome.answer in ("equal", "ulp"):
        return SAME, "identical program, equal counts and answers; not timed"
    if outcome.identical:
        return UNDECIDED, "identical program, but code on the host may pass through changed lines, and was not run"
    better = [str(difference) for difference in outcome.differences if difference.judgement == "better"]
    return UNDECIDED, "; ".join([*better[:3], "the program has changed and no fact is worse; not timed"])


def of_change(verdicts: Sequence[str], unreached: bool) -> str:
    """Returns the verdict of a change.

    Args:
        verdicts: Verdicts of its workloads.
        unreached: Whether there is a changed line of code that no workload passes through.
    """
    candidates = [*verdicts, *([NOT_MEASURED] if unreached or not verdicts else [])]
    return next(verdict for verdict in _ORDER if verdict in candidates)


def exit_code(verdict: str) -> int:
    """Returns the exit code of a verdict."""
    return _CODES[verdict]


def unstable(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Returns the facts that differ between two compilations of the same side."""
    a, b = flat(first), flat(second)
    return sorted(name for name in {*a, *b} if not _equal(a.get(name), b.get(name)))


def _equal(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-12))
