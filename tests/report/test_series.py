"""Charts over time: what is in them, equal bytes, the stamp."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ich_jax.report import charts, style
from ich_jax.report.charts import Line, SeriesPanel

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
    one, again, more = (charts.series(panels(n)) for n in (2, 2, 3))
    assert one == again and one.format == "svg"
    assert one.width == more.width == style.PAGE_WIDTH and more.height - one.height == 250
    assert charts.series(panels(1)).width == style.PAGE_WIDTH // 2


def test_a_stamp_makes_room_for_itself() -> None:
    plain, stamped = charts.series(panels()), charts.series(panels(), stamp="SIMULATED DATA")
    assert stamped.height == plain.height + 16 and style.STAMP.encode() in stamped.data
    assert style.STAMP.encode() not in plain.data


@pytest.mark.parametrize("stamp", ["", "SIMULATED DATA"])
def test_dots_of_one_series_stand_on_the_line_of_their_label(stamp: str) -> None:
    """The series of a row share its height; a row with one point has it in the middle."""
    alone = charts.dots([charts.Dot("a", 1.0, 0.5, 1.5, "x")], x_label="", stamp=stamp)
    both = charts.dots([charts.Dot("a", 1.0, 0.5, 1.5, "x"), charts.Dot("b", 2.0, series="y")], x_label="", stamp=stamp)
    assert alone.height < both.height and (style.STAMP.encode() in both.data) == bool(stamp)


def drawn(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], style.Picture]) -> list[Any]:
    """Returns the axes of a chart, which is closed once it is turned into a picture."""
    kept: list[Any] = []
    finish = style.finish
    with monkeypatch.context() as patch:
        patch.setattr(charts, "finish", lambda fig, *rest: (kept.extend(fig.axes), finish(fig, *rest))[1])
        draw()
    return kept


def test_heat_maps_write_shares_in_percent_and_leave_unknown_cells_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = np.array([[1.0, 0.9996, 0.5], [0.123, np.nan, 0.75]])
    panels = {"all": shares, "book": np.ones((2, 3))}
    axes = drawn(monkeypatch, lambda: charts.heat_maps(panels, ["noise", "flips"], ["0", "1", "2"], rule=1))
    assert [ax.get_title(loc="left") for ax in axes] == ["all", "book"]
    cells = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in axes[0].texts}
    assert cells == {(0, 0): "100", (0, 1): "100", (0, 2): "50.0", (1, 0): "12.3", (1, 2): "75.0"}
    names = [[t.get_text() for t in ax.get_yticklabels()] for ax in axes]
    assert names == [["noise", "flips"], ["", ""]]
    assert [tuple(ax.images[0].get_clim()) for ax in axes] == [(0.123, 1.0)] * 2  # one scale
    assert all(list(line.get_ydata()) == [0.5, 0.5] for ax in axes for line in ax.lines)
    for wrong in ({}, {"all": np.ones((3, 2))}):
        with pytest.raises(ValueError, match="expected charts of"):
            charts.heat_maps(wrong, ["noise", "flips"], ["0", "1", "2"])


def test_bars_join_points_to_the_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [charts.Dot("a", 80.0, 70.0, 90.0, "IE"), charts.Dot("b", 130.0, series="IE")]
    (ax,) = drawn(monkeypatch, lambda: charts.dots(points, x_label="%", guide=100.0, bars=True))
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [(100.0, -20.0), (100.0, 30.0)]
    assert [list(line.get_xdata()) for line in ax.lines] == [[100.0, 100.0], [70.0, 90.0], [80.0, 130.0]]
    (plain,) = drawn(monkeypatch, lambda: charts.dots(points, x_label="%", guide=100.0))
    assert not plain.patches


def test_ratios_stand_on_a_logarithmic_axis_and_zero_at_its_left_end(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [charts.Dot("a", 80.0, 0.0, 90.0, "IE"), charts.Dot("b", 350.0, 50.0, 2300.0, series="IE")]
    (ax,) = drawn(monkeypatch, lambda: charts.dots(points, x_label="%", guide=100.0, bars=True, log=True))
    assert ax.get_xscale() == "log"
    assert [list(line.get_xdata()) for line in ax.lines[1:]] == [[25.0, 90.0], [50.0, 2300.0], [80.0, 350.0]]
    assert ax.get_xlim()[0] < 25 and ax.get_xlim()[1] > 2300
