"""The user's daily file: reading it, and messages about its errors.

One row is one unit (an outlet, say) and one product on one day. The arm is the state of the unit on that day: "ai"
sells designs made with AI assistance, "before" is the same unit until then, "local" is a unit of the same type that
never does. The benefit is a column of the file, or follows from units, price and cost.
"""

import collections
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics import benefit, holidays
from ich_jax.econometrics.panel import Panel
from ich_jax.studies.benefit import copies, launches, spreadsheet
from ich_jax.studies.benefit.daily import BEFORE, KEYS, LOCAL, SALES, TREATED, Daily
from ich_jax.uncertainty.float64 import Array

Indices = npt.NDArray[np.int64]
_SHOWN = 3  # lines that a message names
_SPARSE = 20  # times as many days as have rows: more than weekly figures, a mistyped year


def load_daily(path: str | Path) -> Daily:
    """Reads a CSV file with the columns `date, unit, product, arm` and `benefit`, or `units, price, cost` instead.

    Days on which a unit has no row are kept as gaps and counted (`Panel.missing`, `describe`). Other columns are
    ignored, but for `launch`, the day on which a treated unit began, which may be stated where its first rows are
    missing. A unit that sells several products has one series in the panel of each.

    Args:
        path: File in UTF-8; dates are written 2025-10-01, benefits in yuan a day.

    Raises:
        DataError: One message that names the file, the lines (the header is line 1) or columns, what was expected and
            how to repair it: a file that cannot be read or is empty; columns missing or doubled; `benefit` beside
            `units, price, cost`; an empty cell; text in a number column; numbers that are not finite; negative units,
            price or cost; invalid dates; an unknown arm; a unit-day twice; a unit that is both local and treated;
            treatment that switches off; a unit or product without days before treatment; a product with no treated or
            no local unit, a single day, days far apart, a constant benefit, or local units that are copies of one
            another; a launch that contradicts the arms.
    """
    rows, line, separator = _read(path)
    number = _numbers(path, rows, line, separator)
    try:
        columns = {name: [row.get(name, "") for row in rows] for name in (*KEYS, launches.COLUMN)}
        return _assemble(str(path), columns, number, line)
    except errors.DataError as cause:
        raise errors.DataError(f"{path}: {cause}") from cause


def from_rows(
    date: npt.ArrayLike, unit: npt.ArrayLike, product: npt.ArrayLike, arm: npt.ArrayLike, value: Array, *, source: str
) -> Daily:
    """Builds the panels from one row per unit, product and day.

    Args:
        date: `[N]` days (datetime64 or ISO strings).
        unit: `[N]` names.
        product: `[N]` names.
        arm: `[N]` of "ai", "before", "local".
        value: `[N]` benefit, yuan a day.
        source: Their origin, for messages.

    Raises:
        DataError: As for `load_daily`; rows are numbered from 0.
    """
    given = {"date": date, "unit": unit, "product": product, "arm": arm}
    columns = {name: [str(v) for v in np.asarray(column).tolist()] for name, column in given.items()}
    n = len(columns["date"])
    if len({n, len(value), *(len(column) for column in columns.values())}) > 1:
        raise errors.DataError("daily: date, unit, product, arm and value must have one entry for each row.")
    return _assemble(source, columns, np.asarray(value, np.float64), np.arange(n), what="row")


def _read(path: str | Path) -> tuple[list[dict[str, str]], Indices, str]:
    """Rows of cells without surrounding blanks, the line of each, and what separates the cells of the file."""
    header, cells, separator = spreadsheet.read(path, (*KEYS, "benefit", *SALES))
    wanted = f"expected {', '.join(KEYS)} and benefit, or {', '.join(SALES)} instead of benefit"
    if not header or header == [""]:
        raise errors.DataError(f"{path}: is empty; {wanted}. `write_template` writes an example.")
    doubled = sorted(name for name, n in collections.Counter(header).items() if name and n > 1)
    if doubled:
        raise errors.DataError(f"{path}: line 1: the column {', '.join(doubled)} occurs more than once; keep one.")
    missing = [name for name in KEYS if name not in header]
    has_benefit, sales = "benefit" in header, [name for name in SALES if name in header]
    if not has_benefit:
        missing += [name for name in SALES if name not in sales] if sales else ["benefit"]
    if missing:
        raise errors.DataError(
            f"{path}: line 1: no column {', '.join(missing)}; {wanted}. The file has: {', '.join(header[:30])}."
        )
    if has_benefit and sales:
        raise errors.DataError(
            f"{path}: line 1: both benefit and {', '.join(sales)} are given, and it is not clear which counts; keep "
            "benefit, or units, price and cost."
        )
    cells = [(number, row) for number, row in cells if any(row)]  # blank lines
    ragged = [number for number, row in cells if len(row) != len(header)]
    if ragged:
        raise errors.DataError(
            f"{path}: {_lines(ragged)}: another number of cells than the {len(header)} columns; a decimal comma? Write "
            "numbers as 1234.5, and put text with commas in quotes."
        )
    if not cells:
        raise errors.DataError(f"{path}: has a header and no rows; add a row for each unit and day.")
    rows = [dict(zip(header, row, strict=True)) for _, row in cells]
    return rows, np.array([number for number, _ in cells]), separator


def _numbers(path: str | Path, rows: list[dict[str, str]], line: Indices, separator: str) -> Array:
    """`[N]` benefit."""
    names = ("benefit",) if "benefit" in rows[0] else SALES
    # All numbers of the file say together what its commas mean.
    written = spreadsheet.numbers([row[name] for name in names for row in rows], separator)
    plain = {name: written[i * len(rows) : (i + 1) * len(rows)] for i, name in enumerate(names)}
    amounts: dict[str, Array] = {}
    for name in names:
        values = np.empty(len(rows))
        empty: list[int] = []
        text: list[int] = []
        for i, row in enumerate(rows):
            try:
                values[i] = float(plain[name][i].replace("_", "?"))  # Python reads 1_000 as a number, others do not
            except ValueError:
                values[i] = 0.0
                (text if row[name] else empty).append(i)
        for bad, what in ((empty, "is empty"), (text, "is not a number")):
            if bad:
                raise errors.DataError(
                    f"{path}: column {name} {what} in {_lines(line[bad])}{_example(rows, bad, name)}; expected a "
                    "number such as 1234.5, without unit or thousands separator. Leave out rows of days that were not "
                    "observed."
                )
        odd = np.flatnonzero(~np.isfinite(values))
        if len(odd):
            raise errors.DataError(
                f"{path}: column {name} is not finite in {_lines(line[odd])}{_example(rows, odd, name)}; leave out "
                "rows of days that were not observed."
            )
        below = np.flatnonzero(values < 0)
        if name != "benefit" and len(below):
            raise errors.DataError(
                f"{path}: column {name} is negative in {_lines(line[below])}{_example(rows, below, name)}; expected 0 "
                "or more. Enter returns as fewer units, and subsidies as a lower cost."
            )
        amounts[name] = values
    return amounts["benefit"] if "benefit" in amounts else benefit.from_sales(*(amounts[name] for name in SALES))


def _assemble(source: str, columns: dict[str, list[str]], value: Array, line: Indices, what: str = "line") -> Daily:
    stated = np.array(columns.pop(launches.COLUMN, [""] * len(value)))
    for name, column in columns.items():
        empty = [i for i, text in enumerate(column) if not text]
        if empty:
            raise errors.DataError(f"column {name} is empty in {_lines(line[empty], what)}; fill it, or drop the rows.")
    for name in ("unit", "product"):
        _check_spelling(name, columns[name], line, what)
    known = {}
    for text, i in _first(columns["date"]).items():
        where = f"{what} {line[i]}"
        known[text] = holidays.date(spreadsheet.day(text, where), where)
    day = np.array([known[text] for text in columns["date"]])
    arm, unit, product = (np.array(columns[name]) for name in ("arm", "unit", "product"))
    other = np.flatnonzero(~np.isin(arm, benefit.ARMS))
    if len(other):
        raise errors.DataError(
            f"column arm: {str(arm[other[0]])!r} in {_lines(line[other], what)}; expected ai (with AI-assisted "
            "design), before (the same unit until then) or local (a unit of the same type without it)."
        )
    odd = np.flatnonzero(~np.isfinite(value))
    if len(odd):
        raise errors.DataError(f"the benefit is not finite in {_lines(line[odd], what)}; leave those rows out.")
    names = np.unique(product)
    panels, remarks = [], []
    for name in names:
        rows = np.flatnonzero(product == name)
        _check_days(str(name), day[rows], unit[rows], line[rows], what)
        _check_arms(str(name), unit[rows], arm[rows], line[rows], what)
        _check_launches(str(name), day[rows], unit[rows], arm[rows], line[rows], what)
        if value[rows].min() == value[rows].max():
            raise errors.DataError(
                f"product {name}: the benefit is {value[rows[0]]:g} in every row; nothing can be explained."
            )
        of_product = str(name), day[rows], unit[rows], arm[rows]
        places = [f"{what} {line[i]}" for i in rows]
        known_launches = launches.read(str(name), unit[rows], arm[rows], stated[rows], places)
        starts, assumed = launches.infer(*of_product, known_launches)
        panels.append(_panel(*of_product[1:], value[rows], starts))
        remarks.append((*assumed, *copies.check(str(name), panels[-1])))
    return Daily(tuple(str(name) for name in names), tuple(panels), source, remarks=tuple(remarks))


def _check_spelling(name: str, column: list[str], line: Indices, what: str) -> None:
    """Refuses names that a reader would take for one, and a program for two."""
    seen: dict[str, tuple[str, int]] = {}
    for text, i in _first(column).items():
        form = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        other, first = seen.setdefault(form, (text, i))
        if other != text:
            raise errors.DataError(
                f"column {name}: {other!r} ({what} {line[first]}) and {text!r} ({what} {line[i]}) differ only in case, "
                "width or blanks; spell one of them like the other, or name them apart."
            )


def _check_days(
    name: str, day: npt.NDArray[np.datetime64], unit: npt.NDArray[np.str_], line: Indices, what: str
) -> None:
    """Refuses unit-days that occur twice, a single day, and a mistyped year."""
    order = np.lexsort((line, day, unit))
    u, d = unit[order], day[order]
    twice = np.flatnonzero((u[1:] == u[:-1]) & (d[1:] == d[:-1]))
    if len(twice):
        i = twice[0]
        raise errors.DataError(
            f"product {name}: {len(twice)} unit-days occur more than once, the first is {u[i]} on {d[i]} in "
            f"{_lines(line[order[[i, i + 1]]], what)}; add the rows up, or give the units different names."
        )
    if len(np.unique(day)) == 1:
        raise errors.DataError(f"product {name}: all rows are of {day[0]}; an effect needs days before and after.")
    days = np.unique(day)
    span = int((days[-1] - days[0]).astype(np.int64)) + 1
    if span > _SPARSE * len(days):
        gap = int(np.diff(days).argmax())
        edge = days[gap] if gap < len(days) // 2 else days[gap + 1]
        raise errors.DataError(
            f"product {name}: only {len(days)} of the {span:,} days from {days[0]} to {days[-1]} have a row, and none "
            f"lies between {days[gap]} and {days[gap + 1]}; is {edge} in {_lines(line[day == edge], what)} mistyped? "
            "One row is one day."
        )


def _check_arms(name: str, unit: npt.NDArray[np.str_], arm: npt.NDArray[np.str_], line: Indices, what: str) -> None:
    """Refuses a product without treated or local units, and units whose arms contradict each other."""
    treated, local = np.unique(unit[arm == TREATED]), np.unique(unit[arm == LOCAL])
    if len(treated) == 0:
        raise errors.DataError(f"product {name}: no unit has the arm ai; add the one that sells the new designs.")
    if len(local) == 0:
        raise errors.DataError(
            f"product {name}: no unit has the arm local; without one there is nothing to compare with. Add outlets of "
            "the same type without AI-assisted design, or leave the product out."
        )
    waiting = np.unique(unit[arm == BEFORE])
    both = np.intersect1d(local, np.union1d(treated, waiting))
    if len(both):
        rows = np.flatnonzero((unit == both[0]) & (arm == LOCAL))
        raise errors.DataError(
            f"product {name}: unit {both[0]} has the arm local ({_lines(line[rows], what)}) and ai or before; the "
            "days of a treated unit without AI-assisted design have the arm before."
        )
    never = np.setdiff1d(waiting, treated)
    if len(never):
        rows = np.flatnonzero(unit == never[0])
        raise errors.DataError(
            f"product {name}: unit {never[0]} has the arm before ({_lines(line[rows], what)}) and never ai; call it "
            "local, or add its days with AI-assisted design."
        )


def _check_launches(
    name: str,
    day: npt.NDArray[np.datetime64],
    unit: npt.NDArray[np.str_],
    arm: npt.NDArray[np.str_],
    line: Indices,
    what: str,
) -> None:
    """Refuses treatment that switches off, or that has no days before it."""
    for treated in np.unique(unit[arm == TREATED]):
        of_unit = unit == treated
        start = day[of_unit & (arm == TREATED)].min()
        late = np.flatnonzero(of_unit & (arm == BEFORE) & (day > start))
        if len(late):
            raise errors.DataError(
                f"product {name}: treatment of unit {treated} switches off: ai from {start}, before on {day[late[0]]} "
                f"in {_lines(line[late], what)}. These methods take it as lasting: end its series there, or mark it ai."
            )
        if not (of_unit & (arm == BEFORE)).any():
            raise errors.DataError(
                f"product {name}: unit {treated} has no day with the arm before ahead of {start}; add earlier days, or "
                "leave it out."
            )


def _panel(
    day: npt.NDArray[np.datetime64],
    unit: npt.NDArray[np.str_],
    arm: npt.NDArray[np.str_],
    value: Array,
    starts: dict[str, np.datetime64],
) -> Panel:
    """Panel over all days of the calendar, so that a day without any row is a gap and not a shorter time."""
    units, row = np.unique(unit, return_inverse=True)
    periods = np.arange(day.min(), day.max() + np.timedelta64(1, "D"))
    column = (day - periods[0]).astype(np.int64)
    outcome = np.full((len(units), len(periods)), np.nan)
    outcome[row, column] = value
    start = np.full(len(units), len(periods))
    for i, label in enumerate(map(str, units)):
        if label in starts:
            start[i] = (starts[label] - periods[0]).astype(np.int64)
    return Panel(units, periods, outcome, ~np.isnan(outcome), start)


def _first(texts: Sequence[str]) -> dict[str, int]:
    first: dict[str, int] = {}
    for i, text in enumerate(texts):
        first.setdefault(text, i)
    return first


def _lines(numbers: Indices | list[int], what: str = "line") -> str:
    """`line 4`, `lines 4, 7` or `lines 4, 7, 9 and 12 more`."""
    shown = [str(int(n)) for n in numbers[:_SHOWN]]
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"{what}{'s' if len(numbers) > 1 else ''} {', '.join(shown)}{more}"


def _example(rows: list[dict[str, str]], bad: Indices | list[int], name: str) -> str:
    text = rows[int(bad[0])][name]
    return f" ({text!r})" if text else ""
