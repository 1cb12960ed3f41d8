"""Batches of small refits on the device, beside the processor of the same machine."""

import contextlib

import jax
from benchmarks import econometrics
from benchmarks.stages.job import Job

from ich_jax.report.benchmark import seconds_range

TABLE = "Econometric batches"


def run(job: Job) -> None:
    """Times rows of the benchmark of econometrics, the most important ones first."""
    known = {row.name: row for row in econometrics.all_rows(quick=job.size.quick)}
    kinds = [jax.default_backend(), *(["cpu"] if jax.default_backend() != "cpu" else [])]
    if len(kinds) == 1:
        job.leave_out("the processor beside the device", "the processor is the device")
    for name in job.size.econometrics:
        for kind in kinds:
            label = f"{name} on {kind}"
            if job.has(TABLE, label):
                continue
            if job.left_s() <= 0:
                job.out_of_time(label)
                continue
            there = (
                contextlib.nullcontext() if kind == kinds[0] else jax.default_device(jax.local_devices(backend=kind)[0])
            )
            with there:
                measured = econometrics.measure(known[name], rounds=5, with_peer=False)
            job.add(
                TABLE,
                row=label,
                problem=measured.problem,
                call=seconds_range(measured.times.ours_s),
                cold_s=measured.times.ours_cold_s,
            )
