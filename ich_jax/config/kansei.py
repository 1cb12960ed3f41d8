"""Fields of the study of what people want and how they judge it."""

import dataclasses
import math

from ich_jax import errors
from ich_jax.config.fields import execution, result, section

KANSEI_SOURCES = ("published", "csv", "loop")


@dataclasses.dataclass(frozen=True)
class KanseiDataConfig:
    """Where answers come from."""

    source: str = result(
        "published",
        "published: the paper's tables; csv: files of the user; loop: designs, SIMULATED raters, designs again.",
    )
    path: str = result(
        "", "Folder with questionnaires.csv, ratings.csv, elements.csv, review.csv, or some of them.", location=True
    )
    scale_low: float = result(-3.0, "Least score of the semantic differential.", at_least=-math.inf)
    scale_high: float = result(3.0, "Largest score of the semantic differential.", at_least=-math.inf)
    straight_line: int = result(10, "Questionnaires with so many answers, all the same, are rejected; 0: never.")
    least_seconds: float = result(0.0, "Questionnaires answered faster are rejected; 0: never.")
    axis_levels: tuple[float, ...] = result(
        (-1.5, 0.0, 1.5), "Levels that stand for the positions on an axis.", at_least=-3.0, at_most=3.0, distinct=True
    )

    def __post_init__(self) -> None:
        errors.require(self.source, KANSEI_SOURCES, "data.source")
        if self.source == "csv" and not self.path:
            raise errors.ConfigError(
                "config.data.source is 'csv' but config.data.path is empty; give --config.data.path=FOLDER."
            )
        if not self.scale_low < self.scale_high:
            raise errors.ConfigError(
                f"config.data.scale_low={self.scale_low:g} must lie below config.data.scale_high={self.scale_high:g}."
            )
        errors.require_within(self.straight_line, 0, 10**6, "data.straight_line", whole=True)
        errors.require_within(self.least_seconds, 0.0, 10**6, "data.least_seconds")


@dataclasses.dataclass(frozen=True)
class KanseiAnalysisConfig:
    """How answers are analysed."""

    confidence: float = result(0.95, "Coverage of intervals.")
    n_resamples: int = result(9999, "Bootstrap resamples, and drawn assignments where not all are evaluated.")
    n_parallel: int = result(2000, "Tables of noise behind the parallel analysis.")
    n_briefs: int = result(12, "Briefs of the most wanted combinations, for experiments/design.py.")
    wanted: str = result("", "Words that a design should raise, with weights: Warm=1,Light=0.5; empty: the first word.")

    def __post_init__(self) -> None:
        errors.require_within(self.confidence, 0.5, 0.999, "analysis.confidence")
        errors.require_within(self.n_resamples, 99, 10**6, "analysis.n_resamples", whole=True)
        errors.require_within(self.n_parallel, 20, 10**6, "analysis.n_parallel", whole=True)
        errors.require_within(self.n_briefs, 1, 1000, "analysis.n_briefs", whole=True)


@dataclasses.dataclass(frozen=True)
class KanseiLoopConfig:
    """Once round: designs, SIMULATED raters, what they want, designs to that."""

    product: str = result("fan", "Product of all designs.")
    designs: int = result(72, "Designs to random briefs, which the raters see.")
    candidates: int = result(16, "Candidates drawn for a brief.")
    deliver: int = result(6, "Designs delivered to each wanted brief, at most.")
    words: tuple[str, ...] = result(("warm", "light", "lively"), "Words that are rated.")
    raters: int = result(24, "SIMULATED raters.")
    effect: float = result(0.35, "Standard deviation of the true part-worths, in points of the scale.")
    noise: float = result(0.8, "Standard deviation of a rating about what it should be.")
    severity: float = result(0.4, "Standard deviation of how much higher or lower a rater scores than others.")

    def __post_init__(self) -> None:
        errors.require_within(self.designs, 8, 10_000, "loop.designs", whole=True)
        errors.require_within(self.candidates, 1, 10**6, "loop.candidates", whole=True)
        errors.require_within(self.deliver, 1, self.candidates, "loop.deliver", whole=True)
        errors.require_within(self.raters, 2, 10_000, "loop.raters", whole=True)
        for name in ("effect", "noise", "severity"):
            errors.require_within(getattr(self, name), 0.0, 10.0, f"loop.{name}")


@dataclasses.dataclass(frozen=True)
class KanseiConfig:
    """What people want and how they judge it."""

    name: str = result("custom", "Name of the config, shown in logs and pages.")
    seed: int = result(0, "Seed of resampling, and of simulated questionnaires.", seed=True)
    data: KanseiDataConfig = section(KanseiDataConfig)
    analysis: KanseiAnalysisConfig = section(KanseiAnalysisConfig)
    loop: KanseiLoopConfig = section(KanseiLoopConfig)
    compilation_cache: bool = execution(True, "Keep compiled programs in the user's cache folder.")
