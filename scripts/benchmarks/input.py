"""The images alone: images per second of each source, and images per second that a step takes.

    python scripts/benchmark.py input --output=runs/benchmark
    python scripts/benchmark.py input --output=runs/benchmark --config=configs/folder_32.py --set=data.path=IMAGES

Sources that live on the device, or are drawn there, are sampled by a compiled program as the training step does it;
those that come from the host are loaded, decoded and copied to the device, batch after batch. The step
beside it runs on made-up images that the device holds.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags
from benchmarks import programs

from ich_jax.config import Config
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.perf import timing
from ich_jax.perf.neighbours import Neighbours, Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables
from ich_jax.training import parallel
from ich_jax.training import step as step_lib
from ich_jax.training.formulation import Choice

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Measured:
    """One source of images.

    Attributes:
        config: Name of the config.
        source: Source of its images.
        on_device: Whether they are sampled on the device.
        batch_s: Seconds of a batch.
        step_s: Seconds of a step that has its images already.
        img_per_s: Images a second that the source gives.
        needed_img_per_s: Images a second that the step takes.
        share: Time of a batch over that of a step: above 1 training waits for images even if both overlap.
        neighbours: Other load of the machine.
    """

    config: str
    source: str
    on_device: bool
    batch_s: Range
    step_s: Range
    img_per_s: float
    needed_img_per_s: float
    share: Range
    neighbours: Neighbours


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    programs.define_flags(["configs/procedural_32.py", "configs/procedural_64.py"])


def run() -> None:
    """Measures the source of each config."""
    configs = programs.check_flags()
    choice, measured = programs.choice(), []
    for config in configs:
        measured.append(measure(config, choice))
        m = measured[-1]
        text = f"{benchmark.digits(m.img_per_s)} img/s, {benchmark.digits(m.needed_img_per_s)} needed"
        print(f"{m.config}: {text}", flush=True)
    receipt = {"summary": summarise(measured), "rounds": FLAGS.rounds, "steps": FLAGS.steps, "rows": measured}
    note = " ".join(f"{m.config}: {programs.describe(m.neighbours)}" for m in measured)
    benchmark.write(Path(FLAGS.output), receipt, [_table(measured)], note=note)
    print(benchmark.summary(summarise(measured)), flush=True)


def measure(config: Config, choice: Choice) -> Measured:
    """Times batches of the config's images and steps in turns."""
    watch = Watch()
    dataset = programs.own_dataset(config)
    pipeline.check_batch(dataset, step_lib.images_per_step(config))
    step = programs.make_program(config, programs.random_dataset(config), choice)
    load = loader(config, dataset)
    ways = [functools.partial(load, FLAGS.steps), functools.partial(step, FLAGS.steps)]
    for way in ways:
        way()
    seconds = timing.in_turns(ways, rounds=FLAGS.rounds) / FLAGS.steps
    batch_s, step_s = (timing.over_rounds(seconds[:, i]) for i in range(2))
    images = step_lib.images_per_step(config)
    return Measured(
        config=config.name,
        source=config.data.source,
        on_device=dataset.sample is not None,
        batch_s=batch_s,
        step_s=step_s,
        img_per_s=images / batch_s.median,
        needed_img_per_s=images / step_s.median,
        share=timing.over_rounds(seconds[:, 0] / seconds[:, 1]),
        neighbours=watch.read(),
    )


def loader(config: Config, dataset: Dataset) -> Callable[[int], None]:
    """Returns a function that prepares a number of batches of new images on the device, and waits for them."""
    layout, n = parallel.single(), step_lib.images_per_step(config)
    if dataset.host_batches is not None:
        batches = dataset.host_batches(config.seed, 0, n)

        def from_host(count: int) -> None:
            for _ in range(count):
                jax.block_until_ready(layout.put_batch(next(batches), config.objective.d_steps))

        return from_host

    arrays, sample, key = layout.put(dataset.arrays), dataset.sample, pipeline.data_key(config.seed)
    assert sample is not None  # a set that has no host batches is sampled on the device

    @jax.jit
    def draw(arrays: Any, step: jax.Array) -> Any:
        batch = sample(arrays, pipeline.batch_indices(key, step, n, dataset.n_train))
        return batch._replace(image=pipeline.as_unit(batch.image)), step + 1

    position = [jnp.zeros((), jnp.int32)]

    def on_device(count: int) -> None:
        for _ in range(count):
            batch, position[0] = draw(arrays, position[0])
        jax.block_until_ready(batch)

    return on_device


def summarise(measured: Sequence[Measured]) -> Mapping[str, float]:
    """The largest share of a step that a batch takes, and the images a second of that source."""
    worst = max(measured, key=lambda m: m.share.median, default=None)
    if worst is None:
        return {"input_over_step": math.nan, "img_per_s": math.nan}
    return {"input_over_step": worst.share.median, "img_per_s": worst.img_per_s}


def _table(measured: Sequence[Measured]) -> tables.Table:
    rows = [
        (
            m.config,
            f"{m.source}, {'on the device' if m.on_device else 'from the host'}",
            benchmark.seconds_range(m.batch_s),
            m.img_per_s,
            benchmark.seconds_range(m.step_s),
            m.needed_img_per_s,
            benchmark.ratio_range(m.share),
        )
        for m in measured
    ]
    return tables.Table(
        name="input",
        title="Images alone",
        columns=("config", "source", "batch", "img/s", "step", "img/s needed", "batch / step"),
        rows=tuple(rows),
        caption=f"Median and range over {FLAGS.rounds} rounds of {FLAGS.steps} batches or steps in turns.",
        digits=(("img/s", 0), ("img/s needed", 0)),
    )
