"""Methods that weigh donors until they move like the treated units before the launch."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from scipy import stats

from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.synthetic import augmentation, conformal, sdid
from ich_jax.econometrics.synthetic import control as synthetic_control
from ich_jax.studies.benefit import refits
from ich_jax.studies.benefit.counts import Counts, Sizes
from ich_jax.studies.benefit.methods.method import WEIGHTS, Answer, Inputs, Method, WeightedFits
from ich_jax.studies.benefit.refits import ErrorTest, Pool, SeriesTest
from ich_jax.uncertainty.float64 import Array

_PLACEBO, _JACKKNIFE = 0, 1  # kinds of error of `refits.sdid_errors`


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


def fit(data: Panel) -> WeightedFits:
    """Fits what the methods of this module share.

    Args:
        data: Panel without gaps and with one start.

    Raises:
        DataError: As for `synthetic_control.study` and `sdid.synthetic_did`.
    """
    study = synthetic_control.study(data)
    return WeightedFits(
        data,
        study,
        synthetic_control.synthetic_control(study),
        synthetic_control.placebo_in_space(study),
        sdid.synthetic_did(data),
    )


def paths(fits: WeightedFits, *, confidence: float) -> Synthetic:
    """Paths of the synthetic control, with conformal limits of each period.

    Args:
        fits: From `fit`.
        confidence: Coverage of the limits.
    """
    study = fits.study
    intervals = conformal.conformal_intervals(study, confidence=confidence)
    return Synthetic(
        periods=study.periods,
        treated=study.series,
        path=fits.fit.path,
        start=study.start,
        donors=study.donors,
        weights=fits.fit.weights,
        placebo_gap=fits.placebos.gap[1:],
        ratio=fits.placebos.ratio,
        low=intervals.low,
        high=intervals.high,
        without_donor=synthetic_control.leave_one_donor_out(study),
    )


# ---------------------------------------------------------------- estimates


def _placebo_in_space(inputs: Inputs) -> Answer:
    fit, space = inputs.weighted.fit, inputs.weighted.placebos
    note = f"rank {space.rank} of {len(space.units)}; RMSPE before {fit.pre_rmspe:.3g}, ratio {fit.ratio:.3g}"
    return Answer(fit.effect, p=space.p, smallest_p=space.smallest_p, note=note)


def _leave_two_out(inputs: Inputs) -> Answer:
    pairs = synthetic_control.leave_two_out(inputs.weighted.study)
    chance = min(pairs.level_bound(pairs.p), 1.0)
    note = (
        f"lost {pairs.losses} of {pairs.pairs} pairs; the chance of a p as small without an effect is at most "
        f"{chance:.3g}"
    )
    return Answer(inputs.weighted.fit.effect, p=pairs.p, smallest_p=0.0, note=note)


def _trajectory(inputs: Inputs) -> Answer:
    study = inputs.weighted.study
    test = conformal.conformal_test(study)
    effect, low, high = conformal.constant_effect(study, confidence=inputs.confidence)
    note = f"constant effects that {len(test.null)} shifts of {inputs.bin}s accept best, and do not reject"
    return Answer(effect, low, high, test.p, test.smallest_p, note)


def _augmented(inputs: Inputs) -> Answer:
    ridge = augmentation.augmented(inputs.weighted.study)
    return Answer(ridge.effect, note=f"ridge {ridge.ridge:.3g}")


def _sdid(inputs: Inputs, kind: str) -> Answer:
    fit, options = inputs.weighted.sdid, inputs.config.analysis
    error = sdid.standard_error(fit, kind, key=inputs.key, n_resamples=options.n_placebos).value
    p = float(2.0 * stats.norm.sf(abs(fit.effect) / error)) if error > 0 else math.nan
    reach = float(stats.norm.isf(options.alpha / 2.0)) * error
    note = f"{kind} error {error:.3g}, normal; {inputs.bin}s"
    return Answer(fit.effect, fit.effect - reach, fit.effect + reach, p, 0.0, note)


def _sdid_alone(inputs: Inputs) -> Answer:
    return Answer(inputs.weighted.sdid.effect, note="no error here")


def _difp(inputs: Inputs) -> Answer:
    return Answer(sdid.synthetic_did(inputs.weighted.panel, method="difp").effect)


# ---------------------------------------------------------------- where they apply


def _three_donors(inputs: Inputs) -> bool:
    return len(inputs.weighted.study.pool) >= 3


def _more_donors(inputs: Inputs) -> bool:
    weights = inputs.weighted
    return bool(len(weights.study.pool) > weights.panel.ever_treated.sum())


def _several_weights(inputs: Inputs) -> bool:
    weights = inputs.weighted
    return bool(weights.panel.ever_treated.sum() > 1 and (weights.sdid.unit_weights > 0).sum() > 1)


def _no_error(inputs: Inputs) -> bool:
    return not (_more_donors(inputs) or _several_weights(inputs))


# ---------------------------------------------------------------- counts and simulation


def _pair_counts(sizes: Sizes, alpha: float) -> Counts:
    """Its p can be 0; the bound is on the frequency of small values without an effect."""
    if sizes.donors < 3:
        return Counts(0.0, 0, False, "needs three donors")
    pairs = math.comb(sizes.donors, 2)
    test = synthetic_control.LeaveTwoOut(0.0, pairs, 0, sizes.donors + 1)
    reason = f"p in steps of 1/{pairs}; level at most {test.level_bound(alpha):.3g}"
    return Counts(0.0, pairs, test.level_bound(0.0) <= alpha, reason)


def _placebo_error_counts(sizes: Sizes, alpha: float) -> Counts:
    del alpha
    n1, n0 = sizes.treated, sizes.donors
    if n0 <= n1:
        return Counts(0.0, 0, False, f"needs more donors than the {n1} treated units")
    return Counts(0.0, math.comb(n0, n1), True, "normal approximation, error from placebos")


def _jackknife_counts(sizes: Sizes, alpha: float) -> Counts:
    del alpha
    if sizes.treated <= 1:
        return Counts(0.0, 0, False, "needs two treated units")
    return Counts(0.0, sizes.units, True, "normal approximation, error from leaving units out")


def _pairs_p(pool: Pool, effects: jax.Array) -> jax.Array:
    first, second = np.triu_indices(pool.series.shape[0] - 1, 1)
    return refits.pairs_p(pool.series, pool.pre, effects, first, second)


ROWS = (
    Method(
        "synthetic control, placebo in space",
        WEIGHTS,
        _placebo_in_space,
        counts=lambda sizes, alpha: Counts(1.0 / (sizes.donors + 1), sizes.donors + 1),
        simulate=SeriesTest(
            lambda pool, effects: refits.placebo_p(pool.series, pool.pre, effects),
            fits=lambda units, donors, tried: units,
            size_study=True,
        ),
    ),
    Method(
        "synthetic control, leave two out",
        WEIGHTS,
        _leave_two_out,
        _three_donors,
        counts=_pair_counts,
        simulate=SeriesTest(
            _pairs_p,
            fits=lambda units, donors, tried: 3 * math.comb(donors, 2),
            size_study=True,
            costly=True,
        ),
    ),
    Method(
        "conformal, whole trajectory",
        WEIGHTS,
        _trajectory,
        counts=lambda sizes, alpha: Counts(1.0 / (sizes.before + sizes.after), sizes.before + sizes.after),
        simulate=SeriesTest(
            lambda pool, effects: refits.trajectory_p(pool.series, jnp.asarray(pool.start), effects),
            fits=lambda units, donors, tried: tried,
            size_study=True,
        ),
        preference=5,
    ),
    Method(
        "conformal, each period",
        WEIGHTS,
        counts=lambda sizes, alpha: Counts(1.0 / (sizes.before + 1), sizes.before + 1),
        simulate=SeriesTest(
            lambda pool, effects: refits.period_p(pool.series, jnp.asarray(pool.start), effects),
            fits=lambda units, donors, tried: tried,
            one_period=True,
        ),
    ),
    Method("ridge-augmented synthetic control", WEIGHTS, _augmented),
    Method(
        "synthetic difference-in-differences, placebo error",
        WEIGHTS,
        lambda inputs: _sdid(inputs, "placebo"),
        _more_donors,
        counts=_placebo_error_counts,
        simulate=ErrorTest(refits.sdid_errors, _PLACEBO),
        preference=6,
    ),
    Method(
        "synthetic difference-in-differences, jackknife",
        WEIGHTS,
        lambda inputs: _sdid(inputs, "jackknife"),
        _several_weights,
        counts=_jackknife_counts,
        simulate=ErrorTest(refits.sdid_errors, _JACKKNIFE),
        preference=7,
    ),
    Method("synthetic difference-in-differences", WEIGHTS, _sdid_alone, _no_error),
    Method("synthetic control with intercept (DIFP)", WEIGHTS, _difp),
)
"""Synthetic controls, in the order in which they are shown."""
