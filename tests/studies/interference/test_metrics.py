import jax
import numpy as np
import pytest
from scipy import stats

from ich_jax import errors
from ich_jax.studies.interference import metrics, schedules

STEPS = np.arange(0, 1000, 10)


def test_a_curve_by_hand() -> None:
    # Ten designs; at severity s the first 2 s are lost.
    correct = np.stack([np.arange(10) >= 2 * s for s in range(6)])[None]
    found = metrics.curve(correct)
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
    assert np.isnan(metrics.curve(split).trend) and metrics.curve(split).minimum == 0
    assert np.isnan(metrics.curve(np.ones((1, 6, 50), bool)).trend)


def test_the_least_of_noisy_shares_is_corrected_upward() -> None:
    rng, plain, corrected = np.random.default_rng(0), [], []
    for i in range(60):
        found = metrics.curve(rng.random((1, 6, 200)) < 0.9, seed=i, n_resamples=200)
        plain.append(found.minimum)
        corrected.append(found.minimum_corrected)
    assert np.mean(plain) < 0.885
    assert abs(np.mean(corrected) - 0.9) < abs(np.mean(plain) - 0.9)


def test_breakdown_needs_no_monotone_curve() -> None:
    assert metrics.breakdown([1, 0.95, 0.99, 0.5, 0.9, 0.9]) == pytest.approx(2 + 0.09 / 0.49)
    assert metrics.breakdown([1, 0.95, 0.92, 0.91, 0.9, 0.9]) == np.inf


def test_interference_error_against_a_reference() -> None:
    ours = {"a": np.array([1, 0.9, 0.9, 0.9, 0.9, 0.9]), "b": np.array([1, 1, 1, 1, 1, 0.8])}
    plain = {"a": np.array([1, 0.8, 0.8, 0.8, 0.8, 0.8]), "b": np.array([1, 1, 1, 1, 1, 0.95])}
    found = metrics.interference_error(ours, plain)
    assert found.each == pytest.approx({"a": 50, "b": 400}) and found.mie == pytest.approx(225)
    assert found.relative_each["a"] == pytest.approx(50) and found.relative_each["b"] is None  # rises by 0.01 only
    assert found.relative_mie == pytest.approx(100 * 0.7 / 1.05)
    weak = {kind: a - 0.2 for kind, a in plain.items()}
    withheld = metrics.interference_error(ours, weak)
    assert withheld.mie is None and "0.800" in withheld.withheld
    with pytest.raises(errors.DataError, match="kinds differ: \\['b'\\]"):
        metrics.interference_error(ours, {"a": plain["a"]})


def dip(lowest: float, slope: float, end: float = 1.0) -> np.ndarray:
    """1 until step 300, `lowest` until 400, then back to `end` at `slope` per step."""
    back = np.minimum(end, lowest + slope * (STEPS - 400))
    return np.where(STEPS <= 300, 1.0, np.where(STEPS < 400, lowest, back))


def brute_force(accuracy: np.ndarray) -> tuple[int, bool]:
    before = accuracy[STEPS <= 300][-10:].mean()
    for i, step in enumerate(STEPS):
        if step >= 400 and i + 5 <= len(STEPS) and all(accuracy[j] >= before - 0.01 for j in range(i, i + 5)):
            return int(step) - 400, True
    return int(STEPS[-1]) - 400, False


def test_recovery_by_hand() -> None:
    found = metrics.recovery(STEPS, dip(0.5, 0.005), 300, 400)
    assert (found.before, found.minimum, found.minimum_step) == (1.0, 0.5, 310)
    assert found.drop == 0.5 and found.retention == 0.5
    assert (found.recovery_steps, found.recovered) == (100, True)
    assert found.residual == pytest.approx(0) and found.ratio == pytest.approx(1)
    # 0.5 for 9 evaluations in the window, then 0.5, 0.45, ..., 0.05: a sum of 4.5 + 2.75 over 69 evaluations.
    assert found.loss_area == pytest.approx(7.25 / 69) and found.resilience == pytest.approx(1 - 7.25 / 69)


@pytest.mark.parametrize("seed", range(20))
def test_recovery_agrees_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    accuracy = dip(rng.uniform(0.2, 0.9), rng.uniform(0, 0.01), rng.uniform(0.95, 1.0)) + rng.normal(0, 0.006, 100)
    found = metrics.recovery(STEPS, accuracy, 300, 400)
    assert (found.recovery_steps, found.recovered) == brute_force(accuracy)


def test_a_run_that_does_not_recover_is_censored_at_its_end() -> None:
    found = metrics.recovery(STEPS, dip(0.5, 0.0), 300, 400)
    assert (found.recovery_steps, found.recovered) == (590, False)
    assert found.ratio == 0 and np.isnan(found.half_life)
    short = dip(0.5, 0.01)
    short[-3:] = 0.5  # back, but not to stay where five in a row no longer fit
    assert metrics.recovery(STEPS, short, 300, 400).recovered


def test_half_life_of_an_exponential() -> None:
    accuracy = np.where(STEPS < 400, 1.0, 1 - 0.5 * 0.5 ** ((STEPS - 400) / 80))
    assert metrics.recovery(STEPS, accuracy, 300, 400).half_life == pytest.approx(80, rel=1e-3)


def test_a_claim_of_all_points_needs_the_whole_band() -> None:
    high = metrics.band(np.full(60, 0.995), 1000, jax.random.key(0))
    assert (high.low > 0.97).all() and (high.low < 0.995).all()
    one_low = np.full(60, 0.995)
    one_low[30] = 0.972  # its own 95 % interval ends below 0.97
    assert (metrics.band(one_low, 1000, jax.random.key(0)).low > 0.97).sum() == 59
    never_wrong = metrics.band(np.ones(60), 1000, jax.random.key(0))
    assert (never_wrong.low < 1).all() and (never_wrong.high == 1).all()


def test_equivalence_needs_enough_designs() -> None:
    assert metrics.equivalent((9800, 9800), (10_000, 10_000)) < 0.001
    assert metrics.equivalent((98, 98), (100, 100)) > 0.05
    assert metrics.equivalent((9800, 9600), (10_000, 10_000)) > 0.9


def test_two_sweeps_are_compared_with_intervals() -> None:
    """A reference that loses twice as many designs: errors are half of its own, and the bootstrap covers that."""
    rng = np.random.default_rng(0)
    draws = rng.random((2, 1, 2, 400))
    lost = np.linspace(0, 0.25, 6)[:, None, None]
    ours, theirs = {"a": draws >= lost, "b": draws >= lost}, {"a": draws >= 2 * lost, "b": draws >= 2 * lost}
    found = metrics.compare(ours, theirs, n_resamples=199)
    assert found.mie == pytest.approx(50, abs=3) and found.relative_mie == pytest.approx(50, abs=3)
    for intervals in (found.interval, found.relative_interval):
        assert intervals.keys() == {"a", "b", metrics.MEAN}
        ends = intervals[metrics.MEAN]
        assert ends.low < 50 < ends.high and 1 < ends.high - ends.low < 12
    same = metrics.compare(ours, ours, n_resamples=49).interval["a"]
    assert same.low == same.high == 100  # resamples are the same on both sides
    weak = metrics.compare(ours, {kind: ~c for kind, c in theirs.items()}, n_resamples=49)
    assert weak.mie is None and "less than 0.9" in weak.withheld and not weak.interval
    with pytest.raises(errors.DataError, match="other seeds, products or numbers"):
        metrics.compare(ours, {kind: c[:1] for kind, c in theirs.items()})


def test_bad_input_is_refused() -> None:
    with pytest.raises(errors.DataError, match=r"expected \[seeds, 6, n\]"):
        metrics.curve(np.ones((6, 10), bool))
    with pytest.raises(errors.DataError, match="before step 0"):
        metrics.recovery(STEPS[1:], np.ones(99), 0, 400)
    with pytest.raises(errors.DataError, match="after step 2000"):
        metrics.recovery(STEPS, np.ones(100), 300, 2000)


def test_windows() -> None:
    (one,) = schedules.pulses(1000)
    assert (one.start, one.stop, one.steps) == (300, 400, 100)
    assert [bool(one.holds(s)) for s in (299, 300, 399, 400)] == [False, True, True, False]
    three = schedules.pulses(1000, n=3)
    assert [w.start for w in three] == [300, 533, 767] and all(w.steps == 100 for w in three)
    with pytest.raises(errors.ConfigError, match="do not fit"):
        schedules.pulses(1000, n=8)
    with pytest.raises(errors.ConfigError, match="begin after step 0"):
        schedules.check(schedules.Window(0, 10), 100)
    with pytest.raises(errors.ConfigError, match="end before the run"):
        schedules.check(schedules.Window(50, 100), 100)
