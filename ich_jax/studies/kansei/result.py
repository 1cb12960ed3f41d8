"""All results that are computed from answers, and the analyses that are not possible, with the reasons."""

import dataclasses

import jax
import numpy as np

from ich_jax import errors
from ich_jax.config import KanseiConfig
from ich_jax.kansei import quantification, review, semantic, survey
from ich_jax.report.text import count
from ich_jax.studies.kansei.answers import Answers
from ich_jax.uncertainty.float64 import Array


@dataclasses.dataclass(frozen=True, slots=True)
class SurveyResult:
    """The survey.

    Attributes:
        screening: The screening, which decides the valid questionnaires.
        shares: Shares of the options; None without options.
        importance: Ranks of the aspects by importance; None without aspects.
        simulated: Whether the questionnaires are simulated.
    """

    screening: survey.Screening
    shares: survey.Shares | None
    importance: survey.ImportanceRanks | None
    simulated: bool


@dataclasses.dataclass(frozen=True, slots=True)
class WordsResult:
    """The semantic differential.

    Attributes:
        samples: Names of the samples.
        words: The words.
        means: `[S, W]` mean scores.
        standard_error: `[S, W]` their standard errors; None when only means are known.
        n_raters: Smallest number of raters behind a mean.
        components: Principal components with parallel analysis.
        adequacy: KMO and Bartlett's test; None if they are not defined.
        surviving: For each word the rankings that hold for any standard deviations.
        reliability: For each word ICC and Kendall's W of the raters; empty without individual ratings.
        mixed: For each word the means of the samples adjusted for raters; empty without individual ratings.
        factors: Factor analysis with the retained number of factors; None if there is none.
        scores: `[S, m]` factor scores, the perceptual axes; None without factors.
    """

    samples: tuple[str, ...]
    words: tuple[str, ...]
    means: Array
    standard_error: Array | None
    n_raters: int
    components: semantic.Components
    adequacy: semantic.Adequacy | None
    surviving: dict[str, semantic.SurvivingRankings]
    reliability: dict[str, tuple[semantic.IccTable, semantic.KendallW]]
    mixed: dict[str, semantic.MixedModel]
    factors: semantic.FactorAnalysis | None
    scores: Array | None


@dataclasses.dataclass(frozen=True, slots=True)
class ElementsResult:
    """Design elements, their effects on words, and the most wanted combinations.

    Attributes:
        fits: Category scores of each word.
        profiles: All combinations in order of desirability.
        conjoint: For each wanted word the importances of the elements over raters; empty without individual ratings.
        fixed: Elements with one category for all samples; briefs repeat them.
    """

    fits: dict[str, quantification.CategoryScores]
    profiles: quantification.Profiles
    conjoint: dict[str, quantification.Conjoint]
    fixed: dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class ReviewResult:
    """The review.

    Attributes:
        arms: Names of the arms.
        scores: Scores of each arm.
        comparison: Comparison of the two arms.
        bounds: Bounds of the ICC from sums alone, for both arms together and for each; empty if individual scores
            exist.
        agreement: ICC of the raters over all works; None without individual scores.
        severity: Severity of each rater; None without individual scores.
        ordinal: Comparison of the arms with single scores as ordered categories; None if it cannot be fitted.
        dropped: Works without the score of at least one rater.
    """

    arms: tuple[str, str]
    scores: tuple[Array, Array]
    comparison: review.Comparison
    bounds: dict[str, review.IdentifiedIcc]
    agreement: semantic.IccTable | None
    severity: review.Severity | None
    ordinal: review.OrdinalModel | None
    dropped: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class KanseiResult:
    """Results of a study; parts without data are None.

    Attributes:
        survey: The survey.
        words: The semantic differential.
        elements: Elements and words.
        review: The review.
        not_computable: Analyses that are not possible, each with the reason.
        source: Description of the source of the answers.
    """

    survey: SurveyResult | None
    words: WordsResult | None
    elements: ElementsResult | None
    review: ReviewResult | None
    not_computable: tuple[tuple[str, str], ...]
    source: str


def analyse(answers: Answers, config: KanseiConfig) -> KanseiResult:
    """Analyses all parts of the answers that exist.

    Args:
        answers: The answers.
        config: The study.

    Raises:
        DataError: The answers cannot be analysed; the message says why.
        ConfigError: A wanted word was not rated.
    """
    key = jax.random.key(config.seed)
    missing: list[tuple[str, str]] = []
    surveyed = _survey(answers, config, jax.random.fold_in(key, 1))
    words = _words(answers, config, jax.random.fold_in(key, 2), missing)
    elements = _elements(answers, config, jax.random.fold_in(key, 4), missing)
    reviewed = _review(answers, config, jax.random.fold_in(key, 3), missing)
    return KanseiResult(surveyed, words, elements, reviewed, tuple(missing), answers.source)


def wanted_words(text: str, words: tuple[str, ...]) -> dict[str, float]:
    """Reads weights of words such as `Warm=1,Light=0.5`; empty text gives the first word weight 1.

    Raises:
        ConfigError: A word was not rated, or a weight is not a number.
    """
    if not text.strip():
        return {words[0]: 1.0}
    wanted: dict[str, float] = {}
    for part in text.split(","):
        word, _, weight = part.partition("=")
        errors.require(word.strip(), words, "analysis.wanted")
        try:
            wanted[word.strip()] = float(weight or "1")
        except ValueError:
            raise errors.ConfigError(f"analysis.wanted: {part.strip()!r}: {weight!r} is not a number.") from None
    return wanted


def _survey(answers: Answers, config: KanseiConfig, key: jax.Array) -> SurveyResult | None:
    given = answers.questionnaires
    if given is None:
        return None
    rules = survey.Rules(straight_line=config.data.straight_line, least_seconds=config.data.least_seconds)
    table = np.concatenate([given.ticked, given.importance], axis=1)
    screening = survey.screen(table, rules, seconds=given.seconds, attention=given.attention)
    if screening.n_valid < 2:
        raise errors.DataError(
            f"Only {screening.n_valid} of {count(screening.n_returned, 'questionnaire')} are valid; at least two are "
            "needed."
        )
    confidence = config.analysis.confidence
    shares = importance = None
    if given.options:
        shares = survey.multiple_response(given.ticked[screening.valid], given.options, confidence=confidence)
    if given.aspects:
        importance = survey.importance_ranks(
            given.importance[screening.valid],
            given.aspects,
            key=key,
            top=min(3, len(given.aspects)),
            confidence=confidence,
            n_resamples=config.analysis.n_resamples,
        )
    return SurveyResult(screening, shares, importance, given.simulated)


def _words(
    answers: Answers, config: KanseiConfig, key: jax.Array, missing: list[tuple[str, str]]
) -> WordsResult | None:
    means = answers.means
    if means is None:
        return None
    components = semantic.parallel_analysis(means, key=key, n_draws=config.analysis.n_parallel)
    try:
        adequacy = semantic.adequacy(means, answers.words)
    except errors.DataError as reason:
        adequacy = None
        missing.append(("KMO and Bartlett's test", str(reason)))
    scale = config.data.scale_low, config.data.scale_high
    surviving = {
        word: semantic.surviving_rankings(
            means[:, k], answers.n_raters, scale, samples=answers.samples, confidence=config.analysis.confidence
        )
        for k, word in enumerate(answers.words)
    }
    reliability: dict[str, tuple[semantic.IccTable, semantic.KendallW]] = {}
    if answers.ratings is None:
        missing.append(
            (
                "reliability of the raters (ICC, Kendall's W, alpha) and standard errors of the means",
                "only means over raters are given; the scores of each rater are needed",
            )
        )
    else:
        complete = ~np.isnan(answers.ratings.score).any(axis=(1, 2))
        for k, word in enumerate(answers.words):
            table = answers.ratings.score[complete, :, k].T
            try:
                reliability[word] = semantic.icc(table), semantic.kendall_w(table)
            except errors.DataError as reason:
                missing.append((f"reliability of the raters on {word!r}", str(reason)))
    mixed: dict[str, semantic.MixedModel] = {}
    single = [] if answers.ratings is None else list(np.moveaxis(answers.ratings.score, 2, 0))
    for word, table in zip(answers.words, single, strict=False):
        try:
            mixed[word] = semantic.mixed_model(table, answers.samples, confidence=config.analysis.confidence)
        except errors.DataError as reason:
            missing.append((f"mixed model of {word!r}", str(reason)))
    factors, scores = None, None
    try:
        factors = semantic.factor_analysis(means, max(1, components.retained), answers.words)
        scores = factors.scores(means)
    except (errors.DataError, errors.ConfigError) as reason:
        missing.append(("factors of the words", str(reason)))
    return WordsResult(
        samples=answers.samples,
        words=answers.words,
        means=means,
        standard_error=None if answers.ratings is None else answers.ratings.standard_error,
        n_raters=answers.n_raters,
        components=components,
        adequacy=adequacy,
        surviving=surviving,
        reliability=reliability,
        mixed=mixed,
        factors=factors,
        scores=scores,
    )


def _elements(
    answers: Answers, config: KanseiConfig, key: jax.Array, missing: list[tuple[str, str]]
) -> ElementsResult | None:
    if answers.means is None:
        return None
    if answers.codes is None:
        missing.append(
            (
                "effects of design elements on words (Quantification Theory I)",
                "no table of the samples' elements is given",
            )
        )
        return None
    fits: dict[str, quantification.CategoryScores] = {}
    confidence = config.analysis.confidence
    for k, word in enumerate(answers.words):
        y = answers.means[:, k]
        try:
            fits[word] = quantification.quantification_1(answers.codes, answers.elements, y, confidence=confidence)
        except errors.DataError as reason:
            if "ridge" not in str(reason):
                raise
            fits[word] = quantification.quantification_1(answers.codes, answers.elements, y, penalty="auto")
            missing.append((f"limits of the category scores of {word!r}", f"{reason} Ridge scores are shown."))
    wanted = wanted_words(config.analysis.wanted, answers.words)
    for name, category in answers.fixed.items():
        missing.append((f"effect of {name} on words", f"all samples have {name} = {category!r}"))
    profiles = quantification.score_profiles(fits, wanted, confidence=confidence)
    return ElementsResult(fits, profiles, _conjoint(answers, config, wanted, key, missing), dict(answers.fixed))


def _conjoint(
    answers: Answers,
    config: KanseiConfig,
    wanted: dict[str, float],
    key: jax.Array,
    missing: list[tuple[str, str]],
) -> dict[str, quantification.Conjoint]:
    """Returns importances of the elements for each wanted word, from raters with complete and varying ratings."""
    analyses: dict[str, quantification.Conjoint] = {}
    if answers.ratings is None or answers.codes is None:
        return analyses
    for word in wanted:
        k = answers.words.index(word)
        table = answers.ratings.score[:, :, k]
        usable = ~np.isnan(table).any(axis=1) & (np.ptp(np.nan_to_num(table), axis=1) > 0)
        try:
            analyses[word] = quantification.conjoint_analysis(
                answers.codes,
                answers.elements,
                table[usable],
                key=jax.random.fold_in(key, k),
                confidence=config.analysis.confidence,
                n_resamples=config.analysis.n_resamples,
            )
        except errors.DataError as reason:
            missing.append((f"importance of the elements for {word!r} (conjoint analysis)", str(reason)))
        else:
            if not usable.all():
                excluded = [name for name, kept in zip(answers.ratings.raters, usable, strict=True) if not kept]
                reason_text = f"ratings are incomplete, or all samples have the same score: {', '.join(excluded[:5])}"
                missing.append((f"part-worths of {count(len(excluded), 'rater')} for {word!r}", reason_text))
    return analyses


def _review(
    answers: Answers, config: KanseiConfig, key: jax.Array, missing: list[tuple[str, str]]
) -> ReviewResult | None:
    given = answers.review
    if given is None:
        return None
    first, second = given.scores
    options = config.analysis
    comparison = review.compare(first, second, key=key, confidence=options.confidence, n_resamples=options.n_resamples)
    bounds: dict[str, review.IdentifiedIcc] = {}
    agreement = severity = ordinal = None
    if given.individual is not None:
        both = np.concatenate(given.individual)
        agreement = semantic.icc(both)
        severity = review.rater_severity(both, given.rater_names, confidence=options.confidence)
        try:
            ordinal = review.ordinal_review(*given.individual, given.rater_names, confidence=options.confidence)
        except errors.DataError as reason:
            missing.append(("single scores as ordered categories (cumulative link mixed model)", str(reason)))
    elif given.scale is not None:
        parts = {"both arms": np.concatenate([first, second]), given.arms[0]: first, given.arms[1]: second}
        bounds = {name: review.icc_from_sums(sums, given.raters, given.scale) for name, sums in parts.items()}
        missing.append(
            (
                "agreement of the experts",
                "only sums of their scores are given; the bounds shown hold for any scores with these sums",
            )
        )
    else:
        missing.append(("agreement of the experts", "the scores of single raters are not given (column rater)"))
    if given.dropped:
        missing.append(
            (
                f"scores of {count(len(given.dropped), 'work')}",
                f"not all raters have scored them: {', '.join(given.dropped[:5])}",
            )
        )
    return ReviewResult(given.arms, given.scores, comparison, bounds, agreement, severity, ordinal, given.dropped)
