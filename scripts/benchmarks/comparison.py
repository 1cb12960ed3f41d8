"""Rows of a benchmark against other packages: a problem, our way and the peer's, and the comparison of results."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ich_jax.perf.timing import Way

MANY = 4.5  # tolerance in standard errors of a simulated p-value: a row makes some tens of comparisons


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another implementation.

    Attributes:
        name: The function that is called.
        module: Module that must be installed.
        way: Imports the package and returns the way to run it.
    """

    name: str
    module: str
    way: Callable[[], Way]


@dataclasses.dataclass(frozen=True)
class Row:
    """One problem.

    Attributes:
        name: S1 to S9.
        problem: The computation, with sizes.
        make: Data of one call, from a random generator.
        ours: Our way.
        peer: The fastest other one.
        check: Takes data and both results; raises MismatchError.
        equal: The check in words.
        repeats: Calls in each round, where one is too short to be timed.
        note: A remark for readers.
    """

    name: str
    problem: str
    make: Callable[[np.random.Generator], Any]
    ours: Way
    peer: Peer
    check: Callable[[Any, Any, Any], None]
    equal: str
    repeats: int = 1
    note: str = ""


def long_rows(y: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit, period, outcome and treatment of every row of a panel.

    Args:
        y: Outcomes `[units, periods]`.
        start: First treated period of each unit `[units]`.
    """
    units, periods = y.shape
    unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
    return unit, period, y.ravel(), (period >= start[unit]).astype(np.float64)


def frame(y: np.ndarray, start: np.ndarray) -> Any:
    """The same rows as a data frame, with the column "ever" for units that are treated at some time."""
    import pandas

    unit, period, outcome, treated = long_rows(y, start)
    table = pandas.DataFrame({"y": outcome, "unit": unit, "t": period, "d": treated.astype(int)})
    return table.assign(ever=(start[unit] < y.shape[1]).astype(int))


def same_p(ours: float, theirs: float, n: int) -> None:
    """Raises AssertionError if two p-values, each from n draws, differ by more than Monte Carlo error."""
    middle = (ours + theirs) / 2.0
    tolerance = MANY * math.sqrt(2.0 * middle * (1.0 - middle) / n) + 2.0 / n
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg="p")
