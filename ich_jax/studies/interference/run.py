"""Sweeps and pulses as a whole: generator, images and judges, then the jobs that are missing, then the page."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors, liveness, workdir
from ich_jax.config import InterferenceConfig
from ich_jax.data import make, pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.interference import disturbances
from ich_jax.interference.disturbances import TABLE, Inputs
from ich_jax.report import provenance
from ich_jax.studies.console import Show, showing, shown
from ich_jax.studies.interference import pulse as pulse_lib
from ich_jax.studies.interference import pulse_page, pulse_result, sweep, sweep_page, sweep_result
from ich_jax.studies.interference.paper import CLAIM
from ich_jax.studies.shards import parse_shard
from ich_jax.training import checkpoint, formulation, sampling
from ich_jax.training import inspector as inspector_lib
from ich_jax.training import state as state_lib

_MODEL_FILE = "generator.json"


@dataclasses.dataclass(frozen=True)
class Reference:
    """The generator to compare with.

    Attributes:
        folder: Where its sweep is, or goes; empty if there is no reference.
        about: What it is, in words.
        model: The generator if it is swept along; None if its sweep is finished.
    """

    folder: str = ""
    about: str = ""
    model: checkpoint.TrainedModel | None = None


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
    model, dataset = load(config, folder, source)
    rival = load_reference(config, folder, reference, dataset)
    claim(config, folder, model, dataset)

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
        claim(config, rival.folder, rival.model, dataset)
        theirs = sweep.jobs([kind for kind in kinds if TABLE[kind].scored], config.sweep.seeds, real=False)
        sweeps.append((rival.folder, rival.model, theirs, {sweep_result.MAIN: judges[sweep_result.MAIN]}))
    for at, who, todo, by in sweeps:
        with showing(len(todo[i::n]), live=config.progress) as show:
            logging.info("Sweeping the %s", describe(who))
            sweep.run(
                generator_of(who, dataset),
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
    model, dataset = load(config, folder, source)
    claim(config, folder, model, dataset)
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
        about=describe(model).capitalize(),
        simulated=dataset.simulated,
        provenance=origin,
    )
    summary = pulse_result.summary(result)
    found = {"summary": summary, "generator": workdir.read_json(Path(folder) / _MODEL_FILE), "pulses": result}
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
    rival: Reference,
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
        sheet=(kinds, draw_sheet(generator_of(model, dataset), dataset, kinds)),
        inspectors=accuracies,
        about=describe(model).capitalize(),
        simulated=dataset.simulated,
        provenance=origin,
    )
    summary = sweep_result.summary(result)
    holds = {name: sweep_result.holds_up_to(result, p) for p, name in enumerate(result.products) if name in CLAIM}
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "generator": workdir.read_json(Path(folder) / _MODEL_FILE),
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


def load(config: InterferenceConfig, folder: str, source: str) -> tuple[checkpoint.TrainedModel, Dataset]:
    """Reads generator and images; refuses a work directory of another config or generator, and writes nothing.

    Raises:
        CheckpointError: There is no good checkpoint, or its images are no longer the same.
        WorkdirError: The folder belongs to another sweep.
    """
    model = checkpoint.restore_for_inference(source)
    dataset = make.make(model.config.data, seed=model.config.seed)
    check_data(model, dataset, source)
    check_folder(config, folder, model, dataset)
    return model, dataset


def load_reference(config: InterferenceConfig, folder: str, reference: str, dataset: Dataset) -> Reference:
    """Reads what `--reference` names: a training run, to be swept in a folder of its own, or a finished sweep.

    Raises:
        CheckpointError: The generator was trained on other images.
        WorkdirError: The sweep is of another config or of other images, or the folder is neither.
    """
    if not reference:
        return Reference()
    if checkpoint.has_checkpoints(reference) or checkpoint.has_checkpoints(Path(reference).parent.parent):
        model = checkpoint.restore_for_inference(reference)
        check_data(model, dataset, reference)
        own = str(Path(folder) / "reference")
        check_folder(config, own, model, dataset)
        return Reference(own, describe(model), model)
    check_reference(config, reference)
    identity = workdir.read_json(Path(reference) / _MODEL_FILE)
    if identity.get("dataset") != dataset.fingerprint:
        raise errors.WorkdirError(
            f"{reference} is a sweep of a generator of other images; sweep one that was trained on the same."
        )
    return Reference(reference, identity.get("about", f"{identity.get('run')}, step {identity.get('step')}"))


def describe(model: checkpoint.TrainedModel) -> str:
    """Returns what a generator is, in words."""
    return f"{model.config.generator.arm} generator of {model.config.name}, step {model.step:,}"


def generator_of(model: checkpoint.TrainedModel, dataset: Dataset) -> sweep.Generator:
    """Returns what a sweep disturbs."""
    return sweep.Generator(
        # As written: drawing alone is not faster in merged form (measured on a CPU), and takes longer to compile.
        draw=sampling.make_draw(model.config, dataset.space, dataset.size, dataset.channels),
        params=model.ema_params,
        z_dim=model.config.generator.z_dim,
        space=dataset.space,
    )


def identity_of(model: checkpoint.TrainedModel, dataset: Dataset) -> dict[str, Any]:
    """Returns what tells a generator from others."""
    return {"step": model.step, "params_sha256": digest(model.ema_params), "dataset": dataset.fingerprint}


def check_folder(config: InterferenceConfig, folder: str, model: checkpoint.TrainedModel, dataset: Dataset) -> None:
    """Checks that a work directory, if it is in use, is one of this config and this generator.

    Raises:
        WorkdirError: It is not.
    """
    if (Path(folder) / workdir.CONFIG_FILE).exists():
        workdir.claim(folder, config)
    check_same_model(folder, identity_of(model, dataset))


def claim(config: InterferenceConfig, folder: str, model: checkpoint.TrainedModel, dataset: Dataset) -> None:
    """Makes the work directory one of this config and this generator."""
    workdir.claim(folder, config)
    about = {"run": model.config.name, "about": describe(model)}
    workdir.write_json(Path(folder) / _MODEL_FILE, identity_of(model, dataset) | about)


def check_data(model: checkpoint.TrainedModel, dataset: Dataset, source: str) -> None:
    """Checks that the images found are those that the generator was trained on.

    Raises:
        CheckpointError: They are not.
    """
    networks = state_lib.abstract_state(model.config, dataset.space, dataset.size, dataset.channels)
    shapes = [jax.tree.map(jnp.shape, params) for params in (networks.ema_params, model.ema_params)]
    if shapes[0] != shapes[1]:
        raise errors.CheckpointError(
            f"The generator in {source} has other layers than this version makes from its config: it was trained by "
            "another version or is damaged. Train it again."
        )
    wanted = (model.space, model.size, model.channels)
    if wanted != (dataset.space, dataset.size, dataset.channels):
        raise errors.CheckpointError(
            f"{source} was trained on images of {', '.join(model.space.products)} at {model.size} px, but its data are "
            f"now {', '.join(dataset.space.products)} at {dataset.size} px. Put the images back where they were."
        )


def check_reference(config: InterferenceConfig, reference: str) -> None:
    """Checks that a reference was swept with the same config.

    Raises:
        WorkdirError: It was not.
    """
    stored = config_lib.resolve(workdir.read_config(reference), InterferenceConfig)
    if config_lib.fingerprint(stored) != config_lib.fingerprint(config):
        raise errors.WorkdirError(
            f"{reference} was swept with another config ({stored.name}); sweep the reference generator with "
            f"{config.name} first."
        )


def check_same_model(folder: str, identity: dict[str, Any]) -> None:
    """Checks that a sweep that goes on is one of the same generator.

    Raises:
        WorkdirError: It is not.
    """
    path = Path(folder) / _MODEL_FILE
    if path.exists():
        stored = workdir.read_json(path)
        differing = [name for name in identity if stored.get(name) != identity[name]]
        if differing:
            raise errors.WorkdirError(
                f"{folder} holds a sweep of another generator ({', '.join(differing)} differ); use another --workdir."
            )


def digest(params: Any) -> str:
    """Returns the SHA-256 of all parameters."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(params):
        found.update(np.asarray(leaf).tobytes())
    return found.hexdigest()


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
