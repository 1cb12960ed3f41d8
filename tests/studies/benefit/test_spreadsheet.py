"""Tables as spreadsheets write them: what leaves no doubt is read, what does is refused."""

import logging
from pathlib import Path

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.studies.benefit import daily, reading, spreadsheet


@pytest.mark.parametrize(
    "text",
    ["2025-03-01", "2025/3/1", "2025.3.1", "2025-3-01", "2025年3月1日", "2025年03月01日", "2025-03-01 00:00:00",
     "2025-03-01T00:00", "2025/3/1 0:00"],
)  # fmt: skip
def test_dates_that_begin_with_the_year(text: str) -> None:
    assert spreadsheet.day(text, "line 2") == "2025-03-01"


@pytest.mark.parametrize("text", ["01.03.2025", "1/3/2025", "3/1/25", "01-03-2025 00:00"])
def test_dates_that_do_not_are_refused_with_the_repair(text: str) -> None:
    with pytest.raises(errors.DataError, match=r"line 2: .*which is the day and which the month.*yyyy-mm-dd"):
        spreadsheet.day(text, "line 2")


@pytest.mark.parametrize("text", ["2025-03-01 07:30", "2025-3/1", "1735689600", "March 2025", ""])
def test_other_forms_are_left_to_the_reader(text: str) -> None:
    assert spreadsheet.day(text, "line 2") == text


@pytest.mark.parametrize(
    ("cells", "separator", "read"),
    [
        (["12.5", "-3", "1e3"], ",", ["12.5", "-3", "1e3"]),
        (["¥1,234.50", "¥ 12", "35元", "-￥3", "USD 4"], ",", ["1234.50", "12", "35", "-3", "4"]),
        (["1,234,567", "12"], ",", ["1234567", "12"]),
        (["1 234,5", "2"], ";", ["1234.5", "2"]),
        (["1.234,50", "12,5 €", "1.000"], ";", ["1234.50", "12.5", "1000"]),
        (["12,5", "12.5"], ";", ["12,5", "12.5"]),  # they do not agree
        (["1,234", "2,345"], ";", ["1,234", "2,345"]),  # thousands or decimals?
        (["12,5"], ",", ["12,5"]),
        (["n/a", "", "1,23,4"], ",", ["n/a", "", "1,23,4"]),
    ],
)
def test_numbers(cells: list[str], separator: str, read: list[str]) -> None:
    assert spreadsheet.numbers(cells, separator) == read


def _template(path: Path) -> tuple[str, daily.Daily]:
    daily.write_template(path)
    return path.read_text(encoding="utf-8"), reading.load_daily(path)


def _same(one: daily.Daily, other: daily.Daily) -> None:
    assert one.products == other.products
    for a, b in zip(one.panels, other.panels, strict=True):
        np.testing.assert_array_equal(a.outcome, b.outcome)
        np.testing.assert_array_equal(a.periods, b.periods)
        np.testing.assert_array_equal(a.units, b.units)


def test_what_a_european_spreadsheet_makes_of_the_template(tmp_path: Path) -> None:
    text, plain = _template(tmp_path / "plain.csv")
    rows = [line.split(",") for line in text.splitlines()]
    rows[0] = ["Date", "Unit", "PRODUCT", "arm", "Benefit", "note"]
    for row in rows[1:]:
        row[0], row[4] = row[0].replace("-", "."), row[4].replace(".", ",")
    (tmp_path / "europe.csv").write_text("\n".join(";".join(row) for row in rows), encoding="utf-8-sig")
    _same(reading.load_daily(tmp_path / "europe.csv"), plain)


def test_what_a_chinese_spreadsheet_makes_of_the_template(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text, plain = _template(tmp_path / "plain.csv")
    lines = text.splitlines()
    cells = [line.split(",") for line in lines[1:]]
    for row in cells:
        year, month, day = row[0].split("-")
        row[0], row[4], row[5] = f"{year}年{int(month)}月{int(day)}日", f"¥{row[4]}", "示例"
    table = "\r\n".join([lines[0], *(",".join(row) for row in cells)])
    (tmp_path / "china.csv").write_bytes(table.encode("gb18030"))
    with caplog.at_level(logging.WARNING):
        _same(reading.load_daily(tmp_path / "china.csv"), plain)
    assert "read as GB18030" in caplog.text


def test_workbooks(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    text, plain = _template(tmp_path / "plain.csv")
    book = openpyxl.Workbook()
    for i, line in enumerate(text.splitlines()):
        date, *names, value, note = line.split(",")
        book.active.append(
            [date if i == 0 else np.datetime64(date).item(), *names, value if i == 0 else float(value), note]
        )
    book.save(tmp_path / "sales.xlsx")
    _same(reading.load_daily(tmp_path / "sales.xlsx"), plain)
    (tmp_path / "damaged.xlsx").write_bytes(b"PK")
    with pytest.raises(errors.DataError, match="cannot be read as a workbook"):
        reading.load_daily(tmp_path / "damaged.xlsx")


def test_dates_with_the_day_first_are_refused_with_the_line(tmp_path: Path) -> None:
    text, _ = _template(tmp_path / "plain.csv")
    (tmp_path / "sales.csv").write_text(text.replace("2025-03-04", "04/03/2025"))
    with pytest.raises(errors.DataError, match=r"line 3: '04/03/2025' .*which is the day"):
        reading.load_daily(tmp_path / "sales.csv")


@pytest.mark.parametrize("other", ["Outlet 1", "outlet  1", "\uff4f\uff55\uff54\uff4c\uff45\uff54 1", "outlet\u00a01"])
def test_outlets_that_differ_in_form_only_are_not_two(other: str, tmp_path: Path) -> None:
    text, _ = _template(tmp_path / "plain.csv")
    lines = text.splitlines()
    lines[3] = lines[3].replace("outlet 1", other)
    (tmp_path / "sales.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(errors.DataError, match="differ only in case, width or blanks"):
        reading.load_daily(tmp_path / "sales.csv")
