"""Rotations of factor loadings: varimax, promax, oblimin."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

ROTATIONS = ("none", "varimax", "promax", "oblimin")
TOLERANCE = 1e-12
_MOST = 5000


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Rotated(Result):
    """Rotated loadings, with factors in order of variance and a positive sum of loadings for each.

    Attributes:
        loadings: `[p, m]` pattern.
        phi: `[m, m]` correlations of the factors; the identity for orthogonal rotations.
        method: Name of the rotation.
        normalised: Whether rows were scaled to equal communality before.
    """

    loadings: Array
    phi: Array
    method: str
    normalised: bool


def rotate(loadings: npt.ArrayLike, method: str, *, normalise: bool = True, power: float = 4.0) -> Rotated:
    """Rotates loadings towards simple structure, iterating until no element changes by more than 1e-12.

    Args:
        loadings: `[p, m]` unrotated loadings.
        method: "none", "varimax", "promax" or "oblimin" (quartimin).
        normalise: Kaiser's normalisation: words count equally, whatever their communality. Programs differ in this.
        power: Power of promax.

    Raises:
        ConfigError: An unknown method.
        DataError: Values that are not finite.

    References:
        Kaiser (1958), The varimax criterion; Hendrickson and White (1964), Promax; Jennrich (2002), A simple general
        method for oblique rotation.
    """
    errors.require(method, ROTATIONS, "rotate: method")
    a = float64.finite(loadings, "rotate: loadings", ndim=2)
    m = a.shape[1]
    phi = np.eye(m)
    if method == "none" or m == 1:
        return Rotated(loadings=a, phi=phi, method=method, normalised=False)
    length = np.sqrt(np.square(a).sum(axis=1, keepdims=True)) if normalise else np.ones((len(a), 1))
    length = np.where(length == 0, 1.0, length)
    scaled = a / length
    with float64.enabled():
        if method == "oblimin":
            turn = np.asarray(_oblimin(scaled))
            rotated, phi = scaled @ np.linalg.inv(turn).T, turn.T @ turn
        else:
            rotated = scaled @ np.asarray(_varimax(scaled))
    if method == "promax":
        target = rotated * np.abs(rotated) ** (power - 1.0)
        turn = np.linalg.lstsq(rotated, target, rcond=None)[0]
        turn = turn * np.sqrt(np.diag(np.linalg.inv(turn.T @ turn)))
        rotated = rotated @ turn
        inverse = np.linalg.inv(turn)
        phi = inverse @ inverse.T
    rotated = rotated * length
    variance = np.diag(phi @ rotated.T @ rotated)
    order = np.argsort(-variance, kind="stable")
    sign = np.where(rotated.sum(axis=0) < 0, -1.0, 1.0)[order]
    phi = phi[np.ix_(order, order)] * sign[:, None] * sign[None, :]
    return Rotated(loadings=rotated[:, order] * sign, phi=phi, method=method, normalised=normalise)


@programs.jit
def _varimax(a: jax.Array) -> jax.Array:
    """Returns the rotation `[m, m]` by repeated polar decomposition of the gradient."""
    m = a.shape[1]

    def step(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        turn, _, k = state
        z = a @ turn
        gradient = a.T @ (z**3 - z * jnp.square(z).mean(axis=0, keepdims=True))
        u, _, vt = jnp.linalg.svd(gradient, full_matrices=False)
        new = u @ vt
        return new, jnp.abs(new - turn).max(), k + 1

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        return (state[1] > TOLERANCE) & (state[2] < _MOST)

    start = (jnp.eye(m, dtype=a.dtype), jnp.ones((), a.dtype), jnp.zeros((), jnp.int32))
    turn: jax.Array = jax.lax.while_loop(unfinished, step, start)[0]
    return turn


@programs.jit
def _oblimin(a: jax.Array) -> jax.Array:
    """Returns the matrix T `[m, m]` with columns of length 1 by gradient projection; loadings are a inv(T)'."""
    m = a.shape[1]
    others = 1.0 - jnp.eye(m, dtype=a.dtype)

    def value(turn: jax.Array) -> tuple[jax.Array, jax.Array]:
        inverse = jnp.linalg.inv(turn)
        loadings = a @ inverse.T
        cross = jnp.square(loadings) @ others
        f = (jnp.square(loadings) * cross).sum() / 4.0
        return f, -(loadings.T @ (loadings * cross) @ inverse).T

    def tangent(turn: jax.Array, gradient: jax.Array) -> jax.Array:
        return gradient - turn * (turn * gradient).sum(axis=0, keepdims=True)

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        turn, f, gradient, size, k = state
        along = tangent(turn, gradient)
        slope = jnp.square(along).sum()

        def shorter(search: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
            length = 0.5 * search[0]
            moved = turn - length * along
            moved = moved / jnp.sqrt(jnp.square(moved).sum(axis=0, keepdims=True))
            return length, moved, value(moved)[0]

        def too_far(search: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            return ~(f - search[2] > 0.5 * slope * search[0]) & (search[0] > 1e-10)

        length, moved, _ = jax.lax.while_loop(too_far, shorter, shorter((4.0 * size, turn, f)))
        return (moved, *value(moved), length, k + 1)

    def unfinished(state: tuple[Any, ...]) -> jax.Array:
        turn, _, gradient, _, k = state
        return (jnp.sqrt(jnp.square(tangent(turn, gradient)).sum()) > 1e-10) & (k < _MOST)

    eye = jnp.eye(m, dtype=a.dtype)
    start = (eye, *value(eye), jnp.ones((), a.dtype), jnp.zeros((), jnp.int32))
    turn: jax.Array = jax.lax.while_loop(unfinished, step, start)[0]
    return turn
