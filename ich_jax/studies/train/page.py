"""The report of a training run: what the generator draws, how far it can be trusted, and how it was trained."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax.config import Config
from ich_jax.evaluation.design_sheets import DesignSheets
from ich_jax.evaluation.designs import DesignEvaluation
from ich_jax.evaluation.diversity import SAME_BRIEF
from ich_jax.evaluation.readings import Accuracy
from ich_jax.evaluation.realism import Spread
from ich_jax.report import charts, line_charts, page
from ich_jax.report import sheets as image_sheets
from ich_jax.report.provenance import Provenance
from ich_jax.report.tables import Table
from ich_jax.report.text import count, number
from ich_jax.studies import tables as run_tables
from ich_jax.studies.train import tables as train_tables
from ich_jax.studies.train.curves import curve_panels
from ich_jax.training.inspector import InspectorReport
from ich_jax.training.loop import TrainResult
from ich_jax.types import DesignSpace

JUDGE_P999 = 0.2
"""Error of the inspector on 99.9 % of real images above which it is named a weak judge of an error of 0.5."""

JUDGE_ACCURACY = 0.99
"""Accuracy of the inspector on real images below which it is named a weak judge of product and elements."""

_SIDE_BY_SIDE = 5  # columns of each half of the sheet that sets real beside generated


def write(
    workdir: str | Path,
    *,
    config: Config,
    space: DesignSpace,
    evaluation: DesignEvaluation,
    sheets: DesignSheets,
    history: Sequence[Mapping[str, Any]],
    train: TrainResult,
    inspector: InspectorReport,
    provenance: Provenance,
    evaluated_step: int | None = None,
) -> Path:
    """Writes `report/index.html` with its figures (PNG, SVG) and tables (CSV, Markdown) beside it.

    Args:
        workdir: Work directory of the run.
        config: The run.
        space: Names of products, elements and axes.
        evaluation: Its figures.
        sheets: Its images.
        history: Rows of `metrics.jsonl`.
        train: How training went.
        inspector: The inspector's own error on held-out real images.
        provenance: Command, machine, versions and revision.
        evaluated_step: Step of the weights that were judged, where it is not the last one.

    Returns:
        The path of the page.

    Raises:
        WorkdirError: A file cannot be written.
    """
    context = _samples(config, evaluation)
    sections = [
        page.Section("What it draws", items=_what_it_draws(space, sheets, context), simulated=evaluation.simulated),
        page.Section(
            "Does it follow the brief?", items=_obedience(space, evaluation, context), simulated=evaluation.simulated
        ),
        _realism(evaluation, context),
        _copying(evaluation, context),
        _judge(inspector, evaluation.simulated),
        _training(config, history, train),
        page.Section(
            "Every figure",
            items=(train_tables.every_figure(evaluation, train, context),),
            simulated=evaluation.simulated,
        ),
        page.Section("Configuration", items=(run_tables.config_table(config),), folded=True),
    ]
    sections = [section for section in sections if section.items]
    folder = Path(workdir) / "report"
    page.write_files(folder, sections)
    return page.write(
        folder / "index.html",
        title=f"Training report: {config.name}",
        summary=_summary(config, space, evaluation, train, evaluated_step),
        sections=sections,
        provenance=provenance,
        headlines=_headlines(evaluation, train),
        warnings=_warnings(config, evaluation, train, inspector),
        simulated="Every image here comes from a program: \u201creal\u201d images are drawn by the procedural "
        "renderer, \u201cgenerated\u201d ones by the network. No photograph and no drawing by a person is involved."
        if evaluation.simulated
        else "",
    )


# ---------------------------------------------------------------- top of the page


def _summary(
    config: Config, space: DesignSpace, evaluation: DesignEvaluation, train: TrainResult, evaluated_step: int | None
) -> str:
    kind = f"{config.data.size} px {'grey' if config.data.channels == 1 else 'colour'}"
    stated = [(len(space.products), "product"), (len(space.elements), "design element"), (len(space.axes), "axis")]
    names = [count(n, noun, "axes" if noun == "axis" else "") for n, noun in stated if n]
    weights = f"the averaged weights of step {evaluated_step:,}" if evaluated_step is not None else "averaged weights"
    return (
        f"A {config.generator.arm} conditional GAN learned to draw {kind} designs in "
        f"{count(train.steps, 'training step')} ({train.steps * config.train.batch:,} images shown). Its briefs range "
        f"over {_and(names)}. It is judged on {count(evaluation.n_designs, 'test brief')} with {weights}, one draw "
        "each, nothing selected, by an inspector that was trained on real images only."
    )


def _headlines(evaluation: DesignEvaluation, train: TrainResult) -> list[page.Headline]:
    found = evaluation.designs
    strip = []
    if found.product is not None:
        strip.append(page.Headline("product read as asked", _share(found.product.accuracy), _range(found.product)))
    if found.elements:
        worst = min(found.elements, key=lambda element: element.accuracy)
        strip.append(page.Headline(f"lowest element: {worst.name}", _share(worst.accuracy), _range(worst)))
    if found.axes is not None:
        axes = found.axes.axes
        worst_axis = max(axes, key=lambda axis: axis.p95)
        mae, over = statistics.fmean(axis.mae for axis in axes), count(len(axes), "axis", "axes")
        beyond = f"of {found.axes.n:,} briefs, on any axis"
        strip += [
            page.Headline("axis MAE", f"{mae:.3f}", f"mean over {over}, scale \u22123 to 3"),
            page.Headline("axis P95", f"{worst_axis.p95:.3f}", f"worst axis: {worst_axis.name}"),
            page.Headline(f"beyond {found.axes.tolerance:g}", f"{found.axes.any_beyond:,}", beyond),
        ]
    if evaluation.generated is not None:
        kid = evaluation.generated.kid
        reference = f"; real against real {number(evaluation.real.kid.mean)}" if evaluation.real else ""
        strip.append(page.Headline("KID, random features", number(kid.mean), f"{_spread(kid)}{reference}"))
    if evaluation.diversity.ratio is not None:
        reference = f"of real images of the {evaluation.diversity.reference}"
        strip.append(page.Headline("diversity at a fixed brief", f"{evaluation.diversity.ratio:.2f}", reference))
    strip.append(page.Headline("images per second", f"{train.img_per_s:,.0f}", "in training"))
    return strip


def _warnings(
    config: Config, evaluation: DesignEvaluation, train: TrainResult, inspector: InspectorReport
) -> list[str]:
    found = []
    if train.stopped:
        found.append(f"The run stopped at step {train.steps:,} of {config.train.steps:,}.")
    weak = [
        f"{name} {p999:.2f}"
        for name, p999 in zip(inspector.axes, inspector.axis_p999, strict=True)
        if p999 > JUDGE_P999
    ]
    if weak:
        found.append(
            f"The inspector itself errs on real images: up to {_and(weak)} on 99.9 % of {inspector.n:,}. Errors of "
            "that size cannot be told from the generator's."
        )
    accuracies = {"product": inspector.product_accuracy, **inspector.element_accuracy}
    blind = [f"{name} {_share(value)}" for name, value in accuracies.items() if value < JUDGE_ACCURACY]
    if blind:
        found.append(
            f"The inspector reads parts of real images right less often than {JUDGE_ACCURACY:g} ({_and(blind)}); a "
            "perfect generator would score no higher."
        )
    if evaluation.inspector is None:
        found.append("No real images were held out, so distances and the inspector's error beside ours are missing.")
    if train.alarms:
        names = list(dict.fromkeys(alarm.name.replace("_", " ") for alarm in train.alarms))
        found.append(f"Training raised {count(len(train.alarms), 'alarm')} ({_and(names)}); see Training.")
    return found


# ---------------------------------------------------------------- sections


def _what_it_draws(space: DesignSpace, sheets: DesignSheets, context: str) -> tuple[page.Figure, ...]:
    labels = image_sheets.describe(sheets.briefs, space)
    rows, columns = sheets.generated.shape[:2]
    same_brief = sheets.real_reference == SAME_BRIEF
    few = min(columns, _SIDE_BY_SIDE)
    sides = {
        "Real, same brief" if same_brief else "Real, held out, same product": sheets.real[:, :few],
        "Generated": sheets.generated[:, :few],
    }
    size = f"{sheets.generated.shape[2]} px, enlarged"
    chosen = f"{count(rows, 'brief')}, the first of each product among the test briefs"
    found = [
        page.Figure(
            "real_and_generated",
            "Real beside generated",
            image_sheets.sheet(sides, row_labels=labels, cell=80),
            "Each row is one brief, stated at its left. The left half shows real images of the "
            f"{sheets.real_reference}, the right half what the generator draws. Look for ragged edges, blur, mottling "
            "and wrong colours on the right that the left half does not have.",
            f"{chosen}; {few} images a side; {size} \u00b7 {context}",
        ),
        page.Figure(
            "generated",
            "Generated designs",
            image_sheets.sheet(
                {"": sheets.generated}, row_labels=labels, column_labels=[f"draw {i + 1}" for i in range(columns)]
            ),
            "One brief per row, several draws of the noise. Along a row only what the brief leaves open may change; if "
            "the columns look alike, the noise is ignored.",
            f"{chosen}; {columns} draws each; {size} \u00b7 {context}",
        ),
        page.Figure(
            "real",
            "Real images",
            image_sheets.sheet({"": sheets.real}, row_labels=labels),
            "Real images of the same briefs; along a row they differ in what a brief does not state."
            if same_brief
            else "Held-out real images of the product of each row; their other properties are not those of the brief. "
            "White cells: the set holds no more images of that product.",
            f"{count(rows, 'row')} of {columns}; {size} \u00b7 {context}",
        ),
    ]
    if sheets.sweeps is not None:
        products = [space.products[int(p)] for p in np.asarray(sheets.sweep_briefs.product)]
        found.append(
            page.Figure(
                "sweeps",
                "Sweep of each axis",
                image_sheets.sweeps(
                    sheets.sweeps,
                    sheets.sweep_values,
                    products=products,
                    axes=space.axes,
                    readings=sheets.sweep_readings,
                ),
                "One row per product and axis. Above each column stands the requested value of that axis, under each "
                "image what the inspector reads. The other axes stay at 0, elements and noise as they are along a row: "
                "nothing but the named axis should change.",
                f"{count(len(products), 'brief')}, one noise vector per row; {size} \u00b7 {context}",
            )
        )
    return tuple(found)


def _obedience(
    space: DesignSpace, evaluation: DesignEvaluation, context: str
) -> tuple[page.Figure | Table | page.PaperQuote, ...]:
    designs, judge = evaluation.designs, evaluation.inspector
    samples = f"n = {designs.n:,} designs \u00b7 {context}"
    both = f"n = {designs.n:,} designs, {judge.n:,} held-out real images \u00b7 {context}" if judge else samples
    found: list[page.Figure | Table | page.PaperQuote] = []
    sources = [("generated", designs), *([("real, held out (the inspector's own)", judge)] if judge else [])]
    dots = [
        charts.Dot(part.name, part.accuracy, float(part.interval.low), float(part.interval.high), source)
        for source, of in sources
        for part in train_tables.parts(of.product, of.elements)
    ]
    if dots:
        found.append(
            page.Figure(
                "accuracy",
                "Product and elements read as asked",
                charts.dots(dots, x_label="share read as asked, with 95 % Wilson interval"),
                "How often the inspector reads off a design what its brief asked for. Its own accuracy on real images "
                "is the most that a generator can reach.",
                both,
            )
        )
    if designs.product is not None and len(space.products) > 1:
        found.append(
            page.Figure(
                "confusion",
                "Requested and read product",
                charts.confusion(designs.confusion, space.products),
                "Rows: the product that the brief asks for; columns: the product that the inspector reads. Counts of "
                "designs; what lies off the diagonal is a design of the wrong kind.",
                samples,
            )
        )
    if designs.axes is not None:
        found += _axes(space, evaluation, samples, both)
    return tuple(found)


def _axes(
    space: DesignSpace, evaluation: DesignEvaluation, samples: str, both: str
) -> list[page.Figure | Table | page.PaperQuote]:
    axes, judge, record = evaluation.designs.axes, evaluation.inspector, evaluation.record
    if axes is None:
        return []
    errors = {"generated": record.designs.axes_read - record.designs.axes_requested}
    if record.inspector is not None:
        own = record.inspector.axes_read - record.inspector.axes_requested
        errors["real, held out (the inspector's own)"] = own
    found: list[page.Figure | Table | page.PaperQuote] = [
        train_tables.axis_table(axes, judge.axes if judge else None, both),
        page.Figure(
            "axis_errors",
            "Errors on each axis",
            charts.error_strips(errors, space.axes, band=axes.tolerance),
            "Every dot is one image: what the inspector reads minus what was asked, on the scale of the axes. Shaded: "
            f"within \u00b1{axes.tolerance:g}. The bar beside the dots spans the middle 90 %, the ring is the median.",
            both,
        ),
        page.PaperQuote(
            "Without residual blocks the absolute error on the three axes reaches 1.16, 0.72 and 0.77; with them it "
            "\u201calways stays within 0.5\u201d.",
            "section 3.2.1, Figure 4",
            "The paper names no axes, units, number of designs, seeds or test, so its numbers and those above cannot "
            f"be compared; only the band of \u00b1{axes.tolerance:g} is taken from it.",
        ),
        page.Figure(
            "requested_and_read",
            "Requested and read axes",
            charts.requested_read(
                record.designs.axes_requested,
                record.designs.axes_read,
                space.axes,
                groups=record.designs.product_requested,
                group_names=space.products,
                band=axes.tolerance,
            ),
            "Every dot is one design. On the line the inspector reads what was asked; a flatter cloud means that the "
            "generator does not go to the ends of an axis.",
            samples,
        ),
    ]
    by_product = evaluation.designs.axes_by_product
    return [*found, train_tables.product_table(by_product, samples)] if len(by_product) > 1 else found


def _realism(evaluation: DesignEvaluation, context: str) -> page.Section:
    generated, found, text, notes = evaluation.generated, [], [], []
    if generated is not None:
        seeds = count(len(evaluation.feature_fingerprints), "feature seed")
        samples = f"n = {generated.n:,} images a side, {seeds} \u00b7 {context}"
        found.append(train_tables.distribution_table(generated, evaluation.real, samples))
        text.append(
            "Distances between sets of images depend on the features, on the images and on their number: compare them "
            "within this table and with runs of the same protocol, not with published FID or KID. The features are "
            "those of fixed networks with random weights."
        )
    found.append(train_tables.diversity_table(evaluation.diversity, context))
    if evaluation.discriminator is not None:
        auc = evaluation.discriminator
        notes.append(
            "The run's own discriminator scores a held-out real image above a generated one with probability "
            f"{auc.auc:.3f} (AUC, n = {auc.n:,} images a side); at 0.5 it could not tell them apart."
        )
    return page.Section("Does it look real?", tuple(text), tuple(found), tuple(notes), simulated=evaluation.simulated)


def _copying(evaluation: DesignEvaluation, context: str) -> page.Section:
    copying, closest = evaluation.memorisation, evaluation.record.closest
    if copying is None or closest is None:
        return page.Section("Does it copy?")
    samples = (
        f"n = {copying.n_samples:,} generated, {copying.n_real:,} held-out real, {copying.n_train:,} training images "
        f"\u00b7 {context}"
    )
    pairs = page.Figure(
        "nearest",
        "Closest pairs",
        image_sheets.pairs(closest.generated, closest.training, closest.distance),
        "Above, the generated images that come closest to any training image, closest first; below, that training "
        "image and the distance between the two. Equal pictures here would be copies.",
        samples,
    )
    return page.Section(
        "Does it copy?",
        items=(pairs, train_tables.memorisation_table(copying, samples)),
        simulated=evaluation.simulated,
    )


def _judge(inspector: InspectorReport, simulated: bool) -> page.Section:
    return page.Section(
        "Who judges",
        (
            "Every accuracy and axis error above is what the inspector reads: a separate residual network that saw "
            "real training images only, was frozen before any generator was judged, and is part of no generator's "
            "loss. Its own error on real images that it never saw is the floor below which nothing can be measured.",
        ),
        tuple(run_tables.judge_tables(inspector)),
        simulated=simulated,
    )


def _training(config: Config, history: Sequence[Mapping[str, Any]], train: TrainResult) -> page.Section:
    panels = curve_panels(history)
    found: list[page.Figure | Table] = []
    if panels:
        found.append(
            page.Figure(
                "curves",
                "Training curves",
                line_charts.curves(panels),
                "Thick: moving mean over a twenty-fifth of the run; pale: the values as logged, each a mean over the "
                "steps since the line before. Validation is on briefs that are not the test briefs.",
                f"1 run, seed {config.seed}; {count(len(history), 'log line')}",
            )
        )
    found.append(train_tables.run_table(config, history, train))
    notes = tuple(str(alarm) for alarm in train.alarms) or ("No alarm was raised.",)
    return page.Section("Training", items=tuple(found), notes=notes)


# ---------------------------------------------------------------- words


def _samples(config: Config, evaluation: DesignEvaluation) -> str:
    strength = f", style strength {evaluation.style_strength:g}" if evaluation.style_strength != 1.0 else ""
    return f"1 run, seed {config.seed}; evaluation seed {evaluation.evaluation_seed}{strength}"


def _share(value: float) -> str:
    """A share with three decimals; what is not quite 1 is not shown as 1."""
    text = f"{value:.3f}"
    return f"{value:.4f}" if text == "1.000" and value < 1.0 else text


def _range(part: Accuracy) -> str:
    return f"{_share(float(part.interval.low))} to {_share(float(part.interval.high))}, n = {part.n:,}"


def _spread(spread: Spread) -> str:
    return f"\u00b1 {number(spread.sd)}" if len(spread.values) > 1 else "one feature seed"


def _and(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
