"""Tables of the page on economic benefit."""

import math
import re
from collections.abc import Sequence

from ich_jax.report.tables import Cell, Table
from ich_jax.report.text import count, p_value, span
from ich_jax.studies.benefit import audit
from ich_jax.studies.benefit.analysis import Analysis, ProductResult
from ich_jax.studies.benefit.calibration import SizeStudy
from ich_jax.studies.benefit.checks import Check
from ich_jax.studies.benefit.methods.table import RANDOMISATION
from ich_jax.studies.benefit.prepared import PreparedProduct

SIMULATED = "SIMULATED"


def named(name: str, simulated: bool) -> str:
    """Stem of a file, which says that its data are simulated."""
    return f"simulated_{name}" if simulated else name


def stem(product: str, products: Sequence[str]) -> str:
    """Name of a product as part of a file name or of the summary line, unlike those of the other products.

    Args:
        product: Its name.
        products: Names of all of them.
    """
    plain = [re.sub(r"\W+", "_", name).strip("_") or "product" for name in products]
    position = list(products).index(product)
    return plain[position] if plain.count(plain[position]) == 1 else f"{plain[position]}_{position + 1}"


def design_table(products: Sequence[PreparedProduct], simulated: bool) -> Table:
    """Data of each product, before any effect."""
    rows = []
    for product in products:
        a = product.audit
        launch = (
            product.launches[0] if len(product.launches) == 1 else f"{product.launches[0]} to {product.launches[-1]}"
        )
        error = 100.0 * a.placebo_error / product.level
        counts = (product.name, a.treated, a.donors, launch, a.before, a.after, product.raw.missing)
        rows.append((*counts, product.level, a.placebo_error, error))
    columns = ("product", "treated", "local", "launch", "before", "after", "missing", "level", "error", "error, %")
    return _table(
        "design",
        "Data of each product",
        columns,
        rows,
        simulated,
        caption="Treated and local units; days before the first launch and from the last one on; unit-days without a "
        "row. Level: mean of the treated units before the launch, yuan a day. Error: standard deviation of "
        "difference-in-differences estimates in panels without an effect, simulated from blocks of the days before "
        "the launch with units shuffled; yuan a day, and in % of the level.",
        digits=(("level", 1), ("error", 1), ("error, %", 1)),
    )


def audit_table(products: Sequence[PreparedProduct], simulated: bool) -> Table:
    """The power of each method in each product, a column for each product."""
    a = products[0].audit
    rows = [
        (a.methods[i].name, *(can_show(product.audit.methods[i], product.audit.alpha) for product in products))
        for i in range(len(a.methods))
    ]
    return _table(
        "audit",
        "Design audit",
        ("method", *(product.name for product in products)),
        rows,
        simulated,
        caption="Made before any result, from the days before the launch alone. Usable methods: the least constant "
        f"effect, yuan a day, that is found with power {a.power:g} (in one {products[0].bin} alone for the "
        f"conformal test of each period), and the share of panels without an effect in "
        f"which the method rejects at {a.alpha:g} (size). Pointless: the smallest p is above {a.alpha:g}, the size "
        "far above it, or the method finds none of the effects tried. All figures are in `tables/`.",
        samples=f"{a.n_simulations:,} simulated panels; {a.n_refits:,} for methods that fit weights to each of them",
    )


def main_table(result: Analysis) -> Table:
    """The main estimate of each product, and all of them together."""
    rows: list[tuple[Cell, ...]] = []
    for product, adjusted in zip(result.products, result.p_adjusted, strict=True):
        e, level = product.main, product.prepared.level
        share = 100.0 * e.effect / level
        figures = (e.effect, span(e.low, e.high, 1), share, p_value(e.p), p_value(float(adjusted)), _least(product))
        rows.append((product.prepared.name, *figures, None if math.isnan(product.truth) else product.truth))
    columns = ("product", "effect", "interval", "% of the level", "p", "p, adjusted", "least p", "true effect")
    return _table(
        "effects",
        "Main estimates, yuan a day of a treated unit",
        columns,
        rows,
        result.simulated,
        caption=f"By {result.method}, chosen before any effect was looked at. Intervals cover {1 - result.alpha:.0%}; "
        f"adjusted p: Holm over {count(len(result.products), 'product')}; least p: smallest possible by randomisation. "
        f"{together(result)}"
        + (" The true effect is known because the data are simulated." if result.simulated else ""),
        digits=(("effect", 1), ("% of the level", 1), ("true effect", 1), ("least p", 4)),
    )


def estimates_table(product: ProductResult, name: str, simulated: bool) -> Table:
    """All methods of one product; `name` is its part of the file name."""
    rows = [
        (
            e.method,
            e.effect,
            span(e.low, e.high, 1),
            p_value(e.p),
            None if math.isnan(e.smallest_p) or e.smallest_p == 0 else e.smallest_p,
            e.verdict,
            e.note,
        )
        for e in product.estimates
    ]
    columns = ("method", "effect", "interval", "p", "least p", "audit", "note")
    return _table(
        f"estimates_{name}",
        f"{product.prepared.name}: every method, yuan a day",
        columns,
        rows,
        simulated,
        digits=(("effect", 1), ("least p", 4)),
    )


def pre_trend_table(result: Analysis) -> Table:
    """Drift before the launch."""
    rows = []
    for product in result.products:
        t = product.pre_trend
        figures = (t.per_month, p_value(t.p), t.smallest_p, t.implied, t.largest, t.outside, product.main.effect)
        rows.append((product.prepared.name, *figures))
    columns = ("product", "drift", "p", "least p", "alone", "largest placebo", "outside", "main estimate")
    digits = (("drift", 1), ("least p", 4), ("alone", 1), ("largest placebo", 1), ("main estimate", 1))
    return _table(
        "pre_trends",
        "Drift of treated against local units before the launch, yuan a day",
        columns,
        rows,
        result.simulated,
        caption="Drift: slope of treated minus local units over the days before the launch, per 30 days, tested by "
        "permuting the launches among units. Alone: effect that this drift by itself would show. Largest placebo: of "
        "a period before the launch; outside: how many of these leave the band. A large p is no proof of parallel "
        "trends.",
        digits=digits,
    )


def checks_table(result: Analysis, kind: str, title: str, caption: str) -> Table:
    """Checks of one kind, "sensitivity", "heterogeneity" or "robustness", over all products."""
    rows: list[tuple[Cell, ...]] = []
    for product in result.products:
        checks: tuple[Check, ...] = getattr(product, kind)
        main = Check("main estimate", product.main.effect, product.main.low, product.main.high, product.main.p)
        for c in (main, *checks):
            rows.append((product.prepared.name, c.name, c.effect, span(c.low, c.high, 1), p_value(c.p), c.note))
    columns = ("product", "check", "effect", "interval", "p", "note")
    return _table(kind, title, columns, rows, result.simulated, caption=caption, digits=(("effect", 1),))


def arms_table(result: Analysis) -> Table:
    """The three curves of each product."""
    words = {"ai": "with AI-assisted design", "before": "before it", "local": "local average of the same type"}
    rows = [
        (product.prepared.name, words[arm.name], arm.days, arm.mean, arm.low, arm.high, arm.last)
        for product in result.products
        for arm in product.arms
    ]
    columns = ("product", "curve", "days", "mean", "low", "high", "mean of the last 7 days")
    return _table(
        "arms",
        "The three curves, yuan a day",
        columns,
        rows,
        result.simulated,
        caption=f"Means with {1 - result.alpha:.0%} intervals under AR(1) errors. Differences between curves are no "
        "effects: season, holidays and the size of outlets are in them.",
        digits=tuple((name, 1) for name in columns[3:]),
    )


def growth_table(result: Analysis) -> Table:
    """Does the benefit rise, and does the effect grow."""
    rows: list[tuple[Cell, ...]] = []
    for product in result.products:
        rising, growth = product.benefit_trend, product.effect_growth
        if rising is not None:
            span = (365.0 * rising.slope, 365.0 * rising.low, 365.0 * rising.high)
            rows.append((product.prepared.name, "benefit with AI-assisted design", *span, p_value(rising.p), None))
        if growth is not None:
            beside = p_value(growth.mann_kendall.p) if growth.mann_kendall is not None else None
            span = (growth.per_year, growth.low, growth.high)
            rows.append((product.prepared.name, "effect (treated minus local)", *span, p_value(growth.p), beside))
    columns = ("product", "series after the launch", "slope a year", "low", "high", "p", "p, Hamed-Rao")
    return _table(
        "growth",
        "Is there a growing trend? Slope in yuan a day per year",
        columns,
        rows,
        result.simulated,
        caption="p of Mann-Kendall's S against blocks of the detrended series, which keep its dependence from day to "
        "day; beside it the correction of Hamed and Rao. The trend of the benefit includes season and holidays; "
        "that of the effect does not. The days in which an effect ramps up make it grow, too.",
        digits=(("slope a year", 0), ("low", 0), ("high", 0)),
    )


def value_table(result: Analysis) -> Table:
    """The value of the main estimates."""
    rows: list[tuple[Cell, ...]] = []
    for product in result.products:
        v = product.value
        if v is None:
            continue
        for name, triple in (
            ("effect, yuan a day", v.per_day),
            ("effect, yuan a year", v.per_year),
            ("net present value, yuan", v.npv),
            ("return on investment", v.roi),
            ("break-even day", v.break_even_day),
        ):
            if not math.isnan(triple[0]):
                note = f"above 0 in {v.p_npv_positive:.1%} of draws" if name.startswith("net") else ""
                cells: list[Cell] = [finite(x, "beyond the horizon") for x in triple]
                if name == "break-even day":
                    cells = [int(cell) if isinstance(cell, float) else cell for cell in cells]
                rows.append((product.prepared.name, name, *cells, note))
    valued = next(product.value for product in result.products if product.value is not None)
    plan = valued.plan
    columns = ("product", "figure", "estimate", "low", "high", "note")
    ramp = f", after it has risen over {count(plan.ramp_days, 'day')}" if plan.ramp_days else ""
    growing = f"and that of its growth ({100 * plan.growth_error:.3g} %)" if plan.growth_error else "alone"
    costs = f"investment {plan.investment:,.0f} yuan at the launch, running cost {plan.running_cost:,.0f} yuan a day"
    return _table(
        "value",
        "What the effect is worth to one treated unit",
        columns,
        rows,
        result.simulated,
        caption=f"{valued.discounting[0].upper()}{valued.discounting[1:]}; {costs}, the effect grows by "
        f"{100 * plan.growth:.3g} % a year{ramp}. The plan is an assumption (`config.plan`), no estimate; the "
        f"interval holds the error of the effect {growing}.",
        samples=f"{len(valued.npv_draws):,} draws",
    )


def notes_table(result: Analysis) -> Table:
    """What was rescaled, left out or not computed."""
    rows = [(product.prepared.name, note) for product in result.products for note in product.notes]
    return _table(
        "handling", "What was rescaled, left out or not computed", ("product", "what"), rows, result.simulated
    )


def size_table(study: SizeStudy) -> Table:
    """Nominal against actual rejection."""
    rows = []
    for i in range(len(study.periods)):
        for j, method in enumerate(study.methods):
            rows.append(
                (
                    method,
                    study.treated,
                    int(study.controls[i]),
                    int(study.periods[i]),
                    float(study.autocorrelation[i]),
                    study.alpha,
                    float(study.rejected[i, j]),
                    float(study.error[i, j]),
                    float(study.smallest_p[i, j]) or None,
                )
            )
    columns = (
        "method",
        "treated",
        "controls",
        "days",
        "autocorrelation",
        "nominal",
        "rejected",
        "Monte Carlo error",
        "smallest p",
    )
    return _table("size_study", "Nominal and actual rejection", columns, rows, True)


def wide_size_table(study: SizeStudy) -> Table:
    """The same with a row for each design and a column for each method."""
    rows = tuple(
        (int(n0), int(t), float(rho), *(float(x) for x in share))
        for n0, t, rho, share in zip(study.controls, study.periods, study.autocorrelation, study.rejected, strict=True)
    )
    short = tuple(method.rpartition(", ")[2].replace("wild cluster bootstrap", "wild") for method in study.methods)
    columns = ("controls", "days", "AR(1)", *short)
    return _table(
        "size_by_design",
        f"Share of panels that each method rejects at {study.alpha:g}",
        columns,
        list(rows),
        True,
        samples=f"{study.n_panels:,} panels of each design, {study.n_pairs:,} for leave two out; seed in results.json",
        digits=(("AR(1)", 1), *((name, 3) for name in short)),
    )


# ---------------------------------------------------------------- parts


def _table(
    name: str,
    title: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Cell, ...]],
    simulated: bool,
    *,
    caption: str = "",
    samples: str = "",
    digits: tuple[tuple[str, int], ...] = (),
) -> Table:
    title = f"{title} ({SIMULATED})" if simulated else title
    return Table(named(name, simulated), title, columns, tuple(rows), caption, samples, digits)


def can_show(method: audit.Verdict, alpha: float) -> str:
    """The power of a method in a design, in a few words."""
    if method.usable:
        if math.isnan(method.detectable):
            return f"usable: p from {method.smallest_p:.3g}"
        return f"finds {method.detectable:.1f}, size {method.size:.3f}"
    if method.smallest_p > alpha:
        return f"pointless: p from {method.smallest_p:.3g}"
    if method.distinct == 0 or math.isnan(method.size):
        return f"pointless: {method.reason}"
    return f"pointless: size {method.size:.3f}" if math.isfinite(method.detectable) else "pointless: finds nothing"


def finite(value: float, otherwise: str = "unbounded") -> Cell:
    """A number as a cell of a table: None for nan, words for infinity."""
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else otherwise


def _least(product: ProductResult) -> float:
    return next(m.smallest_p for m in product.prepared.audit.methods if m.name == RANDOMISATION)


def together(result: Analysis) -> str:
    """One sentence on the joint test of all products, or why there is none; empty for a single product."""
    t = result.together
    if t is None:
        return result.apart
    how = "of units that launch all products at once" if t.shared else "within each product"
    return (
        f"All products together, as a share of the level: {100 * t.effect:+.1f} % ({100 * t.low:.1f} to "
        f"{100 * t.high:.1f}), p {t.p:.2g} by permuting launches {how} ({t.n_distinct:,} joint "
        f"assignments, smallest p {t.smallest_p:.2g})."
    )
