"""The page of the loop: recovered part-worths, and the desirability of designs before and after."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np

from ich_jax.config import KanseiConfig, flatten
from ich_jax.report import page, style
from ich_jax.report.page import Figure, Section
from ich_jax.report.provenance import Provenance
from ich_jax.report.style import Picture
from ich_jax.report.tables import Table
from ich_jax.report.text import count

if TYPE_CHECKING:  # the loop writes the page
    from ich_jax.studies.kansei.loop import LoopResult

STAMP = "SIMULATED RATERS"


def write(folder: str | Path, *, config: KanseiConfig, result: "LoopResult", provenance: Provenance) -> Path:
    """Writes the page, its figures and tables; returns the path of the page.

    Args:
        folder: Work directory.
        config: The run.
        result: Result of the loop.
        provenance: Command, machine, versions and revision.

    Raises:
        WorkdirError: A file cannot be written.
    """
    n = len(result.delivered)
    rows = tuple((name, str(value)) for name, value in flatten(config).items())
    sections = [
        _recovery(result),
        _raised(result),
        Section("Configuration", items=(Table("config", "Configuration", ("field", "value"), rows),), folded=True),
    ]
    report = Path(folder) / "report"
    page.write_files(report, sections)
    return page.write(
        report / "index.html",
        title=f"From designs to words and back: {config.name}",
        summary=f"{count(result.raters, 'SIMULATED rater')} scored {count(len(result.random), 'design')} for random "
        f"briefs. Of {count(n, 'design')} for the briefs derived from these scores, {result.raised} are more desirable "
        f"({result.wanted}) than designs for random briefs on average. Raters and analysis use the inspector's reading "
        "of a design, never its brief.",
        sections=sections,
        provenance=provenance,
        headlines=[
            page.Headline(
                "designs raised", f"{100 * result.raised / n:.0f} %", f"{result.raised} of {n}, from "
                f"{100 * result.share_low:.0f} to {100 * result.share_high:.0f} %",
            ),
            page.Headline(
                "more desirable than a random design",
                f"{result.superiority.a12:.2f}",
                f"{result.superiority.low:.2f} to {result.superiority.high:.2f}",
            ),
            page.Headline(
                "part-worths inside their limits", f"{result.covered} of {len(result.true)}",
                f"correlation with the true ones {result.correlation:.2f}",
            ),
        ],
        simulated="The raters are simulated. Designs are drawn by the generator and read by the inspector.",
    )  # fmt: skip


def _recovery(result: "LoopResult") -> Section:
    samples = f"{count(len(result.random), 'design')}, {count(result.raters, 'SIMULATED rater')}"
    names = ("word", "element", "category", "true", "estimate", "low", "high")
    numbers = zip(result.true, result.estimate, result.low, result.high, strict=True)
    rows = tuple(
        (word, item, category, *(None if np.isnan(v) else float(v) for v in values))
        for word, item, category, values in zip(result.word, result.item, result.category, numbers, strict=True)
    )
    return Section(
        "Part-worths",
        items=(
            Figure(
                "simulated_recovery",
                "True part-worths and their estimates",
                recovery(result),
                "Each point is a category of an element, with its limits; on the line, estimate and truth are equal.",
                samples,
            ),
            Table("simulated_recovery", "Part-worths", names, rows, "In points of the scale.", samples),
        ),
        simulated=True,
    )


def _raised(result: "LoopResult") -> Section:
    return Section(
        "Designs",
        items=(
            Figure(
                "simulated_raised",
                "Desirability of designs",
                raised(result),
                f"Desirability by the true part-worths ({result.wanted}); vertical lines are means.",
                f"{count(len(result.random), 'design')} for random briefs, {len(result.delivered)} for wanted ones",
            ),
        ),
        simulated=True,
    )


def recovery(result: "LoopResult") -> Picture:
    """Draws estimates against true part-worths."""
    with matplotlib.rc_context(style.rc_params()):
        fig, (ax,) = style.new_figure(style.PAGE_WIDTH * 0.6, 400, 1, 1)
        for k, word in enumerate(dict.fromkeys(result.word)):
            rows = np.array(result.word) == word
            x, y = result.true[rows], result.estimate[rows]
            colour = style.COLOURS[k % len(style.COLOURS)]
            ax.errorbar(
                x, y, np.abs(np.stack([result.low[rows], result.high[rows]]) - y), fmt="o", ms=4, lw=1, color=colour,
                label=word,
            )  # fmt: skip
        ends = [min(result.true.min(), result.estimate.min()), max(result.true.max(), result.estimate.max())]
        ax.plot(ends, ends, color=style.FAINT, lw=1, zorder=0)
        ax.set_xlabel("true part-worth")
        ax.set_ylabel("estimate")
        ax.legend(frameon=False)
        return style.finish(fig, "svg", STAMP)


def raised(result: "LoopResult") -> Picture:
    """Draws the true desirability of designs for random and for wanted briefs."""
    with matplotlib.rc_context(style.rc_params()):
        fig, (ax,) = style.new_figure(style.PAGE_WIDTH * 0.75, 240, 1, 1)
        edges = np.linspace(
            min(result.random.min(), result.delivered.min()), max(result.random.max(), result.delivered.max()), 25
        )
        for k, (name, values) in enumerate((("random briefs", result.random), ("wanted briefs", result.delivered))):
            share = np.full(len(values), 100.0 / len(values))
            ax.hist(values, edges, weights=share, color=style.COLOURS[k], alpha=0.55, label=name)
            ax.axvline(values.mean(), color=style.COLOURS[k], lw=2)
        ax.set_xlabel(f"desirability ({result.wanted})")
        ax.set_ylabel("% of designs")
        ax.legend(frameon=False)
        return style.finish(fig, "svg", STAMP)
