"""Bootstrap intervals by hand, against scipy, and their coverage."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import bootstrap, bootstrap_intervals

KEY = jax.random.key(4)


def mean(data, weights):
    return bootstrap.weighted_mean(data, weights)


def mean_error(data, weights):
    centre = bootstrap.weighted_mean(data, weights)
    return jnp.sqrt(bootstrap.weighted_mean(jnp.square(data - centre), weights) / (weights.sum() - 1.0))


def test_intervals_by_hand():
    x = np.random.default_rng(3).exponential(size=25)
    result = bootstrap.iid(KEY, mean, x, n_resamples=4000, standard_error=mean_error, jackknife=True)
    low, high = np.quantile(result.replicates, [0.05, 0.95])
    interval = bootstrap_intervals.percentile(result, confidence=0.9)
    assert (interval.low, interval.high) == (low, high)
    interval = bootstrap_intervals.basic(result, confidence=0.9)
    np.testing.assert_allclose((interval.low, interval.high), (2 * x.mean() - high, 2 * x.mean() - low))
    t = (result.replicates - x.mean()) / result.replicate_errors
    low, high = np.quantile(t, [0.05, 0.95])
    np.testing.assert_allclose(result.estimate_error, x.std(ddof=1) / 5, rtol=1e-12)
    interval = bootstrap_intervals.studentised(result, confidence=0.9)
    se = x.std(ddof=1) / 5
    np.testing.assert_allclose((interval.low, interval.high), (x.mean() - high * se, x.mean() - low * se))


def test_bca_is_scipy_given_the_same_resamples():
    x = np.random.default_rng(5).exponential(size=18)
    result = bootstrap.iid(KEY, mean, x, n_resamples=3000, jackknife=True)
    np.testing.assert_allclose(result.jackknife[0], [np.delete(x, i).mean() for i in range(18)], rtol=1e-12)
    peer = stats.bootstrap((x,), np.mean, n_resamples=0, bootstrap_result=_Distribution(result.replicates))
    interval = bootstrap_intervals.bca(result)
    expected = peer.confidence_interval
    np.testing.assert_allclose((interval.low, interval.high), (expected.low, expected.high), rtol=1e-10)


class _Distribution:
    """What scipy.stats.bootstrap needs to reuse a bootstrap distribution."""

    def __init__(self, replicates):
        self.bootstrap_distribution = replicates


def test_bca_of_two_factors_is_that_of_their_sum():
    """A mean of row effects plus column effects has the influence values of both."""
    rng = np.random.default_rng(6)
    a, b = rng.exponential(size=6), rng.exponential(size=4)
    result = bootstrap.two_way(KEY, mean, a[:, None] + b[None, :], n_resamples=500, jackknife=True)
    terms = np.concatenate([(a - a.mean()) / 6, (b - b.mean()) / 4])
    acceleration = (terms**3).sum() / (6 * (terms**2).sum() ** 1.5)
    below = (result.replicates < result.estimate).mean()
    z0, z = stats.norm.ppf(below), stats.norm.ppf([0.025, 0.975])
    expected = np.quantile(result.replicates, stats.norm.cdf(z0 + (z0 + z) / (1 - acceleration * (z0 + z))))
    interval = bootstrap_intervals.bca(result)
    np.testing.assert_allclose((interval.low, interval.high), expected, rtol=1e-10)


def test_limits_have_the_shape_of_the_statistic():
    x = np.random.default_rng(7).normal(size=(30, 2))
    result = bootstrap.iid(KEY, mean, x, n_resamples=200, jackknife=True)
    for method in (bootstrap_intervals.percentile, bootstrap_intervals.basic, bootstrap_intervals.bca):
        interval = method(result)
        assert interval.low.shape == (2,) and np.all(interval.low < interval.high)


def test_coverage_of_a_skewed_mean():
    """400 samples of 30 exponentials: bootstrap-t covers the mean about as often as it says."""
    rng = np.random.default_rng(8)
    hits = 0
    for i in range(400):
        x = rng.exponential(size=30)
        result = bootstrap.iid(jax.random.key(i), mean, x, n_resamples=399, standard_error=mean_error)
        interval = bootstrap_intervals.studentised(result, confidence=0.9)
        hits += interval.low <= 1.0 <= interval.high
    assert 0.9 - 4 * np.sqrt(0.09 / 400) <= hits / 400 <= 0.9 + 4 * np.sqrt(0.09 / 400)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_intervals_move_with_the_data(seed, scale, shift):
    x = np.random.default_rng(seed).exponential(size=12)
    for name in ("percentile", "basic", "bca", "studentised"):
        method = getattr(bootstrap_intervals, name)
        intervals = [
            method(bootstrap.iid(KEY, mean, data, n_resamples=199, standard_error=mean_error, jackknife=True))
            for data in (x, scale * x + shift)
        ]
        np.testing.assert_allclose(intervals[1].low, scale * intervals[0].low + shift, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(intervals[1].high, scale * intervals[0].high + shift, rtol=1e-7, atol=1e-9)


def test_without_variation_the_limits_are_the_estimate():
    """No NaN and no warning, and no claim: a column that varies keeps its interval beside one that does not."""
    x = np.column_stack([np.full(8, 4.0), np.arange(8.0)])
    result = bootstrap.iid(KEY, mean, x, n_resamples=200, jackknife=True)
    for method in (bootstrap_intervals.percentile, bootstrap_intervals.basic, bootstrap_intervals.bca):
        interval = method(result)
        assert interval.low[0] == interval.high[0] == result.estimate[0] == 4.0
        assert interval.low[1] < 3.5 < interval.high[1]


def test_intervals_that_need_more_than_replicates():
    x = np.arange(6.0)
    with pytest.raises(errors.ConfigError, match="jackknife=True"):
        bootstrap_intervals.bca(bootstrap.iid(KEY, mean, x, n_resamples=10))
    with pytest.raises(errors.ConfigError, match="standard_error="):
        bootstrap_intervals.studentised(bootstrap.iid(KEY, mean, x, n_resamples=10))
    with pytest.raises(errors.DataError, match="standard error that is not positive"):
        bootstrap_intervals.studentised(bootstrap.iid(KEY, mean, x[:2], n_resamples=50, standard_error=mean_error))
