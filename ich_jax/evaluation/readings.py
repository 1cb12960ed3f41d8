"""Readings of the inspector against the briefs."""

import dataclasses

import numpy as np
import numpy.typing as npt

from ich_jax.evaluation import axis_errors
from ich_jax.types import Brief, DesignSpace, Reading
from ich_jax.uncertainty import intervals


@dataclasses.dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of designs on which a part of the brief is read back.

    Attributes:
        name: `product`, or the name of the element.
        n: Designs whose brief states it.
        right: Those that are read as requested.
        accuracy: right / n.
        interval: 95 % Wilson interval of the accuracy.
    """

    name: str
    n: int
    right: int
    accuracy: float
    interval: intervals.Interval


@dataclasses.dataclass(frozen=True, slots=True)
class ReadingFigures:
    """How well designs follow their briefs. Parts that no brief states are absent.

    Attributes:
        n: Designs.
        product: Accuracy of the product; None if no brief states one.
        confusion: `[P][P]` counts of designs, rows requested, columns read.
        elements: Accuracy of each element that is stated at least once.
        axes: Error in each axis; None if no axis is stated.
        axes_by_product: The same for the designs of one product, by name of the product.
    """

    n: int
    product: Accuracy | None
    confusion: tuple[tuple[int, ...], ...]
    elements: tuple[Accuracy, ...]
    axes: axis_errors.AxisErrors | None
    axes_by_product: dict[str, axis_errors.AxisErrors]


@dataclasses.dataclass(frozen=True, slots=True)
class DesignReadings:
    """Requested and read values of each of N designs, for plots.

    Attributes:
        product_requested: `[N]` int.
        product_read: `[N]` int.
        axes_requested: `[N, A]` float64, NaN where the brief leaves the axis open.
        axes_read: `[N, A]` float64.
    """

    product_requested: npt.NDArray[np.int64]
    product_read: npt.NDArray[np.int64]
    axes_requested: npt.NDArray[np.float64]
    axes_read: npt.NDArray[np.float64]


def pair(space: DesignSpace, brief: Brief, reading: Reading) -> DesignReadings:
    """Sets requested and read values side by side."""
    given = np.asarray(brief.given)[:, space.axes_given] > 0
    return DesignReadings(
        product_requested=np.asarray(brief.product, np.int64),
        product_read=np.asarray(reading.product).argmax(axis=-1),
        axes_requested=np.where(given, np.asarray(brief.axes, np.float64), np.nan),
        axes_read=np.asarray(reading.axes, np.float64),
    )


def figures(space: DesignSpace, brief: Brief, reading: Reading) -> ReadingFigures:
    """Summarises N readings.

    Args:
        space: Names of products, elements and axes.
        brief: Requested values; those left open are not judged.
        reading: Values that were read.

    Raises:
        DataError: A stated axis was read as a value that is not finite.
    """
    given = np.asarray(brief.given) > 0
    requested, read = np.asarray(brief.product), np.asarray(reading.product).argmax(axis=-1)
    stated = given[:, 0]
    confusion = np.zeros((len(space.products), len(space.products)), np.int64)
    np.add.at(confusion, (requested[stated], read[stated]), 1)
    elements = []
    for i, element in enumerate(space.elements):
        hit = np.asarray(reading.elements[i]).argmax(axis=-1) == np.asarray(brief.elements)[:, i]
        elements.append(_accuracy(element.name, hit[given[:, 1 + i]]))
    axes_given = given[:, space.axes_given]

    def axes_of(rows: npt.NDArray[np.bool_]) -> axis_errors.AxisErrors | None:
        if not axes_given[rows].any():
            return None
        return axis_errors.summarise(
            np.asarray(brief.axes)[rows], np.asarray(reading.axes)[rows], space.axes, given=axes_given[rows]
        )

    by_product = {name: axes_of(stated & (requested == p)) for p, name in enumerate(space.products)}
    return ReadingFigures(
        n=len(requested),
        product=_accuracy("product", (read == requested)[stated]),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        elements=tuple(accuracy for accuracy in elements if accuracy is not None),
        axes=axes_of(np.ones(len(requested), bool)),
        axes_by_product={name: axes for name, axes in by_product.items() if axes is not None},
    )


def _accuracy(name: str, hit: npt.NDArray[np.bool_]) -> Accuracy | None:
    if not len(hit):
        return None
    n, right = len(hit), int(hit.sum())
    return Accuracy(name, n, right, right / n, intervals.wilson(right, n))
