"""The sections of the page of the error comparison."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ich_jax.config import ErrorComparisonConfig
from ich_jax.report import page
from ich_jax.report.style import Picture
from ich_jax.report.tables import Table
from ich_jax.studies import tables as run_tables
from ich_jax.studies.error_comparison import figures as error_figures
from ich_jax.studies.error_comparison import tables as error_tables
from ich_jax.studies.error_comparison.result import CellRecord, ErrorComparison
from ich_jax.training.inspector import InspectorReport

Item = page.Figure | Table | page.PaperQuote


def axis_errors(result: ErrorComparison, records: Sequence[CellRecord], samples: str, stamp: str) -> page.Section:
    """Errors of both arms on each axis."""
    names, tolerance = result.names, result.headline.tolerance
    judged = error_tables.judged(result.headline, samples)
    items = (
        _figure(
            "error_strips",
            "Errors on each axis",
            error_figures.strips(records, names, tolerance),
            "Every dot is one design: value read minus value requested, on the scale of the axes "
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
            "Agreement of values read with values requested",
            error_figures.bland_altman(records, names, stamp),
            "Bland-Altman: lines at the bias and at the limits of agreement, bias \u00b1 1.96 standard deviations. A "
            "slope means that the ends of an axis are not reached.",
            samples,
        ),
    )
    return page.Section("Errors on each axis", items=items, simulated=result.simulated)


def claims(result: ErrorComparison, samples: str, stamp: str) -> page.Section:
    """Contrasts of the arms with the tests at both levels."""
    return page.Section(
        "What the comparison can claim",
        text=(
            "Each test flips the signs of differences plain \u2212 residual. Over designs it is conditional on "
            "these networks; over seeds one pair of networks is one observation, so the claim is about the "
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


def degradation(result: ErrorComparison, samples: str, stamp: str) -> page.Section:
    """Errors against depth; empty for one depth."""
    by_depth = result.degradation
    if by_depth is None:
        return page.Section("Errors against depth")
    seeds = count(len(by_depth.seeds), "seed")
    return page.Section(
        "Errors against depth",
        text=(
            "Degradation, the paper's reason for residual blocks (section 2.2): a training error that rises as layers "
            "are added. It is not overfitting, and should not occur with shortcuts.",
        ),
        items=(
            _figure(
                "depth",
                "Errors against depth",
                error_figures.depth_curves(by_depth, stamp),
                "Strong: mean over seeds with its 95 % interval; pale: each seed. The horizontal axis is logarithmic.",
                f"{seeds} per arm and depth",
            ),
            error_tables.by_depth(by_depth, f"{seeds} per arm and depth"),
            error_tables.interaction(by_depth, f"{seeds} per arm and depth"),
        ),
        notes=(
            "The plain arm is behind on every axis "
            + (
                "at no depth from which on it stays so."
                if by_depth.behind_from is None
                else f"from {by_depth.behind_from} on."
            )
            + " Behind: worse on average with an adjusted p below 0.05 over seeds, at that depth and at all greater "
            "ones.",
        ),
        simulated=result.simulated,
    )


def gradients(records: Sequence[CellRecord], samples: str, stamp: str, *, simulated: bool) -> page.Section:
    """Norm of the gradient in each block; empty if it was not measured."""
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


def guarantee(records: Sequence[CellRecord], *, simulated: bool) -> page.Section:
    """Changes by blocks that are appended to trained generators."""
    return page.Section(
        "The guarantee: blocks that are appended",
        text=(
            "A residual block whose last layer is zero passes its input on unchanged (H(x) = F(x) + x with F(x) = "
            "0); a plain block then passes nothing on. Blocks were appended to each stage of the trained "
            "generators and the same designs drawn again.",
        ),
        items=(error_tables.guarantee(records),),
        simulated=simulated,
    )


def examples(
    result: ErrorComparison, records: Sequence[CellRecord], images: Sequence[npt.NDArray[np.uint8]], samples: str
) -> page.Section:
    """Designs with the largest errors, and with errors near the tolerance."""
    tolerance = result.headline.tolerance
    items = (
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
    return page.Section("What errors look like", items=items, simulated=result.simulated)


def training(config: ErrorComparisonConfig, result: ErrorComparison) -> page.Section:
    """How the arms were set up and trained."""
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


def inspection(inspector: InspectorReport, *, simulated: bool) -> page.Section:
    """The inspector's own error."""
    return page.Section(
        "Who judges",
        (
            "Every error is measured by the inspector: a network that saw real training images only, was frozen "
            "before any generator was judged, and is part of no generator's loss. The discriminator's own reading "
            "head judges nothing here.",
        ),
        tuple(run_tables.judge_tables(inspector)),
        simulated=simulated,
    )


def configuration(config: ErrorComparisonConfig, records: Sequence[CellRecord]) -> page.Section:
    """Every trained network and the fields of the config."""
    tables = (error_tables.cells(records), run_tables.config_table(config))
    return page.Section("Every trained network and the configuration", items=tables, folded=True)


def _fairness(config: ErrorComparisonConfig) -> str:
    settings = config.comparison
    networks = "Generator and discriminator" if settings.networks == "both" else "The generator, not the discriminator,"
    trials = (
        f"For each arm and depth {count(len(settings.learning_rates), 'step size')} and the gains of the table "
        f"were tried for {settings.trial_steps:,} steps; those with the least error on validation briefs were taken."
        if settings.trial_steps
        else "No trials were made: the first gain and step size of the config were taken."
    )
    return (
        f"{networks} are plain in the plain arm. Parameters, optimiser, images and their order, noise, steps and "
        f"seeds are the same in both arms. {trials} Weights are drawn from He's normal initialiser; the gain scales "
        "the last layer of each block. The encoder, used in training only, is the same in both arms. Averaged weights "
        "of the last step are judged; no checkpoint and no design is selected."
    )


def _figure(name: str, title: str, picture: Picture, caption: str, samples: str) -> page.Figure:
    return page.Figure(name, title, picture, caption, samples)


def count(n: int, noun: str) -> str:
    """Returns a number with its noun in the singular or plural."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
