"""What the paper states, as data: the input of every claim.

Huo (2026), https://doi.org/10.70917/ijcisim-2026-0038. Tables, counts and percentages of section 3.1 are those of
`ich_jax.kansei.published`; the rest of the paper is here. These are the paper's figures, not ours.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ich_jax.kansei import published
from ich_jax.kansei.published import Returned
from ich_jax.uncertainty.float64 import Array

Extreme = tuple[str, float]
"""A figure and the extreme that the text calls it: `("least", 92.99)`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Objective:
    """What equation (3) optimises: `log(1 - D(G(z)))`.

    Attributes:
        direction: `min` or `max`, as printed.
        player: The network whose parameters are optimised, as printed: `G` or `D`.
    """

    direction: str
    player: str


@dataclasses.dataclass(frozen=True, slots=True)
class ResidualForms:
    """Equations (4) and (5): coefficients of `H = a F + b x` and of `F = c H + d x`, as printed.

    Attributes:
        traditional: `(a, b)` of equation (4), which the text introduces as that of a traditional structure.
        residual: `(c, d)` of equation (5).
    """

    traditional: tuple[float, float]
    residual: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Paper:
    """Everything that the claims are decided from; the default is what the paper prints.

    Attributes:
        demand: Questionnaire about demand, section 3.1.1.
        demand_percent: Its shares, per cent.
        same_question: Of these, those that answer one question.
        importance_order: The three most important aspects.
        imagery: Questionnaire behind Table 1, section 3.1.2.
        words: Columns of Table 1.
        samples: Rows of Table 1.
        table_1: `[10, 6]` mean scores.
        scale: Ends of the seven-level scale.
        example_term: The word that the text takes as an example.
        example_high: Samples that the text calls high on it.
        example_low: Samples that it calls low.
        review_experimental: `[10]` sums of Table 2.
        review_control: `[10]`.
        review_raters: Experts.
        review_scale: Least and largest score of an expert.
        review_means: Means that the text gives, experimental and control.
        groups_per_arm: Number of groups in each arm, according to the first paragraph of section 3.1.3.
        students: Participants by level.
        students_per_arm: Participants of each arm by level.
        scale_name: Name of the scale of the experts.
        blinding: How works were presented to the experts.
        residual_bound: Bound on the absolute error with residual blocks, Figure 4.
        plain_errors: Largest absolute error on each axis without them.
        least_affected: Least affected product, and its accuracy in per cent, Figure 5.
        most_affected: Most affected product.
        most_affected_accuracy: Its figure in each place of the paper.
        benefits: Final benefits in yuan a day in each place of the paper, Figure 6.
        doll_names: Name of the first product in the text and in the captions.
        products: The four products.
        rated_products: Products whose samples were rated.
        generator_objective: Equation (3).
        residual_forms: Equations (4) and (5).
        unpublished: Data that the paper does not give, by the names that claims need; empty, but for tests and for
            authors who have them.
    """

    demand: Returned = published.DEMAND
    demand_percent: Mapping[str, float] = dataclasses.field(default_factory=lambda: published.DEMAND_PERCENT)
    same_question: tuple[str, str] = published.SAME_QUESTION
    importance_order: tuple[str, ...] = published.IMPORTANCE_ORDER
    imagery: Returned = published.IMAGERY
    words: tuple[str, ...] = published.WORDS
    samples: tuple[str, ...] = published.SAMPLES
    table_1: Array = dataclasses.field(default_factory=lambda: published.TABLE_1)
    scale: tuple[float, float] = published.SCALE
    example_term: str = "sensual"
    example_high: tuple[str, ...] = ("Sample 2", "Sample 7")
    example_low: tuple[str, ...] = ("Sample 3", "Sample 4")
    review_experimental: Array = dataclasses.field(default_factory=lambda: published.REVIEW_EXPERIMENTAL)
    review_control: Array = dataclasses.field(default_factory=lambda: published.REVIEW_CONTROL)
    review_raters: int = published.REVIEW_RATERS
    review_scale: tuple[int, int] = published.REVIEW_SCALE
    review_means: tuple[float, float] = (21.5, 17.3)
    groups_per_arm: int = 5
    students: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"graduate": 20, "undergraduate": 20})
    students_per_arm: Mapping[str, Mapping[str, int]] = dataclasses.field(
        default_factory=lambda: {
            "experimental": {"graduate": 10, "undergraduate": 10},
            "control": {"graduate": 10, "undergraduate": 10},
        }
    )
    scale_name: str = "Richter"
    blinding: str = "works shuffled"
    residual_bound: float = 0.5
    plain_errors: tuple[float, ...] = (1.16, 0.72, 0.77)
    least_affected: tuple[str, float] = ("book", 97.0)
    most_affected: str = "earrings"
    most_affected_accuracy: Mapping[str, Extreme] = dataclasses.field(
        default_factory=lambda: {"3.2.1": ("least", 92.99), "4": ("largest", 92.99)}
    )
    benefits: Mapping[str, Mapping[str, float]] = dataclasses.field(
        default_factory=lambda: {
            place: {"hand puppet": 1312.0, "earrings": 1118.0} for place in ("abstract", "3.2.2", "4")
        }
    )
    doll_names: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {"text": "hand puppet", "captions of Figures 5 and 6": "figurine"}
    )
    products: tuple[str, ...] = ("hand puppet", "earrings", "fan", "book")
    rated_products: tuple[str, ...] = ("fan",)
    generator_objective: Objective = Objective("max", "D")
    residual_forms: ResidualForms = ResidualForms(traditional=(1.0, 1.0), residual=(1.0, -1.0))
    unpublished: Mapping[str, Any] = dataclasses.field(default_factory=dict)
