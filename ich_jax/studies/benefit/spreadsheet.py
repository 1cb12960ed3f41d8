"""Tables as spreadsheets of any country write them: what leaves no doubt is read, what is ambiguous is refused.

Read besides plain CSV: UTF-8 or, where it fails, GB18030; commas, semicolons or tabs between cells; the names of the
columns in any case; `.xlsx` (extra `excel`). Dates begin with the year (2025-3-1, 2025/3/1, 2025.3.1, 2025年3月1日), a
time of midnight is dropped. Numbers may have a sign of a currency, thousands separators and, in files with semicolons
whose numbers all agree, decimal commas.
"""

import csv
import datetime
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from ich_jax import errors

MAX_COLUMNS = 2000
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[ T]0?0:00(?::00(?:\.0+)?)?)?")
_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日")
_DAY_OR_MONTH_FIRST = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?: .*)?")
_SIGNS = "[¥￥$€£]|CNY|RMB|EUR|USD"
_CURRENCY = re.compile(rf"([-+]?)\s*(?:{_SIGNS})?\s*([-+]?[\d.,'\s]+?)\s*(?:元|{_SIGNS})?")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:[,'\s]\d{3})+(?:\.\d+)?")
_EUROPEAN = re.compile(r"[-+]?(?:\d{1,3}(?:[.'\s]\d{3})+|\d+)(?:,\d+)?")

Row = tuple[int, list[str]]
"""Line of a row, as an editor counts them, and its cells without surrounding blanks."""


def read(path: str | Path, known: Sequence[str]) -> tuple[list[str], list[Row], str]:
    """Reads a table.

    Args:
        path: A CSV file or a workbook, of which the first sheet counts.
        known: Names of columns, by which separators and spellings of the header are recognised.

    Returns:
        The header, with known names as they are spelled in `known`; the rows; and the separator of the cells, empty for
        a workbook.

    Raises:
        DataError: It cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".xlsx":
        header, rows, separator = *_workbook(path), ""
    else:
        header, rows, separator = _text(path, known)
    if len(header) > MAX_COLUMNS:
        raise errors.DataError(
            f"{path}: line 1: {len(header):,} columns, allowed are {MAX_COLUMNS:,}; keep those that are read."
        )
    return [_spelled(name, known) for name in header], rows, separator


def _text(path: Path, known: Sequence[str]) -> tuple[list[str], list[Row], str]:
    try:
        data = path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            chinese = _chinese(data)
            if chinese is None:
                raise
            text = chinese
            logging.warning("%s is not UTF-8; it was read as GB18030, as a Chinese Excel writes CSV.", path)
        first = text.partition("\n")[0]
        separator = max(",;\t", key=lambda sign: sum(_spelled(n, known) in known for n in first.split(sign)))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        header = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise errors.DataError(f"{path}: cannot be read ({cause}); expected a CSV file in UTF-8.") from cause
    return header, rows, separator


def _chinese(data: bytes) -> str | None:
    """Returns text in GB18030; None if it is none, or so odd that it is rather text of another 8-bit encoding."""
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    beyond = [c for c in text if not c.isascii() and c not in "¥￥"]
    common = sum(bool(c.encode("gb2312", "ignore")) for c in beyond)  # the characters of everyday Chinese
    return text if common >= 0.9 * len(beyond) else None


def _workbook(path: Path) -> tuple[list[str], list[Row]]:
    try:
        import openpyxl
    except ImportError as error:
        raise errors.DataError(
            f"{path}: to read workbooks, pip install openpyxl (extra `excel`), or save it as CSV UTF-8."
        ) from error
    try:
        sheet = openpyxl.load_workbook(path, read_only=True, data_only=True).worksheets[0]
        rows = [(i, [_cell(value) for value in row]) for i, row in enumerate(sheet.iter_rows(values_only=True), 1)]
    except Exception as error:  # a damaged file can make the library raise anything
        raise errors.DataError(f"{path}: cannot be read as a workbook ({error}); save it as CSV UTF-8.") from error
    header = rows[0][1] if rows else []
    while header and not header[-1]:
        header.pop()
    # A sheet has as many cells in each row as in its widest; those beyond the header are empty or a fault.
    return header, [(i, row[: len(header)] if not any(row[len(header) :]) else row) for i, row in rows[1:]]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return repr(value) if isinstance(value, float) else str(value).strip()


def _spelled(name: str, known: Sequence[str]) -> str:
    plain = name.strip().strip('"').casefold()
    return next((each for each in known if each.casefold() == plain), name.strip())


def day(text: str, where: str) -> str:
    """Returns a day in the form 2025-03-01 if it begins with its year; other forms are returned as they are.

    Raises:
        DataError: It begins with a day or a month, and which is which is not certain.
    """
    match = _YEAR_FIRST.fullmatch(text)
    parts = (match[1], match[3], match[4]) if match else None
    if parts is None and (chinese := _CHINESE.fullmatch(text)):
        parts = chinese.groups()  # type: ignore[assignment]
    if parts is not None:
        return f"{parts[0]}-{int(parts[1]):02d}-{int(parts[2]):02d}"
    if _DAY_OR_MONTH_FIRST.fullmatch(text):
        raise errors.DataError(
            f"{where}: {text!r} is not a date that leaves no doubt: which is the day and which the month? Format the "
            "column as yyyy-mm-dd (in a spreadsheet: Format cells, Custom) and save it again."
        )
    return text


def numbers(cells: Iterable[str], separator: str) -> list[str]:
    """Returns numbers as Python reads them; cells that are none, or are ambiguous, are returned as they are.

    A comma before three digits may separate thousands or decimals. It separates decimals only in files with semicolons
    between cells, of which at least one number shows it, and none has a decimal point.

    Args:
        cells: All numbers of a file.
        separator: Between its cells.
    """
    bare = [_bare(cell) for cell in cells]
    if separator == ";" and any("," in cell for cell in bare):
        european = all(_EUROPEAN.fullmatch(cell) for cell in bare if cell)
        shown = any("," in cell and not re.search(r",\d{3}$", cell) for cell in bare)
        if not (european and shown):
            return bare
        return [re.sub(r"[.'\s]", "", cell).replace(",", ".") for cell in bare]
    return [re.sub(r"[,'\s]", "", cell) if _GROUPED.fullmatch(cell) else cell for cell in bare]


def _bare(cell: str) -> str:
    """Returns a number without the sign of its currency."""
    match = _CURRENCY.fullmatch(cell)
    return f"{match[1]}{match[2]}".strip() if match else cell
