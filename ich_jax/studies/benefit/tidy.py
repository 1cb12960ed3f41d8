"""Every figure in long form for other programs: tidy tables, and `results.json`."""

from collections.abc import Iterator, Sequence

from ich_jax.report.tables import Cell, Table
from ich_jax.studies.benefit import daily
from ich_jax.studies.benefit.analysis import Analysis, ProductResult
from ich_jax.studies.benefit.prepared import PreparedProduct
from ich_jax.studies.benefit.tables import SIMULATED, finite, named

Row = tuple[Cell, ...]
_VALUE = ("per_day", "per_year", "npv", "roi", "break_even_day", "p_npv_positive", "plan", "discounting")


def tidy(result: Analysis, products: Sequence[PreparedProduct]) -> tuple[Table, ...]:
    """The data of all figures in long form; each table names the product and marks simulated data.

    Args:
        result: The analysis.
        products: What was audited.
    """
    tables: dict[str, tuple[tuple[str, ...], Iterator[Row]]] = {
        "curves": (("product", "arm", "date", "yuan_a_day"), _curves(result)),
        "event_study": (
            ("product", "period", "relative", "effect", "standard_error", "low", "high", "treated_units"),
            _event_study(result),
        ),
        "synthetic_control": (
            ("product", "period", "date", "treated", "synthetic", "gap", "low", "high"),
            _synthetic(result),
        ),
        "placebo_gaps": (("product", "donor", "period", "date", "gap"), _placebo_gaps(result)),
        "money": (("product", "curve", "x", "share_of_draws"), _money(result)),
        "audit": (
            ("product", "method", "smallest_p", "distinct", "size", "detectable", "usable", "reason"),
            _audits(products),
        ),
        "estimates": (
            ("product", "method", "family", "effect", "low", "high", "p", "smallest_p", "verdict", "main"),
            _estimates(result),
        ),
    }
    mark: Row = (SIMULATED,) if result.simulated else ()
    header: tuple[str, ...] = ("data",) if result.simulated else ()
    return tuple(
        Table(named(name, result.simulated), name, (*columns, *header), tuple((*row, *mark) for row in rows))
        for name, (columns, rows) in tables.items()
    )


def _curves(result: Analysis) -> Iterator[Row]:
    for product in result.products:
        for arm, (days, mean) in daily.curves(product.prepared.raw).items():
            for day, value in zip(days, mean, strict=True):
                yield product.prepared.name, arm, str(day), float(value)


def _event_study(result: Analysis) -> Iterator[Row]:
    for product in result.products:
        p = product.path
        columns = (p.relative, p.estimate, p.standard_error, p.low, p.high, p.treated)
        for r, e, s, low, high, n in zip(*columns, strict=True):
            figures = (float(e), float(s), float(low), float(high), int(n))
            yield product.prepared.name, product.prepared.bin, int(r), *figures


def _synthetic(result: Analysis) -> Iterator[Row]:
    for product in result.products:
        s = product.synthetic
        if s is None:
            continue
        before: list[Cell] = [None] * s.start
        low, high = ([*before, *(finite(float(x)) for x in side)] for side in (s.low, s.high))
        for t, y, z, gap, below, above in zip(s.periods, s.treated, s.path, s.gap, low, high, strict=True):
            yield product.prepared.name, product.prepared.bin, str(t), float(y), float(z), float(gap), below, above


def _placebo_gaps(result: Analysis) -> Iterator[Row]:
    for product in result.products:
        s = product.synthetic
        if s is None:
            continue
        for donor, gap in zip(s.donors, s.placebo_gap, strict=True):
            for t, g in zip(s.periods, gap, strict=True):
                yield product.prepared.name, str(donor), product.prepared.bin, str(t), float(g)


def _money(result: Analysis) -> Iterator[Row]:
    for product in result.products:
        v, name = product.value, product.prepared.name
        if v is None:
            continue
        for day, share in enumerate(v.p_break_even):
            yield name, "break-even by day", float(day + 1), float(share)
        for investment, share in zip(v.investments, v.acceptability, strict=True):
            yield name, "acceptability at investment", float(investment), float(share)


def _audits(products: Sequence[PreparedProduct]) -> Iterator[Row]:
    for product in products:
        for m in product.audit.methods:
            judged = (finite(m.size), finite(m.detectable), m.usable, m.reason)
            yield product.name, m.name, m.smallest_p, m.distinct, *judged


def _estimates(result: Analysis) -> Iterator[Row]:
    for product in result.products:
        for e in product.estimates:
            figures = (finite(x) for x in (e.effect, e.low, e.high, e.p, e.smallest_p))
            main = e.method == product.main.method
            yield product.prepared.name, e.method, e.family, *figures, e.verdict, main


def results(result: Analysis) -> dict[str, object]:
    """The content of `results.json`: every figure, without the series of the tidy files.

    Args:
        result: The analysis.
    """

    def product_of(product: ProductResult) -> dict[str, object]:
        prepared, v = product.prepared, product.value
        value = None if v is None else {name: getattr(v, name) for name in _VALUE}
        return {
            "name": prepared.name,
            "launches": prepared.launches,
            "level": prepared.level,
            "scale": prepared.scale,
            "audit": prepared.audit,
            "main": product.main,
            "estimates": product.estimates,
            "true_effect": product.truth,
            "pre_trend": product.pre_trend,
            "sensitivity": product.sensitivity,
            "heterogeneity": product.heterogeneity,
            "robustness": product.robustness,
            "arms": product.arms,
            "value": value,
            "notes": product.notes,
        }

    return {
        "simulated": result.simulated,
        "method": result.method,
        "choice": result.choice,
        "alpha": result.alpha,
        "together": result.together,
        "apart": result.apart,
        "p_adjusted": result.p_adjusted,
        "products": [product_of(product) for product in result.products],
    }
