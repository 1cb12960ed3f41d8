"""Conformal p-values and intervals against their definition, and their level."""

import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.synthetic import conformal
from ich_jax.econometrics.synthetic import control as sc
from tests.econometrics import made

Y = np.array(made.reference("synthetic")["y"])[:13]
STUDY = sc.Study(Y[12], Y[:12], np.arange(12), np.arange(12), 8)


def residuals(series, pool):
    """Of a synthetic control fitted on all periods: all of them come before a treatment that never starts."""
    longer = np.append(series, 0.0), np.column_stack([pool, np.zeros(len(pool))])
    return sc.synthetic_control(sc.Study(*longer, np.arange(len(pool)), np.arange(len(series) + 1), len(series))).gap[
        :-1
    ]


@pytest.mark.parametrize("q", [1.0, 2.0])
@pytest.mark.parametrize("effect", [0.0, 1.5])
def test_moving_blocks_by_hand(q, effect):
    result = conformal.conformal_test(STUDY, effect, q=q)
    adjusted = Y[12].copy()
    adjusted[8:] -= effect
    u = residuals(adjusted, Y[:12])
    np.testing.assert_allclose(result.residuals, u, atol=1e-9)
    shifted = [(np.sum(np.abs(np.roll(u, k)[8:]) ** q) / 2.0) ** (1 / q) for k in range(12)]
    assert result.statistic == pytest.approx(shifted[0], rel=1e-9)
    assert result.p == np.mean(np.array(shifted) >= shifted[0] - 1e-9) and result.smallest_p == 1 / 12


def test_permutations_are_drawn_and_count_the_data():
    result = conformal.conformal_test(STUDY, scheme="iid", key=jax.random.key(0), n_resamples=2000)
    u = np.abs(result.residuals)
    drawn = [np.random.default_rng(i).permutation(u)[8:].sum() for i in range(4000)]
    expected = np.mean(np.array(drawn) >= u[8:].sum() - 1e-12)
    assert abs(result.p - expected) < 4 * np.sqrt(0.25 / 2000) and len(result.null) == 2001
    assert result.null.min() >= np.sort(u)[:4].sum() / 2 - 1e-9


def test_intervals_invert_the_test():
    result = conformal.conformal_intervals(STUDY, confidence=0.8)
    gap = sc.synthetic_control(STUDY).gap[8:]
    np.testing.assert_allclose(result.estimate, gap, atol=1e-9)
    for i, t in enumerate(range(8, 12)):
        kept = [*range(8), t]

        def p(effect, kept=kept):
            series = Y[12, kept].copy()
            series[-1] -= effect
            u = np.abs(residuals(series, Y[:12][:, kept]))
            return (u >= u[-1] * (1 - 1e-9)).mean()

        assert result.p_zero[i] == pytest.approx(p(0.0), abs=1e-12)
        width = result.high[i] - result.low[i]
        for end, outwards in ((result.low[i], -1), (result.high[i], 1)):
            assert p(end - outwards * 1e-4 * width) > 0.2 + 1e-9 >= p(end + outwards * 1e-4 * width)
        assert result.low[i] < result.estimate[i] < result.high[i]
    assert result.smallest_p == 1 / 9


def test_too_few_periods_leave_the_interval_open():
    """Eight periods before cannot reject at 5 %: the least p is 1 / 9."""
    result = conformal.conformal_intervals(STUDY, confidence=0.95)
    assert np.all(result.low == -np.inf) and np.all(result.high == np.inf)


def test_a_true_effect_is_not_rejected_more_often_than_stated():
    rng = np.random.default_rng(3)
    p = []
    for _ in range(150):
        pool = rng.normal(size=(4, 20))
        series = pool.mean(axis=0) + rng.normal(size=20)
        series[18:] += 5.0
        study = sc.Study(series, pool, np.arange(4), np.arange(20), 18)
        p.append(conformal.conformal_test(study, 5.0).p)
        assert conformal.conformal_test(study).p <= 0.3 or len(p) > 3
    assert stats.binomtest(int((np.array(p) <= 0.2).sum()), 150, 0.2, alternative="greater").pvalue > 1e-3


def test_scale_and_order_do_not_matter():
    order = np.random.default_rng(2).permutation(12)
    moved = sc.Study(3 * Y[12] - 5, 3 * Y[:12][order] - 5, STUDY.donors, STUDY.periods, 8)
    assert conformal.conformal_test(moved).p == conformal.conformal_test(STUDY).p
    base, other = (conformal.conformal_intervals(study, confidence=0.8) for study in (STUDY, moved))
    np.testing.assert_allclose(other.low, 3 * base.low, rtol=1e-5)
    np.testing.assert_allclose(other.high, 3 * base.high, rtol=1e-5)


def test_bad_input_is_refused():
    with pytest.raises(errors.DataError, match=r"one number or 4, got shape \[3\]"):
        conformal.conformal_test(STUDY, [0.0, 1.0, 2.0])
    with pytest.raises(errors.ConfigError, match="pass a key"):
        conformal.conformal_test(STUDY, scheme="iid")
    with pytest.raises(errors.ConfigError, match="moving_block"):
        conformal.conformal_test(STUDY, scheme="block")
    with pytest.raises(errors.ConfigError, match="at least 1"):
        conformal.conformal_test(STUDY, q=0.5)
    with pytest.raises(errors.ConfigError, match="confidence"):
        conformal.conformal_intervals(STUDY, confidence=1.0)


def test_constant_effects_that_are_not_rejected():
    rng = np.random.default_rng(3)
    y = rng.normal(size=(6, 40)) + np.where((np.arange(6)[:, None] == 0) & (np.arange(40) >= 30), 4.0, 0.0)
    study = sc.study(panel.from_matrix(y, [30] + [40] * 5))
    effect, low, high = conformal.constant_effect(study, confidence=0.8)
    assert low < 4.0 < high and low < effect < high
    for inside, outside in ((low + 1e-4, low - 1e-4), (high - 1e-4, high + 1e-4)):
        assert conformal.conformal_test(study, inside).p > 0.2
        assert conformal.conformal_test(study, outside).p <= 0.2
    assert conformal.constant_effect(study, confidence=0.99)[1:] == (-np.inf, np.inf)  # 40 shifts
