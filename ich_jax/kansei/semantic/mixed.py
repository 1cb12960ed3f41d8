"""Mixed model of the ratings of one word by REML: a mean for every sample and a random intercept for every rater."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.uncertainty import float64, multiplicity, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

_GRID = np.concatenate([[0.0], np.logspace(-6, 6, 97)])  # ratios of variances at which the search starts
_STEPS = 60  # golden sections; they narrow a grid cell by 1e-12


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class MixedModel(Result):
    """Means of samples adjusted for raters.

    Attributes:
        sample: `[S]` names of the samples.
        mean: `[S]` fixed effects.
        standard_error: `[S]` their standard errors.
        low: `[S]` lower limits, by the normal distribution.
        high: `[S]` upper limits.
        rater: `[R]` predicted deviation of each rater (best linear unbiased prediction, shrunk to zero).
        variance_rater: Variance of the raters' intercepts.
        variance_error: Variance of single ratings given sample and rater.
        icc: Share of `variance_rater` in the sum of both variances.
        first: `[P]` first sample of each pair.
        second: `[P]` second sample of each pair.
        difference: `[P]` first mean minus second.
        p: `[P]` two-sided p-values of t tests.
        p_holm: `[P]` p-values adjusted for the number of pairs.
        f: F statistic of the test that all samples have equal means.
        df1: Its degrees of freedom.
        df2: Degrees of freedom of the error: exact if every rater rated every sample, otherwise an approximation.
        p_samples: P-value of the F test.
        log_likelihood: Restricted log-likelihood.
        n: Number of ratings.
    """

    columns = ("sample", "mean", "standard_error", "low", "high")

    sample: tuple[str, ...]
    mean: Array
    standard_error: Array
    low: Array
    high: Array
    rater: Array
    variance_rater: float
    variance_error: float
    icc: float
    first: tuple[str, ...]
    second: tuple[str, ...]
    difference: Array
    p: Array
    p_holm: Array
    f: float
    df1: int
    df2: int
    p_samples: float
    log_likelihood: float
    n: int


class MixedFit(NamedTuple):
    """Result of the kernel `fit_mixed`; batched by `vmap` over words or resamples."""

    mean: jax.Array
    covariance: jax.Array
    rater: jax.Array
    ratio: jax.Array
    variance_error: jax.Array
    log_likelihood: jax.Array


def fit_mixed(score: jax.Array, given: jax.Array) -> MixedFit:
    """Kernel: REML of one word, for `jit` and `vmap`.

    The restricted likelihood is a function of the ratio of the two variances alone, which determines means and error
    variance. It is maximised on a grid, then by golden sections.

    Args:
        score: `[R, S]` float64; any finite value where a rating is missing.
        given: `[R, S]` float64, 1 where there is a rating and 0 elsewhere.

    Returns:
        Means `[S]` with covariance `[S, S]`, predictions of the raters `[R]`, ratio of variances, variance of the
        error, restricted log-likelihood.
    """
    y = float64.kernel_array(score, "fit_mixed: score") * given
    n_of_rater, n, samples = given.sum(axis=1), given.sum(), given.shape[1]
    total = y.sum(axis=1)

    def solve(ratio: jax.Array) -> tuple[jax.Array, ...]:
        weight = ratio / (1.0 + ratio * n_of_rater)
        information = jnp.diag(given.sum(axis=0)) - (given * weight[:, None]).T @ given
        factor = jnp.linalg.cholesky(information)
        right = y.sum(axis=0) - (given * (weight * total)[:, None]).sum(axis=0)
        mean = jax.scipy.linalg.cho_solve((factor, True), right[:, None])[:, 0]
        square = jnp.square(y).sum() - (weight * jnp.square(total)).sum() - mean @ right
        error = square / (n - samples)
        deviance = (n - samples) * (jnp.log(2.0 * jnp.pi * error) + 1.0)
        deviance += jnp.log1p(ratio * n_of_rater).sum() + 2.0 * jnp.log(jnp.diag(factor)).sum()
        return mean, factor, error, -0.5 * deviance, weight

    grid = jnp.asarray(_GRID, y.dtype)
    likelihoods = jax.lax.map(lambda ratio: solve(ratio)[3], grid)
    k = jnp.clip(jnp.argmax(likelihoods), 1, len(_GRID) - 2)
    golden = (math.sqrt(5.0) - 1.0) / 2.0

    def narrow(_: jax.Array, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        left, right = high - golden * (high - low), low + golden * (high - low)
        better = solve(left)[3] > solve(right)[3]
        return jnp.where(better, low, left), jnp.where(better, right, high)

    low, high = jax.lax.fori_loop(0, _STEPS, narrow, (grid[k - 1], grid[k + 1]))
    inside = 0.5 * (low + high)
    ratio = jnp.where(solve(jnp.zeros_like(inside))[3] >= solve(inside)[3], 0.0, inside)
    mean, factor, error, likelihood, weight = solve(ratio)
    eye = jnp.eye(samples, dtype=y.dtype)
    covariance = error * jax.scipy.linalg.cho_solve((factor, True), eye)
    return MixedFit(mean, covariance, weight * (total - given @ mean), ratio, error, likelihood)


_fit_mixed = programs.jit(fit_mixed)


def mixed_model(scores: npt.ArrayLike, samples: Sequence[str], *, confidence: float = 0.95) -> MixedModel:
    """Fits score ~ sample + (1 | rater) by restricted maximum likelihood.

    Args:
        scores: `[R, S]` scores of one word, as `MeanTable.score[:, :, k]`; NaN for missing ratings.
        samples: `[S]` names of the samples.
        confidence: Coverage of the limits.

    Raises:
        DataError: Fewer than two raters or samples, a sample without ratings, too few ratings for the number of samples
            and raters, or ratings without any noise.

    References:
        Patterson and Thompson (1971), Recovery of inter-block information when block sizes are unequal.
    """
    y = np.asarray(scores, np.float64)
    if y.ndim != 2 or y.shape[1] != len(samples) or min(y.shape) < 2:
        raise errors.DataError(
            f"mixed_model: scores {list(y.shape)} for {len(samples)} samples; needs two raters, two samples."
        )
    given = ~np.isnan(y)
    if not np.isfinite(y[given]).all() or not given.any(axis=0).all():
        unrated = [samples[int(i)] for i in np.flatnonzero(~np.asarray(given.any(axis=0)))]
        raise errors.DataError(
            f"mixed_model: nobody rated {unrated[0]!r}." if unrated else "mixed_model: a score is infinite."
        )
    y, given = y[given.any(axis=1)], given[given.any(axis=1)]
    n, (raters, s) = int(given.sum()), y.shape
    df2 = n - s - raters + 1
    if df2 < 1 or np.ptp(np.where(given, y - np.nanmean(y, axis=0), 0.0)) == 0:
        raise errors.DataError(
            f"mixed_model: {n} ratings of {s} samples by {raters} raters leave no residual variance for tests."
        )
    with float64.enabled():
        fit = _fit_mixed(np.where(given, y, 0.0), given.astype(np.float64))
        mean, covariance, rater, ratio, error, likelihood = (np.asarray(value) for value in fit)
    se = np.sqrt(np.diag(covariance))
    half = stats.norm.isf((1.0 - confidence) / 2.0) * se
    pairs = list(itertools.combinations(range(s), 2))
    a, b = (np.array([pair[k] for pair in pairs]) for k in (0, 1))
    difference = mean[a] - mean[b]
    spread = np.sqrt(covariance[a, a] + covariance[b, b] - 2.0 * covariance[a, b])
    p = 2.0 * stats.t.sf(np.abs(difference) / spread, df2)
    contrast = np.eye(s)[1:] - np.eye(s)[:1]
    apart = contrast @ mean
    f = float(apart @ np.linalg.solve(contrast @ covariance @ contrast.T, apart)) / (s - 1)
    return MixedModel(
        sample=tuple(samples),
        mean=mean,
        standard_error=se,
        low=mean - half,
        high=mean + half,
        rater=rater,
        variance_rater=float(ratio * error),
        variance_error=float(error),
        icc=float(ratio / (1.0 + ratio)),
        first=tuple(samples[k] for k in a),
        second=tuple(samples[k] for k in b),
        difference=difference,
        p=p,
        p_holm=multiplicity.holm(p),
        f=f,
        df1=s - 1,
        df2=df2,
        p_samples=float(stats.f.sf(f, s - 1, df2)),
        log_likelihood=float(likelihood),
        n=n,
    )
