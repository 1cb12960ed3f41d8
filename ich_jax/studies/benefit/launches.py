"""The day on which treatment of each unit began, and what had to be inferred for it."""

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics import holidays
from ich_jax.studies.benefit.daily import BEFORE, LOCAL, TREATED

COLUMN = "launch"
"""Optional column of the file: the day of the launch, the same in all rows of a unit; empty for local units."""

Days = npt.NDArray[np.datetime64]
Names = npt.NDArray[np.str_]


def read(name: str, unit: Names, arm: Names, cells: Names, where: list[str]) -> dict[str, np.datetime64]:
    """Reads the launches of one product that the file states.

    Args:
        name: The product, for messages.
        unit: `[N]`.
        arm: `[N]`.
        cells: `[N]` cells of the column, empty where nothing is stated.
        where: `[N]` place of each row, for messages.

    Raises:
        DataError: A cell is no date, a local unit has a launch, or a unit has two.
    """
    stated: dict[str, np.datetime64] = {}
    for i in np.flatnonzero(cells != ""):
        day, label = holidays.date(str(cells[i]), where[i]), str(unit[i])
        if arm[i] == LOCAL:
            raise errors.DataError(
                f"product {name}: unit {label} has the arm local and a launch ({where[i]}); leave the cell empty, or "
                "give its rows the arms before and ai."
            )
        if stated.setdefault(label, day) != day:
            raise errors.DataError(
                f"product {name}: unit {label} has the launches {stated[label]} and {day} ({where[i]}); a unit has one."
            )
    return stated


def infer(
    name: str, day: Days, unit: Names, arm: Names, stated: dict[str, np.datetime64]
) -> tuple[dict[str, np.datetime64], tuple[str, ...]]:
    """Returns the first day of treatment of each treated unit, and remarks on what was inferred.

    Where the rows of a unit leave a gap between `before` and `ai`, it may have launched on any day of the gap. The
    launch that is stated counts; else the one launch of other units that lies in the gap; else the first row with
    `ai`, with a remark.

    Args:
        name: The product, for messages.
        day: `[N]`.
        unit: `[N]`.
        arm: `[N]`.
        stated: From `read`.

    Raises:
        DataError: A stated launch contradicts the arms.
    """
    one_day = np.timedelta64(1, "D")
    gaps: dict[str, tuple[np.datetime64, np.datetime64]] = {}  # first and last day on which it may have been
    for label in map(str, np.unique(unit[arm == TREATED])):
        of_unit = unit == label
        gaps[label] = day[of_unit & (arm == BEFORE)].max() + one_day, day[of_unit & (arm == TREATED)].min()
    for label, launch in stated.items():
        low, high = gaps[label]
        if not low <= launch <= high:
            raise errors.DataError(
                f"product {name}: unit {label} is stated to launch on {launch}, but its rows have the arm before until "
                f"{low - one_day} and ai from {high}; correct the column {COLUMN} or the arms."
            )
    certain = set(stated.values()) | {high for label, (low, high) in gaps.items() if low == high}
    launches, remarks = dict(stated), []
    for label, (low, high) in gaps.items():
        if label in stated:
            continue
        inside = sorted(launch for launch in certain if low <= launch <= high)
        launches[label] = inside[0] if len(inside) == 1 else high
        if low < high:
            reason = "the launch of another unit" if len(inside) == 1 else "its first row with the arm ai"
            remarks.append(
                f"unit {label} has no rows from {low} to {high - one_day}, within which it may have launched; "
                f"{launches[label]} is assumed, {reason} (a column {COLUMN} settles it)"
            )
    return launches, tuple(remarks)
