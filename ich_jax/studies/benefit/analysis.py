"""The benefit of adopting AI-assisted design per day, product by product: from daily panels to one result.

Two stages, so that the power of the design is settled before any effect is looked at. `prepared.audit_products` scales
and audits, and `prepared.choose` picks the method of the main estimate from the days before the launch alone. Then
`estimate` follows the steps of Baker et al. (2025), Difference-in-differences designs: a practitioner's guide: target,
assumptions, parallel trends, choice of estimator, estimation, sensitivity, heterogeneity, robustness.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.config import BenefitConfig
from ich_jax.econometrics import benefit, holidays, value
from ich_jax.econometrics.did import launch_path, randomisation
from ich_jax.econometrics.series import trend
from ich_jax.studies.benefit import audit, checks, daily
from ich_jax.studies.benefit.checks import Attempt, Check, PreTrend
from ich_jax.studies.benefit.daily import Daily
from ich_jax.studies.benefit.methods import means, weights
from ich_jax.studies.benefit.methods.method import DID, SERIES, WEIGHTS, Answer, Estimate, Inputs, interpolated
from ich_jax.studies.benefit.methods.table import METHODS
from ich_jax.studies.benefit.methods.weights import Synthetic
from ich_jax.studies.benefit.prepared import PreparedProduct, Progress, at_once, choose, key_of
from ich_jax.uncertainty import multiplicity
from ich_jax.uncertainty.float64 import Array


@dataclasses.dataclass(frozen=True, slots=True)
class ProductResult:
    """Everything about one product.

    Attributes:
        prepared: The product before any effect was looked at.
        arms: The three curves in figures; empty if an arm has fewer than five days.
        pre_trend: Step 3.
        path: Effects by week (or day) since the launch.
        main: The estimate by the chosen method.
        estimates: All methods, the main one among them.
        synthetic: Synthetic control; None if there is too little without gaps.
        sensitivity: Step 6.
        heterogeneity: Step 7.
        robustness: Step 8.
        effect_growth: Does the effect grow after the launch.
        benefit_trend: Does the benefit of the treated units itself rise after the launch; None if more than a tenth of
            its days are missing (the others lie on the line between their neighbours, which `notes` says).
        value: Value of the main estimate under the plan; None where its interval is unbounded.
        truth: Mean true effect after the launch, where data are simulated; else nan.
        notes: Figures that could not be computed, with reasons; omissions.
    """

    prepared: PreparedProduct
    arms: tuple[benefit.Arm, ...]
    pre_trend: PreTrend
    path: launch_path.Path
    main: Estimate
    estimates: tuple[Estimate, ...]
    synthetic: Synthetic | None
    sensitivity: tuple[Check, ...]
    heterogeneity: tuple[Check, ...]
    robustness: tuple[Check, ...]
    effect_growth: benefit.Growth | None
    benefit_trend: trend.BootstrapTrend | None
    value: value.Value | None
    truth: float
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Analysis:
    """All products.

    Attributes:
        source: Source of the data.
        simulated: Whether they are simulated.
        method: Method of the main estimates; several, where none serves every product.
        choice: Why it was chosen, in a sentence.
        products: One result each.
        together: One effect as a share of the level, over all products; None for a single product, under scale "yuan",
            or where launches of several products are linked in a way that cannot be permuted.
        apart: Why there is no joint test, in the last case; else empty.
        p_adjusted: `[P]` main p-values adjusted for testing P products (Holm).
        alpha: Level of tests; intervals cover 1 - alpha.
    """

    source: str
    simulated: bool
    method: str
    choice: str
    products: tuple[ProductResult, ...]
    together: randomisation.Stratified | None
    apart: str
    p_adjusted: Array
    alpha: float


def estimate(
    data: Daily,
    products: Sequence[PreparedProduct],
    config: BenefitConfig,
    *,
    calendar: holidays.Calendar | None = None,
    truth: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Estimates every product by every method, and all of them together.

    Args:
        data: The products.
        products: From `prepared.audit_products`.
        config: `analysis`, `plan` and `seed` are used.
        calendar: Holidays; None: `holidays.built_in`.
        truth: By product, the true mean effect after the launch, where data are simulated.
        progress: Called with a text before each step.
    """
    methods, choice = choose(products)

    def estimate_product(k: int) -> ProductResult:
        true_effect = (truth or {}).get(products[k].name, math.nan)
        return _product(products[k], methods[k], config, k, calendar, true_effect, progress)

    results = at_once(estimate_product, len(products), config.threads)
    together, shared, apart = None, False, ""
    if len(products) > 1 and config.analysis.scale == "index":
        shared, apart = _joined(products)
    if len(products) > 1 and config.analysis.scale == "index" and not apart:
        tests = [means.randomised(product.scaled, config) for product in products]
        together = randomisation.stratified(
            tests,
            [product.level for product in products],
            shared=shared,
            confidence=1.0 - config.analysis.alpha,
            n_resamples=config.analysis.n_resamples,
            seed=config.seed,
        )
    p = np.array([result.main.p for result in results])
    return Analysis(
        source=data.source,
        simulated=data.simulated,
        method=", ".join(dict.fromkeys(methods)),
        choice=choice,
        products=results,
        together=together,
        apart=apart,
        p_adjusted=multiplicity.holm(p) if np.isfinite(p).all() else np.full(len(p), np.nan),
        alpha=config.analysis.alpha,
    )


def plan_of(config: BenefitConfig) -> value.Plan:
    """The plan of a config.

    Args:
        config: `plan` is used.

    Raises:
        ConfigError: A value outside its limits.
    """
    try:
        return value.Plan(**dataclasses.asdict(config.plan))
    except errors.ConfigError as cause:
        raise errors.ConfigError(f"--config.{cause}") from cause


def true_effects(data: Daily, effects: Mapping[str, Array]) -> dict[str, float]:
    """Mean true effect of the treated units after the launch, by product.

    Args:
        data: Simulated data.
        effects: By product `[treated, T]`.
    """
    return {
        name: float(effects[name][panel.treated[panel.ever_treated]].mean())
        for name, panel in zip(data.products, data.panels, strict=True)
    }


def _product(
    product: PreparedProduct,
    method: str,
    config: BenefitConfig,
    k: int,
    calendar: holidays.Calendar | None,
    truth: float,
    progress: Progress | None,
) -> ProductResult:
    notes = list(product.notes)

    def attempt(what: str, compute: Callable[[], Any]) -> Any:
        if progress is not None:
            progress(f"{product.name}: {what}")
        try:
            return compute()
        except errors.IchJaxError as cause:
            notes.append(f"{what}: not computed: {cause}")
            return None

    confidence = 1.0 - config.analysis.alpha
    path = launch_path.path(product.binned, key_of(config, k, 1), confidence=confidence)
    if path.filled:
        notes.append(
            f"event study: {path.filled} {product.bin}s of local units are missing and count as at the mean of the "
            "others, so that the band is rather too narrow"
        )
    pre_trend = checks.pre_trend(product, path, config)
    fits = attempt(WEIGHTS, functools.partial(weights.fit, product.fitted)) if product.fitted is not None else None
    keys = {DID: key_of(config, k, 2), WEIGHTS: key_of(config, k, 3), SERIES: key_of(config, k, 7)}
    inputs = Inputs(product.scaled, product.binned, product.bin, config, keys[DID], calendar, fits)
    every = _estimates(inputs, keys, product.audit, attempt)
    synthetic = None if fits is None else attempt("paths", lambda: weights.paths(fits, confidence=confidence))
    main = next((e for e in every if e.method == method), every[0])
    if main.method != method:
        notes.append(f"main estimate: {method} could not be computed, {main.method} replaces it")
    curves = daily.curves(product.raw)
    arms = attempt("three curves", lambda: benefit.arms({a: y for a, (_, y) in curves.items()}, confidence=confidence))
    growth, rising = _trends(product, curves, config, k, notes, attempt)
    sensitivity = attempt("sensitivity", lambda: checks.sensitivity(product, main, pre_trend, synthetic))
    return ProductResult(
        prepared=product,
        arms=arms or (),
        pre_trend=pre_trend,
        path=path,
        main=main,
        estimates=every,
        synthetic=synthetic,
        sensitivity=tuple(sensitivity or ()),
        heterogeneity=tuple(
            attempt("heterogeneity", lambda: checks.heterogeneity(product, config, calendar, path, attempt)) or ()
        ),
        robustness=tuple(attempt("robustness", lambda: checks.robustness(product, config, calendar, attempt)) or ()),
        effect_growth=growth,
        benefit_trend=rising,
        value=attempt("value", lambda: _value(main, config, key_of(config, k, 6))),
        truth=truth,
        notes=tuple(notes),
    )


def _trends(
    product: PreparedProduct,
    curves: Mapping[str, tuple[Any, Array]],
    config: BenefitConfig,
    k: int,
    notes: list[str],
    attempt: Attempt,
) -> tuple[benefit.Growth | None, trend.BootstrapTrend | None]:
    """Whether the effect grows and the benefit rises after the launch; days between are noted."""
    resamples = min(config.analysis.n_resamples, 1999)

    def trend_of(what: str, days: npt.NDArray[Any], values: Array, test: Callable[..., Any], key: jax.Array) -> Any:
        series, missing = interpolated(days, values)
        if missing:
            notes.append(f"{what}: {missing} missing days lie on the line between their neighbours")
        return test(series, key, n_resamples=resamples, confidence=1.0 - config.analysis.alpha)

    relative, gap, _ = launch_path.gaps(product.scaled)
    there = (relative >= 0) & np.isfinite(gap)
    grows, rises = "growth of the effect", "trend of the benefit"
    growth = attempt(grows, lambda: trend_of(grows, relative[there], gap[there], benefit.growth, key_of(config, k, 4)))
    rising = attempt(
        rises, lambda: trend_of(rises, *curves[daily.TREATED], trend.bootstrap_trend, key_of(config, k, 5))
    )
    return growth, rising


def _estimates(
    inputs: Inputs, keys: Mapping[str, jax.Array], audited: audit.Audit, attempt: Attempt
) -> tuple[Estimate, ...]:
    """Every method of the table that applies and can be computed, with its verdict in the audit."""
    verdicts = {verdict.name: verdict for verdict in audited.methods}
    estimates = []
    for method in METHODS:
        given = dataclasses.replace(inputs, key=keys[method.family])
        if method.estimate is None or (method.family == WEIGHTS and inputs.fits is None) or not method.applies(given):
            continue
        answer: Answer | None = attempt(method.name, functools.partial(method.estimate, given))
        if answer is not None:
            verdict = verdicts.get(method.name)
            words = "not audited" if verdict is None else "usable" if verdict.usable else "pointless here"
            estimates.append(Estimate(method.name, method.family, verdict=words, **dataclasses.asdict(answer)))
    return tuple(estimates)


def _joined(products: Sequence[PreparedProduct]) -> tuple[bool, str]:
    """Whether one decision launched all products; or, where decisions are linked otherwise, why no joint test is made.

    A unit that launches several products made one decision. Permuting its launches within each product would count that
    decision once for each product: p-values of 1 / 21^4 where the least possible is 1 / 21.
    """
    launched: dict[str, list[str]] = {}
    decisions = set()
    for product in products:
        data, ever = product.scaled, product.scaled.ever_treated
        days = [str(data.periods[s]) if on else "" for s, on in zip(data.start, ever, strict=True)]
        decisions.add(tuple(zip(data.units.astype(str).tolist(), days, strict=True)))
        for unit in data.units[ever].astype(str):
            launched.setdefault(unit, []).append(product.name)
    several = {unit: names for unit, names in launched.items() if len(names) > 1}
    if not several:
        return False, ""
    if len(decisions) == 1:
        return True, ""
    unit, names = next(iter(several.items()))
    return False, (
        f"No test of all products together: unit {unit} launches {' and '.join(names)}, so that their launches are no "
        "separate decisions, but units or days of the products differ, so that they are not a single one either. Take "
        "the tests of the products as dependent."
    )


def _value(main: Estimate, config: BenefitConfig, key: jax.Array) -> value.Value:
    """Money under the plan; the error of the effect is half its interval over the normal quantile.

    An interval that is not symmetric, such as one by randomisation, enters by its length; of the effect itself it is
    shown as it is.
    """
    confidence = 1.0 - config.analysis.alpha
    half = (main.high - main.low) / 2.0
    if not math.isfinite(half):
        raise errors.DataError("the interval of the main estimate is unbounded, and so is that of its value")
    error = half / float(stats.norm.isf(config.analysis.alpha / 2.0))
    worth = value.value(
        main.effect,
        plan_of(config),
        key,
        error=error,
        n_draws=config.analysis.n_resamples,
        confidence=confidence,
    )
    day = main.effect, main.low, main.high
    low, middle, high = (benefit.DAYS * x for x in (main.low, main.effect, main.high))
    return dataclasses.replace(worth, per_day=day, per_year=(middle, low, high))
