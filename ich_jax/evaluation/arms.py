"""Comparison of two arms: their errors on each axis, on the same designs and the same seeds.

The arms are compared at two levels that claim different things (see `level_tests`). Designs and seeds are resampled
separately, and together for intervals that hold for new designs of new networks.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.evaluation import axis_errors
from ich_jax.evaluation.arm_errors import CONFIDENCE, CONTENT, PLAIN, RESIDUAL, ArmErrors, Estimate, summarise_arm
from ich_jax.evaluation.axis_errors import AxisErrors
from ich_jax.evaluation.level_tests import DESIGNS, SEEDS, LevelTest, level_test
from ich_jax.uncertainty import bootstrap, bootstrap_intervals
from ich_jax.uncertainty import tolerance as tolerance_lib
from ich_jax.uncertainty.intervals import Interval

_BIAS, _MAE, _RMSE = range(3)  # rows of `_statistics` for the plain arm; three rows further for the residual arm
_DIFFERENCE, _RATIO = 6, 7


@dataclasses.dataclass(frozen=True, slots=True)
class Contrast:
    """|e_plain| - |e_residual| along one axis: positive where shortcuts help.

    Attributes:
        name: Name of the axis.
        difference: Mean over designs and seeds.
        over_designs: 95 % interval of it given these networks.
        over_seeds: 95 % interval of it given these designs; None for one seed.
        ratio: MAE residual / MAE plain.
        by_seed: `[S]` difference of each pair of networks.
    """

    name: str
    difference: Estimate
    over_designs: Interval
    over_seeds: Interval | None
    ratio: Estimate
    by_seed: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ArmComparison:
    """Both arms on the same designs and seeds.

    Attributes:
        names: Names of the axes.
        tolerance: |e| above it counts as beyond.
        n_designs: Designs per trained network, D.
        seeds: The S seeds, each of which trained one network of either arm.
        plain: Errors without shortcuts.
        residual: Errors with them.
        contrasts: Of each axis.
        tests: Over designs, and over seeds.
        inspector: The inspector's own error on as many real images as there are designs, or on all if they are fewer:
            the ceiling. None if it was not measured.
        notes: Limits of the figures that a reader must know.
    """

    names: tuple[str, ...]
    tolerance: float
    n_designs: int
    seeds: tuple[int, ...]
    plain: ArmErrors
    residual: ArmErrors
    contrasts: tuple[Contrast, ...]
    tests: tuple[LevelTest, ...]
    inspector: AxisErrors | None
    notes: tuple[str, ...]

    def test(self, level: str) -> LevelTest:
        """Returns the test at a level."""
        return next(test for test in self.tests if test.level == level)


@dataclasses.dataclass(frozen=True)
class _Resampled:
    """Figures of `_statistics` with their intervals; every array is `[8, A]`."""

    value: npt.NDArray[np.float64]
    over_both: Interval
    over_designs: Interval
    over_seeds: Interval | None

    def estimate(self, row: int, axis: int) -> Estimate:
        return Estimate(float(self.value[row, axis]), _entry(self.over_both, row, axis))


def compare_arms(
    requested: npt.ArrayLike,
    read: npt.ArrayLike,
    arm: Sequence[str],
    seed: Sequence[int],
    names: Sequence[str],
    *,
    inspector_error: npt.ArrayLike | None = None,
    tolerance: float = 0.5,
    key: jax.Array | None = None,
    n_resamples: int = 9999,
) -> ArmComparison:
    """Compares the errors of both arms.

    Args:
        requested: `[N, A]` values that the briefs asked for; the designs of every network come in the same order.
        read: `[N, A]` values that the inspector read.
        arm: `[N]`, `plain` or `residual`.
        seed: `[N]` seed of the network that drew the design.
        names: Names of the A axes.
        inspector_error: `[M, A]` read minus true value of held-out real images.
        tolerance: |e| strictly above it counts as beyond.
        key: Random key of all resampling; by default that of seed 0.
        n_resamples: Bootstrap resamples, and sign flips where they are drawn.

    Raises:
        DataError: Shapes that do not fit; a value that is not finite; an arm that is missing; networks that were not
            asked for the same designs, or seeds that only one arm has.
    """
    # Over 60 lines, half of which document the arguments.
    key = jax.random.key(0) if key is None else key
    briefs, error, seeds = _crossed(requested, read, arm, seed, names)
    plain, residual = error[PLAIN], error[RESIDUAL]  # [D, S, A]
    n_designs = len(briefs)
    judged = None if inspector_error is None else _checked_inspector_error(inspector_error, names)
    keys = jax.random.split(key, 5)
    resampled = _resample(keys[0], plain, residual, n_resamples)
    arms = {
        name: summarise_arm(
            name,
            briefs,
            error[name],
            names,
            [_arm_estimates(resampled, first_row, a) for a in range(len(names))],
            limit=tolerance,
            inspector_error=judged,
            key=simex_key,
        )
        for name, simex_key, first_row in ((PLAIN, keys[1], 0), (RESIDUAL, keys[2], 3))
    }
    difference = np.abs(plain) - np.abs(residual)
    tests = (
        level_test(DESIGNS, difference.mean(axis=1), names, key=keys[3], n_resamples=n_resamples),
        level_test(SEEDS, difference.mean(axis=0), names, key=keys[4], n_resamples=n_resamples),
    )
    return ArmComparison(
        names=tuple(names),
        tolerance=float(tolerance),
        n_designs=n_designs,
        seeds=seeds,
        plain=arms[PLAIN],
        residual=arms[RESIDUAL],
        contrasts=tuple(_contrast(name, resampled, a, difference[:, :, a]) for a, name in enumerate(names)),
        tests=tests,
        inspector=None if judged is None else _ceiling(judged[:n_designs], names, tolerance),
        notes=_notes(n_designs, tests, judged),
    )


def _resample(
    key: jax.Array, plain: npt.NDArray[np.float64], residual: npt.NDArray[np.float64], n_resamples: int
) -> _Resampled:
    """Resamples designs and seeds of the errors `[D, S, A]` of both arms, separately and together."""

    def resample(over: str) -> bootstrap.Bootstrap:
        return bootstrap.two_way(key, _statistics, (plain, residual), n_resamples=n_resamples, over=over)

    several_seeds = plain.shape[1] > 1
    both = resample("both" if several_seeds else "rows")
    return _Resampled(
        value=both.estimate,
        over_both=bootstrap_intervals.percentile(both),
        over_designs=bootstrap_intervals.percentile(resample("rows")),
        over_seeds=bootstrap_intervals.percentile(resample("columns")) if several_seeds else None,
    )


def _arm_estimates(resampled: _Resampled, first_row: int, axis: int) -> tuple[Estimate, Estimate, Estimate]:
    bias, mae, rmse = (resampled.estimate(first_row + row, axis) for row in (_BIAS, _MAE, _RMSE))
    return bias, mae, rmse


def _contrast(name: str, resampled: _Resampled, axis: int, difference: npt.NDArray[np.float64]) -> Contrast:
    """The contrast of one axis; `difference` is `[D, S]`."""
    over_seeds = resampled.over_seeds
    return Contrast(
        name=name,
        difference=resampled.estimate(_DIFFERENCE, axis),
        over_designs=_entry(resampled.over_designs, _DIFFERENCE, axis),
        over_seeds=None if over_seeds is None else _entry(over_seeds, _DIFFERENCE, axis),
        ratio=resampled.estimate(_RATIO, axis),
        by_seed=tuple(float(mean) for mean in difference.mean(axis=0)),
    )


def _entry(interval: Interval, row: int, axis: int) -> Interval:
    return Interval(float(interval.low[row, axis]), float(interval.high[row, axis]))


def _ceiling(error: npt.NDArray[np.float64], names: Sequence[str], limit: float) -> AxisErrors:
    return axis_errors.summarise(np.zeros_like(error), error, names, tolerance=limit)


def _crossed(
    requested: npt.ArrayLike, read: npt.ArrayLike, arm: Sequence[str], seed: Sequence[int], names: Sequence[str]
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]], tuple[int, ...]]:
    """Returns requested values `[D, A]`, errors `[D, S, A]` by arm, and the seeds."""
    requested, read = np.asarray(requested, np.float64), np.asarray(read, np.float64)
    arms, seeds = np.asarray(arm), np.asarray(seed)
    n = len(arms)
    if requested.shape != (n, len(names)) or read.shape != requested.shape or seeds.shape != (n,):
        raise errors.DataError(
            f"compare_arms: requested {list(requested.shape)} and read {list(read.shape)} must be [N, {len(names)}], "
            f"arm {list(arms.shape)} and seed {list(seeds.shape)} [N]."
        )
    known_arms = sorted(set(arms.tolist()))
    if known_arms != [PLAIN, RESIDUAL]:
        raise errors.DataError(f"compare_arms: expected the arms {PLAIN} and {RESIDUAL}, got {', '.join(known_arms)}.")
    if not (np.isfinite(requested).all() and np.isfinite(read).all()):
        rows = np.flatnonzero(~(np.isfinite(requested) & np.isfinite(read)).all(axis=1))
        raise errors.DataError(
            f"compare_arms: {len(rows)} of {n} designs have a requested or read value that is not finite, the first at "
            f"row {rows[0]} ({arms[rows[0]]}, seed {seeds[rows[0]]}); leave out briefs that do not state every axis."
        )
    arm_seeds = {name: sorted(set(seeds[arms == name].tolist())) for name in known_arms}
    if arm_seeds[PLAIN] != arm_seeds[RESIDUAL]:
        unpaired = sorted(set(arm_seeds[PLAIN]) ^ set(arm_seeds[RESIDUAL]))
        raise errors.DataError(
            f"compare_arms: seeds {unpaired} were trained in one arm only; train the other arm too, or leave them out."
        )
    first_seed = arm_seeds[PLAIN][0]
    briefs = requested[(arms == PLAIN) & (seeds == first_seed)]
    error = {}
    for name in known_arms:
        columns = []
        for s in arm_seeds[name]:
            network = (arms == name) & (seeds == s)
            if requested[network].shape != briefs.shape or (requested[network] != briefs).any():
                raise errors.DataError(
                    f"compare_arms: the designs of {name}, seed {s} ({network.sum()}) are not those of {PLAIN}, seed "
                    f"{first_seed} ({len(briefs)}); every network must be asked for the same designs in one order."
                )
            columns.append(read[network] - briefs)
        error[name] = np.stack(columns, axis=1)
    return briefs, error, tuple(int(s) for s in arm_seeds[PLAIN])


def _statistics(errors_by_arm: Sequence[jax.Array], weights: jax.Array) -> jax.Array:
    """Bias, MAE and RMSE of plain, then of residual, then difference and ratio of the MAEs: `[8, A]`."""
    rows = []
    for error in errors_by_arm:
        mae = bootstrap.weighted_mean(jnp.abs(error), weights)
        mse = bootstrap.weighted_mean(error**2, weights)
        rows += [bootstrap.weighted_mean(error, weights), mae, jnp.sqrt(mse)]
    plain_mae, residual_mae = rows[_MAE], rows[3 + _MAE]
    return jnp.stack([*rows, plain_mae - residual_mae, residual_mae / plain_mae])


def _checked_inspector_error(values: npt.ArrayLike, names: Sequence[str]) -> npt.NDArray[np.float64]:
    error = np.asarray(values, np.float64)
    if error.ndim != 2 or error.shape[1] != len(names) or not len(error) or not np.isfinite(error).all():
        raise errors.DataError(
            f"compare_arms: inspector_error must be finite numbers [M, {len(names)}], got {list(error.shape)}."
        )
    return error


def _notes(
    n_designs: int, tests: Sequence[LevelTest], inspector_error: npt.NDArray[np.float64] | None
) -> tuple[str, ...]:
    notes = []
    needed = tolerance_lib.sample_size(CONTENT, confidence=CONFIDENCE)
    if n_designs < needed:
        share = tolerance_lib.content(n_designs, confidence=CONFIDENCE).content
        notes.append(
            f"{n_designs} designs per network without any beyond the tolerance would show {share:.1%} of all designs "
            f"within it, with {CONFIDENCE:.0%} confidence; for {CONTENT:.0%} it takes {needed}."
        )
    for test in tests:
        if test.withheld:
            notes.append(f"No test over {test.level}: {test.withheld}.")
        elif test.smallest_p is not None and test.smallest_p >= 0.05:
            notes.append(
                f"{test.units} {test.level} cannot give a p below {test.smallest_p:g}, whatever the data; six would do."
            )
    if inspector_error is None:
        notes.append("The inspector's own error was not measured, so errors cannot be told from its misreadings.")
    elif len(inspector_error) < n_designs:
        notes.append(
            f"The inspector's own error rests on {len(inspector_error)} real images, fewer than the {n_designs} "
            "designs."
        )
    return tuple(notes)
