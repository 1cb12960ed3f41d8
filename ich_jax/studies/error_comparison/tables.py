"""Tables of the error comparison."""

import math
from collections.abc import Sequence

from ich_jax.evaluation.arm_errors import CONFIDENCE, CONTENT
from ich_jax.evaluation.arms import ArmComparison
from ich_jax.report.tables import Cell, Table
from ich_jax.report.text import number, p_value, span
from ich_jax.studies.error_comparison.degradation import Appended, Degradation
from ich_jax.studies.error_comparison.result import CellRecord, ErrorComparison
from ich_jax.uncertainty.intervals import Interval


def arms(comparison: ArmComparison, samples: str) -> Table:
    """Errors of both arms on each axis, and the inspector's own beside them."""
    rows: list[tuple[Cell, ...]] = []
    ceiling = {axis.name: axis for axis in comparison.inspector.axes} if comparison.inspector else {}
    for a, name in enumerate(comparison.names):
        for arm in (comparison.plain, comparison.residual):
            axis = arm.axes[a]
            mae = (axis.mae.value, _ends(axis.mae.interval))
            figures: tuple[Cell, ...] = (axis.rmse.value, axis.p95, axis.max, axis.beyond, axis.skill)
            rows.append((name, arm.arm, axis.n, axis.bias.value, *mae, *figures))
        if name in ceiling:
            judge = ceiling[name]
            figures = (judge.rmse, judge.p95, judge.max, judge.beyond, None)
            rows.append((name, "inspector", judge.n, judge.bias, judge.mae, None, *figures))
    columns = ("axis", "arm", "n", "bias", "MAE", "95 %", "RMSE", "P95", "max", "beyond", "skill")
    return Table(
        "arms",
        "Errors on each axis, read \u2212 requested",
        columns,
        tuple(rows),
        "95 %: interval of the MAE over new designs and new seeds (two-way bootstrap). Beyond: |error| above "
        f"{comparison.tolerance:g}. Skill: 1 \u2212 MSE / variance of the requested values. The largest error grows "
        "with n, so it is compared at equal n only. Inspector: its own error on real images, the least that can be "
        "measured.",
        samples,
        (("bias", 3),),
    )


def judged(comparison: ArmComparison, samples: str) -> Table | None:
    """Errors of both arms corrected for the inspector's own error."""
    rows: list[tuple[Cell, ...]] = []
    for a, name in enumerate(comparison.names):
        for arm in (comparison.plain, comparison.residual):
            axis = arm.axes[a]
            if axis.mae_corrected is None:
                return None
            corrected = (axis.mae.value, axis.mae_corrected, axis.rmse.value, axis.rmse_corrected)
            rows.append((name, arm.arm, *corrected, axis.beyond, axis.beyond_surely, axis.beyond_possibly))
    columns = ("axis", "arm", "MAE", "MAE corrected", "RMSE", "RMSE corrected", "beyond", "surely", "possibly")
    return Table(
        "judged",
        "The inspector's own error taken into account",
        columns,
        tuple(rows),
        "Corrected: extrapolated to readings without error (SIMEX; errors normal and as large as on real images). "
        "Surely and possibly beyond: if the inspector had erred for or against each design by as much as it errs on "
        "99.9 % of real images.",
        samples,
    )


def networks(comparison: ArmComparison, samples: str) -> Table:
    """Each trained network, and the tolerance statement that its designs allow."""
    rows: list[tuple[Cell, ...]] = []
    for arm in (comparison.plain, comparison.residual):
        for s, seed in enumerate(comparison.seeds):
            network, content = arm.by_seed[s], arm.contents[s]
            interval = f"{number(100 * network.any_interval.low, 2)} to {number(100 * network.any_interval.high, 2)}"
            upper = [axis.upper_limits[s] for axis in arm.axes]
            limits = None if None in upper else ", ".join(number(value) for value in upper if value is not None)
            largest = ", ".join(number(axis.max) for axis in network.axes)
            rows.append(
                (arm.arm, seed, network.n, largest, network.any_beyond, interval, 100 * content.content, limits)
            )
    names = ", ".join(comparison.names)
    columns = (
        "arm",
        "seed",
        "designs",
        "max |error|",
        "beyond",
        "% beyond, 95 %",
        "% within, at least",
        "99 % stay below",
    )
    return Table(
        "networks",
        "Each trained network",
        columns,
        tuple(rows),
        f"Over designs, given the network. Errors in the order {names}. Beyond: designs with any axis above "
        f"{comparison.tolerance:g}, with Clopper-Pearson limits. % within, at least: share of all its designs with "
        f"every axis within, with {CONFIDENCE:.0%} confidence (without any beyond in n designs it is 1 \u2212 "
        f"confidence to the power 1/n). Last: |error| that {CONTENT:.0%} of its designs stay below with "
        f"{CONFIDENCE:.0%} confidence.",
        samples,
        (("% within, at least", 2),),
    )


def contrasts(comparison: ArmComparison, samples: str) -> Table:
    """|e_plain| - |e_residual| with its intervals and tests at both levels."""
    rows: list[tuple[Cell, ...]] = []
    tests = {test.level: test for test in comparison.tests}
    for contrast in comparison.contrasts:
        p = [p_value(tests[level].p_max_t.get(contrast.name)) for level in ("designs", "seeds")]
        rows.append(
            (contrast.name, contrast.difference.value, _ends(contrast.difference.interval),
             _ends(contrast.over_designs), _ends(contrast.over_seeds), contrast.ratio.value, *p)
        )  # fmt: skip
    columns = (
        *("axis", "difference", "95 %, both new", "new designs", "new seeds", "MAE ratio"),
        *("p, designs", "p, seeds"),
    )
    return Table(
        "contrasts",
        "Plain minus residual: mean |error|",
        columns,
        tuple(rows),
        "Above 0 shortcuts help. MAE ratio: residual over plain. Intervals 95 %: designs, seeds or both are "
        "resampled as if drawn anew. p: sign flips, adjusted over axes by max-T (Westfall and Young). "
        + " ".join(
            f"Over {test.level}: about {test.claim}; {test.units} of them"
            + (
                f", smallest possible p {p_value(test.smallest_p)}."
                if test.smallest_p is not None
                else f"; {test.withheld}."
            )
            for test in comparison.tests
        ),
        samples,
    )


def by_depth(degradation: Degradation, samples: str) -> Table:
    """Errors, differences and tests at each depth."""
    rows: list[tuple[Cell, ...]] = []
    for name in degradation.names:
        plain, residual = degradation.curve("plain", name), degradation.curve("residual", name)
        for level, depth in enumerate(degradation.depths):
            p_here = degradation.at_depth[level].p_max_t.get(name)
            p_jointly = degradation.jointly.p_max_t.get(f"{name}, {depth}")
            rows.append(
                (name, depth, *(f"{number(c.mean[level])} ({number(c.low[level])} to {number(c.high[level])})" for c in
                 (plain, residual)), plain.mean[level] - residual.mean[level], _p(p_here), _p(p_jointly))
            )  # fmt: skip
    return Table(
        "by_depth",
        "Errors against depth",
        ("error", "blocks a stage", "plain", "residual", "plain \u2212 residual", "p", "p, all depths"),
        tuple(rows),
        "In brackets 95 % intervals over seeds. p over seeds by sign flips, adjusted over the axes at one depth; last "
        "column over all axes and depths together.",
        samples,
    )


def interaction(degradation: Degradation, samples: str) -> Table:
    """Does the plain arm's error grow faster with depth?"""
    test = degradation.interaction
    rows = tuple(
        (name, degradation.slopes[name], p_value(test.p.get(name)), p_value(test.p_max_t.get(name)))
        for name in degradation.names
    )
    least = f"{test.units} seeds, smallest possible p {p_value(test.smallest_p)}" if test.smallest_p else test.withheld
    return Table(
        "interaction",
        "Interaction of depth and arm",
        ("error", "slope plain \u2212 residual", "p", "p, adjusted"),
        rows,
        "The excess growth of the plain arm's error when depth doubles. p over seeds by sign flips of each seed's "
        f"difference of slopes, adjusted over all errors by max-T; {least}.",
        samples,
    )


def trials(result: ErrorComparison) -> Table | None:
    """Settings that were tried in each arm, and those that were taken."""
    if not result.trials:
        return None
    chosen = {(c.arm, c.depth, c.gain, c.d_gain, c.learning_rate) for c in result.choices}
    rows = tuple(
        (t.depth, t.arm, t.gain, t.d_gain, t.learning_rate, t.seed,
         t.axis_mae if math.isfinite(t.axis_mae) else "diverged",
         "taken" if (t.arm, t.depth, t.gain, t.d_gain, t.learning_rate) in chosen else "")
        for t in result.trials
    )  # fmt: skip
    return Table(
        "trials",
        "Trials",
        ("blocks a stage", "arm", "gain, G", "gain, D", "step size", "seed", "mean axis error", "choice"),
        rows,
        "Short trainings on seeds and validation briefs that take no part in the comparison. Gain: initial scale of "
        "the last layer of each block on top of He's; step size: peak of Adam in both networks.",
        "",
        (("gain, G", 2), ("gain, D", 2), ("step size", 4)),
    )


def cells(records: Sequence[CellRecord]) -> Table:
    """Every trained network: settings, size, speed."""
    rows = tuple(
        (r.depth, r.arm, r.seed, r.gain, r.d_gain, r.learning_rate, r.g_parameters, r.d_parameters, r.steps,
         r.training_error, r.img_per_s, "gave up" if r.diverged else "")
        for r in records
    )  # fmt: skip
    columns = (
        *(
            "blocks a stage",
            "arm",
            "seed",
            "gain, G",
            "gain, D",
            "step size",
            "generator",
            "discriminator",
            "steps",
            "training error",
        ),
        *("img/s", "divergence"),
    )
    return Table(
        "cells",
        "Trained networks",
        columns,
        rows,
        "Parameters of both networks are the same in both arms. Training error: mean absolute error of training images "
        "drawn again, over the last tenth of the steps, pixels in [\u22121, 1].",
        "",
        (("gain, G", 2), ("gain, D", 2), ("step size", 4), ("img/s", 0)),
    )


def guarantee(records: Sequence[CellRecord]) -> Table:
    """Changes by appended blocks, over the networks of each arm and depth."""
    groups: dict[tuple[int, str, str], list[Appended]] = {}
    for record in records:
        for change in record.appended:
            groups.setdefault((record.depth, record.arm, change.start), []).append(change)
    rows: list[tuple[Cell, ...]] = []
    for (depth, arm, start), changes in groups.items():
        identical = f"{sum(change.identical for change in changes)} of {len(changes)}"
        words = {"zero": "last layer zero", "own": "as the arm's blocks"}[start]
        mean, largest = (
            sum(change.mean_change for change in changes) / len(changes),
            max(change.max_change for change in changes),
        )
        rows.append((depth, arm, changes[0].extra, words, identical, mean, largest))
    columns = ("blocks a stage", "arm", "appended", "they start", "networks unchanged", "mean change", "max change")
    return Table(
        "guarantee",
        "Blocks appended to each stage of the trained generators",
        columns,
        tuple(rows),
        "Unchanged: every pixel of every picture, bit for bit. Changes of a pixel, pixels in [\u22121, 1]: mean over "
        "pictures and networks, and the largest.",
        f"{records[0].appended[0].n} pictures per network" if records and records[0].appended else "",
    )


def best_of(result: ErrorComparison, samples: str) -> Table | None:
    """Errors when the discriminator's own reading head picks among several draws: a selection, kept apart."""
    if not result.best:
        return None
    rows: list[tuple[Cell, ...]] = []
    for depth, comparison, pair in zip(result.depths, result.by_depth, result.best, strict=True):
        for arm, picked in zip((comparison.plain, comparison.residual), pair, strict=True):
            for single, axis in zip(arm.axes, picked.axes, strict=True):
                figures = (single.mae.value, axis.mae, single.max, axis.max, single.beyond, axis.beyond, axis.n)
                rows.append((depth, arm.arm, axis.name, *figures))
    columns = (
        *("blocks a stage", "arm", "axis", "MAE", "MAE picked", "max", "max picked", "beyond", "beyond, picked", "n"),
    )
    return Table(
        "picked",
        f"SELECTED: the best of {result.best_of} draws",
        columns,
        tuple(rows),
        f"For each brief {result.best_of} designs are drawn and the discriminator's own reading head picks one; the "
        "inspector, which has no part in that, reads it. No other figure of this page rests on a selection.",
        samples,
    )


def _p(p: float | None) -> Cell:
    return None if p is None else number(p) if p >= 0.001 else f"{p:.2g}"


def _ends(interval: Interval | None) -> str | None:
    return None if interval is None else span(interval.low, interval.high)
