"""The engine against closed forms, statsmodels' likelihoods, and refitting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics.regression import covariance, crv3, linear, m_estimation
from tests import helpers
from tests.econometrics import made

REFERENCE = made.reference("linear")
DATA = made.columns(REFERENCE["data"])
X = np.column_stack([np.ones(len(DATA["y"])), DATA["x1"], DATA["x2"], DATA["treated"]])


def squared(theta, row):
    return 0.5 * (row["y"] - row["x"] @ theta) ** 2


def normal_equations(theta, row):
    return row["x"] * (row["y"] - row["x"] @ theta)


def logit(theta, row):
    index = row["x"] @ theta
    return jax.nn.softplus(index) - row["y"] * index


def poisson(theta, row):
    index = row["x"] @ theta
    return jnp.exp(index) - row["y"] * index


def mean_and_variance(theta, row):
    return jnp.stack([row - theta[0], (row - theta[0]) ** 2 - theta[1]])


@pytest.mark.parametrize("estimate", [m_estimation.minimise, m_estimation.solve])
def test_squares_are_least_squares(estimate):
    function = squared if estimate is m_estimation.minimise else normal_equations
    data = {"y": DATA["y"], "x": X}
    fit = estimate(function, np.zeros(4), data, weights=DATA["weight"], clusters=DATA["unit"])
    ols = linear.fit(DATA["y"], {n: DATA[n] for n in ("x1", "x2", "treated")}, weights=DATA["weight"])
    np.testing.assert_allclose(fit.theta, ols.beta, rtol=1e-9)
    np.testing.assert_allclose(fit.scores, ols.scores, atol=1e-9)
    np.testing.assert_allclose(fit.bread, ols.bread, rtol=1e-9)
    for kind in ("HC0", "HC1"):
        ours, theirs = (covariance.heteroskedastic(f, kind).matrix for f in (fit, ols))
        np.testing.assert_allclose(ours, theirs, rtol=1e-8)
    ours, theirs = (covariance.cluster(f, DATA["unit"], DATA["period"]).matrix for f in (fit, ols))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)
    jackknifed = crv3.jackknife(ols, DATA["unit"], small_sample=covariance.UNCORRECTED).matrix * 8 / 9
    np.testing.assert_allclose(m_estimation.jackknife(fit).matrix, jackknifed, rtol=1e-7)


@pytest.mark.parametrize(("name", "objective", "outcome"), [("logit", logit, "won"), ("poisson", poisson, "count")])
def test_likelihoods_of_statsmodels(name, objective, outcome):
    expected = REFERENCE["likelihood"][name]
    fit = m_estimation.minimise(objective, np.zeros(4), {"y": DATA[outcome], "x": X})
    np.testing.assert_allclose(fit.theta, expected["theta"], rtol=1e-8)
    constant = 0.0 if name == "logit" else sum(np.log(np.arange(1, c + 1)).sum() for c in DATA["count"].astype(int))
    assert -fit.objective - constant == pytest.approx(expected["llf"], abs=1e-8)

    def se(v):
        return np.sqrt(np.diag(v.matrix))

    np.testing.assert_allclose(se(m_estimation.information(fit)), expected["se"], rtol=1e-8)
    np.testing.assert_allclose(se(covariance.heteroskedastic(fit, "HC0")), expected["se_robust"], rtol=1e-8)
    np.testing.assert_allclose(se(covariance.cluster(fit, DATA["unit"])), expected["se_cluster"], rtol=1e-8)


def test_jackknife_is_refitting():
    data = {"y": DATA["won"], "x": X[:, :2]}
    fit = m_estimation.minimise(logit, np.zeros(2), data, clusters=DATA["unit"])
    for g, unit in enumerate(np.unique(DATA["unit"])[:2]):  # each compiles anew, with its own number of rows
        rows = DATA["unit"] != unit
        alone = m_estimation.minimise(logit, np.zeros(2), {name: column[rows] for name, column in data.items()})
        np.testing.assert_allclose(fit.jackknife[g], alone.theta, rtol=1e-7, atol=1e-9)


def test_stacked_moments_by_hand():
    """Mean and variance together: the variance of the mean is s^2 / n, of the variance (m4 - s^4) / n."""
    y = np.random.default_rng(0).gamma(2.0, size=200)
    fit = m_estimation.solve(mean_and_variance, [1.0, 1.0], y, names=("mean", "variance"))
    centred = y - y.mean()
    np.testing.assert_allclose(fit.theta, [y.mean(), np.mean(centred**2)], rtol=1e-9)
    moments = [np.mean(centred**k) for k in range(5)]
    by_hand = np.array([[moments[2], moments[3]], [moments[3], moments[4] - moments[2] ** 2]]) / 200
    np.testing.assert_allclose(covariance.heteroskedastic(fit, "HC0").matrix, by_hand, rtol=1e-9)


def test_bad_start_still_finds_the_optimum():
    data = {"y": DATA["count"], "x": X[:, :2]}
    near = m_estimation.minimise(poisson, np.zeros(2), data)
    far = m_estimation.minimise(poisson, np.array([4.0, -2.0]), data)
    np.testing.assert_allclose(far.theta, near.theta, rtol=1e-8)


def test_one_compilation_and_float64():
    data = {"y": DATA["won"], "x": X[:, :2]}
    m_estimation.minimise(logit, np.zeros(2), data)
    with helpers.count_compiles() as compiles:
        fit = m_estimation.minimise(logit, np.full(2, 0.1), data | {"y": 1.0 - data["y"]})
    assert compiles.count == 0, compiles.functions
    assert fit.theta.dtype == fit.scores.dtype == fit.bread.dtype == np.float64
    assert jnp.ones(1).dtype == jnp.float32  # the process is as it was


def test_weights_count_copies_of_rows():
    """In other packages weights of 2 shrink errors by .7, by .5 or not at all; here it is said which errors do."""
    data = {"x": X, "y": (DATA["y"] > np.median(DATA["y"])).astype(float)}
    twice = {name: np.repeat(column, 2, axis=0) for name, column in data.items()}
    one = m_estimation.minimise(logit, np.zeros(4), data)
    heavy = m_estimation.minimise(logit, np.zeros(4), data, weights=np.full(len(X), 2.0))
    copied = m_estimation.minimise(logit, np.zeros(4), twice)
    for fit in (heavy, copied):
        np.testing.assert_allclose(fit.theta, one.theta, rtol=1e-7)
        np.testing.assert_allclose(
            m_estimation.information(fit).matrix, m_estimation.information(one).matrix / 2, rtol=1e-7
        )
    robust = [covariance.heteroskedastic(f, "HC0", small_sample=covariance.UNCORRECTED).matrix for f in (one, heavy)]
    np.testing.assert_allclose(robust[1], robust[0], rtol=1e-7)


def test_bad_input_is_refused():
    data = {"y": DATA["won"], "x": X}
    doubled = {"y": DATA["won"], "x": np.column_stack([X[:, :2], X[:, 1]])}
    with pytest.raises(errors.DataError, match="do not identify a combination of b, c"):
        m_estimation.minimise(logit, np.zeros(3), doubled, names=("a", "b", "c"))
    separated = {"y": (DATA["x1"] > 0).astype(float), "x": X[:, :2]}
    with pytest.raises(errors.DataError, match="no convergence after 20 steps"):
        m_estimation.minimise(logit, np.zeros(2), separated, max_steps=20)
    with pytest.raises(errors.DataError, match="2 names for 4 parameters"):
        m_estimation.minimise(logit, np.zeros(4), data, names=("a", "b"))
    with pytest.raises(errors.DataError, match="one common number of rows"):
        m_estimation.minimise(logit, np.zeros(4), data | {"y": DATA["won"][1:]})
    with pytest.raises(errors.ConfigError, match="clusters="):
        m_estimation.jackknife(m_estimation.minimise(logit, np.zeros(4), data))
