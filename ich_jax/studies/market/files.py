"""Choices, sales and candidates read from the CSV files of a user; all faults of a file in one message."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ich_jax import errors
from ich_jax.config import MarketConfig
from ich_jax.econometrics import choice
from ich_jax.studies.market.market_data import Candidates, Coding, Market, Sales

CHOICES, SALES, ASSORTMENT = FILES = ("choices.csv", "sales.csv", "assortment.csv")
KEYS = ("person", "task", "alternative", "chosen", "available")
COSTS = ("unit_cost", "design_cost")
_STEPS = {"day": (1, "D"), "week": (7, "D"), "month": (1, "M"), "quarter": (3, "M"), "year": (12, "M")}


def load(folder: str | Path, config: MarketConfig) -> Market:
    """Reads the files of a folder: choices.csv, sales.csv or both; assortment.csv needs choices.csv.

    Args:
        folder: Where they are.
        config: The study.

    Raises:
        DataError: None of the files, or files that cannot be used; names file, line and repair.
    """
    root = Path(folder)
    there = [name for name in FILES if (root / name).is_file()]
    if not {CHOICES, SALES} & set(there):
        raise errors.DataError(
            f"{root}: neither {CHOICES} nor {SALES} is there; --write_templates=DIR writes examples."
        )
    choices, coding, candidates, notes = None, None, None, []
    if CHOICES in there:
        choices, coding = read_choices(root / CHOICES, config.data.price, config.data.outside)
        if not choices.panel:
            notes.append("Each person chose once, so tastes of one person cannot be told from chance.")
    if ASSORTMENT in there:
        if coding is None:
            raise errors.DataError(f"{root / ASSORTMENT}: shares need choices, but {CHOICES} is not there.")
        candidates = read_assortment(root / ASSORTMENT, coding, config)
    return Market(
        choices=choices,
        coding=coding,
        price=config.data.price,
        sales=read_sales(root / SALES) if SALES in there else None,
        candidates=candidates,
        source=", ".join(there),
        notes=tuple(notes),
    )


def read_choices(path: Path, price: str, outside: str) -> tuple[choice.Choices, Coding]:
    """Reads choices: a row for each alternative of a task.

    Columns are `person`, `task`, `alternative`, `chosen`, perhaps `available`, and attributes. An attribute whose cells
    are all numbers is numeric, any other one is categorical with its first category (in order) as base.

    Args:
        path: The file.
        price: Column of the price.
        outside: Label of the alternative of buying nothing; empty: none.
    """
    header, rows = _read(path, ("person", "task", "alternative", "chosen", price))
    faults: list[str] = []
    chosen = _numbers(rows, "chosen", faults)
    available = _numbers(rows, "available", faults) if "available" in header else None
    nothing = np.array([bool(outside) and row["alternative"] == outside for row in rows])
    categories, numeric = {}, []
    bought = [row for row, o in zip(rows, nothing, strict=True) if not o]
    for name in (name for name in header if name not in KEYS):
        cells = [row[name] for row in bought]
        if empty := [row["line"] for row in bought if not row[name]]:
            faults.append(f"line {empty[0]}: {name} is empty.")
        elif name == price or all(_is_number(cell) for cell in cells):
            _numbers(bought, name, faults)
            numeric.append(name)
        else:
            categories[name] = tuple(sorted(set(cells)))
    if faults:
        raise _refused(path, faults)
    coding = Coding(categories, tuple(numeric), outside if nothing.any() else "")
    x = coding.encode({name: [row[name] for row in rows] for name in (*categories, *numeric)}, nothing)
    attributes = dict(zip(coding.names, x.T, strict=True))
    try:
        found = choice.from_long(
            [row["task"] for row in rows],
            [row["alternative"] for row in rows],
            chosen,
            attributes,
            person=[row["person"] for row in rows],
            available=available,
        )
    except errors.DataError as cause:
        raise errors.DataError(f"{path}: {cause}\n(rows are counted from 1 below the header)") from cause
    return found, coding


def read_sales(path: Path) -> Sales:
    """Reads sales: columns `date` (YYYY-MM-DD, YYYY-MM or YYYY), `units`, perhaps `price` and `advertising`."""
    header, rows = _read(path, ("date", "units"))
    faults: list[str] = []
    dates = []
    for row in rows:
        try:
            dates.append(np.datetime64(row["date"], "D"))
        except ValueError:
            faults.append(f"line {row['line']}: date is {row['date']!r}; expected YYYY-MM-DD, YYYY-MM or YYYY.")
    columns = {name: _numbers(rows, name, faults) for name in ("units", "price", "advertising") if name in header}
    sold = zip(rows, columns["units"], strict=True)
    faults += [f"line {row['line']}: units are negative." for row, u in sold if u < 0]
    if len(rows) < 4:
        faults.append(f"a series needs at least 4 periods, there are {len(rows)}.")
    if faults:
        raise _refused(path, faults)
    order = np.argsort(np.array(dates), kind="stable")
    day = np.array(dates)[order]
    period = _period(path, day)
    columns = {name: values[order] for name, values in columns.items()}
    return Sales(tuple(map(str, day)), columns["units"], period, columns.get("price"), columns.get("advertising"))


def _period(path: Path, day: np.ndarray) -> str:
    """Length of a period; refuses dates that are missing or stand twice."""
    if (twice := np.flatnonzero(np.diff(day) == np.timedelta64(0, "D"))).size:
        raise errors.DataError(f"{path}: date {day[twice[0]]} stands twice.")
    typical = float(np.median(np.diff(day).astype(float)))
    period = min(_STEPS, key=lambda name: abs({"D": 1, "M": 30.4}[_STEPS[name][1]] * _STEPS[name][0] - typical))
    size, unit = _STEPS[period]
    place = day.astype(f"datetime64[{unit}]").astype(int)
    expected = np.arange(place[0], place[-1] + 1, size)
    missing = np.setdiff1d(expected, place)
    if missing.size or len(place) != len(expected):
        what = ", ".join(map(str, missing[:5].astype(f"datetime64[{unit}]"))) or "dates between periods"
        raise errors.DataError(
            f"{path}: the dates are {period}s, but some are missing or out of step: {what}. Give every {period} a row; "
            "one without sales has units 0."
        )
    return period


def read_assortment(path: Path, coding: Coding, config: MarketConfig) -> Candidates:
    """Reads candidates: `design`, the attributes of the choices, perhaps `unit_cost` and `design_cost`."""
    columns = (*coding.categories, *coding.numeric)
    header, rows = _read(path, ("design", *columns))
    faults: list[str] = []
    costs = {
        name: _numbers(rows, name, faults) if name in header else np.full(len(rows), getattr(config.launch, name))
        for name in COSTS
    }
    names = [row["design"] for row in rows]
    if len(set(names)) < len(names):
        faults.append("a design stands in two rows.")
    if faults:
        raise _refused(path, faults)
    cells = {name: [row[name] for row in rows] for name in columns}
    try:
        x = coding.encode(cells, np.zeros(len(rows), bool))
    except errors.DataError as cause:
        raise errors.DataError(f"{path}: {cause}") from cause
    return Candidates(tuple(names), x, costs["unit_cost"], costs["design_cost"])


def _refused(path: Path, faults: Sequence[str]) -> errors.DataError:
    rest = len(faults) - 20
    shown = [*faults[:20], *([f"and {rest} more."] if rest > 0 else [])]
    return errors.DataError(f"{path} cannot be used:\n" + "\n".join(f"- {fault}" for fault in shown))


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _numbers(rows: Sequence[dict[str, str]], name: str, faults: list[str]) -> np.ndarray:
    values = np.full(len(rows), np.nan)
    for k, row in enumerate(rows):
        if _is_number(row[name]):
            values[k] = float(row[name])
        else:
            faults.append(f"line {row['line']}: {name} is {row[name]!r}; expected a number.")
    return values


def _read(path: Path, needed: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Header and rows, each with its `line`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        raise errors.DataError(f"{path}: cannot be read as UTF-8 text ({cause}).") from cause
    lines = list(csv.reader(io.StringIO(text, newline="")))
    if len(lines) < 2:
        raise errors.DataError(f"{path}: needs a header and at least one row.")
    header = [name.strip() for name in lines[0]]
    faults = [f"column {name!r} stands twice." for name in sorted({n for n in header if header.count(n) > 1})]
    faults += [f"there is no column {name!r}: {errors.nearest(name, header)}." for name in needed if name not in header]
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            faults.append(f"line {number} has {len(line)} cells for {len(header)} columns.")
            continue
        rows.append(dict(zip(header, (cell.strip() for cell in line), strict=True)) | {"line": str(number)})
    if faults:
        raise _refused(path, faults)
    return header, rows
