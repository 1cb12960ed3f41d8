"""What interference does, in numbers: accuracy over severities, and over time.

Accuracy is the share of designs that an inspector assigns to the product that was asked for. Severities are coupled:
they hold the same designs under more and more interference, so differences between them are paired.

References:
    Hendrycks and Dietterich (2019), section 3 (corruption error); Bruneau et al. (2003), A framework to quantitatively
    assess and enhance the seismic resilience of communities (loss area).
"""

import dataclasses
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from ich_jax import errors
from ich_jax.uncertainty import bootstrap, float64, intervals, multiplicity
from ich_jax.uncertainty.intervals import Interval

Correct = npt.NDArray[np.bool_]

# ---------------------------------------------------------------- over severities


@dataclasses.dataclass(frozen=True)
class Curve:
    """Accuracy of one product under one kind of interference, severities 0 to 5.

    Attributes:
        n: Designs at each severity, all sampling seeds together.
        accuracy: `[6]`.
        interval: Wilson intervals, `[6]` each.
        by_seed: `[seeds, 6]`.
        mean: Mean over severities 1 to 5.
        area: Area under the curve over severities 0 to 5 (trapezoids), over 5: 1 is perfect.
        minimum: Least accuracy of severities 1 to 5.
        minimum_corrected: The same less its bias: the least of several noisy shares lies below the least share.
        drop: Accuracy at severity 0 less the minimum.
        retention: Minimum over accuracy at severity 0.
        breakdown: Severity at which accuracy falls below nine tenths of severity 0, interpolated; infinite if never.
        rises: How often accuracy is higher at the next severity.
        mcnemar_p: `[5]` exact McNemar tests of severities 1 to 5 against 0, adjusted by Holm.
        trend: Change of log odds of a correct reading per severity (logistic regression).
        trend_p: Two-sided, with errors clustered by design.
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
    """Summarises one curve.

    Args:
        correct: `[seeds, 6, n]`, whether each design was read right at severities 0 to 5; the same n designs at each.
        seed: Of the bootstrap behind the corrected minimum.
        n_resamples: Of that bootstrap.
        confidence: Of the intervals.

    Raises:
        DataError: Another shape, or no designs.
    """
    correct = np.asarray(correct, bool)
    if correct.ndim != 3 or correct.shape[1] != 6 or not correct.size:
        raise errors.DataError(f"curve: expected [seeds, 6, n] with designs in it, got {list(correct.shape)}.")
    pooled = correct.transpose(1, 0, 2).reshape(6, -1)  # [6, N]
    n = pooled.shape[1]
    accuracy = pooled.mean(axis=1)
    least = float(accuracy[1:].min())
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
        minimum=least,
        minimum_corrected=float(min(1.0, 2 * least - resampled.mean())),
        drop=float(accuracy[0] - least),
        retention=float(least / accuracy[0]) if accuracy[0] > 0 else float("nan"),
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
    """Returns the exact two-sided p of McNemar's test that two sets of paired readings are right equally often."""
    worse, better = int((before & ~after).sum()), int((~before & after).sum())
    return float(stats.binomtest(worse, worse + better).pvalue) if worse + better else 1.0


def _trend(pooled: Correct) -> tuple[float, float]:
    """Slope of a logistic regression on severity and its p; NaN where all are alike or a severity splits them."""
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


CLAIM = {"book": 0.97, "earrings": 0.9299}
"""Least accuracies that the paper reports (section 3.2.1, Figure 5)."""
LEAST_REFERENCE = 0.9
"""Accuracy at severity 0 below which a generator is no reference."""
MEAN = "mean"
"""Name of the figure over all kinds among intervals by kind."""
_LEAST_RISE = 0.02


@dataclasses.dataclass(frozen=True)
class InterferenceError:
    """Error relative to a reference generator, in percent: below 100 is better than the reference.

    Attributes:
        each: Error summed over severities over the reference's, by kind; None where the reference makes no error.
        mie: Their mean; None if withheld.
        relative_each: The same of the rises above severity 0; None where the reference rises by at most 0.02.
        relative_mie: Rises summed over kinds and severities over the reference's; None if withheld.
        withheld: Why there are no figures; empty if there are.
        interval: Bootstrap interval of each of `each`, and of `mie` under `MEAN`; none where there is no figure.
        relative_interval: The same of `relative_each` and `relative_mie`.
    """

    each: dict[str, float | None]
    mie: float | None
    relative_each: dict[str, float | None]
    relative_mie: float | None
    withheld: str
    interval: dict[str, Interval] = dataclasses.field(default_factory=dict)
    relative_interval: dict[str, Interval] = dataclasses.field(default_factory=dict)


def withheld(why: str) -> InterferenceError:
    """Returns the error of a sweep that cannot be compared, with the reason."""
    return InterferenceError({}, None, {}, None, why)


def interference_error(
    accuracy: dict[str, float64.Array],
    reference: dict[str, float64.Array],
    *,
    least_reference: float = LEAST_REFERENCE,
) -> InterferenceError:
    """Compares accuracies `[6]` by kind with those of a reference generator.

    Raises:
        DataError: Other kinds, or none.
    """
    if not accuracy or accuracy.keys() != reference.keys():
        raise errors.DataError(
            f"interference_error: kinds differ: {sorted(accuracy.keys() ^ reference.keys())}; sweep both generators "
            "with the same config."
        )
    clean = float(np.mean([a[0] for a in reference.values()]))
    if clean < least_reference:
        why = f"the reference reads {clean:.3f} right without interference, less than {least_reference}"
        return withheld(why)
    ours = {kind: 1 - np.asarray(a, float) for kind, a in accuracy.items()}
    theirs = {kind: 1 - np.asarray(a, float) for kind, a in reference.items()}
    each: dict[str, float | None] = {}
    relative: dict[str, float | None] = {}
    for kind in ours:
        own, other = ours[kind][1:].sum(), theirs[kind][1:].sum()
        each[kind] = 100 * float(own / other) if other > 0 else None
        rise, other_rise = own - 5 * ours[kind][0], other - 5 * theirs[kind][0]
        relative[kind] = 100 * float(rise / other_rise) if other_rise / 5 > _LEAST_RISE else None
    known = [value for value in each.values() if value is not None]
    rises = [sum(float(e[1:].sum() - 5 * e[0]) for e in errors_of.values()) for errors_of in (ours, theirs)]
    pooled = 100 * rises[0] / rises[1] if rises[1] / (5 * len(ours)) > _LEAST_RISE else None
    return InterferenceError(each, float(np.mean(known)) if known else None, relative, pooled, "")


def compare(
    ours: dict[str, Correct],
    theirs: dict[str, Correct],
    *,
    seed: int = 0,
    n_resamples: int = 999,
    confidence: float = 0.95,
) -> InterferenceError:
    """Compares a sweep with that of a reference generator, with intervals.

    Args:
        ours: `[seeds, 6, products, n]` by kind, as `sweep.correct` reads it.
        theirs: The same kinds, seeds, products and designs by the reference.
        seed: Of the bootstrap. It draws designs within seed and product, the same ones for all kinds, severities and
            both generators: they share briefs and noise.
        n_resamples: Of the bootstrap.
        confidence: Of the intervals (percentiles).

    Raises:
        DataError: Other kinds or sizes, or none.
    """
    if any(ours[kind].shape != theirs[kind].shape for kind in ours.keys() & theirs.keys()):
        raise errors.DataError("compare: the reference was swept with other seeds, products or numbers of designs.")
    found = interference_error({k: _accuracy(c) for k, c in ours.items()}, {k: _accuracy(c) for k, c in theirs.items()})
    if found.withheld:
        return found
    kinds = list(ours)
    both = [sides[kind] for sides in (ours, theirs) for kind in kinds]
    rows = np.stack([c.transpose(0, 2, 3, 1).reshape(-1, 6) for c in both], axis=1)  # [designs, 2 kinds, 6]
    seeds, _, products, n = both[0].shape
    drawn = bootstrap.iid(
        jax.random.key(seed),
        bootstrap.weighted_mean,
        rows.astype(np.float64),
        n_resamples=n_resamples,
        strata=np.repeat(np.arange(seeds * products), n),
    ).replicates
    samples: dict[str, list[float]] = {}
    for replicate in drawn:
        own, other = (dict(zip(kinds, part, strict=True)) for part in np.split(replicate, 2))
        one = interference_error(own, other, least_reference=0.0)
        for prefix, values in (
            ("", one.each | {MEAN: one.mie}),
            ("relative ", one.relative_each | {MEAN: one.relative_mie}),
        ):
            for name, value in values.items():
                if value is not None:
                    samples.setdefault(prefix + name, []).append(value)

    def limits(prefix: str, figures: dict[str, float | None]) -> dict[str, Interval]:
        ends = 100 * (1 - confidence) / 2, 100 * (1 + confidence) / 2
        return {
            name: Interval(*(np.asarray(end) for end in np.percentile(samples[prefix + name], ends)))
            for name, value in figures.items()
            if value is not None
        }

    return dataclasses.replace(
        found,
        interval=limits("", found.each | {MEAN: found.mie}),
        relative_interval=limits("relative ", found.relative_each | {MEAN: found.relative_mie}),
    )


def _accuracy(correct: Correct) -> float64.Array:
    return np.asarray(correct.mean(axis=(0, 2, 3)))


# ---------------------------------------------------------------- over time


@dataclasses.dataclass(frozen=True)
class Recovery:
    """One curve of accuracy over a run with a window of interference.

    Attributes:
        before: Mean of the last ten evaluations before the window.
        minimum: Least accuracy from the window's start on.
        minimum_step: When.
        drop: `before` less `minimum`.
        retention: `minimum` over `before`.
        loss_area: Mean shortfall below `before` from the window's start to the end (0 is best).
        resilience: 1 less that over `before`.
        recovery_steps: From the window's end to the first evaluation from which accuracy stays within the margin of
            `before`, five evaluations in a row; if that never happens, from the window's end to the last evaluation.
        recovered: Whether it happened; otherwise `recovery_steps` is censored.
        half_life: Steps in which the shortfall after the window halves (exponential fit); NaN if there is none.
        residual: `before` less the mean of the last ten evaluations.
        ratio: Share of the drop that is made good by the last ten evaluations; NaN without a drop.
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


def recovery(
    steps: npt.ArrayLike, accuracy: npt.ArrayLike, start: int, stop: int, *, margin: float = MARGIN
) -> Recovery:
    """Measures drop and recovery.

    Args:
        steps: `[K]` steps of the evaluations, increasing.
        accuracy: `[K]`.
        start: First step of the window.
        stop: First step after it.
        margin: How far below the level before still counts as recovered.

    Raises:
        DataError: No evaluation before or after the window, or steps that do not increase.
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
    good = a >= before - margin
    first = next((i for i in np.flatnonzero(after) if i + IN_A_ROW <= len(t) and good[i : i + IN_A_ROW].all()), None)
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


def band(accuracy: npt.ArrayLike, n: int, key: Any, *, confidence: float = 0.95) -> Interval:
    """Returns a simultaneous (sup-t) band of accuracy over time: a claim of all points holds if the whole band does.

    Args:
        accuracy: `[K]` shares of n designs, each point with designs of its own.
        n: Designs behind each point.
        key: Random key of the band.
        confidence: Chance that the band covers all points.
    """
    a = float64.finite(accuracy, "band: accuracy", ndim=1)
    smoothed = (a * n + 2) / (n + 4)  # Agresti-Coull: a share of exactly 1 would have no variance
    found = intervals.sup_t(smoothed, np.diag(smoothed * (1 - smoothed) / (n + 4)), key, confidence=confidence)
    return Interval(np.clip(found.low, 0.0, a), np.clip(found.high, a, 1.0))


def equivalent(successes: tuple[int, int], n: tuple[int, int], *, margin: float = MARGIN) -> float:
    """Returns the p of two one-sided tests that two shares differ by less than the margin (small: they are equivalent).

    References:
        Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach.
    """
    p = [(k + 1) / (m + 2) for k, m in zip(successes, n, strict=True)]
    se = float(np.sqrt(sum(q * (1 - q) / m for q, m in zip(p, n, strict=True))))
    difference = successes[0] / n[0] - successes[1] / n[1]
    return float(max(stats.norm.sf((difference + margin) / se), stats.norm.cdf((difference - margin) / se)))
