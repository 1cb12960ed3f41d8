"""Wild cluster bootstrap: tests and confidence sets that hold with few clusters.

Residuals of whole clusters are multiplied by random weights; the model is never fitted again. The bootstrap t is a
function of one vector and one matrix over the clusters, computed once from the data: thousands of draws are one matrix
product, and the data enter nowhere else.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.regression import covariance, linear
from ich_jax.uncertainty import draws, float64, multiplicity, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

WEIGHTS = ("rademacher", "webb", "mammen", "normal")
_TIE = 1e-10  # a draw that equals t in exact arithmetic may come out a rounding below it; it counts as reaching it
_DOUBLINGS, _HALVINGS = 24, 40


class Pieces(NamedTuple):
    """The parts of a bootstrap t as functions of the hypothesis r: numerator n(r) = n0 - r n1, likewise M(r).

    With weights v, the bootstrap coefficient is off by n(r)'v, and the cluster scores behind its error are M(r) v.

    Attributes:
        n0: `[G]`.
        n1: `[G]`, 0 if the null hypothesis is not imposed.
        m0: `[G, G]`.
        m1: `[G, G]`.
        estimate: Coefficient.
        error: CRV1 standard error without small-sample factor.
    """

    n0: jax.Array
    n1: jax.Array
    m0: jax.Array
    m1: jax.Array
    estimate: jax.Array
    error: jax.Array


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class WildTest(Result):
    """Test of one coefficient.

    Attributes:
        name: Name of the coefficient.
        estimate: Its estimate.
        null: Value under the hypothesis.
        t: (estimate - null) over the CRV1 standard error with pyfixest's small-sample factors.
        p: P-value of `alternative`. Draws that tie with the data count: under enumeration the data are among them.
        low: Lower end of the set of hypotheses that a two-sided test does not reject; -inf if it has none.
        high: Upper end; inf if it has none. Both NaN if no set was asked for.
        confidence: Coverage of that set.
        draws: `[B]` bootstrap t, in the same small-sample factors.
        clusters: `[G]` labels.
        weights: "rademacher", "webb", "mammen" or "normal".
        impose_null: Whether residuals are those under the hypothesis.
        exact: Whether all 2^G signs were used.
        smallest_p: The least p that the weights of this many clusters could give.
        alternative: "two-sided" (|t|), "greater" or "less".
    """

    bracketed = "estimate"

    name: str
    estimate: float
    null: float
    t: float
    p: float
    low: float
    high: float
    confidence: float
    draws: Array
    clusters: npt.NDArray[Any]
    weights: str
    impose_null: bool
    exact: bool
    smallest_p: float
    alternative: str


def wild_cluster(
    fit: linear.LinearFit,
    name: str,
    clusters: npt.ArrayLike,
    *,
    null: float = 0.0,
    weights: str = "rademacher",
    impose_null: bool = True,
    alternative: str = "two-sided",
    key: jax.Array | None = None,
    n_resamples: int = 9999,
    max_exact: int = 2**12,
    confidence: float | None = 0.95,
) -> WildTest:
    """Tests a coefficient of a linear model.

    Example:
        With four clusters there are 16 sign vectors; the two of equal signs reach |t|.

        >>> from ich_jax.econometrics import regression
        >>> fit = regression.fit([1.0, 2.0, 3.0, 4.0], {"mean": [1.0] * 4}, intercept=False)
        >>> regression.wild_cluster(fit, "mean", [0, 1, 2, 3], confidence=None).p
        0.125

    Args:
        fit: Linear fit, weighted or not, with or without fixed effects.
        name: Coefficient.
        clusters: `[N]` labels.
        null: Value under the hypothesis.
        weights: "rademacher" (signs), "webb" (six points; with fewer than 12 clusters, where signs repeat), "mammen" or
            "normal".
        impose_null: Residuals under the hypothesis (WCR), or those of the fit (WCU).
        alternative: "two-sided", "greater" or "less".
        key: Random key; needed unless all signs are enumerated.
        n_resamples: Draws in that case.
        max_exact: Largest number of sign vectors that are enumerated for Rademacher weights: 2^12, or 12 clusters.
        confidence: Coverage of the confidence set by test inversion; None: no set.

    Raises:
        ConfigError: An unknown option or coefficient, or no key where draws are needed.
        DataError: Fewer than two clusters, or labels that do not fit.

    References:
        Cameron, Gelbach and Miller (2008). Webb (2023), Reworking wild bootstrap-based inference for clustered errors.
        MacKinnon, Nielsen and Webb (2023), Fast and reliable jackknife and bootstrap methods, section 5.
    """
    # Two thirds of this function are its options and their documentation.
    _check_options(fit, name, weights, alternative, confidence)
    code, labels = float64.codes(clusters, len(fit.y), "wild_cluster: clusters", fit.rows)
    g = len(labels)
    crv1 = covariance.cluster(fit, code)  # refuses fewer than two clusters
    exact = weights == "rademacher" and 2**g <= max_exact
    if not exact and (key is None or n_resamples < 1):
        raise errors.ConfigError(
            f"wild_cluster: {weights} weights of {g} clusters must be drawn: pass a key and n_resamples of at least 1."
        )
    root = np.sqrt(fit.weights)
    x, y = _design(fit, code) * root[:, None], fit.y * root
    j = fit.names.index(name)
    scale = float(np.sqrt(crv1.factor[0]))
    floor, both = (_floor(weights, g, impose_null, kind) for kind in (alternative, "two-sided"))
    with float64.enabled():
        pieces = _pieces(x, y, code, size=g, j=j, impose_null=impose_null)
        v = draw_weights(key, weights=weights, size=g, n_draws=2**g if exact else n_resamples, exact=exact)
        t, p, stars = (np.asarray(value) for value in _test(pieces, v, null, exact, floor, alternative=alternative))
        low = high = np.nan
        if confidence is not None:
            low, high = (float(end) for end in np.asarray(_invert(pieces, v, 1.0 - confidence, exact, both)))
    return WildTest(
        name=name,
        estimate=float(fit.beta[j]),
        null=float(null),
        t=float(t) / scale,
        p=float(p),
        low=low,
        high=high,
        confidence=np.nan if confidence is None else confidence,
        draws=stars / scale,
        clusters=labels,
        weights=weights,
        impose_null=impose_null,
        exact=exact,
        smallest_p=_smallest(weights, g, exact, n_resamples, impose_null, alternative),
        alternative=alternative,
    )


def joint(tests: Sequence[WildTest]) -> multiplicity.MaxT:
    """Adjusts several tests for each other, by the joint draws of their t (Romano-Wolf, Westfall-Young max-T).

    Args:
        tests: Made with the same key, options and clusters, so that draw b of all of them used the same weights: the
            four product lines of one set of outlets, for example.

    Raises:
        ConfigError: Tests whose draws do not belong together.
    """
    first = tests[0]
    for other in tests[1:]:
        alike = (
            np.array_equal(first.clusters, other.clusters)
            and len(first.draws) == len(other.draws)
            and (first.weights, first.exact, first.alternative) == (other.weights, other.exact, other.alternative)
        )
        if not alike:
            raise errors.ConfigError(
                f"joint: the tests of {first.name} and {other.name} differ in clusters, weights, number of draws or "
                "alternative; make them with the same key and options over the same clusters."
            )
    return multiplicity.max_t(
        np.array([test.t for test in tests]),
        np.stack([test.draws for test in tests], axis=1),
        exact=first.exact,
        alternative=first.alternative,
    )


def pieces(x: jax.Array, y: jax.Array, code: jax.Array, *, size: int, j: int, impose_null: bool) -> Pieces:
    """Reduces the data to the arrays of the bootstrap; a kernel: pure, float64, for `vmap` over panels.

    Args:
        x: `[N, K]`, of any rank; column j must not be a combination of the others.
        y: `[N]`.
        code: `[N]` cluster codes.
        size: Number G of clusters.
        j: Index of the coefficient.
        impose_null: As for `wild_cluster`.

    Raises:
        DataError: An argument is not float64.
    """
    x, y = float64.kernel_array(x, "pieces: x"), float64.kernel_array(y, "pieces: y")
    inverse = jnp.linalg.pinv(x.T @ x, hermitian=True)

    def by_cluster(rows: jax.Array) -> jax.Array:
        return jax.ops.segment_sum(rows, code, size)

    influence = x @ inverse[j]  # [N]: the coefficient is influence @ y
    residual = y - x @ (inverse @ (x.T @ y))
    estimate = influence @ y
    leverage = by_cluster(x * influence[:, None])  # [G, K]

    def part(u: jax.Array) -> tuple[jax.Array, jax.Array]:
        n = by_cluster((influence * u)[:, None])[:, 0]
        return n, jnp.diag(n) - leverage @ inverse @ by_cluster(x * u[:, None]).T

    # Under the hypothesis r the residual is e_y - r e_x, of y and of column j on the other columns.
    e_x = influence / (influence @ influence)
    n0, m0 = part(residual + estimate * e_x if impose_null else residual)
    n1, m1 = part(e_x)
    if not impose_null:
        n1, m1 = jnp.zeros_like(n1), jnp.zeros_like(m1)
    scores = by_cluster((influence * residual)[:, None])[:, 0]
    return Pieces(n0, n1, m0, m1, estimate, jnp.sqrt(scores @ scores))


def t_and_draws(parts: Pieces, v: jax.Array, null: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The statistic and its bootstrap distribution; a kernel.

    Args:
        parts: From `pieces`.
        v: `[B, G]` weights.
        null: Hypothesis.

    Returns:
        t and its draws `[B]`, without small-sample factor. A draw without error is infinite.
    """
    numerator = v @ (parts.n0 - null * parts.n1)
    error = jnp.sqrt(jnp.square(v @ (parts.m0 - null * parts.m1).T).sum(axis=1))
    tiny = error <= 1e-12 * parts.error
    stars = jnp.where(tiny, jnp.copysign(jnp.inf, numerator), numerator / jnp.where(tiny, 1.0, error))
    return (parts.estimate - null) / parts.error, stars


def _p(parts: Pieces, v: jax.Array, null: jax.Array, exact: jax.Array, floor: jax.Array, alternative: str) -> jax.Array:
    t, stars = t_and_draws(parts, v, null)
    if alternative == "two-sided":
        t, stars = jnp.abs(t), jnp.abs(stars)
    elif alternative == "less":
        t, stars = -t, -stars
    count = (stars >= t - _TIE * jnp.maximum(1.0, jnp.abs(t))).sum().astype(jnp.float64)
    b = float(v.shape[0])
    # Far from the estimate rounding hides that the data's own signs are a draw, and few draws may hold fewer ties than
    # there ought to be; the floor remembers both.
    return jnp.maximum(jnp.where(exact, count / b, (1.0 + count) / (1.0 + b)), floor)


_pieces = programs.jit(pieces, static_argnames=("size", "j", "impose_null"))


@programs.jit(static_argnames=("alternative",))
def _test(
    parts: Pieces, v: jax.Array, null: jax.Array, exact: jax.Array, floor: jax.Array, *, alternative: str
) -> tuple[jax.Array, jax.Array, jax.Array]:
    t, stars = t_and_draws(parts, v, null)
    return t, _p(parts, v, null, exact, floor, alternative), stars


@programs.jit
def _invert(parts: Pieces, v: jax.Array, level: jax.Array, exact: jax.Array, floor: jax.Array) -> jax.Array:
    """Ends of the set of hypotheses with p above `level`: doubling outwards from the estimate, then bisection."""

    def accepted(distance: jax.Array, sign: jax.Array) -> jax.Array:
        return _p(parts, v, parts.estimate + sign * distance, exact, floor, "two-sided") > level * (1.0 + _TIE)

    def end(sign: jax.Array) -> jax.Array:
        def wider(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            return 2.0 * state[0], state[1] + 1

        def inside(state: tuple[jax.Array, jax.Array]) -> jax.Array:
            return accepted(state[0], sign) & (state[1] < _DOUBLINGS)

        outer, doublings = jax.lax.while_loop(inside, wider, (2.0 * parts.error, jnp.zeros((), jnp.int64)))

        def halve(_: jax.Array, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            middle = 0.5 * (bracket[0] + bracket[1])
            is_inside = accepted(middle, sign)
            return jnp.where(is_inside, middle, bracket[0]), jnp.where(is_inside, bracket[1], middle)

        start = jnp.where(doublings > 0, outer / 2.0, 0.0), outer
        low, high = jax.lax.fori_loop(0, _HALVINGS, halve, start)
        limit = parts.estimate + sign * 0.5 * (low + high)
        return jnp.where(doublings == _DOUBLINGS, sign * jnp.inf, limit)

    return jnp.stack([end(jnp.asarray(-1.0, jnp.float64)), end(jnp.asarray(1.0, jnp.float64))])


@programs.jit(static_argnames=("weights", "size", "n_draws", "exact"))
def draw_weights(key: Any, *, weights: str, size: int, n_draws: int, exact: bool) -> jax.Array:
    """Draws the clusters' weights; a kernel, for `vmap` over panels.

    Args:
        key: Random key; None if `exact`.
        weights: One of `WEIGHTS`.
        size: Number G of clusters.
        n_draws: Number B of draws; 2^G if `exact`.
        exact: Whether to enumerate all signs.

    Returns:
        `[B, G]`.
    """
    if exact:
        rank = jnp.arange(n_draws)[:, None]
        return 1.0 - 2.0 * ((rank >> jnp.arange(size)[None, :]) & 1).astype(jnp.float64)

    def draw(index: jax.Array) -> jax.Array:
        draw_key = jax.random.fold_in(key, index)
        if weights == "normal":
            return jax.random.normal(draw_key, (size,), jnp.float64)
        uniform = jax.random.uniform(draw_key, (size,), jnp.float64)
        if weights == "mammen":
            root5 = np.sqrt(5.0)
            return jnp.where(uniform < (root5 + 1.0) / (2.0 * root5), (1.0 - root5) / 2.0, (1.0 + root5) / 2.0)
        points = [-1.0, 1.0] if weights == "rademacher" else [s * np.sqrt(k / 2.0) for s in (-1, 1) for k in (1, 2, 3)]
        return jnp.asarray(points, jnp.float64)[jnp.floor(uniform * len(points)).astype(jnp.int64)]

    return jnp.asarray(draws.each(draw, n_draws, size))


def _design(fit: linear.LinearFit, code: npt.NDArray[np.int64]) -> Array:
    """Columns whose scores in a cluster depend on that cluster alone.

    Effects that are nested in clusters stay absorbed; the others come back as indicators, because taking them out
    mixes the clusters' residuals.
    """
    inner = [a for a in fit.absorbed if covariance.nested(a, code)]
    outer = [a for a in fit.absorbed if not covariance.nested(a, code)]
    if not outer:
        return fit.x
    indicators = np.concatenate([np.eye(a.levels)[a.codes] for a in outer], axis=1)
    if inner:
        indicators = linear.take_out(indicators, fit.weights, tuple(inner))
    return np.column_stack([fit.x, indicators])


def _check_options(fit: linear.LinearFit, name: str, weights: str, alternative: str, confidence: float | None) -> None:
    errors.require(weights, WEIGHTS, "wild_cluster: weights")
    errors.require(alternative, multiplicity.ALTERNATIVES, "wild_cluster: alternative")
    errors.require(name, fit.names, "wild_cluster: coefficient")
    if confidence is not None and not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")


def _floor(weights: str, g: int, impose_null: bool, alternative: str) -> float:
    """Chance of weights that are the same in all G clusters, below which no p can honestly lie.

    They give the data's own statistic again, or for negative weights its opposite, which counts for |t|.
    """
    if not impose_null:
        return 0.0
    positive, negative = _CONSTANT[weights](g)
    return positive + (negative if alternative == "two-sided" else 0.0)


_LIKELY = (math.sqrt(5.0) - 1.0) / (2.0 * math.sqrt(5.0))  # of Mammen's positive weight
_CONSTANT: Mapping[str, Callable[[int], tuple[float, float]]] = {
    "rademacher": lambda g: (0.5**g, 0.5**g),
    "webb": lambda g: (3.0 * 6.0**-g, 3.0 * 6.0**-g),
    "mammen": lambda g: (_LIKELY**g, (1.0 - _LIKELY) ** g),
    "normal": lambda g: (0.0, 0.0),
}
"""Of each kind of weight, the chances that all G are one positive number, and one negative number."""


def _smallest(weights: str, g: int, exact: bool, n: int, impose_null: bool, alternative: str) -> float:
    floor = _floor(weights, g, impose_null, alternative)
    return floor if exact else max(floor, 1.0 / (1.0 + n))
