"""Kernels of autoregressive errors: by hand, against stored references, and batched."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ich_jax.econometrics.regression import covariance, linear
from ich_jax.econometrics.series import autoregression
from ich_jax.uncertainty import float64
from tests.econometrics import made

REFERENCE = made.reference("series")
Y = np.array(REFERENCE["y"])
X = np.column_stack([np.ones(60), np.arange(60), np.arange(60) >= 35, np.maximum(np.arange(60) - 35, 0)])


@pytest.mark.parametrize("case", REFERENCE["gls"])
def test_whitening_is_gls_with_the_whole_covariance(case):
    expected = REFERENCE["gls"][case]
    with float64.enabled():
        white = np.asarray(jax.jit(autoregression.whiten)(np.column_stack([X, Y]), np.array(json.loads(case))))
    fit = linear.fit(white[:, 4], dict(zip("abcd", white[:, :4].T, strict=True)), intercept=False)
    error = np.sqrt(np.diag(covariance.iid(fit).matrix))
    np.testing.assert_allclose(fit.beta, expected["beta"], rtol=1e-9)
    np.testing.assert_allclose(error, expected["se"], rtol=1e-9)


def test_autocovariances_are_those_of_the_process():
    """AR(1): 1 / (1 - r^2); AR(2): the closed form; AR(3): the sum over its moving-average representation."""
    with float64.enabled():
        covariances = jax.jit(autoregression.autocovariance)
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
        rho = np.asarray(jax.jit(autoregression.yule_walker, static_argnums=1)(sine, 2))
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
        many = jax.jit(jax.vmap(lambda y: autoregression.feasible_gls(jnp.asarray(x), y, order=1, passes=12)))
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
