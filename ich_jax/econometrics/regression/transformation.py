"""Smooth functions of estimates: the delta method, and draws of Krinsky and Robb."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Transformed(Result):
    """A smooth function of the parameters, of shape `[M]`.

    Attributes:
        estimate: `[M]` function at the estimate.
        covariance: `[M, M]` by the delta method.
        jacobian: `[M, K]`.
    """

    columns = ("estimate", "standard_error")

    estimate: Array
    covariance: Array
    jacobian: Array

    @property
    def standard_error(self) -> Array:
        """`[M]`."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))


def delta(function: Callable[[jax.Array], jax.Array], theta: npt.ArrayLike, covariance: npt.ArrayLike) -> Transformed:
    """Covariance of a smooth function of estimates: J V J' with J by automatic differentiation.

    Example:
        A product a b has variance b^2 V(a) + a^2 V(b).

        >>> import numpy as np
        >>> from ich_jax.econometrics import regression
        >>> regression.delta(lambda t: t[0] * t[1], [2.0, 3.0], np.diag([1.0, 4.0])).covariance.tolist()
        [[25.0]]

    Args:
        function: `theta [K] -> [M]` or a scalar, in jnp.
        theta: `[K]` estimates.
        covariance: `[K, K]`.

    Raises:
        DataError: Shapes that differ, or a function that is not finite there.

    References:
        van der Vaart (1998), Asymptotic statistics, theorem 3.1.
    """
    theta, v = float64.finite(theta, "delta: theta", ndim=1), float64.finite(covariance, "delta: covariance", ndim=2)
    if v.shape != (len(theta), len(theta)):
        raise errors.DataError(f"delta: covariance must be [{len(theta)}, {len(theta)}], got {list(v.shape)}.")
    with float64.enabled():
        point = jnp.asarray(theta)
        value = np.atleast_1d(np.asarray(function(point)))
        jacobian = np.asarray(jax.jacfwd(function)(point)).reshape(-1, len(theta))
    if value.ndim != 1 or not np.isfinite(value).all() or not np.isfinite(jacobian).all():
        raise errors.DataError(f"delta: the function must give [M] finite values with finite slopes; got {value}.")
    return Transformed(estimate=value, covariance=jacobian @ v @ jacobian.T, jacobian=jacobian)


def krinsky_robb(
    function: Callable[[jax.Array], jax.Array],
    theta: npt.ArrayLike,
    covariance: npt.ArrayLike,
    key: jax.Array,
    *,
    n_draws: int = 10_000,
) -> Array:
    """Values of a function at draws of the parameters from their normal distribution.

    Quantiles of the draws are an interval that need not be symmetric, for ratios such as a willingness to pay.

    Args:
        function: `theta [K] -> [M]` or a scalar, in jnp.
        theta: `[K]` estimates.
        covariance: `[K, K]`, positive semidefinite.
        key: Random key.
        n_draws: Number of draws.

    Returns:
        `[n_draws, M]` (M = 1 for a scalar).

    References:
        Krinsky and Robb (1986), On approximating the statistical properties of elasticities.
    """
    theta = float64.finite(theta, "krinsky_robb: theta", ndim=1)
    v = float64.finite(covariance, "krinsky_robb: covariance", ndim=2)
    if v.shape != (len(theta), len(theta)):
        raise errors.DataError(f"krinsky_robb: covariance must be [{len(theta)}, {len(theta)}], got {list(v.shape)}.")
    eigenvalues, vectors = np.linalg.eigh((v + v.T) / 2.0)
    root = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    with float64.enabled():
        draws = theta + np.asarray(jax.random.normal(key, (n_draws, len(theta)), jnp.float64)) @ root.T
        return np.asarray(jax.vmap(function)(jnp.asarray(draws))).reshape(n_draws, -1)
