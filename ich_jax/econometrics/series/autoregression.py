"""Least squares under autoregressive errors: feasible GLS, Yule-Walker and whitening, as kernels."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ich_jax.econometrics.regression import linear
from ich_jax.uncertainty import float64


class Autoregressive(NamedTuple):
    """Result of the kernel, for T periods and K columns under AR(k) errors.

    Attributes:
        beta: `[K]`.
        rho: `[k]` autoregressive coefficients of the errors.
        bread: `[K, K]` inverse of x'x of the whitened columns.
        innovations: `[T]` whitened residuals (`[T - k]` without the first k periods).
        change: Largest change of beta in the last pass, relative to the largest beta.
    """

    beta: jax.Array
    rho: jax.Array
    bread: jax.Array
    innovations: jax.Array
    change: jax.Array


def feasible_gls(
    x: jax.Array, y: jax.Array, *, order: int, keep_first: bool = True, passes: int = 100
) -> Autoregressive:
    """Alternates Yule-Walker and least squares of the whitened series; a kernel: pure, for `jit`, `vmap`, `grad`.

    Yule-Walker takes autocovariances with divisor T - lag; where these would not be stationary, with divisor T, which
    always are.

    Args:
        x: `[T, K]` of full column rank.
        y: `[T]`.
        order: Order k, fixed when compiled.
        keep_first: Whiten the first k periods by their stationary covariance; otherwise drop them.
        passes: Number of passes, fixed so that derivatives exist.

    Raises:
        DataError: An argument is not float64.
    """
    x, y = float64.kernel_array(x, "feasible_gls: x"), float64.kernel_array(y, "feasible_gls: y")
    both = jnp.column_stack([x, y])

    def solve(rho: jax.Array) -> linear.LeastSquares:
        white = whiten(both, rho, keep_first=keep_first)
        return linear.least_squares(white[:, :-1], white[:, -1])

    def once(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        beta = state[0]
        rho = yule_walker(y - x @ beta, order)
        new = solve(rho).beta
        return new, rho, jnp.abs(new - beta).max() / jnp.abs(new).max()

    first = linear.least_squares(x, y).beta
    zero = jnp.zeros((), y.dtype)
    beta, rho, change = jax.lax.fori_loop(0, passes, once, (first, jnp.zeros(order, y.dtype), zero))
    last = solve(rho)
    return Autoregressive(beta, rho, last.bread, last.residuals, change)


def yule_walker(series: jax.Array, order: int) -> jax.Array:
    """Autoregressive coefficients of a series, stationary always; a kernel.

    Args:
        series: `[T]`; its mean is taken out.
        order: Order k, fixed when compiled.

    Returns:
        `[k]`.
    """
    centred = series - series.mean()
    n = series.shape[0]
    sums = jnp.stack([(centred[: n - k] * centred[k:]).sum() for k in range(order + 1)])
    lag = jnp.abs(jnp.arange(order)[:, None] - jnp.arange(order)[None, :])

    def solve(gamma: jax.Array) -> jax.Array:
        return jnp.linalg.solve(gamma[lag], gamma[1:])

    unbiased = solve(sums / (n - jnp.arange(order + 1, dtype=series.dtype)))
    return jnp.where(_stationary(unbiased), unbiased, solve(sums / n))


def whiten(values: jax.Array, rho: jax.Array, *, keep_first: bool = True) -> jax.Array:
    """Columns whose AR(k) errors become independent and of equal variance; a kernel.

    Args:
        values: `[T, P]`.
        rho: `[k]`.
        keep_first: Keep the first k periods, rotated by the inverse Cholesky factor of their covariance.

    Returns:
        `[T, P]`, or `[T - k, P]`.
    """
    n, order = values.shape[0], rho.shape[0]
    filtered = values[order:]
    for i in range(rho.shape[0]):
        filtered = filtered - rho[i] * values[order - 1 - i : n - 1 - i]
    if not keep_first:
        return filtered
    factor = jnp.linalg.cholesky(autocovariance(rho))
    first = jax.scipy.linalg.solve_triangular(factor, values[:order], lower=True)
    return jnp.concatenate([first, filtered])


def autocovariance(rho: jax.Array) -> jax.Array:
    """Covariance of k consecutive errors of a stationary AR(k) process with innovations of variance 1; a kernel.

    Args:
        rho: `[k]`.

    Returns:
        `[k, k]`.

    References:
        Brockwell and Davis (1991), Time series: theory and methods, section 3.3: the equations of gamma(0) to gamma(k).
    """
    order = rho.shape[0]
    # gamma(j) - sum_i rho_i gamma(|j - i|) = 1 for j = 0 and 0 for j = 1, ..., k.
    lag = jnp.abs(jnp.arange(order + 1)[:, None] - jnp.arange(1, order + 1)[None, :])
    chosen = jax.nn.one_hot(lag, order + 1, dtype=rho.dtype)
    system = jnp.eye(order + 1, dtype=rho.dtype) - jnp.einsum("i,jik->jk", rho, chosen)
    gamma = jnp.linalg.solve(system, jnp.eye(order + 1, dtype=rho.dtype)[0])
    return gamma[jnp.abs(jnp.arange(order)[:, None] - jnp.arange(order)[None, :])]


def _stationary(rho: jax.Array) -> jax.Array:
    """Returns whether all partial autocorrelations, by Levinson's downward recursion, are inside (-1, 1)."""
    inside = jnp.asarray(True)
    for k in range(rho.shape[0], 0, -1):
        last = rho[k - 1]
        inside &= jnp.abs(last) < 1.0 - 1e-6
        left = jnp.where(jnp.abs(last) < 1.0, 1.0 - jnp.square(last), 1.0)
        rho = (rho[: k - 1] + last * rho[: k - 1][::-1]) / left
    return inside
