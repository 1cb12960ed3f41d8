"""Corruptions of images against the peer that has them all: images per second, each kind and the suite.

    python scripts/benchmark.py interference --output=runs/benchmark --imagecorruptions=CLONE

The process pins itself to one core. Ours is a compiled call on a batch of uint8 images; the peer gets the same images
one by one, as its interface asks for. Severities 1 to 5 are done in every round, both sides in turns. What we return is
held to the reference implementation by tests/interference/test_fidelity.py.

The peer is imagecorruptions from a clone of its repository: the release on PyPI no longer runs. It applies the
parameters of 224 px at every size, and its elastic transform is another
one (no affine part). Without a clone ours is timed alone.
"""

import dataclasses
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from benchmarks import programs

from ich_jax import errors
from ich_jax.interference import COMMON, KINDS, corrupt, image_keys
from ich_jax.perf import timing
from ich_jax.perf.neighbours import Watch
from ich_jax.perf.timing import Range, Way
from ich_jax.report import benchmark, tables

FLAGS = flags.FLAGS
SIZES = (32, 64, 224)
BATCH = {32: 256, 64: 128, 224: 16}
PEER_IMAGES = {32: 8, 64: 4, 224: 1}
SEVERITIES = range(1, 6)
_PEERS = ("imagecorruptions", "numba", "opencv-python-headless", "scikit-image")


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast one kind is.

    Attributes:
        kind: Its name.
        size: Pixels.
        ours: Images per second.
        compile_s: First call.
        peers: Images per second of each peer that has it.
        ratio: Ours over imagecorruptions, round by round; None without it.
    """

    kind: str
    size: int
    ours: float
    compile_s: float
    peers: dict[str, float]
    ratio: Range | None


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", None, "Folder for benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_list("sizes", [str(size) for size in SIZES], "Sizes in pixels.")
    flags.DEFINE_list("kinds", list(KINDS), "Kinds of corruption.")
    flags.DEFINE_integer("rounds", 5, f"Rounds in which both sides take turns, at least {timing.LEAST_ROUNDS}.")
    flags.DEFINE_string("imagecorruptions", "", "Clone of github.com/bethgelab/imagecorruptions; empty: no such peer.")
    flags.DEFINE_bool("pin", True, "Pin the process to one core; --nopin uses all.")


def run() -> None:
    """Measures, and writes benchmark.json and benchmark.md."""
    for kind in FLAGS.kinds:
        errors.require(kind, KINDS, "--kinds")
    if FLAGS.pin and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    watch = Watch()
    peer = load_imagecorruptions(FLAGS.imagecorruptions) if FLAGS.imagecorruptions else {}
    speeds = [measure(kind, int(size), peer.get(kind)) for size in FLAGS.sizes for kind in FLAGS.kinds]
    summary: dict[str, Any] = {}
    for size in sorted({s.size for s in speeds}):
        own = [s for s in speeds if s.size == size and s.kind in COMMON]
        if len(own) == len(COMMON):
            rate = len(own) / sum(1 / s.ours for s in own)
            summary[f"suite_{size}px_img_per_s"] = rate
            summary[f"suite_{size}px_compile_s"] = sum(s.compile_s for s in own)
            if all("imagecorruptions" in s.peers for s in own):
                theirs = len(own) / sum(1 / s.peers["imagecorruptions"] for s in own)
                summary[f"suite_speedup_{size}px"] = rate / theirs
    single = [s.ours / s.peers["imagecorruptions"] for s in speeds if "imagecorruptions" in s.peers]
    if single:
        summary["worst_single"] = min(single)
    receipt = {"summary": summary, "pinned": FLAGS.pin, "rounds": FLAGS.rounds, "rows": speeds}
    benchmark.write(Path(FLAGS.output), receipt, [_table(speeds)], peers=_PEERS, note=programs.said(watch.read()))
    print(benchmark.summary(summary), flush=True)


def _table(speeds: Sequence[Speed]) -> tables.Table:
    rows = tuple(
        (
            s.kind,
            s.size,
            s.ours,
            s.compile_s,
            s.peers.get("imagecorruptions"),
            benchmark.ratio_range(s.ratio) if s.ratio else None,
        )
        for s in speeds
    )
    return tables.Table(
        name="corruptions",
        title="Corruptions, one core" if FLAGS.pin else "Corruptions, all cores",
        columns=("kind", "px", "ours, img/s", "first call, s", "imagecorruptions, img/s", "ratio"),
        rows=rows,
        caption=f"Median over {FLAGS.rounds} rounds in turns, severities 1 to 5 alike; ratio: median and range.",
        digits=(("ours, img/s", 0), ("first call, s", 2), ("imagecorruptions, img/s", 0)),
    )


def measure(kind: str, size: int, peer: Callable[[np.ndarray, int], np.ndarray] | None) -> Speed:
    """Times one kind at one size, all severities."""
    cases = [pictures(BATCH[size], size, seed) for seed in range(1 + FLAGS.rounds)]
    keys = image_keys(jax.random.key(0), 0, BATCH[size])

    def ours(images: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(corrupt(images, kind, severity, keys)) for severity in SEVERITIES]

    def theirs(images: np.ndarray) -> list[list[np.ndarray]]:
        assert peer is not None
        return [[peer(image, severity) for image in images[: PEER_IMAGES[size]]] for severity in SEVERITIES]

    way = Way(prepare=lambda images: images, run=theirs, share=PEER_IMAGES[size] / BATCH[size]) if peer else None
    found = timing.paired(Way(prepare=lambda images: images, run=ours), way, cases, rounds=FLAGS.rounds)
    images = BATCH[size] * len(SEVERITIES)
    peers = {"imagecorruptions": images / found.peer_s.median} if found.peer_s else {}
    speed = Speed(kind, size, images / found.ours_s.median, found.ours_cold_s, peers, found.speedup)
    print(
        f"{size:4d} px {kind:18s} {speed.ours:10,.0f} img/s"
        + (f"  {found.speedup.median:7.1f} x" if found.speedup else "")
    )
    return speed


def pictures(n: int, size: int, seed: int) -> np.ndarray:
    """Returns smooth pictures with grain, `[n, size, size, 3]` uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((n, 8, 8, 3)).repeat(-(-size // 8), axis=1).repeat(-(-size // 8), axis=2)[:, :size, :size]
    return np.uint8(np.clip(coarse + rng.normal(0, 0.05, coarse.shape), 0, 1) * 255)


def load_imagecorruptions(clone: str) -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """Imports imagecorruptions from a clone under today's libraries.

    It asks for names that NumPy 2, SciPy 2 and setuptools no longer have; these are put back, and nothing else.

    Raises:
        DataError: There is no such clone.
    """
    folder = Path(clone) / "imagecorruptions"
    if not folder.is_dir():
        raise errors.DataError(f"--imagecorruptions: {clone} is no clone of github.com/bethgelab/imagecorruptions.")
    import scipy.ndimage

    for name, values in {
        "scipy.ndimage.interpolation": {"map_coordinates": scipy.ndimage.map_coordinates},
        "pkg_resources": {"resource_filename": lambda _, path: str(folder / path)},
    }.items():
        if importlib.util.find_spec(name.split(".")[0]) is None or name not in sys.modules:
            module = types.ModuleType(name)
            module.__dict__.update(values)
            sys.modules[name] = module
    sys.path.insert(0, str(Path(clone)))
    package = importlib.import_module("imagecorruptions")

    def make(kind: str) -> Callable[[np.ndarray, int], np.ndarray]:
        return lambda image, severity: package.corrupt(image, severity=severity, corruption_name=kind)

    return {kind: make(kind) for kind in KINDS}
