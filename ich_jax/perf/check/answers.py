"""Comparison of the results of two sides: equal, a few units in the last place apart, or different."""

import dataclasses
from pathlib import Path

import numpy as np

ULPS = 64
"""Largest distance, in units in the last place, that counts as rounding, whose effects grow over a few steps."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The distance between the results of two sides.

    Attributes:
        kind: `equal`, `ulp` or `different`.
        ulps: Largest distance in units in the last place of the largest number of its array.
        largest: Largest absolute difference.
        where: Name of the array with the largest difference.
    """

    kind: str
    ulps: float
    largest: float
    where: str


def compare(base: Path, head: Path) -> Answer:
    """Compares the arrays that two workers wrote.

    A difference is measured in units in the last place of the largest number of its array: where sums cancel, small
    results carry the rounding errors of large terms.
    """
    with np.load(base) as old, np.load(head) as new:
        if missing := sorted(set(old) ^ set(new)):
            return Answer("different", np.inf, np.inf, f"{missing[0]} exists on one side only")
        worst = Answer("equal", 0.0, 0.0, "")
        for name in old:
            answer = _compare(name, old[name], new[name])
            if (answer.kind == "different", answer.ulps) > (worst.kind == "different", worst.ulps):
                worst = answer
    return worst


def _compare(name: str, a: np.ndarray, b: np.ndarray) -> Answer:
    if a.shape != b.shape or a.dtype != b.dtype:
        return Answer("different", np.inf, np.inf, f"{name}: {a.dtype}{list(a.shape)} and {b.dtype}{list(b.shape)}")
    if np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
        return Answer("equal", 0.0, 0.0, "")
    if a.dtype.kind not in "fc":
        return Answer("different", np.inf, float(np.max(np.abs(a.astype(float) - b.astype(float)))), name)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return Answer("different", np.inf, np.inf, f"{name}: not finite at the same places")
    finite = np.isfinite(a)
    gap = float(np.max(np.abs(a[finite] - b[finite]), initial=0.0))
    scale = float(np.max(np.abs(a[finite]), initial=0.0))
    real = np.finfo(a.dtype)
    ulps = gap / max(scale * float(real.eps), float(real.tiny))
    return Answer("ulp" if ulps <= ULPS else "different", ulps, gap, name)
