import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import intervals

COUNTS = [(0, 1), (1, 1), (0, 299), (1, 299), (150, 299), (299, 299), (997, 1000), (3, 7)]


@pytest.mark.parametrize(("method", "name"), [(intervals.wilson, "wilson"), (intervals.clopper_pearson, "exact")])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_equal_to_scipy(method, name, confidence):
    for k, n in COUNTS:
        expected = stats.binomtest(k, n).proportion_ci(confidence, method=name)
        actual = method(k, n, confidence=confidence)
        np.testing.assert_allclose((actual.low, actual.high), tuple(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", [intervals.wilson, intervals.clopper_pearson])
def test_batched_like_one_at_a_time(method):
    k, n = np.array(COUNTS).T
    batched = method(k, n)
    assert batched.low.shape == batched.high.shape == (len(COUNTS),)
    for i, (successes, trials) in enumerate(COUNTS):
        alone = method(successes, trials)
        assert (alone.low, alone.high) == (batched.low[i], batched.high[i])
        assert isinstance(alone.low, float)


def test_sample_size_of_wilks():
    """No event in 299 trials, and not in fewer, shows with one-sided 95 % confidence that at most 1 % are events."""
    upper = intervals.clopper_pearson(0, np.array([298, 299]), confidence=0.9).high
    np.testing.assert_allclose(upper, 1 - 0.05 ** (1 / np.array([298, 299])), rtol=1e-12)
    assert upper[1] <= 0.01 < upper[0]


def test_clopper_pearson_covers_at_least_its_level():
    n = 20
    every = intervals.clopper_pearson(np.arange(n + 1), n)
    for p in np.linspace(0.01, 0.99, 25):
        inside = (every.low <= p) & (p <= every.high)
        assert stats.binom.pmf(np.arange(n + 1), n, p)[inside].sum() >= 0.95


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, 0), (float("nan"), 3)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(errors.DataError, match="0 <= successes <= n"):
        intervals.wilson(k, n)


def test_impossible_confidence_is_refused():
    with pytest.raises(errors.ConfigError, match="confidence"):
        intervals.clopper_pearson(1, 2, confidence=1.0)


def test_sup_t_of_independent_estimates():
    """Independent: P(all |Z| <= c) = (2 Phi(c) - 1)^K, so c is a normal quantile."""
    band = intervals.sup_t([1.0, -2.0, 0.0], np.diag([1.0, 4.0, 0.25]), jax.random.key(0), n_draws=200_000)
    exact = stats.norm.ppf((1 + 0.95 ** (1 / 3)) / 2)
    assert band.critical == pytest.approx(exact, rel=0.01)
    np.testing.assert_allclose(band.high - [1.0, -2.0, 0.0], band.critical * np.array([1.0, 2.0, 0.5]))
    np.testing.assert_allclose(band.low - [1.0, -2.0, 0.0], -band.critical * np.array([1.0, 2.0, 0.5]))


def test_sup_t_of_one_and_of_equal_estimates():
    normal = stats.norm.ppf(0.975)
    assert intervals.sup_t([0.0], [[9.0]], jax.random.key(1)).critical == pytest.approx(normal, rel=0.01)
    assert intervals.sup_t(np.zeros(4), np.ones((4, 4)), jax.random.key(1)).critical == pytest.approx(normal, rel=0.01)
    # A coefficient that is fixed, such as the reference period, adds nothing and has no width.
    fixed = intervals.sup_t([0.0, 5.0], [[1.0, 0.0], [0.0, 0.0]], jax.random.key(1))
    assert fixed.critical == pytest.approx(normal, rel=0.01) and fixed.low[1] == fixed.high[1] == 5.0


def test_sup_t_refuses_what_is_no_covariance():
    with pytest.raises(errors.DataError, match="positive semidefinite"):
        intervals.sup_t([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], jax.random.key(0))
    with pytest.raises(errors.DataError, match=r"must be \[2, 2\]"):
        intervals.sup_t([0.0, 0.0], [[1.0]], jax.random.key(0))
    with pytest.raises(errors.ConfigError, match="confidence"):
        intervals.sup_t([0.0], [[1.0]], jax.random.key(0), confidence=95)
