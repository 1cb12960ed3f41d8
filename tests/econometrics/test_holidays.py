"""The built-in calendar against chinesecalendar and the moon; columns by hand."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import holidays
from ich_jax.econometrics.regression import linear
from tests.econometrics import made

ANNOUNCED = made.reference("series")["holidays"]


def test_announced_days_off_are_those_of_chinesecalendar():
    """It counts a Mid-Autumn day inside the week of National Day by its own name."""
    days = holidays.built_in().days
    known = {name: v[v < np.datetime64(f"{holidays.ANNOUNCED + 1}-01-01")] for name, v in days.items()}
    for ours, theirs in (("spring_festival", "Spring Festival"), ("labour_day", "Labour Day")):
        assert known[ours].astype(str).tolist() == ANNOUNCED[theirs]
    autumn = {d for d in ANNOUNCED["Mid-autumn Festival"] if d in ("2023-09-29", "2025-10-06")}
    assert known["national_day"].astype(str).tolist() == sorted({*ANNOUNCED["National Day"], *autumn})


def test_later_years_follow_the_moon():
    """New Year is the day of the second new moon after the solstice; mean new moons are off by at most 0.6 days."""
    days = holidays.built_in().days["spring_festival"]
    for year in range(holidays.ANNOUNCED + 1, holidays.LAST_YEAR + 1):
        of_year = days[(days >= np.datetime64(f"{year}-01-01")) & (days <= np.datetime64(f"{year}-12-31"))]
        assert len(of_year) == 8
        new_year = of_year[1]  # after New Year's Eve
        assert np.datetime64(f"{year}-01-21") <= new_year <= np.datetime64(f"{year}-02-20")
        since = (new_year - np.datetime64("2000-01-06")).astype(float) + 0.5  # a new moon: 6 January 2000, 18:14 UTC
        moons = (since - 0.76) / 29.530588853
        assert abs(moons - round(moons)) * 29.53 < 1.2, year


def test_later_years_by_hand():
    """The rule of 2025: New Year's Eve to the seventh day after it, 1 to 5 May, 1 to 7 October."""
    of_2027 = {
        name: days[(days >= np.datetime64("2027-01-01")) & (days < np.datetime64("2028-01-01"))].astype(str)
        for name, days in holidays.built_in().days.items()
    }
    spans = {name: (days[0], days[-1], len(days)) for name, days in of_2027.items()}
    assert spans == {
        "spring_festival": ("2027-02-05", "2027-02-12", 8),
        "labour_day": ("2027-05-01", "2027-05-05", 5),
        "national_day": ("2027-10-01", "2027-10-07", 7),
    }


def test_the_calendar_is_shared_and_cannot_be_changed():
    days = holidays.built_in().days["labour_day"]
    assert days is holidays.built_in().days["labour_day"]
    with pytest.raises(ValueError, match="read-only"):
        days[0] = np.datetime64("2018-05-02")


def test_every_year_has_every_holiday():
    calendar = holidays.built_in()
    for days in calendar.days.values():
        assert set(days.astype("datetime64[Y]").astype(str)) == {str(year) for year in range(2018, 2031)}
        assert (np.diff(days) > np.timedelta64(0, "D")).all()


def test_columns_by_hand():
    dates = np.arange("2025-09-29", "2025-10-12", dtype="datetime64[D]")  # Monday to Saturday of the next week
    columns = holidays.terms(dates)
    assert list(columns) == [*holidays.WEEKDAYS[1:], "national_day"]
    assert columns["Tuesday"].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert columns["Sunday"].tolist() == [0] * 6 + [1] + [0] * 6
    assert columns["national_day"].tolist() == [0, 0] + [1] * 8 + [0] * 3
    weekend = holidays.terms(["2025-11-30", "2025-11-29"], baseline="Sunday")
    assert {name: column.tolist() for name, column in weekend.items()} == {"Saturday": [0, 1]}
    assert holidays.terms(dates[:2], weekdays=False) == {}


def test_effects_of_days_are_recovered():
    dates = np.arange("2024-01-01", "2025-12-31", dtype="datetime64[D]")
    columns = holidays.terms(dates)
    truth = {name: 3.0 * i - 5.0 for i, name in enumerate(columns)}
    noise = np.random.default_rng(0).normal(size=len(dates)) * 1e-6
    fit = linear.fit(50 + sum(truth[name] * column for name, column in columns.items()) + noise, columns)
    np.testing.assert_allclose(fit.beta[1:], list(truth.values()), atol=1e-5)
    assert not fit.dropped


def test_calendar_of_the_user(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("date,holiday\n2040-05-02,fair\n2040-05-01,fair\n2040-05-04,market\n")
    columns = holidays.terms(["2040-05-01", "2040-05-03", "2040-05-04"], holidays.load_calendar(path), weekdays=False)
    assert {name: column.tolist() for name, column in columns.items()} == {"fair": [1, 0, 0], "market": [0, 0, 1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,holiday\n", r"days\.csv: the calendar has no column date; expected the header"),
        ("date,holiday\n2025-02-30,fair\n", r"line 2: '2025-02-30' is not a date"),
        ("date,holiday\n2025-1-3,fair\n", r"line 2: '2025-1-3' is not a date; expected year-month-day"),
        ("date,holiday\n1735689600,fair\n", r"line 2: '1735689600' is not a date"),
        ("date,holiday\n2025-W01-1,fair\n", r"line 2: '2025-W01-1' is not a date"),
        ("date,holiday\n2025-01-03,\n", r"line 2: the holiday has no name"),
        ("date,holiday\n", r"no rows"),
    ],
)
def test_bad_calendars_are_refused(tmp_path, text, message):
    path = tmp_path / "days.csv"
    path.write_text(text)
    with pytest.raises(errors.DataError, match=message):
        holidays.load_calendar(path)


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(errors.DataError, match=r"2 of 3 dates are outside .* the first is 2031-01-01"):
        holidays.terms(["2030-12-31", "2031-01-01", "2017-12-31"])
    with pytest.raises(errors.ConfigError, match="Monday"):
        holidays.terms(["2025-01-01"], baseline="monday")
    with pytest.raises(errors.DataError, match="expected dates"):
        holidays.terms(["yesterday"])
    with pytest.raises(errors.DataError, match="without gaps"):
        holidays.terms(["2025-01-01", "NaT"])
    with pytest.raises(errors.DataError, match="cannot be read"):
        holidays.load_calendar(tmp_path / "none.csv")
