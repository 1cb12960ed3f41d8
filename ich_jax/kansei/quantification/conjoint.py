"""Conjoint analysis of ratings: part-worths of every rater, importances, and the importance under noise alone."""

import dataclasses
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.kansei.quantification import morphology
from ich_jax.types import Element
from ich_jax.uncertainty import bootstrap, bootstrap_intervals, draws, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

_FLAT = 1e-9  # relative to the range of a rater's ratings; a smaller sum of ranges of part-worths counts as zero


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Conjoint(Result):
    """Importances of elements, and the part-worths behind them.

    Attributes:
        item: `[E]` elements.
        importance: `[E]` mean over raters of the element's share of the sum of ranges.
        low: `[E]` lower percentile limits, from resampled raters.
        high: `[E]` upper percentile limits.
        noise: `[E]` importance for shuffled ratings, which is larger for elements with more categories.
        noise_high: `[E]` its upper quantile; an importance below it is no evidence.
        category_item: `[K]` element of each category.
        category: `[K]` names of the categories.
        part_worth: `[K]` means over raters, centred within each element.
        part_worth_low: `[K]` lower percentile limits.
        part_worth_high: `[K]` upper percentile limits.
        individual: `[R, K]` part-worths of each rater.
        raters: Number of raters.
    """

    columns = ("item", "importance", "low", "high", "noise", "noise_high")
    curve = ("item", "importance", "low", "high")

    item: tuple[str, ...]
    importance: Array
    low: Array
    high: Array
    noise: Array
    noise_high: Array
    category_item: tuple[str, ...]
    category: tuple[str, ...]
    part_worth: Array
    part_worth_low: Array
    part_worth_high: Array
    individual: Array
    raters: int


def conjoint_analysis(
    codes: npt.ArrayLike,
    elements: Sequence[Element],
    ratings: npt.ArrayLike,
    *,
    key: jax.Array,
    confidence: float = 0.95,
    n_resamples: int = 1999,
    n_noise: int = 999,
) -> Conjoint:
    """Estimates part-worths by least squares for each rater, and summarises them over raters.

    Args:
        codes: `[n, E]` category of every element for each rated profile.
        elements: `[E]` elements; every category occurs.
        ratings: `[R, n]` ratings of every rater, none missing.
        key: Random key.
        confidence: Coverage of the limits.
        n_resamples: Bootstrap resamples of raters.
        n_noise: Shuffles behind the importance of noise.

    Raises:
        DataError: Fewer than two raters, profiles that do not identify the part-worths, or a rater with the same rating
            for every profile (named by position).

    References:
        Green and Srinivasan (1978), Conjoint analysis in consumer research; Orme (2010), Getting started with conjoint
        analysis, chapter 9, for importances.
    """
    y = float64.finite(ratings, "conjoint_analysis: ratings", ndim=2)
    table = morphology.checked(codes, elements, "conjoint_analysis")
    if len(y) < 2 or y.shape[1] != len(table):
        raise errors.DataError(
            f"conjoint_analysis: ratings {list(y.shape)} for {len(table)} profiles; needs two raters."
        )
    if (np.ptp(y, axis=1) == 0).any():
        raise errors.DataError(
            f"conjoint_analysis: rater {int((np.ptp(y, axis=1) == 0).argmax())} gave every profile the same rating; "
            "importances are not defined. Screen the questionnaires first."
        )
    x = morphology.indicators(table, elements)
    centred = x - x.mean(axis=0)
    parameters = x.shape[1] - len(elements)
    if np.linalg.matrix_rank(centred, tol=1e-8) < parameters:
        raise errors.DataError(
            f"conjoint_analysis: {len(table)} profiles do not identify {parameters} part-worths; elements that always "
            "change together cannot be distinguished."
        )
    where = morphology.blocks(elements)
    hat = np.linalg.pinv(centred, rcond=1e-10)
    for block in where:  # unweighted centring: categories count equally, whatever their frequency
        hat[block] -= hat[block].mean(axis=0)
    worths = (y - y.mean(axis=1, keepdims=True)) @ hat.T
    member = np.concatenate([np.full(block.stop - block.start, j) for j, block in enumerate(where)])
    sizes = tuple(block.stop - block.start for block in where)
    shares = np.stack([np.ptp(worths[:, block], axis=1) for block in where], axis=1)
    total = shares.sum(axis=1, keepdims=True)
    # If all part-worths are zero up to rounding, all elements are equally important.
    flat = total <= _FLAT * np.ptp(y, axis=1, keepdims=True)
    shares = np.where(flat, 1.0 / len(where), shares / np.where(flat, 1.0, total))
    resampled = bootstrap.iid(key, _means, np.concatenate([shares, worths], axis=1), n_resamples=n_resamples)
    limits = bootstrap_intervals.percentile(resampled, confidence=confidence)
    with float64.enabled():
        noise = np.asarray(_noise(jax.random.fold_in(key, 1), y, hat, sizes=sizes, n_draws=n_noise))
    e = len(elements)
    return Conjoint(
        item=tuple(element.name for element in elements),
        importance=shares.mean(axis=0),
        low=np.asarray(limits.low)[:e],
        high=np.asarray(limits.high)[:e],
        noise=noise.mean(axis=0),
        noise_high=np.quantile(noise, 0.5 + confidence / 2.0, axis=0),
        category_item=tuple(elements[j].name for j in member),
        category=tuple(category for element in elements for category in element.categories),
        part_worth=worths.mean(axis=0),
        part_worth_low=np.asarray(limits.low)[e:],
        part_worth_high=np.asarray(limits.high)[e:],
        individual=worths,
        raters=len(y),
    )


def _means(data: jax.Array, weights: jax.Array) -> jax.Array:
    return weights @ data / weights.sum()


@programs.jit(static_argnames=("sizes", "n_draws"))
def _noise(key: jax.Array, ratings: jax.Array, hat: jax.Array, *, sizes: tuple[int, ...], n_draws: int) -> jax.Array:
    """Returns mean importances `[n_draws, E]` for ratings shuffled over the profiles within each rater."""

    def shuffled(index: jax.Array) -> jax.Array:
        y = jax.random.permutation(jax.random.fold_in(key, index), ratings, axis=1, independent=True)
        worths = y @ hat.T
        ends = np.cumsum((0, *sizes))
        parts = [worths[:, a:b] for a, b in itertools.pairwise(ends)]
        ranges = jnp.stack([part.max(axis=1) - part.min(axis=1) for part in parts], axis=1)
        total = ranges.sum(axis=1, keepdims=True)
        flat = total <= _FLAT * (ratings.max(axis=1, keepdims=True) - ratings.min(axis=1, keepdims=True))
        return jnp.where(flat, 1.0 / len(sizes), ranges / jnp.where(flat, 1.0, total)).mean(axis=0)

    result: jax.Array = draws.each(shuffled, n_draws, ratings.size + ratings.shape[0] * hat.shape[0])
    return result
