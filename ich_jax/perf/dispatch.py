"""How long a device waits for the next program while steps run one after the other."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """Time of a device between the start of the first program and the end of the last one.

    Attributes:
        busy_s: Time in which a program ran.
        span_s: The whole time.
    """

    busy_s: float
    span_s: float

    @property
    def share(self) -> float:
        """Share of the time in which no program ran."""
        return 1.0 - self.busy_s / self.span_s


def gap(run: Callable[[], Any]) -> Gap | None:
    """Profiles a few steps.

    Args:
        run: Runs them, as the training loop does, and returns when the last one is done. Everything is compiled.

    Returns:
        The gap of the busiest device; None if the profile of this backend does not say when programs ran.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        profiles = [jax.profiler.ProfileData.from_file(str(path)) for path in Path(folder).rglob("*.xplane.pb")]
    gaps = [each for profile in profiles for plane in profile.planes if (each := _gap_in_plane(plane))]
    return max(gaps, key=lambda each: each.busy_s, default=None)


def union(intervals: Iterable[tuple[float, float]]) -> float:
    """Returns the length of the union of intervals (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _gap_in_plane(plane: Any) -> Gap | None:
    """Returns the gap in a plane of a profile: a device, or the host, whose programs are events of XLA's threads."""
    if plane.name.startswith("/device:"):
        events = [event for line in plane.lines if line.name == "XLA Modules" for event in line.events]
    else:
        events = [event for line in plane.lines for event in line.events if _runs_a_program(event.name)]
    if not events:
        return None
    times = [(event.start_ns * 1e-9, (event.start_ns + event.duration_ns) * 1e-9) for event in events]
    return Gap(union(times), max(end for _, end in times) - min(start for start, _ in times))


def _runs_a_program(name: str) -> bool:
    return name.startswith("ThunkExecutor::Execute")
