"""Kernels against the methods themselves, with an effect added by hand; simulated panels; the audit that uses them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.synthetic import conformal, sdid
from ich_jax.econometrics.synthetic import control as sc
from ich_jax.studies.benefit import audit, refits
from ich_jax.studies.benefit.methods.table import ERRORS, REFITTED
from ich_jax.uncertainty import float64

PLACEBO, PAIRS, TRAJECTORY, PERIOD = REFITTED
SDID_PLACEBO, SDID_JACKKNIFE = ERRORS
KEY = jax.random.key(4)
EFFECTS = np.array([0.0, 1.5])


def made(n1=1, n0=5, periods=24, start=14, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n1 + n0, periods)) + rng.normal(size=periods) + 10.0
    return panel.from_matrix(y, [start] * n1 + [periods] * n0)


def test_kernels_are_the_methods_themselves():
    data = made()
    first, second = np.triu_indices(5, 1)
    with float64.enabled():
        pool, pre = jnp.asarray(data.outcome), (jnp.arange(24) < 14).astype(jnp.float64)
        effects, start = jnp.asarray(EFFECTS), jnp.asarray(14)
        placebo = np.asarray(jax.jit(refits.placebo_p)(pool, pre, effects))
        pairs = np.asarray(jax.jit(lambda *a: refits.pairs_p(*a, first, second))(pool, pre, effects))
        trajectory = np.asarray(jax.jit(refits.trajectory_p)(pool, start, effects))
        single = np.asarray(jax.jit(refits.period_p)(pool, start, effects))
    for i, effect in enumerate(EFFECTS):
        study = sc.study(panel.from_matrix(data.outcome + effect * data.treated, data.start))
        assert placebo[i] == pytest.approx(sc.placebo_in_space(study).p, abs=1e-12)
        assert pairs[i] == pytest.approx(sc.leave_two_out(study).p, abs=1e-12)
        assert trajectory[i] == pytest.approx(conformal.conformal_test(study).p, abs=1e-12)
        assert single[i] == pytest.approx(conformal.conformal_intervals(study).p_zero[0], abs=1e-12)


def test_errors_of_sdid_are_the_methods_themselves():
    data = made(2, 5)
    fit = sdid.synthetic_did(data)
    with float64.enabled():
        kernel = jax.jit(lambda y: refits.sdid_errors(y, KEY, n1=2, t0=14, n_placebos=30))
        effect, error = (np.asarray(value) for value in kernel(jnp.asarray(data.outcome)))
    assert effect == pytest.approx(fit.effect, rel=1e-9)
    expected = [
        sdid.standard_error(fit, "placebo", key=KEY, n_resamples=30).value,
        sdid.standard_error(fit, "jackknife").value,
    ]
    np.testing.assert_allclose(error, expected, rtol=1e-8)


@pytest.fixture(scope="module")
def audited():
    return audit.audit(made(1, 20, 36, 24), KEY, block=1, n_simulations=100, n_refits=60, n_placebos=20)


def test_the_audit_says_what_they_find(audited):
    """Units are alike, so that placebo ranks are exact; an effect of eight placebo errors is found."""
    found = {m.name: m for m in audited.methods}
    for name in (PLACEBO, PAIRS, TRAJECTORY, SDID_PLACEBO):
        m = found[name]
        assert 0.0 <= m.size <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 60), name
        assert m.usable and audited.placebo_error < m.detectable < np.inf, name
    assert found[SDID_PLACEBO].detectable < found[PLACEBO].detectable
    # The largest of 25 gaps of spread 1 lies near 2.1, and power .8 takes another .84.
    single = found[PERIOD]
    assert single.smallest_p == 1 / 25 and single.size <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 60) and single.usable
    assert single.detectable == pytest.approx(2.94, rel=0.25)
    assert not found[SDID_JACKKNIFE].usable and np.isnan(found[SDID_JACKKNIFE].size)


def test_without_refits_they_are_judged_by_counts(audited):
    counted = {m.name: m for m in audit.audit(made(1, 20, 36, 24), KEY, block=1, n_simulations=100).methods}
    assert np.isnan(counted[PLACEBO].size) and counted[PLACEBO].smallest_p == 1 / 21
    assert list(counted) == [m.name for m in audited.methods]


def test_panels_with_gaps_are_refused():
    data = made(1, 5, 60, 40)
    y = data.outcome.copy()
    y[1, 3] = np.nan
    with pytest.raises(errors.ConfigError, match="one start and no gaps"):
        audit.audit(panel.from_matrix(y, data.start), KEY, block=1, n_simulations=200, n_refits=20)
