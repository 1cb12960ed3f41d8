"""One engine for every estimator that minimises a sum or solves a sum of equations.

From an objective of one observation, automatic differentiation gives the bread (`jax.hessian`), the scores
(`jax.jacfwd`) and the derivative of any function of the parameters; `covariance` turns scores and bread into robust,
clustered and serial covariances. No derivative is coded for a particular model.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.regression import linear, optimisation
from ich_jax.econometrics.regression.covariance import UNCORRECTED, Covariance, SmallSample
from ich_jax.econometrics.regression.optimisation import Moments, Objective
from ich_jax.types import PyTree
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

_SINGULAR = 1e-12  # relative singular value of a curvature below which parameters are not identified


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class MEstimate(Result):
    """Parameters that minimise the objective or solve the moment equations, for N rows and K parameters.

    Attributes:
        names: K names.
        theta: `[K]`.
        scores: `[N, K]` weight times the moment of each row (for an objective, minus its gradient).
        bread: `[K, K]` inverse of minus the derivative of the summed moments (for an objective, of its Hessian).
        objective: Summed objective at theta; the squared length of the summed moments for moment equations.
        gradient: Largest absolute entry of the summed moments at theta.
        steps: Newton steps taken.
        jackknife: `[G, K]` theta without each cluster; None unless asked for.
        absorbed: Always empty: no fixed effects are taken out.
    """

    columns = ("names", "theta")
    hidden = ("gradient",)

    names: tuple[str, ...]
    theta: Array
    scores: Array
    bread: Array
    objective: float
    gradient: float
    steps: int
    jackknife: Array | None = None
    absorbed: tuple[linear.Absorbed, ...] = ()


def minimise(
    objective: Objective,
    start: npt.ArrayLike,
    data: PyTree,
    *,
    names: tuple[str, ...] | None = None,
    weights: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_steps: int = 100,
) -> MEstimate:
    """Minimises the weighted sum of an objective over rows, by damped Newton steps.

    Example:
        The mean minimises the sum of squares.

        >>> import numpy as np
        >>> from ich_jax.econometrics import regression
        >>> def square(theta, y):
        ...     return 0.5 * (y - theta[0]) ** 2
        >>> regression.minimise(square, [0.0], np.array([1.0, 2.0, 6.0])).theta.round(6).tolist()
        [3.0]

    Args:
        objective: `(theta [K], row) -> scalar` in jnp, twice differentiable; a negative log likelihood, for example.
            Compiled once for each function object and shape.
        start: `[K]`.
        data: Pytree of arrays `[N, ...]`; a row is the same pytree of `[...]`.
        names: K names; None: theta_0, theta_1, ...
        weights: `[N]`, not negative; None: ones. They count copies of a row: to `information` weights of 2 are twice as
            many rows, to robust covariances only their ratios matter.
        clusters: `[N]` labels; theta is then also estimated without each cluster, for `jackknife`.
        tolerance: Ends when every summed moment is below this share of the sum of its absolute values.
        max_steps: Newton steps at most.

    Raises:
        DataError: Shapes that differ, values that are not finite, a Hessian that cannot be inverted (parameters that
            the data do not identify, named), or no convergence.

    References:
        Huber (1967), The behavior of maximum likelihood estimates under nonstandard conditions. Stefanski and Boos
        (2002), The calculus of M-estimation.
    """
    return _fit(objective, False, start, data, names, weights, clusters, tolerance, max_steps, "minimise")


def solve(
    moments: Moments,
    start: npt.ArrayLike,
    data: PyTree,
    *,
    names: tuple[str, ...] | None = None,
    weights: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_steps: int = 100,
) -> MEstimate:
    """Solves as many summed moment equations as there are parameters, by damped Newton steps.

    Example:
        >>> import numpy as np
        >>> from ich_jax.econometrics import regression
        >>> def deviation(theta, y):
        ...     return y - theta
        >>> regression.solve(deviation, [0.0], np.array([1.0, 2.0, 6.0])).theta.round(6).tolist()
        [3.0]

    Args:
        moments: `(theta [K], row) -> [K]` in jnp, differentiable. Steps of an estimation may be stacked: the covariance
            then accounts for the error of the earlier ones.
        start: `[K]`.
        data: Pytree of arrays `[N, ...]`.
        names: K names; None: theta_0, theta_1, ...
        weights: `[N]`, not negative; None: ones. They count copies of a row: to `information` weights of 2 are twice as
            many rows, to robust covariances only their ratios matter.
        clusters: `[N]` labels, as for `minimise`.
        tolerance: As for `minimise`.
        max_steps: Newton steps at most.

    Raises:
        DataError: As for `minimise`.

    References:
        Newey and McFadden (1994), Large sample estimation and hypothesis testing, section 6 (stacked moments).
    """
    return _fit(moments, True, start, data, names, weights, clusters, tolerance, max_steps, "solve")


def information(fit: MEstimate) -> Covariance:
    """Inverse Hessian of a negative log likelihood: the covariance if the model is right.

    Args:
        fit: Result of `minimise`.
    """
    return Covariance(fit.bread, "information", (1.0,), np.inf)


def jackknife(fit: MEstimate, *, small_sample: SmallSample = UNCORRECTED) -> Covariance:
    """CRV3 of a nonlinear estimate: squared changes of theta when a cluster is left out, times (G - 1) / G.

    Args:
        fit: Made with `clusters`.
        small_sample: Further correction (N - 1) / (N - K) if `k_adj`, G / (G - 1) if `G_adj`; none by default.

    Raises:
        ConfigError: The fit was made without clusters.
    """
    if fit.jackknife is None:
        raise errors.ConfigError("jackknife: the fit has no leave-one-out estimates; make it with clusters=...")
    g, (n, k) = len(fit.jackknife), fit.scores.shape
    factor = (g - 1.0) / g
    factor *= (n - 1.0) / (n - k) if small_sample.k_adj else 1.0
    factor *= g / (g - 1.0) if small_sample.G_adj else 1.0
    change = fit.jackknife - fit.theta
    return Covariance(factor * change.T @ change, "CRV3", (factor,), g - 1.0, (g,))


@programs.jit(static_argnames=("function", "equations", "tolerance", "max_steps"))
def _estimate(
    start: jax.Array,
    data: PyTree,
    weights: jax.Array,
    *,
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    tolerance: float,
    max_steps: int,
) -> tuple[optimisation.Newton, jax.Array, jax.Array]:
    optimum = optimisation.newton(function, equations, start, data, weights, tolerance=tolerance, max_steps=max_steps)
    moments_of = optimisation.moments_of_row(function, equations)
    scores = weights[:, None] * jax.vmap(lambda row: moments_of(optimum.theta, row))(data)
    return optimum, scores, _curvature(function, equations, optimum.theta, data, weights)


def _curvature(
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    theta: jax.Array,
    data: PyTree,
    weights: jax.Array,
) -> jax.Array:
    """`[K, K]` Hessian of the summed objective, or minus the derivative of the summed moments."""

    def summed(t: jax.Array) -> jax.Array:
        return weights @ jax.vmap(lambda row: function(t, row))(data)

    return -jax.jacfwd(summed)(theta) if equations else jax.hessian(summed)(theta)


@programs.jit(static_argnames=("function", "equations", "size", "tolerance", "max_steps"))
def _without_each(
    theta: jax.Array,
    data: PyTree,
    weights: jax.Array,
    code: jax.Array,
    *,
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    size: int,
    tolerance: float,
    max_steps: int,
) -> tuple[optimisation.Newton, jax.Array]:
    def without(cluster: jax.Array) -> tuple[optimisation.Newton, jax.Array]:
        remaining = jnp.where(code == cluster, 0.0, weights)
        refit = optimisation.newton(
            function, equations, theta, data, remaining, tolerance=tolerance, max_steps=max_steps
        )
        return refit, _curvature(function, equations, refit.theta, data, remaining)

    return jax.vmap(without)(jnp.arange(size))


def _fit(
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    start: npt.ArrayLike,
    data: PyTree,
    names: tuple[str, ...] | None,
    weights: npt.ArrayLike | None,
    clusters: npt.ArrayLike | None,
    tolerance: float,
    max_steps: int,
    name: str,
) -> MEstimate:
    theta = float64.finite(start, f"{name}: start", ndim=1)
    names = tuple(f"theta_{k}" for k in range(len(theta))) if names is None else tuple(names)
    if len(names) != len(theta):
        raise errors.DataError(f"{name}: {len(names)} names for {len(theta)} parameters.")
    tree, w = _rows(data, weights, name)
    options: dict[str, Any] = {"function": function, "equations": equations}
    options |= {"tolerance": tolerance, "max_steps": max_steps}
    with float64.enabled():
        optimum, scores, curvature = jax.tree.map(np.asarray, _estimate(theta, tree, w, **options))
    _check_converged(optimum, names, tolerance, name)
    bread = _inverse(curvature, names, name)
    left_out = None if clusters is None else _leave_one_out(optimum.theta, tree, w, clusters, name, **options)
    return MEstimate(
        names=names,
        theta=optimum.theta,
        scores=scores,
        bread=bread,
        objective=float(optimum.value),
        gradient=float(np.max(np.abs(optimum.moments))),
        steps=int(optimum.steps),
        jackknife=left_out,
    )


def _rows(data: PyTree, weights: npt.ArrayLike | None, name: str) -> tuple[PyTree, Array]:
    """Data with floats as finite float64, integers and booleans as they are; and weights `[N]`."""
    leaves, structure = jax.tree.flatten(data)
    arrays = [np.asarray(leaf) for leaf in leaves]
    arrays = [a if a.dtype.kind in "biu" else float64.finite(a, f"{name}: data") for a in arrays]
    sizes = {a.shape[:1] for a in arrays}
    if len(sizes) != 1 or sizes == {()}:
        raise errors.DataError(
            f"{name}: data must hold arrays with one common number of rows; got {[list(a.shape) for a in arrays]}."
        )
    (n,) = sizes.pop()
    w = np.ones(n) if weights is None else float64.finite(weights, f"{name}: weights", ndim=1)
    if w.shape != (n,) or (w < 0).any():
        raise errors.DataError(f"{name}: weights must be {n} numbers not below 0, got shape {list(w.shape)}.")
    return jax.tree.unflatten(structure, arrays), w


def _leave_one_out(
    theta: Array, data: PyTree, weights: Array, clusters: npt.ArrayLike, name: str, *, tolerance: float, **options: Any
) -> Array:
    """Estimates `[G, K]` without each cluster, started from the full estimate."""
    code, labels = float64.codes(clusters, len(weights), f"{name}: clusters")
    if len(labels) < 2:
        raise errors.DataError(f"{name}: clusters: leaving one out needs at least two, got {len(labels)}.")
    with float64.enabled():
        results = _without_each(theta, data, weights, code, size=len(labels), tolerance=tolerance, **options)
        refits, curvature = jax.tree.map(np.asarray, results)
    # A parameter that no remaining row depends on satisfies its equation wherever it stands.
    size = np.sqrt(np.abs(np.diagonal(curvature, axis1=1, axis2=2)))
    size = np.where(size > 0, size, 1.0)
    singular = np.linalg.svd(curvature / (size[:, :, None] * size[:, None, :]), compute_uv=False)
    failed = ~((np.abs(refits.moments) <= tolerance * refits.scale).all(axis=1))
    failed |= ~(singular[:, -1] > _SINGULAR * singular[:, 0])
    if failed.any():
        raise errors.DataError(
            f"{name}: no estimate without cluster {labels[failed.argmax()]} ({failed.sum()} of {len(labels)} clusters "
            "in all): the remaining rows do not identify the parameters."
        )
    return np.asarray(refits.theta)


def _check_converged(optimum: optimisation.Newton, names: tuple[str, ...], tolerance: float, name: str) -> None:
    gap = np.abs(np.asarray(optimum.moments)) / np.where(np.asarray(optimum.scale) > 0, optimum.scale, 1.0)
    if not (gap <= tolerance).all():
        worst = int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
        raise errors.DataError(
            f"{name}: no convergence after {int(optimum.steps)} steps: the equation of {names[worst]} is off by "
            f"{gap[worst]:.2g} of its scale (allowed {tolerance:g}). Try another start, rescale the data, or "
            "check that a finite optimum exists (perfect separation has none)."
        )


def _inverse(curvature: Array, names: tuple[str, ...], name: str) -> Array:
    size = np.sqrt(np.abs(np.diag(curvature)))
    scaled = curvature / np.outer(np.where(size > 0, size, 1.0), np.where(size > 0, size, 1.0))
    _, values, right = np.linalg.svd(scaled)
    if not values[-1] > _SINGULAR * values[0]:
        unidentified = [names[i] for i in np.flatnonzero(np.abs(right[-1]) > 0.1)]
        raise errors.DataError(
            f"{name}: the data do not identify a combination of {', '.join(unidentified)}; leave one out "
            "or fix its value."
        )
    return np.asarray(np.linalg.inv(curvature))
