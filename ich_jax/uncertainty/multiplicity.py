"""Adjusted p-values for several hypotheses: from the p-values alone, or from the joint distribution of the statistics.

The step-down procedures use the dependence of the statistics, so they lose less power than Holm's where outcomes are
correlated.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import float64
from ich_jax.uncertainty.results import Result

ALTERNATIVES = ("two-sided", "greater", "less")
# Draws that equal the statistic in exact arithmetic may come out a rounding below it; they count as reaching it.
_TIE = 1e-10


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class MaxT(Result):
    """P-values of K statistics from B draws of their joint null distribution.

    Attributes:
        p: `[K]` each on its own.
        p_single_step: `[K]` against the largest of all K in each draw.
        p_step_down: `[K]` against the largest of those not yet rejected; never above `p_single_step`.
    """

    columns = ("p", "p_single_step", "p_step_down")

    p: float64.Array
    p_single_step: float64.Array
    p_step_down: float64.Array


def bonferroni(p: npt.ArrayLike) -> float64.Array:
    """min(1, K p): controls the chance of any false rejection under every dependence.

    Example:
        >>> from ich_jax.uncertainty import bonferroni
        >>> bonferroni([0.01, 0.04, 0.5]).round(3).tolist()
        [0.03, 0.12, 1.0]

    Args:
        p: `[..., K]` p-values.

    Returns:
        `[..., K]` adjusted p-values.

    Raises:
        DataError: A p-value is not inside [0, 1].
    """
    p = _checked(p)
    return np.minimum(1.0, p.shape[-1] * p)


def holm(p: npt.ArrayLike) -> float64.Array:
    """Step-down Bonferroni: as valid and never weaker.

    Example:
        >>> from ich_jax.uncertainty import holm
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]

    Args:
        p: `[..., K]` p-values.

    Returns:
        `[..., K]` adjusted p-values.

    Raises:
        DataError: A p-value is not inside [0, 1].

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    return _stepped(p, lambda k: np.arange(k, 0, -1.0), down=True)


def hochberg(p: npt.ArrayLike) -> float64.Array:
    """Step-up with Holm's factors; valid for independent or positively dependent statistics.

    Example:
        >>> from ich_jax.uncertainty import hochberg
        >>> hochberg([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.04, 0.04]

    Args:
        p: `[..., K]` p-values.

    Returns:
        `[..., K]` adjusted p-values.

    Raises:
        DataError: A p-value is not inside [0, 1].

    References:
        Hochberg (1988), A sharper Bonferroni procedure for multiple tests of significance.
    """
    return _stepped(p, lambda k: np.arange(k, 0, -1.0), down=False)


def benjamini_hochberg(p: npt.ArrayLike) -> float64.Array:
    """Controls the expected share of false rejections, for independent or positively dependent statistics.

    Example:
        >>> from ich_jax.uncertainty import benjamini_hochberg
        >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.04, 0.04]

    Args:
        p: `[..., K]` p-values.

    Returns:
        `[..., K]` adjusted p-values.

    Raises:
        DataError: A p-value is not inside [0, 1].

    References:
        Benjamini and Hochberg (1995), Controlling the false discovery rate.
    """
    return _stepped(p, lambda k: k / np.arange(1.0, k + 1.0), down=False)


def benjamini_yekutieli(p: npt.ArrayLike) -> float64.Array:
    """Benjamini-Hochberg times 1 + 1/2 + ... + 1/K: valid under every dependence.

    Example:
        The factor for two p-values is 1 + 1/2.

        >>> from ich_jax.uncertainty import benjamini_yekutieli
        >>> benjamini_yekutieli([0.01, 0.04]).round(3).tolist()
        [0.03, 0.06]

    Args:
        p: `[..., K]` p-values.

    Returns:
        `[..., K]` adjusted p-values.

    Raises:
        DataError: A p-value is not inside [0, 1].

    References:
        Benjamini and Yekutieli (2001), The control of the false discovery rate under dependency.
    """
    return _stepped(p, lambda k: (1.0 / np.arange(1.0, k + 1.0)).sum() * k / np.arange(1.0, k + 1.0), down=False)


def max_t(observed: npt.ArrayLike, null: npt.ArrayLike, *, exact: bool, alternative: str = "two-sided") -> MaxT:
    """P-values of each statistic and of the free step-down max-T procedure.

    Example:
        Of the four draws, one reaches 2.0 in the first column, and two reach 1.0 in the second.

        >>> from ich_jax.uncertainty import max_t
        >>> test = max_t([2.0, 1.0], [[2.0, 1.0], [0.5, 1.5], [-1.0, 0.2], [0.1, -0.3]], exact=True)
        >>> test.p.tolist(), test.p_step_down.tolist()
        ([0.25, 0.5], [0.25, 0.5])

    Args:
        observed: `[K]` statistics, comparable with each other (t, not means in different units).
        null: `[B, K]` the statistics in draws under the null hypothesis.
        exact: Whether the draws enumerate the null distribution, the observed data among them; then p is the share of
            draws at least as extreme. Otherwise p = (1 + their number) / (1 + B), which is valid for any B.
        alternative: "two-sided" compares absolute values, "greater" large values, "less" small ones.

    Raises:
        DataError: Shapes that do not fit, or values that are not finite.

    References:
        Westfall and Young (1993), Resampling-based multiple testing, algorithm 2.8. Phipson and Smyth (2010),
        Permutation p-values should never be zero.
    """
    errors.require(alternative, ALTERNATIVES, "max_t: alternative")
    observed = _extremeness(float64.finite(observed, "max_t: observed", ndim=1), alternative)
    null = _extremeness(float64.finite(null, "max_t: null", ndim=2), alternative)
    if null.shape[1] != len(observed) or len(null) < 1:
        raise errors.DataError(
            f"max_t: null must be [draws, {len(observed)}], one column for each statistic; got {list(null.shape)}."
        )
    reach = observed - _TIE * np.maximum(1.0, np.abs(observed))
    order = np.argsort(-observed, kind="stable")
    # In column k: the largest of the draws of the statistics that are no larger than the k-th largest.
    remaining = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    stepped = np.maximum.accumulate(_share(remaining >= reach[order], exact))
    step_down = np.empty_like(stepped)
    step_down[order] = stepped
    return MaxT(
        p=_share(null >= reach, exact),
        p_single_step=_share(null.max(axis=1, keepdims=True) >= reach, exact),
        p_step_down=step_down,
    )


def romano_wolf(
    estimates: npt.ArrayLike,
    standard_errors: npt.ArrayLike,
    replicates: npt.ArrayLike,
    replicate_errors: npt.ArrayLike,
    *,
    alternative: str = "two-sided",
) -> float64.Array:
    """Step-down adjusted p-values from bootstrap estimates, studentised and centred at the estimates.

    Example:
        One of four replicates is as far from its estimate as that is from 0; p = (1 + 1) / (1 + 4).

        >>> from ich_jax.uncertainty import romano_wolf
        >>> romano_wolf([2.0], [1.0], [[4.5], [2.0], [1.5], [2.5]], [[1.0]] * 4).tolist()
        [0.4]

    Args:
        estimates: `[K]`.
        standard_errors: `[K]`.
        replicates: `[B, K]` estimates in the resamples, drawn jointly for all K.
        replicate_errors: `[B, K]` their standard errors.
        alternative: As for `max_t`.

    Returns:
        `[K]` adjusted p-values.

    Raises:
        DataError: Shapes that do not fit, values that are not finite, or a standard error that is not positive.

    References:
        Romano and Wolf (2005), Exact and approximate stepdown methods for multiple hypothesis testing; (2016),
        Efficient computation of adjusted p-values for resampling-based stepdown multiple testing.
    """
    beta = float64.finite(estimates, "romano_wolf: estimates", ndim=1)
    se = float64.finite(standard_errors, "romano_wolf: standard_errors", ndim=1)
    draws = float64.finite(replicates, "romano_wolf: replicates", ndim=2)
    draw_errors = float64.finite(replicate_errors, "romano_wolf: replicate_errors", ndim=2)
    if not beta.shape == se.shape == draws.shape[1:] == draw_errors.shape[1:] or len(draws) != len(draw_errors):
        raise errors.DataError(
            f"romano_wolf: expected [K], [K], [B, K], [B, K]; got {list(beta.shape)}, {list(se.shape)}, "
            f"{list(draws.shape)}, {list(draw_errors.shape)}."
        )
    if not (se > 0).all() or not (draw_errors > 0).all():
        raise errors.DataError("romano_wolf: every standard error must be above 0.")
    return max_t(beta / se, (draws - beta) / draw_errors, exact=False, alternative=alternative).p_step_down


def westfall_young(p: npt.ArrayLike, null_p: npt.ArrayLike, *, exact: bool = False) -> float64.Array:
    """Step-down min-P: for statistics whose null distributions differ, where max-T would favour the widest.

    Example:
        >>> from ich_jax.uncertainty import westfall_young
        >>> null = [[0.25, 0.5], [0.5, 0.25], [0.75, 1.0], [1.0, 0.75]]
        >>> westfall_young([0.25, 0.5], null, exact=True).tolist()
        [0.5, 0.5]

    Args:
        p: `[K]` p-values.
        null_p: `[B, K]` p-values of the draws under the null hypothesis, drawn jointly.
        exact: As for `max_t`.

    Returns:
        `[K]` adjusted p-values.

    Raises:
        DataError: Shapes that do not fit, or a p-value that is not inside [0, 1].

    References:
        Westfall and Young (1993), Resampling-based multiple testing, algorithm 2.8.
    """
    return max_t(_checked(p), _checked(null_p), exact=exact, alternative="less").p_step_down


def _extremeness(statistics: float64.Array, alternative: str) -> float64.Array:
    if alternative == "two-sided":
        return np.abs(statistics)
    return statistics if alternative == "greater" else -statistics


def _share(hits: npt.NDArray[np.bool_], exact: bool) -> float64.Array:
    count = hits.sum(axis=0).astype(np.float64)
    return count / len(hits) if exact else (1.0 + count) / (1.0 + len(hits))


def _checked(p: npt.ArrayLike) -> float64.Array:
    p = float64.finite(p, "p-values")
    if p.ndim == 0 or p.shape[-1] == 0 or not ((p >= 0) & (p <= 1)).all():
        raise errors.DataError(f"p-values: expected an array [..., K] of numbers in [0, 1], got shape {list(p.shape)}.")
    return p


def _stepped(p: npt.ArrayLike, factors: Callable[[int], float64.Array], *, down: bool) -> float64.Array:
    p = _checked(p)
    order = np.argsort(p, axis=-1, kind="stable")
    scaled = np.take_along_axis(p, order, -1) * factors(p.shape[-1])
    if down:
        scaled = np.maximum.accumulate(scaled, axis=-1)
    else:
        scaled = np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1]
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(scaled, 1.0), -1)
    return adjusted
