"""The report of a training run: its designs, their figures of merit, and the training of the generator."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax.config import Config
from ich_jax.evaluation.design_sheets import DesignSheets
from ich_jax.evaluation.designs import DesignEvaluation
from ich_jax.evaluation.readings import Accuracy
from ich_jax.evaluation.realism import Spread
from ich_jax.report import page
from ich_jax.report.provenance import Provenance
from ich_jax.report.text import number
from ich_jax.studies import tables as run_tables
from ich_jax.studies.train import sections
from ich_jax.studies.train import tables as train_tables
from ich_jax.studies.train.sections import count
from ich_jax.training.inspector import InspectorReport
from ich_jax.training.loop import TrainResult
from ich_jax.types import DesignSpace

JUDGE_P999 = 0.2
"""Error of the inspector on 99.9 % of real images above which it is named a weak judge of an error of 0.5."""

JUDGE_ACCURACY = 0.99
"""Accuracy of the inspector on real images below which it is named a weak judge of product and elements."""

SIMULATED = (
    "Every image here comes from a program: \u201creal\u201d images are drawn by the procedural renderer, "
    "\u201cgenerated\u201d ones by the network. No photograph and no drawing by a person is involved."
)


def write(
    workdir: str | Path,
    *,
    config: Config,
    space: DesignSpace,
    evaluation: DesignEvaluation,
    sheets: DesignSheets,
    history: Sequence[Mapping[str, Any]],
    train: TrainResult,
    inspector: InspectorReport,
    provenance: Provenance,
    evaluated_step: int | None = None,
) -> Path:
    """Writes `report/index.html` with its figures (PNG, SVG) and tables (CSV, Markdown) beside it.

    Args:
        workdir: Work directory of the run.
        config: The run.
        space: Names of products, elements and axes.
        evaluation: Its figures.
        sheets: Its images.
        history: Rows of `metrics.jsonl`.
        train: How training went.
        inspector: The inspector's own error on held-out real images.
        provenance: Command, machine, versions and revision.
        evaluated_step: Step of the weights that were judged, where it is not the last one.

    Returns:
        The path of the page.

    Raises:
        WorkdirError: A file cannot be written.
    """
    context, simulated = _samples(config, evaluation), evaluation.simulated
    candidates = [
        page.Section("What it draws", items=sections.drawings(space, sheets, context), simulated=simulated),
        sections.obedience(space, evaluation, context),
        sections.sketches(space, evaluation, context),
        sections.realism(evaluation, context),
        sections.copying(evaluation, context),
        sections.inspection(inspector, simulated=simulated),
        sections.training(config, history, train),
        page.Section(
            "Every figure", items=(train_tables.every_figure(evaluation, train, context),), simulated=simulated
        ),
        page.Section("Configuration", items=(run_tables.config_table(config),), folded=True),
    ]
    shown = [section for section in candidates if section.items]
    folder = Path(workdir) / "report"
    page.write_files(folder, shown)
    return page.write(
        folder / "index.html",
        title=f"Training report: {config.name}",
        summary=_summary(config, space, evaluation, train, evaluated_step),
        sections=shown,
        provenance=provenance,
        headlines=_headlines(evaluation, train),
        warnings=_warnings(config, evaluation, train, inspector),
        simulated=SIMULATED if simulated else "",
    )


# ---------------------------------------------------------------- top of the page


def _summary(
    config: Config, space: DesignSpace, evaluation: DesignEvaluation, train: TrainResult, evaluated_step: int | None
) -> str:
    kind = f"{config.data.size} px {'grey' if config.data.channels == 1 else 'colour'}"
    stated = [(len(space.products), "product"), (len(space.elements), "design element"), (len(space.axes), "axis")]
    names = [count(n, noun) for n, noun in stated if n]
    weights = f"the averaged weights of step {evaluated_step:,}" if evaluated_step is not None else "averaged weights"
    return (
        f"A {config.generator.arm} conditional GAN learned to draw {kind} designs in "
        f"{count(train.steps, 'training step')} ({train.steps * config.train.batch:,} images shown). Its briefs range "
        f"over {_and(names)}. It is judged on {count(evaluation.n_designs, 'test brief')} with {weights}, one draw "
        "each, without selection, by an inspector that was trained on real images only."
    )


def _headlines(evaluation: DesignEvaluation, train: TrainResult) -> list[page.Headline]:
    designs = evaluation.designs
    strip = []
    if designs.product is not None:
        strip.append(page.Headline("product read as asked", _share(designs.product.accuracy), _range(designs.product)))
    if designs.elements:
        worst = min(designs.elements, key=lambda element: element.accuracy)
        strip.append(page.Headline(f"lowest element: {worst.name}", _share(worst.accuracy), _range(worst)))
    if designs.axes is not None:
        axes = designs.axes.axes
        worst_axis = max(axes, key=lambda axis: axis.p95)
        mae, over = statistics.fmean(axis.mae for axis in axes), count(len(axes), "axis")
        beyond = f"of {designs.axes.n:,} briefs, on any axis"
        strip += [
            page.Headline("axis MAE", f"{mae:.3f}", f"mean over {over}, scale \u22123 to 3"),
            page.Headline("axis P95", f"{worst_axis.p95:.3f}", f"worst axis: {worst_axis.name}"),
            page.Headline(f"beyond {designs.axes.tolerance:g}", f"{designs.axes.any_beyond:,}", beyond),
        ]
    if evaluation.generated is not None:
        kid = evaluation.generated.kid
        reference = f"; real against real {number(evaluation.real.kid.mean)}" if evaluation.real else ""
        strip.append(page.Headline("KID, random features", number(kid.mean), f"{_spread(kid)}{reference}"))
    if evaluation.diversity.ratio is not None:
        reference = f"of real images of the {evaluation.diversity.reference}"
        strip.append(page.Headline("diversity at a fixed brief", f"{evaluation.diversity.ratio:.2f}", reference))
    strip.append(page.Headline("images per second", f"{train.img_per_s:,.0f}", "in training"))
    return strip


def _warnings(
    config: Config, evaluation: DesignEvaluation, train: TrainResult, inspector: InspectorReport
) -> list[str]:
    warnings = []
    if train.stopped:
        warnings.append(f"The run stopped at step {train.steps:,} of {config.train.steps:,}.")
    weak = [
        f"{name} {p999:.2f}"
        for name, p999 in zip(inspector.axes, inspector.axis_p999, strict=True)
        if p999 > JUDGE_P999
    ]
    if weak:
        warnings.append(
            f"The inspector itself errs on real images: up to {_and(weak)} on 99.9 % of {inspector.n:,}. Errors of "
            "that size cannot be distinguished from the generator's."
        )
    accuracies = {"product": inspector.product_accuracy, **inspector.element_accuracy}
    blind = [f"{name} {_share(value)}" for name, value in accuracies.items() if value < JUDGE_ACCURACY]
    if blind:
        warnings.append(
            f"The inspector reads parts of real images right less often than {JUDGE_ACCURACY:g} ({_and(blind)}); a "
            "perfect generator would score no higher."
        )
    if evaluation.inspector is None:
        warnings.append("No real images were held out, so distances and the inspector's own error are missing.")
    if train.alarms:
        names = list(dict.fromkeys(alarm.name.replace("_", " ") for alarm in train.alarms))
        warnings.append(f"Training raised {count(len(train.alarms), 'alarm')} ({_and(names)}); see Training.")
    return warnings


# ---------------------------------------------------------------- words


def _samples(config: Config, evaluation: DesignEvaluation) -> str:
    strength = f", style strength {evaluation.style_strength:g}" if evaluation.style_strength != 1.0 else ""
    return f"1 run, seed {config.seed}; evaluation seed {evaluation.evaluation_seed}{strength}"


def _share(value: float) -> str:
    """A share with three decimals, four where it would round to 1."""
    text = f"{value:.3f}"
    return f"{value:.4f}" if text == "1.000" and value < 1.0 else text


def _range(part: Accuracy) -> str:
    return f"{_share(float(part.interval.low))} to {_share(float(part.interval.high))}, n = {part.n:,}"


def _spread(spread: Spread) -> str:
    return f"\u00b1 {number(spread.sd)}" if len(spread.values) > 1 else "one feature seed"


def _and(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
