"""Claims that the answers of a study can carry, and those that they cannot, with the reason."""

from ich_jax.report.tables import Table
from ich_jax.report.text import count, number
from ich_jax.studies.kansei.result import ElementsResult, KanseiResult, ReviewResult, SurveyResult, WordsResult

ALPHA = 0.05
RELIABLE = 0.75
"""From this ICC on, raters are called reliable: "good" of Koo and Li (2016)."""

Row = tuple[str, str, str]
YES, NO, PARTLY = "yes", "no", "in part"


def table(result: KanseiResult) -> Table:
    """Returns claims that such studies make, each with whether these data can carry it and why.

    Args:
        result: The study; parts without data carry nothing.
    """
    rows = [*_review(result.review), *_words(result.words), *_elements(result.elements), *_survey(result.survey)]
    return Table(
        "carries",
        "Claims that your data can carry",
        ("claim", "carried", "why"),
        tuple(rows),
        "What can be claimed from these data at all, not what they show. All of it takes for granted that works, "
        "raters and respondents are independent, and that works came into the arms at random.",
    )


def _review(result: ReviewResult | None) -> list[Row]:
    if result is None:
        return [("one arm scores higher", NO, "there is no review")]
    c = result.comparison
    least = c.permutation.smallest_p
    difference = (
        "one arm scores higher",
        YES if least <= ALPHA else NO,
        f"{c.n_first} and {c.n_second} works can give a p-value of {number(least)}; with 80 % power they find a "
        f"difference of {number(c.minimum_detectable, 2)} standard deviations",
    )
    if result.agreement is not None:
        k = result.agreement.name.index("ICC2k")
        value = float(result.agreement.icc[k])
        agreement = ("experts agree", YES, f"single scores are given; ICC(2,k) is {number(value, 2)}")
    elif result.bounds:
        highest = {name: b.average_high for name, b in result.bounds.items()}
        lowest = min(b.average_low for b in result.bounds.values())
        weak = [f"{name} at most {number(high, 2)}" for name, high in highest.items() if high < RELIABLE]
        why = f"only sums are given: ICC(1,k) from {number(lowest, 2)} on; " + (", ".join(weak) or "no bound is low")
        agreement = ("experts agree", NO, why)
    else:
        agreement = ("experts agree", NO, "the scores of single raters are not given")
    return [difference, agreement]


def _words(result: WordsResult | None) -> list[Row]:
    if result is None:
        return [("one sample ranks above another on a word", NO, "there are no ratings of words")]
    surviving = result.surviving.values()
    pairs, kept = sum(len(s.higher) for s in surviving), sum(int(s.survives.sum()) for s in surviving)
    if result.mixed:
        ranking = ("one sample ranks above another on a word", YES, "single ratings are given; see the mixed models")
    else:
        why = f"{kept} of {pairs} differences hold whatever the unpublished standard deviations are; no other one can"
        ranking = ("one sample ranks above another on a word", PARTLY if kept else NO, why)
    c = result.components
    several = (
        f"words have {max(2, c.above_one)} dimensions",
        YES if c.retained >= max(2, c.above_one) else NO,
        f"{count(len(result.samples), 'sample')} support {c.retained} beyond noise",
    )
    return [ranking, several]


def _elements(result: ElementsResult | None) -> list[Row]:
    claim = "a design element raises a word"
    if result is None:
        return [(claim, NO, "no design elements of the samples are given")]
    foretold = [word for word, fit in result.fits.items() if fit.r2_left_out > 0]
    n = len(result.fits)
    return [
        (
            claim,
            YES if len(foretold) == n else PARTLY if foretold else NO,
            f"elements foretell samples that the fit has not seen on {len(foretold)} of {count(n, 'word')}"
            + (f" ({', '.join(foretold)})" if 0 < len(foretold) < n else ""),
        )
    ]


def _survey(result: SurveyResult | None) -> list[Row]:
    if result is None:
        return [("people prefer one option", NO, "there is no survey")]
    marked = " (SIMULATED questionnaires)" if result.simulated else ""
    rows: list[Row] = []
    if result.shares is not None and len(result.shares.pair):
        apart = int((result.shares.p_holm < ALPHA).sum())
        rows.append(
            (
                "more people choose one option than another",
                YES if apart == len(result.shares.pair) else PARTLY if apart else NO,
                f"{apart} of {count(len(result.shares.pair), 'pair')} of options differ (Holm's adjustment){marked}",
            )
        )
    if result.importance is not None:
        share = float(result.importance.p_order[0])
        rows.append(
            (
                f"the order of the first {result.importance.top} aspects",
                YES if share >= 1 - ALPHA else NO,
                f"it is the same in {number(100 * share, 1)} % of resamples{marked}",
            )
        )
    return rows
