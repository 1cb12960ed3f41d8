"""The simulated likelihood of mixed logit and the search for its maximum: kernels in float64, for `jit` and `vmap`."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ich_jax.uncertainty import programs

_FLAT = 700.0  # exp of a utility beyond would overflow

_Sums = tuple[jax.Array, jax.Array, jax.Array]  # largest term so far, sum, derivative


class Spec(NamedTuple):
    """Which coefficients differ, and how; static argument of the programs.

    Attributes:
        kinds: For each of K attributes "fixed" or one of `mixed.DISTRIBUTIONS`.
        correlated: Whether the differing coefficients, all normal before their transformation, are correlated.
        price: Index of the price whose negative coefficient scales all others (space of willingness to pay); -1: none.
    """

    kinds: tuple[str, ...]
    correlated: bool
    price: int

    @property
    def random(self) -> tuple[int, ...]:
        """Indices of the attributes whose coefficients differ."""
        return tuple(k for k, kind in enumerate(self.kinds) if kind != "fixed")


NOTHING = Spec((), False, -1)


def coefficients(theta: jax.Array, z: jax.Array, spec: Spec) -> list[jax.Array]:
    """Kernel: coefficient of each attribute at draws.

    Args:
        theta: `[..., P]` means of K attributes (before the transformation), then deviations of the differing ones, or
            the rows of the Cholesky root of their covariance.
        z: `[D, ...]` standardised draws.
        spec: Which differ.

    Returns:
        K arrays `[...]` or scalars for the last axes of z.
    """
    k, random = len(spec.kinds), spec.random
    found = [theta[..., i] for i in range(k)]
    for d, i in enumerate(random):
        if spec.correlated:
            row = k + d * (d + 1) // 2
            moved = found[i] + sum((theta[..., row + e] * z[e] for e in range(d + 1)), jnp.zeros_like(z[d]))
        else:
            moved = found[i] + theta[..., k + d] * z[d]
        if spec.kinds[i] == "lognormal":
            moved = jnp.exp(moved)
        elif spec.kinds[i] == "censored":
            moved = jnp.maximum(moved, 0.0)
        found[i] = moved
    if spec.price >= 0:
        scale = found[spec.price]
        found = [-scale if i == spec.price else scale * value for i, value in enumerate(found)]
    return found


def _log_probabilities(theta: jax.Array, d: jax.Array, other: jax.Array, z: jax.Array, spec: Spec) -> jax.Array:
    """Log-probability `[c, N]` of all choices of each person at c draws; theta `[N, P]`, d `[K, S, J, N]`."""
    beta = coefficients(theta[None], z, spec)  # K of [c, N], or [1, N] where all draws have the same
    utility = beta[0][:, None, None, :] * d[0][None]
    for k in range(1, len(beta)):
        utility = utility + beta[k][:, None, None, :] * d[k][None]
    raised = jnp.where(other[None], jnp.exp(jnp.minimum(utility, _FLAT)), 0.0)
    return -jnp.log1p(raised.sum(axis=2)).sum(axis=1)


def simulated(
    theta: jax.Array, d: jax.Array, other: jax.Array, z: jax.Array, spec: Spec
) -> tuple[jax.Array, jax.Array]:
    """Kernel: log of the simulated probability of each person's choices, and its derivative.

    One pass over the draws: sums are scaled by the largest term so far, so that nothing underflows, and the derivative
    is taken turn by turn, so that memory does not hang on the number of draws.

    Args:
        theta: `[P]`.
        d: `[K, S, J, N]` attributes of the other alternatives minus those of the chosen one, S tasks of N persons.
        other: `[S, J, N]` whether there is such an alternative.
        z: `[R / c, D, c, N]` standardised draws, c at a time.
        spec: Which coefficients differ.

    Returns:
        `[N]` and `[N, P]`.

    References:
        Train (2009), Discrete choice methods with simulation, chapters 6 and 10.
    """
    n, p = d.shape[-1], theta.shape[0]
    each = jnp.broadcast_to(theta, (n, p))

    def turn(carry: _Sums, drawn: jax.Array) -> tuple[_Sums, None]:
        top, total, slope = carry
        log_p, pullback = jax.vjp(lambda t: _log_probabilities(t, d, other, drawn, spec), each)
        new = jnp.maximum(top, log_p.max(axis=0))
        weight, kept = jnp.exp(log_p - new[None]), jnp.exp(top - new)
        (added,) = pullback(weight)
        return (new, kept * total + weight.sum(axis=0), kept[:, None] * slope + added), None

    first = jnp.full(n, -jnp.inf, theta.dtype), jnp.zeros(n, theta.dtype), jnp.zeros((n, p), theta.dtype)
    (top, total, slope), _ = jax.lax.scan(turn, first, z)
    draws = z.shape[0] * z.shape[2]
    return top + jnp.log(total) - jnp.log(float(draws)), slope / total[:, None]


class Search(NamedTuple):
    """State of a search."""

    theta: jax.Array
    value: jax.Array
    slope: jax.Array
    inverse: jax.Array
    direction: jax.Array
    share: jax.Array
    gap: jax.Array
    evaluations: jax.Array


def _search(theta: jax.Array, data: dict[str, jax.Array], spec: Spec, tolerance: float, most: int) -> Search:
    """Quasi-Newton search that starts from the outer product of scores; one evaluation a turn, so that starts batch."""

    def evaluate(at: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        log_p, scores = simulated(at, data["d"], data["other"], data["z"], spec)
        return -(data["weight"] @ log_p), -(data["weight"] @ scores), scores

    value, slope, scores = evaluate(theta)
    outer = scores.T @ (data["weight"][:, None] * scores)
    size = jnp.sqrt(jnp.maximum(jnp.diagonal(outer), 1e-12))
    ridge = 1e-8 * jnp.eye(theta.shape[0], dtype=theta.dtype)
    inverse = jnp.linalg.inv(outer / (size[:, None] * size[None, :]) + ridge) / (size[:, None] * size[None, :])
    direction = -inverse @ slope

    def turn(now: Search) -> Search:
        moved = now.theta + now.share * now.direction
        value, slope, _ = evaluate(moved)
        promised = now.share * (now.direction @ now.slope)
        good = value <= now.value + 1e-4 * promised
        s, y = moved - now.theta, slope - now.slope
        curved = s @ y
        hy = now.inverse @ y
        update = (1.0 + (y @ hy) / curved) * (s[:, None] * s[None, :]) - (
            hy[:, None] * s[None, :] + s[:, None] * hy[None, :]
        )
        better = jnp.where(curved > 1e-12, now.inverse + update / curved, now.inverse)
        inverse = jnp.where(good, better, now.inverse)
        kept = jnp.where(good, slope, now.slope)
        direction = -inverse @ kept
        return Search(
            theta=jnp.where(good, moved, now.theta),
            value=jnp.where(good, value, now.value),
            slope=kept,
            inverse=inverse,
            direction=direction,
            share=jnp.where(good, 1.0, 0.5 * now.share),
            gap=jnp.where(good, -0.5 * (direction @ kept), now.gap),
            evaluations=now.evaluations + 1,
        )

    def unfinished(now: Search) -> jax.Array:
        return (now.gap > tolerance) & (now.evaluations < most) & (now.share > 1e-8)

    one = jnp.ones((), theta.dtype)
    first = Search(theta, value, slope, inverse, direction, one, -0.5 * (direction @ slope), jnp.ones((), jnp.int32))
    return jax.lax.while_loop(unfinished, turn, first)


@programs.jit(static_argnames=("spec", "tolerance", "most"))
def searches(starts: jax.Array, data: dict[str, jax.Array], *, spec: Spec, tolerance: float, most: int) -> Search:
    """Searches from several starts `[S, P]` at once; arguments as of `_search`."""
    return jax.vmap(lambda theta: _search(theta, data, spec, tolerance, most))(starts)


@programs.jit(static_argnames=("spec",))
def log_likelihoods(theta: jax.Array, data: dict[str, jax.Array], *, spec: Spec) -> tuple[jax.Array, jax.Array]:
    """Log-likelihood of each person and its derivative."""
    return simulated(theta, data["d"], data["other"], data["z"], spec)


@programs.jit(static_argnames=("spec",))
def curvature(theta: jax.Array, data: dict[str, jax.Array], *, spec: Spec) -> jax.Array:
    """Hessian of the log-likelihood, column by column, so that memory stays flat."""

    def slope(at: jax.Array) -> jax.Array:
        return data["weight"] @ simulated(at, data["d"], data["other"], data["z"], spec)[1]

    basis = jnp.eye(theta.shape[0], dtype=theta.dtype)
    return jax.lax.map(lambda direction: jax.jvp(slope, (theta,), (direction,))[1], basis)
