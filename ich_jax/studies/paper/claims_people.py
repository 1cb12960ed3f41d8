"""Claims of sections 3.1.1 and 3.1.2: questionnaires, and how words were rated (Figure 3, Table 1)."""

from collections.abc import Mapping

import jax
import numpy as np
import numpy.typing as npt

from ich_jax.kansei import quantification, semantic, survey
from ich_jax.kansei.published import Returned
from ich_jax.report.tables import Measure
from ich_jax.report.text import number
from ich_jax.studies.paper.deciding import (
    CONTRADICTS,
    FAILS,
    HOLDS,
    NEEDS_DATA,
    NOT_TESTABLE,
    OWN_NUMBERS,
    UNSUPPORTED,
    Claim,
    Finding,
)
from ich_jax.types import Element
from ich_jax.uncertainty import intervals
from ich_jax.uncertainty.float64 import Array

RELIABLE = 0.75
"""From this ICC on, raters are called reliable: "good" of Koo and Li (2016)."""
_KEY = 0  # of resampling; verdicts must not change from run to run


def counts_add_up(demand: Returned) -> Finding:
    """Claim 1."""
    kept = demand.returned - sum(demand.rejected.values())
    return Finding(
        HOLDS if kept == demand.valid else FAILS,
        f"{demand.returned} minus {' minus '.join(map(str, demand.rejected.values()))} is {kept}.",
        (_share("valid rate", demand.valid, demand.returned),),
    )


def percentages_are_counts(
    demand_percent: Mapping[str, float], demand: Returned, same_question: tuple[str, str]
) -> Finding:
    """Claim 2."""
    found = survey.grim(list(demand_percent.values()), demand.valid)
    limits = intervals.wilson(found.count, demand.valid)
    shares = tuple(
        Measure(f"{name}, %", percent, 100 * float(low), 100 * float(high), "95 % Wilson", demand.valid, note=f"{k}")
        for (name, percent), k, low, high in zip(
            demand_percent.items(), found.count, limits.low, limits.high, strict=True
        )
    )
    first, second = (found.count[list(demand_percent).index(name)] for name in same_question)
    together = survey.overlap_bounds(int(first), int(second), demand.valid)
    overlap = Measure("p that the two reasons differ", together.p_independent, note="if chosen independently")
    spread = Measure("least and largest p over all overlaps", None, together.p_low, together.p_high)
    several = sum(demand_percent[name] for name in same_question) > 100
    possible = bool(found.possible.all())
    return Finding(
        HOLDS if possible else FAILS,
        f"{'All' if possible else 'Not all'} are counts over {demand.valid}: {', '.join(map(str, found.count))}. "
        + ("The two reasons add up to more than 100 %, so several could be ticked, which is not stated. " * several)
        + f"Their order cannot be told apart (p {number(together.p_independent, 2)} if independent).",
        (*shares, overlap, spread),
    )


def imagery_counts_add_up(imagery: Returned) -> Finding:
    """Claim 3."""
    kept = imagery.returned - sum(imagery.rejected.values())
    right = kept == imagery.valid and imagery.returned <= imagery.distributed
    return Finding(
        HOLDS if right else FAILS,
        f"{imagery.returned} of {imagery.distributed} came back, and {kept} remain.",
        (
            _share("return rate", imagery.returned, imagery.distributed),
            _share("valid rate", imagery.valid, imagery.returned),
            _share("valid of those sent", imagery.valid, imagery.distributed),
        ),
    )


def scores_fit_the_scale(table_1: Array, scale: tuple[float, float]) -> Finding:
    """Claim 4."""
    least, most = float(table_1.min()), float(table_1.max())
    inside = scale[0] <= least and most <= scale[1]
    return Finding(
        HOLDS if inside else FAILS,
        f"Means lie from {number(least, 2)} to {number(most, 2)}; a seven-level scale from {number(scale[0], 0)} to "
        f"{number(scale[1], 0)} {'holds' if inside else 'does not hold'} them.",
        (Measure("least mean", least), Measure("largest mean", most)),
    )


def example_samples_are_extreme(
    table_1: Array,
    words: tuple[str, ...],
    samples: tuple[str, ...],
    example_high: tuple[str, ...],
    example_low: tuple[str, ...],
    scale: tuple[float, float],
    imagery: Returned,
) -> Finding:
    """Claim 5: of the first column, which the text calls by another name (claim 6)."""
    means = table_1[:, 0]
    order = [samples[k] for k in np.argsort(-means, kind="stable")]
    high, low = set(order[: len(example_high)]), set(order[-len(example_low) :])
    right = high == set(example_high) and low == set(example_low)

    def named(column: Array) -> bool:
        ranked = [samples[k] for k in np.argsort(-column, kind="stable")]
        return set(ranked[: len(example_high)]) == set(example_high) and set(ranked[-len(example_low) :]) == set(
            example_low
        )

    elsewhere = [word for word, column in zip(words, table_1.T, strict=True) if named(column)]
    elsewhere += ["the means over the words"] if named(table_1.mean(axis=1)) else []
    pairs = semantic.surviving_rankings(means, imagery.valid, scale, samples=samples)
    wanted = {(a, b) for a in example_high for b in example_low}
    evidence = tuple(
        Measure(f"{a} above {b}", float(d), note=f"worst-case z {number(float(z), 2)} (independent), {number(any_, 2)}")
        for a, b, d, z, any_ in zip(
            pairs.higher,
            pairs.lower,
            pairs.difference,
            pairs.z_independent,
            map(float, pairs.z_any),
            strict=True,
        )
        if (a, b) in wanted
    )
    reason = f"On {words[0]} the highest are {_listed(order[: len(high)])}, the lowest {_listed(order[-len(low) :])}."
    if not right and elsewhere:
        reason += f" The sentence is true of {_listed(elsewhere)}."
    return Finding(HOLDS if right else FAILS, reason, evidence)


def term_is_in_the_table(example_term: str, words: tuple[str, ...]) -> Finding:
    """Claim 6."""
    there = example_term.lower() in {word.lower() for word in words}
    return Finding(
        HOLDS if there else CONTRADICTS,
        f"The words of Table 1 are {_listed(words)}; the text says \u201c{example_term}\u201d.",
    )


def table_without_raters(
    table_1: Array, words: tuple[str, ...], scale: tuple[float, float], imagery: Returned
) -> Finding:
    """Claim 7, from means only."""
    adequacy = semantic.adequacy(table_1, words)
    parts = semantic.parallel_analysis(table_1, key=jax.random.key(_KEY))
    surviving = [semantic.surviving_rankings(column, imagery.valid, scale) for column in table_1.T]
    kept, pairs = sum(int(s.survives.sum()) for s in surviving), sum(len(s.higher) for s in surviving)
    return Finding(
        NOT_TESTABLE,
        f"No standard deviation and no reliability is given. With {len(table_1)} samples KMO is "
        f"{number(adequacy.kmo, 2)}, and {parts.retained} component stands above noise ({parts.above_one} have "
        f"eigenvalues above 1). {kept} of {pairs} differences hold whatever the standard deviations are.",
        (
            Measure("KMO", adequacy.kmo, n=len(table_1)),
            Measure("Bartlett p", adequacy.p, n=len(table_1)),
            Measure("components above noise", parts.retained, n=len(table_1)),
            Measure("differences that hold in any case", kept, note=f"of {pairs}"),
        ),
    )


def raters_agree_on_the_best(ratings: npt.ArrayLike, words: tuple[str, ...]) -> Finding:
    """Claim 7, from the ratings `[R, S, W]` of single raters."""
    cube = np.asarray(ratings, np.float64)
    found = [semantic.icc(cube[:, :, k].T) for k in range(cube.shape[2])]
    at = [table.name.index("ICC2k") for table in found]
    least = min(float(table.icc[k]) for table, k in zip(found, at, strict=True))
    evidence = tuple(
        Measure(f"ICC(2,k) of {word}", float(t.icc[k]), float(t.low[k]), float(t.high[k]), "95 %", t.samples)
        for word, t, k in zip(words, found, at, strict=True)
    )
    return Finding(
        HOLDS if least >= RELIABLE else FAILS,
        f"The mean scores have a reliability of at least {number(least, 2)}; {RELIABLE} is asked for.",
        evidence,
    )


def order_without_scores(importance_order: tuple[str, ...]) -> Finding:
    """Claim 30, from the text."""
    return Finding(NOT_TESTABLE, f"The text gives the order {_listed(importance_order)}; its figure has no numbers.")


def order_is_established(importance_scores: Mapping[str, npt.ArrayLike], importance_order: tuple[str, ...]) -> Finding:
    """Claim 30, from the scores of every respondent by aspect."""
    table = np.column_stack([np.asarray(scores, np.float64) for scores in importance_scores.values()])
    ranks = survey.importance_ranks(
        table, list(importance_scores), key=jax.random.key(_KEY), top=len(importance_order), n_resamples=1999
    )
    share = dict(zip(ranks.orders, ranks.p_order, strict=True)).get(importance_order, 0.0)
    right = ranks.aspect[: len(importance_order)] == importance_order
    return Finding(
        HOLDS if right and share >= 0.95 else FAILS,
        f"The order of the means is {_listed(ranks.aspect)}; the stated one comes out in {number(100 * share, 1)} % of "
        "resamples.",
        (Measure("share of resamples in the stated order", float(share), n=ranks.n),),
    )


def elements_explain_words(
    forms: tuple[npt.ArrayLike, tuple[Element, ...]], table_1: Array, words: tuple[str, ...]
) -> Finding:
    """Claim 26, from the categories `[S, E]` of the samples and their elements."""
    codes, elements = forms
    fits = [quantification.quantification_1(codes, elements, column) for column in table_1.T]
    left_out = {word: fit.r2_left_out for word, fit in zip(words, fits, strict=True)}
    foretold = [word for word, r2 in left_out.items() if r2 > 0]
    return Finding(
        HOLDS if len(foretold) == len(words) else FAILS,
        f"Design elements foretell samples that the fit has not seen on {len(foretold)} of {len(words)} words.",
        tuple(Measure(f"R2 of {word}, samples left out", r2, n=len(table_1)) for word, r2 in left_out.items()),
    )


def _share(name: str, count: int, n: int) -> Measure:
    limits = intervals.wilson(count, n)
    return Measure(f"{name}, %", 100 * count / n, 100 * float(limits.low), 100 * float(limits.high), "95 % Wilson", n)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


CLAIMS = (
    Claim(
        1,
        "3.1.1",
        "Of 509 questionnaires about demand, 7 invalid and 2 largely blank ones are removed; 500 remain.",
        OWN_NUMBERS,
        counts_add_up,
    ),
    Claim(
        2,
        "3.1.1, Figure 3",
        "35.6 % travel for the hobby, 59.6 % buy as a souvenir, 61.2 % for the meaning, 31.2 % prefer jewellery.",
        OWN_NUMBERS,
        percentages_are_counts,
    ),
    Claim(
        3,
        "3.1.2",
        "Of 200 questionnaires about perception, 195 come back and 190 are valid.",
        OWN_NUMBERS,
        imagery_counts_add_up,
    ),
    Claim(4, "3.1.2, Table 1", "Words are rated on a scale of seven levels.", OWN_NUMBERS, scores_fit_the_scale),
    Claim(
        5,
        "3.1.2, Table 1",
        "On the word taken as an example, samples 2 and 7 score high, samples 3 and 4 low.",
        OWN_NUMBERS,
        example_samples_are_extreme,
    ),
    Claim(
        6,
        "3.1.2, Table 1",
        "The example is the word \u201csensual\u201d of Table 1.",
        OWN_NUMBERS,
        term_is_in_the_table,
    ),
    Claim(
        7,
        "3.1.2",
        "The highest mean scores of Table 1 tell which samples, and so which forms, carry a word.",
        NEEDS_DATA,
        raters_agree_on_the_best,
        needs=(("ratings", "the scores of the single raters"),),
        without=NOT_TESTABLE,
        known=table_without_raters,
    ),
    Claim(
        26,
        "1, 3.1.2",
        "A quantisation table gives the association between words and features of a product.",
        NEEDS_DATA,
        elements_explain_words,
        needs=(("forms", "the design elements of the ten samples"),),
        without=UNSUPPORTED,
    ),
    Claim(
        30,
        "3.1.1, Figure 3",
        "The three most important aspects of a product are aesthetics, price and quality, in this order.",
        NEEDS_DATA,
        order_is_established,
        needs=(("importance_scores", "the importance that each respondent gave to each aspect"),),
        without=NOT_TESTABLE,
        known=order_without_scores,
    ),
)
