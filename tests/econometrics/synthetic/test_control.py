"""Synthetic control and its placebos against fits one at a time, and against closed forms."""

import itertools

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.synthetic import control as sc
from tests import helpers
from tests.econometrics import made

Y = np.array(made.reference("synthetic")["y"])[:13]  # twelve donors, and one of the treated units
START = [12] * 12 + [8]
PANEL = panel.from_matrix(Y, START)
STUDY = sc.study(PANEL)


def fitted(series, pool):
    return sc.synthetic_control(sc.Study(series, pool, np.arange(len(pool)), np.arange(12), 8))


def test_a_mixture_of_donors_is_found():
    pool = np.random.default_rng(0).normal(size=(5, 12))
    series = 0.2 * pool[1] + 0.8 * pool[3]
    series[8:] += 2.5
    result = fitted(series, pool)
    np.testing.assert_allclose(result.weights, [0, 0.2, 0, 0.8, 0], atol=1e-8)
    np.testing.assert_allclose(result.gap, [0] * 8 + [2.5] * 4, atol=1e-8)
    assert result.effect == pytest.approx(2.5) and result.kkt_gap < 1e-8


def test_fields_by_hand():
    result = sc.synthetic_control(STUDY)
    np.testing.assert_allclose(result.path, result.weights @ Y[:12], rtol=1e-12)
    np.testing.assert_allclose(result.gap, Y[12] - result.path, rtol=1e-9, atol=1e-12)
    assert result.effect == pytest.approx(result.gap[8:].mean(), rel=1e-12)
    assert result.pre_rmspe == pytest.approx(np.sqrt((result.gap[:8] ** 2).mean()))
    assert result.ratio == pytest.approx(np.sqrt((result.gap[8:] ** 2).mean()) / result.pre_rmspe)
    assert result.weights.dtype == np.float64 and result.kkt_gap < 1e-8


def test_placebo_in_space_is_one_fit_at_a_time():
    result = sc.placebo_in_space(STUDY)
    pool = Y[:12]
    ratios = [sc.synthetic_control(STUDY).ratio]
    ratios += [fitted(pool[k], np.delete(pool, k, axis=0)).ratio for k in range(12)]
    np.testing.assert_allclose(result.ratio, ratios, rtol=1e-7)
    assert result.rank == sum(r >= ratios[0] for r in ratios) and result.p == result.rank / 13
    assert result.smallest_p == 1 / 13 and list(result.units[:2]) == ["treated", "0"]


def test_leave_two_out_is_one_fit_at_a_time():
    few = sc.Study(Y[12], Y[:5], np.arange(5), np.arange(12), 8)
    losses = 0
    for a, b in itertools.combinations(range(5), 2):
        pool = np.delete(few.pool, [a, b], axis=0)
        treated, *others = (fitted(series, pool).ratio for series in (few.series, few.pool[a], few.pool[b]))
        losses += treated <= max(others)
    result = sc.leave_two_out(few)
    assert (result.losses, result.pairs, result.units) == (losses, 10, 6) and result.p == losses / 10
    with pytest.raises(errors.DataError, match="at least three donors, got 2"):
        sc.leave_two_out(sc.Study(Y[12], Y[:2], np.arange(2), np.arange(12), 8))


def test_level_bound_of_lei_and_sudijono():
    """Never below the nominal level, close to it with many units, and rising in it."""
    for units in (17, 39, 200):
        bounds = [sc.LeaveTwoOut(0.0, 1, 0, units).level_bound(alpha) for alpha in (0.01, 0.05, 0.1, 0.3)]
        assert np.all(np.array(bounds) >= [0.01, 0.05, 0.1, 0.3]) and bounds == sorted(bounds)
    # f(N, alpha) solves 3 (f - f^2 / a ...) of equation 9: at alpha = 0 only ties of 1 / N remain.
    n, f = 39, sc.LeaveTwoOut(0.0, 1, 0, 39).level_bound(0.05)
    a = 1 - 1 / n
    assert f**2 - 3 * a * f + (1 / n - 4 / (3 * n**2) + 0.05 * a * (1 - 2 / n)) * 3 == pytest.approx(0.0, abs=1e-12)


def test_leave_one_donor_out_is_one_fit_at_a_time():
    effects = sc.leave_one_donor_out(STUDY)
    base = sc.synthetic_control(STUDY)
    for k in range(12):
        expected = base.effect if base.weights[k] == 0 else fitted(Y[12], np.delete(Y[:12], k, axis=0)).effect
        assert effects[k] == pytest.approx(expected, rel=1e-7)


def test_placebo_in_time_never_sees_the_real_treatment():
    results = sc.placebo_in_time(STUDY, [4, 6])
    for start, result in zip((4, 6), results, strict=True):
        earlier = sc.synthetic_control(sc.Study(Y[12, :8], Y[:12, :8], STUDY.donors, np.arange(8), start))
        np.testing.assert_allclose(result.weights, earlier.weights, atol=1e-9)
        assert result.effect == pytest.approx(earlier.effect, rel=1e-8) and len(result.gap) == 8
    with pytest.raises(errors.ConfigError, match="from 2 to 7, got 8"):
        sc.placebo_in_time(STUDY, [8])


def test_units_scale_and_order_do_not_matter():
    order = np.random.default_rng(2).permutation(12)
    moved = sc.Study(3 * Y[12] - 5, 3 * Y[:12][order] - 5, STUDY.donors[order], STUDY.periods, 8)
    base, other = sc.synthetic_control(STUDY), sc.synthetic_control(moved)
    np.testing.assert_allclose(other.weights, base.weights[order], atol=1e-8)
    assert other.effect == pytest.approx(3 * base.effect, rel=1e-8)
    assert sc.placebo_in_space(moved).p == sc.placebo_in_space(STUDY).p


def test_one_compilation_for_each_shape():
    sc.placebo_in_space(STUDY)
    with helpers.count_compiles() as compiles:
        sc.placebo_in_space(sc.Study(Y[12] + 1, 2 * Y[:12], STUDY.donors, STUDY.periods, 7))
    assert compiles.count == 0, compiles.functions


def test_study_and_bad_input():
    both = panel.from_matrix(np.array(made.reference("synthetic")["y"]), [12] * 12 + [8, 8, 6])
    assert sc.study(both, 14).start == 6 and len(sc.study(both, 14).pool) == 12
    with pytest.raises(errors.DataError, match=r"treated units start in 2 periods \(6, 8\)"):
        sc.study(both)
    with pytest.raises(errors.DataError, match="3 is not a treated unit; treated are 12, 13, 14"):
        sc.study(both, 3)
    with pytest.raises(errors.DataError, match="1 donors and 8 periods"):
        sc.study(panel.from_matrix(Y[11:], [12, 8]))
    gap = Y.copy()
    gap[3, 4] = np.nan
    with pytest.raises(errors.DataError, match="the first is unit 3 in period 4"):
        sc.study(panel.from_matrix(gap, START))
