"""Sections of the page on economic benefit, in the order of Baker et al. (2025)."""

from collections.abc import Sequence

from ich_jax.config import BenefitConfig, flatten
from ich_jax.report import page
from ich_jax.report.style import Picture
from ich_jax.report.tables import Table
from ich_jax.report.text import count
from ich_jax.studies.benefit import carries
from ich_jax.studies.benefit import figures as benefit_figures
from ich_jax.studies.benefit import tables as benefit_tables
from ich_jax.studies.benefit.analysis import Analysis
from ich_jax.studies.benefit.prepared import PreparedProduct
from ich_jax.studies.benefit.tables import named


def sections(config: BenefitConfig, products: Sequence[PreparedProduct], result: Analysis) -> list[page.Section]:
    """All sections that have something to show.

    Args:
        config: The run.
        products: What was audited.
        result: The analysis.
    """
    every = [
        _target(result),
        _assumptions(result, products, config),
        _parallel_trends(result),
        _choice(result),
        _effects(result),
        _synthetic_controls(result),
        _sensitivity(result),
        _heterogeneity(result),
        _robustness(result),
        _worth(result),
        page.Section("What can be claimed", items=(carries.table(result),)),
        _handled(result),
        configuration(config),
    ]
    return [section for section in every if section.items or section.text]


def _target(result: Analysis) -> page.Section:
    """Step 1: the target, and the curves that differ from it."""
    return page.Section(
        "1 Target",
        text=(
            "What is estimated: the average effect of AI-assisted design on the treated units over the days after "
            "their launch, in yuan of benefit a day and unit (average treatment effect on the treated, days "
            "weighing alike). It is not the difference between the three curves below.",
        ),
        items=(
            _figure(
                result,
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
        simulated=result.simulated,
    )


def _assumptions(result: Analysis, products: Sequence[PreparedProduct], config: BenefitConfig) -> page.Section:
    """Step 2: the assumptions, and the power of each method."""
    return page.Section(
        "2 Assumptions and design audit",
        text=(
            "Without the launch, treated and local units would have moved in parallel"
            + (", in shares of their level before it." if config.analysis.scale == "index" else ", in yuan.")
            + " No unit changes because another one launches, and no unit launches because a change was expected. "
            "Inference takes either which units launched as good as random, or units as alike in their noise.",
            "The audit was made before any effect was computed. It says what each method can show in this design "
            "at all.",
        ),
        items=(
            benefit_tables.design_table(products, result.simulated),
            benefit_tables.audit_table(products, result.simulated),
        ),
        simulated=result.simulated,
    )


def _parallel_trends(result: Analysis) -> page.Section:
    """Step 3: effects before the launch, which should be none."""
    return page.Section(
        "3 Parallel trends before the launch",
        items=(
            _figure(
                result,
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
        simulated=result.simulated,
    )


def _choice(result: Analysis) -> page.Section:
    """Step 4: the method of the main estimate, with the reason."""
    return page.Section(
        "4 Choice of the estimator",
        text=(f"{result.choice[0].upper()}{result.choice[1:]}.",),
    )


def _effects(result: Analysis) -> page.Section:
    """Step 5: the main estimates, and every other method."""
    stems = _stems(result)
    stamp = benefit_figures.stamp(result)
    return page.Section(
        "5 Effects",
        items=(
            benefit_tables.main_table(result),
            _figure(
                result,
                "products",
                "Main estimates",
                benefit_figures.products(result),
                "Bars are intervals."
                + (" Squares: the true effect, known because the data are simulated." if result.simulated else ""),
            ),
            *(
                item
                for product in result.products
                for item in (
                    _figure(
                        result,
                        f"forest_{stems[product.prepared.name]}",
                        f"{product.prepared.name}: every method",
                        benefit_figures.forest(product, stamp),
                        "Colours are the verdicts of the audit before any result. Dots without a bar have no interval; "
                        "a bar that reaches the edge continues beyond it.",
                    ),
                    benefit_tables.estimates_table(product, stems[product.prepared.name], result.simulated),
                )
            ),
        ),
        simulated=result.simulated,
    )


def _synthetic_controls(result: Analysis) -> page.Section:
    """Synthetic controls, where there are some."""
    stems = _stems(result)
    stamp = benefit_figures.stamp(result)
    return page.Section(
        "Synthetic controls",
        text=("A weighted average of local units that moves like the treated one before the launch.",),
        items=tuple(
            _figure(
                result,
                f"synthetic_{stems[product.prepared.name]}",
                f"{product.prepared.name}: synthetic control",
                benefit_figures.synthetic(product, stamp),
                "Left: the treated units and their synthetic control. Right: the gap between them among the gaps "
                "of the local units, each treated in turn (placebos); shaded: conformal intervals, each period by "
                "itself, where the design can give one.",
            )
            for product in result.products
            if product.synthetic is not None
        ),
        simulated=result.simulated,
    )


def _sensitivity(result: Analysis) -> page.Section:
    """Step 6."""
    return page.Section(
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
        simulated=result.simulated,
    )


def _heterogeneity(result: Analysis) -> page.Section:
    """Step 7."""
    return page.Section(
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
        simulated=result.simulated,
    )


def _robustness(result: Analysis) -> page.Section:
    """Step 8."""
    return page.Section(
        "8 Robustness",
        items=(
            benefit_tables.checks_table(
                result,
                "robustness",
                "The effect under other choices, yuan a day",
                "Difference-in-differences of means, by collapsed t (by randomisation where launches differ).",
            ),
        ),
        simulated=result.simulated,
    )


def _worth(result: Analysis) -> page.Section:
    """The value of the effects under the plan."""
    return page.Section(
        "What it is worth",
        items=()
        if all(product.value is None for product in result.products)
        else (
            benefit_tables.value_table(result),
            _figure(
                result,
                "balance",
                "Present value since the launch",
                benefit_figures.balance(result),
                "Discounted effect minus running cost and investment, summed to each day.",
            ),
            _figure(
                result,
                "money",
                "Break-even and acceptability",
                benefit_figures.money(result),
                "Share of the draws of the uncertain effect in which the investment is earned back: by each day, "
                "and within the horizon for each investment (acceptability curve); the vertical line is the "
                "stated one.",
            ),
        ),
        notes=("Costs and horizon are those of the config, not estimates.",),
        simulated=result.simulated,
    )


def _handled(result: Analysis) -> page.Section:
    """Remarks on rescaling, omissions and figures that were not computed."""
    return page.Section("Data handling", items=(benefit_tables.notes_table(result),), simulated=result.simulated)


def configuration(config: BenefitConfig) -> page.Section:
    """The fields of the config.

    Args:
        config: The run.
    """
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    table = Table("config", "Configuration", ("field", "value"), rows)
    return page.Section("Configuration", items=(table,), folded=True)


# ---------------------------------------------------------------- parts


def _figure(result: Analysis, name: str, title: str, picture: Picture, caption: str) -> page.Figure:
    title = f"{title} (SIMULATED)" if result.simulated else title
    return page.Figure(named(name, result.simulated), title, picture, caption, _samples(result))


def _stems(result: Analysis) -> dict[str, str]:
    names = [product.prepared.name for product in result.products]
    return {name: benefit_tables.stem(name, names) for name in names}


def _samples(result: Analysis) -> str:
    units = sum(p.prepared.audit.units for p in result.products)
    days = max(p.prepared.audit.periods for p in result.products)
    treated = sum(p.prepared.audit.treated for p in result.products)
    products = count(len(result.products), "product")
    return f"{count(units, 'unit')} over {products}, {treated} treated; {count(days, 'day')}"
