"""Tests that refit weights, as kernels: their findings are simulated, panel by panel, before any result.

Placebo, leave-two-out and conformal tests of a synthetic control, and synthetic difference-in-differences with its
standard errors. A constant effect after the launch moves neither unit nor time weights that are fitted before it, so
that one fit serves all effects that are tried; only the conformal tests, which fit after the launch too, are refitted.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import types
from ich_jax.econometrics.synthetic import conformal, rmspe, sdid
from ich_jax.econometrics.synthetic.control import fit_weights
from ich_jax.uncertainty import draws, float64, programs

_TIE = 1.0 - 1e-10


class Simulator(NamedTuple):
    """Source of simulated panels: blocks of periods before the launch, units shuffled.

    Attributes:
        series: `[U, T]` outcomes without period effects, of which the first `before` periods are used; the rest is
            there so that products with other launches share one program.
        before: Periods before the launch that are drawn from.
        start: Index of the first period after the launch, in the simulated panel.
        block: Length of the blocks.
    """

    series: types.Array
    before: int | jax.Array
    start: int | jax.Array
    block: int | jax.Array


class Pool(NamedTuple):
    """One panel in the form of a test that fits weights.

    Attributes:
        series: `[J + 1, T]`, the treated series first.
        start: Index of the first period after the launch.
    """

    series: jax.Array
    start: int | jax.Array

    @property
    def pre(self) -> jax.Array:
        """`[T]` 1 before the launch."""
        return (jnp.arange(self.series.shape[1]) < self.start).astype(jnp.float64)


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesTest:
    """The simulation of a test of one treated series whose weights are refitted in every panel.

    Attributes:
        kernel: P-values `[E]` under effects `[E]` on the treated series; pure, float64, for `jit` and `vmap`.
        fits: Weights that it fits, given units, donors and E: what decides how many panels are worked on at once.
        one_period: Whether the effects that are tried are in the first period after the launch alone.
        size_study: Whether the study of test sizes has it.
        costly: Whether it has fewer panels there.
    """

    kernel: Callable[[Pool, jax.Array], jax.Array]
    fits: Callable[[int, int, int], int]
    one_period: bool = False
    size_study: bool = False
    costly: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorTest:
    """The simulation of a method with a standard error and normal quantiles.

    Attributes:
        kernel: `sdid_errors` or another function of the same arguments: effect, and standard errors by several kinds.
            Methods that share it are computed together.
        kind: Index of the method's kind of error.
    """

    kernel: Callable[..., tuple[jax.Array, jax.Array]]
    kind: int


def ratios(
    pool: jax.Array, targets: jax.Array, allowed: jax.Array, pre: jax.Array, effects: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Post over pre RMSPE of synthetic controls, under effects on the first unit; a kernel.

    Args:
        pool: `[J + 1, T]`, the treated series first.
        targets: `[F]` index of the unit that each fit is for.
        allowed: `[F, J + 1]` its donors; the treated unit is never a donor.
        pre: `[T]` 1 before the launch.
        effects: `[E]` added to the treated series after the launch.

    Returns:
        `[F, E]` ratios, alike over E unless the target is the treated unit; and `[F, T]` gaps without effects.
    """

    def ratio_and_gap(k: jax.Array, donors: jax.Array) -> tuple[jax.Array, jax.Array]:
        gap = fit_weights(pool[k], pool, donors, pre)[1]
        moved = gap[None, :] + jnp.where(k == 0, effects, 0.0)[:, None] * (1.0 - pre)[None, :]
        after = (jnp.square(moved) * (1.0 - pre)[None, :]).sum(axis=1) / (1.0 - pre).sum()
        before = (jnp.square(gap) * pre).sum() / pre.sum()
        return rmspe.ratio(before, after, jnp.abs(pool[k]).max()), gap

    ratio, gaps = jax.vmap(ratio_and_gap)(targets, allowed)
    return ratio, gaps


def placebo_p(pool: jax.Array, pre: jax.Array, effects: jax.Array) -> jax.Array:
    """P-values `[E]` of the placebo test in space (`synthetic_control.placebo_in_space`); a kernel.

    Args:
        pool: `[J + 1, T]`, the treated series first.
        pre: `[T]` 1 before the launch.
        effects: `[E]` added to the treated series after the launch.
    """
    n = pool.shape[0]
    allowed = (1.0 - jnp.eye(n, dtype=pool.dtype)).at[:, 0].set(0.0)
    ratio = ratios(pool, jnp.arange(n), allowed, pre, effects)[0]
    return (ratio >= ratio[:1] * (1.0 - 1e-12)).mean(axis=0, dtype=pool.dtype)


def pairs_p(
    pool: jax.Array, pre: jax.Array, effects: jax.Array, first: npt.NDArray[Any], second: npt.NDArray[Any]
) -> jax.Array:
    """P-values `[E]` of the leave-two-out test (`synthetic_control.leave_two_out`); a kernel.

    Without three donors there is no pair to leave out beside a donor, and p is 1.

    Args:
        pool: `[J + 1, T]`, the treated series first.
        pre: `[T]` 1 before the launch.
        effects: `[E]` added to the treated series after the launch.
        first: `[P]` first donor of each pair, from 0, fixed when compiled.
        second: `[P]` second donor.
    """
    pairs = len(first)
    if pool.shape[0] < 4:
        return jnp.ones_like(effects)
    allowed = np.ones((pairs, pool.shape[0]))
    allowed[:, 0] = 0.0
    allowed[np.arange(pairs), first + 1] = allowed[np.arange(pairs), second + 1] = 0.0
    targets = np.concatenate([np.zeros(pairs, np.int64), first + 1, second + 1])
    donors = jnp.asarray(np.tile(allowed, (3, 1)), pool.dtype)
    treated, a, b = ratios(pool, jnp.asarray(targets), donors, pre, effects)[0].reshape(3, pairs, -1)
    return (treated <= jnp.maximum(a, b)).mean(axis=0, dtype=pool.dtype)


def trajectory_p(pool: jax.Array, start: jax.Array, effects: jax.Array) -> jax.Array:
    """P-values `[E]` of the conformal test that shifts blocks (`conformal.conformal_test`, q = 1); a kernel.

    Args:
        pool: `[J + 1, T]`, the treated series first.
        start: Index of the first period after the launch.
        effects: `[E]` added to the treated series after the launch; the hypothesis is none.
    """
    periods = pool.shape[1]
    time = jnp.arange(periods)
    everywhere = jnp.ones(periods, pool.dtype)
    donors = jnp.ones(pool.shape[0], pool.dtype).at[0].set(0.0)

    def p_value(effect: jax.Array) -> jax.Array:
        series = pool[0] + effect * (time >= start).astype(pool.dtype)
        size = jnp.abs(fit_weights(series, pool, donors, everywhere)[1])
        # Sums over all circular windows as long as the time after the launch; the data's own begins there.
        total = jnp.concatenate([jnp.zeros(1, pool.dtype), jnp.cumsum(jnp.concatenate([size, size]))])
        window = total[periods - start + time] - total[time]
        return (window >= window[start] * _TIE).mean(dtype=pool.dtype)

    return jax.vmap(p_value)(effects)


def period_p(pool: jax.Array, start: jax.Array, effects: jax.Array) -> jax.Array:
    """P-values `[E]` of the conformal test of the first period after the launch (`conformal.p_of_period`); a kernel.

    Args:
        pool: `[J + 1, T]`, the treated series first.
        start: Index of that period.
        effects: `[E]` added to the treated series in it; the hypothesis is none.
    """
    kept = (jnp.arange(pool.shape[1]) <= start).astype(pool.dtype)

    def p_value(effect: jax.Array) -> jax.Array:
        return conformal.p_of_period(pool[0], pool[1:], kept, start, -effect, None)[0]

    return jax.vmap(p_value)(effects)


def sdid_errors(
    outcome: jax.Array, key: jax.Array, *, n1: int, t0: int, n_placebos: int
) -> tuple[jax.Array, jax.Array]:
    """Effect and standard errors of synthetic difference-in-differences; a kernel.

    Args:
        outcome: `[U, T]`, the n1 treated units first.
        key: Random key of the placebos.
        n1: Treated units, fixed when compiled.
        t0: Periods before the launch, fixed when compiled.
        n_placebos: Placebos, fixed when compiled.

    Returns:
        The effect; errors `[2]` by placebos and jackknife, inf where the design does not allow one.
    """
    y = jnp.concatenate([outcome[n1:], outcome[:n1]])
    n0 = y.shape[0] - n1
    control = (jnp.arange(y.shape[0]) < n0).astype(y.dtype)
    noise = jnp.std(jnp.diff(y[:n0, :t0], axis=1), ddof=1)
    penalties = sdid.Penalties((n1 * (y.shape[1] - t0)) ** 0.25 * noise, 1e-6 * noise, jnp.square(1e-5 * noise))
    options: dict[str, Any] = {"t0": t0, "method": "sdid", "solver": "exact"}
    fit = sdid.weighted_did(y, control, 1.0 - control, control / n0, penalties, **options)
    infinite = jnp.asarray(jnp.inf, y.dtype)
    placebo = jackknife = infinite
    if n0 > n1:
        estimates = sdid.placebo_effects(y, fit.unit, penalties, key, n0=n0, n_resamples=n_placebos, **options)
        placebo = jnp.std(estimates)
    if n1 > 1:
        estimates = sdid.jackknife_effects(y, fit.unit, fit.time, n0=n0, t0=t0)
        jackknife = (len(estimates) - 1) * jnp.std(estimates, ddof=1) / len(estimates) ** 0.5
    return fit.effect, jnp.stack([placebo, jackknife])


def simulate(
    simulator: Simulator,
    key: jax.Array,
    effects: npt.ArrayLike,
    tests: tuple[SeriesTest, ...],
    *,
    n1: int,
    periods: int,
    alpha: float,
    n: int,
) -> float64.Array:
    """Shares of simulated panels in which tests of the mean of the treated units reject.

    Args:
        simulator: Source of the panels.
        key: Random key.
        effects: `[E]` that are tried, in units of the outcome; in a single period, effects that are sqrt(T1) times as
            large (`in_one_period`).
        tests: M tests.
        n1: Treated units; their mean is the treated series.
        periods: Periods T of a simulated panel.
        alpha: Level.
        n: Simulated panels.

    Returns:
        `[E, M]`.
    """
    with float64.enabled():
        rejected = _simulated_tests(
            simulator, key, np.asarray(effects), alpha, tests=tests, n1=n1, periods=periods, n=n
        )
        return np.asarray(rejected).mean(axis=0)


def in_one_period(effects: types.ArrayT, after: Any) -> types.ArrayT:
    """Effects to try in one period, given those to try in the mean of `after` periods, which varies so much less."""
    return effects * after**0.5


def simulate_errors(
    simulator: Simulator,
    key: jax.Array,
    effects: npt.ArrayLike,
    quantile: float,
    kernel: Callable[..., tuple[jax.Array, jax.Array]],
    *,
    n1: int,
    periods: int,
    t0: int,
    n: int,
    n_placebos: int,
) -> float64.Array:
    """Shares `[E, K]` of simulated panels in which an effect over its standard error rejects, by kind of error.

    Args:
        simulator: Source of the panels.
        key: Random key.
        effects: `[E]` that are tried, in units of the outcome.
        quantile: Of the normal distribution.
        kernel: As in `ErrorTest`.
        n1: Treated units.
        periods: Periods of a simulated panel.
        t0: Periods before the launch.
        n: Simulated panels.
        n_placebos: Placebos in each of them.
    """
    sizes = {"n1": n1, "periods": periods, "t0": t0, "n": n, "n_placebos": n_placebos}
    with float64.enabled():
        effect, error = _simulated_errors(simulator, key, kernel=kernel, **sizes)
        moved = np.abs(np.asarray(effect)[:, None] + np.asarray(effects))[:, :, None]
        return np.asarray((moved > quantile * np.asarray(error)[:, None, :]).mean(axis=0))


def _panel(simulator: Simulator, key: jax.Array, periods: int) -> jax.Array:
    """`[U, T]` of shuffled units and drawn blocks."""
    units, before = simulator.series.shape[0], simulator.before
    of_units, of_time = jax.random.split(key)
    shuffled = jax.random.permutation(of_units, units)
    time = jnp.arange(periods)
    first = jax.random.randint(of_time, (periods,), 0, before)  # of each block; most are not needed
    period = (first[time // simulator.block] + time % simulator.block) % before
    return jnp.asarray(simulator.series[shuffled][:, period])


@programs.jit(static_argnames=("tests", "n1", "periods", "n"))
def _simulated_tests(
    simulator: Simulator,
    key: jax.Array,
    effects: jax.Array,
    alpha: jax.Array,
    *,
    tests: tuple[SeriesTest, ...],
    n1: int,
    periods: int,
    n: int,
) -> jax.Array:
    units = simulator.series.shape[0]

    def rejected(index: jax.Array) -> jax.Array:
        y = _panel(simulator, jax.random.fold_in(key, index), periods)
        pool = Pool(jnp.concatenate([y[:n1].mean(axis=0, keepdims=True), y[n1:]]), simulator.start)

        def p_values(test: SeriesTest) -> Callable[[], jax.Array]:
            tried = in_one_period(effects, periods - simulator.start) if test.one_period else effects
            return lambda: test.kernel(pool, tried)

        p = jnp.stack(programs.in_turn(*(p_values(test) for test in tests)), axis=-1)
        return (p <= alpha * (1.0 + 1e-10)).astype(jnp.float64)

    fits = sum(test.fits(units, units - n1, effects.shape[0]) for test in tests)
    return jnp.asarray(draws.each(rejected, n, fits * (units**2 + effects.shape[0] * periods)))


@programs.jit(static_argnames=("kernel", "n1", "periods", "t0", "n", "n_placebos"))
def _simulated_errors(
    simulator: Simulator,
    key: jax.Array,
    *,
    kernel: Callable[..., tuple[jax.Array, jax.Array]],
    n1: int,
    periods: int,
    t0: int,
    n: int,
    n_placebos: int,
) -> tuple[jax.Array, jax.Array]:
    def effect_and_errors(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        of_panel, of_placebos = jax.random.split(jax.random.fold_in(key, index))
        y = _panel(simulator, of_panel, periods)
        return kernel(y, of_placebos, n1=n1, t0=t0, n_placebos=n_placebos)

    effects, errors = draws.each(effect_and_errors, n, n_placebos * (simulator.series.size + t0**2))
    return effects, errors
