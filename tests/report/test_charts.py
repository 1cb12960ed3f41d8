import xml.etree.ElementTree
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pytest

from ich_jax.report import charts, style


def svg_size(picture: style.Picture) -> tuple[float, float]:
    assert picture.format == "svg"
    root = xml.etree.ElementTree.fromstring(picture.data)
    return float(root.attrib["width"].removesuffix("pt")), float(root.attrib["height"].removesuffix("pt"))


def drawn(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], style.Picture]) -> list[Any]:
    """Returns the axes of a chart, which is closed once it is turned into a picture."""
    kept: list[Any] = []
    finish = style.finish
    with monkeypatch.context() as patch:
        patch.setattr(charts, "finish", lambda fig, *rest: (kept.extend(fig.axes), finish(fig, *rest))[1])
        draw()
    return kept


def every_chart() -> dict[str, style.Picture]:
    rng = np.random.default_rng(1)
    requested = rng.uniform(-3, 3, (60, 3))
    read = requested + rng.normal(0, 0.2, (60, 3))
    read[3, 1] = np.nan  # an axis that was left open
    names = ["a$b$", "<book>", "c"]
    return {
        "strips": charts.error_strips({"generated": read - requested, "judge": read[:5] * 0}, names),
        "no strips": charts.error_strips({"generated": np.zeros((0, 3))}, names),
        "scatter": charts.requested_read(requested, read, names, groups=np.arange(60) % 3, group_names=names),
        "one axis": charts.requested_read(requested[:, :1], read[:, :1], ["width"]),
        "confusion": charts.confusion(np.eye(3) * 9, names),
        "confusion of one": charts.confusion([[4]], ["only"]),
        "confusion of many": charts.confusion(np.eye(20), [f"class {i}" for i in range(20)]),
        "dots": charts.dots(
            [charts.Dot("a", 0.9, 0.8, 1.0, "x"), charts.Dot("a", 0.95, series="y"), charts.Dot("b", 1.0)],
            x_label="accuracy",
            limits=(0, 1.01),
            guide=0.98,
        ),
    }


def test_charts_are_svg_of_the_stated_size() -> None:
    for name, picture in every_chart().items():
        assert svg_size(picture) == pytest.approx((picture.width, picture.height), abs=0.6), name
        assert picture.width <= style.PAGE_WIDTH, name


def test_equal_input_gives_equal_bytes_and_global_state_stays() -> None:
    before = dict(matplotlib.rcParams)
    assert charts.confusion(np.eye(2), ["a", "b"]) == charts.confusion(np.eye(2), ["a", "b"])
    assert dict(matplotlib.rcParams) == before


def test_error_strip_counts_what_lies_beyond_the_band(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(charts, "write_note", lambda ax, text, *args, **kwargs: notes.append(text))
    errors = np.array([[0.4, 0.6], [-0.7, np.nan], [0.5, 0.0]])
    charts.error_strips({"generated": errors}, ["width", "depth"])
    assert notes == ["1 of 3 beyond", "1 of 2 beyond", "within \u00b10.5"]


@pytest.mark.parametrize("stamp", ["", "SIMULATED DATA"])
def test_dots_of_one_series_stand_on_the_line_of_their_label(stamp: str) -> None:
    """The series of a row share its height; a row with one point has it in the middle."""
    alone = charts.dots([charts.Dot("a", 1.0, 0.5, 1.5, "x")], x_label="", stamp=stamp)
    both = charts.dots([charts.Dot("a", 1.0, 0.5, 1.5, "x"), charts.Dot("b", 2.0, series="y")], x_label="", stamp=stamp)
    assert alone.height < both.height and (style.STAMP.encode() in both.data) == bool(stamp)


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
