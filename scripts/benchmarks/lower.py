"""The training step for accelerators that are not at hand: lowered, checked and counted, nothing compiled or run.

    python scripts/benchmark.py lower --output=runs/lower
    python scripts/benchmark.py lower --output=runs/lower --config=configs/r3gan_32.py --dtypes=bfloat16

For every config, precision and platform: no call of the host, no float64, channels last, static shapes, every array of
the state donated; operations and bytes of a step, an estimate of the memory that it needs, and advice about widths. The
command fails if a check does. Batches of the same shape stand in for your own image sets.
"""

import dataclasses
import math
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags
from benchmarks import programs

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.data import procedural
from ich_jax.data.dataset import Dataset
from ich_jax.data.procedural import shapes
from ich_jax.models.convolutions import Formulation
from ich_jax.perf import counts, lowering
from ich_jax.report import benchmark, tables
from ich_jax.training import parallel
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.training.formulation import Choice
from ich_jax.types import Batch, Brief

FLAGS = flags.FLAGS
_CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@dataclasses.dataclass(frozen=True)
class Measured:
    """One config in one precision for one platform.

    Attributes:
        config: Its name.
        dtype: Compute type.
        platform: Lowered for it.
        problems: Problems of the program; empty if there are none.
        gflop_per_image: Of matrix products and convolutions of a step.
        operand_bytes: Read and written by them, once each.
        convolutions: Convolutions in a step.
        dots: Matrix products in a step.
        memory_bytes: Estimate for the device.
        donated: Arguments that the step may overwrite.
        custom_calls: Operations that are not StableHLO.
        advice: About widths.
    """

    config: str
    dtype: str
    platform: str
    problems: tuple[str, ...]
    gflop_per_image: float
    operand_bytes: float
    convolutions: int
    dots: int
    memory_bytes: int
    donated: int
    custom_calls: tuple[str, ...]
    advice: tuple[str, ...]


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", None, "Folder for benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_list("config", [], "Config files; all that train by default.")
    flags.DEFINE_list("platforms", ["tpu", "cuda"], f"Of {', '.join(lowering.PLATFORMS)}.")
    flags.DEFINE_list("dtypes", list(config_lib.DTYPES), "Compute types.")
    programs.define_form("merged")


def run() -> None:
    """Lowers and checks; raises if anything is wrong."""
    form = programs.choice().form
    for platform in FLAGS.platforms:
        errors.require(platform, lowering.PLATFORMS, "--platforms")
    for dtype in FLAGS.dtypes:
        errors.require(dtype, config_lib.DTYPES, "--dtypes")
    measured: list[Measured] = []
    for path in FLAGS.config or training_configs():
        for dtype in FLAGS.dtypes:
            measured += measure(load(path, dtype), form, FLAGS.platforms)
            m = measured[-1]
            problems = (
                " ".join(line for each in measured[-len(FLAGS.platforms) :] for line in each.problems) or "no problem"
            )
            memory = f"{m.memory_bytes / 2**30:.2f} GiB"
            print(f"{m.config}, {dtype}: {m.gflop_per_image:.3g} GFLOP/image, {memory}: {problems}", flush=True)
    benchmark.write(Path(FLAGS.output), {"summary": summarise(measured), "rows": measured}, [_table(measured)])
    print(benchmark.summary(summarise(measured)), flush=True)
    if wrong := [f"{m.config}, {m.dtype}: {line}" for m in measured for line in m.problems]:
        raise errors.MismatchError("\n".join([f"{len(wrong)} checks failed:", *wrong]))


def training_configs() -> list[str]:
    """Returns the configs of this repository that train a generator."""
    return [str(path) for path in sorted(_CONFIGS.glob("*.py")) if "train" in config_lib.load_editable(path)]


def load(path: str, dtype: str) -> Config:
    """Loads a config in a precision; a config that needs images of the user gets a path that nothing opens."""
    values = config_lib.load_editable(path)
    values.compute.dtype = dtype
    if values.data.source != "procedural" and not values.data.path:
        values.data.path = "images"
    known = {field.name for field in dataclasses.fields(Config)}
    return config_lib.resolve({name: value for name, value in values.items() if name in known})


def abstract_step(config: Config, form: Formulation) -> tuple[Any, tuple[Any, Any, Any]]:
    """Returns the training step and shapes of its arguments: state, source of images, window."""
    data = procedural.make(config.data) if config.data.source == "procedural" else _stand_in(config)
    step = step_lib.make_step(config, data, parallel.single(), Choice(form))
    state = state_lib.abstract_state(config, data.spec)
    source: Any = data.arrays
    if data.sample is None:
        shape = (config.objective.d_steps, config.train.batch)
        brief: list[Any] = [
            jax.ShapeDtypeStruct(shape, jnp.int32),
            jax.ShapeDtypeStruct((*shape, len(data.space.elements)), jnp.int32),
            jax.ShapeDtypeStruct((*shape, len(data.space.axes)), jnp.float32),
            jax.ShapeDtypeStruct((*shape, data.space.n_given), jnp.float32),
        ]
        image: Any = jax.ShapeDtypeStruct((*shape, data.size, data.size, data.channels), jnp.uint8)
        source = Batch(image, Brief(*brief))
    return step, (state, source, jax.eval_shape(window_lib.new_window))


def measure(config: Config, form: Formulation, platforms: Sequence[str]) -> list[Measured]:
    """Lowers the step of a config for each platform, from one trace."""
    step, arguments = abstract_step(config, form)
    traced = step.trace(*arguments)
    program = traced.jaxpr
    state, source, window = (len(jax.tree.leaves(argument)) for argument in arguments)
    donated = [True] * state + [False] * source + [True] * window
    n_donated = sum(map(operator.and_, donated, counts.arguments_read(program)))
    counted, memory = counts.count(program), counts.memory_bytes(program, donated)
    measured = []
    for platform in platforms:
        facts = lowering.facts(lowering.lower(traced, platform), platform)
        measured.append(
            Measured(
                config=config.name,
                dtype=config.compute.dtype,
                platform=platform,
                problems=tuple(lowering.problems(facts, compute=config.compute.dtype, donated=n_donated)),
                gflop_per_image=counted.flops / config.train.batch / 1e9,
                operand_bytes=counted.operand_bytes,
                convolutions=counted.convolutions,
                dots=counted.dots,
                memory_bytes=memory,
                donated=facts.donated,
                custom_calls=tuple(sorted(facts.custom_calls)),
                advice=tuple(lowering.advice(program, platform)),
            )
        )
    return measured


def summarise(measured: Sequence[Measured]) -> Mapping[str, float]:
    """Numbers of lowered programs and of failed checks, and the largest program."""
    return {
        "programs": float(len(measured)),
        "problems": float(sum(len(m.problems) for m in measured)),
        "gflop_per_image": max((m.gflop_per_image for m in measured), default=math.nan),
        "memory_gib": max((m.memory_bytes / 2**30 for m in measured), default=math.nan),
    }


def _stand_in(config: Config) -> Dataset:
    def never(*_: Any) -> Any:
        raise AssertionError("nothing is loaded")

    return Dataset(
        space=shapes.SPACE,
        size=config.data.size,
        channels=config.data.channels,
        n_train=10_000,
        n_holdout=0,
        fingerprint="stand-in",
        simulated=True,
        arrays=None,
        sample=None,
        host_batches=never,
        holdout=never,
        train_images=never,
        briefs=never,
    )


def _table(measured: Sequence[Measured]) -> tables.Table:
    rows = [
        (
            m.config,
            m.dtype,
            m.platform,
            " ".join(m.problems) or "none",
            m.gflop_per_image,
            m.operand_bytes / 2**30,
            m.convolutions,
            m.dots,
            m.memory_bytes / 2**30,
            " ".join(m.advice),
        )
        for m in measured
    ]
    return tables.Table(
        name="lower",
        title="Training steps lowered for accelerators",
        columns=(
            *("config", "dtype", "platform", "problems", "GFLOP/image", "GiB moved", "convolutions"),
            *("matrix products", "memory, GiB", "advice"),
        ),
        rows=tuple(rows),
        caption=(
            "Counted from the jaxpr: operations of matrix products and convolutions, bytes that they read and write in "
            "a step, and an estimate of the memory that a step needs. Advice changes nothing by itself."
        ),
    )
