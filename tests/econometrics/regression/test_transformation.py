"""Functions of estimates: the delta method by hand, and draws against the normal distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics.regression import transformation


def test_delta_by_hand():
    """A ratio a / b: variance (V_aa - 2 r V_ab + r^2 V_bb) / b^2."""
    theta, v = np.array([3.0, 2.0]), np.array([[0.5, 0.1], [0.1, 0.2]])
    ratio = transformation.delta(lambda t: t[0] / t[1], theta, v)
    np.testing.assert_allclose(ratio.estimate, [1.5])
    np.testing.assert_allclose(ratio.covariance, [[(0.5 - 2 * 1.5 * 0.1 + 1.5**2 * 0.2) / 4]], rtol=1e-12)
    several = transformation.delta(lambda t: jnp.stack([t[0], t[0] * t[1], jnp.exp(t[1])]), theta, v)
    assert several.covariance.shape == (3, 3) and several.covariance.dtype == np.float64
    np.testing.assert_allclose(several.covariance[0, 0], 0.5)


def test_krinsky_robb_of_a_linear_function_is_normal():
    theta, v = np.array([3.0, 2.0]), np.array([[0.5, 0.1], [0.1, 0.2]])
    draws = transformation.krinsky_robb(lambda t: t[0] - t[1], theta, v, jax.random.key(0), n_draws=40_000)
    assert draws.shape == (40_000, 1)
    assert draws.mean() == pytest.approx(1.0, abs=4 * np.sqrt(0.5 / 40_000))
    assert draws.var() == pytest.approx(0.5, rel=0.04)


def test_functions_that_are_not_finite_are_refused():
    with pytest.raises(errors.DataError, match=r"covariance must be \[2, 2\]"):
        transformation.delta(jnp.sum, np.zeros(2), np.eye(3))
    with pytest.raises(errors.DataError, match="finite"):
        transformation.delta(lambda t: 1.0 / t[0], np.zeros(2), np.eye(2))
