"""Fields of the reproduction of the paper."""

import dataclasses

from ich_jax.config.fields import result

SIZES = ("full", "quick", "tiny")


@dataclasses.dataclass(frozen=True)
class ReproduceConfig:
    """Every experiment of the package beside the sections of the paper."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    size: str = result("full", "Size of every stage: that of its own config.", choices=SIZES)
    stages: tuple[str, ...] = result(("all",), "Stages that belong to the run, or all.")
