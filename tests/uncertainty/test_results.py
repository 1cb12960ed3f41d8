"""Results print as a line and a table, become data frames, and draw themselves."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jax
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
class Bracketed(Result):
    bracketed = "effect"
    hidden = ("kkt_gap",)

    effect: float = 12345.6
    low: float = -np.inf
    high: float = 20000.0
    p: float = 1e-7
    kkt_gap: float = 1e-14
    note: str = "a sentence that is too long for a line"


@dataclasses.dataclass(frozen=True, repr=False)
class Replicated(Result):
    columns = ("estimate", "standard_error")

    estimate: np.ndarray
    standard_error: np.ndarray


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


def test_limits_stand_behind_their_estimate() -> None:
    assert repr(Bracketed()) == "Bracketed(effect=12346 [-inf, 20000], p<0.0001)"
    assert Bracketed().summary().splitlines() == [
        "Bracketed",
        "  effect  12346 [-inf, 20000]",
        "  p       <0.0001",
        "  note    a sentence that is too long for a line",
    ]


def test_columns_of_one_number_are_numbers_and_matrices_have_a_row_for_each_entry() -> None:
    assert repr(Replicated(np.array(1.5), np.array(0.25))) == "Replicated(estimate=1.5, standard_error=0.25)"
    lines = Replicated(np.array([[1.0, 2.0]]), np.array([[0.5, 0.25]])).summary().splitlines()
    assert lines == ["Replicated", "  entry  estimate  standard_error", *lines[2:]]
    assert [line.split() for line in lines[2:]] == [["0,", "0", "1.000", "0.5000"], ["0,", "1", "2.000", "0.2500"]]


def test_the_summary_is_a_table() -> None:
    assert Fitted().summary().splitlines() == [
        "Fitted",
        "  p  0.01235",
        "  n  7",
        "  name  estimate     low    high",
        "     a     1.000   0.500   2.000",
        "    bb    -2.500  -4.000  -1.000",
    ]
    assert Numbers().summary() == "Numbers\n  p      0.5\n  exact  True"


def test_numbers_of_a_column_keep_two_digits_where_sizes_differ() -> None:
    rows = Replicated(np.array([1234.5, 0.25, 0.0]), np.array([1e-15, 2.0, np.inf])).summary().splitlines()[2:]
    assert [row.split() for row in rows] == [["1234.50", "0.000"], ["0.25", "2.000"], ["0.00", "inf"]]


def test_long_tables_lose_their_middle() -> None:
    lines = Replicated(np.arange(100.0), np.ones(100)).summary().splitlines()
    assert len(lines) == 2 + 20 + 1 + 20 and lines[22] == "  ... 60 rows more"
    assert lines[21].split()[0] == "19.00" and lines[23].split()[0] == "80.00"


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
    """Named estimates are rows, the first on top."""
    ax = Fitted().plot()
    (bars,) = ax.containers
    points, _, (segments,) = bars
    np.testing.assert_array_equal(points.get_xdata(), [1.0, -2.5])
    np.testing.assert_array_equal([segment[:, 0] for segment in segments.get_segments()], [[0.5, 2.0], [-4.0, -1.0]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "bb"] and ax.yaxis_inverted()
    assert ax.get_xlabel() == "estimate" and Fitted().plot(ax) is ax
    with pytest.raises(TypeError, match="Numbers has no curve"):
        Numbers().plot()


def test_an_infinite_limit_runs_out_of_the_picture() -> None:
    ax = Fitted(low=np.array([-np.inf, -4.0])).plot()
    (_, _, (segments,)) = ax.containers[0]
    left, right = ax.get_xlim()
    assert segments.get_segments()[0][0, 0] < left < -4.0 and 2.0 < right < 10.0


def test_survival_is_a_step_function_from_one() -> None:
    ax = uncertainty.kaplan_meier([1, 2, 3, 4], [True, False, True, True]).plot()
    (line,) = ax.lines
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_allclose(line.get_xydata(), [[0, 1], [1, 0.75], [3, 0.375], [4, 0]])


PANEL = econometrics.from_matrix(np.random.default_rng(0).normal(size=(6, 8)), [5, 5, 8, 8, 8, 8])


def test_an_event_study_marks_its_reference() -> None:
    ax = did.event_study(PANEL, jax.random.key(0), reference=-2).plot()
    verticals = [line for line in ax.lines if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2]
    assert [line.get_xdata()[0] for line in verticals] == [-2]
    (hollow,) = (line for line in ax.lines if line.get_markerfacecolor() == "white")
    np.testing.assert_array_equal(hollow.get_xydata(), [[-2.0, 0.0]])


def test_a_synthetic_control_is_drawn_against_the_treated_series() -> None:
    study = synthetic.study(econometrics.from_matrix(PANEL.outcome[1:], PANEL.start[1:]))
    fit = synthetic.synthetic_control(study)
    treated, control, start = fit.plot().lines
    np.testing.assert_allclose(treated.get_ydata(), study.series)
    np.testing.assert_array_equal(control.get_ydata(), fit.path)
    assert start.get_xdata()[0] == 5


def test_panels_and_effects_in_a_line() -> None:
    assert repr(PANEL) == "Panel(units=6, treated=2, periods=8, first=0, last=7, missing=0)"
    assert re.match(r"Effect\(effect=\S+ \[\S+, \S+\], 1 row of names", repr(did.twfe(PANEL)))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_result_names_fields_that_it_has(room: ModuleType) -> None:
    results = [cls for cls in vars_of(room) if issubclass(cls, Result)]
    assert results
    for cls in results:
        fields = {field.name for field in dataclasses.fields(cls)}
        fields |= {name for name, value in vars(cls).items() if isinstance(value, property)}
        named = {*cls.columns, *cls.curve, *cls.hidden, cls.part, cls.bracketed} - {""}
        assert {name.partition(".")[0] for name in named} <= fields, cls
        assert cls.__repr__ is Result.__repr__, f"{cls}: @dataclass(repr=False), or its own repr dumps arrays"


def vars_of(room: ModuleType) -> list[type]:
    """The classes among the public names of a package."""
    return [value for name in room.__all__ if isinstance(value := getattr(room, name), type)]
