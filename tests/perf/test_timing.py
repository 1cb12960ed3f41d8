"""Timing in turns: who runs when, on what, and what is refused."""

import functools
import math

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.perf import timing
from ich_jax.perf.timing import Way


class Clock:
    """Seconds that pass only when someone works."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.calls = []
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)

    def way(self, name, seconds, cold=0.0, share=1.0):
        def run(prepared):
            self.now += seconds + (cold if name not in [n for n, _ in self.calls] else 0.0)
            self.calls.append((name, prepared))
            return prepared

        def prepare(case):
            self.now += 100.0  # is not timed
            return 10 * case

        return Way(prepare, run, share)


def test_both_get_each_case_once_in_changing_order(monkeypatch):
    clock, checked = Clock(monkeypatch), []
    ours, peer = clock.way("ours", 2.0, cold=7.0), clock.way("peer", 3.0, cold=1.0, share=0.25)
    found = timing.paired(ours, peer, range(11), rounds=5, check=lambda *all_: checked.append(all_))
    assert checked == [(case, 10 * case, 10 * case) for case in range(11)]
    assert [name for name, _ in clock.calls[:10]] == ["ours", "peer"] + ["peer"] * 2 + ["ours"] * 4 + ["peer"] * 2
    assert [given for name, given in clock.calls if name == "ours"] == [10 * case for case in range(11)]
    assert (found.ours_cold_s, found.peer_cold_s) == (9.0, 16.0)
    assert found.ours_s == timing.Range(2.0, 2.0, 2.0) and found.peer_s == timing.Range(12.0, 12.0, 12.0)
    assert found.speedup == timing.Range(6.0, 6.0, 6.0)


def test_range_and_ratio_are_over_rounds(monkeypatch):
    clock = Clock(monkeypatch)
    spent = iter([9.0, 1.0, 2.0, 3.0, 4.0, 10.0])

    def slower(_):
        clock.now += next(spent)

    found = timing.paired(clock.way("ours", 2.0), Way(lambda case: case, slower), range(6), rounds=5)
    assert found.peer_s == timing.Range(1.0, 3.0, 10.0) and found.speedup == timing.Range(0.5, 1.5, 5.0)


def test_alone(monkeypatch):
    found = timing.paired(Clock(monkeypatch).way("ours", 2.0), None, range(6), rounds=5)
    assert found.ours_s.median == 2.0 and (found.peer_cold_s, found.peer_s, found.speedup) == (None, None, None)


def test_no_time_without_equal_results():
    def check(case, ours, theirs):
        if not math.isclose(ours, theirs):
            raise errors.MismatchError(f"case {case}: {ours} against {theirs}")

    ours, peer = Way(float, lambda x: x), Way(float, lambda x: x + (x == 4))
    with pytest.raises(errors.MismatchError, match=r"case 4: 4\.0 against 5\.0"):
        timing.paired(ours, peer, range(6), rounds=5, check=check)


@pytest.mark.parametrize(
    ("cases", "rounds", "message"),
    [(5, 4, "at least 5"), (7, 5, "equally many for each of 5"), (1, 5, "got 1; expected one for the cold")],
)
def test_too_few_rounds_or_cases_are_refused(cases, rounds, message):
    def never(_):
        raise AssertionError

    with pytest.raises(errors.ConfigError, match=message):
        timing.paired(Way(never, never), None, range(cases), rounds=rounds)


def test_many_ways_in_turns(monkeypatch):
    clock = Clock(monkeypatch)
    ways = {name: clock.way(name, 1.0 + i) for i, name in enumerate("abc")}
    runs = [functools.partial(way.run, name) for name, way in ways.items()]
    found = timing.in_turns(runs, rounds=6, repeats=2)
    np.testing.assert_array_equal(found, np.tile([1.0, 2.0, 3.0], (6, 1)))
    rounds = ["".join(name for name, _ in clock.calls[i : i + 6 : 2]) for i in range(0, 36, 6)]
    assert rounds == ["abc", "cba", "bca", "acb", "cab", "bac"]
    places = [sum(order.index(name) for order in rounds) for name in "abc"]
    assert places == [6, 6, 6]  # each is as often early as late
    assert timing.over_rounds(found[:, 1] / found[:, 0]) == timing.Range(2.0, 2.0, 2.0)


def test_another_clock():
    ticks = iter(range(0, 1000, 3))
    found = timing.in_turns([lambda: None] * 2, rounds=5, clock=lambda: float(next(ticks)))
    np.testing.assert_array_equal(found, np.full((5, 2), 3.0))


def test_many_ways_need_rounds_too():
    with pytest.raises(errors.ConfigError, match="at least 5"):
        timing.in_turns([lambda: None], rounds=4)
    with pytest.raises(errors.ConfigError, match="repeats: got 0"):
        timing.in_turns([lambda: None], rounds=5, repeats=0)
