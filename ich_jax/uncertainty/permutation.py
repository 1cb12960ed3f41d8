"""Permutation tests: sign flips of paired differences, reassignment of labels, and any statistic of an assignment.

When the assignments are few enough, all of them are evaluated and the p-value is exact; else they are drawn. Several
outcomes are tested together: each assignment is applied to all of them, and max-T adjusts for their number.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.types import PyTree
from ich_jax.uncertainty import draws, float64, multiplicity, programs
from ich_jax.uncertainty.results import Result

STATISTICS = ("t", "mean")
_ROUNDING = 1e-13  # a difference of two sums of squares below this share of them has no digits left
Assigned = Callable[[jax.Array, Any], jax.Array]  # (assignment [n], data) -> statistics [K]


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class PermutationTest(Result):
    """Test of K outcomes.

    Attributes:
        statistic: `[K]` observed.
        p: `[K]` p-value of each outcome alone.
        p_single_step: `[K]` adjusted for all K by the largest statistic of each draw.
        p_step_down: `[K]` adjusted step by step; never above `p_single_step`.
        null: `[B, K]` statistics under the assignments that were evaluated.
        exact: Whether these were all assignments.
        n_distinct: Number of assignments that exist.
        smallest_p: The least p-value that this design could have given, whatever the data.
        alternative: "two-sided", "greater" or "less".
    """

    columns = ("statistic", "p", "p_single_step", "p_step_down")

    statistic: float64.Array
    p: float64.Array
    p_single_step: float64.Array
    p_step_down: float64.Array
    null: float64.Array
    exact: bool
    n_distinct: int
    smallest_p: float
    alternative: str


def sign_flip(
    differences: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
    statistic: str = "t",
    alternative: str = "two-sided",
    key: jax.Array | None = None,
    n_resamples: int = 9999,
    max_exact: int = 2**20,
) -> PermutationTest:
    """Tests whether paired differences are symmetric about zero.

    Example:
        Of the 8 sign vectors, only the two that give all differences one sign reach the mean.

        >>> from ich_jax.uncertainty import sign_flip
        >>> sign_flip([1.0, 2.0, 3.0], statistic="mean").p.tolist()
        [0.25]

    Args:
        differences: `[n]` or `[n, K]`, one row per pair; a row keeps or changes its sign in all K outcomes together.
        clusters: `[n]` labels; the sums of the clusters are then the pairs. None: each row by itself.
        statistic: "t" (mean over its standard error; comparable between outcomes, as max-T needs) or "mean".
        alternative: "two-sided", "greater" or "less".
        key: Random key; needed when the 2^n assignments exceed `max_exact`.
        n_resamples: Draws in that case.
        max_exact: Up to this number, all assignments are evaluated.

    Raises:
        ConfigError: An unknown option, or no key where draws are needed.
        DataError: Values that are not finite, fewer than two pairs, or an outcome that is zero everywhere.

    References:
        Fisher (1935), The design of experiments, section 21. Westfall and Young (1993) for max-T.
    """
    errors.require(statistic, STATISTICS, "sign_flip: statistic")
    errors.require(alternative, multiplicity.ALTERNATIVES, "sign_flip: alternative")
    values = float64.finite(differences, "sign_flip: differences")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise errors.DataError(f"sign_flip: differences must be [n] or [n, K], got {list(values.shape)}.")
    if clusters is not None:
        row, labels = float64.codes(clusters, len(values), "sign_flip: clusters")
        summed = np.zeros((len(labels), values.shape[1]))
        np.add.at(summed, row, values)
        values = summed
    n = len(values)
    if n < 2:
        raise errors.DataError(f"sign_flip: needs at least two pairs, got {n}.")
    if (values == 0).all(axis=0).any():
        raise errors.DataError(
            f"sign_flip: outcome {(values == 0).all(axis=0).argmax()} is zero in every pair; there is nothing to test."
        )
    total = 2**n
    exact, key = _plan(total, max_exact, key, n_resamples, "sign_flip")
    with float64.enabled():
        flipped = _flips(values, key, statistic=statistic, n_draws=total if exact else n_resamples, exact=exact)
        observed, null = (np.asarray(value) for value in flipped)
    floor = (1 if alternative != "two-sided" else 2) / total
    return _test(observed, null, exact, total, floor, alternative)


def two_sample(
    outcomes: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    statistic: str = "t",
    alternative: str = "two-sided",
    key: jax.Array | None = None,
    n_resamples: int = 9999,
    max_exact: int = 10**6,
) -> PermutationTest:
    """Tests whether treated and untreated units have the same distribution.

    Example:
        >>> from ich_jax.uncertainty import two_sample
        >>> round(float(two_sample([9.0, 8.0, 7.0, 1.0, 2.0, 3.0], [1, 1, 1, 0, 0, 0]).p[0]), 3)
        0.1

    Args:
        outcomes: `[n]` or `[n, K]`.
        treated: `[n]`, nonzero for treated units.
        statistic: "t" (difference of means over Welch's standard error) or "mean" (the difference).
        alternative: "two-sided" (absolute values), "greater" (treated larger) or "less".
        key: Random key; needed when there are more than `max_exact` assignments.
        n_resamples: Draws in that case.
        max_exact: Up to this number, all assignments are evaluated.

    Raises:
        ConfigError: An unknown option, or no key where draws are needed.
        DataError: Values that are not finite, an empty group, or for "t" a group of one.

    References:
        Fisher (1935), The design of experiments. Chung and Romano (2013), Exact and asymptotically robust permutation
        tests (why t: it also holds its level when only the means are equal).
    """
    errors.require(statistic, STATISTICS, "two_sample: statistic")
    values = float64.finite(outcomes, "two_sample: outcomes")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise errors.DataError(f"two_sample: outcomes must be [n] or [n, K], got {list(values.shape)}.")
    label = _treated(treated, len(values), "two_sample")
    if statistic == "t" and min(label.sum(), (~label).sum()) < 2:
        raise errors.DataError(
            f"two_sample: t needs two units in each group, got {label.sum()} treated and {(~label).sum()} untreated; "
            'use statistic="mean".'
        )
    return assignment(
        _welch if statistic == "t" else _mean_difference,
        label,
        values,
        alternative=alternative,
        key=key,
        n_resamples=n_resamples,
        max_exact=max_exact,
    )


def assignment(
    statistic: Assigned,
    treated: npt.ArrayLike,
    data: PyTree,
    *,
    alternative: str = "two-sided",
    key: jax.Array | None = None,
    n_resamples: int = 9999,
    max_exact: int = 10**6,
) -> PermutationTest:
    """Randomisation inference: any statistic under every way to choose as many treated units.

    Example:
        One of the three ways to choose a treated unit gives a difference this large.

        >>> from ich_jax.uncertainty import assignment
        >>> def difference(treated, outcome):
        ...     return ((2.0 * treated - 1.0) @ outcome)[None]
        >>> import numpy as np
        >>> round(float(assignment(difference, [1, 0, 0], np.array([5.0, 1.0, 2.0]), alternative="greater").p[0]), 3)
        0.333

    Args:
        statistic: `(assignment [n] of 0 and 1, data) -> [K]` in jnp; compiled once for each function object.
        treated: `[n]`, nonzero for the units that were treated.
        data: Pytree of arrays that the statistic needs.
        alternative: "two-sided" (absolute values), "greater" or "less".
        key: Random key; needed when there are more than `max_exact` assignments.
        n_resamples: Draws in that case.
        max_exact: Up to this number, all assignments are evaluated.

    Raises:
        ConfigError: An unknown option, or no key where draws are needed.
        DataError: An empty group, or a statistic that is not finite under some assignment.

    References:
        Rosenbaum (2002), Observational studies, chapter 2. Young (2019), Channeling Fisher.
    """
    label = _treated(treated, None, "assignment").astype(np.float64)
    return relabelling(
        statistic, label, data, alternative=alternative, key=key, n_resamples=n_resamples, max_exact=max_exact
    )


def relabelling(
    statistic: Assigned,
    labels: npt.ArrayLike,
    data: PyTree,
    *,
    alternative: str = "two-sided",
    key: jax.Array | None = None,
    n_resamples: int = 9999,
    max_exact: int = 10**6,
) -> PermutationTest:
    """Randomisation inference with more than two treatments, such as starts at different times.

    Example:
        >>> import numpy as np
        >>> from ich_jax.uncertainty import relabelling
        >>> def slope(start, outcome):
        ...     return ((start - start.mean()) @ outcome)[None]
        >>> test = relabelling(slope, [1, 2, 3], np.array([1.0, 2.0, 3.0]), alternative="greater")
        >>> test.n_distinct, round(float(test.p[0]), 3)  # one of 3! ways
        (6, 0.167)

    Args:
        statistic: `(labels [n], data) -> [K]` in jnp; compiled once for each function object.
        labels: `[n]` numbers; every distinct way to hand them out to the units is one assignment.
        data: Pytree of arrays that the statistic needs.
        alternative: "two-sided" (absolute values), "greater" or "less".
        key: Random key; needed when there are more than `max_exact` assignments.
        n_resamples: Draws in that case.
        max_exact: Up to this number, all assignments are evaluated.

    Raises:
        ConfigError: An unknown option, or no key where draws are needed.
        DataError: Labels that are all alike, or a statistic that is not finite under some assignment.
    """
    errors.require(alternative, multiplicity.ALTERNATIVES, "permutation: alternative")
    given = float64.finite(labels, "permutation: labels", ndim=1)
    kinds, counts = np.unique(given, return_counts=True)
    if len(kinds) < 2:
        raise errors.DataError("permutation: all labels are alike, so there is only one assignment.")
    total, left = 1, len(given)
    for count in counts:
        total *= math.comb(left, int(count))
        left -= int(count)
    exact, key = _plan(total, max_exact, key, n_resamples, "permutation")
    with float64.enabled():
        values = _relabelled(
            given,
            kinds,
            counts.astype(np.float64),
            np.asarray(total if exact else 0, np.float64),
            data,
            key,
            statistic=statistic,
            n_draws=total if exact else n_resamples,
            exact=exact,
        )
        observed, null = (np.asarray(value) for value in values)
    if observed.ndim != 1:
        raise errors.DataError(f"permutation: the statistic must return [K], it returned {list(observed.shape)}.")
    if not np.isfinite(null).all() or not np.isfinite(observed).all():
        raise errors.DataError(
            f"permutation: the statistic is not finite under {(~np.isfinite(null)).any(axis=1).sum()} of {len(null)} "
            "assignments (a standard error of zero?); use a statistic that is defined for all of them."
        )
    # With two equal groups the mirrored assignment gives the same absolute value for every antisymmetric statistic.
    mirrored = alternative == "two-sided" and len(counts) == 2 and counts[0] == counts[1]
    return _test(observed, null, exact, total, (2 if mirrored else 1) / total, alternative)


def _treated(treated: npt.ArrayLike, n: int | None, name: str) -> npt.NDArray[np.bool_]:
    label = float64.finite(treated, f"{name}: treated", ndim=1) != 0
    if n is not None and len(label) != n:
        raise errors.DataError(f"{name}: treated has {len(label)} entries for {n} rows of outcomes.")
    if label.all() or not label.any():
        raise errors.DataError(f"{name}: {label.sum()} of {len(label)} units are treated; both groups need one.")
    return label


def _plan(
    total: int, max_exact: int, key: jax.Array | None, n_resamples: int, name: str
) -> tuple[bool, jax.Array | None]:
    if total <= max_exact:
        return True, None
    if key is None:
        raise errors.ConfigError(
            f"{name}: {total} assignments are more than max_exact={max_exact}, so they must be drawn: pass a key."
        )
    if n_resamples < 1:
        raise errors.ConfigError(f"{name}: n_resamples: expected at least 1, got {n_resamples}.")
    return False, key


def _test(
    observed: float64.Array, null: float64.Array, exact: bool, total: int, floor: float, alternative: str
) -> PermutationTest:
    adjusted = multiplicity.max_t(observed, null, exact=exact, alternative=alternative)
    return PermutationTest(
        statistic=observed,
        p=adjusted.p,
        p_single_step=adjusted.p_single_step,
        p_step_down=adjusted.p_step_down,
        null=null,
        exact=exact,
        n_distinct=total,
        smallest_p=floor if exact else max(floor, 1.0 / (1.0 + len(null))),
        alternative=alternative,
    )


@programs.jit(static_argnames=("statistic", "n_draws", "exact"))
def _flips(values: jax.Array, key: jax.Array, *, statistic: str, n_draws: int, exact: bool) -> tuple[jax.Array, ...]:
    n = values.shape[0]
    squares = jnp.square(values).sum(axis=0)

    def evaluate(signs: jax.Array) -> jax.Array:
        mean = signs @ values / n
        if statistic == "mean":
            return mean
        # Flips leave the squares alone, so the variance follows from the mean. Below the floor it is rounding, which
        # would order assignments that are equally extreme.
        variance = jnp.maximum((squares - n * mean**2) / (n - 1), _ROUNDING * squares)
        return mean / jnp.sqrt(variance / n)

    def exactly(rank: jax.Array) -> jax.Array:
        return evaluate(1.0 - 2.0 * ((rank >> jnp.arange(n)) & 1).astype(jnp.float64))

    def at_random(index: jax.Array) -> jax.Array:
        return evaluate(jax.random.rademacher(jax.random.fold_in(key, index), (n,), jnp.float64))

    null = draws.each(exactly if exact else at_random, n_draws, n * values.shape[1])
    return evaluate(jnp.ones(n, jnp.float64)), null


@programs.jit(static_argnames=("statistic", "n_draws", "exact"))
def _relabelled(
    given: jax.Array,
    kinds: jax.Array,
    counts: jax.Array,
    total: jax.Array,
    data: PyTree,
    key: jax.Array,
    *,
    statistic: Assigned,
    n_draws: int,
    exact: bool,
) -> tuple[jax.Array, jax.Array]:
    n = given.shape[0]

    def exactly(rank: jax.Array) -> jax.Array:
        # Of the ways that are left, a share counts[k] / left gives label k to the next unit. These are whole numbers
        # far below 2^53, so float64 holds them exactly; with int64 the 184,756 halves of 20 units took a third longer.
        def step(carry: tuple[jax.Array, jax.Array, jax.Array], left: jax.Array) -> tuple[Any, jax.Array]:
            rank, counts, ways = carry
            blocks = jnp.round(ways * counts / left)  # XLA may divide by multiplying with the inverse
            ends = jnp.cumsum(blocks)
            k = (ends <= rank).sum()
            taken = (jnp.arange(counts.shape[0]) == k).astype(jnp.float64)
            return (rank - (ends - blocks)[k], counts - taken, blocks[k]), kinds[k]

        start = rank.astype(jnp.float64), counts, total
        return statistic(jax.lax.scan(step, start, jnp.arange(n, 0, -1, dtype=jnp.float64))[1], data)

    def at_random(index: jax.Array) -> jax.Array:
        return statistic(jax.random.permutation(jax.random.fold_in(key, index), given), data)

    work = n + sum(leaf.size for leaf in jax.tree.leaves(data))
    return statistic(given, data), draws.each(exactly if exact else at_random, n_draws, work)


def _mean_difference(treated: jax.Array, outcomes: jax.Array) -> jax.Array:
    n = treated.sum()
    return treated @ outcomes / n - (1.0 - treated) @ outcomes / (treated.shape[0] - n)


def _welch(treated: jax.Array, outcomes: jax.Array) -> jax.Array:
    centred = outcomes - outcomes.mean(axis=0, keepdims=True)  # sums of squares then lose no digits to the level
    n1 = treated.sum()
    n0 = treated.shape[0] - n1
    mean1, mean0 = treated @ centred / n1, (1.0 - treated) @ centred / n0
    square = jnp.square(centred)
    variance = (treated @ square - n1 * mean1**2) / (n1 - 1.0) / n1
    variance += ((1.0 - treated) @ square - n0 * mean0**2) / (n0 - 1.0) / n0
    return (mean1 - mean0) / jnp.sqrt(jnp.maximum(variance, _ROUNDING * square.sum(axis=0) / (n0 * n1)))
