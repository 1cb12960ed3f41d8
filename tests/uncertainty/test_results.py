"""Results print as a line and a table, become data frames, and draw themselves."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ich_jax import econometrics, uncertainty
from ich_jax.econometrics import did, regression, series, synthetic
from ich_jax.kansei import quantification, review, semantic, survey
from ich_jax.uncertainty.results import Result

ROOMS = (uncertainty, econometrics, did, regression, series, synthetic, quantification, review, semantic, survey)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Fitted(Result):
    columns = ("name", "estimate", "low", "high")
    curve = ("name", "estimate", "low", "high")

    name: tuple[str, ...] = ("a", "bb")
    estimate: np.ndarray = dataclasses.field(default_factory=lambda: np.array([1.0, -2.5]))
    low: np.ndarray = dataclasses.field(default_factory=lambda: np.array([0.5, -4.0]))
    high: np.ndarray = dataclasses.field(default_factory=lambda: np.array([2.0, -1.0]))
    p: float = 0.012345
    n: int = 7
    draws: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(999))


@dataclasses.dataclass(frozen=True, repr=False)
class Whole(Result):
    part = "table"

    effect: np.ndarray
    table: Fitted


@dataclasses.dataclass(frozen=True, repr=False)
class Numbers(Result):
    p: float = 0.5
    exact: bool = True


def test_a_line_names_numbers_and_columns_but_no_arrays() -> None:
    assert repr(Fitted()) == str(Fitted()) == "Fitted(p=0.01235, n=7, 2 rows of name, estimate, low, high)"
    assert repr(Whole(np.float64(3.0), Fitted())) == "Whole(effect=3, 2 rows of name, estimate, low, high)"
    assert repr(Numbers()) == "Numbers(p=0.5, exact=True)"


def test_the_summary_is_a_table() -> None:
    assert Fitted().summary().splitlines() == [
        "Fitted",
        "  p  0.01235",
        "  n  7",
        "  name  estimate  low  high",
        "     a         1  0.5     2",
        "    bb      -2.5   -4    -1",
    ]
    assert Numbers().summary() == "Numbers\n  p      0.5\n  exact  True"


def test_the_frame_has_a_row_for_each_entry() -> None:
    frame = Whole(np.float64(3.0), Fitted()).to_frame()
    assert list(frame.columns) == ["name", "estimate", "low", "high"] and list(frame["estimate"]) == [1.0, -2.5]
    assert Numbers().to_frame().to_dict("records") == [{"p": 0.5, "exact": True}]


def test_the_frame_says_what_it_needs() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from tests.uncertainty.test_results import Numbers\n"
        "try:\n    Numbers().to_frame()\nexcept ImportError as error:\n    print(error)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("A data frame needs pandas: pip install pandas.")


def test_the_plot_shows_estimates_and_limits() -> None:
    ax = Fitted().plot()
    (bars,) = ax.containers
    points, _, (segments,) = bars
    np.testing.assert_array_equal(points.get_ydata(), [1.0, -2.5])
    np.testing.assert_array_equal([segment[:, 1] for segment in segments.get_segments()], [[0.5, 2.0], [-4.0, -1.0]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "bb"]
    assert ax.get_ylabel() == "estimate" and Fitted().plot(ax) is ax
    with pytest.raises(TypeError, match="Numbers has no curve"):
        Numbers().plot()


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_result_names_fields_that_it_has(room: ModuleType) -> None:
    results = [cls for cls in vars_of(room) if issubclass(cls, Result)]
    assert results
    for cls in results:
        fields = {field.name for field in dataclasses.fields(cls)}
        assert {name.partition(".")[0] for name in (*cls.columns, *cls.curve, *filter(None, [cls.part]))} <= fields, cls
        assert cls.__repr__ is Result.__repr__, f"{cls}: @dataclass(repr=False), or its own repr dumps arrays"


def vars_of(room: ModuleType) -> list[type]:
    """The classes among the public names of a package."""
    return [value for name in room.__all__ if isinstance(value := getattr(room, name), type)]
