"""Rows S1 to S3 of the econometrics benchmark: 12 units of 180 days, four of them treated from the middle."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from benchmarks import comparison

from ich_jax.econometrics import panel
from ich_jax.econometrics.regression import linear, wild_bootstrap
from ich_jax.perf.timing import Way
from ich_jax.uncertainty import draws, float64, permutation

_UNITS, _PERIODS, _TREATED = 12, 180, 4


def rows(*, quick: bool) -> list[comparison.Row]:
    """Rows S1 to S3.

    Args:
        quick: Small sizes.
    """
    wild = 199 if quick else 9999
    panels, done = (20, 2) if quick else (1000, 5)
    return [
        comparison.Row(
            "S1",
            f"wild cluster bootstrap of a two-way fixed-effects fit: 12 clusters, 180 periods, Webb, {wild} draws",
            _daily,
            Way(_fit_ours, functools.partial(_wild_ours, n=wild)),
            comparison.Peer("pyfixest Feols.wildboottest", "pyfixest", functools.partial(_wild_peer, n=wild)),
            functools.partial(_check_wild, n=wild),
            "t to 1e-6; p within Monte Carlo error",
            repeats=3,
            note="fits are not timed",
        ),
        comparison.Row(
            "S2",
            f"size study: {panels} panels of 12 clusters x 180 periods, wild cluster bootstrap, Webb, 999 draws each",
            functools.partial(_many_daily, n=panels),
            Way(lambda case: case, _size_ours),
            comparison.Peer(
                "diff-diff DifferenceInDifferences(inference='wild_bootstrap')",
                "diff_diff",
                functools.partial(_size_peer, n=panels, done=done),
            ),
            _check_size,
            "estimates to 1e-9; p within Monte Carlo error",
            note=f"peer: {done} panels, scaled up; it fits each panel too",
        ),
        comparison.Row(
            "S3",
            f"randomisation inference: all 495 assignments of 4 in 12 units, {panels} panels at once, mean change",
            functools.partial(_changes, n=panels),
            Way(lambda case: case, _randomisation_ours),
            comparison.Peer(
                "scipy.stats.permutation_test", "scipy", lambda: Way(lambda case: case, _randomisation_scipy)
            ),
            _check_randomisation,
            "estimates and p to 1e-12, except for one tie that the peer may miss",
            repeats=3,
            note="pyfixest.ritest draws each unit's treatment by itself, which is another distribution",
        ),
    ]


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
    test = wild_bootstrap.wild_cluster(fit, "d", unit, key=jax.random.key(0), **options)
    return test.t, test.p


def _wild_peer(*, n: int) -> Way:
    import pyfixest

    def run(fit: Any) -> tuple[float, float]:
        test = fit.wildboottest(param="d", reps=n, weights_type="webb", seed=1)
        # Its own t counts the indicators of units among the coefficients; that of the fit does not, and p is the same.
        return float(fit.tstat()["d"]), float(test["Pr(>|t|)"])

    def prepare(y: np.ndarray) -> Any:
        exact = pyfixest.MapDemeaner(fixef_tol=1e-12, fixef_maxiter=100_000)
        return pyfixest.feols("y ~ d | unit + t", comparison.frame(y, _start()), vcov={"CRV1": "unit"}, demeaner=exact)

    return Way(prepare, run)


def _check_wild(_: Any, ours: tuple[float, float], theirs: tuple[float, float], *, n: int) -> None:
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, err_msg="t")
    comparison.same_p(ours[1], theirs[1], n)


def _many_daily(rng: np.random.Generator, *, n: int) -> np.ndarray:
    """`[n, 2160]`, rows of a panel as a table would hold them."""
    return np.stack([_daily(rng).ravel() for _ in range(n)])


def _size_ours(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    treated, post = (rows.ravel().astype(np.float64) for rows in _groups())
    x = np.column_stack([np.ones_like(treated), treated, post, treated * post])
    with float64.enabled():
        estimate, p = _wild_of_panels(y, x, np.repeat(np.arange(_UNITS), _PERIODS), jax.random.key(0))
        return np.asarray(estimate), np.asarray(p)


@jax.jit
def _wild_of_panels(y: Any, x: Any, unit: Any, key: Any) -> tuple[jax.Array, jax.Array]:
    """Estimates and p-values `[n]`; each panel has its own draws."""

    def estimate_and_p(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        panel_key = jax.random.fold_in(key, index)
        v = wild_bootstrap.draw_weights(panel_key, weights="webb", size=_UNITS, n_draws=999, exact=False)
        parts = wild_bootstrap.pieces(x, y[index], unit, size=_UNITS, j=3, impose_null=True)
        t, stars = wild_bootstrap.t_and_draws(parts, v, jnp.zeros((), y.dtype))
        reached = (jnp.abs(stars) >= jnp.abs(t) * (1.0 - 1e-10)).sum().astype(y.dtype)
        return parts.estimate, (1.0 + reached) / 1000.0

    estimate, p = draws.each(estimate_and_p, y.shape[0], 3 * x.size)
    return estimate, p


def _size_peer(*, n: int, done: int) -> Way:
    import diff_diff

    treated, post = (rows.ravel().astype(int) for rows in _groups())

    def prepare(y: np.ndarray) -> list[Any]:
        frames = [comparison.frame(outcome.reshape(_UNITS, _PERIODS), _start()) for outcome in y[:done]]
        return [frame.assign(ever=treated, post=post) for frame in frames]

    def run(frames: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        options = {"inference": "wild_bootstrap", "cluster": "unit", "bootstrap_weights": "webb"}
        fits = []
        for seed, frame in enumerate(frames):
            model = diff_diff.DifferenceInDifferences(n_bootstrap=999, seed=seed, **options)
            fits.append(model.fit(frame, outcome="y", treatment="ever", time="post"))
        return np.array([f.att for f in fits]), np.array([f.p_value for f in fits])

    return Way(prepare, run, share=done / n)


def _check_size(_: Any, ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> None:
    done = len(theirs[0])
    np.testing.assert_allclose(ours[0][:done], theirs[0], rtol=1e-9, err_msg="estimates")
    for our_p, peer_p in zip(ours[1], theirs[1], strict=False):
        comparison.same_p(our_p, peer_p, 999)


def _changes(rng: np.random.Generator, *, n: int) -> np.ndarray:
    """`[12, n]` changes of the units from before to after, one column for each panel."""
    y = rng.normal(size=(n, _UNITS, 1)) + rng.normal(size=(n, _UNITS, _PERIODS))
    middle = _PERIODS // 2
    return (y[:, :, middle:].mean(axis=2) - y[:, :, :middle].mean(axis=2)).T


def _randomisation_ours(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    treated = np.arange(_UNITS) < _TREATED
    test = permutation.two_sample(change, treated, statistic="mean", alternative="greater")
    return test.statistic, test.p


def _randomisation_scipy(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    test = scipy.stats.permutation_test(
        (change[:_TREATED], change[_TREATED:]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=np.inf,
        vectorized=True,
        alternative="greater",
    )
    return test.statistic, test.pvalue


def _check_randomisation(_: Any, ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-12, err_msg="estimates")
    excess = ours[1] - theirs[1]
    # Where the statistic is next to 0, rounding hides from the peer that the data are one of the assignments.
    hidden = np.abs(ours[0]) < 0.05 * np.abs(ours[0]).max()
    np.testing.assert_allclose(np.where(hidden, 0.0, excess), 0.0, atol=1e-12, err_msg="p")
    assert excess.min() > -1e-12 and excess.max() < 1.0 / 495 + 1e-12, f"p differ by {excess.min()} to {excess.max()}"


def _groups() -> tuple[np.ndarray, np.ndarray]:
    """Indicators `[12, 180]` of treated units and of periods after the start."""
    unit, period = np.indices((_UNITS, _PERIODS))
    return unit < _TREATED, period >= _PERIODS // 2
