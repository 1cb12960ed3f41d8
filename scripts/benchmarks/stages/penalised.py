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
            label = f"{config.name}, {way}"
            if job.has(TABLE, label):
                continue
            if job.left_s() <= 0:
                job.out_of_time(label)
                continue
            none, measured = penalty.measure(config, choice, ["none", way], rounds=job.size.rounds, steps=2)
            job.add(
                TABLE,
                penalty=label,
                step=seconds_range(measured.step_s),
                without=seconds_range(none.step_s),
                over_none=ratio_range(measured.over_none),
                counted=measured.gflop_per_image / none.gflop_per_image,
            )
            job.figure(way.replace(" ", "").replace(",", "_"), measured.over_none.median)
