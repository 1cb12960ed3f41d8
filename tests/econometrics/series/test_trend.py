"""Mann-Kendall and Sen against pymannkendall and scipy, the bootstrap against its definition and its level."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics.series import trend
from ich_jax.uncertainty import float64
from tests.econometrics import made

REFERENCE = made.reference("series")
Y, FINE = np.array(REFERENCE["y"]), np.array(REFERENCE["fine"])


@pytest.mark.parametrize("case", REFERENCE["trends"])
def test_equal_to_pymannkendall(case):
    expected = REFERENCE["trends"][case]
    method, piece = case.split(": ")
    correction, *lags = method.split()
    series = Y if piece == "tied" else FINE[: 40 if piece.endswith("40") else 60]
    result = trend.mann_kendall(series, correction=correction, lags=int(lags[0]) if lags else None)
    assert result.s == expected["s"] and result.slope == expected["slope"]
    for name, value in (("tau", "Tau"), ("z", "z"), ("variance", "var_s"), ("intercept", "intercept")):
        assert getattr(result, name) == pytest.approx(expected[value], rel=1e-12)
    assert result.p == pytest.approx(expected["p"], rel=1e-9, abs=1e-12)  # theirs is 1 minus a rounded probability
    if correction == "none":
        assert result.inflation == 1.0


def test_interval_is_that_of_theil_and_sen():
    expected = stats.theilslopes(Y, np.arange(60), alpha=0.9)
    result = trend.mann_kendall(Y, correction="none", confidence=0.9)
    np.testing.assert_allclose([result.slope, result.low, result.high], [expected[0], *expected[2:]], rtol=1e-12)
    wider = trend.mann_kendall(Y[:30], confidence=0.9)
    plain = trend.mann_kendall(Y[:30], correction="none", confidence=0.9)
    assert wider.inflation > 1 and wider.low < plain.low and wider.high > plain.high


def test_score_counts_pairs():
    by_hand = sum(np.sign(Y[j] - Y[i]) for i in range(60) for j in range(i + 1, 60))
    with float64.enabled():
        assert float(trend.score(jnp.asarray(Y))) == by_hand
        batch = jax.vmap(trend.score)(jnp.asarray(np.stack([Y, -Y, Y[::-1]])))
    np.testing.assert_array_equal(batch, [by_hand, -by_hand, -by_hand])
    assert trend.mann_kendall(np.arange(9.0)).s == 36


def test_block_length_by_hand():
    z = np.sin(np.arange(200) * 0.05) + np.tile([0.3, -0.3], 100)
    c = z - z.mean()
    r = c[1:] @ c[:-1] / (c @ c)
    expected = (2 * r / (1 - r * r)) ** (2 / 3) * 200 ** (1 / 3)
    assert trend.block_length(z) == pytest.approx(min(expected, 3 * 200**0.5)) and expected > 1
    assert trend.block_length(np.tile([1.0, -1, -1, 1], 50)) < 2  # no autocorrelation
    assert trend.block_length(np.arange(99.0)) == pytest.approx(3 * 99**0.5)


def test_bootstrap_by_definition():
    result = trend.bootstrap_trend(Y, jax.random.key(0), n_resamples=499)
    slope = np.polyfit(np.arange(60), Y, 1)[0]
    assert result.slope == pytest.approx(slope, rel=1e-10)
    assert result.length == pytest.approx(trend.block_length(Y - np.polyval(np.polyfit(range(60), Y, 1), range(60))))
    assert result.s == trend.mann_kendall(Y).s and result.smallest_p == 1 / 500
    assert result.p == (1 + (np.abs(result.null_s) >= abs(result.s)).sum()) / 500
    q = np.quantile(result.null_slope, [0.975, 0.025])
    np.testing.assert_allclose([result.low, result.high], slope - q, rtol=1e-12)
    assert result.p < 0.05 and result.low > 0
    falling = trend.bootstrap_trend(5 - 2 * Y, jax.random.key(0), n_resamples=499)
    assert falling.p == result.p and falling.high == pytest.approx(-2 * result.low, rel=1e-9)


def test_correlated_series_without_trend():
    """AR(1) with .6: the plain test rejects far too often, blocks and the corrected variance less."""
    rng = np.random.default_rng(8)
    shocks, error = rng.normal(size=(50, 130)), np.zeros((50, 130))
    for t in range(1, 130):
        error[:, t] = 0.6 * error[:, t - 1] + shocks[:, t]
    plain, corrected, blocks = [], [], []
    for i, y in enumerate(error[:, 50:]):
        plain.append(trend.mann_kendall(y, correction="none").p)
        corrected.append(trend.mann_kendall(y, lags=3).p)
        blocks.append(trend.bootstrap_trend(y, jax.random.key(i), n_resamples=199).p)
    share = {name: np.mean(np.array(p) < 0.05) for name, p in (("p", plain), ("c", corrected), ("b", blocks))}
    assert share["p"] > 0.25
    assert share["b"] < 0.2 and share["c"] < 0.2


def test_scale_and_shift():
    base, moved = trend.mann_kendall(Y), trend.mann_kendall(4 * Y + 100)
    assert (moved.s, moved.p) == (base.s, pytest.approx(base.p, rel=1e-9))
    assert moved.slope == pytest.approx(4 * base.slope) and moved.low == pytest.approx(4 * base.low)


def test_bad_input_is_refused():
    with pytest.raises(errors.DataError, match="3 periods cannot show"):
        trend.mann_kendall([1.0, 2.0, 3.0])
    with pytest.raises(errors.DataError, match="2 in every period"):
        trend.bootstrap_trend(np.full(9, 2.0), jax.random.key(0))
    with pytest.raises(errors.ConfigError, match="hamed_rao"):
        trend.mann_kendall(Y, correction="hamed")
    with pytest.raises(errors.ConfigError, match="lags: expected a whole number from 1 to 59"):
        trend.mann_kendall(Y, lags=60)
    with pytest.raises(errors.ConfigError, match="level"):
        trend.mann_kendall(Y, level=0.0)
    with pytest.raises(errors.ConfigError, match="confidence"):
        trend.bootstrap_trend(Y, jax.random.key(0), confidence=95)
    with pytest.raises(errors.ConfigError, match="from 1 to the 60"):
        trend.bootstrap_trend(Y, jax.random.key(0), length=61)
    with pytest.raises(errors.DataError, match="variance negative"):
        trend.mann_kendall(np.tile([0.0, 9.0], 10) + np.arange(20) * 0.1, lags=1)
