"""Sheets of designs for the page: generated beside real images, and sweeps along each axis."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np
import numpy.typing as npt

from ich_jax.config import Config
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing
from ich_jax.evaluation.diversity import SAME_BRIEF, SAME_PRODUCT
from ich_jax.evaluation.drawing import Purpose
from ich_jax.types import AXIS_LIMIT, Brief, PyTree


@dataclasses.dataclass(frozen=True, slots=True)
class DesignSheets:
    """Images for the page. Nothing is selected: the briefs are the first of the test briefs, the noise is the first.

    Attributes:
        briefs: The R briefs of the sheet's rows (numpy arrays), grouped by product; the first of each product among
            the test briefs.
        generated: `[R, K, H, W, C]` uint8, K draws of the noise for each brief.
        real: `[R, K, H, W, C]` uint8, real images beside them; white where the set has too few.
        real_reference: Content of a row of `real`: images of the `same brief`, or held-out images of the
            `same product`.
        sweep_values: `[S]` values of the swept axis, from -3 to 3.
        sweep_briefs: The P briefs from which the sweeps start (numpy arrays): the other axes at 0.
        sweeps: `[P, A, S, H, W, C]` uint8, one row per product and axis with the same noise along it; None without
            axes. P counts the products named by `sweep_briefs`.
        sweep_readings: `[P, A, S]` float, reading of the inspector on the swept axis; None without axes.
    """

    briefs: Brief
    generated: drawing.Images
    real: drawing.Images
    real_reference: str
    sweep_values: tuple[float, ...]
    sweep_briefs: Brief
    sweeps: drawing.Images | None
    sweep_readings: npt.NDArray[np.float64] | None


def make_sheets(
    config: Config,
    dataset: Dataset,
    sampler: drawing.Sampler,
    params: PyTree,
    read: drawing.Read,
    *,
    real_draws: drawing.RealDraws | None = None,
    rows: int = 8,
    columns: int = 8,
    steps: int = 7,
) -> DesignSheets:
    """Draws the sheets of the page.

    Args:
        config: The run.
        dataset: Its images.
        sampler: Draws designs.
        params: Averaged weights of the generator.
        read: The inspector.
        real_draws: Real images of a given brief, if the set can draw them.
        rows: Briefs, at least one per product.
        columns: Draws per brief.
        steps: Values from -3 to 3 of a swept axis.
    """
    space = dataset.space
    key = jax.random.key(config.evaluation.seed)
    draw = functools.partial(drawing.draw, sampler, params)
    pool = drawing.briefs(dataset, key, Purpose.DESIGNS, config.evaluation.n_designs)
    per_product = max(1, rows // len(space.products))
    chosen = [np.flatnonzero(pool.product == p)[:per_product] for p in range(len(space.products))]
    brief = drawing.rows(pool, np.concatenate(chosen))
    sheet_key = drawing.noise_key(key, Purpose.SHEET)
    shape = (len(brief.product), columns, dataset.size, dataset.size, dataset.channels)
    if real_draws is not None:
        real, reference = drawing.draw_real(real_draws, sheet_key, brief, columns), SAME_BRIEF
    else:
        real, reference = _real_rows(dataset, np.asarray(brief.product), columns), SAME_PRODUCT
    start = drawing.rows(pool, np.array([members[0] for members in chosen if len(members)]))
    given = np.array(start.given)
    given[:, space.axes_given] = 1.0
    start = start._replace(axes=np.zeros_like(start.axes), given=given)  # type: ignore[arg-type]  # numpy is welcome
    values = np.linspace(-AXIS_LIMIT, AXIS_LIMIT, steps)
    sweeps, sweep_readings = None, None
    if space.axes:
        sweeps, sweep_readings = _sweeps(draw, read, drawing.noise_key(key, Purpose.SWEEP), start, values)
    return DesignSheets(
        briefs=brief,
        generated=draw(sheet_key, drawing.repeat(brief, columns)).reshape(shape),
        real=real,
        real_reference=reference,
        sweep_values=tuple(float(value) for value in values),
        sweep_briefs=start,
        sweeps=sweeps,
        sweep_readings=sweep_readings,
    )


def _real_rows(dataset: Dataset, product: npt.NDArray[np.int32], columns: int) -> drawing.Images:
    """Returns held-out images `[R, columns, H, W, C]` of the product of each row, each image once."""
    held_out = [drawing.held_out(dataset, split, 1024) for split in ("test", "validation")]
    images = np.concatenate([images for images, _ in held_out])
    held_product = np.concatenate([brief.product for _, brief in held_out])
    sheet = np.full((len(product), columns, *images.shape[1:]), 255, np.uint8)
    for p in np.unique(product):
        rows = np.flatnonzero(product == p)
        cells = images[held_product == p][: len(rows) * columns]
        for i, image in enumerate(cells):
            sheet[rows[i // columns], i % columns] = image
    return sheet


def _sweeps(
    draw: Callable[[jax.Array, Brief], drawing.Images],
    read: drawing.Read,
    key: jax.Array,
    start: Brief,
    values: npt.NDArray[np.float64],
) -> tuple[drawing.Images, npt.NDArray[np.float64]]:
    """Moves each axis of each brief through `values`."""
    n_products, n_axes = start.axes.shape
    repeated = drawing.repeat(start, n_axes)
    row, axis = np.arange(n_products * n_axes), np.tile(np.arange(n_axes), n_products)
    images, readings = [], []
    # One value at a time: the sampler makes noise from key and position, so a row keeps its noise along the sweep.
    for value in values:
        axes = np.array(repeated.axes)
        axes[row, axis] = value
        brief = repeated._replace(axes=axes)  # type: ignore[arg-type]  # numpy is welcome
        drawn = draw(key, brief)
        images.append(drawn)
        readings.append(np.asarray(drawing.read_all(read, drawn).axes, np.float64)[row, axis])
    shape = images[0].shape[1:]
    return (
        np.stack(images, axis=1).reshape(n_products, n_axes, len(values), *shape),
        np.stack(readings, axis=1).reshape(n_products, n_axes, len(values)),
    )
