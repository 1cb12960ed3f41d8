"""Training curves: the metrics of a run, arranged in small charts."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ich_jax.report import line_charts

_PANELS: tuple[tuple[str, tuple[tuple[str, str], ...], bool, tuple[tuple[float, str], ...]], ...] = (
    (
        "Validation: read as asked",
        (("product", "validation/product_accuracy"), ("elements, mean", "validation/element_accuracy")),
        False,
        (),
    ),
    (
        "Validation: error on the axes",
        (("MAE, mean over axes", "validation/axis_mae"), ("P95, worst axis", "validation/axis_p95")),
        False,
        ((0.5, "0.5"),),
    ),
    (
        "Validation: diversity",
        (("generated", "validation/diversity"), ("real", "validation/diversity_real")),
        False,
        (),
    ),
    ("Adversarial loss", (("generator", "g_loss"), ("discriminator", "d_loss")), False, ()),
    (
        "Loss of reading the brief",
        (
            ("real images (trains the discriminator)", "reading_real"),
            ("generated (pulls the generator)", "reading_fake"),
        ),
        True,
        (),
    ),
    ("Error of real images drawn again", (("", "reconstruction"),), False, ()),
    ("Noise read off real images, nats", (("", "noise_kl"),), False, ()),
    ("Its distance from standard normal", (("", "noise_mismatch"),), False, ()),
    ("Share of pairs in which real beats generated", (("", "real_beats_fake"),), False, ((0.5, "balance"),)),
    ("Score of the discriminator", (("real", "score_real"), ("generated", "score_fake")), False, ()),
    ("Gradient norm before clipping", (("generator", "g_grad_norm"), ("discriminator", "d_grad_norm")), True, ()),
    ("Spread of a pixel over a batch", (("real", "pixel_sd_real"), ("generated", "pixel_sd_fake")), False, ()),
    ("Gradient penalty, weighted", (("", "penalty"),), True, ()),
    ("Step size", (("generator", "g_lr"), ("discriminator", "d_lr")), False, ()),
    ("Images per second", (("", "img_per_s"),), False, ()),
)
# Counters, and combinations of metrics that are shown elsewhere.
_NOT_DRAWN = frozenset({"step", "skipped", "skipped_in_a_row", "d_accuracy", "validation/score"})


def curve_panels(history: Sequence[Mapping[str, Any]]) -> list[line_charts.CurvePanel]:
    """Arranges the metrics of a run in small charts; metrics without a place get a chart each.

    Args:
        history: Rows of `metrics.jsonl`: a `step` and metrics, each of which may be absent from a row, None or NaN.
    """
    names = dict.fromkeys(name for row in history for name in row)
    curves = {name: curve for name in names if name not in _NOT_DRAWN if (curve := _curve(history, name)) is not None}
    panels, placed = [], set()
    for title, members, log, guides in _PANELS:
        shown = [(label or title, curves[name]) for label, name in members if name in curves]
        placed |= {name for _, name in members}
        if shown:
            lines = tuple(line_charts.Curve(label, x, y) for label, (x, y) in shown)
            panels.append(line_charts.CurvePanel(title, lines, log, guides))
    for name, (x, y) in curves.items():
        if name not in placed:
            title = name.replace("validation/", "Validation: ").replace("_", " ")
            panels.append(line_charts.CurvePanel(title, (line_charts.Curve(title, x, y),)))
    return panels


def _curve(history: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]] | None:
    points = [(row["step"], row[name]) for row in history if isinstance(row.get(name), int | float)]
    points = [(float(x), float(y)) for x, y in points if math.isfinite(y)]
    return ([x for x, _ in points], [y for _, y in points]) if points else None
