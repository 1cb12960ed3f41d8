"""Accuracy over a training run with a window of interference: the drop, and whether and when it recovers.

References:
    Bruneau et al. (2003), A framework to quantitatively assess and enhance the seismic resilience of communities (loss
    area).
"""

import dataclasses

import jax
import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from ich_jax import errors
from ich_jax.uncertainty import float64, intervals
from ich_jax.uncertainty.intervals import Interval


@dataclasses.dataclass(frozen=True)
class Recovery:
    """One curve of accuracy over a run with a window of interference.

    Attributes:
        before: Mean of the last ten evaluations before the window.
        minimum: Least accuracy from the window's start on.
        minimum_step: Step at which that is.
        drop: `before` minus `minimum`.
        retention: `minimum` divided by `before`.
        loss_area: Mean shortfall below `before` from the window's start to the end (0 is best).
        resilience: 1 minus `loss_area` divided by `before`.
        recovery_steps: From the window's end to the first evaluation from which accuracy stays within the margin of
            `before`, five evaluations in a row; if that never happens, from the window's end to the last evaluation.
        recovered: Whether that happens; otherwise `recovery_steps` is censored.
        half_life: Steps in which the shortfall after the window halves (exponential fit); NaN if it does not shrink.
        residual: `before` minus the mean of the last ten evaluations.
        ratio: Share of the drop that the last ten evaluations have recovered; NaN without a drop.
    """

    before: float
    minimum: float
    minimum_step: int
    drop: float
    retention: float
    loss_area: float
    resilience: float
    recovery_steps: int
    recovered: bool
    half_life: float
    residual: float
    ratio: float


N_BEFORE, IN_A_ROW, MARGIN = 10, 5, 0.01


def measure(
    steps: npt.ArrayLike, accuracy: npt.ArrayLike, start: int, stop: int, *, margin: float = MARGIN
) -> Recovery:
    """Measures drop and recovery.

    Args:
        steps: `[K]` steps of the evaluations, increasing.
        accuracy: `[K]`.
        start: First step of the window.
        stop: First step after it.
        margin: Largest shortfall below `before` that counts as recovered.

    Raises:
        DataError: There is no evaluation before or after the window, or steps do not increase.
    """
    t, a = np.asarray(steps, np.int64), float64.finite(accuracy, "recovery: accuracy", ndim=1)
    earlier, later, after = t <= start, t > start, t >= stop
    if t.shape != a.shape or (np.diff(t) <= 0).any() or not earlier.any() or not after.any():
        raise errors.DataError(
            f"recovery: expected increasing steps with evaluations before step {start} and after step {stop}; got "
            f"{len(t)} steps{f' from {t[0]} to {t[-1]}' if len(t) else ''} and {len(a)} accuracies."
        )
    before = float(a[earlier][-N_BEFORE:].mean())
    lowest = int(np.argmin(np.where(later, a, np.inf)))
    shortfall = np.maximum(0.0, before - a)
    gaps = np.diff(t, prepend=t[0])
    loss = float((shortfall * gaps)[later].sum() / gaps[later].sum())
    within = a >= before - margin
    first = next((i for i in np.flatnonzero(after) if i + IN_A_ROW <= len(t) and within[i : i + IN_A_ROW].all()), None)
    last = float(a[-N_BEFORE:].mean())
    drop = before - float(a[lowest])
    return Recovery(
        before=before,
        minimum=float(a[lowest]),
        minimum_step=int(t[lowest]),
        drop=drop,
        retention=float(a[lowest] / before) if before > 0 else float("nan"),
        loss_area=loss,
        resilience=1 - loss / before if before > 0 else float("nan"),
        recovery_steps=int(t[-1 if first is None else first]) - stop,
        recovered=first is not None,
        half_life=_half_life(t[after] - stop, a[after]),
        residual=before - last,
        ratio=(last - float(a[lowest])) / drop if drop > 0 else float("nan"),
    )


def _half_life(t: npt.NDArray[np.int64], a: float64.Array) -> float:
    """Half-life of `end - (end - start) exp(-t / tau)`; NaN where the curve does not rise towards an end."""
    if len(t) < 4 or a[-3:].mean() <= a[0]:
        return float("nan")
    span = max(float(t[-1] - t[0]), 1.0)

    def residuals(theta: float64.Array) -> float64.Array:
        end, start, log_tau = theta
        return end - (end - start) * np.exp(-(t - t[0]) / np.exp(log_tau)) - a

    fit = optimize.least_squares(residuals, [a[-3:].mean(), a[0], np.log(span / 5)])
    tau = float(np.exp(fit.x[2]))
    return float(np.log(2) * tau) if fit.x[0] > fit.x[1] and tau < 10 * span else float("nan")


def band(accuracy: npt.ArrayLike, n: int, key: jax.Array, *, confidence: float = 0.95) -> Interval:
    """Returns a simultaneous (sup-t) band of accuracy over time: a claim about all points needs the whole band.

    Args:
        accuracy: `[K]` shares of n designs, other designs at each point.
        n: Designs at each point.
        key: Random key of the band.
        confidence: Probability that the band covers all points.
    """
    a = float64.finite(accuracy, "band: accuracy", ndim=1)
    smoothed = (a * n + 2) / (n + 4)  # Agresti-Coull: a share of exactly 1 would have no variance
    sup_t = intervals.sup_t(smoothed, np.diag(smoothed * (1 - smoothed) / (n + 4)), key, confidence=confidence)
    return Interval(np.clip(sup_t.low, 0.0, a), np.clip(sup_t.high, a, 1.0))


def equivalence_p(successes: tuple[int, int], n: tuple[int, int], *, margin: float = MARGIN) -> float:
    """Returns the p of two one-sided tests that two shares differ by the margin or more; small: they are equivalent.

    References:
        Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach.
    """
    p = [(k + 1) / (m + 2) for k, m in zip(successes, n, strict=True)]
    se = float(np.sqrt(sum(q * (1 - q) / m for q, m in zip(p, n, strict=True))))
    difference = successes[0] / n[0] - successes[1] / n[1]
    return float(max(stats.norm.sf((difference + margin) / se), stats.norm.cdf((difference - margin) / se)))
