"""Alarms from the metrics of a run: collapse, saturation, exploding gradients, non-finite steps.

Pure functions of the history of metrics (rows of `metrics.jsonl`): the same history gives the same alarms, so a resumed
run knows those of its earlier processes.
"""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

COLLAPSE_SHARE = 0.3
"""Diversity below this share of the real one is a collapse; a healthy run ends above 0.8."""

COLLAPSE_VALIDATIONS = 2
"""Validations in a row before it counts: one draw of briefs can be unlucky."""

COLLAPSE_ROWS = 10
"""Log lines in a row (10 % of a run by default): an untrained generator draws grey for some steps."""

SATURATION_PAIRS = 0.995
"""Share of pairs in which real beats fake; the trial that stopped learning stood at 0.997."""

SATURATION_D_LOSS = 0.05
"""Adversarial loss of an overconfident discriminator; at chance it is 2 log 2 = 1.39."""

SATURATION_ROWS = 5
"""Log lines in a row (5 % of a run by default) before it counts."""

EXPLOSION_FACTOR = 10.0
"""Gradient norm as a multiple of the median so far."""

EXPLOSION_ROWS = 5
"""Log lines needed before there is a median to compare with."""

DIAGNOSED = ("g_grad_norm", "d_grad_norm", "penalty", "d_loss", "g_loss", "reading_real", "reading_fake")
"""Metrics that are compared with their past when a run diverges."""


@dataclasses.dataclass(frozen=True)
class Alarm:
    """One episode in which a run was not healthy.

    Attributes:
        step: The step at which the episode was noticed.
        name: `collapse`, `saturation`, `gradient_explosion` or `non_finite`.
        value: The figure that raised it.
        threshold: The limit that it crossed.
        advice: What it means and what to try.
    """

    step: int
    name: str
    value: float
    threshold: float
    advice: str

    def __str__(self) -> str:
        """Returns a log line."""
        return f"ALARM {self.name} at step {self.step}: {self.value:.3g} (limit {self.threshold:.3g}). {self.advice}"


def check(history: Sequence[Mapping[str, Any]]) -> tuple[Alarm, ...]:
    """Returns one alarm per episode, in order of steps.

    Args:
        history: Rows with a `step` and metrics; a metric may be absent from a row, None or NaN.
    """
    alarms = [*collapse(history), *saturation(history), *gradient_explosion(history), *non_finite(history)]
    return tuple(sorted(alarms, key=lambda alarm: (alarm.step, alarm.name)))


def collapse(history: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """Diversity has fallen below a share of the real one, over draws of one brief or over a whole batch."""

    def falls(fake: str, real: str, persistence: int, subject: str) -> list[Alarm]:
        rows = [
            (row["step"], row[fake] / row[real])
            for row in history
            if _given(row, fake) is not None and (_given(row, real) or 0) > 0
        ]
        advice = f"{subject} look alike. Try a larger penalty_weight, augmentation, or a smaller objective.reading_g."
        return _episodes("collapse", rows, lambda share: share < COLLAPSE_SHARE, persistence, COLLAPSE_SHARE, advice)

    return [
        *falls("validation/diversity", "validation/diversity_real", COLLAPSE_VALIDATIONS, "Draws of one brief"),
        *falls("pixel_sd_fake", "pixel_sd_real", COLLAPSE_ROWS, "Generated images of a batch"),
    ]


def saturation(history: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """The discriminator ranks nearly every pair correctly and its loss is near zero: the generator learns little."""
    rows = [
        (row["step"], row["real_beats_fake"] if row["d_loss"] < SATURATION_D_LOSS else 0.0)
        for row in history
        if _given(row, "real_beats_fake") is not None and _given(row, "d_loss") is not None
    ]
    return _episodes(
        "saturation",
        rows,
        lambda share: share > SATURATION_PAIRS,
        SATURATION_ROWS,
        SATURATION_PAIRS,
        "The discriminator is sure of itself. Try augmentation, a larger penalty_weight, or a smaller train.d_lr.",
    )


def gradient_explosion(history: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """A gradient norm is far above its median so far."""
    alarms = []
    for name in ("g_grad_norm", "d_grad_norm"):
        rows = [(row["step"], float(row[name])) for row in history if _given(row, name) is not None]
        inside = False
        for i, (step, norm) in enumerate(rows):
            if i < EXPLOSION_ROWS:
                continue
            limit = EXPLOSION_FACTOR * statistics.median(value for _, value in rows[:i])
            if norm > limit and not inside:
                alarms.append(
                    Alarm(
                        step,
                        "gradient_explosion",
                        norm,
                        limit,
                        f"{name} jumped. Try a smaller step size or train.clip.",
                    )
                )
            inside = norm > limit
    return alarms


def non_finite(history: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """Steps were skipped because the batch, a loss or a gradient was not finite."""
    counts = [(row["step"], float(row["skipped"])) for row in history if _given(row, "skipped") is not None]
    before = [0.0, *(count for _, count in counts)]
    rows = [(step, count - before[i]) for i, (step, count) in enumerate(counts)]
    advice = "That many steps were skipped: something was not finite. Try a smaller step size, or float32."
    return _episodes("non_finite", rows, lambda skipped: skipped > 0, 1, 0.0, advice)


def diagnose(history: Sequence[Mapping[str, Any]]) -> str:
    """Says since when steps have not been finite, and which metrics were out of proportion before.

    Args:
        history: Rows up to now; the last one was written while steps were being skipped.
    """
    last = history[-1]
    since = int(last["step"] - last["skipped_in_a_row"]) + 1
    text = f"Losses or gradients have not been finite since step {since}."
    rows = [row for row in history if _given(row, "d_loss") is not None]
    jumps = []
    for name in DIAGNOSED:
        values = [abs(row[name]) for row in rows if _given(row, name) is not None]
        if len(values) > 1:
            usual = statistics.median(values[:-1])
            if values[-1] > EXPLOSION_FACTOR * usual:
                jumps.append(f"{name} {values[-1]:.3g} (median {usual:.3g})")
    if jumps:
        return f"{text} Out of proportion at step {rows[-1]['step']}: {', '.join(jumps)}. Try a smaller step size."
    return f"{text} No metric was out of proportion before. Try a smaller step size, or compute.dtype=float32."


def _episodes(
    name: str,
    rows: Iterable[tuple[int, float]],
    bad: Callable[[float], bool],
    persistence: int,
    threshold: float,
    advice: str,
) -> list[Alarm]:
    """Returns an alarm for each run of at least `persistence` bad rows, at the row that completes it."""
    alarms, length = [], 0
    for step, value in rows:
        length = length + 1 if bad(value) else 0
        if length == persistence:
            alarms.append(Alarm(step, name, value, threshold, advice))
    return alarms


def _given(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return value if value is not None and math.isfinite(value) else None
