"""Curves of adoption, and the solver that fits them; pure functions of float64 arrays, for `jit` and `vmap`.

Parameters of the kernels are on a free scale: the logarithm of the market m, then two of the curve, then one for each
driver (price, advertising) of the generalised Bass model.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ich_jax.uncertainty import float64

MODELS = ("bass", "gompertz", "logistic")
FORMS = ("increments", "density")
LIKELIHOODS = ("least_squares", "poisson")
FAR = 7.0
"""Log of the market over the units sold beyond which a fit has run away: the data set it no limit."""
_TINY = 1e-12


class Shape(NamedTuple):
    """Which curve is fitted to what; static arguments of the kernels.

    Attributes:
        model: One of `MODELS`.
        form: "increments" of the cumulative curve over each period, or its "density" at the end of the period.
        likelihood: "least_squares", or "poisson" counts.
    """

    model: str
    form: str
    likelihood: str


def adopted(effort: jax.Array, curve: jax.Array, model: str) -> jax.Array:
    """Share of the market that has adopted at an effort, which without drivers is the time.

    Args:
        effort: `[...]`.
        curve: `[2]` logarithms of p and q of Bass; logarithm of the rate, and the time of the inflection of the others.
        model: One of `MODELS`.

    References:
        Bass (1969), A new product growth model for consumer durables. Gompertz (1825). Verhulst (1838).
    """
    if model == "bass":
        p, q = jnp.exp(curve[0]), jnp.exp(curve[1])
        decay = jnp.exp(-(p + q) * effort)
        return (1.0 - decay) / (1.0 + (q / p) * decay)
    at = jnp.exp(curve[0]) * (effort - curve[1])
    return jnp.exp(-jnp.exp(-at)) if model == "gompertz" else jax.nn.sigmoid(at)


def efforts(theta: jax.Array, drivers: jax.Array) -> jax.Array:
    """`[T]` marketing effort of each period: 1 plus the weighted relative changes of the drivers.

    Args:
        theta: `[3 + D]`.
        drivers: `[T, D]` relative change of price, advertising and the like against the period before.

    References:
        Bass, Krishnan and Jain (1994), Why the Bass model fits without decision variables.
    """
    return 1.0 + drivers @ theta[3:]


def expected(theta: jax.Array, drivers: jax.Array, shape: Shape) -> jax.Array:
    """Kernel: expected units `[T]` of periods 1 to T.

    Args:
        theta: `[3 + D]`.
        drivers: `[T, D]`.
        shape: What is fitted.
    """
    theta = float64.kernel_array(theta, "expected: theta")
    effort = efforts(theta, drivers)
    total = jnp.cumsum(effort)
    if shape.form == "increments":
        start = jnp.zeros(1, total.dtype)
        share = adopted(jnp.concatenate([start, total]), theta[1:3], shape.model)
        return jnp.exp(theta[0]) * jnp.diff(share)
    slope = jax.vmap(jax.grad(lambda at: adopted(at, theta[1:3], shape.model)))(total)
    return jnp.exp(theta[0]) * slope * effort


class Fitted(NamedTuple):
    """Result of the kernel.

    Attributes:
        theta: `[P]`.
        loss: Half the sum of squares, or minus the Poisson log-likelihood without its constant.
        mean: `[T]` expected units.
        gradient: `[P]` of the loss.
        normal: `[P, P]` expected Hessian of the loss.
    """

    theta: jax.Array
    loss: jax.Array
    mean: jax.Array
    gradient: jax.Array
    normal: jax.Array


class _State(NamedTuple):
    """Where the iteration stands: the best point, the step to try next, and how bold it is."""

    best: Fitted
    step: jax.Array
    damping: jax.Array
    gap: jax.Array
    steps: jax.Array


def fit_from(
    start: jax.Array, units: jax.Array, observed: jax.Array, drivers: jax.Array, *, shape: Shape, steps: int = 60
) -> Fitted:
    """Kernel: Levenberg and Marquardt's iteration from a start; lanes of a batch end together.

    Least squares have no need of second derivatives here, and a few unknowns no need of LAPACK: 10,000 resamples of ten
    periods take an eighth of a second on a core. The curve is evaluated in one place, since its derivatives are what
    takes time to compile.

    Args:
        start: `[P]`.
        units: `[T]`.
        observed: `[T]` 1 where a period counts, else 0.
        drivers: `[T, D]`.
        shape: What is fitted.
        steps: At most.

    References:
        Marquardt (1963), An algorithm for least-squares estimation of nonlinear parameters.
    """
    p = start.shape[0]
    bound = jnp.log(jnp.maximum(observed @ units, _TINY)) + FAR + 1.0

    def curve_at(theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = expected(theta, drivers, shape)
        return mean, mean

    def evaluate(theta: jax.Array) -> Fitted:
        slope, mean = jax.jacfwd(curve_at, has_aux=True)(theta)  # [T, P]
        if shape.likelihood == "poisson":
            loss = observed @ (mean - units * jnp.log(jnp.maximum(mean, _TINY)))
            weight = observed / jnp.maximum(mean, _TINY)
        else:
            loss, weight = 0.5 * (observed @ jnp.square(mean - units)), observed
        return Fitted(theta, loss, mean, slope.T @ (weight * (mean - units)), slope.T @ (weight[:, None] * slope))

    def step(state: _State) -> _State:
        moved = (state.best.theta + state.step).at[0].min(bound)
        tried, old = evaluate(moved), state.best
        size = jnp.max(jnp.abs(moved - old.theta) / (1.0 + jnp.abs(old.theta)))
        # Near the end the loss can only fall by rounding; that must not stop the last steps.
        better = (state.steps == 0) | (tried.loss <= old.loss + 1e-14 * jnp.abs(old.loss))
        best = jax.tree.map(lambda new, kept: jnp.where(better, new, kept), tried, old)
        damping = jnp.clip(jnp.where(better, state.damping * 0.1, state.damping * 8.0), 1e-12, 1e12)
        diagonal = jnp.maximum(jnp.diagonal(best.normal), _TINY)
        following = -_solve(best.normal + jnp.diag(damping * diagonal + _TINY), best.gradient, p)
        # A tiny step that does not help is the last one, as is a tiny one that does.
        gap = jnp.where(state.steps == 0, jnp.inf, jnp.where(better | (size < 1e-9), size, jnp.inf))
        return _State(best, jnp.clip(following, -2.0, 2.0), damping, gap, state.steps + 1)

    def unfinished(state: _State) -> jax.Array:
        return (state.gap > 1e-9) & (state.steps < steps)

    nothing = Fitted(start, jnp.zeros((), start.dtype), units, start, jnp.zeros((p, p), start.dtype))
    damping, gap = jnp.full((), 1e-2, start.dtype), jnp.full((), jnp.inf, start.dtype)
    first = _State(nothing, jnp.zeros_like(start), damping, gap, jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(unfinished, step, first).best


def best_start(units: jax.Array, observed: jax.Array, drivers: jax.Array, *, shape: Shape, grid: int = 12) -> jax.Array:
    """Kernel: start `[P]` with the least loss on a grid of curves, the market at its best value for each.

    Args:
        units: `[T]`.
        observed: `[T]`.
        drivers: `[T, D]`.
        shape: What is fitted.
        grid: Values tried of each of the two parameters of the curve.
    """
    t = units.shape[0]
    last = observed @ jnp.ones(t, units.dtype)
    if shape.model == "bass":
        first = jnp.linspace(jnp.log(1e-5), jnp.log(0.3), grid)
        second = jnp.linspace(jnp.log(0.01), jnp.log(2.0), grid)
    else:
        first = jnp.linspace(jnp.log(0.02), jnp.log(2.0), grid)
        second = jnp.linspace(0.0, 2.0, grid) * last
    curves = jnp.stack(jnp.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)

    def trial(curve: jax.Array) -> tuple[jax.Array, jax.Array]:
        theta = jnp.concatenate([jnp.zeros(1, units.dtype), curve, jnp.zeros(drivers.shape[1], units.dtype)])
        mean = expected(theta, drivers, shape)
        if shape.likelihood == "poisson":
            market = (observed @ units) / jnp.maximum(observed @ mean, _TINY)
            loss = observed @ (market * mean - units * jnp.log(jnp.maximum(market * mean, _TINY)))
        else:
            market = (observed @ (mean * units)) / jnp.maximum(observed @ jnp.square(mean), _TINY)
            loss = 0.5 * observed @ jnp.square(market * mean - units)
        ceiling = jnp.maximum(observed @ units, _TINY) * jnp.exp(FAR)
        market = jnp.clip(market, _TINY, ceiling)
        return loss, theta.at[0].set(jnp.log(market))

    loss, theta = jax.vmap(trial)(curves)
    return theta[jnp.argmin(loss)]


def _solve(matrix: jax.Array, right: jax.Array, p: int) -> jax.Array:
    """Solves a positive definite system of a few unknowns, written out: LAPACK takes ten times as long for a batch."""
    lower: list[list[jax.Array]] = []
    for i in range(p):
        row: list[jax.Array] = []
        for j in range(i + 1):
            known = sum((row[k] * (lower[j][k] if j < i else row[k]) for k in range(j)), jnp.zeros((), matrix.dtype))
            rest = matrix[i, j] - known
            row.append(rest / lower[j][j] if j < i else jnp.sqrt(jnp.maximum(rest, 1e-300)))
        lower.append(row)
    forward: list[jax.Array] = []
    for i in range(p):
        known = sum((lower[i][k] * forward[k] for k in range(i)), jnp.zeros((), matrix.dtype))
        forward.append((right[i] - known) / lower[i][i])
    back: list[jax.Array] = [jnp.zeros((), matrix.dtype)] * p
    for i in reversed(range(p)):
        known = sum((lower[k][i] * back[k] for k in range(i + 1, p)), jnp.zeros((), matrix.dtype))
        back[i] = (forward[i] - known) / lower[i][i]
    return jnp.stack(back)
