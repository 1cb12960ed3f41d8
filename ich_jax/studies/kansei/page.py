"""The page of the study: review, words, elements, survey, and analyses that the answers do not allow."""

from pathlib import Path

from ich_jax.config import KanseiConfig, flatten
from ich_jax.report import page
from ich_jax.report.page import Figure, PaperQuote, Section
from ich_jax.report.provenance import Provenance
from ich_jax.report.tables import Table
from ich_jax.report.text import count
from ich_jax.studies.kansei import carries, figures
from ich_jax.studies.kansei import tables as kansei_tables
from ich_jax.studies.kansei.result import ElementsResult, KanseiResult, ReviewResult, SurveyResult, WordsResult

SIMULATED = "SIMULATED"


def write(folder: str | Path, *, config: KanseiConfig, result: KanseiResult, provenance: Provenance) -> Path:
    """Writes the page, its figures and tables; returns the path of the page.

    Args:
        folder: Work directory.
        config: The run.
        result: Result of the study.
        provenance: Command, machine, versions and revision.

    Raises:
        WorkdirError: A file cannot be written.
    """
    published = config.data.source == "published"
    sections = []
    if result.review is not None:
        sections.append(_review(result.review, published))
    if result.words is not None:
        sections.append(_words(result.words, published, (config.data.scale_low, config.data.scale_high)))
    if result.elements is not None:
        sections.append(_elements(result.elements))
    if result.survey is not None:
        sections.append(_survey(result.survey, published))
    sections.append(Section("What can be claimed", items=(carries.table(result),)))
    if result.not_computable:
        sections.append(Section("Not computable", items=(kansei_tables.missing_table(result),)))
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    sections.append(
        Section("Configuration", items=(Table("config", "Configuration", ("field", "value"), rows),), folded=True)
    )
    report = Path(folder) / "report"
    page.write_files(report, sections)
    simulated = result.survey is not None and result.survey.simulated
    return page.write(
        report / "index.html",
        title=f"What people want and how they judge it: {config.name}",
        summary=_summary(result),
        sections=sections,
        provenance=provenance,
        headlines=_headlines(result),
        simulated="The questionnaires of the survey are simulated; the review and the words are not."
        if simulated
        else "",
    )


def _summary(result: KanseiResult) -> str:
    parts = [f"Answers: {result.source}."]
    if result.review is not None:
        w, c = result.review.comparison.welch, result.review.comparison
        parts.append(
            f"{result.review.arms[0].capitalize()} works score {w.mean_first:.1f}, {result.review.arms[1]} works "
            f"{w.mean_second:.1f}; permutation p {c.permutation.p:.4f}."
        )
    if result.words is not None:
        parts.append(f"The words support {count(result.words.components.retained, 'dimension')} beyond noise.")
    return " ".join(parts)


def _headlines(result: KanseiResult) -> list[page.Headline]:
    strip = []
    if result.review is not None:
        c = result.review.comparison
        strip += [
            page.Headline(
                "difference of means", f"{c.welch.difference:+.1f}", f"{c.welch.low:.1f} to {c.welch.high:.1f}"
            ),
            page.Headline(
                "permutation p", f"{c.permutation.p:.4f}", f"{c.permutation.count:,} of {c.permutation.n_assignments:,}"
            ),
            page.Headline("Hedges' g", f"{c.hedges.g:.2f}", f"{c.hedges.low:.2f} to {c.hedges.high:.2f}"),
        ]
    if result.words is not None:
        c2 = result.words.components
        strip.append(
            page.Headline("dimensions of the words", str(c2.retained), count(c2.above_one, "eigenvalue") + " above 1")
        )
    if result.survey is not None:
        s = result.survey.screening
        mark = f" ({SIMULATED})" if result.survey.simulated else ""
        strip.append(page.Headline("valid questionnaires", f"{s.n_valid:,}", f"of {s.n_returned:,} returned{mark}"))
    return strip


def _review(result: ReviewResult, published: bool) -> Section:
    samples = f"{result.comparison.n_first} and {result.comparison.n_second} works"
    quote = PaperQuote(
        "The average score of the control group is 17.3 and that of the experimental group 21.5; the score of the "
        "experimental group is much higher.",
        "section 3.1.3, Table 2",
        "The paper states neither a test nor single scores, nor how students were assigned; the tests below hold if "
        "works are independent.",
    )
    return Section(
        "Review",
        items=(
            *((quote,) if published else ()),
            Figure("review_scores", "Scores of the works", figures.scores(result), "Each dot is a work.", samples),
            Figure(
                "permutation",
                "Difference of means under every assignment",
                figures.permutation(result.comparison.permutation),
                "Coloured: assignments whose difference is at least as large in absolute value as the observed one.",
                samples,
            ),
            Figure(
                "effects",
                "Effect sizes",
                figures.effects(result),
                "Points with their intervals; 0 is no difference. A12 counts ties half.",
                samples,
            ),
            *kansei_tables.review_tables(result),
        ),
    )


def _words(result: WordsResult, published: bool, scale: tuple[float, float]) -> Section:
    samples = (
        f"{count(len(result.samples), 'sample')}, {count(len(result.words), 'word')}, "
        f"{count(result.n_raters, 'rater')} behind each mean"
    )
    quote = PaperQuote(
        "Taking the term \u201csensual\u201d as an example, samples 2 and 7 are at a higher level of scoring, while "
        "samples 3 and 4 have lower scores.",
        "section 3.1.2, Table 1",
        "The table calls the word Emotional. Its two highest are samples 7 and 9, its two lowest 3 and 5; the sentence "
        "is true of Simple, of Effortless and of the means over the words.",
    )
    text = []
    if result.adequacy is not None:
        a = result.adequacy
        text.append(
            f"KMO {a.kmo:.3f}; Bartlett's chi-squared {a.bartlett:.2f} with {a.df} degrees of freedom, p {a.p:.4f}."
        )
    return Section(
        "Words",
        text=tuple(text),
        items=(
            *((quote,) if published else ()),
            Figure(
                "heat_map",
                "Mean scores",
                figures.heat_map(result),
                "Samples and words in the order of a hierarchical clustering (average linkage).",
                samples,
            ),
            Figure("word_profiles", "Word profiles", figures.word_profiles(result), "Each line is a sample.", samples),
            Figure(
                "radar",
                "Profiles of three samples",
                figures.radar(result, scale),
                "Samples with the highest, middle and lowest mean; the scale runs from the lowest score at the centre "
                "to the highest at the rim.",
                samples,
            ),
            Figure(
                "scree",
                "Number of dimensions",
                figures.scree(result),
                "Components are retained while their eigenvalue exceeds the quantile for noise of the same size.",
                samples,
            ),
            *kansei_tables.words_tables(result),
        ),
    )


def _elements(result: ElementsResult) -> Section:
    n = count(len(next(iter(result.fits.values())).fitted), "sample")
    return Section(
        "Elements",
        items=(
            Figure(
                "category_scores",
                "Category scores",
                figures.category_scores(result),
                "Contribution of each category to the mean score of a word.",
                n,
            ),
            Figure(
                "ranges",
                "Ranges of the elements",
                figures.ranges(result),
                "Largest minus smallest category score of an element.",
                n,
            ),
            *kansei_tables.elements_tables(result),
        ),
    )


def _survey(result: SurveyResult, published: bool) -> Section:
    named = kansei_tables.named
    samples = f"n = {count(result.screening.n_valid, 'valid questionnaire')}"
    items: list[Figure | Table | PaperQuote] = []
    if published:
        items.append(
            PaperQuote(
                "509 copies were recovered; removing 7 invalid and 2 largely blank ones, 500 valid papers were left. "
                "35.6 % traveled for hobby, 59.6 % and 61.2 % bought for souvenir and meaningful reasons, 31.2 % "
                "preferred jewelry. The top three in importance were aesthetics, price and quality.",
                "section 3.1.1, Figure 3",
                "All four percentages are counts over 500. Single answers are not published; how options overlap, the "
                "importances and the tests that need them are simulated here.",
            )
        )
    if result.shares is not None:
        items.append(
            Figure(
                named("shares", result.simulated), "Shares", figures.shares(result), "Bars: Wilson intervals.", samples
            )
        )
    if result.importance is not None:
        items.append(
            Figure(
                named("importance", result.simulated),
                "Ranks of importance",
                figures.importance(result),
                "Rank by mean score; bars: intervals of the rank over bootstrap resamples.",
                samples,
            )
        )
    return Section("Survey", items=(*items, *kansei_tables.survey_tables(result)), simulated=result.simulated)
