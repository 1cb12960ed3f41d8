"""Synthetic difference-in-differences against synthdid-py, a port of the R package, and against its definition."""

from functools import partial

import jax
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import two_way
from ich_jax.econometrics.synthetic import sdid
from ich_jax.uncertainty import float64
from tests import helpers
from tests.econometrics import made

REFERENCE = made.reference("synthetic")
Y = np.array(REFERENCE["y"])
PANEL = panel.from_matrix(Y, [12] * 12 + [8] * 3)
KEY = jax.random.key(0)


@pytest.mark.parametrize("method", sdid.METHODS)
def test_r_solver_is_synthdid(method):
    fit = sdid.synthetic_did(PANEL, method=method, solver="r")
    np.testing.assert_allclose(fit.effect, REFERENCE["effect"][method], rtol=1e-9)
    np.testing.assert_allclose(fit.unit_weights, REFERENCE["unit_weights"][method], atol=1e-9)
    np.testing.assert_allclose(fit.time_weights, REFERENCE["time_weights"][method], atol=1e-9)


@pytest.mark.parametrize("method", sdid.METHODS)
def test_exact_solver_is_no_worse(method):
    exact, early = (sdid.synthetic_did(PANEL, method=method, solver=solver) for solver in sdid.SOLVERS)
    assert exact.unit_gap + 1e-12 >= 0 and exact.unit_gap < 1e-8 and exact.time_gap < 1e-8
    assert unit_objective(exact) <= unit_objective(early) + 1e-10
    # What the early stop leaves on the table is no more than its gap says.
    assert unit_objective(early) <= unit_objective(exact) + early.unit_gap + 1e-10
    assert exact.effect == pytest.approx(early.effect, abs=0.01)


def unit_objective(fit):
    left = fit.unit_weights @ Y[:12, :8] - Y[12:, :8].mean(axis=0)
    if fit.method != "sc":
        left = left - left.mean()
    return np.square(left).sum() + 8 * fit.penalties.unit**2 * np.square(fit.unit_weights).sum()


def test_effect_is_the_weighted_difference_of_differences():
    fit = sdid.synthetic_did(PANEL)
    treated, donors = Y[12:].mean(axis=0), fit.unit_weights @ Y[:12]
    change = (treated[8:].mean() - fit.time_weights @ treated[:8]) - (donors[8:].mean() - fit.time_weights @ donors[:8])
    assert fit.effect == pytest.approx(change, rel=1e-10) and fit.gap[8:].mean() == pytest.approx(change, rel=1e-10)
    assert fit.unit_weights.sum() == pytest.approx(1.0) and fit.time_weights.sum() == pytest.approx(1.0)
    noise = np.diff(Y[:12, :8], axis=1).std(ddof=1)
    assert fit.penalties.unit == pytest.approx(12**0.25 * noise)  # three units times four periods
    assert sdid.synthetic_did(PANEL, method="did").effect == pytest.approx(two_way.twfe(PANEL).effect, rel=1e-10)


def test_jackknife_is_synthdid():
    fit = sdid.synthetic_did(PANEL, solver="r")
    assert sdid.standard_error(fit, "jackknife").value == pytest.approx(REFERENCE["jackknife"], rel=1e-9)


@pytest.mark.parametrize("kind", ["placebo", "bootstrap"])
def test_resampled_errors_are_those_of_synthdid(kind):
    """Both rest on 1,000 draws: a standard deviation then errs by 1 / sqrt(2000), 2.2 %; four of those, twice."""
    fit = sdid.synthetic_did(PANEL)
    error = sdid.standard_error(fit, kind, key=KEY, n_resamples=1000)
    assert error.value == pytest.approx(REFERENCE[f"{kind}_1000"], rel=0.13)
    assert error.replicates.shape == (1000,) and error.value == pytest.approx(error.replicates.std(ddof=0), rel=1e-10)


def test_the_error_of_drawing_is_said():
    """Other names of the donors are another order of them, and so other draws: the standard error moves, as it says."""
    fit = sdid.synthetic_did(PANEL)
    found = [sdid.standard_error(fit, key=jax.random.key(k), n_resamples=1000) for k in range(12)]
    order = np.random.default_rng(0).permutation(12)
    named_otherwise = sdid.synthetic_did(panel.from_matrix(np.concatenate([Y[order], Y[12:]]), [12] * 12 + [8] * 3))
    moved = sdid.standard_error(named_otherwise, key=jax.random.key(0), n_resamples=1000)
    error = found[0].monte_carlo_error
    assert 0.5 < np.std([each.value for each in found], ddof=1) / error < 2.0
    assert 0 < abs(moved.value - found[0].value) < 4 * np.sqrt(2) * error
    assert sdid.standard_error(fit, "jackknife").monte_carlo_error == 0.0


def test_a_placebo_is_an_estimate_on_the_donors():
    """With one treated unit there are as many placebos as donors; each keeps the penalties of the estimate."""
    one = panel.from_matrix(Y[:13], [12] * 12 + [8])
    fit = sdid.synthetic_did(one)
    drawn = sdid.standard_error(fit, key=KEY, n_resamples=200).replicates
    kernel = jax.jit(partial(sdid.weighted_did, t0=8, method="sdid", solver="exact"))
    with float64.enabled():
        expected = [
            float(kernel(Y[:12], 1.0 - one, one, np.full(12, 1 / 12), fit.penalties).effect) for one in np.eye(12)
        ]
    np.testing.assert_allclose(np.unique(np.round(drawn, 9)), np.unique(np.round(expected, 9)), atol=2e-9)


def test_units_scale_and_trend_do_not_matter():
    order = np.random.default_rng(2).permutation(15)
    start = np.array([12] * 12 + [8] * 3)
    moved = panel.from_matrix((3 * Y + np.arange(12.0) ** 2)[order], start[order])
    for solver in sdid.SOLVERS:
        base, other = (sdid.synthetic_did(data, method="difp", solver=solver) for data in (PANEL, moved))
        if solver == "exact":
            assert other.effect == pytest.approx(
                3 * base.effect, rel=1e-4
            )  # the penalty knows the noise, hardly at all
    plain = panel.from_matrix((3 * Y + 7)[order], start[order])
    assert sdid.synthetic_did(plain).effect == pytest.approx(3 * sdid.synthetic_did(PANEL).effect, rel=1e-9)


def test_one_compilation_for_each_shape_and_the_key_decides():
    fit = sdid.synthetic_did(PANEL)
    sdid.standard_error(fit, key=KEY, n_resamples=1000)
    with helpers.count_compiles() as compiles:
        other = sdid.synthetic_did(panel.from_matrix(Y + 1.0, [12] * 12 + [8] * 3))
        again = sdid.standard_error(other, key=KEY, n_resamples=1000)
        different = sdid.standard_error(other, key=jax.random.key(1), n_resamples=1000)
    assert compiles.count == 0, compiles.functions
    assert again.value != different.value and again.replicates.dtype == np.float64


def test_bad_input_is_refused():
    with pytest.raises(errors.DataError, match=r"starts in 2 periods \(8, 9\)"):
        sdid.synthetic_did(panel.from_matrix(Y, [12] * 12 + [8, 8, 9]))
    with pytest.raises(errors.ConfigError, match="difp"):
        sdid.synthetic_did(PANEL, method="scm")
    with pytest.raises(errors.DataError, match="1 donors and 8 periods"):
        sdid.synthetic_did(panel.from_matrix(Y[11:], [12] + [8] * 3))
    one = sdid.synthetic_did(panel.from_matrix(Y[:13], [12] * 12 + [8]))
    with pytest.raises(errors.DataError, match="jackknife needs two treated units, there is 1; use placebo"):
        sdid.standard_error(one, "jackknife")
    with pytest.raises(errors.ConfigError, match="pass a key"):
        sdid.standard_error(one)
    many = sdid.synthetic_did(panel.from_matrix(Y, [12] * 5 + [8] * 10))
    with pytest.raises(errors.DataError, match=r"more donors \(5\) than treated units \(10\)"):
        sdid.standard_error(many, key=KEY)
