"""Morphological tables: which category of each design element a sample has."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import Element

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
