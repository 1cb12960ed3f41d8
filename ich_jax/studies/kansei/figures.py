"""Charts of a survey, of ratings of words and elements, and of a review."""

import matplotlib
import numpy as np
from scipy.cluster import hierarchy

from ich_jax.kansei.review import Permutation
from ich_jax.report import charts, line_charts, style
from ich_jax.report.charts import Dot
from ich_jax.report.line_charts import Line, SeriesPanel
from ich_jax.report.style import Picture
from ich_jax.studies.kansei.result import ElementsResult, ReviewResult, SurveyResult, WordsResult

STAMP = "SIMULATED DATA"


def shares(result: SurveyResult) -> Picture:
    """Draws the shares of the options with their intervals."""
    estimates = result.shares
    if estimates is None:
        raise ValueError("The survey has no options.")
    points = [
        Dot(name, 100 * share, 100 * low, 100 * high)
        for name, share, low, high in zip(estimates.option, estimates.share, estimates.low, estimates.high, strict=True)
    ]
    return charts.dots(points, x_label="% of valid questionnaires", stamp=STAMP if result.simulated else "")


def importance(result: SurveyResult) -> Picture:
    """Draws the rank of each aspect with its interval."""
    ranks = result.importance
    if ranks is None:
        raise ValueError("The survey has no importances.")
    points = [
        Dot(name, k + 1.0, low, high)
        for k, (name, low, high) in enumerate(zip(ranks.aspect, ranks.rank_low, ranks.rank_high, strict=True))
    ]
    return charts.dots(points, x_label="rank (1: most important)", stamp=STAMP if result.simulated else "")


def heat_map(result: WordsResult) -> Picture:
    """Draws the mean scores, with samples and words in the order of a hierarchical clustering."""
    rows, columns = cluster_order(result.means), cluster_order(result.means.T)
    shown = result.means[np.ix_(rows, columns)]
    limit = float(np.abs(shown).max()) or 1.0
    with matplotlib.rc_context(style.rc_params()):
        width, height = min(140 + 82 * len(columns), style.PAGE_WIDTH), 24 * len(rows) + 60
        fig, (ax,) = style.new_figure(width, height, 1, 1)
        ax.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        ax.grid(False)
        ax.set_xticks(range(len(columns)), [result.words[k] for k in columns])
        ax.set_yticks(range(len(rows)), [result.samples[k] for k in rows])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        for (r, c), value in np.ndenumerate(shown):
            dark = abs(value) > 0.65 * limit
            text = f"{value:.2f}".replace("-", "\u2212")
            ax.text(c, r, text, ha="center", va="center", fontsize=9, color="white" if dark else style.INK)
        return style.finish(fig, "svg")


def cluster_order(table: np.ndarray) -> list[int]:
    """Returns the order of the rows by average linkage, with similar rows next to each other."""
    if len(table) < 3:
        return list(range(len(table)))
    tree = hierarchy.linkage(table, "average", optimal_ordering=True)
    return [int(k) for k in hierarchy.leaves_list(tree)]


def word_profiles(result: WordsResult) -> Picture:
    """Draws the score of every sample on each word as parallel coordinates; best and worst sample are marked."""
    total = result.means.mean(axis=1)
    best, worst = int(total.argmax()), int(total.argmin())
    x = np.arange(len(result.words), dtype=float)
    others = [k for k in range(len(total)) if k not in (best, worst)]
    lines = [Line("", x, result.means[k], colour=6, pale=True) for k in others]
    lines += [
        Line(f"{result.samples[best]} (highest mean)", x, result.means[best], colour=1),
        Line(f"{result.samples[worst]} (lowest mean)", x, result.means[worst], colour=0),
    ]
    ticks = tuple((float(k), word) for k, word in enumerate(result.words))
    panel = SeriesPanel("Scores of the samples", tuple(lines), (), ((0.0, ""),), "", "mean score", x_ticks=ticks)
    return line_charts.series([panel], columns=1, height=300)


def radar(result: WordsResult, scale: tuple[float, float]) -> Picture:
    """Draws the profiles of the best, middle and worst sample: a spoke for each word, the scale from centre to rim."""
    order = np.argsort(-result.means.mean(axis=1), kind="stable")
    shown = dict.fromkeys((int(order[0]), int(order[len(order) // 2]), int(order[-1])))
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(result.words)) / len(result.words)
    x, y = np.cos(angle), np.sin(angle)
    low, high = scale
    with matplotlib.rc_context(style.rc_params()):
        fig, (ax,) = style.new_figure(style.PAGE_WIDTH * 0.7, 400, 1, 1)
        ax.set_aspect("equal")
        ax.axis("off")
        for share in (1 / 3, 2 / 3, 1.0):
            ax.fill(share * x, share * y, fill=False, edgecolor=style.FAINT, lw=0.8)
            ax.annotate(
                f"{low + share * (high - low):g}".replace("-", "\u2212"), (0.0, share), fontsize=8, color=style.INK
            )
        for word, a, b in zip(result.words, x, y, strict=True):
            ax.plot([0, a], [0, b], color=style.FAINT, lw=0.8)
            side = "center" if abs(a) < 0.1 else "left" if a > 0 else "right"
            ax.text(1.08 * a, 1.08 * b, word, ha=side, va="center")
        for k, colour in zip(shown, (style.COLOURS[1], style.COLOURS[2], style.COLOURS[0]), strict=False):
            r = (result.means[k] - low) / (high - low)
            ax.fill(r * x, r * y, fill=False, edgecolor=colour, lw=2, label=f"{result.samples[k]}")
        ax.set_xlim(-1.7, 1.7)
        ax.set_ylim(-1.2, 1.25)
        ax.legend(frameon=False, loc="lower left")
        return style.finish(fig, "svg")


def scree(result: WordsResult) -> Picture:
    """Draws the eigenvalues beside those of noise."""
    components = result.components
    x = components.component.astype(float)
    lines = (
        Line(f"noise, {components.quantile:.0%} quantile", x, components.noise_quantile, colour=6, dashed=True),
        Line("noise, mean", x, components.noise_mean, colour=2, dashed=True),
        Line("words", x, components.eigenvalue, colour=1),
    )
    ticks = tuple((float(k), str(k)) for k in components.component)
    panel = SeriesPanel("Eigenvalues of the correlations", lines, (), (), "component", "eigenvalue", x_ticks=ticks)
    return line_charts.series([panel], columns=1, height=280)


def ranges(result: ElementsResult) -> Picture:
    """Draws the range of the category scores of each element, by word."""
    points = [
        Dot(element.name, float(size), None, None, word)
        for word, fit in result.fits.items()
        for element, size in zip(fit.elements, fit.range, strict=True)
    ]
    return charts.dots(points, x_label="range of the category scores", bars=True)


def category_scores(result: ElementsResult) -> Picture:
    """Draws the score of every category with its limits, by word."""
    points = []
    for word, fit in result.fits.items():
        bounded = bool(np.isfinite(fit.low).all())
        for k, (item, category) in enumerate(zip(fit.item, fit.category, strict=True)):
            low, high = (float(fit.low[k]), float(fit.high[k])) if bounded else (None, None)
            points.append(Dot(f"{item}: {category}", float(fit.score[k]), low, high, word))
    return charts.dots(points, x_label="added to the mean score", guide=0.0)


def permutation(test: Permutation) -> Picture:
    """Draws the distribution of the difference over all assignments, with the observed difference."""
    values, counts = np.unique(np.round(test.null, 9), return_counts=True)
    with matplotlib.rc_context(style.rc_params()):
        fig, (ax,) = style.new_figure(style.PAGE_WIDTH * 0.75, 270, 1, 1)
        if len(values) > 120:
            counts, edges = np.histogram(test.null, 60)
            values = 0.5 * (edges[1:] + edges[:-1])
        step = float(np.diff(values).min()) if len(values) > 1 else 1.0
        extreme = np.abs(values) >= abs(test.difference) - 1e-9
        for mask, colour in ((~extreme, style.FAINT), (extreme, style.COLOURS[1])):
            ax.bar(values[mask], counts[mask], 0.9 * step, color=colour, lw=0)
        ax.axvline(test.difference, color=style.COLOURS[1], lw=1.5)
        kind = "all" if test.exact else "sampled"
        ax.set_xlabel("difference of means")
        ax.set_ylabel(f"assignments ({kind} {test.n_assignments:,})")
        ax.yaxis.set_major_formatter(style.thousands)
        ax.set_title(f"observed {test.difference:+.2f}: {test.count:,} at least as far from 0, p {test.p:.4f}")
        return style.finish(fig, "svg")


def scores(result: ReviewResult) -> Picture:
    """Draws the score of every work by arm, with the means."""
    with matplotlib.rc_context(style.rc_params()):
        fig, (ax,) = style.new_figure(style.PAGE_WIDTH * 0.75, 190, 1, 1)
        for k, (arm, values) in enumerate(zip(result.arms, result.scores, strict=True)):
            levels, position = np.unique(values, return_inverse=True)
            offset = np.zeros(len(values))
            for level in range(len(levels)):
                ties = np.flatnonzero(position == level)
                offset[ties] = (np.arange(len(ties)) - (len(ties) - 1) / 2) * 0.13
            colour = style.COLOURS[1 - k]
            ax.plot(values, k + offset, "o", color=colour, ms=6, alpha=0.75, label=arm)
            ax.plot([values.mean()] * 2, [k - 0.38, k + 0.38], color=colour, lw=2)
        ax.set_yticks(range(2), list(result.arms), color=style.INK)
        ax.set_ylim(1.6, -0.6)
        ax.set_xlabel("score of a work; the bars are means")
        return style.finish(fig, "svg")


def effects(result: ReviewResult) -> Picture:
    """Draws standardised effect sizes with their intervals."""
    comparison = result.comparison
    sd = comparison.welch.difference / comparison.hedges.d if comparison.hedges.d else 1.0
    points = [
        Dot("Hedges' g", comparison.hedges.g, comparison.hedges.low, comparison.hedges.high),
        Dot(
            "difference of means / pooled SD",
            comparison.hedges.d,
            comparison.welch.low / sd,
            comparison.welch.high / sd,
        ),
        Dot(
            "Cliff's delta (2 A12 - 1)",
            comparison.superiority.cliffs_delta,
            2 * comparison.superiority.low - 1,
            2 * comparison.superiority.high - 1,
        ),
    ]
    if comparison.shift is not None:
        shift = comparison.shift
        points.append(Dot("Hodges-Lehmann shift / pooled SD", shift.shift / sd, shift.low / sd, shift.high / sd))
    return charts.dots(points, x_label=f"{result.arms[0]} against {result.arms[1]}", guide=0.0)
