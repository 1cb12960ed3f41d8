"""Results of the benchmark of the training step for each config, headline figures and tables."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from absl import flags
from benchmarks import versus_torch
from benchmarks.versus_torch import Peer

from ich_jax.perf import dispatch, roofline
from ich_jax.perf.compilation import Memory, Split
from ich_jax.perf.neighbours import Neighbours
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Measured:
    """Figures of one config.

    Attributes:
        config: Its name.
        fingerprint: Of its result fields.
        size: Height and width in pixels.
        batch: Images in a step.
        dtype: Compute type.
        form: How convolutions were computed.
        step_s: Seconds of a step on made-up images.
        own_step_s: The same on the config's own images; None if they were left out.
        input_share: Relative excess of that time, median over rounds.
        img_per_s: Images a second.
        gflop_per_image: Of matrix products and convolutions of the step as it was computed.
        gflop_per_image_written: The same as written, which is the model's and does not depend on the form.
        gflop_per_image_xla: XLA's own count, elementwise operations included.
        standing: Under the roofline, by operations as computed.
        model_share: Operations as written a second, over the peak (MFU).
        peak: Of this machine in this type, measured before and after; the better one.
        compilation: By stage, cold and warm; None if left out.
        memory: As XLA reports it.
        estimated_bytes: Of the device, from the jaxpr.
        device_peak_bytes: As the device reports it; None on CPU.
        gap: Time between programs; None if the profile does not show it.
        penalty_overhead: Discriminator step with R1 and R2 over one without; None if left out.
        peers: Variants in PyTorch.
        neighbours: Other load of the machine.
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


def summarise(measured: Sequence[Measured]) -> dict[str, float]:
    """Headline figures, each of the worst config that is compared with PyTorch (of all, if none is)."""
    compared = [m for m in measured if m.peers] or list(measured)

    def worst(value: Callable[[Measured], float | None], choose: Callable[..., float]) -> float:
        values = [v for m in compared if (v := value(m)) is not None]
        return choose(values) if values else math.nan

    return {
        "jax_over_torch_as_written": worst(lambda m: versus_torch.ratio(m.peers, same_algebra=False), max),
        "jax_over_torch_same_algebra": worst(lambda m: versus_torch.ratio(m.peers, same_algebra=True), max),
        "jax_over_torch_stock": worst(lambda m: versus_torch.ratio(m.peers, same_algebra=False, memory="stock"), max),
        "peak_share": worst(lambda m: m.standing.peak_share, min),
        "gflop_per_image": worst(lambda m: m.gflop_per_image, max),
        "penalty_overhead": worst(lambda m: m.penalty_overhead.median if m.penalty_overhead else None, max),
        "dispatch_gap": worst(lambda m: m.gap.share if m.gap else None, max),
    }


def tables_of(measured: Sequence[Measured]) -> list[tables.Table]:
    """Returns the tables of speed, of compilation and memory, and of PyTorch if something is compared with it."""
    rows: list[tuple[tables.Cell, ...]] = []
    for m in measured:
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
            f"({'; '.join(dict.fromkeys(map(_peak, measured)))}"
            "); bound by: with the share of the roofline reached; dispatch gap: share of the time without a running "
            "program; input: share of a step on the config's own images that made-up ones on the device do not need; "
            "R1 + R2: discriminator step with both penalties on all images, over one without."
        ),
        digits=(("dispatch gap", 4), ("img/s", 1)),
    )
    result = [speed, _compilation_table(measured)]
    if any(m.peers for m in measured):
        result.append(_peer_table(measured, rounds))
    return result


def _compilation_table(measured: Sequence[Measured]) -> tables.Table:
    rows = []
    for m in measured:
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


def _peer_table(measured: Sequence[Measured], rounds: str) -> tables.Table:
    rows: list[tuple[tables.Cell, ...]] = []
    for m in measured:
        best = {versus_torch.best_peer(m.peers, same_algebra=kind) for kind in (False, True)}
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
            f"{rounds} Each in a separate process, all with memory taken in the same way. Below 1 ours is faster. "
            f"Losses of the first step were equal to {versus_torch.SAME:g}."
        ),
    )


def _peak(m: Measured) -> str:
    peak = m.peak
    return f"{peak.flops_per_s / 1e9:.0f} GFLOP/s in {peak.dtype}, {peak.bytes_per_s / 1e9:.1f} GB/s"


def _mib(value: int | None) -> float | None:
    return None if value is None else value / 2**20


def line(m: Measured) -> str:
    """Returns the line that is printed when a config has been measured."""
    text = (
        f"{m.config}: {benchmark.seconds_range(m.step_s)} a step, {benchmark.digits(m.img_per_s)} img/s, "
        f"{100 * m.standing.peak_share:.0f} % of {m.peak.flops_per_s / 1e9:.0f} GFLOP/s"
    )
    for kind in (False, True):
        if peer := versus_torch.best_peer(m.peers, same_algebra=kind):
            over = benchmark.digits(versus_torch.ratio(m.peers, same_algebra=kind) or math.nan)
            text += f"; {over} of {peer.name}, {peer.memory}"
    return text
