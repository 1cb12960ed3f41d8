"""Econometrics against the fastest peer of each row: batches of small refits, where compiled programs win.

    python scripts/benchmark.py econometrics --output=runs/benchmark

Both sides get the same data, new in each call and passed as arguments, in turns within one process, which may use the
same cores for both. A row's results are compared before its time is reported: the same estimate, or for optimisers an
objective that is not above the peer's. Peers come with the extra `peers` (`pip install -e ".[peers]"`); a row whose
peer is absent shows our time alone. Peers that are too slow for a whole problem do a stated share of it, and their time
is scaled up.
"""

import dataclasses
import importlib.util
import logging
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from absl import logging as absl_logging
from benchmarks import daily_panels, synthetic_controls
from benchmarks.comparison import Row

from ich_jax import errors
from ich_jax.perf import timing
from ich_jax.perf.timing import Paired
from ich_jax.report import benchmark, tables

FLAGS = flags.FLAGS
BATCHED = ("S2", "S7", "S8", "S9")  # the worst of these is the headline
_PEERS = ("pyfixest", "diff-diff", "mlsynth", "synthdid-py", "numba")


@dataclasses.dataclass(frozen=True)
class Measured:
    """Times of one row.

    Attributes:
        row: Name of the row.
        problem: The computation.
        peer: The other implementation; None if it is not installed, or was left out.
        equal: The comparison of results; empty without a peer.
        times: Times and their ratio.
        load: Runnable tasks on the machine, mean over a minute, before and after the row.
        note: Limits of the comparison.
    """

    row: str
    problem: str
    peer: str | None
    equal: str
    times: Paired
    load: tuple[float, float]
    note: str


def define_flags() -> None:
    """Declares the flags of this subcommand."""
    flags.DEFINE_string("output", None, "Folder for benchmark.json and benchmark.md.", required=True)
    flags.DEFINE_list("rows", [], "Rows, such as S1,S3; all by default.")
    flags.DEFINE_integer("rounds", 7, f"Rounds in which both sides take turns, at least {timing.LEAST_ROUNDS}.")
    flags.DEFINE_bool("quick", False, "Small sizes, to see that it works; no result worth keeping.")
    flags.DEFINE_bool("peers", True, "Compare with peers; --nopeers times us alone.")


def run() -> None:
    """Measures the rows that the flags ask for."""
    quiet_peers()
    known = {row.name: row for row in all_rows(quick=FLAGS.quick)}
    asked = {errors.require(name, known, "--rows") for name in FLAGS.rows or known}
    chosen = [row for name, row in known.items() if name in asked]
    errors.require_within(FLAGS.rounds, timing.LEAST_ROUNDS, 1000, "--rounds", whole=True)
    measured = []
    for row in chosen:
        measured.append(measure(row, rounds=FLAGS.rounds, with_peer=FLAGS.peers))
        print(line(measured[-1]), flush=True)
    write(Path(FLAGS.output), measured, rounds=FLAGS.rounds, quick=FLAGS.quick)
    print(benchmark.summary(summarise(measured)), flush=True)


def measure(row: Row, *, rounds: int, with_peer: bool = True) -> Measured:
    """Times a row.

    Args:
        row: The row.
        rounds: Rounds.
        with_peer: Whether to compare, if the peer is installed.

    Raises:
        MismatchError: Results differ; no time is reported.
    """
    installed = importlib.util.find_spec(row.peer.module) is not None
    peer = row.peer.way() if with_peer and installed else None
    rng = np.random.default_rng(0)
    cases = [row.make(rng) for _ in range(1 + rounds * row.repeats)]
    before = os.getloadavg()[0]

    def check(case: Any, ours: Any, theirs: Any) -> None:
        try:
            row.check(case, ours, theirs)
        except AssertionError as error:
            difference = " ".join(str(error).split())[:300]
            raise errors.MismatchError(
                f"{row.name}: we and {row.peer.name} do not agree ({row.equal}), so no time is reported: {difference}"
            ) from error

    times = timing.paired(row.ours, peer, cases, rounds=rounds, check=check)
    note = row.note
    if peer is None:
        note = (row.note or "alone, as asked") if with_peer is False else 'peer absent: pip install -e ".[peers]"'
    return Measured(
        row.name,
        row.problem,
        None if peer is None else row.peer.name,
        "" if peer is None else row.equal,
        times,
        (before, os.getloadavg()[0]),
        note,
    )


def all_rows(*, quick: bool) -> list[Row]:
    """The rows of the benchmark.

    Args:
        quick: Small sizes.
    """
    return [*daily_panels.rows(quick=quick), *synthetic_controls.rows(quick=quick)]


def summarise(measured: Sequence[Measured]) -> dict[str, float]:
    """Speedups by row, after the least of the batched ones; NaN where there is none."""
    by_row = {m.row: m.times.speedup.median if m.times.speedup else math.nan for m in measured}
    return {"worst_batched_speedup": min((by_row.get(name, math.nan) for name in BATCHED), key=_nan_first)} | by_row


def write(folder: Path, measured: Sequence[Measured], *, rounds: int, quick: bool) -> None:
    """Writes the receipt and the table.

    Args:
        folder: Where; made if missing.
        measured: The rows.
        rounds: Rounds behind each range.
        quick: Whether the sizes were small.
    """
    receipt = {"summary": summarise(measured), "rounds": rounds, "quick": quick, "rows": measured}
    load = [value for m in measured for value in m.load]
    note = f"Both sides use the same cores. Load {min(load):.1f} to {max(load):.1f}."
    benchmark.write(folder, receipt, [table(measured, rounds, quick)], peers=_PEERS, note=note)


def table(
    measured: Sequence[Measured], rounds: int, quick: bool, title: str = "Econometrics against the fastest peer"
) -> tables.Table:
    """The table of a benchmark against peers."""
    rows: list[tuple[tables.Cell, ...]] = []
    for m in measured:
        t = m.times
        ratio = benchmark.ratio_range(t.speedup) if t.speedup else None
        cold = [benchmark.seconds(value) if value is not None else None for value in (t.ours_cold_s, t.peer_cold_s)]
        warm = [benchmark.seconds_range(t.ours_s), benchmark.seconds_range(t.peer_s) if t.peer_s else None]
        rows.append((m.row, m.problem, m.peer, ratio, *warm, *cold, m.equal, m.note))
    return tables.Table(
        name="benchmark",
        title=title + (", small sizes" if quick else ""),
        columns=(
            "row",
            "problem",
            "peer",
            "peer / ours",
            "ours, warm",
            "peer, warm",
            "ours, first call",
            "peer, first call",
            "checked equal",
            "note",
        ),
        rows=tuple(rows),
        caption=f"Median and range over {rounds} rounds in turns, new data in each call; first calls compile.",
    )


def quiet_peers() -> None:
    """Peers warn about themselves and the data; a benchmark of them is not the place."""
    warnings.simplefilter("ignore")
    absl_logging.set_verbosity(absl_logging.WARNING)
    for name in ("diff_diff", "mlsynth", "pyfixest", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _nan_first(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def line(m: Measured) -> str:
    """What is printed when a row is done."""
    t = m.times
    alone = f"{m.row}: ours {benchmark.seconds_range(t.ours_s)}, first call {benchmark.seconds(t.ours_cold_s)}"
    if t.peer_s is None or t.speedup is None:
        return f"{alone}; {m.note}"
    return f"{alone}; {m.peer} {benchmark.seconds_range(t.peer_s)}; {benchmark.digits(t.speedup.median)} times as fast"
