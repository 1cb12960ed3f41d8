"""Times of two sides measured in turns beside a second base, and inference on their ratio.

A round is a palindrome of blocks, A B C C B A, with the order of the three changing from round to round: each side is
early as often as late, and linear drift cancels. C is a second process of the base: the interval of C over A shows the
apparent change that this machine currently produces without any change of the code.

The placement of code and data in memory is fixed for the life of a process and changes times by several per cent.
Processes are therefore restarted, and intervals come from a bootstrap that draws first processes and then their rounds.
Rounds end when the interval is narrow enough or time is up, never because a difference has become significant.

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
"""Smallest relative difference that matters."""

LARGEST_MARGIN = 0.05
"""Under noise above this margin, no times can be shown to be the same."""

BLOCK_S = 0.05
"""Smallest duration of a block of calls in seconds."""

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
    """Result of paired timing.

    Attributes:
        change: Time of the head divided by that of the base, minus one.
        control: Time of the second base divided by that of the base, minus one.
        margin: Smaller differences count as none: 1 %, or the largest difference of the control if that is more.
        seconds: Time of one call of the base, median over rounds.
        pairs: Number of rounds over all restarts.
        restarts: Number of times that the processes were started.
        verdict: SLOWER, FASTER, SAME or UNDECIDED.
        further_pairs: Approximate number of further pairs needed for a decision; 0 once decided.
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
    """Returns the order of the blocks of a round: a palindrome whose first side changes from round to round."""
    first = [(i + round_) % sides for i in range(sides)]
    if round_ // sides % 2:
        first.reverse()
    return [*first, *reversed(first)]


def take_round(round_: int, blocks: Sequence[Callable[[], Sequence[float]]]) -> list[float]:
    """Runs a round and returns the seconds of a call for each side: the mean of the lower quartiles of its two blocks.

    Other work on the machine makes calls longer, never shorter, so that it moves the lower quartile less than the mean.
    """
    seconds = [0.0] * len(blocks)
    for i in order(round_, len(blocks)):
        seconds[i] += float(np.quantile(blocks[i](), 0.25)) / 2.0
    return seconds


def interval(log_ratios: Sequence[Sequence[float]], *, seed: int = 0) -> Interval:
    """Bootstraps the mean over restarts of the median over rounds.

    Args:
        log_ratios: Log ratios of the rounds of each restart.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    rows = [np.asarray(row, float) for row in log_ratios if len(row)]
    means = np.empty((_DRAWS, len(rows)))
    for i, row in enumerate(rows):  # medians of resampled rounds of each restart
        means[:, i] = np.median(row[rng.integers(0, len(row), (_DRAWS, len(row)))], axis=1)
    drawn = rng.integers(0, len(rows), (_DRAWS, len(rows)))
    totals = np.take_along_axis(means, drawn, axis=1).mean(axis=1)
    # The variance of a mean of r restarts drawn with replacement is too small by the factor (r - 1) / r.
    centre = float(np.mean([np.median(row) for row in rows]))
    spread = math.sqrt(len(rows) / max(1, len(rows) - 1))
    tail = (1.0 - _LEVEL) / 2.0
    low, high = (centre + spread * (float(q) - centre) for q in np.quantile(totals, [tail, 1.0 - tail]))
    return Interval(math.expm1(low), math.expm1(centre), math.expm1(high))


def judge(change: Sequence[Sequence[float]], control: Sequence[Sequence[float]], seconds: Sequence[float]) -> Times:
    """Summarises rounds and returns their verdict.

    Args:
        change: Log ratios of head and base, by restart.
        control: Log ratios of the second base and the base.
        seconds: Time of one call of the base in each round.
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
    """Returns the verdict of an interval, and the approximate number of further pairs needed if it is undecided.

    Args:
        change: Relative difference.
        margin: Largest difference that counts as none.
        n: Number of pairs behind the interval.
    """
    if change.low > margin:
        return "SLOWER", 0
    if change.high < -margin:
        return "FASTER", 0
    if -margin <= change.low and change.high <= margin <= LARGEST_MARGIN:
        return "SAME", 0
    # The width falls with the square root of n: the interval has to clear the margin, or to fit inside it.
    room = max(abs(abs(change.middle) - margin), margin / 20.0)
    shrink = max(change.half_width / room, margin / LARGEST_MARGIN)
    return "UNDECIDED", max(1, math.ceil(n * (shrink**2 - 1.0)))


def precise(change: Sequence[Sequence[float]], control: Sequence[Sequence[float]]) -> bool:
    """Returns whether the interval is narrow enough for a verdict, whatever that verdict is."""
    noise = interval(control, seed=1)
    margin = max(MARGIN, abs(noise.low), abs(noise.high))
    return interval(change).half_width <= margin / 2.0


def log_ratio(seconds: float, reference: float) -> float:
    """Returns the logarithm of a ratio of times."""
    return math.log(seconds / reference)


def calls_in_a_block(call_s: float) -> int:
    """Returns the number of calls in a block."""
    return max(1, math.ceil(BLOCK_S / max(call_s, 1e-7)))
