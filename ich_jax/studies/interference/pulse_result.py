"""Pulses as one result: drop and recovery of every product, run by run, with controls of the same seeds."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ich_jax import errors
from ich_jax.config import PulseConfig
from ich_jax.studies.interference import pulse as pulse_lib
from ich_jax.studies.interference import recovery
from ich_jax.studies.interference.pulse import CONTROL, Course, Pulse
from ich_jax.studies.interference.recovery import Recovery
from ich_jax.studies.interference.schedules import Window, pulses
from ich_jax.uncertainty import survival
from ich_jax.uncertainty.intervals import Interval
from ich_jax.uncertainty.survival import KaplanMeier, LogRank


@dataclasses.dataclass(frozen=True)
class Temporal:
    """What pulses did.

    Attributes:
        products: Product names.
        window: When interference acted.
        courses: Every run, controls first.
        recoveries: For each course, one of each product.
        survival: `{kind:strength: time until recovery}` over products and seeds.
        log_rank: Whether these times differ between pulses; None with one pulse or without a recovery.
        equivalence_p: `{kind:strength: [products]}` p of two one-sided tests that the accuracy at the end is within one
            point of that before, all seeds together.
        bands: `{kind:strength: [products]}` simultaneous 95 % band over time, `[K]`, all seeds together.
        means: For each of these curves, drop and recovery of its mean over seeds.
    """

    products: tuple[str, ...]
    window: Window
    courses: tuple[Course, ...]
    recoveries: tuple[tuple[Recovery, ...], ...]
    survival: dict[str, KaplanMeier]
    log_rank: LogRank | None
    equivalence_p: dict[str, tuple[float, ...]]
    bands: dict[str, tuple[Interval, ...]]
    means: dict[str, tuple[Recovery, ...]]


def plan(config: PulseConfig) -> tuple[Window, list[Pulse]]:
    """Returns the window and all runs, each seed's control before its pulses.

    Raises:
        ConfigError: A pulse that is not KIND:STRENGTH, an unknown kind, or a window that does not fit.
    """
    (window,) = pulses(config.steps, share=config.share, first=config.first)
    runs = []
    for seed in config.seeds:
        runs.append(Pulse(CONTROL, 0.0, seed))
        for text in config.pulses:
            kind, _, strength = text.partition(":")
            try:
                runs.append(Pulse(kind, float(strength), seed))
            except ValueError as error:
                raise errors.ConfigError(
                    f"pulse.pulses: got {text!r}; expected KIND:STRENGTH, such as label_flips:0.3."
                ) from error
    pulse_lib.check(runs)
    return window, runs


def name_of(pulse: Pulse) -> str:
    """Returns `kind:strength`."""
    return f"{pulse.kind}:{pulse.strength:g}" if pulse.kind != CONTROL else CONTROL


def collect(window: Window, courses: Sequence[Course], products: Sequence[str]) -> Temporal:
    """Measures drop and recovery of all courses."""
    each = tuple(
        tuple(recovery.measure(c.steps, c.accuracy[:, p], window.start, window.stop) for p in range(len(products)))
        for c in courses
    )
    names = list(dict.fromkeys(name_of(c.pulse) for c in courses if c.pulse.kind != CONTROL))
    times, seen, groups = [], [], []
    for course, found in zip(courses, each, strict=True):
        for one in found:
            if course.pulse.kind != CONTROL:
                times.append(float(one.recovery_steps))
                seen.append(one.recovered)
                groups.append(name_of(course.pulse))
    curves = {
        name: time_to_recovery(
            [r for c, found in zip(courses, each, strict=True) if name_of(c.pulse) == name for r in found]
        )
        for name in names
    }
    equivalence: dict[str, tuple[float, ...]] = {}
    bands: dict[str, tuple[Interval, ...]] = {}
    means: dict[str, tuple[Recovery, ...]] = {}
    for name in names:
        own = [c for c in courses if name_of(c.pulse) == name]
        accuracy = np.stack([c.accuracy for c in own])  # [seeds, K, products]
        n, steps = own[0].n * len(own), own[0].steps
        before = np.flatnonzero(steps <= window.start)[-recovery.N_BEFORE :]
        p_values, over_time, whole = [], [], []
        for p in range(len(products)):
            m = (len(before) * n, recovery.N_BEFORE * n)
            shares = accuracy[:, before, p].mean(), accuracy[:, -recovery.N_BEFORE :, p].mean()
            right = round(float(shares[0]) * m[0]), round(float(shares[1]) * m[1])
            p_values.append(recovery.equivalence_p(right, m))
            mean = accuracy[:, :, p].mean(axis=0)
            over_time.append(recovery.band(mean, n, jax.random.key(0)))
            whole.append(recovery.measure(steps, mean, window.start, window.stop))
        equivalence[name], bands[name], means[name] = tuple(p_values), tuple(over_time), tuple(whole)
    test = survival.log_rank(times, seen, groups) if len(names) > 1 and any(seen) else None
    return Temporal(tuple(products), window, tuple(courses), each, curves, test, equivalence, bands, means)


def time_to_recovery(recoveries: Sequence[Recovery]) -> KaplanMeier:
    """Returns the Kaplan-Meier curve of times from the end of the window, in steps, until accuracy is back."""
    return survival.kaplan_meier([float(r.recovery_steps) for r in recoveries], [r.recovered for r in recoveries])


def lowest(result: Temporal, product: int) -> float:
    """Returns the least lower limit of a product's bands, over time and pulses."""
    return min(float(bands[product].low.min()) for bands in result.bands.values())


def least(result: Temporal, product: int) -> tuple[float, str]:
    """Returns the least accuracy of a product under any pulse, by fresh designs, and that pulse."""
    courses = [c for c in result.courses if c.pulse.kind != CONTROL]
    worst = min(courses, key=lambda c: float(c.fresh_minimum[product]))
    return float(worst.fresh_minimum[product]), name_of(worst.pulse)


def summary(result: Temporal) -> dict[str, Any]:
    """Returns the headline figures: over all pulses, means of levels, the least of minima, medians of recovery.

    Minima and ends are those of fresh designs, so that no minimum is low only because it is the least of many.
    """
    figures: dict[str, Any] = {}
    disturbed = [i for i, c in enumerate(result.courses) if c.pulse.kind != CONTROL]
    for p, name in enumerate(result.products):
        own = [result.recoveries[i][p] for i in disturbed]
        after = [c.accuracy[c.steps > result.window.start, p].mean() for c in (result.courses[i] for i in disturbed)]
        figures |= {
            f"acc_pre_{name}": float(np.mean([r.before for r in own])),
            f"acc_mean_{name}": float(np.mean(after)),
            f"acc_min_{name}": least(result, p)[0],
            f"acc_end_{name}": float(np.mean([result.courses[i].fresh_end[p] for i in disturbed])),
            f"recovery_steps_{name}": time_to_recovery(own).median,
        }
    if "book" in result.products:
        p = result.products.index("book")
        figures["book_band_low"] = lowest(result, p)
    if "earrings" in result.products:
        figures["earrings_min"] = figures["acc_min_earrings"]
    every = [r.recovered for i in disturbed for r in result.recoveries[i]]
    seeds = {c.pulse.seed for c in result.courses}
    return figures | {
        "recovered": float(np.mean(every)),
        "pulse_steps": result.window.steps,
        "n_per_point": result.courses[0].n,
        "n_fresh": result.courses[0].n_fresh,
        "seeds": len(seeds),
    }
