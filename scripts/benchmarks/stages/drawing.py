"""Designs per second of a generator."""

from benchmarks import programs, sample
from benchmarks.stages import step
from benchmarks.stages.job import Job

TABLE = "Drawing"


def run(job: Job) -> None:
    """Times each generator at each number of designs at once."""
    form = step.best_choice(job).form
    for made in job.size.drawn:
        config = made.load()
        for n in job.size.draws:
            label = f"{config.name}, {n} at once"
            if job.has(TABLE, label):
                continue
            if job.left_s() <= 0:
                job.out_of_time(label)
                continue
            spec, parameters = programs.spec(config), sample.first_params(config)
            (measured,) = sample.measure(config, spec, parameters, [n], form, rounds=job.size.rounds, calls=2)
            job.add(
                TABLE,
                drawn=label,
                call_ms=1e3 * measured.call_s.median,
                img_per_s=measured.img_per_s,
                gflop_per_image=measured.gflop_per_image,
                of_peak=measured.peak_share,
            )
            job.figure("img_per_s", max(measured.img_per_s, job.entry.figures.get("img_per_s", 0.0)))
