"""Bootstrap distributions against exact moments, brute force and scipy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import bootstrap, float64
from tests import helpers

KEY = jax.random.key(4)


def mean(data, weights):
    return bootstrap.weighted_mean(data, weights)


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


def test_vector_statistics_and_trees():
    rng = np.random.default_rng(7)
    data = {"a": rng.normal(5.0, 1.0, size=(30, 2)), "b": rng.normal(3.0, 1.0, size=(30, 2))}
    result = bootstrap.iid(KEY, ratio, data, n_resamples=200, jackknife=True)
    assert result.estimate.shape == (2,) and result.replicates.shape == (200, 2)


def test_weighted_quantile_counts_copies():
    with float64.enabled():
        x = np.array([3.0, 1.0, 2.0, 10.0])
        for counts in ([1, 1, 1, 1], [0, 3, 1, 0], [2, 0, 1, 1]):
            copies = np.repeat(x, counts)
            for q in (0.1, 0.25, 0.5, 0.75, 1.0):
                value = bootstrap.weighted_quantile(jnp.asarray(x), jnp.asarray(np.array(counts, float)), q)
                assert value == np.quantile(copies, q, method="inverted_cdf")


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
    with pytest.raises(errors.ConfigError, match="a whole number from 1 to the 6 periods"):
        bootstrap.block(KEY, average, x, length=2.5, kind="moving")
    with pytest.raises(errors.ConfigError, match="stationary"):
        bootstrap.block(KEY, average, x, length=2, kind="fixed")
    with pytest.raises(errors.ConfigError, match="n_resamples"):
        bootstrap.iid(KEY, mean, x, n_resamples=1)
