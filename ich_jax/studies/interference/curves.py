"""Accuracy over severities of interference.

Accuracy is the share of designs that an inspector assigns to the requested product. Severities are coupled: they hold
the same designs under increasing interference, so differences between them are paired.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64, intervals, multiplicity
from ich_jax.uncertainty.intervals import Interval

Correct = npt.NDArray[np.bool_]
"""Whether each design was read as the requested product."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Accuracy of one product under one kind of interference, severities 0 to 5.

    Attributes:
        n: Designs at each severity, all sampling seeds together.
        accuracy: `[6]`.
        interval: Wilson intervals, `[6]` each.
        by_seed: `[seeds, 6]`.
        mean: Mean over severities 1 to 5.
        area: Area under the curve over severities 0 to 5 (trapezoids), divided by 5: 1 is perfect.
        minimum: Least accuracy of severities 1 to 5.
        minimum_corrected: Minimum minus its bias: the least of several noisy shares lies below the least true share.
        drop: Accuracy at severity 0 minus the minimum.
        retention: Minimum divided by accuracy at severity 0.
        breakdown: Severity at which accuracy falls below nine tenths of severity 0, interpolated; infinite if never.
        rises: Number of severities at which accuracy is higher than at the one before.
        mcnemar_p: `[5]` exact McNemar tests of severities 1 to 5 against 0, adjusted by Holm.
        trend: Change in the log odds of a correct reading per severity (logistic regression).
        trend_p: Two-sided p of the trend, with errors clustered by design.
    """

    n: int
    accuracy: float64.Array
    interval: Interval
    by_seed: float64.Array
    mean: float
    area: float
    minimum: float
    minimum_corrected: float
    drop: float
    retention: float
    breakdown: float
    rises: int
    mcnemar_p: float64.Array
    trend: float
    trend_p: float


def curve(correct: Correct, *, seed: int = 0, n_resamples: int = 2000, confidence: float = 0.95) -> Curve:
    """Summarises the readings of one product under one kind.

    Args:
        correct: `[seeds, 6, n]`, whether each design was read right at severities 0 to 5; the same n designs at each.
        seed: Seed of the bootstrap behind the corrected minimum.
        n_resamples: Bootstrap samples.
        confidence: Level of the intervals.

    Raises:
        DataError: The shape is another, or there are no designs.
    """
    correct = np.asarray(correct, bool)
    if correct.ndim != 3 or correct.shape[1] != 6 or not correct.size:
        raise errors.DataError(f"curve: expected [seeds, 6, n] with designs in it, got {list(correct.shape)}.")
    pooled = correct.transpose(1, 0, 2).reshape(6, -1)  # [6, N]
    n = pooled.shape[1]
    accuracy = pooled.mean(axis=1)
    minimum = float(accuracy[1:].min())
    rng = np.random.default_rng(seed)
    resampled = np.stack([pooled[1:, rng.integers(0, n, n)].mean(axis=1).min() for _ in range(n_resamples)])
    p = np.array([mcnemar(pooled[0], pooled[s]) for s in range(1, 6)])
    slope, slope_p = _trend(pooled)
    return Curve(
        n=n,
        accuracy=accuracy,
        interval=intervals.wilson(pooled.sum(axis=1), np.full(6, n), confidence=confidence),
        by_seed=correct.mean(axis=2),
        mean=float(accuracy[1:].mean()),
        area=float(np.trapezoid(accuracy) / 5),
        minimum=minimum,
        minimum_corrected=float(min(1.0, 2 * minimum - resampled.mean())),
        drop=float(accuracy[0] - minimum),
        retention=float(minimum / accuracy[0]) if accuracy[0] > 0 else float("nan"),
        breakdown=breakdown(accuracy),
        rises=int((np.diff(accuracy) > 0).sum()),
        mcnemar_p=multiplicity.holm(p),
        trend=slope,
        trend_p=slope_p,
    )


def breakdown(accuracy: npt.ArrayLike, share: float = 0.9) -> float:
    """Returns the severity at which accuracy first falls below `share` of severity 0, interpolated; else infinity."""
    a = np.asarray(accuracy, float)
    level = share * a[0]
    for s in range(1, len(a)):
        if a[s] < level:
            return float(s - 1 + (a[s - 1] - level) / (a[s - 1] - a[s]))
    return float("inf")


def mcnemar(before: Correct, after: Correct) -> float:
    """Returns the exact two-sided p of McNemar's test that paired readings are equally often correct."""
    worse, better = int((before & ~after).sum()), int((~before & after).sum())
    return float(stats.binomtest(worse, worse + better).pvalue) if worse + better else 1.0


def _trend(pooled: Correct) -> tuple[float, float]:
    """Slope of a logistic regression on severity and its p; NaN if all readings agree or a severity separates them."""
    if pooled.all() or not pooled.any():
        return float("nan"), float("nan")
    severity = np.arange(6.0)
    x = np.stack([np.ones(6), severity], axis=1)
    successes, n = pooled.sum(axis=1), pooled.shape[1]
    beta = np.array([np.log((pooled.mean() + 1e-9) / (1 - pooled.mean() + 1e-9)), 0.0])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-(x @ beta)))
        information = (x * (n * chance * (1 - chance))[:, None]).T @ x
        if np.linalg.cond(information) > 1e10:
            return float("nan"), float("nan")
        step = np.linalg.solve(information, x.T @ (successes - n * chance))
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    chance = 1 / (1 + np.exp(-(x @ beta)))
    scores = (pooled.T - chance) @ x  # [N, 2], summed over the severities of a design
    bread = np.linalg.inv(information)
    variance = (bread @ (scores.T @ scores) @ bread)[1, 1]
    if variance <= 0:
        return float(beta[1]), float("nan")
    return float(beta[1]), float(2 * stats.norm.sf(abs(beta[1]) / np.sqrt(variance)))
