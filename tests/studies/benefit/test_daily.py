"""Reading the user's file: what it means, what is refused and in which words; the template; the simulated data."""

import numpy as np
import pytest

from ich_jax import config, errors
from ich_jax.econometrics.did import two_way
from ich_jax.studies.benefit import daily, simulation

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
    data = daily.load_daily(file(tmp_path, *ROWS))
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
    base = daily.load_daily(file(tmp_path, *ROWS)).panels[0]
    path = tmp_path / "other.csv"
    moved = [",".join(f" {row.split(',')[i]} " for i in (4, 3, 0, 2, 1)) + ",x" for row in reversed(ROWS)]
    text = "\n".join(["benefit, arm,date,product,unit,remark", *moved, "", ",,,,,"])
    path.write_text("\ufeff" + text, encoding="utf-8")
    other = daily.load_daily(path).panels[0]
    np.testing.assert_array_equal(other.outcome, base.outcome)
    np.testing.assert_array_equal(other.start, base.start)
    assert other.units.tolist() == base.units.tolist()


def test_benefit_from_sales(tmp_path):
    amounts = ["3,10,4", "2,10,4", "5,10,4", "1,10,12", "1,9.5,4", "2,9,4", "0,9,4", "4,9,4.5"]
    rows = [row.rsplit(",", 1)[0] + "," + a for row, a in zip(ROWS, amounts, strict=True)]
    data = daily.load_daily(file(tmp_path, *rows, header="date,unit,product,arm,units,price,cost"))
    np.testing.assert_allclose(data.panels[0].outcome, [[18, 12, 30, -2], [5.5, 10, 0, 18]])


def test_gaps_are_kept_and_counted(tmp_path):
    """A day without any row is a gap of all units: the calendar has no holes."""
    rows = [row for row in ROWS if "01-02" not in row] + ["2025-01-06,b,fan,local,3"]
    data = daily.load_daily(file(tmp_path, *rows))
    one = data.panels[0]
    assert one.outcome.shape == (2, 6) and one.missing == 5 and one.start.tolist() == [2, 6]
    assert "5 of 12 unit-days missing, the first a on 2025-01-02" in daily.describe(data)[1]


def test_curves_by_hand(tmp_path):
    rows = [*ROWS, "2025-01-01,c,fan,local,19", "2025-01-03,c,fan,local,7"]
    curves = daily.curves(daily.load_daily(file(tmp_path, *rows)).panels[0])
    assert {arm: values.tolist() for arm, (_, values) in curves.items()} == {
        "ai": [20, 21],
        "before": [10, 11.5],
        "local": [14, 8, 0, 9.25],
    }
    assert curves["ai"][0].astype(str).tolist() == ["2025-01-03", "2025-01-04"]


def test_products_pooled_by_hand(tmp_path):
    book = ["2025-01-03,b,book,before,1", "2025-01-04,b,book,ai,2", "2025-01-03,z,book,local,3"]
    both = daily.pooled(daily.load_daily(file(tmp_path, *ROWS, *book)))
    assert both.units.tolist() == ["book: b", "book: z", "fan: a", "fan: b"]
    assert both.periods.astype(str).tolist() == [f"2025-01-0{d}" for d in (1, 2, 3, 4)]
    nan = np.nan
    expected = [[nan, nan, 1, 2], [nan, nan, 3, nan], [10, 11.5, 20, 21], [9, 8, -7, 9.25]]
    np.testing.assert_array_equal(both.outcome, expected)
    assert both.start.tolist() == [3, 4, 2, 4] and both.missing == 5
    simulated = daily.pooled(simulation.simulate().data)
    assert simulated.ever_treated.sum() == 4 and len(simulated.units) == 36 and simulated.missing == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(3, "2025-01-01,a,fan,before,4"), r"1 unit-days occur more than once, the first is a on 2025-01-01 in"),
        (changed(3, "02.01.2025,a,fan,before,4"), r"line 3: '02\.01\.2025' is not a date; expected year-month-day"),
        (changed(4, "2025-02-30,a,fan,ai,4"), r"line 4: '2025-02-30' is not a date"),
        (changed(4, "2025-01-03,a,fan,ai,many"), r"column benefit is not a number in line 4 \('many'\)"),
        (changed(4, '2025-01-03,a,fan,ai,"1,200"'), r"column benefit is not a number in line 4 \('1,200'\)"),
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
        daily.load_daily(file(tmp_path, *rows))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("date,unit,product,benefit,x", r"line 1: no column arm; expected date, unit, product, arm and benefit"),
        ("date,unit,product,arm,gain", r"no column benefit; .* The file has: date, unit, product, arm, gain"),
        ("date,unit,product,arm,price", r"no column units, cost"),
        ("date,unit,product,arm,arm", r"the column arm occurs more than once"),
        ("date;unit;product;arm;benefit", r"no column date, .* separated by semicolons: save it with commas"),
        ("", r"is empty"),
    ],
)
def test_bad_headers_are_refused(tmp_path, header, message):
    with pytest.raises(errors.DataError, match=message):
        daily.load_daily(file(tmp_path, *ROWS, header=header))


def test_more_bad_files_are_refused(tmp_path):
    sales = "date,unit,product,arm,units,price,cost"
    rows = [row.rsplit(",", 1)[0] + ",3,10,4" for row in ROWS]
    rows[2] = rows[2].replace(",10,", ",-10,")
    with pytest.raises(errors.DataError, match=r"column price is negative in line 4 \('-10'\); expected 0 or more"):
        daily.load_daily(file(tmp_path, *rows, header=sales))
    with pytest.raises(errors.DataError, match=r"benefit stands beside price"):
        daily.load_daily(file(tmp_path, *[row + ",1" for row in ROWS], header=HEADER + ",price"))
    with pytest.raises(errors.DataError, match=r"none\.csv: cannot be read"):
        daily.load_daily(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("date,unit,product,arm,benefit\n2025-01-01,Z\xfcrich".encode("latin-1"))
    with pytest.raises(errors.DataError, match=r"expected a CSV file in UTF-8"):
        daily.load_daily(tmp_path / "latin.csv")
    many = [row.replace("fan,local", "fan,lokal") for row in ROWS]
    with pytest.raises(errors.DataError, match=r"'lokal' in lines 6, 7, 8 and 1 more"):
        daily.load_daily(file(tmp_path, *many))
    with pytest.raises(errors.ConfigError, match="did you mean 'fan'"):
        daily.load_daily(file(tmp_path, *ROWS)).panel("fans")


def test_arrays_are_checked_alike():
    cells = [row.split(",") for row in ROWS]
    date, unit, product, arm, value = (list(column) for column in zip(*cells, strict=True))
    amounts = np.array(value, float)
    data = daily.from_rows(np.array(date, "datetime64[D]"), unit, product, arm, amounts, source="memory")
    np.testing.assert_array_equal(data.panels[0].outcome[0], [10, 11.5, 20, 21])
    amounts[3] = np.inf
    with pytest.raises(errors.DataError, match="not finite in row 3"):
        daily.from_rows(date, unit, product, arm, amounts, source="memory")
    with pytest.raises(errors.DataError, match="one entry for each row"):
        daily.from_rows(date, unit, product, arm, amounts[1:], source="memory")


@pytest.mark.parametrize("sales", [False, True])
def test_template_can_be_read(tmp_path, sales):
    path = tmp_path / "new" / "template.csv"
    daily.write_template(path, sales=sales)
    one = daily.load_daily(path).panel("figurine")
    assert one.ever_treated.tolist() == [True, False, False] and one.start[0] == 14 and one.missing == 0
    assert two_way.collapsed(one).effect == pytest.approx(6 * 21.0)  # six more sold a day, of 35 yuan that cost 14
    assert path.read_text().splitlines()[1].endswith(",EXAMPLE")
    with pytest.raises(errors.DataError, match="exists already"):
        daily.write_template(path)


def test_simulated_data_end_where_the_paper_says():
    found = simulation.simulate()
    data = found.data
    assert data.simulated and data.products == ("book", "earrings", "fan", "figurine")
    assert daily.describe(data)[0].startswith("SIMULATED data from simulation (seed 0")
    for product, final in (("figurine", 1312.0), ("earrings", 1118.0)):
        _, values = daily.curves(data.panel(product))["ai"]
        assert values[-7:].mean() == pytest.approx(final, rel=1e-12)
    for one in data.panels:
        assert one.outcome.shape == (9, 365) and one.missing == 0 and (one.outcome > 0).all()
        assert 0.4 * 365 - 1 <= one.start[0] <= 0.6 * 365


def test_simulated_effects_are_in_the_data():
    """The same seed without an effect, up to the scale, differs by the effect; estimates find its mean."""
    found = simulation.simulate()
    without = simulation.simulate(config.SimulationConfig(effect=0.0))
    for name, one, plain in zip(found.data.products, found.data.panels, without.data.panels, strict=True):
        effect, launch = found.effect[name], one.start[0]
        scale = one.outcome[3, 0] / plain.outcome[3, 0]
        np.testing.assert_allclose(one.outcome[0] - plain.outcome[0] * scale, effect[0], atol=1e-9)
        assert (effect[:, :launch] == 0).all() and (effect[:, launch:] > 0).all()
        assert (without.effect[name] == 0).all()
        assert two_way.collapsed(one).effect == pytest.approx(effect[0, launch:].mean(), rel=0.5)
    many = simulation.simulate(config.SimulationConfig(treated=200, local=200, spread=0.0, noise=0.02))
    fan = many.data.panel("fan")
    truth = many.effect["fan"][:, fan.start[0] :].mean()
    assert two_way.collapsed(fan).effect == pytest.approx(truth, rel=0.02)


def test_simulated_days_have_weeks_holidays_and_dependence():
    found = simulation.simulate(config.SimulationConfig(treated=1, local=300, effect=0.0, common=0.0, noise=0.05))
    one = found.data.panel("book")
    mean = one.outcome[1:].mean(axis=0)
    weekday = (one.periods.astype(int) + 3) % 7
    assert mean[weekday == 5].mean() / mean[weekday == 1].mean() == pytest.approx(1.25, rel=0.05)
    festival = (one.periods >= np.datetime64("2024-10-01")) & (one.periods <= np.datetime64("2024-10-07"))
    assert mean[festival & (weekday == 1)][0] / mean[weekday == 1].mean() == pytest.approx(1.45, rel=0.05)
    rng = np.random.default_rng(0)
    series = simulation.autoregressive_noise(rng, (400, 200), 0.6)
    assert series.var() == pytest.approx(1.0, rel=0.05)
    assert (series[:, 1:] * series[:, :-1]).mean() == pytest.approx(0.6, abs=0.03)


def test_simulated_data_are_a_function_of_their_assumptions(tmp_path):
    one, same = simulation.simulate(), simulation.simulate()
    other = simulation.simulate(config.SimulationConfig(seed=1))
    for a, b, c in zip(one.data.panels, same.data.panels, other.data.panels, strict=True):
        np.testing.assert_array_equal(a.outcome, b.outcome)
        assert not np.allclose(a.outcome, c.outcome)
    path = tmp_path / "data" / "simulated.csv"
    daily.write_daily(one.data, path)
    lines = path.read_text().splitlines()
    assert lines[0].endswith(",note") and all(line.endswith(",SIMULATED") for line in lines[1:])
    again = daily.load_daily(path)
    for a, b in zip(one.data.panels, again.panels, strict=True):
        order = np.searchsorted(b.units, a.units)
        np.testing.assert_array_equal(b.outcome[order], a.outcome)
        np.testing.assert_array_equal(b.start[order], a.start)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": 10}, "--config.simulation.days: got 10; expected a whole number from 30"),
        ({"treated": 1.5}, "treated: got 1.5; expected a whole number"),
        ({"autocorrelation": 1.0}, "autocorrelation: got 1.0; expected a number from -0.99"),
    ],
)
def test_bad_assumptions_are_refused(change, message):
    with pytest.raises(errors.ConfigError, match=message):
        config.resolve({"simulation": change}, config.BenefitConfig)


def test_days_beyond_the_calendar_are_refused():
    with pytest.raises(errors.DataError, match="outside the calendar"):
        simulation.simulate(config.SimulationConfig(first="2030-06-01"))
    with pytest.raises(errors.DataError, match="not a date"):
        simulation.simulate(config.SimulationConfig(first="June"))
