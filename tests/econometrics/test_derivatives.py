"""`jax.grad` through the estimators: float64, and the values of finite differences or of linear weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import borusyak
from ich_jax.econometrics.did import callaway_santanna as cs
from ich_jax.econometrics.synthetic import control as sc
from ich_jax.econometrics.synthetic import sdid, simplex
from ich_jax.studies.benefit import refits
from ich_jax.uncertainty import float64

RNG = np.random.default_rng(3)
Y = RNG.normal(size=(8, 20)).cumsum(axis=1) + 10.0
PRE = (np.arange(20) < 14).astype(float)


def of_synthetic_control(y: jax.Array) -> jax.Array:
    gap = sc.fit_weights(y[0], y[1:], jnp.ones(7), jnp.asarray(PRE))[1]
    return gap[14:].mean()


def of_sdid(y: jax.Array) -> jax.Array:
    control = jnp.asarray((np.arange(8) > 0).astype(float))
    options = {"t0": 14, "method": "sdid", "solver": "exact"}
    return sdid.weighted_did(
        y, control, 1.0 - control, control / 7.0, sdid.Penalties(1.5, 1e-6, 1e-10), **options
    ).effect


@pytest.mark.parametrize("estimator", [of_synthetic_control, of_sdid])
def test_weights_are_differentiated_too(estimator) -> None:
    with float64.enabled():
        compiled = jax.jit(estimator)
        gradient = np.asarray(jax.jit(jax.grad(estimator))(jnp.asarray(Y)))
        assert gradient.dtype == np.float64
        for unit, period in ((0, 3), (0, 17), (2, 5), (4, 13), (6, 19)):
            step = np.zeros_like(Y)
            step[unit, period] = 1e-5
            slope = float(compiled(jnp.asarray(Y + step)) - compiled(jnp.asarray(Y - step))) / 2e-5
            assert gradient[unit, period] == pytest.approx(slope, rel=1e-5, abs=1e-8)
        forward = np.asarray(jax.jit(jax.jacfwd(estimator))(jnp.asarray(Y)))
    np.testing.assert_allclose(forward, gradient, atol=1e-10)
    assert np.abs(gradient[0, :14]).max() > 1e-4  # the matched periods move the effect through the weights alone


def test_derivatives_are_batched() -> None:
    with float64.enabled():
        many = jnp.asarray(Y + RNG.normal(size=(3, *Y.shape)))
        together = jax.jit(jax.vmap(jax.grad(of_synthetic_control)))(many)
        for i in range(3):
            np.testing.assert_allclose(together[i], jax.grad(of_synthetic_control)(many[i]), rtol=1e-8, atol=1e-12)


def test_linear_estimators_are_their_gradient_times_the_outcome() -> None:
    start = np.array([8, 8, 12, 20, 20, 20, 20, 20])
    data = panel.from_matrix(Y, start)
    effects = cs.group_time(data)
    period = effects.period
    reference = np.where(period < effects.group, period - 1, effects.group - 1)
    own = start[None, :] == effects.group[:, None]
    never = np.tile(start == 20, (len(period), 1))
    with float64.enabled():
        on = jnp.asarray(data.treated.astype(float))
        kind = {"by_group": False, "n_groups": 1, "size": 8}
        group, code = jnp.zeros((8, 20), jnp.int64), jnp.arange(8)

        def imputed(y: jax.Array) -> jax.Array:
            return borusyak._kernel(y, 1.0 - on, on[None], group, code, **kind)[0][0]

        def last_cell(y: jax.Array) -> jax.Array:
            return cs._group_time(y, own, never, period, reference)[0][-1]

        for estimate, expected in (
            (imputed, borusyak.imputation(data, horizons=(0, 0)).effect),
            (last_cell, effects.att[-1]),
        ):
            gradient = jax.grad(estimate)(jnp.asarray(Y))
            assert gradient.dtype == jnp.float64
            assert float((gradient * Y).sum()) == pytest.approx(expected, rel=1e-9)


def test_what_is_not_float64_is_refused() -> None:
    """Outside the context an array is float32: a derivative of half the digits is refused, and the message says how."""
    for call in (
        lambda y: simplex.exact(y, jnp.ones(20), jnp.zeros(20)).weights.sum(),
        lambda y: refits.sdid_errors(y, jax.random.key(0), n1=1, t0=14, n_placebos=2)[0],
    ):
        with pytest.raises(errors.DataError, match=r"is float32.*with float64.enabled"):
            jax.grad(call)(jnp.asarray(Y, jnp.float32))
