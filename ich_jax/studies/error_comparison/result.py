"""The error comparison as a whole: the choices of the trials, the designs of each network, and their comparison.

Cells are the trained networks: one for each arm, depth and seed. A cell leaves a record on disk; everything here is a
pure function of records, so that cells may come from any number of hosts and calls.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.evaluation import axis_errors
from ich_jax.evaluation.arm_errors import PLAIN, RESIDUAL
from ich_jax.evaluation.arms import ArmComparison, compare_arms
from ich_jax.evaluation.axis_errors import AxisErrors
from ich_jax.evaluation.level_tests import DESIGNS, SEEDS
from ich_jax.studies.error_comparison import degradation as degradation_lib
from ich_jax.studies.error_comparison.degradation import Appended, Degradation

ARMS = (PLAIN, RESIDUAL)
TRAINING_ERROR = "training error"


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """A short training that tries an initial gain and a step size.

    Attributes:
        arm: `plain` or `residual`.
        depth: Blocks per stage.
        gain: Initial gain of the last layer of each block of the generator.
        d_gain: The same of the discriminator.
        learning_rate: Peak step size of both networks.
        seed: Seed of the run; takes no part in the comparison.
        axis_mae: Mean |e| over axes on the validation briefs after the last step; infinite if training diverged.
    """

    arm: str
    depth: int
    gain: float
    d_gain: float
    learning_rate: float
    seed: int
    axis_mae: float


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Settings with which an arm is trained at a depth: the best of its trials.

    Attributes:
        arm: `plain` or `residual`.
        depth: Blocks per stage.
        gain: Initial gain of the generator's blocks.
        d_gain: Initial gain of the discriminator's blocks.
        learning_rate: Peak step size.
        axis_mae: Of the trials, mean over their seeds; None without trials.
        tried: Number of combinations of gains and step size that were tried.
    """

    arm: str
    depth: int
    gain: float
    d_gain: float
    learning_rate: float
    axis_mae: float | None
    tried: int


@dataclasses.dataclass(frozen=True, slots=True)
class Gradients:
    """Norms of the gradient of the training objective in each block, at a step.

    Attributes:
        step: Steps taken; 0: at initialisation.
        generator: Norm by name of the block, in the order of the network.
        discriminator: Likewise.
    """

    step: int
    generator: dict[str, float]
    discriminator: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class CellRecord:
    """A trained network and its designs.

    Attributes:
        arm: `plain` or `residual`.
        depth: Blocks per stage.
        seed: Seed of the run.
        gain: Initial gain of the generator's blocks.
        d_gain: Initial gain of the discriminator's blocks.
        learning_rate: Peak step size.
        requested: `[N][A]` values that the briefs ask for.
        read: `[N][A]` values that the inspector reads off the designs, one draw per brief.
        best_read: `[N][A]` the same of the best of K draws, chosen by the discriminator's own reading head; None if no
            such choice was made.
        training_error: Mean absolute error of training images drawn again, pixels in [-1, 1], over the last tenth of
            the steps; None if the objective has no such part.
        gradients: At initialisation and at each validation.
        appended: Changes by appended blocks.
        g_parameters: Parameters of the generator.
        d_parameters: Parameters of the discriminator.
        steps: Training steps taken.
        diverged: Whether training was abandoned; the newest good checkpoint is judged then.
        img_per_s: Images per second in training.
        config_fingerprint: Of the run.
        inspector_fingerprint: Of the judge.
    """

    arm: str
    depth: int
    seed: int
    gain: float
    d_gain: float
    learning_rate: float
    requested: npt.NDArray[np.float64]
    read: npt.NDArray[np.float64]
    best_read: npt.NDArray[np.float64] | None
    training_error: float | None
    gradients: tuple[Gradients, ...]
    appended: tuple[Appended, ...]
    g_parameters: int
    d_parameters: int
    steps: int
    diverged: bool
    img_per_s: float
    config_fingerprint: str
    inspector_fingerprint: str


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorComparison:
    """The comparison of all cells.

    Attributes:
        names: Names of the axes.
        depths: Blocks per stage, ascending.
        by_depth: The comparison of both arms at each depth.
        degradation: Errors against depth; None for one depth.
        best_of: Draws among which the reading head picks; 0: none.
        best: For each depth, errors of the picked designs of the plain and the residual arm, over all seeds; empty if
            not done.
        trials: Every trial.
        choices: The settings that they chose.
        simulated: Whether the images are.
    """

    names: tuple[str, ...]
    depths: tuple[int, ...]
    by_depth: tuple[ArmComparison, ...]
    degradation: Degradation | None
    best_of: int
    best: tuple[tuple[AxisErrors, AxisErrors], ...]
    trials: tuple[Trial, ...]
    choices: tuple[Choice, ...]
    simulated: bool

    @property
    def headline(self) -> ArmComparison:
        """The comparison at the greatest depth."""
        return self.by_depth[-1]


def choose(trials: Sequence[Trial]) -> tuple[Choice, ...]:
    """Returns the settings with the least mean error over trial seeds, for each arm and depth.

    Ties go to the settings that were tried first. An arm whose trials all diverged gets the first of its settings.
    """
    choices = []
    for depth in sorted({trial.depth for trial in trials}):
        for arm in ARMS:
            scores: dict[tuple[float, float, float], list[float]] = {}
            for trial in trials:
                if (trial.arm, trial.depth) == (arm, depth):
                    scores.setdefault((trial.gain, trial.d_gain, trial.learning_rate), []).append(trial.axis_mae)
            mean = {settings: float(np.mean(maes)) for settings, maes in scores.items()}
            best = min(mean, key=lambda settings: mean[settings])
            choices.append(Choice(arm, depth, *best, axis_mae=mean[best], tried=len(mean)))
    return tuple(choices)


def compare(
    records: Sequence[CellRecord],
    names: Sequence[str],
    *,
    inspector_error: npt.ArrayLike | None,
    tolerance: float = 0.5,
    best_of: int = 0,
    trials: Sequence[Trial] = (),
    choices: Sequence[Choice] = (),
    simulated: bool = False,
    seed: int = 0,
    n_resamples: int = 9999,
) -> ErrorComparison:
    """Compares the arms at each depth, and over depths if there are several.

    Args:
        records: One per arm, depth and seed.
        names: Names of the A axes.
        inspector_error: `[M, A]` of held-out real images; None if there are none.
        tolerance: |e| strictly above it counts as beyond.
        best_of: Draws among which the reading head picked; 0: none.
        trials: To be kept with the result.
        choices: Likewise.
        simulated: Whether the images are.
        seed: Of all resampling.
        n_resamples: Bootstrap resamples, and sign flips where they are drawn.

    Raises:
        DataError: Records that do not make a crossed layout, or that were judged by different inspectors.
    """
    _require_one_inspector(records)
    depths = sorted({record.depth for record in records})
    key = jax.random.key(seed)
    by_depth, best = [], []
    for depth in depths:
        records_here = [record for record in records if record.depth == depth]
        by_depth.append(
            compare_arms(
                *_columns(records_here),
                names,
                inspector_error=inspector_error,
                tolerance=tolerance,
                key=jax.random.fold_in(key, depth),
                n_resamples=n_resamples,
            )
        )
        if best_of:
            best.append((_best(records_here, PLAIN, names, tolerance), _best(records_here, RESIDUAL, names, tolerance)))
    return ErrorComparison(
        names=tuple(names),
        depths=tuple(depths),
        by_depth=tuple(by_depth),
        degradation=_degradation(records, depths, names, key, n_resamples) if len(depths) > 1 else None,
        best_of=best_of,
        best=tuple(best),
        trials=tuple(trials),
        choices=tuple(choices),
        simulated=simulated,
    )


def summary(result: ErrorComparison) -> dict[str, Any]:
    """Returns the headline figures, at the greatest depth.

    `n_designs`, `n_seeds`; for each axis `max_residual_`, `max_plain_`, `exceed_residual_`, `exceed_plain_` (errors
    beyond the tolerance, over all seeds) and `mae_ratio_` (residual over plain); `p_max_t`, the largest adjusted p of
    any axis at the level of seeds, and `p_max_t_designs` at that of designs (NaN where the test is withheld); with
    several depths `behind_from_depth`, 0 if there is none.
    """
    headline = result.headline
    values: dict[str, Any] = {"n_designs": headline.n_designs, "n_seeds": len(headline.seeds)}
    for arm in (headline.residual, headline.plain):
        values |= {f"max_{arm.arm}_{axis.name}": axis.max for axis in arm.axes}
    for arm in (headline.residual, headline.plain):
        values |= {f"exceed_{arm.arm}_{axis.name}": axis.beyond for axis in arm.axes}
    values |= {f"mae_ratio_{contrast.name}": contrast.ratio.value for contrast in headline.contrasts}
    for name, level in (("p_max_t", SEEDS), ("p_max_t_designs", DESIGNS)):
        values[name] = max(headline.test(level).p_max_t.values(), default=math.nan)
    values["depth"] = result.depths[-1]
    if result.degradation is not None:
        values["behind_from_depth"] = result.degradation.behind_from or 0
    return values


# ---------------------------------------------------------------- records on disk


def from_json(values: dict[str, Any]) -> CellRecord:
    """Returns the record that `workdir.write_json` has written.

    Raises:
        DataError: It is not one.
    """
    try:
        plain = dict(values)
        for name in ("requested", "read", "best_read"):
            if plain[name] is not None:
                plain[name] = np.asarray(plain[name], np.float64)
        plain["gradients"] = tuple(
            Gradients(row["step"], _numbers(row["generator"]), _numbers(row["discriminator"]))
            for row in plain["gradients"]
        )
        plain["appended"] = tuple(Appended(**row) for row in plain["appended"])
        return CellRecord(**plain)
    except (KeyError, TypeError, ValueError) as cause:
        raise errors.DataError(
            f"A record of a cell is damaged ({cause}); remove it and give the command again."
        ) from cause


def _numbers(values: dict[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in values.items()}  # null stands for NaN


# ---------------------------------------------------------------- parts


def _columns(
    records: Sequence[CellRecord],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], list[str], list[int]]:
    """Requested and read values `[N, A]`, arm `[N]` and seed `[N]` of the designs of all records."""
    return (
        np.concatenate([record.requested for record in records]),
        np.concatenate([record.read for record in records]),
        [record.arm for record in records for _ in record.read],
        [record.seed for record in records for _ in record.read],
    )


def _require_one_inspector(records: Sequence[CellRecord]) -> None:
    inspectors = sorted({record.inspector_fingerprint for record in records})
    if len(inspectors) != 1:
        raise errors.DataError(
            f"compare: the cells were judged by {len(inspectors)} inspectors ({', '.join(inspectors)}); judge them by "
            "one: remove the cell.json files of the others and give the command again."
        )


def _best(records: Sequence[CellRecord], arm: str, names: Sequence[str], tolerance: float) -> AxisErrors:
    picked = [record for record in records if record.arm == arm and record.best_read is not None]
    requested = np.concatenate([record.requested for record in picked])
    read = np.concatenate([np.asarray(record.best_read) for record in picked])
    return axis_errors.summarise(requested, read, names, tolerance=tolerance)


def _degradation(
    records: Sequence[CellRecord], depths: Sequence[int], names: Sequence[str], key: jax.Array, n_resamples: int
) -> Degradation:
    seeds = sorted({record.seed for record in records})
    cells = {(record.arm, record.depth, record.seed): record for record in records}
    missing = [(arm, depth, s) for arm in ARMS for depth in depths for s in seeds if (arm, depth, s) not in cells]
    if missing:
        raise errors.DataError(f"compare: no cell for {missing[0]} (arm, depth, seed), and {len(missing) - 1} others.")

    def table(arm: str) -> dict[str, npt.NDArray[np.float64]]:
        grid = [[cells[arm, depth, seed] for seed in seeds] for depth in depths]
        mae = np.array([[np.abs(cell.read - cell.requested).mean(axis=0) for cell in row] for row in grid])  # [L, S, A]
        values = {name: mae[:, :, a] for a, name in enumerate(names)}
        if all(record.training_error is not None for record in records):
            values[TRAINING_ERROR] = np.array([[cell.training_error for cell in row] for row in grid], float)
        return values

    return degradation_lib.degradation(
        depths,
        seeds,
        table(PLAIN),
        table(RESIDUAL),
        tested=names,
        key=jax.random.fold_in(key, 0),
        n_resamples=n_resamples,
    )
