"""Seeds trained together: as one program over a stack of them, and as processes beside each other."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from benchmarks import apart, programs
from benchmarks.programs import Program
from benchmarks.stages import device, step
from benchmarks.stages.job import Job, all_at_once

from ich_jax import errors
from ich_jax.training import parallel, seeds
from ich_jax.training import step as step_lib

STACKS, PROCESSES = "Stacks of seeds", "Processes beside each other"


def run(job: Job) -> None:
    """Times stacks of seeds, then as many processes as the cores allow."""
    config = job.size.small.load()
    choice = step.best_choice(job)
    alone = programs.make_program(config, programs.random_dataset(config), choice)
    flops = step.model_flops(alone)
    peak = device.peak_flops(job, config.compute.dtype, config.compute.tf32)
    layout = seeds.Stacked(parallel.single().mesh)

    def compiled(n: int) -> Program:
        jitted: Any = step_lib.make_step(config, alone.dataset, layout, choice)
        state, source, window = alone.arguments
        stacked = [_repeated(state, n), source, _repeated(window, n)]
        return Program(config, alone.dataset, layout, jitted, stacked, jitted.lower(*stacked).compile())

    wanted = [n for n in job.size.stacks if not job.has(STACKS, n)]
    ways: dict[str, Callable[[], Program]] = {str(n): functools.partial(compiled, n) for n in wanted}
    made, late = all_at_once(ways, timeout_s=max(1.0, 0.5 * job.left_s()), at_most=4)
    for name, why in late.items():
        job.out_of_time(f"a stack of {name}", why)
    for n in wanted:
        program = made.pop(str(n), None)
        if program is None:
            continue
        if job.left_s() <= 0:
            job.out_of_time(f"a stack of {n}")
            continue
        program(1)
        began = time.monotonic()
        program(1)
        steps = max(1, min(50, int(0.05 * max(0.0, job.left_s()) / (time.monotonic() - began))))
        began = time.monotonic()
        program(steps)
        seconds = (time.monotonic() - began) / steps
        job.add(
            STACKS,
            seeds=n,
            step_ms=1e3 * seconds,
            img_per_s=n * config.train.batch / seconds,
            mfu=n * flops / seconds / peak,
            steps=steps,
        )
        del program  # a stack of 64 holds 64 states
    if rates := {row["seeds"]: row for row in job.entry.rows if row["table"] == STACKS}:
        best = max(rates.values(), key=lambda row: float(row["img_per_s"]))
        job.figure("stack_mfu", float(best["mfu"]))
        job.figure("stack_img_per_s", float(best["img_per_s"]))
    _beside_each_other(job, choice_name(job), job.size.processes, config.train.batch)


def choice_name(job: Job) -> str:
    """Name of the form that other processes are to use."""
    form = step.best_choice(job).form
    return next(name for name, known in programs.FORMS.items() if known == form)


def serve(job_size: Any, form: str) -> None:
    """Runs one of the processes that train beside each other."""
    config = job_size.small.load()
    program = programs.make_program(config, programs.random_dataset(config), programs.of_form(form))
    program(2)
    apart.serve(program)


def _beside_each_other(job: Job, form: str, numbers: Sequence[int], batch: int) -> None:
    most = max(numbers)
    usable = max(1, min(most, programs.cores()))
    if usable < most:
        job.leave_out(f"{most} processes", f"{usable} core(s); each process keeps one busy")
    commands = {
        f"process {i}": ["accelerator", "--side=small", f"--size={job.size.name}", f"--form={form}"]
        for i in range(usable)
    }
    with apart.workers_at_once(commands, {}) as (running, wait):
        for name, why in wait(max(0.0, 0.6 * job.left_s())).items():
            job.out_of_time(name, why)
        for n in [n for n in numbers if n <= len(running)]:
            if job.left_s() <= 0:
                job.out_of_time(f"{n} processes")
                continue
            workers = list(running.values())[:n]
            seconds = _together(workers, 1)
            steps = max(1, min(50, int(0.1 * job.left_s() / seconds)))
            seconds = _together(workers, steps) / steps
            job.add(PROCESSES, processes=n, step_ms=1e3 * seconds, img_per_s=n * batch / seconds, steps=steps)


def _together(workers: Sequence[apart.Worker], steps: int) -> float:
    """Runs all of them at the same time; returns the seconds until the last one is done."""
    began = time.monotonic()
    for worker in workers:
        worker.ask(steps)
    for worker in workers:
        try:
            worker.wait()
        except errors.IchJaxError as error:
            raise errors.IchJaxError(f"beside {len(workers) - 1} others: {error}") from error
    return time.monotonic() - began


def _repeated(tree: Any, n: int) -> Any:
    """A stack of n equal states: the cost of a step does not depend on their values."""
    return jax.tree.map(lambda leaf: jnp.repeat(leaf[None], n, axis=0), tree)
