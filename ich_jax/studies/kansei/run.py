"""A run of the study, from its answers to its page."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax import errors, liveness, workdir
from ich_jax.config import KanseiConfig
from ich_jax.kansei.review import Comparison
from ich_jax.report import provenance
from ich_jax.studies.console import shown
from ich_jax.studies.kansei import axes, files
from ich_jax.studies.kansei import page as kansei_page
from ich_jax.studies.kansei import tables as kansei_tables
from ich_jax.studies.kansei.answers import from_paper
from ich_jax.studies.kansei.result import KanseiResult, analyse


def run(config: KanseiConfig, folder: str, axes_of: str = "") -> KanseiResult:
    """Analyses the answers and reports; prints the summary line.

    Args:
        config: The study.
        folder: Work directory.
        axes_of: Folder of the rated images; the factors of the words become axes in its metadata.csv; empty: none.

    Raises:
        DataError: The answers cannot be used (raised before anything is written), or samples do not match the images.
        WorkdirError: The folder belongs to another run.
    """
    liveness.keeps("an analysis is saved only at its end, and the same command starts it again")
    liveness.stage("answers")
    contents = workdir.digests(config)
    if (Path(folder) / workdir.CONFIG_FILE).exists():
        workdir.claim(folder, config, contents)  # a folder of another run is refused before any work
    if config.data.source == "csv":
        scale = config.data.scale_low, config.data.scale_high
        answers = files.load(config.data.path, scale, config.data.axis_levels)
    else:
        answers = from_paper(config.seed)
    print(f"Answers: {answers.source}", flush=True)
    liveness.stage("analysis")
    result = analyse(answers, config)
    for analysis, reason in result.not_computable:
        print(f"not computable: {analysis}: {reason}")
    workdir.claim(folder, config, contents)
    liveness.stage("page")
    origin = provenance.provenance()
    page = kansei_page.write(folder, config=config, result=result, provenance=origin)
    summary = summarise(result)
    simulated = result.survey is not None and result.survey.simulated
    workdir.write_json(
        Path(folder) / "results.json",
        {
            "summary": summary,
            "simulated": ["survey"] if simulated else [],
            "source": result.source,
            "review": None if result.review is None else _stored(result.review.comparison),
            "icc_bounds": None if result.review is None else result.review.bounds,
            "words": result.words,
            "elements": result.elements,
            "survey": result.survey,
            "not_computable": result.not_computable,
            "provenance": origin,
        },
    )
    if axes_of:
        if result.words is None:
            raise errors.DataError("--axes_of: there are no ratings of words, and so no factors.")
        print(f"Axes of {axes_of}: {', '.join(axes.write(result.words, axes_of))}")
    if result.elements is not None:
        text = kansei_tables.briefs_csv(result.elements, config.analysis.n_briefs)
        workdir.write_text(Path(folder) / "briefs.csv", text)
        print(f"Briefs: {Path(folder) / 'briefs.csv'}, for experiments/design.py --briefs")
    print(f"Page: {page}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)
    return result


def _stored(comparison: Comparison) -> Comparison:
    """Returns the comparison without the differences of all assignments, which take megabytes."""
    permutation = dataclasses.replace(comparison.permutation, null=np.empty(0))
    return dataclasses.replace(comparison, permutation=permutation)


def summarise(result: KanseiResult) -> dict[str, Any]:
    """Returns the headline figures of the parts that have data."""
    summary: dict[str, Any] = {}
    if result.review is not None:
        c = result.review.comparison
        summary |= {
            "review_mean_experimental": c.welch.mean_first,
            "review_mean_control": c.welch.mean_second,
            "review_permutation_p": c.permutation.p,
            "review_hedges_g": c.hedges.g,
        }
    if result.survey is not None:
        summary |= {"n_valid": result.survey.screening.n_valid, "n_returned": result.survey.screening.n_returned}
    if result.words is not None:
        summary["dimensions"] = result.words.components.retained
        if result.words.adequacy is not None:
            summary["kmo"] = result.words.adequacy.kmo
    if result.elements is not None:
        summary["wanted"] = "+".join(result.elements.profiles.brief(0).values())
    summary["not_computable"] = len(result.not_computable)
    return summary
