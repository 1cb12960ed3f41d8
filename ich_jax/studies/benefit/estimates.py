"""The effect of one product by every method that can be applied: means, weighted donors, the treated series alone."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax import errors
from ich_jax.config import BenefitConfig
from ich_jax.econometrics import holidays
from ich_jax.econometrics.did import borusyak, callaway_santanna, decomposition, few_treated, randomisation, two_way
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.regression import coefficient_table, covariance, linear, wild_bootstrap
from ich_jax.econometrics.series import interrupted
from ich_jax.econometrics.synthetic import augmentation, conformal, sdid
from ich_jax.econometrics.synthetic import control as synthetic_control
from ich_jax.studies.benefit import refits
from ich_jax.studies.benefit.prepared import CLUSTERED, COLLAPSED, CONLEY_TABER, FLIPS, RANDOMISATION, WILD, Design
from ich_jax.uncertainty.float64 import Array

DID, WEIGHTS, SERIES = "difference-in-differences", "synthetic control", "no comparison"
Attempt = Callable[[str, Callable[[], Any]], Any]
"""Computes something, or notes under the given name why that is impossible and returns None."""


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """One method's answer, in yuan a day of a treated unit.

    Attributes:
        method: Its name; those of the audit have the same.
        family: "difference-in-differences", "synthetic control" or "no comparison".
        effect: Mean effect over the days after the launch.
        low: Lower limit; nan where the method gives none.
        high: Upper limit.
        p: Two-sided p-value of no effect; nan where the method gives none.
        smallest_p: The least p that the method can give here; 0: no bound; nan: no p.
        verdict: "usable", "pointless here" or "not audited".
        note: What the interval or p is, or what to beware of.
    """

    method: str
    family: str
    effect: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    smallest_p: float = math.nan
    verdict: str = "not audited"
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Synthetic:
    """Paths of the synthetic control, over T weeks or days.

    Attributes:
        periods: `[T]` first days.
        treated: `[T]` treated series.
        path: `[T]` synthetic control.
        start: Index of the first period after the launch.
        donors: `[J]` labels.
        weights: `[J]`.
        placebo_gap: `[J, T]` gaps of the donors, each treated in turn.
        ratio: `[J + 1]` post over pre RMSPE, the treated unit first.
        low: `[T - start]` lower limits of the gap (conformal, each period by itself).
        high: `[T - start]`.
        without_donor: `[J]` effect without each donor.
    """

    periods: npt.NDArray[Any]
    treated: Array
    path: Array
    start: int
    donors: npt.NDArray[Any]
    weights: Array
    placebo_gap: Array
    ratio: Array
    low: Array
    high: Array
    without_donor: Array

    @property
    def gap(self) -> Array:
        """`[T]` treated minus synthetic."""
        return np.asarray(self.treated - self.path)


def by_means(one: Design, config: BenefitConfig, key: jax.Array, attempt: Attempt) -> list[Estimate]:
    """Methods that compare means before and after."""
    data, confidence = one.scaled, 1.0 - config.analysis.alpha
    found: list[Estimate] = []
    test = randomised(data, config)
    kind = "all" if test.exact else "drawn"
    note = f"interval by inversion over {kind} {len(test.null):,} assignments of launches to units"
    found.append(Estimate(RANDOMISATION, DID, test.effect, test.low, test.high, test.p, test.smallest_p, note=note))
    if len(one.launches) == 1:
        table = two_way.collapsed(data, confidence=confidence).table
        note = f"one change per unit, t with {table.df:g} degrees of freedom"
        found.insert(0, _of_table(COLLAPSED, DID, table, 1, note))
        fit = linear.fit(two_way.changes(data), {"effect": data.ever_treated.astype(np.float64)})
        units = np.arange(len(data.units))
        clustered = attempt(
            CLUSTERED, lambda: covariance.table(fit, covariance.cluster(fit, units), confidence=confidence)
        )
        if clustered is not None:
            found.append(_of_table(CLUSTERED, DID, clustered, 1, "CRV1 by unit; too small with few treated units"))
        wild = attempt(
            WILD,
            lambda: wild_bootstrap.wild_cluster(
                fit, "effect", units, key=key, n_resamples=config.analysis.n_resamples, confidence=confidence
            ),
        )
        if wild is not None:
            note = "restricted, signs; set by inversion"
            found.append(Estimate(WILD, DID, wild.estimate, wild.low, wild.high, wild.p, wild.smallest_p, note=note))
        if data.ever_treated.sum() < (~data.ever_treated).sum():
            taber = attempt(CONLEY_TABER, lambda: few_treated.conley_taber(data, key=key, confidence=confidence))
            if taber is not None:
                note = f"spread of {len(taber.placebo):,} draws of untreated units, with replacement"
                found.append(
                    Estimate(
                        CONLEY_TABER, DID, taber.effect, taber.low, taber.high, taber.p, taber.smallest_p, note=note
                    )
                )
        if data.ever_treated.sum() > 1:
            flips = attempt(
                FLIPS, lambda: few_treated.sign_flips(few_treated.unit_effects(data), confidence=confidence, key=key)
            )
            if flips is not None:
                smallest = flips.test.smallest_p
                found.append(Estimate(FLIPS, DID, flips.effect, flips.low, flips.high, flips.p, smallest))
    imputed = attempt("imputation", lambda: borusyak.imputation(one.binned, horizons=(0, 0), confidence=confidence))
    if imputed is not None:
        note = f"two-stage, {one.bin}s, normal errors clustered by unit; too small with few treated units"
        found.append(_of_table("imputation", DID, imputed.table, 0, note))
    if len(one.launches) > 1:
        effects = attempt("Callaway-Sant'Anna", lambda: callaway_santanna.group_time(one.binned))
        if effects is not None:
            simple = callaway_santanna.aggregate(effects)
            half = float(stats.norm.isf(config.analysis.alpha / 2.0)) * simple.overall_error
            p = float(2.0 * stats.norm.sf(abs(simple.overall) / simple.overall_error))
            note = (
                f"simple aggregate since the {one.bin} before each launch, never-treated controls, normal; errors too "
            )
            note += "small with few treated units"
            if one.binned.missing:
                note += f"; units that are observed in both {one.bin}s of a comparison"
                note += f"; {len(effects.skipped)} comparisons have none" if effects.skipped else ""
            low, high = simple.overall - half, simple.overall + half
            found.append(Estimate("Callaway-Sant'Anna", DID, simple.overall, low, high, p, 0.0, note=note))
    if len(one.launches) > 1 or one.binned.missing:
        effect = attempt("two-way fixed effects", lambda: two_way.twfe(one.binned, confidence=confidence))
        if effect is not None:
            note = f"{one.bin}s, CRV1 by unit; too small with few treated units"
            if len(one.launches) > 1 and one.binned.missing:
                note += "; how much of it compares with units treated before is not known under gaps"
            elif len(one.launches) > 1:
                forbidden = decomposition.bacon(one.binned).forbidden
                note += f"; {forbidden:.0%} of its weight compares with units treated before"
            found.append(_of_table("two-way fixed effects", DID, effect.table, 0, note))
    return found


def by_weights(one: Design, config: BenefitConfig, key: jax.Array) -> tuple[list[Estimate], Synthetic]:
    """Methods that weigh donors, over weeks or days without gaps."""
    data, confidence = one.fitted, 1.0 - config.analysis.alpha
    assert data is not None
    study = synthetic_control.study(data)
    fit = synthetic_control.synthetic_control(study)
    space = synthetic_control.placebo_in_space(study)
    found = [
        Estimate(
            refits.PLACEBO,
            WEIGHTS,
            fit.effect,
            p=space.p,
            smallest_p=space.smallest_p,
            note=f"rank {space.rank} of {len(space.units)}; RMSPE before {fit.pre_rmspe:.3g}, ratio {fit.ratio:.3g}",
        )
    ]
    if len(study.pool) >= 3:
        pairs = synthetic_control.leave_two_out(study)
        chance = min(pairs.level_bound(pairs.p), 1.0)
        note = (
            f"lost {pairs.losses} of {pairs.pairs} pairs; the chance of a p as small without an effect is at most "
            f"{chance:.3g}"
        )
        found.append(Estimate(refits.PAIRS, WEIGHTS, fit.effect, p=pairs.p, smallest_p=0.0, note=note))
    test = conformal.conformal_test(study)
    effect, low, high = conformal.constant_effect(study, confidence=confidence)
    note = f"constant effects that {len(test.null)} shifts of {one.bin}s accept best, and do not reject"
    found.append(Estimate(refits.TRAJECTORY, WEIGHTS, effect, low, high, test.p, test.smallest_p, note=note))
    ridge = augmentation.augmented(study)
    found.append(Estimate("ridge-augmented synthetic control", WEIGHTS, ridge.effect, note=f"ridge {ridge.ridge:.3g}"))
    quantile = float(stats.norm.isf(config.analysis.alpha / 2.0))
    both = sdid.synthetic_did(data)
    kinds = []
    if len(study.pool) > data.ever_treated.sum():
        kinds.append((refits.SDID_PLACEBO, "placebo"))
    if data.ever_treated.sum() > 1 and (both.unit_weights > 0).sum() > 1:
        kinds.append((refits.SDID_JACKKNIFE, "jackknife"))
    for name, kind in kinds:
        error = sdid.standard_error(both, kind, key=key, n_resamples=config.analysis.n_placebos).value
        p = float(2.0 * stats.norm.sf(abs(both.effect) / error)) if error > 0 else math.nan
        reach = quantile * error
        note = f"{kind} error {error:.3g}, normal; {one.bin}s"
        found.append(Estimate(name, WEIGHTS, both.effect, both.effect - reach, both.effect + reach, p, 0.0, note=note))
    if not kinds:
        found.append(Estimate("synthetic difference-in-differences", WEIGHTS, both.effect, note="no error here"))
    difp = sdid.synthetic_did(data, method="difp")
    found.append(Estimate("synthetic control with intercept (DIFP)", WEIGHTS, difp.effect))
    intervals = conformal.conformal_intervals(study, confidence=confidence)
    synthetic = Synthetic(
        periods=data.periods,
        treated=study.series,
        path=fit.path,
        start=study.start,
        donors=study.donors,
        weights=fit.weights,
        placebo_gap=space.gap[1:],
        ratio=space.ratio,
        low=intervals.low,
        high=intervals.high,
        without_donor=synthetic_control.leave_one_donor_out(study),
    )
    return found, synthetic


def by_series(one: Design, config: BenefitConfig, calendar: holidays.Calendar | None) -> Estimate:
    """The treated series alone."""
    if len(one.launches) > 1:
        raise errors.DataError("an interrupted time series needs one launch; several units start on different days")
    data = one.scaled
    own = data.ever_treated
    seen = data.observed[own].all(axis=0)
    days = np.flatnonzero(seen)
    series, between = whole(data.periods[days], data.outcome[own][:, days].mean(axis=0))
    first, last = days[0], days[-1] + 1
    start = int(data.start[own].min()) - int(first)
    controls = holidays.terms(data.periods[first:last], calendar)
    fit = interrupted.segmented(
        series, start, controls=controls, order=config.analysis.order, confidence=1.0 - config.analysis.alpha
    )
    note = (
        f"segmented, AR({config.analysis.order}) {fit.fit.rho[0]:.2f}, days of week and holidays; whatever else "
        f"changed at the launch counts as effect; Ljung-Box p {fit.fit.ljung_box_p:.2g}"
    )
    if between:
        note += f"; {between} days on which a treated unit is missing lie on the line between their neighbours"
    return _of_table("interrupted time series", SERIES, fit.average, 0, note)


def randomised(data: Panel, config: BenefitConfig, statistic: str = "change") -> randomisation.LaunchTest:
    """`launches.randomise` as configured.

    Args:
        data: Panel.
        config: `analysis` and `seed` are used.
        statistic: "change" or "trend".
    """
    return randomisation.randomise(
        data,
        statistic=statistic,
        confidence=1.0 - config.analysis.alpha,
        n_resamples=config.analysis.n_resamples,
        seed=config.seed,
    )


def compare(data: Panel, config: BenefitConfig) -> tuple[float, float, float, float]:
    """Difference-in-differences of means: effect, limits and p, by collapsed t or, with several starts, randomisation.

    Args:
        data: Panel.
        config: `analysis` and `seed` are used.
    """
    if len(np.unique(data.start[data.ever_treated])) == 1:
        table = two_way.collapsed(data, confidence=1.0 - config.analysis.alpha).table
        return float(table.estimate[1]), float(table.low[1]), float(table.high[1]), float(table.p[1])
    test = randomised(data, config)
    return test.effect, test.low, test.high, test.p


def whole(at: npt.NDArray[Any], values: Array) -> tuple[Array, int]:
    """Series on every step from the first to the last; steps that are missing lie on the line between neighbours.

    Args:
        at: `[n]` days or whole numbers, rising.
        values: `[n]`.

    Returns:
        The series, and how many of its steps were missing: to be said beside what is computed from it.

    Raises:
        DataError: More than a tenth is missing.
    """
    step = np.asarray(at - at[0]).astype(np.int64)
    everywhere = np.arange(step[-1] + 1)
    if len(step) < 0.9 * len(everywhere):
        raise errors.DataError(
            f"{len(everywhere) - len(step)} of {len(everywhere)} days are missing, more than a tenth"
        )
    return np.asarray(np.interp(everywhere, step, values)), len(everywhere) - len(step)


def _of_table(method: str, family: str, table: coefficient_table.Coefficients, row: int, note: str) -> Estimate:
    effect, low, high, p = (float(column[row]) for column in (table.estimate, table.low, table.high, table.p))
    return Estimate(method, family, effect, low, high, p, smallest_p=0.0, note=note)
