"""Candidates are drawn, read by the run's own discriminator, and chosen; the inspector takes no part."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.data import pipeline
from ich_jax.evaluation import drawing, selection
from ich_jax.evaluation.drawing import Images
from ich_jax.studies.design import recipes
from ich_jax.studies.design.recipes import Recipe
from ich_jax.training import sampling
from ich_jax.training import state as state_lib
from ich_jax.training.checkpoint import TrainedModel
from ich_jax.types import Array, Brief, DesignSpace, Params, PyTree, Reading


@dataclasses.dataclass(frozen=True)
class Designer:
    """A trained generator with its discriminator's reading head, called with batches of one shape.

    Attributes:
        model: Parameters, config and design space.
        strength: Style strength.
        batch: Designs per call. On one machine the bits of a design may depend on it and on the row of the design.
    """

    model: TrainedModel
    strength: float = 1.0
    batch: int = 64

    @property
    def space(self) -> DesignSpace:
        """Design space of the run."""
        return self.model.space

    @functools.cached_property
    def checkpoint(self) -> str:
        """SHA-256 of the parameters that designs are drawn with."""
        return state_lib.sha256(self.model.ema_params)

    @functools.cached_property
    def _draw(self) -> Callable[[Params, Array, Brief], tuple[jax.Array, jax.Array]]:
        model = self.model
        evaluation = dataclasses.replace(model.config.evaluation, style_strength=self.strength)
        config = dataclasses.replace(model.config, evaluation=evaluation)
        draw = sampling.make_draw(config, model.spec)

        @jax.jit
        def quantised(params: Params, z: jax.Array, brief: Brief) -> tuple[jax.Array, jax.Array]:
            images = draw(params, z, brief)
            return pipeline.to_uint8(images), jnp.all(jnp.isfinite(images))

        return quantised

    @functools.cached_property
    def _read(self) -> Callable[[Params, Images], tuple[Reading, jax.Array]]:
        read = sampling.make_read(self.model.config, self.model.space)
        return jax.jit(lambda params, images: read(params, pipeline.to_unit(images)))

    def draw(self, noise: npt.NDArray[np.float32], brief: Brief) -> Images:
        """Draws N designs, `[N, H, W, C]` uint8; design n is row n % batch of its call.

        Args:
            noise: `[N, z_dim]`.
            brief: Of N designs, as numpy arrays.

        Raises:
            DataError: A pixel is not finite.
        """

        def call(chunk: tuple[npt.NDArray[np.float32], Brief]) -> Images:
            images, finite = self._draw(self.model.ema_params, *chunk)
            if not finite:
                raise errors.DataError(
                    "The generator drew pixels that are not finite: its weights are damaged or training diverged. Take "
                    "an earlier checkpoint."
                )
            return np.asarray(images)

        drawn: Images = self._in_batches(call, (noise, brief))
        return drawn

    def redraw(self, recipe: Recipe, brief: Brief, row: int) -> Images:
        """Draws one design at its original row of the call, `[H, W, C]` uint8.

        Args:
            recipe: Recipe of its noise.
            brief: One brief.
            row: Row of the design in its call, below `batch`.
        """
        noise = recipes.noise([recipe], self.model.config.generator.z_dim)
        return self.draw(np.repeat(noise, self.batch, axis=0), drawing.repeat(drawing.on_host(brief), self.batch))[row]

    def read(self, images: Images) -> tuple[Reading, npt.NDArray[np.float32]]:
        """Returns the readings of N images by the run's own discriminator, and its features `[N, F]`.

        Raises:
            CheckpointError: The discriminator has no trained reading head.
        """
        readings: tuple[Reading, npt.NDArray[np.float32]] = self._in_batches(
            lambda chunk: drawing.on_host(self._read(self.model.d_params, chunk)), images
        )
        return readings

    def warm(self, brief: Brief) -> None:
        """Compiles both programs for briefs of this form, so that later timings measure drawing and reading only."""
        noise = np.zeros((1, self.model.config.generator.z_dim), np.float32)
        self.read(self.draw(noise, drawing.rows(drawing.on_host(brief), slice(1))))

    def _in_batches(self, function: Callable[[PyTree], PyTree], tree: PyTree) -> PyTree:
        n = len(jax.tree.leaves(tree)[0])
        starts = range(0, n, self.batch)
        parts = [
            function(drawing.rows(tree, np.minimum(np.arange(start, start + self.batch), n - 1))) for start in starts
        ]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:n], *parts)


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """Candidates for one brief, or a list of designs that are all delivered.

    Attributes:
        name: Stem of the file names.
        title: The request in words.
        stated: Parts that the brief states; if briefs differ among the designs, those of the first.
        brief: Briefs of N candidates as numpy arrays, with which the candidates are compared.
        recipes: Recipes of their noise, N.
        chosen: Whether some of the candidates are chosen; otherwise all are delivered in order.
        labels: Description of each design if all are delivered; N of them, or none.
        columns: Designs in a row of the sheet; 0: as many as there is room for.
        filled: The briefs with open parts drawn for each candidate; None: open parts stay open.
    """

    name: str
    title: str
    stated: tuple[tuple[str, str | float], ...]
    brief: Brief
    recipes: tuple[Recipe, ...]
    chosen: bool = True
    labels: tuple[str, ...] = ()
    columns: int = 0
    filled: Brief | None = None

    @property
    def drawn(self) -> Brief:
        """The briefs that the N candidates are drawn from."""
        return self.brief if self.filled is None else self.filled


@dataclasses.dataclass(frozen=True)
class Choice:
    """The designs chosen among the candidates of a job.

    Attributes:
        job: The job.
        images: `[K, H, W, C]` uint8, the chosen designs in order of rank.
        index: `[K]`, their positions among the N candidates.
        reasons: Reason for each choice, K.
        reading: Readings of the N candidates by the run's own reading head.
        comparison: Comparison of these readings with the briefs.
        features: `[N, F]`, features of the candidates.
        first: `[H, W, C]` uint8, the candidate drawn first: the baseline without selection.
    """

    job: Job
    images: Images
    index: npt.NDArray[np.int64]
    reasons: tuple[str, ...]
    reading: Reading
    comparison: selection.Comparison
    features: npt.NDArray[np.float32]
    first: Images


def choose(
    designer: Designer,
    job: Job,
    *,
    deliver: int,
    select: str,
    tolerance: float,
    criteria: npt.ArrayLike | Callable[[Images], npt.ArrayLike] | None = None,
) -> Choice:
    """Draws and reads the candidates of a job, and applies the rule to those that meet the brief.

    Args:
        designer: The generator with its reading head.
        job: The candidates.
        deliver: Largest number of designs to choose.
        select: The rule; see `evaluation.selection.choose`.
        tolerance: Largest allowed error of a stated axis.
        criteria: `[N, M]` further criteria of the candidates, lower is better, or a function that returns them for the
            images `[N, H, W, C]` uint8; see `evaluation.selection.choose`.

    Raises:
        CheckpointError: The run has no trained reading head.
        DataError: The criteria are not `[N, M]` finite numbers.
    """
    noise = recipes.noise(job.recipes, designer.model.config.generator.z_dim)
    images = designer.draw(noise, job.drawn)
    reading, features = designer.read(images)
    comparison = selection.compare(job.brief, reading, tolerance)
    if not job.chosen:
        index = np.arange(len(images))
        reasons = job.labels or ("asked for",) * len(images)
    else:
        values = criteria(images) if callable(criteria) else criteria
        if values is not None and np.shape(values)[:1] != (len(images),):
            raise errors.DataError(
                f"criteria: expected a row for each of {len(images)} candidates, got shape {np.shape(values)}."
            )
        selected = selection.choose(select, deliver, comparison.meets, comparison.total, features, values)
        index = selected.index
        reasons = _reasons(select, index, selected.distance)
    return Choice(job, images[index], index, reasons, reading, comparison, features, images[0])


def _reasons(select: str, index: npt.NDArray[np.int64], distance: npt.NDArray[np.float64]) -> tuple[str, ...]:
    if select == "first":
        return tuple(f"number {i + 1} of those that meet the brief" for i in range(len(index)))
    if select == "best":
        return tuple(f"number {i + 1} in closeness to the brief" for i in range(len(index)))
    return tuple(
        "closest to the brief" if np.isnan(gap) else f"least like those before it (distance {gap:.3g})"
        for gap in distance
    )
