"""Drawing with a generator: images a second by the number drawn at once.

    python scripts/benchmark.py sample --output=runs/benchmark
    python scripts/benchmark.py sample --output=runs/benchmark --workdir=runs/quick --batches=1,64,256

Draws from the averaged weights as evaluation does (`training.step.make_sampler`): of a run with --workdir, else of the
configs with initial weights, which cost the same.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags
from benchmarks import programs

from ich_jax import errors
from ich_jax.config import Config
from ich_jax.data import procedural
from ich_jax.data.procedural import shapes
from ich_jax.models import networks
from ich_jax.models.convolutions import Formulation
from ich_jax.perf import compilation, counts, roofline, timing
from ich_jax.perf.neighbours import Neighbours, Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables
from ich_jax.training import checkpoint, sampling
from ich_jax.types import Brief, DesignSpace, ImageSpec

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Measured:
    """Drawing a number of images at once.

    Attributes:
        config: Name of the config.
        batch: Images in a call.
        call_s: Seconds of a call.
        img_per_s: Images a second.
        gflop_per_image: Of matrix products and convolutions.
        peak_share: Of the measured peak.
        temp_bytes: Memory of a call beside arguments and results, as XLA reports it.
        neighbours: Other load of the machine.
    """

    config: str
    batch: int
    call_s: Range
    img_per_s: float
    gflop_per_image: float
    peak_share: float
    temp_bytes: int | None
    neighbours: Neighbours


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    programs.define_flags(["configs/benchmark_32.py", "configs/benchmark_64.py", "configs/procedural_32.py"])
    flags.DEFINE_string("workdir", "", "A run whose generator draws, instead of --config.")
    flags.DEFINE_list("batches", ["1", "16", "128"], "Numbers of images to draw at once.")


def run() -> None:
    """Measures each generator at each number."""
    configs = programs.check_flags()
    form = programs.choice().form
    how = {"rounds": FLAGS.rounds, "calls": FLAGS.steps}
    batches = [_batch(text) for text in FLAGS.batches]
    measured = []
    if FLAGS.workdir:
        model = checkpoint.restore_for_inference(FLAGS.workdir)
        measured += measure(model.config, model.spec, model.ema_params, batches, form, **how)
    else:
        for config in configs:
            measured += measure(config, programs.spec(config), first_params(config), batches, form, **how)
    receipt = {"summary": summarise(measured), "rounds": FLAGS.rounds, "calls": FLAGS.steps, "rows": measured}
    note = " ".join(dict.fromkeys(f"{m.config}: {programs.describe(m.neighbours)}" for m in measured))
    benchmark.write(Path(FLAGS.output), receipt, [_table(measured)], note=note)
    print(benchmark.summary(summarise(measured)), flush=True)


def measure(
    config: Config,
    spec: ImageSpec,
    params: Any,
    batches: Sequence[int],
    form: Formulation,
    *,
    rounds: int,
    calls: int,
) -> list[Measured]:
    """Times a generator at several numbers of images, in turns of `calls` calls each."""
    watch = Watch()
    key = jax.random.key(0)
    sampler: Any = sampling.make_sampler(config, spec, form)
    ways, flops, memory = [], [], []
    for batch in batches:
        arguments = (params, key, _briefs(spec.space, batch))
        traced = sampler.trace(*arguments)
        compiled = traced.lower().compile()
        flops.append(counts.count(traced.jaxpr).flops)
        memory.append(compilation.memory(compiled).temp_bytes)
        ways.append(functools.partial(_draw, compiled, arguments, calls))
        ways[-1]()
    peak = roofline.measure_peak(config.compute.dtype)
    seconds = timing.in_turns(ways, rounds=rounds) / calls
    neighbours = watch.read()
    measured = []
    for i, batch in enumerate(batches):
        call_s = timing.over_rounds(seconds[:, i])
        share = flops[i] / call_s.median / peak.flops_per_s
        measured.append(
            Measured(
                config=config.name,
                batch=batch,
                call_s=call_s,
                img_per_s=batch / call_s.median,
                gflop_per_image=flops[i] / batch / 1e9,
                peak_share=share,
                temp_bytes=memory[i],
                neighbours=neighbours,
            )
        )
        print(f"{config.name}: {batch} at once, {benchmark.digits(measured[-1].img_per_s)} img/s", flush=True)
    return measured


def summarise(measured: Sequence[Measured]) -> Mapping[str, float]:
    """Images a second of each config at the best number."""
    best: dict[str, float] = {}
    for m in measured:
        best[f"{m.config}_img_per_s"] = max(best.get(f"{m.config}_img_per_s", -math.inf), m.img_per_s)
    return best


def _draw(compiled: Any, arguments: tuple[Any, ...], calls: int) -> None:
    jax.block_until_ready([compiled(*arguments) for _ in range(calls)])


def first_params(config: Config) -> Any:
    """Returns parameters of a generator that has not been trained."""
    module = networks.create_generator(config, programs.spec(config))
    z = jnp.zeros((1, config.generator.z_dim), jnp.float32)
    return jax.jit(module.init)(jax.random.key(config.seed), z, _briefs(shapes.SPACE, 1))["params"]


def _briefs(space: DesignSpace, n: int) -> Brief:
    if space == shapes.SPACE:
        return procedural.sample_brief(jax.random.key(1), n)
    return Brief(
        product=jnp.zeros((n,), jnp.int32),
        elements=jnp.zeros((n, len(space.elements)), jnp.int32),
        axes=jnp.zeros((n, len(space.axes)), jnp.float32),
        given=jnp.ones((n, space.n_given), jnp.float32),
    )


def _batch(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise errors.ConfigError(f"--batches: got {text!r}; expected whole numbers from 1, such as 1,16,128.")
    return int(text)


def _table(measured: Sequence[Measured]) -> tables.Table:
    rows = [
        (
            m.config,
            m.batch,
            benchmark.seconds_range(m.call_s),
            m.img_per_s,
            m.gflop_per_image,
            m.peak_share,
            None if m.temp_bytes is None else m.temp_bytes / 2**20,
        )
        for m in measured
    ]
    return tables.Table(
        name="sample",
        title="Drawing",
        columns=("config", "at once", "call", "img/s", "GFLOP/image", "of peak", "temporary, MiB"),
        rows=tuple(rows),
        caption=f"Median and range over {FLAGS.rounds} rounds of {FLAGS.steps} calls in turns.",
        digits=(("img/s", 1),),
    )
