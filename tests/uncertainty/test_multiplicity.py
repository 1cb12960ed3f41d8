"""Adjusted p-values against statsmodels, pyfixest and brute force."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ich_jax import errors
from ich_jax.uncertainty import multiplicity

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "multiplicity.json").read_text())
METHODS = sorted(REFERENCE["adjusted"])


@pytest.mark.parametrize("name", METHODS)
def test_equal_to_statsmodels(name):
    adjusted = getattr(multiplicity, name)(REFERENCE["p"])
    np.testing.assert_allclose(adjusted, REFERENCE["adjusted"][name], rtol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_batched_like_one_at_a_time(name):
    method = getattr(multiplicity, name)
    p = np.random.default_rng(0).uniform(size=(3, 2, 5))
    batched = method(p)
    for index in np.ndindex(3, 2):
        np.testing.assert_array_equal(batched[index], method(p[index]))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.randoms())
def test_order_of_hypotheses_does_not_matter(p, random):
    order = random.sample(range(len(p)), len(p))
    for name in METHODS:
        adjusted = getattr(multiplicity, name)(p)
        np.testing.assert_allclose(getattr(multiplicity, name)(np.array(p)[order]), adjusted[order], rtol=1e-12)
        assert np.all(adjusted >= np.array(p)) and np.all(adjusted <= 1)


def brute_force_step_down(observed, null):
    """Algorithm 2.8 of Westfall and Young, a hypothesis at a time."""
    left, adjusted, floor = list(range(len(observed))), np.zeros(len(observed)), 0.0
    while left:
        k = max(left, key=lambda i: observed[i])
        floor = max(floor, np.mean([max(row[i] for i in left) >= observed[k] for row in null]))
        adjusted[k] = floor
        left.remove(k)
    return adjusted


def test_max_t_is_brute_force():
    rng = np.random.default_rng(1)
    observed, null = rng.normal(size=4), rng.normal(size=(60, 4))
    for alternative, sign in (("greater", 1.0), ("less", -1.0)):
        result = multiplicity.max_t(observed, null, exact=True, alternative=alternative)
        np.testing.assert_allclose(result.p_step_down, brute_force_step_down(sign * observed, sign * null))
        np.testing.assert_allclose(result.p, (sign * null >= sign * observed).mean(axis=0))
    two_sided = multiplicity.max_t(observed, null, exact=True)
    np.testing.assert_allclose(two_sided.p_step_down, brute_force_step_down(np.abs(observed), np.abs(null)))
    largest = np.abs(null).max(axis=1)
    np.testing.assert_allclose(two_sided.p_single_step, [(largest >= abs(t)).mean() for t in observed])
    assert np.all(two_sided.p <= two_sided.p_step_down) and np.all(two_sided.p_step_down <= two_sided.p_single_step)


def test_drawn_p_values_count_the_observed_data():
    result = multiplicity.max_t([10.0], np.zeros((99, 1)), exact=False)
    assert result.p == result.p_step_down == result.p_single_step == 1 / 100
    assert multiplicity.max_t([10.0], np.zeros((99, 1)), exact=True).p == 0.0


def test_a_tie_up_to_rounding_counts():
    assert multiplicity.max_t([0.3], [[0.1 + 0.2 - 1e-15], [0.0]], exact=True).p == 0.5


def test_romano_wolf_is_that_of_pyfixest():
    t, draws = np.array(REFERENCE["t"]), np.array(REFERENCE["t_draws"])
    se, draw_se = np.array([0.5, 2.0, 1.0, 3.0]), np.full(draws.shape, 1.5)
    beta = t * se
    adjusted = multiplicity.romano_wolf(beta, se, beta + draws * draw_se, draw_se)
    np.testing.assert_allclose(adjusted, REFERENCE["romano_wolf"], rtol=1e-12)


def test_westfall_young_is_that_of_pyfixest():
    adjusted = multiplicity.westfall_young(REFERENCE["p4"], REFERENCE["p4_draws"], exact=True)
    np.testing.assert_allclose(adjusted, REFERENCE["westfall_young"], rtol=1e-12)


def test_bad_input_is_refused():
    with pytest.raises(errors.DataError, match=r"in \[0, 1\]"):
        multiplicity.holm([0.2, 1.2])
    with pytest.raises(errors.DataError, match=r"not finite, the first at index \[1\]"):
        multiplicity.holm([0.2, float("nan")])
    with pytest.raises(errors.DataError, match=r"\[draws, 2\]"):
        multiplicity.max_t([1.0, 2.0], np.zeros((5, 3)), exact=True)
    with pytest.raises(errors.ConfigError, match="two-sided"):
        multiplicity.max_t([1.0], np.zeros((5, 1)), exact=True, alternative="twosided")
    with pytest.raises(errors.DataError, match="above 0"):
        multiplicity.romano_wolf([1.0], [0.0], [[1.0]], [[1.0]])
