"""From wanted words to elements: all combinations of elements are scored on all words in one compiled call."""

import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.kansei.quantification.theory import CategoryScores
from ich_jax.types import Element
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Profiles(Result):
    """Predicted scores of all combinations, in descending order of the weighted sum of words.

    Attributes:
        words: `[W]` the words.
        weight: `[W]` weight of each word in the sum; negative: not wanted.
        desired: `[C]` weighted sum of the predictions.
        codes: `[C, E]` category of every element.
        prediction: `[C, W]` predicted scores.
        low: `[C, W]` lower prediction limits for the mean score of a new sample; NaN for ridge and partial least
            squares.
        high: `[C, W]` upper prediction limits.
        elements: The elements.
    """

    columns = ("desired",)

    words: tuple[str, ...]
    weight: Array
    desired: Array
    codes: npt.NDArray[np.int64]
    prediction: Array
    low: Array
    high: Array
    elements: tuple[Element, ...]

    def brief(self, k: int) -> dict[str, str]:
        """Returns the elements of combination k, for `DesignSpace.brief(product=..., **profiles.brief(0))`."""
        return {
            element.name: element.categories[code] for element, code in zip(self.elements, self.codes[k], strict=True)
        }


def score_profiles(
    fits: Mapping[str, CategoryScores],
    wanted: Mapping[str, float],
    *,
    confidence: float = 0.95,
    max_profiles: int = 10**6,
) -> Profiles:
    """Scores every combination of the categories.

    Args:
        fits: For each word the category scores of the same elements.
        wanted: Weights of some words, per point of the scale; negative: not wanted.
        confidence: Coverage of the prediction limits.
        max_profiles: Largest allowed number of combinations.

    Raises:
        ConfigError: A wanted word has no fit, or no word is wanted.
        DataError: Fits have different elements, or there are too many combinations.
    """
    words = tuple(fits)
    for word in wanted:
        errors.require(word, words, "score_profiles: wanted")
    if not any(wanted.values()):
        raise errors.ConfigError(f"score_profiles: no word is wanted; give a weight to some of {', '.join(words)}.")
    first = fits[words[0]]
    if any(fit.elements != first.elements for fit in fits.values()):
        raise errors.DataError("score_profiles: the words were fitted to different elements.")
    sizes = [len(element.categories) for element in first.elements]
    total = math.prod(sizes)
    if total > max_profiles:
        raise errors.DataError(
            f"score_profiles: {total} combinations are more than {max_profiles}; fix an element or raise max_profiles."
        )
    codes = np.stack(np.unravel_index(np.arange(total), sizes), axis=1).astype(np.int64)
    places = codes + np.cumsum([0, *sizes[:-1]])[None, :]
    n = float(first.count[: sizes[0]].sum())
    with float64.enabled():
        prediction, spread = (
            np.asarray(value)
            for value in _score(
                places,
                np.stack([fit.score for fit in fits.values()]),
                np.array([fit.constant for fit in fits.values()]),
                np.stack([fit.covariance for fit in fits.values()]),
            )
        )
    quantile = np.array(
        [
            stats.t.isf((1.0 - confidence) / 2.0, fit.df) * fit.residual_sd
            if fit.penalty == 0 and fit.components == 0
            else math.nan
            for fit in fits.values()
        ]
    )
    half = quantile[None, :] * np.sqrt(1.0 + 1.0 / n + np.maximum(spread, 0.0))
    weight = np.array([wanted.get(word, 0.0) for word in words])
    desired = prediction @ weight
    order = np.argsort(-desired, kind="stable")
    return Profiles(
        words=words,
        weight=weight,
        desired=desired[order],
        codes=codes[order],
        prediction=prediction[order],
        low=(prediction - half)[order],
        high=(prediction + half)[order],
        elements=first.elements,
    )


@programs.jit
def _score(
    places: jax.Array, score: jax.Array, constant: jax.Array, covariance: jax.Array
) -> tuple[jax.Array, jax.Array]:
    prediction = constant[None, :] + score[:, places].sum(axis=2).T
    # The variance of a sum of scores is the sum over all pairs of its categories.
    spread = covariance[:, places[:, :, None], places[:, None, :]].sum(axis=(2, 3)).T
    return jnp.asarray(prediction), spread
