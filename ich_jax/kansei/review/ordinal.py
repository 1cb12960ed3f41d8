"""Single scores as ordered categories: cumulative link mixed model; severity of raters."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from ich_jax import errors
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

NODES = 41
"""Gauss-Hermite nodes. With ten scores a work, the likelihood is exact to eight digits for deviations up to 3."""
_NEVER = 700.0  # logits; exp(-700) is still a positive number
_FAR = 15.0  # logits; a larger effect means that scores are separated without overlap


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class OrdinalModel(Result):
    """Cumulative logit model with a random intercept of each group.

    Attributes:
        term: `[P]` names of the effects.
        estimate: `[P]` log odds ratios of a higher score.
        standard_error: `[P]` standard errors from the curvature of the likelihood.
        low: `[P]` lower limits.
        high: `[P]` upper limits.
        p: `[P]` two-sided Wald p-values.
        threshold: `[C - 1]` thresholds between the categories, on the scale of the effects.
        category: `[C]` scores that occur; scores that do not occur have no category.
        group: `[G]` names of the groups.
        sd: Standard deviation of the groups' intercepts.
        p_sd: P-value for the hypothesis that it is zero: likelihood ratio against a mixture of chi-squared with 0 and 1
            degrees of freedom.
        log_likelihood: Log-likelihood at the estimates.
        log_likelihood_fixed: Log-likelihood of the model without random intercepts.
        n: Number of scores.
    """

    columns = ("term", "estimate", "standard_error", "low", "high", "p")

    term: tuple[str, ...]
    estimate: Array
    standard_error: Array
    low: Array
    high: Array
    p: Array
    threshold: Array
    category: tuple[int, ...]
    group: tuple[str, ...]
    sd: float
    p_sd: float
    log_likelihood: float
    log_likelihood_fixed: float
    n: int


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Severity(Result):
    """Severity of raters.

    Attributes:
        rater: `[k]` names of the raters.
        severity: `[k]` points by which a rater scores below the mean of all raters.
        low: `[k]` lower limits.
        high: `[k]` upper limits.
        spread: `[k]` standard deviation of a rater's scores divided by that of the works' means.
        agreement: `[k]` correlation with the mean of the other raters; NaN for a rater whose scores are all equal.
        f: F statistic of the test that all raters are equally severe.
        p: Its p-value.
        works: Number of works.
    """

    columns = ("rater", "severity", "low", "high", "spread", "agreement")

    rater: tuple[str, ...]
    severity: Array
    low: Array
    high: Array
    spread: Array
    agreement: Array
    f: float
    p: float
    works: int


def log_likelihood(
    parameters: jax.Array, category: jax.Array, design: jax.Array, group: jax.Array, *, sizes: tuple[int, int, int]
) -> jax.Array:
    """Kernel: marginal log-likelihood, the intercept of each group integrated out by Gauss and Hermite's rule.

    Args:
        parameters: First threshold, logarithms of the steps to the next thresholds, effects, logarithm of the standard
            deviation of the intercepts, which is minus infinity without random intercepts.
        category: `[N]` int, from 0.
        design: `[N, P]` float64.
        group: `[N]` int, from 0.
        sizes: Numbers of categories, groups and nodes.
    """
    categories, groups, nodes = sizes
    parameters = float64.kernel_array(parameters, "log_likelihood: parameters")
    threshold, effect, sd = _split(parameters, categories)
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    node = jnp.asarray(points, parameters.dtype)
    shift = (design @ effect)[:, None] + sd * node[None, :]
    last, zeroth = (category == categories - 1)[:, None], (category == 0)[:, None]
    upper = jnp.where(last, _NEVER, threshold[jnp.minimum(category, categories - 2)][:, None] - shift)
    lower = jnp.where(zeroth, -_NEVER, threshold[jnp.maximum(category - 1, 0)][:, None] - shift)
    # Logarithm of the difference of two logistic functions, without cancellation in the tails.
    gap = jnp.where(last | zeroth, -_NEVER, lower - upper)
    log_p = jax.nn.log_sigmoid(upper) + jax.nn.log_sigmoid(-lower) + jnp.log1p(-jnp.exp(gap))
    group_log_p = jax.ops.segment_sum(log_p, group, num_segments=groups)
    log_weight = jnp.asarray(np.log(weights / weights.sum()), parameters.dtype)
    total: jax.Array = jax.scipy.special.logsumexp(group_log_p + log_weight[None, :], axis=1).sum()
    return total


def cumulative_link_model(
    scores: npt.ArrayLike,
    design: npt.ArrayLike,
    groups: Sequence[str],
    terms: Sequence[str],
    *,
    confidence: float = 0.95,
    nodes: int = NODES,
) -> OrdinalModel:
    """Fits P(score <= c) = logistic(threshold_c - effects - intercept of the group) by maximum likelihood.

    Args:
        scores: `[N]` whole numbers.
        design: `[N, P]` columns of the effects, without a constant.
        groups: `[N]` name of the group of each score, such as its work.
        terms: `[P]` names of the columns.
        confidence: Coverage of the limits.
        nodes: Number of nodes of the quadrature.

    Raises:
        DataError: Scores are not integers or all equal, columns are constant or determine each other, there are fewer
            than two groups, or an effect has no limit because scores do not overlap.

    References:
        McCullagh (1980), Regression models for ordinal data. Hedeker and Gibbons (1994), A random-effects ordinal
        regression model for multilevel analysis. Self and Liang (1987), for the test of a variance of zero.
    """
    y = float64.finite(scores, "cumulative_link_model: scores", ndim=1)
    x = float64.finite(design, "cumulative_link_model: design", ndim=2)
    names, group = np.unique(np.asarray(groups, str), return_inverse=True)
    levels, category = np.unique(y, return_inverse=True)
    if len(x) != len(y) or len(group) != len(y) or x.shape[1] != len(terms) or (y != np.round(y)).any():
        raise errors.DataError(
            f"cumulative_link_model: {len(y)} whole scores, design {list(x.shape)}, {len(group)} groups and "
            f"{len(terms)} terms do not fit."
        )
    if len(levels) < 2 or len(names) < 2 or np.linalg.matrix_rank(x - x.mean(axis=0), tol=1e-8) < x.shape[1]:
        raise errors.DataError(
            f"cumulative_link_model: needs two different scores ({len(levels)}), two groups ({len(names)}), and "
            "columns that are neither constant nor sums of others."
        )
    sizes = len(levels), len(names), nodes
    data = category.astype(np.int32), x, group.astype(np.int32)
    share = np.cumsum(np.bincount(category))[:-1] / len(y)
    first = np.log(share / (1.0 - share))
    start = np.concatenate([first[:1], np.log(np.maximum(np.diff(first), 1e-3)), np.zeros(x.shape[1])])
    plain, likelihood_fixed = _maximise(lambda v: np.append(v, -np.inf), start, data, sizes, len(start))
    mixed, likelihood = _maximise(lambda v: v, np.append(plain, -1.0), data, sizes, len(start) + 1)
    random = likelihood > likelihood_fixed + 1e-8
    best = mixed if random else np.append(plain, -np.inf)
    free = len(best) if random else len(plain)
    with float64.enabled():
        curvature = -np.asarray(_hessian(best, *data, sizes=sizes))[:free, :free]
        threshold, effect, sd = (np.asarray(v) for v in _split(jnp.asarray(best), len(levels)))
    if np.abs(effect).max(initial=0.0) > _FAR or not np.linalg.eigvalsh(curvature).min() > 0:
        worst = terms[int(np.abs(effect).argmax())] if len(terms) else "a threshold"
        raise errors.DataError(
            f"cumulative_link_model: the effect of {worst!r} has no limit: its scores do not overlap with the others."
        )
    where = slice(len(levels) - 1, len(levels) - 1 + len(terms))
    se = np.sqrt(np.diag(np.linalg.inv(curvature)))[where]
    half = stats.norm.isf((1.0 - confidence) / 2.0) * se
    ratio = max(0.0, 2.0 * (likelihood - likelihood_fixed))
    return OrdinalModel(
        term=tuple(terms),
        estimate=effect,
        standard_error=se,
        low=effect - half,
        high=effect + half,
        p=2.0 * stats.norm.sf(np.abs(effect) / se),
        threshold=threshold,
        category=tuple(int(level) for level in levels),
        group=tuple(map(str, names)),
        sd=float(sd),
        p_sd=0.5 * float(stats.chi2.sf(ratio, 1)) if random else 1.0,
        log_likelihood=max(likelihood, likelihood_fixed),
        log_likelihood_fixed=likelihood_fixed,
        n=len(y),
    )


def ordinal_review(
    first: npt.ArrayLike, second: npt.ArrayLike, raters: Sequence[str], *, confidence: float = 0.95
) -> OrdinalModel:
    """Compares two arms by the single scores of their raters: score ~ arm + rater + (1 | work).

    Effects of raters add up to zero and are positive for lenient raters; works are a random effect, as a sample of the
    works that could have been made.

    Args:
        first: `[n1, k]` score of each work by each rater.
        second: `[n2, k]`.
        raters: `[k]` names of the raters.
        confidence: Coverage of the limits.

    Raises:
        DataError: As for `cumulative_link_model`.
    """
    arms = [float64.finite(arm, "ordinal_review: scores", ndim=2) for arm in (first, second)]
    k = len(raters)
    if k < 2 or any(arm.shape[1] != k for arm in arms):
        raise errors.DataError(f"ordinal_review: {[list(arm.shape) for arm in arms]} for {k} raters; needs two.")
    table = np.concatenate(arms)
    n = len(table)
    arm = np.repeat([0.5, -0.5], [len(arms[0]), len(arms[1])])
    contrast = np.concatenate([np.eye(k - 1), -np.ones((1, k - 1))])
    design = np.column_stack([np.repeat(arm, k), np.tile(contrast, (n, 1))])
    works = [f"{work:05d}" for work in range(n) for _ in range(k)]
    names = ("first arm against second", *(f"rater {name}" for name in raters[:-1]))
    return cumulative_link_model(table.ravel(), design, works, names, confidence=confidence)


def rater_severity(scores: npt.ArrayLike, raters: Sequence[str], *, confidence: float = 0.95) -> Severity:
    """Compares raters who scored the same works.

    Args:
        scores: `[n, k]` works by raters, none missing.
        raters: `[k]` names of the raters.
        confidence: Coverage of the limits, which come from a two-way analysis of variance.

    Raises:
        DataError: Fewer than two works or raters, missing scores, or works without variation.
    """
    x = float64.finite(scores, "rater_severity: scores", ndim=2)
    n, k = x.shape
    if n < 2 or k < 2 or len(raters) != k or np.ptp(x.mean(axis=1)) == 0:
        raise errors.DataError(
            f"rater_severity: scores {[n, k]} of {len(raters)} raters; needs two works that differ and two raters."
        )
    by_work, by_rater = x.mean(axis=1), x.mean(axis=0)
    df = (n - 1) * (k - 1)
    error = float(np.square(x - by_work[:, None] - by_rater[None, :] + x.mean()).sum()) / df
    severity = x.mean() - by_rater
    half = stats.t.isf((1.0 - confidence) / 2.0, df) * np.sqrt(error * (k - 1) / (k * n))
    others = (x.sum(axis=1, keepdims=True) - x) / (k - 1)
    between = n * float(np.square(severity).sum()) / (k - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = float(np.float64(between) / error)
    varied = np.ptp(x, axis=0) > 0
    return Severity(
        rater=tuple(raters),
        severity=severity,
        low=severity - half,
        high=severity + half,
        spread=x.std(axis=0, ddof=1) / by_work.std(ddof=1),
        agreement=np.array(
            [
                float(np.corrcoef(x[:, j], others[:, j])[0, 1]) if varied[j] and np.ptp(others[:, j]) > 0 else np.nan
                for j in range(k)
            ]
        ),
        f=f,
        p=float(stats.f.sf(f, k - 1, df)),
        works=n,
    )


def _split(parameters: jax.Array, categories: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns thresholds, effects and the standard deviation of the intercepts."""
    steps = jnp.exp(parameters[1 : categories - 1])
    threshold = parameters[0] + jnp.concatenate([jnp.zeros((1,), parameters.dtype), jnp.cumsum(steps)])
    return threshold, parameters[categories - 1 : -1], jnp.exp(parameters[-1])


def _negative(parameters: jax.Array, *data: jax.Array, sizes: tuple[int, int, int]) -> jax.Array:
    return -log_likelihood(parameters, *data, sizes=sizes)


_value = programs.jit(
    lambda parameters, *data, sizes: jax.value_and_grad(functools.partial(_negative, sizes=sizes))(parameters, *data),
    static_argnames=("sizes",),
)
_hessian = programs.jit(
    lambda parameters, *data, sizes: jax.hessian(functools.partial(log_likelihood, sizes=sizes))(parameters, *data),
    static_argnames=("sizes",),
)


def _maximise(
    complete: Callable[[Array], Array], start: Array, data: tuple[Any, ...], sizes: tuple[int, int, int], free: int
) -> tuple[Array, float]:
    """Maximises the log-likelihood over the free parameters; `complete` adds the fixed one. Returns place and value."""

    def objective(free_values: Array) -> tuple[float, Array]:
        with float64.enabled():
            value, gradient = _value(np.asarray(complete(free_values), np.float64), *data, sizes=sizes)
        return float(value), np.asarray(gradient)[:free]

    optimum = optimize.minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 500})
    return optimum.x, -float(optimum.fun)
