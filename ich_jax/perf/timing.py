"""Times two ways to do the same work in turns, and compares their results before their times.

Other work on a machine comes and goes; a ratio of two times is only worth something if both were taken within seconds
of each other, each as often before the other as after it. A first call compiles, imports and fills caches: it is
reported apart.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ich_jax import errors

LEAST_ROUNDS = 5
Case = TypeVar("Case")


@dataclasses.dataclass(frozen=True, slots=True)
class Way(Generic[Case]):
    """One way to do the work.

    Attributes:
        prepare: From the data of a case to what `run` takes; not timed.
        run: The work. It returns when the result is there, not when it has been asked for.
        share: Share of the work that `run` does, for ways that are too slow for the whole; times are divided by it.
    """

    prepare: Callable[[Case], Any]
    run: Callable[[Any], Any]
    share: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """Seconds, or a ratio, over the rounds.

    Attributes:
        low: Least.
        median: Median.
        high: Largest.
    """

    low: float
    median: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class Paired:
    """Times of two ways.

    Attributes:
        ours_cold_s: First call in this process, compilation included.
        peer_cold_s: The same of the peer; None without one.
        ours_s: Later calls.
        peer_s: Later calls of the peer; None without one.
        speedup: Time of the peer over ours, round by round; None without one.
    """

    ours_cold_s: float
    peer_cold_s: float | None
    ours_s: Range
    peer_s: Range | None
    speedup: Range | None


def paired(
    ours: Way[Case],
    peer: Way[Case] | None,
    cases: Sequence[Case],
    *,
    rounds: int,
    check: Callable[[Case, Any, Any], None] = lambda *_: None,
) -> Paired:
    """Times both ways, the order changing from round to round.

    Args:
        ours: Our way.
        peer: The other way; None: ours is timed alone.
        cases: Data, different in each call: one case for the cold calls, then equally many for each round.
        rounds: Rounds.
        check: Takes a case and both results, and raises if these are not equal; called on every case before any time
            is returned.

    Raises:
        ConfigError: Fewer than five rounds, or cases that cannot be shared out.
        MismatchError: From `check`.
    """
    _check_rounds(rounds)
    repeats, left = divmod(len(cases) - 1, rounds)
    if repeats < 1 or left:
        raise errors.ConfigError(
            f"cases: got {len(cases)}; expected one for the cold calls and equally many for each of {rounds} rounds."
        )
    sides = [ours] if peer is None else [ours, peer]
    seconds = np.zeros((len(sides), 1 + rounds))
    for k in range(1 + rounds):
        chosen = cases[:1] if k == 0 else cases[1 + (k - 1) * repeats : 1 + k * repeats]
        results: list[list[Any]] = [[] for _ in sides]
        order = range(len(sides)) if k % 2 == 0 else reversed(range(len(sides)))
        for i in order:
            prepared = [sides[i].prepare(case) for case in chosen]
            started = time.perf_counter()
            results[i] = [sides[i].run(case) for case in prepared]
            seconds[i, k] = (time.perf_counter() - started) / len(chosen) / sides[i].share
        if peer is not None:
            for case, our_result, peer_result in zip(chosen, *results, strict=True):
                check(case, our_result, peer_result)
    cold, warm = seconds[:, 0], seconds[:, 1:]
    return Paired(
        ours_cold_s=float(cold[0]),
        peer_cold_s=None if peer is None else float(cold[1]),
        ours_s=over_rounds(warm[0]),
        peer_s=None if peer is None else over_rounds(warm[1]),
        speedup=None if peer is None else over_rounds(warm[1] / warm[0]),
    )


def in_turns(
    runs: Sequence[Callable[[], Any]],
    *,
    rounds: int,
    repeats: int = 1,
    clock: Callable[[], float] | None = None,
) -> np.ndarray:
    """Times any number of ways in turns: each round runs all of them, and each is as often early as late.

    Args:
        runs: The ways, compiled and warm. Each returns when its work is done.
        rounds: Rounds.
        repeats: Calls of each way in a round, one after the other; their time is averaged.
        clock: Returns the time; None: `time.perf_counter`. `time.process_time` leaves out the work of others on a
            shared core; it counts all threads of this process, so it is for work on one core.

    Returns:
        `[rounds, ways]` seconds of one call.

    Raises:
        ConfigError: Fewer than five rounds.
    """
    clock = clock or time.perf_counter
    _check_rounds(rounds)
    errors.require_within(repeats, 1, 10**9, "repeats", whole=True)
    seconds = np.zeros((rounds, len(runs)))
    for k in range(rounds):
        order = [(i + k // 2) % len(runs) for i in range(len(runs))]
        for i in order if k % 2 == 0 else reversed(order):
            started = clock()
            for _ in range(repeats):
                runs[i]()
            seconds[k, i] = (clock() - started) / repeats
    return seconds


def over_rounds(values: np.ndarray) -> Range:
    """Returns least, median and largest of the times, or of the ratios, of the rounds.

    The range over n rounds holds the median of such rounds with probability 1 - 2^(1 - n): 0.94 for 5, 0.98 for 7.
    """
    return Range(float(values.min()), float(np.median(values)), float(values.max()))


def _check_rounds(rounds: int) -> None:
    if rounds < LEAST_ROUNDS or rounds != int(rounds):
        raise errors.ConfigError(
            f"rounds: got {rounds!r}; a ratio needs a whole number of rounds, at least {LEAST_ROUNDS}, to have a range."
        )
