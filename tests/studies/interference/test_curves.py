import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.studies.interference import curves


def test_a_curve_by_hand() -> None:
    # Ten designs; at severity s the first 2 s are lost.
    correct = np.stack([np.arange(10) >= 2 * s for s in range(6)])[None]
    found = curves.curve(correct)
    assert found.accuracy.tolist() == [1, 0.8, 0.6, 0.4, 0.2, 0]
    assert found.n == 10 and found.rises == 0
    assert found.mean == pytest.approx(0.4) and found.area == pytest.approx(0.5)
    assert (found.minimum, found.drop, found.retention) == (0, 1, 0)
    assert found.breakdown == pytest.approx(0.5)  # falls through 0.9 half-way to severity 1
    p = [stats.binomtest(k, k).pvalue for k in (2, 4, 6, 8, 10)]
    expected = np.maximum.accumulate(np.sort(p) * np.arange(5, 0, -1))[::-1].clip(max=1)
    np.testing.assert_allclose(found.mcnemar_p, expected)
    assert found.trend < 0 and found.trend_p < 0.05


def test_readings_that_a_severity_splits_have_no_slope() -> None:
    split = np.ones((1, 6, 50), bool)
    split[0, 5] = False
    assert np.isnan(curves.curve(split).trend) and curves.curve(split).minimum == 0
    assert np.isnan(curves.curve(np.ones((1, 6, 50), bool)).trend)


def test_the_least_of_noisy_shares_is_corrected_upward() -> None:
    rng, plain, corrected = np.random.default_rng(0), [], []
    for i in range(60):
        found = curves.curve(rng.random((1, 6, 200)) < 0.9, seed=i, n_resamples=200)
        plain.append(found.minimum)
        corrected.append(found.minimum_corrected)
    assert np.mean(plain) < 0.885
    assert abs(np.mean(corrected) - 0.9) < abs(np.mean(plain) - 0.9)


def test_breakdown_needs_no_monotone_curve() -> None:
    assert curves.breakdown([1, 0.95, 0.99, 0.5, 0.9, 0.9]) == pytest.approx(2 + 0.09 / 0.49)
    assert curves.breakdown([1, 0.95, 0.92, 0.91, 0.9, 0.9]) == np.inf


def test_bad_input_is_refused() -> None:
    with pytest.raises(errors.DataError, match=r"expected \[seeds, 6, n\]"):
        curves.curve(np.ones((6, 10), bool))
