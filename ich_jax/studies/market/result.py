"""What comes of the data: part-worths, willingness to pay, shares, the curve of sales, the value of a launch."""

import dataclasses
import itertools
from typing import Any

import jax
import numpy as np

from ich_jax.config import MarketConfig
from ich_jax.econometrics import choice, diffusion
from ich_jax.econometrics.value import Plan
from ich_jax.studies.market.market_data import DAYS, Candidates, Coding, Market, Sales
from ich_jax.uncertainty.float64 import Array

AXIS = "axis_"
_LEVELS = (-1.5, 0.0, 1.5)  # positions on an axis that briefs are made of
_RESPONSES = 12  # labels up to which elasticities are shown


@dataclasses.dataclass(frozen=True, slots=True)
class ChoiceResult:
    """Part-worths and what follows from them.

    Attributes:
        fit: The model.
        wtp: Willingness to pay by the delta method; None where the price attracts.
        wtp_drawn: By draws of Krinsky and Robb.
        responses: Elasticities and diversion by label; None with many labels.
        importance: For each column the range of its part-worths over the sum of ranges.
        briefs: Combinations with the highest part-worths, without the price: (cells, part-worth).
        covered: For each attribute of a SIMULATED market whether its interval holds the truth.
        wtp_covered: The same of the willingness to pay.
        choices: The data.
    """

    fit: choice.ChoiceFit
    wtp: choice.WillingnessToPay | None
    wtp_drawn: choice.WillingnessToPay | None
    responses: choice.Responses | None
    importance: dict[str, float]
    briefs: tuple[tuple[dict[str, str], float], ...]
    covered: dict[str, bool]
    wtp_covered: dict[str, bool]
    choices: choice.Choices


@dataclasses.dataclass(frozen=True, slots=True)
class DiffusionResult:
    """The curve of the sales.

    Attributes:
        sales: The series.
        comparison: Curves side by side.
        fit: The curve of the forecast.
        bands: Its bootstrap.
        forecast: The next periods.
        windows: What the first periods alone would have said.
    """

    sales: Sales
    comparison: diffusion.Comparison
    fit: diffusion.DiffusionFit
    bands: diffusion.Bands
    forecast: diffusion.Forecast
    windows: diffusion.Windows


@dataclasses.dataclass(frozen=True, slots=True)
class LaunchResult:
    """Which designs to make, and what their launch is worth.

    Attributes:
        candidates: What could be made.
        shares: If all were offered, buying nothing last.
        best: The assortment with the largest profit over the horizon.
        surplus: Consumer surplus of a choice against buying nothing, yuan: estimate and limits.
        gains: `[H]` discounted gains of each period at the estimates.
        balance: `[3, H]` present value up to each period minus what is spent: estimate, lower and upper limit.
        npv: Net present value, yuan: estimate, lower and upper limit.
        p_positive: Share of draws whose net present value is above 0.
        break_even: First period whose balance is not negative; inf beyond the horizon.
        spent: Yuan at the launch.
        plan: Horizon and discounting.
    """

    candidates: Candidates
    shares: choice.Shares
    best: choice.Assortment
    surplus: tuple[float, float, float]
    gains: Array
    balance: Array
    npv: tuple[float, float, float]
    p_positive: float
    break_even: float
    spent: float
    plan: Plan


@dataclasses.dataclass(frozen=True, slots=True)
class MarketResult:
    """The whole study.

    Attributes:
        choice: Or None.
        diffusion: Or None.
        launch: Or None.
        source: Of the data, in words.
        truth: True part-worths of a SIMULATED market.
        curve: True curve of a SIMULATED market.
        simulated: Whether the data are SIMULATED.
        warnings: What a reader has to know before all else.
        not_computable: What is missing, and why.
    """

    choice: ChoiceResult | None
    diffusion: DiffusionResult | None
    launch: LaunchResult | None
    source: str
    truth: dict[str, float]
    curve: dict[str, float]
    simulated: bool
    warnings: tuple[str, ...]
    not_computable: tuple[tuple[str, str], ...]


def analyse(market: Market, config: MarketConfig) -> MarketResult:
    """Analyses what is there.

    Args:
        market: The data.
        config: The study.

    Raises:
        DataError: Data that cannot be used.
    """
    warnings, missing = list(market.notes), []
    chosen = spread = launch = None
    if market.choices is None or market.coding is None:
        missing.append(("part-worths, prices and shares", "there are no choices (choices.csv)"))
    else:
        chosen = _choice(market.choices, market.coding, market, config, warnings)
    if market.sales is None:
        missing.append(("the curve of sales", "there is no series of sales (sales.csv)"))
    else:
        spread = _diffusion(market.sales, config)
        warnings += spread.fit.notes
    if market.candidates is None:
        missing.append(("an assortment", "there are no candidates (assortment.csv)"))
    elif chosen is None or spread is None or market.sales is None:
        missing.append(("the value of a launch", "it needs choices and a series of sales"))
    elif chosen.wtp is None or not market.coding or not market.coding.outside:
        why = "the price attracts" if chosen.wtp is None else "nobody could buy nothing (alternative `none`)"
        missing.append(("the value of a launch", why))
    elif spread.fit.runaway:
        missing.append(("the value of a launch", "the sales set the market no limit"))
    else:
        launch = _launch(chosen, spread, market.candidates, market.coding, config)
    return MarketResult(
        choice=chosen,
        diffusion=spread,
        launch=launch,
        source=market.source,
        truth=dict(market.truth),
        curve=dict(market.market),
        simulated=market.simulated,
        warnings=tuple(warnings),
        not_computable=tuple(missing),
    )


def _choice(
    choices: choice.Choices, coding: Coding, market: Market, config: MarketConfig, warnings: list[str]
) -> ChoiceResult:
    options = config.analysis
    fit = choice.conditional_logit(choices, confidence=options.confidence)
    wtp = drawn = None
    if trouble := choice.check_price(fit, market.price):
        warnings.append(trouble)
    else:
        wtp = choice.willingness_to_pay(fit, market.price, confidence=options.confidence)
        drawn = choice.willingness_to_pay(
            fit,
            market.price,
            method="krinsky_robb",
            key=jax.random.fold_in(jax.random.key(config.seed), 1),
            n_draws=options.n_resamples,
            confidence=options.confidence,
        )
        if wtp.price_t > -2.0:
            warnings.append(
                f"The coefficient of {market.price!r} is only {wtp.price_t:.1f} times its error from 0: willingness to "
                "pay may have any size."
            )
    table = dict(zip(fit.names, zip(fit.theta, fit.table.low, fit.table.high, strict=True), strict=True))
    covered = {name: bool(table[name][1] <= value <= table[name][2]) for name, value in market.truth.items()}
    wtp_covered: dict[str, bool] = {}
    if wtp is not None and market.truth:
        true = {name: -value / market.truth[market.price] for name, value in market.truth.items()}
        for name, low, high in zip(wtp.attribute, wtp.low, wtp.high, strict=True):
            wtp_covered[name] = bool(low <= true[name] <= high)
    few = len(choices.alternatives) <= _RESPONSES
    return ChoiceResult(
        fit=fit,
        wtp=wtp,
        wtp_drawn=drawn,
        responses=choice.responses(fit, choices, market.price) if few else None,
        importance=_importance(fit, choices, coding),
        briefs=_briefs(fit, coding, market.price, options.n_briefs),
        covered=covered,
        wtp_covered=wtp_covered,
        choices=choices,
    )


def _importance(fit: choice.ChoiceFit, choices: choice.Choices, coding: Coding) -> dict[str, float]:
    """Share of each column in the sum of the ranges that utility runs through."""
    worth = dict(zip(fit.names, fit.theta, strict=True))
    spans = {
        name: float(np.ptp([0.0, *(worth[f"{name}: {value}"] for value in values[1:])]))
        for name, values in coding.categories.items()
    }
    shown = choices.available & (np.array(choices.alternatives)[choices.alternative] != coding.outside)
    for name in coding.numeric:
        spans[name] = abs(worth[name]) * float(np.ptp(choices.attributes[shown][:, choices.column(name)]))
    total = sum(spans.values()) or 1.0
    return {name: span / total for name, span in spans.items()}


def _briefs(fit: choice.ChoiceFit, coding: Coding, price: str, n: int) -> tuple[tuple[dict[str, str], float], ...]:
    """Combinations of categories and positions on axes, at one price, by their part-worths, the best first."""
    worth = dict(zip(fit.names, map(float, fit.theta), strict=True))
    axes = [name for name in coding.numeric if name.startswith(AXIS) and name != price]
    columns = [[(name, value) for value in values] for name, values in coding.categories.items()]
    columns += [[(name, f"{level:+g}") for level in _LEVELS] for name in axes]
    if not columns or np.prod([len(c) for c in columns]) > 10**5:
        return ()
    found = []
    for cells in itertools.product(*columns):
        value = sum(
            worth[name] * float(cell) if name in axes else worth.get(f"{name}: {cell}", 0.0) for name, cell in cells
        )
        found.append(({name.removeprefix(AXIS): cell for name, cell in cells}, value))
    return tuple(sorted(found, key=lambda row: -row[1])[:n])


def _diffusion(sales: Sales, config: MarketConfig) -> DiffusionResult:
    options, key = config.analysis, jax.random.key(config.seed)
    comparison = diffusion.compare(sales.units, confidence=options.confidence)
    drivers = {"price": sales.price, "advertising": sales.advertising} if options.curve == "bass" else {}
    steady = {name: values for name, values in drivers.items() if values is not None and np.ptp(values) > 0}
    if len(sales.units) <= 3 + len(steady):
        steady = {}
    fit = diffusion.fit(sales.units, options.curve, confidence=options.confidence, **steady)  # type: ignore[arg-type]
    bands = diffusion.bootstrap(
        fit, jax.random.fold_in(key, 2), n_resamples=options.n_resamples, confidence=options.confidence
    )
    t = len(sales.units)
    lengths = sorted({int(k) for k in np.linspace(max(4, t // 4), t, min(t - 3, 8)).round()})
    return DiffusionResult(
        sales=sales,
        comparison=comparison,
        fit=fit,
        bands=bands,
        forecast=diffusion.forecast(fit, bands, options.horizon, jax.random.fold_in(key, 3)),
        windows=diffusion.early_windows(
            sales.units,
            options.curve,
            key=jax.random.fold_in(key, 4),
            lengths=lengths,
            n_resamples=options.n_window_resamples,
            confidence=options.confidence,
        ),
    )


def _launch(
    chosen: ChoiceResult, spread: DiffusionResult, candidates: Candidates, coding: Coding, config: MarketConfig
) -> LaunchResult:
    """A launch that spreads as the fitted curve does from its own start."""
    options, key = config.analysis, jax.random.key(config.seed)
    days = DAYS[spread.sales.period]
    plan = Plan(
        horizon_days=max(round(options.horizon * days), 1),
        discount_rate=config.launch.discount_rate,
        investment=config.launch.investment,
    )
    nothing = np.array([[float(name == f"constant: {coding.outside}") for name in coding.names]])
    whole = np.concatenate([candidates.attributes, nothing])
    price = candidates.attributes[:, coding.names.index(config.data.price)]
    margin = price - candidates.unit_cost
    theta = np.concatenate([spread.fit.theta[None], spread.bands.theta])
    still = np.zeros((options.horizon, spread.fit.drivers.shape[1]))
    paths = diffusion.bands.expected_units(theta, still, spread.fit.shape)
    factor = (1.0 + plan.discount_rate) ** (-days * np.arange(1, options.horizon + 1) / 365.0)
    buyers = float(paths[0] @ factor)
    names = (*candidates.names, "buying nothing")
    n_draws = max(options.n_resamples // 10, 99)
    draws: dict[str, Any] = {"n_draws": n_draws, "confidence": options.confidence}
    shares = choice.market_shares(chosen.fit, whole, names, jax.random.fold_in(key, 5), **draws)
    best = choice.best_assortment(
        chosen.fit,
        candidates.attributes,
        candidates.names,
        nothing,
        margin,
        candidates.design_cost,
        buyers,
        jax.random.fold_in(key, 6),
        n_draws=min(n_draws, 400),
        confidence=options.confidence,
    )
    made = best.made
    spent = plan.investment + float(candidates.design_cost[made].sum())
    offered = np.concatenate([candidates.attributes[made], nothing])
    labels = (*(n for n, m in zip(candidates.names, made, strict=True) if m), "buying nothing")
    final = choice.market_shares(chosen.fit, offered, labels, jax.random.fold_in(key, 7), **draws)
    each = np.concatenate([final.share[None], final.draws])[:, :-1] @ margin[made]
    drawn = np.random.default_rng([config.seed, 25]).integers(1, len(each), len(paths) - 1)
    gains = np.concatenate([paths[:1] * each[0], paths[1:] * each[drawn][:, None]]) * factor
    balance = np.cumsum(gains, axis=1) - spent
    limits = [(1.0 - options.confidence) / 2.0, (1.0 + options.confidence) / 2.0]
    low, high = np.quantile(balance[1:], limits, axis=0)
    even = np.flatnonzero(balance[0] >= 0.0)
    surplus = choice.surplus_change(
        chosen.fit, nothing, offered, config.data.price, jax.random.fold_in(key, 8), **draws
    )
    return LaunchResult(
        candidates=candidates,
        shares=shares,
        best=best,
        surplus=surplus,
        gains=gains[0],
        balance=np.stack([balance[0], low, high]),
        npv=(float(balance[0, -1]), float(low[-1]), float(high[-1])),
        p_positive=float((balance[1:, -1] > 0).mean()),
        break_even=float(even[0] + 1) if len(even) else float("inf"),
        spent=spent,
        plan=plan,
    )
