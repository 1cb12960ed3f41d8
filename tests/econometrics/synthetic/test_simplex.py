"""Weights on the simplex against scipy, against each other, and against the certificate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from ich_jax import errors
from ich_jax.econometrics.synthetic import simplex
from ich_jax.uncertainty import float64

EXACT = jax.jit(simplex.exact)


def problem(seed, m=9, j=6):
    rng = np.random.default_rng(seed)
    donors, target = rng.normal(size=(m, j)), rng.normal(size=m)
    return donors - target[:, None]


def solved(difference, allowed=None, penalty=None):
    j = difference.shape[1]
    with float64.enabled():
        fit = EXACT(
            jnp.asarray(difference),
            jnp.asarray(np.ones(j) if allowed is None else allowed),
            jnp.asarray(np.zeros(j) if penalty is None else penalty),
        )
        return jax.tree.map(np.asarray, fit)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_as_good_as_scipy(seed, penalty):
    d = problem(seed)
    fit = solved(d, penalty=np.full(6, penalty))
    assert fit.weights.sum() == pytest.approx(1.0, abs=1e-12) and np.all(fit.weights >= 0)
    peer = optimize.minimize(
        lambda w: np.square(d @ w).sum() + penalty * w @ w,
        np.full(6, 1 / 6),
        jac=lambda w: 2 * d.T @ (d @ w) + 2 * penalty * w,
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(6)},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    assert fit.objective <= peer.fun + 1e-10
    np.testing.assert_allclose(fit.weights, peer.x, atol=1e-5)
    assert fit.gap + 1e-12 >= 0 and fit.gap < 1e-10


def test_by_hand():
    """Two donors at 0 and 1, target 0.3: weights 0.7 and 0.3; a target beyond the donors goes to the nearest."""
    np.testing.assert_allclose(solved(np.array([[0.0 - 0.3, 1.0 - 0.3]])).weights, [0.7, 0.3], atol=1e-12)
    np.testing.assert_allclose(solved(np.array([[0.0 - 7.0, 1.0 - 7.0]])).weights, [0.0, 1.0])
    # Equal penalties and nothing to fit: equal weights.
    np.testing.assert_allclose(solved(np.zeros((2, 4)), penalty=np.ones(4)).weights, np.full(4, 0.25), atol=1e-12)


def test_mask_is_leaving_columns_out():
    d = problem(7, j=8)
    allowed = np.array([1, 0, 1, 1, 0, 1, 1, 1.0])
    masked, without = solved(d, allowed=allowed), solved(d[:, allowed > 0])
    np.testing.assert_allclose(masked.weights[allowed > 0], without.weights, atol=1e-12)
    assert np.all(masked.weights[allowed == 0] == 0) and masked.gap < 1e-10


def test_more_donors_than_periods_and_copies():
    """Singular problems, as in most applications: a perfect fit, and donors that occur twice."""
    donors = np.random.default_rng(3).normal(size=(4, 20))
    fit = solved(donors - donors.mean(axis=1, keepdims=True))
    assert fit.objective < 1e-9 and fit.gap < 1e-9 and fit.weights.sum() == pytest.approx(1.0)
    d = problem(4)
    doubled = solved(np.concatenate([d, d], axis=1))
    np.testing.assert_allclose(doubled.objective, solved(d).objective, rtol=1e-9)
    assert doubled.gap < 1e-9


@pytest.mark.parametrize("m", [9, 3])  # with three periods many weights fit as well
def test_every_start_ends_at_the_optimum(m):
    d, allowed = problem(5, m=m), np.array([1, 1, 0, 1, 1, 1.0])
    rng = np.random.default_rng(6)
    starts = rng.dirichlet(np.full(5, 0.5), size=20) * (rng.uniform(size=(20, 5)) < 0.6) + 1e-3 * np.eye(20, 5)
    starts = np.insert(starts / starts.sum(axis=1, keepdims=True), 2, 0.0, axis=1)
    cold = solved(d, allowed=allowed)
    with float64.enabled():
        many = jax.jit(jax.vmap(simplex.exact, (None, None, None, 0)))(d, allowed, np.zeros(6), starts)
        warm, again = jax.tree.map(np.asarray, (many, EXACT(d, allowed, np.zeros(6), cold.weights)))
    np.testing.assert_allclose(warm.objective, cold.objective, atol=1e-10)
    assert np.max(warm.gap) < 1e-9 and again.steps == 1
    if m == 9:
        np.testing.assert_allclose(warm.weights, np.tile(cold.weights, (20, 1)), atol=1e-9)


def test_frank_wolfe_gets_there_and_tells_how_far():
    d = problem(1)
    with float64.enabled():
        start = jnp.full(6, 1 / 6)
        options = {"rows": jnp.asarray(9.0), "least_decrease": jnp.asarray(0.0)}
        few, many = (
            jax.tree.map(
                np.asarray,
                simplex.frank_wolfe(jnp.asarray(d), jnp.ones(6), jnp.zeros(6), start, **options, max_steps=max_steps),
            )
            for max_steps in (5, 20_000)
        )
    best = solved(d)
    np.testing.assert_allclose(many.weights, best.weights, atol=1e-3)
    for fit in (few, many):
        assert best.objective <= fit.objective <= best.objective + fit.gap + 1e-12


def test_batched_is_one_at_a_time():
    many = np.stack([problem(seed) for seed in range(20)])
    with float64.enabled():
        fits = jax.jit(jax.vmap(simplex.exact, (0, None, None)))(jnp.asarray(many), jnp.ones(6), jnp.zeros(6))
    for d, weights in zip(many, np.asarray(fits.weights), strict=True):
        np.testing.assert_allclose(weights, solved(d).weights, atol=1e-10)
    with pytest.raises(errors.DataError, match="float32"):
        simplex.exact(jnp.ones((2, 2)), jnp.ones(2), jnp.zeros(2))
