from collections import Counter

import numpy as np
import pytest

from ich_jax.perf.check import pairs
from ich_jax.perf.check.pairs import Interval


def rounds(seed: int, shift: float, *, restarts: int = 3, n: int = 30, noise: float = 0.01) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [list(shift + rng.normal(0.0, 0.001) + rng.normal(0.0, noise, n)) for _ in range(restarts)]


def test_each_side_stands_everywhere_equally_often() -> None:
    places: dict[int, Counter[int]] = {0: Counter(), 1: Counter(), 2: Counter()}
    for k in range(6):
        order = pairs.order(k)
        assert order == order[::-1]
        for place, side in enumerate(order):
            places[side][place] += 1
    assert all(set(counts.values()) == {2} and len(counts) == 6 for counts in places.values())


def test_an_even_drift_cancels_in_a_round() -> None:
    now = [0.0]

    def block() -> list[float]:
        now[0] += 1.0
        return [now[0]] * 4

    seconds = pairs.take_round(0, [block, block, block])
    assert seconds == [3.5, 3.5, 3.5]
    flat = pairs.take_round(0, [lambda: [1.0, 1.0, 9.0], lambda: [2.0, 2.0, 2.0], lambda: [3.0, 30.0, 3.0]])
    assert flat == [1.0, 2.0, 3.0], "calls that something else prolonged do not count"


def test_five_per_cent_are_slower_and_nothing_is_the_same() -> None:
    slower = pairs.judge(rounds(0, 0.05), rounds(1, 0.0), [0.01] * 90)
    assert slower.verdict == "SLOWER" and slower.change.low < np.expm1(0.05) < slower.change.high
    assert pairs.judge(rounds(2, -0.05), rounds(3, 0.0), [0.01]).verdict == "FASTER"
    same = pairs.judge(rounds(4, 0.0, noise=0.005), rounds(5, 0.0, noise=0.005), [0.01])
    assert same.verdict == "SAME" and same.margin == pytest.approx(0.01) and same.further_pairs == 0


def test_forty_runs_of_the_same_raise_no_alarm() -> None:
    alarms = sum(
        pairs.judge(rounds(100 + i, 0.0, n=12), rounds(200 + i, 0.0, n=12), [0.01]).verdict in ("SLOWER", "FASTER")
        for i in range(40)
    )
    assert alarms == 0


def test_a_noisy_control_widens_the_margin() -> None:
    noisy = pairs.judge(rounds(6, 0.03), [[0.04] * 30, [0.06] * 30, [0.05] * 30], [0.01])
    assert noisy.margin > 0.03 and noisy.verdict != "SLOWER"


def test_where_noise_is_large_nothing_is_shown_to_be_the_same() -> None:
    assert pairs.decide(Interval(-0.05, 0.0, 0.05), 0.10, 10) == ("UNDECIDED", 30)  # a band half as wide would do
    assert pairs.decide(Interval(-0.04, 0.0, 0.04), 0.05, 10) == ("SAME", 0)


def test_restarts_that_disagree_are_not_decided_by_many_rounds() -> None:
    """The noise between processes counts, however narrow each of them is."""
    found = pairs.interval([[0.00] * 1000, [0.05] * 1000, [0.10] * 1000])
    assert found.low < 0.0 < found.high and found.middle == pytest.approx(np.expm1(0.05))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Interval(0.02, 0.03, 0.04), ("SLOWER", 0)),
        (Interval(-0.04, -0.03, -0.02), ("FASTER", 0)),
        (Interval(-0.009, 0.0, 0.009), ("SAME", 0)),
        (Interval(0.0, 0.02, 0.04), ("UNDECIDED", 30)),  # half as wide would do: four times the pairs
        (Interval(-0.02, 0.0, 0.02), ("UNDECIDED", 30)),
    ],
)
def test_verdict_and_further_pairs(change: Interval, expected: tuple[str, int]) -> None:
    assert pairs.decide(change, 0.01, 10) == expected


def test_rounds_end_by_precision_whatever_they_show() -> None:
    for shift in (0.0, 0.05):
        assert pairs.precise(rounds(7, shift, noise=0.002), rounds(8, 0.0, noise=0.002))
        assert not pairs.precise(rounds(7, shift, n=5, noise=0.05), rounds(8, 0.0, n=5, noise=0.002))


def test_blocks_are_long_enough() -> None:
    assert pairs.calls_in_a_block(0.02) == 3 and pairs.calls_in_a_block(1.0) == 1
