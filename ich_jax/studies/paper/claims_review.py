"""Claims of section 3.1.3: students draw, experts score (Table 2)."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.kansei import review, semantic
from ich_jax.report.tables import Measure
from ich_jax.report.text import number, p_value, span
from ich_jax.studies.paper.claims_people import RELIABLE
from ich_jax.studies.paper.deciding import (
    CONTRADICTS,
    FAILS,
    HOLDS,
    NEEDS_DATA,
    NOT_TESTABLE,
    OWN_NUMBERS,
    REMARK,
    WORDING,
    Claim,
    Finding,
)
from ich_jax.uncertainty.float64 import Array

ALPHA = 0.05
LARGE = 0.8
"""From this standardised difference on, "much" is granted: Cohen's "large"."""


def means_are_right(review_experimental: Array, review_control: Array, review_means: tuple[float, float]) -> Finding:
    """Claim 8."""
    means = float(review_experimental.mean()), float(review_control.mean())
    right = all(abs(a - b) <= 0.05 * (1 + 1e-9) for a, b in zip(means, review_means, strict=True))
    sds = [float(arm.std(ddof=1)) for arm in (review_experimental, review_control)]
    return Finding(
        HOLDS if right else FAILS,
        f"The sums of Table 2 have the means {number(means[0], 1)} and {number(means[1], 1)}, with standard deviations "
        f"of {number(sds[0], 2)} and {number(sds[1], 2)}.",
        tuple(
            Measure(f"mean, {arm}", mean, n=len(scores), note=f"standard deviation {number(sd, 2)}")
            for arm, mean, sd, scores in zip(
                ("experimental", "control"), means, sds, (review_experimental, review_control), strict=True
            )
        ),
    )


def experimental_is_much_higher(review_experimental: Array, review_control: Array) -> Finding:
    """Claim 9: a permutation test of the difference, and its size."""
    arms = review_experimental, review_control
    t, g, test = review.welch(*arms), review.hedges_g(*arms), review.permutation(*arms)
    u, shift = review.mann_whitney(*arms), review.hodges_lehmann(*arms)
    right = t.difference > 0 and test.p < ALPHA and g.g >= LARGE
    n = len(arms[0]) + len(arms[1])
    percent = 100 * t.difference / t.mean_second
    return Finding(
        HOLDS if right else FAILS,
        f"The difference is {number(t.difference, 1)} points ({span(t.low, t.high, 2)}), {number(percent, 1)} %; "
        f"exact permutation p {number(test.p, 5)} ({test.count:,} of {test.n_assignments:,} assignments), Hedges' g "
        f"{number(g.g, 2)}. It holds if works are independent and students were assigned at random, "
        "which is not stated."
        if right
        else f"The difference is {number(t.difference, 1)} points, permutation p {number(test.p, 4)}, Hedges' g "
        f"{number(g.g, 2)}; asked for are p below {ALPHA} and g of at least {LARGE}.",
        (
            Measure("difference of means", t.difference, t.low, t.high, "95 % Welch", n, note=f"t {number(t.t, 3)}"),
            Measure("Welch p", t.p, n=n, note=f"{number(t.df, 1)} degrees of freedom"),
            Measure("exact permutation p", test.p, n=n, note=f"{test.count:,} of {test.n_assignments:,}"),
            Measure("permutation p, studentised", test.p_studentised, n=n),
            Measure("Mann-Whitney p, exact with ties", u.p, n=n, note=f"U {number(u.u, 1)}"),
            Measure("Hedges' g", g.g, g.low, g.high, "95 %", n),
            Measure("Hodges-Lehmann shift", shift.shift, shift.low, shift.high, "95 %", n),
            Measure("power at the observed d", review.power(g.d, len(arms[0]), len(arms[1])), n=n),
            Measure("least d found with 80 % power", review.minimum_detectable_effect(len(arms[0]), len(arms[1])), n=n),
        ),
    )


def groups_agree(groups_per_arm: int, review_experimental: Array, review_control: Array) -> Finding:
    """Claim 10."""
    shown = len(review_experimental), len(review_control)
    return Finding(
        HOLDS if shown == (groups_per_arm, groups_per_arm) else CONTRADICTS,
        f"The first paragraph has {groups_per_arm} groups in each arm, Table 2 has {shown[0]} and {shown[1]}.",
    )


def students_add_up(
    students: Mapping[str, int],
    students_per_arm: Mapping[str, Mapping[str, int]],
    review_experimental: Array,
    review_control: Array,
) -> Finding:
    """Claim 11."""
    divided = {level: sum(arm.get(level, 0) for arm in students_per_arm.values()) for level in students}
    works = len(review_experimental) + len(review_control)
    total = sum(students.values())
    return Finding(
        HOLDS if divided == dict(students) else FAILS,
        f"The arms hold {' and '.join(f'{n} {level}s' for level, n in divided.items())}, {total} students. "
        f"{number(total / works, 1)} of them stand behind each of {works} works, which is not said.",
    )


def scale_is_named(
    scale_name: str,
    review_experimental: Array,
    review_control: Array,
    review_raters: int,
    review_scale: tuple[int, int],
) -> Finding:
    """Claim 12."""
    least, most = (review_raters * level for level in review_scale)
    sums = np.concatenate([review_experimental, review_control])
    feasible = bool(((sums >= least) & (sums <= most) & (sums == np.round(sums))).all())
    reason = (
        f"Sums of {review_raters} scores from {review_scale[0]} to {review_scale[1]} lie from {least} to {most}; those "
        f"of Table 2 lie from {number(float(sums.min()), 0)} to {number(float(sums.max()), 0)}."
    )
    if not feasible:
        return Finding(FAILS, f"{reason} Not all of them are possible.")
    if scale_name.lower() == "likert":
        return Finding(HOLDS, reason)
    return Finding(WORDING, f"{reason} A {scale_name} scale measures earthquakes; a Likert scale is meant.")


def agreement_from_sums(
    review_experimental: Array, review_control: Array, review_raters: int, review_scale: tuple[int, int]
) -> Finding:
    """Claim 13, from sums only: bounds that hold for any scores."""
    parts = {
        "both arms": np.concatenate([review_experimental, review_control]),
        "experimental": review_experimental,
        "control": review_control,
    }
    try:
        bounds = {name: review.icc_from_sums(sums, review_raters, review_scale) for name, sums in parts.items()}
    except errors.DataError as reason:
        return Finding(NOT_TESTABLE, f"The sums allow no bounds: {reason}")
    both, first = bounds["both arms"], bounds["experimental"]
    return Finding(
        NOT_TESTABLE,
        f"From the sums, ICC(1,{review_raters}) of all works lies from {number(both.average_low, 2)} to "
        f"{number(both.average_high, 2)}; among the experimental works it is at most {number(first.average_high, 2)}, "
        "whatever the single scores are.",
        tuple(
            measure
            for name, b in bounds.items()
            for measure in (
                Measure(f"ICC(1,1), {name}", None, b.single_low, b.single_high, "bounds", b.n_works),
                Measure(f"ICC(1,{b.n_raters}), {name}", None, b.average_low, b.average_high, "bounds", b.n_works),
            )
        ),
    )


def experts_agree(scores: npt.ArrayLike) -> Finding:
    """Claim 13, from the scores `[works, experts]`."""
    table = semantic.icc(scores)
    k = table.name.index("ICC1k")
    value = float(table.icc[k])
    return Finding(
        HOLDS if value >= RELIABLE else FAILS,
        f"ICC(1,{table.raters}) is {number(value, 2)}; {RELIABLE} is asked for.",
        (Measure(f"ICC(1,{table.raters})", value, float(table.low[k]), float(table.high[k]), "95 %", table.samples),),
    )


def experimental_varies_less(review_experimental: Array, review_control: Array) -> Finding:
    """Claim 14, which the paper does not make."""
    s = review.spread(review_experimental, review_control)
    return Finding(
        REMARK if s.sd_ratio < 1 else FAILS,
        f"The standard deviations have the ratio {number(s.sd_ratio, 2)} (Levene p {p_value(s.p)}): with generated "
        f"pictures, works vary {'less' if s.sd_ratio < 1 else 'no less'}.",
        (
            Measure("ratio of standard deviations", s.sd_ratio),
            Measure("ratio of variances", s.variance_ratio),
            Measure("Levene p", s.p),
            Measure("log ratio of coefficients of variation", s.ln_cvr),
        ),
    )


def pairs_all_favour_one_arm(review_experimental: Array, review_control: Array) -> Finding:
    """Claim 15, which the paper does not make."""
    d = review.paired(review_experimental, review_control)
    return Finding(
        REMARK if d.positive == d.n else FAILS,
        f"In {d.positive} of {d.n} pairs of equal number the experimental work scores higher (sign-flip p "
        f"{number(d.p, 4)}, correlation {number(d.correlation, 2)}). No pairing is documented, so this is no test.",
        (Measure("sign-flip p", d.p, n=d.n), Measure("correlation within pairs", d.correlation, n=d.n)),
    )


def presentation_only(blinding: str) -> Finding:
    """Claim 29, from the text."""
    return Finding(NOT_TESTABLE, f"Stated: {blinding}. How students came into the arms is not.")


def assignment_was_random(assignment: Sequence[tuple[str, str]]) -> Finding:
    """Claim 29, from the arm and the way of assignment of every student: `("control", "random")`."""
    ways = sorted({way for _, way in assignment})
    return Finding(
        HOLDS if ways == ["random"] else FAILS,
        f"{len(assignment)} students were assigned; ways of assignment: {', '.join(ways)}.",
    )


CLAIMS = (
    Claim(
        8,
        "3.1.3, Table 2",
        "The mean score is 21.5 in the experimental arm and 17.3 in the control arm.",
        OWN_NUMBERS,
        means_are_right,
    ),
    Claim(
        9,
        "3.1.3, Table 2",
        "The experimental arm scores much higher.",
        OWN_NUMBERS,
        experimental_is_much_higher,
    ),
    Claim(10, "3.1.3", "Each arm has 5 groups.", OWN_NUMBERS, groups_agree),
    Claim(
        11,
        "3.1.3",
        "20 graduates and 20 undergraduates take part, 10 and 10 in each arm.",
        OWN_NUMBERS,
        students_add_up,
    ),
    Claim(
        12,
        "3.1.3",
        "Five experts score on a five-level \u201cRichter\u201d scale; their scores are summed.",
        OWN_NUMBERS,
        scale_is_named,
    ),
    Claim(
        13,
        "3.1.3",
        "The experts' scores can be summed, so they agree (implied).",
        NEEDS_DATA,
        experts_agree,
        needs=(("scores", "the scores of the single experts"),),
        without=NOT_TESTABLE,
        known=agreement_from_sums,
    ),
    Claim(
        14,
        "Table 2",
        "Not claimed: works of the experimental arm are more alike.",
        OWN_NUMBERS,
        experimental_varies_less,
    ),
    Claim(
        15,
        "Table 2",
        "Not claimed: the experimental work scores higher in every numbered pair.",
        OWN_NUMBERS,
        pairs_all_favour_one_arm,
    ),
    Claim(
        29,
        "3.1.3",
        "The comparison is fair: works are shuffled before review.",
        NEEDS_DATA,
        assignment_was_random,
        needs=(("assignment", "how each student was assigned to an arm"),),
        without=NOT_TESTABLE,
        known=presentation_only,
    ),
)
