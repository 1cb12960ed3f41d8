"""Pitfalls of such studies, each shown by code on the paper's numbers, with the function for data of one's own."""

import jax
import numpy as np

from ich_jax.kansei import published, review, semantic, survey
from ich_jax.report.tables import Table
from ich_jax.report.text import number
from ich_jax.uncertainty import permutation


def table() -> Table:
    """Returns the pitfalls as a table: what goes wrong, what the paper's numbers show, how to check one's own."""
    rows = (
        _grim(),
        _order_of_shares(),
        _rankings(),
        _dimensions(),
        _few_units(),
        _agreement(),
        _spread(),
    )
    return Table(
        "pitfalls",
        "Pitfalls for authors of such studies",
        ("pitfall", "on the paper's numbers", "check of your own data"),
        rows,
        "Each row is computed from the paper's figures by the function of its last column.",
    )


def _grim() -> tuple[str, str, str]:
    found = survey.grim([92.99], 1000, decimals=2)
    least = next(n for n in range(1, 1001) if survey.grim([92.99], n, decimals=2).possible[0])
    return (
        "A percentage without the number behind it",
        f"92.99 % is {'a' if found.possible[0] else 'no'} count over 1,000 designs; the least possible number is "
        f"{least}.",
        "ich_jax.kansei.survey.grim(percent, n)",
    )


def _order_of_shares() -> tuple[str, str, str]:
    first, second = (round(published.DEMAND_PERCENT[name] * 5) for name in published.SAME_QUESTION)
    found = survey.overlap_bounds(first, second, published.DEMAND.valid)
    return (
        "An order of shares that overlap",
        f"{first} and {second} of {published.DEMAND.valid} people chose two reasons: p is "
        f"{number(found.p_independent, 2)} if they chose independently, and from {number(found.p_low, 2)} to "
        f"{number(found.p_high, 2)} over all overlaps.",
        "ich_jax.kansei.survey.multiple_response(ticked, options)",
    )


def _rankings() -> tuple[str, str, str]:
    found = [
        semantic.surviving_rankings(column, published.IMAGERY.valid, published.SCALE) for column in published.TABLE_1.T
    ]
    pairs = sum(len(one.higher) for one in found)
    first, second = published.SAMPLES.index("Sample 2"), published.SAMPLES.index("Sample 4")
    example = semantic.surviving_rankings(
        published.TABLE_1[[first, second], 0], published.IMAGERY.valid, published.SCALE
    )
    return (
        "A ranking of means without standard deviations",
        f"Of {pairs} differences of Table 1, {sum(int(one.survives.sum()) for one in found)} hold whatever the "
        f"standard deviations are; that of samples 2 and 4 in the paper's example has a worst-case z of "
        f"{number(float(example.z_independent[0]), 2)}.",
        "ich_jax.kansei.semantic.surviving_rankings(means, n, scale)",
    )


def _dimensions() -> tuple[str, str, str]:
    found = semantic.parallel_analysis(published.TABLE_1, key=jax.random.key(0))
    return (
        "More dimensions than samples can carry",
        f"{found.above_one} eigenvalues of {len(published.TABLE_1)} samples exceed 1, and {found.retained} stands "
        "above noise of the same size.",
        "ich_jax.kansei.semantic.parallel_analysis(table, key=key)",
    )


def _few_units() -> tuple[str, str, str]:
    least = permutation.sign_flip(np.ones(4), statistic="mean").smallest_p
    axes = permutation.sign_flip(np.ones(3), statistic="mean").smallest_p
    return (
        "Significance from a handful of units",
        f"Four products cannot give a p-value below {number(least, 3)}, three axes none below {number(axes, 2)}, "
        "whatever the data are.",
        "experiments/economic_benefit.py prints the least p-value of every test before any result",
    )


def _agreement() -> tuple[str, str, str]:
    found = review.icc_from_sums(published.REVIEW_EXPERIMENTAL, published.REVIEW_RATERS, published.REVIEW_SCALE)
    return (
        "Sums of scores whose agreement is unknown",
        f"Among the experimental works the reliability of the sum is at most {number(found.average_high, 2)}, whatever "
        "the experts' single scores are.",
        "ich_jax.kansei.semantic.icc(scores), or ich_jax.kansei.review.icc_from_sums(sums, n_raters, scale)",
    )


def _spread() -> tuple[str, str, str]:
    found = review.spread(published.REVIEW_EXPERIMENTAL, published.REVIEW_CONTROL)
    return (
        "A higher mean reported without the spread",
        f"The experimental works have {number(found.sd_ratio, 2)} times the standard deviation of the others: better "
        "on average, and more alike.",
        "ich_jax.kansei.review.spread(first, second)",
    )
