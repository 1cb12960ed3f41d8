"""Nominal against actual rejection of the tests, over thousands of simulated panels.

Each panel goes through every test at once. Units are independent AR(1) series with a shock that all share; there is no
effect unless the caller asks for one. Sizes of interest are those of four treated product lines.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.studies.benefit import changes
from ich_jax.studies.benefit.counts import Sizes
from ich_jax.studies.benefit.methods.table import BY_NAME, CHANGES, REFITTED
from ich_jax.studies.benefit.refits import Pool, SeriesTest
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array

_SERIES = {name: test for name, test in REFITTED.items() if test.size_study and not test.costly}
_COSTLY = {name: test for name, test in REFITTED.items() if test.size_study and test.costly}
METHODS = (*CHANGES, *_SERIES, *_COSTLY)
"""Tests of changes, then tests of the first treated unit, those with fewer panels last."""

_TESTS, _SERIES_TESTS, _COSTLY_TESTS = tuple(CHANGES.values()), tuple(_SERIES.values()), tuple(_COSTLY.values())


@dataclasses.dataclass(frozen=True, slots=True)
class SizeStudy:
    """Rejections in R scenarios by M methods.

    Attributes:
        methods: M names, `METHODS`.
        autocorrelation: `[R]`.
        controls: `[R]` untreated units.
        periods: `[R]`.
        rejected: `[R, M]` share of panels in which p is at most `alpha`.
        error: `[R, M]` Monte Carlo standard error of that share.
        smallest_p: `[R, M]` least p that the method can give there (0: no bound); above `alpha` it never rejects.
        alpha: Nominal level.
        treated: Treated units.
        effect: Effect that was added, in standard deviations of a day.
        n_panels: Simulated panels of each scenario.
        n_pairs: The same for tests that are costly: leave-two-out.
    """

    methods: tuple[str, ...]
    autocorrelation: Array
    controls: npt.NDArray[np.int64]
    periods: npt.NDArray[np.int64]
    rejected: Array
    error: Array
    smallest_p: Array
    alpha: float
    treated: int
    effect: float
    n_panels: int
    n_pairs: int


# More than 60 lines, a third of which describe arguments.
def size_study(
    key: jax.Array,
    *,
    autocorrelation: Sequence[float] = (0.0, 0.4, 0.8),
    controls: Sequence[int] = (4, 8, 20),
    periods: Sequence[int] = (60, 180, 365),
    treated: int = 4,
    effect: float = 0.0,
    alpha: float = 0.05,
    n_panels: int = 1000,
    n_pairs: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> SizeStudy:
    """Simulates every combination and counts rejections.

    The launch is in the middle. Randomisation, sign flips, Conley-Taber and the wild bootstrap (null imposed, signs)
    test the units' changes, which in a panel without gaps and with one launch is the two-way fixed-effects regression;
    up to 999 reassignments or signs are enumerated, else as many are drawn. The conformal test shifts blocks.

    Args:
        key: Random key; panels of one scenario do not depend on the other scenarios.
        autocorrelation: Of the daily errors, each inside (-1, 1).
        controls: Numbers of untreated units, each at least 2.
        periods: Numbers of periods, each at least 8.
        treated: Treated units.
        effect: Constant effect, in standard deviations of a day; 0 for size, above for power.
        alpha: Nominal level.
        n_panels: Panels of each scenario.
        n_pairs: Number of them for leave-two-out, which fits three weights for each pair of controls.
        progress: Called with the numbers of finished and of all scenarios.

    Raises:
        ConfigError: A value outside these ranges.

    References:
        MacKinnon and Webb (2020), Randomization inference for difference-in-differences with few treated clusters, for
        the design of such studies.
    """
    numbers: dict[str, Any] = {"treated": treated, "effect": effect, "alpha": alpha}
    _check(autocorrelation, controls, periods, **numbers, n_panels=n_panels, n_pairs=n_pairs)
    scenarios = [(rho, n0, t) for n0 in controls for t in periods for rho in autocorrelation]
    rejected, smallest = [], []
    for done, (rho, n0, t) in enumerate(scenarios):
        sizes = Sizes(treated, n0, t // 2, t - t // 2, (treated,))
        drawn, limits = changes.reassignments(treated, n0), changes.quantiles(_TESTS, sizes, alpha)
        options = {"n1": treated, "n0": n0, "periods": t}
        with float64.enabled():
            shares = [
                np.asarray(_study(key, drawn, limits, rho, effect, alpha, n_panels=int(n_panels), **options)),
                np.asarray(_costly(key, rho, effect, alpha, n_panels=int(n_pairs), **options)),
            ]
        rejected.append(np.concatenate(shares))
        smallest.append(_smallest(drawn, sizes, alpha))
        if progress is not None:
            progress(done + 1, len(scenarios))
    share = np.stack(rejected)
    rhos, counts, lengths = zip(*scenarios, strict=True)
    return SizeStudy(
        methods=METHODS,
        autocorrelation=np.array(rhos, np.float64),
        controls=np.array(counts, np.int64),
        periods=np.array(lengths, np.int64),
        rejected=share,
        error=np.sqrt(share * (1.0 - share) / _panels(n_panels, n_pairs)),
        smallest_p=np.stack(smallest),
        alpha=alpha,
        treated=treated,
        effect=effect,
        n_panels=int(n_panels),
        n_pairs=int(n_pairs),
    )


def _check(
    autocorrelation: Sequence[float],
    controls: Sequence[int],
    periods: Sequence[int],
    *,
    treated: int,
    effect: float,
    alpha: float,
    n_panels: int,
    n_pairs: int,
) -> None:
    for name, values, good, what in (
        ("autocorrelation", autocorrelation, lambda v: -1.0 < v < 1.0, "numbers inside (-1, 1)"),
        ("controls", controls, lambda v: v == int(v) and v >= 2, "whole numbers from 2"),
        ("periods", periods, lambda v: v == int(v) and v >= 8, "whole numbers from 8"),
        ("treated", (treated,), lambda v: v == int(v) and v >= 1, "a whole number from 1"),
        ("alpha", (alpha,), lambda v: 0.0 < v < 1.0, "a number inside (0, 1)"),
        ("effect", (effect,), math.isfinite, "a finite number"),
        ("n_panels", (n_panels,), lambda v: v == int(v) and v >= 100, "a whole number from 100"),
        ("n_pairs", (n_pairs,), lambda v: v == int(v) and 20 <= v <= n_panels, f"a whole number from 20 to {n_panels}"),
    ):
        bad = [value for value in values if not good(value)]
        if bad or not values:
            raise errors.ConfigError(f"size_study: {name}: got {bad[0] if bad else 'none'!r}; expected {what}.")


def statistics(outcome: jax.Array, drawn: changes.Draws, *, n1: int, start: int) -> jax.Array:
    """All tests of one panel except the costly ones; a kernel: pure, float64, for `jit` and `vmap`.

    Args:
        outcome: `[U, T]`, the n1 treated units first.
        drawn: From `changes.reassignments`.
        n1: Treated units, fixed when compiled.
        start: First treated period, fixed when compiled.

    Returns:
        `[K]` t or p, in the order of `METHODS`.

    Raises:
        DataError: The outcome is not float64.
    """
    y = float64.kernel_array(outcome, "statistics: outcome")
    of_changes = changes.statistics(y[:, start:].mean(axis=1) - y[:, :start].mean(axis=1), drawn, _TESTS, n1=n1)
    return jnp.concatenate([of_changes, _p_values(y, _SERIES_TESTS, n1=n1, start=start)])


def _p_values(outcome: jax.Array, tests: tuple[SeriesTest, ...], *, n1: int, start: int) -> jax.Array:
    """`[K]` of the first treated unit and its donors."""
    pool = Pool(jnp.concatenate([outcome[:1], outcome[n1:]]), jnp.asarray(start))
    none = jnp.zeros(1, outcome.dtype)
    return jnp.stack([test.kernel(pool, none)[0] for test in tests])


def _panels(n_panels: int, n_costly: int) -> npt.NDArray[np.int64]:
    """`[M]` simulated panels of each method."""
    return np.array([n_costly if name in _COSTLY else n_panels for name in METHODS])


def _smallest(drawn: changes.Draws, sizes: Sizes, alpha: float) -> Array:
    """`[M]`, given how many draws there are."""
    by_draws = [test.smallest_p(drawn, sizes) for test in _TESTS]
    counts = [BY_NAME[name].counts for name in METHODS[len(_TESTS) :]]
    return np.array([*by_draws, *(count(sizes, alpha).smallest_p for count in counts if count is not None)])


@programs.jit(static_argnames=("n1", "n0", "periods", "n_panels"))
def _study(
    key: jax.Array,
    drawn: changes.Draws,
    limits: jax.Array,
    rho: jax.Array,
    effect: jax.Array,
    alpha: jax.Array,
    *,
    n1: int,
    n0: int,
    periods: int,
    n_panels: int,
) -> jax.Array:
    """`[K]` share of panels that are rejected."""

    def rejected(index: jax.Array) -> jax.Array:
        y = _panel(jax.random.fold_in(key, index), rho, effect, n1=n1, n0=n0, periods=periods)
        values = statistics(y, drawn, n1=n1, start=periods // 2)
        of_changes = changes.rejections(values[: len(_TESTS)], _TESTS, limits, alpha)
        return jnp.concatenate([of_changes, values[len(_TESTS) :] <= alpha * (1.0 + 1e-10)]).astype(jnp.float64)

    work = max((n0 + 1) ** 2 * periods, (n1 + n0) * drawn.wild.shape[0])
    return jnp.asarray(draws.each(rejected, n_panels, work).mean(axis=0))


@programs.jit(static_argnames=("n1", "n0", "periods", "n_panels"))
def _costly(
    key: jax.Array,
    rho: jax.Array,
    effect: jax.Array,
    alpha: jax.Array,
    *,
    n1: int,
    n0: int,
    periods: int,
    n_panels: int,
) -> jax.Array:
    """`[K]` share of panels that the costly tests reject."""

    def rejected(index: jax.Array) -> jax.Array:
        y = _panel(jax.random.fold_in(key, index), rho, effect, n1=n1, n0=n0, periods=periods)
        p = _p_values(y, _COSTLY_TESTS, n1=n1, start=periods // 2)
        return (p <= alpha * (1.0 + 1e-10)).astype(jnp.float64)

    fits = sum(test.fits(n0 + 1, n0, 1) for test in _COSTLY_TESTS)
    return jnp.asarray(draws.each(rejected, n_panels, fits * ((n0 + 1) ** 2 + periods)).mean(axis=0))


def _panel(key: jax.Array, rho: jax.Array, effect: jax.Array, *, n1: int, n0: int, periods: int) -> jax.Array:
    """`[U, T]` AR(1) series with a shared shock, an effect on the first n1 of them in the second half."""
    start = periods // 2
    treated = (jnp.arange(n1 + n0) < n1)[:, None] & (jnp.arange(periods) >= start)[None, :]
    shocks = jax.random.normal(key, (periods, n1 + n0 + 1), jnp.float64)

    def step(last: jax.Array, shock: jax.Array) -> tuple[jax.Array, jax.Array]:
        now = rho * last + jnp.sqrt(1.0 - rho * rho) * shock
        return now, now

    series = jnp.concatenate([shocks[:1], jax.lax.scan(step, shocks[0], shocks[1:])[1]]).T
    return series[:-1] + series[-1:] + jnp.where(treated, effect, 0.0)
