"""Inference with few treated units against full enumeration in Python."""

import itertools

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import few_treated, two_way
from ich_jax.econometrics.regression import covariance, linear
from ich_jax.uncertainty import permutation

RNG = np.random.default_rng(5)
Y = RNG.normal(size=(9, 6)) + RNG.normal(size=(9, 1)) + np.arange(6.0)
Y[:3, 4:] += 1.2
PANEL = panel.from_matrix(Y, [4] * 3 + [6] * 6)


def test_randomisation_is_brute_force():
    result = few_treated.placebo_test(PANEL)
    coefficients, ts = [], []
    for chosen in itertools.combinations(range(9), 3):
        start = np.full(9, 6)
        start[list(chosen)] = 4
        effect = two_way.twfe(panel.from_matrix(Y, start))
        coefficients.append(effect.effect)
        ts.append(effect.table.t[0])
    assert result.exact and result.n_distinct == 84 and result.smallest_p == 1 / 84
    np.testing.assert_allclose(np.sort(result.null[:, 0]), np.sort(coefficients), rtol=1e-8)
    factor = two_way.twfe(PANEL).table.t[0] / result.statistic[1]  # small-sample factors of CRV1
    np.testing.assert_allclose(np.sort(result.null[:, 1]) * factor, np.sort(ts), rtol=1e-7)
    for column, draws in ((0, coefficients), (1, ts)):
        observed = abs(two_way.twfe(PANEL).effect if column == 0 else two_way.twfe(PANEL).table.t[0])
        assert result.p[column] == (np.abs(draws) >= observed * (1 - 1e-9)).mean()


def test_randomisation_of_staggered_starts_with_gaps():
    y = Y.copy()
    y[2, 0] = y[7, 3] = np.nan
    data = panel.from_matrix(y, [3, 4, 4, 6, 6, 6, 6, 6, 6])
    result = few_treated.placebo_test(data)
    assert result.n_distinct == 9 * 28 and result.exact
    r = panel.rows(data)
    expected = []
    for start in _starts():
        d = (r.period >= start[r.unit]).astype(float)
        expected.append(linear.fit(r.outcome, {"d": d}, absorb={"unit": r.unit, "period": r.period}).beta[0])
    np.testing.assert_allclose(np.sort(result.null[:, 0]), np.sort(expected), rtol=1e-7)


def _starts():
    for early in range(9):
        for late in itertools.combinations([u for u in range(9) if u != early], 2):
            start = np.full(9, 6)
            start[early] = 3
            start[list(late)] = 4
            yield start


def test_randomisation_tests_a_stated_effect():
    """Taking the true effect out is the same as testing it."""
    shifted = Y.copy()
    shifted[:3, 4:] -= 1.2
    without = few_treated.placebo_test(panel.from_matrix(shifted, [4] * 3 + [6] * 6))
    stated = few_treated.placebo_test(PANEL, null=1.2)
    np.testing.assert_allclose(stated.null, without.null, atol=1e-9)
    np.testing.assert_array_equal(stated.p, without.p)


def test_randomisation_draws_agree_with_enumeration():
    exact = few_treated.placebo_test(PANEL)
    drawn = few_treated.placebo_test(PANEL, key=jax.random.key(0), max_exact=5, n_resamples=4000)
    assert np.all(np.abs(drawn.p - exact.p) < 4 * np.sqrt(exact.p * (1 - exact.p) / 4000) + 1e-3)
    with pytest.raises(errors.ConfigError, match="pass a key"):
        few_treated.placebo_test(PANEL, max_exact=5)


def test_sign_flips_by_hand():
    effects = np.array([0.5, 1.5, 0.2, 2.0, 0.9, 1.1])
    result = few_treated.sign_flips(effects, confidence=0.9)
    assert result.p == 2 / 64 == result.test.smallest_p and result.effect == pytest.approx(effects.mean())
    by_t = permutation.sign_flip(effects - 0.8)  # t and mean order the sign vectors alike
    assert few_treated.sign_flips(effects, null=0.8).p == by_t.p
    for end, outwards in ((result.low, -1), (result.high, 1)):
        assert few_treated.sign_flips(effects, null=end - outwards * 1e-6).p > 0.1
        assert few_treated.sign_flips(effects, null=end + outwards * 1e-6).p <= 0.1
    # Four effects cannot reject at 5 %: no hypothesis is left out.
    four = few_treated.sign_flips(effects[:4])
    assert four.test.smallest_p == 0.125 and (four.low, four.high) == (-np.inf, np.inf)


def test_unit_effects_average_to_the_coefficient():
    effects = few_treated.unit_effects(PANEL)
    assert effects.shape == (3,) and effects.mean() == pytest.approx(two_way.twfe(PANEL).effect, rel=1e-10)
    with pytest.raises(errors.DataError, match="unit_effects: every unit is treated in the end"):
        few_treated.unit_effects(panel.from_matrix(Y, [4] * 9))
    with pytest.raises(errors.DataError, match=r"starts in 2 periods \(2, 4\)"):
        few_treated.unit_effects(panel.from_matrix(Y, [2, 4, 4] + [6] * 6))


def test_conley_taber_is_brute_force():
    result = few_treated.conley_taber(PANEL, confidence=0.9)
    change = Y[:, 4:].mean(axis=1) - Y[:, :4].mean(axis=1)
    residual = change[3:] - change[3:].mean()
    placebo = np.array([np.mean(drawn) for drawn in itertools.product(residual, repeat=3)])
    np.testing.assert_allclose(np.sort(result.placebo), np.sort(placebo), atol=1e-12)
    effect = change[:3].mean() - change[3:].mean()
    assert result.effect == pytest.approx(effect) and result.exact
    assert result.p == (1 + (np.abs(placebo) >= abs(effect) * (1 - 1e-10)).sum()) / 217
    low, high = np.quantile(placebo, [0.05, 0.95])
    np.testing.assert_allclose([result.low, result.high], [effect - high, effect - low], rtol=1e-9)
    assert result.smallest_p == 1 / 217 and (result.n_treated, result.n_untreated) == (3, 6)
    # Draws with replacement spread as independent errors do, whatever the number of untreated units.
    assert result.placebo.std() == pytest.approx(residual.std() / np.sqrt(3), rel=1e-12)
    drawn = few_treated.conley_taber(PANEL, key=jax.random.key(0), max_exact=10, n_resamples=20_000)
    assert not drawn.exact and drawn.placebo.std() == pytest.approx(result.placebo.std(), rel=0.03)
    with pytest.raises(errors.ConfigError, match=r"6\^3 draws are more than max_exact=10"):
        few_treated.conley_taber(PANEL, max_exact=10)
    with pytest.raises(errors.DataError, match="2 untreated units cannot show how 3 treated ones vary"):
        few_treated.conley_taber(panel.from_matrix(Y[:5], [4] * 3 + [6] * 2))


def test_variance_of_ferman_pinto_by_hand():
    inverse = 1.0 / np.array([1.0, 2.0, 4.0, 8.0])
    np.testing.assert_allclose(few_treated._variance(0.5 + 3.0 * inverse, inverse), 0.5 + 3.0 * inverse, rtol=1e-10)
    np.testing.assert_allclose(few_treated._variance(np.array([1.0, 2, 3, 4]), np.ones(4)), 2.5)
    # A negative slope is not a variance: the constant fits better than the slope through zero.
    squares = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(few_treated._variance(squares, inverse), squares.mean())
    through = few_treated._variance(np.square(inverse), inverse)
    assert np.all(through > 0)
    np.testing.assert_allclose(through / inverse, through[0] / inverse[0], rtol=1e-10)


def test_ferman_pinto_with_equal_sizes_is_a_bootstrap_of_changes():
    result = few_treated.ferman_pinto(PANEL, np.full(9, 10.0), jax.random.key(1), n_resamples=20_000)
    change = Y[:, 4:].mean(axis=1) - Y[:, :4].mean(axis=1)
    spread = (change - change.mean()).std() * np.sqrt(1 / 3 + 1 / 6)
    assert result.placebo.std() == pytest.approx(spread, rel=0.03)
    assert result.effect == pytest.approx(change[:3].mean() - change[3:].mean())
    assert result.low < result.effect < result.high


def test_ferman_pinto_holds_its_level_where_conley_taber_does_not():
    """One treated unit eight times smaller than the others: nominal 10 %, Conley-Taber rejects far more often."""
    rng = np.random.default_rng(8)
    size = np.array([5.0, *[40.0] * 15, *[60.0] * 9])
    rejected = np.zeros(2)
    for i in range(150):
        change = rng.normal(size=25) * np.sqrt(200.0 / size)
        y = np.stack([np.zeros(25), change], axis=1)
        y[0, 0] += 1e-9  # a panel is never constant
        data = panel.from_matrix(y, [1] + [2] * 24)
        rejected[0] += few_treated.conley_taber(data).p <= 0.1
        rejected[1] += few_treated.ferman_pinto(data, size, jax.random.key(i), n_resamples=499).p <= 0.1
    assert rejected[0] / 150 > 0.4
    assert rejected[1] / 150 < 0.1 + 4 * np.sqrt(0.1 * 0.9 / 150)
    with pytest.raises(errors.DataError, match="25 numbers above 0"):
        few_treated.ferman_pinto(data, -size, jax.random.key(0))


def test_units_and_scale_do_not_matter():
    order = np.random.default_rng(4).permutation(9)
    moved = panel.from_matrix(3.0 * Y[order] + np.arange(6.0) ** 2, PANEL.start[order])
    np.testing.assert_array_equal(few_treated.placebo_test(moved).p, few_treated.placebo_test(PANEL).p)
    base, other = few_treated.conley_taber(PANEL), few_treated.conley_taber(moved)
    assert base.p == other.p
    np.testing.assert_allclose([other.low, other.high], [3 * base.low, 3 * base.high], rtol=1e-8)


def test_level_of_randomisation_under_the_null():
    rng = np.random.default_rng(6)
    p = []
    for _ in range(200):
        y = rng.standard_t(3, size=(8, 4)) * rng.uniform(0.5, 2.0, size=(8, 1))
        p.append(few_treated.placebo_test(panel.from_matrix(y, [2] * 4 + [4] * 4)).p[0])
    assert stats.binomtest(int((np.array(p) <= 0.2).sum()), 200, 0.2).pvalue > 1e-3
    assert min(p) >= 2 / 70


def test_t_column_is_clustered_by_unit():
    result = few_treated.placebo_test(PANEL)
    r = panel.rows(PANEL)
    fit = linear.fit(r.outcome, {"d": r.treated}, absorb={"unit": r.unit, "period": r.period})
    v = covariance.cluster(fit, r.unit, small_sample=covariance.UNCORRECTED)
    assert result.statistic[1] == pytest.approx(fit.beta[0] / np.sqrt(v.matrix[0, 0]), rel=1e-9)
