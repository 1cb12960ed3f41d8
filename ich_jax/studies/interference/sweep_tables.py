"""Tables of an interference sweep."""

from collections.abc import Sequence

import numpy as np

from ich_jax.interference.disturbances import TABLE
from ich_jax.report.tables import Cell, Table
from ich_jax.report.text import count
from ich_jax.studies.interference import sweep_result
from ich_jax.studies.interference.comparison import MEAN
from ich_jax.studies.interference.paper import CLAIM
from ich_jax.studies.interference.sweep_result import Static
from ich_jax.uncertainty.intervals import Interval


def samples(result: Static) -> str:
    """Returns the number of designs behind a point."""
    return f"n = {count(result.n, 'design')} a point and seed, {count(len(result.seeds), 'sampling seed')}"


def worst(result: Static) -> Table:
    """Accuracy of each product: without interference, and its least value."""
    rows: list[tuple[Cell, ...]] = []
    for p, name in enumerate(result.products):
        curve, kind = sweep_result.least(result, p)
        severity = int(np.argmin(curve.accuracy[1:])) + 1
        mean = float(np.mean([result.curves[k][p].mean for k in result.scored]))
        rows.append(
            (
                name,
                100 * result.clean[p],
                100 * result.clean_interval.low[p],
                100 * result.clean_interval.high[p],
                100 * mean,
                100 * curve.minimum,
                100 * curve.minimum_corrected,
                kind,
                severity,
                100 * curve.drop,
            )
        )
    return Table(
        "products",
        "Products",
        (
            "product",
            "without, %",
            "low",
            "high",
            "mean, %",
            "least, %",
            "corrected, %",
            "under",
            "severity",
            "drop, points",
        ),
        tuple(rows),
        caption="Least accuracy over all scored kinds and their severities; corrected for the bias of a minimum by "
        "a bootstrap. Intervals are 95 % Wilson.",
        samples=samples(result),
        digits=tuple(
            (c, 2) for c in ("without, %", "low", "high", "mean, %", "least, %", "corrected, %", "drop, points")
        ),
    )


def claims(result: Static) -> list[Table]:
    """The severity up to which the paper's claims hold, a table for each product with a claim."""
    tables = []
    for p, name in enumerate(result.products):
        if name in CLAIM:
            low, holds = sweep_result.band(result, p), sweep_result.holds_up_to(result, p)
            tables.append(
                Table(
                    f"claim_{name}",
                    f"Does accuracy of {name} stay above {CLAIM[name]:.2%}?",
                    ("kind", "holds up to severity", *(f"limit at {s}, %" for s in range(6))),
                    tuple(
                        (kind, holds[kind] if holds[kind] >= 0 else "never", *(100 * float(x) for x in low[kind]))
                        for kind in result.scored
                    ),
                    caption=f"{_claim(name, min(holds.values()))} Lower Wilson limits, 95 % for all kinds and "
                    "severities of the table at once (Bonferroni).",
                    samples=samples(result),
                    digits=tuple((f"limit at {s}, %", 2) for s in range(6)),
                )
            )
    return tables


def _claim(name: str, severity: int) -> str:
    claim = f"that accuracy of {name} stays above {CLAIM[name]:.2%}"
    if severity < 0:
        return f"The claim {claim} is not supported even without interference."
    return f"The claim {claim} holds under every scored kind up to severity {severity}."


def grid(result: Static) -> Table:
    """Accuracy of every kind at every severity, over all products."""
    rows: list[tuple[Cell, ...]] = []
    for kind in result.kinds:
        accuracy = np.mean([c.accuracy for c in result.curves[kind]], axis=0)
        rows.append((kind, "yes" if TABLE[kind].scored else "no", *(100 * float(a) for a in accuracy)))
    columns = ("kind", "scored", *(f"severity {s}, %" for s in range(6)))
    return Table(
        "grid",
        "Accuracy over all products",
        columns,
        tuple(rows),
        caption="Mean over products of the share of designs whose product was read as asked.",
        samples=samples(result),
        digits=tuple((c, 1) for c in columns[2:]),
    )


def kinds(result: Static) -> Table:
    """The figures of the curve of every kind and product."""
    rows: list[tuple[Cell, ...]] = []
    for kind in result.kinds:
        for p, name in enumerate(result.products):
            c = result.curves[kind][p]
            rows.append(
                (
                    kind,
                    name,
                    100 * c.mean,
                    100 * c.minimum,
                    100 * c.drop,
                    c.retention,
                    c.area,
                    None if np.isinf(c.breakdown) else c.breakdown,
                    c.rises,
                    c.trend,
                    c.trend_p,
                    float(result.elements[kind][5]),
                    float(result.axes[kind][5]),
                )
            )
    return Table(
        "kinds",
        "Every kind and product",
        (
            "kind",
            "product",
            "mean, %",
            "least, %",
            "drop, points",
            "retention",
            "area",
            "breakdown",
            "rises",
            "log odds per severity",
            "p of trend",
            "elements at 5",
            "axis error at 5",
        ),
        tuple(tuple(None if isinstance(v, float) and not np.isfinite(v) else v for v in row) for row in rows),
        caption="Breakdown: severity at which accuracy falls below nine tenths of severity 0 (none: never). Rises: "
        "steps at which it goes up. Trend: logistic regression on severity, errors clustered by design. Elements and "
        "axes: over all products.",
        samples=samples(result),
        digits=(("mean, %", 1), ("least, %", 1), ("drop, points", 1), ("retention", 3), ("area", 3), ("breakdown", 2)),
    )


def paired(result: Static) -> Table:
    """Accuracy with interference against without, on the same designs."""
    rows: list[tuple[Cell, ...]] = []
    for kind in result.kinds:
        for name, c in zip(result.products, result.curves[kind], strict=True):
            change = 100 * (c.accuracy[1:] - c.accuracy[0])
            rows.append((kind, name, *(x for pair in zip(change, c.mcnemar_p, strict=True) for x in map(float, pair))))
    columns = tuple(f"{figure} {s}" for s in range(1, 6) for figure in ("change", "p"))
    return Table(
        "paired",
        "With interference against without, the same designs",
        ("kind", "product", *columns),
        tuple(rows),
        caption="Change of accuracy at severities 1 to 5 in points, and p of the exact McNemar test that designs are "
        "read right as often as at severity 0, adjusted by Holm over severities.",
        samples=samples(result),
        digits=tuple((c, 2) for c in columns if c.startswith("change")),
    )


def observer(result: Static, kinds: Sequence[str]) -> Table:
    """Accuracy of the inspector on corrupted designs and on corrupted real images."""
    rows: list[tuple[Cell, ...]] = []
    for kind in kinds:
        designs = np.mean([c.accuracy for c in result.curves[kind]], axis=0)
        real = result.real.get(kind, np.full(6, np.nan))
        shares = (*designs[1:], *real[1:])
        rows.append((kind.removeprefix("image_"), *(100 * float(a) if np.isfinite(a) else None for a in shares)))
    columns = ("corruption", *(f"designs {s}, %" for s in range(1, 6)), *(f"real {s}, %" for s in range(1, 6)))
    return Table(
        "observer",
        "Corruption of finished images",
        columns,
        tuple(rows),
        caption="Accuracy of the inspector on corrupted designs and on corrupted held-out real images: where both fall "
        "alike, the inspector fails, not the generator.",
        samples=samples(result),
        digits=tuple((c, 1) for c in columns[1:]),
    )


def second(result: Static) -> Table:
    """Share of designs that both inspectors read alike."""
    rows: list[tuple[Cell, ...]] = [(kind, *(100 * float(a) for a in result.agreement[kind])) for kind in result.kinds]
    columns = ("kind", *(f"severity {s}, %" for s in range(6)))
    clean = ", ".join(f"{name} {a:.1%}" for name, a in zip(result.products, result.second_clean, strict=True))
    return Table(
        "second",
        "Designs that both inspectors read alike",
        columns,
        tuple(rows),
        caption=f"Without interference the second inspector reads {clean} as asked.",
        samples=samples(result),
        digits=tuple((c, 1) for c in columns[1:]),
    )


def error(result: Static) -> Table:
    """Interference error of each kind and over all, with intervals."""
    figures = result.error

    def ends(intervals: dict[str, Interval], kind: str) -> tuple[float | None, float | None]:
        interval = intervals.get(kind)
        return (None, None) if interval is None else (float(interval.low), float(interval.high))

    rows = [
        (name, each, *ends(figures.interval, kind), relative, *ends(figures.relative_interval, kind))
        for name, kind, each, relative in (
            *((kind, kind, figures.each[kind], figures.relative_each[kind]) for kind in figures.each),
            ("mean (IE), pooled (relative)", MEAN, figures.mie, figures.relative_mie),
        )
    ]
    columns = ("IE", "low", "high", "relative IE", "relative low", "relative high")
    return Table(
        "mie",
        "Interference error, % of the reference generator's",
        ("kind", *columns),
        tuple(rows),
        caption="A dash: the reference makes no error, or loses too little for a ratio.",
        samples=samples(result),
        digits=tuple((c, 1) for c in columns),
    )
