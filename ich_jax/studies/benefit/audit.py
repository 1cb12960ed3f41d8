"""What a design can show at all, before any result: counts, smallest p-values, detectable effects.

With four treated series most tests cannot reach 5 %, whatever the effect. The smallest p of each method follows from
the counts; what effect would be found is simulated from the user's own days before the launch.
"""

import dataclasses
import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.series import trend
from ich_jax.econometrics.synthetic import control as synthetic_control
from ich_jax.studies.benefit import refits
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.float64 import Array

_DRAWS = 999  # reassignments, signs or weights inside each simulated panel, where there are more
_TIE = 1.0 - 1e-10  # sums that are equal in exact arithmetic may differ by rounding
_ZERO = 1e-300  # keeps a ratio finite where a group has no spread
_GRID = np.linspace(0.0, 8.0, 33)  # effects that are tried, in standard deviations of the placebo effects


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """One way to test the effect in this design.

    Attributes:
        name: Its name.
        smallest_p: The least p-value that it can give; 0 for tests that take a distribution as known.
        distinct: Distinct draws, reassignments or placebos behind it; None where a distribution is taken as known.
        size: Share of simulated panels without effect in which it rejects; nan if it was not simulated.
        detectable: Least effect, in units of the outcome, that it finds with the stated power; inf if even the largest
            that was tried is found less often; nan if it was not simulated.
        usable: Whether it can reject at the level, does not reject far too often, and finds some effect.
        reason: Why it is usable, or not.
    """

    name: str
    smallest_p: float
    distinct: int | None
    size: float
    detectable: float
    usable: bool
    reason: str


class Draws(NamedTuple):
    """Reassignments of U = n1 + n0 units, the treated first; B differs between the fields.

    Attributes:
        assigned: `[B, U]` indicators of the treated, the data's own among them.
        placebo: `[B, n0]` how often each untreated unit was drawn, n1 draws with replacement.
        flips: `[B, n1]` signs of the treated units' effects, the data's own first.
        wild: `[B, U]` signs of all units, the data's own first.
    """

    assigned: Any
    placebo: Any
    flips: Any
    wild: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """What a panel can show.

    Attributes:
        units: Number of units.
        treated: Units that are treated at some time.
        donors: Units that never are.
        periods: Number of periods.
        before: Periods before the first start of treatment.
        after: Periods from the last start of treatment on.
        starts: Number of different starts.
        missing: Unit-periods without an observation.
        alpha: Level of the tests.
        power: Share of panels in which a detectable effect is found.
        placebo_error: Standard deviation of the effect in simulated panels without effect.
        block: Length of the blocks of periods that were drawn.
        n_simulations: Simulated panels; a share of .05 of 1,000 has a Monte Carlo error of .007.
        n_refits: The same for methods that fit weights; 0 if these were not simulated.
        effects: `[33]` effects that were tried, in units of the outcome.
        rejected: `[33, 6]` share of simulated panels in which each simulated method rejects.
        simulated: Names of these methods.
        methods: All methods, the simulated ones first.
    """

    units: int
    treated: int
    donors: int
    periods: int
    before: int
    after: int
    starts: int
    missing: int
    alpha: float
    power: float
    placebo_error: float
    block: int
    n_simulations: int
    n_refits: int
    effects: Array
    rejected: Array
    simulated: tuple[str, ...]
    methods: tuple[Method, ...]


_RANDOMISATION = "randomisation"
SIMULATED = ("collapsed t", "clustered t", _RANDOMISATION, "sign flips", "Conley-Taber", "wild cluster bootstrap")


def audit(
    data: Panel,
    key: jax.Array,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    block: int | None = None,
    n_simulations: int = 1000,
    fitted: Panel | None = None,
    n_refits: int = 0,
    n_placebos: int = 40,
) -> Audit:
    """Counts what there is, and simulates what each method would find.

    A simulated panel draws blocks of periods from before the first launch, the same for all units, so that dependence
    over time (within blocks) and between units stays; units are shuffled, so that anyone may be the treated; unit and
    period effects are taken out. The effect is constant, the launch that of the data (the middle one of several, where
    the methods that need one launch are out). For the conformal test of each period it is in that period alone. What
    drifts more slowly than a block is lost, so that detectable effects are rather too small. All six simulated methods
    test the units' changes from before to after.

    Args:
        data: Panel, with or without gaps.
        key: Random key.
        alpha: Level of the tests.
        power: Share of panels in which a detectable effect is to be found.
        block: Length of the blocks; None: `trend.block_length`, the middle one of the units, rounded up.
        n_simulations: Simulated panels.
        fitted: Panel without gaps and with one start to which the methods that fit weights will be applied, such as
            weekly means; None: the data.
        n_refits: Simulated panels for those methods, which fit weights in every one of them; 0: they are judged by
            their counts alone. Their panels keep the units' levels.
        n_placebos: Placebos behind each simulated error of synthetic difference-in-differences; it errs by about 11 %.

    Raises:
        ConfigError: A level or power outside (0, 1), a block that is longer than what is before the launch, fewer than
            100 simulations, or refits of a panel with several starts.
        DataError: Fewer than two untreated units, fewer than eight periods before the first launch, or no noise in
            them.
    """
    for name, share in (("alpha", alpha), ("power", power)):
        if not 0.0 < share < 1.0:
            raise errors.ConfigError(f"audit: {name}: expected a number inside (0, 1), got {share!r}.")
    if n_simulations < 100 or n_simulations != int(n_simulations):
        raise errors.ConfigError(f"audit: n_simulations: expected a whole number from 100, got {n_simulations!r}.")
    ever, total = data.ever_treated, len(data.periods)
    n1, n0 = int(ever.sum()), int((~ever).sum())
    starts, counts = np.unique(data.start[ever], return_counts=True)
    before = int(starts[0])
    if n0 < 2:
        raise errors.DataError(f"audit: {n0} untreated units leave nothing to compare with; at least two are needed.")
    if before < 8:
        raise errors.DataError(
            f"audit: {before} periods before the first launch cannot be simulated from; at least eight are needed."
        )
    residuals, observed, block = _before(data, before, block)
    launch = int(np.sort(data.start[ever])[(n1 - 1) // 2])
    quantiles = stats.t.isf(alpha / 2.0, [n1 + n0 - 2, n1 + n0 - 1])
    options: dict[str, Any] = {"n1": n1, "total": total, "n_draws": int(n_simulations)}
    with float64.enabled():
        simulated = _simulated(
            key,
            (_padded(residuals, total), _padded(observed, total), before, launch, int(block)),
            reassignments(n1, n0),
            quantiles,
            alpha,
            _GRID,
            **options,
        )
        effect, found = (np.asarray(value) for value in simulated)
    error = float(np.std(effect, ddof=1))
    if not error > 1e-12 * np.abs(data.outcome[data.observed]).max():
        raise errors.DataError(
            "audit: before the first launch the units differ by constants alone; without noise there is nothing to "
            "simulate from. Were these days filled in?"
        )
    rejected = found.mean(axis=0)
    grid = error * _GRID
    distinct, smallest = _counts(data, n1, n0, counts)
    methods = []
    for i, name in enumerate(SIMULATED):
        if len(starts) > 1 and name != _RANDOMISATION:
            reason = f"needs one launch, there are {len(starts)}"
            methods.append(Method(name, smallest[name], distinct[name], math.nan, math.nan, False, reason))
            continue
        size, least = float(rejected[0, i]), _detectable(grid, rejected[:, i], power)
        methods.append(_judged(name, smallest[name], distinct[name], size, least, alpha, n_simulations))
    counted = _counted(data if fitted is None else fitted, alpha)
    methods += _refitted(data if fitted is None else fitted, key, counted, grid, alpha, power, n_refits, n_placebos)
    return Audit(
        units=n1 + n0,
        treated=n1,
        donors=n0,
        periods=total,
        before=before,
        after=total - int(starts[-1]),
        starts=len(starts),
        missing=data.missing,
        alpha=alpha,
        power=power,
        placebo_error=error,
        block=int(block),
        n_simulations=int(n_simulations),
        n_refits=int(n_refits),
        effects=grid,
        rejected=rejected,
        simulated=SIMULATED,
        methods=tuple(methods),
    )


def lines(result: Audit) -> list[str]:
    """The audit in words, a line each, to be printed before any result.

    Args:
        result: From `audit`.
    """
    head = [
        f"{result.treated} treated units, {result.donors} donors; {result.before} periods before the first launch, "
        f"{result.after} after the last; {result.missing} of {result.units * result.periods} unit-periods missing",
        f"simulated from the days before: effects err by {result.placebo_error:.4g} (standard deviation)",
    ]
    for m in result.methods:
        floor = "" if m.smallest_p == 0 else f"p >= {m.smallest_p:.3g}; "
        simulated = "" if math.isnan(m.size) else f"rejects {m.size:.3f} without effect; "
        least = "" if math.isnan(m.detectable) else f"finds {m.detectable:.4g} with power {result.power:g}; "
        head.append(f"{m.name}: {floor}{simulated}{least}{'usable' if m.usable else 'POINTLESS HERE'}: {m.reason}")
    return head


def _counts(
    data: Panel, n1: int, n0: int, by_start: npt.NDArray[np.int64]
) -> tuple[dict[str, int | None], dict[str, float]]:
    """Distinct draws and smallest p of the simulated methods, as the methods themselves would give them."""
    ways, left = 1, n1 + n0
    for count in by_start:
        ways *= math.comb(left, int(count))
        left -= int(count)
    mirrored = len(by_start) == 1 and n1 == n0
    tuples = n0**n1 if n0 > n1 else 0
    distinct: dict[str, int | None] = {
        "collapsed t": None,
        "clustered t": None,
        "randomisation": ways,
        "sign flips": 2**n1,
        "Conley-Taber": math.comb(n0 + n1 - 1, n1) if tuples else 0,
        "wild cluster bootstrap": 2 ** (n1 + n0 - 1),
    }
    smallest = {
        "collapsed t": 0.0,
        "clustered t": 0.0,
        # Whole numbers over whole numbers: with a thousand units these do not fit into a float.
        "randomisation": (2 if mirrored else 1) / ways,
        "sign flips": min(2 / 2**n1, 1.0),
        "Conley-Taber": 1 / (1 + tuples),
        "wild cluster bootstrap": 2 / 2 ** (n1 + n0),
    }
    return distinct, smallest


def _judged(
    name: str, smallest: float, distinct: int | None, size: float, least: float, alpha: float, n: int
) -> Method:
    # Three Monte Carlo errors above one and a half times the level: more than chance, and more than is acceptable.
    bound = min(1.5 * alpha, 0.99)
    limit = bound + 3.0 * math.sqrt(bound * (1.0 - bound) / n)
    if smallest > alpha:
        usable, reason = False, f"{distinct} distinct draws cannot give a p of {alpha:g}"
        least = math.inf
    elif size > limit:
        usable, reason = False, f"rejects {size:.3f} of panels without effect at the level {alpha:g}"
    elif math.isinf(least):
        usable, reason = False, "finds no effect that was tried with the power asked for"
    else:
        usable, reason = True, f"rejects {size:.3f} of panels without effect, and finds effects"
    return Method(name, smallest, distinct, size, least, usable, reason)


def _before(data: Panel, before: int, block: int | None) -> tuple[Array, Array, int]:
    """Residuals `[U, before]` of unit and period effects, which of them are observed, and the length of blocks."""
    observed = data.observed[:, :before].astype(np.float64)
    with float64.enabled():
        residuals = np.asarray(_residuals(np.where(observed > 0, data.outcome[:, :before], 0.0), observed))
    if block is None:
        varying = residuals[np.ptp(residuals, axis=1) > 0]
        block = math.ceil(np.median([trend.block_length(r) for r in varying])) if len(varying) else 1
    if block != int(block) or not 1 <= block <= before:
        raise errors.ConfigError(
            f"audit: block: expected a whole number from 1 to {before} (the periods before the launch), got {block!r}."
        )
    return residuals, observed, int(block)


def _padded(values: Array, periods: int) -> Array:
    """Zeros behind the columns: launches on other days then share one compiled program."""
    return np.pad(values, ((0, 0), (0, periods - values.shape[1])))


def _refitted(
    data: Panel, key: jax.Array, counted: list[Method], grid: Array, alpha: float, power: float, n: int, n_placebos: int
) -> list[Method]:
    """The methods that fit weights, judged by simulation where they are possible and `n` panels are asked for."""
    ever = data.ever_treated
    n1, periods, starts = int(ever.sum()), len(data.periods), np.unique(data.start[ever])
    if n == 0:
        return counted
    if len(starts) > 1 or data.missing:
        raise errors.ConfigError("audit: methods that fit weights need one start and no gaps; pass such a panel.")
    before = int(starts[0])
    residuals, _, block = _before(data, before, None)
    levels = data.outcome[:, :before].mean(axis=1)
    series = residuals + (levels - levels.mean())[:, None]
    simulator = refits.Simulator(_padded(series, periods), before, before, block)
    tests = refits.simulate(simulator, key, grid, n1=n1, periods=periods, alpha=alpha, n=n)
    by_error = refits.simulate_sdid(
        simulator, key, grid, stats.norm.isf(alpha / 2.0), n1=n1, periods=periods, t0=before, n=n, n_placebos=n_placebos
    )
    names = (refits.PLACEBO, refits.PAIRS, refits.TRAJECTORY, refits.PERIOD, refits.SDID_PLACEBO, refits.SDID_JACKKNIFE)
    rejected = dict(zip(names, np.concatenate([tests, by_error], axis=1).T, strict=True))
    methods = []
    for m in counted:
        if m.name in rejected and m.distinct != 0:
            tried = refits.in_one_period(grid, periods - before) if m.name == refits.PERIOD else grid
            size, least = float(rejected[m.name][0]), _detectable(tried, rejected[m.name], power)
            m = _judged(m.name, m.smallest_p, m.distinct, size, least, alpha, n)
        methods.append(m)
    return methods


def _counted(data: Panel, alpha: float) -> list[Method]:
    """Methods that fit weights, judged by their counts alone."""
    nan, ever = math.nan, data.ever_treated
    n1, n0, before = int(ever.sum()), int((~ever).sum()), int(data.start[ever].min())
    after = len(data.periods) - before

    def method(name: str, smallest: float, distinct: int | None, possible: bool = True, why: str = "") -> Method:
        usable = possible and smallest <= alpha
        reason = why or (f"{distinct} distinct draws can give a p of {smallest:.3g}")
        if possible and not usable:
            reason = f"{distinct} distinct draws cannot give a p of {alpha:g}"
        return Method(name, smallest, distinct, nan, nan, usable, reason)

    pairs = math.comb(n0, 2) if n0 >= 3 else 0
    # Its p can be 0; what is bounded is how often it is small without an effect.
    two_out = synthetic_control.LeaveTwoOut(0.0, pairs, 0, n0 + 1)
    bound = two_out.level_bound(0.0) if pairs else 1.0
    why = f"p in steps of 1/{pairs}; level at most {two_out.level_bound(alpha):.3g}" if pairs else "needs three donors"
    return [
        method(refits.PLACEBO, 1.0 / (n0 + 1), n0 + 1),
        Method(refits.PAIRS, 0.0, pairs, nan, nan, bound <= alpha, why),
        method(refits.TRAJECTORY, 1.0 / (before + after), before + after),
        method(refits.PERIOD, 1.0 / (before + 1), before + 1),
        method(
            refits.SDID_PLACEBO,
            0.0,
            math.comb(n0, n1) if n0 > n1 else 0,
            n0 > n1,
            "normal approximation, error from placebos"
            if n0 > n1
            else f"needs more donors than the {n1} treated units",
        ),
        method(
            refits.SDID_JACKKNIFE,
            0.0,
            n1 + n0 if n1 > 1 else 0,
            n1 > 1,
            "normal approximation, error from leaving units out" if n1 > 1 else "needs two treated units",
        ),
    ]


def _detectable(effects: Array, rejected: Array, power: float) -> float:
    """First crossing of the power, between the effects that were tried."""
    above = rejected >= power
    if not above.any():
        return math.inf
    i = int(above.argmax())
    if i == 0:
        return 0.0
    step = (power - rejected[i - 1]) / (rejected[i] - rejected[i - 1])
    return float(effects[i - 1] + step * (effects[i] - effects[i - 1]))


def reassignments(n1: int, n0: int) -> Draws:
    """All reassignments, draws of untreated units and signs, or 999 of them where there are more, always the same ones.

    Args:
        n1: Treated units; they stand first.
        n0: Untreated units.
    """
    rng = np.random.default_rng(0)
    assigned, exact = _subsets(n1 + n0, n1, rng)
    if not exact:
        assigned = np.vstack([np.arange(n1 + n0) < n1, assigned])
    return Draws(assigned, _tuples(n0, n1, rng), _signs(n1, rng), _signs(n1 + n0, rng))


def tests_of_changes(changes: jax.Array, draws_of: Draws, *, n1: int) -> tuple[jax.Array, jax.Array]:
    """Six tests that the treated units changed as the others did; a kernel: pure, float64, for `jit` and `vmap`.

    Args:
        changes: `[U]` mean after minus mean before the launch; the n1 treated units first.
        draws_of: From `reassignments`.
        n1: Treated units, fixed when compiled.

    Returns:
        t `[2]` (equal variances; CRV1 by unit), and p `[4]` (randomisation, sign flips, Conley-Taber, restricted wild
        cluster bootstrap with signs).

    Raises:
        DataError: The changes are not float64.
    """
    c = float64.kernel_array(changes, "tests_of_changes: changes")
    treated, control = c[:n1], c[n1:]
    n0 = control.shape[0]
    units = n1 + n0
    effect = treated.mean() - control.mean()

    def tail(values: jax.Array, at: jax.Array, extra: float = 0.0) -> jax.Array:
        hits = (jnp.abs(values) >= jnp.abs(at) * _TIE).sum().astype(c.dtype)
        return (hits + extra) / (values.shape[0] + extra)

    inside = draws_of.assigned @ c
    p_random = tail(inside / n1 - (c.sum() - inside) / n0, effect)
    p_flip = tail(draws_of.flips @ (treated - control.mean()) / n1, effect)
    p_placebo = tail(draws_of.placebo @ (control - control.mean()) / n1, effect, 1.0)
    # Of a difference of two means, the error clustered by unit weighs squares by 1 / n^2 of their group.
    own = jnp.arange(units) < n1
    share = jnp.where(own, 1.0 / n1**2, 1.0 / n0**2).astype(c.dtype)

    def t_of(rows: jax.Array) -> jax.Array:
        first, second = rows[:, :n1].mean(axis=1), rows[:, n1:].mean(axis=1)
        left = rows - jnp.where(own[None, :], first[:, None], second[:, None])
        return (first - second) / jnp.sqrt(jnp.maximum(jnp.square(left) @ share, _ZERO))

    t_clustered = t_of(c[None, :])[0]
    p_wild = tail(t_of(draws_of.wild * (c - c.mean())[None, :]), t_clustered)
    squares = jnp.square(treated - treated.mean()).sum() + jnp.square(control - control.mean()).sum()
    t_pooled = effect / jnp.sqrt(jnp.maximum(squares / (units - 2.0) * (1.0 / n1 + 1.0 / n0), _ZERO))
    factor = ((units - 1.0) / units * (units - 2.0) / (units - 1.0)) ** 0.5  # G / (G - 1) and (N - 1) / (N - K)
    return jnp.stack([t_pooled, t_clustered * factor]), jnp.stack([p_random, p_flip, p_placebo, p_wild])


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


@programs.jit
def _residuals(values: Any, mask: Any) -> jax.Array:
    return panel.two_way_residuals(values, mask)


@programs.jit(static_argnames=("n1", "total", "n_draws"))
def _simulated(
    key: Any,
    drawn_from: tuple[Any, Any, Any, Any, Any],
    draws_of: Draws,
    quantiles: Any,
    alpha: Any,
    grid: Any,
    *,
    n1: int,
    total: int,
    n_draws: int,
) -> tuple[jax.Array, jax.Array]:
    """Effects [S] without effect, and whether each method rejects [S, grid, 6] when effects are added."""
    residuals, observed, before, launch, block = drawn_from
    units = residuals.shape[0]
    own = (jnp.arange(units) < n1).astype(jnp.float64)
    time = jnp.arange(total)
    after = (time >= launch).astype(jnp.float64)

    def changes(index: jax.Array) -> jax.Array:
        of_units, of_time = jax.random.split(jax.random.fold_in(key, index))
        shuffled = jax.random.permutation(of_units, units)
        first = jax.random.randint(of_time, (total,), 0, before)  # of each block; most are not needed
        period = (first[time // block] + time % block) % before
        y, there = residuals[shuffled][:, period], observed[shuffled][:, period]

        def mean(when: jax.Array) -> jax.Array:
            weight = there * when[None, :]
            return (y * weight).sum(axis=1) / jnp.maximum(weight.sum(axis=1), 1.0)

        return mean(after) - mean(1.0 - after)

    def tests(c: jax.Array) -> jax.Array:
        t, p = tests_of_changes(c, draws_of, n1=n1)
        return jnp.concatenate([jnp.abs(t) > quantiles, p <= alpha * (1.0 + 1e-10)])

    def one(index: jax.Array) -> tuple[jax.Array, jax.Array]:
        c = changes(index)
        effect = c[:n1].mean() - c[n1:].mean()
        return effect, c

    effects, c = draws.each(one, n_draws, units * total)
    error = jnp.std(effects, ddof=1)

    def over_grid(index: jax.Array) -> jax.Array:
        return jax.vmap(lambda size: tests(c[index] + size * error * own))(grid)

    work = grid.shape[0] * units * (draws_of.assigned.shape[0] + draws_of.wild.shape[0])
    return effects, draws.each(over_grid, n_draws, work).astype(jnp.float64)
