"""Writes tests/reference/steps.json: digests of the lowered training steps, by the version of JAX that lowered them.

    python scripts/make_step_digests.py

It prints which digests differ from those stored. A change that should not alter the steps must not alter the digests;
after one that should, run this script under each version of JAX that the file names. Names of functions and locations
do not count: moving and renaming code changes nothing. Nothing is compiled; a step takes some 8 s, so
tests/training/test_lowered_steps.py compares those of `TESTED` only; run this script for all of them.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from benchmarks import lower

from ich_jax import config as config_lib
from ich_jax.config import Config
from ich_jax.models.convolutions import Formulation
from ich_jax.perf import lowering

FILE = Path(__file__).resolve().parents[1] / "tests" / "reference" / "steps.json"
TESTED = ("quick", "r3gan_32", "wgan_gp", "exact penalty", "lazy penalty", "bfloat16")
"""Runs whose steps differ in more than sizes, and which together cover every part of a step."""

SMALL = {"data.size": 16, "generator.widths": (8,), "discriminator.widths": (8,), "train.batch": 8}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "wgan_gp": {
        "objective.loss": "wasserstein",
        "objective.penalty": "wgan_gp",
        "objective.update": "alternate",
        "objective.d_steps": 2,
    },
    "penalty on all images": {"objective.penalty_share": 1.0},
    "exact penalty": {
        "objective.penalty_share": 1.0,
        "objective.reading_d": 0.0,
        "discriminator.activation": "leaky_relu",
        "compute.penalty_rule": "exact",
    },
    "lazy penalty": {"objective.penalty_interval": 4},
    "R1, no reconstruction": {"objective.penalty": "r1", "objective.reconstruction": 0.0},
    "hinge": {"objective.loss": "hinge", "objective.penalty": "none"},
    "bfloat16": {"compute.dtype": "bfloat16"},
    "augmented": {"data.augment": "flip,color,translation,cutout"},
    "no clipping, whole briefs": {"train.clip": 0.0, "objective.condition_dropout": 0.0},
}
"""Fields in which a variant differs from the config `quick`, beside those of `SMALL`."""


def cases() -> dict[str, Config]:
    """Returns the runs whose steps are stored: the shipped training configs, and small variants of `quick`."""
    shipped = {Path(path).stem: lower.load(path, "float32") for path in lower.training_configs()}
    return shipped | {name: config_lib.load("quick", {**SMALL, **fields}) for name, fields in VARIANTS.items()}


def digest(config: Config) -> str:
    """Returns the digest of the training step of a run, lowered for the CPU with convolutions as written."""
    step, arguments = lower.abstract_step(config, Formulation())
    # Tests forbid type promotion, and then JAX 0.10 lowers the same arithmetic to other operations.
    with jax.numpy_dtype_promotion("standard"):
        return lowering.digest(lowering.lower(step.trace(*arguments), "cpu"))


def main() -> None:
    """Lowers every step and writes the file; entries of other versions of JAX stay."""
    stored = json.loads(FILE.read_text()) if FILE.exists() else {}
    before, after = stored.get(jax.__version__, {}), {}
    for name, config in cases().items():
        after[name] = digest(config)
        print(f"{name}: {after[name]} {'as before' if after[name] == before.get(name) else 'new'}", flush=True)
    stored[jax.__version__] = after
    FILE.write_text(json.dumps(dict(sorted(stored.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
