"""Charts of the error comparison, arranged for `figures`."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ich_jax.evaluation import axis_errors
from ich_jax.evaluation.arm_errors import PLAIN, RESIDUAL
from ich_jax.evaluation.arms import ArmComparison
from ich_jax.report import charts, line_charts, sheets, text
from ich_jax.report.line_charts import Line, SeriesPanel
from ich_jax.report.style import Picture
from ich_jax.studies.error_comparison.degradation import Degradation
from ich_jax.studies.error_comparison.result import CellRecord, Gradients

STAMP = "SIMULATED DATA"
WORDS = {PLAIN: "plain (no shortcuts)", RESIDUAL: "residual (shortcuts)"}
COLOUR = {PLAIN: 1, RESIDUAL: 0}
_ARMS = (PLAIN, RESIDUAL)


def strips(records: Sequence[CellRecord], names: Sequence[str], tolerance: float) -> Picture:
    """Every error of both arms on each axis (the paper's Figure 4)."""
    return charts.error_strips({WORDS[arm]: _errors(records, arm) for arm in _ARMS[::-1]}, names, band=tolerance)


def distribution(records: Sequence[CellRecord], names: Sequence[str], tolerance: float, stamp: str) -> Picture:
    """Share of designs whose |e| is at most a value, for each network and over all of an arm."""
    panels = []
    for a, name in enumerate(names):
        lines = []
        for arm in _ARMS:
            for record in _records_of(records, arm):
                size = np.sort(np.abs(record.read - record.requested)[:, a])
                lines.append(Line("", size, _ranks(size), colour=COLOUR[arm], pale=True))
            size = np.sort(np.abs(_errors(records, arm))[:, a])
            lines.append(Line(WORDS[arm], size, _ranks(size), colour=COLOUR[arm]))
        panels.append(
            SeriesPanel(
                name, tuple(lines), ((tolerance, f"{tolerance:g}"),), x_label="|error|", y_label="share of designs"
            )
        )
    return line_charts.series(panels, columns=min(3, len(panels)), stamp=stamp)


def slopes(comparison: ArmComparison, stamp: str) -> Picture:
    """Mean |e| of the two networks of each seed, joined."""
    panels = []
    for a, name in enumerate(comparison.names):
        arms = (comparison.plain, comparison.residual)
        pairs = [[arm.by_seed[s].axes[a].mae for arm in arms] for s in range(len(comparison.seeds))]
        lines = [Line("one seed" if s == 0 else "", [0, 1], pair, colour=2) for s, pair in enumerate(pairs)]
        mean = [arm.axes[a].mae.value for arm in arms]
        lines.append(Line("mean over seeds", [0, 1], mean, colour=6, dashed=True))
        panels.append(SeriesPanel(name, tuple(lines), y_label="mean |error|", x_ticks=((0, PLAIN), (1, RESIDUAL))))
    return line_charts.series(panels, columns=min(3, len(panels)), stamp=stamp)


def bland_altman(records: Sequence[CellRecord], names: Sequence[str], stamp: str) -> Picture:
    """Difference of read and requested values against their mean, with limits of agreement."""
    panels = []
    for arm in _ARMS:
        arm_records = _records_of(records, arm)
        for a, name in enumerate(names):
            requested = np.concatenate([record.requested[:, a] for record in arm_records])
            read = np.concatenate([record.read[:, a] for record in arm_records])
            difference = read - requested
            bias, spread = float(difference.mean()), 1.96 * float(difference.std(ddof=1))
            points = Line(WORDS[arm], (read + requested) / 2, difference, colour=COLOUR[arm], points=True)
            guides = tuple(
                (bias + side * spread, f"{bias + side * spread:+.2f}".replace("-", "\u2212")) for side in (-1, 0, 1)
            )
            panels.append(
                SeriesPanel(
                    f"{name}, {arm}", (points,), (), guides, "mean of requested and read", "read \u2212 requested"
                )
            )
    return line_charts.series(panels, columns=min(3, len(names)), stamp=stamp)


def depth_curves(degradation: Degradation, stamp: str) -> Picture:
    """Errors against depth, with bands over seeds."""
    panels = []
    x = np.log2(np.asarray(degradation.depths, float))
    ticks = tuple((float(position), str(depth)) for position, depth in zip(x, degradation.depths, strict=True))
    for name in degradation.names:
        lines = []
        for arm in _ARMS:
            curve = degradation.curve(arm, name)
            for s in range(len(degradation.seeds)):
                seed_curve = [seeds[s] for seeds in curve.by_seed]
                lines.append(Line("", x, seed_curve, colour=COLOUR[arm], pale=True))
            lines.append(Line(WORDS[arm], x, curve.mean, curve.low, curve.high, colour=COLOUR[arm]))
        label = "mean |error|" if name in degradation.tested else "mean absolute pixel error"
        panels.append(SeriesPanel(name, tuple(lines), (), (), "blocks per stage", label, ticks))
    return line_charts.series(panels, stamp=stamp)


def gradient_norms(records: Sequence[CellRecord], stamp: str) -> Picture | None:
    """Norm of the gradient in each block at initialisation and at the end of training, mean and range over seeds."""
    moments: tuple[tuple[str, Callable[[CellRecord], Gradients]], ...] = (
        ("at initialisation", lambda record: record.gradients[0]),
        ("at the last validation", lambda record: record.gradients[-1]),
    )
    panels = []
    for network in ("generator", "discriminator"):
        for words, gradients_at in moments:
            lines, longest = [], 0
            for arm in _ARMS:
                norms = np.array(
                    [list(getattr(gradients_at(record), network).values()) for record in _records_of(records, arm)]
                )
                if norms.size and np.isfinite(norms).all():
                    block = np.arange(1, norms.shape[1] + 1)
                    longest = max(longest, len(block))
                    low, high, mean = (
                        norms.min(axis=0),
                        norms.max(axis=0),
                        np.exp(np.log(np.maximum(norms, 1e-30)).mean(axis=0)),
                    )
                    lines.append(Line(WORDS[arm], block, mean, low, high, colour=COLOUR[arm]))
            if lines:
                ticks = tuple((float(i), str(i)) for i in range(1, longest + 1) if longest <= 12 or i % 4 == 1)
                panels.append(
                    SeriesPanel(
                        f"{network}, {words}", tuple(lines), (), (), "block, in the order of the network",
                        "norm of the gradient", ticks, log=True,
                    )
                )  # fmt: skip
    return line_charts.series(panels, stamp=stamp) if panels else None


def worst_designs(
    records: Sequence[CellRecord], images: Sequence[npt.NDArray[np.uint8]], names: Sequence[str], n: int = 9
) -> Picture:
    """The designs with the largest errors of each arm, over all seeds, largest first."""
    rows, labels, cells = [], [], []
    for arm in _ARMS:
        members = [i for i, record in enumerate(records) if record.arm == arm]
        requested = np.concatenate([records[i].requested for i in members])
        read = np.concatenate([records[i].read for i in members])
        drawn = np.concatenate([images[i] for i in members])
        worst = axis_errors.worst(requested, read, names, n)
        rows.append(drawn[[row for row, _, _ in worst]])
        labels.append(f"{arm}\n{len(requested):,} designs")
        cells.append([f"{axis} {text.signed(error)}" for _, axis, error in worst])
    return sheets.sheet({"": np.stack(rows)}, row_labels=labels, cell_labels=cells, cell=96)


def at_tolerance(
    records: Sequence[CellRecord],
    images: Sequence[npt.NDArray[np.uint8]],
    names: Sequence[str],
    tolerance: float,
    n: int = 9,
) -> Picture:
    """The designs of all networks whose largest error is nearest to the tolerance: the look of an error of 0.5."""
    requested = np.concatenate([record.requested for record in records])
    read = np.concatenate([record.read for record in records])
    drawn = np.concatenate(list(images))
    designs = axis_errors.worst(requested, read, names, len(read))
    nearest = sorted(designs, key=lambda design: abs(abs(design[2]) - tolerance))[:n]
    cells = [f"{axis} {text.signed(error)}" for _, axis, error in nearest]
    labels = [f"near {tolerance:g}\nboth arms"]
    return sheets.sheet({"": drawn[[row for row, _, _ in nearest]][None]}, row_labels=labels, cell_labels=[cells])


def _records_of(records: Sequence[CellRecord], arm: str) -> list[CellRecord]:
    return [record for record in records if record.arm == arm]


def _errors(records: Sequence[CellRecord], arm: str) -> npt.NDArray[np.float64]:
    return np.concatenate([record.read - record.requested for record in _records_of(records, arm)])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.arange(1, len(values) + 1) / len(values)
