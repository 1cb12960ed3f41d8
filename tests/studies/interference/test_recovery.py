import jax
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.studies.interference import recovery

STEPS = np.arange(0, 1000, 10)


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
    found = recovery.measure(STEPS, dip(0.5, 0.005), 300, 400)
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
    found = recovery.measure(STEPS, accuracy, 300, 400)
    assert (found.recovery_steps, found.recovered) == brute_force(accuracy)


def test_a_run_that_does_not_recover_is_censored_at_its_end() -> None:
    found = recovery.measure(STEPS, dip(0.5, 0.0), 300, 400)
    assert (found.recovery_steps, found.recovered) == (590, False)
    assert found.ratio == 0 and np.isnan(found.half_life)
    short = dip(0.5, 0.01)
    short[-3:] = 0.5  # back, but not to stay where five in a row no longer fit
    assert recovery.measure(STEPS, short, 300, 400).recovered


def test_half_life_of_an_exponential() -> None:
    accuracy = np.where(STEPS < 400, 1.0, 1 - 0.5 * 0.5 ** ((STEPS - 400) / 80))
    assert recovery.measure(STEPS, accuracy, 300, 400).half_life == pytest.approx(80, rel=1e-3)


def test_a_claim_of_all_points_needs_the_whole_band() -> None:
    high = recovery.band(np.full(60, 0.995), 1000, jax.random.key(0))
    assert (high.low > 0.97).all() and (high.low < 0.995).all()
    one_low = np.full(60, 0.995)
    one_low[30] = 0.972  # its own 95 % interval ends below 0.97
    assert (recovery.band(one_low, 1000, jax.random.key(0)).low > 0.97).sum() == 59
    never_wrong = recovery.band(np.ones(60), 1000, jax.random.key(0))
    assert (never_wrong.low < 1).all() and (never_wrong.high == 1).all()


def test_equivalence_needs_enough_designs() -> None:
    assert recovery.equivalence_p((9800, 9800), (10_000, 10_000)) < 0.001
    assert recovery.equivalence_p((98, 98), (100, 100)) > 0.05
    assert recovery.equivalence_p((9800, 9600), (10_000, 10_000)) > 0.9


def test_bad_input_is_refused() -> None:
    with pytest.raises(errors.DataError, match="before step 0"):
        recovery.measure(STEPS[1:], np.ones(99), 0, 400)
    with pytest.raises(errors.DataError, match="after step 2000"):
        recovery.measure(STEPS, np.ones(100), 300, 2000)
