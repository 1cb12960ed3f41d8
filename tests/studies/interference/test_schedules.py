import pytest

from ich_jax import errors
from ich_jax.studies.interference import schedules


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
