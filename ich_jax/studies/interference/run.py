"""The studies from end to end: generator, images and inspectors, then the missing jobs, then the page."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors, liveness, workdir
from ich_jax.config import Config, InterferenceConfig
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.interference import disturbances
from ich_jax.interference.disturbances import TABLE, Inputs
from ich_jax.report import provenance
from ich_jax.studies import trained
from ich_jax.studies.console import showing, shown
from ich_jax.studies.interference import generators, pulse_page, pulse_result, sweep, sweep_page, sweep_result
from ich_jax.studies.interference import pulse as pulse_lib
from ich_jax.studies.interference.paper import CLAIM
from ich_jax.studies.shards import parse_shard
from ich_jax.training import formulation, transfer
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib
from ich_jax.training.checkpoint import TrainedModel


def run(
    config: InterferenceConfig, folder: str, source: str, *, reference: str = "", shard: str = "", images: str = ""
) -> None:
    """Runs a sweep, and reports unless it was one shard of several.

    Args:
        config: The sweep.
        folder: Work directory.
        source: Work directory of a training run, or one of its checkpoints, or `shipped`.
        reference: Training run, or finished sweep, of the generator to compare with; empty: none.
        shard: `i/n`: does every n-th job, from the i-th on; empty: all.
        images: Where the images of that run are now; empty: where they were.

    Raises:
        IchJaxError: An argument or a file cannot be used; the message says which and why. Nothing is written then.
    """
    liveness.stage("generator and images")
    # ---------------- all checks, before anything is written
    kinds = tuple(TABLE) if config.sweep.kinds == ("all",) else config.sweep.kinds
    jobs = sweep.jobs(kinds, config.sweep.seeds, real=config.sweep.real)
    scored = [kind for kind in kinds if TABLE[kind].scored]
    if not scored:
        raise errors.ConfigError(
            f"sweep.kinds: none of {', '.join(kinds)} counts towards a mean or minimum; add one that acts on the "
            "generator, such as latent_noise."
        )
    i, n = parse_shard(shard)
    model, dataset = generators.load(config, folder, source, images)
    rival = generators.load_reference(config, folder, reference, dataset)
    generators.claim(config, folder, model, dataset)

    # ---------------- inspectors
    liveness.stage("inspectors")
    inspectors = {sweep_result.MAIN: inspector_lib.get(model.config, dataset, folder)}
    if config.second:
        inspectors[sweep_result.SECOND] = inspector_lib.get(_with_inspector(model.config, config), dataset, folder)
    accuracies = {name: inspector.report.product_accuracy for name, inspector in inspectors.items()}
    for name, inspector in inspectors.items():
        logging.info("The %s inspector (%s) reads real products right: %.4f", name, inspector.source, accuracies[name])
    readers = {name: inspector.read for name, inspector in inspectors.items()}

    # ---------------- sweep
    liveness.keeps(f"finished jobs in {folder} are kept, and the same command resumes")
    _sweep(config, folder, model, dataset, readers, jobs[i::n])
    if rival.model is not None:
        generators.claim(config, rival.folder, rival.model, dataset)
        rival_jobs = sweep.jobs(scored, config.sweep.seeds, real=False)[i::n]
        main_reader = {sweep_result.MAIN: readers[sweep_result.MAIN]}
        _sweep(config, rival.folder, rival.model, dataset, main_reader, rival_jobs)
    if n > 1:
        print(f"Shard {shard} is done. Once all are, give the command without --shard to report.")
        print(f"summary: shard={shard} jobs={len(jobs[i::n])}", flush=True)
        return
    report(config, folder, kinds, model, dataset, accuracies, rival)


def _with_inspector(trained: Config, config: InterferenceConfig) -> Config:
    """Returns the config of a training run with the second inspector in place of the first."""
    return config_lib.resolve(config_lib.to_dict(trained) | {"inspector": config_lib.to_dict(config.judge)})


def _sweep(
    config: InterferenceConfig,
    folder: str,
    model: TrainedModel,
    dataset: Dataset,
    readers: dict[str, sweep.Reader],
    jobs: Sequence[tuple[str, int]],
) -> None:
    with showing(len(jobs), live=config.progress) as show:
        logging.info("Sweeping the %s", trained.describe(model))
        sweep.run(
            generators.sampler(model, dataset),
            dataset,
            readers,
            folder,
            jobs,
            n=config.sweep.n,
            batch=config.sweep.batch,
            progress=show,
        )


def run_pulses(config: InterferenceConfig, folder: str, source: str, *, shard: str = "", images: str = "") -> None:
    """Continues training under pulses, and reports unless it was one shard of several.

    Args:
        config: The pulses.
        folder: Work directory.
        source: Work directory of a training run, or one of its checkpoints, or `shipped`.
        shard: `i/n`: makes every n-th run, from the i-th on; empty: all.
        images: Where the images of that run are now; empty: where they were.

    Raises:
        IchJaxError: An argument or a file cannot be used; the message says which and why. Nothing is written then.
    """
    liveness.stage("generator and images")
    window, pulses = pulse_result.plan(config.pulse)
    i, n = parse_shard(shard)
    model, dataset = generators.load(config, folder, source, images)
    generators.claim(config, folder, model, dataset)
    every = max(1, config.pulse.steps // config.pulse.evaluations)
    trained = _pulse_training(model.config, config, every)
    liveness.stage("inspector")
    inspector = inspector_lib.get(model.config, dataset, folder)
    liveness.keeps(f"finished runs in {folder} are kept, and the same command resumes")
    liveness.stage("choice of how convolutions are computed")
    choice = formulation.choose(trained, Path(folder))

    def start(seed: int) -> state_lib.TrainState:
        seeded = dataclasses.replace(trained, seed=seed)
        state = state_lib.create_state(seeded, dataset.spec)
        return transfer.init_from(source, state, dataset.spec)[0]

    run_pulse = pulse_lib.make_runner(trained, dataset, start, inspector.read, choice)
    with showing(len(pulses[i::n]), live=config.progress) as show:
        for done, pulse in enumerate(pulses[i::n], start=1):
            if pulse_lib.load(folder, pulse) is None:
                pulse_lib.save(folder, run_pulse(pulse, window, every, config.pulse.n, config.pulse.n_fresh))
            show(f"{pulse_result.pulse_name(pulse)}, seed {pulse.seed}", done)
    if n > 1:
        print(f"Shard {shard} is done. Once all are, give the command without --shard to report.")
        print(f"summary: shard={shard} runs={len(pulses[i::n])}", flush=True)
        return
    courses = [course for pulse in pulses if (course := pulse_lib.load(folder, pulse)) is not None]
    result = pulse_result.collect(window, courses, dataset.space.products)
    report_pulses(config, folder, result, model, dataset, inspector.report.product_accuracy)


def _pulse_training(trained: Config, config: InterferenceConfig, every: int) -> Config:
    """Returns the config of further training under pulses, evaluated after every `every` steps."""
    values = config_lib.to_dict(trained)
    values["train"] |= {
        "steps": config.pulse.steps,
        "images": 0,
        "g_lr": trained.train.g_lr * config.pulse.lr,
        "d_lr": trained.train.d_lr * config.pulse.lr,
        "ema": config.pulse.ema,
        # Constant before, in and after the window, so that a curve changes because of the pulse alone.
        "warmup": every,
        "final_lr": 1.0,
    }
    return config_lib.resolve(values)


def report(
    config: InterferenceConfig,
    folder: str,
    kinds: tuple[str, ...],
    model: TrainedModel,
    dataset: Dataset,
    accuracies: dict[str, float],
    rival: generators.Reference,
) -> None:
    """Writes the page and `results.json` of a finished sweep, and prints the summary line.

    Args:
        config: The sweep.
        folder: Its work directory.
        kinds: Kinds that were swept.
        model: The generator.
        dataset: Its images.
        accuracies: Accuracy of each inspector on held-out real images, by name.
        rival: The reference generator.
    """
    liveness.stage("page")
    result = sweep_result.collect(
        config, folder, kinds, dataset.space.products, reference=rival.folder or None, about_reference=rival.about
    )
    origin = provenance.provenance()
    page = sweep_page.write(
        folder,
        config=config,
        result=result,
        sheet=(kinds, draw_sheet(generators.sampler(model, dataset), dataset, kinds)),
        inspectors=accuracies,
        about=trained.describe(model).capitalize(),
        simulated=dataset.simulated,
        provenance=origin,
    )
    summary = sweep_result.summary(result)
    holds = {name: sweep_result.holds_up_to(result, p) for p, name in enumerate(result.products) if name in CLAIM}
    results = {
        "summary": summary,
        "generator": generators.read_identity(folder),
        "inspector_accuracy": accuracies,
        "chance": 1 / len(result.products),
        "holds_up_to": holds,
        "sweep": result,
        "provenance": origin,
    }
    _finish(folder, page, results, summary)


def report_pulses(
    config: InterferenceConfig,
    folder: str,
    result: pulse_result.Temporal,
    model: TrainedModel,
    dataset: Dataset,
    accuracy: float,
) -> None:
    """Writes the page and `results.json` of finished pulses, and prints the summary line.

    Args:
        config: The pulses.
        folder: Their work directory.
        result: Their result.
        model: The generator from which training continued.
        dataset: Its images.
        accuracy: Of the inspector on held-out real images.
    """
    liveness.stage("page")
    origin = provenance.provenance()
    page = pulse_page.write(
        folder,
        config=config,
        result=result,
        inspector=accuracy,
        about=trained.describe(model).capitalize(),
        simulated=dataset.simulated,
        provenance=origin,
    )
    summary = pulse_result.summary(result)
    results = {
        "summary": summary,
        "generator": generators.read_identity(folder),
        "pulses": result,
        "provenance": origin,
    }
    _finish(folder, page, results, summary)


def _finish(folder: str, page: Path, results: dict[str, object], summary: dict[str, float]) -> None:
    """Writes `results.json` and prints the page's path and the summary line."""
    workdir.write_json(Path(folder) / "results.json", results)
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def draw_sheet(generator: sweep.Generator, dataset: Dataset, kinds: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Draws the first design of the last product under every kind, `[kinds, 6, H, W, C]` uint8."""
    brief = jax.tree.map(lambda x: jnp.repeat(x[-1:], 2, axis=0), sweep.product_briefs(dataset, 0, 1))
    keys = jnp.repeat(sweep.design_keys(0, 1, 1), 2)
    z = jnp.repeat(jax.random.normal(jax.random.key(0), (1, generator.z_dim), jnp.float32), 2, axis=0)
    rows = []
    for kind in kinds:
        draw = jax.jit(disturbances.make_disturbed(generator.draw, generator.space, kind))
        inputs = Inputs(generator.params, z, brief)
        rows.append([draw(inputs, jnp.int32(s), keys, jax.random.key(1))[0] for s in range(6)])
    images: npt.NDArray[np.uint8] = pipeline.to_uint8(np.nan_to_num(np.array(rows)))
    return images
