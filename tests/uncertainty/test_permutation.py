"""Permutation tests against full enumeration in Python and scipy."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import multiplicity, permutation
from tests import helpers


def t_of(rows):
    return rows.mean(axis=0) / (rows.std(axis=0, ddof=1) / np.sqrt(len(rows)))


@pytest.mark.parametrize("alternative", multiplicity.ALTERNATIVES)
@pytest.mark.parametrize("statistic", permutation.STATISTICS)
def test_sign_flip_is_brute_force(statistic, alternative):
    d = np.random.default_rng(3).normal(0.4, 1.0, size=(7, 3))
    result = permutation.sign_flip(d, statistic=statistic, alternative=alternative)
    of = t_of if statistic == "t" else lambda rows: rows.mean(axis=0)
    null = np.array([of(d * np.array(signs)[:, None]) for signs in itertools.product([1, -1], repeat=7)])
    expected = multiplicity.max_t(of(d), null, exact=True, alternative=alternative)
    assert result.exact and result.n_distinct == 128 == len(result.null)
    np.testing.assert_allclose(result.statistic, of(d), rtol=1e-12)
    np.testing.assert_allclose(np.sort(result.null, axis=0), np.sort(null, axis=0), rtol=1e-9, atol=1e-12)
    for field in ("p", "p_single_step", "p_step_down"):
        np.testing.assert_array_equal(getattr(result, field), getattr(expected, field))


def test_smallest_p_is_reached():
    """Seeds that all agree: 2^(1 - n) two-sided, 2^-n one-sided; four pairs cannot reach 0.05."""
    for n in (4, 6):
        d = np.full(n, 0.7)
        two, one = permutation.sign_flip(d), permutation.sign_flip(d, alternative="greater")
        assert two.p == two.smallest_p == 2.0 ** (1 - n)
        assert one.p == one.smallest_p == 2.0**-n
    assert permutation.sign_flip(np.ones(4)).smallest_p == 0.125


def test_sign_flip_of_clusters_flips_them_whole():
    rng = np.random.default_rng(5)
    d, cluster = rng.normal(0.5, 1.0, size=(12, 2)), np.array(list("aabbbccddeef"))
    sums = np.stack([d[cluster == c].sum(axis=0) for c in "abcdef"])
    whole, by_hand = permutation.sign_flip(d, clusters=cluster), permutation.sign_flip(sums)
    np.testing.assert_allclose(whole.statistic, by_hand.statistic, rtol=1e-12)
    np.testing.assert_array_equal(whole.p_step_down, by_hand.p_step_down)
    assert whole.n_distinct == 64


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_two_sample_is_scipy(alternative):
    rng = np.random.default_rng(6)
    y, treated = rng.normal(size=11), np.arange(11) % 3 == 0
    y[treated] += 0.8

    def mean(a, b, axis):
        return a.mean(axis=axis) - b.mean(axis=axis)

    def welch(a, b, axis):
        return mean(a, b, axis) / np.sqrt(
            a.var(axis=axis, ddof=1) / a.shape[axis] + b.var(axis=axis, ddof=1) / b.shape[axis]
        )

    for name, of in (("mean", mean), ("t", welch)):
        expected = stats.permutation_test(
            (y[treated], y[~treated]), of, alternative=alternative, n_resamples=np.inf, vectorized=True
        )
        result = permutation.two_sample(y, treated, statistic=name, alternative=alternative)
        assert result.exact and result.n_distinct == math.comb(11, 4) == len(result.null)
        np.testing.assert_allclose(result.statistic, [expected.statistic], rtol=1e-12)
        np.testing.assert_allclose(result.p, [expected.pvalue], rtol=1e-12)


@pytest.mark.parametrize(("n", "k"), [(5, 2), (6, 3), (6, 5), (7, 1), (2, 1)])
def test_every_assignment_comes_once(n, k):
    result = permutation.assignment(_binary, np.arange(n) < k, np.zeros(1), alternative="greater")
    expected = {sum(2**i for i in chosen) for chosen in itertools.combinations(range(n), k)}
    assert sorted(result.null[:, 0]) == sorted(expected)
    # The first k units are treated: the smallest number there is, so every assignment is at least as large.
    assert result.p == 1.0 and result.n_distinct == len(expected)


def test_every_relabelling_comes_once():
    """Two early, one late and three never: 6! / (2! 1! 3!) = 60 ways."""
    labels = np.array([2.0, 2.0, 5.0, 9.0, 9.0, 9.0])
    result = permutation.relabelling(_decimal, labels, np.zeros(1))
    expected = {sum(v * 10**i for i, v in enumerate(order)) for order in itertools.permutations([2, 2, 5, 9, 9, 9])}
    assert result.exact and result.n_distinct == 60 and sorted(result.null[:, 0]) == sorted(expected)
    drawn = permutation.relabelling(_decimal, labels, np.zeros(1), key=jax.random.key(0), max_exact=1, n_resamples=99)
    assert set(drawn.null[:, 0]) <= expected and len(set(drawn.null[:, 0])) > 30
    with pytest.raises(errors.DataError, match="all labels are alike"):
        permutation.relabelling(_decimal, np.ones(3), np.zeros(1))


def _decimal(labels, data):
    del data
    return (labels @ (10.0 ** jnp.arange(labels.shape[0], dtype=jnp.float64)))[None]


def _binary(assigned, data):
    del data
    return (assigned @ (2.0 ** jnp.arange(assigned.shape[0], dtype=jnp.float64)))[None]


def test_smallest_p_of_assignments():
    y = np.arange(8.0)
    assert permutation.two_sample(y, y >= 4, statistic="mean").smallest_p == 2 / 70
    assert permutation.two_sample(y, y >= 4, statistic="mean", alternative="greater").p == 1 / 70
    four_of_twelve = permutation.two_sample(2.0 ** np.arange(12), np.arange(12) >= 8, statistic="mean")
    assert four_of_twelve.p == four_of_twelve.smallest_p == 1 / 495


def test_draws_agree_with_the_enumeration():
    rng = np.random.default_rng(8)
    y, treated = rng.normal(size=(16, 2)), np.arange(16) < 6
    y[treated, 0] += 1.0
    exact = permutation.two_sample(y, treated)
    drawn = permutation.two_sample(y, treated, key=jax.random.key(1), max_exact=10, n_resamples=5_000)
    assert exact.exact and not drawn.exact and drawn.smallest_p == 1 / 5_001
    assert np.all(np.abs(drawn.p - exact.p) < 4 * np.sqrt(exact.p * (1 - exact.p) / 5_000) + 2e-3)
    d = rng.normal(0.3, 1.0, size=(14, 2))
    exact = permutation.sign_flip(d)
    drawn = permutation.sign_flip(d, key=jax.random.key(2), max_exact=10, n_resamples=5_000)
    assert np.all(np.abs(drawn.p - exact.p) < 4 * np.sqrt(exact.p * (1 - exact.p) / 5_000) + 2e-3)


def test_draws_follow_the_key():
    d = np.random.default_rng(9).normal(size=30)
    one, same, other = (permutation.sign_flip(d, key=jax.random.key(k), n_resamples=50) for k in (1, 1, 2))
    np.testing.assert_array_equal(one.null, same.null)
    assert not np.array_equal(one.null, other.null)


def test_one_compilation_for_each_shape_and_float64():
    rng = np.random.default_rng(10)
    treated = np.arange(10) < 3
    permutation.two_sample(rng.normal(size=10), treated)
    permutation.sign_flip(rng.normal(size=8))
    with helpers.count_compiles() as compiles:
        result = permutation.two_sample(rng.normal(size=10), np.roll(treated, 2))
        flips = permutation.sign_flip(rng.normal(size=8))
    assert compiles.count == 0, compiles.functions
    assert result.null.dtype == flips.null.dtype == np.float64
    assert jnp.ones(1).dtype == jnp.float32  # the process is as it was


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.1, 10.0), st.floats(-50.0, 50.0))
def test_scale_and_shift_do_not_matter(seed, scale, shift):
    rng = np.random.default_rng(seed)
    y, treated = rng.normal(size=9), np.arange(9) < 4
    base = permutation.two_sample(y, treated)
    moved = permutation.two_sample(scale * y + shift, treated)
    np.testing.assert_allclose(moved.statistic, base.statistic, rtol=1e-6)
    np.testing.assert_array_equal(moved.p, base.p)
    order = rng.permutation(9)
    np.testing.assert_array_equal(permutation.two_sample(y[order], treated[order]).p, base.p)


def test_level_under_the_null():
    """The share of exact p-values at or below 0.25 cannot exceed 0.25 beyond simulation noise."""
    rng = np.random.default_rng(11)
    p = np.array([permutation.sign_flip(row).p[0] for row in rng.standard_t(3, size=(400, 6))])
    assert (p <= 0.25).mean() <= 0.25 + 4 * np.sqrt(0.25 * 0.75 / 400)
    assert (p <= 0.25).mean() >= 0.25 - 4 * np.sqrt(0.25 * 0.75 / 400)  # 8 of 32 values: attained exactly


def test_bad_input_is_refused():
    with pytest.raises(errors.ConfigError, match="pass a key"):
        permutation.sign_flip(np.ones(40))
    with pytest.raises(errors.DataError, match="outcome 1 is zero"):
        permutation.sign_flip(np.array([[1.0, 0.0], [2.0, 0.0]]))
    with pytest.raises(errors.DataError, match="at least two pairs"):
        permutation.sign_flip(np.ones(3), clusters=["a", "a", "a"])
    with pytest.raises(errors.DataError, match="0 of 3 units are treated"):
        permutation.two_sample(np.ones(3), np.zeros(3))
    with pytest.raises(errors.DataError, match='use statistic="mean"'):
        permutation.two_sample(np.ones(3), [1, 0, 0])
    with pytest.raises(errors.DataError, match="4 entries for 3 rows"):
        permutation.two_sample(np.ones(3), [1, 0, 0, 1])
    with pytest.raises(errors.DataError, match="first at index"):
        permutation.two_sample([1.0, np.inf, 0.0, 0.0], [1, 1, 0, 0])
    with pytest.raises(errors.ConfigError, match="mean"):
        permutation.sign_flip(np.ones(3), statistic="median")
    with pytest.raises(errors.DataError, match="not finite under"):
        permutation.assignment(_ratio, [1, 0, 0], np.array([0.0, 1.0, 2.0]))


def _ratio(assigned, y):
    return (1.0 / (assigned @ y))[None]
