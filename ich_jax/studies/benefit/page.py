"""The report on economic benefit, in the order of Baker et al.: the power of the design precedes any effect."""

import math
from collections.abc import Sequence
from pathlib import Path

from ich_jax import workdir
from ich_jax.config import BenefitConfig
from ich_jax.report import page, tables
from ich_jax.report.provenance import Provenance
from ich_jax.report.text import count, p_value, span
from ich_jax.studies.benefit import copies, launches, tidy
from ich_jax.studies.benefit import figures as benefit_figures
from ich_jax.studies.benefit import sections as benefit_sections
from ich_jax.studies.benefit import tables as benefit_tables
from ich_jax.studies.benefit.analysis import Analysis
from ich_jax.studies.benefit.calibration import SizeStudy
from ich_jax.studies.benefit.methods.table import RANDOMISATION
from ich_jax.studies.benefit.prepared import PreparedProduct
from ich_jax.studies.benefit.tables import named

SIMULATED = (
    "Every figure rests on simulated sales. The paper gives two numbers, the final benefits of figurine (1,312 yuan a "
    "day) and earrings (1,118); only these two are matched. Outlets, launches, effects and noise are assumptions."
)


def write(
    folder: str | Path,
    *,
    config: BenefitConfig,
    products: Sequence[PreparedProduct],
    result: Analysis,
    provenance: Provenance,
) -> Path:
    """Writes `report/index.html` with its figures and tables, and tidy CSV files into `tables/`.

    Args:
        folder: Work directory.
        config: The run.
        products: The products that were audited.
        result: The analysis.
        provenance: Command, machine, versions and revision.

    Returns:
        The path of the page.

    Raises:
        WorkdirError: A file cannot be written.
    """
    sections = benefit_sections.sections(config, products, result)
    report = Path(folder) / "report"
    for table in tidy.tidy(result, products):
        workdir.write_text(Path(folder) / "tables" / f"{table.name}.csv", tables.to_csv(table))
    page.write_files(report, sections)
    return page.write(
        report / "index.html",
        title=f"Economic benefit: {config.name}",
        summary=_summary(result),
        sections=sections,
        provenance=provenance,
        headlines=_headlines(result),
        warnings=_warnings(result),
        simulated=SIMULATED if result.simulated else "",
    )


def write_size_study(folder: str | Path, *, config: BenefitConfig, study: SizeStudy, provenance: Provenance) -> Path:
    """Writes the page and tables of a size study; returns the path of the page.

    Args:
        folder: Work directory.
        config: The run.
        study: The size study.
        provenance: Command, machine, versions and revision.

    Raises:
        WorkdirError: A file cannot be written.
    """
    long = benefit_tables.size_table(study)
    workdir.write_text(Path(folder) / "tables" / f"{long.name}.csv", tables.to_csv(long))
    wide = benefit_tables.wide_size_table(study)
    dependent = sorted({float(rho) for rho in study.autocorrelation})
    figure = page.Figure(
        named("sizes", True),
        f"Rejection without an effect at {study.alpha:g}, by autocorrelation",
        benefit_figures.sizes(study),
        "Every dot is one design (controls and days); the dashed line is the nominal level. Left of it a test is "
        "cautious or cannot reject at all, right of it it rejects too often.",
        wide.samples,
    )
    sections = [
        page.Section("Do the tests hold their level?", items=(figure, wide), simulated=True),
        benefit_sections.configuration(config),
    ]
    report = Path(folder) / "report"
    page.write_files(report, sections)
    worst = float(study.rejected.max())
    return page.write(
        report / "index.html",
        title=f"Size study: {config.name}",
        summary=f"{count(len(study.periods), 'design')} with {count(study.treated, 'treated unit')}, autocorrelations "
        f"{', '.join(f'{rho:g}' for rho in dependent)}: {count(len(study.methods), 'test')}, each on "
        f"{count(study.n_panels, 'simulated panel')} without an effect. The nominal level is {study.alpha:g}, the "
        f"largest actual level {worst:.3f}.",
        sections=sections,
        provenance=provenance,
        simulated="All panels are simulated: independent AR(1) series with a shock that all units share.",
    )


# ---------------------------------------------------------------- top of the page


def _summary(result: Analysis) -> str:
    parts = [
        f"{p.prepared.name} {p.main.effect:+,.0f} yuan a day ({_interval(p.main.low, p.main.high)})"
        for p in result.products
    ]
    text = (
        f"Effect of AI-assisted design on the daily benefit of a treated unit, by {result.method}: {'; '.join(parts)}."
    )
    return f"{text} {benefit_tables.together(result)}".strip()


def _headlines(result: Analysis) -> list[page.Headline]:
    strip = []
    for product in result.products:
        e = product.main
        detail = f"{_interval(e.low, e.high)}; p {_p(e.p)}"
        if not math.isnan(product.truth):
            detail += f"; true {product.truth:,.0f}"
        strip.append(page.Headline(f"{product.prepared.name}, yuan a day", f"{e.effect:+,.0f}", detail))
    if result.together is not None:
        t = result.together
        detail = f"{_interval(100 * t.low, 100 * t.high, 1)} %; p {_p(t.p)}, smallest possible {_p(t.smallest_p)}"
        strip.append(page.Headline("all together, % of the level", f"{100 * t.effect:+.1f}", detail))
    smallest = min(_randomisation(product.prepared) for product in result.products)
    strip.append(page.Headline("smallest p of one product", _p(smallest), "randomisation of launches over its units"))
    return strip


def _warnings(result: Analysis) -> list[str]:
    warnings = []
    if "CANNOT BE RELIED ON" in result.choice:
        warnings.append(f"{result.choice[0].upper()}{result.choice[1:]}.")
    floors: dict[str, list[str]] = {}
    for product in result.products:
        if _randomisation(product.prepared) > min(result.alpha, product.main.p):
            floors.setdefault(_p(_randomisation(product.prepared)), []).append(product.prepared.name)
    for floor, names in floors.items():
        warnings.append(
            f"{', '.join(names)}: permuting the launches among units cannot give a p below {floor}; smaller ones "
            "rest on assumed distributions."
        )
    for product in result.products:
        name, trend = product.prepared.name, product.pre_trend
        if trend.p <= result.alpha or trend.outside:
            warnings.append(
                f"{name}: treated and local units drift apart before the launch ({trend.per_month:+,.1f} yuan a day "
                f"per month, p {_p(trend.p)}; {trend.outside} periods outside the band)."
            )
        warnings += [f"{name}: {note}." for note in product.notes if copies.SAME in note or launches.COLUMN in note]
        lost = [note for note in product.notes if "not computed" in note]
        if lost:
            warnings.append(f"{name}: not everything could be computed ({len(lost)} left out); see Data handling.")
    return warnings


def _randomisation(product: PreparedProduct) -> float:
    return next(m.smallest_p for m in product.audit.methods if m.name == RANDOMISATION)


# ---------------------------------------------------------------- parts


def _interval(low: float, high: float, digits: int = 0) -> str:
    return span(low, high, digits) or "no interval"


def _p(p: float) -> str:
    return p_value(p) or "n/a"
