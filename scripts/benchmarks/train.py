"""The training step: time, operations, share of the machine's peak, memory, compilation; against PyTorch if asked.

    python scripts/benchmark.py train --output=runs/benchmark
    python scripts/benchmark.py train --output=runs/benchmark --config=configs/benchmark_32.py --versus=torch
    python scripts/benchmark.py train --output=runs/benchmark --set=compute.dtype=bfloat16

The step runs on made-up images that the device holds; a second program with the config's own images shows how much of a
step waits for data. With --versus=torch (extra `bench`) the same networks are trained in PyTorch by the same objective,
optimiser, batch and precision on as many threads: as people write them, and with the algebra of our merged forms, each
eager with channels last and through `torch.compile`. Losses from the same weights, images and noise are compared before
any time is taken; then ours and all variants take turns, each in a separate process (`apart`), first with memory as
the system has it and then with large pages, and ratios are to the fastest variant of each kind.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from benchmarks import penalty, programs, train_result, versus_torch
from benchmarks.train_result import Measured

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.perf import compilation, counts, dispatch, roofline, timing
from ich_jax.perf.neighbours import Watch
from ich_jax.report import benchmark
from ich_jax.training import step as step_lib
from ich_jax.training.formulation import Choice

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    programs.define_flags(["configs/benchmark_32.py", "configs/benchmark_64.py", "configs/procedural_32.py"])
    flags.DEFINE_string("versus", "", "torch: compare with PyTorch, where a config allows it; empty: alone.")
    flags.DEFINE_bool("compile_split", True, "Compile with an empty and with a full cache.")
    flags.DEFINE_bool("own_images", True, "Run on the config's own images too.")
    flags.DEFINE_bool("penalty", True, "Measure the cost of R1 and R2 in a discriminator step.")
    flags.DEFINE_bool("torch_compile", True, "Include torch.compile, which takes minutes to compile.")
    flags.DEFINE_string("side", "", "Task of this process; the command sets it for the processes that it starts.")
    flags.DEFINE_list("losses", [], "Losses of our first step, which those of the side have to equal.")


def run() -> None:
    """Measures the configs that the flags select."""
    configs = programs.check_flags()
    choice = programs.choice()
    errors.require(FLAGS.versus or "none", ("torch", "none"), "--versus")
    if FLAGS.side:
        versus_torch.serve(configs[0], choice)
        return
    check_peer = versus_torch.load_peer().check if FLAGS.versus == "torch" else None
    measured = []
    for path, config in zip(FLAGS.config, configs, strict=True):
        against = check_peer is not None and (len(configs) == 1 or versus_torch.allows(check_peer, config))
        if check_peer is not None and against:
            check_peer(config)
        measured.append(measure(config, choice, versus=path if against else ""))
        print(train_result.line(measured[-1]), flush=True)
    receipt = {
        "summary": train_result.summarise(measured),
        "rounds": FLAGS.rounds,
        "steps": FLAGS.steps,
        "rows": measured,
    }
    note = " ".join(f"{m.config}: {programs.describe(m.neighbours)}" for m in measured)
    benchmark.write(Path(FLAGS.output), receipt, train_result.tables_of(measured), peers=("torch",), note=note)
    print(benchmark.summary(train_result.summarise(measured)), flush=True)


def measure(config: Config, choice: Choice, *, versus: str) -> Measured:
    """Measures one config.

    Args:
        config: The run.
        choice: How convolutions are computed.
        versus: File of the config, if it is to be compared with PyTorch.

    Raises:
        MismatchError: Losses of ours and of PyTorch differ; no time is reported.
    """
    rounds, watch = FLAGS.rounds, Watch()
    ours = programs.make_program(config, programs.random_dataset(config), choice)
    split = None
    if FLAGS.compile_split:
        split, ours.compiled = compilation.split(ours.jitted, *ours.arguments)
    else:
        _, ours.compiled = compilation.compile_in_stages(ours.jitted, *ours.arguments)
    ways: list[Callable[[], Any]] = [functools.partial(ours, FLAGS.steps)]
    own_program = None
    if FLAGS.own_images:
        own_program = programs.make_program(config, programs.own_dataset(config), choice)
        ways.append(functools.partial(own_program, FLAGS.steps))
    for way in (ours, own_program):
        if way is not None:
            way(1)
    peers = versus_torch.beside_torch(versus, ours.losses()) if versus else ()

    peaks = [roofline.measure_peak(config.compute.dtype)]
    seconds = timing.in_turns(ways, rounds=rounds) / FLAGS.steps
    peaks.append(roofline.measure_peak(config.compute.dtype))
    best = max(peaks, key=lambda each: each.flops_per_s)
    gap = dispatch.gap(functools.partial(ours, max(5, FLAGS.steps)))
    overhead = penalty.overhead(config, choice, rounds=rounds) if FLAGS.penalty else None

    program = ours.jitted.trace(*ours.arguments).jaxpr
    written: Any = step_lib.make_step(config, ours.dataset, ours.layout)  # by default as written
    used, model = counts.count(program), counts.count(written.trace(*ours.arguments).jaxpr)
    moved = used.operand_bytes + counts.argument_bytes(program) + counts.result_bytes(program)
    step_s, batch = timing.over_rounds(seconds[:, 0]), config.train.batch
    xla = compilation.xla_flops(ours.compiled)
    donated = [leaf is not None for leaf in jax.tree.leaves(ours.arguments[0])]
    donated += [False] * len(jax.tree.leaves(ours.arguments[1])) + [True] * len(jax.tree.leaves(ours.arguments[2]))
    own_s = seconds[:, 1] if own_program is not None else None
    return Measured(
        config=config.name,
        fingerprint=config_lib.fingerprint(config),
        size=config.data.size,
        batch=batch,
        dtype=config.compute.dtype,
        form=choice.described()[0].removeprefix("with "),
        step_s=step_s,
        own_step_s=None if own_s is None else timing.over_rounds(own_s),
        input_share=None if own_s is None else float(np.median(1.0 - seconds[:, 0] / own_s)),
        img_per_s=batch / step_s.median,
        gflop_per_image=used.flops / batch / 1e9,
        gflop_per_image_written=model.flops / batch / 1e9,
        gflop_per_image_xla=None if xla is None else xla / batch / 1e9,
        standing=roofline.standing(step_s.median, used.flops, moved, best),
        model_share=model.flops / step_s.median / best.flops_per_s,
        peak=best,
        compilation=split,
        memory=compilation.memory(ours.compiled),
        estimated_bytes=counts.memory_bytes(program, donated),
        device_peak_bytes=compilation.device_peak_bytes(),
        gap=gap,
        penalty_overhead=overhead,
        peers=peers,
        neighbours=watch.read(),
    )
