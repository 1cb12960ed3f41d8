"""Least squares against the normal equations, dummies written out, and stored numbers of statsmodels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ich_jax import errors
from ich_jax.econometrics.regression import coefficient_table, covariance, linear
from ich_jax.uncertainty import float64
from tests import helpers
from tests.econometrics import made

REFERENCE = made.reference("linear")
DATA = made.columns(REFERENCE["data"])
X = {name: DATA[name] for name in ("x1", "x2", "treated")}


def dummies(labels):
    return {f"d{level}": (labels == level).astype(float) for level in np.unique(labels)}


@pytest.mark.parametrize("weights", [None, DATA["weight"]])
def test_normal_equations(weights):
    fit = linear.fit(DATA["y"], X, weights=weights)
    x = np.column_stack([np.ones(len(DATA["y"])), *X.values()])
    w = np.ones(len(x)) if weights is None else weights
    gram = x.T @ (w[:, None] * x)
    np.testing.assert_allclose(fit.beta, np.linalg.solve(gram, x.T @ (w * DATA["y"])), rtol=1e-10)
    np.testing.assert_allclose(fit.bread, np.linalg.inv(gram), rtol=1e-9)
    np.testing.assert_allclose(fit.residuals, DATA["y"] - x @ fit.beta, atol=1e-12)
    np.testing.assert_allclose(fit.scores.sum(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(fit.leverage, np.einsum("ij,jk,ik->i", x, fit.bread, x) * w, rtol=1e-9)
    assert fit.names == (linear.INTERCEPT, "x1", "x2", "treated") and fit.dropped == ()
    assert fit.r2 == pytest.approx(REFERENCE["r2"]["ols" if weights is None else "wls"], rel=1e-12)


@pytest.mark.parametrize("weights", [None, DATA["weight"]])
@pytest.mark.parametrize("absorb", [("unit",), ("period",), ("unit", "period"), ("period", "unit", "region")])
def test_absorbing_is_dummies(absorb, weights):
    """The panel is unbalanced, where subtracting unit and period means would be wrong."""
    inside = {name: DATA[name] for name in ("x1", "x2", "treated")}
    fit = linear.fit(DATA["y"], inside, weights=weights, absorb={name: DATA[name] for name in absorb})
    written = dict(inside)
    for name in absorb:
        written |= {f"{name} {level}": column for level, column in dummies(DATA[name]).items()}
    by_hand = linear.fit(DATA["y"], written, weights=weights, intercept=False)
    np.testing.assert_allclose(fit.beta, by_hand.beta[:3], rtol=1e-9)
    np.testing.assert_allclose(fit.residuals, by_hand.residuals, atol=1e-10)
    np.testing.assert_allclose(fit.bread, by_hand.bread[:3, :3], rtol=1e-8)
    assert fit.r2 == pytest.approx(
        1 - by_hand.weights @ by_hand.residuals**2 / (by_hand.weights @ _centred(DATA["y"], by_hand.weights) ** 2)
    )
    assert by_hand.dropped == tuple(name for name in written if name not in by_hand.names)


def _centred(y, w):
    return y - w @ y / w.sum()


def test_collinear_columns_are_reported_by_name():
    x = {
        "a": DATA["x1"],
        "b": DATA["x2"],
        "sum": 2 * DATA["x1"] - DATA["x2"] + 3,
        "constant": np.full(len(DATA["y"]), 5.0),
    }
    fit = linear.fit(DATA["y"], x)
    assert fit.dropped == ("sum", "constant") and fit.names == (linear.INTERCEPT, "a", "b")
    with pytest.raises(errors.DataError, match=r"collinear columns: sum, constant"):
        linear.fit(DATA["y"], x, collinear="error")
    within = linear.fit(DATA["y"], {"x1": DATA["x1"], "region": DATA["region"]}, absorb={"unit": DATA["unit"]})
    assert within.dropped == ("region",)
    with pytest.raises(errors.DataError, match="fixed effects explain region entirely"):
        linear.fit(DATA["y"], {"region": DATA["region"]}, absorb={"unit": DATA["unit"]})


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_of_a_column_do_not_make_it_collinear(scale):
    base, scaled = linear.fit(DATA["y"], X), linear.fit(DATA["y"], X | {"x2": DATA["x2"] * scale})
    assert scaled.dropped == ()
    np.testing.assert_allclose(scaled.beta[2] * scale, base.beta[2], rtol=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.01, 100.0), st.floats(-100.0, 100.0))
def test_equivariance(seed, scale, shift):
    """Order of rows does not matter; scaling y scales, shifting y moves the intercept alone."""
    order = np.random.default_rng(seed).permutation(len(DATA["y"]))
    base = linear.fit(DATA["y"], X)
    moved = linear.fit((scale * DATA["y"] + shift)[order], {name: column[order] for name, column in X.items()})
    expected = scale * base.beta + np.array([shift, 0, 0, 0])
    np.testing.assert_allclose(moved.beta, expected, rtol=1e-8, atol=1e-8 * scale)
    v, w = covariance.heteroskedastic(base, "HC3"), covariance.heteroskedastic(moved, "HC3")
    np.testing.assert_allclose(w.matrix, scale**2 * v.matrix, rtol=1e-6, atol=1e-9 * scale**2)


def test_gradient_in_float64():
    """d beta / d y is (x'x)^-1 x'; finite differences agree to the digits of float64."""
    x = np.column_stack([np.ones(len(DATA["y"])), DATA["x1"], DATA["x2"]])
    with float64.enabled():
        slope = jax.grad(lambda y: linear.least_squares(jnp.asarray(x), y).beta[1])(jnp.asarray(DATA["y"]))
        assert slope.dtype == jnp.float64
        np.testing.assert_allclose(slope, (np.linalg.inv(x.T @ x) @ x.T)[1], rtol=1e-10)
        # d beta / d weight_i = bread x_i u_i at unit weights
        by_weight = jax.jacfwd(lambda w: linear.least_squares(jnp.asarray(x), jnp.asarray(DATA["y"]), w).beta)(
            jnp.ones(len(x))
        )
    beta = np.linalg.lstsq(x, DATA["y"], rcond=None)[0]
    expected = np.linalg.inv(x.T @ x) @ (x * (DATA["y"] - x @ beta)[:, None]).T
    np.testing.assert_allclose(by_weight, expected, rtol=1e-8, atol=1e-12)
    with pytest.raises(errors.DataError, match="least_squares: x is float32"):
        jax.grad(lambda y: linear.least_squares(x, y).beta[0])(DATA["y"])


def test_batched_kernel_is_one_at_a_time():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 20, 3)), rng.normal(size=(5, 20))
    with float64.enabled():
        batched = jax.jit(jax.vmap(linear.least_squares))(x, y)
        for i in range(5):
            alone = linear.least_squares(jnp.asarray(x[i]), jnp.asarray(y[i]))
            helpers.assert_trees_close(jax.tree.map(lambda leaf, i=i: leaf[i], batched), alone, rtol=1e-10, atol=1e-12)


def test_demean_kernel_leaves_nothing_to_explain():
    with float64.enabled():
        codes = [jnp.asarray(DATA["unit"].astype(int)), jnp.asarray(DATA["period"].astype(int))]
        values = jnp.asarray(np.column_stack([DATA["y"], DATA["x1"]]))
        w = jnp.asarray(DATA["weight"])
        left = np.asarray(linear.demean(values, w, codes, (9, 8)))
    for name in ("unit", "period"):
        for level in np.unique(DATA[name]):
            rows = DATA[name] == level
            np.testing.assert_allclose(DATA["weight"][rows] @ left[rows], 0.0, atol=1e-11)


def test_one_compilation_for_each_shape_and_float64():
    linear.fit(DATA["y"], X, absorb={"unit": DATA["unit"], "period": DATA["period"]})
    with helpers.count_compiles() as compiles:
        fit = linear.fit(DATA["y"] * 2, X, absorb={"unit": DATA["unit"], "period": DATA["period"]})
    assert compiles.count == 0, compiles.functions
    assert {a.dtype for a in (fit.beta, fit.residuals, fit.scores, fit.bread, fit.leverage)} == {np.dtype(np.float64)}
    assert jnp.ones(1).dtype == jnp.float32  # the process is as it was


def test_bad_input_is_refused():
    y, n = DATA["y"], len(DATA["y"])
    with pytest.raises(errors.DataError, match=rf"y has {n} rows, but x has other numbers: x1: {n - 1}"):
        linear.fit(y, {"x1": DATA["x1"][1:]})
    with pytest.raises(errors.DataError, match=r"x\['x1'\]: 1 of .* not finite, the first at index \[0\]"):
        linear.fit(y, {"x1": np.where(np.arange(n) == 0, np.nan, 1.0)})
    with pytest.raises(errors.DataError, match="numbers above 0"):
        linear.fit(y, X, weights=np.zeros(n))
    with pytest.raises(errors.ConfigError, match="intercept=True"):
        linear.fit(y, X, absorb={"unit": DATA["unit"]}, intercept=True)
    with pytest.raises(errors.DataError, match="no columns"):
        linear.fit(y, {}, intercept=False)
    rows = [0, 9, 6, 37]
    with pytest.raises(errors.DataError, match="4 rows cannot estimate 4 parameters"):
        linear.fit(y[rows], {name: column[rows] for name, column in X.items()})
    with pytest.raises(errors.ConfigError, match="drop, error"):
        linear.fit(y, X, collinear="ignore")
    with pytest.raises(errors.DataError, match="one label for each"):
        linear.fit(y, X, absorb={"unit": DATA["unit"][1:]})
    with pytest.raises(errors.DataError, match=r"variance of b is negative"):
        coefficient_table.coefficients(("a", "b"), [1.0, 1.0], np.diag([1.0, -1.0]), df=5, kind="CRV1 two-way")
