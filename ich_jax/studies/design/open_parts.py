"""Parts that a brief leaves open, drawn anew for each candidate.

A generator that is asked for "a fan" draws an average of the fans in its data; asked for a wide, indigo fan, it draws
that one. So each candidate gets its own brief: the parts that were asked for, and all others as in a real image of the
run. Candidates are still compared only with the parts that were asked for.
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

_POOL = 4096  # briefs of the data set that are searched for those like the given brief
_NEAREST = 256  # nearest briefs of the pool, from which a candidate may take its open parts
_STREAM = 1 << 63  # keeps the choice of a brief independent of the noise of the same seed and index


@dataclasses.dataclass(frozen=True)
class OpenParts:
    """Briefs of real images, from which candidates take the parts that their brief leaves open.

    Attributes:
        pool: Briefs of M images as numpy arrays.
        space: Design space, which gives the meaning of the entries of `given`.
    """

    pool: Brief
    space: DesignSpace

    def fill(self, job: Job) -> Job:
        """Gives each candidate of a job a brief without open parts, as far as the data set knows them.

        All open parts of a candidate come from one image, so that parts that belong together stay together. It is one
        of the images that share most categories with the brief, the product before all others, and depends only on the
        seed and index of the candidate's noise. Briefs with a sketch are not changed, nor are variations of designs and
        paths between them.
        """
        if not fillable(self.space, job):
            return job
        given = np.asarray(job.brief.given) > 0
        nearest: dict[bytes, npt.NDArray[np.int64]] = {}
        rows = []
        for n, recipe in enumerate(job.recipes):
            brief = drawing.rows(job.brief, slice(n, n + 1))
            # Briefs of a sweep differ only in axes, which this comparison ignores: each noise keeps its image.
            key = np.concatenate([np.asarray(brief.product), np.asarray(brief.elements)[0], given[n]]).tobytes()
            if key not in nearest:
                nearest[key] = self._nearest(brief)
            rows.append(nearest[key][_number(recipe, len(nearest[key]))])
        return complete(job, drawing.rows(self.pool, np.array(rows)))

    def _nearest(self, brief: Brief) -> npt.NDArray[np.int64]:
        """Returns the rows of the pool that share most categories with one brief; ties keep their order."""
        n_elements = len(self.space.elements)
        codes = np.concatenate([np.asarray(brief.product)[:, None], np.asarray(brief.elements)], axis=1)[0]
        pool = np.concatenate([np.asarray(self.pool.product)[:, None], np.asarray(self.pool.elements)], axis=1)
        stated = np.asarray(brief.given)[0, : 1 + n_elements] > 0
        weight = np.array([1 + n_elements, *[1] * n_elements])
        shared = ((pool == codes) & stated) @ weight
        return np.argsort(-shared, kind="stable")[:_NEAREST]


def fillable(space: DesignSpace, job: Job) -> bool:
    """Returns whether a job has open parts that may be drawn."""
    given = np.asarray(job.brief.given)[:, : space.axes_given.stop] > 0
    # A sketch already shows the shape; parts drawn in addition could contradict it.
    return (
        job.brief.sketch is None
        and not given.all()
        and all(isinstance(recipe, recipes.Noise) for recipe in job.recipes)
    )


def complete(job: Job, briefs: Brief) -> Job:
    """Returns a job whose N designs take their open parts, sketches excepted, from N other briefs."""
    asked, given = job.brief, np.asarray(job.brief.given)
    n_elements, n_axes = np.asarray(asked.elements).shape[1], np.asarray(asked.axes).shape[1]
    parts = slice(0, 1 + n_elements + n_axes)
    known = given[:, parts] > 0
    merged = given.copy()
    merged[:, parts] = np.maximum(given[:, parts], np.asarray(briefs.given)[:, parts])
    known_elements, known_axes = known[:, 1 : 1 + n_elements], known[:, 1 + n_elements :]
    filled = asked._replace(
        product=np.where(known[:, 0], asked.product, briefs.product),  # type: ignore[arg-type]  # a numpy array
        elements=np.where(known_elements, asked.elements, briefs.elements),  # type: ignore[arg-type]
        axes=np.where(known_axes, asked.axes, briefs.axes),  # type: ignore[arg-type]
        given=merged,  # type: ignore[arg-type]
    )
    return dataclasses.replace(job, filled=filled)


def drawn(asked: Brief, brief: Brief, space: DesignSpace) -> tuple[str, ...]:
    """Returns the names of parts that the first row of `brief` states and the first row of `asked` leaves open."""
    names = ("product", *(element.name for element in space.elements), *space.axes)
    new = (np.asarray(brief.given)[0] > 0) & ~(np.asarray(asked.given)[0] > 0)
    return tuple(name for name, is_new in zip(names, new, strict=False) if is_new)


def draw_pool(dataset: Dataset) -> OpenParts:
    """Draws the pool of briefs of a data set, always with the same key."""
    return OpenParts(drawing.on_host(dataset.briefs(jax.random.key(0), _POOL)), dataset.space)


def _number(recipe: recipes.Recipe, n: int) -> int:
    noise = recipes.source(recipe)
    key = np.array([noise.seed, _STREAM + noise.index], np.uint64)
    return int(np.random.Generator(np.random.Philox(key=key)).integers(n))
