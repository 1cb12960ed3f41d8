"""How closely designs follow the sketches of their briefs.

Edges of a picture and of a sketch are found by the same rule, `data.sketch.derive`, so that a line of the sketch and
the outline that it stands for are compared as what they are. Three rows are measured on the same held-out briefs: real
images against their own sketches, the best that can be reached; designs of briefs with their sketches; and designs of
the same briefs and noise with the sketches withheld, which is what keywords alone give.
"""

import dataclasses

import jax
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ich_jax.data import pipeline, sketch
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing, readings
from ich_jax.evaluation.drawing import Images, Purpose
from ich_jax.types import Brief, DesignSpace, PyTree, Reading

_SHOWN = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Adherence:
    """How closely N images follow their sketches.

    Attributes:
        f1: Mean over images of 2 P R / (P + R). P is the share of the image's edge pixels that are, or touch, an edge
            pixel of the sketch (so within one pixel, corners included); R is the share of the sketch's edge pixels that
            are, or touch, one of the image.
        f1_se: Standard error of that mean.
        chamfer: Mean over images of the mean distance in pixels from an edge pixel of either to the nearest of the
            other, both directions counting alike.
        axis_mae: Mean absolute error over the stated axes, as the inspector reads them; None without axes.
        axis_p95: 95th percentile of the worst axis; None without axes.
    """

    f1: float
    f1_se: float
    chamfer: float
    axis_mae: float | None
    axis_p95: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """The first few briefs, for a sheet: `[R, H, W, C]` uint8 each; sketches have one channel."""

    sketch: Images
    real: Images
    followed: Images
    withheld: Images
    briefs: Brief


@dataclasses.dataclass(frozen=True, slots=True)
class SketchFigures:
    """Adherence to sketches.

    Attributes:
        n: Held-out briefs with a sketch.
        real: Real images against their own sketches.
        followed: Designs of the briefs.
        withheld: Designs of the briefs without their sketches.
        shown: The first of them; no part of the results.
    """

    n: int
    real: Adherence
    followed: Adherence
    withheld: Adherence
    shown: Shown


def edges(images: Images) -> npt.NDArray[np.bool_]:
    """Returns which pixels of images `[N, H, W, C]` uint8 lie on a line, `[N, H, W]`."""
    return np.asarray(sketch.derive(pipeline.to_unit(images), np))[..., 0] < sketch.LINE


def edge_f1(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Returns `Adherence.f1` of each of N pairs of edges `[N, H, W]`; 0 where one has none, 1 where neither has."""
    near_a, near_b = (ndimage.binary_dilation(x, np.ones((1, 3, 3), bool)) for x in (a, b))
    axes = (1, 2)
    with np.errstate(invalid="ignore"):
        precision = (a & near_b).sum(axes) / a.sum(axes)
        recall = (b & near_a).sum(axes) / b.sum(axes)
        f1 = 2 * precision * recall / (precision + recall)
    neither = ~a.any(axes) & ~b.any(axes)
    found: npt.NDArray[np.float64] = np.where(neither, 1.0, np.nan_to_num(f1, nan=0.0))
    return found


def chamfer(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Returns the distance in pixels of each of N pairs of edges `[N, H, W]`.

    Half the sum of the mean Euclidean distances from the pixels of one to the nearest of the other. Where one of them
    has no edge, nothing is near: the diagonal of the picture; where neither has, 0.
    """
    diagonal = float(np.hypot(*a.shape[1:]))
    found = np.empty(len(a))
    for n, (first, second) in enumerate(zip(a, b, strict=True)):
        if first.any() and second.any():
            to_first, to_second = (ndimage.distance_transform_edt(~x) for x in (first, second))
            found[n] = (to_second[first].mean() + to_first[second].mean()) / 2
        else:
            found[n] = diagonal if first.any() or second.any() else 0.0
    return found


def measure(
    dataset: Dataset,
    sampler: drawing.Sampler,
    params: PyTree,
    read: drawing.Read,
    *,
    n: int,
    key: jax.Array,
) -> SketchFigures | None:
    """Measures the three rows on up to n held-out briefs; None if no held-out image has a sketch.

    Args:
        dataset: Images with sketches.
        sampler: Draws designs.
        params: Averaged weights of the generator.
        read: The inspector.
        n: Held-out images that are looked at.
        key: The evaluation key.
    """
    held_out = dataset.holdout("test", n)
    images, brief = drawing.stored(held_out.image), drawing.on_host(held_out.brief)
    rows = np.flatnonzero(np.asarray(brief.given)[:, -1] > 0)
    if not len(rows):
        return None
    images, brief = drawing.rows((images, brief), rows)
    page = np.rint(np.asarray(brief.sketch) * 255.0).astype(np.uint8)
    noise = drawing.noise_key(key, Purpose.SKETCHES)
    followed = drawing.draw(sampler, params, noise, brief)
    withheld = drawing.draw(sampler, params, noise, brief.without_sketch())
    lines = edges(page)

    def adherence(drawn: Images) -> Adherence:
        return _adherence(dataset.space, edges(drawn), lines, brief, drawing.read_all(read, drawn))

    few = slice(_SHOWN)
    return SketchFigures(
        n=len(rows),
        real=adherence(images),
        followed=adherence(followed),
        withheld=adherence(withheld),
        shown=Shown(page[few], images[few], followed[few], withheld[few], drawing.rows(brief, few)),
    )


def _adherence(
    space: DesignSpace,
    drawn: npt.NDArray[np.bool_],
    lines: npt.NDArray[np.bool_],
    brief: Brief,
    reading: Reading,
) -> Adherence:
    f1 = edge_f1(drawn, lines)
    axes = readings.figures(space, brief, reading).axes
    return Adherence(
        f1=float(f1.mean()),
        f1_se=float(f1.std(ddof=1) / len(f1) ** 0.5) if len(f1) > 1 else 0.0,
        chamfer=float(chamfer(drawn, lines).mean()),
        axis_mae=float(np.mean([axis.mae for axis in axes.axes])) if axes is not None else None,
        axis_p95=max(axis.p95 for axis in axes.axes) if axes is not None else None,
    )
