"""What our experiments say to a claim: a second verdict beside that from the paper's own figures.

Read from the `results.json` of the stages. All of them rest on simulated data (images of a renderer, simulated raters
and sales), so a verdict here tells whether something of the kind can be shown, not whether the paper's products had it.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ich_jax.report.text import count, number, p_value
from ich_jax.studies.paper.deciding import FAILS, HOLDS, NOT_TESTABLE
from ich_jax.uncertainty import intervals

ALPHA = 0.05
BOUND = 0.97
"""Accuracy above which the paper sees the book."""
_COVERED = 0.9  # of nominal 95 % limits; a few part-worths make the share coarse


@dataclasses.dataclass(frozen=True, slots=True)
class Second:
    """What an experiment says to a claim.

    Attributes:
        verdict: HOLDS, FAILS or NOT TESTABLE.
        reason: The deciding numbers.
        stage: The stage they come from.
        samples: Sample size and seeds.
        simulated: Whether its data are simulated.
    """

    verdict: str
    reason: str
    stage: str
    samples: str
    simulated: bool = True

    @property
    def label(self) -> str:
        """The verdict, with its mark."""
        return f"{self.verdict} (SIMULATED)" if self.simulated else self.verdict


def second_verdicts(results: Mapping[str, Mapping[str, Any]]) -> dict[int, Second]:
    """Returns the second verdicts by the number of the claim.

    Args:
        results: The `results.json` of the stages that have results, by stage.
    """
    found: dict[int, Second] = {}
    for number_of, stage, speak in _SPEAKERS:
        if stage not in results:
            continue
        try:
            found[number_of] = speak(results[stage])
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:  # written by another version, or by hand
            found[number_of] = Second(NOT_TESTABLE, f"Its results.json lacks what is read here: {error!r}.", stage, "")
    return found


def errors_within_half(stored: Mapping[str, Any]) -> Second:
    """Claim 16: no design beyond 0.5 with residual blocks, and a smaller mean error on every axis."""
    s = stored["summary"]
    axes = [name.removeprefix("max_residual_") for name in s if name.startswith("max_residual_")]
    n = int(s["n_designs"]) * int(s["n_seeds"])
    beyond = {axis: int(s[f"exceed_residual_{axis}"]) for axis in axes}
    plain = {axis: int(s[f"exceed_plain_{axis}"]) for axis in axes}
    ratios = {axis: float(s[f"mae_ratio_{axis}"]) for axis in axes}
    p = float(s["p_max_t_designs"])
    worst = max(beyond.values())
    high = 100 * float(intervals.clopper_pearson(worst, n).high)
    right = worst == 0 and p < ALPHA and all(ratio < 1 for ratio in ratios.values())
    return Second(
        HOLDS if right else FAILS,
        f"Beyond 0.5 on {', '.join(axes)}: {_listed(beyond.values())} of {n:,} designs with residual blocks, "
        f"{_listed(plain.values())} without; mean errors with to without: "
        f"{', '.join(number(r, 2) for r in ratios.values())} (max-T p over designs {p_value(p)}). Up to "
        f"{number(high, 1)} % may lie beyond (95 % Clopper-Pearson).",
        "error_comparison",
        f"{s['n_designs']} designs of each network, {count(int(s['n_seeds']), 'seed')}, "
        f"{count(int(s['depth']), 'block')} a stage",
    )


def book_holds_best(stored: Mapping[str, Any]) -> Second:
    """Claim 17: book highest, earrings lowest, and the lower band of the book above 97 %."""
    s = stored["summary"]
    means = {name.removeprefix("acc_mean_"): float(v) for name, v in s.items() if name.startswith("acc_mean_")}
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    low = float(s["book_band_low"])
    right = (best, worst) == ("book", "earrings") and low > BOUND
    return Second(
        HOLDS if right else FAILS,
        f"Mean accuracy over all kinds and severities: {', '.join(f'{k} {_percent(v)}' for k, v in means.items())}; "
        f"least affected is {best}, most affected {worst}. The simultaneous band of the book reaches down to "
        f"{_percent(low)}.",
        "interference",
        f"n = {int(s['n_per_point']):,} designs a point, {count(int(s['seeds']), 'seed')}",
    )


def pulses_recover(stored: Mapping[str, Any]) -> Second:
    """Claim 20: every curve is back within a point of its level before the pulse."""
    s = stored["summary"]
    ends = {
        name.removeprefix("acc_end_"): (float(s[f"acc_pre_{name.removeprefix('acc_end_')}"]), float(v))
        for name, v in s.items()
        if name.startswith("acc_end_")
    }
    share = float(s["recovered"])
    return Second(
        HOLDS if share == 1 else FAILS,
        f"{_percent(share)} of the curves recover; mean accuracy before the pulse and at the end: "
        f"{', '.join(f'{k} {_percent(a)} and {_percent(b)}' for k, (a, b) in ends.items())}.",
        "pulse",
        f"n = {int(s['n_per_point']):,} designs a point, {count(int(s['seeds']), 'seed')}",
    )


def benefits_are_higher(stored: Mapping[str, Any]) -> Second:
    """Claim 22: a positive effect for every product line after adjustment."""
    s = stored["summary"]
    names = [name.removesuffix("_effect") for name in s if name.endswith("_effect")]
    adjusted = [float(p) for p in stored["p_adjusted"]]
    right = all(float(s[f"{name}_low"]) > 0 for name in names) and all(p < ALPHA for p in adjusted)
    effects = (
        f"{name} {number(float(s[f'{name}_effect']), 0)} ({number(float(s[f'{name}_low']), 0)} to "
        f"{number(float(s[f'{name}_high']), 0)})"
        for name in names
    )
    return Second(
        HOLDS if right else FAILS,
        f"Yuan a day: {', '.join(effects)}; largest adjusted p {p_value(max(adjusted))}. The simulation has an effect, "
        "so this shows that such data could carry the claim, no more.",
        "benefit",
        f"{int(s['units'])} outlets, {int(s['treated'])} treated, {int(s['days'])} days, seed {int(s['seed'])}",
    )


def designs_without_a_human_arm(stored: Mapping[str, Any]) -> Second:
    """Claim 25: designs meet their briefs; nobody designed without the generator."""
    s = stored["summary"]
    met, first = s["share_meeting_brief"], s["first_draw_meeting_brief"]
    return Second(
        NOT_TESTABLE,
        f"{_percent(float(met))} of {int(s['n_designs'])} delivered designs meet their brief according to the "
        f"inspector ({_percent(float(first))} of first draws). No one designed without the generator, so there is no "
        "time to compare with.",
        "design",
        f"{count(int(s['n_briefs']), 'brief')}, {count(int(s['n_designs']), 'design')}",
    )


def elements_are_recovered(stored: Mapping[str, Any]) -> Second:
    """Claim 26: known part-worths lie in their limits, and designs to them are wanted more than random ones."""
    s = stored["summary"]
    covered, raised, low = (float(s[name]) for name in ("part_worths_covered", "share_raised", "share_raised_low"))
    right = covered >= _COVERED and low > 0.5
    return Second(
        HOLDS if right else FAILS,
        f"Limits hold {_percent(covered)} of {int(s['part_worths'])} known part-worths; {_percent(raised)} of the "
        f"designs made to them are wanted more than random ones are on average (at least {_percent(low)}).",
        "kansei_loop",
        f"{int(s['n_delivered'])} designs, SIMULATED raters",
    )


def all_products_are_measured(stored: Mapping[str, Any]) -> Second:
    """Claim 27: every figure exists for each of the four products."""
    s = stored["summary"]
    there = [name.removeprefix("acc_mean_") for name in s if name.startswith("acc_mean_")]
    return Second(
        HOLDS if len(there) == 4 else FAILS,
        f"Accuracies are measured for {', '.join(there)}, each from designs and real images of that product.",
        "interference",
        f"n = {int(s['n_per_point']):,} designs of each product a point",
    )


_SPEAKERS: tuple[tuple[int, str, Callable[[Mapping[str, Any]], Second]], ...] = (
    (16, "error_comparison", errors_within_half),
    (17, "interference", book_holds_best),
    (20, "pulse", pulses_recover),
    (22, "benefit", benefits_are_higher),
    (25, "design", designs_without_a_human_arm),
    (26, "kansei_loop", elements_are_recovered),
    (27, "interference", all_products_are_measured),
)


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)} %"


def _listed(values: Any) -> str:
    return ", ".join(f"{value:,}" for value in values)
