"""Autoregressive errors against statsmodels, generalised least squares in full, and known processes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics.series import autoregression, interrupted
from ich_jax.uncertainty import float64
from tests.econometrics import made

REFERENCE = made.reference("series")
Y = np.array(REFERENCE["y"])
X = np.column_stack([np.ones(60), np.arange(60), np.arange(60) >= 35, np.maximum(np.arange(60) - 35, 0)])


@pytest.mark.parametrize("order", [1, 3])
def test_cochrane_orcutt_is_glsar(order):
    expected = REFERENCE["glsar"][str(order)]
    fit = interrupted.segmented(Y, 35, order=order, method="cochrane_orcutt").fit
    np.testing.assert_allclose(fit.table.estimate, expected["beta"], rtol=1e-8)
    np.testing.assert_allclose(fit.table.standard_error, expected["se"], rtol=1e-8)
    np.testing.assert_allclose(fit.table.p, expected["p"], rtol=1e-6)
    np.testing.assert_allclose(fit.rho, expected["rho"], rtol=1e-8)
    assert fit.ljung_box_p == pytest.approx(expected["ljung_box_p"], rel=1e-6)
    assert fit.table.covariance == f"Cochrane-Orcutt AR({order})" and fit.table.df == 60 - order - 4


def test_prais_winsten_by_hand():
    """The passes end where rho is that of the residuals, and beta that of the rotated rows."""
    fit = interrupted.segmented(Y, 35).fit
    (rho,) = fit.rho
    residual = Y - X @ fit.table.estimate
    centred = residual - residual.mean()
    assert rho == pytest.approx((centred[1:] @ centred[:-1] / 59) / (centred @ centred / 60), rel=1e-7)
    both = np.column_stack([X, Y])
    rotated = np.vstack([np.sqrt(1 - rho**2) * both[:1], both[1:] - rho * both[:-1]])
    beta, rss, *_ = np.linalg.lstsq(rotated[:, :4], rotated[:, 4], rcond=None)
    np.testing.assert_allclose(fit.table.estimate, beta, rtol=1e-7)
    covariance = rss[0] / 56 * np.linalg.inv(rotated[:, :4].T @ rotated[:, :4])
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-6)
    assert fit.innovation_error == pytest.approx(np.sqrt(rss[0] / 56), rel=1e-7)


def test_newey_west_beside_it_is_that_of_statsmodels():
    fit = interrupted.segmented(Y, 35).fit
    assert fit.lags == 3
    for actual, expected in zip(
        (fit.newey_west.estimate, fit.newey_west.standard_error, fit.newey_west.p), REFERENCE["hac"], strict=True
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-9)


def test_effects_follow_from_the_coefficients():
    result = interrupted.segmented(Y, 35)
    since = np.arange(25)
    np.testing.assert_allclose(result.effect, result.level + result.slope * since, rtol=1e-12)
    np.testing.assert_allclose(result.counterfactual[35:] + result.effect, result.fit.fitted[35:], rtol=1e-12)
    np.testing.assert_allclose(np.diff(result.counterfactual), result.fit.table.estimate[1], rtol=1e-9)
    assert result.average.estimate[0] == pytest.approx(result.level + 12 * result.slope)
    v = result.fit.covariance[2:, 2:]
    assert result.average.standard_error[0] == pytest.approx(np.sqrt(np.array([1, 12]) @ v @ [1, 12]), rel=1e-9)
    assert result.effect_low[0] == pytest.approx(result.fit.table.low[2])
    assert result.effect_high[0] == pytest.approx(result.fit.table.high[2])


def test_scale_shift_and_derivatives():
    base, moved = interrupted.segmented(Y, 35), interrupted.segmented(3 * Y - 7, 35)
    assert moved.level == pytest.approx(3 * base.level, rel=1e-6) and moved.slope == pytest.approx(3 * base.slope)
    np.testing.assert_allclose(moved.fit.table.p[1:], base.fit.table.p[1:], rtol=1e-5)

    @jax.jit
    @jax.value_and_grad
    def level(y):
        return autoregression.feasible_gls(jnp.asarray(X), y, order=1, passes=30).beta[2]

    with float64.enabled():
        value, gradient = level(jnp.asarray(Y))
        step = np.zeros(60)
        step[40] = 1e-5
        slope = (level(jnp.asarray(Y + step))[0] - level(jnp.asarray(Y - step))[0]) / 2e-5
    assert gradient.dtype == np.float64 and gradient[40] == pytest.approx(float(slope), rel=1e-5)
    assert float(value) == pytest.approx(base.level, rel=1e-9)
    with pytest.raises(errors.DataError, match="float64"):
        autoregression.feasible_gls(jnp.ones((9, 1)), jnp.ones(9), order=1)


def test_bad_input_is_refused():
    with pytest.raises(errors.ConfigError, match=r"start: got 2; .* 3 to 57"):
        interrupted.segmented(Y, 2)
    with pytest.raises(errors.ConfigError, match=r"order: got 40; .* 1 to below 28"):
        interrupted.segmented(Y, 35, order=40)
    with pytest.raises(errors.ConfigError, match="prais_winsten"):
        interrupted.segmented(Y, 35, method="prais")
    with pytest.raises(errors.ConfigError, match="may not be called trend"):
        interrupted.segmented(Y, 35, controls={"trend": Y})
    with pytest.raises(errors.DataError, match="5 in every period"):
        interrupted.segmented(np.full(60, 5.0), 35)
    with pytest.raises(errors.DataError, match="explain the outcome exactly"):
        interrupted.segmented(X @ [1.0, 2.0, 3.0, 4.0], 35)
    gap = Y.copy()
    gap[7] = np.nan
    with pytest.raises(errors.DataError, match=r"not finite, the first at index \[7\]"):
        interrupted.segmented(gap, 35)
