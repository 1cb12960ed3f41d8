"""Sizes of the measurements of `accelerator`: full, and tiny for a CPU through the same code."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import Config

_CONFIGS = Path(__file__).resolve().parents[3] / "configs"

Changes = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """A config and changes to it.

    Attributes:
        file: Name of the config, without its variant.
        changes: Fields, by their dotted names.
        variant: Of the config.
    """

    file: str
    changes: Changes = dataclasses.field(default_factory=dict)
    variant: str = ""

    def load(self) -> Config:
        """Loads the config."""
        return config_lib.load(_CONFIGS / f"{self.file}.py", dict(self.changes))

    def flags(self) -> list[str]:
        """Flags of an experiment that runs it."""
        variant = f":{self.variant}" if self.variant else ""
        changed = [f"--config.{name}={value}" for name, value in self.changes.items()]
        return [f"--config={_CONFIGS / self.file}.py{variant}", *changed]


@dataclasses.dataclass(frozen=True)
class Size:
    """Sizes of all measurements.

    Attributes:
        name: `full` or `tiny`.
        products: Sides of the matrix products that measure the peak; empty: those of the device.
        copied_bytes: Bytes of the array whose scaling measures the copy; 0: those of the device.
        step: The training step beside PyTorch.
        forms: Ways to compute convolutions that are tried, by their names in `programs.FORMS`.
        algebras: Those of the step in PyTorch.
        small: The networks of which stacks are trained.
        stacks: Numbers of seeds in a stack.
        processes: Numbers of processes beside each other.
        drawn: Generators that draw.
        draws: Numbers of designs at once.
        penalties: Runs whose discriminator is penalised.
        ways: Ways to take the penalty; empty: all that apply.
        comparison: The deep error comparison.
        shards: Processes that train it beside each other.
        trained: Runs of `procedural_*`, by name.
        sheet: Briefs and draws of a stored sheet.
        econometrics: Rows of the benchmark of econometrics.
        quick: Whether these rows have their small sizes.
        rounds: Rounds in which ways take turns.
    """

    name: str
    products: tuple[int, ...]
    copied_bytes: int
    step: Run
    forms: tuple[str, ...]
    algebras: tuple[str, ...]
    small: Run
    stacks: tuple[int, ...]
    processes: tuple[int, ...]
    drawn: tuple[Run, ...]
    draws: tuple[int, ...]
    penalties: tuple[Run, ...]
    ways: tuple[str, ...]
    comparison: Run
    shards: int
    trained: Mapping[str, Run]
    sheet: tuple[int, int]
    econometrics: tuple[str, ...]
    quick: bool
    rounds: int


# Networks wide enough to fill a device: in bfloat16 their products can reach its peak.
_WIDE: Changes = {
    "train.batch": 256,
    "compute.dtype": "bfloat16",
    "generator.widths": (256,) * 5,
    "discriminator.widths": (256,) * 3,
}
# As the trials of docs/results/error_comparison chose: none are run here.
_DEEP: Changes = {
    "comparison.depths": (4, 8),
    "comparison.seeds": 3,
    "comparison.trial_steps": 0,
    "comparison.residual_gains": (0.1,),
    "comparison.plain_gains": (0.9,),
    "comparison.plain_d_gains": (1.8,),
    "comparison.learning_rates": (2e-3,),
    "train.steps": 6000,
    "train.batch": 128,
    "compute.tf32": True,
    "loop.tensorboard": False,
    "loop.checkpoint_every": 500,
}
_TRAINED: Changes = {"compute.tf32": True, "loop.tensorboard": False, "loop.checkpoint_every": 500, "loop.keep": 1}

FULL = Size(
    name="full",
    products=(),
    copied_bytes=0,
    step=Run("benchmark_64", _WIDE),
    forms=("direct", "merged", "merged_taps"),
    algebras=("written", "phases"),
    small=Run("procedural_32", {"compute.tf32": True}),
    stacks=(1, 8, 64, 16, 32, 4, 2),
    processes=(1, 2, 4, 8),
    drawn=(Run("procedural_32", {"compute.tf32": True}), Run("benchmark_64", _WIDE)),
    draws=(16, 256, 1024),
    penalties=(Run("benchmark_32", {"train.batch": 256, "compute.dtype": "bfloat16"}),),
    ways=(),
    comparison=Run("error_comparison", _DEEP),
    shards=4,
    trained={"procedural_64": Run("procedural_64", _TRAINED), "procedural_128": Run("procedural_128", _TRAINED)},
    sheet=(8, 8),
    econometrics=("S2", "S7", "S8", "S9", "S5"),
    quick=False,
    rounds=7,
)

# One small program wherever one can do for several stages: nearly all of the time is compilation.
_TINY_NETWORKS: Changes = {
    "data.size": 16,
    "generator.z_dim": 3,
    "generator.widths": (4, 4),
    "discriminator.widths": (4,),
    "discriminator.blocks": 0,
    "train.batch": 2,
    "compute.dtype": "bfloat16",
}

TINY = Size(
    name="tiny",
    products=(64, 128),
    copied_bytes=2**20,
    step=Run("benchmark_32", _TINY_NETWORKS),
    forms=("direct", "merged"),
    algebras=("phases",),
    small=Run("benchmark_32", _TINY_NETWORKS),
    stacks=(2,),
    processes=(1, 2),
    drawn=(Run("benchmark_32", _TINY_NETWORKS),),
    draws=(1, 2),
    penalties=(Run("benchmark_32", _TINY_NETWORKS),),
    ways=("none", "R1 + R2, exact rule"),
    comparison=Run("error_comparison", {}, variant="tiny"),
    shards=2,
    trained={"quick": Run("quick", {}, variant="tiny")},
    sheet=(2, 2),
    econometrics=("S3",),
    quick=True,
    rounds=5,
)

SIZES = {size.name: size for size in (FULL, TINY)}


def named(name: str) -> Size:
    """Returns the size with a name.

    Raises:
        ConfigError: There is none.
    """
    return SIZES[errors.require(name, SIZES, "size")]
