"""Evaluation of a trained generator: adherence to briefs, diversity, realism, copying.

The protocol is fixed, so that figures of two runs can be compared:

* averaged (EMA) weights; briefs and noise are pure functions of `config.evaluation.seed`, validation briefs use other
  keys than test briefs;
* one draw per brief, and every draw counts: nothing is selected;
* sketches are withheld but where adherence to them is measured, so that runs with and without them compare;
* pictures are rounded to 8 bits before anything is read or measured, as they would be stored;
* beside each figure stands the same figure of real images: the inspector's own error on as many held-out real images,
  real against real for every distance, real diversity, real images' distance to the training images.
"""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import (
    copies,
    distances,
    diversity,
    drawing,
    features,
    neighbours,
    readings,
    realism,
)
from ich_jax.evaluation import sketches as sketch_lib
from ich_jax.evaluation.diversity import Diversity
from ich_jax.evaluation.drawing import Purpose
from ich_jax.types import Brief, PyTree


@dataclasses.dataclass(frozen=True, slots=True)
class DiscriminatorAuc:
    """Does the run's own discriminator distinguish generated images from real ones that it never saw?

    Attributes:
        auc: Probability that a held-out real image scores above a generated one; 0.5: it cannot distinguish them.
        n: Images on each side.
    """

    auc: float
    n: int


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """Values of single designs behind the figures, for plots; no part of `results`.

    Attributes:
        designs: Requested and read values of every design.
        inspector: The same of the held-out real images; None if there are none.
        closest: Generated images beside their nearest training images; None if no real images are held out.
    """

    designs: readings.DesignReadings
    inspector: readings.DesignReadings | None
    closest: copies.ClosestPairs | None


@dataclasses.dataclass(frozen=True, slots=True)
class DesignEvaluation:
    """Every figure of a trained generator.

    Attributes:
        config_name: Name of the run's config.
        config_fingerprint: Of the run's result fields.
        data_fingerprint: Of the images and how they were prepared.
        simulated: True for procedural images.
        seed: Seed of the run.
        evaluation_seed: Seed of test briefs, noise and subsets.
        style_strength: Strength of the brief at sampling.
        n_designs: Test briefs, one design each.
        designs: How well designs follow their briefs, read by the inspector.
        inspector: The inspector's own error, on as many held-out real images (or all that exist: see its `n`); None if
            there are none.
        diversity: Whether the noise is used.
        generated: Generated images against held-out real images; None below 8 of either.
        real: As many other held-out real images (validation split) against the same: the score of a perfect generator.
        feature_fingerprints: Of the feature networks, one per feature seed.
        memorisation: Whether generated images copy training images, in root mean square pixel differences at 16 px;
            None if no real images are held out.
        discriminator: Whether the discriminator distinguishes them; None if no `d_score` was given.
        record: Values of single designs behind the figures.
        sketches: Adherence to sketches, of runs whose briefs hold them.
    """

    config_name: str
    config_fingerprint: str
    data_fingerprint: str
    simulated: bool
    seed: int
    evaluation_seed: int
    style_strength: float
    n_designs: int
    designs: readings.ReadingFigures
    inspector: readings.ReadingFigures | None
    diversity: Diversity
    generated: realism.Distribution | None
    real: realism.Distribution | None
    feature_fingerprints: tuple[str, ...]
    memorisation: neighbours.Memorisation | None
    discriminator: DiscriminatorAuc | None
    record: Record
    sketches: sketch_lib.SketchFigures | None = None


def check(config: Config) -> None:
    """Refuses configs that could be trained but not judged; to be called before training.

    Raises:
        ConfigError: The images are too small for the feature networks, or a spread of a single draw is requested.
    """
    if config.data.size < features.MIN_SIZE:
        raise errors.ConfigError(
            f"--config.data.size: got {config.data.size}; distances of images need {features.MIN_SIZE} px or more."
        )
    if config.evaluation.diversity_draws < 2:
        raise errors.ConfigError(
            "--config.evaluation.diversity_draws: a spread needs at least 2 draws, got "
            f"{config.evaluation.diversity_draws}."
        )


def evaluate(
    config: Config,
    dataset: Dataset,
    sampler: drawing.Sampler,
    params: PyTree,
    read: drawing.Read,
    *,
    d_score: drawing.Score | None = None,
    real_draws: drawing.RealDraws | None = None,
) -> DesignEvaluation:
    """Judges a generator on the test briefs.

    Args:
        config: The run.
        dataset: Its images.
        sampler: Draws designs.
        params: Averaged weights of the generator.
        read: The inspector; never part of the generator's loss.
        d_score: The discriminator's score, for its AUC.
        real_draws: Real images of a given brief, if the set can draw them: the reference of diversity.

    Raises:
        ConfigError: See `check`.
        DataError: The generator drew, or the inspector read, values that are not finite.
    """
    # Over 60 lines: the protocol is read from top to bottom, and the result names every figure.
    check(config)
    settings = config.evaluation
    key = jax.random.key(settings.seed)
    draw = functools.partial(drawing.draw, sampler, params)

    brief = drawing.briefs(dataset, key, Purpose.DESIGNS, settings.n_designs)
    reading = drawing.read_all(read, draw(drawing.noise_key(key, Purpose.DESIGNS), brief))

    test, test_brief = drawing.held_out(dataset, "test", max(settings.n_designs, settings.n_images))
    other, _ = drawing.held_out(dataset, "validation", settings.n_images)
    n_real = min(settings.n_designs, len(test))
    real_brief = drawing.rows(test_brief, slice(n_real))
    real_reading = drawing.read_all(read, test[:n_real]) if n_real else None

    n = min(settings.n_images, len(test), len(other))
    image_brief = drawing.briefs(dataset, key, Purpose.IMAGES, max(n, 1))
    images = draw(drawing.noise_key(key, Purpose.IMAGES), image_brief)[:n]
    image_brief, test, test_brief = drawing.rows((image_brief, test, test_brief), slice(n))
    networks = [features.random_features(seed, dataset.channels) for seed in range(settings.feature_seeds)]
    generated, real = None, None
    if n >= realism.MIN_IMAGES:
        generated, real = realism.compare_with_real(settings, networks, images, other[:n], test)
    memorisation, closest = copies.search(dataset, images, test) if n else (None, None)

    return DesignEvaluation(
        config_name=config.name,
        config_fingerprint=config_lib.fingerprint(config),
        data_fingerprint=dataset.fingerprint,
        simulated=dataset.simulated,
        seed=config.seed,
        evaluation_seed=settings.seed,
        style_strength=settings.style_strength,
        n_designs=settings.n_designs,
        designs=readings.figures(dataset.space, brief, reading),
        inspector=readings.figures(dataset.space, real_brief, real_reading) if real_reading else None,
        diversity=diversity.measure(
            settings,
            dataset,
            draw,
            real_draws,
            generated=(images, image_brief.product),
            real=(test, test_brief.product),
        ),
        generated=generated,
        real=real,
        feature_fingerprints=tuple(network.fingerprint for network in networks),
        memorisation=memorisation,
        discriminator=_discriminator_auc(d_score, (images, image_brief), (test, test_brief)) if d_score and n else None,
        record=Record(
            designs=readings.pair(dataset.space, brief, reading),
            inspector=readings.pair(dataset.space, real_brief, real_reading) if real_reading else None,
            closest=closest,
        ),
        sketches=sketch_lib.measure(dataset, sampler, params, read, n=settings.n_designs, key=key)
        if dataset.space.sketches
        else None,
    )


def _discriminator_auc(
    d_score: drawing.Score, generated: tuple[drawing.Images, Brief], real: tuple[drawing.Images, Brief]
) -> DiscriminatorAuc:
    """Compares the scores of n generated and n held-out real images, each under its brief."""
    real_scores, scores = drawing.score_all(d_score, *real), drawing.score_all(d_score, *generated)
    return DiscriminatorAuc(distances.auc(real_scores, scores), len(scores))


def summary(evaluation: DesignEvaluation) -> dict[str, float]:
    """Returns the headline figures by name; unmeasured ones are absent.

    `product_accuracy`; `axis_mae`, mean over axes; `axis_p95`, the worst axis; `exceed_half`, the number of briefs with
    any axis off by more than 0.5; `n_designs`; `kid`; of runs with sketches `sketch_f1`, `sketch_f1_real` and
    `sketch_f1_withheld`.
    """
    values: dict[str, float] = {}
    if evaluation.designs.product is not None:
        values["product_accuracy"] = evaluation.designs.product.accuracy
    if evaluation.designs.axes is not None:
        values["axis_mae"] = float(np.mean([axis.mae for axis in evaluation.designs.axes.axes]))
        values["axis_p95"] = max(axis.p95 for axis in evaluation.designs.axes.axes)
        values["exceed_half"] = evaluation.designs.axes.any_beyond
    values["n_designs"] = evaluation.n_designs
    if evaluation.generated is not None:
        values["kid"] = evaluation.generated.kid.mean
    if evaluation.sketches is not None:
        values["sketch_f1"] = evaluation.sketches.followed.f1
        values["sketch_f1_real"] = evaluation.sketches.real.f1
        values["sketch_f1_withheld"] = evaluation.sketches.withheld.f1
    return values


def results(evaluation: DesignEvaluation) -> dict[str, Any]:
    """Returns every figure as nested plain values for JSON; unmeasured ones are absent, images are left out."""
    values = {
        field.name: getattr(evaluation, field.name)
        for field in dataclasses.fields(evaluation)
        if field.name != "record"
    }
    plain: dict[str, Any] = _present(values)
    return plain


def _present(value: Any) -> Any:
    """Makes dataclasses, tuples and dictionaries plain, without entries that are None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        value.pop("shown", None)  # images, which the page shows
    if isinstance(value, dict):
        return {name: _present(entry) for name, entry in value.items() if entry is not None}
    if isinstance(value, tuple):
        return [_present(entry) for entry in value]
    return value
