"""Selection against hand-computed cases and brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ich_jax import errors
from ich_jax.evaluation import selection
from ich_jax.types import Brief, DesignSpace, Element, Reading

SPACE = DesignSpace(("fan", "book"), (Element("palette", ("red", "blue", "grey")),), ("width", "height"))


def reading(product: list[float], palette: list[float], axes: list[float]) -> Reading:
    return Reading(np.array([product]), (np.array([palette]),), np.array([axes]))  # type: ignore[arg-type]


def joined(*readings: Reading) -> Reading:
    return Reading(
        np.concatenate([r.product for r in readings]),  # type: ignore[arg-type]
        (np.concatenate([r.elements[0] for r in readings]),),  # type: ignore[arg-type]
        np.concatenate([r.axes for r in readings]),  # type: ignore[arg-type]
    )


def repeated(brief: Brief, n: int) -> Brief:
    return Brief(*(np.repeat(np.asarray(part), n, axis=0) for part in brief[:4]))  # type: ignore[arg-type]


def test_a_brief_is_met_where_all_that_it_states_is_read() -> None:
    brief = repeated(SPACE.brief(product="book", width=1.0), 4)
    found = selection.compare(
        brief,
        joined(
            reading([0, np.log(3)], [9, 0, 0], [1.5, -3]),  # right; palette and height are open
            reading([1, 0], [0, 0, 0], [1.0, 0]),  # a fan
            reading([0, 1], [0, 0, 0], [0.49, 0]),  # too narrow
            reading([1, 0], [0, 0, 0], [-2.0, 0]),  # both
        ),
        0.5,
    )
    np.testing.assert_array_equal(found.meets, [True, False, False, False])
    np.testing.assert_array_equal(found.missed, [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0]])
    # Softmax of (0, log 3) gives the book 3/4; an error of 0.5 is one tolerance.
    np.testing.assert_allclose(found.cost[0], [np.log(4 / 3), 0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(found.total[0], np.log(4 / 3) + 1)


def test_nothing_stated_is_always_met_at_no_cost() -> None:
    found = selection.compare(SPACE.brief(), reading([0, 1], [0, 5, 0], [3, -3]), 0.1)
    assert found.meets.all() and found.total.tolist() == [0.0]


def test_readings_that_are_not_finite_are_refused() -> None:
    with pytest.raises(errors.DataError, match="not finite"):
        selection.compare(SPACE.brief(), reading([0, 1], [0, 0, 0], [np.nan, 0]), 0.5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(1, 4))
def test_most_diverse_is_greedy_and_half_as_good_as_brute_force(seed: int, n: int, k: int) -> None:
    points = np.random.default_rng(seed).integers(0, 4, (n, 2)).astype(float)  # ties are common
    k = min(k, n)
    found = selection.most_diverse(points, k, start=1)
    assert found.index[0] == 1 and len(set(found.index.tolist())) == k
    for i in range(1, k):
        before = found.index[:i]
        gap = [min(np.linalg.norm(points[j] - points[b]) for b in before) for j in range(n)]
        others = [j for j in range(n) if j not in before]
        largest = max(gap[j] for j in others)
        assert found.index[i] == next(j for j in others if gap[j] == largest)  # the first among equals
        assert found.distance[i] == pytest.approx(largest)
    if k > 1:

        def least(chosen: tuple[int, ...]) -> float:
            return min(float(np.linalg.norm(points[a] - points[b])) for a, b in itertools.combinations(chosen, 2))

        optimum = max(least(chosen) for chosen in itertools.combinations(range(n), k))
        assert least(tuple(found.index.tolist())) >= optimum / 2 - 1e-12


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 3))
def test_pareto_fronts_against_brute_force(seed: int, n: int, m: int) -> None:
    values = np.random.default_rng(seed).integers(0, 3, (n, m)).astype(float)

    def dominated(i: int, among: list[int]) -> bool:
        return any(
            all(values[j, c] <= values[i, c] for c in range(m)) and any(values[j, c] < values[i, c] for c in range(m))
            for j in among
        )

    wanted, left, number = np.zeros(n, int), list(range(n)), 0
    while left:
        front = [i for i in left if not dominated(i, left)]
        wanted[front], number = number, number + 1
        left = [i for i in left if i not in front]
    np.testing.assert_array_equal(selection.pareto_fronts(values), wanted)
    np.testing.assert_array_equal(selection.pareto_front(values), wanted == 0)


COST = np.array([3.0, 1.0, 2.0, 1.0, 0.5])
ALLOWED = np.array([True, True, True, True, False])
POINTS = np.array([[0.0], [1.0], [9.0], [5.0], [50.0]])


def test_each_method_takes_what_it_says() -> None:
    def taken(method: str, k: int) -> list[int]:
        return selection.choose(method, k, ALLOWED, COST, POINTS).index.tolist()

    assert taken("first", 3) == [0, 1, 2]
    assert taken("best", 3) == [1, 3, 2]  # of equals the one drawn first
    assert taken("diverse", 3) == [1, 2, 3]  # 9 is farthest from 1, then 5 from both
    assert taken("best", 9) == [1, 3, 2, 0]  # fewer than asked for
    distance = selection.choose("diverse", 3, ALLOWED, COST, POINTS).distance
    np.testing.assert_array_equal(distance, [np.nan, 8, 4])


def test_nothing_is_taken_where_nothing_is_allowed() -> None:
    for method in selection.METHODS:
        assert selection.choose(method, 2, np.zeros(5, bool), COST, POINTS).index.tolist() == []


def test_further_criteria_prefer_the_first_fronts() -> None:
    price = np.array([[1.0, 4.0], [2.0, 5.0], [4.0, 1.0], [9.0, 9.0], [0.0, 0.0]])  # the last one is not allowed
    assert selection.choose("best", 2, ALLOWED, COST, POINTS, price).index.tolist() == [2, 0]  # the front alone
    assert selection.choose("best", 3, ALLOWED, COST, POINTS, price).index.tolist() == [1, 2, 0]  # and the next one
    with pytest.raises(errors.DataError, match="finite"):
        selection.choose("best", 2, ALLOWED, COST, POINTS, price * np.nan)


def test_unknown_method_and_k_are_refused() -> None:
    with pytest.raises(errors.ConfigError, match="did you mean 'diverse'"):
        selection.choose("divers", 2, ALLOWED, COST, POINTS)
    with pytest.raises(errors.ConfigError, match=r"^k: "):
        selection.choose("best", 0, ALLOWED, COST, POINTS)


def test_desirability_is_the_geometric_mean_of_what_was_reached():
    scores = np.array([[1.0, 200.0], [2.0, 100.0], [3.0, 50.0], [0.0, 50.0], [9.0, 0.0]])
    found = selection.desirability(scores, [0.0, 250.0], [2.0, 50.0], weight=[2.0, 1.0])
    expected = [(0.5**2 * 0.25) ** (1 / 3), 0.75 ** (1 / 3), 1.0, 0.0, 1.0]  # of a price less is better
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(selection.desirability(scores[:, :1], 0.0, 2.0, shape=2.0)[:2], [0.25, 1.0])
    # An affine change of a score and its limits changes nothing.
    moved = selection.desirability(scores * [3.0, 0.1] + [1.0, -4.0], [1.0, 21.0], [7.0, 1.0], weight=[2.0, 1.0])
    np.testing.assert_allclose(moved, found, atol=1e-12)
    for options in ({"least": 1.0, "enough": 1.0}, {"least": 0.0, "enough": 1.0, "weight": [0.0, 1.0]}):
        with pytest.raises(errors.ConfigError, match="desirability"):
            selection.desirability(scores, **options)
    with pytest.raises(errors.DataError, match="desirability"):
        selection.desirability(np.array([[np.nan]]), 0.0, 1.0)


def test_constraints_on_price_and_elements_narrow_what_may_be_taken():
    elements = (Element("palette", ("ink", "red", "indigo")), Element("trim", ("bare", "gilt")))
    codes = np.array([[0, 0], [1, 1], [2, 0], [1, 0]])
    price = np.array([[9.0], [30.0], [12.0], [15.0]])
    cheap = selection.within(price, most=15.0)
    assert cheap.tolist() == [True, False, True, True]
    fitting = selection.with_elements(codes, elements, {"palette": ("red", "indigo")})
    assert fitting.tolist() == [False, True, True, True]
    wanted = selection.desirability(np.array([[3.0], [3.0], [1.0], [2.0]]), 0.0, 3.0)
    taken = selection.choose("best", 1, cheap & fitting, -wanted, price)
    assert taken.index.tolist() == [3]
    for allowed, message in (
        ({"colour": ("red",)}, "colour"),
        ({"trim": ("gold",)}, "gold"),
        ({"trim": ()}, "nothing"),
    ):
        with pytest.raises(errors.ConfigError, match=message):
            selection.with_elements(codes, elements, allowed)
    with pytest.raises(errors.DataError, match="within"):
        selection.within([1.0, 2.0])
