"""Tables of the training report."""

from collections.abc import Mapping, Sequence
from typing import Any

from ich_jax.config import Config
from ich_jax.evaluation.axis_errors import AxisErrors
from ich_jax.evaluation.designs import DesignEvaluation
from ich_jax.evaluation.diversity import SAME_BRIEF, Diversity
from ich_jax.evaluation.neighbours import Memorisation
from ich_jax.evaluation.readings import Accuracy
from ich_jax.evaluation.realism import Distribution, Spread
from ich_jax.evaluation.sketches import SketchFigures
from ich_jax.report import tables
from ich_jax.report.tables import Cell, Measure, Table
from ich_jax.report.text import count
from ich_jax.training.loop import TrainResult

GENERATED, REAL = "generated", "real"
# Field of a Distribution, short name, name, note.
_SET_FIGURES = (
    ("rfd", "RFD", "random-feature Fr\u00e9chet distance (RFD)", "lower is better"),
    ("rfd_inf", "RFD, infinite n", "RFD extrapolated to infinitely many images", "lower is better; may be negative"),
    ("kid", "KID", "kernel distance (KID), unbiased", "lower is better; may be negative"),
    ("precision", "precision", "precision", "share of the images near real ones"),
    ("recall", "recall", "recall", "share of real images near the images"),
    ("density", "density", "density", "1 expected of real images"),
    ("coverage", "coverage", "coverage", "share of real neighbourhoods reached"),
)


def parts(product: Accuracy | None, elements: Sequence[Accuracy]) -> list[Accuracy]:
    """Returns the accuracies of product and elements that were measured."""
    return [*([product] if product is not None else []), *elements]


def axis_table(generated: AxisErrors, judge: AxisErrors | None, samples: str) -> Table:
    """Error on each axis, the inspector's own below it."""
    ceiling = {axis.name: axis for axis in judge.axes} if judge is not None else {}
    pairs = []
    for axis in generated.axes:
        pairs.append((GENERATED, axis))
        if axis.name in ceiling:
            pairs.append((REAL, ceiling[axis.name]))
    rows = tuple(
        (
            axis.name,
            source,
            axis.n,
            axis.bias,
            axis.mae,
            axis.rmse,
            axis.p95,
            axis.max,
            axis.beyond,
            axis.share_beyond,
            float(axis.interval.low),
            float(axis.interval.high),
        )
        for source, axis in pairs
    )
    decimals = ("bias", "MAE", "RMSE", "P95", "max")
    return Table(
        "axis_errors_table",
        "Error on each axis",
        ("axis", "images", "n", *decimals, "beyond", "share", "low", "high"),
        rows,
        "Read minus requested, on the scale of the axes (\u22123 to 3). Rows of real images are the inspector's own "
        f"error. `beyond`: images with an error above {generated.tolerance:g}, and their share with its 95 % "
        f"Clopper-Pearson interval. {generated.any_beyond:,} of {generated.n:,} designs are beyond on any axis.",
        samples,
        (*((name, 3) for name in decimals), ("share", 4), ("low", 4), ("high", 4)),
    )


def sketch_table(figures: SketchFigures, samples: str) -> Table:
    """Adherence to sketches, between what real images reach and what comes of withholding the sketch."""
    rows = (
        ("real, its own sketch", figures.real),
        ("generated, with the sketch", figures.followed),
        ("generated, sketch withheld", figures.withheld),
    )
    decimals = ("edge F1", "standard error", "chamfer", "axis MAE", "axis P95")
    return Table(
        "sketch_table",
        "Adherence to sketches",
        ("images", *decimals),
        tuple((name, row.f1, row.f1_se, row.chamfer, row.axis_mae, row.axis_p95) for name, row in rows),
        "Edges of an image against those of the sketch of its brief. F1 counts an edge pixel as found if it is, or "
        "touches, one of the other; chamfer is the mean distance in pixels to the nearest edge of the other. The first "
        "row is the best that can be reached, the last what comes of the keywords alone. Errors of the axes are those "
        "of the same images, as the inspector reads them.",
        f"{figures.n:,} held-out briefs with a sketch, one draw each \u00b7 {samples}",
        tuple((name, 3) for name in decimals),
    )


def product_table(by_product: Mapping[str, AxisErrors], samples: str) -> Table:
    """Error on each axis for the designs of each product."""
    decimals = ("bias", "MAE", "P95", "max")
    return Table(
        "axis_errors_by_product",
        "Error on each axis by product",
        ("product", "axis", "n", *decimals, "beyond"),
        tuple(
            (product, axis.name, axis.n, axis.bias, axis.mae, axis.p95, axis.max, axis.beyond)
            for product, errors in by_product.items()
            for axis in errors.axes
        ),
        "As above, for the designs of one product.",
        samples,
        tuple((name, 3) for name in decimals),
    )


def distribution_table(generated: Distribution, real: Distribution | None, samples: str) -> Table:
    """Distances of the generated set from real images, beside those of other real images."""
    notes = {
        "kid": f"; {generated.kid_subsets} subsets of {generated.kid_subset}",
        "precision": f"; k = {generated.nearest_k}",
        "recall": f"; k = {generated.nearest_k}",
        "density": f"; k = {generated.nearest_k}",
        "coverage": f"; {generated.expected_coverage:.3f} expected of real images",
    }
    rows: list[tuple[Cell, ...]] = []
    for field, _, name, note in _SET_FIGURES:
        ours: Spread = getattr(generated, field)
        theirs: Spread | None = getattr(real, field, None)
        row = (name, ours.mean, ours.sd, *((theirs.mean, theirs.sd) if theirs else (None, None)))
        rows.append((*row, note + notes.get(field, "")))
    return Table(
        "distances",
        "Distance from held-out real images",
        ("figure", GENERATED, "sd", REAL, "sd, real", "note"),
        tuple(rows),
        "Mean and standard deviation over feature seeds. `real`: as many other held-out real images against the same "
        "ones: the score of a perfect generator.",
        samples,
    )


def diversity_table(diversity: Diversity, samples: str) -> Table:
    """Whether the noise matters."""
    draws = f"{count(diversity.n_briefs, 'brief')}, {count(diversity.n_draws, 'image')} each"
    rows: list[tuple[Cell, ...]] = [
        ("at a fixed brief", diversity.generated, diversity.real, diversity.ratio, draws),
    ]
    within, within_real = diversity.within_product_generated, diversity.within_product_real
    if within is not None:
        ratio = within / within_real if within_real else None
        rows.append(("within a product", within, within_real, ratio, count(diversity.n_within_product, "image")))
    reference = f"beside real images of the {diversity.reference}"
    if diversity.reference != SAME_BRIEF:
        reference += ", which also differ in what briefs state, so that a ratio below 1 is expected"
    return Table(
        "diversity",
        "Diversity",
        ("spread of pixels", GENERATED, REAL, "ratio", "n"),
        tuple(rows),
        "Standard deviation of a pixel (images from \u22121 to 1), mean over pixels. At a fixed brief: over draws of "
        f"the noise, {reference}. Within a product: every image has its own brief.",
        samples,
    )


def memorisation_table(copying: Memorisation, samples: str) -> Table:
    """Whether generated images lie nearer to the training images than unseen real ones do."""
    return Table(
        "memorisation",
        "Distance to the training images",
        ("figure", "value", "note"),
        (
            ("median distance to the nearest training image, generated", copying.median_samples, ""),
            ("the same of held-out real images", copying.median_real, ""),
            ("ratio of the two", copying.ratio, "well below 1 speaks for copying"),
            ("generated images nearer than 95 % of held-out real ones", copying.share_close, "0.05 expected"),
        ),
        "Root mean square difference of pixels between 0 and 1, both images reduced to about 16 px.",
        samples,
    )


def run_table(config: Config, history: Sequence[Mapping[str, Any]], train: TrainResult) -> Table:
    """Length, speed and accidents of the run."""
    skipped = next((row["skipped"] for row in reversed(history) if row.get("skipped") is not None), None)
    rows: tuple[tuple[str, Cell], ...] = (
        ("steps", train.steps),
        ("steps asked for", config.train.steps),
        ("images shown", train.steps * config.train.batch),
        ("images per second", train.img_per_s),
        ("seconds of the first step, compilation included", train.first_step_s),
        ("step of the best validation score", train.best_step),
        ("steps skipped because something was not finite", None if skipped is None else int(skipped)),
    )
    return Table(
        "training",
        "The run",
        ("figure", "value"),
        tuple(row for row in rows if row[1] is not None),
        "Speed is without compilation and without pauses for validation, sheets and checkpoints.",
        f"1 run, seed {config.seed}, batch {config.train.batch}",
    )


def every_figure(evaluation: DesignEvaluation, train: TrainResult, samples: str) -> Table:
    """All figures with interval, n and seeds, one a row."""
    rows = [
        *_reading_measures(evaluation),
        *_set_measures(evaluation),
        Measure("images per second", train.img_per_s, n=train.steps, seeds=1, note="n: steps; without pauses"),
        Measure("seconds of the first step", train.first_step_s, seeds=1, note="compilation included"),
    ]
    return tables.measures(
        "figures",
        "All figures with interval, n and seeds",
        rows,
        caption="All figures of this page in one place. `seeds` counts feature seeds for distances and training runs "
        "otherwise: one run says nothing about the spread over runs.",
        samples=samples,
    )


def _reading_measures(evaluation: DesignEvaluation) -> list[Measure]:
    designs, rows = evaluation.designs, []
    for part in parts(designs.product, designs.elements):
        low, high = float(part.interval.low), float(part.interval.high)
        rows.append(Measure(f"accuracy, {part.name}", part.accuracy, low, high, "95 % Wilson", part.n, 1))
    if designs.axes is None:
        return rows
    exact = "95 % Clopper-Pearson"
    for axis in designs.axes.axes:
        for label, value in (("bias", axis.bias), ("MAE", axis.mae), ("P95", axis.p95), ("max", axis.max)):
            rows.append(Measure(f"{axis.name}, {label}", value, n=axis.n, seeds=1, note="scale \u22123 to 3"))
        low, high = float(axis.interval.low), float(axis.interval.high)
        name = f"{axis.name}, share beyond {designs.axes.tolerance:g}"
        rows.append(Measure(name, axis.share_beyond, low, high, exact, axis.n, 1))
    low, high = float(designs.axes.any_interval.low), float(designs.axes.any_interval.high)
    name, share = f"any axis, share beyond {designs.axes.tolerance:g}", designs.axes.any_beyond / designs.axes.n
    return [*rows, Measure(name, share, low, high, exact, designs.axes.n, 1)]


def _set_measures(evaluation: DesignEvaluation) -> list[Measure]:
    rows = []
    for source, distribution in ((GENERATED, evaluation.generated), ("real against real", evaluation.real)):
        if distribution is None:
            continue
        for field, name, *_ in _SET_FIGURES:
            spread: Spread = getattr(distribution, field)
            low, high = spread.mean - spread.sd, spread.mean + spread.sd
            interval, seeds = "\u00b1 sd over seeds", len(spread.values)
            rows.append(Measure(f"{name}: {source}", spread.mean, low, high, interval, distribution.n, seeds))
    diversity = evaluation.diversity
    n = diversity.n_briefs * diversity.n_draws
    note = f"{count(diversity.n_briefs, 'brief')}, {count(diversity.n_draws, 'draw')} each"
    rows.append(Measure("diversity at a fixed brief", diversity.generated, n=n, seeds=1, note=note))
    if diversity.ratio is not None:
        note = f"real: {diversity.reference}"
        rows.append(Measure("diversity at a fixed brief, share of real", diversity.ratio, n=n, seeds=1, note=note))
    if evaluation.discriminator is not None:
        auc, note = evaluation.discriminator, "real above generated; 0.5: it cannot tell"
        rows.append(Measure("AUC of the discriminator", auc.auc, n=auc.n, seeds=1, note=note))
    if evaluation.memorisation is not None:
        copying, n = evaluation.memorisation, evaluation.memorisation.n_samples
        note = "well below 1 speaks for copying"
        rows.append(Measure("distance to training images, share of real", copying.ratio, n=n, seeds=1, note=note))
        note = "0.05 expected"
        rows.append(Measure("nearer than 95 % of real images", copying.share_close, n=n, seeds=1, note=note))
    return rows
