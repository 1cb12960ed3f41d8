"""Candidates drawn, read by the run's own discriminator, and chosen; nothing here asks the inspector."""

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
    """A trained generator with its discriminator's reading head, in batches of one shape.

    Attributes:
        model: Parameters, config and design space.
        strength: Style strength.
        batch: Designs per call. On the same machine a design's bits depend on it and on the design's row at most.
    """

    model: TrainedModel
    strength: float = 1.0
    batch: int = 64

    @property
    def space(self) -> DesignSpace:
        """What briefs can ask for."""
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
        """Draws one design where it stood in its call, `[H, W, C]` uint8.

        Args:
            recipe: Of its noise.
            brief: One brief.
            row: Its row, below `batch`.
        """
        noise = recipes.noise([recipe], self.model.config.generator.z_dim)
        return self.draw(np.repeat(noise, self.batch, axis=0), drawing.repeat(drawing.on_host(brief), self.batch))[row]

    def read(self, images: Images) -> tuple[Reading, npt.NDArray[np.float32]]:
        """Returns what the run's own discriminator reads off N images, and its features `[N, F]`.

        Raises:
            CheckpointError: It has no trained reading head.
        """
        found: tuple[Reading, npt.NDArray[np.float32]] = self._in_batches(
            lambda chunk: drawing.on_host(self._read(self.model.d_params, chunk)), images
        )
        return found

    def warm(self, brief: Brief) -> None:
        """Compiles both programs for briefs like these, so that what is timed afterwards is drawing and reading."""
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
    """Candidates for one brief, or designs that are delivered as they are asked for.

    Attributes:
        name: Stem of the files.
        title: What is asked for, in words.
        stated: What the brief states; of designs whose briefs differ, what that of the first does.
        brief: What is asked of N candidates, as numpy arrays; they are compared with it.
        recipes: Of their noise, N.
        chosen: Whether candidates are chosen from; otherwise all are delivered in order.
        labels: What each is, where all are delivered; N, or none.
        columns: Designs in a row of the sheet; 0: as many as there is room for.
        filled: The same with the parts that are left open drawn for each candidate; None: they stay open.
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
    """What was chosen of the candidates of a job.

    Attributes:
        job: The job.
        images: `[K, H, W, C]` uint8, the designs in the order of their ranks.
        index: `[K]`, their positions among the N candidates.
        reasons: Why each was taken, K.
        reading: What the run's own reading head reads off the N candidates.
        comparison: That against the briefs.
        features: `[N, F]`.
        first: `[H, W, C]` uint8, the candidate that was drawn first: what there would be without choosing.
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
    """Draws the candidates of a job, reads them, and takes those that meet the brief by the rule.

    Args:
        designer: Draws and reads.
        job: The candidates.
        deliver: How many to take, at most.
        select: See `evaluation.selection.choose`.
        tolerance: Largest error of a stated axis.
        criteria: `[N, M]` further figures of the candidates of which lower is better, or a function that returns them
            for the images `[N, H, W, C]` uint8; see `evaluation.selection.choose`.

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
        weigh = criteria(images) if callable(criteria) else criteria
        if weigh is not None and np.shape(weigh)[:1] != (len(images),):
            raise errors.DataError(
                f"criteria: expected a row for each of {len(images)} candidates, got shape {np.shape(weigh)}."
            )
        taken = selection.choose(select, deliver, comparison.meets, comparison.total, features, weigh)
        index = taken.index
        reasons = _reasons(select, index, taken.distance)
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
