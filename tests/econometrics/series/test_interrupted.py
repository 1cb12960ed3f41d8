"""Autoregressive errors against statsmodels, generalised least squares in full, and known processes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics.regression import covariance, linear
from ich_jax.econometrics.series import interrupted
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


@pytest.mark.parametrize("case", REFERENCE["gls"])
def test_whitening_is_gls_with_the_whole_covariance(case):
    expected = REFERENCE["gls"][case]
    with float64.enabled():
        white = np.asarray(jax.jit(interrupted.whiten)(np.column_stack([X, Y]), np.array(json.loads(case))))
    fit = linear.fit(white[:, 4], dict(zip("abcd", white[:, :4].T, strict=True)), intercept=False)
    error = np.sqrt(np.diag(covariance.iid(fit).matrix))
    np.testing.assert_allclose(fit.beta, expected["beta"], rtol=1e-9)
    np.testing.assert_allclose(error, expected["se"], rtol=1e-9)


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


def test_autocovariances_are_those_of_the_process():
    """AR(1): 1 / (1 - r^2); AR(2): the closed form; AR(3): the sum over its moving-average representation."""
    with float64.enabled():
        covariances = jax.jit(interrupted.autocovariance)
        one, two, three = (np.asarray(covariances(np.array(r))) for r in ([0.6], [0.5, 0.3], [0.4, -0.2, 0.3]))
    assert one[0, 0] == pytest.approx(1 / 0.64)
    assert two[0, 0] == pytest.approx(0.7 / (1.3 * (0.7**2 - 0.5**2)))
    assert two[0, 1] / two[0, 0] == pytest.approx(0.5 / 0.7)
    psi = [1.0, 0.4, 0.4 * 0.4 - 0.2]
    for _ in range(300):
        psi.append(0.4 * psi[-1] - 0.2 * psi[-2] + 0.3 * psi[-3])
    expected = [np.dot(psi[: len(psi) - k], psi[k:]) for k in range(3)]
    np.testing.assert_allclose(three[0], expected, rtol=1e-9)


def test_estimates_that_are_not_stationary_are_replaced():
    """Divisors T - lag can give an explosive process; divisor T cannot."""
    sine = np.sin(np.arange(12) * 0.5)
    sine -= sine.mean()
    gamma = np.array([sine[k:] @ sine[: 12 - k] for k in range(3)])
    raw = gamma / (12 - np.arange(3))
    free = np.linalg.solve([raw[:2], raw[1::-1]], raw[1:])
    assert abs(free[1]) > 1  # the second partial autocorrelation
    with float64.enabled():
        rho = np.asarray(jax.jit(interrupted.yule_walker, static_argnums=1)(sine, 2))
    np.testing.assert_allclose(rho, np.linalg.solve([gamma[:2], gamma[1::-1]], gamma[1:]), rtol=1e-9)


def test_level_holds_better_than_with_newey_west():
    """AR(1) with .6, 40 periods, no effect: 200 series in one call. rho is underestimated in so few periods."""
    rng = np.random.default_rng(5)
    shocks, error = rng.normal(size=(200, 90)), np.zeros((200, 90))
    for t in range(1, 90):
        error[:, t] = 0.6 * error[:, t - 1] + shocks[:, t]
    time = np.arange(40)
    x = np.column_stack([np.ones(40), time, time >= 20, np.maximum(time - 20, 0)])
    with float64.enabled():
        many = jax.jit(jax.vmap(lambda y: interrupted.feasible_gls(jnp.asarray(x), y, order=1, passes=12)))
        fit = jax.tree.map(np.asarray, many(jnp.asarray(error[:, 50:])))
    variance = np.square(fit.innovations).sum(axis=1) / 36
    t = fit.beta[:, 2] / np.sqrt(variance * fit.bread[:, 2, 2])
    columns = dict(zip("abc", x.T[1:], strict=True))
    plain = []
    for y in error[:, 50:]:
        least_squares = linear.fit(y, columns)
        plain.append(covariance.table(least_squares, covariance.newey_west(least_squares, 3)).p[2])
    ours, theirs = np.mean(np.abs(t) > stats.t.isf(0.025, 36)), np.mean(np.array(plain) < 0.05)
    assert ours < 0.18 < theirs - 0.05


def test_scale_shift_and_derivatives():
    base, moved = interrupted.segmented(Y, 35), interrupted.segmented(3 * Y - 7, 35)
    assert moved.level == pytest.approx(3 * base.level, rel=1e-6) and moved.slope == pytest.approx(3 * base.slope)
    np.testing.assert_allclose(moved.fit.table.p[1:], base.fit.table.p[1:], rtol=1e-5)

    @jax.jit
    @jax.value_and_grad
    def level(y):
        return interrupted.feasible_gls(jnp.asarray(X), y, order=1, passes=30).beta[2]

    with float64.enabled():
        value, gradient = level(jnp.asarray(Y))
        step = np.zeros(60)
        step[40] = 1e-5
        slope = (level(jnp.asarray(Y + step))[0] - level(jnp.asarray(Y - step))[0]) / 2e-5
    assert gradient.dtype == np.float64 and gradient[40] == pytest.approx(float(slope), rel=1e-5)
    assert float(value) == pytest.approx(base.level, rel=1e-9)
    with pytest.raises(errors.DataError, match="float64"):
        interrupted.feasible_gls(jnp.ones((9, 1)), jnp.ones(9), order=1)


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
