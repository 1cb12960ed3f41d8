"""One engine for every estimator that minimises a sum or solves a sum of equations.

From an objective of one observation, automatic differentiation gives the bread (`jax.hessian`), the scores
(`jax.jacfwd`) and the derivative of any function of the parameters; `covariance` turns scores and bread into robust,
clustered and serial covariances. Nothing is derived by hand for a particular model.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.regression import linear
from ich_jax.econometrics.regression.covariance import UNCORRECTED, Covariance, SmallSample
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

Objective = Callable[[jax.Array, Any], jax.Array]  # (theta [K], one row of the data) -> scalar, to be minimised
Moments = Callable[[jax.Array, Any], jax.Array]  # (theta [K], one row of the data) -> [K], to average zero
_HALVINGS = 30


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

    names: tuple[str, ...]
    theta: Array
    scores: Array
    bread: Array
    objective: float
    gradient: float
    steps: int
    jackknife: Array | None = None
    absorbed: tuple[linear.Absorbed, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Transformed:
    """A smooth function of the parameters, of shape `[M]`.

    Attributes:
        estimate: `[M]` function at the estimate.
        covariance: `[M, M]` by the delta method.
        jacobian: `[M, K]`.
    """

    estimate: Array
    covariance: Array
    jacobian: Array


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


def minimise(
    objective: Objective,
    start: npt.ArrayLike,
    data: Any,
    *,
    names: tuple[str, ...] | None = None,
    weights: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_steps: int = 100,
) -> MEstimate:
    """Minimises the weighted sum of an objective over rows, by damped Newton steps.

    Args:
        objective: `(theta [K], row) -> scalar` in jnp, twice differentiable; a negative log likelihood, for example.
            Compiled once for each function object and shape.
        start: `[K]`.
        data: Pytree of arrays `[N, ...]`; a row is the same pytree of `[...]`.
        names: K names; None: theta_0, theta_1, ...
        weights: `[N]`, not negative; None: ones.
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
    data: Any,
    *,
    names: tuple[str, ...] | None = None,
    weights: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    tolerance: float = 1e-10,
    max_steps: int = 100,
) -> MEstimate:
    """Solves as many summed moment equations as there are parameters, by damped Newton steps.

    Args:
        moments: `(theta [K], row) -> [K]` in jnp, differentiable. Steps of an estimation may be stacked: the covariance
            then accounts for the error of the earlier ones.
        start: `[K]`.
        data: Pytree of arrays `[N, ...]`.
        names: K names; None: theta_0, theta_1, ...
        weights: `[N]`, not negative; None: ones.
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


def delta(function: Callable[[jax.Array], jax.Array], theta: npt.ArrayLike, covariance: npt.ArrayLike) -> Transformed:
    """Covariance of a smooth function of estimates: J V J' with J by automatic differentiation.

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


def newton(
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    start: jax.Array,
    data: Any,
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
    moments_of = _moments(function, equations)

    def summed(theta: jax.Array) -> jax.Array:
        return weights @ jax.vmap(lambda row: moments_of(theta, row))(data)

    def scale(theta: jax.Array) -> jax.Array:
        return weights @ jnp.abs(jax.vmap(lambda row: moments_of(theta, row))(data))

    def merit(theta: jax.Array) -> jax.Array:
        if equations:
            return jnp.square(summed(theta)).sum()
        return weights @ jax.vmap(lambda row: function(theta, row))(data)

    def direction(theta: jax.Array, moments: jax.Array) -> jax.Array:
        if equations:
            return -jnp.linalg.solve(jax.jacfwd(summed)(theta), moments)
        values, vectors = jnp.linalg.eigh(jax.hessian(merit)(theta))
        size = jnp.maximum(jnp.abs(values), 1e-12 * jnp.abs(values).max())
        return vectors @ ((vectors.T @ moments) / size)

    def unfinished(state: Newton) -> jax.Array:
        return (jnp.abs(state.moments) > tolerance * state.scale).any() & (state.steps < max_steps)

    def step(state: Newton) -> Newton:
        towards = direction(state.theta, state.moments)

        def too_long(search: tuple[jax.Array, jax.Array]) -> jax.Array:
            share, halvings = search
            # Near the end the merit can only fall by rounding; that must not stop the last full step.
            slack = 1e-14 * jnp.abs(state.value)
            return ~(merit(state.theta + share * towards) <= state.value + slack) & (halvings < _HALVINGS)

        full = jnp.ones_like(state.value), jnp.zeros((), jnp.int64)
        share, _ = jax.lax.while_loop(too_long, lambda s: (s[0] / 2.0, s[1] + 1), full)
        return at(state.theta + share * towards, state.steps + 1)

    def at(theta: jax.Array, steps: jax.Array) -> Newton:
        return Newton(theta, merit(theta), summed(theta), scale(theta), steps)

    return jax.lax.while_loop(unfinished, step, at(start, jnp.zeros((), jnp.int64)))


def _moments(function: Callable[[jax.Array, Any], jax.Array], equations: bool) -> Moments:
    if equations:
        return function
    return lambda theta, row: -jax.jacfwd(lambda t: function(t, row))(theta)


@programs.jit(static_argnames=("function", "equations", "tolerance", "max_steps"))
def _estimate(
    start: Any,
    data: Any,
    weights: Any,
    *,
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    tolerance: float,
    max_steps: int,
) -> tuple[Newton, jax.Array, jax.Array]:
    found = newton(function, equations, start, data, weights, tolerance=tolerance, max_steps=max_steps)
    moments_of = _moments(function, equations)
    scores = weights[:, None] * jax.vmap(lambda row: moments_of(found.theta, row))(data)
    if equations:
        curvature = -jax.jacfwd(lambda t: weights @ jax.vmap(lambda row: function(t, row))(data))(found.theta)
    else:
        curvature = jax.hessian(lambda t: weights @ jax.vmap(lambda row: function(t, row))(data))(found.theta)
    return found, scores, curvature


@programs.jit(static_argnames=("function", "equations", "size", "tolerance", "max_steps"))
def _without_each(
    theta: Any,
    data: Any,
    weights: Any,
    code: Any,
    *,
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    size: int,
    tolerance: float,
    max_steps: int,
) -> Newton:
    def without(cluster: jax.Array) -> Newton:
        left = jnp.where(code == cluster, 0.0, weights)
        return newton(function, equations, theta, data, left, tolerance=tolerance, max_steps=max_steps)

    return jax.vmap(without)(jnp.arange(size))


def _fit(
    function: Callable[[jax.Array, Any], jax.Array],
    equations: bool,
    start: npt.ArrayLike,
    data: Any,
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
    leaves, structure = jax.tree.flatten(data)
    arrays = [np.asarray(leaf) for leaf in leaves]
    arrays = [a if a.dtype.kind in "biu" else float64.finite(a, f"{name}: data") for a in arrays]
    rows = {a.shape[:1] for a in arrays}
    if len(rows) != 1 or rows == {()}:
        raise errors.DataError(
            f"{name}: data must hold arrays with one common number of rows; got {[list(a.shape) for a in arrays]}."
        )
    (n,) = rows.pop()
    w = np.ones(n) if weights is None else float64.finite(weights, f"{name}: weights", ndim=1)
    if w.shape != (n,) or (w < 0).any():
        raise errors.DataError(f"{name}: weights must be {n} numbers not below 0, got shape {list(w.shape)}.")
    options: dict[str, Any] = {"function": function, "equations": equations}
    options |= {"tolerance": tolerance, "max_steps": max_steps}
    tree = jax.tree.unflatten(structure, arrays)
    with float64.enabled():
        found, scores, curvature = jax.tree.map(np.asarray, _estimate(theta, tree, w, **options))
    _check_converged(found, names, tolerance, name)
    bread = _inverse(curvature, names, name)
    left_out = None
    if clusters is not None:
        code, labels = float64.codes(clusters, n, f"{name}: clusters")
        if len(labels) < 2:
            raise errors.DataError(f"{name}: clusters: leaving one out needs at least two, got {len(labels)}.")
        with float64.enabled():
            each = jax.tree.map(np.asarray, _without_each(found.theta, tree, w, code, size=len(labels), **options))
        lost = ~((np.abs(each.moments) <= tolerance * each.scale).all(axis=1))
        if lost.any():
            raise errors.DataError(
                f"{name}: no convergence without cluster {labels[lost.argmax()]!r} ({lost.sum()} of {len(labels)} "
                "clusters in all): the rest does not identify the parameters."
            )
        left_out = each.theta
    return MEstimate(
        names=names,
        theta=found.theta,
        scores=scores,
        bread=bread,
        objective=float(found.value),
        gradient=float(np.max(np.abs(found.moments))),
        steps=int(found.steps),
        jackknife=left_out,
    )


def _check_converged(found: Newton, names: tuple[str, ...], tolerance: float, name: str) -> None:
    gap = np.abs(np.asarray(found.moments)) / np.where(np.asarray(found.scale) > 0, found.scale, 1.0)
    if not (gap <= tolerance).all():
        worst = int(np.argmax(np.where(np.isfinite(gap), gap, np.inf)))
        raise errors.DataError(
            f"{name}: no convergence after {int(found.steps)} steps: the equation of {names[worst]} is off by "
            f"{gap[worst]:.2g} of its scale (allowed {tolerance:g}). Try another start, rescale the data, or "
            "check that a finite optimum exists (perfect separation has none)."
        )


def _inverse(curvature: Array, names: tuple[str, ...], name: str) -> Array:
    size = np.sqrt(np.abs(np.diag(curvature)))
    scaled = curvature / np.outer(np.where(size > 0, size, 1.0), np.where(size > 0, size, 1.0))
    _, values, right = np.linalg.svd(scaled)
    if not values[-1] > 1e-12 * values[0]:
        guilty = [names[i] for i in np.flatnonzero(np.abs(right[-1]) > 0.1)]
        raise errors.DataError(
            f"{name}: the data do not identify a combination of {', '.join(guilty)}; leave one out or fix its value."
        )
    return np.asarray(np.linalg.inv(curvature))
