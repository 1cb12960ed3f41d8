"""Schedules of interference: windows of steps."""

import dataclasses

import jax

from ich_jax import errors


@dataclasses.dataclass(frozen=True)
class Window:
    """Steps `start <= step < stop` of a run.

    Attributes:
        start: First step with interference.
        stop: First step without.
    """

    start: int
    stop: int

    def holds(self, step: int | jax.Array) -> bool | jax.Array:
        """Returns whether a step, traced or not, lies inside."""
        return (step >= self.start) & (step < self.stop)

    @property
    def steps(self) -> int:
        """Number of steps inside."""
        return self.stop - self.start


def pulses(steps: int, *, n: int = 1, share: float = 0.1, first: float = 0.3) -> tuple[Window, ...]:
    """Returns n equally long windows.

    Args:
        steps: Steps of the run.
        n: Number of windows, evenly spread from `first` to the end of the run.
        share: Length of each, as a share of the run.
        first: Where the first begins, as a share of the run.

    Raises:
        ConfigError: The windows overlap or do not fit into the run.
    """
    length = round(steps * share)
    gap = (1.0 - first) / max(n, 1)
    starts = [round(steps * (first + i * gap)) for i in range(n)]
    windows = tuple(Window(start, start + length) for start in starts)
    if n < 1 or length < 1 or not 0 <= first < 1 or share >= gap:
        raise errors.ConfigError(
            f"windows: {n} of a share {share:g} from {first:g} on do not fit into {steps} steps with room to recover; "
            f"each may take less than {gap:g} of the run."
        )
    return windows


def check(window: Window, steps: int) -> Window:
    """Returns the window if it lies inside a run of `steps` steps.

    Raises:
        ConfigError: It does not.
    """
    if not 0 < window.start < window.stop < steps:
        raise errors.ConfigError(
            f"window: got steps {window.start} to {window.stop} of a run of {steps}; it must begin after step 0, so "
            "that there is a level to return to, and end before the run, so that there is time to recover."
        )
    return window
