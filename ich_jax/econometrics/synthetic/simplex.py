"""Least squares over the simplex: the weights behind every synthetic control.

`exact` walks the active set and ends at the optimum in finitely many steps, with the gap that certifies it;
`frank_wolfe` is the early-stopped solver of the R package synthdid, to which published figures belong. Both are
kernels: pure, float64, of one shape whatever the donors, who are let in or out by a mask. Vmapped, they solve thousands
of placebo problems at once. `exact` can be differentiated, forwards and backwards: under small changes the donors with
weight stay the same, and the weights are the smooth solution of their equations.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.uncertainty import float64

_RIDGE = 1e-14  # of the mean diagonal: keeps a perfect fit from ending in a singular system
_OPTIMAL = 1e-13  # of the mean diagonal: multipliers above minus this count as not negative


class SimplexFit(NamedTuple):
    """Weights on the simplex.

    Attributes:
        weights: `[J]`, not negative, adding up to 1, 0 outside the mask.
        objective: Sum of squared residuals plus penalty.
        gap: No weights can have an objective below `objective` minus this (Frank-Wolfe duality gap).
        steps: Steps taken.
    """

    weights: jax.Array
    objective: jax.Array
    gap: jax.Array
    steps: jax.Array


def exact(difference: jax.Array, allowed: jax.Array, penalty: jax.Array, start: jax.Array | None = None) -> SimplexFit:
    """Minimises |difference w|^2 + sum(penalty w^2) over weights of the allowed columns that add up to 1.

    A primal active-set method. As the weights add up to 1, fitting columns A to a target b is the problem of A - b 1',
    whose minimiser on a support P is proportional to the solution of Q_P z = 1.

    Args:
        difference: `[M, J]` donors minus target, one row per period.
        allowed: `[J]` 1 for donors that may have weight.
        penalty: `[J]` not negative.
        start: `[J]` weights of a similar problem, 0 outside the mask and adding up to 1: fewer steps to the same
            optimum. None: all weight on the nearest donor.

    Raises:
        DataError: An argument is not float64.

    References:
        Nocedal and Wright (2006), Numerical optimization, algorithm 16.3. Jaggi (2013) for the gap.
    """
    difference = float64.kernel_array(difference, "simplex.exact: difference")
    on = allowed > 0
    q = difference.T @ difference + jnp.diag(penalty)
    if start is None:
        nearest = jnp.argmin(jnp.where(on, jnp.diag(q), jnp.inf))
        start = (jnp.arange(q.shape[0]) == nearest).astype(q.dtype)
    w, steps = _walk(q, on, start)
    return certify(q, w, on, steps)


def _scale(q: jax.Array, on: jax.Array) -> jax.Array:
    """Mean diagonal over the allowed columns; 1 if it is 0."""
    scale = jnp.where(on, jnp.diag(q), 0.0).sum() / on.sum().astype(q.dtype)
    return jnp.where(scale > 0, scale, 1.0)


def _on_support(q: jax.Array, on: jax.Array, support: jax.Array) -> jax.Array:
    """Weights `[J]` of the least w'Qw over the columns of a support, adding up to 1; they may be negative."""
    inside = support[:, None] & support[None, :]
    solved = q + _RIDGE * _scale(q, on) * jnp.eye(q.shape[0], dtype=q.dtype)
    system = jnp.where(inside, solved, 0.0) + jnp.diag(jnp.where(support, 0.0, 1.0))
    factor = jax.scipy.linalg.cho_factor(system, lower=True)
    z = jnp.where(support, jax.scipy.linalg.cho_solve(factor, support.astype(q.dtype)), 0.0)
    return z / z.sum()


@jax.custom_jvp
def _walk(q: jax.Array, on: jax.Array, start: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Optimal weights `[J]` and the steps to them."""
    n, scale = q.shape[0], _scale(q, on)

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array, jax.Array]) -> jax.Array:
        return ~state[2] & (state[3] < 10 * n + 20)

    def step(
        state: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        w, support, _, steps = state
        z = _on_support(q, on, support)
        # The share of the way to z that keeps every weight at or above 0; a weight that reaches 0 leaves the support.
        room = jnp.where(support & (z < 0), w / jnp.where(z < 0, w - z, 1.0), jnp.inf)
        blocking = jnp.argmin(room)
        blocked = room[blocking] < 1.0
        leaving = jnp.arange(n) == blocking
        moved = jnp.where(leaving, 0.0, w + room[blocking] * (z - w))
        w = jnp.where(blocked, moved, z)
        # At the minimiser of its support, the donor that would lower the objective most comes in.
        g = q @ w
        slope = jnp.where(on & ~support, g - w @ g, jnp.inf)
        best = jnp.argmin(slope)
        entering = slope[best] < -_OPTIMAL * scale
        grown = support | ((jnp.arange(n) == best) & entering)
        return w, jnp.where(blocked, support & ~leaving, grown), ~blocked & ~entering, steps + 1

    state = start, start > 0, jnp.asarray(False), jnp.zeros((), jnp.int64)
    w, _, _, steps = jax.lax.while_loop(unfinished, step, state)
    w = jnp.maximum(w, 0.0)
    return w / w.sum(), steps


@_walk.defjvp
def _walk_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    # A loop has no derivative backwards; the equations that hold where it ended do.
    q, on, _ = primals
    w, steps = _walk(*primals)
    change = jax.jvp(lambda matrix: _on_support(matrix, on, w > 0), (q,), (tangents[0],))[1]
    return (w, steps), (change, np.zeros(steps.shape, jax.dtypes.float0))


def certify(q: jax.Array, weights: jax.Array, on: jax.Array, steps: jax.Array) -> SimplexFit:
    """Attaches the objective and its duality gap to weights; a kernel.

    Args:
        q: `[J, J]` matrix of the objective w'Qw.
        weights: `[J]` on the simplex.
        on: `[J]` booleans, donors that may have weight.
        steps: Steps that were taken.
    """
    g = q @ weights
    objective = weights @ g
    return SimplexFit(weights, objective, 2.0 * (objective - jnp.where(on, g, jnp.inf).min()), steps)


def frank_wolfe(
    difference: jax.Array,
    allowed: jax.Array,
    penalty: jax.Array,
    start: jax.Array,
    *,
    rows: jax.Array,
    least_decrease: jax.Array,
    max_steps: int,
) -> SimplexFit:
    """The same problem by Frank-Wolfe steps with exact line search, stopped as R's synthdid stops.

    Args:
        difference: `[M, J]`.
        allowed: `[J]`.
        penalty: `[J]`.
        start: `[J]` weights to start from.
        rows: Number of rows that the objective is averaged over when it is compared with `least_decrease`.
        least_decrease: Stops when a step lowers the averaged objective by no more than this.
        max_steps: Largest number of steps.

    Raises:
        DataError: An argument is not float64.

    References:
        Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), Synthetic difference-in-differences, and its R package.
    """
    difference = float64.kernel_array(difference, "simplex.frank_wolfe: difference")
    on = allowed > 0
    q = difference.T @ difference + jnp.diag(penalty)

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array, jax.Array]) -> jax.Array:
        _, last, before, steps = state
        return (steps < max_steps) & ((steps < 2) | (before - last > least_decrease))

    def step(
        state: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        w, last, _, steps = state
        g = q @ w
        towards = (jnp.arange(w.shape[0]) == jnp.argmin(jnp.where(on, g, jnp.inf))).astype(w.dtype) - w
        curvature = towards @ (q @ towards)
        share = jnp.clip(-(g @ towards) / jnp.where(curvature > 0, curvature, 1.0), 0.0, 1.0)
        w = w + jnp.where(curvature > 0, share, 0.0) * towards
        return w, w @ (q @ w) / rows, last, steps + 1

    infinity = jnp.asarray(jnp.inf, difference.dtype)
    state = start, infinity, infinity, jnp.zeros((), jnp.int64)
    w, _, _, steps = jax.lax.while_loop(unfinished, step, state)
    return certify(q, w, on, steps)
