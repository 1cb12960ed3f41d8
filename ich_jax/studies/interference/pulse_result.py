"""The result of pulses: drop and recovery of every product in every run, with controls of the same seeds."""

import dataclasses
from collections.abc import Sequence

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
    """The result of all runs.

    Attributes:
        products: Product names.
        window: Steps in which interference acted.
        courses: Every run, controls first.
        recoveries: By course and product.
        survival: `{kind:strength: Kaplan-Meier curve of the time to recovery}` over products and seeds.
        log_rank: Test that these times are the same under all pulses; None with one pulse or without a recovery.
        equivalence_p: `{kind:strength: [products]}` p of two one-sided tests that the accuracy at the end is within one
            point of that before, all seeds together.
        bands: `{kind:strength: [products]}` simultaneous 95 % band over time, `[K]`, all seeds together.
        means: `{kind:strength: [products]}` drop and recovery of the mean curve over seeds.
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
                    f"--config.pulse.pulses: got {text!r}; expected KIND:STRENGTH, such as label_flips:0.3."
                ) from error
    pulse_lib.check(runs)
    return window, runs


def pulse_name(pulse: Pulse) -> str:
    """Returns `kind:strength`."""
    return f"{pulse.kind}:{pulse.strength:g}" if pulse.kind != CONTROL else CONTROL


def collect(window: Window, courses: Sequence[Course], products: Sequence[str]) -> Temporal:
    """Measures drop and recovery of all courses."""
    recoveries = tuple(
        tuple(recovery.measure(c.steps, c.accuracy[:, p], window.start, window.stop) for p in range(len(products)))
        for c in courses
    )
    names = list(dict.fromkeys(pulse_name(c.pulse) for c in courses if c.pulse.kind != CONTROL))
    by_pulse = {
        name: [r for c, row in zip(courses, recoveries, strict=True) if pulse_name(c.pulse) == name for r in row]
        for name in names
    }
    equivalence: dict[str, tuple[float, ...]] = {}
    bands: dict[str, tuple[Interval, ...]] = {}
    means: dict[str, tuple[Recovery, ...]] = {}
    for name in names:
        runs = [c for c in courses if pulse_name(c.pulse) == name]
        accuracy = np.stack([c.accuracy for c in runs])  # [seeds, K, products]
        n, steps = runs[0].n * len(runs), runs[0].steps
        before = np.flatnonzero(steps <= window.start)[-recovery.N_BEFORE :]
        p_values, pulse_bands, pulse_means = [], [], []
        for p in range(len(products)):
            sizes = (len(before) * n, recovery.N_BEFORE * n)
            shares = accuracy[:, before, p].mean(), accuracy[:, -recovery.N_BEFORE :, p].mean()
            correct = round(float(shares[0]) * sizes[0]), round(float(shares[1]) * sizes[1])
            p_values.append(recovery.equivalence_p(correct, sizes))
            mean = accuracy[:, :, p].mean(axis=0)
            pulse_bands.append(recovery.band(mean, n, jax.random.key(0)))
            pulse_means.append(recovery.measure(steps, mean, window.start, window.stop))
        equivalence[name], bands[name], means[name] = tuple(p_values), tuple(pulse_bands), tuple(pulse_means)
    return Temporal(
        products=tuple(products),
        window=window,
        courses=tuple(courses),
        recoveries=recoveries,
        survival={name: time_to_recovery(values) for name, values in by_pulse.items()},
        log_rank=_log_rank(by_pulse),
        equivalence_p=equivalence,
        bands=bands,
        means=means,
    )


def _log_rank(by_pulse: dict[str, list[Recovery]]) -> LogRank | None:
    """Tests that the times to recovery are the same under all pulses; None if there is nothing to compare."""
    groups = [name for name, values in by_pulse.items() for _ in values]
    recoveries = [r for values in by_pulse.values() for r in values]
    recovered = [r.recovered for r in recoveries]
    if len(by_pulse) < 2 or not any(recovered):
        return None
    return survival.log_rank([float(r.recovery_steps) for r in recoveries], recovered, groups)


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
    return float(worst.fresh_minimum[product]), pulse_name(worst.pulse)


def summary(result: Temporal) -> dict[str, float]:
    """Returns the headline figures: over all pulses, means of levels, the least of minima, medians of recovery.

    Minima and ends are those of fresh designs, so that no minimum is low merely as the least of many.
    """
    figures: dict[str, float] = {}
    disturbed = [i for i, c in enumerate(result.courses) if c.pulse.kind != CONTROL]
    for p, name in enumerate(result.products):
        recoveries = [result.recoveries[i][p] for i in disturbed]
        after = [c.accuracy[c.steps > result.window.start, p].mean() for c in (result.courses[i] for i in disturbed)]
        figures |= {
            f"acc_pre_{name}": float(np.mean([r.before for r in recoveries])),
            f"acc_mean_{name}": float(np.mean(after)),
            f"acc_min_{name}": least(result, p)[0],
            f"acc_end_{name}": float(np.mean([result.courses[i].fresh_end[p] for i in disturbed])),
            f"recovery_steps_{name}": time_to_recovery(recoveries).median,
        }
    if "book" in result.products:
        p = result.products.index("book")
        figures["book_band_low"] = lowest(result, p)
    if "earrings" in result.products:
        figures["earrings_min"] = figures["acc_min_earrings"]
    recovered = [r.recovered for i in disturbed for r in result.recoveries[i]]
    seeds = {c.pulse.seed for c in result.courses}
    return figures | {
        "recovered": float(np.mean(recovered)),
        "pulse_steps": result.window.steps,
        "n_per_point": result.courses[0].n,
        "n_fresh": result.courses[0].n_fresh,
        "seeds": len(seeds),
    }
