"""Ratings as counts of categories, and how near to each other two categories are."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array


def scale(ratings: Array, levels: Sequence[float], name: str) -> Array:
    """Returns the categories `[C]` in their order: the levels, or the ratings that occurred if there are none.

    Args:
        ratings: Of any shape, NaN where missing.
        levels: All categories of the scale in their order; none: those that occurred.
        name: The coefficient, for messages.

    Raises:
        DataError: No ratings, ratings without variation, or one that is no level; levels twice or not finite.
    """
    occurring = np.unique(ratings[~np.isnan(ratings)])
    if len(occurring) == 0:
        raise errors.DataError(f"{name}: there are no ratings.")
    if len(occurring) == 1:
        raise errors.DataError(
            f"{name}: every rating is {occurring[0]:g}; agreement beyond chance is not defined without variation."
        )
    if len(levels) == 0:
        return occurring
    stated = float64.finite(levels, f"{name}: levels", ndim=1)
    if len(np.unique(stated)) < len(stated):
        raise errors.DataError(f"{name}: levels {[float(v) for v in stated]} name a category twice.")
    unknown = np.setdiff1d(occurring, stated)
    if len(unknown):
        raise errors.DataError(
            f"{name}: rating {unknown[0]:g} is none of the levels {[float(v) for v in stated]}; add it or correct it."
        )
    return stated


def counts(ratings: npt.ArrayLike, name: str, levels: Sequence[float] = ()) -> tuple[Array, Array]:
    """Counts ratings by sample and category `[n, C]`, without unrated samples.

    Args:
        ratings: `[n, k]`, NaN where missing.
        name: The coefficient, for messages.
        levels: As for `scale`.

    Returns:
        The counts, and the categories `[C]`.

    Raises:
        DataError: See `scale`; or ratings of another shape, or too few to agree.
    """
    x = np.asarray(ratings, np.float64)
    if x.ndim != 2 or np.isinf(x).any() or x.shape[1] < 2:
        raise errors.DataError(
            f"{name}: ratings must be finite [samples, raters] with two raters, got {list(x.shape)}."
        )
    if np.isnan(x).all():
        raise errors.DataError(f"{name}: there are no ratings.")
    if ((~np.isnan(x)).sum(axis=1) >= 2).sum() < 2:
        raise errors.DataError(f"{name}: fewer than two samples have two ratings, so nothing can agree or disagree.")
    values = scale(x, levels, name)
    counted = (x[:, :, None] == values[None, None, :]).sum(axis=1).astype(np.float64)
    return counted[counted.sum(axis=1) > 0], values


def weight_matrix(categories: int, weights: str) -> Array:
    """Returns the credit `[C, C]` of a pair of categories: 1 on the diagonal, less for more distant categories."""
    if weights == "identity":
        return np.eye(categories)
    apart = np.abs(np.arange(categories)[:, None] - np.arange(categories)[None, :]) / max(categories - 1, 1)
    return 1.0 - apart ** (1 if weights == "linear" else 2)


def weighted(ratings: npt.ArrayLike, weights: str, levels: Sequence[float], name: str) -> dict[str, Array]:
    """Returns the counts `[n, C]` of samples, with the credits of pairs of categories for each `[n, C, C]`."""
    counted, values = counts(ratings, name, levels)
    table = weight_matrix(len(values), weights)
    return {"counts": counted, "weights": np.broadcast_to(table, (len(counted), *table.shape))}
