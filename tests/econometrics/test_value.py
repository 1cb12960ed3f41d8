"""Money by hand: geometric series, break-even days, quantiles of known distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import value
from ich_jax.uncertainty import float64

KEY = jax.random.key(3)
PLAN = value.Plan(horizon_days=400, discount_rate=0.08, investment=20_000.0, running_cost=15.0)


@pytest.fixture(scope="module")
def valued():
    return value.value(100.0, PLAN, KEY, error=30.0)


def annuity(days, rate):
    """Present value of 1 yuan at the end of each day."""
    q = (1 + rate) ** (-1 / 365)
    return q * (1 - q**days) / (1 - q)


def test_present_value_is_a_geometric_series(valued):
    gains = 85.0 * annuity(400, 0.08)
    assert valued.npv[0] == pytest.approx(gains - 20_000, rel=1e-12)
    assert valued.roi[0] == pytest.approx(gains / 20_000 - 1, rel=1e-12)
    np.testing.assert_allclose(
        valued.balance, [85.0 * annuity(d, 0.08) - 20_000 for d in range(1, 401)], rtol=1e-10, atol=1e-8
    )
    # The closed form of the break-even day: 1 - q^d = I (1 - q) / (c q).
    q = 1.08 ** (-1 / 365)
    day = np.ceil(np.log(1 - 20_000 * (1 - q) / (85 * q)) / np.log(q))
    assert valued.break_even_day[0] == day


def test_limits_are_those_of_the_distribution(valued):
    """All is linear in the effect, so that quantiles follow from those of the normal distribution."""
    z = stats.norm.ppf([0.025, 0.975])
    np.testing.assert_allclose(valued.per_day, [100, *(100 + 30 * z)], rtol=1e-12)
    np.testing.assert_allclose(valued.per_year, 365 * np.array(valued.per_day), rtol=1e-12)
    expected = (85 + 30 * z) * annuity(400, 0.08) - 20_000
    np.testing.assert_allclose(valued.npv[1:], expected, atol=0.05 * np.ptp(expected))
    needed = 20_000 / annuity(400, 0.08) + 15  # effect that breaks even at the horizon
    error = 4 * np.sqrt(0.25 / 9999)
    assert abs(valued.p_npv_positive - stats.norm.sf(needed, 100, 30)) < error
    curve = stats.norm.sf(valued.investments / annuity(400, 0.08), 85, 30)
    np.testing.assert_allclose(valued.acceptability, curve, atol=error)
    assert (np.diff(valued.acceptability) <= 0).all() and (np.diff(valued.p_break_even) >= 0).all()
    assert valued.p_break_even[-1] == pytest.approx(valued.p_npv_positive, abs=1e-3)
    assert valued.break_even_day[2] == np.inf  # 2.5 % of the draws are below what pays
    assert "8 % a year" in valued.discounting and "400 days" in valued.discounting


def test_ramp_and_growth_by_loop():
    plan = value.Plan(horizon_days=400, discount_rate=0.03, ramp_days=60, growth=0.5, investment=5_000.0)
    result = value.value(40.0, plan, KEY, error=0.0, investments=[0.0, 1e9])
    total, even = -5_000.0, np.inf
    for d in range(1, 401):
        total += 40 * min(d / 60, 1) * 1.5 ** ((d - 1) / 365) * 1.03 ** (-d / 365)
        even = min(even, d if total >= 0 else np.inf)
    assert result.npv[0] == pytest.approx(total, rel=1e-12) and result.break_even_day[0] == even
    np.testing.assert_allclose(result.npv, total, rtol=1e-10)  # nothing is uncertain
    assert result.acceptability.tolist() == [1.0, 0.0]


def test_growth_that_is_uncertain_widens_the_interval():
    fixed, open_ = (
        value.value(40.0, value.Plan(horizon_days=400, growth=0.2, growth_error=e), KEY, error=1.0) for e in (0.0, 0.5)
    )
    assert open_.npv[0] == fixed.npv[0] and np.ptp(open_.npv[1:]) > 2 * np.ptp(fixed.npv[1:])
    assert fixed.break_even_day == (0.0, 0.0, 0.0) and np.isnan(fixed.roi).all()  # nothing to pay back


def test_samples_of_the_effect_are_drawn_from():
    samples = np.array([10.0, 20.0, 20.0, 50.0])
    plan = value.Plan(horizon_days=400, discount_rate=0.0)
    result = value.value(25.0, plan, KEY, samples=samples)
    found, counts = np.unique(np.round(result.npv_draws / 400, 6), return_counts=True)
    assert found.tolist() == [10, 20, 50]
    assert stats.chisquare(counts, 9999 * np.array([0.25, 0.5, 0.25])).pvalue > 1e-3
    fewer = value.value(25.0, plan, KEY, samples=samples, n_draws=100)
    np.testing.assert_array_equal(fewer.npv_draws, result.npv_draws[:100])


def test_student_is_wider_than_normal():
    t = value.value(100.0, PLAN, KEY, error=30.0, df=2)
    assert t.per_day[2] == pytest.approx(100 + 30 * stats.t.ppf(0.975, 2))


def test_derivative_is_the_annuity():
    def gains(effect):
        terms = {"discount_rate": 0.08, "investment": 10.0, "running_cost": 3.0, "ramp_days": 0.0}
        return value.present_value(effect, jnp.asarray(0.0), days=400, **terms).gains

    with float64.enabled():
        slope = jax.grad(gains)(jnp.asarray(7.0))
    assert slope.dtype == np.float64 and float(slope) == pytest.approx(annuity(400, 0.08), rel=1e-12)
    with pytest.raises(errors.DataError, match="float32"):
        gains(jnp.asarray(7.0, jnp.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon_days": 0}, "horizon_days: got 0; expected a whole number from 1"),
        ({"horizon_days": 1.5}, "whole number"),
        ({"discount_rate": -1.0}, "discount_rate"),
        ({"investment": -5.0}, "investment: got -5.0; expected a number from 0"),
        ({"growth": float("nan")}, "growth"),
    ],
)
def test_bad_plans_are_refused(change, message):
    with pytest.raises(errors.ConfigError, match=message):
        value.Plan(**change)


def test_bad_input_is_refused():
    with pytest.raises(errors.ConfigError, match="either the standard `error`"):
        value.value(1.0, PLAN, KEY)
    with pytest.raises(errors.ConfigError, match="either"):
        value.value(1.0, PLAN, KEY, error=1.0, samples=[1.0])
    with pytest.raises(errors.ConfigError, match="error from 0"):
        value.value(1.0, PLAN, KEY, error=-1.0)
    with pytest.raises(errors.ConfigError, match="n_draws"):
        value.value(1.0, PLAN, KEY, error=1.0, n_draws=10)
    with pytest.raises(errors.ConfigError, match="confidence"):
        value.value(1.0, PLAN, KEY, error=1.0, confidence=95.0)
    with pytest.raises(errors.DataError, match="samples is empty"):
        value.value(1.0, PLAN, KEY, samples=[])
    with pytest.raises(errors.DataError, match="not finite"):
        value.value(1.0, PLAN, KEY, samples=[1.0, np.nan])
    with pytest.raises(errors.ConfigError, match="investments"):
        value.value(1.0, PLAN, KEY, error=1.0, n_draws=100, investments=[-1.0])
