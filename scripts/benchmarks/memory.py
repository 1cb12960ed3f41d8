"""How malloc takes memory: the same work in fresh processes that differ only in this, in turns.

    python scripts/benchmark.py memory --output=runs/memory
    python scripts/benchmark.py memory --output=runs/memory --jobs=procedural_32 --ways=one_arena,large --cores=2,1
    python scripts/benchmark.py memory --output=runs/memory --ways=system,preload --preload=/usr/lib/libjemalloc.so.2

Jobs are training steps of configs (on images that the device holds), the renderer, all corruptions of a batch of
images, and an econometric batch. Ways are environments: `system` leaves malloc as it is, `rule` is what experiments do
by themselves, `large` asks for large pages, `one_arena` is what experiments did formerly (one heap, nothing returned to
the system), `kept` returns nothing but has a heap for each thread, `large_kept` and `large_one_arena` are both;
`preload` loads the allocator that --preload names. Each process first does the job until everything is compiled and
warm. `--thp=never` withholds large pages from all of them (prctl PR_SET_THP_DISABLE).
"""

import ctypes
import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from benchmarks import econometrics, interference, programs

from ich_jax import config as config_lib
from ich_jax import errors, workdir
from ich_jax.data import procedural
from ich_jax.interference import KINDS, corrupt, image_keys
from ich_jax.perf import memory, timing
from ich_jax.perf.neighbours import Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables

FLAGS = flags.FLAGS
_ROOT = Path(__file__).resolve().parents[2]
_PR_SET_THP_DISABLE = 41  # of <linux/prctl.h>
_KEEP = {"mmap_max": "0", "trim_threshold": str(2**31 - 1)}
_LARGE = {"hugetlb": "1"}


def _tunables(**values: str) -> dict[str, str]:
    return {memory.TUNABLES: ":".join(f"glibc.malloc.{name}={value}" for name, value in values.items())}


WAYS: Mapping[str, Mapping[str, str]] = {
    "system": {memory.SWITCH: "system"},
    "rule": {},
    "one_arena": _tunables(**_KEEP, arena_max="1"),
    "kept": _tunables(**_KEEP),
    "large": _tunables(**_LARGE),
    "large_kept": _tunables(**_LARGE, **_KEEP),
    "large_one_arena": _tunables(**_LARGE, **_KEEP, arena_max="1"),
    "preload": {},
}
"""The environment of a process in each way."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Figures of one process.

    Attributes:
        seconds: Of a repetition of the job, median.
        cores: Cores that it kept busy.
        faults: Page faults of a repetition.
        resident_mib: Memory in use afterwards.
        peak_mib: The most at any time.
        large_mib: Memory in large pages afterwards.
        memory: How it took memory, as it reports.
    """

    seconds: float
    cores: float
    faults: float
    resident_mib: float
    peak_mib: float
    large_mib: float
    memory: str


@dataclasses.dataclass(frozen=True)
class Measured:
    """A job done one way.

    Attributes:
        job: Its name.
        way: The way.
        cores: Cores that it was given.
        seconds: Of a repetition, over processes.
        ratio: Over the first way, process by process.
        peak_ratio: The same of the most memory at any time.
        samples: Of each process.
    """

    job: str
    way: str
    cores: int
    seconds: Range
    ratio: Range
    peak_ratio: Range
    samples: tuple[Sample, ...]


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    names = [*_STEPS, *_OTHERS]
    flags.DEFINE_string("output", None, "Folder for benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_list("jobs", names, "Work to do; also the path of a config file: its training step.")
    flags.DEFINE_list("ways", ["one_arena", "system", "rule"], f"Of {', '.join(WAYS)}; ratios are to the first.")
    flags.DEFINE_list("cores", [str(programs.cores())], "Numbers of cores to give to a process.")
    flags.DEFINE_integer("processes", 7, "Processes of each way.")
    flags.DEFINE_integer("repetitions", 15, "Repetitions of the job that a process times.")
    programs.define_form("auto")
    flags.DEFINE_string("preload", "", "Library of the way `preload`.")
    flags.DEFINE_string("thp", "", "never: withhold large pages from the processes; empty: as the system has it.")
    flags.DEFINE_string("versus", "", "torch: also the steps beside PyTorch, as `benchmark.py train` does it.")
    flags.DEFINE_string("child", "", "A job to do in this process; the command sets it for those that it starts.")
    flags.DEFINE_string("compiled", "", "Folder of compiled programs; the command gives all processes the same.")


def run() -> None:
    """Measures, and writes benchmark.json and benchmark.md; in a process that was started for it, does one job."""
    if FLAGS.child:
        print(json.dumps(dataclasses.asdict(_do(FLAGS.child))))
        return
    _check()
    watch, measured = Watch(), []
    if FLAGS.thp == "never":
        _withhold(1)
    try:
        with tempfile.TemporaryDirectory() as compiled:
            for cores in map(int, FLAGS.cores):
                for job in FLAGS.jobs:
                    measured += measure(job, FLAGS.ways, cores, FLAGS.compiled or compiled)
    finally:
        if FLAGS.thp == "never":
            _withhold(0)
    figures = summarise(measured) | {"torch_ratio": _beside_torch() if FLAGS.versus else math.nan}
    receipt = {
        "summary": figures,
        "large_pages": FLAGS.thp or memory.large_page_mode(),
        "ways": {name: WAYS[name] for name in FLAGS.ways},
        "preload": Path(FLAGS.preload).name,
        "form": FLAGS.form,
        "repetitions": FLAGS.repetitions,
        "rows": measured,
    }
    benchmark.write(Path(FLAGS.output), receipt, [_table(measured)], note=programs.describe(watch.read()))
    print(benchmark.summary(figures), flush=True)


def _beside_torch() -> float:
    """Times the steps beside PyTorch, into a separate folder; returns the worst ratio to code as people write it."""
    paths = [_STEPS.get(job, job) for job in FLAGS.jobs if job not in _OTHERS]
    folder = Path(FLAGS.output) / "torch"
    without = [f"--{name}=False" for name in ("compile_split", "own_images", "penalty", "torch_compile")]
    asked = [f"--config={','.join(paths)}", "--versus=torch", f"--output={folder}", *without]
    subprocess.run([sys.executable, str(_ROOT / "scripts/benchmark.py"), "train", *asked], check=True)
    return float(workdir.read_json(folder / benchmark.RECEIPT)["summary"]["jax_over_torch_as_written"] or math.nan)


def _check() -> None:
    for way in FLAGS.ways:
        errors.require(way, WAYS, "--ways")
    for job in FLAGS.jobs:
        if job not in _OTHERS:
            config_lib.load(_STEPS.get(job, job))
    errors.require(FLAGS.versus or "none", ("torch", "none"), "--versus")
    if FLAGS.versus and all(job in _OTHERS for job in FLAGS.jobs):
        raise errors.ConfigError("--versus=torch: none of --jobs is a training step.")
    errors.require(FLAGS.thp or "as it is", ("as it is", "never"), "--thp")
    errors.require_within(FLAGS.processes, 1, 1000, "--processes", whole=True)
    errors.require_within(FLAGS.repetitions, 1, 10_000, "--repetitions", whole=True)
    for cores in FLAGS.cores:
        allowed = [str(n) for n in range(1, programs.cores() + 1)]
        errors.require(cores, allowed, "--cores")
    if ("preload" in FLAGS.ways) != Path(FLAGS.preload or "/dev/null").is_file():
        raise errors.ConfigError("--preload=FILE: the library of --ways=preload, which needs one, and no other way.")


def _withhold(value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_THP_DISABLE, value, 0, 0, 0):
        raise errors.ConfigError(f"--thp=never: {os.strerror(ctypes.get_errno())}; leave it out.")


def measure(job: str, ways: Sequence[str], cores: int, compiled: str) -> list[Measured]:
    """Does a job in every way, in processes that take turns, the order changing from round to round."""
    samples: dict[str, list[Sample]] = {way: [] for way in ways}
    for i in range(FLAGS.processes):
        for way in (*ways[i % len(ways) :], *ways[: i % len(ways)]):
            samples[way].append(_in_process(job, way, cores, compiled))
    measured = []
    for way in ways:
        pairs = list(zip(samples[way], samples[ways[0]], strict=True))
        measured.append(
            Measured(
                job=job,
                way=way,
                cores=cores,
                seconds=timing.over_rounds(np.array([sample.seconds for sample in samples[way]])),
                ratio=timing.over_rounds(np.array([sample.seconds / base.seconds for sample, base in pairs])),
                peak_ratio=timing.over_rounds(np.array([sample.peak_mib / base.peak_mib for sample, base in pairs])),
                samples=tuple(samples[way]),
            )
        )
        print(_line(measured[-1]), flush=True)
    return measured


def _in_process(job: str, way: str, cores: int, compiled: str) -> Sample:
    """Starts a process of this command that does the job, without any setting of malloc, ours or the user's."""
    variables = {**WAYS[way], **({"LD_PRELOAD": FLAGS.preload} if way == "preload" else {})}
    asked = {"child": job, "repetitions": FLAGS.repetitions, "output": FLAGS.output}
    asked |= {"compiled": compiled, "form": FLAGS.form}
    given = [f"--{name}={value}" for name, value in asked.items()]
    command = [sys.executable, str(_ROOT / "scripts/benchmark.py"), "memory", *given]
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(everywhere)[:cores])  # which the process inherits
    try:
        done = subprocess.run(
            command, env={**memory.undecided(os.environ), **variables}, capture_output=True, text=True, check=False
        )
    finally:
        os.sched_setaffinity(0, everywhere)
    if done.returncode:
        raise errors.IchJaxError(f"{job}, {way}: the process left with {done.returncode}: {done.stderr[-2000:]}")
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


# ---------------------------------------------------------------- jobs


def _do(job: str) -> Sample:
    """Does a job in this process."""
    if FLAGS.compiled:
        jax.config.update("jax_compilation_cache_dir", FLAGS.compiled)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    repeat = _OTHERS[job]() if job in _OTHERS else _step(_STEPS.get(job, job))
    for _ in range(3):
        repeat()
    before, busy = memory.usage(), time.process_time()
    if before is None:
        raise errors.ConfigError("benchmark memory: this system does not report the memory of a process; Linux does.")
    seconds = []
    for _ in range(FLAGS.repetitions):
        started = time.perf_counter()
        repeat()
        seconds.append(time.perf_counter() - started)
    busy, after = time.process_time() - busy, memory.usage()
    assert after is not None
    return Sample(
        seconds=float(np.median(seconds)),
        cores=busy / sum(seconds),
        faults=(after.faults - before.faults) / FLAGS.repetitions,
        resident_mib=after.resident_mib,
        peak_mib=after.peak_mib,
        large_mib=after.large_mib,
        memory=memory.described(),
    )


def _step(path: str) -> Callable[[], Any]:
    config = config_lib.load(path)
    return programs.make_program(config, programs.random_dataset(config), programs.choice())


def _renderer() -> Callable[[], Any]:
    dataset = procedural.make(config_lib.load(_STEPS["procedural_32"]).data)
    return lambda: jax.block_until_ready(dataset.holdout("test", 1024))


def _corruptions() -> Callable[[], Any]:
    images, keys = interference.pictures(256, 32, seed=0), image_keys(jax.random.key(0), 0, 256)
    return lambda: jax.block_until_ready([corrupt(images, kind, 3, keys) for kind in KINDS])


def _panels() -> Callable[[], Any]:
    row = next(row for row in econometrics.all_rows(quick=False) if row.name == "S2")
    case = row.ours.prepare(row.make(np.random.default_rng(0)))
    return lambda: row.ours.run(case)


_STEPS = {name: f"configs/{name}.py" for name in ("procedural_32", "benchmark_32", "benchmark_64")}
_OTHERS = {"renderer": _renderer, "corruptions": _corruptions, "econometrics": _panels}


# ---------------------------------------------------------------- tables


def summarise(measured: Sequence[Measured]) -> dict[str, float]:
    """The last way over the first: worst step and memory; page faults of that step."""
    last = [m for m in measured if m.way == FLAGS.ways[-1]]
    steps = [m for m in last if m.job not in _OTHERS] or last
    worst = max(steps, key=lambda m: m.ratio.median)
    return {
        "step_ratio": worst.ratio.median,
        "faults_per_step": float(np.median([sample.faults for sample in worst.samples])),
        "resident_ratio": max(m.peak_ratio.median for m in last),
    }


def _line(m: Measured) -> str:
    return (
        f"{m.job:14s} {m.cores} core(s)  {m.way:15s} {benchmark.seconds_range(m.seconds):28s} "
        f"{benchmark.ratio_range(m.ratio)}"
    )


def _table(measured: Sequence[Measured]) -> tables.Table:
    def middle(m: Measured, name: str) -> float:
        return float(np.median([getattr(sample, name) for sample in m.samples]))

    rows = tuple(
        (
            m.job,
            m.cores,
            m.way,
            benchmark.seconds_range(m.seconds),
            benchmark.ratio_range(m.ratio),
            middle(m, "cores"),
            round(middle(m, "faults")),
            round(middle(m, "peak_mib")),
            benchmark.ratio_range(m.peak_ratio),
            round(middle(m, "large_mib")),
        )
        for m in measured
    )
    return tables.Table(
        name="memory",
        title="How malloc takes memory",
        columns=(
            *("job", "cores", "way", "time", f"over {FLAGS.ways[0]}", "cores busy", "page faults", "most MiB"),
            *(f"over {FLAGS.ways[0]}'s", "MiB in large pages"),
        ),
        rows=rows,
        caption=(
            f"A repetition, median and range over {FLAGS.processes} fresh processes of each way in turns, each the "
            f"median of {FLAGS.repetitions} repetitions after three. Large pages of this system: "
            f"{FLAGS.thp or memory.large_page_mode()}."
        ),
    )
