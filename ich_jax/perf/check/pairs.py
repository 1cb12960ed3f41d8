"""Times of two sides in turns, with a second base beside them, and what can be said of their ratio.

A round is a palindrome of blocks, A B C C B A, with the order of the three changing from round to round: each side is
as often early as late, and what drifts evenly cancels. C is a second process of the base: the interval of C over A is
what this machine, in these minutes, makes of no change at all.

Where code and data lie in memory is fixed while a process lives and moves times by per cents, so that processes are
started anew, and the intervals are those of a bootstrap that draws processes first and their rounds then. Rounds end
when the interval is narrow enough or time is up, never because a difference has become significant.

References:
    Kalibera and Jones, Rigorous benchmarking in reasonable time, 2013; Mytkowicz et al., Producing wrong data without
    doing anything obviously wrong!, 2009; Schuirmann, A comparison of the two one-sided tests procedure, 1987.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

LEAST_RESTARTS = 3
MARGIN = 0.01
"""Least relative difference that matters."""

LARGEST_MARGIN = 0.05
"""Where noise is larger than this, nothing can be shown to be the same."""

BLOCK_S = 0.05
"""A block is as many calls as take at least so long."""

_LEVEL = 0.95
_DRAWS = 2000


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """A relative difference in time.

    Attributes:
        low: Lower end of its 95 % interval.
        middle: Estimate.
        high: Upper end.
    """

    low: float
    middle: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of its length."""
        return (self.high - self.low) / 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """What pairs of blocks came to.

    Attributes:
        change: Time of the head over that of the base, less one.
        control: Time of the second base over that of the base, less one.
        margin: A smaller difference counts as none: 1 %, or what the control shows where that is more.
        seconds: Of one call of the base, median over rounds.
        pairs: Rounds, all restarts together.
        restarts: Times that the processes were started.
        verdict: SLOWER, FASTER, SAME or UNDECIDED.
        further_pairs: About how many more would decide; 0 where it is decided.
        ratios: Log ratios of the head, by restart.
    """

    change: Interval
    control: Interval
    margin: float
    seconds: float
    pairs: int
    restarts: int
    verdict: str
    further_pairs: int
    ratios: tuple[tuple[float, ...], ...]


def order(round_: int, sides: int = 3) -> list[int]:
    """Returns the order of the blocks of a round: a palindrome that begins with another side each time."""
    first = [(i + round_) % sides for i in range(sides)]
    if round_ // sides % 2:
        first.reverse()
    return [*first, *reversed(first)]


def take_round(round_: int, blocks: Sequence[Callable[[], Sequence[float]]]) -> list[float]:
    """Runs a round and returns the seconds of a call of each side: of its two blocks the mean of their lower quartiles.

    What else runs on a machine makes calls longer, never shorter: the lower quartile moves less than the mean.
    """
    seconds = [0.0] * len(blocks)
    for i in order(round_, len(blocks)):
        seconds[i] += float(np.quantile(blocks[i](), 0.25)) / 2.0
    return seconds


def interval(log_ratios: Sequence[Sequence[float]], *, seed: int = 0) -> Interval:
    """Bootstraps the mean over restarts of the median over rounds.

    Args:
        log_ratios: Of each restart those of its rounds.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    rows = [np.asarray(row, float) for row in log_ratios if len(row)]
    means = np.empty((_DRAWS, len(rows)))
    for i, row in enumerate(rows):  # medians of resampled rounds of each restart
        means[:, i] = np.median(row[rng.integers(0, len(row), (_DRAWS, len(row)))], axis=1)
    drawn = rng.integers(0, len(rows), (_DRAWS, len(rows)))
    totals = np.take_along_axis(means, drawn, axis=1).mean(axis=1)
    # A mean of r restarts that are drawn with replacement varies by (r - 1) / r too little.
    centre = float(np.mean([np.median(row) for row in rows]))
    spread = math.sqrt(len(rows) / max(1, len(rows) - 1))
    tail = (1.0 - _LEVEL) / 2.0
    low, high = (centre + spread * (float(q) - centre) for q in np.quantile(totals, [tail, 1.0 - tail]))
    return Interval(math.expm1(low), math.expm1(centre), math.expm1(high))


def judge(change: Sequence[Sequence[float]], control: Sequence[Sequence[float]], seconds: Sequence[float]) -> Times:
    """Says what rounds show.

    Args:
        change: Log ratios of head and base, by restart.
        control: Those of the second base and the base.
        seconds: Of one call of the base, one for each round.
    """
    measured, noise = interval(change), interval(control, seed=1)
    margin = max(MARGIN, abs(noise.low), abs(noise.high))
    n = sum(map(len, change))
    verdict, further = decide(measured, margin, n)
    return Times(
        change=measured,
        control=noise,
        margin=margin,
        seconds=float(np.median(seconds)),
        pairs=n,
        restarts=len(change),
        verdict=verdict,
        further_pairs=further,
        ratios=tuple(tuple(map(float, row)) for row in change),
    )


def decide(change: Interval, margin: float, n: int) -> tuple[str, int]:
    """Returns the verdict of an interval, and about how many further pairs would decide where it does not.

    Args:
        change: Relative difference.
        margin: What counts as none.
        n: Pairs that it rests on.
    """
    if change.low > margin:
        return "SLOWER", 0
    if change.high < -margin:
        return "FASTER", 0
    if -margin <= change.low and change.high <= margin <= LARGEST_MARGIN:
        return "SAME", 0
    # The interval shrinks with the root of n: it has to clear the margin, or to fit inside of it.
    room = max(abs(abs(change.middle) - margin), margin / 20.0)
    shrink = max(change.half_width / room, margin / LARGEST_MARGIN)
    return "UNDECIDED", max(1, math.ceil(n * (shrink**2 - 1.0)))


def precise(change: Sequence[Sequence[float]], control: Sequence[Sequence[float]]) -> bool:
    """Whether the interval is as narrow as the verdict needs, whatever it says."""
    noise = interval(control, seed=1)
    margin = max(MARGIN, abs(noise.low), abs(noise.high))
    return interval(change).half_width <= margin / 2.0


def log_ratio(seconds: float, reference: float) -> float:
    """Returns the logarithm of a ratio of times."""
    return math.log(seconds / reference)


def calls_in_a_block(call_s: float) -> int:
    """Returns how many calls a block needs."""
    return max(1, math.ceil(BLOCK_S / max(call_s, 1e-7)))
