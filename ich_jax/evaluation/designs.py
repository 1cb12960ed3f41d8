"""How well a trained generator does: obedience to briefs, diversity, realism, copying.

The protocol is fixed, so that figures of two runs can be set side by side:

* averaged (EMA) weights; briefs and noise are pure functions of `config.evaluation.seed`, validation briefs use other
  keys than test briefs;
* one draw per brief, and every draw counts: nothing is selected;
* pictures are rounded to 8 bits before anything is read or measured, as they would be stored;
* beside each figure stands the same figure of real images: the inspector's own error on as many held-out real images,
  real against real for every distance, real diversity, real images' distance to the training images.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import distances, drawing, features, readings
from ich_jax.types import AXIS_LIMIT, Brief

SAME_BRIEF, SAME_PRODUCT = "same brief", "same product"

_LEAST = 8  # images below which a distance between distributions says nothing
_TRAIN_IMAGES = 10_000  # training images that are searched for copies, at most
_SIMULATED_TRAIN_IMAGES = 2_000  # the same of a set that has to draw them anew for it, which takes longer than all else
_TRAIN_BYTES = 512 * 2**20  # and as many as fit here as float32
_COPY_SIZE = 16  # px at which images are compared in search of copies: a copy stays one, and 10,000 take a second
_PAIRS = 8
_VALIDATION_DRAWS = 8  # of each validation brief at which diversity is measured; there are as many briefs fewer

# What each key is for; the numbers are folded into the evaluation key.
_DESIGN, _IMAGE, _VALIDATION, _DIVERSITY, _SHEET, _SWEEP = range(6)


# ---------------------------------------------------------------- results


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several feature networks.

    Attributes:
        mean: Mean over feature seeds.
        sd: Standard deviation over feature seeds, n - 1 in the denominator; 0 for a single one.
        values: The figure of each seed.
    """

    mean: float
    sd: float
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Distribution:
    """How far n images are, as a set, from the n held-out real images of the test split.

    Attributes:
        n: Images on each side.
        rfd: Random-feature Fréchet distance (not an FID).
        rfd_inf: The same, extrapolated to infinitely many samples; may be negative.
        kid: Kernel distance, unbiased, mean over subsets; may be negative.
        kid_subset_sd: Standard deviation of the kernel distance over subsets, mean over feature seeds.
        kid_subset: Images per subset: `config.evaluation.kid_subset`, at most half of n.
        kid_subsets: Number of subsets.
        precision: Share of the images near real ones.
        recall: Share of real images near the images.
        density: Mean number of real neighbourhoods around an image, over k; 1 in expectation for real images.
        coverage: Share of real neighbourhoods with an image inside.
        expected_coverage: Coverage in expectation if both sets followed one distribution.
        nearest_k: k of the last figures: `config.evaluation.nearest_k`, at most n - 1.
    """

    n: int
    rfd: Spread
    rfd_inf: Spread
    kid: Spread
    kid_subset_sd: float
    kid_subset: int
    kid_subsets: int
    precision: Spread
    recall: Spread
    density: Spread
    coverage: Spread
    expected_coverage: float
    nearest_k: int


@dataclasses.dataclass(frozen=True, slots=True)
class Diversity:
    """Does the noise matter? Standard deviation of a pixel (images in [-1, 1], so at most about 1), mean over pixels.

    Attributes:
        generated: Over draws of the noise at one brief, mean over briefs.
        real: Of real images, likewise; None where the held-out images are too few.
        ratio: generated / real; None where real is None or 0.
        reference: What `real` is: over real images of the `same brief` where the set can draw them, else over real
            images of the `same product`, which also differ in their briefs, so that a ratio below 1 is expected.
        n_briefs: Briefs.
        n_draws: Draws per brief.
        within_product_generated: Over generated images of one product (each at its own brief), mean over products.
        within_product_real: Over as many held-out real images of one product.
        n_within_product: Images on either side of the last two.
    """

    generated: float
    real: float | None
    ratio: float | None
    reference: str
    n_briefs: int
    n_draws: int
    within_product_generated: float | None
    within_product_real: float | None
    n_within_product: int


@dataclasses.dataclass(frozen=True, slots=True)
class DiscriminatorAuc:
    """Does the run's own discriminator tell generated from real images it never saw?

    Attributes:
        auc: Probability that a held-out real image scores above a generated one; 0.5: it cannot tell.
        n: Images on each side.
    """

    auc: float
    n: int


@dataclasses.dataclass(frozen=True, slots=True)
class ClosestPairs:
    """The generated images nearest to any training image, nearest first.

    Attributes:
        generated: `[K, H, W, C]` uint8.
        training: `[K, H, W, C]` uint8, the training image nearest to each.
        distance: `[K]` root mean square pixel difference at 16 px, pixels in [0, 1].
    """

    generated: drawing.Images
    training: drawing.Images
    distance: npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What stands behind the figures, for plots; no part of `results`.

    Attributes:
        designs: Requested and read values of every design.
        inspector: The same of the held-out real images; None if there are none.
        closest: Generated images beside their nearest training images; None if no real images are held out.
    """

    designs: readings.DesignReadings
    inspector: readings.DesignReadings | None
    closest: ClosestPairs | None


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
        real: As many other held-out real images (validation split) against the same; what a perfect generator scores.
        feature_fingerprints: Of the feature networks, one per feature seed.
        memorisation: Whether generated images copy training images, in root mean square pixel differences at 16 px;
            None if no real images are held out.
        discriminator: Whether the discriminator tells them apart; None if no `d_score` was given.
        record: What stands behind the figures.
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
    generated: Distribution | None
    real: Distribution | None
    feature_fingerprints: tuple[str, ...]
    memorisation: distances.Memorisation | None
    discriminator: DiscriminatorAuc | None
    record: Record


@dataclasses.dataclass(frozen=True, slots=True)
class DesignSheets:
    """Images for the page. Nothing is selected: the briefs are the first of the test briefs, the noise is the first.

    Attributes:
        briefs: The R briefs of the sheet's rows (numpy arrays), grouped by product; the first of each product among
            the test briefs.
        generated: `[R, K, H, W, C]` uint8, K draws of the noise for each brief.
        real: `[R, K, H, W, C]` uint8, real images beside them; white where the set has too few.
        real_reference: What a row of `real` shows: images of the `same brief`, or held-out images of the
            `same product`.
        sweep_values: `[S]` values of the swept axis, from -3 to 3.
        sweep_briefs: The P briefs from which the sweeps start (numpy arrays): the other axes at 0.
        sweeps: `[P, A, S, H, W, C]` uint8, one row per product and axis with the same noise along it; None without
            axes. P counts the products named by `sweep_briefs`.
        sweep_readings: `[P, A, S]` float, what the inspector reads on the swept axis; None without axes.
    """

    briefs: Brief
    generated: drawing.Images
    real: drawing.Images
    real_reference: str
    sweep_values: tuple[float, ...]
    sweep_briefs: Brief
    sweeps: drawing.Images | None
    sweep_readings: npt.NDArray[np.float64] | None


# ---------------------------------------------------------------- evaluation


def check(config: Config) -> None:
    """Refuses what could be trained but not judged; to be called before training.

    Raises:
        ConfigError: The images are too small for the feature networks, or a spread is asked of a single draw.
    """
    if config.data.size < features.MIN_SIZE:
        raise errors.ConfigError(
            f"config.data.size: distances between images need at least {features.MIN_SIZE} px, got {config.data.size}."
        )
    if config.evaluation.diversity_draws < 2:
        raise errors.ConfigError(
            "config.evaluation.diversity_draws: a spread needs at least 2 draws, got "
            f"{config.evaluation.diversity_draws}."
        )


def evaluate(
    config: Config,
    dataset: Dataset,
    sampler: drawing.Sampler,
    params: Any,
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
    check(config)
    settings = config.evaluation
    key = jax.random.key(settings.seed)
    draw = functools.partial(drawing.draw, sampler, params)

    brief = drawing.briefs(dataset, key, _DESIGN, settings.n_designs)
    designs = drawing.read_all(read, draw(drawing.noise_key(key, _DESIGN), brief))

    test, test_brief = drawing.held_out(dataset, "test", max(settings.n_designs, settings.n_images))
    other, _ = drawing.held_out(dataset, "validation", settings.n_images)
    n_real = min(settings.n_designs, len(test))
    real_brief = drawing.rows(test_brief, slice(n_real))
    inspector = drawing.read_all(read, test[:n_real]) if n_real else None

    n = min(settings.n_images, len(test), len(other))
    image_brief = drawing.briefs(dataset, key, _IMAGE, max(n, 1))
    images = draw(drawing.noise_key(key, _IMAGE), image_brief)[:n]
    networks = [features.random_features(seed, dataset.channels) for seed in range(settings.feature_seeds)]
    generated, real = _distributions(config, networks, images, other[:n], test[:n]) if n >= _LEAST else (None, None)
    memorisation, closest = _copies(dataset, images, test[:n]) if n else (None, None)
    discriminator = None
    if d_score is not None and n:
        real_score = drawing.score_all(d_score, test[:n], drawing.rows(test_brief, slice(n)))
        score = drawing.score_all(d_score, images, drawing.rows(image_brief, slice(n)))
        discriminator = DiscriminatorAuc(distances.auc(real_score, score), n)

    return DesignEvaluation(
        config_name=config.name,
        config_fingerprint=config_lib.fingerprint(config),
        data_fingerprint=dataset.fingerprint,
        simulated=dataset.simulated,
        seed=config.seed,
        evaluation_seed=settings.seed,
        style_strength=settings.style_strength,
        n_designs=settings.n_designs,
        designs=readings.figures(dataset.space, brief, designs),
        inspector=readings.figures(dataset.space, real_brief, inspector) if inspector else None,
        diversity=_diversity(
            config,
            dataset,
            draw,
            real_draws,
            within_generated=_within_product(images, np.asarray(image_brief.product[:n])),
            within_real=_within_product(test[:n], np.asarray(test_brief.product[:n])),
            n_within=n,
        ),
        generated=generated,
        real=real,
        feature_fingerprints=tuple(network.fingerprint for network in networks),
        memorisation=memorisation,
        discriminator=discriminator,
        record=Record(
            designs=readings.pair(dataset.space, brief, designs),
            inspector=readings.pair(dataset.space, real_brief, inspector) if inspector else None,
            closest=closest,
        ),
    )


def make_validate(
    config: Config,
    dataset: Dataset,
    sampler: drawing.Sampler,
    read: drawing.Read,
    *,
    real_draws: drawing.RealDraws | None = None,
) -> Callable[[Any], dict[str, float]]:
    """Returns a judge of averaged weights on the validation briefs, quick enough to be called during training.

    It returns `product_accuracy`; `element_accuracy`, mean over elements; `axis_mae`, mean over axes; `axis_p95`, the
    worst axis; `diversity` and `diversity_real`, as in `Diversity` but over fewer briefs, both at the same brief if
    `real_draws` is given, else both within a product; and `score`, lower is better: (1 - product_accuracy) +
    (1 - element_accuracy) + axis_p95 + max(0, 1 - diversity / diversity_real). What cannot be measured is absent, and
    left out of the score.

    Args:
        config: The run.
        dataset: Its images.
        sampler: Draws designs.
        read: The inspector.
        real_draws: Real images of a given brief, if the set can draw them.
    """
    key = jax.random.key(config.evaluation.seed)
    brief = drawing.briefs(dataset, key, _VALIDATION, config.evaluation.n_validation)
    n_briefs = max(1, len(brief.product) // _VALIDATION_DRAWS)
    few = drawing.rows(brief, slice(n_briefs))
    noise = drawing.noise_key(key, _VALIDATION)

    @functools.cache
    def real_diversity() -> float | None:
        if real_draws is not None:
            return _pixel_sd(drawing.draw_real(real_draws, noise, few, _VALIDATION_DRAWS))
        real, real_brief = drawing.held_out(dataset, "validation", len(brief.product))
        return _within_product(real, np.asarray(real_brief.product))

    def diversity(params: Any, images: drawing.Images) -> float | None:
        if real_draws is None:
            return _within_product(images, np.asarray(brief.product))
        drawn = drawing.draw(sampler, params, noise, drawing.repeat(few, _VALIDATION_DRAWS))
        return _pixel_sd(drawn.reshape(n_briefs, _VALIDATION_DRAWS, *drawn.shape[1:]))

    def validate(params: Any) -> dict[str, float]:
        images = drawing.draw(sampler, params, noise, brief)
        found = readings.figures(dataset.space, brief, drawing.read_all(read, images))
        values: dict[str, float] = {}
        score = 0.0
        if found.product is not None:
            values["product_accuracy"] = found.product.accuracy
            score += 1.0 - values["product_accuracy"]
        if found.elements:
            values["element_accuracy"] = float(np.mean([element.accuracy for element in found.elements]))
            score += 1.0 - values["element_accuracy"]
        if found.axes is not None:
            values["axis_mae"] = float(np.mean([axis.mae for axis in found.axes.axes]))
            values["axis_p95"] = max(axis.p95 for axis in found.axes.axes)
            score += values["axis_p95"]
        generated, real = diversity(params, images), real_diversity()
        if generated is not None and real:
            values |= {"diversity": generated, "diversity_real": real}
            score += max(0.0, 1.0 - generated / real)
        return values | {"score": score}

    return validate


def summary(evaluation: DesignEvaluation) -> dict[str, float]:
    """Returns the headline figures by name; what was not measured is absent.

    `product_accuracy`; `axis_mae`, mean over axes; `axis_p95`, the worst axis; `exceed_half`, the number of briefs with
    any axis off by more than 0.5; `n_designs`; `kid`.
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
    return values


def results(evaluation: DesignEvaluation) -> dict[str, Any]:
    """Returns every figure as nested plain values for JSON; what was not measured is absent, images are left out."""
    values = {
        field.name: getattr(evaluation, field.name)
        for field in dataclasses.fields(evaluation)
        if field.name != "record"
    }
    plain: dict[str, Any] = _present(values)
    return plain


def make_sheets(
    config: Config,
    dataset: Dataset,
    sampler: drawing.Sampler,
    params: Any,
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
    pool = drawing.briefs(dataset, key, _DESIGN, config.evaluation.n_designs)
    per_product = max(1, rows // len(space.products))
    chosen = [np.flatnonzero(pool.product == p)[:per_product] for p in range(len(space.products))]
    brief = drawing.rows(pool, np.concatenate(chosen))
    shape = (len(brief.product), columns, dataset.size, dataset.size, dataset.channels)
    if real_draws is not None:
        real, reference = drawing.draw_real(real_draws, drawing.noise_key(key, _SHEET), brief, columns), SAME_BRIEF
    else:
        real, reference = _real_rows(dataset, brief.product, columns), SAME_PRODUCT
    start = drawing.rows(pool, np.array([rows_of[0] for rows_of in chosen if len(rows_of)]))
    given = np.asarray(start.given).copy()
    given[:, 1 + len(space.elements) :] = 1.0
    start = start._replace(axes=np.zeros_like(start.axes), given=given)
    values = np.linspace(-AXIS_LIMIT, AXIS_LIMIT, steps)
    sweeps, found = _sweeps(draw, read, drawing.noise_key(key, _SWEEP), start, values) if space.axes else (None, None)
    return DesignSheets(
        briefs=brief,
        generated=draw(drawing.noise_key(key, _SHEET), drawing.repeat(brief, columns)).reshape(shape),
        real=real,
        real_reference=reference,
        sweep_values=tuple(float(value) for value in values),
        sweep_briefs=start,
        sweeps=sweeps,
        sweep_readings=found,
    )


# ---------------------------------------------------------------- parts of the evaluation


def _distributions(
    config: Config,
    networks: Sequence[features.RandomFeatures],
    images: drawing.Images,
    other: drawing.Images,
    test: drawing.Images,
) -> tuple[Distribution, Distribution]:
    """Compares generated images, and other real images, with the test images."""
    found = [[network(of) for of in (images, other, test)] for network in networks]
    generated, real = (_distribution(config, [(seed[row], seed[2]) for seed in found]) for row in (0, 1))
    return generated, real


def _distribution(
    config: Config, pairs: Sequence[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
) -> Distribution:
    """Summarises (samples, reference) features, one pair per feature seed."""
    settings = config.evaluation
    n = len(pairs[0][0])
    # A subset of all images would be the same in every draw and hide the spread.
    subset, k = min(settings.kid_subset, n // 2), min(settings.nearest_k, n - 1)
    kids = [
        distances.kid(samples, reference, subset=subset, subsets=settings.kid_subsets, seed=settings.seed)
        for samples, reference in pairs
    ]
    overlap = [distances.precision_recall_density_coverage(reference, samples, k=k) for samples, reference in pairs]
    return Distribution(
        n=n,
        rfd=_spread(distances.frechet(reference, samples) for samples, reference in pairs),
        rfd_inf=_spread(distances.frechet_inf(reference, samples, seed=settings.seed) for samples, reference in pairs),
        kid=_spread(kid.mean for kid in kids),
        kid_subset_sd=float(np.mean([kid.sd for kid in kids])),
        kid_subset=subset,
        kid_subsets=settings.kid_subsets,
        precision=_spread(prdc.precision for prdc in overlap),
        recall=_spread(prdc.recall for prdc in overlap),
        density=_spread(prdc.density for prdc in overlap),
        coverage=_spread(prdc.coverage for prdc in overlap),
        expected_coverage=distances.expected_coverage(n, n, k),
        nearest_k=k,
    )


def _spread(values: Any) -> Spread:
    values = tuple(float(value) for value in values)
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0, values)


def _diversity(
    config: Config,
    dataset: Dataset,
    draw: Callable[[jax.Array, Brief], drawing.Images],
    real_draws: drawing.RealDraws | None,
    *,
    within_generated: float | None,
    within_real: float | None,
    n_within: int,
) -> Diversity:
    settings = config.evaluation
    n_briefs, n_draws = settings.diversity_briefs, settings.diversity_draws
    key = jax.random.key(settings.seed)
    brief = drawing.briefs(dataset, key, _DIVERSITY, n_briefs)
    images = draw(drawing.noise_key(key, _DIVERSITY), drawing.repeat(brief, n_draws))
    generated = _pixel_sd(images.reshape(n_briefs, n_draws, *images.shape[1:]))
    if real_draws is None:
        real, reference = within_real, SAME_PRODUCT
    else:
        drawn = drawing.draw_real(real_draws, drawing.noise_key(key, _DIVERSITY), brief, n_draws)
        real, reference = _pixel_sd(drawn), SAME_BRIEF
    return Diversity(
        generated=generated,
        real=real,
        ratio=generated / real if real else None,
        reference=reference,
        n_briefs=n_briefs,
        n_draws=n_draws,
        within_product_generated=within_generated,
        within_product_real=within_real,
        n_within_product=n_within,
    )


def _pixel_sd(images: drawing.Images) -> float:
    """Standard deviation over the second axis of `[B, n, ...]` images, mean over all else, on the scale [-1, 1]."""
    # One brief at a time, as float32 copies of all images would be the peak of the whole evaluation.
    return float(np.mean([(of.astype(np.float32) / np.float32(127.5)).std(axis=0, ddof=1).mean() for of in images]))


def _within_product(images: drawing.Images, product: npt.NDArray[np.int32]) -> float | None:
    """Standard deviation of a pixel over the images of one product, mean over the products with two or more."""
    groups = [images[product == p] for p in np.unique(product)]
    found = [_pixel_sd(group[None]) for group in groups if len(group) > 1]
    return float(np.mean(found)) if found else None


def _copies(
    dataset: Dataset, images: drawing.Images, test: drawing.Images
) -> tuple[distances.Memorisation, ClosestPairs]:
    """Searches the training images for copies: the first `_TRAIN_IMAGES`, fewer if they would exceed `_TRAIN_BYTES`."""
    most = _SIMULATED_TRAIN_IMAGES if dataset.simulated else _TRAIN_IMAGES
    n_train = min(dataset.n_train, most, _TRAIN_BYTES // (4 * dataset.size**2 * dataset.channels))
    train = drawing.stored(dataset.train_images(n_train).image)
    points = _small(train)
    of_images, of_real = (distances.nearest_distances(_small(side), points) for side in (images, test))
    nearest_first = np.argsort(of_images.distance, kind="stable")[:_PAIRS]
    return (
        distances.memorisation(of_images.distance, of_real.distance, len(train)),
        ClosestPairs(images[nearest_first], train[of_images.index[nearest_first]], of_images.distance[nearest_first]),
    )


def _small(images: drawing.Images) -> npt.NDArray[np.float32]:
    """Returns `[N, d]` pixels in [0, 1] at 16 px over sqrt(d): their distance is a root mean square difference."""
    n, height, width, _ = images.shape
    factor = max(1, height // _COPY_SIZE)
    height, width = height // factor * factor, width // factor * factor
    blocks = images[:, :height, :width].reshape(n, height // factor, factor, width // factor, factor, -1)
    pixels = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)
    return pixels / np.float32(255.0 * np.sqrt(pixels.shape[1]))


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
    images, found = [], []
    # One value at a time: the sampler makes noise from key and position, so a row keeps its noise along the sweep.
    for value in values:
        axes: Any = np.asarray(repeated.axes).copy()
        axes[row, axis] = value
        brief = repeated._replace(axes=axes)
        drawn = draw(key, brief)
        images.append(drawn)
        found.append(np.asarray(drawing.read_all(read, drawn).axes, np.float64)[row, axis])
    shape = images[0].shape[1:]
    return (
        np.stack(images, axis=1).reshape(n_products, n_axes, len(values), *shape),
        np.stack(found, axis=1).reshape(n_products, n_axes, len(values)),
    )


def _present(value: Any) -> Any:
    """Makes dataclasses, tuples and dictionaries plain, without entries that are None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: _present(entry) for name, entry in value.items() if entry is not None}
    if isinstance(value, tuple):
        return [_present(entry) for entry in value]
    return value
