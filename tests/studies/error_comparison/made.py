"""Configs small enough to train in seconds, and records of cells that were never trained."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ich_jax import config as config_lib
from ich_jax.studies.error_comparison.degradation import Appended
from ich_jax.studies.error_comparison.result import CellRecord, Gradients

NAMES = ("width", "height")
ASKED = np.random.default_rng(9).uniform(-3, 3, (30, 2))


def make_config(images: Path, **comparison: Any) -> config_lib.ErrorComparisonConfig:
    settings: dict[str, Any] = {
        **{
            "seeds": 2,
            "trial_steps": 4,
            "plain_gains": (1.0, 2.0),
            "plain_d_gains": (1.0, 1.5),
            "residual_gains": (0.1,),
        },
        **{"learning_rates": (2e-3,), "best_of": 2, "n_resamples": 99},
    }
    return config_lib.resolve(
        {
            "name": "shapes",
            "data": {"source": "npz", "path": str(images), "size": 16, "channels": 1, "holdout_share": 0.4},
            "generator": {"z_dim": 3, "mapping": 6, "widths": (4,)},
            "discriminator": {"widths": (4,)},
            "objective": {"penalty": "none", "reconstruction": 0.0},  # compiled in half the time
            "train": {"steps": 4, "batch": 4, "warmup": 1},
            "evaluation": {"n_designs": 9, "n_validation": 4, "diversity_draws": 2},
            "compute": {"compilation_cache": False, "devices": 1},
            "loop": {**{"log_every": 2, "validate_every": 2, "checkpoint_every": 2}, "tensorboard": False},
            "comparison": settings | comparison,
        },
        config_lib.ErrorComparisonConfig,
    )


def record(arm: str, depth: int, seed: int, **changes: object) -> CellRecord:
    """A cell whose errors grow with depth in the plain arm."""
    rng = np.random.default_rng([arm == "plain", depth, seed])
    scale = 0.1 * depth if arm == "plain" else 0.1
    made = CellRecord(
        arm=arm,
        depth=depth,
        seed=seed,
        gain=1.0,
        d_gain=2.0,
        learning_rate=1e-3,
        requested=ASKED,
        read=ASKED + rng.normal(0, scale, ASKED.shape),
        best_read=ASKED + rng.normal(0, scale / 2, ASKED.shape),
        training_error=scale + rng.normal(0, 0.01),
        gradients=(Gradients(0, {"stage_0_block_0": 1.0}, {"stage_0_block_0": float("nan")}),),
        appended=(Appended(arm, 1, "zero", arm == "residual", 0.0, 0.0, 4),),
        g_parameters=10,
        d_parameters=20,
        steps=5,
        diverged=False,
        img_per_s=1.5,
        config_fingerprint="c",
        inspector_fingerprint="i",
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]
