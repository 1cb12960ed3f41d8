"""Quantification Theory type I: the contribution of each category of each design element to a word's score."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.kansei.quantification import morphology
from ich_jax.types import Element
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

RIDGE_GRID = np.logspace(-3, 3, 61)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class CategoryScores(Result):
    """Scores of all categories, centred within each element over the samples.

    Attributes:
        item: `[K]` element of each category.
        category: `[K]` names of the categories.
        count: `[K]` number of samples with the category.
        score: `[K]` contribution to the mean score.
        low: `[K]` lower limits; NaN for a ridge fit and without residual degrees of freedom.
        high: `[K]` upper limits.
        constant: Mean score of the samples.
        elements: The elements.
        range: `[E]` largest minus smallest score of each element.
        partial: `[E]` partial correlation of each element's scores with the word, given the others.
        fitted: `[n]` fitted values.
        residual_sd: Residual standard deviation; NaN without degrees of freedom.
        r2: Share of the variance that is explained.
        r2_adjusted: R2 adjusted for the number of parameters; NaN without degrees of freedom.
        r2_left_out: R2 of leave-one-out predictions; below 0 the mean predicts better.
        rank: Number of parameters besides the constant.
        df: Residual degrees of freedom (effective ones for ridge).
        penalty: Ridge penalty; 0: least squares.
        covariance: `[K, K]` covariance of the scores divided by the residual variance.
        components: Number of latent components of partial least squares; 0: another method.
    """

    columns = ("item", "category", "count", "score", "low", "high")

    item: tuple[str, ...]
    category: tuple[str, ...]
    count: npt.NDArray[np.int64]
    score: Array
    low: Array
    high: Array
    constant: float
    elements: tuple[Element, ...]
    range: Array
    partial: Array
    fitted: Array
    residual_sd: float
    r2: float
    r2_adjusted: float
    r2_left_out: float
    rank: int
    df: float
    penalty: float
    covariance: Array
    components: int = 0


class Fit(NamedTuple):
    """Result of the kernel `fit`; batched by `vmap` over words or penalties."""

    score: jax.Array
    fitted: jax.Array
    left_out: jax.Array
    leverage: jax.Array
    inverse: jax.Array


def fit(x: jax.Array, y: jax.Array, penalty: jax.Array) -> Fit:
    """Kernel: category scores by least squares or ridge, for `jit` and `vmap`.

    Columns of an element add up to one, and after centring to zero, so that many scores give the same fit. The
    pseudo-inverse selects one of them; its scores can be centred without a change of the fitted values.

    Args:
        x: `[n, K]` float64 indicators.
        y: `[n]` float64 scores.
        penalty: Scalar, 0 for least squares.

    Returns:
        Scores `[K]` (not centred), fitted values, leave-one-out predictions, leverages, and the pseudo-inverse `[K, K]`
        of the normal equations.
    """
    n = x.shape[0]
    centred = float64.kernel_array(x, "fit: x") - x.mean(axis=0, keepdims=True)
    mean = y.mean()
    values, vectors = jnp.linalg.eigh(centred.T @ centred)
    kept = values > 1e-9 * values[-1]
    scale = jnp.where(kept, 1.0 / jnp.where(kept, values + penalty, 1.0), 0.0)
    inverse = (vectors * scale[None, :]) @ vectors.T
    score = inverse @ (centred.T @ (y - mean))
    fitted = mean + centred @ score
    leverage = 1.0 / n + jnp.einsum("ij,jk,ik->i", centred, inverse, centred)
    left_out = y - (y - fitted) / jnp.maximum(1.0 - leverage, 1e-12)
    return Fit(score, fitted, left_out, leverage, inverse)


_fit = programs.jit(fit)
_fits = programs.jit(jax.vmap(fit, in_axes=(None, None, 0)))


def quantification_1(
    codes: npt.ArrayLike,
    elements: Sequence[Element],
    scores: npt.ArrayLike,
    *,
    penalty: float | str = 0.0,
    confidence: float = 0.95,
) -> CategoryScores:
    """Estimates the category scores of one word.

    Args:
        codes: `[n, E]` category of every element for each sample, as `encode` gives them.
        elements: `[E]` elements with their categories; each category occurs.
        scores: `[n]` mean scores of the samples on the word.
        penalty: Ridge penalty on the scores; "auto": the penalty that predicts left-out samples best; 0: least squares.
        confidence: Coverage of the limits.

    Raises:
        ConfigError: The penalty is neither "auto" nor a non-negative number.
        DataError: A category is not observed, elements determine each other, or, for least squares, samples do not
            outnumber parameters.

    References:
        Hayashi (1952), On the prediction of phenomena from qualitative data and the quantification of qualitative data
        from the mathematico-statistical point of view. Hoerl and Kennard (1970), Ridge regression.
    """
    y, x, rank = _checked(codes, elements, scores, penalty)
    n = len(y)
    with float64.enabled():
        chosen = _best_penalty(x, y) if penalty == "auto" else float(penalty)
        score, fitted, left_out, leverage, inverse = (np.asarray(v) for v in _fit(x, y, np.float64(chosen)))
    where = morphology.blocks(elements)
    centre = np.eye(len(score))
    for block in where:
        centre[block, block] -= x[:, block].mean(axis=0)[None, :]
    score, covariance = centre @ score, centre @ inverse @ centre.T
    total, error = float(np.square(y - y.mean()).sum()), float(np.square(y - fitted).sum())
    df = n - float(leverage.sum())
    enough = df > 1e-9
    sd = math.sqrt(error / df) if enough else math.nan
    half = np.full(len(score), math.nan)
    if enough and chosen == 0.0:
        half = stats.t.isf((1.0 - confidence) / 2.0, df) * sd * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return CategoryScores(
        item=tuple(element.name for element in elements for _ in element.categories),
        category=tuple(category for element in elements for category in element.categories),
        count=x.sum(axis=0).astype(np.int64),
        score=score,
        low=score - half,
        high=score + half,
        constant=float(y.mean()),
        elements=tuple(elements),
        range=np.array([np.ptp(score[block]) for block in where]),
        partial=partial_correlations(np.stack([x[:, block] @ score[block] for block in where], axis=1), y),
        fitted=fitted,
        residual_sd=sd,
        r2=1.0 - error / total,
        r2_adjusted=1.0 - (error / df) / (total / (n - 1)) if enough else math.nan,
        r2_left_out=1.0 - float(np.square(y - left_out).sum()) / (total * (n / (n - 1)) ** 2),
        rank=rank,
        df=df,
        penalty=chosen,
        covariance=covariance,
    )


def _checked(
    codes: npt.ArrayLike, elements: Sequence[Element], scores: npt.ArrayLike, penalty: float | str
) -> tuple[Array, Array, int]:
    """Checks the arguments of `quantification_1`; returns scores `[n]`, indicators `[n, K]` and their centred rank."""
    if penalty != "auto" and (isinstance(penalty, str) or not 0.0 <= penalty < math.inf):
        raise errors.ConfigError(
            f'quantification_1: penalty: got {penalty!r}; expected "auto" or a non-negative number.'
        )
    y = float64.finite(scores, "quantification_1: scores", ndim=1)
    table = morphology.checked(codes, elements, "quantification_1")
    n, parameters = len(y), sum(len(element.categories) - 1 for element in elements)
    if len(table) != n or np.ptp(y) == 0:
        raise errors.DataError(
            f"quantification_1: {len(table)} rows of codes for {n} scores, which must differ; got {y[:3].tolist()} ..."
        )
    x = morphology.indicators(table, elements)
    centred = x - x.mean(axis=0)
    rank = int(np.linalg.matrix_rank(centred, tol=1e-8))
    if penalty == 0.0 and n <= parameters + 1:
        raise errors.DataError(
            f"quantification_1: {n} samples for {parameters + 1} parameters leave no degrees of freedom; use "
            'penalty="auto" (ridge), more samples or fewer categories.'
        )
    if penalty == 0.0 and rank < parameters:
        raise errors.DataError(
            f"quantification_1: the elements determine each other (rank {rank} of {parameters}), so scores are not "
            'identified; drop an element or use penalty="auto" (ridge).'
        )
    return y, x, rank


def _best_penalty(x: Array, y: Array) -> float:
    left_out = np.asarray(_fits(x, y, RIDGE_GRID).left_out)
    return float(RIDGE_GRID[np.square(y[None, :] - left_out).sum(axis=1).argmin()])


def partial_correlations(parts: Array, y: Array) -> Array:
    """Returns the partial correlation of each element's part with y given the other parts; 0 for a constant part."""
    result = np.zeros(parts.shape[1])
    for j in range(parts.shape[1]):
        others = np.column_stack([np.ones(len(y)), np.delete(parts, j, axis=1)])
        left = [v - others @ np.linalg.lstsq(others, v, rcond=None)[0] for v in (parts[:, j], y)]
        size = math.sqrt(float(np.square(left[0]).sum() * np.square(left[1]).sum()))
        if size > 1e-12 * float(np.square(y - y.mean()).sum()):
            result[j] = float(left[0] @ left[1]) / size
    return result
