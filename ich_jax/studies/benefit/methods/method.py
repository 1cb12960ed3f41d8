"""A row of the table of methods: its estimate, its conditions, its least p and its simulation."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.config import BenefitConfig
from ich_jax.econometrics import holidays
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.regression import coefficient_table
from ich_jax.econometrics.synthetic import control as synthetic_control
from ich_jax.econometrics.synthetic import sdid
from ich_jax.studies.benefit.changes import ChangeTest
from ich_jax.studies.benefit.counts import Counts, Sizes
from ich_jax.studies.benefit.refits import ErrorTest, SeriesTest
from ich_jax.uncertainty.float64 import Array

DID, WEIGHTS, SERIES = "difference-in-differences", "synthetic control", "no comparison"


@dataclasses.dataclass(frozen=True, slots=True)
class WeightedFits:
    """Fits that several methods of the synthetic-control family share.

    Attributes:
        panel: The fitted panel: without gaps, one start.
        study: The treated series and its donors.
        fit: Synthetic control.
        placebos: Its placebo test in space.
        sdid: Synthetic difference-in-differences.
    """

    panel: Panel
    study: synthetic_control.Study
    fit: synthetic_control.SyntheticControl
    placebos: synthetic_control.SpacePlacebo
    sdid: sdid.SyntheticDiD


@dataclasses.dataclass(frozen=True, slots=True)
class Inputs:
    """The input of a method: one product, its panels on one scale.

    Attributes:
        scaled: Daily panel.
        binned: The same in weeks, or in days where these are few.
        bin: "week" or "day".
        config: `analysis` and `seed` are used.
        key: Random key of the family.
        calendar: Holidays; None: `holidays.built_in`.
        fits: Of the part of `binned` without gaps and with one start; None: methods that weigh donors do not apply.
    """

    scaled: Panel
    binned: Panel
    bin: str
    config: BenefitConfig
    key: jax.Array
    calendar: holidays.Calendar | None = None
    fits: WeightedFits | None = None

    @property
    def confidence(self) -> float:
        """Coverage of the intervals."""
        return 1.0 - self.config.analysis.alpha

    @property
    def launches(self) -> int:
        """Number of different days of a launch."""
        return len(np.unique(self.scaled.start[self.scaled.ever_treated]))

    @property
    def weighted(self) -> WeightedFits:
        """`fits`, where there are some; methods that read it apply only there."""
        assert self.fits is not None
        return self.fits


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The findings of a method; attributes as in `Estimate`."""

    effect: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    smallest_p: float = math.nan
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """One method's answer, in yuan a day of a treated unit.

    Attributes:
        method: Its name; those of the audit have the same.
        family: "difference-in-differences", "synthetic control" or "no comparison".
        effect: Mean effect over the days after the launch.
        low: Lower limit; nan where the method gives none.
        high: Upper limit.
        p: Two-sided p-value of no effect; nan where the method gives none.
        smallest_p: The least p that the method can give here; 0: no bound; nan: no p.
        verdict: "usable", "pointless here" or "not audited".
        note: Kind of the interval or p, or a warning.
    """

    method: str
    family: str
    effect: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    smallest_p: float = math.nan
    verdict: str = "not audited"
    note: str = ""


def everywhere(inputs: Inputs) -> bool:
    """`applies` of a method that has no conditions."""
    del inputs
    return True


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """One method: a row of the table.

    Attributes:
        name: Shown wherever the method is, and its key in stored results.
        family: `DID`, `WEIGHTS` or `SERIES`; rows of `WEIGHTS` are asked only where there are `Inputs.fits`.
        estimate: From one product to an answer; None: the method is audited only.
        applies: Whether it estimates this product.
        staggered: Whether it handles several launches; tests of changes that do not are pointless there.
        counts: Draws behind it and the least p, given sizes and the level; None: the method is not audited.
        simulate: How panels without an effect go through it; None: it is judged by its counts alone.
        preference: 1 and above: it may give the main estimate, since it tests and has an interval; where several find
            equal effects, the least counts. 0: never.
    """

    name: str
    family: str
    estimate: Callable[[Inputs], Answer] | None = None
    applies: Callable[[Inputs], bool] = everywhere
    staggered: bool = False
    counts: Callable[[Sizes, float], Counts] | None = None
    simulate: ChangeTest | SeriesTest | ErrorTest | None = None
    preference: int = 0


def of_coefficient(table: coefficient_table.Coefficients, row: int, note: str) -> Answer:
    """A coefficient of a regression as an answer.

    Args:
        table: Coefficients.
        row: Which of them.
        note: Kind of the interval.
    """
    effect, low, high, p = (float(column[row]) for column in (table.estimate, table.low, table.high, table.p))
    return Answer(effect, low, high, p, smallest_p=0.0, note=note)


def interpolated(steps: npt.NDArray[Any], values: Array) -> tuple[Array, int]:
    """Series on every step from the first to the last; steps that are missing lie on the line between neighbours.

    Args:
        steps: `[n]` days or whole numbers, rising.
        values: `[n]`.

    Returns:
        The series, and how many of its steps were missing, to be reported with whatever is computed from it.

    Raises:
        DataError: More than a tenth is missing.
    """
    step = np.asarray(steps - steps[0]).astype(np.int64)
    every = np.arange(step[-1] + 1)
    if len(step) < 0.9 * len(every):
        raise errors.DataError(f"{len(every) - len(step)} of {len(every)} days are missing, more than a tenth")
    return np.asarray(np.interp(every, step, values)), len(every) - len(step)
