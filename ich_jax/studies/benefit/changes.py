"""Tests that treated and untreated units changed alike: drawn reassignments, and one program for many panels.

All of them look at one number per unit, its mean after minus its mean before the launch, so that they cost little and
thousands of simulated panels can go through every one of them.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from ich_jax.studies.benefit.counts import Sizes
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array

_DRAWS = 999  # reassignments, signs or weights inside each simulated panel, where there are more
_TIE = 1.0 - 1e-10  # sums that are equal in exact arithmetic may differ by rounding
_ZERO = 1e-300  # keeps a ratio finite where a group has no spread


class Draws(NamedTuple):
    """Reassignments of U = n1 + n0 units, the treated first; B differs between fields.

    Attributes:
        assigned: `[B, U]` indicators of the treated, the data's own among them.
        placebo: `[B, n0]` counts of each untreated unit in n1 draws with replacement.
        flips: `[B, n1]` signs of the treated units' effects, the data's own first.
        wild: `[B, U]` signs of all units, the data's own first.
    """

    assigned: Any
    placebo: Any
    flips: Any
    wild: Any


class Changes(NamedTuple):
    """The data of a test of changes.

    Attributes:
        change: `[U]` mean after minus mean before the launch; the treated units first.
        n1: Treated units, fixed when compiled.
        draws: From `reassignments`.
    """

    change: jax.Array
    n1: int
    draws: Draws

    @property
    def treated(self) -> jax.Array:
        """`[n1]` changes of the treated units."""
        return self.change[: self.n1]

    @property
    def control(self) -> jax.Array:
        """`[n0]` changes of the others."""
        return self.change[self.n1 :]

    @property
    def effect(self) -> jax.Array:
        """Difference-in-differences."""
        return self.treated.mean() - self.control.mean()


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeTest:
    """The simulation of a test of changes.

    Attributes:
        column: Its column in simulated rejections; columns of stored results keep their places, new ones come last.
        kernel: t or p-value of one panel; pure, float64, for `jit` and `vmap`.
        smallest_p: The least p that it can give with these draws; 0 for a test by t.
        df: Degrees of freedom of t; None: the kernel gives a p-value.
    """

    column: int
    kernel: Callable[[Changes], jax.Array]
    smallest_p: Callable[[Draws, Sizes], float]
    df: Callable[[Sizes], int] | None = None


# ---------------------------------------------------------------- kernels


def pooled_t(data: Changes) -> jax.Array:
    """Student's t of a difference of two means of equal variance.

    Args:
        data: Changes.
    """
    treated, control, units = data.treated, data.control, data.change.shape[0]
    squares = jnp.square(treated - treated.mean()).sum() + jnp.square(control - control.mean()).sum()
    variance = squares / (units - 2.0) * (1.0 / data.n1 + 1.0 / control.shape[0])
    return data.effect / jnp.sqrt(jnp.maximum(variance, _ZERO))


def clustered_t(data: Changes) -> jax.Array:
    """Student's t with errors clustered by unit (CRV1).

    Args:
        data: Changes.
    """
    units = data.change.shape[0]
    factor = ((units - 1.0) / units * (units - 2.0) / (units - 1.0)) ** 0.5  # G / (G - 1) and (N - 1) / (N - K)
    return _robust_t(data, data.change[None, :])[0] * factor


def randomisation_p(data: Changes) -> jax.Array:
    """P-value of permuting the launch among units.

    Args:
        data: Changes.
    """
    inside, n0 = data.draws.assigned @ data.change, data.control.shape[0]
    return _tail(inside / data.n1 - (data.change.sum() - inside) / n0, data.effect)


def sign_flips_p(data: Changes) -> jax.Array:
    """P-value of flipping the signs of the treated units' effects.

    Args:
        data: Changes.
    """
    return _tail(data.draws.flips @ (data.treated - data.control.mean()) / data.n1, data.effect)


def conley_taber_p(data: Changes) -> jax.Array:
    """P-value among draws of untreated units.

    Args:
        data: Changes.
    """
    return _tail(data.draws.placebo @ (data.control - data.control.mean()) / data.n1, data.effect, 1.0)


def wild_p(data: Changes) -> jax.Array:
    """P-value of the restricted wild cluster bootstrap with signs.

    Args:
        data: Changes.
    """
    restricted = data.draws.wild * (data.change - data.change.mean())[None, :]
    return _tail(_robust_t(data, restricted), _robust_t(data, data.change[None, :])[0])


def _tail(values: jax.Array, observed: jax.Array, extra: float = 0.0) -> jax.Array:
    """Share of values that are at least as large; `extra` counts the observed one where it is not among them."""
    hits = (jnp.abs(values) >= jnp.abs(observed) * _TIE).sum().astype(observed.dtype)
    return (hits + extra) / (values.shape[0] + extra)


def _robust_t(data: Changes, rows: jax.Array) -> jax.Array:
    """`[B]` of rows `[B, U]`, up to the factor of small samples.

    Of a difference of two means, the error clustered by unit weighs squares by 1 / n^2 of their group.
    """
    n1, units = data.n1, data.change.shape[0]
    treated = jnp.arange(units) < n1
    share = jnp.where(treated, 1.0 / n1**2, 1.0 / (units - n1) ** 2).astype(data.change.dtype)
    first, second = rows[:, :n1].mean(axis=1), rows[:, n1:].mean(axis=1)
    left = rows - jnp.where(treated[None, :], first[:, None], second[:, None])
    return (first - second) / jnp.sqrt(jnp.maximum(jnp.square(left) @ share, _ZERO))


# ---------------------------------------------------------------- all tests at once


def statistics(change: jax.Array, reassigned: Draws, tests: tuple[ChangeTest, ...], *, n1: int) -> jax.Array:
    """Values t or p of every test; a kernel: pure, float64, for `jit` and `vmap`.

    Args:
        change: `[U]` mean after minus mean before the launch; the n1 treated units first.
        reassigned: From `reassignments`.
        tests: M tests, fixed when compiled.
        n1: Treated units, fixed when compiled.

    Returns:
        `[M]`.

    Raises:
        DataError: The changes are not float64.
    """
    data = Changes(float64.kernel_array(change, "statistics: change"), n1, reassigned)
    return jnp.stack([test.kernel(data) for test in tests])


def rejections(values: jax.Array, tests: tuple[ChangeTest, ...], limits: jax.Array, alpha: jax.Array) -> jax.Array:
    """Which tests reject; a kernel.

    Args:
        values: `[M]` from `statistics`.
        tests: M tests, fixed when compiled.
        limits: `[M]` of |t|, from `quantiles`; not read where a test gives p-values.
        alpha: Level of the p-values.

    Returns:
        `[M]` bool.
    """
    by_t = np.array([test.df is not None for test in tests])
    return jnp.where(by_t, jnp.abs(values) > limits, values <= alpha * (1.0 + 1e-10))


def quantiles(tests: tuple[ChangeTest, ...], sizes: Sizes, alpha: float) -> Array:
    """`[M]` two-sided quantiles of t; nan where a test gives p-values.

    Args:
        tests: M tests.
        sizes: Sizes of the design.
        alpha: Level.
    """
    return np.array([math.nan if t.df is None else stats.t.isf(alpha / 2.0, t.df(sizes)) for t in tests])


@programs.jit(static_argnames=("tests", "n1", "total", "n_draws"))
def simulate(
    key: jax.Array,
    drawn_from: tuple[Any, Any, Any, Any, Any],
    reassigned: Draws,
    limits: jax.Array,
    alpha: jax.Array,
    grid: jax.Array,
    *,
    tests: tuple[ChangeTest, ...],
    n1: int,
    total: int,
    n_draws: int,
) -> tuple[jax.Array, jax.Array]:
    """Panels of blocks of periods before the launch, the same for all units, and of shuffled units; a program.

    Args:
        key: Random key.
        drawn_from: Residuals `[U, T]` and which of them are observed, of which the first `before` columns are used;
            `before`; the first period after the launch; the length of blocks.
        reassigned: From `reassignments`.
        limits: `[M]` from `quantiles`.
        alpha: Level.
        grid: `[E]` effects that are added, in standard deviations of the effects without one.
        tests: M tests.
        n1: Treated units.
        total: Periods of a panel.
        n_draws: Panels S.

    Returns:
        Estimated effects `[S]` in panels without an effect; rejections `[S, E, M]` of each test under each effect.
    """
    units = drawn_from[0].shape[0]
    treated = (jnp.arange(units) < n1).astype(jnp.float64)

    def effect_and_change(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        c = _drawn_changes(jax.random.fold_in(key, index), drawn_from, total)
        return c[:n1].mean() - c[n1:].mean(), c

    effects, c = draws.each(effect_and_change, n_draws, units * total)
    error = jnp.std(effects, ddof=1)

    def over_grid(index: jax.Array) -> jax.Array:
        def rejected(size: jax.Array) -> jax.Array:
            moved = c[index] + size * error * treated
            return rejections(statistics(moved, reassigned, tests, n1=n1), tests, limits, alpha)

        return jax.vmap(rejected)(grid)

    work = grid.shape[0] * units * (reassigned.assigned.shape[0] + reassigned.wild.shape[0])
    return effects, draws.each(over_grid, n_draws, work).astype(jnp.float64)


def _drawn_changes(key: jax.Array, drawn_from: tuple[Any, Any, Any, Any, Any], total: int) -> jax.Array:
    """`[U]` changes in a simulated panel."""
    residuals, observed, before, launch, block = drawn_from
    time = jnp.arange(total)
    after = (time >= launch).astype(jnp.float64)
    of_units, of_time = jax.random.split(key)
    shuffled = jax.random.permutation(of_units, residuals.shape[0])
    first = jax.random.randint(of_time, (total,), 0, before)  # of each block; most are not needed
    period = (first[time // block] + time % block) % before
    y, there = residuals[shuffled][:, period], observed[shuffled][:, period]

    def mean(when: jax.Array) -> jax.Array:
        weight = there * when[None, :]
        return (y * weight).sum(axis=1) / jnp.maximum(weight.sum(axis=1), 1.0)

    return mean(after) - mean(1.0 - after)


# ---------------------------------------------------------------- reassignments


def reassignments(n1: int, n0: int) -> Draws:
    """All reassignments, draws of untreated units and signs, or 999 of them where there are more, always the same ones.

    Args:
        n1: Treated units; they come first.
        n0: Untreated units.
    """
    rng = np.random.default_rng(0)
    assigned, exact = _subsets(n1 + n0, n1, rng)
    if not exact:
        assigned = np.vstack([np.arange(n1 + n0) < n1, assigned])
    return Draws(assigned, _tuples(n0, n1, rng), _signs(n1, rng), _signs(n1 + n0, rng))


def _subsets(n: int, k: int, rng: np.random.Generator) -> tuple[Array, bool]:
    """`[B, n]` all sets of k among n in lexicographic order, or 999 at random."""
    exact = math.comb(n, k) <= _DRAWS
    if exact:
        rows = np.array(list(itertools.combinations(range(n), k)))
    else:
        rows = np.argsort(rng.uniform(size=(_DRAWS, n)), axis=1)[:, :k]
    chosen = np.zeros((len(rows), n))
    np.put_along_axis(chosen, rows, 1.0, axis=1)
    return chosen, exact


def _tuples(n: int, k: int, rng: np.random.Generator) -> Array:
    """`[B, n]` counts of n units in all n^k draws of k with replacement, or in 999; none if k is not below n."""
    if k >= n:
        return np.zeros((0, n))
    rows = np.indices((n,) * k).reshape(k, -1).T if n**k <= _DRAWS else rng.integers(0, n, (_DRAWS, k))
    return np.asarray((rows[:, :, None] == np.arange(n)).sum(axis=1), np.float64)


def _signs(n: int, rng: np.random.Generator) -> Array:
    """`[B, n]` all sign vectors, or the one without a flip and 999 at random."""
    if 2**n <= _DRAWS + 1:
        return np.asarray(1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1))
    return np.vstack([np.ones(n), rng.choice([-1.0, 1.0], size=(_DRAWS, n))])
