import xml.etree.ElementTree

import numpy as np
import pytest

from ich_jax.report import line_charts, style
from ich_jax.report.line_charts import Line, SeriesPanel

DAYS = np.datetime64("2025-01-01") + np.arange(80) * np.timedelta64(1, "D")


def panels(n: int = 2) -> list[SeriesPanel]:
    y = np.sin(np.arange(80) / 9.0)
    lines = (
        Line("raw", DAYS, y, pale=True),
        Line("mean", DAYS, y, y - 0.2, y + 0.2, colour=1, window=7),
        Line("", DAYS, np.where(np.arange(80) > 40, np.nan, y), colour=2, dashed=True),
    )
    return [SeriesPanel(f"panel {i}", lines, ((DAYS[40], "launch"),), ((0.0, "none"),), "", "yuan") for i in range(n)]


def curve_panels() -> list[line_charts.CurvePanel]:
    x = np.arange(50)
    y = np.where(x == 7, np.nan, np.exp(-x / 20))
    return [
        line_charts.CurvePanel("loss", (line_charts.Curve("g", x, y), line_charts.Curve("d", x, y * 2)), log=True),
        line_charts.CurvePanel("one value", (line_charts.Curve("v", [1], [2.0]),), guides=((0.5, "goal"),)),
        line_charts.CurvePanel("nothing", (line_charts.Curve("empty", [], []),), log=True),
    ]


def test_equal_input_gives_equal_bytes_and_size_follows_the_number_of_panels() -> None:
    one, again, more = (line_charts.series(panels(n)) for n in (2, 2, 3))
    assert one == again and one.format == "svg"
    assert one.width == more.width == style.PAGE_WIDTH and more.height - one.height == 250
    assert line_charts.series(panels(1)).width == style.PAGE_WIDTH // 2


def test_a_stamp_makes_room_for_itself() -> None:
    plain, stamped = line_charts.series(panels()), line_charts.series(panels(), stamp="SIMULATED DATA")
    assert stamped.height == plain.height + 16 and style.STAMP.encode() in stamped.data
    assert style.STAMP.encode() not in plain.data


def test_moving_mean_is_centred_and_shortens_at_the_ends() -> None:
    np.testing.assert_allclose(line_charts._moving_mean(np.array([1.0, 2, 6, 4]), 3), [1.5, 3, 4, 5])


def test_curves_are_svg_of_the_stated_size_and_equal_for_equal_input() -> None:
    picture = line_charts.curves(curve_panels())
    root = xml.etree.ElementTree.fromstring(picture.data)
    size = [float(root.attrib[name].removesuffix("pt")) for name in ("width", "height")]
    assert size == pytest.approx([picture.width, picture.height], abs=0.6)
    assert picture.width <= style.PAGE_WIDTH
    assert picture == line_charts.curves(curve_panels())
