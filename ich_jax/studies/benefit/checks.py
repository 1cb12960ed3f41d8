"""Robustness of an effect: drift before the launch, other choices, and the place and time of the effect."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_jax.config import BenefitConfig
from ich_jax.econometrics import holidays
from ich_jax.econometrics.did import few_treated, launch_path
from ich_jax.econometrics.panel import Panel
from ich_jax.econometrics.synthetic import control as synthetic_control
from ich_jax.report.text import count
from ich_jax.studies.benefit import prepare
from ich_jax.studies.benefit.methods.means import compare, randomised
from ich_jax.studies.benefit.methods.method import Estimate
from ich_jax.studies.benefit.methods.weights import Synthetic
from ich_jax.studies.benefit.prepared import PreparedProduct

Attempt = Callable[[str, Callable[[], Any]], Any]
"""Computes something, or notes under the given name why that is impossible and returns None."""

_BURN_IN = 30  # days after a launch that one robustness check leaves out
_RECENT = 60  # days before it to which another one shortens the past


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """An effect under another choice, or a quantity that measures the fragility of the main one.

    Attributes:
        name: The choice or quantity.
        effect: The result, yuan a day.
        low: Lower limit; nan if none.
        high: Upper limit.
        p: P-value; nan if none.
        note: How to read it.
    """

    name: str
    effect: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PreTrend:
    """Drift of the treated units against the untreated before the launch.

    Attributes:
        per_month: Slope, yuan a day per 30 days.
        p: Two-sided, by permuting the launches among units.
        smallest_p: The least p possible.
        implied: Effect that this drift alone, continued, would show; yuan a day.
        largest: Largest placebo effect of a period before the launch, yuan a day.
        outside: Periods before the launch in which the simultaneous band leaves 0.
    """

    per_month: float
    p: float
    smallest_p: float
    implied: float
    largest: float
    outside: int


def pre_trend(product: PreparedProduct, path: launch_path.Path, config: BenefitConfig) -> PreTrend:
    """Drift of the treated units against the untreated before the launch (step 3).

    Args:
        product: The product.
        path: Its event study.
        config: `analysis` and `seed` are used.
    """
    test = randomised(product.scaled, config, "trend")
    # Distance between the middle of the days before and of those after, mean over launches.
    starts, total = product.scaled.start[product.scaled.ever_treated], len(product.scaled.periods)
    apart = float(np.mean([(s + total - 1) / 2 - (s - 1) / 2 for s in starts]))
    before = path.relative < 0
    outside = (path.low[before] > 0) | (path.high[before] < 0)
    return PreTrend(
        per_month=30.0 * test.effect,
        p=test.p,
        smallest_p=test.smallest_p,
        implied=test.effect * apart,
        largest=float(np.abs(path.estimate[before]).max()),
        outside=int(outside.sum()),
    )


def sensitivity(product: PreparedProduct, main: Estimate, pre: PreTrend, synthetic: Synthetic | None) -> list[Check]:
    """The bias that would overturn the main estimate (step 6).

    Args:
        product: The product.
        main: The main estimate.
        pre: Drift before the launch.
        synthetic: Synthetic control, if there is one.

    The breakdown ratio takes up the idea of Rambachan and Roth (2023), A more credible approach to parallel trends: how
    many times as large as before the treatment a violation would have to be. It is not their method: no bound on
    changes from period to period is carried forward, the placebo effects enter with their noise as if they were known,
    and the interval is that of the main estimate, not one that holds under all violations of a size.
    """
    margin = main.low if main.effect > 0 else -main.high
    checks = [
        Check(
            "minus the drift before the launch, continued",
            main.effect - pre.implied,
            main.low - pre.implied,
            main.high - pre.implied,
            note=f"drift of {pre.per_month:+.3g} yuan a day per month (p {pre.p:.3g}); its own error is not added",
        ),
        Check(
            "bias that would bring the interval to 0",
            max(margin, 0.0),
            note=(f"breakdown ratio {max(margin, 0.0) / pre.largest:.2f}: over" if pre.largest > 0 else "beside")
            + f" the largest placebo effect of a "
            f"{product.bin} before the launch ({pre.largest:.3g}), noise included; a ratio of two estimates and not "
            "the robust intervals of Rambachan and Roth (2023)",
        ),
    ]
    if synthetic is not None and product.fitted is not None:
        study = synthetic_control.study(product.fitted)
        starts = sorted({max(2, int(study.start * share)) for share in (0.5, 0.75)})
        for start, early in zip(starts, synthetic_control.placebo_in_time(study, starts), strict=True):
            checks.append(
                Check(
                    f"synthetic control, launch pretended on {study.periods[start]}",
                    early.effect,
                    note="should be near 0: nothing had happened yet",
                )
            )
        out = synthetic.without_donor
        checks.append(
            Check(
                "synthetic control without any one donor",
                float(np.median(out)),
                float(out.min()),
                float(out.max()),
                note="median and range over the donors left out",
            )
        )
    return checks


def heterogeneity(
    product: PreparedProduct,
    config: BenefitConfig,
    calendar: holidays.Calendar | None,
    path: launch_path.Path,
    attempt: Attempt,
) -> list[Check]:
    """The effect by kind of day, by time since the launch and by unit (step 7).

    Args:
        product: The product.
        config: `analysis` and `seed` are used.
        calendar: Holidays; None: the built-in ones.
        path: Event study.
        attempt: Computes, or notes why not.
    """
    checks = []
    days = product.scaled.periods
    columns = holidays.terms(days, calendar)
    off = sum((v for n, v in columns.items() if n not in holidays.WEEKDAYS), np.zeros(len(days))) > 0
    weekend = (columns.get("Saturday", np.zeros(len(days))) + columns.get("Sunday", np.zeros(len(days))) > 0) & ~off
    kinds = (("Monday to Friday", ~off & ~weekend), ("Saturday and Sunday", weekend), ("holidays", off))
    starts = product.scaled.start[product.scaled.ever_treated]
    first, last = int(starts.min()), int(starts.max())
    for name, chosen in kinds:
        if not (chosen[:first].any() and chosen[last:].any()):
            continue  # such days do not occur on both sides
        check = attempt(f"effect on {name}", functools.partial(_on_days, product, chosen, config, f"on {name}"))
        if check is not None:
            checks.append(check)
    after = path.relative >= 0
    thirds = np.array_split(np.flatnonzero(after), 3)
    for name, part in zip(("first", "middle", "last"), thirds, strict=True):
        if len(part):
            span = f"{product.bin} {path.relative[part[0]] + 1} to {path.relative[part[-1]] + 1}"
            checks.append(Check(f"{name} third after the launch", float(path.estimate[part].mean()), note=span))
    if product.scaled.ever_treated.sum() > 1 and len(product.launches) == 1:
        effects = few_treated.unit_effects(product.scaled)
        units = product.scaled.units[product.scaled.ever_treated]
        checks += [Check(f"unit {unit}", float(effect)) for unit, effect in zip(units, effects, strict=True)]
    return checks


def robustness(
    product: PreparedProduct, config: BenefitConfig, calendar: holidays.Calendar | None, attempt: Attempt
) -> list[Check]:
    """The effect under other choices (step 8).

    Args:
        product: The product.
        config: `analysis` and `seed` are used.
        calendar: Holidays; None: the built-in ones.
        attempt: Computes, or notes why not.
    """
    data = product.scaled
    days = np.arange(len(data.periods))
    first, last = int(data.start[data.ever_treated].min()), int(data.start[data.ever_treated].max())
    off = [v for n, v in holidays.terms(data.periods, calendar).items() if n not in holidays.WEEKDAYS]
    checks: list[Check | None] = []
    working = np.sum(off, axis=0) == 0 if off else np.ones(len(days), bool)
    if not working.all() and working[:first].any() and working[last:].any():
        checks.append(attempt("without holidays", lambda: _on_days(product, working, config, "without holidays")))
    if len(days) - last > _BURN_IN + 7:
        settled = (days < first) | (days >= last + _BURN_IN)
        name = f"without the first {_BURN_IN} days after the launch"
        checks.append(attempt(name, lambda: _on_days(product, settled, config, name)))
    if first > _RECENT:
        recent = days >= first - _RECENT
        short = f"with {_RECENT} days before the launch"
        checks.append(attempt(short, lambda: _on_days(product, recent, config, short)))

    def other_scale() -> Check:
        used, _ = prepare.on_both_sides(product.raw)
        if product.scale == "yuan":
            data, name = prepare.comparable(used)[0], "units relative to their level"
        else:
            data, name = used, "units in yuan, as they are"
        return Check(name, *compare(data, config), note="the other scale of the outcome")

    checks.append(attempt("the other scale", other_scale))
    if product.bin == "week":
        checks.append(attempt("weekly means", lambda: Check("weekly means", *compare(product.binned, config))))
    return [check for check in checks if check is not None]


def _on_days(product: PreparedProduct, chosen: npt.NDArray[np.bool_], config: BenefitConfig, name: str) -> Check:
    """Difference-in-differences of means over some days."""
    data = product.scaled
    start = np.concatenate([[0], np.cumsum(chosen)])[data.start]
    part = Panel(
        data.units, data.periods[chosen], data.outcome[:, chosen], data.observed[:, chosen], start.astype(np.int64)
    )
    return Check(name, *compare(part, config), note=count(int(chosen.sum()), "day"))
