"""Imputed effects and both variances against pyfixest's did2s and diff-diff, and against refitting by hand."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import borusyak
from ich_jax.econometrics.regression import linear
from tests import helpers
from tests.econometrics import made

REFERENCE = made.reference("staggered")
PANEL = panel.from_matrix(REFERENCE["y"], REFERENCE["start"])


def test_equal_to_did2s_of_pyfixest():
    """The peer demeans iteratively, which limits it to about eleven digits."""
    result = borusyak.imputation(PANEL)
    np.testing.assert_allclose([result.effect, result.standard_error], REFERENCE["did2s"], rtol=1e-7)
    regions = borusyak.imputation(PANEL, clusters=np.arange(24) // 3)
    assert regions.standard_error == pytest.approx(REFERENCE["did2s_region_se"], rel=1e-7) and regions.clusters == 8
    events = borusyak.imputation(PANEL, horizons=(-6, 4))
    for e, att, variance in zip(events.horizon, events.att, np.diag(events.covariance), strict=True):
        if e != -1:
            expected = REFERENCE["did2s_events"][f"rel::{e}"]
            np.testing.assert_allclose([att, np.sqrt(variance)], expected, rtol=1e-7)


def test_equal_to_bjs_of_diff_diff():
    result = borusyak.imputation(PANEL, variance="bjs")
    np.testing.assert_allclose([result.effect, result.standard_error], REFERENCE["bjs"]["overall"], rtol=1e-7)
    for e, att, variance in zip(result.horizon, result.att, np.diag(result.covariance), strict=True):
        np.testing.assert_allclose([att, np.sqrt(variance)], REFERENCE["bjs"][str(e)], rtol=1e-7)


def gappy():
    y = np.array(REFERENCE["y"])
    y[np.random.default_rng(1).uniform(size=y.shape) < 0.1] = np.nan
    return panel.from_matrix(y, REFERENCE["start"])


def test_imputing_by_hand_with_gaps():
    data = gappy()
    assert data.missing > 5
    r = panel.rows(data)
    off = r.treated == 0
    design = {f"u{i}": (r.unit == i).astype(float) for i in range(24)}
    design |= {f"t{i}": (r.period == i).astype(float) for i in range(1, 8)}
    fit = linear.fit(r.outcome[off], {name: column[off] for name, column in design.items()}, intercept=False)
    effects = (r.outcome - np.stack([design[name] for name in fit.names], axis=1) @ fit.beta)[~off]
    result = borusyak.imputation(data)
    np.testing.assert_allclose(result.effects[data.treated & data.observed], effects, rtol=1e-8, atol=1e-10)
    assert np.isnan(result.effects[~(data.treated & data.observed)]).all()
    assert result.effect == pytest.approx(effects.mean(), rel=1e-9)
    for e, att in zip(result.horizon, result.att, strict=True):
        assert att == pytest.approx(effects[r.relative[~off] == e].mean(), rel=1e-8)


def test_variance_is_that_of_the_weights():
    """With the bread written out: scores of cluster g are its rows' weights times their residuals, in both stages."""
    data = gappy()
    r = panel.rows(data)
    x1 = np.column_stack([r.unit == i for i in range(24)] + [r.period == i for i in range(8)]).astype(float)
    x10 = x1 * (1 - r.treated)[:, None]
    effect = borusyak.imputation(data)
    gaps = r.outcome - x1 @ (np.linalg.pinv(x10.T @ x10) @ x10.T @ r.outcome)
    part = r.treated / r.treated.sum()
    through = x10 @ np.linalg.pinv(x10.T @ x10) @ (x1.T @ part)
    each = part * (gaps - effect.effect) - through * gaps
    scores = np.bincount(r.unit, each)
    assert effect.standard_error == pytest.approx(np.sqrt(scores @ scores), rel=1e-8)


def test_units_scale_and_trend_do_not_matter():
    order = np.random.default_rng(4).permutation(24)
    y = 3.0 * np.array(REFERENCE["y"])[order] + np.arange(8.0) ** 2 + np.arange(24.0)[:, None]
    moved = panel.from_matrix(y, np.array(REFERENCE["start"])[order])
    for variance in borusyak.VARIANCES:
        base, other = (borusyak.imputation(data, variance=variance) for data in (PANEL, moved))
        np.testing.assert_allclose(other.table.estimate, 3 * base.table.estimate, rtol=1e-9)
        np.testing.assert_allclose(other.table.standard_error, 3 * base.table.standard_error, rtol=1e-8)


def test_one_compilation_for_each_shape():
    borusyak.imputation(PANEL)
    with helpers.count_compiles() as compiles:
        borusyak.imputation(panel.from_matrix(2.0 * np.array(REFERENCE["y"]), REFERENCE["start"]))
    assert compiles.count == 0, compiles.functions


def test_what_cannot_be_imputed_is_refused():
    y, start = np.array(REFERENCE["y"]), np.array(REFERENCE["start"])
    with pytest.raises(errors.DataError, match=r"every unit observed in period 6 is treated \(2 such periods\)"):
        borusyak.imputation(panel.from_matrix(y[:15], start[:15]))
    apart = np.array([[1.0, 2.0, np.nan, np.nan], [2.0, 3.0, np.nan, np.nan], [np.nan, np.nan, 1.0, 3.0]])
    with pytest.raises(errors.DataError, match="untreated observations of unit 2 share no period"):
        borusyak.imputation(panel.from_matrix(apart, [1, 4, 4]))
    with pytest.raises(errors.ConfigError, match="did2s"):
        borusyak.imputation(PANEL, variance="bjs", horizons=(-2, 1))
    with pytest.raises(errors.ConfigError, match="horizons 9 to 12"):
        borusyak.imputation(PANEL, horizons=(9, 12))
