"""The paper's claims as data, each with the function that decides it.

A function receives the figures of the paper that it names as its parameters, and nothing else, so a figure can change
the verdict of those claims only that take it. A claim that rests on unpublished data names them in `needs`; its verdict
is `without` for as long as one of them is missing, and that of its function once they are given.
"""

import dataclasses
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ich_jax.report.tables import Measure
from ich_jax.studies.paper.stated import Paper

HOLDS = "HOLDS"
FAILS = "FAILS"  # its own data say otherwise
CONTRADICTS = "CONTRADICTS"  # two places of the paper disagree
ERROR = "ERROR"  # an equation is wrong
NOT_TESTABLE = "NOT TESTABLE"  # the data exist and are not in the paper
UNSUPPORTED = "UNSUPPORTED"  # the paper reports no data of that kind at all
WORDING = "WORDING"  # a wrong term, whose meaning can be guessed
REMARK = "REMARK"  # not claimed; the data show it and a reader should know it
VERDICTS = (HOLDS, FAILS, CONTRADICTS, ERROR, NOT_TESTABLE, UNSUPPORTED, WORDING, REMARK)

OWN_NUMBERS, NEEDS_DATA, NEEDS_EXPERIMENT = "own numbers", "needs data", "needs an experiment"
KINDS = (OWN_NUMBERS, NEEDS_DATA, NEEDS_EXPERIMENT)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """How a claim was decided.

    Attributes:
        verdict: One of `VERDICTS`.
        reason: One or two sentences with the deciding numbers.
        evidence: Figures with their intervals.
    """

    verdict: str
    reason: str
    evidence: tuple[Measure, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper.

    Attributes:
        number: Its id.
        section: Place in the paper.
        statement: The claim in our words, with the paper's figures.
        kind: One of `KINDS`.
        decide: The function that decides it; parameters are fields of `Paper` and names of `needs`.
        needs: Unpublished data without which it cannot be decided, each with a description.
        without: Verdict for as long as these are missing.
        known: What the published figures still say then; parameters are fields of `Paper`.
    """

    number: int
    section: str
    statement: str
    kind: str
    decide: Callable[..., Finding]
    needs: tuple[tuple[str, str], ...] = ()
    without: str = ""
    known: Callable[..., Finding] | None = None

    @property
    def uses(self) -> frozenset[str]:
        """Fields of `Paper` on which the finding may depend."""
        functions = [self.decide, *([self.known] if self.known else [])]
        names = {name for function in functions for name in inspect.signature(function).parameters}
        return frozenset(names - {name for name, _ in self.needs})

    def missing(self, paper: Paper) -> tuple[str, ...]:
        """Names of the needed data that are not given."""
        return tuple(name for name, _ in self.needs if name not in paper.unpublished)


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """A claim and its finding."""

    claim: Claim
    finding: Finding


def decide(claim: Claim, paper: Paper) -> Finding:
    """Decides one claim from the figures of the paper.

    Args:
        claim: The claim.
        paper: What the paper states, and unpublished data if there are any.
    """
    missing = claim.missing(paper)
    if not missing:
        return claim.decide(**_arguments(claim.decide, claim, paper))
    known = claim.known(**_arguments(claim.known, claim, paper)) if claim.known else Finding(claim.without, "")
    described = "; ".join(text for name, text in claim.needs if name in missing)
    reason = f"{known.reason} Not given: {described}.".strip()
    return Finding(claim.without, reason, known.evidence)


def decide_all(claims: Sequence[Claim], paper: Paper | None = None) -> tuple[Decided, ...]:
    """Decides every claim; by default from what the paper prints."""
    paper = Paper() if paper is None else paper
    return tuple(Decided(claim, decide(claim, paper)) for claim in claims)


def counts(decided: Sequence[Decided]) -> dict[str, int]:
    """Returns the number of claims and of each verdict, by the names of the summary line."""
    found = Counter(item.finding.verdict for item in decided)
    return {"claims": len(decided)} | {name.lower().replace(" ", "_"): found[name] for name in VERDICTS}


def _arguments(function: Callable[..., Finding], claim: Claim, paper: Paper) -> dict[str, Any]:
    needed = {name for name, _ in claim.needs}
    return {
        name: paper.unpublished[name] if name in needed else getattr(paper, name)
        for name in inspect.signature(function).parameters
    }
