"""Reads filled sheets, matches them with the key, and writes them as files of answers."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax import errors, workdir
from ich_jax.report.text import count
from ich_jax.studies.kansei import sheets
from ich_jax.studies.kansei.files import ELEMENTS, RATINGS, REVIEW
from ich_jax.studies.kansei.sheets import Item, Plan

_FIXED = ("code", "work", "arm", "image")


@dataclasses.dataclass(frozen=True, slots=True)
class Returned:
    """Filled sheets.

    Attributes:
        plan: Items, raters and seed of the sheets.
        works: For each code the row of the key.
        scores: Score by rater, code and item.
        left_open: Number of missing scores of each rater; raters with complete sheets are omitted.
    """

    plan: Plan
    works: Mapping[str, Mapping[str, str]]
    scores: Mapping[tuple[str, str, str], int]
    left_open: Mapping[str, int]


def read(folder: str | Path, filled: str | Path = "") -> Returned:
    """Reads the filled sheets of a folder that `sheets.write` made.

    Args:
        folder: Folder that contains `key/`.
        filled: Folder of the filled sheets, `.csv` or `.xlsx`; empty: `sheets/` beside the key.

    Raises:
        DataError: There is no key, or a sheet cannot be read or does not fit it; names file, line and repair.
    """
    root = Path(folder)
    plan, works = read_plan(root), read_key(root)
    place = Path(filled) if str(filled) else root / sheets.SHEETS
    paths = sorted(p for p in place.glob("*") if p.suffix.lower() in (".csv", ".xlsx") and p.name[:2] != "~$")
    if not paths:
        raise errors.DataError(f"{place}: there is no filled sheet (.csv or .xlsx).")
    scores: dict[tuple[str, str, str], int] = {}
    origin: dict[tuple[str, str], str] = {}
    for path in paths:
        for line, row in _rows(path, plan):
            where = f"{path}: line {line}"
            rater, code = row["rater"], row["code"].upper()
            if rater not in plan.raters:
                raise errors.DataError(f"{where}: unknown rater {rater!r}; {errors.nearest(rater, plan.raters)}.")
            if code not in works:
                raise errors.DataError(
                    f"{where}: code {row['code']!r} is not in the key {root / sheets.KEY / sheets.KEY_FILE}; is this "
                    f"the sheet of another review? {errors.nearest(code, works)[:200]}."
                )
            if (rater, code) in origin:
                raise errors.DataError(
                    f"{where}: rater {rater!r} has work {code} a second time, after {origin[rater, code]}; remove one."
                )
            origin[rater, code] = where
            for item in plan.items:
                if row[item.name]:
                    scores[rater, code, item.name] = _score(row[item.name], item, where)
    n_expected = len(works) * len(plan.items)
    given = {rater: 0 for rater in plan.raters}
    for rater, _, _ in scores:
        given[rater] += 1
    if not scores:
        raise errors.DataError(f"{place}: no score is filled in on {count(len(paths), 'sheet')}.")
    return Returned(plan, works, scores, {rater: n_expected - n for rater, n in given.items() if n < n_expected})


def read_plan(root: Path) -> Plan:
    """Reads the plan of the sheets.

    Raises:
        DataError: The file is missing or damaged.
    """
    path = root / sheets.KEY / sheets.PLAN_FILE
    if not path.is_file():
        raise errors.DataError(f"{path}: does not exist; name the folder in which the sheets were made, with its key.")
    values = workdir.read_json(path)
    try:
        items = tuple(Item(**item) for item in values["items"])
        return Plan(values["kind"], items, tuple(values["raters"]), values["seed"])
    except (KeyError, TypeError) as cause:
        raise errors.DataError(f"{path}: is damaged ({cause}).") from cause


def read_key(root: Path) -> dict[str, dict[str, str]]:
    """Reads the key: the row of each code.

    Raises:
        DataError: The file is missing or damaged.
    """
    path = root / sheets.KEY / sheets.KEY_FILE
    rows = _csv(path)
    header = rows[0] if rows else []
    if not rows[1:] or tuple(header[: len(_FIXED)]) != _FIXED or any(len(row) != len(header) for row in rows):
        raise errors.DataError(f"{path}: is not the key of sheets; expected columns {', '.join(_FIXED)} ...")
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows[1:]}


def write_answers(answered: Returned, folder: str | Path) -> tuple[Path, ...]:
    """Writes `review.csv`, or `ratings.csv` and `elements.csv`, as `configs/kansei_study.py:csv` reads them.

    Raises:
        WorkdirError: One of the files exists already.
    """
    root = Path(folder)
    names = {code: row["work"] for code, row in answered.works.items()}
    files: dict[str, str] = {}
    order = {rater: k for k, rater in enumerate(answered.plan.raters)}
    entries = sorted(answered.scores.items(), key=lambda entry: (order[entry[0][0]], names[entry[0][1]]))
    if answered.plan.kind == "review":
        review = [(names[code], answered.works[code]["arm"], rater, score) for (rater, code, _), score in entries]
        files[REVIEW] = sheets.text_of(("work", "arm", "rater", "score"), review)
    else:
        ratings = [(rater, names[code], word, score) for (rater, code, word), score in entries]
        files[RATINGS] = sheets.text_of(("rater", "sample", "word", "score"), ratings)
        rated = {code for _, code, _ in answered.scores}
        columns = [name for name in next(iter(answered.works.values())) if name not in _FIXED]
        if columns:
            rows = [(names[code], *(answered.works[code][name] for name in columns)) for code in sorted(rated)]
            files[ELEMENTS] = sheets.text_of(("sample", *columns), rows)
    for name in files:
        if (root / name).exists():
            raise errors.WorkdirError(f"{root / name} exists and is not overwritten; name another folder.")
    for name, text in files.items():
        workdir.write_text(root / name, text)
    return tuple(root / name for name in files)


def _rows(path: Path, plan: Plan) -> list[tuple[int, dict[str, str]]]:
    """Returns the rows of a sheet with their line numbers, without empty rows."""
    table = _xlsx(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    needed = ("rater", "code", *(item.name for item in plan.items))
    header = [name.strip() for name in table[0]] if table else []
    for name in needed:
        if name not in header:
            raise errors.DataError(f"{path}: there is no column {name!r}: {errors.nearest(name, header)}.")
    rows = []
    for line, cells in enumerate(table[1:], start=2):
        if any(cell.strip() for cell in cells):
            padded = [*cells, *[""] * (len(header) - len(cells))]
            rows.append((line, {name: cell.strip() for name, cell in zip(header, padded, strict=False)}))
    return rows


def _csv(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as cause:
        raise errors.DataError(
            f'{path}: is not UTF-8 text; save it as "CSV UTF-8" or as .xlsx, which keeps any language.'
        ) from cause
    except OSError as cause:
        raise errors.DataError(f"{path}: cannot be read ({cause}).") from cause
    first = text.partition("\n")[0]
    # In some locales, spreadsheets write semicolons.
    delimiter = ";" if first.count(";") > first.count(",") else ","
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _xlsx(path: Path) -> list[list[str]]:
    """Reads the first worksheet; cells with formulas give their last computed value."""
    try:
        import openpyxl
    except ImportError as cause:
        raise errors.DataError(
            f'{path}: .xlsx needs openpyxl: pip install "ich_jax[excel]"; or save the sheet as "CSV UTF-8".'
        ) from cause
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            return [[_cell(value) for value in row] for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except Exception as cause:  # errors of zip, XML and openpyxl have no common base class
        raise errors.DataError(f"{path}: cannot be read as an Excel workbook ({cause}).") from cause


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _score(text: str, item: Item, where: str) -> int:
    try:
        value = float(text.replace("\u2212", "-"))
    except ValueError:
        value = float("nan")
    if not (item.low <= value <= item.high and value == int(value)):
        raise errors.DataError(
            f"{where}: {item.name} is {text!r}; expected a whole number from {item.low} to {item.high}, or no text."
        )
    return int(value)


def describe(answered: Returned) -> Sequence[str]:
    """Describes in a few lines how many sheets were returned and which scores are missing."""
    n = len(answered.works) * len(answered.plan.items)
    empty = [rater for rater, k in answered.left_open.items() if k == n]
    partial = {rater: k for rater, k in answered.left_open.items() if k < n}
    n_raters = len(answered.plan.raters)
    lines = [f"{n_raters - len(empty)} of {count(n_raters, 'sheet')} were returned with scores."]
    if empty:
        lines.append(f"No scores by {', '.join(empty)}.")
    lines += [f"{rater}: {k} of {count(n, 'score')} are missing." for rater, k in partial.items()]
    return lines
