"""Days of the week and holidays as columns of a regression.

The built-in calendar holds the days off around Spring Festival, Labour Day and National Day in mainland China. Weekends
that are worked in exchange are not columns of it; bring a calendar of your own for those, or for another place.

Its days come from the package `holidays`, with two additions. Versions 0.105 and 0.109 were compared day by day with
the announcements of the State Council:

- The package lists no Saturday or Sunday that is free in any case, so that 35 of the 178 days off from 2018 to 2026 are
  missing. But it knows the weekends that are worked (`weekend_workdays`), and the free days around each festival, up to
  the next working day, are exactly the announced ones.
- After `ANNOUNCED` it cannot know which weekends will be worked. From 2027 to 2030 the same construction would miss 33
  days that the present rule gives, and add 7. There only the day of each festival is taken from it.
"""

import csv
import dataclasses
import datetime
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import holidays
import numpy as np
import numpy.typing as npt

from ich_jax import errors

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Dates = npt.NDArray[np.datetime64]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIRST_YEAR, LAST_YEAR, ANNOUNCED = 2018, 2030, 2026
_LENGTHS = {"spring_festival": 8, "labour_day": 5, "national_day": 7}  # days off by the rule of 2025

_FESTIVALS = {"spring_festival": "春节", "labour_day": "劳动节", "national_day": "国庆节"}
"""Our names, and those of the package."""


@dataclasses.dataclass(frozen=True, slots=True)
class Calendar:
    """Holidays by name.

    Attributes:
        days: Sorted dates `[n]` (datetime64[D]) of each holiday.
        first: First date that the calendar covers.
        last: Last date.
    """

    days: Mapping[str, Dates]
    first: np.datetime64
    last: np.datetime64


@functools.cache
def built_in() -> Calendar:
    """Spring Festival, Labour Day and National Day, 2018 to 2030.

    To `ANNOUNCED` as published by the State Council; later years by the rule of 2025 (New Year's Eve and the seven days
    after it; 1 to 5 May; 1 to 7 October), which may be extended when they are announced.
    """
    # Without a language, the package names holidays in that of the locale on some versions of Python.
    china = holidays.country_holidays("CN", years=range(FIRST_YEAR, LAST_YEAR + 1), language="zh_CN")
    days = {}
    for name, festival in _FESTIVALS.items():
        of_festival = sorted(day for day in china if festival in china.get_list(day))
        announced = {free for day in of_festival if day.year <= ANNOUNCED for free in _days_off(day, china)}
        days[name] = np.array([*sorted(announced), *_by_rule(name, of_festival)], "datetime64[D]")
        days[name].setflags(write=False)  # every caller gets the same arrays
    return Calendar(MappingProxyType(days), np.datetime64(f"{FIRST_YEAR}-01-01"), np.datetime64(f"{LAST_YEAR}-12-31"))


def _days_off(day: datetime.date, china: holidays.HolidayBase) -> Iterator[datetime.date]:
    """The free days around a holiday, up to the next working day on either side."""

    def free(date: datetime.date) -> bool:
        return date in china or (date.weekday() >= 5 and date not in china.weekend_workdays)

    for step in (datetime.timedelta(-1), datetime.timedelta(1)):
        date = day
        while free(date):
            yield date
            date += step


def _by_rule(name: str, of_festival: Sequence[datetime.date]) -> Iterator[datetime.date]:
    """The days off after `ANNOUNCED`; New Year is the first of the days that the package names so."""
    for year in range(ANNOUNCED + 1, LAST_YEAR + 1):
        first = min(day for day in of_festival if day.year == year)
        if name == "spring_festival":
            first -= datetime.timedelta(1)
        for i in range(_LENGTHS[name]):
            yield first + datetime.timedelta(i)


def load_calendar(path: str | Path) -> Calendar:
    """Reads a calendar with the columns `date` (2025-10-01) and `holiday` (a name), one row for each day.

    It covers all dates: a day that it does not name is no holiday.

    Args:
        path: CSV file in UTF-8.

    Raises:
        DataError: A file that cannot be read, columns that are missing, no rows, an empty name or an invalid date;
            names file and line.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"date", "holiday"} - set(reader.fieldnames or ())
            if missing:
                raise errors.DataError(
                    f"{path}: the calendar has no column {' and '.join(sorted(missing))}; expected the header "
                    "`date,holiday`."
                )
            days_of: dict[str, list[np.datetime64]] = {}
            for row in reader:
                name = (row["holiday"] or "").strip()
                if not name:
                    raise errors.DataError(f"{path}: line {reader.line_num}: the holiday has no name.")
                days_of.setdefault(name, []).append(date(row["date"] or "", f"{path}: line {reader.line_num}"))
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise errors.DataError(
            f"{path}: the calendar cannot be read ({cause}); expected a CSV file in UTF-8."
        ) from cause
    if not days_of:
        raise errors.DataError(f"{path}: the calendar has no rows; expected one for each day of a holiday.")
    return Calendar(
        MappingProxyType({name: np.unique(np.array(days)) for name, days in days_of.items()}),
        np.datetime64("0001-01-01"),
        np.datetime64("9999-12-31"),
    )


def date(text: str, where: str) -> np.datetime64:
    """Returns a day written as 2025-10-01.

    Args:
        text: The date as written in the file.
        where: File and line, for the message.

    Raises:
        DataError: Anything but year-month-day.
    """
    written = text.strip()
    try:
        if not _DATE.fullmatch(written):  # NumPy would read 1735689600, a time stamp, as a year
            raise ValueError("another form")
        return np.datetime64(written, "D")
    except ValueError as cause:
        raise errors.DataError(
            f"{where}: {text!r} is not a date; expected year-month-day such as 2025-10-01."
        ) from cause


def terms(
    dates: npt.ArrayLike,
    calendar: Calendar | None = None,
    *,
    weekdays: bool = True,
    baseline: str = "Monday",
) -> dict[str, npt.NDArray[np.float64]]:
    """Indicator columns of days of the week and holidays.

    Holidays and days of the week that do not occur get no column.

    Args:
        dates: `[T]` days (datetime64 or ISO strings), in any order.
        calendar: Holidays; None: `built_in`.
        weekdays: Whether days of the week have columns.
        baseline: Day of the week without a column.

    Returns:
        `[T]` of 0 and 1 by name: days of the week in their order, then holidays.

    Raises:
        ConfigError: The baseline is no day of the week.
        DataError: Invalid dates, or dates outside the calendar.
    """
    errors.require(baseline, WEEKDAYS, "terms: baseline")
    calendar = built_in() if calendar is None else calendar
    days = _days(dates)
    outside = (days < calendar.first) | (days > calendar.last)
    if outside.any():
        raise errors.DataError(
            f"terms: {outside.sum()} of {len(days)} dates are outside the calendar ({calendar.first} to "
            f"{calendar.last}), the first is {days[outside.argmax()]}; load a calendar that covers them."
        )
    columns: dict[str, npt.NDArray[np.float64]] = {}
    if weekdays:
        of_week = (days.astype(np.int64) + 3) % 7  # day 0, 1970-01-01, was a Thursday
        columns = {name: (of_week == i).astype(np.float64) for i, name in enumerate(WEEKDAYS) if name != baseline}
    columns |= {name: np.isin(days, of_holiday).astype(np.float64) for name, of_holiday in calendar.days.items()}
    return {name: column for name, column in columns.items() if column.any()}


def _days(dates: npt.ArrayLike | Sequence[str]) -> Dates:
    try:
        days = np.asarray(dates, "datetime64[D]")
    except (TypeError, ValueError) as cause:
        raise errors.DataError(f"terms: expected dates such as 2025-10-01 ({cause}).") from cause
    if days.ndim != 1 or np.isnat(days).any():
        raise errors.DataError(f"terms: expected one list of dates without gaps, got shape {list(days.shape)}.")
    return days
