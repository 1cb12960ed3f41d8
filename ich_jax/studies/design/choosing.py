"""Designs for one brief in a notebook: the steps of a design run without a work directory."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.config import DesignConfig
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation.drawing import Images
from ich_jax.studies.design import briefs, checks, delivery, designer, figures, files, open_parts, plan
from ich_jax.studies.design.briefs import Asked
from ich_jax.studies.design.designer import Choice, Designer
from ich_jax.studies.design.result import BriefResult
from ich_jax.training.checkpoint import TrainedModel
from ich_jax.types import Brief


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Designs chosen for one brief.

    Attributes:
        images: `[K, H, W, C]` uint8, in order of rank.
        result: Candidates, readings and reasons, without readings of the inspector.
        choice: The candidates and their readings.
        designer: The generator that drew the candidates.
        config: Rules of the choice.
    """

    images: Images
    result: BriefResult
    choice: Choice
    designer: Designer
    config: DesignConfig

    def __repr__(self) -> str:
        """Gives the numbers of designs, of candidates that meet the brief, and of all candidates."""
        result = self.result
        return (
            f"Chosen({result.title}: {len(self.images)} designs of {result.n_meeting} that meet it, "
            f"{result.n_candidates} candidates)"
        )


def choose(
    model: TrainedModel,
    brief: Brief,
    config: DesignConfig,
    criteria: npt.ArrayLike | Callable[[Images], npt.ArrayLike] | None = None,
    images: Dataset | None = None,
) -> Chosen:
    """Draws candidates for one brief and chooses among them; see `ich_jax.choose`.

    Args:
        model: The generator.
        brief: One brief.
        config: Rules of the choice.
        criteria: See `ich_jax.choose`.
        images: The images of the run, from which open parts are drawn; not needed for runs on images of the renderer.

    Raises:
        ConfigError: There are several briefs, or the brief holds a code without a category.
        CheckpointError: The run trained no reading head.
    """
    if len(np.asarray(brief.product)) != 1:
        raise errors.ConfigError(f"brief: got {len(np.asarray(brief.product))} briefs; choose takes one at a time.")
    model.space.check(brief)
    generator = Designer(model, config.style_strength, config.batch)
    checks.check_readable(generator)
    (asked,) = briefs.named([Asked("", briefs.from_arrays(brief, model.space), brief)])
    job = plan.brief_job(config, asked)
    if config.open_parts == "drawn" and open_parts.fillable(model.space, job):
        if images is None and model.config.data.source == "procedural":
            images = make.make(model.config.data, seed=model.config.seed)
        job = job if images is None else open_parts.draw_pool(images).fill(job)
    choice = designer.choose(
        generator,
        job,
        deliver=config.deliver,
        select=config.select,
        tolerance=config.tolerance,
        criteria=criteria,
    )
    return Chosen(choice.images, delivery.collect(config, generator, None, choice, 0.0), choice, generator, config)


def save(chosen: Chosen, folder: str | Path) -> list[Path]:
    """Writes the designs of a choice and their sheet; see `ich_jax.save`.

    Raises:
        WorkdirError: A file cannot be written, or the folder holds designs of another choice.
    """
    folder = Path(folder)
    job = chosen.choice.job
    identity = plan.identity(chosen.designer, (job,))
    # The choice may depend on criteria, which are not part of any config.
    identity["jobs"][job.name] = config_lib.fingerprint([identity["jobs"][job.name], chosen.choice.index.tolist()])
    checks.check_folder(chosen.config, str(folder), identity)
    workdir.claim(folder, chosen.config)
    workdir.write_json(folder / plan.REQUEST_FILE, identity)
    names = delivery.write_pictures(folder, chosen.designer, chosen.choice, chosen.config)
    sheet = figures.brief_sheet(chosen.result, chosen.images)
    if sheet is not None:
        files.write_new(folder / "sheet.png", sheet.data)
    return [folder / name for name in names]
