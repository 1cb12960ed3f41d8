"""What is rescaled, averaged and left out, by hand."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import two_way
from ich_jax.studies.benefit import prepare


def made(y, start):
    data = panel.from_matrix(y, start)
    days = np.datetime64("2025-01-01") + np.arange(len(data.periods)) * np.timedelta64(1, "D")
    return panel.Panel(np.array([f"u{u}" for u in data.units]), days, data.outcome, data.observed, data.start)


def noise(units, days, seed=0):
    return np.random.default_rng(seed).normal(size=(units, days)) + 20.0


def test_units_are_brought_to_the_level_of_the_treated():
    y = np.array([[10.0, 10.0, 16.0, 14.0], [20.0, 20.0, 22.0, 22.0], [5.0, 5.0, 5.0, 6.0]])
    scaled, level = prepare.comparable(made(y, [2, 4, 4]))
    assert level == 10.0
    np.testing.assert_allclose(scaled.outcome, [y[0], y[1] / 2, y[2] * 2])
    # Changes in shares of the level: 50 % against 10 % of both others.
    assert two_way.collapsed(scaled).effect == pytest.approx(10.0 * (0.5 - 0.1))


def test_levels_that_are_not_positive_are_refused():
    y = noise(3, 20)
    y[2, :10] = -1.0
    with pytest.raises(errors.DataError, match=r"unit u2 has a mean of -1 .*scale=yuan"):
        prepare.comparable(made(y, [10, 20, 20]))


def test_weeks_are_counted_from_the_first_launch():
    y = noise(3, 120)
    data = made(y, [87, 120, 120])
    found, notes = prepare.weekly(data)
    # 87 = 12 * 7 + 3: three days at the beginning and five at the end make no week.
    assert found.outcome.shape == (3, 16) and found.start.tolist() == [12, 16, 16]
    np.testing.assert_allclose(found.outcome, y[:, 3:115].reshape(3, 16, 7).mean(axis=2))
    assert found.periods[0] == np.datetime64("2025-01-04") and found.missing == 0
    assert notes == ("left out of weekly means: 8 days at the ends that fill no week",)


def test_weeks_of_a_later_launch_and_with_gaps():
    y = noise(4, 140)
    y[2, 14:19] = np.nan  # two days of the third week are left
    y[3, 21:24] = np.nan  # four days of the fourth
    found, notes = prepare.weekly(made(y, [84, 94, 140, 140]))
    assert found.start.tolist() == [12, 13, 19, 19]
    assert not found.observed[1, 13] and found.observed[1, 14]  # the launch of day 94 falls into week 13
    assert not found.observed[2, 2] and found.outcome[3, 3] == pytest.approx(y[3, 24:28].mean())
    assert notes == (
        "left out of weekly means: 7 days at the ends that fill no week",
        "2 of 76 unit-weeks lack days; 1 with fewer than 4 are left out of weekly means",
        "1 unit-weeks in which the launch falls inside the week are left out of weekly means",
    )


def test_few_days_stay_days():
    data = made(noise(3, 60), [30, 60, 60])
    found, notes = prepare.weekly(data)
    assert found is data and "too few for weeks" in notes[0]


@pytest.mark.parametrize(("days", "weeks"), [(103, 0), (104, 14), (105, 14)])
def test_two_whole_weeks_after_the_launch_or_days(days, weeks):
    """A launch on day 84: the weeks of all panels end alike, so that 14 days after it may hold a single whole week."""
    data = made(noise(3, days), [84, days, days])
    found, _ = prepare.weekly(data)
    assert (found is data) == (weeks == 0)
    if weeks:
        assert len(found.periods) == weeks and len(found.periods) - found.start[0] == 2


def test_what_is_complete():
    y = noise(6, 40)
    y[4, :10] = np.nan  # a quarter of a unit
    y[2, 5] = y[0, 30] = np.nan
    found, notes = prepare.complete(made(y, [20, 20, 40, 40, 40, 40]), 0.1)
    assert found.units.tolist() == ["u0", "u1", "u2", "u3", "u5"] and len(found.periods) == 38
    assert found.missing == 0 and found.start.tolist() == [19, 19, 38, 38, 38]
    assert notes == (
        "synthetic controls leave out 1 units that miss more than 10% of the periods: u4",
        "synthetic controls leave out 2 of 40 periods in which a unit is missing",
    )


def test_several_starts_leave_the_most_common_one():
    found, notes = prepare.complete(made(noise(6, 40), [20, 20, 25, 40, 40, 40]), 0.1)
    assert found.start.tolist() == [20, 20, 40, 40, 40] and "starts on 2 dates" in notes[0] and "other 1" in notes[0]


def test_too_little_is_refused():
    y = noise(4, 40)
    y[1, ::2] = y[2, ::2] = np.nan
    with pytest.raises(errors.DataError, match="1 treated units, 1 donors"):
        prepare.complete(made(y, [20, 40, 40, 40]), 0.1)
