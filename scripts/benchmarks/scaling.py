"""The step by batch size, and by number of devices where there are several real ones.

    python scripts/benchmark.py scaling --output=runs/benchmark
    python scripts/benchmark.py scaling --output=runs/benchmark --batches=64,128,256 --devices=1,2,4

Several CPU devices of JAX are one processor under several names: how a step scales over them means nothing, so that is
refused.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
from absl import flags
from benchmarks import programs

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.perf import compilation, timing
from ich_jax.perf.neighbours import Neighbours, Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables
from ich_jax.training import parallel
from ich_jax.training.formulation import Choice

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Measured:
    """One batch size on one number of devices.

    Attributes:
        config: Name of the config.
        devices: Devices that share a batch.
        batch: Images of a step, over all devices.
        step_s: Seconds of a step.
        img_per_s: Images a second.
        efficiency: Images a second and device, over those of the first row on one device of the same share of images.
        temp_bytes: Memory of a device beside arguments and results, as XLA reports it.
        neighbours: Other load of the machine.
    """

    config: str
    devices: int
    batch: int
    step_s: Range
    img_per_s: float
    efficiency: float | None
    temp_bytes: int | None
    neighbours: Neighbours


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    programs.define_flags(["configs/benchmark_32.py"])
    flags.DEFINE_list("batches", ["8", "16", "32", "64"], "Images of a step, on each device.")
    flags.DEFINE_list("devices", ["1"], "Numbers of devices.")


def run() -> None:
    """Measures each batch size on each number of devices."""
    configs = programs.check_flags()
    batches, devices = (_numbers(name, getattr(FLAGS, name)) for name in ("batches", "devices"))
    check_devices(devices)
    choice, measured = programs.choice(), []
    for config in configs:
        measured += measure(config, choice, batches, devices)
    receipt = {"summary": summarise(measured), "rounds": FLAGS.rounds, "steps": FLAGS.steps, "rows": measured}
    note = " ".join(dict.fromkeys(f"{m.config}: {programs.describe(m.neighbours)}" for m in measured))
    benchmark.write(Path(FLAGS.output), receipt, [_table(measured)], note=note)
    print(benchmark.summary(summarise(measured)), flush=True)


def check_devices(numbers: Sequence[int]) -> None:
    """Checks that there are enough devices, and that they are real.

    Raises:
        ConfigError: They are not.
    """
    there = len(jax.devices())
    if max(numbers) > there:
        raise errors.ConfigError(f"--devices: got {max(numbers)}, but JAX sees {there}. Allowed: 1 to {there}.")
    if max(numbers) > 1 and jax.default_backend() == "cpu":
        raise errors.ConfigError(
            "--devices: several CPU devices share one processor, so scaling over them means nothing; leave it at 1."
        )


def measure(config: Config, choice: Choice, batches: Sequence[int], devices: Sequence[int]) -> list[Measured]:
    """Times one config at every batch size and number of devices, in turns."""
    watch = Watch()
    sizes = [(n, n * each) for n in devices for each in batches]
    ways, memory = [], []
    for n, batch in sizes:
        values = {"train.batch": batch, "train.images": 0, "compute.devices": n}
        changed = config_lib.resolve(programs.changed(config, values))
        layout = parallel.make_layout(changed)
        program = programs.make_program(changed, programs.random_dataset(changed), choice, layout)
        _, program.compiled = compilation.compile_in_stages(program.jitted, *program.arguments)
        memory.append(compilation.memory(program.compiled).temp_bytes)
        ways.append(functools.partial(program, FLAGS.steps))
        ways[-1]()
    seconds = timing.in_turns(ways, rounds=FLAGS.rounds) / FLAGS.steps
    neighbours = watch.read()
    rates = {size: size[1] / timing.over_rounds(seconds[:, i]).median for i, size in enumerate(sizes)}
    measured = []
    for i, (n, batch) in enumerate(sizes):
        alone = rates.get((1, batch // n))
        measured.append(
            Measured(
                config=config.name,
                devices=n,
                batch=batch,
                step_s=timing.over_rounds(seconds[:, i]),
                img_per_s=rates[n, batch],
                efficiency=None if alone is None or n == 1 else rates[n, batch] / n / alone,
                temp_bytes=memory[i],
                neighbours=neighbours,
            )
        )
        print(f"{config.name}: {batch} images on {n}, {benchmark.digits(measured[-1].img_per_s)} img/s", flush=True)
    return measured


def summarise(measured: Sequence[Measured]) -> Mapping[str, float]:
    """The best batch size, its images a second, and the worst efficiency over devices."""
    best = max(measured, key=lambda m: m.img_per_s)
    efficiencies = [m.efficiency for m in measured if m.efficiency is not None]
    return {
        "best_batch": float(best.batch),
        "img_per_s": best.img_per_s,
        "worst_efficiency": min(efficiencies, default=float("nan")),
    }


def _numbers(flag: str, texts: Sequence[str]) -> list[int]:
    if not texts or not all(text.isdigit() and int(text) for text in texts):
        raise errors.ConfigError(f"--{flag}: got {','.join(texts)!r}; expected whole numbers from 1, such as 8,16,32.")
    return sorted(map(int, texts))


def _table(measured: Sequence[Measured]) -> tables.Table:
    rows = [
        (
            m.config,
            m.devices,
            m.batch,
            benchmark.seconds_range(m.step_s),
            m.img_per_s,
            m.efficiency,
            None if m.temp_bytes is None else m.temp_bytes / 2**20,
        )
        for m in measured
    ]
    return tables.Table(
        name="scaling",
        title="The step by batch size",
        columns=("config", "devices", "batch", "step", "img/s", "efficiency", "temporary, MiB"),
        rows=tuple(rows),
        caption=f"Median and range over {FLAGS.rounds} rounds of {FLAGS.steps} steps in turns, images on the device.",
        digits=(("img/s", 1),),
    )
