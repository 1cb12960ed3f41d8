"""Rows S4 to S9 of the econometrics benchmark: one treated unit among many, by synthetic controls and their tests."""

import functools
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks import comparison

from ich_jax.econometrics import panel
from ich_jax.econometrics.synthetic import conformal, sdid
from ich_jax.econometrics.synthetic import control as synthetic_control
from ich_jax.perf.timing import Way
from ich_jax.studies.benefit import refits
from ich_jax.uncertainty import draws, float64

Case = tuple[np.ndarray, np.ndarray]


def rows(*, quick: bool) -> list[comparison.Row]:
    """Rows S4 to S9.

    Args:
        quick: Small sizes.
    """
    units, periods = (8, 12) if quick else (39, 31)
    real = not quick and importlib.util.find_spec("synthdid") is not None
    data = f"{'Proposition 99 with noise' if real else 'simulated'}, {units} units x {periods} periods"
    california = functools.partial(_california, units=units, periods=periods)
    placebos = 20 if quick else 200
    panels, done = (10, 2) if quick else (500, 5)
    return [
        *_differences(data, california, placebos),
        *_controls(data, california, units, quick),
        comparison.Row(
            "S9",
            f"size of the placebo test: {panels} panels of 21 units x 20 periods, AR(1) 0.5",
            functools.partial(_regressing, n=panels),
            Way(lambda case: case, _placebo_study_ours),
            comparison.Peer(
                "mlsynth VanillaSC(inference='placebo')",
                "mlsynth",
                functools.partial(_placebo_study_peer, n=panels, done=done),
            ),
            _check_placebo_study,
            "p of each panel, exactly",
            note=f"design of Illenberger, Small and Shaw (2020), Epidemiology 31(6); peer: {done} panels, scaled up",
        ),
    ]


def _differences(data: str, california: Callable[[np.random.Generator], Case], placebos: int) -> list[comparison.Row]:
    return [
        comparison.Row(
            "S4",
            f"synthetic difference-in-differences, one fit from long rows: {data}",
            california,
            Way(lambda case: comparison.long_rows(*case), lambda rows: sdid.synthetic_did(panel.from_rows(*rows))),
            comparison.Peer("diff-diff SyntheticDiD (Rust)", "diff_diff", functools.partial(_sdid_peer, n=2)),
            _check_sdid,
            'objective of the unit weights not above; our solver "r" to 1e-5',
            repeats=5,
            note="peer with 2 placebo draws, the fewest that it takes",
        ),
        comparison.Row(
            "S5",
            f"the same with its placebo standard error, {placebos} draws",
            california,
            Way(lambda case: comparison.long_rows(*case), functools.partial(_sdid_error_ours, n=placebos)),
            comparison.Peer("diff-diff SyntheticDiD (Rust)", "diff_diff", functools.partial(_sdid_peer, n=placebos)),
            functools.partial(_check_sdid_error, n=placebos),
            "objective not above; standard errors within Monte Carlo error",
            note="both fits and errors are timed",
        ),
    ]


def _controls(
    data: str, california: Callable[[np.random.Generator], Case], units: int, quick: bool
) -> list[comparison.Row]:
    return [
        comparison.Row(
            "S6",
            f"synthetic control and in-space placebos, {units} fits: {data}",
            california,
            Way(lambda case: comparison.long_rows(*case), _placebo_ours),
            comparison.Peer(
                "mlsynth VanillaSC(inference='placebo')", "mlsynth", functools.partial(_vanilla, inference="placebo")
            ),
            _check_placebo,
            "objective not above; effect to 1e-4, p exactly",
            repeats=3,
        ),
        comparison.Row(
            "S7",
            f"leave-two-out placebo test, {math.comb(units - 1, 2)} pairs: {data}",
            california,
            Way(lambda case: comparison.long_rows(*case), lambda rows: synthetic_control.leave_two_out(_study(rows))),
            comparison.Peer(
                "mlsynth VanillaSC(inference='lto')", "mlsynth", functools.partial(_vanilla, inference="lto")
            ),
            _check_pairs,
            "pairs lost, exactly",
        ),
        comparison.Row(
            "S8",
            f"conformal intervals of each period after the start, by test inversion: {data}",
            california,
            Way(lambda case: comparison.long_rows(*case), functools.partial(_conformal_ours, quick=quick)),
            comparison.Peer(
                "diff-diff SyntheticControl.conformal_confidence_intervals",
                "diff_diff",
                functools.partial(_conformal_peer, quick=quick),
            ),
            _check_conformal,
            "effects to 1e-6; every effect that the peer tries is inside our interval where it keeps it",
            note="peer tries 50 effects a period, we bisect to 1e-9",
        ),
    ]


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
    y = real + rng.normal(size=real.shape)  # one pack a head: so that no two calls get the same data
    start = np.where(np.arange(units) < units - 1, periods, round(periods * 19 / 31))
    return y, start


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
        return comparison.frame(y, start), list(range(start.min(), y.shape[1]))

    return Way(prepare, run)


def _check_sdid(case: Case, ours: sdid.SyntheticDiD, theirs: Any) -> None:
    y, start = case
    n0, t0 = len(y) - 1, int(start.min())
    theirs_by_unit = np.array([theirs.unit_weights[u] for u in range(n0)])
    zeta = float(ours.penalties.unit)

    def objective(weights: np.ndarray) -> float:
        gap = y[-1, :t0] - weights @ y[:n0, :t0]
        return float(np.square(gap - gap.mean()).sum() + t0 * zeta**2 * weights @ weights)

    our_loss, peer_loss = objective(ours.unit_weights), objective(theirs_by_unit)
    assert our_loss <= peer_loss * (1.0 + 1e-9), f"objective of the unit weights: {our_loss} against {peer_loss}"
    early = sdid.synthetic_did(panel.from_matrix(y, start), solver="r").effect
    np.testing.assert_allclose(early, theirs.att, rtol=1e-5, err_msg="effect by the solver of the R package")


def _check_sdid_error(case: Case, ours: tuple[sdid.SyntheticDiD, float], theirs: Any, *, n: int) -> None:
    _check_sdid(case, ours[0], theirs)
    # Placebo effects have heavier tails than the normal distribution: half as much again.
    tolerance = comparison.MANY * 1.5 / math.sqrt(n)
    np.testing.assert_allclose(math.log(ours[1] / theirs.se), 0.0, atol=tolerance, err_msg="log of the errors' ratio")


def _placebo_ours(rows: Any) -> tuple[synthetic_control.SyntheticControl, synthetic_control.SpacePlacebo]:
    data = _study(rows)
    return synthetic_control.synthetic_control(data), synthetic_control.placebo_in_space(data)


def _vanilla(**options: Any) -> Way:
    import mlsynth

    columns = {"outcome": "y", "treat": "d", "unitid": "unit", "time": "t", "backend": "outcome-only"}

    def run(frame: Any) -> Any:
        return mlsynth.VanillaSC({"df": frame, **columns, "display_graphs": False, **options}).fit()

    return Way(lambda case: comparison.frame(*case), run)


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
    lost, peer_lost = (ours.losses, ours.pairs), (details["treated_losses"], details["n_pairs"])
    assert lost == peer_lost, f"pairs lost: {lost} against {peer_lost}"


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

    return Way(lambda case: comparison.frame(*case), run)


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
    def placebo_p(index: jax.Array) -> jax.Array:
        return refits.placebo_p(y[index], pre, jnp.zeros(1, y.dtype))[0]

    return jnp.asarray(draws.each(placebo_p, y.shape[0], y.shape[1] ** 3))


def _placebo_study_peer(*, n: int, done: int) -> Way:
    control = _vanilla(inference="placebo")
    start = np.where(np.arange(21) == 0, 10, 20)
    return Way(
        lambda y: [control.prepare((outcome, start)) for outcome in y[:done]],
        lambda frames: np.array([control.run(frame).inference.p_value for frame in frames]),
        share=done / n,
    )


def _check_placebo_study(_: Any, ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=0, atol=1e-12, err_msg="p")
