"""The training step: time, operations, share of the machine's peak, memory, compilation; against PyTorch if asked.

    python scripts/benchmark.py train --output=runs/benchmark
    python scripts/benchmark.py train --output=runs/benchmark --config=configs/benchmark_32.py --versus=torch
    python scripts/benchmark.py train --output=runs/benchmark --set=compute.dtype=bfloat16

The step runs on made-up images that the device holds; a second program with the config's own images says how much of a
step waits for data. With --versus=torch (extra `bench`) the same networks are trained in PyTorch by the same objective,
optimiser, batch and precision on as many threads: as people write them, and with the algebra that our merged forms use,
each eager with channels last and through `torch.compile`. Losses from the same weights, images and noise are compared
before any time is taken; then ours and all variants take turns, each in a process of its own (`apart`), first with
memory as the system has it and then with large pages, and ratios are to the fastest variant of each kind.
"""

import dataclasses
import functools
import importlib.util
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from benchmarks import apart, penalty, programs

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config
from ich_jax.perf import compilation, counts, dispatch, roofline, timing
from ich_jax.perf.compilation import Memory, Split
from ich_jax.perf.neighbours import Neighbours, Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables
from ich_jax.training import step as step_lib
from ich_jax.training.formulation import Choice

FLAGS = flags.FLAGS
_SAME = 1e-3  # of the losses of the first step, relative
_OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A variant in PyTorch beside ours.

    Attributes:
        name: Which variant.
        same_algebra: Whether it uses the algebra of our merged forms, or what people write.
        memory: How its process and ours took memory, of `apart.MEMORY`.
        step_s: Seconds of a step.
        ours_s: Seconds of our step beside it.
        ours_over_it: Our time over its time, round by round: below 1 ours is faster.
    """

    name: str
    same_algebra: bool
    memory: str
    step_s: Range
    ours_s: Range
    ours_over_it: Range


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one config came to.

    Attributes:
        config: Its name.
        fingerprint: Of its result fields.
        size: Height and width in pixels.
        batch: Images in a step.
        dtype: Compute type.
        form: How convolutions were computed.
        step_s: Seconds of a step on made-up images.
        own_step_s: The same on the config's own images; None if they were left out.
        input_share: Share by which that is longer, median over rounds.
        img_per_s: Images a second.
        gflop_per_image: Of matrix products and convolutions of the step as it was computed.
        gflop_per_image_written: The same as written: the model's, whatever the form.
        gflop_per_image_xla: XLA's own count, elementwise operations included.
        standing: Under the roofline, by operations as computed.
        model_share: Operations as written a second, over the peak (MFU).
        peak: Of this machine in this type, measured before and after; the better one.
        compilation: By stage, cold and warm; None if left out.
        memory: As XLA reports it.
        estimated_bytes: Of the device, from the jaxpr.
        device_peak_bytes: As the device reports it; None on CPU.
        gap: Time between programs; None if the profile does not tell.
        penalty_overhead: Discriminator step with R1 and R2 over one without; None if left out.
        peers: Variants in PyTorch.
        neighbours: What else ran.
    """

    config: str
    fingerprint: str
    size: int
    batch: int
    dtype: str
    form: str
    step_s: Range
    own_step_s: Range | None
    input_share: float | None
    img_per_s: float
    gflop_per_image: float
    gflop_per_image_written: float
    gflop_per_image_xla: float | None
    standing: roofline.Standing
    model_share: float
    peak: roofline.Peak
    compilation: Split | None
    memory: Memory
    estimated_bytes: int
    device_peak_bytes: int | None
    gap: dispatch.Gap | None
    penalty_overhead: Range | None
    peers: tuple[Peer, ...]
    neighbours: Neighbours


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    programs.define_flags(["configs/benchmark_32.py", "configs/benchmark_64.py", "configs/procedural_32.py"])
    flags.DEFINE_string("versus", "", "torch: compare with PyTorch, where a config allows it; empty: alone.")
    flags.DEFINE_bool("compile_split", True, "Compile with an empty and with a full cache.")
    flags.DEFINE_bool("own_images", True, "Run on the config's own images too.")
    flags.DEFINE_bool("penalty", True, "Measure what R1 and R2 add to a discriminator step.")
    flags.DEFINE_bool("torch_compile", True, "Include torch.compile, which takes minutes to compile.")
    flags.DEFINE_string("side", "", "What to do in this process; the command gives it to those that it starts.")
    flags.DEFINE_list("losses", [], "Losses of our first step, which the side's have to equal.")


def run() -> None:
    """Measures the configs that the flags ask for."""
    configs = programs.check_flags()
    choice = programs.choice()
    errors.require(FLAGS.versus or "none", ("torch", "none"), "--versus")
    if FLAGS.side:
        serve(configs[0], choice)
        return
    check_peer = _peer().check if FLAGS.versus == "torch" else None
    found = []
    for path, config in zip(FLAGS.config, configs, strict=True):
        against = check_peer is not None and (len(configs) == 1 or _allows(check_peer, config))
        if check_peer is not None and against:
            check_peer(config)
        found.append(measure(config, choice, versus=path if against else ""))
        print(_line(found[-1]), flush=True)
    receipt = {"summary": summarise(found), "rounds": FLAGS.rounds, "steps": FLAGS.steps, "rows": found}
    note = " ".join(f"{m.config}: {programs.said(m.neighbours)}" for m in found)
    benchmark.write(Path(FLAGS.output), receipt, _tables(found), peers=("torch",), note=note)
    print(benchmark.summary(summarise(found)), flush=True)


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
    own = None
    if FLAGS.own_images:
        own = programs.make_program(config, programs.own_dataset(config), choice)
        ways.append(functools.partial(own, FLAGS.steps))
    for way in (ours, own):
        if way is not None:
            way(1)
    peers = beside_torch(versus, ours.losses()) if versus else ()

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
    own_s = seconds[:, 1] if own is not None else None
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


def summarise(found: Sequence[Measured]) -> dict[str, float]:
    """Headline figures, each of the worst config that is compared with PyTorch (of all, if none is)."""
    compared = [m for m in found if m.peers] or list(found)

    def worst(value: Callable[[Measured], float | None], choose: Callable[..., float]) -> float:
        values = [v for m in compared if (v := value(m)) is not None]
        return choose(values) if values else math.nan

    return {
        "jax_over_torch_as_written": worst(lambda m: ratio(m.peers, same_algebra=False), max),
        "jax_over_torch_same_algebra": worst(lambda m: ratio(m.peers, same_algebra=True), max),
        "jax_over_torch_stock": worst(lambda m: ratio(m.peers, same_algebra=False, memory="stock"), max),
        "peak_share": worst(lambda m: m.standing.peak_share, min),
        "gflop_per_image": worst(lambda m: m.gflop_per_image, max),
        "penalty_overhead": worst(lambda m: m.penalty_overhead.median if m.penalty_overhead else None, max),
        "dispatch_gap": worst(lambda m: m.gap.share if m.gap else None, max),
    }


def best_peer(peers: Sequence[Peer], *, same_algebra: bool, memory: str = "") -> Peer | None:
    """Returns the fastest variant of a kind, with memory taken in one way or in the best one for it."""
    of_kind = [peer for peer in peers if peer.same_algebra == same_algebra and memory in ("", peer.memory)]
    return min(of_kind, key=lambda peer: peer.step_s.median, default=None)


def ratio(peers: Sequence[Peer], *, same_algebra: bool, memory: str = "") -> float | None:
    """Our time over the fastest variant's of a kind: with memory taken in one way, or in the best one for each side."""
    best = best_peer(peers, same_algebra=same_algebra, memory=memory)
    if best is None:
        return None
    ours = min(peer.ours_s.median for peer in peers if memory in ("", peer.memory))
    same = ours == best.ours_s.median  # then round by round, which is worth more than a ratio of medians
    return best.ours_over_it.median if same else ours / best.step_s.median


# ---------------- PyTorch


def _peer() -> Any:
    if importlib.util.find_spec("torch") is None:
        raise errors.ConfigError('--versus=torch: PyTorch is absent; pip install -e ".[bench]", or leave it out.')
    return importlib.import_module("peers.sngan_torch")


def _allows(check_peer: Callable[[Config], None], config: Config) -> bool:
    """Whether the step in PyTorch can take this config; of several configs those that it cannot are run alone."""
    try:
        check_peer(config)
    except errors.ConfigError as error:
        print(f"{config.name} is run alone. {error}", flush=True)
        return False
    return True


def variants() -> list[Any]:
    """Returns the variants in PyTorch that the flags ask for."""
    how = [(False, 1), (False, 2)] + ([(True, 2)] if FLAGS.torch_compile else [])
    peer = _peer()
    return [peer.Variant(algebra, compiled, passes) for algebra in peer.ALGEBRAS for compiled, passes in how]


def beside_torch(path: str, losses: tuple[float, float]) -> tuple[Peer, ...]:
    """Times our step and each variant, in processes that take turns, under each way to take memory.

    Args:
        path: File of the config.
        losses: Of our first step.

    Raises:
        IchJaxError: A process failed, for example since its losses differ; no time is reported.
    """
    known = {variant.name: variant for variant in variants()}
    common = [
        *("train", f"--config={path}", f"--output={FLAGS.output}", f"--form={FLAGS.form}"),
        *(f"--set={change}" for change in FLAGS.set),
        *(f"--losses={','.join(map(repr, losses))}", f"--torch_compile={FLAGS.torch_compile}"),
    ]
    commands = {name: [*common, f"--side={name}"] for name in (_OURS, *known)}
    ways = apart.MEMORY if jax.default_backend() == "cpu" else {"large pages": {}}
    found = []
    for way, environment in ways.items():
        with apart.workers(commands, {**environment, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}) as running:
            for worker in running.values():
                worker.take(1)  # warm
            ways_s = timing.in_turns(
                [functools.partial(worker.take, FLAGS.steps) for worker in running.values()], rounds=FLAGS.rounds
            )
            seconds = dict(zip(running, ways_s.T / FLAGS.steps, strict=True))
        found += [
            Peer(
                name=name,
                same_algebra=variant.algebra != "written",
                memory=way,
                step_s=timing.over_rounds(seconds[name]),
                ours_s=timing.over_rounds(seconds[_OURS]),
                ours_over_it=timing.over_rounds(seconds[_OURS] / seconds[name]),
            )
            for name, variant in known.items()
        ]
    return tuple(found)


def serve(config: Config, choice: Choice) -> None:
    """Is one side of a comparison: works when the process that started this one asks.

    Raises:
        MismatchError: Losses of this side are not those that it was given.
    """
    ours = programs.make_program(config, programs.random_dataset(config), choice)
    if FLAGS.side == _OURS:
        ours(1)
        apart.serve(ours)
        return
    known = {variant.name: variant for variant in variants()}
    losses = tuple(map(float, FLAGS.losses))
    start = programs.host_copy(ours.arguments[0])
    step = _torch_step(config, start, losses, known[errors.require(FLAGS.side, known, "--side")])
    apart.serve(functools.partial(_torch_steps, step))


def _torch_step(config: Config, start: Any, losses: tuple[float, ...], variant: Any) -> Any:
    """Returns a variant, compiled and warm, after its first step has given the losses that ours gave."""
    import torch

    peer = _peer()
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise errors.ConfigError(
            "--versus=torch: JAX runs on a GPU that this build of PyTorch cannot use; install one for CUDA."
        )
    peer.set_up(programs.cores(), dtype=config.compute.dtype, tf32=config.compute.tf32)
    images, brief = programs.random_images(config)
    index, z = programs.first_draws(config, len(images))
    step = peer.Step(config, images, programs.features(brief), start.g_params, start.d_params, variant, device)
    real, known = step.batch(torch.tensor(index, device=device))
    theirs = [float(loss) for loss in step(real, known, torch.tensor(z, device=device))]
    exact = config.compute.dtype == "float32" and not config.compute.tf32
    close = _SAME if exact else 20 * _SAME  # bfloat16 has 8 bits, TF32 11
    if not np.allclose(theirs, losses, rtol=close, atol=close):
        raise errors.MismatchError(
            f"{config.name}: the first step of {variant.name} gives losses {theirs}, ours {list(losses)}; they do not "
            "compute the same, so no time is reported."
        )
    _torch_steps(step, 1)
    return step


def _torch_steps(step: Any, steps: int) -> None:
    for _ in range(steps):
        step()
    step.wait()


# ---------------- what is shown


def _tables(found: Sequence[Measured]) -> list[tables.Table]:
    rows: list[tuple[tables.Cell, ...]] = []
    for m in found:
        rows.append(
            (
                m.config,
                f"{m.batch} x {m.size} px",
                f"{m.dtype}, {m.form}",
                benchmark.seconds_range(m.step_s),
                m.img_per_s,
                1000.0 / m.img_per_s,
                m.gflop_per_image,
                m.gflop_per_image_written,
                m.gflop_per_image_xla,
                m.standing.flops_per_s / 1e9,
                m.standing.peak_share,
                m.model_share,
                f"{m.standing.bound} ({benchmark.digits(100 * m.standing.roofline_share)} %)",
                m.gap.share if m.gap else None,
                m.input_share,
                benchmark.ratio_range(m.penalty_overhead) if m.penalty_overhead else None,
            )
        )
    rounds = f"Median and range over {FLAGS.rounds} rounds of {FLAGS.steps} steps in turns."
    speed = tables.Table(
        name="speed",
        title="Training step",
        columns=(
            *("config", "batch", "computed", "step", "img/s", "s/kimg", "GFLOP/image", "as written", "XLA's count"),
            *("GFLOP/s", "of peak", "MFU", "bound by", "dispatch gap", "input", "R1 + R2"),
        ),
        rows=tuple(rows),
        caption=(
            f"{rounds} GFLOP of matrix products and convolutions, counted from the jaxpr, as computed and as written "
            "(XLA counts elementwise operations too); of peak: as computed, MFU: as written, over the measured peak "
            f"({'; '.join(dict.fromkeys(map(_peak, found)))}"
            "); bound by: with the share of the roofline reached; dispatch gap: share of the time without a running "
            "program; input: share of a step on the config's own images that made-up ones on the device do not need; "
            "R1 + R2: discriminator step with both penalties on all images, over one without."
        ),
        digits=(("dispatch gap", 4), ("img/s", 1)),
    )
    found_tables = [speed, _compilation_table(found)]
    if any(m.peers for m in found):
        found_tables.append(_peer_table(found, rounds))
    return found_tables


def _compilation_table(found: Sequence[Measured]) -> tables.Table:
    rows = []
    for m in found:
        stages: list[float | None] = [None] * 4
        if m.compilation is not None:
            cold, warm = m.compilation.cold, m.compilation.warm
            stages = [cold.trace_s, cold.lower_s, cold.backend_s, warm.total_s]
        sizes = (m.memory.argument_bytes, m.memory.output_bytes, m.memory.alias_bytes, m.memory.temp_bytes)
        rows.append((m.config, *stages, *map(_mib, (*sizes, m.estimated_bytes, m.device_peak_bytes))))
    return tables.Table(
        name="compilation",
        title="Compilation and memory",
        columns=(
            *("config", "trace, s", "lower, s", "backend, s", "warm cache, s"),
            *("arguments, MiB", "results", "written over", "temporary", "estimate", "device peak"),
        ),
        rows=tuple(rows),
        caption=(
            "Compilation with an empty cache, and all of it with a full one; memory as XLA reports it, and as "
            "estimated from the jaxpr."
        ),
        digits=(*((name, 1) for name in ("trace, s", "lower, s", "backend, s", "warm cache, s")),),
    )


def _peer_table(found: Sequence[Measured], rounds: str) -> tables.Table:
    rows: list[tuple[tables.Cell, ...]] = []
    for m in found:
        best = {best_peer(m.peers, same_algebra=kind) for kind in (False, True)}
        for peer in m.peers:
            times = (benchmark.seconds_range(seconds) for seconds in (peer.step_s, peer.ours_s))
            kind = "same algebra" if peer.same_algebra else "as written"
            note = "fastest of its kind" if peer in best else ""
            over = benchmark.ratio_range(peer.ours_over_it)
            rows.append((m.config, peer.name, kind, peer.memory, *times, over, note))
    return tables.Table(
        name="versus",
        title="The same step in PyTorch",
        columns=("config", "variant", "algebra", "memory", "step", "ours beside it", "ours / it", "note"),
        rows=tuple(rows),
        caption=(
            f"{rounds} Each in a process of its own, all with memory taken in the same way. Below 1 ours is faster. "
            f"Losses of the first step were equal to {_SAME:g}."
        ),
    )


def _peak(m: Measured) -> str:
    peak = m.peak
    return f"{peak.flops_per_s / 1e9:.0f} GFLOP/s in {peak.dtype}, {peak.bytes_per_s / 1e9:.1f} GB/s"


def _mib(value: int | None) -> float | None:
    return None if value is None else value / 2**20


def _line(m: Measured) -> str:
    text = (
        f"{m.config}: {benchmark.seconds_range(m.step_s)} a step, {benchmark.digits(m.img_per_s)} img/s, "
        f"{100 * m.standing.peak_share:.0f} % of {m.peak.flops_per_s / 1e9:.0f} GFLOP/s"
    )
    for kind in (False, True):
        if peer := best_peer(m.peers, same_algebra=kind):
            over = benchmark.digits(ratio(m.peers, same_algebra=kind) or math.nan)
            text += f"; {over} of {peer.name}, {peer.memory}"
    return text
