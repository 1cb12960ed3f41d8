"""The page of the study: choices, the curve of sales, the launch, and what the data cannot say."""

from pathlib import Path

from ich_jax.config import MarketConfig, flatten
from ich_jax.report import page
from ich_jax.report.page import Figure, Section
from ich_jax.report.provenance import Provenance
from ich_jax.report.tables import Table
from ich_jax.report.text import number
from ich_jax.studies.market import figures
from ich_jax.studies.market import tables as market_tables
from ich_jax.studies.market.result import ChoiceResult, DiffusionResult, LaunchResult, MarketResult

_LIMITS = (
    "Choices on paper are not purchases: without a budget and a wallet people are less sensitive to prices, so compare "
    "the shares with sales before an assortment is made.",
    "A logit divides lost buyers in proportion to shares. Designs that resemble each other take more from each other "
    "than that; the nested logit of `ich_jax.econometrics.choice` says how much.",
    "The curves have no competitors, no repeat purchases and no season; m is the market of this product at its prices.",
    "A fit to a series that has not passed its peak says little about m, p and q, however well it fits.",
)


def write(folder: str | Path, *, config: MarketConfig, result: MarketResult, provenance: Provenance) -> Path:
    """Writes the page, its figures and tables; returns the path of the page.

    Args:
        folder: Work directory.
        config: The run.
        result: What came out.
        provenance: Command, machine, versions and revision.

    Raises:
        WorkdirError: A file cannot be written.
    """
    sections = []
    if result.choice is not None:
        sections.append(_choice(result.choice, result, config.data.price))
    if result.diffusion is not None:
        sections.append(_diffusion(result.diffusion, result))
    if result.launch is not None:
        sections.append(_launch(result.launch, result.simulated))
    sections.append(Section("What the data cannot say", text=_LIMITS))
    if result.not_computable:
        sections.append(Section("Not computable", items=(market_tables.missing_table(result),)))
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    sections.append(
        Section("Configuration", items=(Table("config", "Configuration", ("field", "value"), rows),), folded=True)
    )
    report = Path(folder) / "report"
    page.write_files(report, sections)
    return page.write(
        report / "index.html",
        title=f"Who chooses which design, and how it spreads: {config.name}",
        summary=_summary(result),
        sections=sections,
        provenance=provenance,
        headlines=_headlines(result),
        warnings=result.warnings,
        simulated="Choices and sales, from part-worths and a curve that are known." if result.simulated else "",
    )


def _summary(result: MarketResult) -> str:
    parts = [f"Data: {result.source}."]
    if result.choice is not None:
        fit = result.choice.fit
        parts.append(f"{fit.n_persons:,} persons chose {fit.n_tasks:,} times.")
    if result.diffusion is not None:
        f = result.diffusion.fit
        where = "has passed its peak" if f.peaked else "has not passed its peak, so the market is hardly known"
        parts.append(f"The series of sales {where}.")
    if result.launch is not None:
        n = int(result.launch.best.made.sum())
        parts.append(f"Of {len(result.launch.best.made)} candidates {n} should be made.")
    return " ".join(parts)


def _headlines(result: MarketResult) -> list[page.Headline]:
    strip = []
    if result.choice is not None:
        fit = result.choice.fit
        strip.append(page.Headline("McFadden's R-squared", f"{fit.mcfadden:.3f}", f"LL {fit.log_likelihood:,.1f}"))
        held = result.choice.covered
        if held:
            strip.append(page.Headline("true part-worths held", f"{sum(held.values())} of {len(held)}", "95 % limits"))
    if result.diffusion is not None:
        f, b = result.diffusion.fit, result.diffusion.bands
        spans = [f"{number(float(b.low[k]))} to {number(float(b.high[k]))}" for k in range(3)]
        for k in range(3):
            strip.append(page.Headline(f.names[k], number(float(f.estimate[k])), spans[k]))
    if result.launch is not None:
        npv = result.launch.npv
        strip.append(page.Headline("net present value", f"{npv[0]:,.0f}", f"{npv[1]:,.0f} to {npv[2]:,.0f} yuan"))
    return strip


def _choice(result: ChoiceResult, whole: MarketResult, price: str) -> Section:
    fit = result.fit
    n = f"{fit.n_tasks:,} choices of {fit.n_persons:,} persons"
    items: list[Figure | Table] = [
        Figure(
            market_tables.named("part_worths", whole.simulated),
            "Part-worths",
            figures.part_worths(result, whole.truth, price),
            "What each category adds to the utility of a design, against the base category; points with their limits.",
            n,
        )
    ]
    if result.wtp is not None:
        items.append(
            Figure(
                market_tables.named("willingness_to_pay", whole.simulated),
                "Willingness to pay",
                figures.willingness(result.wtp),
                "What people would pay for one unit more, or for a category instead of the base.",
                n,
            )
        )
    tables = market_tables.choice_tables(result, whole.truth, whole.simulated)
    return Section("Choices", items=(*items, *tables), notes=fit.notes, simulated=whole.simulated)


def _diffusion(result: DiffusionResult, whole: MarketResult) -> Section:
    n = f"{len(result.fit.units)} {result.sales.period}s from {result.sales.start[0]} on"
    items = (
        Figure(
            market_tables.named("spread", whole.simulated),
            "How sales spread",
            figures.spread(result),
            "The band of the curve is that of expected units; that of the forecast holds the error of a period, too.",
            n,
        ),
        Figure(
            market_tables.named("early_windows", whole.simulated),
            "The market, estimated early",
            figures.windows(result),
            "Estimates and limits after the first periods alone, on a logarithmic axis.",
            n,
        ),
    )
    tables = market_tables.diffusion_tables(result, whole.curve, whole.simulated)
    return Section("Spread", items=(*items, *tables), notes=result.fit.notes, simulated=whole.simulated)


def _launch(result: LaunchResult, simulated: bool) -> Section:
    items = (
        Figure(
            market_tables.named("shares", simulated),
            "Shares if all candidates were offered",
            figures.shares(result.shares),
            "At the prices of the candidates.",
            "",
        ),
        Figure(
            market_tables.named("balance", simulated),
            "When the launch pays",
            figures.balance(result),
            "Discounted gains up to each period minus everything spent at the launch, with limits.",
            "",
        ),
    )
    return Section("Launch", items=(*items, *market_tables.launch_tables(result, simulated)), simulated=simulated)
