import csv
import io
import math
import re
import xml.etree.ElementTree

import pytest

from ich_jax.report import tables

TABLE = tables.Table(
    name="t",
    title="A | title",
    columns=("name", "value", "n", "empty"),
    rows=(("a|b <i>", 0.1 + 0.2, 1000, None), ('c, "d"\ne', -1.5e-7, None, ""), ("inf", math.inf, 2, None)),
    caption="What <one> sees.",
    samples="n = 3",
    digits=(("value", 2),),
)


def test_csv_keeps_every_digit_and_every_column() -> None:
    header, *rows = csv.reader(io.StringIO(tables.to_csv(TABLE)))
    assert tuple(header) == TABLE.columns
    assert len(rows) == len(TABLE.rows)
    for text, cells in zip(rows, TABLE.rows, strict=True):
        assert text[0] == cells[0]
        assert float(text[1]) == cells[1]
        assert text[2] == ("" if cells[2] is None else str(cells[2]))
        assert text[3] == ""


def test_markdown_reads_back_as_the_rounded_table_without_empty_columns() -> None:
    lines = [line for line in tables.to_markdown(TABLE).splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert cells[0] == ["name", "value", "n"]
    assert cells[1][0].strip("-") == ""
    assert cells[1][1].endswith(":")
    assert cells[2:] == [
        [r"a\|b \<i>", "0.30", "1,000"],
        [r'c, "d" e', "0.00", "\u2013"],
        ["inf", "\u221e", "2"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert "n = 3" in tables.to_markdown(TABLE)


def test_html_is_well_formed_and_escaped() -> None:
    root = xml.etree.ElementTree.fromstring(tables.to_html(TABLE))
    assert [th.text for th in root.iter("th")] == ["name", "value", "n"]
    rows = [[td.text for td in tr] for tr in root.iter("tr")][1:]
    assert rows[0] == ["a|b <i>", "0.30", "1,000"]
    assert [td.get("class") for td in next(root.iter("tbody"))[0]] == ["short", "number", "number"]


def test_measures_carry_interval_n_and_seeds() -> None:
    rows = [
        tables.Measure("accuracy", 0.99, 0.98, 1.0, "95 % Wilson", 1000, 1),
        tables.Measure("speed", 400.0, note="img/s"),
    ]
    table = tables.measures("figures", "Figures", rows)
    assert table.rows[0] == ("accuracy", 0.99, 0.98, 1.0, "95 % Wilson", 1000, 1, "")
    assert table.columns == ("figure", "value", "low", "high", "interval", "n", "seeds", "note")
    assert "95 % Wilson" in tables.to_markdown(table)


def test_empty_table_still_has_its_header() -> None:
    table = tables.Table("t", "T", ("a", "b"), ())
    assert tables.to_csv(table) == "a,b\n"
    assert [th.text for th in xml.etree.ElementTree.fromstring(tables.to_html(table)).iter("th")] == ["a", "b"]
    assert "| a" in tables.to_markdown(table)


def test_rows_must_fit_the_columns() -> None:
    with pytest.raises(ValueError, match="row 1 has 1 cells for 2 columns"):
        tables.Table("t", "T", ("a", "b"), ((1, 2), (1,)))
