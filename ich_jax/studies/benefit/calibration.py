"""Do the tests hold their level: nominal against actual rejection, over thousands of simulated panels.

Each panel goes through every test at once. Units are independent AR(1) series with a shock that all share; there is no
effect unless one is asked for. Sizes of interest are those of four treated product lines.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.studies.benefit import audit, refits
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array

METHODS = (*audit.SIMULATED, refits.PLACEBO, refits.TRAJECTORY, refits.PAIRS)


@dataclasses.dataclass(frozen=True, slots=True)
class SizeStudy:
    """Rejections in R designs by M methods.

    Attributes:
        methods: M names; the last three are about the first treated unit alone.
        autocorrelation: `[R]`.
        controls: `[R]` untreated units.
        periods: `[R]`.
        rejected: `[R, M]` share of panels in which p is at most `alpha`.
        error: `[R, M]` Monte Carlo standard error of that share.
        smallest_p: `[R, M]` least p that the method can give there (0: no bound); above `alpha` it never rejects.
        alpha: Nominal level.
        treated: Treated units.
        effect: Effect that was added, in standard deviations of a day.
        n_panels: Simulated panels of each design.
        n_pairs: The same for leave-two-out.
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
        key: Random key; panels of one design do not depend on the other designs.
        autocorrelation: Of the daily errors, each inside (-1, 1).
        controls: Numbers of untreated units, each at least 2.
        periods: Numbers of periods, each at least 8.
        treated: Treated units.
        effect: Constant effect, in standard deviations of a day; 0 for size, above for power.
        alpha: Nominal level.
        n_panels: Panels of each design.
        n_pairs: The first so many of them for leave-two-out, which fits three weights for each pair of controls.
        progress: Called with the designs that are done and their number.

    Raises:
        ConfigError: A value outside these ranges.

    References:
        MacKinnon and Webb (2020), Randomization inference for difference-in-differences with few treated clusters, for
        the design of such studies.
    """
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
    designs = [(rho, n0, t) for n0 in controls for t in periods for rho in autocorrelation]
    rejected, smallest = [], []
    for done, (rho, n0, t) in enumerate(designs):
        reassignments = audit.reassignments(treated, n0)
        quantiles = stats.t.isf(alpha / 2.0, [treated + n0 - 2, treated + n0 - 1])
        with float64.enabled():
            sizes = {"n1": treated, "n0": n0, "periods": t}
            found = _study(key, reassignments, quantiles, rho, effect, alpha, n_panels=int(n_panels), **sizes)
            # Without three controls there is no pair to leave out beside a donor.
            pairs = _pairs(key, rho, effect, alpha, n_panels=int(n_pairs), **sizes) if n0 >= 3 else 0.0
            rejected.append(np.append(np.asarray(found), float(pairs)))
        smallest.append(_smallest(reassignments, treated, n0, t))
        if progress is not None:
            progress(done + 1, len(designs))
    share = np.stack(rejected)
    rhos, counts, lengths = zip(*designs, strict=True)
    return SizeStudy(
        methods=METHODS,
        autocorrelation=np.array(rhos, np.float64),
        controls=np.array(counts, np.int64),
        periods=np.array(lengths, np.int64),
        rejected=share,
        error=np.sqrt(share * (1.0 - share) / np.append(np.full(len(METHODS) - 1, n_panels), n_pairs)),
        smallest_p=np.stack(smallest),
        alpha=alpha,
        treated=treated,
        effect=effect,
        n_panels=int(n_panels),
        n_pairs=int(n_pairs),
    )


def tests_of_panel(
    outcome: jax.Array, reassignments: audit.Draws, *, n1: int, start: int
) -> tuple[jax.Array, jax.Array]:
    """All tests of one panel; a kernel: pure, float64, for `jit` and `vmap`.

    Args:
        outcome: `[U, T]`, the n1 treated units first.
        reassignments: From `audit.reassignments`.
        n1: Treated units, fixed when compiled.
        start: First treated period, fixed when compiled.

    Returns:
        t `[2]` and p `[6]`, in the order of `METHODS` without the last.

    Raises:
        DataError: The outcome is not float64.
    """
    y = float64.kernel_array(outcome, "tests_of_panel: outcome")
    t, p = audit.tests_of_changes(y[:, start:].mean(axis=1) - y[:, :start].mean(axis=1), reassignments, n1=n1)
    pool = jnp.concatenate([y[:1], y[n1:]])  # the first treated unit and its donors
    pre = (jnp.arange(y.shape[1]) < start).astype(y.dtype)
    none = jnp.zeros(1, y.dtype)
    p_placebo, p_conformal = (
        refits.placebo_p(pool, pre, none)[0],
        refits.trajectory_p(pool, jnp.asarray(start), none)[0],
    )
    return t, jnp.concatenate([p, jnp.stack([p_placebo, p_conformal])])


def _smallest(reassignments: audit.Draws, n1: int, n0: int, periods: int) -> Array:
    """`[M]`, given how many draws there are."""
    mirrored = 2.0 if n1 == n0 else 1.0
    return np.array(
        [
            0.0,
            0.0,
            mirrored / len(reassignments.assigned),
            min(2.0 / len(reassignments.flips), 1.0),
            1.0 / (1 + len(reassignments.placebo)),
            (2.0 if len(reassignments.wild) == 2 ** (n1 + n0) else 1.0) / len(reassignments.wild),
            1.0 / (n0 + 1),
            1.0 / periods,
            0.0,
        ]
    )


@programs.jit(static_argnames=("n1", "n0", "periods", "n_panels"))
def _study(
    key: Any,
    reassignments: Any,
    quantiles: Any,
    rho: Any,
    effect: Any,
    alpha: Any,
    *,
    n1: int,
    n0: int,
    periods: int,
    n_panels: int,
) -> jax.Array:
    """`[M]` share of panels that are rejected."""
    start = periods // 2

    def one(index: jax.Array) -> jax.Array:
        y = _panel(jax.random.fold_in(key, index), rho, effect, n1=n1, n0=n0, periods=periods)
        t, p = tests_of_panel(y, reassignments, n1=n1, start=start)
        return jnp.concatenate([jnp.abs(t) > quantiles, p <= alpha * (1.0 + 1e-10)]).astype(jnp.float64)

    work = max((n0 + 1) ** 2 * periods, (n1 + n0) * reassignments.wild.shape[0])
    return jnp.asarray(draws.each(one, n_panels, work).mean(axis=0))


@programs.jit(static_argnames=("n1", "n0", "periods", "n_panels"))
def _pairs(key: Any, rho: Any, effect: Any, alpha: Any, *, n1: int, n0: int, periods: int, n_panels: int) -> jax.Array:
    """Share of panels that leave-two-out rejects."""
    first, second = np.triu_indices(n0, 1)
    pre = (jnp.arange(periods) < periods // 2).astype(jnp.float64)

    def one(index: jax.Array) -> jax.Array:
        y = _panel(jax.random.fold_in(key, index), rho, effect, n1=n1, n0=n0, periods=periods)
        pool = jnp.concatenate([y[:1], y[n1:]])
        p = refits.pairs_p(pool, pre, jnp.zeros(1, jnp.float64), first, second)[0]
        return (p <= alpha * (1.0 + 1e-10)).astype(jnp.float64)

    return jnp.asarray(draws.each(one, n_panels, 3 * len(first) * ((n0 + 1) ** 2 + periods)).mean())


def _panel(key: jax.Array, rho: Any, effect: Any, *, n1: int, n0: int, periods: int) -> jax.Array:
    """`[U, T]` AR(1) series with a shared shock, an effect on the first n1 of them in the second half."""
    start = periods // 2
    treated = (jnp.arange(n1 + n0) < n1)[:, None] & (jnp.arange(periods) >= start)[None, :]
    shocks = jax.random.normal(key, (periods, n1 + n0 + 1), jnp.float64)

    def step(last: jax.Array, shock: jax.Array) -> tuple[jax.Array, jax.Array]:
        now = rho * last + jnp.sqrt(1.0 - rho * rho) * shock
        return now, now

    series = jnp.concatenate([shocks[:1], jax.lax.scan(step, shocks[0], shocks[1:])[1]]).T
    return series[:-1] + series[-1:] + jnp.where(treated, effect, 0.0)
