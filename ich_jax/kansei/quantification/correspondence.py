"""Correspondence analysis, also known as Quantification Theory type III."""

import dataclasses

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Correspondence(Result):
    """Rows and columns of a table of counts in one space.

    Attributes:
        dimension: `[d]` numbers from 1.
        inertia: `[d]` principal inertias (squared canonical correlations).
        share: `[d]` shares of the total inertia.
        rows: `[I, d]` principal coordinates of the rows.
        columns_of: `[J, d]` principal coordinates of the columns.
        row_mass: `[I]` masses of the rows.
        column_mass: `[J]` masses of the columns.
        total: Total inertia: chi-squared divided by the sum of counts.
    """

    columns = ("dimension", "inertia", "share")

    dimension: npt.NDArray[np.int64]
    inertia: Array
    share: Array
    rows: Array
    columns_of: Array
    row_mass: Array
    column_mass: Array
    total: float


def correspondence_analysis(counts: npt.ArrayLike) -> Correspondence:
    """Computes principal coordinates of the rows and columns of a table of counts, or of an indicator table (QT3).

    Args:
        counts: `[I, J]` non-negative counts.

    Raises:
        DataError: A negative count, an empty row or column, or fewer than two of either.

    References:
        Benzécri (1973), L'analyse des données. Hayashi (1954), Multidimensional quantification. Greenacre (2017),
        Correspondence analysis in practice.
    """
    table = float64.finite(counts, "correspondence_analysis: counts", ndim=2)
    if min(table.shape) < 2 or (table < 0).any():
        raise errors.DataError("correspondence_analysis: needs two rows and columns, and no negative count.")
    for axis, name in ((1, "row"), (0, "column")):
        if (table.sum(axis=axis) == 0).any():
            raise errors.DataError(
                f"correspondence_analysis: {name} {int((table.sum(axis=axis) == 0).argmax())} is empty; drop it."
            )
    p = table / table.sum()
    r, c = p.sum(axis=1), p.sum(axis=0)
    u, s, vt = np.linalg.svd((p - np.outer(r, c)) / np.sqrt(np.outer(r, c)), full_matrices=False)
    kept = s > 1e-12
    u, s, vt = u[:, kept], s[kept], vt[kept]
    sign = np.where(vt.sum(axis=1) < 0, -1.0, 1.0)
    total = float(np.square(s).sum())
    return Correspondence(
        dimension=np.arange(1, len(s) + 1),
        inertia=s**2,
        share=s**2 / total if total > 0 else s,
        rows=u * s * sign / np.sqrt(r)[:, None],
        columns_of=vt.T * s * sign / np.sqrt(c)[:, None],
        row_mass=r,
        column_mass=c,
        total=total,
    )
