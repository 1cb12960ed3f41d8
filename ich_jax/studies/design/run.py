"""A complete design run: checks, then brief by brief, then the page; and the redrawing of a single design."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import logging

from ich_jax import errors, liveness, workdir
from ich_jax.config import DesignConfig
from ich_jax.evaluation import drawing
from ich_jax.report.text import count
from ich_jax.studies import trained
from ich_jax.studies.console import showing
from ich_jax.studies.describe import errors_of
from ich_jax.studies.design import (
    briefs,
    checks,
    delivery,
    figures,
    files,
    open_parts,
    plan,
    reporting,
    result,
    sketches,
)
from ich_jax.studies.design.delivery import Judging
from ich_jax.studies.design.designer import Designer, Job
from ich_jax.studies.design.plan import Request
from ich_jax.training import checkpoint, shipped
from ich_jax.training import inspector as inspector_lib
from ich_jax.training.checkpoint import TrainedModel

_TOLERATED = 2  # grey levels of 255 by which results of other machines and versions may differ


def run(
    config: DesignConfig, folder: str, source: str, request: Request, *, dry_run: bool = False, images: str = ""
) -> None:
    """Designs for the briefs of a request, and reports; prints the summary line.

    Args:
        config: The study.
        folder: Work directory.
        source: Work directory of a training run, or one of its checkpoints; empty: the shipped generator.
        request: What is wanted.
        dry_run: Only check everything and print the planned designs.
        images: Where the images of that run are now; empty: where they were.
    """
    # ---------------- all checks come before anything is drawn or written
    liveness.stage("generator and briefs")
    designer = load(source, config)
    jobs = plan.plan(
        config,
        designer,
        request,
        lambda: trained.load_images(designer.model, source or "the shipped generator", images=images),
    )
    checks.check_size(config, designer)
    checks.check_readable(designer)
    identity = plan.identity(designer, jobs)
    checks.check_folder(config, folder, identity)
    if dry_run:
        describe(config, designer, jobs)
        return
    liveness.stage("inspector")
    judging = load_judging(designer, source, images) if config.judge else None
    workdir.claim(folder, config)
    workdir.write_json(Path(folder) / plan.REQUEST_FILE, identity)
    if request.sketch and (text := sketches.to_text(jobs[0].brief)):
        files.write_new(Path(folder) / "sketch.png", sketches.to_png(sketches.from_text(text)))

    # ---------------- brief by brief
    liveness.keeps(f"finished briefs in {folder} are kept, and the same command resumes")
    jobs = fill(config, designer, judging, source, jobs, images)
    unfinished = [job for job in jobs if result.load(folder, job.name) is None]
    if unfinished:
        liveness.stage("compiling the programs that draw and read")
        designer.warm(unfinished[0].brief)
    with showing(len(jobs), live=config.progress) as show:
        for i, job in enumerate(jobs):
            if result.load(folder, job.name) is None:
                delivery.deliver(config, folder, designer, judging, job)
            show(job.title, i + 1)

    # ---------------- sheets and page
    liveness.stage("sheets and page")
    reporting.report(config, folder, designer, judging, jobs)


def redraw(config: DesignConfig, source: str, file: str, folder: str = "") -> None:
    """Draws a design again from the card in its file, and compares the pixels.

    Args:
        config: The study; style strength and batch are replaced by those of the card.
        source: Folder of the run; empty: the shipped generator.
        file: The design.
        folder: Receives the redrawn design as `redrawn/NAME`; empty: the design is only compared.

    Raises:
        DataError: The file contains no card, or pixels differ by more than 2 of 255.
        CheckpointError: Another checkpoint drew the design.
    """
    liveness.stage("generator and design")
    image, card = files.decode(file)
    config = dataclasses.replace(config, style_strength=card.style_strength, batch=card.batch)
    designer = load(source, config)
    plan.check_same(designer, card, file)
    drawn = files.enlarged_as(card, designer.redraw(card.recipe, card.brief(designer.space), card.row))
    if drawn.shape != image.shape:
        raise errors.DataError(
            f"{file} has {image.shape[1]} x {image.shape[0]} pixels; the design was made with "
            f"{drawn.shape[1]} x {drawn.shape[0]}."
        )
    difference = int(np.abs(drawn.astype(np.int16) - image).max())
    current = files.versions()
    changed = [
        f"{name} {card.versions.get(name)}, now {version}"
        for name, version in current.items()
        if card.versions.get(name) != version
    ]
    if folder:
        files.write_new(Path(folder) / "redrawn" / Path(file).name, files.encode(drawn, card))
    if difference > _TOLERATED:
        raise errors.DataError(
            f"{file} drawn again differs by up to {difference} of 255: its pixels were changed after it was drawn"
            f"{', or other versions draw it differently (' + '; '.join(changed) + ')' if changed else ''}."
        )
    reason = f" (drawn with {'; '.join(changed)})" if changed else " (drawn on another machine)"
    print("All pixels are identical." if not difference else f"Pixels differ by at most {difference} of 255{reason}.")
    print(f"summary: max_difference={difference} identical={difference == 0}", flush=True)


def list_space(source: str) -> None:
    """Prints the parts that briefs of a run can state."""
    print(briefs.describe_space(load_model(source).space), flush=True)


# ---------------------------------------------------------------- inputs of a run


def load(source: str, config: DesignConfig) -> Designer:
    """Loads a trained run.

    Raises:
        CheckpointError: There is no good checkpoint.
        WorkdirError: The folder is no work directory.
    """
    return Designer(load_model(source), config.style_strength, config.batch)


def load_model(source: str) -> TrainedModel:
    """Loads a run from its folder, or the shipped generator if no folder is named.

    Raises:
        CheckpointError: There is no good checkpoint.
        WorkdirError: The folder is no work directory.
    """
    return checkpoint.restore_for_inference(source) if source else shipped.load()


def load_judging(designer: Designer, source: str, images: str = "") -> Judging:
    """Loads the images of the run and its inspector.

    Raises:
        DataError: The images cannot be read.
        CheckpointError: The generator was trained on other images.
    """
    model = designer.model
    try:
        dataset = trained.load_images(
            model, source or "the shipped generator", ", or design without an inspector: --config.judge=False", images
        )
    except errors.DataError as error:
        raise errors.DataError(
            f"The inspector needs the images that {source or 'the shipped generator'} was trained on: {error} "
            "To design without an inspector, set --config.judge=False."
        ) from error
    inspector = inspector_lib.get(model.config, dataset)
    logging.info("The inspector (%s) on real images: %s", inspector.source, errors_of(inspector.report))
    return Judging(dataset, inspector, drawing.make_real_draws(dataset))


def fill(
    config: DesignConfig,
    designer: Designer,
    judging: Judging | None,
    source: str,
    jobs: tuple[Job, ...],
    images: str = "",
) -> tuple[Job, ...]:
    """Draws the open parts of briefs for each candidate if the config says so and the run's images are available."""
    if config.open_parts != "drawn" or not any(open_parts.fillable(designer.space, job) for job in jobs):
        return jobs
    try:
        name = source or "the shipped generator"
        dataset = judging.dataset if judging else trained.load_images(designer.model, name, images=images)
    except errors.IchJaxError as error:
        logging.warning(
            "Parts that briefs leave open are not drawn for each candidate, since that needs the run's images, which "
            "cannot be used (%s) Set --config.open_parts=open to leave them open without this warning.", error,
        )  # fmt: skip
        return jobs
    pool = open_parts.draw_pool(dataset)
    return tuple(pool.fill(job) for job in jobs)


def describe(config: DesignConfig, designer: Designer, jobs: Sequence[Job]) -> None:
    """Prints the jobs of a run: the designs that would be drawn."""
    model = designer.model
    print(f"generator {model.config.name}, step {model.step:,}, {model.size} px; SHA-256 {designer.checkpoint[:16]}")
    print(f"print {figures.size_on_paper(plan.print_side(config, designer), config.dpi)}")
    for job in jobs:
        n = len(job.recipes)
        size = f"up to {config.deliver} of {count(n, 'candidate')}" if job.chosen else count(n, "design")
        print(f"{job.name}  {size}: {job.title}")
    print(f"summary: n_briefs={len(jobs)} n_candidates={sum(len(job.recipes) for job in jobs)}", flush=True)
