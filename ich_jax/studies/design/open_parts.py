"""Parts that a brief leaves open, drawn anew for each candidate.

A generator that is asked for "a fan" draws a mean of the fans it knows; asked for a round fan, three palettes long, it
draws that. So each candidate gets a brief of its own: what was asked for, and for the rest what a real image of the run
has. Candidates are still compared with what was asked for alone.
"""

import dataclasses

import jax
import numpy as np
import numpy.typing as npt

from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import drawing
from ich_jax.studies.design import recipes
from ich_jax.studies.design.designer import Job
from ich_jax.types import Brief, DesignSpace

_POOL = 4096  # briefs of the set among which those like the brief are looked for
_NEAREST = 256  # of them, those that a candidate may take its open parts from
_STREAM = 1 << 63  # separates the choice of a brief from the noise of the same seed and index


@dataclasses.dataclass(frozen=True)
class OpenParts:
    """Briefs of real images, from which candidates take what their brief leaves open.

    Attributes:
        pool: Of M images, as numpy arrays.
        space: Which entry of `given` is what.
    """

    pool: Brief
    space: DesignSpace

    def fill(self, job: Job) -> Job:
        """Gives each candidate of a job a brief without open parts, as far as the set knows them.

        What is taken comes from one image of those that share most categories with the brief, its product first, so
        that parts that belong together stay together. Which one depends on the seed and index of the candidate's noise
        alone. Briefs with a sketch stay as they are, and so do variations of designs and paths between them.
        """
        if not fillable(self.space, job):
            return job
        given = np.asarray(job.brief.given) > 0
        nearest: dict[bytes, npt.NDArray[np.int64]] = {}
        rows = []
        for n, recipe in enumerate(job.recipes):
            one = drawing.rows(job.brief, slice(n, n + 1))
            # Briefs of a sweep differ in axes only, by which images are not compared: one noise keeps its image.
            key = np.concatenate([np.asarray(one.product), np.asarray(one.elements)[0], given[n]]).tobytes()
            if key not in nearest:
                nearest[key] = self._nearest(one)
            rows.append(nearest[key][_number(recipe, len(nearest[key]))])
        return complete(job, drawing.rows(self.pool, np.array(rows)))

    def _nearest(self, brief: Brief) -> npt.NDArray[np.int64]:
        """Returns the rows of the pool that share most with one brief, ties in their order."""
        n_elements = len(self.space.elements)
        codes = np.concatenate([np.asarray(brief.product)[:, None], np.asarray(brief.elements)], axis=1)[0]
        pool = np.concatenate([np.asarray(self.pool.product)[:, None], np.asarray(self.pool.elements)], axis=1)
        stated = np.asarray(brief.given)[0, : 1 + n_elements] > 0
        weight = np.array([1 + n_elements, *[1] * n_elements])
        shared = ((pool == codes) & stated) @ weight
        return np.argsort(-shared, kind="stable")[:_NEAREST]


def fillable(space: DesignSpace, job: Job) -> bool:
    """Returns whether a job leaves parts open that may be drawn."""
    given = np.asarray(job.brief.given)[:, : space.axes_given.stop] > 0
    # A sketch shows the shape, which parts that are drawn beside it could contradict.
    return (
        job.brief.sketch is None
        and not given.all()
        and all(isinstance(recipe, recipes.Noise) for recipe in job.recipes)
    )


def complete(job: Job, briefs: Brief) -> Job:
    """Returns a job whose N designs take what they leave open from N other briefs, but for sketches."""
    asked, given = job.brief, np.asarray(job.brief.given)
    n_elements, n_axes = np.asarray(asked.elements).shape[1], np.asarray(asked.axes).shape[1]
    parts = slice(0, 1 + n_elements + n_axes)
    known = given[:, parts] > 0
    merged = given.copy()
    merged[:, parts] = np.maximum(given[:, parts], np.asarray(briefs.given)[:, parts])
    of_elements, of_axes = known[:, 1 : 1 + n_elements], known[:, 1 + n_elements :]
    filled = asked._replace(
        product=np.where(known[:, 0], asked.product, briefs.product),  # type: ignore[arg-type]  # numpy is welcome
        elements=np.where(of_elements, asked.elements, briefs.elements),  # type: ignore[arg-type]
        axes=np.where(of_axes, asked.axes, briefs.axes),  # type: ignore[arg-type]
        given=merged,  # type: ignore[arg-type]
    )
    return dataclasses.replace(job, filled=filled)


def drawn(asked: Brief, brief: Brief, space: DesignSpace) -> tuple[str, ...]:
    """Returns the names of what the first of `brief` states and the first of `asked` leaves open."""
    names = ("product", *(element.name for element in space.elements), *space.axes)
    new = (np.asarray(brief.given)[0] > 0) & ~(np.asarray(asked.given)[0] > 0)
    return tuple(name for name, is_new in zip(names, new, strict=False) if is_new)


def of(dataset: Dataset) -> OpenParts:
    """Draws the pool of a set; it is always the same one."""
    return OpenParts(drawing.on_host(dataset.briefs(jax.random.key(0), _POOL)), dataset.space)


def _number(recipe: recipes.Recipe, n: int) -> int:
    noise = recipes.source(recipe)
    key = np.array([noise.seed, _STREAM + noise.index], np.uint64)
    return int(np.random.Generator(np.random.Philox(key=key)).integers(n))
