"""The kernels against the methods themselves, and which of their values reject."""

import math

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax.econometrics import panel
from ich_jax.econometrics.did import few_treated, two_way
from ich_jax.econometrics.regression import covariance, linear, wild_bootstrap
from ich_jax.studies.benefit import changes
from ich_jax.studies.benefit.counts import Sizes
from ich_jax.studies.benefit.methods.table import CHANGES
from ich_jax.uncertainty import float64

TESTS = tuple(CHANGES.values())


def made(n1, n0, before=60, after=30, seed=0):
    """Independent days of spread 1 about unit and period effects; the treated units first."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n1 + n0, before + after)) + rng.normal(size=(n1 + n0, 1)) + rng.normal(size=before + after)
    return panel.from_matrix(y, [before] * n1 + [before + after] * n0)


@pytest.mark.parametrize("effect", [0.0, 1e3])
def test_kernel_is_the_methods_themselves(effect):
    """Without an effect, and with one far beyond the noise: then each method gives the least p that it can."""
    data = made(2, 6)
    data = panel.from_matrix(data.outcome + effect * data.treated, data.start)
    change = two_way.changes(data)
    with float64.enabled():
        kernel = jax.jit(changes.statistics, static_argnames=("tests", "n1"))
        values = np.asarray(kernel(change, changes.reassignments(2, 6), TESTS, n1=2))
    t, p = values[:2], values[2:]
    collapsed = two_way.collapsed(data)
    fit = linear.fit(change, {"effect": data.ever_treated.astype(float)})
    clustered = covariance.table(fit, covariance.cluster(fit, np.arange(8)))
    np.testing.assert_allclose(t, [collapsed.table.t[1], clustered.t[1]], rtol=1e-9)
    expected = [
        few_treated.placebo_test(data).p[0],
        few_treated.sign_flips(few_treated.unit_effects(data)).p,
        few_treated.conley_taber(data).p,
        wild_bootstrap.wild_cluster(fit, "effect", np.arange(8), confidence=None).p,
    ]
    np.testing.assert_allclose(p, expected, atol=1e-12)
    if effect:
        np.testing.assert_allclose(p[:3], [1 / 28, 0.5, 1 / 37], atol=1e-12)
        assert p[3] >= 1 / 128  # with two treated units some signs give a t as large


def test_rejections_by_hand():
    """Two t-tests of |t| against their quantiles, four p-values against the level."""
    limits = changes.quantiles(TESTS, Sizes(2, 6, 60, 30, (2,)), 0.05)
    np.testing.assert_allclose(limits[:2], [stats.t.ppf(0.975, 6), stats.t.ppf(0.975, 7)])
    assert np.isnan(limits[2:]).all()
    with float64.enabled():
        values = np.array([-2.5, 2.3, 0.05, 0.0501, 0.0, 1.0])
        found = changes.rejections(values, TESTS, limits, 0.05)
    assert np.asarray(found).tolist() == [True, False, True, False, True, False]


def test_draws_are_enumerated_or_999():
    few, many = changes.reassignments(2, 6), changes.reassignments(6, 20)
    assert [len(x) for x in few] == [math.comb(8, 2), 36, 4, 256]
    assert [len(x) for x in many] == [1000, 999, 64, 1000]
    assert many.assigned[0].tolist() == [1.0] * 6 + [0.0] * 20 and (many.assigned.sum(axis=1) == 6).all()
    assert (many.placebo.sum(axis=1) == 6).all() and (many.wild[0] == 1).all()
