"""A panel: outcomes of units over periods, and when each unit was treated for the first time.

Everything is kept as `[units, periods]` matrices, so that estimators have one shape and thousands of panels can be
computed at once. Gaps are kept as gaps and counted.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Panel(Result):
    """U units over T periods.

    Attributes:
        units: `[U]` labels, sorted.
        periods: `[T]` labels, sorted; the order of time.
        outcome: `[U, T]`, NaN where a unit was not observed.
        observed: `[U, T]` booleans.
        start: `[U]` index of the first treated period of each unit; T if it is never treated.
    """

    units: npt.NDArray[Any]
    periods: npt.NDArray[Any]
    outcome: Array
    observed: npt.NDArray[np.bool_]
    start: npt.NDArray[np.int64]

    def _sizes(self) -> dict[str, Any]:
        treated = int(self.ever_treated.sum())
        sizes = {"units": len(self.units), "treated": treated, "periods": len(self.periods)}
        return sizes | {"first": self.periods[0], "last": self.periods[-1], "missing": self.missing}

    @property
    def treated(self) -> npt.NDArray[np.bool_]:
        """`[U, T]`, whether the unit is treated in the period."""
        return np.arange(len(self.periods)) >= self.start[:, None]

    @property
    def ever_treated(self) -> npt.NDArray[np.bool_]:
        """`[U]`."""
        return self.start < len(self.periods)

    @property
    def missing(self) -> int:
        """Number of unit-periods without an observation."""
        return int((~self.observed).sum())


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """The observed unit-periods of a panel, N rows in the order of units, then periods.

    Attributes:
        outcome: `[N]`.
        unit: `[N]` index of the unit.
        period: `[N]` index of the period.
        treated: `[N]` 0 or 1.
        relative: `[N]` periods since the start of treatment (negative before it); 0 for units that are never treated.
        ever_treated: `[N]` booleans.
    """

    outcome: Array
    unit: npt.NDArray[np.int64]
    period: npt.NDArray[np.int64]
    treated: Array
    relative: npt.NDArray[np.int64]
    ever_treated: npt.NDArray[np.bool_]


def from_rows(unit: npt.ArrayLike, period: npt.ArrayLike, outcome: npt.ArrayLike, treated: npt.ArrayLike) -> Panel:
    """Builds a panel from one row per unit and period.

    Example:
        >>> from ich_jax.econometrics import from_rows
        >>> panel = from_rows(["a", "a", "b", "b"], [1, 2, 1, 2], [3.0, 9.0, 1.0, 4.0], treated=[0, 1, 0, 0])
        >>> panel.units.tolist(), panel.start.tolist()
        (['a', 'b'], [1, 2])

    Args:
        unit: `[N]` labels.
        period: `[N]` labels that sort into the order of time (numbers, dates, ISO strings).
        outcome: `[N]`.
        treated: `[N]`, nonzero where the unit is treated in that period; once treated, always treated.

    Raises:
        DataError: A unit-period twice, a treatment that switches off, values that are not finite, a single period, no
            treated or no untreated observation, a treated unit without an earlier period, or a constant outcome. Each
            names the first unit and period. Or columns of data frames whose rows stand in different orders.
    """
    float64.one_order({"unit": unit, "period": period, "outcome": outcome, "treated": treated}, "panel")
    y = float64.finite(outcome, "panel: outcome", ndim=1)
    d = float64.finite(treated, "panel: treated", ndim=1)
    n = len(y)
    if len(d) != n:
        raise errors.DataError(f"panel: treated has {len(d)} rows, outcome {n}.")
    row, units = float64.codes(unit, n, "panel: unit")
    column, periods = float64.codes(period, n, "panel: period")
    if len(periods) < 2:
        raise errors.DataError(
            f"panel: all rows are of the period {periods[0]}; an effect needs a before and an after."
        )
    cell = row * len(periods) + column
    distinct, counts = np.unique(cell, return_counts=True)
    if len(distinct) < n:
        u, t = divmod(int(distinct[(counts > 1).argmax()]), len(periods))
        raise errors.DataError(
            f"panel: {(counts > 1).sum()} unit-periods occur more than once, the first is unit {units[u]} in period "
            f"{periods[t]}; add them up, or give the units different labels."
        )
    shape = len(units), len(periods)
    values, observed, on = np.full(shape, np.nan), np.zeros(shape, bool), np.zeros(shape, bool)
    values[row, column], observed[row, column], on[row, column] = y, True, d != 0
    start = np.where(on.any(axis=1), on.argmax(axis=1), shape[1])
    _check_treatment(units, periods, observed, on, start)
    if y.min() == y.max():
        raise errors.DataError(f"panel: the outcome is {y[0]:g} in every row; there is nothing to explain.")
    return Panel(units, periods, values, observed, start)


def unit_labels(data: Panel, labels: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    """Returns a label `[U]` for each unit; a column indexed by unit is brought into the panel's order.

    Args:
        data: The panel.
        labels: `[U]` in the order of `data.units`, or a column of a data frame indexed by unit in any order.
        what: Function and argument, for the message.

    Raises:
        DataError: Another number of labels, or an index of other units.
    """
    array, index = np.asarray(labels), float64.row_index(labels)
    if array.shape != data.units.shape:
        raise errors.DataError(f"{what}: expected one label for each of {len(data.units)} units, got {array.shape}.")
    if index is None or list(index) == list(range(len(array))):
        return array
    place = {name: i for i, name in enumerate(index)}
    if place.keys() != set(data.units.tolist()):
        raise errors.DataError(
            f"{what}: the column is indexed by {str(index[0])!r}, ..., the units are {str(data.units[0])!r}, ...; "
            "index it by unit, or pass an array in the order of panel.units."
        )
    return array[[place[name] for name in data.units.tolist()]]


def _check_treatment(
    units: npt.NDArray[Any],
    periods: npt.NDArray[Any],
    observed: npt.NDArray[np.bool_],
    on: npt.NDArray[np.bool_],
    start: npt.NDArray[np.int64],
) -> None:
    """Refuses treatment that switches off, that is everywhere or nowhere, or that has no earlier period."""
    off = observed & ~on & (np.arange(len(periods)) >= start[:, None])
    if off.any():
        u, t = (int(i) for i in np.argwhere(off)[0])
        raise errors.DataError(
            f"panel: treatment switches off in {off.any(axis=1).sum()} units, the first is unit {units[u]}, treated "
            f"from {periods[start[u]]} and not in {periods[t]}. These estimators take treatment as lasting: end the "
            "panel there, or mark the unit as treated to the end."
        )
    if not on.any() or on[observed].all():
        raise errors.DataError(f"panel: {'every' if on.any() else 'no'} observation is treated; both kinds are needed.")
    before = observed & ~on
    always = (start < len(periods)) & ~before.any(axis=1)
    if always.any():
        raise errors.DataError(
            f"panel: {always.sum()} treated units have no period before their treatment, the first is unit "
            f"{units[always.argmax()]}; leave them out or add earlier periods."
        )


def from_matrix(outcome: npt.ArrayLike, start: npt.ArrayLike) -> Panel:
    """Builds a panel whose units and periods are numbered from 0.

    Args:
        outcome: `[U, T]`, NaN where a unit was not observed.
        start: `[U]` index of the first treated period, T (or more) if never treated.

    Raises:
        DataError: As for `from_rows`.
    """
    y = np.asarray(outcome, np.float64)
    first = np.asarray(start)
    if y.ndim != 2 or first.shape != y.shape[:1]:
        raise errors.DataError(
            f"panel: expected outcome [U, T] and start [U], got {list(y.shape)}, {list(first.shape)}."
        )
    u, t = np.nonzero(~np.isnan(y))
    panel = from_rows(u, t, y[u, t], t >= first[u])
    if panel.outcome.shape != y.shape:
        raise errors.DataError("panel: a row or column of the outcome is missing altogether; leave it out.")
    # A unit that was not observed when its treatment began still began then.
    return dataclasses.replace(panel, start=np.where(panel.ever_treated, first.astype(np.int64), panel.start))


def rows(panel: Panel) -> Rows:
    """The observed unit-periods as rows.

    Args:
        panel: The panel.
    """
    u, t = np.nonzero(panel.observed)
    ever = panel.ever_treated[u]
    return Rows(
        outcome=panel.outcome[u, t],
        unit=u,
        period=t,
        treated=panel.treated[u, t].astype(np.float64),
        relative=np.where(ever, t - panel.start[u], 0),
        ever_treated=ever,
    )


def balanced(panel: Panel, name: str) -> Array:
    """Outcome `[U, T]` of a panel without gaps.

    Args:
        panel: The panel.
        name: Function that needs it, for the message.

    Raises:
        DataError: A unit-period is missing; names the first.
    """
    if panel.missing:
        u, t = (int(i) for i in np.argwhere(~panel.observed)[0])
        raise errors.DataError(
            f"{name}: needs every unit in every period; {panel.missing} of {panel.observed.size} are missing, the "
            f"first is unit {panel.units[u]} in period {panel.periods[t]}. Fill them, or leave out units or periods."
        )
    return panel.outcome


def require_variation(changes: Array, untreated: npt.NDArray[np.bool_], name: str) -> Array:
    """Returns changes `[U]`, from whose spread over untreated units a method learns about chance.

    Args:
        changes: `[U]` of each unit, from before treatment to after it.
        untreated: `[U]`.
        name: Function that needs them, for the message.

    Raises:
        DataError: Untreated units do not differ.
    """
    if np.ptp(changes[untreated]) <= 1e-12 * np.abs(changes).max():
        raise errors.DataError(
            f"{name}: all {untreated.sum()} untreated units changed by the same amount, so they say nothing about "
            "chance; were their series copied?"
        )
    return changes


def two_way_effects(values: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Least-squares unit and period effects where the mask is set; a kernel: pure, float64, exact with gaps.

    The larger side is eliminated, which leaves equations in min(U, T) unknowns. They determine the effects up to a
    constant (the pseudo-inverse gives the shortest solution); sums of a unit's and a period's effect are determined.

    Args:
        values: `[U, T]`; values outside the mask are ignored, but must be finite.
        mask: `[U, T]`, 1 where the effects are fitted, 0 elsewhere (or weights between).

    Returns:
        Unit effects `[U]` and period effects `[T]`; 0 for a unit or period without any set entry.

    Raises:
        DataError: An argument is not float64.
    """
    values = float64.kernel_array(values, "two_way_effects: values")
    mask = float64.kernel_array(mask, "two_way_effects: mask")
    return two_way_solve(mask, (mask * values).sum(axis=1), (mask * values).sum(axis=0))


def two_way_solve(mask: jax.Array, of_unit: jax.Array, of_period: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Solves the normal equations of unit and period effects for any right side; a kernel.

    Args:
        mask: `[U, T]` weights of the cells.
        of_unit: `[U]` right side of the units' equations.
        of_period: `[T]` right side of the periods' equations; must add up to as much as `of_unit`.

    Returns:
        Unit values `[U]` and period values `[T]`; 0 for a unit or period without weight.
    """
    if mask.shape[0] < mask.shape[1]:
        # The pseudo-inverse costs the cube of its size, and daily panels have far more periods than units.
        by_period, by_unit = two_way_solve(mask.T, of_period, of_unit)
        return by_unit, by_period
    per_unit = mask.sum(axis=1)
    safe = jnp.where(per_unit > 0, per_unit, 1.0)
    share = mask / safe[:, None]
    schur = jnp.diag(mask.sum(axis=0)) - mask.T @ share
    period = jnp.linalg.pinv(schur, hermitian=True) @ (of_period - share.T @ of_unit)
    return of_unit / safe - share @ period, period


def two_way_residuals(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Values minus their least-squares unit and period effects, 0 outside the mask; a kernel.

    Args:
        values: `[U, T]`.
        mask: `[U, T]`.

    Returns:
        `[U, T]`.

    Raises:
        DataError: An argument is not float64.
    """
    unit, period = two_way_effects(values, mask)
    return jnp.where(mask > 0, values - unit[:, None] - period[None, :], 0.0)


def twfe_effect(outcome: jax.Array, treated: jax.Array, mask: jax.Array) -> jax.Array:
    """Two-way fixed-effects coefficient of treatment; the kernel that resampling vmaps.

    Args:
        outcome: `[U, T]`, finite everywhere.
        treated: `[U, T]` 0 or 1.
        mask: `[U, T]` 1 where observed.

    Returns:
        Scalar.

    Raises:
        DataError: An argument is not float64.

    References:
        Frisch-Waugh-Lovell: treatment without its unit and period effects against the outcome.
    """
    left = two_way_residuals(float64.kernel_array(treated, "twfe_effect: treated"), mask)
    return (left * outcome).sum() / (left * treated).sum()
