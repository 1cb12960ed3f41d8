"""Reading the user's file: what it means, what is refused and in which words."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics.did import two_way
from ich_jax.studies.benefit import daily, reading

HEADER = "date,unit,product,arm,benefit"
# Lines 2 to 9 of a file: unit a is treated from 3 January, unit b is local.
ROWS = (
    "2025-01-01,a,fan,before,10",
    "2025-01-02,a,fan,before,11.5",
    "2025-01-03,a,fan,ai,20",
    "2025-01-04,a,fan,ai,21",
    "2025-01-01,b,fan,local,9",
    "2025-01-02,b,fan,local,8",
    "2025-01-03,b,fan,local,-7",
    "2025-01-04,b,fan,local,9.25",
)


def file(tmp_path, *rows, header=HEADER):
    path = tmp_path / "sales.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def changed(line, text):
    rows = list(ROWS)
    rows[line - 2] = text
    return rows


def test_read_by_hand(tmp_path):
    data = reading.load_daily(file(tmp_path, *ROWS))
    one = data.panel("fan")
    assert data.products == ("fan",) and not data.simulated
    assert one.units.tolist() == ["a", "b"] and one.start.tolist() == [2, 4]
    np.testing.assert_array_equal(one.outcome, [[10, 11.5, 20, 21], [9, 8, -7, 9.25]])
    assert one.periods.astype(str).tolist() == [f"2025-01-0{d}" for d in (1, 2, 3, 4)]
    assert two_way.changes(one).tolist() == [9.75, -7.375]
    assert daily.describe(data)[1] == (
        "fan: 1 treated and 1 local units, 2025-01-01 to 2025-01-04, launch 2025-01-03; no gaps"
    )


def test_order_of_rows_and_columns_blanks_and_the_byte_order_mark(tmp_path):
    base = reading.load_daily(file(tmp_path, *ROWS)).panels[0]
    path = tmp_path / "other.csv"
    moved = [",".join(f" {row.split(',')[i]} " for i in (4, 3, 0, 2, 1)) + ",x" for row in reversed(ROWS)]
    text = "\n".join(["benefit, arm,date,product,unit,remark", *moved, "", ",,,,,"])
    path.write_text("\ufeff" + text, encoding="utf-8")
    other = reading.load_daily(path).panels[0]
    np.testing.assert_array_equal(other.outcome, base.outcome)
    np.testing.assert_array_equal(other.start, base.start)
    assert other.units.tolist() == base.units.tolist()


def test_benefit_from_sales(tmp_path):
    amounts = ["3,10,4", "2,10,4", "5,10,4", "1,10,12", "1,9.5,4", "2,9,4", "0,9,4", "4,9,4.5"]
    rows = [row.rsplit(",", 1)[0] + "," + a for row, a in zip(ROWS, amounts, strict=True)]
    data = reading.load_daily(file(tmp_path, *rows, header="date,unit,product,arm,units,price,cost"))
    np.testing.assert_allclose(data.panels[0].outcome, [[18, 12, 30, -2], [5.5, 10, 0, 18]])


def test_gaps_are_kept_and_counted(tmp_path):
    """A day without any row is a gap of all units: the calendar has no holes."""
    rows = [row for row in ROWS if "01-02" not in row] + ["2025-01-06,b,fan,local,3"]
    data = reading.load_daily(file(tmp_path, *rows))
    one = data.panels[0]
    assert one.outcome.shape == (2, 6) and one.missing == 5 and one.start.tolist() == [2, 6]
    assert "5 of 12 unit-days missing, the first a on 2025-01-02" in daily.describe(data)[1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(3, "2025-01-01,a,fan,before,4"), r"1 unit-days occur more than once, the first is a on 2025-01-01 in"),
        (changed(3, "02.01.2025,a,fan,before,4"), r"line 3: '02\.01\.2025' is not a date that leaves no doubt"),
        (changed(4, "2025-02-30,a,fan,ai,4"), r"line 4: '2025-02-30' is not a date"),
        (changed(4, "2025-01-03,a,fan,ai,many"), r"column benefit is not a number in line 4 \('many'\)"),
        (changed(4, '2025-01-03,a,fan,ai,"1,20"'), r"column benefit is not a number in line 4 \('1,20'\)"),
        (changed(4, "2025-01-03,a,fan,ai,1,200"), r"line 4: another number of cells than the 5 columns"),
        (changed(4, "2025-01-03,a,fan,ai,"), r"column benefit is empty in line 4"),
        (changed(4, "2025-01-03,a,fan,ai,nan"), r"column benefit is not finite in line 4 \('nan'\)"),
        (changed(4, "2025-01-03,a,fan,ai,inf"), r"not finite in line 4 \('inf'\)"),
        (changed(4, "2025-01-03,,fan,ai,3"), r"column unit is empty in line 4"),
        (changed(4, "2025-01-03,a,fan,AI,3"), r"column arm: 'AI' in line 4; expected ai"),
        (ROWS[:4], r"product fan: no unit has the arm local"),
        (ROWS[4:], r"product fan: no unit has the arm ai"),
        (
            changed(5, "2025-01-04,a,fan,before,3"),
            r"unit a switches off: ai from 2025-01-03, before on 2025-01-04 in l",
        ),
        (changed(5, "2025-01-04,a,fan,local,3"), r"unit a has the arm local \(line 5\) and ai or before"),
        (ROWS[2:], r"unit a has no day with the arm before ahead of 2025-01-03"),
        ((ROWS[2], ROWS[6]), r"product fan: all rows are of 2025-01-03"),
        ([row.rsplit(",", 1)[0] + ",5" for row in ROWS], r"the benefit is 5 in every row"),
        ([*ROWS, "2025-01-01,c,fan,before,3"], r"unit c has the arm before \(line 10\) and never ai"),
        (changed(2, "1025-01-01,a,fan,before,4"), r"only 5 of the 365,\d{3} days .* is 1025-01-01 in line 2 mistyped"),
        (changed(9, "2205-01-02,b,fan,local,4"), r"only 5 of the 65,\d{3} days .* is 2205-01-02 in line 9 mistyped"),
        ((), r"has a header and no rows"),
    ],
)
def test_bad_rows_are_refused(tmp_path, rows, message):
    with pytest.raises(errors.DataError, match=r"sales\.csv: .*" + message):
        reading.load_daily(file(tmp_path, *rows))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("date,unit,product,benefit,x", r"line 1: no column arm; expected date, unit, product, arm and benefit"),
        ("date,unit,product,arm,gain", r"no column benefit; .* The file has: date, unit, product, arm, gain"),
        ("date,unit,product,arm,price", r"no column units, cost"),
        ("date,unit,product,arm,arm", r"the column arm occurs more than once"),
        ("date;unit;product;arm;benefit", r"another number of cells than the 5 columns"),
        ("", r"is empty"),
    ],
)
def test_bad_headers_are_refused(tmp_path, header, message):
    with pytest.raises(errors.DataError, match=message):
        reading.load_daily(file(tmp_path, *ROWS, header=header))


def test_more_bad_files_are_refused(tmp_path):
    sales = "date,unit,product,arm,units,price,cost"
    rows = [row.rsplit(",", 1)[0] + ",3,10,4" for row in ROWS]
    rows[2] = rows[2].replace(",10,", ",-10,")
    with pytest.raises(errors.DataError, match=r"column price is negative in line 4 \('-10'\); expected 0 or more"):
        reading.load_daily(file(tmp_path, *rows, header=sales))
    with pytest.raises(errors.DataError, match=r"both benefit and price are given"):
        reading.load_daily(file(tmp_path, *[row + ",1" for row in ROWS], header=HEADER + ",price"))
    with pytest.raises(errors.DataError, match=r"none\.csv: cannot be read"):
        reading.load_daily(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("date,unit,product,arm,benefit\n2025-01-01,Z\xfcrich".encode("latin-1"))
    with pytest.raises(errors.DataError, match=r"expected a CSV file in UTF-8"):
        reading.load_daily(tmp_path / "latin.csv")
    many = [row.replace("fan,local", "fan,lokal") for row in ROWS]
    with pytest.raises(errors.DataError, match=r"'lokal' in lines 6, 7, 8 and 1 more"):
        reading.load_daily(file(tmp_path, *many))
    with pytest.raises(errors.ConfigError, match="did you mean 'fan'"):
        reading.load_daily(file(tmp_path, *ROWS)).panel("fans")


def test_arrays_are_checked_alike():
    cells = [row.split(",") for row in ROWS]
    date, unit, product, arm, value = (list(column) for column in zip(*cells, strict=True))
    amounts = np.array(value, float)
    data = reading.from_rows(np.array(date, "datetime64[D]"), unit, product, arm, amounts, source="memory")
    np.testing.assert_array_equal(data.panels[0].outcome[0], [10, 11.5, 20, 21])
    amounts[3] = np.inf
    with pytest.raises(errors.DataError, match="not finite in row 3"):
        reading.from_rows(date, unit, product, arm, amounts, source="memory")
    with pytest.raises(errors.DataError, match="one entry for each row"):
        reading.from_rows(date, unit, product, arm, amounts[1:], source="memory")


def rows_of(units: dict[str, tuple[str, float]], days: int = 8, launch: int = 5) -> list[str]:
    """Rows of units with an arm, ai or local, and a level."""
    return [
        f"2025-03-{day + 1:02d},{unit},fan,{'local' if arm == 'local' else 'ai' if day >= launch else 'before'},"
        f"{level + (day * day * (1 + len(unit))) % 7}"
        for unit, (arm, level) in units.items()
        for day in range(days)
    ]


OUTLETS = {"a": ("ai", 10.0), "bb": ("ai", 20.0), "ccc": ("local", 30.0), "dddd": ("local", 40.0)}


def test_a_launch_in_a_gap_is_that_of_the_other_units(tmp_path):
    rows = rows_of(OUTLETS)
    rows.remove(next(row for row in rows if row.startswith("2025-03-06,bb")))  # the day of the launch
    data = reading.load_daily(file(tmp_path, *rows))
    (panel,), (remarks,) = data.panels, data.remarks
    assert panel.start.tolist() == [5, 5, 8, 8] and panel.missing == 1
    assert len(remarks) == 1 and "unit bb has no rows from 2025-03-06 to 2025-03-06" in remarks[0]
    assert "2025-03-06 is assumed, the launch of another unit" in remarks[0]
    rows.remove(next(row for row in rows if row.startswith("2025-03-06,a")))  # no unit tells the day any more
    data = reading.load_daily(file(tmp_path, *rows))
    assert data.panels[0].start.tolist() == [6, 6, 8, 8] and len(data.remarks[0]) == 2
    assert all("its first row with the arm ai" in remark for remark in data.remarks[0])


def test_a_column_states_the_launch(tmp_path):
    rows = [
        f"{row},{'2025-03-06' if ',bb,' in row else ''}"
        for row in rows_of(OUTLETS)
        if not row.startswith("2025-03-06,bb")
    ]
    header = f"{HEADER},launch"
    data = reading.load_daily(file(tmp_path, *rows, header=header))
    assert data.panels[0].start.tolist() == [5, 5, 8, 8] and data.remarks == ((),)
    for old, new, message in (
        (
            "2025-03-06",
            "2025-03-03",
            "stated to launch on 2025-03-03, but its rows have the arm before until 2025-03-05",
        ),
        ("2025-03-06", "March", "March"),
    ):
        changed = [row.replace(f",{old}", f",{new}") for row in rows]
        with pytest.raises(errors.DataError, match=message):
            reading.load_daily(file(tmp_path, *changed, header=header))
    local = [row + "2025-03-06" if ",ccc," in row else row for row in rows]
    with pytest.raises(errors.DataError, match="unit ccc has the arm local and a launch"):
        reading.load_daily(file(tmp_path, *local, header=header))
    two = [*rows[:-1], rows[-1]]
    two[10] = two[10].replace(",2025-03-06", ",2025-03-05")
    with pytest.raises(errors.DataError, match="has the launches"):
        reading.load_daily(file(tmp_path, *two, header=header))


def test_copies_are_named_or_refused(tmp_path):
    rows = rows_of(OUTLETS)
    copied = [row for row in rows if ",ccc," not in row]
    copied += [
        row.replace(",a,", ",ccc,").replace("before", "local").replace("ai", "local") for row in rows if ",a," in row
    ]
    data = reading.load_daily(file(tmp_path, *copied))
    assert data.remarks == (("unit ccc carries the same figures as a on every day; if one is a copy, leave it out",),)
    alike = [row for row in rows if ",dddd," not in row] + [
        row.replace("ccc", "dddd") for row in rows if ",ccc," in row
    ]
    with pytest.raises(errors.DataError, match="all 2 local units carry the same figures on every day"):
        reading.load_daily(file(tmp_path, *alike))
