"""Choosing for a notebook: the steps of a design run for one brief, without a work directory."""

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
        images: `[K, H, W, C]` uint8, by rank.
        result: Candidates, readings and reasons of each; what the inspector reads is left out.
        choice: The candidates themselves.
        designer: What drew them.
        config: By which rules.
    """

    images: Images
    result: BriefResult
    choice: Choice
    designer: Designer
    config: DesignConfig

    def __repr__(self) -> str:
        """Says what was chosen of how many."""
        found = self.result
        return (
            f"Chosen({found.title}: {len(self.images)} designs of {found.n_meeting} that meet it, "
            f"{found.n_candidates} candidates)"
        )


def choose(
    model: TrainedModel,
    brief: Brief,
    config: DesignConfig,
    criteria: npt.ArrayLike | Callable[[Images], npt.ArrayLike] | None = None,
    images: Dataset | None = None,
) -> Chosen:
    """Draws candidates for one brief and takes some; see `ich_jax.choose`.

    Args:
        model: The generator.
        brief: One brief.
        config: By which rules.
        criteria: See `ich_jax.choose`.
        images: The images of the run, from which open parts are drawn; those of the renderer need not be given.

    Raises:
        ConfigError: There are several briefs, or it holds a number that stands for no category.
        CheckpointError: The run trained no reading head.
    """
    if len(np.asarray(brief.product)) != 1:
        raise errors.ConfigError(f"brief: got {len(np.asarray(brief.product))} briefs; choose takes one at a time.")
    model.space.check(brief)
    draws = Designer(model, config.style_strength, config.batch)
    checks.check_readable(draws)
    (asked,) = briefs.named([Asked("", briefs.from_arrays(brief, model.space), brief)])
    job = plan.brief_job(config, asked)
    if config.open_parts == "drawn" and open_parts.fillable(model.space, job):
        if images is None and model.config.data.source == "procedural":
            images = make.make(model.config.data, seed=model.config.seed)
        job = job if images is None else open_parts.of(images).fill(job)
    choice = designer.choose(
        draws,
        job,
        deliver=config.deliver,
        select=config.select,
        tolerance=config.tolerance,
        criteria=criteria,
    )
    return Chosen(choice.images, delivery.collect(config, draws, None, choice, 0.0), choice, draws, config)


def save(chosen: Chosen, folder: str | Path) -> list[Path]:
    """Writes the designs of a choice and their sheet; see `ich_jax.save`.

    Raises:
        WorkdirError: A file cannot be written, or the folder holds designs of another choice.
    """
    folder = Path(folder)
    job = chosen.choice.job
    identity = plan.identity(chosen.designer, (job,))
    # Which were taken may depend on criteria, which no config holds.
    identity["jobs"][job.name] = config_lib.fingerprint([identity["jobs"][job.name], chosen.choice.index.tolist()])
    checks.check_folder(chosen.config, str(folder), identity)
    workdir.claim(folder, chosen.config)
    workdir.write_json(folder / plan.REQUEST_FILE, identity)
    names = delivery.write_pictures(folder, chosen.designer, chosen.choice, chosen.config)
    sheet = figures.brief_sheet(chosen.result, chosen.images)
    if sheet is not None:
        files.write_new(folder / "sheet.png", sheet.data)
    return [folder / name for name in names]
