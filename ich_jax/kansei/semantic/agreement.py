"""Agreement of raters beyond chance or in ranks: kappas, Gwet's AC, Krippendorff's alpha, Kendall's W."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.kansei.semantic import categories
from ich_jax.types import PyTree
from ich_jax.uncertainty import bootstrap, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

LEVELS = ("nominal", "ordinal", "interval", "ratio")
WEIGHTS = ("identity", "linear", "quadratic")


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Agreement(Result):
    """A coefficient of agreement beyond chance.

    Attributes:
        coefficient: Name, with the metric or the weights.
        value: The coefficient: 1 for perfect agreement, 0 for agreement by chance.
        low: Lower percentile limit, from resampled samples; NaN without a key.
        high: Upper percentile limit.
        samples: Number of rated samples that were used.
        categories: Number of categories: those that occurred, or all levels that were stated.
        n_resamples: Number of resamples behind the limits, without those that have no variation.
    """

    coefficient: str
    value: float
    low: float
    high: float
    samples: int
    categories: int
    n_resamples: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class KendallW(Result):
    """Kendall's coefficient of concordance.

    Attributes:
        w: The coefficient, corrected for ties.
        w_uncorrected: The coefficient without this correction.
        chi2: Friedman's statistic, raters (samples - 1) w.
        df: Samples minus 1.
        p: P-value of the chi-squared approximation.
        mean_spearman: Mean Spearman correlation between two raters that corresponds to `w`.
        raters: Number of raters.
        samples: Number of samples.
    """

    w: float
    w_uncorrected: float
    chi2: float
    df: int
    p: float
    mean_spearman: float
    raters: int
    samples: int


def kendall_w(ratings: npt.ArrayLike) -> KendallW:
    """Concordance of the raters' rankings of the samples.

    Args:
        ratings: `[n, k]` ratings of n samples by k raters, none missing.

    Raises:
        DataError: Missing ratings, fewer than two samples or raters, or only raters who gave all samples the same
            score, for whom W is not defined.

    References:
        Kendall and Babington Smith (1939), The problem of m rankings; Siegel and Castellan (1988), section 9.6 (ties).
    """
    x = float64.finite(ratings, "kendall_w: ratings", ndim=2)
    n, k = x.shape
    if n < 2 or k < 2:
        raise errors.DataError(f"kendall_w: got {n} samples and {k} raters; needs two of each.")
    ranks = stats.rankdata(x, axis=0)
    ties = sum(float((counts**3 - counts).sum()) for counts in (np.unique(c, return_counts=True)[1] for c in x.T))
    square = float(((ranks.sum(axis=1) - k * (n + 1) / 2) ** 2).sum())
    scale = k**2 * (n**3 - n) - k * ties
    if scale <= 0:
        raise errors.DataError("kendall_w: every rater gave all samples one score; agreement is not defined.")
    w = 12 * square / scale
    chi2 = k * (n - 1) * w
    return KendallW(
        w=w,
        w_uncorrected=12 * square / (k**2 * (n**3 - n)),
        chi2=chi2,
        df=n - 1,
        p=float(stats.chi2.sf(chi2, n - 1)),
        mean_spearman=(k * w - 1) / (k - 1),
        raters=k,
        samples=n,
    )


def krippendorff_alpha(
    ratings: npt.ArrayLike,
    level: str,
    *,
    key: jax.Array | None = None,
    confidence: float = 0.95,
    n_resamples: int = 999,
) -> Agreement:
    """Krippendorff's alpha.

    Args:
        ratings: `[n, k]` ratings of n samples by k raters, NaN where missing; samples with one rating do not count.
        level: "nominal", "ordinal" (Krippendorff's metric, not Gwet's weights), "interval" or "ratio".
        key: Random key; None: no limits.
        confidence: Coverage of the limits.
        n_resamples: Bootstrap resamples of samples.

    Raises:
        ConfigError: An unknown level.
        DataError: Ratings without any variation; the ratio level on a scale with negative values, where it is
            meaningless though finite.

    References:
        Krippendorff (2019), Content analysis, chapter 12.
    """
    errors.require(level, LEVELS, "krippendorff_alpha: level")
    counts, values = categories.counts(ratings, "krippendorff_alpha")
    if level == "ratio" and values.min() < 0:
        raise errors.DataError(
            f"krippendorff_alpha: the scale reaches {values.min():g}; the ratio level needs a true zero, and no "
            "value below it. Use the interval level."
        )
    data = {"counts": counts, "values": np.broadcast_to(values, counts.shape)}
    return _agreement(f"Krippendorff's alpha, {level}", _KRIPPENDORFF[level], data, key, confidence, n_resamples)


def fleiss_kappa(
    ratings: npt.ArrayLike,
    *,
    weights: str = "identity",
    levels: Sequence[float] = (),
    key: jax.Array | None = None,
    confidence: float = 0.95,
    n_resamples: int = 999,
) -> Agreement:
    """Fleiss' kappa: raters are exchangeable; with weights for ordered categories.

    Args:
        ratings: `[n, k]` category numbers of n samples by k raters, NaN where missing.
        weights: "identity", "linear" or "quadratic", by the position of a category among `levels`.
        levels: All categories of the scale in their order; none: those that occurred. A level that nobody chose lies
            between others, and counts for chance in Gwet's coefficient.
        key: Random key; None: no limits.
        confidence: Coverage of the limits.
        n_resamples: Bootstrap resamples of samples.

    Raises:
        ConfigError: Unknown weights.
        DataError: Ratings without any variation.

    References:
        Fleiss (1971), Measuring nominal scale agreement among many raters; Gwet (2014), Handbook of inter-rater
        reliability, chapter 3 (weights and missing ratings).
    """
    errors.require(weights, WEIGHTS, "fleiss_kappa: weights")
    data = categories.weighted(ratings, weights, levels, "fleiss_kappa")
    return _agreement(f"Fleiss' kappa, {weights} weights", _fleiss, data, key, confidence, n_resamples)


def gwet_ac(
    ratings: npt.ArrayLike,
    *,
    weights: str = "identity",
    levels: Sequence[float] = (),
    key: jax.Array | None = None,
    confidence: float = 0.95,
    n_resamples: int = 999,
) -> Agreement:
    """Gwet's AC1 (identity weights) or AC2: less affected by rare categories than kappa.

    Args:
        ratings: `[n, k]` category numbers of n samples by k raters, NaN where missing.
        weights: "identity", "linear" or "quadratic", by the position of a category among `levels`.
        levels: All categories of the scale in their order; none: those that occurred. A level that nobody chose lies
            between others, and counts for chance in Gwet's coefficient.
        key: Random key; None: no limits.
        confidence: Coverage of the limits.
        n_resamples: Bootstrap resamples of samples.

    Raises:
        ConfigError: Unknown weights.
        DataError: Ratings without any variation.

    References:
        Gwet (2008), Computing inter-rater reliability and its variance in the presence of high agreement.
    """
    errors.require(weights, WEIGHTS, "gwet_ac: weights")
    data = categories.weighted(ratings, weights, levels, "gwet_ac")
    name = "Gwet's AC1" if weights == "identity" else f"Gwet's AC2, {weights} weights"
    return _agreement(name, _gwet, data, key, confidence, n_resamples)


def weighted_kappa(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    weights: str = "quadratic",
    levels: Sequence[float] = (),
    key: jax.Array | None = None,
    confidence: float = 0.95,
    n_resamples: int = 999,
) -> Agreement:
    """Cohen's kappa of two raters; each keeps its own marginal distribution.

    Args:
        first: `[n]` categories of the first rater.
        second: `[n]` of the second.
        weights: "identity" (Cohen's unweighted kappa), "linear" or "quadratic", by the position of a category among
            `levels`.
        levels: All categories of the scale in their order; none: those that occurred. A level that nobody chose lies
            between others, and counts for chance in Gwet's coefficient.
        key: Random key; None: no limits.
        confidence: Coverage of the limits.
        n_resamples: Bootstrap resamples of samples.

    Raises:
        ConfigError: Unknown weights.
        DataError: Different lengths, missing values, or no variation.

    References:
        Cohen (1968), Weighted kappa.
    """
    errors.require(weights, WEIGHTS, "weighted_kappa: weights")
    a = float64.finite(first, "weighted_kappa: first", ndim=1)
    b = float64.finite(second, "weighted_kappa: second", ndim=1)
    if len(a) != len(b) or len(a) < 2:
        raise errors.DataError(f"weighted_kappa: {len(a)} and {len(b)} ratings; needs two samples rated by both.")
    values = categories.scale(np.concatenate([a, b]), levels, "weighted_kappa")
    table = categories.weight_matrix(len(values), weights)
    chosen = [(column[:, None] == values[None, :]).astype(np.float64) for column in (a, b)]
    data = {"first": chosen[0], "second": chosen[1], "weights": np.broadcast_to(table, (len(a), *table.shape))}
    return _agreement(f"Cohen's kappa, {weights} weights", _cohen, data, key, confidence, n_resamples)


# ---------------------------------------------------------------- statistics with weights of samples


def _fleiss(data: dict[str, jax.Array], sample_weight: jax.Array) -> jax.Array:
    observed, share = _observed(data, sample_weight)
    chance = share @ data["weights"][0] @ share
    return (observed - chance) / (1.0 - chance)


def _gwet(data: dict[str, jax.Array], sample_weight: jax.Array) -> jax.Array:
    observed, share = _observed(data, sample_weight)
    table = data["weights"][0]
    q = table.shape[0]
    chance = table.sum() * (share * (1.0 - share)).sum() / (q * (q - 1))
    return (observed - chance) / (1.0 - chance)


def _observed(data: dict[str, jax.Array], sample_weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    counts, table = data["counts"], data["weights"][0]
    n = counts.sum(axis=1)
    several = jnp.where(n >= 2, sample_weight, 0.0)
    agreeing = (counts * (counts @ table - 1.0)).sum(axis=1) / jnp.maximum(n * (n - 1.0), 1.0)
    share = (sample_weight / n) @ counts / sample_weight.sum()
    return (several * agreeing).sum() / several.sum(), share


def _cohen(data: dict[str, jax.Array], sample_weight: jax.Array) -> jax.Array:
    table = data["weights"][0]
    joint = (data["first"] * sample_weight[:, None]).T @ data["second"] / sample_weight.sum()
    chance = joint.sum(axis=1) @ table @ joint.sum(axis=0)
    return ((joint * table).sum() - chance) / (1.0 - chance)


def _krippendorff(
    data: dict[str, jax.Array], sample_weight: jax.Array, distance: Callable[[jax.Array, jax.Array], jax.Array]
) -> jax.Array:
    counts, values = data["counts"], data["values"][0]
    n = counts.sum(axis=1)
    share = jnp.where(n >= 2, sample_weight, 0.0) / jnp.maximum(n - 1.0, 1.0)
    coincidence = (counts * share[:, None]).T @ counts - jnp.diag(share @ counts)
    total = coincidence.sum(axis=1)
    apart = distance(values, total)
    expected = (total[:, None] * total[None, :] * apart).sum() / (total.sum() - 1.0)
    return 1.0 - (coincidence * apart).sum() / expected


def _nominal(values: jax.Array, total: jax.Array) -> jax.Array:
    return 1.0 - jnp.eye(values.shape[0], dtype=values.dtype) + 0.0 * total[0]


def _ordinal(values: jax.Array, total: jax.Array) -> jax.Array:
    middle = (
        jnp.cumsum(total) - total / 2.0
    )  # mean ranks of the categories: sums between two categories are differences of these
    return jnp.square(middle[:, None] - middle[None, :]) + 0.0 * values[0]


def _interval(values: jax.Array, total: jax.Array) -> jax.Array:
    return jnp.square(values[:, None] - values[None, :]) + 0.0 * total[0]


def _ratio(values: jax.Array, total: jax.Array) -> jax.Array:
    plus = values[:, None] + values[None, :]
    return jnp.square((values[:, None] - values[None, :]) / jnp.where(plus == 0.0, 1.0, plus)) + 0.0 * total[0]


# One function object for each level, so that each is compiled once.
_KRIPPENDORFF: dict[str, Callable[[Any, jax.Array], jax.Array]] = {
    "nominal": lambda data, weight: _krippendorff(data, weight, _nominal),
    "ordinal": lambda data, weight: _krippendorff(data, weight, _ordinal),
    "interval": lambda data, weight: _krippendorff(data, weight, _interval),
    "ratio": lambda data, weight: _krippendorff(data, weight, _ratio),
}

# ---------------------------------------------------------------- shared functions


def _agreement(
    name: str,
    statistic: Callable[[PyTree, jax.Array], jax.Array],
    data: dict[str, Array],
    key: jax.Array | None,
    confidence: float,
    n_resamples: int,
) -> Agreement:
    first = next(iter(data.values()))
    low = high = math.nan
    kept = 0
    with float64.enabled():
        value = float(_plain(data, np.ones(len(first)), statistic=statistic))
    if key is not None:
        replicates = np.asarray(bootstrap.iid(key, statistic, data, n_resamples=n_resamples).replicates)
        replicates = replicates[np.isfinite(replicates)]  # a resample may have no variation
        kept = len(replicates)
        if kept:
            low, high = np.quantile(replicates, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]).tolist()
    return Agreement(
        coefficient=name,
        value=value,
        low=low,
        high=high,
        samples=len(first),
        categories=first.shape[1],
        n_resamples=kept,
    )


@programs.jit(static_argnames=("statistic",))
def _plain(data: PyTree, weight: jax.Array, *, statistic: Callable[[PyTree, jax.Array], jax.Array]) -> jax.Array:
    return statistic(data, weight)
