"""Fields of the design study."""

import dataclasses

from ich_jax import errors
from ich_jax.config.fields import execution, result

SELECTIONS = ("diverse", "best", "first")
OPEN_PARTS = ("drawn", "open")


@dataclasses.dataclass(frozen=True)
class DesignConfig:
    """From briefs to chosen designs, drawn by a trained generator."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    candidates: int = result(256, "Candidates drawn for a brief.")
    deliver: int = result(12, "Designs delivered for a brief, at most.")
    select: str = result(
        "diverse", "diverse, best or first: which of the candidates that meet the brief are delivered."
    )
    tolerance: float = result(0.5, "Largest error of a stated axis, as the run's reading head reads it.")
    open_parts: str = result(
        "drawn",
        "drawn or open: parts that a brief does not state are drawn for each candidate from the images of the run, or "
        "left to the generator.",
        added=True,
    )
    style_strength: float = result(1.0, "Classifier-free strength of the brief; 1: as trained.")
    seed: int = result(0, "Seed of the noise.")
    seeds: tuple[int, ...] = result((), "One design of each of these seeds instead, all delivered.")
    spread: float = result(0.3, "Distance of variations from their design: 0, the same noise, to 1, independent noise.")
    columns: int = result(7, "Designs along a path between two, or along a sweep of an axis.")
    print_size: int = result(384, "Pixels of the large copies and of the sheet for print.")
    resample: str = result("nearest", "nearest (whole factors) or lanczos: how large copies are made.")
    dpi: int = result(300, "Resolution of the sheet for print, which decides its millimetres.")
    judge: bool = result(True, "The inspector judges the delivered designs; it needs the images of the run.")
    batch: int = result(64, "Designs per call; a design's last bits may depend on it.")
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
    progress: bool = execution(True, "Show a live bar on a terminal.")

    def __post_init__(self) -> None:
        errors.require_within(self.candidates, 1, 10**6, "candidates", whole=True)
        errors.require_within(self.deliver, 1, 10_000, "deliver", whole=True)
        errors.require(self.select, SELECTIONS, "select")
        errors.require(self.open_parts, OPEN_PARTS, "open_parts")
        errors.require_within(self.tolerance, 1e-6, 6.0, "tolerance")
        errors.require_within(self.style_strength, 0.0, 20.0, "style_strength")
        errors.require_seed(self.seed, "seed")
        for seed in self.seeds:
            errors.require_seed(seed, "seeds")
        errors.require_within(self.spread, 0.0, 1.0, "spread")
        errors.require_within(self.columns, 2, 100, "columns", whole=True)
        errors.require_within(self.print_size, 8, 8192, "print_size", whole=True)
        errors.require(self.resample, ("nearest", "lanczos"), "resample")
        errors.require_within(self.dpi, 36, 2400, "dpi", whole=True)
        errors.require_within(self.batch, 1, 4096, "batch", whole=True)
        if len(set(self.seeds)) != len(self.seeds):
            raise errors.ConfigError(f"seeds: got {self.seeds}; expected different whole numbers.")
        if self.deliver > self.candidates and not self.seeds:
            raise errors.ConfigError(
                f"deliver: {self.deliver} designs cannot be chosen among {self.candidates} candidates; raise "
                f"candidates to {self.deliver} or more, or deliver fewer."
            )
