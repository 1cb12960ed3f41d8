"""Error in each axis: what was asked against what the inspector reads, for one network or for two arms.

Two arms are compared on the same designs and the same seeds, at two levels that claim different things. Over designs
the trained networks are given: the claim is about new designs of these networks. Over seeds a trained network is one
observation: the claim is about the method. Their uncertainty is resampled apart (and together, for intervals).
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import bootstrap, intervals, measurement, permutation
from ich_jax.uncertainty import tolerance as tolerance_lib
from ich_jax.uncertainty.intervals import Interval

PLAIN, RESIDUAL = "plain", "residual"
DESIGNS, SEEDS = "designs", "seeds"
CLAIMS = {
    DESIGNS: "new designs of these trained networks; nothing about networks trained anew",
    SEEDS: "networks trained anew by the same method (and so the method), on these designs",
}
"""What a test at each level can claim."""

CONTENT, CONFIDENCE = 0.99, 0.95
"""A tolerance statement says: at least this share of the designs, with this confidence."""


@dataclasses.dataclass(frozen=True, slots=True)
class AxisError:
    """Errors e = read - requested along one axis, on the scale of the axis (-3 to 3).

    Attributes:
        name: Name of the axis.
        n: Designs for which the axis was requested.
        bias: Mean of e.
        mae: Mean of |e|.
        rmse: Root of the mean of e^2.
        p95: 95 % quantile of |e|, linear between order statistics.
        max: Largest |e|; grows with n, so compare it only at equal n.
        beyond: Designs with |e| above the tolerance.
        share_beyond: beyond / n.
        interval: 95 % Clopper-Pearson interval of the share beyond.
    """

    name: str
    n: int
    bias: float
    mae: float
    rmse: float
    p95: float
    max: float
    beyond: int
    share_beyond: float
    interval: intervals.Interval


@dataclasses.dataclass(frozen=True, slots=True)
class AxisErrors:
    """Errors along all axes.

    Attributes:
        axes: One entry per axis that was requested at least once, in the order of the design space.
        tolerance: |e| above it counts as beyond.
        n: Designs for which any axis was requested.
        any_beyond: Designs with at least one axis beyond the tolerance.
        any_interval: 95 % Clopper-Pearson interval of any_beyond / n.
    """

    axes: tuple[AxisError, ...]
    tolerance: float
    n: int
    any_beyond: int
    any_interval: intervals.Interval


def axis_errors(
    requested: npt.ArrayLike,
    read: npt.ArrayLike,
    names: Sequence[str],
    *,
    tolerance: float = 0.5,
    given: npt.ArrayLike | None = None,
) -> AxisErrors:
    """Summarises the error along each axis.

    Args:
        requested: `[N, A]` values that the briefs asked for.
        read: `[N, A]` values read off the designs.
        names: Names of the A axes.
        tolerance: |e| strictly above it counts as beyond.
        given: `[N, A]`, nonzero where the brief states the axis; None: everywhere. What is left open has no error.

    Raises:
        DataError: The shapes differ, nothing was requested, or a value is not finite.
    """
    requested, read = np.asarray(requested, np.float64), np.asarray(read, np.float64)
    stated = np.ones(requested.shape, bool) if given is None else np.asarray(given) != 0
    if requested.ndim != 2 or not requested.shape == read.shape == stated.shape or requested.shape[1] != len(names):
        raise errors.DataError(
            f"axis_errors: requested {list(requested.shape)}, read {list(read.shape)} and given {list(stated.shape)} "
            f"must all be [N, {len(names)}], one column for each of {tuple(names)}."
        )
    if not stated.any():
        raise errors.DataError("axis_errors: no axis of any design was requested, so there is no error to summarise.")
    error = read - requested
    if not np.isfinite(error[stated]).all():
        rows = np.flatnonzero((~np.isfinite(error) & stated).any(axis=1))
        raise errors.DataError(
            f"axis_errors: {len(rows)} of {len(error)} designs have a requested or read value that is not finite, the "
            f"first at row {rows[0]}; check the weights of generator and inspector."
        )
    beyond = (np.abs(error) > tolerance) & stated
    n, any_beyond = int(stated.any(axis=1).sum()), int(beyond.any(axis=1).sum())
    return AxisErrors(
        axes=tuple(
            _axis_error(name, error[stated[:, a], a], int(beyond[:, a].sum()))
            for a, name in enumerate(names)
            if stated[:, a].any()
        ),
        tolerance=float(tolerance),
        n=n,
        any_beyond=any_beyond,
        any_interval=intervals.clopper_pearson(any_beyond, n),
    )


def _axis_error(name: str, error: npt.NDArray[np.float64], beyond: int) -> AxisError:
    size = np.abs(error)
    return AxisError(
        name=name,
        n=len(error),
        bias=float(error.mean()),
        mae=float(size.mean()),
        rmse=float(np.sqrt(np.square(error).mean())),
        p95=float(np.quantile(size, 0.95)),
        max=float(size.max()),
        beyond=beyond,
        share_beyond=beyond / len(error),
        interval=intervals.clopper_pearson(beyond, len(error)),
    )


# ---------------------------------------------------------------- two arms


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over designs and seeds.

    Attributes:
        value: The figure.
        interval: 95 % percentile interval; designs and seeds are resampled independently (only designs if there is one
            seed), so that it speaks about new designs of new networks.
    """

    value: float
    interval: Interval


@dataclasses.dataclass(frozen=True, slots=True)
class ArmAxis:
    """Errors of one arm along one axis, over D designs and S seeds.

    Attributes:
        name: Name of the axis.
        n: Errors: D times S.
        bias: Mean of e.
        mae: Mean of |e|.
        rmse: Root of the mean of e^2.
        p95: 95 % quantile of |e|.
        max: Largest |e| of n; compare it only at equal n.
        beyond: Errors with |e| above the tolerance.
        skill: 1 - mean e^2 / variance of the requested values: 1 without error, 0 if a fixed value were as good.
        mae_corrected: MAE without the inspector's error, by SIMEX; None if that error is not known.
        rmse_corrected: RMSE likewise.
        beyond_surely: Errors that are above the tolerance even if the inspector erred in their favour by as much as its
            99.9 % largest error on real images; None if that is not known.
        beyond_possibly: Errors that may be above it if the inspector erred the other way.
        upper_limits: For each seed, the |e| that at least 99 % of its designs stay below with 95 % confidence; None
            where there are too few designs to say.
    """

    name: str
    n: int
    bias: Estimate
    mae: Estimate
    rmse: Estimate
    p95: float
    max: float
    beyond: int
    skill: float
    mae_corrected: float | None
    rmse_corrected: float | None
    beyond_surely: int | None
    beyond_possibly: int | None
    upper_limits: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ArmErrors:
    """Errors of one arm.

    Attributes:
        arm: `plain` or `residual`.
        axes: Along each axis, over all seeds.
        by_seed: The figures of each trained network; their Clopper-Pearson intervals are over designs.
        contents: For each seed, the share of all its designs that has every axis within the tolerance, with 95 %
            confidence.
    """

    arm: str
    axes: tuple[ArmAxis, ...]
    by_seed: tuple[AxisErrors, ...]
    contents: tuple[tolerance_lib.Content, ...]


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
class LevelTest:
    """Sign-flip test of the contrast, adjusted over axes by max-T (Westfall and Young).

    Attributes:
        level: `designs` or `seeds`: what is flipped.
        claim: What a small p is about.
        units: How many there are.
        smallest_p: The least p that this number of units can give, whatever the data; None if nothing can be tested.
        p: Of each axis by itself, by its name; empty if the test is withheld.
        p_max_t: Of each axis, adjusted for all.
        withheld: Why there is no test; empty if there is one.
    """

    level: str
    claim: str
    units: int
    smallest_p: float | None
    p: dict[str, float]
    p_max_t: dict[str, float]
    withheld: str


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
        inspector: The inspector's own error on real images, on as many of them as there are designs if there are so
            many: the ceiling. None if it was not measured.
        notes: What a reader must know before trusting the figures.
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
    key = jax.random.key(0) if key is None else key
    asked, error, seeds = _crossed(requested, read, arm, seed, names)
    plain, residual = error[PLAIN], error[RESIDUAL]  # [D, S, A]
    n_designs, n_seeds = plain.shape[:2]
    own = None if inspector_error is None else _own_error(inspector_error, names)
    keys = jax.random.split(key, 5)
    boot = functools.partial(bootstrap.two_way, keys[0], _statistics, (plain, residual), n_resamples=n_resamples)
    both = boot(over="both" if n_seeds > 1 else "rows")
    interval = bootstrap.percentile(both)

    def estimate(row: int, a: int) -> Estimate:
        return Estimate(
            float(both.estimate[row, a]), Interval(float(interval.low[row, a]), float(interval.high[row, a]))
        )

    arms = {
        name: _arm_errors(
            name, asked, error[name], names, tolerance, own, simex_key,
            [[estimate(3 * i + row, a) for row in range(3)] for a in range(len(names))],
        )
        for i, (name, simex_key) in enumerate(((PLAIN, keys[1]), (RESIDUAL, keys[2])))
    }  # fmt: skip
    difference = np.abs(plain) - np.abs(residual)
    given_networks = bootstrap.percentile(boot(over="rows"))
    given_designs = bootstrap.percentile(boot(over="columns")) if n_seeds > 1 else None

    def limits(of: Interval, row: int, a: int) -> Interval:
        return Interval(float(of.low[row, a]), float(of.high[row, a]))

    contrasts = tuple(
        Contrast(
            name=name,
            difference=estimate(6, a),
            over_designs=limits(given_networks, 6, a),
            over_seeds=None if given_designs is None else limits(given_designs, 6, a),
            ratio=estimate(7, a),
            by_seed=tuple(float(x) for x in difference[:, :, a].mean(axis=0)),
        )
        for a, name in enumerate(names)
    )
    tests = (
        level_test(DESIGNS, difference.mean(axis=1), names, key=keys[3], n_resamples=n_resamples),
        level_test(SEEDS, difference.mean(axis=0), names, key=keys[4], n_resamples=n_resamples),
    )
    ceiling = None
    if own is not None:
        at_most = own[:n_designs]
        ceiling = axis_errors(np.zeros_like(at_most), at_most, names, tolerance=tolerance)
    return ArmComparison(
        names=tuple(names),
        tolerance=float(tolerance),
        n_designs=n_designs,
        seeds=seeds,
        plain=arms[PLAIN],
        residual=arms[RESIDUAL],
        contrasts=contrasts,
        tests=tests,
        inspector=ceiling,
        notes=_notes(n_designs, tests, own),
    )


def level_test(
    level: str, difference: npt.ArrayLike, names: Sequence[str], *, key: jax.Array, n_resamples: int = 9999
) -> LevelTest:
    """Tests by sign flips whether differences are symmetric about zero, or says why that cannot be tested.

    Args:
        level: `designs` or `seeds`.
        difference: `[n, K]`, one row per design or seed.
        names: Names of the K outcomes.
        key: Random key, used where the flips are too many to evaluate all of them.
        n_resamples: Draws in that case.
    """
    values = np.asarray(difference, np.float64)
    n = len(values)
    withheld = ""
    if n < 2:
        withheld = f"a test over {level} needs two of them at the least, and six for p < 0.05; there is {n}"
    elif (values == 0).all(axis=0).any():
        equal = [name for name, zero in zip(names, (values == 0).all(axis=0), strict=True) if zero]
        withheld = f"both arms are equal along {', '.join(equal)} at every one of the {level}"
    if withheld:
        return LevelTest(level, CLAIMS[level], n, None, {}, {}, withheld)
    test = permutation.sign_flip(values, key=key, n_resamples=n_resamples, max_exact=2**16)
    return LevelTest(
        level=level,
        claim=CLAIMS[level],
        units=n,
        smallest_p=test.smallest_p,
        p={name: float(p) for name, p in zip(names, test.p, strict=True)},
        p_max_t={name: float(p) for name, p in zip(names, test.p_step_down, strict=True)},
        withheld="",
    )


def worst(
    requested: npt.ArrayLike, read: npt.ArrayLike, names: Sequence[str], n: int
) -> tuple[tuple[int, str, float], ...]:
    """Returns the n designs with the largest |e| on any axis, the largest first, as (row, axis, e).

    Args:
        requested: `[N, A]`.
        read: `[N, A]`.
        names: Names of the A axes.
        n: How many; all if there are fewer.
    """
    error = np.asarray(read, np.float64) - np.asarray(requested, np.float64)
    axis = np.abs(error).argmax(axis=1)
    signed = error[np.arange(len(error)), axis]
    order = np.argsort(-np.abs(signed), kind="stable")[:n]
    return tuple((int(row), names[int(axis[row])], float(signed[row])) for row in order)


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
    found = sorted(set(arms.tolist()))
    if found != [PLAIN, RESIDUAL]:
        raise errors.DataError(f"compare_arms: expected the arms {PLAIN} and {RESIDUAL}, got {', '.join(found)}.")
    if not (np.isfinite(requested).all() and np.isfinite(read).all()):
        rows = np.flatnonzero(~(np.isfinite(requested) & np.isfinite(read)).all(axis=1))
        raise errors.DataError(
            f"compare_arms: {len(rows)} of {n} designs have a requested or read value that is not finite, the first at "
            f"row {rows[0]} ({arms[rows[0]]}, seed {seeds[rows[0]]}); leave out briefs that do not state every axis."
        )
    own = {name: sorted(set(seeds[arms == name].tolist())) for name in found}
    if own[PLAIN] != own[RESIDUAL]:
        odd = sorted(set(own[PLAIN]) ^ set(own[RESIDUAL]))
        raise errors.DataError(
            f"compare_arms: seeds {odd} were trained in one arm only; train the other arm too, or leave them out."
        )
    asked = requested[(arms == found[0]) & (seeds == own[PLAIN][0])]
    by_arm = {}
    for name in found:
        columns = []
        for s in own[name]:
            of = (arms == name) & (seeds == s)
            if requested[of].shape != asked.shape or (requested[of] != asked).any():
                raise errors.DataError(
                    f"compare_arms: the designs of {name}, seed {s} ({of.sum()}) are not those of {found[0]}, seed "
                    f"{own[PLAIN][0]} ({len(asked)}); every network must be asked for the same designs in one order."
                )
            columns.append(read[of] - asked)
        by_arm[name] = np.stack(columns, axis=1)
    return asked, by_arm, tuple(int(s) for s in own[PLAIN])


def _statistics(data: Any, weights: jax.Array) -> jax.Array:
    """Bias, MAE and RMSE of plain, then of residual, then difference and ratio of the MAEs: `[8, A]`."""
    rows = []
    for error in data:
        size = bootstrap.weighted_mean(jnp.abs(error), weights)
        square = bootstrap.weighted_mean(error**2, weights)
        rows += [bootstrap.weighted_mean(error, weights), size, jnp.sqrt(square)]
    return jnp.stack([*rows, rows[1] - rows[4], rows[4] / rows[1]])


def _sizes(error: jax.Array) -> jax.Array:
    """Mean of |e| and of e^2 along each axis, `[2, A]`."""
    return jnp.stack([jnp.mean(jnp.abs(error), axis=0), jnp.mean(error**2, axis=0)])


def _arm_errors(
    arm: str,
    asked: npt.NDArray[np.float64],
    error: npt.NDArray[np.float64],
    names: Sequence[str],
    limit: float,
    own: npt.NDArray[np.float64] | None,
    key: jax.Array,
    estimates: Sequence[Sequence[Estimate]],
) -> ArmErrors:
    n_designs, n_seeds, n_axes = error.shape
    by_seed = tuple(axis_errors(asked, asked + error[:, s], names, tolerance=limit) for s in range(n_seeds))
    size = np.abs(error)
    corrected, bound = None, None
    if own is not None:
        found = measurement.simex(key, _sizes, error.reshape(-1, n_axes), own.std(axis=0))
        corrected = np.maximum(found.corrected, 0.0)
        bound = np.quantile(np.abs(own), 0.999, axis=0)
    enough = n_designs >= tolerance_lib.sample_size(CONTENT, confidence=CONFIDENCE)
    axes = []
    for a, name in enumerate(names):
        bias, mae, rmse = estimates[a]
        of = size[:, :, a]
        upper: list[float | None] = [None] * n_seeds
        if enough:
            options: dict[str, Any] = {"content": CONTENT, "confidence": CONFIDENCE, "side": "upper"}
            upper = [tolerance_lib.limits(of[:, s], **options).high for s in range(n_seeds)]
        axes.append(
            ArmAxis(
                name=name,
                n=of.size,
                bias=bias,
                mae=mae,
                rmse=rmse,
                p95=float(np.quantile(of, 0.95)),
                max=float(of.max()),
                beyond=int((of > limit).sum()),
                skill=_skill(error[:, :, a], asked[:, a]),
                mae_corrected=None if corrected is None else float(corrected[0, a]),
                rmse_corrected=None if corrected is None else float(np.sqrt(corrected[1, a])),
                beyond_surely=None if bound is None else int((of > limit + bound[a]).sum()),
                beyond_possibly=None if bound is None else int((of > limit - bound[a]).sum()),
                upper_limits=tuple(upper),
            )
        )
    contents = tuple(tolerance_lib.content(n_designs, beyond=of.any_beyond, confidence=CONFIDENCE) for of in by_seed)
    return ArmErrors(arm, tuple(axes), by_seed, contents)


def _skill(error: npt.NDArray[np.float64], asked: npt.NDArray[np.float64]) -> float:
    spread = float(asked.var())
    return 1.0 - float(np.square(error).mean()) / spread if spread > 0 else float("nan")


def _own_error(value: npt.ArrayLike, names: Sequence[str]) -> npt.NDArray[np.float64]:
    own = np.asarray(value, np.float64)
    if own.ndim != 2 or own.shape[1] != len(names) or not len(own) or not np.isfinite(own).all():
        raise errors.DataError(
            f"compare_arms: inspector_error must be finite numbers [M, {len(names)}], got {list(own.shape)}."
        )
    return own


def _notes(n_designs: int, tests: Sequence[LevelTest], own: npt.NDArray[np.float64] | None) -> tuple[str, ...]:
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
    if own is None:
        notes.append("The inspector's own error was not measured, so errors cannot be told from its misreadings.")
    elif np.abs(own).shape[0] < n_designs:
        notes.append(f"The inspector's own error rests on {len(own)} real images, fewer than the {n_designs} designs.")
    return tuple(notes)
