"""Morphological tables: the category of each design element of each sample."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import Element
from ich_jax.uncertainty import float64

Codes = npt.NDArray[np.int64]


def encode(elements: Sequence[Element], rows: Mapping[str, Sequence[str]]) -> Codes:
    """Encodes the categories of samples as integers.

    Args:
        elements: The elements and their categories.
        rows: For each element the category of every sample.

    Returns:
        `[n, E]` codes.

    Raises:
        DataError: An element without a column, columns of different lengths, or an unknown category.
    """
    columns = []
    for element in elements:
        if element.name not in rows:
            raise errors.DataError(f"encode: no column {element.name!r}: {errors.nearest(element.name, rows)}.")
        codes = {category: k for k, category in enumerate(element.categories)}
        for i, value in enumerate(rows[element.name]):
            if str(value) not in codes:
                raise errors.DataError(
                    f"encode: sample {i}, {element.name}: {value!r}; {errors.nearest(str(value), element.categories)}."
                )
        columns.append([codes[str(value)] for value in rows[element.name]])
    if len({len(column) for column in columns}) != 1 or not columns[0]:
        raise errors.DataError(f"encode: columns have lengths {[len(column) for column in columns]}.")
    return np.array(columns, np.int64).T


def level_element(name: str, values: npt.ArrayLike, levels: Sequence[float]) -> tuple[Element, Codes]:
    """Converts positions on an axis to an element by rounding each value to the nearest of a few levels.

    The relation to the ratings may then have any form: people may prefer the middle, or one of the ends.

    Example:
        >>> element, codes = level_element("width", [-1.2, 0.4, 2.0], (-1.5, 0.0, 1.5))
        >>> element.categories, codes.tolist()
        (('-1.5', '+0', '+1.5'), [0, 1, 2])

    Args:
        name: Name of the axis.
        values: `[n]` positions.
        levels: Levels in increasing order.

    Returns:
        The element, whose categories are the levels that occur, in the notation of briefs; and codes `[n]`.

    Raises:
        ConfigError: Fewer than two levels, or levels that do not increase.
        DataError: A value that is not finite.
    """
    if len(levels) < 2 or any(b <= a for a, b in itertools.pairwise(levels)):
        raise errors.ConfigError(f"level_element: got levels {list(levels)}; expected two or more that increase.")
    x = float64.finite(values, f"level_element: {name}", ndim=1)
    nearest = np.abs(x[:, None] - np.asarray(levels, np.float64)[None, :]).argmin(axis=1)
    occurring, codes = np.unique(nearest, return_inverse=True)
    return Element(name, tuple(format(levels[int(k)], "+g") for k in occurring)), codes.astype(np.int64)


def checked(codes: npt.ArrayLike, elements: Sequence[Element], name: str) -> Codes:
    """Returns the codes `[n, E]` after checking that all categories are observed.

    Raises:
        DataError: The shape is wrong, a code has no category, or a category is not observed (named).
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
    """Returns indicator columns `[n, sum of categories]` of 0 and 1, element after element."""
    return np.concatenate(
        [
            (codes[:, j, None] == np.arange(len(element.categories))[None, :]).astype(np.float64)
            for j, element in enumerate(elements)
        ],
        axis=1,
    )


def blocks(elements: Sequence[Element]) -> list[slice]:
    """Returns the slice of indicator columns of each element."""
    ends = np.cumsum([0, *(len(element.categories) for element in elements)]).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(ends)]
