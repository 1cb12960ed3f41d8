"""Claims that sales of this design can carry, and those that they cannot, with the reason."""

import math

from ich_jax.report.tables import Table
from ich_jax.report.text import number, p_value
from ich_jax.studies.benefit.analysis import Analysis, ProductResult
from ich_jax.studies.benefit.tables import SIMULATED, named

YES, NO = "yes", "no"

Row = tuple[str, str, str]


def table(result: Analysis) -> Table:
    """Returns claims that such studies make, each with whether these sales can carry it and why."""
    rows = [row for product in result.products for row in _product(product, result.alpha)]
    if len(result.products) > 1:
        t = result.together
        rows.append(
            (
                "all products together earn more",
                YES if t is not None and t.smallest_p <= result.alpha else NO,
                result.apart
                if t is None
                else f"the joint test of launches can give a p-value of {p_value(t.smallest_p)}",
            )
        )
    rows += [
        ("buyers pay more, or more people buy", NO, "benefits alone do not tell prices from numbers of buyers"),
        ("the regional economy grows", NO, "outlets are observed, no region; sales may have moved from other outlets"),
    ]
    title = "Claims that your data can carry"
    return Table(
        named("carries", result.simulated),
        f"{title} ({SIMULATED})" if result.simulated else title,
        ("claim", "carried", "why"),
        tuple(rows),
        "What can be claimed from such sales at all, not what they show. All of it takes for granted that without the "
        "launch treated and local outlets would have moved in parallel.",
    )


def _product(product: ProductResult, alpha: float) -> list[Row]:
    name, audit = product.prepared.name, product.prepared.audit
    usable = [method for method in audit.methods if method.usable]
    found = [m.detectable for m in usable if math.isfinite(m.detectable)]
    if usable:
        why = f"{len(usable)} of {len(audit.methods)} tests can show one"
        why += f"; the best finds {number(min(found), 0)} with {number(100 * audit.power, 0)} % power" if found else ""
    else:
        why = f"no test can: {audit.treated} treated and {audit.donors} local units, {audit.periods} days"
    drift = product.pre_trend
    effect = (f"{name} earns more than it would have", YES if usable else NO, why)
    parallel = (
        f"{name} moved as the local outlets did before",
        YES if drift.smallest_p <= alpha else NO,
        f"a drift of {number(drift.per_month, 1)} a month has p {p_value(drift.p) or 'none'}; the least possible p is "
        f"{p_value(drift.smallest_p) or 'none'}",
    )
    return [effect, parallel]
