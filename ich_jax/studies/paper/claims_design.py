"""Claims about the algorithm and its benefit: sections 2, 3.2.1 (Figures 4, 5) and 3.2.2 (Figure 6)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax.kansei import review, survey
from ich_jax.report.tables import Measure
from ich_jax.report.text import number
from ich_jax.studies.paper.deciding import (
    CONTRADICTS,
    ERROR,
    FAILS,
    HOLDS,
    NEEDS_DATA,
    NEEDS_EXPERIMENT,
    NOT_TESTABLE,
    OWN_NUMBERS,
    UNSUPPORTED,
    Claim,
    Finding,
)
from ich_jax.studies.paper.stated import Extreme, Objective, ResidualForms
from ich_jax.uncertainty import multiplicity, permutation

ALPHA = 0.05
RECOVERED = 1.0
"""A curve has recovered when it is within so many points of its mean before the disturbance."""
_MOST_N = 2000  # accuracies over so many designs are searched


def bounds_without_errors(residual_bound: float, plain_errors: tuple[float, ...]) -> Finding:
    """Claim 16, from the bounds that the text gives."""
    least = [100 * (1 - residual_bound / error) for error in plain_errors]
    attainable = permutation.sign_flip(np.array(plain_errors) - residual_bound, statistic="mean").smallest_p
    return Finding(
        NOT_TESTABLE,
        f"The bounds imply reductions of at least {', '.join(number(r, 1) for r in least)} %. There is no unit, no "
        f"number of designs and no test; three axes alone cannot give a p-value below {number(attainable, 2)}.",
        (
            *(Measure(f"least reduction on axis {k + 1}, %", r) for k, r in enumerate(least)),
            Measure("least p-value of three axes", attainable, n=len(plain_errors)),
        ),
    )


def errors_stay_within(axis_errors: Mapping[str, npt.ArrayLike], residual_bound: float) -> Finding:
    """Claim 16, from errors `[designs, axes]` of both arms, by `plain` and `residual`."""
    plain, residual = (np.abs(np.asarray(axis_errors[arm], np.float64)) for arm in ("plain", "residual"))
    beyond = int((residual > residual_bound).any(axis=1).sum())
    test = permutation.sign_flip(plain - residual, key=jax.random.key(0), n_resamples=1999)
    p = float(np.max(test.p_single_step))
    right = beyond == 0 and p < ALPHA and bool((plain.mean(axis=0) > residual.mean(axis=0)).all())
    return Finding(
        HOLDS if right else FAILS,
        f"{beyond} of {len(residual)} designs lie beyond {residual_bound} with residual blocks; the largest p of an "
        f"axis, adjusted for all, is {number(p, 4)}.",
        (Measure("largest error with residual blocks", float(residual.max()), n=len(residual)),),
    )


def book_above_earrings(
    least_affected: tuple[str, float], most_affected: str, most_affected_accuracy: Mapping[str, Extreme]
) -> Finding:
    """Claim 17: the order only."""
    lowest = min(value for _, value in most_affected_accuracy.values())
    product, bound = least_affected
    return Finding(
        HOLDS if bound > lowest else FAILS,
        f"{product.capitalize()} above {number(bound, 0)} %, {most_affected} down to {number(lowest, 2)} %: the order "
        "is consistent. What an average accuracy is that is always above a bound is not defined.",
        (Measure(f"{product}, %", bound), Measure(f"{most_affected}, %", lowest)),
    )


def smallest_n(most_affected_accuracy: Mapping[str, Extreme]) -> Finding:
    """Claim 18, from the percentage: over how many designs it can have been counted."""
    percent = sorted({value for _, value in most_affected_accuracy.values()})
    possible = [n for n in range(1, _MOST_N + 1) if survey.grim(percent, n, decimals=2).possible.all()]
    usual = [n for n in (100, 200, 500, 1000) if n in possible]
    least = possible[0] if possible else None
    return Finding(
        NOT_TESTABLE,
        f"{number(percent[0], 2)} % is a count over {'none' if not usual else ', '.join(map(str, usual))} of 100, 200, "
        f"500 and 1,000 designs. The smallest possible number is {least}, and {len(possible)} numbers up to "
        f"{_MOST_N:,} are possible.",
        (Measure("smallest possible n", least), Measure(f"possible n up to {_MOST_N:,}", len(possible))),
    )


def accuracy_is_a_count(accuracy_n: int, most_affected_accuracy: Mapping[str, Extreme]) -> Finding:
    """Claim 18, from the number of designs."""
    percent = sorted({value for _, value in most_affected_accuracy.values()})
    found = survey.grim(percent, accuracy_n, decimals=2)
    return Finding(
        HOLDS if found.possible.all() else FAILS,
        f"{number(percent[0], 2)} % of {accuracy_n:,} designs is "
        + (f"{found.count[0]:,} of them." if found.possible.all() else "no whole number of them."),
    )


def extreme_is_consistent(most_affected_accuracy: Mapping[str, Extreme]) -> Finding:
    """Claim 19."""
    named = {place: f"{extreme} ({number(value, 2)} %)" for place, (extreme, value) in most_affected_accuracy.items()}
    agree = len(set(most_affected_accuracy.values())) == 1
    return Finding(
        HOLDS if agree else CONTRADICTS,
        f"The figure is the {'; the '.join(f'{text} in section {place}' for place, text in named.items())}.",
    )


def curves_recover(accuracy_curves: Mapping[str, tuple[npt.ArrayLike, int]]) -> Finding:
    """Claim 20, from a curve of each product, per cent, and the step at which the disturbance begins."""
    lost = {}
    for product, (curve, begin) in accuracy_curves.items():
        values = np.asarray(curve, np.float64)
        lost[product] = float(values[:begin].mean() - values[-1])
    slow = [product for product, points in lost.items() if points > RECOVERED]
    return Finding(
        FAILS if slow else HOLDS,
        f"At the end {', '.join(f'{product} lacks {number(points, 2)} points' for product, points in lost.items())}.",
        tuple(Measure(f"lost at the end, {product}, points", points) for product, points in lost.items()),
    )


def benefits_are_repeated(benefits: Mapping[str, Mapping[str, float]]) -> Finding:
    """Claim 21: the same figures wherever they are given."""
    stated = list(benefits.values())
    same = all(figures == stated[0] for figures in stated)
    yearly = {name: 365 * value for name, value in stated[0].items()}
    return Finding(
        HOLDS if same else CONTRADICTS,
        f"{len(stated)} places of the paper give {'the same figures' if same else 'different figures'}; in 365 days "
        f"they come to {' and '.join(f'{number(v, 0)} yuan ({name})' for name, v in yearly.items())}. "
        "This is consistency only.",
        tuple(Measure(f"{name}, yuan a day", value) for name, value in stated[0].items()),
    )


def benefits_without_baselines(products: tuple[str, ...], benefits: Mapping[str, Mapping[str, float]]) -> Finding:
    """Claim 22, from the text."""
    numbered = {name for figures in benefits.values() for name in figures}
    bare = [name for name in products if name not in numbered]
    smallest = 2.0 ** (1 - len(products))
    return Finding(
        NOT_TESTABLE,
        f"No benefit before, no local average, no number of days and no test is given, and no figure at all for "
        f"{' and '.join(bare)}. If the products are the units, {len(products)} of them cannot give a p-value below "
        f"{smallest:g}.",
        (Measure("least p-value of a sign-flip test of the products", smallest, n=len(products)),),
    )


def benefits_rise(daily_benefits: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]]) -> Finding:
    """Claim 22, from daily benefits of each product: with AI, before, and of local outlets."""
    names, p, up = [], [], []
    for product, (after, before, local) in daily_benefits.items():
        for other, series in (("before", before), ("local", local)):
            test = review.permutation(after, series, key=jax.random.key(0), n_resamples=1999)
            names.append(f"{product} against {other}")
            p.append(test.p_greater)
            up.append(test.difference > 0)
    adjusted = multiplicity.holm(np.array(p))
    right = bool(all(up) and (adjusted < ALPHA).all())
    return Finding(
        HOLDS if right else FAILS,
        f"{int((adjusted < ALPHA).sum())} of {len(p)} comparisons are significant after Holm's adjustment (days taken "
        "as independent).",
        tuple(Measure(f"p, {name} (Holm)", float(value)) for name, value in zip(names, adjusted, strict=True)),
    )


def names_agree(doll_names: Mapping[str, str]) -> Finding:
    """Claim 23."""
    return Finding(
        HOLDS if len(set(doll_names.values())) == 1 else CONTRADICTS,
        f"It is the {'; the '.join(f'{name} in the {place}' for place, name in doll_names.items())}.",
    )


def region_grows(regional_growth: tuple[npt.ArrayLike, npt.ArrayLike]) -> Finding:
    """Claim 24, from the growth of regions with and without such products."""
    return _two_groups(regional_growth, "growth of regions", higher=True)


def designs_take_less_time(design_hours: tuple[npt.ArrayLike, npt.ArrayLike]) -> Finding:
    """Claim 25, from the hours that a design took with and without AI."""
    return _two_groups(design_hours, "hours of a design", higher=False)


def other_products_are_rated(
    product_tables: Mapping[str, npt.ArrayLike], rated_products: tuple[str, ...], products: tuple[str, ...]
) -> Finding:
    """Claim 27, from a table of mean scores `[samples, words]` for each further product."""
    given = {name for name, table in product_tables.items() if np.isfinite(np.asarray(table, np.float64)).all()}
    bare = [name for name in products if name not in given | set(rated_products)]
    return Finding(
        FAILS if bare else HOLDS,
        f"Without ratings: {', '.join(bare)}." if bare else f"All {len(products)} products have been rated.",
    )


def scope_of_the_data(rated_products: tuple[str, ...], products: tuple[str, ...]) -> Finding:
    """Claim 27, from the text."""
    bare = [name for name in products if name not in rated_products]
    return Finding(
        UNSUPPORTED,
        f"The ratings and the 500 pictures are of the {' and '.join(rated_products)} only, not of {', '.join(bare)}.",
    )


def objective_trains_the_generator(generator_objective: Objective, residual_forms: ResidualForms) -> Finding:
    """Claim 28: which way equation (3) moves D(G(z)), and whether equation (4) differs from (5)."""
    slope = float(jax.grad(lambda p: jnp.log(1.0 - p))(0.5))
    upward = slope > 0 if generator_objective.direction == "max" else slope < 0
    right = upward and generator_objective.player == "G"
    a, b = residual_forms.traditional
    c, d = residual_forms.residual
    # F = c (a F + b x) + d x holds for all F and x: both equations say the same.
    same = bool(np.isclose(c * a, 1.0) and np.isclose(c * b + d, 0.0))
    reason = (
        f"Printed: {generator_objective.direction} over {generator_objective.player} of log(1 - D(G(z))). Its slope in "
        f"D(G(z)) is {number(slope, 1)} at 1/2, so a generator has to minimise it; the printed form "
        f"{'does' if upward else 'drives D(G(z)) to 0'}"
        f"{'' if generator_objective.player == 'G' else ', and moves the discriminator, not the generator'}."
    )
    reason += (
        " Equation (4), introduced as the traditional structure, is the residual one: solved for F it is (5)." * same
    )
    return Finding(HOLDS if right and not same else ERROR, reason, (Measure("slope of log(1 - p) at 1/2", slope),))


def _two_groups(groups: tuple[npt.ArrayLike, npt.ArrayLike], what: str, *, higher: bool) -> Finding:
    test = review.permutation(*groups, key=jax.random.key(0), n_resamples=1999)
    right = test.p < ALPHA and (test.difference > 0) is higher
    return Finding(
        HOLDS if right else FAILS,
        f"The difference in {what} is {number(test.difference)}, permutation p {number(test.p, 4)}.",
        (Measure(f"difference in {what}", test.difference), Measure("permutation p", test.p)),
    )


CLAIMS = (
    Claim(
        16,
        "3.2.1, Figure 4",
        "With residual blocks the absolute error stays within 0.5 on every axis; without, it reaches 1.16, 0.72 and "
        "0.77; the reduction is significant.",
        NEEDS_EXPERIMENT,
        errors_stay_within,
        needs=(("axis_errors", "the errors of single designs in both arms"),),
        without=NOT_TESTABLE,
        known=bounds_without_errors,
    ),
    Claim(
        17,
        "3.2.1, Figure 5",
        "Under interference the book is affected least (always above 97 %), the earrings most (92.99 %).",
        OWN_NUMBERS,
        book_above_earrings,
    ),
    Claim(
        18,
        "3.2.1, Figure 5",
        "The accuracy of the earrings is 92.99 %.",
        NEEDS_DATA,
        accuracy_is_a_count,
        needs=(("accuracy_n", "the number of designs behind an accuracy"),),
        without=NOT_TESTABLE,
        known=smallest_n,
    ),
    Claim(
        19,
        "3.2.1, 4",
        "92.99 % is the accuracy of the earrings at one extreme.",
        OWN_NUMBERS,
        extreme_is_consistent,
    ),
    Claim(
        20,
        "3.2.1, Figure 5",
        "After the interference the accuracy recovers for every product.",
        NEEDS_EXPERIMENT,
        curves_recover,
        needs=(("accuracy_curves", "accuracies over time, and when the interference begins"),),
        without=NOT_TESTABLE,
    ),
    Claim(
        21,
        "abstract, 3.2.2, 4",
        "The final benefit is 1,312 yuan a day for the hand puppet and 1,118 for the earrings.",
        OWN_NUMBERS,
        benefits_are_repeated,
    ),
    Claim(
        22,
        "3.2.2, Figure 6",
        "All four products earn significantly more than before, and than similar local products.",
        NEEDS_EXPERIMENT,
        benefits_rise,
        needs=(("daily_benefits", "daily benefits with AI, before, and of local outlets"),),
        without=NOT_TESTABLE,
        known=benefits_without_baselines,
    ),
    Claim(23, "3.2.1, 3.2.2", "The first product is the same in text and captions.", OWN_NUMBERS, names_agree),
    Claim(
        24,
        "3.2.2, 4",
        "Such products effectively drive the development of the regional economy.",
        NEEDS_DATA,
        region_grows,
        needs=(("regional_growth", "economic data of regions with and without such products"),),
        without=UNSUPPORTED,
    ),
    Claim(
        25,
        "abstract, 4",
        "AI raises the efficiency of design.",
        NEEDS_EXPERIMENT,
        designs_take_less_time,
        needs=(("design_hours", "time or cost of designs with and without AI"),),
        without=UNSUPPORTED,
    ),
    Claim(
        27,
        "3.2",
        "The results cover four kinds of products.",
        NEEDS_DATA,
        other_products_are_rated,
        needs=(("product_tables", "ratings of the other three products"),),
        without=UNSUPPORTED,
        known=scope_of_the_data,
    ),
    Claim(
        28,
        "2.1, 2.2",
        "Equation (3) is the generator's objective, and equation (4) the traditional structure.",
        OWN_NUMBERS,
        objective_trains_the_generator,
    ),
)
