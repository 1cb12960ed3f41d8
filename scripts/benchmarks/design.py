"""Designing: candidates of a brief drawn, read and chosen in a second, beside the same networks in PyTorch.

    python scripts/benchmark.py design --output=runs/benchmark --versus=torch
    python scripts/benchmark.py design --output=runs/benchmark --checkpoint=runs/demo --candidates=1024

Of the shipped generator, or of a run with --checkpoint. Each side has a process of its own, under stock memory and
under that of experiments; they take turns, and each chooses with `evaluation.selection` from what it has read. Before
any time is taken the designs and readings of both are compared.
"""

import dataclasses
import functools
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from absl import flags
from benchmarks import apart, programs

from ich_jax import errors
from ich_jax.config import DesignConfig
from ich_jax.evaluation import drawing, selection
from ich_jax.models import layers
from ich_jax.perf import timing
from ich_jax.perf.neighbours import Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables
from ich_jax.studies.design import briefs, designer, plan, recipes
from ich_jax.studies.design.designer import Designer
from ich_jax.training import checkpoint, shipped
from ich_jax.training.checkpoint import TrainedModel
from ich_jax.types import Reading

FLAGS = flags.FLAGS
OURS, EAGER, COMPILED = "ours", "torch eager", "torch.compile"
NEAR = 2  # grey levels of 255 by which designs of both sides may differ
CLOSE = 1e-3  # of a reading's largest logit


@dataclasses.dataclass(frozen=True)
class Measured:
    """One side under one way to take memory.

    Attributes:
        side: Which.
        memory: How its process took memory.
        call_s: Seconds for all candidates of a brief.
        candidates_per_s: Drawn, read and chosen from.
        speedup: Its time over ours, round by round; None for ours.
    """

    side: str
    memory: str
    call_s: Range
    candidates_per_s: float
    speedup: Range | None


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", None, "Folder for benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_string("checkpoint", "", "Folder of a run; by default the shipped generator.")
    flags.DEFINE_string("brief", "product=fan, palette=indigo, width=+1.5", "What candidates are drawn for.")
    flags.DEFINE_integer("candidates", 256, "Candidates of the brief.")
    flags.DEFINE_integer("deliver", 12, "How many of them are chosen.")
    flags.DEFINE_integer("batch", 64, "Candidates in a call.")
    flags.DEFINE_integer("rounds", 9, f"Rounds in which all take turns, at least {timing.LEAST_ROUNDS}.")
    flags.DEFINE_string("versus", "", "torch: beside the same networks in PyTorch.")
    flags.DEFINE_bool("torch_compile", True, "Include torch.compile, which takes minutes to compile.")
    flags.DEFINE_string("side", "", "Which side this process is; set by the benchmark itself.")


def run() -> None:
    """Measures ours, and PyTorch beside it if asked."""
    errors.require_within(FLAGS.rounds, timing.LEAST_ROUNDS, 1000, "--rounds", whole=True)
    errors.require(FLAGS.versus, ("", "torch"), "--versus")
    config = DesignConfig(name="benchmark", candidates=FLAGS.candidates, deliver=FLAGS.deliver, batch=FLAGS.batch)
    model = checkpoint.restore_for_inference(FLAGS.checkpoint) if FLAGS.checkpoint else shipped.load()
    work = Work(config, model)
    if FLAGS.side:
        serve(work, FLAGS.side)
        return
    sides = [OURS]
    if FLAGS.versus:
        load_peer()
        sides += [EAGER, *([COMPILED] if FLAGS.torch_compile else [])]
    watch = Watch()
    found = measure(sides)
    neighbours = watch.read()
    best = min((m for m in found if m.side == OURS), key=lambda m: m.call_s.median)
    fastest = _worst_speedup(found)
    summary = {"candidates_per_s": best.candidates_per_s, "call_s": best.call_s.median, "versus_torch": fastest}
    known = {name: FLAGS[name].value for name in ("brief", "candidates", "deliver", "batch", "rounds")}
    receipt = {"summary": summary, **known, "generator": f"{model.config.name}, step {model.step}", "rows": found}
    note = f"Brief: {FLAGS.brief}. {programs.describe(neighbours)}"
    benchmark.write(Path(FLAGS.output), receipt, [_table(found)], peers=("torch",) if FLAGS.versus else (), note=note)
    print(benchmark.summary(summary), flush=True)


def measure(sides: Sequence[str]) -> list[Measured]:
    """Times the sides in turns under each way to take memory.

    Raises:
        IchJaxError: A process failed, for example since its designs differ; no time is reported.
    """
    names = ("output", "checkpoint", "brief", "candidates", "deliver", "batch")
    common = ["design", *(f"--{name}={FLAGS[name].value}" for name in names)]
    found = []
    for way, environment in apart.MEMORY.items():
        with apart.workers({side: [*common, f"--side={side}"] for side in sides}, environment) as running:
            for worker in running.values():
                worker.take(2)  # warm
            taken = timing.in_turns([functools.partial(w.take, 1) for w in running.values()], rounds=FLAGS.rounds)
            seconds = dict(zip(running, taken.T, strict=True))
        for side in sides:
            call_s = timing.over_rounds(seconds[side])
            speedup = None if side == OURS else timing.over_rounds(seconds[side] / seconds[OURS])
            found.append(Measured(side, way, call_s, FLAGS.candidates / call_s.median, speedup))
            print(f"{side}, {way}: {benchmark.seconds_range(call_s)}", flush=True)
    return found


@dataclasses.dataclass(frozen=True)
class Work:
    """What every side does: the candidates of a brief by a trained model.

    Attributes:
        config: How many, in which batches.
        model: The weights.
    """

    config: DesignConfig
    model: TrainedModel

    @functools.cached_property
    def job(self) -> designer.Job:
        """The candidates.

        Raises:
            ConfigError: The brief is not one of this generator.
        """
        (asked,) = briefs.read((FLAGS.brief,), "", self.model.space)
        return plan.brief_job(self.config, asked)

    @functools.cached_property
    def noise(self) -> npt.NDArray[np.float32]:
        """`[N, z_dim]`."""
        return recipes.noise(self.job.recipes, self.model.config.generator.z_dim)

    @functools.cached_property
    def features(self) -> npt.NDArray[np.float32]:
        """`[N, F]`, of the briefs; writable, as PyTorch wants it."""
        return np.array(layers.brief_features(drawing.on_host(self.job.brief), self.model.space))

    def choose(self, reading: Reading, features: npt.NDArray[np.float32]) -> selection.Selection:
        """Chooses, as every side does."""
        config, job = self.config, self.job
        comparison = selection.compare(job.brief, reading, config.tolerance)
        return selection.choose(config.select, config.deliver, comparison.meets, comparison.total, features)


def serve(work: Work, side: str) -> None:
    """Is one side: designs when the process that started this one asks.

    Raises:
        MismatchError: What PyTorch draws or reads is not what ours does.
    """
    errors.require(side, (OURS, EAGER, COMPILED), "--side")
    once = _ours(work) if side == OURS else make_torch(work, compiled=side == COMPILED)
    apart.serve(functools.partial(_repeat, once))


def _repeat(once: Callable[[], object], calls: int) -> None:
    for _ in range(calls):
        once()


def _ours(work: Work) -> Callable[[], object]:
    draws = Designer(work.model, batch=work.config.batch)
    config = work.config

    def once() -> object:
        return designer.choose(
            draws, work.job, deliver=config.deliver, select=config.select, tolerance=config.tolerance
        )

    return once


def load_peer() -> Any:
    """Returns the module of the networks in PyTorch.

    Raises:
        ConfigError: PyTorch is absent.
    """
    if importlib.util.find_spec("torch") is None:
        raise errors.ConfigError('--versus=torch: PyTorch is absent; pip install -e ".[bench]", or leave it out.')
    return importlib.import_module("peers.design_torch")


def make_torch(work: Work, *, compiled: bool) -> Callable[[], selection.Selection]:
    """Returns the work in PyTorch, after its designs and readings have been compared with ours.

    Raises:
        ConfigError: PyTorch is absent, or the model has other networks.
        MismatchError: They differ.
    """
    peer = load_peer()
    import torch

    torch.set_num_threads(programs.cores())
    torch.manual_seed(0)
    n, batch = len(work.noise), work.config.batch
    z, features = torch.from_numpy(work.noise), torch.from_numpy(work.features)
    theirs = peer.Designer(work.model, features.shape[1], compiled=compiled)
    compare(work, peer.Designer(work.model, features.shape[1]))

    def once() -> selection.Selection:
        readings, seen = [], []
        for start in range(0, n, batch):
            rows = slice(start, start + batch)
            reading, h = theirs.read(theirs.draw(z[rows], features[rows]))
            readings.append(as_reading({name: value.numpy() for name, value in reading.items()}))
            seen.append(h.numpy())
        whole: Reading = jax.tree.map(lambda *parts: np.concatenate(parts), *readings)
        return work.choose(whole, np.concatenate(seen))

    return once


def compare(work: Work, theirs: Any, n: int = 8) -> None:
    """Compares designs of PyTorch, with our noise of the pixels, and what it reads off them, with ours.

    Args:
        work: The candidates, of which the first are compared.
        theirs: The networks in PyTorch.
        n: How many.

    Raises:
        MismatchError: They differ.
    """
    import torch

    ours = Designer(work.model, batch=n)
    noise = work.noise[:n]
    images = ours.draw(noise, drawing.rows(drawing.on_host(work.job.brief), np.arange(n)))
    grain = [torch.from_numpy(np.array(part)) for part in pixel_noise(noise, theirs.generator.sides)]
    drawn = theirs.draw(torch.from_numpy(noise), torch.from_numpy(work.features[:n]), grain)
    apart_by = np.abs(drawn.permute(0, 2, 3, 1).numpy().astype(np.int16) - images).max()
    if apart_by > NEAR:
        raise errors.MismatchError(f"Designs of PyTorch differ from ours by {apart_by} of 255; no time is reported.")
    reading, h = ours.read(images)
    seen, their_h = theirs.read(torch.from_numpy(np.array(images)).permute(0, 3, 1, 2))
    their_reading = as_reading({name: value.numpy() for name, value in seen.items()})
    for mine, other in zip(
        jax.tree.leaves((reading, h)), jax.tree.leaves((their_reading, their_h.numpy())), strict=True
    ):
        if mine.size and np.abs(mine - other).max() > CLOSE * np.abs(mine).max():
            raise errors.MismatchError("What PyTorch reads off designs differs from what we read; no time is reported.")


def pixel_noise(noise: npt.NDArray[np.float32], sides: Sequence[int]) -> list[npt.NDArray[np.float32]]:
    """Returns the noise of the pixels that our generator draws, `[N, 1, side, side]` for each place."""
    keys = layers.pixel_noise_keys(jax.numpy.asarray(noise))

    def draw(place: int, side: int) -> npt.NDArray[np.float32]:
        return np.asarray(
            jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, place), (1, side, side)))(keys)
        )

    return [draw(place, side) for place, side in enumerate(sides)]


def as_reading(parts: dict[str, npt.NDArray[np.float32]]) -> Reading:
    """Returns readings by name as ours are."""
    n = len(parts["product"])
    elements = tuple(value for name, value in parts.items() if name.startswith("element_"))
    axes = parts.get("axes", np.zeros((n, 0), np.float32))
    return Reading(parts["product"], elements, axes)  # type: ignore[arg-type]  # numpy is welcome


def _worst_speedup(found: Sequence[Measured]) -> float:
    """The fastest variant of PyTorch over ours, each with memory taken in the way that is best for it."""
    theirs = [m for m in found if m.side != OURS]
    if not theirs:
        return float("nan")
    ours = min(m.call_s.median for m in found if m.side == OURS)
    return min(m.call_s.median for m in theirs) / ours


def _table(found: Sequence[Measured]) -> tables.Table:
    return tables.Table(
        name="design",
        title="Candidates of a brief drawn, read and chosen",
        columns=("side", "memory", "all candidates", "candidates/s", "its time over ours"),
        rows=tuple(
            (
                m.side,
                m.memory,
                benchmark.seconds_range(m.call_s),
                m.candidates_per_s,
                "" if m.speedup is None else benchmark.ratio_range(m.speedup),
            )
            for m in found
        ),
        caption=f"Median and range over {FLAGS.rounds} rounds in turns; {FLAGS.candidates} candidates.",
        digits=(("candidates/s", 0),),
    )
