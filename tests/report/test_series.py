"""Charts over time: what is in them, equal bytes, the stamp."""

import numpy as np
import pytest

from ich_jax.report import figures
from ich_jax.report.figures import Line, SeriesPanel

DAYS = np.datetime64("2025-01-01") + np.arange(80) * np.timedelta64(1, "D")


def panels(n: int = 2) -> list[SeriesPanel]:
    y = np.sin(np.arange(80) / 9.0)
    lines = (
        Line("raw", DAYS, y, pale=True),
        Line("mean", DAYS, y, y - 0.2, y + 0.2, colour=1, window=7),
        Line("", DAYS, np.where(np.arange(80) > 40, np.nan, y), colour=2, dashed=True),
    )
    return [SeriesPanel(f"panel {i}", lines, ((DAYS[40], "launch"),), ((0.0, "none"),), "", "yuan") for i in range(n)]


def test_equal_input_gives_equal_bytes_and_size_follows_the_number_of_panels() -> None:
    one, again, more = (figures.series(panels(n)) for n in (2, 2, 3))
    assert one == again and one.format == "svg"
    assert one.width == more.width == figures.PAGE_WIDTH and more.height - one.height == 250
    assert figures.series(panels(1)).width == figures.PAGE_WIDTH // 2


def test_a_stamp_makes_room_for_itself() -> None:
    plain, stamped = figures.series(panels()), figures.series(panels(), stamp="SIMULATED DATA")
    assert stamped.height == plain.height + 16 and figures.STAMP.encode() in stamped.data
    assert figures.STAMP.encode() not in plain.data


@pytest.mark.parametrize("stamp", ["", "SIMULATED DATA"])
def test_dots_of_one_series_stand_on_the_line_of_their_label(stamp: str) -> None:
    """The series of a row share its height; a row with one point has it in the middle."""
    alone = figures.dots([figures.Dot("a", 1.0, 0.5, 1.5, "x")], x_label="", stamp=stamp)
    both = figures.dots(
        [figures.Dot("a", 1.0, 0.5, 1.5, "x"), figures.Dot("b", 2.0, series="y")], x_label="", stamp=stamp
    )
    assert alone.height < both.height and (figures.STAMP.encode() in both.data) == bool(stamp)
