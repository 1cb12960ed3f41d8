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
