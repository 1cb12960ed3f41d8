"""Handing out launches: against the tests by themselves, by hand, by symmetry; the band against its coverage."""

import itertools

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.did import few_treated, randomisation, two_way
from tests.econometrics.made import launches


@pytest.mark.parametrize(("n1", "n0"), [(1, 6), (2, 5), (3, 3)])
def test_one_start_is_difference_in_differences_of_means(n1, n0):
    """In a panel without gaps and with one start the coefficient of two-way fixed effects is the same statistic."""
    data = launches(n1, n0, effect=0.7)
    found = randomisation.randomise(data)
    other = few_treated.placebo_test(data)
    assert found.effect == pytest.approx(two_way.collapsed(data).effect, rel=1e-12)
    assert found.p == pytest.approx(other.p[0], abs=1e-12)
    assert (found.n_distinct, found.exact, found.smallest_p) == (other.n_distinct, True, other.smallest_p)
    np.testing.assert_allclose(np.sort(np.abs(found.null)), np.sort(np.abs(other.null[:, 0])), rtol=1e-9)


def test_interval_is_the_effects_that_are_not_rejected():
    data = launches(2, 7, effect=2.0)
    found = randomisation.randomise(data, confidence=0.9)
    for inside, outside in ((found.low + 1e-6, found.low - 1e-6), (found.high - 1e-6, found.high + 1e-6)):
        assert few_treated.placebo_test(data, null=inside).p[0] > 0.1
        assert few_treated.placebo_test(data, null=outside).p[0] <= 0.1
    assert (
        randomisation.randomise(launches(1, 6), confidence=0.9).low == -np.inf
    )  # seven assignments never reject at a tenth


def test_several_starts_by_brute_force():
    data = launches(3, 3, start=[10, 10, 20], effect=1.0)
    found = randomisation.randomise(data)
    y = data.outcome

    def statistic(units):
        rest = [u for u in range(6) if u not in units]
        change = [y[:, s:].mean(axis=1) - y[:, :s].mean(axis=1) for s in (10, 10, 20)]
        return np.mean([change[k][u] - change[k][rest].mean() for k, u in enumerate(units)])

    assigned = [(a, b, c) for a, b, c in itertools.permutations(range(6), 3) if a < b]
    null = np.array([statistic(units) for units in assigned])
    assert found.n_distinct == len(assigned) == 60
    assert found.effect == pytest.approx(statistic((0, 1, 2)))
    np.testing.assert_allclose(np.sort(found.null), np.sort(null), rtol=1e-9, atol=1e-12)
    assert found.p == pytest.approx((np.abs(null) >= abs(found.effect) * (1 - 1e-10)).mean())


def test_draws_come_near_the_exact_test():
    data = launches(3, 9, effect=0.5)
    exact = randomisation.randomise(data)
    drawn = randomisation.randomise(data, max_exact=10, n_resamples=4000)
    assert not drawn.exact and drawn.smallest_p == 1 / 4001 and drawn.null[0] == exact.null[0]
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p * (1 - exact.p) / 4000))


def test_relabelling_scale_and_shift():
    data = launches(2, 6, effect=0.5)
    base = randomisation.randomise(data)
    order = np.random.default_rng(1).permutation(8)
    moved = panel.from_matrix(-3 * data.outcome[order] + 11, data.start[order])
    other = randomisation.randomise(moved)
    assert other.effect == pytest.approx(-3 * base.effect) and other.p == pytest.approx(base.p)
    assert (other.low, other.high) == (pytest.approx(-3 * base.high), pytest.approx(-3 * base.low))


def test_trend_before_the_launch():
    data = launches(1, 20, periods=60, start=40)
    drift = data.outcome + np.where(np.arange(21)[:, None] == 0, 0.5 * np.arange(60), 0.0)
    found = randomisation.randomise(panel.from_matrix(drift, data.start), statistic="trend")
    assert found.effect == pytest.approx(0.5, abs=0.06) and found.p == pytest.approx(1 / 21) and np.isnan(found.low)
    assert randomisation.randomise(data, statistic="trend").p > 0.05


def test_gaps_do_not_move_what_is_left():
    y = launches(2, 4).outcome.copy()
    y[0, 3] = y[4, 25] = np.nan
    data = panel.from_matrix(y, [18, 18, 30, 30, 30, 30])
    found = randomisation.randomise(data)
    change = np.nanmean(y[:, 18:], axis=1) - np.nanmean(y[:, :18], axis=1)
    assert found.effect == pytest.approx(change[:2].mean() - change[2:].mean())


def test_products_together_by_brute_force():
    tests = [randomisation.randomise(launches(1, n0, effect=0.8, seed=n0)) for n0 in (3, 4, 5)]
    found = randomisation.stratified(tests, [1.0, 2.0, 4.0])
    null = np.array([(a + b / 2 + c / 4) / 3 for a in tests[0].null for b in tests[1].null for c in tests[2].null])
    assert found.n_distinct == len(null) == 4 * 5 * 6 and found.exact
    assert found.effect == pytest.approx(null[0])
    assert found.p == pytest.approx((np.abs(null) >= abs(null[0]) * (1 - 1e-10)).mean())
    assert found.smallest_p == 1 / 120
    assert (found.p_adjusted >= found.p_each - 1e-12).all() and found.p_adjusted.min() < 1.0
    drawn = randomisation.stratified(tests, [1.0, 2.0, 4.0], max_exact=10, n_resamples=4000)
    assert not drawn.exact and drawn.p == pytest.approx(found.p, abs=0.03)


def test_products_that_the_same_units_launch_are_one_decision():
    """Four products of the same outlets: five assignments, not five to the fourth."""
    tests = [randomisation.randomise(launches(1, 4, effect=0.8, seed=seed)) for seed in range(4)]
    found = randomisation.stratified(tests, np.ones(4), shared=True)
    null = np.mean([test.null for test in tests], axis=0)
    assert found.shared and found.exact and found.n_distinct == 5 and found.smallest_p == 1 / 5
    assert found.p == (np.abs(null) >= abs(null[0]) * (1 - 1e-10)).mean() and found.effect == pytest.approx(null[0])
    drawn = [randomisation.randomise(launches(2, 6, seed=seed), max_exact=5, n_resamples=99) for seed in range(3)]
    found = randomisation.stratified(drawn, np.ones(3), shared=True)
    assert not found.exact and found.smallest_p == 1 / 100
    with pytest.raises(errors.ConfigError, match=r"equally many assignments, got \[5, 4\]"):
        randomisation.stratified([tests[0], randomisation.randomise(launches(1, 3))], [1.0, 1.0], shared=True)


def test_level_of_products_that_the_same_units_launch():
    """Outlets with errors that their products share: the joint test holds its level only if the outlet counts once."""
    rejected = np.zeros(2)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        own = rng.normal(size=(10, 30))
        own[:, 15:] += rng.normal(size=(10, 1))  # a change of the outlet, the same for all that it sells
        panels = [panel.from_matrix(own + 0.1 * rng.normal(size=own.shape), [15] + [30] * 9) for _ in range(3)]
        tests = [randomisation.randomise(one) for one in panels]
        for i, shared in enumerate((True, False)):
            rejected[i] += randomisation.stratified(tests, np.ones(3), shared=shared).p <= 0.1
    assert rejected[0] / 60 < 0.1 + 4 * np.sqrt(0.1 * 0.9 / 60) and rejected[1] / 60 > 0.2


def test_least_p_of_products_with_equal_groups():
    """Two of four units in each product: mirrored assignments tie, alone and together."""
    tests = [randomisation.randomise(launches(2, 2, effect=50.0, seed=seed)) for seed in range(2)]
    found = randomisation.stratified(tests, [1.0, 1.0])
    assert found.p == found.smallest_p == 2 / 36


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: randomisation.randomise(launches(), confidence=2.0), "inside"),
        (lambda: randomisation.randomise(launches(), statistic="level"), "did you mean|change, trend"),
        (lambda: randomisation.stratified([randomisation.randomise(launches())], [0.0]), "scale above 0"),
    ],
)
def test_bad_settings_are_refused(call, message):
    with pytest.raises(errors.ConfigError, match=message):
        call()


def test_units_that_cannot_be_compared_are_named():
    y = launches(1, 3).outcome.copy()
    y[2, :18] = np.nan
    with pytest.raises(errors.DataError, match="unit 2 is not observed on both sides"):
        randomisation.randomise(panel.from_matrix(y, [18, 30, 30, 30]))
    with pytest.raises(errors.DataError, match="every unit is treated"):
        randomisation.randomise(panel.from_matrix(launches(2, 2).outcome, [10, 12, 14, 16]))
