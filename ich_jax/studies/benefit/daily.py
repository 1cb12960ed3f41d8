"""The user's daily file: reading it, saying what is wrong with it, and a template to start from.

One row is one unit (an outlet, say) and one product on one day. The arm tells what the unit does that day: "ai" sells
designs made with AI assistance, "before" is the same unit until then, "local" is a unit of the same type that never
does. The benefit stands in the file, or follows from units, price and cost.
"""

import csv
import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics import holidays, panel
from ich_jax.econometrics import value as benefit
from ich_jax.econometrics.panel import Panel
from ich_jax.uncertainty.float64 import Array

KEYS = ("date", "unit", "product", "arm")
SALES = ("units", "price", "cost")
TREATED, BEFORE, LOCAL = benefit.ARMS
_SHOWN = 3  # lines that a message names
_SPARSE = 20  # times as many days as have rows: more than weekly figures, a mistyped year


@dataclasses.dataclass(frozen=True, slots=True)
class Daily:
    """Daily benefit of units by product.

    Attributes:
        products: P names, sorted.
        panels: P panels; periods are days (datetime64[D]) without gaps in the calendar, treated is the arm "ai".
        source: File that it was read from, or what made it.
        simulated: Whether the data are simulated; shown wherever they are.
    """

    products: tuple[str, ...]
    panels: tuple[Panel, ...]
    source: str
    simulated: bool = False

    def panel(self, product: str) -> Panel:
        """Panel of one product.

        Args:
            product: Its name.

        Raises:
            ConfigError: There is no such product.
        """
        errors.require(product, self.products, "daily: product")
        return self.panels[self.products.index(product)]


def load_daily(path: str | Path) -> Daily:
    """Reads a CSV file with the columns `date, unit, product, arm` and `benefit`, or `units, price, cost` instead.

    Days on which a unit has no row are kept as gaps and counted (`Panel.missing`, `describe`). Other columns are left
    alone. A unit that sells several products has one series in the panel of each.

    Args:
        path: File in UTF-8; dates are written 2025-10-01, benefits in yuan a day.

    Raises:
        DataError: One message that names the file, the lines (the header is line 1) or columns, what was expected and
            how to repair it: a file that cannot be read or is empty; columns missing or doubled; `benefit` beside
            `units, price, cost`; an empty cell; text in a number column; numbers that are not finite; negative units,
            price or cost; dates that are none; an unknown arm; a unit-day twice; a unit that is both local and treated;
            treatment that switches off; a unit or product without days before treatment; a product with no treated or
            no local unit, a single day, days far apart or a constant benefit.
    """
    rows, line = _read(path)
    number = _numbers(path, rows, line)
    try:
        return _assemble(str(path), {name: [row[name] for row in rows] for name in KEYS}, number, line)
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
        source: Where they come from.

    Raises:
        DataError: As for `load_daily`; rows are numbered from 0.
    """
    given = {"date": date, "unit": unit, "product": product, "arm": arm}
    columns = {name: [str(v) for v in np.asarray(column).tolist()] for name, column in given.items()}
    n = len(columns["date"])
    if len({n, len(value), *(len(column) for column in columns.values())}) > 1:
        raise errors.DataError("daily: date, unit, product, arm and value must have one entry for each row.")
    return _assemble(source, columns, np.asarray(value, np.float64), np.arange(n), what="row")


def describe(data: Daily) -> list[str]:
    """What is in the data, a line for each product, gaps among it; to be printed before any result.

    Args:
        data: From `load_daily` or `simulation.simulate`.
    """
    head = [f"{'SIMULATED data' if data.simulated else 'data'} from {data.source}: {len(data.products)} products"]
    for name, one in zip(data.products, data.panels, strict=True):
        starts = np.unique(one.start[one.ever_treated])
        launch = ", ".join(str(one.periods[s]) for s in starts)
        gaps = "no gaps"
        if one.missing:
            u, t = (int(i) for i in np.argwhere(~one.observed)[0])
            gaps = (
                f"{one.missing} of {one.observed.size} unit-days missing, the first {one.units[u]} on {one.periods[t]}"
            )
        head.append(
            f"{name}: {one.ever_treated.sum()} treated and {(~one.ever_treated).sum()} local units, {one.periods[0]} "
            f"to {one.periods[-1]}, launch {launch}; {gaps}"
        )
    return head


def pooled(data: Daily) -> Panel:
    """All products in one panel: units are named `product: unit`, days are those of all products together.

    For tests of one effect over the product lines, which have as many treated units as all of them. Products at
    different levels hardly share one effect in yuan; and units that sell several products are not independent.

    Args:
        data: The products.

    Returns:
        Panel of the units of the first product, then of the second, and so on.
    """
    first = min(one.periods[0] for one in data.panels)
    last = max(one.periods[-1] for one in data.panels)
    periods = np.arange(first, last + np.timedelta64(1, "D"))
    units, outcome, start = [], [], []
    for name, one in zip(data.products, data.panels, strict=True):
        offset = int((one.periods[0] - first).astype(np.int64))
        wide = np.full((len(one.units), len(periods)), np.nan)
        wide[:, offset : offset + len(one.periods)] = one.outcome
        units += [f"{name}: {unit}" for unit in one.units]
        outcome.append(wide)
        start.append(np.where(one.ever_treated, one.start + offset, len(periods)))
    stacked = np.concatenate(outcome)
    return Panel(np.array(units), periods, stacked, ~np.isnan(stacked), np.concatenate(start))


def curves(data: Panel) -> dict[str, tuple[npt.NDArray[np.datetime64], Array]]:
    """The three curves of a product: the mean over the units of an arm that were observed, on each day.

    Args:
        data: One product.

    Returns:
        By arm: days `[n]` on which any unit was observed, and means `[n]`.
    """
    ever = data.ever_treated[:, None]
    masks = {
        TREATED: data.observed & data.treated,
        BEFORE: data.observed & ever & ~data.treated,
        LOCAL: data.observed & ~ever,
    }
    result = {}
    for arm, mask in masks.items():
        count = mask.sum(axis=0)
        total = np.where(mask, data.outcome, 0.0).sum(axis=0)
        result[arm] = (data.periods[count > 0], total[count > 0] / count[count > 0])
    return result


def write_daily(data: Daily, path: str | Path) -> None:
    """Writes data as a file that `load_daily` reads; simulated data say so in a column.

    Args:
        data: What to write.
        path: File; its folder is made.
    """
    rows = []
    for product, one in zip(data.products, data.panels, strict=True):
        for u, t in np.argwhere(one.observed):
            if not one.ever_treated[u]:
                arm = LOCAL
            else:
                arm = TREATED if t >= one.start[u] else BEFORE
            row = [str(one.periods[t]), str(one.units[u]), product, arm, repr(float(one.outcome[u, t]))]
            rows.append([*row, "SIMULATED"] if data.simulated else row)
    header = [*KEYS, "benefit", *(["note"] if data.simulated else [])]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def write_template(path: str | Path, *, sales: bool = False) -> None:
    """Writes a small file in the form that `load_daily` reads, to be filled with the user's own figures.

    Its figures are an example and say so in a column that is not read.

    Args:
        path: File that does not exist yet; its folder is made.
        sales: With `units, price, cost` instead of `benefit`.

    Raises:
        DataError: The file exists.
    """
    path = Path(path)
    if path.exists():
        raise errors.DataError(f"{path}: exists already; a template is only written to a new file. Name another one.")
    path.parent.mkdir(parents=True, exist_ok=True)
    first = datetime.date(2025, 3, 3)
    rows = [[*KEYS, *(SALES if sales else ("benefit",)), "note"]]
    for unit, local, base in (("outlet 1", False, 40), ("outlet 2", True, 38), ("outlet 3", True, 43)):
        for day in range(28):
            arm = LOCAL if local else (BEFORE if day < 14 else TREATED)
            sold = base + (7 * day) % 5 + (6 if arm == TREATED else 0)
            amounts = [str(sold), "35.00", "14.00"] if sales else [f"{21 * sold:.2f}"]
            date = (first + datetime.timedelta(day)).isoformat()
            rows.append([date, unit, "figurine", arm, *amounts, "EXAMPLE"])
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _read(path: str | Path) -> tuple[list[dict[str, str]], npt.NDArray[np.int64]]:
    """Rows of cells without surrounding blanks, and the line of each."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            cells = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise errors.DataError(f"{path}: cannot be read ({cause}); expected a CSV file in UTF-8.") from cause
    wanted = f"expected {', '.join(KEYS)} and benefit, or {', '.join(SALES)} instead of benefit"
    if not header or header == [""]:
        raise errors.DataError(f"{path}: is empty; {wanted}. `write_template` writes an example.")
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise errors.DataError(f"{path}: line 1: the column {', '.join(doubled)} occurs more than once; keep one.")
    missing = [name for name in KEYS if name not in header]
    has_benefit, sales = "benefit" in header, [name for name in SALES if name in header]
    if not has_benefit:
        missing += [name for name in SALES if name not in sales] if sales else ["benefit"]
    if missing:
        apart = [name for name, sign in (("semicolons", ";"), ("tabs", "\t")) if sign in "".join(header)]
        hint = f" Its cells seem to be separated by {apart[0]}: save it with commas." if apart else ""
        raise errors.DataError(
            f"{path}: line 1: no column {', '.join(missing)}; {wanted}. The file has: {', '.join(header)}.{hint}"
        )
    if has_benefit and sales:
        raise errors.DataError(
            f"{path}: line 1: benefit stands beside {', '.join(sales)}, and which of them counts is not clear; keep "
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
    return [dict(zip(header, row, strict=True)) for _, row in cells], np.array([number for number, _ in cells])


def _numbers(path: str | Path, rows: list[dict[str, str]], line: npt.NDArray[np.int64]) -> Array:
    """`[N]` benefit."""
    names = ("benefit",) if "benefit" in rows[0] else SALES
    found: dict[str, Array] = {}
    for name in names:
        values = np.empty(len(rows))
        empty: list[int] = []
        text: list[int] = []
        for i, row in enumerate(rows):
            try:
                values[i] = float(row[name].replace("_", "?"))  # Python reads 1_000 as a number, others do not
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
        found[name] = values
    return found["benefit"] if "benefit" in found else benefit.from_sales(*(found[name] for name in SALES))


def _assemble(
    source: str, columns: dict[str, list[str]], value: Array, line: npt.NDArray[np.int64], what: str = "line"
) -> Daily:
    for name, column in columns.items():
        empty = [i for i, text in enumerate(column) if not text]
        if empty:
            raise errors.DataError(f"column {name} is empty in {_lines(line[empty], what)}; fill it, or drop the rows.")
    known = {text: holidays.date(text, f"{what} {line[i]}") for text, i in _first(columns["date"]).items()}
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
    panels = []
    for name in names:
        rows = np.flatnonzero(product == name)
        _check_product(str(name), day[rows], unit[rows], arm[rows], value[rows], line[rows], what)
        panels.append(_panel(day[rows], unit[rows], arm[rows], value[rows]))
    return Daily(tuple(str(name) for name in names), tuple(panels), source)


def _check_product(
    name: str, day: Any, unit: Any, arm: Any, value: Array, line: npt.NDArray[np.int64], what: str
) -> None:
    order = np.lexsort((line, day, unit))
    u, d = unit[order], day[order]
    twice = np.flatnonzero((u[1:] == u[:-1]) & (d[1:] == d[:-1]))
    if len(twice):
        i = twice[0]
        raise errors.DataError(
            f"product {name}: {len(twice)} unit-days occur more than once, the first is {u[i]} on {d[i]} in "
            f"{_lines(line[order[[i, i + 1]]], what)}; add the rows up, or give the units names of their own."
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
        at = np.flatnonzero((unit == both[0]) & (arm == LOCAL))
        raise errors.DataError(
            f"product {name}: unit {both[0]} has the arm local ({_lines(line[at], what)}) and ai or before; the "
            "days of a treated unit without AI-assisted design have the arm before."
        )
    never = np.setdiff1d(waiting, treated)
    if len(never):
        at = np.flatnonzero(unit == never[0])
        raise errors.DataError(
            f"product {name}: unit {never[0]} has the arm before ({_lines(line[at], what)}) and never ai; call it "
            "local, or add its days with AI-assisted design."
        )
    for one in treated:
        of_unit = unit == one
        start = day[of_unit & (arm == TREATED)].min()
        late = np.flatnonzero(of_unit & (arm == BEFORE) & (day > start))
        if len(late):
            raise errors.DataError(
                f"product {name}: treatment of unit {one} switches off: ai from {start}, before on {day[late[0]]} in "
                f"{_lines(line[late], what)}. These methods take it as lasting: end its series there, or mark it ai."
            )
        if not (of_unit & (arm == BEFORE)).any():
            raise errors.DataError(
                f"product {name}: unit {one} has no day with the arm before ahead of {start}; add earlier days, or "
                "leave it out."
            )
    if value.min() == value.max():
        raise errors.DataError(f"product {name}: the benefit is {value[0]:g} in every row; nothing can be explained.")


def _panel(day: Any, unit: Any, arm: Any, value: Array) -> Panel:
    """Panel over all days of the calendar, so that a day without any row is a gap and not a shorter time."""
    units, row = np.unique(unit, return_inverse=True)
    periods = np.arange(day.min(), day.max() + np.timedelta64(1, "D"))
    column = (day - periods[0]).astype(np.int64)
    outcome = np.full((len(units), len(periods)), np.nan)
    outcome[row, column] = value
    start = np.full(len(units), len(periods))
    np.minimum.at(start, row[arm == TREATED], column[arm == TREATED])
    return panel.Panel(units, periods, outcome, ~np.isnan(outcome), start)


def _first(texts: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for i, text in enumerate(texts):
        found.setdefault(text, i)
    return found


def _lines(numbers: Any, what: str = "line") -> str:
    """`line 4`, `lines 4, 7` or `lines 4, 7, 9 and 12 more`."""
    shown = [str(int(n)) for n in numbers[:_SHOWN]]
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"{what}{'s' if len(numbers) > 1 else ''} {', '.join(shown)}{more}"


def _example(rows: list[dict[str, str]], bad: Any, name: str) -> str:
    text = rows[int(bad[0])][name]
    return f" ({text!r})" if text else ""
