"""Does depth hurt, and do shortcuts prevent it? The paper's reason for residual blocks (section 2.2).

Degradation is a training error that rises as layers are added; according to the paper residual blocks prevent it, since
blocks that learn nothing leave their input unchanged ("guarantee"). Three things can be checked: error against depth in
both arms, with the interaction of depth and arm over seeds; the gradient that reaches each block; and whether
blocks that are appended to a trained network change its pictures.

References:
    He et al., Deep residual learning for image recognition, 2016, section 1 and figure 1 (degradation).
    De and Smith, Batch normalization biases residual blocks towards the identity function in deep networks, 2020.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.config import Config, GeneratorConfig
from ich_jax.evaluation.arm_errors import PLAIN, RESIDUAL
from ich_jax.evaluation.level_tests import SEEDS, LevelTest, level_test
from ich_jax.models import generator
from ich_jax.types import Brief, ImageSpec, PyTree
from ich_jax.uncertainty import bootstrap, bootstrap_intervals

ALPHA = 0.05
_BLOCK = re.compile(r"stage_(\d+)_block_(\d+)")


# ---------------------------------------------------------------- error against depth


@dataclasses.dataclass(frozen=True, slots=True)
class DepthCurve:
    """One error of one arm against depth.

    Attributes:
        arm: `plain` or `residual`.
        name: Name of the error.
        mean: `[L]` mean over seeds.
        low: `[L]` lower end of its 95 % interval over seeds (bootstrap); equal to the mean for one seed.
        high: `[L]` upper end.
        by_seed: `[L][S]` of each network.
    """

    arm: str
    name: str
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    by_seed: tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Degradation:
    """Errors of both arms against depth.

    Attributes:
        depths: `[L]` blocks per stage.
        seeds: The S seeds.
        names: The K errors; tests over `tested` of them.
        tested: Errors to which "behind on every axis" refers.
        curves: Of each arm and error.
        slopes: Mean over seeds of the excess growth of the plain arm's error when depth doubles, by name.
        interaction: Test over seeds of these differences of slopes, adjusted over all errors by max-T.
        at_depth: For each depth, test over seeds of plain minus residual, adjusted over `tested`.
        jointly: The same, adjusted over `tested` and all depths together; names are `axis, depth`.
        behind_from: Least depth from which on, at every depth, the plain arm is behind on all of `tested` with an
            adjusted p below 0.05; None if there is none.
    """

    depths: tuple[int, ...]
    seeds: tuple[int, ...]
    names: tuple[str, ...]
    tested: tuple[str, ...]
    curves: tuple[DepthCurve, ...]
    slopes: dict[str, float]
    interaction: LevelTest
    at_depth: tuple[LevelTest, ...]
    jointly: LevelTest
    behind_from: int | None

    def curve(self, arm: str, name: str) -> DepthCurve:
        """Returns one curve."""
        return next(curve for curve in self.curves if (curve.arm, curve.name) == (arm, name))


def degradation(
    depths: Sequence[int],
    seeds: Sequence[int],
    plain: Mapping[str, npt.ArrayLike],
    residual: Mapping[str, npt.ArrayLike],
    *,
    tested: Sequence[str],
    key: jax.Array | None = None,
    n_resamples: int = 9999,
) -> Degradation:
    """Compares how errors grow with depth.

    The interaction is tested through one number per seed and error: the slope of the plain arm's error over log2(depth)
    minus that of the residual arm. Without an interaction it is symmetric about zero over seeds.

    Args:
        depths: `[L]`, ascending.
        seeds: `[S]`.
        plain: Name of each error and its values `[L, S]`.
        residual: The same errors of the other arm.
        tested: Those errors to which "behind" refers.
        key: Random key; by default that of seed 0.
        n_resamples: Bootstrap resamples.

    Raises:
        DataError: Fewer than two depths, depths that do not ascend, errors that only one arm has, shapes that do not
            fit, or values that are not finite.
    """
    key = jax.random.key(0) if key is None else key
    names = tuple(plain)
    error = _stacked(depths, seeds, plain, residual, tested)
    difference = error[0] - error[1]  # [K, L, S] plain minus residual
    log_depth = np.log2(np.asarray(depths, np.float64))
    centred = log_depth - log_depth.mean()
    slopes = np.einsum("l,kls->sk", centred / np.square(centred).sum(), difference)  # [S, K]
    tested_difference = difference[[names.index(name) for name in tested]]  # [T, L, S]
    at_depth = tuple(
        level_test(SEEDS, tested_difference[:, level].T, tested, key=jax.random.fold_in(key, 2 + level))
        for level in range(len(depths))
    )
    labels = [f"{name}, {depth}" for name in tested for depth in depths]
    by_label = tested_difference.reshape(-1, len(seeds)).T
    return Degradation(
        depths=tuple(depths),
        seeds=tuple(seeds),
        names=names,
        tested=tuple(tested),
        curves=_curves(key, error, names, n_resamples),
        slopes={name: float(mean) for name, mean in zip(names, slopes.mean(axis=0), strict=True)},
        interaction=level_test(SEEDS, slopes, names, key=jax.random.fold_in(key, 0)),
        at_depth=at_depth,
        jointly=level_test(SEEDS, by_label, labels, key=jax.random.fold_in(key, 1)),
        behind_from=_behind_from(depths, tested_difference.mean(axis=2), at_depth, tested),
    )


def _stacked(
    depths: Sequence[int],
    seeds: Sequence[int],
    plain: Mapping[str, npt.ArrayLike],
    residual: Mapping[str, npt.ArrayLike],
    tested: Sequence[str],
) -> npt.NDArray[np.float64]:
    """Checks the errors of `degradation` and returns them as `[2, K, L, S]`, plain first."""
    names = tuple(plain)
    if len(depths) < 2 or list(depths) != sorted(set(depths)) or depths[0] < 1:
        raise errors.DataError(f"degradation: expected two or more ascending depths from 1, got {tuple(depths)}.")
    if tuple(residual) != names or not set(tested) <= set(names):
        raise errors.DataError(
            f"degradation: the arms have the errors {', '.join(names)} and {', '.join(residual)}, and "
            f"{', '.join(tested)} are to be tested; they must be the same."
        )
    shape = (len(depths), len(seeds))
    stacked = np.stack([[np.asarray(arm[name], np.float64) for name in names] for arm in (plain, residual)])
    if stacked.shape[2:] != shape or not np.isfinite(stacked).all():
        raise errors.DataError(
            f"degradation: every error must be finite numbers {list(shape)} (depths, seeds), got "
            f"{list(stacked.shape[2:])}."
        )
    return stacked


def _curves(
    key: jax.Array, error: npt.NDArray[np.float64], names: Sequence[str], n_resamples: int
) -> tuple[DepthCurve, ...]:
    low, high = _bands(key, error, n_resamples)
    return tuple(
        DepthCurve(
            arm,
            name,
            tuple(error[i, k].mean(axis=1).tolist()),
            tuple(low[i, k].tolist()),
            tuple(high[i, k].tolist()),
            tuple(tuple(seeds) for seeds in error[i, k].tolist()),
        )
        for i, arm in enumerate((PLAIN, RESIDUAL))
        for k, name in enumerate(names)
    )


def _bands(
    key: jax.Array, stacked: npt.NDArray[np.float64], n_resamples: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    by_seed = np.moveaxis(stacked, 3, 0)  # [S, 2, K, L]
    if len(by_seed) < 2:
        return by_seed[0], by_seed[0]
    resampled = bootstrap.iid(key, bootstrap.weighted_mean, by_seed, n_resamples=n_resamples)
    interval = bootstrap_intervals.percentile(resampled)
    return interval.low, interval.high


def _behind_from(
    depths: Sequence[int],
    mean: npt.NDArray[np.float64],  # [T, L] plain minus residual
    tests: Sequence[LevelTest],
    names: Sequence[str],
) -> int | None:
    behind_from = None
    for level in reversed(range(len(depths))):
        p = tests[level].p_max_t
        if tests[level].withheld or not all(p[name] < ALPHA and mean[k, level] > 0 for k, name in enumerate(names)):
            break
        behind_from = depths[level]
    return behind_from


# ---------------------------------------------------------------- gradients by block


def block_norms(gradient: Mapping[str, PyTree]) -> dict[str, float]:
    """Returns the norm of each block's gradient, in the order in which a picture passes the blocks.

    Args:
        gradient: Tree of the parameters of a generator or discriminator.
    """
    norms: dict[tuple[int, int], float] = {}
    for name, block in gradient.items():
        match = _BLOCK.fullmatch(name)
        if match:
            squares = [float(np.square(np.asarray(leaf, np.float64)).sum()) for leaf in jax.tree.leaves(block)]
            norms[int(match[1]), int(match[2])] = float(np.sqrt(sum(squares)))
    return {f"stage_{stage}_block_{i}": norms[stage, i] for stage, i in sorted(norms)}


# ---------------------------------------------------------------- the guarantee


@dataclasses.dataclass(frozen=True, slots=True)
class Appended:
    """Change of the pictures by blocks appended to a trained generator.

    Attributes:
        arm: `plain` or `residual`.
        extra: Blocks appended to each stage.
        start: Their initialisation: `zero` (last layer zero) or `own` (as the arm's blocks).
        identical: Whether every pixel of every picture is the same, bit for bit.
        max_change: Largest change of a pixel, real pictures being in [-1, 1].
        mean_change: Mean absolute change of a pixel.
        n: Pictures.
    """

    arm: str
    extra: int
    start: str
    identical: bool
    max_change: float
    mean_change: float
    n: int


def append_blocks(
    config: Config, spec: ImageSpec, params: PyTree, *, extra: int, zero: bool = True
) -> tuple[Config, PyTree]:
    """Appends blocks to each stage of a generator.

    Args:
        config: The run of `params`.
        spec: Design space and shape of its pictures.
        params: Parameters of the generator.
        extra: Blocks to append to each stage.
        zero: The last layer of the new blocks is zero, so that F(x) = 0; else they start as the arm's blocks do.

    Returns:
        The config of the deeper generator and its parameters.
    """
    network = dataclasses.replace(config.generator, blocks=config.generator.blocks + extra)
    deeper, space = dataclasses.replace(config, generator=network), spec.space
    init, _ = _compiled(network, spec, config.compute.dtype)
    brief = Brief(
        product=jnp.zeros((1,), jnp.int32),
        elements=jnp.zeros((1, len(space.elements)), jnp.int32),
        axes=jnp.zeros((1, len(space.axes)), jnp.float32),
        given=jnp.ones((1, space.n_given), jnp.float32),
    )
    z = jnp.zeros((1, network.z_dim), jnp.float32)
    fresh = flax.core.unfreeze(init(jax.random.key(config.seed), z, brief)["params"])
    for name, block in fresh.items():
        if name not in params and zero:
            block["conv2"] = jax.tree.map(jnp.zeros_like, block["conv2"])
    return deeper, {**fresh, **params}


@functools.lru_cache(maxsize=4)
def _compiled(network: GeneratorConfig, spec: ImageSpec, dtype: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Returns a generator's `init` and `apply`, compiled once for networks that are alike."""
    module = generator.create(network, spec, jnp.dtype(dtype))
    options = {"xla_backend_optimization_level": 0}  # both run once or twice: not worth optimising
    return jax.jit(module.init, compiler_options=options), jax.jit(module.apply, compiler_options=options)


def appended(config: Config, spec: ImageSpec, params: PyTree, brief: Brief, *, extra: int = 1) -> tuple[Appended, ...]:
    """Draws pictures before and after blocks are appended, which start at zero or as the arm's blocks do.

    Args:
        config: The run of `params`.
        spec: Design space and shape of its pictures.
        params: Parameters of the generator.
        brief: Of the pictures to draw.
        extra: Blocks to append to each stage.
    """
    n = len(brief.product)
    z = jax.random.normal(jax.random.key(config.evaluation.seed), (n, config.generator.z_dim), jnp.float32)

    def draw(run_config: Config, params: PyTree) -> npt.NDArray[np.float32]:
        _, apply = _compiled(run_config.generator, spec, run_config.compute.dtype)
        return np.asarray(apply({"params": params}, z, brief))

    before = draw(config, params)
    changes = []
    for start in ("zero", "own"):
        deeper, deeper_params = append_blocks(config, spec, params, extra=extra, zero=start == "zero")
        change = np.abs(draw(deeper, deeper_params) - before)
        changes.append(
            Appended(
                arm=config.generator.arm,
                extra=extra,
                start=start,
                identical=bool((change == 0).all()),
                max_change=float(change.max()),
                mean_change=float(change.mean()),
                n=n,
            )
        )
    return tuple(changes)
