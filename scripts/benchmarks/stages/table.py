"""The stages of `accelerator` in order of value: one row each.

A new stage is a row here and a function `(job) -> None` beside the others: it writes each result by `job.add` as it
comes, reports omissions by `job.leave_out`, checks `job.left_s()` before long work, and sets `job.goes_on` if a later
call can continue it.
"""

import dataclasses
from collections.abc import Callable, Sequence

from benchmarks.stages import (
    device,
    drawing,
    econometric,
    penalised,
    profile,
    several,
    stacks,
    step,
    training,
)
from benchmarks.stages.job import Job


@dataclasses.dataclass(frozen=True)
class Stage:
    """A row of the table.

    Attributes:
        name: For `--stages`.
        worth: What it shows.
        minutes: Expected duration, compilation included.
        least: Minutes without which it is not begun.
        run: Its function.
        surplus: Its part of the minutes that remain when every stage has its expected duration; 0 for a stage that ends
            by itself.
        asked: Whether it runs on request only, by `--devices` or `--stages`.
    """

    name: str
    worth: str
    minutes: float
    least: float
    run: Callable[[Job], None]
    surplus: float = 0.0
    asked: bool = False


STAGES = (
    Stage("device", "device, versions, measured peaks: the scale of all else", 0.3, 0.1, device.run),
    Stage("step", "the step at batch 256 and 64 px beside PyTorch, losses compared first", 2.4, 0.5, step.run),
    Stage("profile", "time of a step by part, and passes that wait for memory", 0.4, 0.2, profile.run),
    Stage("stacks", "stacks of 1 to 64 seeds beside as many processes", 1.2, 0.3, stacks.run),
    Stage("drawing", "designs drawn in a second", 0.5, 0.2, drawing.run),
    Stage("comparison", "four and eight blocks a stage: the error of both arms", 1.7, 0.8, training.compare, surplus=2),
    Stage("training", "procedural_64 and procedural_128, sheets stored", 1.5, 0.8, training.train, surplus=1),
    Stage("penalty", "cost of R1 and R2 in a step, by either rule", 0.5, 0.2, penalised.run),
    Stage("econometrics", "batches of small refits on the device", 0.5, 0.2, econometric.run),
    Stage("devices", "several devices and two processes agree with one", 0.6, 0.3, several.run, asked=True),
)


def allowance(stages: Sequence[Stage], left_s: float) -> float:
    """Returns the seconds that the first stage may take of those that remain for all.

    Every stage has its expected duration, in order of value. The remainder goes to stages that can use any number of
    minutes; a stage that ends by itself may take up to half of it, in case the device is slower than expected.

    Args:
        stages: The remaining stages, at least one.
        left_s: Seconds left.
    """
    first, left = stages[0], max(0.0, left_s)
    spare = max(0.0, left - 60 * sum(stage.minutes for stage in stages))
    taking = sum(stage.surplus for stage in stages)
    more = spare * first.surplus / taking if first.surplus else spare / 2
    return min(left, 60 * first.minutes + more)


def listing(stages: Sequence[Stage] = STAGES) -> str:
    """Returns the stages as text, with their expected minutes."""
    lines, total = [], 0.0
    for i, stage in enumerate(stages):
        total += 0.0 if stage.asked else stage.minutes
        when = "with --devices" if stage.asked else f"after {total:.1f}"
        more = ", more if there are" if stage.surplus else ""
        lines.append(f"{i + 1:2} {stage.name:13} {stage.minutes:.1f} min ({when}){more}: {stage.worth}")
    return "\n".join(lines)
