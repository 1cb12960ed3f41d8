"""The cost of R1 and R2 in a discriminator's step, by automatic differentiation and by the exact rule."""

from benchmarks import penalty
from benchmarks.stages import step
from benchmarks.stages.job import Job

from ich_jax.report.benchmark import ratio_range, seconds_range

TABLE = "Discriminator step with penalties"


def run(job: Job) -> None:
    """Times each way beside the step without a penalty."""
    choice = step.best_choice(job)
    for made in job.size.penalties:
        config = made.load()
        every = penalty.ways_of(config)
        wanted = [way for way in reversed(every) if way != "none" and (not job.size.ways or way in job.size.ways)]
        for way in wanted:
            what = f"{config.name}, {way}"
            if job.has(TABLE, what):
                continue
            if job.left_s() <= 0:
                job.out_of_time(what)
                continue
            none, found = penalty.measure(config, choice, ["none", way], rounds=job.size.rounds, steps=2)
            job.add(
                TABLE,
                penalty=what,
                step=seconds_range(found.step_s),
                without=seconds_range(none.step_s),
                over_none=ratio_range(found.over_none),
                counted=found.gflop_per_image / none.gflop_per_image,
            )
            job.figure(way.replace(" ", "").replace(",", "_"), found.over_none.median)
