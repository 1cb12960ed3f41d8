"""Synthetic difference-in-differences, its relatives, and their standard errors.

Unit weights make the donors parallel to the treated before treatment, time weights make the periods before like those
after; the estimate is the difference of differences under both. Units enter through counts, so that a placebo, a
bootstrap sample and the data have one shape and run in one program.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.synthetic import simplex
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

METHODS = ("sdid", "sc", "did", "difp")
SOLVERS = ("exact", "r")
VARIANCES = ("placebo", "jackknife", "bootstrap")


class Penalties(NamedTuple):
    """Regularisation of the weights, and when the `r` solver stops.

    Attributes:
        unit: Penalty zeta of the unit weights.
        time: Penalty zeta of the time weights.
        least_decrease: Decrease of the objective below which the `r` solver stops.
    """

    unit: Any
    time: Any
    least_decrease: Any


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class SyntheticDiD(Result):
    """An estimate of the mean effect on the treated units after the start.

    Attributes:
        effect: The estimate.
        unit_weights: `[J]` of the donors.
        time_weights: `[T0]` of the periods before the start.
        donors: `[J]` labels.
        gap: `[T]` treated minus weighted donors, minus the same under the time weights; averages to the effect.
        penalties: zeta of the unit and time weights, least decrease.
        unit_gap: Objective that the exact unit weights could be lower by (sum of squares); 0 where they are fixed.
        time_gap: The same of the time weights.
        method: "sdid", "sc", "did" or "difp".
        solver: "exact" or "r".
        data: Matrices that standard errors need: outcome `[U, T]`, donors first; number of donors; start.
    """

    columns = ("donors", "unit_weights")
    hidden = ("unit_gap", "time_gap")

    effect: float
    unit_weights: Array
    time_weights: Array
    donors: npt.NDArray[Any]
    gap: Array
    penalties: Penalties
    unit_gap: float
    time_gap: float
    method: str
    solver: str
    data: tuple[Array, int, int]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class StandardError(Result):
    """Standard error of a synthetic difference-in-differences.

    Attributes:
        value: The standard error.
        kind: "placebo", "jackknife" or "bootstrap".
        replicates: `[B]` placebo effects, estimates without each unit, or bootstrap estimates.
        monte_carlo_error: Variation of `value` over keys and over names of the units; 0 for the jackknife.
    """

    value: float
    kind: str
    replicates: Array
    monte_carlo_error: float


class Fit(NamedTuple):
    """Result of the kernel: `effect`, `unit` `[U]` and `time` `[T0]` weights, and their duality gaps."""

    effect: jax.Array
    unit: jax.Array
    time: jax.Array
    unit_gap: jax.Array
    time_gap: jax.Array


def synthetic_did(data: Panel, *, method: str = "sdid", solver: str = "exact") -> SyntheticDiD:
    """Estimates the mean effect on units that start together.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import synthetic
        >>> panel = econometrics.from_matrix([[3.0, 4.0, 9.0], [1.0, 2.0, 4.0], [2.0, 4.0, 4.0]], start=[2, 3, 3])
        >>> round(synthetic.synthetic_did(panel, method="did").effect, 6)  # (9 - 3.5) - (2.5 + 1) / 2
        3.75

    Args:
        data: Panel without gaps.
        method: "sdid"; "sc", synthetic control with a negligible penalty, as in the R package; "did", equal weights;
            "difp", synthetic control with an intercept and equal time weights.
        solver: "exact" reaches the optimum; "r" stops where the R package synthdid stops, and equals it to 1e-7. On
            Proposition 99 they give -15.6054 and -15.6038.

    Raises:
        ConfigError: An unknown method or solver.
        DataError: A gap, several starts, fewer than two donors, or fewer than two periods before the start.

    References:
        Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), Synthetic difference-in-differences, algorithm 1.
        Doudchenko and Imbens (2016), Ferman and Pinto (2021) for DIFP.
    """
    errors.require(method, METHODS, "synthetic_did: method")
    errors.require(solver, SOLVERS, "synthetic_did: solver")
    y = panel.balanced(data, "synthetic_did")
    on = data.ever_treated
    if len(starts := np.unique(data.start[on])) > 1:
        raise errors.DataError(
            f"synthetic_did: treatment starts in {len(starts)} periods "
            f"({', '.join(str(data.periods[s]) for s in starts)}); estimate each start separately."
        )
    n0, t0 = int((~on).sum()), int(starts[0])
    if n0 < 2 or t0 < 2:
        raise errors.DataError(f"synthetic_did: {n0} donors and {t0} periods before the start; at least 2 needed.")
    y = np.concatenate([y[~on], y[on]])
    n1, t1 = len(y) - n0, y.shape[1] - t0
    noise = float(np.std(np.diff(y[:n0, :t0], axis=1), ddof=1))
    if noise == 0.0:
        raise errors.DataError("synthetic_did: donors change by the same amount in every period; use did.twfe.")
    penalties = Penalties(
        (n1 * t1) ** 0.25 * noise if method == "sdid" else 1e-6 * noise, 1e-6 * noise, (1e-5 * noise) ** 2
    )
    control, treated = (np.arange(len(y)) < n0).astype(np.float64), (np.arange(len(y)) >= n0).astype(np.float64)
    with float64.enabled():
        estimated = _estimate(y, control, treated, control, penalties, t0=t0, method=method, solver=solver)
        fit = jax.tree.map(np.asarray, estimated)
    gap = y[n0:].mean(axis=0) - fit.unit[:n0] @ y[:n0]
    return SyntheticDiD(
        effect=float(fit.effect),
        unit_weights=fit.unit[:n0],
        time_weights=fit.time,
        donors=data.units[~on],
        gap=gap - fit.time @ gap[:t0],
        penalties=penalties,
        unit_gap=float(fit.unit_gap),
        time_gap=float(fit.time_gap),
        method=method,
        solver=solver,
        data=(y, n0, t0),
    )


def standard_error(
    fit: SyntheticDiD, kind: str = "placebo", *, key: jax.Array | None = None, n_resamples: int = 200
) -> StandardError:
    """Standard error with the penalties of the estimate.

    Args:
        fit: The estimate.
        kind: "placebo": as many donors as there are treated units are treated instead, at random; the only one for a
            single treated unit. "jackknife": leaves out each unit, weights fixed but renormalised. "bootstrap":
            resamples units and solves for the weights again.
        key: Random key, for all but the jackknife.
        n_resamples: Placebo or bootstrap draws; at 200 the standard error itself errs by 5 to 10 %.

    Raises:
        ConfigError: An unknown kind, or no key where one is needed.
        DataError: Too few units: no more donors than treated units for placebos, one treated unit or one donor with
            weight for the jackknife, one treated unit for the bootstrap.

    References:
        Arkhangelsky et al. (2021), algorithms 2 (bootstrap), 3 (jackknife) and 4 (placebo).
    """
    errors.require(kind, VARIANCES, "standard_error: kind")
    y, n0, t0 = fit.data
    n1 = len(y) - n0
    if kind != "jackknife" and key is None:
        raise errors.ConfigError(f"standard_error: {kind} draws units at random: pass a key.")
    if kind == "placebo" and n0 <= n1:
        raise errors.DataError(f"standard_error: placebos need more donors ({n0}) than treated units ({n1}).")
    if kind != "placebo" and n1 < 2:
        raise errors.DataError(f"standard_error: {kind} needs two treated units, there is {n1}; use placebo.")
    if kind == "jackknife" and (fit.unit_weights > 0).sum() < 2:
        raise errors.DataError("standard_error: jackknife needs two donors with weight; use placebo.")
    weights = np.concatenate([fit.unit_weights, np.zeros(n1)])
    options = {"t0": t0, "method": fit.method, "solver": fit.solver}
    with float64.enabled():
        if kind == "jackknife":
            replicates = np.asarray(jackknife_effects(y, weights, fit.time_weights, n0=n0, t0=t0))
            return StandardError(math.sqrt(len(replicates) - 1) * float(np.std(replicates)), kind, replicates, 0.0)
        draw = placebo_effects if kind == "placebo" else _bootstrapped
        options |= {"n0": n0, "n_resamples": n_resamples}
        replicates = np.asarray(draw(y, weights, fit.penalties, key, **options))
    return StandardError(float(np.std(replicates)), kind, replicates, draws.error_of_deviation(replicates))


def weighted_did(
    outcome: jax.Array, control: jax.Array, treated: jax.Array, start: jax.Array, penalties: Penalties, **options: Any
) -> Fit:
    """Solves for the weights and forms the difference of differences; a kernel: pure, float64, for `vmap`.

    Args:
        outcome: `[U, T]`.
        control: `[U]` how often each unit counts as a donor: 0 or 1, or bootstrap counts.
        treated: `[U]` how often each unit counts as treated.
        start: `[U]` unit weights that the `r` solver starts from, adding up to 1 over the donors.
        penalties: zeta of unit and time weights.
        **options: `t0` (periods before the start), `method` and `solver`, fixed when compiled.

    Raises:
        DataError: An argument is not float64.
    """
    y = float64.kernel_array(outcome, "weighted_did: outcome")
    t0, method, solver = options["t0"], options["method"], options["solver"]
    t1 = y.shape[1] - t0
    zero = jnp.zeros((), y.dtype)
    row = treated @ y / treated.sum()
    n0 = control.sum()

    def of_units() -> tuple[jax.Array, jax.Array]:
        if method == "did":
            return control / n0, zero
        # Counts of a resampled donor share its weight, and so its penalty.
        penalty = t0 * penalties.unit**2 / jnp.where(control > 0, control, 1.0)
        difference = (y[:, :t0] - row[None, :t0]).T
        if method != "sc":
            difference = difference - difference.mean(axis=0, keepdims=True)
        solution = _solve(difference, control, penalty, start, t0 * jnp.ones((), y.dtype), penalties, solver)
        return solution.weights, solution.gap

    def of_periods() -> tuple[jax.Array, jax.Array]:
        if method != "sdid":
            return (jnp.zeros(t0, y.dtype) if method == "sc" else jnp.full(t0, 1.0 / t0, y.dtype)), zero
        after = y[:, t0:].mean(axis=1)
        difference = y[:, :t0] - after[:, None]
        centred = difference - (control @ difference / n0)[None, :]
        everywhere = jnp.ones(t0, y.dtype)
        solution = _solve(
            centred * jnp.sqrt(control)[:, None],
            everywhere,
            n0 * penalties.time**2 * everywhere,
            everywhere / t0,
            n0,
            penalties,
            solver,
        )
        return solution.weights, solution.gap

    (unit, unit_gap), (time, time_gap) = programs.in_turn(of_units, of_periods)
    contrast = jnp.concatenate([-time, jnp.full(t1, 1.0 / t1, y.dtype)])
    return Fit((row - unit @ y) @ contrast, unit, time, unit_gap, time_gap)


def _solve(
    difference: jax.Array,
    allowed: jax.Array,
    penalty: jax.Array,
    start: jax.Array,
    rows: jax.Array,
    penalties: Penalties,
    solver: str,
) -> simplex.SimplexFit:
    if solver == "exact":
        return simplex.exact(difference, allowed, penalty)

    def stage(weights: jax.Array, max_steps: int) -> jax.Array:
        return simplex.frank_wolfe(
            difference,
            allowed,
            penalty,
            weights,
            rows=rows,
            least_decrease=penalties.least_decrease,
            max_steps=max_steps,
        ).weights

    rough = stage(start, 100)
    sparse = jnp.where(rough > rough.max() / 4.0, rough, 0.0)
    fine = stage(sparse / sparse.sum(), 10_000)
    return simplex.certify(difference.T @ difference + jnp.diag(penalty), fine, allowed > 0, jnp.zeros((), jnp.int64))


_STATIC = ("t0", "method", "solver")


@programs.jit(static_argnames=_STATIC)
def _estimate(y: Any, control: Any, treated: Any, start: Any, penalties: Penalties, **options: Any) -> Fit:
    return weighted_did(y, control, treated, start / start.sum(), penalties, **options)


@programs.jit(static_argnames=("n0", "n_resamples", *_STATIC))
def placebo_effects(
    y: jax.Array, weights: jax.Array, penalties: Penalties, key: jax.Array, *, n0: int, n_resamples: int, **options: Any
) -> jax.Array:
    """Effects of donors treated at random instead, as many as there are treated units; a kernel.

    Args:
        y: `[U, T]`, the n0 donors first.
        weights: `[U]` unit weights that the `r` solver starts from.
        penalties: Penalties of the estimate.
        key: Random key.
        n0: Donors, fixed when compiled.
        n_resamples: Draws, fixed when compiled.
        **options: As for `weighted_did`.

    Returns:
        `[n_resamples]`.
    """
    n1 = y.shape[0] - n0
    is_donor = jnp.arange(y.shape[0]) < n0

    def placebo(index: jax.Array) -> jax.Array:
        uniform = jax.random.uniform(jax.random.fold_in(key, index), (y.shape[0],), jnp.float64)
        order = jnp.argsort(jnp.where(is_donor, uniform, 2.0))
        treated = jnp.zeros(y.shape[0], jnp.float64).at[order[:n1]].set(1.0)
        control = is_donor.astype(jnp.float64) - treated
        start = _renormalised(weights, control)
        return weighted_did(y, control, treated, start, penalties, **options).effect

    return jnp.asarray(draws.each(placebo, n_resamples, y.size + n0**2))


@programs.jit(static_argnames=("n0", "n_resamples", *_STATIC))
def _bootstrapped(
    y: jax.Array, weights: jax.Array, penalties: Penalties, key: jax.Array, *, n0: int, n_resamples: int, **options: Any
) -> jax.Array:
    n = y.shape[0]
    is_donor = jnp.arange(n) < n0

    def counted(base: jax.Array) -> jax.Array:
        drawn = jnp.floor(jax.random.uniform(base, (n,), jnp.float64) * n).astype(jnp.int64)
        return jnp.zeros(n, jnp.float64).at[drawn].add(1.0)

    def one_sided(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        donors = jnp.where(is_donor, state[0], 0.0).sum()
        return (donors == 0) | (donors == n)

    def resample(index: jax.Array) -> jax.Array:
        base = jax.random.fold_in(key, index)
        # As the paper does: a sample without treated units or without donors is drawn again.
        counts, _ = jax.lax.while_loop(
            one_sided, lambda s: (counted(jax.random.fold_in(base, s[1])), s[1] + 1), (counted(base), jnp.asarray(0))
        )
        control, treated = jnp.where(is_donor, counts, 0.0), jnp.where(is_donor, 0.0, counts)
        start = _renormalised(weights * control, control)
        return weighted_did(y, control, treated, start, penalties, **options).effect

    return jnp.asarray(draws.each(resample, n_resamples, y.size + n0**2))


@programs.jit(static_argnames=("n0", "t0"))
def jackknife_effects(y: jax.Array, weights: jax.Array, time: jax.Array, *, n0: int, t0: int) -> jax.Array:
    """Effects without each unit, weights fixed but renormalised; a kernel.

    Args:
        y: `[U, T]`, the n0 donors first.
        weights: `[U]` unit weights.
        time: `[T0]` time weights.
        n0: Donors, fixed when compiled.
        t0: Periods before the start, fixed when compiled.

    Returns:
        `[U]`.
    """
    n, t1 = y.shape[0], y.shape[1] - t0
    contrast = jnp.concatenate([-time, jnp.full(t1, 1.0 / t1, y.dtype)])
    is_donor = jnp.arange(n) < n0

    def without(i: jax.Array) -> jax.Array:
        kept = (jnp.arange(n) != i).astype(y.dtype)
        treated = jnp.where(is_donor, 0.0, kept)
        unit = _renormalised(weights, jnp.where(is_donor, kept, 0.0))
        return (treated / treated.sum() - unit) @ y @ contrast

    return jax.vmap(without)(jnp.arange(n))


def _renormalised(weights: jax.Array, control: jax.Array) -> jax.Array:
    """Weights of the donors that are there, adding up to 1; equal if none of them had any."""
    left = jnp.where(control > 0, weights, 0.0)
    total = left.sum()
    return jnp.where(total > 0, left / jnp.where(total > 0, total, 1.0), control / control.sum())
