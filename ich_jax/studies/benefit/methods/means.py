"""Methods that compare means before and after the launch, of treated and untreated units."""

import math

import numpy as np
from scipy import stats

from ich_jax.config import BenefitConfig
from ich_jax.econometrics.did import (
    borusyak,
    callaway_santanna,
    decomposition,
    few_treated,
    randomisation,
    two_way,
)
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.regression import covariance, linear, wild_bootstrap
from ich_jax.studies.benefit import changes
from ich_jax.studies.benefit.changes import ChangeTest
from ich_jax.studies.benefit.counts import Counts, Sizes
from ich_jax.studies.benefit.methods.method import DID, Answer, Inputs, Method, of_coefficient

TOO_SMALL = "too small with few treated units"


def randomised(data: Panel, config: BenefitConfig, statistic: str = "change") -> randomisation.LaunchTest:
    """`randomisation.randomise` as configured.

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


# ---------------------------------------------------------------- estimates


def _collapsed(inputs: Inputs) -> Answer:
    table = two_way.collapsed(inputs.scaled, confidence=inputs.confidence).table
    return of_coefficient(table, 1, f"one change per unit, t with {table.df:g} degrees of freedom")


def _randomisation(inputs: Inputs) -> Answer:
    test = randomised(inputs.scaled, inputs.config)
    kind = "all" if test.exact else "drawn"
    note = f"interval by inversion over {kind} {len(test.null):,} assignments of launches to units"
    return Answer(test.effect, test.low, test.high, test.p, test.smallest_p, note)


def _regression(data: Panel) -> linear.LinearFit:
    return linear.fit(two_way.changes(data), {"effect": data.ever_treated.astype(np.float64)})


def _clustered(inputs: Inputs) -> Answer:
    fit = _regression(inputs.scaled)
    errors = covariance.cluster(fit, np.arange(len(inputs.scaled.units)))
    table = covariance.table(fit, errors, confidence=inputs.confidence)
    return of_coefficient(table, 1, f"CRV1 by unit; {TOO_SMALL}")


def _wild(inputs: Inputs) -> Answer:
    test = wild_bootstrap.wild_cluster(
        _regression(inputs.scaled),
        "effect",
        np.arange(len(inputs.scaled.units)),
        key=inputs.key,
        n_resamples=inputs.config.analysis.n_resamples,
        confidence=inputs.confidence,
    )
    note = "restricted, signs; set by inversion"
    return Answer(test.estimate, test.low, test.high, test.p, test.smallest_p, note)


def _conley_taber(inputs: Inputs) -> Answer:
    test = few_treated.conley_taber(inputs.scaled, key=inputs.key, confidence=inputs.confidence)
    note = f"spread of {len(test.placebo):,} draws of untreated units, with replacement"
    return Answer(test.effect, test.low, test.high, test.p, test.smallest_p, note)


def _sign_flips(inputs: Inputs) -> Answer:
    effects = few_treated.unit_effects(inputs.scaled)
    flips = few_treated.sign_flips(effects, confidence=inputs.confidence, key=inputs.key)
    return Answer(flips.effect, flips.low, flips.high, flips.p, flips.test.smallest_p)


def _imputation(inputs: Inputs) -> Answer:
    imputed = borusyak.imputation(inputs.binned, horizons=(0, 0), confidence=inputs.confidence)
    note = f"two-stage, {inputs.bin}s, normal errors clustered by unit; {TOO_SMALL}"
    return of_coefficient(imputed.table, 0, note)


def _callaway_santanna(inputs: Inputs) -> Answer:
    effects = callaway_santanna.group_time(inputs.binned)
    simple = callaway_santanna.aggregate(effects)
    half = float(stats.norm.isf(inputs.config.analysis.alpha / 2.0)) * simple.overall_error
    p = float(2.0 * stats.norm.sf(abs(simple.overall) / simple.overall_error))
    note = (
        f"simple aggregate since the {inputs.bin} before each launch, never-treated controls, normal; errors too "
        "small with few treated units"
    )
    if inputs.binned.missing:
        note += f"; units that are observed in both {inputs.bin}s of a comparison"
        note += f"; {len(effects.skipped)} comparisons have none" if effects.skipped else ""
    return Answer(simple.overall, simple.overall - half, simple.overall + half, p, 0.0, note)


def _two_way(inputs: Inputs) -> Answer:
    data, several = inputs.binned, inputs.launches > 1
    effect = two_way.twfe(data, confidence=inputs.confidence)
    note = f"{inputs.bin}s, CRV1 by unit; {TOO_SMALL}"
    if several and data.missing:
        note += "; how much of it compares with units treated before is not known under gaps"
    elif several:
        note += f"; {decomposition.bacon(data).forbidden:.0%} of its weight compares with units treated before"
    return of_coefficient(effect.table, 0, note)


# ---------------------------------------------------------------- where they apply


def _one_launch(inputs: Inputs) -> bool:
    return inputs.launches == 1


def _few_treated(inputs: Inputs) -> bool:
    ever = inputs.scaled.ever_treated
    return _one_launch(inputs) and bool(ever.sum() < (~ever).sum())


def _several_treated(inputs: Inputs) -> bool:
    return _one_launch(inputs) and bool(inputs.scaled.ever_treated.sum() > 1)


def _several_launches(inputs: Inputs) -> bool:
    return inputs.launches > 1


def _unequal(inputs: Inputs) -> bool:
    """Where the regression is not the difference of means."""
    return inputs.launches > 1 or inputs.binned.missing > 0


# ---------------------------------------------------------------- counts


def _distribution(sizes: Sizes, alpha: float) -> Counts:
    """Of a test that takes a distribution as known."""
    del sizes, alpha
    return Counts(0.0, None)


def _assignments(sizes: Sizes, alpha: float) -> Counts:
    del alpha
    ways, left = 1, sizes.units
    for count in sizes.by_launch:
        ways *= math.comb(left, count)
        left -= count
    # Whole numbers over whole numbers: with a thousand units these do not fit into a float.
    return Counts((2 if sizes.mirrored else 1) / ways, ways)


def _unit_signs(sizes: Sizes, alpha: float) -> Counts:
    del alpha
    return Counts(min(2 / 2**sizes.treated, 1.0), 2**sizes.treated)


def _untreated_draws(sizes: Sizes, alpha: float) -> Counts:
    del alpha
    n1, n0 = sizes.treated, sizes.donors
    tuples = n0**n1 if n0 > n1 else 0
    return Counts(1 / (1 + tuples), math.comb(n0 + n1 - 1, n1) if tuples else 0)


def _all_signs(sizes: Sizes, alpha: float) -> Counts:
    del alpha
    return Counts(2 / 2**sizes.units, 2 ** (sizes.units - 1))


ROWS = (
    Method(
        "collapsed t",
        DID,
        _collapsed,
        _one_launch,
        counts=_distribution,
        simulate=ChangeTest(0, changes.pooled_t, lambda draws, sizes: 0.0, df=lambda sizes: sizes.units - 2),
        preference=1,
    ),
    Method(
        "randomisation",
        DID,
        _randomisation,
        staggered=True,
        counts=_assignments,
        simulate=ChangeTest(
            2,
            changes.randomisation_p,
            lambda draws, sizes: (2.0 if sizes.mirrored else 1.0) / len(draws.assigned),
        ),
        preference=2,
    ),
    Method(
        "clustered t",
        DID,
        _clustered,
        _one_launch,
        counts=_distribution,
        simulate=ChangeTest(1, changes.clustered_t, lambda draws, sizes: 0.0, df=lambda sizes: sizes.units - 1),
    ),
    Method(
        "wild cluster bootstrap",
        DID,
        _wild,
        _one_launch,
        counts=_all_signs,
        simulate=ChangeTest(
            5,
            changes.wild_p,
            lambda draws, sizes: (2.0 if len(draws.wild) == 2**sizes.units else 1.0) / len(draws.wild),
        ),
        preference=4,
    ),
    Method(
        "Conley-Taber",
        DID,
        _conley_taber,
        _few_treated,
        counts=_untreated_draws,
        simulate=ChangeTest(4, changes.conley_taber_p, lambda draws, sizes: 1.0 / (1 + len(draws.placebo))),
        preference=3,
    ),
    Method(
        "sign flips",
        DID,
        _sign_flips,
        _several_treated,
        counts=_unit_signs,
        simulate=ChangeTest(3, changes.sign_flips_p, lambda draws, sizes: min(2.0 / len(draws.flips), 1.0)),
    ),
    Method("imputation", DID, _imputation, staggered=True),
    Method("Callaway-Sant'Anna", DID, _callaway_santanna, _several_launches, staggered=True),
    Method("two-way fixed effects", DID, _two_way, _unequal, staggered=True),
)
"""Difference-in-differences, in the order in which they are shown."""
