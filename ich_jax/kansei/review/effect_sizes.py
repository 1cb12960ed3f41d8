"""Standardised differences of two arms: Hedges' g, Bayes factor, power."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from ich_jax import errors
from ich_jax.kansei.review.means import checked, host_moments, two_arms
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.results import Result


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class HedgesG(Result):
    """Standardised difference with its correction for small samples.

    Attributes:
        g: Cohen's d times the correction.
        low: Lower limit: g plus or minus Student's quantile times `standard_error`.
        high: Upper limit.
        d: Cohen's d: difference over the pooled standard deviation.
        correction: The factor J.
        exact: Whether J is the ratio of gamma functions; otherwise Hedges' approximation 1 - 3 / (4 df - 1).
        standard_error: Large-sample formula, sqrt((n1 + n2) / (n1 n2) + g^2 / (2 (n1 + n2))).
    """

    g: float
    low: float
    high: float
    d: float
    correction: float
    exact: bool
    standard_error: float


def hedges_g(first: npt.ArrayLike, second: npt.ArrayLike, *, exact: bool = True, confidence: float = 0.95) -> HedgesG:
    """Hedges' g: the difference of two means in pooled standard deviations, corrected for small samples.

    Args:
        first: `[n1]` scores.
        second: `[n2]`.
        exact: Correct by gamma functions; False: by the approximation that most programs use.
        confidence: Coverage of the interval.

    Raises:
        DataError: Fewer than two works in an arm, or no variation.

    References:
        Hedges (1981), Distribution theory for Glass's estimator of effect size and related estimators.
    """
    a, b = two_arms(first, second, "hedges_g", varying=True)
    m = host_moments(a, b)
    n1, n2 = len(a), len(b)
    df = n1 + n2 - 2
    approximate = 1.0 - 3.0 / (4.0 * df - 1.0)
    j = math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2) if exact else approximate
    d = float(m.difference / m.pooled_sd)
    g = d * j
    se = math.sqrt((n1 + n2) / (n1 * n2) + g**2 / (2 * (n1 + n2)))
    half = float(stats.t.isf((1.0 - checked(confidence)) / 2.0, df)) * se
    return HedgesG(g=g, low=g - half, high=g + half, d=d, correction=j, exact=exact, standard_error=se)


def bayes_factor(t: float, n1: int, n2: int, *, scale: float = math.sqrt(2) / 2) -> float:
    """Bayes factor of a difference against none (BF10), with a Cauchy prior on the standardised effect.

    Args:
        t: Student's t with pooled variance.
        n1: Works in the first arm.
        n2: Works in the second arm.
        scale: Scale of the Cauchy prior.

    Raises:
        DataError: An arm with fewer than one work, or fewer than three works in all.

    References:
        Rouder et al. (2009), Bayesian t tests for accepting and rejecting the null hypothesis, equation 1.
    """
    if min(n1, n2) < 1 or n1 + n2 < 3 or not math.isfinite(t):
        raise errors.DataError(f"bayes_factor: got t={t!r} with {n1} and {n2} works; needs a finite t and three works.")
    with float64.enabled():
        effective, df = n1 * n2 / (n1 + n2), float(n1 + n2 - 2)
        return float(_bayes_factor(np.float64(t), np.float64(effective), np.float64(df), np.float64(scale)))


@programs.jit
def _bayes_factor(t: jax.Array, n: jax.Array, df: jax.Array, scale: jax.Array) -> jax.Array:
    # In log g the integrand is smooth and vanishes at both ends, so that the trapezoid rule converges geometrically.
    log_g = jnp.linspace(-12.0, 60.0, 7201)
    g = jnp.exp(log_g)
    inflation = 1.0 + n * g * scale**2
    log_prior = -0.5 * math.log(2.0 * math.pi) - 1.5 * log_g - 0.5 / g
    log_likelihood = -0.5 * jnp.log(inflation) - 0.5 * (df + 1.0) * jnp.log1p(t**2 / (inflation * df))
    step = log_g[1] - log_g[0]
    marginal = jnp.exp(log_likelihood + log_prior + log_g).sum() * step
    return marginal / jnp.exp(-0.5 * (df + 1.0) * jnp.log1p(t**2 / df))


def power(d: float, n1: int, n2: int, *, alpha: float = 0.05) -> float:
    """Power of Student's two-sided test at a true standardised difference.

    Args:
        d: Difference in standard deviations.
        n1: Works in the first arm.
        n2: Works in the second arm.
        alpha: Level of the test.

    Raises:
        DataError: Fewer than three works in all.
    """
    df = n1 + n2 - 2
    if min(n1, n2) < 1 or df < 1:
        raise errors.DataError(f"power: {n1} and {n2} works are too few; three in all are needed.")
    critical = stats.t.isf(alpha / 2.0, df)
    shift = d * math.sqrt(n1 * n2 / (n1 + n2))
    return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))


def minimum_detectable_effect(n1: int, n2: int, *, alpha: float = 0.05, target: float = 0.8) -> float:
    """Smallest standardised difference that Student's two-sided test detects with the given power.

    Args:
        n1: Works in the first arm.
        n2: Works in the second arm.
        alpha: Level of the test.
        target: Power, between alpha and 1.

    Raises:
        ConfigError: `target` is not between `alpha` and 1.
    """
    if not 0.0 < alpha < target < 1.0:
        raise errors.ConfigError(
            f"minimum_detectable_effect: alpha={alpha!r} must lie below target={target!r} in (0, 1)."
        )
    high = 1.0
    while power(high, n1, n2, alpha=alpha) < target:
        high *= 2.0
    return float(optimize.brentq(lambda d: power(d, n1, n2, alpha=alpha) - target, 0.0, high, xtol=1e-12))
