"""Figures of averaged weights on the validation briefs, quick enough to be taken during training."""

import functools
from collections.abc import Callable, Mapping

import jax
import numpy as np

from ich_jax.config import Config
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import diversity, drawing, readings
from ich_jax.evaluation.drawing import Purpose
from ich_jax.types import PyTree

_DRAWS = 8  # draws of each validation brief at which diversity is measured; there are fewer briefs by this factor


def make_validate(
    config: Config,
    dataset: Dataset,
    sampler: drawing.Sampler,
    read: drawing.Read,
    *,
    real_draws: drawing.RealDraws | None = None,
) -> Callable[[PyTree], dict[str, float]]:
    """Returns a function that judges averaged weights on the validation briefs, quick enough for use during training.

    It returns `product_accuracy`; `element_accuracy`, mean over elements; `axis_mae`, mean over axes; `axis_p95`, the
    worst axis; `diversity` and `diversity_real`, as in `Diversity` but over fewer briefs, both at the same brief if
    `real_draws` is given, else both within a product; and `score`, lower is better: (1 - product_accuracy) +
    (1 - element_accuracy) + axis_p95 + max(0, 1 - diversity / diversity_real). Figures that cannot be
    measured are absent, and left out of the score.

    Args:
        config: The run.
        dataset: Its images.
        sampler: Draws designs.
        read: The inspector.
        real_draws: Real images of a given brief, if the set can draw them.
    """
    key = jax.random.key(config.evaluation.seed)
    brief = drawing.briefs(dataset, key, Purpose.VALIDATION, config.evaluation.n_validation)
    product = np.asarray(brief.product)
    n_briefs = max(1, len(product) // _DRAWS)
    repeated_brief = drawing.rows(brief, slice(n_briefs))
    noise_key = drawing.noise_key(key, Purpose.VALIDATION)

    @functools.cache
    def real_diversity() -> float | None:
        if real_draws is not None:
            return diversity.pixel_sd(drawing.draw_real(real_draws, noise_key, repeated_brief, _DRAWS))
        real, real_brief = drawing.held_out(dataset, "validation", len(product))
        return diversity.within_product(real, np.asarray(real_brief.product))

    def generated_diversity(params: PyTree, images: drawing.Images) -> float | None:
        if real_draws is None:
            return diversity.within_product(images, product)
        drawn = drawing.draw(sampler, params, noise_key, drawing.repeat(repeated_brief, _DRAWS))
        return diversity.pixel_sd(drawn.reshape(n_briefs, _DRAWS, *drawn.shape[1:]))

    def validate(params: PyTree) -> dict[str, float]:
        images = drawing.draw(sampler, params, noise_key, brief)
        values = _reading_values(readings.figures(dataset.space, brief, drawing.read_all(read, images)))
        generated, real = generated_diversity(params, images), real_diversity()
        if generated is not None and real:
            values |= {"diversity": generated, "diversity_real": real}
        return values | {"score": _score(values)}

    return validate


def _reading_values(figures: readings.ReadingFigures) -> dict[str, float]:
    values: dict[str, float] = {}
    if figures.product is not None:
        values["product_accuracy"] = figures.product.accuracy
    if figures.elements:
        values["element_accuracy"] = float(np.mean([element.accuracy for element in figures.elements]))
    if figures.axes is not None:
        values["axis_mae"] = float(np.mean([axis.mae for axis in figures.axes.axes]))
        values["axis_p95"] = max(axis.p95 for axis in figures.axes.axes)
    return values


def _score(values: Mapping[str, float]) -> float:
    """The sum that `make_validate` documents, over the measured terms; lower is better."""
    score = sum(1.0 - values[name] for name in ("product_accuracy", "element_accuracy") if name in values)
    score += values.get("axis_p95", 0.0)
    if "diversity" in values:
        score += max(0.0, 1.0 - values["diversity"] / values["diversity_real"])
    return score
