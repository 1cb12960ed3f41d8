"""Tables of the study."""

import csv
import io
import math

import numpy as np

from ich_jax.report.tables import Cell, Table
from ich_jax.studies.market.result import ChoiceResult, DiffusionResult, LaunchResult, MarketResult


def named(name: str, simulated: bool) -> str:
    """Stem of a file, which says that its data are SIMULATED."""
    return f"simulated_{name}" if simulated else name


def choice_tables(result: ChoiceResult, truth: dict[str, float], simulated: bool) -> list[Table]:
    """Part-worths, willingness to pay, importance, elasticities, briefs."""
    fit, t = result.fit, result.fit.table
    n = f"{fit.n_tasks:,} choices of {fit.n_persons:,} persons"
    rows = tuple(
        (name, float(e), float(se), float(low), float(high), float(p), truth.get(name), _held(result.covered, name))
        for name, e, se, low, high, p in zip(t.names, t.estimate, t.standard_error, t.low, t.high, t.p, strict=True)
    )
    tables = [
        Table(
            named("part_worths", simulated),
            "Part-worths",
            ("attribute", "estimate", "error", "low", "high", "p", "true", "held"),
            rows,
            f"{fit.model.capitalize()}; errors are {t.covariance}; limits of {100 * t.confidence:g} %. Log-likelihood "
            f"{fit.log_likelihood:.3f}, with equal shares {fit.log_likelihood_equal:.3f}; McFadden's R-squared "
            f"{fit.mcfadden:.3f}; AIC {fit.aic:.1f}, BIC {fit.bic:.1f}.",
            n,
            (("p", 4),),
        )
    ]
    if result.wtp is not None and result.wtp_drawn is not None:
        w, d = result.wtp, result.wtp_drawn
        tables.append(
            Table(
                named("willingness_to_pay", simulated),
                "Willingness to pay",
                ("attribute", "estimate", "low", "high", "low (draws)", "high (draws)", "true", "held"),
                tuple(
                    (
                        name,
                        *map(float, numbers),
                        -truth[name] / truth[w.price] if name in truth else None,
                        _held(result.wtp_covered, name),
                    )
                    for name, *numbers in zip(w.attribute, w.estimate, w.low, w.high, d.low, d.high, strict=True)
                ),
                f"Units of {w.price!r}, for one unit more of an attribute or against the base category. Limits by the "
                "delta method, and quantiles of draws (Krinsky and Robb), which need not be symmetric. The price is "
                f"{-w.price_t:.1f} of its errors from 0.",
                n,
                tuple((name, 2) for name in ("estimate", "low", "high", "low (draws)", "high (draws)", "true")),
            )
        )
    tables.append(
        Table(
            named("importance", simulated),
            "Importance",
            ("column", "% of the ranges"),
            tuple((name, 100 * v) for name, v in sorted(result.importance.items(), key=lambda item: -item[1])),
            "Range of the part-worths of a column over the sum of all ranges; it hangs on which categories and prices "
            "were shown.",
            n,
            (("% of the ranges", 1),),
        )
    )
    if result.responses is not None:
        r = result.responses
        tables.append(
            Table(
                named("elasticities", simulated),
                f"Elasticities by {r.attribute}",
                ("share of", *(f"1 % more of {name}" for name in r.alternative)),
                tuple(
                    (name, *(None if math.isnan(v) else float(v) for v in row))
                    for name, row in zip(r.alternative, r.elasticity, strict=True)
                ),
                "Per cent; averages over tasks, weighted by probability.",
                n,
                tuple((f"1 % more of {name}", 2) for name in r.alternative),
            )
        )
        tables.append(
            Table(
                named("diversion", simulated),
                "Where lost buyers go",
                ("lost by", *(f"to {name}" for name in r.alternative)),
                tuple(
                    (name, *(None if math.isnan(v) else 100 * float(v) for v in row))
                    for name, row in zip(r.alternative, r.diversion, strict=True)
                ),
                f"Per cent of those who leave an alternative when its {r.attribute} rises.",
                n,
                tuple((f"to {name}", 1) for name in r.alternative),
            )
        )
    if result.briefs:
        head = tuple(result.briefs[0][0])
        tables.append(
            Table(
                named("briefs", simulated),
                "Most wanted combinations",
                (*head, "part-worth"),
                tuple((*cells.values(), value) for cells, value in result.briefs),
                "At the same price; `briefs.csv` holds them for experiments/design.py --briefs.",
                n,
                (("part-worth", 2),),
            )
        )
    return tables


def diffusion_tables(result: DiffusionResult, curve: dict[str, float], simulated: bool) -> list[Table]:
    """Estimates, curves side by side, forecast, early windows."""
    f, b, w = result.fit, result.bands, result.windows
    n = f"{len(f.units)} {result.sales.period}s, {f.units.sum():,.0f} units"
    t = f.table
    c = result.comparison
    return [
        Table(
            named("curve", simulated),
            f"The {f.shape.model.capitalize()} curve",
            ("parameter", "estimate", "error", "low", "high", "low (bootstrap)", "high (bootstrap)", "true"),
            tuple(
                (name, *map(float, numbers), curve.get(name))
                for name, *numbers in zip(
                    t.names, t.estimate, t.standard_error, t.low, t.high, b.low, b.high, strict=True
                )
            ),
            f"m: the market; peak in period {f.peak:.1f}; residual error {f.residual_error:,.1f} units. Bootstrap of "
            f"{len(b.theta):,} resamples, of which {100 * b.runaway:.1f} % set the market no limit.",
            n,
        ),
        Table(
            named("curves", simulated),
            "Curves side by side",
            ("curve", "AICc", "BIC", "weight", "m"),
            tuple(
                (name, _n(a), float(bic), float(weight), float(m))
                for name, a, bic, weight, m in zip(c.model, c.criterion, c.bic, c.weight, c.market, strict=True)
            ),
            "The weights divide belief among these three curves; they do not say that one of them is right.",
            n,
            (("AICc", 1), ("BIC", 1), ("weight", 3), ("m", 0)),
        ),
        Table(
            named("forecast", simulated),
            "Forecast",
            ("period", "units", "low", "high"),
            tuple(
                (int(k), *map(float, numbers))
                for k, *numbers in zip(
                    result.forecast.period,
                    result.forecast.units,
                    result.forecast.low,
                    result.forecast.high,
                    strict=True,
                )
            ),
            "Each period by itself; if the curve and the errors stay as they are.",
            n,
            (("units", 0), ("low", 0), ("high", 0)),
        ),
        Table(
            named("early_windows", simulated),
            "What the first periods alone would have said",
            ("periods", "m", "low", "high", "peak", "resamples without limit, %", "holds the last estimate"),
            tuple(
                (
                    int(k),
                    float(m),
                    float(low),
                    float(high),
                    float(peak),
                    100 * float(away),
                    "yes" if low <= w.market[-1] <= high else "no",
                )
                for k, m, low, high, peak, away in zip(
                    w.length, w.market, w.market_low, w.market_high, w.peak, w.runaway, strict=True
                )
            ),
            "Before the peak the market and imitation can hardly be told apart.",
            n,
            (("m", 0), ("low", 0), ("high", 0), ("peak", 1), ("resamples without limit, %", 1)),
        ),
    ]


def launch_tables(result: LaunchResult, simulated: bool) -> list[Table]:
    """Shares, the assortment, and its value."""
    b, s = result.best, result.shares
    return [
        Table(
            named("shares", simulated),
            "Shares if all candidates were offered",
            ("alternative", "%", "low", "high"),
            tuple(
                (name, 100 * float(p), 100 * float(low), 100 * float(high))
                for name, p, low, high in zip(s.alternative, s.share, s.low, s.high, strict=True)
            ),
            "Limits from draws of the estimates.",
            "",
            (("%", 1), ("low", 1), ("high", 1)),
        ),
        Table(
            named("assortment", simulated),
            "Which designs to make",
            ("design", "made", "share, %", "made in % of draws", "unit cost", "launch cost"),
            tuple(
                (name, "yes" if made else "no", 100 * float(p), 100 * float(often), float(unit), float(cost))
                for name, made, p, often, unit, cost in zip(
                    b.design,
                    b.made,
                    b.share,
                    b.p_made,
                    result.candidates.unit_cost,
                    result.candidates.design_cost,
                    strict=True,
                )
            ),
            ("Every assortment was valued" if b.exhaustive else "Designs were added, dropped and exchanged")
            + f"; the best earns {b.profit:,.0f} yuan ({b.low:,.0f} to {b.high:,.0f}) before the investment.",
            "",
            (("share, %", 1), ("made in % of draws", 0)),
        ),
        Table(
            named("launch", simulated),
            "Value of the launch",
            ("quantity", "estimate", "low", "high"),
            (
                ("net present value, yuan", *result.npv),
                ("spent at the launch, yuan", result.spent, None, None),
                ("probability that it pays", result.p_positive, None, None),
                ("first period that has broken even", _n(result.break_even), None, None),
                ("consumer surplus of a choice, yuan", *result.surplus),
            ),
            f"Over {result.plan.horizon_days} days at {100 * result.plan.discount_rate:g} % a year. In each period as "
            "many people choose as the fitted curve sells in that period after its own launch; prices, costs and "
            "competitors stay as they are.",
        ),
    ]


def missing_table(result: MarketResult) -> Table:
    """What is not computable, and why."""
    return Table("not_computable", "Not computable", ("what", "why"), result.not_computable)


def briefs_csv(result: ChoiceResult) -> str:
    """Returns the most wanted combinations as `experiments/design.py --briefs` reads them, a row a brief."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(result.briefs[0][0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([cells for cells, _ in result.briefs])
    return buffer.getvalue()


def _held(covered: dict[str, bool], name: str) -> Cell:
    return ("yes" if covered[name] else "no") if name in covered else None


def _n(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
