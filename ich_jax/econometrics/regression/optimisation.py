"""Damped Newton iteration for sums over rows; the kernel behind M-estimation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ich_jax.types import PyTree
from ich_jax.uncertainty import float64

Objective = Callable[[jax.Array, Any], jax.Array]  # (theta [K], one row of the data) -> scalar, to be minimised
Moments = Callable[[jax.Array, Any], jax.Array]  # (theta [K], one row of the data) -> [K], to average zero
_HALVINGS = 30


class Newton(NamedTuple):
    """Result of the kernel.

    Attributes:
        theta: `[K]`.
        value: Merit that was lowered: the objective, or the squared length of the summed moments.
        moments: `[K]` summed moments at theta.
        scale: `[K]` sums of the absolute moments, to which `moments` is compared.
        steps: Steps taken.
    """

    theta: jax.Array
    value: jax.Array
    moments: jax.Array
    scale: jax.Array
    steps: jax.Array


def newton(
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    start: jax.Array,
    data: PyTree,
    weights: jax.Array,
    *,
    tolerance: float,
    max_steps: int,
) -> Newton:
    """Damped Newton iteration; the kernel behind `minimise` and `solve`: pure, float64, for `jit` and `vmap`.

    A step that does not lower the merit is halved; where the Hessian of an objective is not positive definite the step
    follows the absolute values of its eigenvalues, which always descends.

    Args:
        function: Objective or moments of one row.
        equations: Whether it gives moments.
        start: `[K]`.
        data: Pytree of arrays `[N, ...]`.
        weights: `[N]`.
        tolerance: As for `minimise`.
        max_steps: Newton steps at most.

    Raises:
        DataError: An argument is not float64.
    """
    start = float64.kernel_array(start, "newton: start")
    weights = float64.kernel_array(weights, "newton: weights")
    moments_of = moments_of_row(function, equations)

    def summed(theta: jax.Array) -> jax.Array:
        return weights @ jax.vmap(lambda row: moments_of(theta, row))(data)

    def scale(theta: jax.Array) -> jax.Array:
        return weights @ jnp.abs(jax.vmap(lambda row: moments_of(theta, row))(data))

    def merit(theta: jax.Array) -> jax.Array:
        if equations:
            return jnp.square(summed(theta)).sum()
        return weights @ jax.vmap(lambda row: function(theta, row))(data)

    def evaluate(theta: jax.Array, steps: jax.Array) -> Newton:
        return Newton(theta, merit(theta), summed(theta), scale(theta), steps)

    def unfinished(state: Newton) -> jax.Array:
        return (jnp.abs(state.moments) > tolerance * state.scale).any() & (state.steps < max_steps)

    def step(state: Newton) -> Newton:
        if equations:
            direction = -jnp.linalg.solve(jax.jacfwd(summed)(state.theta), state.moments)
        else:
            direction = _descent(jax.hessian(merit)(state.theta), state.moments)
        share = _backtrack(merit, state, direction)
        return evaluate(state.theta + share * direction, state.steps + 1)

    return jax.lax.while_loop(unfinished, step, evaluate(start, jnp.zeros((), jnp.int64)))


def _descent(hessian: jax.Array, moments: jax.Array) -> jax.Array:
    """Newton direction `[K]` that descends even where the Hessian is indefinite."""
    values, vectors = jnp.linalg.eigh(hessian)
    size = jnp.maximum(jnp.abs(values), 1e-12 * jnp.abs(values).max())
    return vectors @ ((vectors.T @ moments) / size)


def _backtrack(merit: Callable[[jax.Array], jax.Array], state: Newton, direction: jax.Array) -> jax.Array:
    """Share of a step at which the merit does not rise, by halving."""

    def too_long(search: tuple[jax.Array, jax.Array]) -> jax.Array:
        share, halvings = search
        # Near the end the merit can only fall by rounding; that must not stop the last full step.
        slack = 1e-14 * jnp.abs(state.value)
        return ~(merit(state.theta + share * direction) <= state.value + slack) & (halvings < _HALVINGS)

    full = jnp.ones_like(state.value), jnp.zeros((), jnp.int64)
    share, _ = jax.lax.while_loop(too_long, lambda search: (search[0] / 2.0, search[1] + 1), full)
    return share


def moments_of_row(function: Callable[[jax.Array, Any], jax.Array], equations: bool) -> Moments:
    """Moments of one row: the function itself, or minus the gradient of an objective."""
    if equations:
        return function
    return lambda theta, row: -jax.jacfwd(lambda t: function(t, row))(theta)
