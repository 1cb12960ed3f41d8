"""The work for one brief of a design run: draw, choose, judge and write designs, then store the record."""

import dataclasses
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.config import DesignConfig
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import diversity, drawing
from ich_jax.studies.design import briefs, files, open_parts, recipes, result, sketches
from ich_jax.studies.design.designer import Choice, Designer, Job, choose
from ich_jax.studies.design.files import Card
from ich_jax.studies.design.result import BriefResult, Delivered
from ich_jax.training import inspector as inspector_lib
from ich_jax.types import Brief


@dataclasses.dataclass(frozen=True)
class Judging:
    """The inspector that judges delivered designs, and the real images that they are compared with.

    Attributes:
        dataset: The images of the run.
        inspector: The inspector, trained on real images only.
        real_draws: Draws real images of a brief; None if the data set cannot.
    """

    dataset: Dataset
    inspector: inspector_lib.Inspector
    real_draws: drawing.RealDraws | None


def deliver(config: DesignConfig, folder: str, designer: Designer, judging: Judging | None, job: Job) -> BriefResult:
    """Draws, chooses, judges and writes the designs of one job; its record is written last and marks it complete."""
    started = time.perf_counter()
    choice = choose(designer, job, deliver=config.deliver, select=config.select, tolerance=config.tolerance)
    seconds = time.perf_counter() - started
    record = collect(config, designer, judging, choice, seconds)
    names = write_pictures(folder, designer, choice, config)
    if [design.file for design in record.delivered] != names:
        raise AssertionError("records and files must be named by the same function")
    result.save(folder, record)
    return record


def collect(
    config: DesignConfig, designer: Designer, judging: Judging | None, choice: Choice, seconds: float
) -> BriefResult:
    """Has the chosen designs judged and returns the record of a job."""
    job, space, index = choice.job, designer.space, choice.index
    own_readings = result.seen(space, job.brief, choice.reading, config.tolerance)
    judged: list[result.Seen | None] = [None] * (len(index) + 1)
    spread = diversity.pixel_sd(choice.images[None]) if len(index) > 1 and job.chosen else None
    real_spread = None
    if judging is not None:
        brief = drawing.rows(job.brief, np.append(index, 0))
        reading = drawing.read_all(judging.inspector.read, np.concatenate([choice.images, choice.first[None]]))
        judged = list(result.seen(space, brief, reading, config.tolerance))
        if spread is not None and judging.real_draws is not None:
            real_spread = real_images_spread(judging, job.brief, len(index))
    delivered = []
    for rank, i in enumerate(map(int, index)):
        noise = recipes.source(job.recipes[i])
        asked, full = (drawing.rows(brief, slice(i, i + 1)) for brief in (job.brief, job.drawn))
        delivered.append(
            Delivered(
                rank=rank + 1,
                file=name_of(job, rank + 1),
                candidate=i,
                seed=noise.seed,
                noise=noise.index,
                reason=choice.reasons[rank],
                stated=briefs.from_arrays(full, space),
                own=own_readings[i],
                judged=judged[rank],
                open_parts=open_parts.drawn(asked, full, space),
            )
        )
    return BriefResult(
        name=job.name,
        title=job.title,
        stated=job.stated,
        chosen=job.chosen,
        columns=job.columns,
        n_candidates=len(job.recipes),
        n_meeting=int(choice.comparison.meets.sum()),
        refused=result.refused(space, choice.comparison, job.brief),
        delivered=tuple(delivered),
        first=own_readings[0],
        first_judged=judged[-1],
        cloud=result.cloud(choice, space),
        spread=spread,
        real_spread=real_spread,
        seconds=seconds,
    )


def real_images_spread(judging: Judging, brief: Brief, n: int) -> float:
    """Returns the spread of n real images of a brief; parts that it leaves open vary as in the data set."""
    assert judging.real_draws is not None
    key = jax.random.key(0)
    space = judging.dataset.space
    drawn = drawing.on_host(judging.dataset.briefs(jax.random.fold_in(key, 0), n))
    asked = drawing.repeat(drawing.rows(brief, slice(0, 1)), n)
    given = np.asarray(asked.given) > 0
    full = drawn._replace(
        product=jnp.asarray(np.where(given[:, 0], asked.product, drawn.product)),
        elements=jnp.asarray(np.where(given[:, 1 : space.axes_given.start], asked.elements, drawn.elements)),
        axes=jnp.asarray(np.where(given[:, space.axes_given], asked.axes, drawn.axes)),
    )
    images = drawing.draw_real(judging.real_draws, jax.random.fold_in(key, 1), full, 1)
    return diversity.pixel_sd(images[:, 0][None])


def name_of(job: Job, rank: int, suffix: str = "") -> str:
    """Returns the path of a design relative to the work directory."""
    return f"designs/{job.name}_{rank:02d}{suffix}.png"


def write_pictures(folder: str | Path, designer: Designer, choice: Choice, config: DesignConfig) -> list[str]:
    """Writes the designs of a choice at native size and enlarged; existing files are kept.

    Returns:
        Paths of the files of native size, relative to the folder.
    """
    names = []
    for rank, i in enumerate(map(int, choice.index)):
        brief = drawing.rows(choice.job.drawn, slice(i, i + 1))
        card = card_of(designer, choice.job.recipes[i], brief, i, drawing.rows(choice.job.brief, slice(i, i + 1)))
        large = files.enlarge(choice.images[rank], config.print_size, config.resample)
        large_card = dataclasses.replace(card, enlarged=f"{config.resample} {config.print_size}")
        names.append(name_of(choice.job, rank + 1))
        files.write_new(Path(folder) / names[-1], files.encode(choice.images[rank], card))
        files.write_new(Path(folder) / name_of(choice.job, rank + 1, "_print"), files.encode(large, large_card))
    return names


def card_of(
    designer: Designer, recipe: recipes.Recipe, brief: Brief, position: int, asked: Brief | None = None
) -> Card:
    """Returns the card of a design.

    Args:
        designer: The generator that drew it.
        recipe: Recipe of its noise.
        brief: The brief that it was drawn from.
        position: Its position among the candidates.
        asked: The brief that was asked for, without the open parts drawn for this design; None: the same as `brief`.
    """
    model = designer.model
    return Card(
        stated=briefs.from_arrays(brief, designer.space),
        recipe=recipe,
        checkpoint=designer.checkpoint,
        run=f"{model.config.name}, step {model.step}",
        style_strength=designer.strength,
        batch=designer.batch,
        row=position % designer.batch,
        versions=files.versions(),
        sketch=sketches.to_text(brief),
        open_parts=() if asked is None else open_parts.drawn(asked, brief, designer.space),
    )
