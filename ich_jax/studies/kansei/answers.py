"""Answers for a study, and those of the paper: its published tables with simulated questionnaires."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ich_jax.kansei import published
from ich_jax.kansei.semantic import MeanTable
from ich_jax.types import Element
from ich_jax.uncertainty.float64 import Array


@dataclasses.dataclass(frozen=True, slots=True)
class Questionnaires:
    """Answers of a survey.

    Attributes:
        options: Names of the options that could be ticked.
        ticked: `[n, K]` of 0 and 1, NaN for missing answers.
        aspects: Names of the aspects that were rated by importance.
        importance: `[n, A]`, NaN for missing answers.
        seconds: `[n]`, time to answer, or None.
        attention: `[n]`, whether the attention check was passed, or None.
        simulated: Whether the answers are simulated.
    """

    options: tuple[str, ...]
    ticked: Array
    aspects: tuple[str, ...]
    importance: Array
    seconds: Array | None
    attention: Array | None
    simulated: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Review:
    """Scores of works in two arms.

    Attributes:
        arms: Names of the arms; the first is compared with the second.
        scores: For each arm `[n]` sums over raters, or single scores.
        works: Names of the works of each arm.
        individual: For each arm `[n, raters]`, scores of single raters; None when only sums are known.
        raters: Number of raters behind a sum; 0: not known.
        scale: Lowest and highest score of one rater; None: not known.
        dropped: Works left out because a rater has not scored them.
        rater_names: Names of the raters; empty when only sums are known.
    """

    arms: tuple[str, str]
    scores: tuple[Array, Array]
    works: tuple[tuple[str, ...], tuple[str, ...]]
    individual: tuple[Array, Array] | None
    raters: int
    scale: tuple[int, int] | None
    dropped: tuple[str, ...]
    rater_names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """All answers for a study; absent parts are None.

    Attributes:
        questionnaires: The survey.
        samples: Names of the rated samples.
        words: Words of the semantic differential.
        means: `[S, W]` mean scores.
        ratings: The individual ratings; None when only means are known.
        n_raters: Smallest number of raters behind a mean.
        elements: Design elements with their categories.
        codes: `[S, E]` category of each element for each sample.
        review: The review.
        source: Description of the source.
        fixed: Elements with one category for all samples, such as their product; briefs repeat them.
    """

    questionnaires: Questionnaires | None
    samples: tuple[str, ...]
    words: tuple[str, ...]
    means: Array | None
    ratings: MeanTable | None
    n_raters: int
    elements: tuple[Element, ...]
    codes: npt.NDArray[np.int64] | None
    review: Review | None
    source: str
    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)


def from_paper(seed: int) -> Answers:
    """Returns the paper's tables, with questionnaires SIMULATED to have the paper's counts."""
    return Answers(
        questionnaires=simulate_questionnaires(seed),
        samples=published.SAMPLES,
        words=published.WORDS,
        means=published.TABLE_1,
        ratings=None,
        n_raters=published.IMAGERY.valid,
        elements=(),
        codes=None,
        review=Review(
            arms=("experimental", "control"),
            scores=(published.REVIEW_EXPERIMENTAL, published.REVIEW_CONTROL),
            works=(
                tuple(f"Experimental Group {k}" for k in range(1, 11)),
                tuple(f"Control group {k}" for k in range(1, 11)),
            ),
            individual=None,
            raters=published.REVIEW_RATERS,
            scale=published.REVIEW_SCALE,
            dropped=(),
        ),
        source=published.SOURCE,
    )


def simulate_questionnaires(seed: int) -> Questionnaires:
    """Simulates 509 questionnaires with the paper's counts: 500 valid, 7 straight-lined, 2 largely blank.

    The counts of the four options equal the paper's exactly; the overlap of options within a questionnaire, and all
    importances beyond the order of the first three, are made up.
    """
    rng = np.random.default_rng(seed)
    n, options = published.DEMAND.valid, tuple(published.DEMAND_PERCENT)
    ticked = np.zeros((n, len(options)))
    for k, percent in enumerate(published.DEMAND_PERCENT.values()):
        ticked[rng.permutation(n)[: round(percent * n / 100)], k] = 1.0
    aspects = (*published.IMPORTANCE_ORDER, "practicality", "packaging", "brand")
    centre = np.array([4.3, 4.0, 3.8, 3.5, 3.1, 2.8])
    importance = np.clip(np.round(rng.normal(centre, 0.8, (n, len(aspects)))), 1, 5)
    items = len(options) + len(aspects)
    answered = np.concatenate([ticked, importance], axis=1)
    same = (answered == answered[:, :1]).all(axis=1)
    importance[same, 0] = 5.0 - importance[same, 0] + 1.0  # no valid questionnaire is straight-lined by chance
    lined, blank = np.ones((7, items)), np.full((2, items), np.nan)
    blank[:, 0] = 1.0
    rows = np.concatenate([np.concatenate([ticked, importance], axis=1), lined, blank])[rng.permutation(n + 9)]
    return Questionnaires(options, rows[:, : len(options)], aspects, rows[:, len(options) :], None, None, True)
