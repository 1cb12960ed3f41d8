"""Kansei statistics against the fastest peer of each row, in turns within one process.

    python scripts/benchmark.py kansei --output=runs/benchmark

Both sides get the same data, new in each call, and for resampling the same resamples, drawn beforehand; results are
compared before a time is reported. Peers come with `pip install pingouin factor_analyzer` beside the extra `peers`.
factor_analyzer 0.5.1 fails beside scikit-learn 1.8 and later; it is called with the argument renamed that broke it.
The goal is 50 times the fastest peer in every row that has one. The cumulative link mixed model has no peer in Python,
so its time stands alone.
"""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import scipy.stats
from absl import flags
from benchmarks import econometrics
from benchmarks.comparison import Peer, Row
from benchmarks.econometrics import Measured

from ich_jax import errors
from ich_jax.kansei import review, semantic, survey
from ich_jax.kansei.semantic import components, extraction, reliability
from ich_jax.perf import timing
from ich_jax.perf.timing import Way
from ich_jax.report import benchmark
from ich_jax.uncertainty import float64, programs

FLAGS = flags.FLAGS
BATCHED = ("S11", "S12", "parallel", "ranks", "factors")
ALONE = ("ordinal",)
_PEERS = ("scipy", "pingouin", "statsmodels", "factor_analyzer", "scikit-learn")
_ROWS = 1000  # resamples that a compiled call has in hand at once: they stay in the cache of a core

define_flags = econometrics.define_flags


def run() -> None:
    """Measures the rows that the flags ask for."""
    econometrics.quiet_peers()
    known = {row.name: row for row in all_rows(quick=FLAGS.quick)}
    asked = {errors.require(name, known, "--rows") for name in FLAGS.rows or known}
    errors.require_within(FLAGS.rounds, timing.LEAST_ROUNDS, 1000, "--rounds", whole=True)
    measured = []
    for name, row in known.items():
        if name in asked:
            with_peer = FLAGS.peers and name not in ALONE
            measured.append(econometrics.measure(row, rounds=FLAGS.rounds, with_peer=with_peer))
            print(econometrics.line(measured[-1]), flush=True)
    summary = summarise(measured)
    load = [value for m in measured for value in m.load]
    benchmark.write(
        Path(FLAGS.output),
        {"summary": summary, "rounds": FLAGS.rounds, "quick": FLAGS.quick, "rows": measured},
        [econometrics.table(measured, FLAGS.rounds, FLAGS.quick, "Kansei statistics against the fastest peer")],
        peers=_PEERS,
        note=f"Both sides use the same cores. Load {min(load):.1f} to {max(load):.1f}.",
    )
    print(benchmark.summary(summary), flush=True)


def summarise(measured: Sequence[Measured]) -> dict[str, float]:
    """Speedups by row, after the least of them; NaN where there is none."""
    by_row = {m.row: m.times.speedup.median if m.times.speedup else math.nan for m in measured if m.row in BATCHED}
    found = [by_row.get(name, math.nan) for name in BATCHED]
    return {"worst_batched_speedup": math.nan if any(map(math.isnan, found)) else min(found)} | by_row


def all_rows(*, quick: bool) -> list[Row]:
    """The rows of the benchmark.

    Args:
        quick: Small sizes.
    """
    many, done = (200, 3) if quick else (100_000, 20)
    draws, resamples = (100, 199) if quick else (2000, 9999)
    fits, fitted = (20, 3) if quick else (1000, 20)
    works = 5 if quick else 10
    return [
        Row(
            "S11",
            f"exact permutation test of {works} and {works} works, both by the mean and by Welch's t "
            f"({math.comb(2 * works, works):,} assignments)",
            functools.partial(_arms, n=works),
            Way(lambda case: case, _permutation_ours),
            Peer("scipy.stats.permutation_test", "scipy", lambda: Way(lambda case: case, _permutation_scipy)),
            _check_permutation,
            "p-values exactly",
            repeats=3,
        ),
        Row(
            "S12",
            f"six intraclass correlations of 20 works by 5 raters in {many:,} resamples of the works",
            functools.partial(_ratings, n=many),
            Way(_on_device, _icc_ours),
            Peer("pingouin.intraclass_corr", "pingouin", functools.partial(_icc_peer, n=many, done=done)),
            _check_icc,
            f"all six of the first {done} resamples to 1e-9",
            note=f"peer: {done} resamples, scaled up",
        ),
        Row(
            "parallel",
            f"parallel analysis, {draws:,} tables of noise of 190 raters by 20 words",
            lambda rng: (int(rng.integers(2**31)), rng.normal(size=(190, 20))),
            Way(lambda case: (jax.random.key(case[0]), case[1]), functools.partial(_parallel_ours, n=draws)),
            Peer(
                "numpy, a stack of tables in one call of eigvalsh",
                "numpy",
                lambda: Way(lambda case: case, functools.partial(_parallel_numpy, n=draws)),
            ),
            _check_parallel,
            "eigenvalues to 1e-10, those of noise within Monte Carlo error",
            note="no package has it; half of the time of both sides is LAPACK's",
        ),
        Row(
            "ranks",
            f"ranks of 6 aspects by 500 questionnaires, {resamples:,} resamples",
            lambda rng: (int(rng.integers(2**31)), rng.normal(np.linspace(3.0, 4.5, 6), 0.8, (500, 6))),
            Way(lambda case: (jax.random.key(case[0]), case[1]), functools.partial(_ranks_ours, n=resamples)),
            Peer(
                "scipy.stats.bootstrap",
                "scipy",
                lambda: Way(lambda case: case, functools.partial(_ranks_scipy, n=resamples)),
            ),
            _check_ranks,
            "limits of the ranks within one place",
        ),
        Row(
            "factors",
            f"two factors of 10 words by least residuals in {fits:,} resamples of 300 people",
            functools.partial(_words, n=fits),
            Way(_on_device, _factors_ours),
            Peer(
                "factor_analyzer.FactorAnalyzer (patched)",
                "factor_analyzer",
                functools.partial(_factors_peer, n=fits, done=fitted),
            ),
            _check_factors,
            f"communalities of the first {fitted} resamples to 1e-3",
            note=f"peer: {fitted} resamples, scaled up",
        ),
        Row(
            "ordinal",
            "cumulative link mixed model: 20 works by 5 raters, five categories, arm and raters fixed",
            _scores,
            Way(lambda case: case, _ordinal_ours),
            Peer("none", "scipy", lambda: Way(lambda case: case, _ordinal_ours)),
            lambda case, ours, theirs: None,
            "",
            note="no peer in Python; equal to statsmodels' ordered model at variance 0 and to quadrature in the tests",
        ),
    ]


# ---------------------------------------------------------------- S11


def _arms(rng: np.random.Generator, n: int) -> Any:
    return rng.integers(14, 25, n).astype(float), rng.integers(11, 22, n).astype(float)


def _permutation_ours(case: Any) -> tuple[float, float]:
    found = review.permutation(*case)
    return found.p, found.p_studentised


def _permutation_scipy(case: Any) -> tuple[float, float]:
    def mean(a: np.ndarray, b: np.ndarray, axis: int) -> Any:
        return np.abs(a.mean(axis) - b.mean(axis))

    def welch(a: np.ndarray, b: np.ndarray, axis: int) -> Any:
        spread = a.var(axis, ddof=1) / a.shape[axis] + b.var(axis, ddof=1) / b.shape[axis]
        return np.abs(a.mean(axis) - b.mean(axis)) / np.sqrt(spread)

    mean_p, welch_p = (
        scipy.stats.permutation_test(
            case, statistic, vectorized=True, n_resamples=np.inf, alternative="greater", batch=20_000
        ).pvalue
        for statistic in (mean, welch)
    )
    return mean_p, welch_p


def _check_permutation(case: Any, ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# ---------------------------------------------------------------- S12


def _ratings(rng: np.random.Generator, n: int) -> Any:
    ratings = rng.normal(0, 1, (20, 1)) + rng.normal(0, 0.4, (1, 5)) + rng.normal(0, 0.8, (20, 5))
    return ratings, rng.integers(0, 20, (n, 20))


def _on_device(case: Any) -> Any:
    with float64.enabled():
        return tuple(jax.device_put(part) for part in case)


@programs.jit
def _icc(ratings: jax.Array, index: jax.Array) -> Any:
    return jax.lax.map(lambda rows: reliability.icc_values(ratings[rows]), index, batch_size=_ROWS)


def _icc_ours(case: Any) -> np.ndarray:
    with float64.enabled():
        return np.asarray(_icc(*case))


def _icc_peer(n: int, done: int) -> Way:
    import pandas as pd
    import pingouin

    unit, rater = np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20)

    def frames(case: Any) -> list[Any]:
        ratings, index = case
        return [pd.DataFrame({"s": unit, "r": rater, "y": ratings[rows].ravel()}) for rows in index[:done]]

    def fit(tables: list[Any]) -> np.ndarray:
        return np.stack(
            [pingouin.intraclass_corr(one, targets="s", raters="r", ratings="y")["ICC"].to_numpy() for one in tables]
        )

    return Way(frames, fit, done / n)


def _check_icc(case: Any, ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours[: len(theirs)], theirs, atol=1e-9)


# ---------------------------------------------------------------- parallel analysis


def _parallel_ours(case: Any, n: int) -> Any:
    found = semantic.parallel_analysis(case[1], key=case[0], n_draws=n)
    return found.eigenvalue, found.noise_mean, found.noise_quantile


def _parallel_numpy(case: Any, n: int) -> Any:
    seed, table = case
    rng = np.random.default_rng(seed)
    own = np.linalg.eigvalsh(np.corrcoef(table, rowvar=False))[::-1]
    x = rng.normal(size=(n, *table.shape))
    x -= x.mean(axis=1, keepdims=True)
    x /= np.sqrt(np.square(x).sum(axis=1, keepdims=True))
    noise = np.linalg.eigvalsh(x.transpose(0, 2, 1) @ x)[:, ::-1]
    return own, noise.mean(axis=0), np.quantile(noise, 0.95, axis=0)


def _check_parallel(case: Any, ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-10)
    np.testing.assert_allclose(ours[1], theirs[1], atol=0.05)
    np.testing.assert_allclose(ours[2], theirs[2], atol=0.1)


# ---------------------------------------------------------------- ranks


def _ranks_ours(case: Any, n: int) -> Any:
    found = survey.importance_ranks(case[1], [str(k) for k in range(6)], key=case[0], n_resamples=n)
    order = np.argsort([int(name) for name in found.aspect])
    return np.stack([found.rank_low[order], found.rank_high[order]])


def _ranks_scipy(case: Any, n: int) -> Any:
    def ranks(*columns: np.ndarray, axis: int) -> Any:
        means = np.stack([column.mean(axis) for column in columns])
        return scipy.stats.rankdata(-means, axis=0)

    seed, table = case
    found = scipy.stats.bootstrap(
        tuple(table.T), ranks, paired=True, vectorized=True, n_resamples=n, batch=500, method="percentile",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return np.stack([found.confidence_interval.low, found.confidence_interval.high])


def _check_ranks(case: Any, ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, atol=1.0)


# ---------------------------------------------------------------- factors


def _words(rng: np.random.Generator, n: int) -> Any:
    loadings = np.zeros((10, 2))
    loadings[:5, 0], loadings[5:, 1] = rng.uniform(0.5, 0.8, 5), rng.uniform(0.5, 0.8, 5)
    unique = np.sqrt(1.0 - np.square(loadings).sum(axis=1))
    people = rng.normal(size=(300, 2)) @ loadings.T + unique * rng.normal(size=(300, 10))
    return people, rng.integers(0, 300, (n, 300))


@programs.jit
def _factors(people: jax.Array, index: jax.Array) -> Any:
    def one(rows: jax.Array) -> jax.Array:
        return 1.0 - extraction.extract(components.correlation_matrix(people[rows]), 2, "minres").uniqueness

    # One after another: in a batch all would take as many steps as the slowest of them.
    return jax.lax.map(one, index)


def _factors_ours(case: Any) -> np.ndarray:
    with float64.enabled():
        return np.asarray(_factors(*case))


def _factors_peer(n: int, done: int) -> Way:
    import factor_analyzer.factor_analyzer as module

    original = module.check_array
    module.check_array = lambda x, force_all_finite=True, **kw: original(x, ensure_all_finite=force_all_finite, **kw)

    def fit(case: Any) -> np.ndarray:
        people, index = case
        found = []
        for rows in index[:done]:
            model = module.FactorAnalyzer(2, rotation=None, method="minres")
            found.append(model.fit(people[rows]).get_communalities())
        return np.stack(found)

    return Way(lambda case: case, fit, done / n)


def _check_factors(case: Any, ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours[: len(theirs)], theirs, atol=1e-3)


# ---------------------------------------------------------------- ordinal


def _scores(rng: np.random.Generator) -> Any:
    latent = rng.normal(0, 1, (20, 1)) + rng.logistic(size=(20, 5)) + np.repeat([0.7, -0.7], 10)[:, None]
    return 1.0 + np.searchsorted([-2.0, -0.5, 0.5, 2.0], latent)


def _ordinal_ours(case: Any) -> float:
    return review.ordinal_review(case[:10], case[10:], list("abcde")).log_likelihood
