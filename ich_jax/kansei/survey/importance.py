"""Ranks of aspects by importance, with the uncertainty of the ranks and of their order."""

import collections
import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import bootstrap, bootstrap_intervals, float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class ImportanceRanks(Result):
    """Aspects in order of importance.

    Attributes:
        aspect: `[K]` names in descending order of importance.
        mean: `[K]` mean scores.
        low: `[K]` lower percentile limits of the means.
        high: `[K]` upper percentile limits.
        rank_low: `[K]` lower percentile limits of the rank; 1 is the most important.
        rank_high: `[K]` upper percentile limits.
        p_first: `[K]` share of resamples in which the aspect comes first.
        orders: Orders of the first `top` aspects, in descending order of frequency.
        p_order: Share of resamples with each of these orders.
        top: Number of ranks in an order.
        n: Number of questionnaires.
        n_resamples: Number of resamples.
    """

    columns = ("aspect", "mean", "low", "high", "rank_low", "rank_high", "p_first")
    curve = ("aspect", "mean", "low", "high")

    aspect: tuple[str, ...]
    mean: Array
    low: Array
    high: Array
    rank_low: Array
    rank_high: Array
    p_first: Array
    orders: tuple[tuple[str, ...], ...]
    p_order: Array
    top: int
    n: int
    n_resamples: int


def importance_ranks(
    scores: npt.ArrayLike,
    aspects: Sequence[str],
    *,
    key: jax.Array,
    top: int = 3,
    confidence: float = 0.95,
    n_resamples: int = 9999,
) -> ImportanceRanks:
    """Ranks aspects by their mean score, with the uncertainty of the ranks from resampled questionnaires.

    Args:
        scores: `[n, K]` scores, higher is more important.
        aspects: `[K]` names of the aspects.
        key: Random key.
        top: Number of leading ranks whose order is counted.
        confidence: Coverage of the limits.
        n_resamples: Bootstrap resamples.

    Raises:
        DataError: Another shape, values that are not finite, or fewer than two questionnaires.

    References:
        Hall and Miller (2009), Using the bootstrap to quantify the authority of an empirical ranking. Means that are
        equal in a resample share their mean rank.
    """
    table = float64.finite(scores, "importance_ranks: scores", ndim=2)
    if table.shape[1] != len(aspects) or len(set(aspects)) < len(aspects):
        raise errors.DataError(f"importance_ranks: {table.shape[1]} columns for the aspects {list(aspects)}.")
    errors.require_within(top, 1, len(aspects), "importance_ranks: top", whole=True)
    resampled = bootstrap.iid(key, _means, table, n_resamples=n_resamples)
    limits = bootstrap_intervals.percentile(resampled, confidence=confidence)
    # Integer scores often tie; means that differ only by rounding must share their rank.
    replicates = np.round(np.asarray(resampled.replicates), 12)
    above = (replicates[:, None, :] > replicates[:, :, None]).sum(axis=2)
    tied = (replicates[:, None, :] == replicates[:, :, None]).sum(axis=2)
    ranks = above + (tied + 1) / 2.0
    tail = (1.0 - confidence) / 2.0
    rank_low = np.quantile(ranks, tail, axis=0, method="inverted_cdf")
    rank_high = np.quantile(ranks, 1.0 - tail, axis=0, method="inverted_cdf")
    first = (above == 0) / np.where(above == 0, tied, 1)  # a tie for the first place is shared
    order = np.argsort(-np.asarray(resampled.estimate), kind="stable")
    places = np.argsort(-replicates, axis=1, kind="stable")[:, :top]
    counted = collections.Counter(map(tuple, places.tolist()))
    frequent = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return ImportanceRanks(
        aspect=tuple(aspects[k] for k in order),
        mean=np.asarray(resampled.estimate)[order],
        low=np.asarray(limits.low)[order],
        high=np.asarray(limits.high)[order],
        rank_low=rank_low[order],
        rank_high=rank_high[order],
        p_first=first.mean(axis=0)[order],
        orders=tuple(tuple(aspects[k] for k in places) for places, _ in frequent),
        p_order=np.array([count for _, count in frequent]) / n_resamples,
        top=top,
        n=len(table),
        n_resamples=n_resamples,
    )


def _means(data: jax.Array, weights: jax.Array) -> jax.Array:
    return weights @ data / weights.sum()
