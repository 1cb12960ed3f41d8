"""The pieces of work of a comparison: trials that choose gain and step size, then cells of arm, depth and seed."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ich_jax import config as config_lib
from ich_jax.config import Config, ErrorComparisonConfig
from ich_jax.config.error_comparison import TRIAL_SEEDS
from ich_jax.evaluation.arm_errors import PLAIN, RESIDUAL
from ich_jax.studies.error_comparison import result as comparison
from ich_jax.studies.error_comparison.result import Choice


@dataclasses.dataclass(frozen=True)
class Piece:
    """A training run of the comparison: a trial or a cell.

    Attributes:
        kind: `trials` or `cells`, the folder that it lies in.
        arm: `plain` or `residual`.
        depth: Blocks per stage.
        gain: Initial gain of the generator's blocks.
        d_gain: Initial gain of the discriminator's blocks.
        learning_rate: Peak step size.
        seed: Seed of the run.
    """

    kind: str
    arm: str
    depth: int
    gain: float
    d_gain: float
    learning_rate: float
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        settings = f"_gain{self.gain:g}-{self.d_gain:g}_lr{self.learning_rate:g}" if self.kind == "trials" else ""
        return f"{self.arm}_depth{self.depth}{settings}_seed{self.seed}"

    def folder(self, root: str | Path) -> Path:
        """Its work directory."""
        return Path(root) / self.kind / self.name


def trials(config: ErrorComparisonConfig) -> list[Piece]:
    """Every trial: both arms, every depth, gain and step size, on separate seeds."""
    settings = config.comparison
    if not settings.trial_steps:
        return []
    return [
        Piece("trials", arm, depth, *gain, rate, config.seed + TRIAL_SEEDS + k)
        for depth in settings.depths
        for arm in comparison.ARMS
        for gain in gains(config, arm)
        for rate in settings.learning_rates
        for k in range(settings.trial_seeds)
    ]


def untried(config: ErrorComparisonConfig) -> tuple[Choice, ...]:
    """The first gain and step size of each arm and depth, which are taken without trials."""
    settings = config.comparison
    return tuple(
        Choice(arm, depth, *gains(config, arm)[0], settings.learning_rates[0], None, 0)
        for depth in settings.depths
        for arm in comparison.ARMS
    )


def cells(config: ErrorComparisonConfig, choices: Sequence[Choice]) -> list[Piece]:
    """Every cell: seeds vary slowest, so that a sweep that is stopped has complete pairs of arms."""
    chosen = {
        (choice.arm, choice.depth): (choice.gain, choice.d_gain, choice.learning_rate)
        for choice in choices or untried(config)
    }
    return [
        Piece("cells", arm, depth, *chosen[arm, depth], config.seed + k)
        for k in range(config.comparison.seeds)
        for depth in config.comparison.depths
        for arm in comparison.ARMS
    ]


def gains(config: ErrorComparisonConfig, arm: str) -> list[tuple[float, float]]:
    """Initial gains of generator and discriminator to try in an arm."""
    settings = config.comparison
    if arm == RESIDUAL:
        return [(gain, gain) for gain in settings.residual_gains]
    return list(zip(settings.plain_gains, settings.plain_d_gains, strict=True))


def cell_config(config: ErrorComparisonConfig, piece: Piece) -> Config:
    """The run of a piece: that of the comparison, except for arm, depth, gain, step size and seed."""
    base: dict[str, Any] = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    scale = "plain_scale" if piece.arm == PLAIN else "residual_scale"
    arm: dict[str, Any] = {"arm": piece.arm, "blocks": piece.depth, scale: piece.gain}
    d_arm: dict[str, Any] = (
        {**arm, scale: piece.d_gain} if config.comparison.networks == "both" else {"blocks": piece.depth}
    )
    base |= {
        "name": f"{config.name}/{piece.name}",
        "seed": piece.seed,
        "generator": dataclasses.replace(config.generator, **arm),
        "discriminator": dataclasses.replace(config.discriminator, **d_arm),
        "train": dataclasses.replace(config.train, g_lr=piece.learning_rate, d_lr=piece.learning_rate),
    }
    run_config = Config(**base)
    if piece.kind == "trials":
        steps = config.comparison.trial_steps
        intervals: dict[str, Any] = {
            "validate_every": steps,
            "checkpoint_every": max(1, steps // 2),
            "log_every": max(1, steps // 10),
        }
        run_config = dataclasses.replace(
            run_config,
            train=dataclasses.replace(run_config.train, steps=steps, images=0),
            loop=dataclasses.replace(run_config.loop, **intervals),
        )
    resolved: Config = config_lib.resolve(run_config)
    return resolved


def effort(config: ErrorComparisonConfig, piece: Piece) -> float:
    """Size of a piece: its steps times the cost of a step by depth (the ends of the networks count as one block)."""
    steps = config.comparison.trial_steps if piece.kind == "trials" else config.train.steps
    return float(steps * (1 + piece.depth))


def in_groups(config: ErrorComparisonConfig, pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces that are trained together: alone, or with the other seeds of the same arm and settings."""
    if not config.comparison.stack_seeds:
        return [[piece] for piece in pieces]
    groups: dict[Piece, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(dataclasses.replace(piece, seed=0), []).append(piece)
    return list(groups.values())
