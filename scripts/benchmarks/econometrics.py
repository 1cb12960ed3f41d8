"""Econometrics against the fastest peer of each row: batches of small refits, which is where compiled programs win.

    python scripts/benchmark.py econometrics --output=runs/benchmark

Both sides get the same data, new in each call and passed as arguments, in turns within one process, which may use the
same cores for both. A row's results are compared before its time is reported: the same estimate, or for optimisers an
objective that is not above the peer's. Peers come with the extra `peers` (`pip install -e ".[peers]"`); a row whose
peer is absent shows our time alone. Peers that are too slow for a whole problem do a stated share of it, and their time
is scaled up.
"""

import dataclasses
import functools
import importlib.util
import logging
import math
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from absl import flags
from absl import logging as absl_logging

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.regression import linear, wild_bootstrap
from ich_jax.econometrics.synthetic import conformal, sdid
from ich_jax.econometrics.synthetic import control as synthetic_control
from ich_jax.perf import timing
from ich_jax.perf.timing import Paired, Way
from ich_jax.report import benchmark, tables
from ich_jax.studies.benefit import refits
from ich_jax.uncertainty import draws, float64, permutation

FLAGS = flags.FLAGS
BATCHED = ("S2", "S7", "S8", "S9")  # the worst of these is the headline
_PEERS = ("pyfixest", "diff-diff", "mlsynth", "synthdid-py", "numba")


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another implementation.

    Attributes:
        name: What is called.
        module: Module that must be there.
        way: Makes the way to run it; imports it.
    """

    name: str
    module: str
    way: Callable[[], Way]


@dataclasses.dataclass(frozen=True)
class Row:
    """One problem.

    Attributes:
        name: S1 to S9.
        problem: What is computed, with sizes.
        make: Data of one call, from a random generator.
        ours: Our way.
        peer: The fastest other one.
        check: Takes data and both results; raises MismatchError.
        equal: What it checks, in words.
        repeats: Calls in each round, where one is too short to be timed.
        note: What a reader has to know.
    """

    name: str
    problem: str
    make: Callable[[np.random.Generator], Any]
    ours: Way
    peer: Peer
    check: Callable[[Any, Any, Any], None]
    equal: str
    repeats: int = 1
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a row came to.

    Attributes:
        row: Name of the row.
        problem: What was computed.
        peer: What it was compared with; None if that is not installed, or was left out.
        equal: How results were compared; empty without a peer.
        times: Times and their ratio.
        load: Runnable tasks on the machine, mean over a minute, before and after the row.
        note: What a reader has to know.
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
    _quiet_peers()
    known = {row.name: row for row in all_rows(quick=FLAGS.quick)}
    asked = {errors.require(name, known, "--rows") for name in FLAGS.rows or known}
    chosen = [row for name, row in known.items() if name in asked]
    errors.require_within(FLAGS.rounds, timing.LEAST_ROUNDS, 1000, "--rounds", whole=True)
    found = []
    for row in chosen:
        found.append(measure(row, rounds=FLAGS.rounds, with_peer=FLAGS.peers))
        print(_line(found[-1]), flush=True)
    write(Path(FLAGS.output), found, rounds=FLAGS.rounds, quick=FLAGS.quick)
    print(benchmark.summary(summarise(found)), flush=True)


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
            what = " ".join(str(error).split())[:300]
            raise errors.MismatchError(
                f"{row.name}: we and {row.peer.name} do not agree ({row.equal}), so no time is reported: {what}"
            ) from error

    times = timing.paired(row.ours, peer, cases, rounds=rounds, check=check)
    note = row.note
    if peer is None:
        note = "alone, as asked" if with_peer is False else 'peer absent: pip install -e ".[peers]"'
    return Measured(
        row.name,
        row.problem,
        None if peer is None else row.peer.name,
        "" if peer is None else row.equal,
        times,
        (before, os.getloadavg()[0]),
        note,
    )


def summarise(found: Sequence[Measured]) -> dict[str, float]:
    """Speedups by row, after the least of the batched ones; NaN where there is none."""
    by_row = {m.row: m.times.speedup.median if m.times.speedup else math.nan for m in found}
    return {"worst_batched_speedup": min((by_row.get(name, math.nan) for name in BATCHED), key=_nan_first)} | by_row


def write(folder: Path, found: Sequence[Measured], *, rounds: int, quick: bool) -> None:
    """Writes the receipt and the table.

    Args:
        folder: Where; made if missing.
        found: The rows.
        rounds: Rounds behind each range.
        quick: Whether the sizes were small.
    """
    receipt = {"summary": summarise(found), "rounds": rounds, "quick": quick, "rows": found}
    load = [value for m in found for value in m.load]
    note = f"Both sides use the same cores. Load {min(load):.1f} to {max(load):.1f}."
    benchmark.write(folder, receipt, [_table(found, rounds, quick)], peers=_PEERS, note=note)


def _table(found: Sequence[Measured], rounds: int, quick: bool) -> tables.Table:
    rows: list[tuple[tables.Cell, ...]] = []
    for m in found:
        t = m.times
        ratio = benchmark.ratio_range(t.speedup) if t.speedup else None
        cold = [benchmark.seconds(value) if value is not None else None for value in (t.ours_cold_s, t.peer_cold_s)]
        warm = [benchmark.seconds_range(t.ours_s), benchmark.seconds_range(t.peer_s) if t.peer_s else None]
        rows.append((m.row, m.problem, m.peer, ratio, *warm, *cold, m.equal, m.note))
    return tables.Table(
        name="benchmark",
        title="Econometrics against the fastest peer" + (", small sizes" if quick else ""),
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


# ---------------- rows


def all_rows(*, quick: bool) -> list[Row]:
    """The rows of the benchmark.

    Args:
        quick: Small sizes.
    """
    wild = 199 if quick else 9999
    panels, done = (20, 2) if quick else (1000, 5)
    units, periods = (8, 12) if quick else (39, 31)
    real = not quick and importlib.util.find_spec("synthdid") is not None
    prefix = f"{'Proposition 99 with noise' if real else 'simulated'}, {units} units x {periods} periods"
    california = functools.partial(_california, units=units, periods=periods)
    placebos = 20 if quick else 200
    return [
        Row(
            "S1",
            f"wild cluster bootstrap of a two-way fixed-effects fit: 12 clusters, 180 periods, Webb, {wild} draws",
            _daily,
            Way(_fit_ours, functools.partial(_wild_ours, n=wild)),
            Peer("pyfixest Feols.wildboottest", "pyfixest", functools.partial(_wild_peer, n=wild)),
            functools.partial(_check_wild, n=wild),
            "t to 1e-6; p within Monte Carlo error",
            repeats=3,
            note="fits are not timed",
        ),
        Row(
            "S2",
            f"size study: {panels} panels of 12 clusters x 180 periods, wild cluster bootstrap, Webb, 999 draws each",
            functools.partial(_many_daily, n=panels),
            Way(lambda case: case, _size_ours),
            Peer(
                "diff-diff DifferenceInDifferences(inference='wild_bootstrap')",
                "diff_diff",
                functools.partial(_size_peer, n=panels, done=done),
            ),
            _check_size,
            "estimates to 1e-9; p within Monte Carlo error",
            note=f"peer: {done} panels, scaled up; it fits each panel too",
        ),
        Row(
            "S3",
            f"randomisation inference: all 495 assignments of 4 in 12 units, {panels} panels at once, mean change",
            functools.partial(_changes, n=panels),
            Way(lambda case: case, _randomisation_ours),
            Peer("scipy.stats.permutation_test", "scipy", lambda: Way(lambda case: case, _randomisation_scipy)),
            _check_randomisation,
            "estimates and p to 1e-12, but for one tie that the peer may miss",
            repeats=3,
            note="pyfixest.ritest draws each unit's treatment by itself, which is another distribution",
        ),
        Row(
            "S4",
            f"synthetic difference-in-differences, one fit from long rows: {prefix}",
            california,
            Way(lambda case: _long(*case), lambda rows: sdid.synthetic_did(panel.from_rows(*rows))),
            Peer("diff-diff SyntheticDiD (Rust)", "diff_diff", functools.partial(_sdid_peer, n=2)),
            _check_sdid,
            'objective of the unit weights not above; our solver "r" to 1e-5',
            repeats=5,
            note="peer with 2 placebo draws, the fewest that it takes",
        ),
        Row(
            "S5",
            f"the same with its placebo standard error, {placebos} draws",
            california,
            Way(lambda case: _long(*case), functools.partial(_sdid_error_ours, n=placebos)),
            Peer("diff-diff SyntheticDiD (Rust)", "diff_diff", functools.partial(_sdid_peer, n=placebos)),
            functools.partial(_check_sdid_error, n=placebos),
            "objective not above; standard errors within Monte Carlo error",
            note="both fits and errors are timed",
        ),
        Row(
            "S6",
            f"synthetic control and in-space placebos, {units} fits: {prefix}",
            california,
            Way(lambda case: _long(*case), _placebo_ours),
            Peer("mlsynth VanillaSC(inference='placebo')", "mlsynth", functools.partial(_vanilla, inference="placebo")),
            _check_placebo,
            "objective not above; effect to 1e-4, p exactly",
            repeats=3,
        ),
        Row(
            "S7",
            f"leave-two-out placebo test, {math.comb(units - 1, 2)} pairs: {prefix}",
            california,
            Way(lambda case: _long(*case), lambda rows: synthetic_control.leave_two_out(_study(rows))),
            Peer("mlsynth VanillaSC(inference='lto')", "mlsynth", functools.partial(_vanilla, inference="lto")),
            _check_pairs,
            "pairs lost, exactly",
        ),
        Row(
            "S8",
            f"conformal intervals of each period after the start, by test inversion: {prefix}",
            california,
            Way(lambda case: _long(*case), functools.partial(_conformal_ours, quick=quick)),
            Peer(
                "diff-diff SyntheticControl.conformal_confidence_intervals",
                "diff_diff",
                functools.partial(_conformal_peer, quick=quick),
            ),
            _check_conformal,
            "effects to 1e-6; every effect that the peer tries is inside our interval where it keeps it",
            note="peer tries 50 effects a period, we bisect to 1e-9",
        ),
        Row(
            "S9",
            f"size of the placebo test: {panels // 2} panels of 21 units x 20 periods, AR(1) 0.5",
            functools.partial(_regressing, n=panels // 2),
            Way(lambda case: case, _placebo_study_ours),
            Peer(
                "mlsynth VanillaSC(inference='placebo')",
                "mlsynth",
                functools.partial(_placebo_study_peer, n=panels // 2, done=done),
            ),
            _check_placebo_study,
            "p of each panel, exactly",
            note=f"design of Illenberger, Small and Shaw (2020), Epidemiology 31(6); peer: {done} panels, scaled up",
        ),
    ]


# ---------------- S1 to S3: twelve units of 180 days, four of them treated from the middle


_UNITS, _PERIODS, _TREATED = 12, 180, 4
_MANY = 4.5  # standard errors of a p-value by simulation: one row makes some tens of comparisons


def _daily(rng: np.random.Generator) -> np.ndarray:
    """`[12, 180]` without effect."""
    shape = _UNITS, _PERIODS
    return rng.normal(size=(_UNITS, 1)) + rng.normal(size=(1, _PERIODS)) + rng.normal(size=shape)


def _start() -> np.ndarray:
    return np.where(np.arange(_UNITS) < _TREATED, _PERIODS // 2, _PERIODS)


def _fit_ours(y: np.ndarray) -> tuple[linear.LinearFit, np.ndarray]:
    rows = panel.rows(panel.from_matrix(y, _start()))
    fit = linear.fit(rows.outcome, {"d": rows.treated}, absorb={"unit": rows.unit, "period": rows.period})
    return fit, rows.unit


def _wild_ours(prepared: tuple[linear.LinearFit, np.ndarray], *, n: int) -> tuple[float, float]:
    fit, unit = prepared
    options: dict[str, Any] = {"weights": "webb", "n_resamples": n, "confidence": None}
    found = wild_bootstrap.wild_cluster(fit, "d", unit, key=jax.random.key(0), **options)
    return found.t, found.p


def _wild_peer(*, n: int) -> Way:
    import pyfixest

    def run(fit: Any) -> tuple[float, float]:
        found = fit.wildboottest(param="d", reps=n, weights_type="webb", seed=1)
        # Its own t counts the indicators of units among the coefficients; that of the fit does not, and p is the same.
        return float(fit.tstat()["d"]), float(found["Pr(>|t|)"])

    def prepare(y: np.ndarray) -> Any:
        exact = pyfixest.MapDemeaner(fixef_tol=1e-12, fixef_maxiter=100_000)
        return pyfixest.feols("y ~ d | unit + t", _frame(y, _start()), vcov={"CRV1": "unit"}, demeaner=exact)

    return Way(prepare, run)


def _check_wild(_: Any, ours: tuple[float, float], theirs: tuple[float, float], *, n: int) -> None:
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, err_msg="t")
    _same_p(ours[1], theirs[1], n)


def _many_daily(rng: np.random.Generator, *, n: int) -> np.ndarray:
    """`[n, 2160]`, rows of a panel as a table would hold them."""
    return np.stack([_daily(rng).ravel() for _ in range(n)])


def _size_ours(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    treated, post = (rows.ravel().astype(np.float64) for rows in _groups())
    x = np.column_stack([np.ones_like(treated), treated, post, treated * post])
    with float64.enabled():
        found = _wild_of_panels(y, x, np.repeat(np.arange(_UNITS), _PERIODS), jax.random.key(0))
        return np.asarray(found[0]), np.asarray(found[1])


@jax.jit
def _wild_of_panels(y: Any, x: Any, unit: Any, key: Any) -> tuple[jax.Array, jax.Array]:
    """Estimates and p-values `[n]`; each panel has draws of its own."""

    def one(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        own = jax.random.fold_in(key, index)
        v = wild_bootstrap.draw_weights(own, weights="webb", size=_UNITS, n_draws=999, exact=False)
        parts = wild_bootstrap.pieces(x, y[index], unit, size=_UNITS, j=3, impose_null=True)
        t, stars = wild_bootstrap.t_and_draws(parts, v, jnp.zeros((), y.dtype))
        reached = (jnp.abs(stars) >= jnp.abs(t) * (1.0 - 1e-10)).sum().astype(y.dtype)
        return parts.estimate, (1.0 + reached) / 1000.0

    found = draws.each(one, y.shape[0], 3 * x.size)
    return found[0], found[1]


def _size_peer(*, n: int, done: int) -> Way:
    import diff_diff

    treated, post = (rows.ravel().astype(int) for rows in _groups())

    def prepare(y: np.ndarray) -> list[Any]:
        frames = [_frame(one.reshape(_UNITS, _PERIODS), _start()) for one in y[:done]]
        return [frame.assign(ever=treated, post=post) for frame in frames]

    def run(frames: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        options = {"inference": "wild_bootstrap", "cluster": "unit", "bootstrap_weights": "webb"}
        found = []
        for seed, frame in enumerate(frames):
            model = diff_diff.DifferenceInDifferences(n_bootstrap=999, seed=seed, **options)
            found.append(model.fit(frame, outcome="y", treatment="ever", time="post"))
        return np.array([f.att for f in found]), np.array([f.p_value for f in found])

    return Way(prepare, run, share=done / n)


def _check_size(_: Any, ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> None:
    done = len(theirs[0])
    np.testing.assert_allclose(ours[0][:done], theirs[0], rtol=1e-9, err_msg="estimates")
    for mine, other in zip(ours[1], theirs[1], strict=False):
        _same_p(mine, other, 999)


def _changes(rng: np.random.Generator, *, n: int) -> np.ndarray:
    """`[12, n]` changes of the units from before to after, one column for each panel."""
    y = rng.normal(size=(n, _UNITS, 1)) + rng.normal(size=(n, _UNITS, _PERIODS))
    middle = _PERIODS // 2
    return (y[:, :, middle:].mean(axis=2) - y[:, :, :middle].mean(axis=2)).T


def _randomisation_ours(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    on = np.arange(_UNITS) < _TREATED
    found = permutation.two_sample(change, on, statistic="mean", alternative="greater")
    return found.statistic, found.p


def _randomisation_scipy(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = scipy.stats.permutation_test(
        (change[:_TREATED], change[_TREATED:]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=np.inf,
        vectorized=True,
        alternative="greater",
    )
    return found.statistic, found.pvalue


def _check_randomisation(_: Any, ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-12, err_msg="estimates")
    more = ours[1] - theirs[1]
    # Where the statistic is next to 0, rounding hides from the peer that the data are one of the assignments.
    hidden = np.abs(ours[0]) < 0.05 * np.abs(ours[0]).max()
    np.testing.assert_allclose(np.where(hidden, 0.0, more), 0.0, atol=1e-12, err_msg="p")
    assert more.min() > -1e-12 and more.max() < 1.0 / 495 + 1e-12, f"p differ by {more.min()} to {more.max()}"


# ---------------- S4 to S8: one treated unit among many


Case = tuple[np.ndarray, np.ndarray]


@functools.cache
def _proposition_99() -> np.ndarray | None:
    """`[39, 31]`, California last; None without the package that holds it."""
    if importlib.util.find_spec("synthdid") is None:
        return None
    import synthdid

    return np.asarray(synthdid.panel_matrices(synthdid.load_california_prop99()).Y, np.float64)


def _california(rng: np.random.Generator, *, units: int, periods: int) -> Case:
    """Outcome `[units, periods]`, the treated unit last, and starts `[units]`: real data with noise, or simulated."""
    real = _proposition_99() if (units, periods) == (39, 31) else None
    if real is None:
        factors = np.cumsum(rng.normal(size=(2, periods)), axis=1)
        real = 100.0 + 10.0 * rng.normal(size=(units, 1)) + 5.0 * rng.normal(size=(units, 2)) @ factors
    y = real + rng.normal(size=real.shape)  # one pack a head: no two calls get the same data
    start = np.where(np.arange(units) < units - 1, periods, round(periods * 19 / 31))
    return y, start


def _long(y: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    units, periods = y.shape
    unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
    return unit, period, y.ravel(), (period >= start[unit]).astype(np.float64)


def _frame(y: np.ndarray, start: np.ndarray) -> Any:
    import pandas

    unit, period, outcome, treated = _long(y, start)
    table = pandas.DataFrame({"y": outcome, "unit": unit, "t": period, "d": treated.astype(int)})
    return table.assign(ever=(start[unit] < y.shape[1]).astype(int))


def _study(rows: Any) -> synthetic_control.Study:
    return synthetic_control.study(panel.from_rows(*rows))


def _sdid_error_ours(rows: Any, *, n: int) -> tuple[sdid.SyntheticDiD, float]:
    fit = sdid.synthetic_did(panel.from_rows(*rows))
    return fit, sdid.standard_error(fit, key=jax.random.key(0), n_resamples=n).value


def _sdid_peer(*, n: int) -> Way:
    import diff_diff

    def run(prepared: tuple[Any, list[int]]) -> Any:
        frame, after = prepared
        model = diff_diff.SyntheticDiD(n_bootstrap=n, seed=1)
        columns = {"outcome": "y", "treatment": "ever", "unit": "unit", "time": "t"}
        return model.fit(frame, **columns, post_periods=after)

    def prepare(case: Case) -> tuple[Any, list[int]]:
        y, start = case
        return _frame(y, start), list(range(start.min(), y.shape[1]))

    return Way(prepare, run)


def _check_sdid(case: Case, ours: sdid.SyntheticDiD, theirs: Any) -> None:
    y, start = case
    n0, t0 = len(y) - 1, int(start.min())
    theirs_by_unit = np.array([theirs.unit_weights[u] for u in range(n0)])
    zeta = float(ours.penalties.unit)

    def objective(weights: np.ndarray) -> float:
        gap = y[-1, :t0] - weights @ y[:n0, :t0]
        return float(np.square(gap - gap.mean()).sum() + t0 * zeta**2 * weights @ weights)

    mine, other = objective(ours.unit_weights), objective(theirs_by_unit)
    assert mine <= other * (1.0 + 1e-9), f"objective of the unit weights: {mine} against {other}"
    early = sdid.synthetic_did(panel.from_matrix(y, start), solver="r").effect
    np.testing.assert_allclose(early, theirs.att, rtol=1e-5, err_msg="effect by the solver of the R package")


def _check_sdid_error(case: Case, ours: tuple[sdid.SyntheticDiD, float], theirs: Any, *, n: int) -> None:
    _check_sdid(case, ours[0], theirs)
    # Placebo effects have heavier tails than the normal distribution: half as much again.
    tolerance = _MANY * 1.5 / math.sqrt(n)
    np.testing.assert_allclose(math.log(ours[1] / theirs.se), 0.0, atol=tolerance, err_msg="log of the errors' ratio")


def _placebo_ours(rows: Any) -> tuple[synthetic_control.SyntheticControl, synthetic_control.SpacePlacebo]:
    data = _study(rows)
    return synthetic_control.synthetic_control(data), synthetic_control.placebo_in_space(data)


def _vanilla(**options: Any) -> Way:
    import mlsynth

    columns = {"outcome": "y", "treat": "d", "unitid": "unit", "time": "t", "backend": "outcome-only"}

    def run(frame: Any) -> Any:
        return mlsynth.VanillaSC({"df": frame, **columns, "display_graphs": False, **options}).fit()

    return Way(lambda case: _frame(*case), run)


def _check_placebo(case: Case, ours: Any, theirs: Any) -> None:
    fit, placebo = ours
    y, start = case
    weights = theirs.weights.donor_weights
    gap = y[-1] - np.array([weights.get(str(u), 0.0) for u in range(len(y) - 1)]) @ y[:-1]
    other = float(np.sqrt(np.square(gap[: start.min()]).mean()))
    assert fit.pre_rmspe <= other * (1.0 + 1e-9), f"RMSPE before the start: {fit.pre_rmspe} against {other}"
    np.testing.assert_allclose(fit.effect, theirs.effects.att, rtol=1e-4, err_msg="effect")
    np.testing.assert_allclose(placebo.p, theirs.inference.p_value, rtol=0, atol=1e-12, err_msg="p")


def _check_pairs(_: Any, ours: synthetic_control.LeaveTwoOut, theirs: Any) -> None:
    details = theirs.inference.details
    mine, other = (ours.losses, ours.pairs), (details["treated_losses"], details["n_pairs"])
    assert mine == other, f"pairs lost: {mine} against {other}"


def _alpha(quick: bool) -> float:
    """Between two multiples of 1 / (T0 + 1), so that no p-value lies on it: T0 is 19, or 7."""
    return 0.3 if quick else 0.125


def _conformal_ours(rows: Any, *, quick: bool) -> conformal.ConformalIntervals:
    return conformal.conformal_intervals(_study(rows), confidence=1.0 - _alpha(quick))


def _conformal_peer(*, quick: bool) -> Way:
    import diff_diff

    def run(frame: Any) -> Any:
        before = int(frame.loc[frame.d == 1, "t"].min())
        # Equal weights on the outcomes before the start: no search for others.
        model = diff_diff.SyntheticControl(v_method="custom", custom_v=np.ones(before), standardize="none")
        columns = {"outcome": "y", "treatment": "d", "unit": "unit", "time": "t", "pre_period_outcomes": "all"}
        fit = model.fit(frame, **columns)
        return fit.conformal_confidence_intervals(alpha=_alpha(quick), n_grid=50), fit.get_conformal_grid_df()

    return Way(lambda case: _frame(*case), run)


def _check_conformal(case: Case, ours: conformal.ConformalIntervals, theirs: Any) -> None:
    intervals, tried = theirs
    scale = float(np.abs(case[0][-1]).mean())
    np.testing.assert_allclose(ours.estimate, intervals.point_estimate, rtol=0, atol=1e-6 * scale, err_msg="effects")
    for k, period in enumerate(intervals.period):
        part = tried[tried.period == period]
        inside = ((part.param >= ours.low[k]) & (part.param <= ours.high[k])).to_numpy()
        kept = part.in_set.to_numpy()
        # Ours is the connected part around the estimate; the peer says where there are others.
        wrong = inside & ~kept if not intervals.contiguous[k] else inside != kept
        assert not wrong.any(), f"period {period}: {wrong.sum()} of {len(kept)} effects are judged differently"


# ---------------- S9


def _regressing(rng: np.random.Generator, *, n: int) -> np.ndarray:
    """`[n, 21, 20]`: units differ in their means alone, AR(1) errors; the first is treated in the second half."""
    mean, shocks = rng.normal(size=(n, 21, 1)), rng.normal(size=(n, 21, 20))
    for t in range(1, 20):
        shocks[:, :, t] = 0.5 * shocks[:, :, t - 1] + math.sqrt(0.75) * shocks[:, :, t]
    return mean + shocks


def _placebo_study_ours(y: np.ndarray) -> np.ndarray:
    with float64.enabled():
        return np.asarray(_placebo_of_panels(y, (np.arange(20) < 10).astype(np.float64)))


@jax.jit
def _placebo_of_panels(y: Any, pre: Any) -> jax.Array:
    def one(index: jax.Array) -> jax.Array:
        return refits.placebo_p(y[index], pre, jnp.zeros(1, y.dtype))[0]

    return jnp.asarray(draws.each(one, y.shape[0], y.shape[1] ** 3))


def _placebo_study_peer(*, n: int, done: int) -> Way:
    one = _vanilla(inference="placebo")
    start = np.where(np.arange(21) == 0, 10, 20)
    return Way(
        lambda y: [one.prepare((panel_, start)) for panel_ in y[:done]],
        lambda frames: np.array([one.run(frame).inference.p_value for frame in frames]),
        share=done / n,
    )


def _check_placebo_study(_: Any, ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=0, atol=1e-12, err_msg="p")


# ---------------- helpers


def _groups() -> tuple[np.ndarray, np.ndarray]:
    """Indicators `[12, 180]` of treated units and of periods after the start."""
    unit, period = np.indices((_UNITS, _PERIODS))
    return unit < _TREATED, period >= _PERIODS // 2


def _same_p(ours: float, theirs: float, n: int) -> None:
    middle = (ours + theirs) / 2.0
    tolerance = _MANY * math.sqrt(2.0 * middle * (1.0 - middle) / n) + 2.0 / n
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, err_msg="p")


def _quiet_peers() -> None:
    """Peers warn about themselves and the data; a benchmark of them is not the place."""
    warnings.simplefilter("ignore")
    absl_logging.set_verbosity(absl_logging.WARNING)
    for name in ("diff_diff", "mlsynth", "pyfixest", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _nan_first(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _line(m: Measured) -> str:
    t = m.times
    alone = f"{m.row}: ours {benchmark.seconds_range(t.ours_s)}, first call {benchmark.seconds(t.ours_cold_s)}"
    if t.peer_s is None or t.speedup is None:
        return f"{alone}; {m.note}"
    return f"{alone}; {m.peer} {benchmark.seconds_range(t.peer_s)}; {benchmark.digits(t.speedup.median)} times as fast"
