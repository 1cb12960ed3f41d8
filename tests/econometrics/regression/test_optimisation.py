"""The Newton kernel, one problem at a time and batched."""

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.econometrics.regression import optimisation
from ich_jax.uncertainty import float64


def mean_and_variance(theta, row):
    return jnp.stack([row - theta[0], (row - theta[0]) ** 2 - theta[1]])


def test_kernel_is_batched():
    rng = np.random.default_rng(1)
    y = rng.gamma(2.0, size=(3, 50))
    with float64.enabled():
        optima = jax.vmap(
            lambda row: optimisation.newton(
                mean_and_variance, True, jnp.ones(2), row, jnp.ones(50), tolerance=1e-10, max_steps=50
            )
        )(jnp.asarray(y))
    np.testing.assert_allclose(optima.theta, np.stack([y.mean(axis=1), y.var(axis=1)], axis=1), rtol=1e-9)
