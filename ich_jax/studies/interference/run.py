"""Sweeps and pulses as a whole: generator, images and judges, then the jobs that are missing, then the page."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors, liveness, workdir
from ich_jax.config import InterferenceConfig
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.interference import disturbances
from ich_jax.interference.disturbances import TABLE, Inputs
from ich_jax.report import provenance
from ich_jax.studies.console import Show, showing, shown
from ich_jax.studies.interference import generators, pulse_page, pulse_result, sweep, sweep_page, sweep_result
from ich_jax.studies.interference import pulse as pulse_lib
from ich_jax.studies.interference.paper import CLAIM
from ich_jax.studies.shards import parse_shard
from ich_jax.training import checkpoint, formulation
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib


def run(config: InterferenceConfig, folder: str, source: str, *, reference: str = "", shard: str = "") -> None:
    """Sweeps, and reports unless it was one shard of several."""
    liveness.at("generator and images")
    # ---------------- everything that can be refused is refused here, before anything is written
    kinds = tuple(TABLE) if config.sweep.kinds == ("all",) else config.sweep.kinds
    jobs = sweep.jobs(kinds, config.sweep.seeds, real=config.sweep.real)
    if not any(TABLE[kind].scored for kind in kinds):
        raise errors.ConfigError(
            f"sweep.kinds: none of {', '.join(kinds)} counts in a mean or minimum; add one that acts on the generator, "
            "such as latent_noise."
        )
    i, n = parse_shard(shard)
    model, dataset = generators.load(config, folder, source)
    rival = generators.load_reference(config, folder, reference, dataset)
    generators.claim(config, folder, model, dataset)

    # ---------------- judges
    liveness.at("inspectors")
    judges, accuracies = {}, {}
    for name, judge_config in ((sweep_result.MAIN, model.config.inspector), (sweep_result.SECOND, config.judge)):
        if name == sweep_result.MAIN or config.second:
            its_config = config_lib.resolve(
                config_lib.to_dict(model.config) | {"inspector": config_lib.to_dict(judge_config)}
            )
            inspector = inspector_lib.get(its_config, dataset)
            judges[name], accuracies[name] = inspector.read, inspector.report.product_accuracy
            logging.info(
                "The %s inspector (%s) reads real products right: %.4f", name, inspector.source, accuracies[name]
            )

    # ---------------- sweep
    liveness.keeps(f"finished jobs in {folder} are kept, and the same command resumes")
    sweeps = [(folder, model, jobs, judges)]
    if rival.model is not None:
        generators.claim(config, rival.folder, rival.model, dataset)
        theirs = sweep.jobs([kind for kind in kinds if TABLE[kind].scored], config.sweep.seeds, real=False)
        sweeps.append((rival.folder, rival.model, theirs, {sweep_result.MAIN: judges[sweep_result.MAIN]}))
    for at, who, todo, by in sweeps:
        with showing(len(todo[i::n]), live=config.progress) as show:
            logging.info("Sweeping the %s", generators.describe(who))
            sweep.run(
                generators.generator_of(who, dataset),
                dataset,
                by,
                at,
                todo[i::n],
                n=config.sweep.n,
                batch=config.sweep.batch,
                progress=told(show),
            )
    if n > 1:
        print(f"Shard {shard} is done. Once all are, give the command without --shard to report.")
        print(f"summary: shard={shard} jobs={len(jobs[i::n])}", flush=True)
        return
    report(config, folder, kinds, model, dataset, accuracies, rival)


def run_pulses(config: InterferenceConfig, folder: str, source: str, *, shard: str = "") -> None:
    """Trains on under pulses, and reports unless it was one shard of several."""
    liveness.at("generator and images")
    window, runs = pulse_result.plan(config.pulse)
    i, n = parse_shard(shard)
    model, dataset = generators.load(config, folder, source)
    generators.claim(config, folder, model, dataset)
    every = max(1, config.pulse.steps // config.pulse.evaluations)
    values = config_lib.to_dict(model.config)
    values["train"] |= {
        "steps": config.pulse.steps,
        "images": 0,
        "g_lr": model.config.train.g_lr * config.pulse.lr,
        "d_lr": model.config.train.d_lr * config.pulse.lr,
        "ema": config.pulse.ema,
        # Constant before, in and after the window, so that a curve changes because of the pulse alone.
        "warmup": max(1, every),
        "final_lr": 1.0,
    }
    trained = config_lib.resolve(values)
    liveness.at("inspector")
    inspector = inspector_lib.get(model.config, dataset)
    liveness.keeps(f"finished runs in {folder} are kept, and the same command resumes")
    liveness.at("choice of how convolutions are computed")

    def start(seed: int) -> state_lib.TrainState:
        seeded = dataclasses.replace(trained, seed=seed)
        state = state_lib.create_state(seeded, dataset.space, dataset.size, dataset.channels)
        return checkpoint.init_from(source, state)[0]

    run_one = pulse_lib.make_runner(trained, dataset, start, inspector.read, formulation.choose(trained, Path(folder)))
    with showing(len(runs[i::n]), live=config.progress) as show:
        for k, pulse in enumerate(runs[i::n]):
            if pulse_lib.load(folder, pulse) is None:
                pulse_lib.save(folder, run_one(pulse, window, every, config.pulse.n, config.pulse.n_fresh))
            show(f"{pulse_result.name_of(pulse)}, seed {pulse.seed}", k + 1)
    if n > 1:
        print(f"Shard {shard} is done. Once all are, give the command without --shard to report.")
        print(f"summary: shard={shard} runs={len(runs[i::n])}", flush=True)
        return
    liveness.at("page")
    courses = [course for pulse in runs if (course := pulse_lib.load(folder, pulse)) is not None]
    result = pulse_result.collect(window, courses, dataset.space.products)
    origin = provenance.provenance()
    page = pulse_page.write(
        folder,
        config=config,
        result=result,
        inspector=inspector.report.product_accuracy,
        about=generators.describe(model).capitalize(),
        simulated=dataset.simulated,
        provenance=origin,
    )
    summary = pulse_result.summary(result)
    found = {"summary": summary, "generator": generators.read_identity(folder), "pulses": result}
    workdir.write_json(Path(folder) / "results.json", found | {"provenance": origin})
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def report(
    config: InterferenceConfig,
    folder: str,
    kinds: tuple[str, ...],
    model: checkpoint.TrainedModel,
    dataset: Dataset,
    accuracies: dict[str, float],
    rival: generators.Reference,
) -> None:
    """Writes page and `results.json`, and prints the summary line."""
    liveness.at("page")
    result = sweep_result.collect(
        config, folder, kinds, dataset.space.products, reference=rival.folder or None, about_reference=rival.about
    )
    origin = provenance.provenance()
    page = sweep_page.write(
        folder,
        config=config,
        result=result,
        sheet=(kinds, draw_sheet(generators.generator_of(model, dataset), dataset, kinds)),
        inspectors=accuracies,
        about=generators.describe(model).capitalize(),
        simulated=dataset.simulated,
        provenance=origin,
    )
    summary = sweep_result.summary(result)
    holds = {name: sweep_result.holds_up_to(result, p) for p, name in enumerate(result.products) if name in CLAIM}
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "generator": generators.read_identity(folder),
            "inspector_accuracy": accuracies,
            "chance": 1 / len(result.products),
            "holds_up_to": holds,
            "sweep": result,
            "provenance": origin,
        },
    )
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)


def told(show: Show) -> Callable[[int, int, float, str], None]:
    """Returns what a sweep calls after each job."""
    return lambda done, total, spent, text: show(text, done)


def draw_sheet(generator: sweep.Generator, dataset: Dataset, kinds: Sequence[str]) -> np.ndarray:
    """Draws the first design of the last product under every kind, `[kinds, 6, H, W, C]` uint8."""
    brief = jax.tree.map(lambda x: jnp.repeat(x[-1:], 2, axis=0), sweep.briefs_of(dataset, 0, 1))
    keys = jnp.repeat(sweep.design_keys(0, 1, 1), 2)
    z = jnp.repeat(jax.random.normal(jax.random.key(0), (1, generator.z_dim), jnp.float32), 2, axis=0)
    rows = []
    for kind in kinds:
        draw = jax.jit(disturbances.make_disturbed(generator.draw, generator.space, kind))
        inputs = Inputs(generator.params, z, brief)
        rows.append([draw(inputs, jnp.int32(s), keys, jax.random.key(1))[0] for s in range(6)])
    return pipeline.to_uint8(np.nan_to_num(np.array(rows)))
