"""A training run as a whole: images, inspector, training, judging, page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from absl import logging

from ich_jax import liveness, lock, workdir
from ich_jax.config import Config
from ich_jax.data import make
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import design_sheets, designs, drawing, validation
from ich_jax.evaluation.drawing import make_real_draws
from ich_jax.models import networks
from ich_jax.report import provenance
from ich_jax.report import sheets as image_sheets
from ich_jax.studies.console import keep_compiled_programs, shown
from ich_jax.studies.describe import describe, errors_of
from ich_jax.studies.train import page as train_page
from ich_jax.training import checkpoint, checks, formulation, loop, parallel, sampling
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.types import PyTree

_SHEET_ROWS, _SHEET_COLUMNS = 4, 8


def run(config: Config, folder: str, *, init_from: str = "", stop_after: int = 0) -> int | None:
    """Trains, judges and reports; prints the summary line unless it was stopped.

    Returns:
        The signal that stopped it, if one did.

    Raises:
        IchJaxError: Something cannot be used, or another process holds the work directory.
    """
    with lock.hold(parallel.process_folder(folder)):
        return _run(config, folder, init_from=init_from, stop_after=stop_after)


def _run(config: Config, folder: str, *, init_from: str, stop_after: int) -> int | None:
    if config.compute.compilation_cache:
        keep_compiled_programs()

    # ---------------- images, judge
    liveness.stage("images")
    designs.check(config)
    dataset = make.make(config.data, seed=config.seed)
    checks.check(config, folder, dataset, init_from=init_from)
    describe(config, dataset)
    process_folder = parallel.process_folder(folder)
    workdir.claim(process_folder, config, {"data.path": dataset.fingerprint})
    parallel.wait_for_all("the work directory is claimed")
    liveness.stage("inspector")
    inspector = inspector_lib.get(config, dataset, process_folder)
    logging.info("The inspector (%s) on real images: %s", inspector.source, errors_of(inspector.report))

    # ---------------- train
    liveness.stage("choice of how convolutions are computed")
    liveness.keeps(f"checkpoints in {folder} are kept, and the same command resumes")
    form = formulation.choose(config, process_folder).form
    sampler = sampling.make_sampler(config, dataset.spec, form)
    real_draws = make_real_draws(dataset)
    validate = validation.make_validate(config, dataset, sampler, inspector.read, real_draws=real_draws)
    result = loop.train(
        config,
        folder,
        dataset,
        validate=lambda state: validate(state.ema_params),
        sample_sheet=make_sample_sheet(config, dataset, sampler, process_folder / "samples"),
        init_from=init_from,
        stop_after=stop_after,
    )
    if result.stopped or result.signal is not None:
        print(f"Stopped at step {result.steps} of {config.train.steps}. Give the same command again to resume.")
        return result.signal

    # ---------------- judge the checkpoint that validated best, on briefs that had no part in choosing it
    model = checkpoint.restore_for_inference(folder)
    if process_folder == Path(folder):  # the first process of several reports for all
        report(config, folder, dataset, sampler, model, result, inspector, real_draws)
    parallel.wait_for_all("the report is written")
    return None


def report(
    config: Config,
    folder: str,
    dataset: Dataset,
    sampler: drawing.Sampler,
    model: checkpoint.TrainedModel,
    result: loop.TrainResult,
    inspector: inspector_lib.Inspector,
    real_draws: drawing.RealDraws | None,
) -> None:
    """Judges a trained model, writes page and `results.json`, and prints the summary line."""
    liveness.keeps(f"the trained networks in {folder} are kept, and the same command judges them")
    liveness.stage("evaluation")
    evaluation = designs.evaluate(
        config,
        dataset,
        sampler,
        model.ema_params,
        inspector.read,
        d_score=make_d_score(config, dataset, model.d_params),
        real_draws=real_draws,
    )
    liveness.stage("sheets of designs")
    sheets = design_sheets.make_sheets(
        config, dataset, sampler, model.ema_params, inspector.read, real_draws=real_draws
    )
    origin = provenance.provenance()
    liveness.stage("page")
    page = train_page.write(
        folder,
        config=config,
        space=dataset.space,
        evaluation=evaluation,
        sheets=sheets,
        history=result.history,
        train=result,
        inspector=inspector.report,
        provenance=origin,
        evaluated_step=model.step,
    )
    summary: dict[str, Any] = {
        **designs.summary(evaluation),
        "img_per_s": result.img_per_s,
        "steps": result.steps,
        "params_sha256": state_lib.params_sha256(result.state),
    }
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "evaluated_step": model.step,
            "evaluation": designs.results(evaluation),
            "inspector": inspector.report,
            "train": {"first_step_s": result.first_step_s, "alarms": result.alarms, "best_step": result.best_step},
            "provenance": origin,
        },
    )
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def make_sample_sheet(
    config: Config, dataset: Dataset, sampler: drawing.Sampler, folder: Path
) -> Callable[[state_lib.TrainState, int], None]:
    """Returns a function that draws the same briefs with the same noise at any step, into `step_N.png`."""
    brief_key, noise_key = jax.random.split(jax.random.key(config.evaluation.seed))
    pool = drawing.on_host(dataset.briefs(brief_key, 64 * _SHEET_ROWS))
    # One brief of each product first, as far as there is room for all of them.
    order = sorted(range(len(pool.product)), key=lambda i: list(pool.product[:i]).count(pool.product[i]))
    brief = drawing.rows(pool, order[:_SHEET_ROWS])
    labels = image_sheets.describe(brief, dataset.space)

    def sample_sheet(state: state_lib.TrainState, step: int) -> None:
        images = drawing.draw(sampler, state.ema_params, noise_key, drawing.repeat(brief, _SHEET_COLUMNS))
        images = images.reshape(_SHEET_ROWS, _SHEET_COLUMNS, *images.shape[1:])
        picture = image_sheets.sheet({f"step {step}": images}, row_labels=labels)
        workdir.write_bytes(folder / f"step_{step:07d}.png", picture.data)

    return sample_sheet


def make_d_score(config: Config, dataset: Dataset, d_params: PyTree) -> drawing.Score:
    """Returns the score that the run's own discriminator gives to images under their briefs."""
    module = networks.create_discriminator(config, dataset.space)
    score = jax.jit(lambda params, images, brief: module.apply({"params": params}, images, brief)[0])
    return lambda images, brief: score(d_params, images, brief)
