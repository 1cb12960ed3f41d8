"""Trains a generator, judges it, and writes a page about it.

    python experiments/train.py --config=configs/quick.py --workdir=runs/quick
    python experiments/train.py --config=configs/quick.py --config.train.steps=500 --workdir=runs/short

A work directory that holds a run of the same config is gone on with: after an interruption the same command resumes;
after the last step it judges and reports again without training. A longer run, or a fine-tune, is a new run that starts
from the networks of another one: `--workdir=NEW --init_from=OLD`.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import rich.console
import rich.table
from absl import app, flags, logging
from command_line import keep_compiled_programs, parse_flags, show_log_lines, shown
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors, liveness, workdir
from ich_jax.config import Config
from ich_jax.data import make, procedural
from ich_jax.data.dataset import Dataset
from ich_jax.evaluation import designs, drawing
from ich_jax.models import networks
from ich_jax.report import figures, provenance, train_page
from ich_jax.training import checkpoint, formulation, loop, parallel
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib

FLAGS = flags.FLAGS

_SHEET_ROWS, _SHEET_COLUMNS = 4, 8


def define_flags() -> None:
    """Declares the flags; apart from importing this module, so that several experiments can be imported at once."""
    config_flags.DEFINE_config_file("config", None, "Config file, such as configs/quick.py, or FILE:VARIANT.")
    flags.DEFINE_string("workdir", None, "Folder of the run; given again, the run goes on.")
    flags.DEFINE_string("init_from", "", "Work directory or checkpoint whose networks a new run starts from.")
    flags.DEFINE_integer("stop_after", 0, "Stop at this step as a preemption would; 0: do not.", lower_bound=0)
    flags.DEFINE_bool("dry_run", False, "Print config and parameter counts, then leave.")
    flags.DEFINE_bool("distributed", False, "One of several processes, as Slurm, Open MPI or Cloud TPU starts them.")
    flags.DEFINE_string("coordinator", "", "HOST:PORT of the first of several processes; with the next two flags.")
    flags.DEFINE_integer("num_processes", 0, "How many processes train together.")
    flags.DEFINE_integer("process_id", -1, "Which of them this is, from 0.")
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    if len(argv) > 1:
        raise app.UsageError(f"What is {' '.join(argv[1:])!r}? Every argument is a flag, such as --workdir=runs/quick.")
    if FLAGS.workdir is None and not FLAGS.dry_run:
        raise app.UsageError("No --workdir is given: name the folder of this run, for example --workdir=runs/quick.")
    show_log_lines()
    try:
        config = config_lib.resolve(FLAGS.config)
        if FLAGS.distributed or FLAGS.coordinator:
            parallel.start_processes(FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id)
        if FLAGS.dry_run:
            describe(config, make.make(config.data, seed=config.seed))
            return
        stopped_by = run(config, FLAGS.workdir, init_from=FLAGS.init_from, stop_after=FLAGS.stop_after)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    if stopped_by is not None:
        sys.exit(128 + stopped_by)  # what a shell reports of a process that a signal ended


def run(config: Config, folder: str, *, init_from: str = "", stop_after: int = 0) -> int | None:
    """Trains, judges and reports; prints the summary line unless it was stopped.

    Returns:
        The signal that stopped it, if one did.
    """
    if config.compute.compilation_cache:
        keep_compiled_programs()

    # ---------------- images, judge
    liveness.at("images")
    designs.check(config)
    dataset = make.make(config.data, seed=config.seed)
    loop.check(config, folder, dataset, init_from=init_from)
    describe(config, dataset)
    own = parallel.own_folder(folder)
    workdir.claim(own, config)
    parallel.wait_for_all("the work directory is claimed")
    liveness.at("inspector")
    inspector = inspector_lib.get(config, dataset)
    logging.info("The inspector (%s) on real images: %s", inspector.source, errors_of(inspector.report))

    # ---------------- train
    liveness.at("choice of how convolutions are computed")
    liveness.keeps(f"checkpoints in {folder} are kept, and the same command resumes")
    form = formulation.choose(config, own).form
    sampler = step_lib.make_sampler(config, dataset.space, dataset.size, dataset.channels, form)
    real_draws = make_real_draws(dataset)
    validate = designs.make_validate(config, dataset, sampler, inspector.read, real_draws=real_draws)
    result = loop.train(
        config,
        folder,
        dataset,
        validate=lambda state: validate(state.ema_params),
        sample_sheet=make_sample_sheet(config, dataset, sampler, own / "samples"),
        init_from=init_from,
        stop_after=stop_after,
    )
    if result.stopped or result.signal is not None:
        print(f"Stopped at step {result.steps} of {config.train.steps}. Give the same command again to resume.")
        return result.signal

    # ---------------- judge the checkpoint that validated best, on briefs that had no part in choosing it
    model = checkpoint.restore_for_inference(folder)
    if own == Path(folder):  # the first process of several reports for all
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
    liveness.at("evaluation")
    evaluation = designs.evaluate(
        config,
        dataset,
        sampler,
        model.ema_params,
        inspector.read,
        d_score=make_d_score(config, dataset, model.d_params),
        real_draws=real_draws,
    )
    liveness.at("sheets of designs")
    sheets = designs.make_sheets(config, dataset, sampler, model.ema_params, inspector.read, real_draws=real_draws)
    origin = provenance.provenance()
    liveness.at("page")
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


# ---------------------------------------------------------------- parts


def make_sample_sheet(
    config: Config, dataset: Dataset, sampler: drawing.Sampler, folder: Path
) -> Callable[[state_lib.TrainState, int], None]:
    """Returns a function that draws the same briefs with the same noise at any step, into `step_N.png`."""
    brief_key, noise_key = jax.random.split(jax.random.key(config.evaluation.seed))
    pool = drawing.on_host(dataset.briefs(brief_key, 64 * _SHEET_ROWS))
    # One brief of each product first, as far as there is room for all of them.
    order = sorted(range(len(pool.product)), key=lambda i: list(pool.product[:i]).count(pool.product[i]))
    brief = drawing.rows(pool, order[:_SHEET_ROWS])
    labels = figures.describe(brief, dataset.space)

    def sample_sheet(state: state_lib.TrainState, step: int) -> None:
        images = drawing.draw(sampler, state.ema_params, noise_key, drawing.repeat(brief, _SHEET_COLUMNS))
        images = images.reshape(_SHEET_ROWS, _SHEET_COLUMNS, *images.shape[1:])
        picture = figures.sheet({f"step {step}": images}, row_labels=labels)
        workdir.write_bytes(folder / f"step_{step:07d}.png", picture.data)

    return sample_sheet


def make_d_score(config: Config, dataset: Dataset, d_params: Any) -> drawing.Score:
    """Returns the score that the run's own discriminator gives to images under their briefs."""
    module = networks.create_discriminator(config, dataset.space)
    score = jax.jit(lambda params, images, brief: module.apply({"params": params}, images, brief)[0])
    return lambda images, brief: score(d_params, images, brief)


def make_real_draws(dataset: Dataset) -> drawing.RealDraws | None:
    """Returns real images of a given brief; only a renderer can draw more than the one image that has it."""
    if not dataset.simulated:
        return None
    return lambda brief, key, n: procedural.draws(brief, key, n, dataset.size)


def describe(config: Config, dataset: Dataset) -> None:
    """Prints config, images, devices and the size of the networks."""
    table = rich.table.Table("section", "fields", box=None, pad_edge=False)
    for section, fields in config_lib.to_dict(config).items():
        values = fields if isinstance(fields, dict) else {section: fields}
        table.add_row(section, "  ".join(f"{name}={shown(value)}" for name, value in values.items()))
    rich.console.Console().print(table, markup=False, highlight=False)

    with jax.disable_jit():  # its jit carries compiler options, which only an outermost one may
        state = jax.eval_shape(lambda: state_lib.create_state(config, dataset.space, dataset.size, dataset.channels))
    space, devices = dataset.space, [device.device_kind for device in jax.devices()]
    print(f"config {config.name}, fingerprint {config_lib.fingerprint(config)}")
    print(f"images {dataset.size} px, {dataset.channels} channels, {dataset.n_train} for training")
    print(f"products {', '.join(space.products)}")
    print(f"elements {', '.join(f'{e.name} ({len(e.categories)})' for e in space.elements) or 'none'}")
    print(f"axes {', '.join(space.axes) or 'none'}")
    print(f"generator {parameter_count(state.g_params):,} parameters")
    print(f"discriminator {parameter_count(state.d_params):,} parameters")
    print(f"devices {', '.join(f'{devices.count(kind)} x {kind}' for kind in dict.fromkeys(devices))}", flush=True)


def errors_of(report: inspector_lib.InspectorReport) -> str:
    """Returns the inspector's own error on held-out real images in one line."""
    elements = (f"{name} {accuracy:.4f}" for name, accuracy in report.element_accuracy.items())
    axes = (f"{name} {error:.3f}" for name, error in zip(report.axes, report.axis_p999, strict=True))
    read = ", ".join([f"product {report.product_accuracy:.4f}", *elements])
    return f"read right {read}; P99.9 of the axis error {', '.join(axes) or '-'}; n {report.n}."


def parameter_count(params: Any) -> int:
    """Returns the number of values in a tree of arrays."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=parse_flags)
