"""Morphological tables: which category of each design element a sample has."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import Element
from ich_jax.uncertainty import float64

Codes = npt.NDArray[np.int64]


def encode(elements: Sequence[Element], rows: Mapping[str, Sequence[str]]) -> Codes:
    """Numbers the categories of samples.

    Args:
        elements: The elements and their categories.
        rows: For each element the category of every sample.

    Returns:
        `[n, E]`.

    Raises:
        DataError: An element without a column, columns of different lengths, or an unknown category.
    """
    columns = []
    for element in elements:
        if element.name not in rows:
            raise errors.DataError(f"encode: no column {element.name!r}: {errors.nearest(element.name, rows)}.")
        place = {category: k for k, category in enumerate(element.categories)}
        for i, value in enumerate(rows[element.name]):
            if str(value) not in place:
                raise errors.DataError(
                    f"encode: sample {i}, {element.name}: {value!r}; {errors.nearest(str(value), element.categories)}."
                )
        columns.append([place[str(value)] for value in rows[element.name]])
    if len({len(column) for column in columns}) != 1 or not columns[0]:
        raise errors.DataError(f"encode: columns have lengths {[len(column) for column in columns]}.")
    return np.array(columns, np.int64).T


def level_element(name: str, values: npt.ArrayLike, levels: Sequence[float]) -> tuple[Element, Codes]:
    """Makes an element of a position on an axis: each value counts as the nearest of a few levels.

    Whether people like the middle best, or the more the better, is then left open.

    Example:
        >>> element, codes = level_element("width", [-1.2, 0.4, 2.0], (-1.5, 0.0, 1.5))
        >>> element.categories, codes.tolist()
        (('-1.5', '+0', '+1.5'), [0, 1, 2])

    Args:
        name: Of the axis.
        values: `[n]` positions.
        levels: Increasing.

    Returns:
        The element, whose categories are the levels that occur, written as a brief states them; and codes `[n]`.

    Raises:
        ConfigError: Fewer than two levels, or levels that do not increase.
        DataError: A value that is not finite.
    """
    if len(levels) < 2 or any(b <= a for a, b in itertools.pairwise(levels)):
        raise errors.ConfigError(f"level_element: got levels {list(levels)}; expected two or more that increase.")
    x = float64.finite(values, f"level_element: {name}", ndim=1)
    nearest = np.abs(x[:, None] - np.asarray(levels, np.float64)[None, :]).argmin(axis=1)
    there, codes = np.unique(nearest, return_inverse=True)
    return Element(name, tuple(format(levels[int(k)], "+g") for k in there)), codes.astype(np.int64)


def checked(codes: npt.ArrayLike, elements: Sequence[Element], name: str) -> Codes:
    """Returns the codes `[n, E]`, all categories observed.

    Raises:
        DataError: Another shape, a code that no category has, or a category that no sample has (named).
    """
    table = np.asarray(codes)
    if table.ndim != 2 or table.shape[1] != len(elements) or table.dtype.kind not in "iu":
        raise errors.DataError(f"{name}: codes must be whole numbers [n, {len(elements)}], got {list(table.shape)}.")
    for j, element in enumerate(elements):
        if len(element.categories) < 2:
            raise errors.DataError(f"{name}: element {element.name!r} has one category, so it explains nothing.")
        if table[:, j].min() < 0 or table[:, j].max() >= len(element.categories):
            raise errors.DataError(f"{name}: a code of {element.name!r} lies outside its categories.")
        seen = set(table[:, j].tolist())
        missing = [category for k, category in enumerate(element.categories) if k not in seen]
        if missing:
            raise errors.DataError(
                f"{name}: no sample has {element.name} = {missing[0]!r}, so its score is not identified; add samples "
                "or drop the category."
            )
    return table.astype(np.int64)


def indicators(codes: Codes, elements: Sequence[Element]) -> npt.NDArray[np.float64]:
    """Columns `[n, sum of categories]` of 0 and 1, element after element."""
    return np.concatenate(
        [
            (codes[:, j, None] == np.arange(len(element.categories))[None, :]).astype(np.float64)
            for j, element in enumerate(elements)
        ],
        axis=1,
    )


def blocks(elements: Sequence[Element]) -> list[slice]:
    """Where the columns of each element stand among the indicators."""
    ends = np.cumsum([0, *(len(element.categories) for element in elements)]).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(ends)]
