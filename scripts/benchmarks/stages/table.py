"""The stages of `accelerator`, in the order of what they are worth: one row each.

A stage that is added is a row here and a function `(job) -> None` beside the others: it writes each result by `job.add`
as it comes, says by `job.leave_out` what it could not do, looks at `job.left_s()` before whatever takes long, and sets
`job.goes_on` if a later call can go on with it.
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
        worth: What one knows after it.
        minutes: That it is expected to take, compilation included.
        least: Minutes below which it is not begun.
        run: What it does.
        surplus: Its part of minutes that are left over when every stage has what it is expected to take; 0 for one that
            ends by itself.
        asked: Whether it takes part only where it is asked for, by `--devices` or `--stages`.
    """

    name: str
    worth: str
    minutes: float
    least: float
    run: Callable[[Job], None]
    surplus: float = 0.0
    asked: bool = False


STAGES = (
    Stage("device", "device, versions, measured peaks: what all else is a share of", 0.3, 0.1, device.run),
    Stage("step", "the step at batch 256 and 64 px beside PyTorch, losses compared first", 2.4, 0.5, step.run),
    Stage("profile", "where the time of a step goes, and which passes wait for memory", 0.4, 0.2, profile.run),
    Stage("stacks", "stacks of 1 to 64 seeds beside as many processes", 1.2, 0.3, stacks.run),
    Stage("drawing", "designs drawn in a second", 0.5, 0.2, drawing.run),
    Stage("comparison", "four and eight blocks a stage: the error of both arms", 1.7, 0.8, training.compare, surplus=2),
    Stage("training", "procedural_64 and procedural_128, sheets stored", 1.5, 0.8, training.train, surplus=1),
    Stage("penalty", "what R1 and R2 add to a step, by either rule", 0.5, 0.2, penalised.run),
    Stage("econometrics", "batches of small refits on the device", 0.5, 0.2, econometric.run),
    Stage("devices", "several devices and two processes agree with one", 0.6, 0.3, several.run, asked=True),
)


def allowance(stages: Sequence[Stage], left_s: float) -> float:
    """Returns the seconds that the first of some stages may take, of those that are left for all of them.

    Every stage has what it is expected to take, in the order of worth. What is left over goes to those that can use any
    number of minutes; one that ends by itself may take up to half of it, where the device is slower than expected.

    Args:
        stages: Those that are still to come, at least one.
        left_s: Seconds left.
    """
    first, left = stages[0], max(0.0, left_s)
    spare = max(0.0, left - 60 * sum(stage.minutes for stage in stages))
    taking = sum(stage.surplus for stage in stages)
    more = spare * first.surplus / taking if first.surplus else spare / 2
    return min(left, 60 * first.minutes + more)


def listing(stages: Sequence[Stage] = STAGES) -> str:
    """Returns the stages as text, with the minutes that they are expected to take."""
    lines, total = [], 0.0
    for i, stage in enumerate(stages):
        total += 0.0 if stage.asked else stage.minutes
        when = "with --devices" if stage.asked else f"after {total:.1f}"
        more = ", more if there are" if stage.surplus else ""
        lines.append(f"{i + 1:2} {stage.name:13} {stage.minutes:.1f} min ({when}){more}: {stage.worth}")
    return "\n".join(lines)
