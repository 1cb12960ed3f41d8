"""Screening of questionnaires by rules, with a reason for each rejection."""

import collections
import dataclasses
import math

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty.results import Result

VALID = ""
BLANK, INCOMPLETE, STRAIGHT, FAST, ATTENTION, DUPLICATE = REASONS = (
    "largely blank",
    "incomplete",
    "straight-lined",
    "too fast",
    "failed attention check",
    "duplicated",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """Rules for rejecting questionnaires. The first rule that applies, in this order, gives the reason.

    Attributes:
        max_blank: Largest share of unanswered items before a questionnaire is "largely blank".
        max_missing: Largest number of unanswered items before it is "incomplete".
        straight_line: Reject if at least this number of items are answered, all with the same answer; 0: never.
        least_seconds: Reject questionnaires that were answered in less time; 0: never.
        duplicates: Reject a complete questionnaire with the same answers as an earlier one.

    Raises:
        ConfigError: A value is outside its limits.
    """

    max_blank: float = 0.5
    max_missing: int = 0
    straight_line: int = 10
    least_seconds: float = 0.0
    duplicates: bool = False

    def __post_init__(self) -> None:
        errors.require_within(self.max_blank, 0.0, 1.0, "rules.max_blank")
        errors.require_within(self.max_missing, 0, math.inf, "rules.max_missing", whole=True)
        errors.require_within(self.straight_line, 0, 10**6, "rules.straight_line", whole=True)
        errors.require_within(self.least_seconds, 0.0, math.inf, "rules.least_seconds")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Screening(Result):
    """Result of screening.

    Attributes:
        reason: `[n]` reason for rejection; empty for valid questionnaires.
        valid: `[n]` whether a questionnaire is valid.
        reasons: Reasons that occurred, in the order of the rules.
        rejected: Number of questionnaires for each of these reasons.
        n_returned: Number of questionnaires.
        n_valid: Number of valid questionnaires.
    """

    columns = ("reasons", "rejected")

    reason: tuple[str, ...]
    valid: npt.NDArray[np.bool_]
    reasons: tuple[str, ...]
    rejected: npt.NDArray[np.int64]
    n_returned: int
    n_valid: int


def screen(
    answers: npt.ArrayLike,
    rules: Rules | None = None,
    *,
    seconds: npt.ArrayLike | None = None,
    attention: npt.ArrayLike | None = None,
) -> Screening:
    """Applies rules of validity to questionnaires.

    Args:
        answers: `[n, items]` numbers, NaN for missing answers.
        rules: Rules for rejection; None: the defaults.
        seconds: `[n]` time to answer; NaN: not recorded, never too fast.
        attention: `[n]` whether the attention check was passed.

    Raises:
        ConfigError: There is a rule about time, but no times are given.
        DataError: Shapes do not fit, or an answer is infinite.
    """
    rules = rules or Rules()
    table = np.asarray(answers, np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise errors.DataError(f"screen: answers must be [n, items] and not empty, got {list(table.shape)}.")
    if np.isinf(table).any():
        raise errors.DataError(f"screen: answer at {np.argwhere(np.isinf(table))[0].tolist()} is infinite.")
    n, items = table.shape
    if rules.least_seconds > 0 and seconds is None:
        raise errors.ConfigError("screen: rules.least_seconds is set, but the times are not given.")
    missing = np.isnan(table).sum(axis=1)
    applies: dict[str, npt.NDArray[np.bool_]] = {
        BLANK: missing > rules.max_blank * items,
        INCOMPLETE: missing > rules.max_missing,
    }
    given = np.where(np.isnan(table), -np.inf, table).max(axis=1), np.where(np.isnan(table), np.inf, table).min(axis=1)
    long_enough = (items - missing) >= max(rules.straight_line, 2)
    applies[STRAIGHT] = (given[0] == given[1]) & long_enough & (rules.straight_line > 0)
    if seconds is not None:
        applies[FAST] = _column(seconds, n, "seconds") < rules.least_seconds
    if attention is not None:
        applies[ATTENTION] = _column(attention, n, "attention") == 0
    if rules.duplicates:
        applies[DUPLICATE] = _repeats(table) & (missing == 0)
    reason = [VALID] * n
    for name in REASONS:
        if name in applies:
            reason = [old or (name if hit else VALID) for old, hit in zip(reason, applies[name], strict=True)]
    counts = collections.Counter(filter(None, reason))
    names = tuple(name for name in REASONS if counts[name])
    valid = np.array([not why for why in reason])
    return Screening(
        reason=tuple(reason),
        valid=valid,
        reasons=names,
        rejected=np.array([counts[name] for name in names], np.int64),
        n_returned=n,
        n_valid=int(valid.sum()),
    )


def _column(values: npt.ArrayLike, n: int, name: str) -> npt.NDArray[np.float64]:
    column = np.asarray(values, np.float64)
    if column.shape != (n,):
        raise errors.DataError(
            f"screen: {name} must have one value for each of {n} questionnaires, got {column.shape}."
        )
    return column


def _repeats(table: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Returns whether each row equals an earlier one."""
    seen: set[bytes] = set()
    repeated = []
    for row in table + 0.0:  # -0.0 becomes 0.0, which has other bytes
        repeated.append(row.tobytes() in seen)
        seen.add(row.tobytes())
    return np.array(repeated)
