"""Records of cells that were never trained."""

import dataclasses

import numpy as np

from ich_jax.studies.error_comparison.degradation import Appended
from ich_jax.studies.error_comparison.result import CellRecord, Gradients

NAMES = ("width", "height")
ASKED = np.random.default_rng(9).uniform(-3, 3, (30, 2))


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
