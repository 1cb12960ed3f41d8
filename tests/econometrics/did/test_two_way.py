"""Difference-in-differences against pyfixest, diff-diff and the four means."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import borusyak, callaway_santanna, two_way
from tests.econometrics import made

REFERENCE = made.reference("staggered")
PANEL = panel.from_matrix(REFERENCE["y"], REFERENCE["start"])
KEY = jax.random.key(0)
Y = made.launched_together()
TOGETHER = panel.from_matrix(Y, [4] * 3 + [6] * 5)


def test_two_by_two_is_four_means():
    rng = np.random.default_rng(0)
    group, after, y = rng.integers(0, 2, 60), rng.integers(0, 2, 60), rng.normal(size=60)
    result = two_way.two_by_two(y, group, after)
    means = np.array([[y[(group == g) & (after == t)].mean() for t in (0, 1)] for g in (0, 1)])
    np.testing.assert_allclose(result.means, means, rtol=1e-12)
    assert result.effect == pytest.approx((means[1, 1] - means[1, 0]) - (means[0, 1] - means[0, 0]), rel=1e-10)
    assert result.counts.sum() == 60
    # Equal error variances: s^2 times the sum of the reciprocal counts.
    s2 = (result.fit.residuals**2).sum() / 56
    assert result.table.standard_error[3] == pytest.approx(np.sqrt(s2 * (1 / result.counts).sum()), rel=1e-10)
    with pytest.raises(errors.DataError, match="no row treated after"):
        two_way.two_by_two(y, group, after * (1 - group))


def test_collapsed_is_a_t_test_of_changes():
    result = two_way.collapsed(TOGETHER)
    change = Y[:, 4:].mean(axis=1) - Y[:, :4].mean(axis=1)
    expected = stats.ttest_ind(change[:3], change[3:])
    assert result.effect == pytest.approx(change[:3].mean() - change[3:].mean(), rel=1e-10)
    assert result.table.t[1] == pytest.approx(expected.statistic, rel=1e-10)
    assert result.table.p[1] == pytest.approx(expected.pvalue, rel=1e-10) and result.table.df == 6
    # With one start and no gaps it is the two-way fixed-effects coefficient.
    assert two_way.twfe(TOGETHER).effect == pytest.approx(result.effect, rel=1e-10)
    with pytest.raises(errors.DataError, match=r"starts in 3 periods \(3, 4, 6\)"):
        two_way.collapsed(PANEL)


def test_twfe_is_pyfixest():
    result = two_way.twfe(PANEL)
    np.testing.assert_allclose(result.effect, REFERENCE["twfe"][0], rtol=1e-9)
    np.testing.assert_allclose(result.table.standard_error[0], REFERENCE["twfe"][1], rtol=1e-8)
    assert result.table.df == 23
    assert two_way.twfe(PANEL, kind="CRV3").table.standard_error[0] > result.table.standard_error[0]
    assert two_way.twfe(PANEL, clusters=np.arange(24) // 3).table.df == 7


def test_event_study_is_pyfixest():
    result = two_way.event_study(PANEL, KEY)
    for e, value, se in zip(result.relative, result.table.estimate, result.table.standard_error, strict=True):
        np.testing.assert_allclose(value, REFERENCE["event_study"][f"rel::{e}"][0], rtol=1e-9)
        np.testing.assert_allclose(se, REFERENCE["event_study"][f"rel::{e}"][1], rtol=1e-8)
    assert len(result.relative) == len(REFERENCE["event_study"]) and -1 not in result.relative
    assert stats.norm.ppf(0.975) < result.band.critical < stats.norm.ppf(1 - 0.025 / len(result.relative)) * 1.01


def test_window_adds_up_the_ends():
    result = two_way.event_study(PANEL, KEY, window=(-2, 1))
    assert list(result.relative) == [-2, 0, 1]
    # By hand: indicators of at most -2, of 0, and of 1 or more.
    r = panel.rows(PANEL)
    columns = {"early": r.relative <= -2, "start": r.relative == 0, "late": r.relative >= 1}
    from ich_jax.econometrics.regression import linear

    fit = linear.fit(
        r.outcome,
        {name: (column & r.ever_treated).astype(float) for name, column in columns.items()},
        absorb={"unit": r.unit, "period": r.period},
    )
    np.testing.assert_allclose(result.table.estimate, fit.beta, rtol=1e-10)


def test_units_and_scale_do_not_matter():
    order = np.random.default_rng(4).permutation(24)
    y, start = 3.0 * np.array(REFERENCE["y"])[order] - 7.0, np.array(REFERENCE["start"])[order]
    moved, base = panel.from_matrix(y, start), PANEL
    np.testing.assert_allclose(two_way.twfe(moved).effect, 3 * two_way.twfe(base).effect, rtol=1e-10)
    np.testing.assert_allclose(two_way.twfe(moved).table.t, two_way.twfe(base).table.t, rtol=1e-9)
    events, before = two_way.event_study(moved, KEY), two_way.event_study(base, KEY)
    np.testing.assert_allclose(events.table.estimate, 3 * before.table.estimate, rtol=1e-8)
    # A trend common to all units changes nothing.
    trended = panel.from_matrix(np.array(REFERENCE["y"]) + np.arange(8.0) ** 2, REFERENCE["start"])
    np.testing.assert_allclose(two_way.twfe(trended).effect, two_way.twfe(base).effect, rtol=1e-10)


def test_clusters_of_units_are_found_by_name():
    """A column indexed by unit is brought into the order of the panel; of other packages some take it as it stands."""
    names = np.array([f"shop {k:02d}" for k in range(24)])
    data = panel.Panel(names, PANEL.periods, PANEL.outcome, PANEL.observed, PANEL.start)
    region = np.arange(24) // 3
    turned = pd.Series(region, index=names).iloc[np.random.default_rng(0).permutation(24)]
    for method in (
        lambda clusters: two_way.twfe(data, clusters=clusters).table.standard_error[0],
        lambda clusters: two_way.event_study(data, KEY, clusters=clusters).table.standard_error[0],
        lambda clusters: callaway_santanna.group_time(data, clusters=clusters).standard_error[0],
        lambda clusters: borusyak.imputation(data, clusters=clusters).standard_error,
    ):
        assert method(turned) == method(region) == method(pd.Series(region))
        assert method(turned) != method(turned.to_numpy())
        with pytest.raises(errors.DataError, match=r"indexed by 'outlet 0', .* the units are 'shop 00'"):
            method(pd.Series(region, index=[f"outlet {k}" for k in range(24)]))


def test_bad_input_is_refused():
    with pytest.raises(errors.ConfigError, match="no treated unit is observed 9 periods"):
        two_way.event_study(PANEL, KEY, reference=9)
    with pytest.raises(errors.ConfigError, match="does not hold the reference"):
        two_way.event_study(PANEL, KEY, window=(0, 3))
    with pytest.raises(errors.ConfigError, match="CRV1, CRV3"):
        two_way.twfe(PANEL, kind="CRV2")
    with pytest.raises(errors.DataError, match="one label for each of 24 units"):
        two_way.twfe(PANEL, clusters=[1, 2])
    all_treated = panel.from_matrix(REFERENCE["y"][:15], REFERENCE["start"][:15])
    with pytest.raises(errors.DataError, match=r"collinear columns: \+\d"):
        two_way.event_study(all_treated, KEY)
