"""Group-time effects and aggregates against diff-diff, and against differences of means."""

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import callaway_santanna as cs
from ich_jax.econometrics.did import two_way
from tests import helpers
from tests.econometrics import made

REFERENCE = made.reference("staggered")
PANEL = panel.from_matrix(REFERENCE["y"], REFERENCE["start"])


@pytest.mark.parametrize("case", REFERENCE["callaway_santanna"])
def test_equal_to_diff_diff(case):
    expected = REFERENCE["callaway_santanna"][case]
    control, base = case.split()
    effects = cs.group_time(PANEL, control=control, base=base)
    zero = {f"{g} {g - 1}" for g in (3, 4, 6)} if base == "universal" else set()  # the peer lists the base period
    found = set()
    for g, t, att, se in zip(effects.group, effects.period, effects.att, effects.standard_error, strict=True):
        np.testing.assert_allclose(att, expected["cells"][f"{g} {t}"][0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(se, expected["cells"][f"{g} {t}"][1], rtol=1e-7)
        found.add(f"{g} {t}")
    assert found == set(expected["cells"]) - zero
    simple = cs.aggregate(effects)
    np.testing.assert_allclose([simple.overall, simple.overall_error], expected["simple"], rtol=1e-7)
    for kind in ("dynamic", "group"):
        result = cs.aggregate(effects, kind)
        for label, att, se in zip(result.label, result.att, result.standard_error, strict=True):
            np.testing.assert_allclose(att, expected[kind][str(label)][0], rtol=0, atol=1e-9)
            np.testing.assert_allclose(se, expected[kind][str(label)][1], rtol=1e-7)


def test_clusters_are_those_of_diff_diff():
    effects = cs.group_time(PANEL, clusters=np.arange(24) // 3)
    assert cs.aggregate(effects).overall_error == pytest.approx(REFERENCE["cs_region_se"], rel=1e-7)


def test_one_group_by_hand():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(9, 4))
    data = panel.from_matrix(y, [2] * 4 + [4] * 5)
    effects = cs.group_time(data)
    assert list(effects.period) == [1, 2, 3]
    for t, before, att, se in zip((1, 2, 3), (0, 1, 1), effects.att, effects.standard_error, strict=True):
        change = y[:, t] - y[:, before]
        assert att == pytest.approx(change[:4].mean() - change[4:].mean(), rel=1e-12)
        assert se == pytest.approx(np.sqrt(change[:4].var() / 4 + change[4:].var() / 5), rel=1e-12)
    overall = cs.aggregate(effects, "group")
    assert overall.overall == pytest.approx(effects.att[1:].mean(), rel=1e-12)
    assert cs.aggregate(effects, "calendar").overall == pytest.approx(overall.overall, rel=1e-12)
    # Two periods, one group: the two-by-two effect.
    two = panel.from_matrix(y[:, 1:3], [1] * 4 + [2] * 5)
    assert cs.aggregate(cs.group_time(two)).overall == pytest.approx(two_way.twfe(two).effect, rel=1e-10)


def test_calendar_by_hand():
    effects = cs.group_time(PANEL)
    result = cs.aggregate(effects, "calendar")
    size = {3: 5, 4: 4, 6: 6}
    for t, att in zip(result.label, result.att, strict=True):
        at = {int(g): a for g, p, a in zip(effects.group, effects.period, effects.att, strict=True) if p == t >= g}
        assert att == pytest.approx(sum(size[g] * a for g, a in at.items()) / sum(size[g] for g in at), rel=1e-10)
    assert result.overall == pytest.approx(result.att.mean(), rel=1e-12)
    assert cs.aggregate(effects).att.size == 0


def test_influence_is_the_derivative_by_weights():
    """Moving weight to a unit moves the estimate by its influence: checked by doubling a unit in a large copy."""
    y, start = np.array(REFERENCE["y"]), np.array(REFERENCE["start"])
    copies = 200
    many_y, many_start = np.tile(y, (copies, 1)), np.tile(start, copies)
    base = cs.aggregate(cs.group_time(panel.from_matrix(many_y, many_start)))
    for unit in (0, 7, 12, 20):
        more = panel.from_matrix(np.vstack([many_y, y[unit]]), np.append(many_start, start[unit]))
        moved = cs.aggregate(cs.group_time(more)).overall - base.overall
        expected = cs.aggregate(cs.group_time(PANEL)).overall_influence[unit] / (24 * copies)
        assert moved == pytest.approx(expected, rel=0.02, abs=1e-8)


def test_band_covers_more_than_a_point():
    result = cs.aggregate(cs.group_time(PANEL), "dynamic")
    band = cs.band(result, jax.random.key(1))
    bonferroni = stats.norm.isf(0.025 / len(result.att))
    assert stats.norm.ppf(0.975) < band.critical < 1.15 * bonferroni
    np.testing.assert_allclose(
        (band.high - band.low) / (2 * band.critical), result.standard_error, rtol=0.15
    )  # 24 signs
    with pytest.raises(errors.ConfigError, match="simple"):
        cs.band(cs.aggregate(cs.group_time(PANEL)), jax.random.key(1))


@pytest.mark.parametrize("control", cs.CONTROLS)
def test_gaps_leave_the_units_that_both_periods_hold(control):
    y, start = np.array(REFERENCE["y"]), np.array(REFERENCE["start"])
    holes = np.where(np.random.default_rng(1).random(y.shape) < 0.15, np.nan, y)
    holes[(start == 4), 5] = np.nan  # nobody of a group in one period
    found = cs.group_time(panel.from_matrix(holes, start), control=control)
    assert (4, 5) in found.skipped and np.isfinite(found.influence).all()
    for g, t, att, se in zip(found.group, found.period, found.att, found.standard_error, strict=True):
        base = t - 1 if t < g else g - 1
        change = holes[:, t] - holes[:, base]
        own = change[(start == g) & ~np.isnan(change)]
        clean = start == 8 if control == "never" else (start > max(t, base)) & (start != g)
        other = change[clean & ~np.isnan(change)]
        assert att == pytest.approx(own.mean() - other.mean(), rel=1e-10)
        assert se == pytest.approx(np.sqrt(own.var() / len(own) + other.var() / len(other)), rel=1e-10)
    assert np.isfinite(cs.aggregate(found, "dynamic").standard_error).all()


def test_units_scale_and_trend_do_not_matter():
    order = np.random.default_rng(4).permutation(24)
    y = 3.0 * np.array(REFERENCE["y"])[order] + np.arange(8.0) ** 2 + np.arange(24.0)[:, None]
    moved = cs.group_time(panel.from_matrix(y, np.array(REFERENCE["start"])[order]), control="not_yet")
    base = cs.group_time(PANEL, control="not_yet")
    np.testing.assert_allclose(moved.att, 3 * base.att, rtol=1e-9)
    np.testing.assert_allclose(moved.standard_error, 3 * base.standard_error, rtol=1e-9)


def test_one_compilation_for_each_shape():
    cs.group_time(PANEL)
    with helpers.count_compiles() as compiles:
        cs.group_time(panel.from_matrix(2.0 * np.array(REFERENCE["y"]), REFERENCE["start"]))
    assert compiles.count == 0, compiles.functions


def test_what_has_no_control_is_listed_or_refused():
    y, start = np.array(REFERENCE["y"])[:15], np.array(REFERENCE["start"])[:15]
    data = panel.from_matrix(y, start)
    later = cs.group_time(data, control="not_yet")
    assert set(later.skipped) == {(3, 6), (3, 7), (4, 6), (4, 7), (6, 4), (6, 5), (6, 6), (6, 7)}
    with pytest.raises(errors.DataError, match="no group has a control unit under control='never'"):
        cs.group_time(data)
    with pytest.raises(errors.ConfigError, match="never, not_yet"):
        cs.group_time(data, control="all")
    with pytest.raises(errors.ConfigError, match="anticipation"):
        cs.group_time(data, anticipation=-1)
    with pytest.raises(errors.ConfigError, match="calendar"):
        cs.aggregate(later, "weekly")
