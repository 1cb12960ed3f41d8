"""The report on economic benefit, in the order of Baker et al.: what can be shown at all stands before any effect."""

import math
from collections.abc import Sequence
from pathlib import Path

from ich_jax import workdir
from ich_jax.config import BenefitConfig, flatten
from ich_jax.report import page, tables
from ich_jax.report.provenance import Provenance
from ich_jax.report.style import Picture
from ich_jax.report.tables import Table
from ich_jax.studies.benefit import figures as benefit_figures
from ich_jax.studies.benefit import tables as benefit_tables
from ich_jax.studies.benefit.analysis import Analysis
from ich_jax.studies.benefit.calibration import SizeStudy
from ich_jax.studies.benefit.methods.table import RANDOMISATION
from ich_jax.studies.benefit.prepared import Design
from ich_jax.studies.benefit.tables import named

SIMULATED = (
    "Every figure rests on simulated sales. The paper gives two numbers, the final benefits of figurine (1,312 yuan a "
    "day) and earrings (1,118); only these two are matched. Outlets, launches, effects and noise are assumptions."
)


def write(
    folder: str | Path,
    *,
    config: BenefitConfig,
    designs: Sequence[Design],
    result: Analysis,
    provenance: Provenance,
) -> Path:
    """Writes `report/index.html` with figures and tables beside it, and tidy CSV files into `tables/`.

    Args:
        folder: Work directory.
        config: The run.
        designs: What was audited.
        result: What came out.
        provenance: Command, machine, versions and revision.

    Returns:
        The path of the page.

    Raises:
        WorkdirError: A file cannot be written.
    """
    sections = _sections(config, designs, result)
    report = Path(folder) / "report"
    for table in benefit_tables.tidy(result, designs):
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
        study: What came out.
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
        page.Section("Configuration", items=(_config_table(config),), folded=True),
    ]
    report = Path(folder) / "report"
    page.write_files(report, sections)
    worst = float(study.rejected.max())
    return page.write(
        report / "index.html",
        title=f"Size study: {config.name}",
        summary=f"{len(study.periods)} designs with {study.treated} treated units, autocorrelations "
        f"{', '.join(f'{rho:g}' for rho in dependent)}: {len(study.methods)} tests on {study.n_panels:,} simulated "
        f"panels each, without an effect. The nominal level is {study.alpha:g}, the largest actual one {worst:.3f}.",
        sections=sections,
        provenance=provenance,
        simulated="All panels are simulated: independent AR(1) series with a shock that all units share.",
    )


# ---------------------------------------------------------------- top of the page


def _summary(result: Analysis) -> str:
    parts = [
        f"{product.design.name} {product.main.effect:+,.0f} yuan a day ({_range(product.main.low, product.main.high)})"
        for product in result.products
    ]
    text = (
        f"Effect of AI-assisted design on the daily benefit of a treated unit, by {result.method}: {'; '.join(parts)}."
    )
    return f"{text} {benefit_tables.together(result)}".strip()


def _headlines(result: Analysis) -> list[page.Headline]:
    strip = []
    for product in result.products:
        e = product.main
        detail = f"{_range(e.low, e.high)}; p {benefit_tables.p_text(e.p) or 'n/a'}"
        if not math.isnan(product.truth):
            detail += f"; true {product.truth:,.0f}"
        strip.append(page.Headline(f"{product.design.name}, yuan a day", f"{e.effect:+,.0f}", detail))
    if result.together is not None:
        t = result.together
        detail = f"{_range(100 * t.low, 100 * t.high, '.1f')} %; p {_p(t.p)}, smallest possible {_p(t.smallest_p)}"
        strip.append(page.Headline("all together, % of the level", f"{100 * t.effect:+.1f}", detail))
    smallest = min(_randomisation(product.design) for product in result.products)
    strip.append(page.Headline("smallest p of one product", _p(smallest), "randomisation of launches over its units"))
    return strip


def _warnings(result: Analysis) -> list[str]:
    found = []
    if "CANNOT BE RELIED ON" in result.choice:
        found.append(f"{result.choice[0].upper()}{result.choice[1:]}.")
    floors: dict[str, list[str]] = {}
    for product in result.products:
        if _randomisation(product.design) > min(result.alpha, product.main.p):
            floors.setdefault(_p(_randomisation(product.design)), []).append(product.design.name)
    for floor, names in floors.items():
        found.append(
            f"{', '.join(names)}: handing the launches to other units cannot give a p below {floor}; smaller ones "
            "rest on assumed distributions."
        )
    for product in result.products:
        name, trend = product.design.name, product.pre_trend
        if trend.p <= result.alpha or trend.outside:
            found.append(
                f"{name}: treated and local units drift apart before the launch ({trend.per_month:+,.1f} yuan a day "
                f"per month, p {_p(trend.p)}; {trend.outside} periods outside the band)."
            )
        lost = [note for note in product.notes if "not computed" in note]
        if lost:
            found.append(f"{name}: not everything could be computed ({len(lost)} left out); see What was handled.")
    return found


def _randomisation(one: Design) -> float:
    return next(m.smallest_p for m in one.audit.methods if m.name == RANDOMISATION)


# ---------------------------------------------------------------- sections


def _sections(config: BenefitConfig, designs: Sequence[Design], result: Analysis) -> list[page.Section]:
    simulated, stamp = result.simulated, benefit_figures.stamp(result)
    samples = _samples(result)
    names = [product.design.name for product in result.products]
    stems = {name: benefit_tables.stem(name, names) for name in names}

    def figure(name: str, title: str, picture: Picture, caption: str) -> page.Figure:
        title = f"{title} (SIMULATED)" if simulated else title
        return page.Figure(named(name, simulated), title, picture, caption, samples)

    sections = [
        page.Section(
            "1 Target",
            text=(
                "What is estimated: the average effect of AI-assisted design on the treated units over the days after "
                "their launch, in yuan of benefit a day and unit (average treatment effect on the treated, days "
                "weighing alike). It is not the difference between the three curves below.",
            ),
            items=(
                figure(
                    "curves",
                    "The three curves of each product",
                    benefit_figures.curves(result),
                    "Pale: daily means over the units of each curve; strong: their 7-day mean; dashed with band: the "
                    "mean over the whole curve with its interval under AR(1) errors. The vertical line is the launch.",
                ),
                benefit_tables.arms_table(result),
                page.PaperQuote(
                    "After AI-assisted design the benefit of each product lies \u201csignificantly\u201d above that "
                    "before it and above the local average of the same type; figurine and earrings show a growing "
                    "trend and end at 1,312 and 1,118 yuan a day.",
                    "section 3.2.2, Figure 6",
                    "The paper gives no baseline, unit, number of outlets, launch, horizon, variance or test, so that "
                    "its claim cannot be checked. This page shows what would be needed to check it.",
                ),
            ),
            simulated=simulated,
        ),
        page.Section(
            "2 Assumptions and design audit",
            text=(
                "Without the launch, treated and local units would have moved in parallel"
                + (", in shares of their level before it." if config.analysis.scale == "index" else ", in yuan.")
                + " No unit changes because another one launches, and no one launches because a change was coming. "
                "Inference takes either which units launched as good as random, or units as alike in their noise.",
                "The audit was made before any effect was computed. It says what each method can show in this design "
                "at all.",
            ),
            items=(benefit_tables.design_table(designs, simulated), benefit_tables.audit_table(designs, simulated)),
            simulated=simulated,
        ),
        page.Section(
            "3 Parallel trends before the launch",
            items=(
                figure(
                    "event_study",
                    "Effects by time since the launch",
                    benefit_figures.event_study(result),
                    "Treated minus local units, minus the same over the whole time before the launch. Left of the line "
                    "nothing had happened yet: points should scatter about 0 without direction. The band holds over "
                    "all points at once; its width comes from how local units vary, since treated units are too few "
                    "to tell.",
                ),
                benefit_tables.pre_trend_table(result),
            ),
            simulated=simulated,
        ),
        page.Section(
            "4 Choice of the estimator",
            text=(f"{result.choice[0].upper()}{result.choice[1:]}.",),
        ),
        page.Section(
            "5 Effects",
            items=(
                benefit_tables.main_table(result),
                figure(
                    "products",
                    "Main estimates",
                    benefit_figures.products(result),
                    "Bars are intervals."
                    + (" Squares: the true effect, known because the data are simulated." if simulated else ""),
                ),
                *(
                    item
                    for product in result.products
                    for item in (
                        figure(
                            f"forest_{stems[product.design.name]}",
                            f"{product.design.name}: every method",
                            benefit_figures.forest(product, stamp),
                            "Colours say what the audit found before any result. Dots without a bar have no interval; "
                            "a bar that reaches the edge goes on beyond it.",
                        ),
                        benefit_tables.estimates_table(product, stems[product.design.name], simulated),
                    )
                ),
            ),
            simulated=simulated,
        ),
        page.Section(
            "Synthetic controls",
            text=("A weighted average of local units that moves like the treated one before the launch.",),
            items=tuple(
                figure(
                    f"synthetic_{stems[product.design.name]}",
                    f"{product.design.name}: synthetic control",
                    benefit_figures.synthetic(product, stamp),
                    "Left: the treated units and their synthetic control. Right: the gap between them among the gaps "
                    "of the local units, each treated in turn (placebos); shaded: conformal intervals, each period by "
                    "itself, where the design can give one.",
                )
                for product in result.products
                if product.synthetic is not None
            ),
            simulated=simulated,
        ),
        page.Section(
            "6 Sensitivity",
            items=(
                benefit_tables.checks_table(
                    result,
                    "sensitivity",
                    "What it would take to overturn the main estimate, yuan a day",
                    "Launches that are pretended to be earlier should show nothing. No bias of parallel trends beyond "
                    "these can be excluded from the data.",
                ),
            ),
            simulated=simulated,
        ),
        page.Section(
            "7 Where and when the effect lies",
            items=(
                benefit_tables.checks_table(
                    result,
                    "heterogeneity",
                    "Effect by kind of day, by time since the launch and by unit, yuan a day",
                    "Difference-in-differences of means over the days named; thirds of the time after the launch from "
                    "the event study.",
                ),
                benefit_tables.growth_table(result),
            ),
            simulated=simulated,
        ),
        page.Section(
            "8 Robustness",
            items=(
                benefit_tables.checks_table(
                    result,
                    "robustness",
                    "The effect under other choices, yuan a day",
                    "Difference-in-differences of means, by collapsed t (by randomisation where launches differ).",
                ),
            ),
            simulated=simulated,
        ),
        page.Section(
            "What it is worth",
            items=()
            if all(product.value is None for product in result.products)
            else (
                benefit_tables.value_table(result),
                figure(
                    "balance",
                    "Present value since the launch",
                    benefit_figures.balance(result),
                    "Discounted effect minus running cost and investment, summed to each day.",
                ),
                figure(
                    "money",
                    "Break-even and acceptability",
                    benefit_figures.money(result),
                    "Share of the draws of the uncertain effect in which the investment is earned back: by each day, "
                    "and within the horizon for each investment (acceptability curve); the vertical line is the "
                    "stated one.",
                ),
            ),
            notes=("Costs and horizon are those of the config, not estimates.",),
            simulated=simulated,
        ),
        page.Section("What was handled", items=(benefit_tables.notes_table(result),), simulated=simulated),
        page.Section("Configuration", items=(_config_table(config),), folded=True),
    ]
    return [section for section in sections if section.items or section.text]


def _config_table(config: BenefitConfig) -> Table:
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    return Table("config", "Configuration", ("field", "value"), rows)


def _samples(result: Analysis) -> str:
    units = sum(p.design.audit.units for p in result.products)
    days = max(p.design.audit.periods for p in result.products)
    treated = sum(p.design.audit.treated for p in result.products)
    return f"{units} units over {len(result.products)} products, {treated} treated; {days} days"


def _range(low: float, high: float, form: str = ",.0f") -> str:
    if math.isnan(low):
        return "no interval"
    ends = [format(x, form) if math.isfinite(x) else ("\u2212\u221e" if x < 0 else "\u221e") for x in (low, high)]
    return f"{ends[0]} to {ends[1]}".replace("-", "\u2212")


def _p(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
