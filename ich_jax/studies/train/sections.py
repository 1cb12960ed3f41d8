"""The sections of the training report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_jax.config import Config
from ich_jax.evaluation.design_sheets import DesignSheets
from ich_jax.evaluation.designs import DesignEvaluation
from ich_jax.evaluation.diversity import SAME_BRIEF
from ich_jax.report import charts, line_charts, page
from ich_jax.report import sheets as image_sheets
from ich_jax.report.tables import Table
from ich_jax.studies import tables as run_tables
from ich_jax.studies.train import tables as train_tables
from ich_jax.studies.train.curves import curve_panels
from ich_jax.training.inspector import InspectorReport
from ich_jax.training.loop import TrainResult
from ich_jax.types import DesignSpace

_SIDE_BY_SIDE = 5  # columns of each half of the sheet that sets real beside generated

Item = page.Figure | Table | page.PaperQuote


def drawings(space: DesignSpace, sheets: DesignSheets, context: str) -> tuple[page.Figure, ...]:
    """Sheets of designs beside real images, and sweeps along each axis."""
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
    figures = [
        page.Figure(
            "real_and_generated",
            "Real beside generated",
            image_sheets.sheet(sides, row_labels=labels, cell=80),
            "Each row is one brief, stated at its left. The left half shows real images of the "
            f"{sheets.real_reference}, the right half images of the generator. Look for ragged edges, blur, mottling "
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
            "Real images of the same briefs; along a row they differ in the parts that a brief leaves open."
            if same_brief
            else "Held-out real images of the product of each row; their other properties are not those of the brief. "
            "White cells: the set holds no more images of that product.",
            f"{count(rows, 'row')} of {columns}; {size} \u00b7 {context}",
        ),
    ]
    if sheets.sweeps is not None:
        figures.append(_sweeps(space, sheets, sheets.sweeps, f"{size} \u00b7 {context}"))
    return tuple(figures)


def _sweeps(space: DesignSpace, sheets: DesignSheets, sweeps: npt.NDArray[np.uint8], samples: str) -> page.Figure:
    products = [space.products[int(p)] for p in np.asarray(sheets.sweep_briefs.product)]
    return page.Figure(
        "sweeps",
        "Sweep of each axis",
        image_sheets.sweeps(
            sweeps, sheets.sweep_values, products=products, axes=space.axes, readings=sheets.sweep_readings
        ),
        "One row per product and axis. Above each column is the requested value of that axis, under each "
        "image the reading of the inspector. The other axes stay at 0, elements and noise as they are along a row: "
        "nothing but the named axis should change.",
        f"{count(len(products), 'brief')}, one noise vector per row; {samples}",
    )


def obedience(space: DesignSpace, evaluation: DesignEvaluation, context: str) -> page.Section:
    """Accuracy of product and elements, and errors on the axes."""
    designs, judge = evaluation.designs, evaluation.inspector
    samples = f"n = {designs.n:,} designs \u00b7 {context}"
    both = f"n = {designs.n:,} designs, {judge.n:,} held-out real images \u00b7 {context}" if judge else samples
    items: list[Item] = []
    sources = [("generated", designs), *([("real, held out (the inspector's own)", judge)] if judge else [])]
    dots = [
        charts.Dot(part.name, part.accuracy, float(part.interval.low), float(part.interval.high), source)
        for source, accuracies in sources
        for part in train_tables.parts(accuracies.product, accuracies.elements)
    ]
    if dots:
        items.append(
            page.Figure(
                "accuracy",
                "Product and elements read as asked",
                charts.dots(dots, x_label="share read as asked, with 95 % Wilson interval"),
                "How often the inspector's reading of a design equals its brief. Its own accuracy on real images "
                "is the most that a generator can reach.",
                both,
            )
        )
    if designs.product is not None and len(space.products) > 1:
        items.append(
            page.Figure(
                "confusion",
                "Requested and read product",
                charts.confusion(designs.confusion, space.products),
                "Rows: the product that the brief asks for; columns: the product that the inspector reads. Counts of "
                "designs; counts off the diagonal are designs of the wrong kind.",
                samples,
            )
        )
    if designs.axes is not None:
        items += _axes(space, evaluation, samples, both)
    return page.Section("Does it follow the brief?", items=tuple(items), simulated=evaluation.simulated)


def _axes(space: DesignSpace, evaluation: DesignEvaluation, samples: str, both: str) -> list[Item]:
    axes, judge, record = evaluation.designs.axes, evaluation.inspector, evaluation.record
    if axes is None:
        return []
    errors = {"generated": record.designs.axes_read - record.designs.axes_requested}
    if record.inspector is not None:
        inspector_error = record.inspector.axes_read - record.inspector.axes_requested
        errors["real, held out (the inspector's own)"] = inspector_error
    items: list[Item] = [
        train_tables.axis_table(axes, judge.axes if judge else None, both),
        page.Figure(
            "axis_errors",
            "Errors on each axis",
            charts.error_strips(errors, space.axes, band=axes.tolerance),
            "Every dot is one image: value read minus value requested, on the scale of the axes. Shaded: "
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
            "Every dot is one design. On the line the inspector reads the requested value; a flatter cloud means that "
            "the generator does not reach the ends of an axis.",
            samples,
        ),
    ]
    by_product = evaluation.designs.axes_by_product
    return [*items, train_tables.product_table(by_product, samples)] if len(by_product) > 1 else items


def sketches(space: DesignSpace, evaluation: DesignEvaluation, context: str) -> page.Section:
    """Whether designs follow the sketches of their briefs; empty where briefs hold none."""
    figures = evaluation.sketches
    if figures is None:
        return page.Section("Does it follow sketches?", simulated=evaluation.simulated)
    shown = figures.shown
    columns = np.stack(
        [np.broadcast_to(x, (*x.shape[:3], 3)) for x in (shown.sketch, shown.real, shown.followed, shown.withheld)],
        axis=1,
    )
    sheet = page.Figure(
        "sketches",
        "Sketches and designs",
        image_sheets.sheet(
            {"": columns},
            row_labels=image_sheets.describe(shown.briefs, space),
            column_labels=["sketch", "real image of it", "with the sketch", "sketch withheld"],
        ),
        "Each row is one held-out brief with its sketch, the real image that the sketch belongs to, and two designs of "
        "the same noise: one drawn along the sketch and one without it. Outlines of the third column should be those "
        "of the first.",
        f"{len(columns)} held-out briefs \u00b7 {context}",
    )
    return page.Section(
        "Does it follow sketches?",
        items=(sheet, train_tables.sketch_table(figures, context)),
        simulated=evaluation.simulated,
    )


def realism(evaluation: DesignEvaluation, context: str) -> page.Section:
    """Distances from real images, and diversity."""
    generated, tables, text, notes = evaluation.generated, [], [], []
    if generated is not None:
        seeds = count(len(evaluation.feature_fingerprints), "feature seed")
        samples = f"n = {generated.n:,} images a side, {seeds} \u00b7 {context}"
        tables.append(train_tables.distribution_table(generated, evaluation.real, samples))
        text.append(
            "Distances between sets of images depend on the features, on the images and on their number: compare them "
            "within this table and with runs of the same protocol, not with published FID or KID. The features are "
            "those of fixed networks with random weights."
        )
    tables.append(train_tables.diversity_table(evaluation.diversity, context))
    if evaluation.discriminator is not None:
        auc = evaluation.discriminator
        notes.append(
            "The run's own discriminator scores a held-out real image above a generated one with probability "
            f"{auc.auc:.3f} (AUC, n = {auc.n:,} images a side); at 0.5 it could not distinguish them."
        )
    return page.Section("Does it look real?", tuple(text), tuple(tables), tuple(notes), simulated=evaluation.simulated)


def copying(evaluation: DesignEvaluation, context: str) -> page.Section:
    """Distances to the training images, with the closest pairs."""
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


def inspection(inspector: InspectorReport, *, simulated: bool) -> page.Section:
    """The inspector's own error."""
    return page.Section(
        "Who judges",
        (
            "Every accuracy and axis error above is measured by the inspector: a separate residual network that saw "
            "real training images only, was frozen before any generator was judged, and is part of no generator's "
            "loss. Its own error on real images that it never saw is the floor below which nothing can be measured.",
        ),
        tuple(run_tables.judge_tables(inspector)),
        simulated=simulated,
    )


def training(config: Config, history: Sequence[Mapping[str, Any]], train: TrainResult) -> page.Section:
    """Curves, length, speed and alarms of the run."""
    panels = curve_panels(history)
    items: list[page.Figure | Table] = []
    if panels:
        items.append(
            page.Figure(
                "curves",
                "Training curves",
                line_charts.curves(panels),
                "Thick: moving mean over a twenty-fifth of the run; pale: the values as logged, each a mean over the "
                "steps since the line before. Validation is on briefs that are not the test briefs.",
                f"1 run, seed {config.seed}; {count(len(history), 'log line')}",
            )
        )
    items.append(train_tables.run_table(config, history, train))
    notes = tuple(str(alarm) for alarm in train.alarms) or ("No alarm was raised.",)
    return page.Section("Training", items=tuple(items), notes=notes)


def count(n: int, noun: str) -> str:
    """Returns a number with its noun in the singular or plural."""
    plural = "axes" if noun == "axis" else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"
