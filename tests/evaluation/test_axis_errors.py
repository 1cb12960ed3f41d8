import numpy as np
import pytest

from ich_jax import errors
from ich_jax.evaluation import axis_errors
from ich_jax.uncertainty import intervals


def test_hand_computed():
    requested = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    error = np.array([[0.1, -0.6], [-0.3, 0.5], [0.2, 0.0], [0.4, 0.7]])
    result = axis_errors.summarise(requested, requested + error, ("width", "height"))
    width, height = result.axes
    assert (width.name, width.n, width.beyond, width.share_beyond) == ("width", 4, 0, 0.0)
    assert width.bias == pytest.approx(0.1)
    assert width.mae == pytest.approx(0.25)
    assert width.rmse == pytest.approx(np.sqrt(0.3 / 4))
    assert width.max == pytest.approx(0.4)
    # order statistics .1 .2 .3 .4; the 95 % point lies at position .95 * 3 = 2.85
    assert width.p95 == pytest.approx(0.3 + 0.85 * 0.1)
    assert (height.beyond, height.share_beyond) == (2, 0.5)  # 0.5 itself is not beyond
    assert height.interval == intervals.clopper_pearson(2, 4)
    assert (result.n, result.any_beyond, result.tolerance) == (4, 2, 0.5)
    assert result.any_interval == intervals.clopper_pearson(2, 4)


def test_any_beyond_counts_designs_not_errors():
    error = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    result = axis_errors.summarise(np.zeros((4, 2)), error, ("a", "b"))
    assert result.any_beyond == 3
    assert [axis.beyond for axis in result.axes] == [2, 2]


def test_tolerance():
    result = axis_errors.summarise(np.zeros((3, 1)), np.array([[0.1], [0.3], [-0.3]]), ("a",), tolerance=0.2)
    assert (result.axes[0].beyond, result.tolerance) == (2, 0.2)


def test_what_is_left_open_has_no_error():
    read = np.array([[0.1, 9.0, 9.0], [np.nan, 0.2, 9.0]])
    given = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    result = axis_errors.summarise(np.zeros((2, 3)), read, ("a", "b", "c"), given=given)
    assert [(axis.name, axis.n, axis.max) for axis in result.axes] == [("a", 1, 0.1), ("b", 1, 0.2)]
    assert (result.n, result.any_beyond) == (2, 0)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (2, 2)])
def test_shapes_that_differ_are_refused(shape):
    with pytest.raises(errors.DataError, match="one column for each of"):
        axis_errors.summarise(np.zeros((3, 2)), np.zeros(shape), ("a", "b"))


def test_values_that_are_not_finite_are_refused():
    read = np.array([[0.0], [np.nan], [np.inf]])
    with pytest.raises(errors.DataError, match=r"2 of 3 designs .* first at row 1"):
        axis_errors.summarise(np.zeros((3, 1)), read, ("a",))


@pytest.mark.parametrize("given", [np.zeros((2, 1)), None])
def test_nothing_requested_is_refused(given):
    n = 2 if given is not None else 0
    with pytest.raises(errors.DataError, match="no axis of any design"):
        axis_errors.summarise(np.zeros((n, 1)), np.zeros((n, 1)), ("a",), given=given)


def test_worst_first() -> None:
    asked, read = np.zeros((3, 2)), np.array([[0.1, -0.7], [2.0, 0.0], [0.0, 0.3]])
    assert axis_errors.worst(asked, read, ("width", "height"), 2) == ((1, "width", 2.0), (0, "height", -0.7))
