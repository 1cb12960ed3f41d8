"""Corruptions of images against other libraries: images per second, each kind and the suite.

    python scripts/benchmark.py interference --output=runs/benchmark --imagecorruptions=CLONE

The process pins itself to one core and measures processor time, which other processes on that core do not change
(`--nopin`: all cores and wall time, for the figures of a whole machine). Ours is a compiled call from a batch of uint8
images to a batch of uint8 images; the other libraries get images in the form that suits them best, prepared before the
clock starts: imagecorruptions and albumentations uint8 one by one, kornia and dm_pix batches of floats. Severities 1 to
5 are done in every round, all sides in turns. tests/interference compares our results with the reference.

A peer counts where it returns the same corruption as we do. That is measured here, on the same images: for kinds
without random draws by the mean absolute difference, for the others by moments of the change. A peer that does not
agree appears in the table as another method. imagecorruptions always counts, as the peer that has all kinds: it applies
the parameters of 224 px at every size, and its elastic transform has no affine part. It is taken from a clone of its
repository, since the release on PyPI no longer runs. Packages: albumentations, kornia (with torch), dm_pix; absent ones
are named.
"""

import dataclasses
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from benchmarks import programs
from peers import corruption_libraries
from peers.corruption_libraries import DETERMINISTIC, Library

from ich_jax import errors, workdir
from ich_jax.interference import COMMON, KINDS, corrupt, image_keys
from ich_jax.perf import timing
from ich_jax.perf.neighbours import Watch
from ich_jax.perf.timing import Range
from ich_jax.report import benchmark, tables

FLAGS = flags.FLAGS
SIZES = (32, 64, 224)
BATCH = {32: 256, 64: 128, 224: 16}
ONE_BY_ONE = {32: 16, 64: 8, 224: 2}
"""Images of a round for libraries that take one at a time."""
COMPARED = {32: 128, 64: 64, 224: 16}
"""Images on which results are compared."""
LEAST_S = 0.05
"""Least seconds of one side of a round."""
SEVERITIES = range(1, 6)
CHIEF = "imagecorruptions"
LARGEST_ERROR = 1.5
"""Mean absolute difference of kinds without random draws, in 8-bit steps, up to which a peer agrees."""
LARGEST_OFF = 0.05
"""The same of the moments of the others, as shares of the change's deviation or of ours."""
_PEERS = ("imagecorruptions", "albumentations", "kornia", "torch", "dm-pix", "numba", "opencv-python-headless")


@dataclasses.dataclass(frozen=True)
class Peer:
    """Speed of a library on one kind, and whether it is the same corruption.

    Attributes:
        name: Of the library.
        img_per_s: Images per second.
        ratio: Our speed over its, round by round.
        off: Distance of its results from ours: 8-bit steps for kinds without random draws, else shares.
        agrees: Whether that distance is within bounds.
        counts: Whether it counts as a peer of this kind.
    """

    name: str
    img_per_s: float
    ratio: Range
    off: float
    agrees: bool
    counts: bool


@dataclasses.dataclass(frozen=True)
class Speed:
    """Speed of one kind.

    Attributes:
        kind: Its name.
        size: Pixels.
        ours: Images per second.
        compile_s: Processor time of the first call less that of a later one.
        peers: The libraries that have it.
        seconds: Of an image, round by round, ours and then each peer's.
    """

    kind: str
    size: int
    ours: float
    compile_s: float
    peers: tuple[Peer, ...]
    seconds: tuple[tuple[float, ...], ...]

    @property
    def best(self) -> Peer | None:
        """The fastest peer that counts."""
        return max((p for p in self.peers if p.counts), key=lambda p: p.img_per_s, default=None)


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", None, "Folder for benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_list("sizes", [str(size) for size in SIZES], "Sizes in pixels.")
    flags.DEFINE_list("kinds", list(KINDS), "Kinds of corruption.")
    flags.DEFINE_list("libraries", list(corruption_libraries.LOADERS), "Packages to compare with.")
    flags.DEFINE_integer("rounds", 5, f"Rounds in which all sides take turns, at least {timing.LEAST_ROUNDS}.")
    flags.DEFINE_string("imagecorruptions", "", "Clone of github.com/bethgelab/imagecorruptions; empty: no such peer.")
    flags.DEFINE_bool("pin", True, "Pin the process to one core; --nopin uses all.")
    flags.DEFINE_bool(
        "add", False, "Keep the figures of other sizes and kinds in --output, for a machine that is rarely quiet."
    )


def run() -> None:
    """Measures, and writes benchmark.json and benchmark.md."""
    for kind in FLAGS.kinds:
        errors.require(kind, KINDS, "--kinds")
    for name in FLAGS.libraries:
        errors.require(name, corruption_libraries.LOADERS, "--libraries")
    for size in FLAGS.sizes:
        errors.require(size, [str(size) for size in SIZES], "--sizes")
    errors.require_within(FLAGS.rounds, timing.LEAST_ROUNDS, 1000, "--rounds", whole=True)
    output = Path(FLAGS.output)
    earlier = workdir.read_json(output / benchmark.RECEIPT) if FLAGS.add else {"rows": [], "runs": []}
    asked = {(int(size), kind) for size in FLAGS.sizes for kind in FLAGS.kinds}
    kept = [row for row in map(as_speed, earlier["rows"]) if (row.size, row.kind) not in asked]
    if kept and earlier["pinned"] != FLAGS.pin:
        raise errors.ConfigError(
            f"--add: {output} holds figures of {'one core' if earlier['pinned'] else 'all cores'}."
        )
    if FLAGS.pin and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    jax.config.update("jax_enable_compilation_cache", False)  # so that first calls compile
    watch, speeds = Watch(), []
    absent: list[str] = []
    for size in map(int, FLAGS.sizes):
        libraries, absent = load(size)
        speeds += [measure(kind, size, libraries) for kind in FLAGS.kinds]
    runs = [
        *earlier["runs"],
        f"{', '.join(FLAGS.sizes)} px, {len(FLAGS.kinds)} kinds: {programs.describe(watch.read())}",
    ]
    speeds = sorted([*kept, *speeds], key=lambda s: (s.size, KINDS.index(s.kind)))
    summary = summarise(speeds)
    result = [speed_table(speeds), suite_table(speeds), peer_table(speeds)]
    receipt = {"summary": summary, "pinned": FLAGS.pin, "rounds": FLAGS.rounds, "absent": absent, "runs": runs}
    note = " ".join([*runs, *(f"{name} is absent." for name in absent)])
    benchmark.write(output, {**receipt, "rows": speeds}, result, peers=_PEERS, note=note)
    print(benchmark.summary(summary), flush=True)


def as_speed(row: dict[str, Any]) -> Speed:
    """Returns a row as it was before it was written to a receipt."""
    peers = [Peer(**peer | {"ratio": Range(**peer["ratio"])}) for peer in row["peers"]]
    return Speed(**row | {"peers": tuple(peers), "seconds": tuple(map(tuple, row["seconds"]))})


def load(size: int) -> tuple[list[Library], list[str]]:
    """Returns the libraries that are installed, and the names of the others."""
    libraries, absent = [], []
    if FLAGS.imagecorruptions:
        libraries.append(corruption_libraries.imagecorruptions(Path(FLAGS.imagecorruptions)))
    else:
        absent.append(CHIEF)
    for name in FLAGS.libraries:
        try:
            libraries.append(corruption_libraries.LOADERS[name](size, programs.cores()))
        except ImportError as error:
            absent.append(name)
            print(f"{name} is not compared: {error}")
    return libraries, absent


def measure(kind: str, size: int, libraries: Sequence[Library]) -> Speed:
    """Times one kind at one size, all severities, in turns with the libraries that have it."""
    images = pictures(BATCH[size], size, seed=0)
    keys = image_keys(jax.random.key(0), 0, BATCH[size])

    def ours(severities: Sequence[int] = SEVERITIES) -> list[np.ndarray]:
        return [np.asarray(corrupt(images, kind, severity, keys)) for severity in severities]

    def timed() -> float:
        started = time.process_time()
        ours([1])
        return time.process_time() - started

    compile_s = timed() - timed()
    compared = [corrupted[: COMPARED[size]] for corrupted in ours()]
    libraries = [library for library in libraries if kind in library.kinds]
    runs: list[Callable[[], Any]] = [ours]
    numbers, offs = [BATCH[size]], []
    for library in libraries:
        prepared = library.prepare(images[: COMPARED[size]])
        theirs = [library.finish(function(prepared)) for function in library.kinds[kind]]
        offs.append(off(kind, images[: COMPARED[size]], compared, theirs))
        numbers.append(ONE_BY_ONE[size] if library.one_by_one else BATCH[size])
        runs.append(_all_severities(library, kind, library.prepare(images[: numbers[-1]])))
    clock = time.process_time if FLAGS.pin else time.perf_counter
    runs, repeats = zip(*(_long_enough(run, clock) for run in runs), strict=True)
    seconds = timing.in_turns(runs, rounds=FLAGS.rounds, clock=clock)
    seconds /= np.array(numbers) * np.array(repeats) * len(SEVERITIES)
    limit = LARGEST_ERROR if kind in DETERMINISTIC else LARGEST_OFF
    peers = [
        Peer(
            name=library.name,
            img_per_s=float(1 / np.median(seconds[:, i])),
            ratio=timing.over_rounds(seconds[:, i] / seconds[:, 0]),
            off=offs[i - 1],
            agrees=offs[i - 1] <= limit,
            counts=offs[i - 1] <= limit or library.name == CHIEF,
        )
        for i, library in enumerate(libraries, start=1)
    ]
    rate = float(1 / np.median(seconds[:, 0]))
    speed = Speed(kind, size, rate, compile_s, tuple(peers), tuple(map(tuple, seconds.T.tolist())))
    best = speed.best
    print(
        f"{size:4d} px {kind:18s} {speed.ours:10,.0f} img/s, compiled in {compile_s:.2f} s"
        + (f"  {best.ratio.median:7.2f} x {best.name}" if best else ""),
        flush=True,
    )
    return speed


def _all_severities(library: Library, kind: str, images: Any) -> Callable[[], Any]:
    return lambda: [function(images) for function in library.kinds[kind]]


def _long_enough(run: Callable[[], Any], clock: Callable[[], float]) -> tuple[Callable[[], Any], int]:
    """Repeats a run that takes less than `LEAST_S`; also returns the number of repetitions."""
    run()
    started = clock()
    run()
    repeats = max(1, math.ceil(LEAST_S / max(clock() - started, 1e-6)))
    return lambda: [run() for _ in range(repeats)], repeats


def off(kind: str, images: np.ndarray, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """Returns the distance between the results of two sides.

    Args:
        kind: Of corruption.
        images: `[B, H, W, 3]` uint8.
        ours: Corrupted images, one array for each severity.
        theirs: The same.

    Returns:
        For kinds without random draws the mean absolute difference in 8-bit steps. For the others the largest
        difference of these moments of the change, each averaged over severities: its mean, as a share of its deviation;
        its mean absolute value; its deviation, of single values, of means over the channels and of means over 4 x 4
        pixels, each as a share of ours.
    """
    if kind in DETERMINISTIC:
        return float(np.mean([np.abs(a.astype(np.float32) - b).mean() for a, b in zip(ours, theirs, strict=True)]))
    both = np.array([[moments(images, corrupted) for corrupted in side] for side in (ours, theirs)])  # [2, 5, moments]
    means, rest = both[..., 0], both[..., 1:]
    apart = np.concatenate([((means[1] - means[0]) / rest[0, :, 0])[:, None], rest[1] / rest[0] - 1], axis=1)
    return float(np.abs(apart.mean(axis=0)).max())


def moments(images: np.ndarray, corrupted: np.ndarray) -> list[float]:
    """Returns mean, deviation, size of the change, and deviations of its means over channels and blocks."""
    change = corrupted.astype(np.float32) - images
    batch, height, width, channels = change.shape
    blocks = change.reshape(batch, height // 4, 4, width // 4, 4, channels).mean(axis=(2, 4))
    values = change.mean(), change.std(), np.abs(change).mean(), change.mean(axis=3).std(), blocks.std()
    return [float(value) for value in values]


def summarise(speeds: Sequence[Speed]) -> dict[str, Any]:
    """Returns the headline figures: speed and compilation of the suite of 15 by size, least ratio of a single kind."""
    summary: dict[str, Any] = {}
    for size in SIZES:
        ratio = suite_ratio([s for s in speeds if s.size == size], CHIEF)
        summary[f"suite_speedup_{size}px"] = ratio.median if ratio else float("nan")
    single = [best.ratio.median for s in speeds if (best := s.best)]
    summary["worst_single"] = min(single, default=float("nan"))
    for size in sorted({s.size for s in speeds}):
        common = [s for s in speeds if s.size == size and s.kind in COMMON]
        if len(common) == len(COMMON):
            summary[f"suite_{size}px_img_per_s"] = len(common) / sum(1 / s.ours for s in common)
            summary[f"suite_{size}px_compile_s"] = sum(s.compile_s for s in common)
    return summary


def suite_ratio(speeds: Sequence[Speed], name: str) -> Range | None:
    """Returns our speed on the 15 common kinds over a library's; None unless it was timed on all of them."""
    common = {s.kind: s for s in speeds if s.kind in COMMON and any(p.name == name for p in s.peers)}
    if len(common) < len(COMMON):
        return None
    place = {kind: 1 + [p.name for p in s.peers].index(name) for kind, s in common.items()}
    theirs = np.sum([s.seconds[place[kind]] for kind, s in common.items()], axis=0)
    return timing.over_rounds(theirs / np.sum([s.seconds[0] for s in common.values()], axis=0))


def speed_table(speeds: Sequence[Speed]) -> tables.Table:
    """Returns one row for each kind and size."""
    names = list(dict.fromkeys(peer.name for s in speeds for peer in s.peers))

    def cell(speed: Speed, name: str) -> str | None:
        peers = [peer for peer in speed.peers if peer.name == name]
        if not peers:
            return None
        return f"{benchmark.digits(peers[0].img_per_s)}{'' if peers[0].counts else ' (other method)'}"

    rows = tuple(
        (
            s.kind,
            s.size,
            benchmark.digits(s.ours),
            s.compile_s,
            *(cell(s, name) for name in names),
            f"{benchmark.ratio_range(best.ratio)} {best.name}" if (best := s.best) else None,
        )
        for s in speeds
    )
    return tables.Table(
        name="corruptions",
        title=f"Corruptions, images per second, {_cores()}",
        columns=("kind", "px", "ours", "compiled in, s", *names, "ours over the best that counts"),
        rows=rows,
        caption=(
            f"Median of {FLAGS.rounds} rounds in turns, {'processor' if FLAGS.pin else 'wall'} time, severities 1 to 5 "
            "alike; ratio: median and range over the rounds; compilation in processor time. Other method: returns "
            f"something else than the reference, and does not count. {CHIEF} counts always; below 224 px it applies "
            "the parameters of 224 px, so that its pictures differ."
        ),
        digits=(("compiled in, s", 2),),
    )


def suite_table(speeds: Sequence[Speed]) -> tables.Table:
    """Returns one row for each size: the 15 common kinds together."""
    rows = []
    for size in sorted({s.size for s in speeds}):
        common = [s for s in speeds if s.size == size and s.kind in COMMON]
        if len(common) == len(COMMON):
            ratio = suite_ratio(common, CHIEF)
            rate, compile_s = len(common) / sum(1 / s.ours for s in common), sum(s.compile_s for s in common)
            rows.append((size, benchmark.digits(rate), compile_s, benchmark.ratio_range(ratio) if ratio else None))
    return tables.Table(
        name="suite",
        title=f"The 15 common kinds together, {_cores()}",
        columns=("px", "ours, img/s", "compiled in, s", f"ours over {CHIEF}"),
        rows=tuple(rows),
        caption="An image a second is one picture corrupted in one way at one severity, all kinds equally often.",
        digits=(("compiled in, s", 1),),
    )


def peer_table(speeds: Sequence[Speed]) -> tables.Table:
    """Returns one row for each kind, size and peer: the distance of its results from ours."""
    rows = tuple(
        (s.kind, s.size, p.name, p.off, "8-bit steps" if s.kind in DETERMINISTIC else "share", p.agrees)
        for s in speeds
        for p in s.peers
    )
    return tables.Table(
        name="agreement",
        title="Libraries that return the same corruption",
        columns=("kind", "px", "library", "off", "in", "agrees"),
        rows=rows,
        caption=(
            f"On the same images, averaged over severities. Without random draws: mean absolute difference, at most "
            f"{LARGEST_ERROR} of 255. With them: largest relative difference of mean, deviation and mean absolute "
            "value of the change, and of the deviation of its means over channels and over 4 x 4 pixels, at most "
            f"{LARGEST_OFF:.0%}."
        ),
    )


def _cores() -> str:
    return "one core" if FLAGS.pin else f"{programs.cores()} cores"


def pictures(n: int, size: int, seed: int) -> np.ndarray:
    """Returns smooth pictures with grain, `[n, size, size, 3]` uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((n, 8, 8, 3)).repeat(-(-size // 8), axis=1).repeat(-(-size // 8), axis=2)[:, :size, :size]
    return (np.clip(coarse + rng.normal(0, 0.05, coarse.shape), 0, 1) * 255).astype(np.uint8)
