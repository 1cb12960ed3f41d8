"""Errors of one arm on each axis, over designs and seeds, corrected for the error of the inspector."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax.evaluation import axis_errors
from ich_jax.evaluation.axis_errors import AxisErrors
from ich_jax.uncertainty import measurement, tolerance
from ich_jax.uncertainty.intervals import Interval

PLAIN, RESIDUAL = "plain", "residual"
CONTENT, CONFIDENCE = 0.99, 0.95
"""A tolerance statement says: at least this share of the designs, with this confidence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over designs and seeds.

    Attributes:
        value: The figure.
        interval: 95 % percentile interval; designs and seeds are resampled independently (only designs if there is one
            seed), so that it holds for new designs of new networks.
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
        mae_corrected: MAE without the inspector's error, by SIMEX; None if that error is unknown.
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
    contents: tuple[tolerance.Content, ...]


def summarise_arm(
    arm: str,
    requested: npt.NDArray[np.float64],
    error: npt.NDArray[np.float64],
    names: Sequence[str],
    estimates: Sequence[tuple[Estimate, Estimate, Estimate]],
    *,
    limit: float,
    inspector_error: npt.NDArray[np.float64] | None,
    key: jax.Array,
) -> ArmErrors:
    """Summarises the errors of one arm.

    Args:
        arm: `plain` or `residual`.
        requested: `[D, A]` values that the briefs asked for.
        error: `[D, S, A]` read minus requested.
        names: Names of the A axes.
        estimates: Bias, MAE and RMSE of each axis with their intervals.
        limit: |e| strictly above it counts as beyond.
        inspector_error: `[M, A]` read minus true value of held-out real images; None if it was not measured.
        key: Random key of SIMEX.
    """
    n_designs, n_seeds, n_axes = error.shape
    by_seed = tuple(axis_errors.summarise(requested, requested + error[:, s], names, tolerance=limit)
                    for s in range(n_seeds))  # fmt: skip
    corrected, bound = None, None
    if inspector_error is not None:
        simex = measurement.simex(key, _moments, error.reshape(-1, n_axes), inspector_error.std(axis=0))
        corrected = np.maximum(simex.corrected, 0.0)
        bound = np.quantile(np.abs(inspector_error), 0.999, axis=0)
    axes = []
    for a, name in enumerate(names):
        bias, mae, rmse = estimates[a]
        size = np.abs(error[:, :, a])
        axes.append(
            ArmAxis(
                name=name,
                n=size.size,
                bias=bias,
                mae=mae,
                rmse=rmse,
                p95=float(np.quantile(size, 0.95)),
                max=float(size.max()),
                beyond=int((size > limit).sum()),
                skill=_skill(error[:, :, a], requested[:, a]),
                mae_corrected=None if corrected is None else float(corrected[0, a]),
                rmse_corrected=None if corrected is None else float(np.sqrt(corrected[1, a])),
                beyond_surely=None if bound is None else int((size > limit + bound[a]).sum()),
                beyond_possibly=None if bound is None else int((size > limit - bound[a]).sum()),
                upper_limits=_upper_limits(size),
            )
        )
    contents = (tolerance.content(n_designs, beyond=seed.any_beyond, confidence=CONFIDENCE) for seed in by_seed)
    return ArmErrors(arm, tuple(axes), by_seed, tuple(contents))


def _moments(error: jax.Array) -> jax.Array:
    """Mean of |e| and of e^2 along each axis, `[2, A]`."""
    return jnp.stack([jnp.mean(jnp.abs(error), axis=0), jnp.mean(error**2, axis=0)])


def _upper_limits(size: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    """The upper tolerance limit of |e| `[D, S]` for each seed; None where there are too few designs to state one."""
    n_designs, n_seeds = size.shape
    if n_designs < tolerance.sample_size(CONTENT, confidence=CONFIDENCE):
        return (None,) * n_seeds
    return tuple(
        tolerance.limits(size[:, s], content=CONTENT, confidence=CONFIDENCE, side="upper").high for s in range(n_seeds)
    )


def _skill(error: npt.NDArray[np.float64], requested: npt.NDArray[np.float64]) -> float:
    variance = float(requested.var())
    return 1.0 - float(np.square(error).mean()) / variance if variance > 0 else float("nan")
