"""Bootstrap distributions against exact moments, brute force and scipy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import bootstrap, float64
from tests import helpers

KEY = jax.random.key(4)


def mean(data, weights):
    return bootstrap.weighted_mean(data, weights)


def mean_error(data, weights):
    centre = bootstrap.weighted_mean(data, weights)
    return jnp.sqrt(bootstrap.weighted_mean(jnp.square(data - centre), weights) / (weights.sum() - 1.0))


def ratio(data, weights):
    return bootstrap.weighted_mean(data["a"], weights) / bootstrap.weighted_mean(data["b"], weights)


def average(series):
    return series.mean(axis=0)


def test_iid_moments_of_a_mean():
    """The bootstrap variance of a mean is sum (x - mean)^2 / n^2."""
    x = np.random.default_rng(0).exponential(size=40)
    result = bootstrap.iid(KEY, mean, x, n_resamples=20_000)
    assert result.estimate == pytest.approx(x.mean(), rel=1e-12)
    assert result.standard_error == pytest.approx(x.std() / np.sqrt(40), rel=0.02)
    assert abs(result.bias) < 4 * result.standard_error / np.sqrt(20_000)
    assert result.units == (40,) and result.replicates.shape == (20_000,)
    assert result.replicates.dtype == np.float64


def test_iid_draws_every_resample_equally_often():
    """Three rows: the 27 ordered resamples give 10 counts with multinomial chances."""
    result = bootstrap.iid(KEY, _code, np.zeros(3), n_resamples=27_000)
    drawn = {code: (result.replicates == code).sum() for code in np.unique(result.replicates)}
    expected: dict[float, float] = {}
    for index in itertools.product(range(3), repeat=3):
        counts = np.bincount(index, minlength=3)
        code = float(counts @ [1, 10, 100])
        expected[code] = expected.get(code, 0) + 1000
    assert drawn.keys() == expected.keys()
    assert stats.chisquare([drawn[c] for c in expected], list(expected.values())).pvalue > 1e-3


def _code(data, weights):
    del data
    return weights @ jnp.array([1.0, 10.0, 100.0], jnp.float64)


def test_strata_keep_their_sizes():
    strata = np.array(["x", "y", "x", "y", "y"])
    result = bootstrap.iid(KEY, _strata_counts, (strata == "x").astype(float), n_resamples=500, strata=strata)
    np.testing.assert_array_equal(result.replicates, np.tile([2.0, 3.0], (500, 1)))
    spread = bootstrap.iid(KEY, _third, np.zeros(5), n_resamples=10_000, strata=strata).replicates
    assert np.mean(spread) == pytest.approx(1.0, abs=0.04)  # each row is drawn once on average
    assert set(spread) == {0.0, 1.0, 2.0}  # row 2 lies in the stratum of two


def _strata_counts(in_x, weights):
    return jnp.stack([weights @ in_x, weights @ (1.0 - in_x)])


def _third(data, weights):
    del data
    return weights[2]


def test_clusters_are_drawn_whole():
    rng = np.random.default_rng(1)
    cluster = np.repeat([7, 3, 5, 9], [1, 4, 2, 3])
    x = rng.normal(size=10) + cluster
    result = bootstrap.cluster(KEY, _both, x, cluster, n_resamples=20_000)
    # The sum of the clusters' sums: variance G * Var(sum) as for any four independent draws.
    sums = np.array([x[cluster == c].sum() for c in (3, 5, 7, 9)])
    assert result.units == (4,)
    assert result.standard_error[0] == pytest.approx(np.sqrt(4 * sums.var()), rel=0.03)
    # Rows of one cluster always have equal weights.
    np.testing.assert_array_equal(result.replicates[:, 1], 0.0)


def _both(x, weights):
    return jnp.stack([weights @ x, weights[1:5].max() - weights[1:5].min()])


def test_two_way_variance_of_a_mean():
    """Owen (2007): E* of the squared deviation of a balanced mean, by full enumeration of a 2 x 3 layout."""
    x = np.array([[1.0, 2.0, 4.0], [0.0, 5.0, 3.0]])
    every = [
        x[np.ix_(rows, columns)].mean()
        for rows in itertools.product(range(2), repeat=2)
        for columns in itertools.product(range(3), repeat=3)
    ]
    result = bootstrap.two_way(KEY, mean, x, n_resamples=20_000)
    assert result.standard_error == pytest.approx(np.std(every), rel=0.02)
    rows = [x[list(index)].mean() for index in itertools.product(range(2), repeat=2)]
    only_rows = bootstrap.two_way(KEY, mean, x, over="rows", n_resamples=20_000)
    assert only_rows.standard_error == pytest.approx(np.std(rows), rel=0.02) and only_rows.units == (2,)


def test_one_seed_is_conditional():
    with pytest.raises(errors.DataError, match="columns: resampling needs at least two units, got 1"):
        bootstrap.two_way(KEY, mean, np.zeros((5, 1)))
    # Over the rows alone one column will do, and it is the bootstrap of those rows.
    x = np.arange(5.0)
    conditional = bootstrap.two_way(KEY, mean, x[:, None], over="rows", n_resamples=10)
    np.testing.assert_array_equal(conditional.replicates, bootstrap.iid(KEY, mean, x, n_resamples=10).replicates)


@pytest.mark.parametrize("kind", bootstrap.BLOCKS)
def test_blocks_are_consecutive(kind):
    n, length = 12, 4
    result = bootstrap.block(KEY, lambda s: s, np.arange(12.0), length=length, kind=kind, n_resamples=3000)
    step = np.diff(result.replicates, axis=1)
    continues = (step == 1) | ((step == 1 - n) if kind != "moving" else np.zeros_like(step, bool))
    if kind == "stationary":
        # A restart happens with chance 1/4, and one in twelve of them continues by accident.
        assert continues.mean() == pytest.approx(3 / 4 + 1 / 48, abs=0.01)
    else:
        inside = np.arange(1, n) % length != 0
        assert continues[:, inside].all()
    # Circular and stationary blocks draw every period equally often; moving blocks draw the ends less.
    share = np.bincount(result.replicates.astype(int).ravel(), minlength=n) / result.replicates.size
    if kind == "moving":
        expected = np.bincount((np.arange(9)[:, None] + np.arange(4)).ravel()) / 36
        np.testing.assert_allclose(share, expected, atol=0.005)
    else:
        np.testing.assert_allclose(share, 1 / n, atol=0.006)


def test_blocks_keep_the_dependence_that_rows_lose():
    rng = np.random.default_rng(2)
    shocks = rng.normal(size=400)
    series = np.zeros(400)
    for t in range(1, 400):
        series[t] = 0.8 * series[t - 1] + shocks[t]
    blocks = bootstrap.block(KEY, average, series, length=30, n_resamples=2000).standard_error
    rows = bootstrap.iid(KEY, mean, series, n_resamples=2000).standard_error
    long_run = 5.0 / np.sqrt(400)  # 1 / (1 - 0.8) standard deviations of the shocks
    assert abs(blocks / long_run - 1) < 0.4 and rows / long_run < 0.4


def test_intervals_by_hand():
    x = np.random.default_rng(3).exponential(size=25)
    result = bootstrap.iid(KEY, mean, x, n_resamples=4000, standard_error=mean_error, jackknife=True)
    low, high = np.quantile(result.replicates, [0.05, 0.95])
    interval = bootstrap.percentile(result, confidence=0.9)
    assert (interval.low, interval.high) == (low, high)
    interval = bootstrap.basic(result, confidence=0.9)
    np.testing.assert_allclose((interval.low, interval.high), (2 * x.mean() - high, 2 * x.mean() - low))
    t = (result.replicates - x.mean()) / result.replicate_errors
    low, high = np.quantile(t, [0.05, 0.95])
    np.testing.assert_allclose(result.estimate_error, x.std(ddof=1) / 5, rtol=1e-12)
    interval = bootstrap.studentised(result, confidence=0.9)
    se = x.std(ddof=1) / 5
    np.testing.assert_allclose((interval.low, interval.high), (x.mean() - high * se, x.mean() - low * se))


def test_bca_is_scipy_given_the_same_resamples():
    x = np.random.default_rng(5).exponential(size=18)
    result = bootstrap.iid(KEY, mean, x, n_resamples=3000, jackknife=True)
    np.testing.assert_allclose(result.jackknife[0], [np.delete(x, i).mean() for i in range(18)], rtol=1e-12)
    peer = stats.bootstrap((x,), np.mean, n_resamples=0, bootstrap_result=_Distribution(result.replicates))
    interval = bootstrap.bca(result)
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
    interval = bootstrap.bca(result)
    np.testing.assert_allclose((interval.low, interval.high), expected, rtol=1e-10)


def test_vector_statistics_and_trees():
    rng = np.random.default_rng(7)
    data = {"a": rng.normal(5.0, 1.0, size=(30, 2)), "b": rng.normal(3.0, 1.0, size=(30, 2))}
    result = bootstrap.iid(KEY, ratio, data, n_resamples=200, jackknife=True)
    assert result.estimate.shape == (2,) and result.replicates.shape == (200, 2)
    for method in (bootstrap.percentile, bootstrap.basic, bootstrap.bca):
        interval = method(result)
        assert interval.low.shape == (2,) and np.all(interval.low < interval.high)


def test_weighted_quantile_counts_copies():
    with float64.enabled():
        x = np.array([3.0, 1.0, 2.0, 10.0])
        for counts in ([1, 1, 1, 1], [0, 3, 1, 0], [2, 0, 1, 1]):
            copies = np.repeat(x, counts)
            for q in (0.1, 0.25, 0.5, 0.75, 1.0):
                value = bootstrap.weighted_quantile(jnp.asarray(x), jnp.asarray(np.array(counts, float)), q)
                assert value == np.quantile(copies, q, method="inverted_cdf")


def test_coverage_of_a_skewed_mean():
    """400 samples of 30 exponentials: bootstrap-t covers the mean about as often as it says."""
    rng = np.random.default_rng(8)
    hits = 0
    for i in range(400):
        x = rng.exponential(size=30)
        result = bootstrap.iid(jax.random.key(i), mean, x, n_resamples=399, standard_error=mean_error)
        interval = bootstrap.studentised(result, confidence=0.9)
        hits += interval.low <= 1.0 <= interval.high
    assert 0.9 - 4 * np.sqrt(0.09 / 400) <= hits / 400 <= 0.9 + 4 * np.sqrt(0.09 / 400)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_intervals_move_with_the_data(seed, scale, shift):
    x = np.random.default_rng(seed).exponential(size=12)
    for method in (bootstrap.percentile, bootstrap.basic, bootstrap.bca, bootstrap.studentised):
        intervals = [
            method(bootstrap.iid(KEY, mean, data, n_resamples=199, standard_error=mean_error, jackknife=True))
            for data in (x, scale * x + shift)
        ]
        np.testing.assert_allclose(intervals[1].low, scale * intervals[0].low + shift, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(intervals[1].high, scale * intervals[0].high + shift, rtol=1e-7, atol=1e-9)


def test_one_compilation_and_the_key_decides():
    x = np.random.default_rng(9).normal(size=20)
    first, key = bootstrap.iid(KEY, mean, x, n_resamples=100), jax.random.key(5)
    with helpers.count_compiles() as compiles:
        again = bootstrap.iid(KEY, mean, x, n_resamples=100)
        other = bootstrap.iid(key, mean, x + 1.0, n_resamples=100)
    assert compiles.count == 0, compiles.functions
    np.testing.assert_array_equal(first.replicates, again.replicates)
    assert not np.array_equal(first.replicates, other.replicates - 1.0)
    assert jnp.ones(1).dtype == jnp.float32  # the process is as it was


def _only_first(x, weights):
    return (weights[0] * x[0]) / weights[0]


def test_bad_input_is_refused():
    x = np.arange(6.0)
    with pytest.raises(errors.DataError, match=r"not finite in .* of 200 resamples.*pass strata"):
        bootstrap.iid(KEY, _only_first, x, n_resamples=200)
    with pytest.raises(errors.DataError, match="agree in their leading 1 axes"):
        bootstrap.iid(KEY, mean, (x, x[:-1]))
    with pytest.raises(errors.DataError, match=r"first at index \[2\]"):
        bootstrap.iid(KEY, mean, np.where(x == 2, np.nan, x))
    with pytest.raises(errors.DataError, match="at least two units, got 1"):
        bootstrap.cluster(KEY, mean, x, np.zeros(6))
    with pytest.raises(errors.DataError, match="cluster 1 lies in more than one stratum"):
        bootstrap.cluster(KEY, mean, x, [0, 0, 1, 1, 2, 2], strata=[0, 0, 0, 1, 1, 1])
    with pytest.raises(errors.ConfigError, match="jackknife=True"):
        bootstrap.bca(bootstrap.iid(KEY, mean, x, n_resamples=10))
    with pytest.raises(errors.ConfigError, match="standard_error="):
        bootstrap.studentised(bootstrap.iid(KEY, mean, x, n_resamples=10))
    with pytest.raises(errors.ConfigError, match="a whole number from 1 to the 6 periods"):
        bootstrap.block(KEY, average, x, length=2.5, kind="moving")
    with pytest.raises(errors.ConfigError, match="stationary"):
        bootstrap.block(KEY, average, x, length=2, kind="fixed")
    with pytest.raises(errors.ConfigError, match="n_resamples"):
        bootstrap.iid(KEY, mean, x, n_resamples=1)
    with pytest.raises(errors.DataError, match="standard error that is not positive"):
        bootstrap.studentised(bootstrap.iid(KEY, mean, x[:2], n_resamples=50, standard_error=mean_error))
