"""Days of the week and holidays as columns of a regression.

The built-in calendar holds the days off around Spring Festival, Labour Day and National Day in mainland China. Weekends
that are worked in exchange are not in it; bring a calendar of your own for those, or for another place.
"""

import csv
import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ich_jax import errors

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Dates = npt.NDArray[np.datetime64]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIRST_YEAR, LAST_YEAR, ANNOUNCED = 2018, 2030, 2026

# First and last day off, as announced by the State Council each November; without the emergency extension of 2020 the
# first would end on 30 January. After `ANNOUNCED`: New Year's Eve to the seventh day, 1 to 5 May, 1 to 7 October.
_DAYS_OFF = {
    "spring_festival": (
        ("2018-02-15", "2018-02-21"),
        ("2019-02-04", "2019-02-10"),
        ("2020-01-24", "2020-02-02"),
        ("2021-02-11", "2021-02-17"),
        ("2022-01-31", "2022-02-06"),
        ("2023-01-21", "2023-01-27"),
        ("2024-02-10", "2024-02-17"),
        ("2025-01-28", "2025-02-04"),
        ("2026-02-15", "2026-02-23"),
        ("2027-02-05", "2027-02-12"),
        ("2028-01-25", "2028-02-01"),
        ("2029-02-12", "2029-02-19"),
        ("2030-02-02", "2030-02-09"),
    ),
    "labour_day": (
        ("2018-04-29", "2018-05-01"),
        ("2019-05-01", "2019-05-04"),
        ("2020-05-01", "2020-05-05"),
        ("2021-05-01", "2021-05-05"),
        ("2022-04-30", "2022-05-04"),
        ("2023-04-29", "2023-05-03"),
        *((f"{year}-05-01", f"{year}-05-05") for year in range(2024, LAST_YEAR + 1)),
    ),
    "national_day": (
        ("2018-10-01", "2018-10-07"),
        ("2019-10-01", "2019-10-07"),
        ("2020-10-01", "2020-10-08"),
        ("2021-10-01", "2021-10-07"),
        ("2022-10-01", "2022-10-07"),
        ("2023-09-29", "2023-10-06"),
        ("2024-10-01", "2024-10-07"),
        ("2025-10-01", "2025-10-08"),
        *((f"{year}-10-01", f"{year}-10-07") for year in range(2026, LAST_YEAR + 1)),
    ),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Calendar:
    """Holidays by name.

    Attributes:
        days: Sorted dates `[n]` (datetime64[D]) of each holiday.
        first: First date that the calendar speaks about.
        last: Last date.
    """

    days: Mapping[str, Dates]
    first: np.datetime64
    last: np.datetime64


def built_in() -> Calendar:
    """Spring Festival, Labour Day and National Day, 2018 to 2030.

    To `ANNOUNCED` as published by the State Council; later years by the rule of 2025 (New Year's Eve and the seven days
    after it; 1 to 5 May; 1 to 7 October), which may be extended when they are announced.
    """
    days = {
        name: np.concatenate([np.arange(np.datetime64(a), np.datetime64(b) + np.timedelta64(1, "D")) for a, b in spans])
        for name, spans in _DAYS_OFF.items()
    }
    return Calendar(MappingProxyType(days), np.datetime64(f"{FIRST_YEAR}-01-01"), np.datetime64(f"{LAST_YEAR}-12-31"))


def load_calendar(path: str | Path) -> Calendar:
    """Reads a calendar with the columns `date` (2025-10-01) and `holiday` (a name), one row for each day.

    It speaks about all dates: a day that it does not name is no holiday.

    Args:
        path: CSV file in UTF-8.

    Raises:
        DataError: A file that cannot be read, columns that are missing, no rows, an empty name or a date that is none;
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
            found: dict[str, list[np.datetime64]] = {}
            for row in reader:
                name = (row["holiday"] or "").strip()
                if not name:
                    raise errors.DataError(f"{path}: line {reader.line_num}: the holiday has no name.")
                found.setdefault(name, []).append(date(row["date"] or "", f"{path}: line {reader.line_num}"))
    except (OSError, UnicodeDecodeError) as cause:
        raise errors.DataError(
            f"{path}: the calendar cannot be read ({cause}); expected a CSV file in UTF-8."
        ) from cause
    if not found:
        raise errors.DataError(f"{path}: the calendar has no rows; expected one for each day of a holiday.")
    return Calendar(
        MappingProxyType({name: np.unique(np.array(days)) for name, days in found.items()}),
        np.datetime64("0001-01-01"),
        np.datetime64("9999-12-31"),
    )


def date(text: str, where: str) -> np.datetime64:
    """Returns a day written as 2025-10-01.

    Args:
        text: What was written.
        where: File and line, for the message.

    Raises:
        DataError: Anything else than year-month-day.
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
        ConfigError: A baseline that is no day of the week.
        DataError: Dates that are none, or outside the calendar.
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
