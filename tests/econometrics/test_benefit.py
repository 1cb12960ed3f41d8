"""Benefit by hand: sales less costs, means of known curves, a slope that was put in."""

import jax
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import benefit

KEY = jax.random.key(3)


def test_benefit_of_sales():
    np.testing.assert_allclose(benefit.from_sales([3, 0, 2], [10.0, 12.0, 4.0], 5.0), [15.0, 0.0, -2.0])
    with pytest.raises(errors.DataError, match=r"price is negative at index \[1\] \(-2\)"):
        benefit.from_sales([3, 1], [10.0, -2.0], 5.0)
    with pytest.raises(errors.DataError, match="cost has shape"):
        benefit.from_sales([3, 1], 10.0, [1.0, 2.0, 3.0])
    with pytest.raises(errors.DataError, match="not finite"):
        benefit.from_sales([3, np.inf], 10.0, 1.0)


def test_arms():
    rng = np.random.default_rng(1)
    curves = {"local": 80 + rng.normal(size=50), "ai": 130 + rng.normal(size=50), "before": 90 + rng.normal(size=50)}
    result = benefit.arms(curves)
    assert [a.name for a in result] == ["ai", "before", "local"] and [a.days for a in result] == [50, 50, 50]
    for arm in result:
        assert arm.mean == pytest.approx(curves[arm.name].mean(), abs=0.1)
        assert arm.low < arm.mean < arm.high and arm.high - arm.low < 1.5
        assert arm.last == curves[arm.name][-7:].mean()
    with pytest.raises(errors.ConfigError, match="did you mean 'local'"):
        benefit.arms({"locals": curves["local"]})
    with pytest.raises(errors.DataError, match="ai has 4 days"):
        benefit.arms({"ai": [1.0, 2.0, 3.0, 5.0]})


def test_growth():
    rng = np.random.default_rng(2)
    flat = rng.normal(size=120) + 50
    effects = flat + 0.05 * np.arange(120)
    result = benefit.growth(effects, KEY, n_resamples=499)
    slope = np.polyfit(np.arange(120), effects, 1)[0]
    assert result.per_year == pytest.approx(365 * slope) and result.p == 1 / 500
    assert result.low < 365 * 0.05 < result.high and result.low > 0
    assert result.relative == pytest.approx(365 * slope / effects.mean())
    assert result.mann_kendall.p < 1e-6
    none = benefit.growth(flat, KEY, n_resamples=499)
    assert none.p > 0.05 and none.low < 0 < none.high
