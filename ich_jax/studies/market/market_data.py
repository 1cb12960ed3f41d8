"""What the study analyses: choices, a series of sales, candidates for an assortment; and how columns become numbers."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.choice import Choices
from ich_jax.uncertainty.float64 import Array

DAYS = {"day": 1.0, "week": 7.0, "month": 365.0 / 12.0, "quarter": 365.0 / 4.0, "year": 365.0}
"""Days of a period of sales."""


@dataclasses.dataclass(frozen=True, slots=True)
class Coding:
    """How the columns of a design become attributes.

    Attributes:
        categories: For each categorical column its categories, the first of which is the base.
        numeric: Columns of numbers, the price among them.
        outside: Label of buying nothing, which has a constant; empty: none.
    """

    categories: Mapping[str, tuple[str, ...]]
    numeric: tuple[str, ...]
    outside: str

    @property
    def names(self) -> tuple[str, ...]:
        """K attributes, in the order of `encode`."""
        dummies = [f"{name}: {value}" for name, values in self.categories.items() for value in values[1:]]
        return (*((f"constant: {self.outside}",) if self.outside else ()), *dummies, *self.numeric)

    def encode(self, columns: Mapping[str, Sequence[str]], outside: npt.NDArray[np.bool_]) -> Array:
        """`[R, K]` attributes of rows; those of buying nothing are 0 but for its constant.

        Args:
            columns: Text of the cells of every column.
            outside: `[R]` rows that stand for buying nothing.

        Raises:
            DataError: A category that is not known, or a cell that is no number.
        """
        parts = [outside.astype(np.float64)] if self.outside else []
        for name, values in self.categories.items():
            cells = np.array(columns[name])
            if unknown := sorted({str(c) for c in cells[~outside]} - set(values)):
                raise errors.DataError(f"{name}: {unknown[0]!r} is not among the choices: {', '.join(values)}.")
            parts += [(cells == value) & ~outside for value in values[1:]]
        for name in self.numeric:
            try:
                parts.append(np.array([0.0 if o else float(c) for c, o in zip(columns[name], outside, strict=True)]))
            except ValueError as cause:
                raise errors.DataError(f"{name}: {cause}.") from None
        return np.stack([np.asarray(part, np.float64) for part in parts], axis=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Sales:
    """Units sold in each period from the launch on.

    Attributes:
        start: Label of each period.
        units: `[T]`.
        period: "day", "week", "month", "quarter" or "year".
        price: `[T]`, or None.
        advertising: `[T]`, or None.
    """

    start: tuple[str, ...]
    units: Array
    period: str
    price: Array | None = None
    advertising: Array | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Candidates:
    """Designs that could be made.

    Attributes:
        names: J names.
        attributes: `[J, K]`.
        unit_cost: `[J]` yuan.
        design_cost: `[J]` yuan.
    """

    names: tuple[str, ...]
    attributes: Array
    unit_cost: Array
    design_cost: Array


@dataclasses.dataclass(frozen=True, slots=True)
class Market:
    """Everything that a study analyses; parts that are absent are None.

    Attributes:
        choices: What people chose.
        coding: Of the columns of the choices.
        price: Name of the price.
        sales: The series.
        candidates: For the assortment.
        source: In words.
        truth: True part-worths, by name, of a SIMULATED market; else empty.
        market: True m, p, q of SIMULATED sales; else empty.
        notes: What was noticed while reading, in words.
    """

    choices: Choices | None
    coding: Coding | None
    price: str
    sales: Sales | None
    candidates: Candidates | None
    source: str
    truth: Mapping[str, float] = dataclasses.field(default_factory=dict)
    market: Mapping[str, float] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether choices and sales are SIMULATED."""
        return bool(self.truth)
