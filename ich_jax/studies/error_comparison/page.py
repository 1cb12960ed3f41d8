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
from ich_jax.report.style import Picture
from ich_jax.report.tables import Table
from ich_jax.report.text import count, number, p_value
from ich_jax.studies import tables as run_tables
from ich_jax.studies.error_comparison import figures as error_figures
from ich_jax.studies.error_comparison import tables as error_tables
from ich_jax.studies.error_comparison.result import CellRecord, ErrorComparison
from ich_jax.training.inspector import InspectorReport
from ich_jax.types import Brief, DesignSpace

ALPHA = 0.05
SIMULATED = (
    "Every image here comes from a program: the procedural renderer draws the real ones, networks the generated ones. "
    "No photograph and no drawing by a person is involved."
)
Item = page.Figure | Table | page.PaperQuote


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
        result: What the cells show.
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
    sections = [
        page.Section("Errors on each axis", items=_errors(result, shown, samples, stamp), simulated=simulated),
        _claims(result, samples, stamp),
        _degradation(result, samples, stamp),
        _gradients(shown, samples, stamp, simulated=simulated),
        _guarantee(records, simulated=simulated),
        page.Section("What errors look like", items=_sheets(result, shown, drawn, samples), simulated=simulated),
        _training(config, result),
        _inspector(inspector, simulated=simulated),
        _configuration(config, records),
    ]
    sections = [section for section in sections if section.items]
    report = Path(folder) / "report"
    page.write_files(report, sections)
    return page.write(
        report / "index.html",
        title=f"Error comparison: {config.name}",
        summary=_summary(result),
        sections=sections,
        provenance=provenance,
        headlines=_headlines(result),
        warnings=_warnings(config, result, records),
        simulated=SIMULATED if simulated else "",
    )


# ---------------------------------------------------------------- top of the page


def _summary(result: ErrorComparison) -> str:
    one, depth = result.headline, result.depths[-1]
    ratios = ", ".join(f"{c.name} {number(c.ratio.value)}" for c in one.contrasts)
    text = (
        f"Two arms that differ in nothing but the shortcut, {count(len(one.seeds), 'seed')} each, "
        f"{one.n_designs:,} designs per network, one draw each. At {count(depth, 'block')} a stage the mean error of "
        f"the residual arm over that of the plain arm is {ratios}. {_verdict(one)}"
    )
    found = result.degradation
    if found is None:
        return text
    over = ", ".join(str(d) for d in found.depths)
    if found.behind_from is None:
        return f"{text} Over depths {over} there is none from which on the plain arm is behind on every axis."
    return f"{text} Over depths {over} the plain arm is behind on every axis from {found.behind_from} on."


def _verdict(one: ArmComparison) -> str:
    """What the test over seeds says, and whether the claim of the paper holds."""
    test = one.test(SEEDS)
    if test.withheld:
        return "With one seed nothing is claimed about the method."
    better = [c.name for c in one.contrasts if c.difference.value > 0 and test.p_max_t[c.name] < ALPHA]
    worse = [c.name for c in one.contrasts if c.difference.value < 0 and test.p_max_t[c.name] < ALPHA]
    if test.smallest_p is not None and test.smallest_p >= ALPHA:
        return f"So few seeds can show nothing about the method at {ALPHA:g}."
    words = [f"Over seeds, shortcuts reduce the error on {', '.join(better)}"] if better else []
    words += [f"they raise it on {', '.join(worse)}"] if worse else []
    return f"{'; '.join(words)}." if words else "Over seeds no difference is shown on any axis."


def _headlines(result: ErrorComparison) -> list[page.Headline]:
    one, strip = result.headline, []
    for a, contrast in enumerate(one.contrasts):
        plain, residual = one.plain.axes[a], one.residual.axes[a]
        strip.append(
            page.Headline(
                f"{contrast.name}: max |error|",
                f"{residual.max:.2f}",
                f"plain {plain.max:.2f}; n = {residual.n:,} each",
            )
        )
    for arm in (one.residual, one.plain):
        beyond = sum(of.any_beyond for of in arm.by_seed)
        label = f"{arm.arm}: designs beyond {one.tolerance:g}"
        strip.append(page.Headline(label, f"{beyond:,}", f"of {one.n_designs * len(one.seeds):,}, any axis"))
    test = one.test(SEEDS)
    p = max(test.p_max_t.values()) if test.p_max_t else None
    least = f"smallest possible {p_value(test.smallest_p)}" if test.smallest_p is not None else "withheld"
    strip.append(page.Headline("p over seeds, worst axis", p_value(p) or "n/a", f"max-T; {least}"))
    if one.inspector is not None:
        own = max(one.inspector.axes, key=lambda axis: axis.max)
        detail = f"largest on {own.n:,} real images: {own.name}"
        strip.append(page.Headline("inspector's own error", f"{own.max:.2f}", detail))
    return strip


def _warnings(config: ErrorComparisonConfig, result: ErrorComparison, records: Sequence[CellRecord]) -> list[str]:
    found = []
    sizes = {depth: {(r.g_parameters, r.d_parameters) for r in records if r.depth == depth} for depth in result.depths}
    odd = [str(depth) for depth, of in sizes.items() if len(of) > 1]
    if odd:
        found.append(f"The arms differ in their number of parameters at depth {', '.join(odd)}: no fair comparison.")
    gave_up = [f"{r.arm}, depth {r.depth}, seed {r.seed} (step {r.steps:,})" for r in records if r.diverged]
    if gave_up:
        found.append(f"Training was given up, and the newest good checkpoint judged: {'; '.join(gave_up)}.")
    own = result.headline.inspector
    if own is not None:
        weak = [f"{axis.name} {axis.max:.2f}" for axis in own.axes if axis.max > result.headline.tolerance / 2]
        if weak:
            found.append(
                f"The inspector itself errs by more than half of the tolerance on real images: {', '.join(weak)}."
            )
    lost = [name for name, arm in (("plain", result.headline.plain), ("residual", result.headline.residual))
            if all(axis.skill < 0.1 for axis in arm.axes)]  # fmt: skip
    if lost:
        found.append(
            f"The {' and '.join(lost)} arm has learned next to nothing (skill below 0.1 on every axis) in "
            f"{config.train.steps:,} steps."
        )
    return found


# ---------------------------------------------------------------- sections


def _errors(result: ErrorComparison, records: Sequence[CellRecord], samples: str, stamp: str) -> tuple[Item, ...]:
    names, tolerance = result.names, result.headline.tolerance
    judged = error_tables.judged(result.headline, samples)
    return (
        _figure(
            "error_strips",
            "Errors on each axis",
            error_figures.strips(records, names, tolerance),
            "Every dot is one design: what the inspector reads minus what was asked, on the scale of the axes "
            f"(\u22123 to 3). Shaded: within \u00b1{tolerance:g}. The bar spans the middle 90 %, the ring is the "
            "median.",
            samples,
        ),
        error_tables.arms(result.headline, samples),
        *((judged,) if judged is not None else ()),
        page.PaperQuote(
            "Without residual blocks the absolute error on the three axes reaches 1.16, 0.72 and 0.77; with them it "
            "\u201calways stays within 0.5\u201d.",
            "section 3.2.1, Figure 4",
            "The paper names no axes, units, number of designs, seeds or test, so its numbers and those above cannot "
            f"be compared; only the band of \u00b1{tolerance:g} is taken from it.",
        ),
        _figure(
            "distribution",
            "Share of designs within an error",
            error_figures.distribution(records, names, tolerance, stamp),
            "Empirical distribution of |error|. Pale: each network; strong: all of an arm.",
            samples,
        ),
        _figure(
            "bland_altman",
            "Agreement of what is read with what was asked",
            error_figures.bland_altman(records, names, stamp),
            "Bland-Altman: lines at the bias and at the limits of agreement, bias \u00b1 1.96 standard deviations. A "
            "slope means that the ends of an axis are not reached.",
            samples,
        ),
    )


def _claims(result: ErrorComparison, samples: str, stamp: str) -> page.Section:
    return page.Section(
        "What the comparison can claim",
        text=(
            "Each test flips the signs of differences plain \u2212 residual. Over designs it is conditional on "
            "these networks; over seeds one pair of networks is one observation, so that it speaks about the "
            "method. With S seeds no p can be below 2 to the power 1 \u2212 S.",
        ),
        items=(
            error_tables.contrasts(result.headline, samples),
            _figure(
                "slopes",
                "Mean error of each pair of networks",
                error_figures.slopes(result.headline, stamp),
                "One line per seed: the plain network on the left, the residual one on the right, trained on the "
                "same images in the same order.",
                samples,
            ),
            error_tables.networks(result.headline, samples),
        ),
        notes=result.headline.notes,
        simulated=result.simulated,
    )


def _degradation(result: ErrorComparison, samples: str, stamp: str) -> page.Section:
    found = result.degradation
    if found is None:
        return page.Section("Errors against depth")
    seeds = count(len(found.seeds), "seed")
    return page.Section(
        "Errors against depth",
        text=(
            "Degradation, the paper's reason for residual blocks (section 2.2): a training error that rises as layers "
            "are added. It is no overfitting, and should not be seen where shortcuts exist.",
        ),
        items=(
            _figure(
                "depth",
                "Errors against depth",
                error_figures.depth_curves(found, stamp),
                "Strong: mean over seeds with its 95 % interval; pale: each seed. The horizontal axis is logarithmic.",
                f"{seeds} per arm and depth",
            ),
            error_tables.by_depth(found, f"{seeds} per arm and depth"),
            error_tables.interaction(found, f"{seeds} per arm and depth"),
        ),
        notes=(
            "The plain arm is behind on every axis "
            + (
                "at no depth from which on it stays so."
                if found.behind_from is None
                else f"from {found.behind_from} on."
            )
            + " Behind: worse on average with an adjusted p below 0.05 over seeds, at that depth and at all greater "
            "ones.",
        ),
        simulated=result.simulated,
    )


def _gradients(records: Sequence[CellRecord], samples: str, stamp: str, *, simulated: bool) -> page.Section:
    picture = error_figures.gradient_norms(records, stamp)
    if picture is None:
        return page.Section("Gradients by depth")
    item = _figure(
        "gradients",
        "Norm of the gradient in each block",
        picture,
        "The gradient of the training objective on the batch of that step, before clipping. Lines: geometric mean over "
        "seeds, bands: their range. Blocks are numbered from the lowest resolution up in the generator and from the "
        "picture down in the discriminator.",
        samples,
    )
    return page.Section("Gradients by depth", items=(item,), simulated=simulated)


def _guarantee(records: Sequence[CellRecord], *, simulated: bool) -> page.Section:
    return page.Section(
        "The guarantee: blocks that are appended",
        text=(
            "A residual block whose last layer is zero passes its input on as it is (H(x) = F(x) + x with F(x) = "
            "0); a plain block then passes on nothing. Blocks were appended to each stage of the trained "
            "generators and the same designs drawn again.",
        ),
        items=(error_tables.guarantee(records),),
        simulated=simulated,
    )


def _sheets(
    result: ErrorComparison, records: Sequence[CellRecord], images: Sequence[npt.NDArray[np.uint8]], samples: str
) -> tuple[Item, ...]:
    tolerance = result.headline.tolerance
    return (
        _figure(
            "worst",
            "The worst designs of each arm",
            error_figures.worst_designs(records, images, result.names),
            "The largest errors of any axis, largest first, with the axis and read minus requested below.",
            samples,
        ),
        _figure(
            "at_tolerance",
            f"What an error of {tolerance:g} looks like",
            error_figures.at_tolerance(records, images, result.names, tolerance),
            f"Designs of either arm whose largest error is nearest to {tolerance:g}.",
            samples,
        ),
    )


def _training(config: ErrorComparisonConfig, result: ErrorComparison) -> page.Section:
    tables = (
        error_tables.trials(result),
        error_tables.best_of(result, f"evaluation seed {config.evaluation.seed}"),
    )
    return page.Section(
        "How the arms were trained",
        text=(_fairness(config),),
        items=tuple(table for table in tables if table is not None),
        simulated=result.simulated,
    )


def _inspector(inspector: InspectorReport, *, simulated: bool) -> page.Section:
    return page.Section(
        "Who judges",
        (
            "Every error is what the inspector reads: a network that saw real training images only, was frozen "
            "before any generator was judged, and is part of no generator's loss. The discriminator's own reading "
            "head judges nothing here.",
        ),
        tuple(run_tables.judge_tables(inspector)),
        simulated=simulated,
    )


def _configuration(config: ErrorComparisonConfig, records: Sequence[CellRecord]) -> page.Section:
    tables = (error_tables.cells(records), run_tables.config_table(config))
    return page.Section("Every trained network and the configuration", items=tables, folded=True)


def _fairness(config: ErrorComparisonConfig) -> str:
    settings = config.comparison
    networks = "Generator and discriminator" if settings.networks == "both" else "The generator, not the discriminator,"
    tried = (
        f"For each arm and depth {count(len(settings.learning_rates), 'step size')} and the gains of the table "
        f"were tried for {settings.trial_steps:,} steps, and what gave the least error on validation briefs was taken."
        if settings.trial_steps
        else "No trials were made: the first gain and step size of the config were taken."
    )
    return (
        f"{networks} are plain in the plain arm. Parameters, optimiser, images and their order, noise, steps and "
        f"seeds are the same in both arms. {tried} Weights are drawn from He's normal initialiser; the gain scales "
        "the last layer of each block. The encoder, used in training only, is the same in both arms. Averaged weights "
        "of the last step are judged; no checkpoint and no design is selected."
    )


# ---------------------------------------------------------------- words


def _figure(name: str, title: str, picture: Picture, caption: str, samples: str) -> page.Figure:
    return page.Figure(name, title, picture, caption, samples)


def _samples(one: ArmComparison, depth: int) -> str:
    return f"{one.n_designs:,} designs x {count(len(one.seeds), 'seed')} in each arm, {count(depth, 'block')} a stage"
