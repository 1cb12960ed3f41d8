"""Conformal inference for a treated series: is the period after treatment unusual among all periods?

The effect under the hypothesis is taken out, the synthetic control is fitted on all periods, and the residuals after
the start are compared with those at other times. Valid in finite samples if residuals are exchangeable, and
approximately if they are stationary and weakly dependent.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.econometrics.synthetic.control import Study, fit_weights, synthetic_control
from ich_jax.uncertainty import draws, float64, inversion, programs
from ich_jax.uncertainty.float64 import Array
from ich_jax.uncertainty.results import Result

SCHEMES = ("moving_block", "iid")
_TIE = 1e-10  # tolerance for values that are equal in exact arithmetic: tied residuals, p equal to the level
_DOUBLINGS, _HALVINGS = 30, 30
Search = tuple[jax.Array, jax.Array, jax.Array, jax.Array]  # distance, doublings, whether accepted, weights


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class ConformalTest(Result):
    """Test of a whole trajectory of effects.

    Attributes:
        p: P-value.
        statistic: (sum of |residual|^q after the start / sqrt(T1))^(1/q).
        null: `[B]` the same under each permutation, the data among them.
        residuals: `[T]` under the hypothesis.
        smallest_p: The least p that the permutations could give.
        scheme: "moving_block" (all T cyclic shifts) or "iid".
    """

    p: float
    statistic: float
    null: Array
    residuals: Array
    smallest_p: float
    scheme: str


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class ConformalIntervals(Result):
    """Pointwise intervals for the effect in each period after the start.

    Attributes:
        periods: `[T1]` labels.
        estimate: `[T1]` gap to the synthetic control fitted before the start.
        low: `[T1]`; -inf if no effect is small enough to be rejected.
        high: `[T1]`.
        p_zero: `[T1]` p-values of no effect.
        confidence: Coverage of each interval.
        smallest_p: 1 / (T0 + 1).
    """

    columns = ("periods", "estimate", "low", "high", "p_zero")
    curve = ("periods", "estimate", "low", "high")

    periods: npt.NDArray[Any]
    estimate: Array
    low: Array
    high: Array
    p_zero: Array
    confidence: float
    smallest_p: float


def conformal_test(
    data: Study,
    effect: npt.ArrayLike = 0.0,
    *,
    q: float = 1.0,
    scheme: str = "moving_block",
    key: jax.Array | None = None,
    n_resamples: int = 9999,
) -> ConformalTest:
    """Tests that the effects after the start are `effect`.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import synthetic
        >>> y = [[2.0, 3.0, 2.0, 9.0], [1.0, 2.0, 1.0, 4.0], [3.0, 4.0, 3.0, 6.0], [9.0, 0.0, 9.0, 1.0]]
        >>> study = synthetic.study(econometrics.from_matrix(y, start=[3, 4, 4, 4]))
        >>> synthetic.conformal_test(study).p  # the largest of the residuals in four periods
        0.25

    Args:
        data: From `synthetic_control.study`.
        effect: Effect in every period, or `[T1]` one for each.
        q: Exponent of the statistic; 1 for lasting effects, large for short ones.
        scheme: "moving_block" shifts residuals around the circle, which keeps their dependence; "iid" permutes them.
        key: Random key, for "iid".
        n_resamples: Permutations, for "iid".

    Raises:
        ConfigError: An unknown scheme, q below 1, or no key for "iid".
        DataError: Effects of another shape.

    References:
        Chernozhukov, Wuthrich and Zhu (2021), An exact and robust conformal inference method for counterfactual and
        synthetic controls, section 2.
    """
    errors.require(scheme, SCHEMES, "conformal_test: scheme")
    if not q >= 1:
        raise errors.ConfigError(f"conformal_test: q: expected a number of at least 1, got {q!r}.")
    if scheme == "iid" and key is None:
        raise errors.ConfigError("conformal_test: iid permutations are drawn at random: pass a key.")
    n, t1 = len(data.series), len(data.series) - data.start
    tau = float64.finite(effect, "conformal_test: effect")
    if tau.shape not in ((), (t1,)):
        raise errors.DataError(f"conformal_test: effect must be one number or {t1}, got shape {list(tau.shape)}.")
    adjusted = data.series.copy()
    adjusted[data.start :] -= tau
    with float64.enabled():
        residuals = np.asarray(_residuals(adjusted, data.pool))
        power = np.abs(residuals) ** q
        if scheme == "moving_block":
            sums = np.array([np.roll(power, shift)[data.start :].sum() for shift in range(n)])
        else:
            drawn = np.asarray(_permuted(key, power, n_draws=n_resamples, start=data.start))
            sums = np.concatenate([[power[data.start :].sum()], drawn])
    null = (sums / np.sqrt(t1)) ** (1.0 / q)
    return ConformalTest(
        p=float((null >= null[0] * (1.0 - _TIE)).mean()),
        statistic=float(null[0]),
        null=null,
        residuals=residuals,
        smallest_p=1.0 / len(null),
        scheme=scheme,
    )


def conformal_intervals(data: Study, *, confidence: float = 0.95) -> ConformalIntervals:
    """Inverts the test for each period after the start, with the periods before it and that one.

    The weights are fitted again for every candidate effect. An interval is the connected part around the estimate.

    Example:
        >>> from ich_jax import econometrics
        >>> from ich_jax.econometrics import synthetic
        >>> y = [[2.0, 3.0, 2.0, 9.0], [1.0, 2.0, 1.0, 4.0], [3.0, 4.0, 3.0, 6.0], [9.0, 0.0, 9.0, 1.0]]
        >>> study = synthetic.study(econometrics.from_matrix(y, start=[3, 4, 4, 4]))
        >>> intervals = synthetic.conformal_intervals(study, confidence=0.7)
        >>> intervals.estimate.round(3).tolist()
        [4.0]

    Args:
        data: From `synthetic_control.study`.
        confidence: Coverage of each interval, inside (0, 1); above T0 / (T0 + 1) all are unbounded.

    Raises:
        ConfigError: `confidence` is not inside (0, 1).

    References:
        Chernozhukov, Wuthrich and Zhu (2021), algorithm 1.
    """
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    pre = (np.arange(len(data.series)) < data.start).astype(np.float64)
    after = np.arange(data.start, len(data.series))
    with float64.enabled():
        results = _intervals(data.series, data.pool, pre, after, 1.0 - confidence)
        estimate, low, high, p_zero = (np.asarray(value) for value in results)
    return ConformalIntervals(
        periods=data.periods[data.start :],
        estimate=estimate,
        low=low,
        high=high,
        p_zero=p_zero,
        confidence=confidence,
        smallest_p=1.0 / (data.start + 1),
    )


def constant_effect(data: Study, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Constant effects after the start that the test of the whole trajectory, with shifted blocks, does not reject.

    Args:
        data: From `synthetic_control.study`.
        confidence: Coverage, inside (0, 1).

    Returns:
        The effect that the test accepts best, near the gap to the synthetic control (the middle of several), and the
        lower and upper end of the connected part around it; infinite where no effect on that side is rejected.

    References:
        Hodges and Lehmann (1963), Estimates of location based on rank tests, for the estimate.

    Raises:
        ConfigError: `confidence` is not inside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise errors.ConfigError(f"confidence: expected a number inside (0, 1), got {confidence!r}.")
    fit = synthetic_control(data)
    # The test fits after the start too, so that the effect it accepts best is not quite the gap.
    near = fit.effect + fit.pre_rmspe * np.linspace(-3.0, 3.0, 25)
    p = [conformal_test(data, effect).p for effect in near]
    centre = float(near[np.flatnonzero(np.array(p) == max(p))].mean())
    low, high = inversion.invert(lambda effect: conformal_test(data, effect).p, centre, fit.pre_rmspe, 1.0 - confidence)
    return centre, low, high


@programs.jit
def _residuals(series: jax.Array, pool: jax.Array) -> jax.Array:
    return fit_weights(series, pool, jnp.ones(pool.shape[0], jnp.float64), jnp.ones_like(series))[1]


@programs.jit(static_argnames=("n_draws", "start"))
def _permuted(key: jax.Array, power: jax.Array, *, n_draws: int, start: int) -> jax.Array:
    def draw(index: jax.Array) -> jax.Array:
        return jax.random.permutation(jax.random.fold_in(key, index), power)[start:].sum()

    return jnp.asarray(draws.each(draw, n_draws, power.size))


def p_of_period(
    series: jax.Array, pool: jax.Array, kept: jax.Array, t: jax.Array, effect: jax.Array, start: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """P-value of one effect in one period; the kernel of the intervals.

    Args:
        series: `[T]`.
        pool: `[J, T]`.
        kept: `[T]` 1 for the periods that are used, among them t.
        t: Index of the period.
        effect: Hypothesis.
        start: `[J]` weights under a similar hypothesis, to start from; None: as for `simplex.exact`.

    Returns:
        P-value, and weights `[J]` under this hypothesis.
    """
    adjusted = series - effect * (jnp.arange(series.shape[0]) == t).astype(series.dtype)
    weights, gap, _ = fit_weights(adjusted, pool, jnp.ones(pool.shape[0], pool.dtype), kept, start)
    size = jnp.abs(gap)
    return ((size >= size[t] * (1.0 - _TIE)).astype(series.dtype) * kept).sum() / kept.sum(), weights


@programs.jit
def _intervals(
    series: jax.Array, pool: jax.Array, pre: jax.Array, after: jax.Array, level: jax.Array
) -> tuple[jax.Array, ...]:
    weights, gap, _ = fit_weights(series, pool, jnp.ones(pool.shape[0], pool.dtype), pre)
    width = jnp.sqrt((jnp.square(gap) * pre).sum() / pre.sum()) + 1e-9 * jnp.abs(series).max()

    def of_period(t: jax.Array) -> tuple[jax.Array, ...]:
        kept = jnp.where(jnp.arange(series.shape[0]) == t, 1.0, pre)

        # Each fit starts from the weights of the hypothesis before, which is near: a third of the time.
        def accepted(effect: jax.Array, near: jax.Array) -> tuple[jax.Array, jax.Array]:
            p, weights = p_of_period(series, pool, kept, t, effect, near)
            return p > level * (1.0 + _TIE), weights

        def end(sign: jax.Array) -> jax.Array:
            def inside(state: Search) -> jax.Array:
                return state[2] & (state[1] < _DOUBLINGS)

            def double(state: Search) -> Search:
                outer = 2.0 * state[0]
                return outer, state[1] + 1, *accepted(gap[t] + sign * outer, state[3])

            begin = width, jnp.zeros((), jnp.int64), *accepted(gap[t] + sign * width, weights)
            outer, doublings, _, near = jax.lax.while_loop(inside, double, begin)

            def halve(
                _: jax.Array, bracket: tuple[jax.Array, jax.Array, jax.Array]
            ) -> tuple[jax.Array, jax.Array, jax.Array]:
                middle = 0.5 * (bracket[0] + bracket[1])
                is_inside, near = accepted(gap[t] + sign * middle, bracket[2])
                return jnp.where(is_inside, middle, bracket[0]), jnp.where(is_inside, bracket[1], middle), near

            first = jnp.where(doublings > 0, outer / 2.0, 0.0), outer, near
            low, high, _ = jax.lax.fori_loop(0, _HALVINGS, halve, first)
            return jnp.where(doublings == _DOUBLINGS, sign * jnp.inf, gap[t] + sign * 0.5 * (low + high))

        ends, p_zero = programs.in_turn(
            lambda: jax.vmap(end)(jnp.asarray([-1.0, 1.0], jnp.float64)),
            lambda: p_of_period(series, pool, kept, t, jnp.zeros((), series.dtype), weights)[0],
        )
        return gap[t], ends[0], ends[1], p_zero

    return jax.vmap(of_period)(after)
