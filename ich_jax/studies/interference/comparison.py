"""Interference error: the errors of a generator relative to those of a reference generator on the same designs.

References:
    Hendrycks and Dietterich (2019), section 3 (corruption error).
"""

import dataclasses

import jax
import numpy as np

from ich_jax import errors
from ich_jax.studies.interference.curves import Correct
from ich_jax.uncertainty import bootstrap, float64
from ich_jax.uncertainty.intervals import Interval

LEAST_REFERENCE = 0.9
"""Accuracy at severity 0 below which a generator is no reference."""
MEAN = "mean"
"""Key of the figure over all kinds, among intervals by kind."""
_LEAST_RISE = 0.02


@dataclasses.dataclass(frozen=True)
class InterferenceError:
    """Error relative to a reference generator, in percent; below 100 is better than the reference.

    Attributes:
        each: By kind, error summed over severities, over that of the reference; None where the reference has no error.
        mie: Mean of `each`; None if withheld.
        relative_each: By kind, the same ratio of rises in error above severity 0; None where the reference rises by
            0.02 or less.
        relative_mie: Ratio of rises summed over kinds and severities; None if withheld.
        withheld: The reason for withholding all figures; empty if they are given.
        interval: Bootstrap intervals of `each` by kind, and of `mie` under `MEAN`; absent where there is no figure.
        relative_interval: The same for `relative_each` and `relative_mie`.
    """

    each: dict[str, float | None]
    mie: float | None
    relative_each: dict[str, float | None]
    relative_mie: float | None
    withheld: str
    interval: dict[str, Interval] = dataclasses.field(default_factory=dict)
    relative_interval: dict[str, Interval] = dataclasses.field(default_factory=dict)


def withheld(reason: str) -> InterferenceError:
    """Returns the interference error of a sweep that cannot be compared."""
    return InterferenceError({}, None, {}, None, reason)


def interference_error(
    accuracy: dict[str, float64.Array],
    reference: dict[str, float64.Array],
    *,
    least_reference: float = LEAST_REFERENCE,
) -> InterferenceError:
    """Compares accuracies `[6]` by kind with those of a reference generator.

    Raises:
        DataError: The kinds differ, or there are none.
    """
    if not accuracy or accuracy.keys() != reference.keys():
        raise errors.DataError(
            f"interference_error: kinds differ: {sorted(accuracy.keys() ^ reference.keys())}; sweep both generators "
            "with the same config."
        )
    clean = float(np.mean([a[0] for a in reference.values()]))
    if clean < least_reference:
        return withheld(f"the reference reads {clean:.3f} right without interference, less than {least_reference}")
    ours = {kind: 1 - np.asarray(a, float) for kind, a in accuracy.items()}
    theirs = {kind: 1 - np.asarray(a, float) for kind, a in reference.items()}
    each: dict[str, float | None] = {}
    relative: dict[str, float | None] = {}
    for kind in ours:
        total, reference_total = ours[kind][1:].sum(), theirs[kind][1:].sum()
        each[kind] = 100 * float(total / reference_total) if reference_total > 0 else None
        rise, reference_rise = total - 5 * ours[kind][0], reference_total - 5 * theirs[kind][0]
        relative[kind] = 100 * float(rise / reference_rise) if reference_rise / 5 > _LEAST_RISE else None
    ratios = [value for value in each.values() if value is not None]
    rises = [sum(float(e[1:].sum() - 5 * e[0]) for e in by_kind.values()) for by_kind in (ours, theirs)]
    pooled = 100 * rises[0] / rises[1] if rises[1] / (5 * len(ours)) > _LEAST_RISE else None
    return InterferenceError(each, float(np.mean(ratios)) if ratios else None, relative, pooled, "")


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
        theirs: The reference's, of the same kinds, seeds, products and designs.
        seed: Seed of the bootstrap, which draws designs within seed and product: the same ones for all kinds and
            severities and for both generators, which share briefs and noise.
        n_resamples: Bootstrap samples.
        confidence: Level of the percentile intervals.

    Raises:
        DataError: Kinds or sizes differ, or there are none.
    """
    if any(ours[kind].shape != theirs[kind].shape for kind in ours.keys() & theirs.keys()):
        raise errors.DataError("compare: the reference was swept with other seeds, products or numbers of designs.")
    error = interference_error({k: _accuracy(c) for k, c in ours.items()}, {k: _accuracy(c) for k, c in theirs.items()})
    if error.withheld:
        return error
    resampled = _resampled_errors(ours, theirs, seed, n_resamples)
    return dataclasses.replace(
        error,
        interval=_limits(_absolute(error), [_absolute(e) for e in resampled], confidence),
        relative_interval=_limits(_relative(error), [_relative(e) for e in resampled], confidence),
    )


def _resampled_errors(
    ours: dict[str, Correct], theirs: dict[str, Correct], seed: int, n_resamples: int
) -> list[InterferenceError]:
    """Returns the error of each bootstrap sample of designs, drawn within seed and product."""
    kinds = list(ours)
    both = [sides[kind] for sides in (ours, theirs) for kind in kinds]
    rows = np.stack([c.transpose(0, 2, 3, 1).reshape(-1, 6) for c in both], axis=1)  # [designs, 2 kinds, 6]
    seeds, _, products, n = both[0].shape
    replicates = bootstrap.iid(
        jax.random.key(seed),
        bootstrap.weighted_mean,
        rows.astype(np.float64),
        n_resamples=n_resamples,
        strata=np.repeat(np.arange(seeds * products), n),
    ).replicates
    pairs = [[dict(zip(kinds, half, strict=True)) for half in np.split(both, 2)] for both in replicates]
    return [interference_error(*pair, least_reference=0.0) for pair in pairs]


def _absolute(error: InterferenceError) -> dict[str, float | None]:
    return error.each | {MEAN: error.mie}


def _relative(error: InterferenceError) -> dict[str, float | None]:
    return error.relative_each | {MEAN: error.relative_mie}


def _limits(
    figures: dict[str, float | None], resampled: list[dict[str, float | None]], confidence: float
) -> dict[str, Interval]:
    """Returns percentile intervals of the figures that exist, from the samples in which they exist."""
    percentages = 100 * (1 - confidence) / 2, 100 * (1 + confidence) / 2
    limits = {}
    for name, figure in figures.items():
        if figure is not None:
            values = [value for sample in resampled if (value := sample[name]) is not None]
            limits[name] = Interval(*(np.asarray(end) for end in np.percentile(values, percentages)))
    return limits


def _accuracy(correct: Correct) -> float64.Array:
    return np.asarray(correct.mean(axis=(0, 2, 3)))
