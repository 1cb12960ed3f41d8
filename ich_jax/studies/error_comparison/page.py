"""The page of the error comparison: do residual blocks reduce the error on each axis, and from which depth on?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ich_jax.config import ErrorComparisonConfig
from ich_jax.evaluation.arms import ArmComparison
from ich_jax.evaluation.level_tests import SEEDS
from ich_jax.report import page
from ich_jax.report.provenance import Provenance
from ich_jax.report.text import number
from ich_jax.studies.error_comparison import figures as error_figures
from ich_jax.studies.error_comparison import sections
from ich_jax.studies.error_comparison.result import CellRecord, ErrorComparison
from ich_jax.studies.error_comparison.sections import count
from ich_jax.training.inspector import InspectorReport
from ich_jax.types import Brief, DesignSpace

ALPHA = 0.05
SIMULATED = (
    "Every image here comes from a program: the procedural renderer draws the real ones, networks the generated ones. "
    "No photograph and no drawing by a person is involved."
)


def write(
    folder: str | Path,
    *,
    config: ErrorComparisonConfig,
    space: DesignSpace,
    brief: Brief,
    result: ErrorComparison,
    records: Sequence[CellRecord],
    images: Sequence[npt.NDArray[np.uint8]],
    inspector: InspectorReport,
    provenance: Provenance,
) -> Path:
    """Writes `report/index.html` with figures and tables beside it.

    Args:
        folder: Work directory.
        config: The comparison.
        space: Names of products, elements and axes.
        brief: The test briefs.
        result: The comparison of the cells.
        records: The cells.
        images: Designs `[N, H, W, C]` of each cell, in the order of `records`.
        inspector: The inspector's own error on held-out real images.
        provenance: Command, machine, versions and revision.

    Returns:
        The path of the page.

    Raises:
        WorkdirError: A file cannot be written.
    """
    depth = result.depths[-1]
    deepest = [i for i, record in enumerate(records) if record.depth == depth]
    shown, drawn = [records[i] for i in deepest], [images[i] for i in deepest]
    simulated, samples = result.simulated, _samples(result.headline, depth)
    stamp = error_figures.STAMP if simulated else ""
    candidates = [
        sections.axis_errors(result, shown, samples, stamp),
        sections.claims(result, samples, stamp),
        sections.degradation(result, samples, stamp),
        sections.gradients(shown, samples, stamp, simulated=simulated),
        sections.guarantee(records, simulated=simulated),
        sections.examples(result, shown, drawn, samples),
        sections.training(config, result),
        sections.inspection(inspector, simulated=simulated),
        sections.configuration(config, records),
    ]
    shown_sections = [section for section in candidates if section.items]
    report = Path(folder) / "report"
    page.write_files(report, shown_sections)
    return page.write(
        report / "index.html",
        title=f"Error comparison: {config.name}",
        summary=_summary(result),
        sections=shown_sections,
        provenance=provenance,
        headlines=_headlines(result),
        warnings=_warnings(config, result, records),
        simulated=SIMULATED if simulated else "",
    )


# ---------------------------------------------------------------- top of the page


def _summary(result: ErrorComparison) -> str:
    comparison, depth = result.headline, result.depths[-1]
    ratios = ", ".join(f"{c.name} {number(c.ratio.value)}" for c in comparison.contrasts)
    text = (
        f"Two arms that differ only in the shortcut, {count(len(comparison.seeds), 'seed')} each, "
        f"{comparison.n_designs:,} designs per network, one draw each. At {count(depth, 'block')} a stage the mean "
        f"error of the residual arm over that of the plain arm is {ratios}. {_verdict(comparison)}"
    )
    degradation = result.degradation
    if degradation is None:
        return text
    over = ", ".join(str(depth) for depth in degradation.depths)
    if degradation.behind_from is None:
        return f"{text} Over depths {over} there is none beyond which the plain arm is always behind on every axis."
    return f"{text} Over depths {over} the plain arm is behind on every axis from {degradation.behind_from} on."


def _verdict(comparison: ArmComparison) -> str:
    """The outcome of the test over seeds, and whether the claim of the paper holds."""
    test = comparison.test(SEEDS)
    if test.withheld:
        return "One seed supports no claim about the method."
    better = [c.name for c in comparison.contrasts if c.difference.value > 0 and test.p_max_t[c.name] < ALPHA]
    worse = [c.name for c in comparison.contrasts if c.difference.value < 0 and test.p_max_t[c.name] < ALPHA]
    if test.smallest_p is not None and test.smallest_p >= ALPHA:
        return f"So few seeds can show nothing about the method at {ALPHA:g}."
    words = [f"Over seeds, shortcuts reduce the error on {', '.join(better)}"] if better else []
    words += [f"they raise it on {', '.join(worse)}"] if worse else []
    return f"{'; '.join(words)}." if words else "Over seeds no difference is shown on any axis."


def _headlines(result: ErrorComparison) -> list[page.Headline]:
    comparison, strip = result.headline, []
    for a, contrast in enumerate(comparison.contrasts):
        plain, residual = comparison.plain.axes[a], comparison.residual.axes[a]
        strip.append(
            page.Headline(
                f"{contrast.name}: max |error|",
                f"{residual.max:.2f}",
                f"plain {plain.max:.2f}; n = {residual.n:,} each",
            )
        )
    for arm in (comparison.residual, comparison.plain):
        beyond = sum(network.any_beyond for network in arm.by_seed)
        label = f"{arm.arm}: designs beyond {comparison.tolerance:g}"
        strip.append(
            page.Headline(label, f"{beyond:,}", f"of {comparison.n_designs * len(comparison.seeds):,}, any axis")
        )
    test = comparison.test(SEEDS)
    p = max(test.p_max_t.values()) if test.p_max_t else None
    least = f"smallest possible {number(test.smallest_p)}" if test.smallest_p is not None else "withheld"
    strip.append(page.Headline("p over seeds, worst axis", "n/a" if p is None else number(p), f"max-T; {least}"))
    if comparison.inspector is not None:
        worst = max(comparison.inspector.axes, key=lambda axis: axis.max)
        detail = f"largest on {worst.n:,} real images: {worst.name}"
        strip.append(page.Headline("inspector's own error", f"{worst.max:.2f}", detail))
    return strip


def _warnings(config: ErrorComparisonConfig, result: ErrorComparison, records: Sequence[CellRecord]) -> list[str]:
    warnings = []
    sizes = {depth: {(r.g_parameters, r.d_parameters) for r in records if r.depth == depth} for depth in result.depths}
    unequal = [str(depth) for depth, counts in sizes.items() if len(counts) > 1]
    if unequal:
        warnings.append(
            f"The arms differ in their number of parameters at depth {', '.join(unequal)}: no fair comparison."
        )
    gave_up = [f"{r.arm}, depth {r.depth}, seed {r.seed} (step {r.steps:,})" for r in records if r.diverged]
    if gave_up:
        warnings.append(f"Training was abandoned, and the newest good checkpoint judged: {'; '.join(gave_up)}.")
    ceiling = result.headline.inspector
    if ceiling is not None:
        weak = [f"{axis.name} {axis.max:.2f}" for axis in ceiling.axes if axis.max > result.headline.tolerance / 2]
        if weak:
            warnings.append(
                f"The inspector itself errs by more than half of the tolerance on real images: {', '.join(weak)}."
            )
    untrained = [name for name, arm in (("plain", result.headline.plain), ("residual", result.headline.residual))
            if all(axis.skill < 0.1 for axis in arm.axes)]  # fmt: skip
    if untrained:
        warnings.append(
            f"The {' and '.join(untrained)} arm has learned next to nothing (skill below 0.1 on every axis) in "
            f"{config.train.steps:,} steps."
        )
    return warnings


def _samples(comparison: ArmComparison, depth: int) -> str:
    networks = f"{count(len(comparison.seeds), 'seed')} in each arm"
    return f"{comparison.n_designs:,} designs x {networks}, {count(depth, 'block')} a stage"
