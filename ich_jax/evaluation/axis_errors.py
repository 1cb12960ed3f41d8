"""Errors of one network on each axis: the inspector's reading minus the requested value."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import intervals


@dataclasses.dataclass(frozen=True, slots=True)
class AxisError:
    """Errors e = read - requested along one axis, on the scale of the axis (-3 to 3).

    Attributes:
        name: Name of the axis.
        n: Designs for which the axis was requested.
        bias: Mean of e.
        mae: Mean of |e|.
        rmse: Root of the mean of e^2.
        p95: 95 % quantile of |e|, linear between order statistics.
        max: Largest |e|; grows with n, so compare it only at equal n.
        beyond: Designs with |e| above the tolerance.
        share_beyond: beyond / n.
        interval: 95 % Clopper-Pearson interval of the share beyond.
    """

    name: str
    n: int
    bias: float
    mae: float
    rmse: float
    p95: float
    max: float
    beyond: int
    share_beyond: float
    interval: intervals.Interval


@dataclasses.dataclass(frozen=True, slots=True)
class AxisErrors:
    """Errors along all axes.

    Attributes:
        axes: One entry per axis that was requested at least once, in the order of the design space.
        tolerance: |e| above it counts as beyond.
        n: Designs for which any axis was requested.
        any_beyond: Designs with at least one axis beyond the tolerance.
        any_interval: 95 % Clopper-Pearson interval of any_beyond / n.
    """

    axes: tuple[AxisError, ...]
    tolerance: float
    n: int
    any_beyond: int
    any_interval: intervals.Interval


def summarise(
    requested: npt.ArrayLike,
    read: npt.ArrayLike,
    names: Sequence[str],
    *,
    tolerance: float = 0.5,
    given: npt.ArrayLike | None = None,
) -> AxisErrors:
    """Summarises the error along each axis.

    Args:
        requested: `[N, A]` values that the briefs asked for.
        read: `[N, A]` values read off the designs.
        names: Names of the A axes.
        tolerance: |e| strictly above it counts as beyond.
        given: `[N, A]`, nonzero where the brief states the axis; None: everywhere. An axis left open has no error.

    Raises:
        DataError: The shapes differ, nothing was requested, or a value is not finite.
    """
    requested, read = np.asarray(requested, np.float64), np.asarray(read, np.float64)
    stated = np.ones(requested.shape, bool) if given is None else np.asarray(given) != 0
    if requested.ndim != 2 or not requested.shape == read.shape == stated.shape or requested.shape[1] != len(names):
        raise errors.DataError(
            f"axis errors: requested {list(requested.shape)}, read {list(read.shape)} and given {list(stated.shape)} "
            f"must all be [N, {len(names)}], one column for each of {tuple(names)}."
        )
    if not stated.any():
        raise errors.DataError("axis errors: no axis of any design was requested, so there is no error to summarise.")
    error = read - requested
    if not np.isfinite(error[stated]).all():
        rows = np.flatnonzero((~np.isfinite(error) & stated).any(axis=1))
        raise errors.DataError(
            f"axis errors: {len(rows)} of {len(error)} designs have a requested or read value that is not finite, the "
            f"first at row {rows[0]}; check the weights of generator and inspector."
        )
    beyond = (np.abs(error) > tolerance) & stated
    n, any_beyond = int(stated.any(axis=1).sum()), int(beyond.any(axis=1).sum())
    return AxisErrors(
        axes=tuple(
            _axis_error(name, error[stated[:, a], a], int(beyond[:, a].sum()))
            for a, name in enumerate(names)
            if stated[:, a].any()
        ),
        tolerance=float(tolerance),
        n=n,
        any_beyond=any_beyond,
        any_interval=intervals.clopper_pearson(any_beyond, n),
    )


def _axis_error(name: str, error: npt.NDArray[np.float64], beyond: int) -> AxisError:
    size = np.abs(error)
    return AxisError(
        name=name,
        n=len(error),
        bias=float(error.mean()),
        mae=float(size.mean()),
        rmse=float(np.sqrt(np.square(error).mean())),
        p95=float(np.quantile(size, 0.95)),
        max=float(size.max()),
        beyond=beyond,
        share_beyond=beyond / len(error),
        interval=intervals.clopper_pearson(beyond, len(error)),
    )


def worst(
    requested: npt.ArrayLike, read: npt.ArrayLike, names: Sequence[str], n: int
) -> tuple[tuple[int, str, float], ...]:
    """Returns the n designs with the largest |e| on any axis, the largest first, as (row, axis, e).

    Args:
        requested: `[N, A]`.
        read: `[N, A]`.
        names: Names of the A axes.
        n: Number of designs; all if there are fewer.
    """
    error = np.asarray(read, np.float64) - np.asarray(requested, np.float64)
    axis = np.abs(error).argmax(axis=1)
    signed = error[np.arange(len(error)), axis]
    order = np.argsort(-np.abs(signed), kind="stable")[:n]
    return tuple((int(row), names[int(axis[row])], float(signed[row])) for row in order)
