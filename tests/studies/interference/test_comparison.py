import numpy as np
import pytest

from ich_jax import errors
from ich_jax.studies.interference import comparison


def test_interference_error_against_a_reference() -> None:
    ours = {"a": np.array([1, 0.9, 0.9, 0.9, 0.9, 0.9]), "b": np.array([1, 1, 1, 1, 1, 0.8])}
    plain = {"a": np.array([1, 0.8, 0.8, 0.8, 0.8, 0.8]), "b": np.array([1, 1, 1, 1, 1, 0.95])}
    found = comparison.interference_error(ours, plain)
    assert found.each == pytest.approx({"a": 50, "b": 400}) and found.mie == pytest.approx(225)
    assert found.relative_each["a"] == pytest.approx(50) and found.relative_each["b"] is None  # rises by 0.01 only
    assert found.relative_mie == pytest.approx(100 * 0.7 / 1.05)
    weak = {kind: a - 0.2 for kind, a in plain.items()}
    withheld = comparison.interference_error(ours, weak)
    assert withheld.mie is None and "0.800" in withheld.withheld
    with pytest.raises(errors.DataError, match="kinds differ: \\['b'\\]"):
        comparison.interference_error(ours, {"a": plain["a"]})


def test_two_sweeps_are_compared_with_intervals() -> None:
    """A reference that loses twice as many designs: errors are half of its own, and the bootstrap covers that."""
    rng = np.random.default_rng(0)
    draws = rng.random((2, 1, 2, 400))
    lost = np.linspace(0, 0.25, 6)[:, None, None]
    ours, theirs = {"a": draws >= lost, "b": draws >= lost}, {"a": draws >= 2 * lost, "b": draws >= 2 * lost}
    found = comparison.compare(ours, theirs, n_resamples=199)
    assert found.mie == pytest.approx(50, abs=3) and found.relative_mie == pytest.approx(50, abs=3)
    for intervals in (found.interval, found.relative_interval):
        assert intervals.keys() == {"a", "b", comparison.MEAN}
        ends = intervals[comparison.MEAN]
        assert ends.low < 50 < ends.high and 1 < ends.high - ends.low < 12
    same = comparison.compare(ours, ours, n_resamples=49).interval["a"]
    assert same.low == same.high == 100  # resamples are the same on both sides
    weak = comparison.compare(ours, {kind: ~c for kind, c in theirs.items()}, n_resamples=49)
    assert weak.mie is None and "less than 0.9" in weak.withheld and not weak.interval
    with pytest.raises(errors.DataError, match="other seeds, products or numbers"):
        comparison.compare(ours, {kind: c[:1] for kind, c in theirs.items()})
