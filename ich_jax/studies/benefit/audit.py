"""The power of a design, before any result: counts, smallest p-values, detectable effects.

With four treated series most tests cannot reach 5 %, whatever the effect. The smallest p of each method follows from
the counts; the detectable effect is simulated from the user's own days before the launch.
"""

import dataclasses
import math
from typing import Any

import jax
import numpy as np
from scipy import stats

from ich_jax import errors
from ich_jax.econometrics import panel
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.series import trend
from ich_jax.studies.benefit import changes, refits
from ich_jax.studies.benefit.counts import Counts, Sizes
from ich_jax.studies.benefit.methods.method import Method
from ich_jax.studies.benefit.methods.table import BY_NAME, CHANGES, ERRORS, REFITTED, WEIGHTED
from ich_jax.uncertainty import float64, programs
from ich_jax.uncertainty.float64 import Array

_GRID = np.linspace(0.0, 8.0, 33)  # effects that are tried, in standard deviations of the placebo effects


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The capability of one method in this design.

    Attributes:
        name: Its name.
        smallest_p: The least p-value that it can give; 0 for tests that take a distribution as known.
        distinct: Distinct draws, reassignments or placebos behind it; None where a distribution is taken as known.
        size: Share of simulated panels without effect in which it rejects; nan if it was not simulated.
        detectable: Least effect, in units of the outcome, that it finds with the stated power; inf if it finds even the
            largest one tried less often; nan if it was not simulated.
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


@dataclasses.dataclass(frozen=True, slots=True)
class Audit:
    """The power of a panel.

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
    methods: tuple[Verdict, ...]


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
    """Counts units and periods, and simulates the findings of each method.

    A simulated panel draws blocks of periods from before the first launch, the same for all units, so that dependence
    over time (within blocks) and between units stays; units are shuffled, so that any unit may be the treated one; unit
    and period effects are removed. The effect is constant, the launch that of the data (the middle one of several,
    where the methods that need one launch are out). For the conformal test of each period it is in that period alone.
    Drifts slower than a block are lost, so that detectable effects are rather too small. All six simulated
    methods test the units' changes from before to after.

    Args:
        data: Panel, with or without gaps.
        key: Random key.
        alpha: Level of the tests.
        power: Share of panels in which a detectable effect is to be found.
        block: Length of the blocks; None: `trend.block_length`, the middle one of the units, rounded up.
        n_simulations: Simulated panels.
        fitted: Panel without gaps and with one start to which the methods that fit weights will be applied, such as
            weekly means; None: the data.
        n_refits: Simulated panels for those methods, which fit weights in each of them; 0: they are judged by their
            counts alone. Their panels keep the units' levels.
        n_placebos: Placebos behind each simulated error of synthetic difference-in-differences; it errs by about 11 %.

    Raises:
        ConfigError: A level or power outside (0, 1), a block that is longer than what is before the launch, fewer than
            100 simulations, or refits of a panel with several starts.
        DataError: Fewer than two untreated units, fewer than eight periods before the first launch, or no noise in
            them.
    """
    # Over 60 lines, half of which name arguments and the figures of the result.
    if n_simulations < 100 or n_simulations != int(n_simulations):
        raise errors.ConfigError(f"audit: n_simulations: expected a whole number from 100, got {n_simulations!r}.")
    sizes = _sizes(data)
    _check(sizes, alpha=alpha, power=power)
    residuals, observed, block = _before(data, sizes.before, block)
    tests = tuple(CHANGES.values())
    total, n1 = len(data.periods), sizes.treated
    with float64.enabled():
        simulated = changes.simulate(
            key,
            (_padded(residuals, total), _padded(observed, total), sizes.before, _middle_launch(data), block),
            changes.reassignments(n1, sizes.donors),
            changes.quantiles(tests, sizes, alpha),
            alpha,
            _GRID,
            tests=tests,
            n1=n1,
            total=total,
            n_draws=int(n_simulations),
        )
        effects, rejections = (np.asarray(value) for value in simulated)
    error = float(np.std(effects, ddof=1))
    if not error > 1e-12 * np.abs(data.outcome[data.observed]).max():
        raise errors.DataError(
            "audit: before the first launch the units differ by constants alone; without noise there is nothing to "
            "simulate from. Were these days filled in?"
        )
    rejected, grid = rejections.mean(axis=0), error * _GRID
    weighed = data if fitted is None else fitted
    verdicts = [
        _of_changes(BY_NAME[name], sizes, grid, rejected[:, test.column], alpha, power, n_simulations)
        for name, test in CHANGES.items()
    ]
    verdicts += _of_weights(weighed, key, grid, alpha, power, n_refits, n_placebos)
    return Audit(
        units=sizes.units,
        treated=n1,
        donors=sizes.donors,
        periods=total,
        before=sizes.before,
        after=total - int(data.start[data.ever_treated].max()),
        starts=len(sizes.by_launch),
        missing=data.missing,
        alpha=alpha,
        power=power,
        placebo_error=error,
        block=block,
        n_simulations=int(n_simulations),
        n_refits=int(n_refits),
        effects=grid,
        rejected=rejected,
        simulated=tuple(CHANGES),
        methods=tuple(verdicts),
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


def _sizes(data: Panel) -> Sizes:
    starts, counts = np.unique(data.start[data.ever_treated], return_counts=True)
    n1, before = int(data.ever_treated.sum()), int(starts[0])
    return Sizes(n1, len(data.units) - n1, before, len(data.periods) - before, tuple(int(n) for n in counts))


def _middle_launch(data: Panel) -> int:
    starts = np.sort(data.start[data.ever_treated])
    return int(starts[(len(starts) - 1) // 2])


def _check(sizes: Sizes, *, alpha: float, power: float) -> None:
    for name, share in (("alpha", alpha), ("power", power)):
        if not 0.0 < share < 1.0:
            raise errors.ConfigError(f"audit: {name}: expected a number inside (0, 1), got {share!r}.")
    if sizes.donors < 2:
        raise errors.DataError(
            f"audit: {sizes.donors} untreated units leave nothing to compare with; at least two are needed."
        )
    if sizes.before < 8:
        raise errors.DataError(
            f"audit: {sizes.before} periods before the first launch cannot be simulated from; at least eight are "
            "needed."
        )


def _counts(method: Method, sizes: Sizes, alpha: float) -> Counts:
    assert method.counts is not None, f"{method.name} is not audited"
    return method.counts(sizes, alpha)


def _of_changes(
    method: Method, sizes: Sizes, grid: Array, rejected: Array, alpha: float, power: float, n: int
) -> Verdict:
    """A test of changes, which n simulated panels went through."""
    counts, launches = _counts(method, sizes, alpha), len(sizes.by_launch)
    if launches > 1 and not method.staggered:
        reason = f"needs one launch, there are {launches}"
        return Verdict(method.name, counts.smallest_p, counts.distinct, math.nan, math.nan, False, reason)
    return _by_simulation(method.name, counts, grid, rejected, alpha, power, n)


def _of_weights(
    data: Panel, key: jax.Array, grid: Array, alpha: float, power: float, n: int, n_placebos: int
) -> list[Verdict]:
    """The methods that fit weights, by n simulated panels or, where n is 0, by their counts."""
    simulated = _refitted(data, key, grid, alpha, n, n_placebos) if n else {}
    verdicts = []
    for method in WEIGHTED:
        counts = _counts(method, _sizes(data), alpha)
        if method.name in simulated and counts.distinct != 0:
            verdicts.append(_by_simulation(method.name, counts, *simulated[method.name], alpha, power, n))
        else:
            verdicts.append(_by_counts(method.name, counts, alpha))
    return verdicts


def _by_simulation(
    name: str, counts: Counts, effects: Array, rejected: Array, alpha: float, power: float, n: int
) -> Verdict:
    """Judges a method by its counts and by the shares `rejected` of n panels, the first of them without effect."""
    size, least = float(rejected[0]), _detectable(effects, rejected, power)
    # Three Monte Carlo errors above one and a half times the level: more than chance, and more than is acceptable.
    bound = min(1.5 * alpha, 0.99)
    limit = bound + 3.0 * math.sqrt(bound * (1.0 - bound) / n)
    if counts.smallest_p > alpha:
        usable, reason = False, f"{counts.distinct} distinct draws cannot give a p of {alpha:g}"
        least = math.inf
    elif size > limit:
        usable, reason = False, f"rejects {size:.3f} of panels without effect at the level {alpha:g}"
    elif math.isinf(least):
        usable, reason = False, "finds no effect that was tried with the power asked for"
    else:
        usable, reason = True, f"rejects {size:.3f} of panels without effect, and finds effects"
    return Verdict(name, counts.smallest_p, counts.distinct, size, least, usable, reason)


def _by_counts(name: str, counts: Counts, alpha: float) -> Verdict:
    """Judges a method by its counts alone."""
    reachable = counts.smallest_p <= alpha
    reason = counts.reason or f"{counts.distinct} distinct draws can give a p of {counts.smallest_p:.3g}"
    if counts.possible and not reachable:
        reason = f"{counts.distinct} distinct draws cannot give a p of {alpha:g}"
    usable = counts.possible and reachable
    return Verdict(name, counts.smallest_p, counts.distinct, math.nan, math.nan, usable, reason)


def _before(data: Panel, before: int, block: int | None) -> tuple[Array, Array, int]:
    """Residuals `[U, before]` of unit and period effects, the mask of observed ones, and the length of blocks."""
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
    """Pads columns with zeros, so that launches on other days share one compiled program."""
    return np.pad(values, ((0, 0), (0, periods - values.shape[1])))


def _refitted(
    data: Panel, key: jax.Array, grid: Array, alpha: float, n: int, n_placebos: int
) -> dict[str, tuple[Array, Array]]:
    """Effects that were tried and shares of `n` panels that are rejected, of the methods that fit weights."""
    sizes, periods = _sizes(data), len(data.periods)
    if len(sizes.by_launch) > 1 or data.missing:
        raise errors.ConfigError("audit: methods that fit weights need one start and no gaps; pass such a panel.")
    n1, before = sizes.treated, sizes.before
    residuals, _, block = _before(data, before, None)
    levels = data.outcome[:, :before].mean(axis=1)
    series = residuals + (levels - levels.mean())[:, None]
    simulator = refits.Simulator(_padded(series, periods), before, before, block)
    tests = tuple(REFITTED.values())
    shares = refits.simulate(simulator, key, grid, tests, n1=n1, periods=periods, alpha=alpha, n=n)
    simulated: dict[str, tuple[Array, Array]] = {}
    for (name, test), share in zip(REFITTED.items(), shares.T, strict=True):
        simulated[name] = (refits.in_one_period(grid, sizes.after) if test.one_period else grid), share
    quantile = stats.norm.isf(alpha / 2.0)
    options: dict[str, Any] = {"n1": n1, "periods": periods, "t0": before, "n": n, "n_placebos": n_placebos}
    for kernel in dict.fromkeys(test.kernel for test in ERRORS.values()):
        shares = refits.simulate_errors(simulator, key, grid, quantile, kernel, **options)
        simulated |= {name: (grid, shares[:, t.kind]) for name, t in ERRORS.items() if t.kernel is kernel}
    return simulated


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


@programs.jit
def _residuals(values: jax.Array, mask: jax.Array) -> jax.Array:
    return panel.two_way_residuals(values, mask)
