"""Tables of the study."""

import csv
import io
import math
from collections.abc import Sequence

from ich_jax.kansei import quantification, review, semantic, survey
from ich_jax.report.tables import Cell, Table
from ich_jax.report.text import count
from ich_jax.studies.kansei.result import ElementsResult, KanseiResult, ReviewResult, SurveyResult, WordsResult
from ich_jax.uncertainty.float64 import Array

_SHOWN = 12  # combinations listed on the page and in its CSV file


def named(name: str, simulated: bool) -> str:
    """Returns the stem of a file name, marked if its data are simulated."""
    return f"simulated_{name}" if simulated else name


def survey_tables(result: SurveyResult) -> list[Table]:
    """Returns tables of rejected questionnaires, shares, tests between shares, and ranks."""
    screening, n = result.screening, f"n = {count(result.screening.n_valid, 'valid questionnaire')}"
    rows: list[tuple[Cell, ...]] = [("returned", screening.n_returned)]
    rows += [(f"rejected: {name}", int(k)) for name, k in zip(screening.reasons, screening.rejected, strict=True)]
    tables = [
        Table(
            named("questionnaires", result.simulated),
            "Questionnaires",
            ("what", "number"),
            (*rows, ("valid", screening.n_valid)),
            "A questionnaire is rejected by the first rule that applies.",
        )
    ]
    if result.shares is not None:
        tables += _shares_tables(result.shares, result.simulated, n)
    if result.importance is not None:
        tables.append(_importance_table(result.importance, result.simulated, n))
    return tables


def _shares_tables(s: survey.Shares, simulated: bool, n: str) -> list[Table]:
    """Returns tables of the shares and of the tests between them."""
    return [
        Table(
            named("shares", simulated),
            "Shares",
            ("option", "count", "%", "low", "high"),
            tuple(
                (name, int(k), 100 * p, 100 * low, 100 * high)
                for name, k, p, low, high in zip(s.option, s.count, s.share, s.low, s.high, strict=True)
            ),
            "Wilson intervals.",
            n,
            (("%", 1), ("low", 1), ("high", 1)),
        ),
        Table(
            named("pairs", simulated),
            "Tests between options",
            ("first", "second", "difference, points", "p", "p (Holm)"),
            tuple(
                (*pair, 100 * d, _n(p), _n(adjusted))
                for pair, d, p, adjusted in zip(s.pair, s.difference, s.p, s.p_holm, strict=True)
            ),
            "Exact McNemar tests, since the same people answered both.",
            n,
            (("difference, points", 1), ("p", 4), ("p (Holm)", 4)),
        ),
    ]


def _importance_table(r: survey.ImportanceRanks, simulated: bool, n: str) -> Table:
    """Returns the table of ranks of importance."""
    return Table(
        named("importance", simulated),
        "Ranks of importance",
        ("aspect", "mean", "low", "high", "rank from", "rank to", "share of resamples first"),
        tuple(
            (name, *map(float, numbers))
            for name, *numbers in zip(r.aspect, r.mean, r.low, r.high, r.rank_low, r.rank_high, r.p_first, strict=True)
        ),
        f"The most frequent order of the first ranks is {', '.join(r.orders[0])}, in {100 * r.p_order[0]:.1f} % of "
        "resamples.",
        f"{n}; {count(r.n_resamples, 'resample')}",
        (("mean", 2), ("low", 2), ("high", 2), ("rank from", 1), ("rank to", 1), ("share of resamples first", 3)),
    )


def words_tables(result: WordsResult) -> list[Table]:
    """Returns tables of means, eigenvalues, loadings, surviving rankings and reliability."""
    n = f"{count(result.n_raters, 'rater')} behind each mean"
    c = result.components
    tables = [
        Table(
            "means",
            "Mean scores",
            ("sample", *result.words, "mean"),
            tuple(
                (name, *map(float, row), float(row.mean()))
                for name, row in zip(result.samples, result.means, strict=True)
            ),
            "",
            n,
            tuple((word, 2) for word in (*result.words, "mean")),
        ),
        Table(
            "components",
            "Principal components and noise",
            ("component", "eigenvalue", "cumulative %", "noise, mean", "noise, quantile"),
            tuple(
                (int(k), float(v), 100 * float(share), float(mean), float(limit))
                for k, v, share, mean, limit in zip(
                    c.component, c.eigenvalue, c.cumulative, c.noise_mean, c.noise_quantile, strict=True
                )
            ),
            f"{c.retained} above the {c.quantile:.0%} quantile of noise; {c.above_one} above 1, a rule that ignores "
            "noise.",
            f"{count(len(result.samples), 'sample')}, {count(len(result.words), 'word')}",
            (("eigenvalue", 3), ("cumulative %", 1), ("noise, mean", 3), ("noise, quantile", 3)),
        ),
        Table(
            "surviving_rankings",
            "Rankings that hold for any standard deviations",
            ("word", "pairs", "established if independent", "established under any correlation"),
            tuple(
                (word, len(s.higher), int((s.z_independent > s.critical).sum()), int(s.survives.sum()))
                for word, s in result.surviving.items()
            ),
            "Number of pairs of samples whose means differ significantly even with the largest standard deviations "
            "that these means allow (Bhatia-Davis). Differences of other pairs may still be real.",
            n,
        ),
    ]
    if result.factors is not None and result.scores is not None:
        tables += _factor_tables(result.factors, result.samples, result.scores)
    if result.reliability:
        tables.append(_reliability_table(result.reliability))
    if result.mixed:
        tables += _mixed_tables(result.mixed)
    return tables


def _mixed_tables(mixed: dict[str, semantic.MixedModel]) -> list[Table]:
    """Returns tables of mixed models: whether and which samples differ on a word, adjusted for raters."""
    rows, pairs = [], []
    for word, m in mixed.items():
        established = int((m.p_holm < 0.05).sum())
        rows.append((word, m.f, m.df1, m.df2, m.p_samples, m.variance_rater, m.variance_error, established))
        pairs += [
            (word, a, b, float(d), float(p), float(holm))
            for a, b, d, p, holm in zip(m.first, m.second, m.difference, m.p, m.p_holm, strict=True)
        ]
    n = f"at most {count(max(m.n for m in mixed.values()), 'rating')} of a word"
    return [
        Table(
            "mixed_models",
            "Do samples differ?",
            ("word", "F", "df", "df of the error", "p", "variance of raters", "of single ratings", "pairs below .05"),
            tuple(rows),
            "Score by sample with a random intercept for each rater (REML). Pairs are counted after Holm's adjustment "
            "within a word.",
            n,
            (("F", 2), ("p", 5)),
        ),
        Table(
            "pairs_of_samples",
            "Differences between samples",
            ("word", "first", "second", "difference", "p", "p (Holm)"),
            tuple(pairs),
            "Differences of model means; p-values of their t tests, adjusted within a word.",
            n,
            (("difference", 2), ("p", 5), ("p (Holm)", 4)),
        ),
    ]


def _factor_tables(f: semantic.FactorAnalysis, samples: Sequence[str], scores: Array) -> list[Table]:
    """Returns tables of the loadings of words and of the samples on the axes."""
    axes = tuple(f"axis {k + 1}" for k in range(f.loadings.shape[1]))
    return [
        Table(
            "loadings",
            "Loadings of the words",
            ("word", *axes, "communality"),
            tuple(
                (word, *map(float, row), float(h))
                for word, row, h in zip(f.word, f.loadings, f.communality, strict=True)
            ),
            f"{f.method}, {f.rotation}"
            + (" of words with Kaiser's normalisation" if f.normalised else "")
            + (f"; Heywood cases: {', '.join(f.heywood)}" if f.heywood else ""),
            f"n = {count(f.n, 'sample')}",
            tuple((name, 3) for name in (*axes, "communality")),
        ),
        Table(
            "axes",
            "Samples on the perceptual axes",
            ("sample", *axes),
            tuple((name, *map(float, row)) for name, row in zip(samples, scores, strict=True)),
            "Factor scores by regression.",
            "",
            tuple((name, 2) for name in axes),
        ),
    ]


def _reliability_table(reliability: dict[str, tuple[semantic.IccTable, semantic.KendallW]]) -> Table:
    """Returns the table of agreement of the raters on each word."""
    rows = []
    for word, (icc, w) in reliability.items():
        for k in (1, 4):
            rows.append((word, f"{icc.name[k]} = {icc.also[k]}", float(icc.icc[k]), _n(icc.low[k]), _n(icc.high[k])))
        rows.append((word, "Kendall's W", w.w, None, None))
    return Table(
        "reliability", "Reliability of the raters", ("word", "coefficient", "value", "low", "high"), tuple(rows)
    )


def elements_tables(result: ElementsResult) -> list[Table]:
    """Returns tables of category scores, quality of the fits, and the most wanted combinations."""
    fits, p = result.fits, result.profiles
    scores = tuple(
        (word, item, category, int(n), float(score), _n(low), _n(high))
        for word, f in fits.items()
        for item, category, n, score, low, high in zip(f.item, f.category, f.count, f.score, f.low, f.high, strict=True)
    )
    elements = next(iter(fits.values())).elements
    return [
        *(_conjoint_table(word, conjoint) for word, conjoint in result.conjoint.items()),
        Table(
            "category_scores",
            "Category scores",
            ("word", "element", "category", "samples", "score", "low", "high"),
            scores,
            "Contribution of each category to the mean score of a word (Quantification Theory I).",
        ),
        Table(
            "fits",
            "Fit of the words by the elements",
            ("word", "R2", "adjusted", "left out", "ridge penalty", *(f"partial r: {e.name}" for e in elements)),
            tuple(
                (word, f.r2, _n(f.r2_adjusted), f.r2_left_out, f.penalty, *map(float, f.partial))
                for word, f in fits.items()
            ),
            "Left out: R2 for samples that were left out of the fit; below 0, the mean predicts better.",
        ),
        Table(
            "profiles",
            "The most wanted combinations",
            (*(e.name for e in elements), "wanted", *p.words),
            tuple(
                (*p.brief(k).values(), float(p.desired[k]), *map(float, p.prediction[k]))
                for k in range(min(_SHOWN, len(p.codes)))
            ),
            f"From {count(len(p.codes), 'combination')}, ranked by "
            + ", ".join(f"{w:g} {word}" for word, w in zip(p.words, p.weight, strict=True) if w)
            + ". Predictions for single words may lie outside the scale of the ratings.",
        ),
    ]


def _conjoint_table(word: str, conjoint: quantification.Conjoint) -> Table:
    """Returns the table of importance of each element beside that under noise."""
    return Table(
        f"importance_{word}",
        f"Importance of the elements for {word}",
        ("element", "importance, %", "low", "high", "of noise, %", "of noise, high"),
        tuple(
            (name, *(100 * float(value) for value in values))
            for name, *values in zip(
                conjoint.item,
                conjoint.importance,
                conjoint.low,
                conjoint.high,
                conjoint.noise,
                conjoint.noise_high,
                strict=True,
            )
        ),
        "Share of an element in the sum of the ranges of a rater's part-worths, mean over raters (conjoint analysis). "
        "Random ratings give positive importances, too: only an excess over those of noise is evidence.",
        count(conjoint.raters, "rater"),
        tuple((name, 1) for name in ("importance, %", "low", "high", "of noise, %", "of noise, high")),
    )


def briefs_csv(result: ElementsResult, n: int) -> str:
    """Returns the most wanted combinations as a CSV for `experiments/design.py --briefs`, with a row for each brief.

    Args:
        result: Elements and words.
        n: Largest number of briefs; fewer if there are fewer combinations.
    """
    profiles = result.profiles
    rows = [{**result.fixed, **profiles.brief(k)} for k in range(min(n, len(profiles.codes)))]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def review_tables(result: ReviewResult) -> list[Table]:
    """Returns tables of the comparison of arms and of the raters."""
    c = result.comparison
    n = f"{c.n_first} and {c.n_second} works"
    tables = [
        Table(
            "comparison",
            f"{result.arms[0]} against {result.arms[1]}",
            ("statement", "estimate", "low", "high", "p"),
            tuple(
                (name, float(e), _n(low), _n(high), _n(p))
                for name, e, low, high, p in zip(c.quantity, c.estimate, c.low, c.high, c.p, strict=True)
            ),
            (f"Brunner-Munzel: {c.brunner_munzel.warning} " if c.brunner_munzel and c.brunner_munzel.warning else "")
            + f"BF10 {c.bayes_factor:.1f}; these sizes detect d = {c.minimum_detectable:.2f} with 80 % power.",
            n,
            (("p", 5),),
        )
    ]
    if result.bounds:
        tables.append(
            Table(
                "icc_bounds",
                "Bounds of the agreement of the experts",
                ("works", "ICC(1,1) from", "to", "ICC(1,k) from", "to "),
                tuple(
                    (name, b.single_low, b.single_high, b.average_low, b.average_high)
                    for name, b in result.bounds.items()
                ),
                "Only sums are published. All integer scores with these sums have a one-way ICC in these bounds.",
                n,
                (("ICC(1,1) from", 2), ("to", 2), ("ICC(1,k) from", 2), ("to ", 2)),
            )
        )
    if result.agreement is not None:
        a = result.agreement
        tables.append(
            Table(
                "agreement",
                "Agreement of the raters",
                ("coefficient", "also", "value", "low", "high"),
                tuple(
                    (name, also, float(v), _n(low), _n(high))
                    for name, also, v, low, high in zip(a.name, a.also, a.icc, a.low, a.high, strict=True)
                ),
                "",
                f"{count(a.samples, 'work')}, {count(a.raters, 'rater')}",
            )
        )
    if result.severity is not None:
        tables.append(_severity_table(result.severity))
    if result.ordinal is not None:
        tables.append(_ordinal_table(result.ordinal, result.arms))
    return tables


def _severity_table(s: review.Severity) -> Table:
    """Returns the table of the severity of each rater."""
    return Table(
        "severity",
        "Severity of the raters",
        ("rater", "points below the mean of the raters", "low", "high", "spread", "agreement with the others"),
        tuple(
            (name, *(_n(value) for value in values))
            for name, *values in zip(s.rater, s.severity, s.low, s.high, s.spread, s.agreement, strict=True)
        ),
        f"Test of equal severity: F {s.f:.2f}, p {s.p:.4f}. Spread: standard deviation of a rater's scores divided by "
        "that of the works' means.",
        count(s.works, "work"),
    )


def _ordinal_table(o: review.OrdinalModel, arms: tuple[str, str]) -> Table:
    """Returns the table of the comparison of arms with single scores as ordered categories."""
    names = (f"{arms[0]} against {arms[1]}", *o.term[1:])
    return Table(
        "ordinal",
        "Single scores as ordered categories",
        ("effect", "log odds ratio", "low", "high", "p"),
        tuple((name, *map(float, values)) for name, *values in zip(names, o.estimate, o.low, o.high, o.p, strict=True)),
        f"Cumulative link mixed model with a random effect of works (standard deviation {o.sd:.2f}, p {o.p_sd:.4f}); "
        "effects of the raters sum to zero, and that of a lenient rater is positive.",
        f"{count(o.n, 'score')} of {count(len(o.group), 'work')}",
        (("p", 5),),
    )


def missing_table(result: KanseiResult) -> Table:
    """Returns the table of analyses that are not possible."""
    return Table("not_computable", "Not computable from these answers", ("what", "why"), result.not_computable)


def _n(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
