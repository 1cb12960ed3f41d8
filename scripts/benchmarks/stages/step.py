"""The training step, in each way to compute convolutions, beside the same step in PyTorch."""

import functools
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks import apart, programs
from benchmarks.programs import Program
from benchmarks.stages import device
from benchmarks.stages.job import Job, all_at_once

from ich_jax import errors
from ich_jax.config import Config
from ich_jax.perf import counts, timing
from ich_jax.report.benchmark import ratio_range, seconds_range
from ich_jax.training import formulation
from ich_jax.training import step as step_lib
from ich_jax.training.formulation import Choice

_SAME = 2e-2  # of the losses of a first step in bfloat16, relative
OURS, BESIDE = "Ours alone", "The step in turns"


def run(job: Job) -> None:
    """Compiles every form, starts PyTorch beside it, compares first losses, and times all of them in turns."""
    config = job.size.step.load()
    names = _variants(job)
    side = "cuda" if jax.default_backend() == "gpu" else "cpu"
    commands = {
        name: ["accelerator", "--side=torch", f"--variant={name}", f"--size={job.size.name}", f"--torch_device={side}"]
        for name in names
    }
    # Those processes take weights from JAX on the CPU: the device is PyTorch's there.
    with apart.workers_at_once(commands, {"JAX_PLATFORMS": "cpu"}) as (running, wait):
        ours = compile_forms(job, config, share=0.6)
        if not ours:
            raise errors.IchJaxError(f"No form of the step was compiled in time: {job.entry.left_out}")
        losses = _alone(job, config, ours)
        for name, why in wait(max(0.0, 0.75 * job.left_s())).items():
            (job.out_of_time if "not ready" in why else job.leave_out)(name, why)
        for name, worker in list(running.items()):
            theirs = [float(word) for word in worker.said[-1].split()[1:]]
            if not np.allclose(theirs, losses, rtol=_SAME, atol=_SAME):
                job.leave_out(name, f"its first losses are {theirs}, ours {list(losses)}: it does not compute the same")
                worker.process.kill()
                del running[name]
        ways: dict[str, Callable[[int], Any]] = {f"ours, {form}": program for form, program in ours.items()}
        ways |= {name: worker.take for name, worker in running.items()}
        _in_turns(job, config, ours, ways)


def compile_forms(job: Job, config: Config, *, share: float) -> dict[str, Program]:
    """Compiles the step in each form, all at once; late ones are left out.

    Returns:
        Programs by name of their form, each with its own state, at the first step.
    """
    options = formulation.good_options()
    first = programs.make_program(config, programs.random_dataset(config), Choice(programs.FORMS[job.size.forms[0]]))

    def compiled(form: str) -> Program:
        began = time.monotonic()
        jitted: Any = step_lib.make_step(config, first.dataset, first.layout, Choice(programs.FORMS[form], options))
        program = Program(config, first.dataset, first.layout, jitted, jax.tree.map(_own, first.arguments))
        program.compiled = jitted.lower(*program.arguments).compile()
        job.shared[f"compile_s/{form}"] = time.monotonic() - began
        return program

    ways = {form: functools.partial(compiled, form) for form in job.size.forms}
    made, late = all_at_once(ways, timeout_s=max(1.0, share * job.left_s()))
    for form, why in late.items():
        (job.out_of_time if "not ready" in why else job.leave_out)(f"ours, {form}", why)
    return made


def best_program(job: Job) -> Program:
    """Returns the step in the fastest form, from the previous stage or compiled now."""
    if "program" not in job.shared:
        made = compile_forms(job, job.size.step.load(), share=0.5)
        if not made:
            raise errors.IchJaxError(f"The step was not compiled in time: {job.entry.left_out}")
        times = {form: _seconds_of(program) for form, program in made.items()}
        _remember(job, made, min(times, key=lambda form: times[form]))
    program: Program = job.shared["program"]
    return program


def best_choice(job: Job) -> Choice:
    """Returns the fastest form with the options of this device: as measured here, else the merged form."""
    form = (
        job.shared.get("form")
        or next((str(row["form"]) for row in job.record.entries["step"].rows if row.get("fastest") == "yes"), "merged")
        if "step" in job.record.entries
        else job.shared.get("form", "merged")
    )
    return Choice(programs.FORMS[form], formulation.good_options(), "measured on this device")


def model_flops(program: Program) -> float:
    """Operations of the matrix products and convolutions of a step as written: the model's, whatever the form."""
    written: Any = step_lib.make_step(program.config, program.dataset, program.layout)
    return counts.count(written.trace(*program.arguments).jaxpr).flops


def _alone(job: Job, config: Config, ours: dict[str, Program]) -> tuple[float, float]:
    """Takes first steps, compares their losses, and writes the time of later ones, run without taking turns.

    Returns:
        Losses of the first step of our first form.
    """
    losses_of_form: dict[str, tuple[float, float]] = {}
    for form, program in list(ours.items()):
        program(1)
        losses_of_form[form] = program.losses()
        first = next(iter(losses_of_form.values()))
        if not np.allclose(losses_of_form[form], first, rtol=_SAME, atol=_SAME):
            raise errors.MismatchError(
                f"The first step in form {form} gives losses {losses_of_form[form]}, not {first}."
            )
    flops, peak = model_flops(next(iter(ours.values()))), _peak(job, config)
    times = {form: _seconds_of(program) for form, program in ours.items()}
    best = min(times, key=lambda form: times[form])
    for form, seconds in times.items():
        job.add(
            OURS,
            form=form,
            step_ms=1e3 * seconds,
            img_per_s=config.train.batch / seconds,
            mfu=flops / seconds / peak,
            compile_s=job.shared.get(f"compile_s/{form}"),
            fastest="yes" if form == best else "",
        )
    job.figure("mfu", flops / times[best] / peak)
    _remember(job, ours, best)
    return next(iter(losses_of_form.values()))


def _in_turns(job: Job, config: Config, ours: dict[str, Program], ways: dict[str, Callable[[int], Any]]) -> None:
    once: dict[str, float] = {}
    for name, way in list(ways.items()):
        try:
            way(1)
            began = time.monotonic()
            way(1)
            once[name] = time.monotonic() - began
        except errors.IchJaxError as error:  # a process of PyTorch ended
            job.leave_out(name, str(error))
            del ways[name]
    rounds = job.size.rounds
    steps = job.repeats(sum(once.values()), rounds=rounds)
    if not steps:
        job.out_of_time(
            "turns", f"{sum(once.values()):.1f} s a round, {job.left_s():.0f} s left; one step of each is shown"
        )
        seconds = np.asarray([list(once.values())])
    else:
        seconds = timing.in_turns([functools.partial(way, steps) for way in ways.values()], rounds=rounds) / steps
    flops, peak = model_flops(next(iter(ours.values()))), _peak(job, config)
    medians = dict(zip(ways, np.median(seconds, axis=0), strict=True))
    best = min((name for name in ways if name.startswith("ours, ")), key=lambda name: medians[name])
    best_s = seconds[:, list(ways).index(best)]
    for i, name in enumerate(ways):
        job.add(
            BESIDE,
            way=name,
            step=seconds_range(timing.over_rounds(seconds[:, i])),
            img_per_s=config.train.batch / float(medians[name]),
            mfu=flops / float(medians[name]) / peak,
            it_over_ours=ratio_range(timing.over_rounds(seconds[:, i] / best_s)),
            rounds=len(seconds),
        )
    job.figure("mfu", flops / float(medians[best]) / peak)
    _remember(job, ours, best.removeprefix("ours, "))
    torch = [name for name in ways if not name.startswith("ours, ")]
    compiled = [name for name in torch if "torch.compile" in name]
    if torch and not compiled:
        job.leave_out("step_vs_torch of compiled PyTorch", "none was ready; the ratio is to the fastest eager one")
    if rivals := compiled or torch:
        rival = min(rivals, key=lambda name: medians[name])
        job.figure("step_vs_torch", float(np.median(seconds[:, list(ways).index(rival)] / best_s)))


def _variants(job: Job) -> list[str]:
    """Names of the steps in PyTorch: as written and with our algebra, eager, compiled, each captured as well."""
    if not job.versus:
        job.leave_out("PyTorch", "--versus=none")
        return []
    if importlib.util.find_spec("torch") is None:
        job.leave_out("PyTorch", 'not installed; pip install -e ".[bench]"')
        return []
    return [
        f"torch {how}, {algebra}, two passes{graph}"
        for algebra in job.size.algebras
        for how in ("torch.compile", "eager")
        for graph in ("", ", CUDA graph")
    ]


def serve_torch(config: Config, name: str, torch_device: str) -> None:
    """Runs a step in PyTorch: prints the losses of its first step, then works on request.

    Raises:
        ConfigError: There is no such variant, or this build of PyTorch cannot use the device.
    """
    import torch
    from peers import sngan_torch

    name_of = [
        sngan_torch.Variant(algebra, compiled, 2, graph)
        for algebra in sngan_torch.ALGEBRAS
        for compiled in (False, True)
        for graph in (False, True)
    ]
    known = {variant.name: variant for variant in name_of}
    variant = known[errors.require(name, known, "--variant")]
    if torch_device == "cuda" and not torch.cuda.is_available():
        raise errors.ConfigError(f"PyTorch {torch.__version__} sees no CUDA device here; it needs a build for one.")
    start = programs.host_copy(
        programs.make_program(config, programs.random_dataset(config), Choice(programs.FORMS["direct"])).arguments[0]
    )
    sngan_torch.set_up(programs.cores(), dtype=config.compute.dtype, tf32=config.compute.tf32)
    images, brief = programs.random_images(config)
    index, z = programs.first_draws(config, len(images))
    step = sngan_torch.Step(
        config, images, programs.features(brief), start.g_params, start.d_params, variant, torch_device
    )
    real, features = step.batch(torch.tensor(index, device=torch_device))
    losses = [float(loss) for loss in step(real, features, torch.tensor(z, device=torch_device))]

    def take(steps: int) -> None:
        for _ in range(steps):
            step()
        step.wait()

    take(1)
    print("losses", *map(repr, losses), flush=True)
    apart.serve(take)


def _remember(job: Job, ours: dict[str, Program], form: str) -> None:
    job.shared["program"], job.shared["form"] = ours[form], form


def _seconds_of(program: Program) -> float:
    program(1)
    began = time.monotonic()
    program(3)
    return (time.monotonic() - began) / 3


def _peak(job: Job, config: Config) -> float:
    if "peak" not in job.shared:
        job.shared["peak"] = device.peak_flops(job, config.compute.dtype, config.compute.tf32)
    return float(job.shared["peak"])


def _own(x: Any) -> Any:
    """A copy that a step may overwrite."""
    return jnp.copy(x) if isinstance(x, jax.Array) else x
