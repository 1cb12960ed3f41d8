"""The cost of penalties on the discriminator's gradient, on every image of every step.

    python scripts/benchmark.py penalty --output=runs/benchmark
    python scripts/benchmark.py penalty --output=runs/benchmark --set=discriminator.activation=silu

The step here is the discriminator's own: its loss on real and made-up generated images of one batch, and the gradient
of that loss, without the generator. By automatic differentiation it takes six passes over the network instead of three;
the exact rule for piecewise linear networks (`ich_jax.training.penalties.exact`) takes four.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags
from benchmarks import programs

from ich_jax.adversarial import OBJECTIVES
from ich_jax.config import Config
from ich_jax.data import pipeline
from ich_jax.data.procedural import shapes
from ich_jax.models import layers, networks
from ich_jax.models.convolutions import Formulation
from ich_jax.perf import counts, timing
from ich_jax.perf.neighbours import Neighbours, Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables
from ich_jax.training import parallel, penalties
from ich_jax.training.formulation import Choice
from ich_jax.types import Brief

FLAGS = flags.FLAGS
LINEAR = ("relu", "leaky_relu")
WAYS = {
    "none": ("none", "autodiff"),
    "R1, autodiff": ("r1", "autodiff"),
    "R1 + R2, autodiff": ("r1_r2", "autodiff"),
    "R1 + R2, exact rule": ("r1_r2", "exact"),
}
"""Penalty and rule of each way, by its name in tables."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """One way to take a penalty.

    Attributes:
        config: Name of the config.
        way: One of `WAYS`.
        step_s: Seconds of a discriminator step.
        over_none: Over that of one without a penalty, round by round.
        gflop_per_image: Of matrix products and convolutions, by pairs of a real and a generated image.
        neighbours: Other load of the machine.
    """

    config: str
    way: str
    step_s: Range
    over_none: Range
    gflop_per_image: float
    neighbours: Neighbours


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    programs.define_flags(["configs/benchmark_32.py", "configs/procedural_32.py"])


def run() -> None:
    """Measures every way for each config."""
    configs = programs.check_flags()
    choice = programs.choice()
    measured = []
    for config in configs:
        measured += measure(config, choice, list(ways_of(config)), rounds=FLAGS.rounds, steps=FLAGS.steps)
        for m in measured[-len(ways_of(config)) :]:
            print(f"{m.config}, {m.way}: {benchmark.seconds_range(m.step_s)}", flush=True)
    receipt = {"summary": summarise(measured), "rounds": FLAGS.rounds, "steps": FLAGS.steps, "rows": measured}
    note = " ".join(dict.fromkeys(f"{m.config}: {programs.describe(m.neighbours)}" for m in measured))
    benchmark.write(Path(FLAGS.output), receipt, [_table(measured)], note=note)
    print(benchmark.summary(summarise(measured)), flush=True)


def overhead(config: Config, choice: Choice, *, rounds: int) -> Range:
    """Returns the time of a discriminator step with R1 and R2, by the best rule that applies, over one without."""
    best = list(ways_of(config))[-1]
    return measure(config, choice, ["none", best], rounds=rounds, steps=1)[-1].over_none


def measure(config: Config, choice: Choice, ways: Sequence[str], *, rounds: int, steps: int) -> list[Measured]:
    """Times discriminator steps in turns; `none` comes first.

    Args:
        config: The run: its discriminator and loss.
        choice: How convolutions are computed.
        ways: Of `WAYS`.
        rounds: Rounds.
        steps: Steps of each in a round.
    """
    watch = Watch()
    arguments = _arguments(config, choice.form)
    compiled, flops = [], []
    for way in ways:
        options = dict(choice.options) | (parallel.CPU_OPTIONS if jax.default_backend() == "cpu" else {})
        jitted = jax.jit(make_gradient(config, choice.form, *WAYS[way]), compiler_options=options or None)
        traced = jitted.trace(*arguments)
        flops.append(counts.count(traced.jaxpr).flops)
        compiled.append(traced.lower().compile())
        jax.block_until_ready(compiled[-1](*arguments))

    def take(program: Callable[..., Any]) -> None:
        jax.block_until_ready([program(*arguments) for _ in range(steps)])

    seconds = timing.in_turns([functools.partial(take, program) for program in compiled], rounds=rounds) / steps
    neighbours = watch.read()
    return [
        Measured(
            config=config.name,
            way=way,
            step_s=timing.over_rounds(seconds[:, i]),
            over_none=timing.over_rounds(seconds[:, i] / seconds[:, 0]),
            gflop_per_image=flops[i] / config.train.batch / 1e9,
            neighbours=neighbours,
        )
        for i, way in enumerate(ways)
    ]


def make_gradient(config: Config, form: Formulation, penalty: str, rule: str) -> Callable[..., Any]:
    """Returns `(params, real, fake, brief) -> (loss, gradient)` of the discriminator, without reading."""
    objective = dataclasses.replace(
        config.objective, penalty=penalty, penalty_share=1.0, penalty_interval=1, reading_d=0.0
    )
    config = dataclasses.replace(
        config, objective=objective, compute=dataclasses.replace(config.compute, penalty_rule=rule)
    )
    module = networks.create_discriminator(config, shapes.SPACE, form)
    adversarial = OBJECTIVES[objective.loss]
    penalise = penalties.of_all(config)

    def network(params: Any, images: jax.Array, given: Brief) -> Any:
        return module.apply({"params": params}, images, given)

    def loss(params: Any, real: jax.Array, fake: jax.Array, brief: Brief) -> jax.Array:
        images, given = layers.interleave(real, fake), jax.tree.map(lambda x: layers.interleave(x, x), brief)
        if penalise is None:
            score, square = network(params, images, given)[0], jnp.zeros((images.shape[0],), jnp.float32)
        else:
            score, _, square = penalise(network, lambda x, draws: x, params, images, None, given)
        if penalty == "r1":
            square = square[::2]
        total = jnp.mean(adversarial.discriminator(score[::2], score[1::2]))
        # R1 + R2 are two means over a batch: twice the mean over both.
        return total + objective.penalty_weight * (2.0 if penalty == "r1_r2" else 1.0) * jnp.mean(square)

    return jax.value_and_grad(loss)


def summarise(measured: Sequence[Measured]) -> Mapping[str, float]:
    """The cost of R1 and R2, by autodiff and by the exact rule: the worst of the configs."""
    worst = {}
    for name, way in (("penalty_overhead", "R1 + R2, exact rule"), ("autodiff", "R1 + R2, autodiff")):
        worst[name] = max((m.over_none.median for m in measured if m.way == way), default=math.nan)
    return worst


def ways_of(config: Config) -> list[str]:
    """Returns the ways that apply to a config's discriminator."""
    linear = config.discriminator.activation in LINEAR
    return [way for way, (_, rule) in WAYS.items() if linear or rule != "exact"]


def _arguments(config: Config, form: Formulation) -> tuple[Any, ...]:
    images, brief = programs.random_images(config, 2 * config.train.batch)
    unit = jnp.asarray(pipeline.to_unit(images))
    half = jax.tree.map(lambda x: jnp.asarray(x[: config.train.batch]), brief)
    module = networks.create_discriminator(config, shapes.SPACE, form)
    real, fake = unit[::2], unit[1::2]
    params = jax.jit(module.init)(jax.random.key(config.seed), real[:1], jax.tree.map(lambda x: x[:1], half))["params"]
    return params, real, fake, half


def _table(measured: Sequence[Measured]) -> tables.Table:
    none = {m.config: m.gflop_per_image for m in measured if m.way == "none"}
    grouped = itertools.groupby(measured, key=lambda m: m.config)
    rows = [
        (
            config,
            m.way,
            benchmark.seconds_range(m.step_s),
            benchmark.ratio_range(m.over_none),
            m.gflop_per_image,
            m.gflop_per_image / none[config],
        )
        for config, group in grouped
        for m in group
    ]
    return tables.Table(
        name="penalty",
        title="Discriminator step with penalties",
        columns=("config", "penalty", "step", "over none", "GFLOP/image", "over none, counted"),
        rows=tuple(rows),
        caption=(
            f"Median and range over {FLAGS.rounds} rounds of {FLAGS.steps} steps in turns; penalties on all images of "
            "every step. GFLOP of matrix products and convolutions, counted from the jaxpr before the compiler removes "
            "repeated operations."
        ),
    )
