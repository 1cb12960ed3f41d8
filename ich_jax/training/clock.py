"""Time spent training: without compilation, without pauses, over all resumes of a run."""

import contextlib
import time
from collections.abc import Callable, Iterator


class Clock:
    """Counts the seconds in which a run trains.

    The first step of a process compiles and is counted separately; validation, sample sheets and checkpoints are
    pauses. The device works ahead of the host, so a reading is only meaningful where the host has just waited for the
    device: call `window` after metrics were read, and enter `pause` after the state is ready.

    Attributes:
        compiled: Whether the first step of this process is done.
        first_step_s: Seconds of the newest first step of a process, compilation included.
        trained_s: Seconds of all later steps, those of earlier processes included.
        timed_steps: Steps that `trained_s` covers.
    """

    def __init__(
        self,
        batch: int,
        *,
        first_step_s: float = 0.0,
        trained_s: float = 0.0,
        timed_steps: int = 0,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Starts a clock.

        Args:
            batch: Images per step.
            first_step_s: From `totals` of the previous process.
            trained_s: From `totals` of the previous process.
            timed_steps: From `totals` of the previous process.
            now: Returns seconds.
        """
        self.compiled = False
        self.first_step_s = first_step_s
        self.trained_s = trained_s
        self.timed_steps = timed_steps
        self._batch = batch
        self._now = now
        self._mark = now()
        self._mark_step = 0
        self._window_s = 0.0
        self._window_steps = 0
        self._wall_start = self._mark
        self._wall_start_step = 0

    def start(self) -> None:
        """Starts to time the first step."""
        self._mark = self._now()

    def first_step_done(self, step: int) -> None:
        """Ends the first step of this process, which has brought the run to `step`."""
        now = self._now()
        self.compiled = True
        self.first_step_s = now - self._mark
        self._mark = self._wall_start = now
        self._mark_step = self._wall_start_step = step

    def window(self, step: int) -> float:
        """Returns images per second since the last call, pauses left out; 0 if nothing was timed since."""
        self._advance(step)
        rate = _rate(self._window_steps * self._batch, self._window_s)
        self._window_s, self._window_steps = 0.0, 0
        return rate

    @contextlib.contextmanager
    def pause(self, step: int) -> Iterator[None]:
        """Stops the clock for the length of a `with` block, which is entered at `step`."""
        self._advance(step)
        try:
            yield
        finally:
            self._mark = self._now()

    def rewind(self, step: int) -> None:
        """Continues counting from an earlier step, after the run was rolled back to it."""
        self._mark = self._wall_start = self._now()
        self._mark_step = self._wall_start_step = step

    def totals(self) -> dict[str, float]:
        """Returns the totals from which the clock of the next process resumes."""
        return {"first_step_s": self.first_step_s, "trained_s": self.trained_s, "timed_steps": self.timed_steps}

    @property
    def img_per_s(self) -> float:
        """Images per second over the run; 0 if no step was timed."""
        return _rate(self.timed_steps * self._batch, self.trained_s)

    def eta_s(self, step: int, steps: int) -> float:
        """Returns the seconds until `steps` are done, pauses as frequent as so far; 0 before a step was timed."""
        done = step - self._wall_start_step
        return (self._now() - self._wall_start) / done * (steps - step) if done > 0 else 0.0

    def _advance(self, step: int) -> None:
        now = self._now()
        elapsed, done = now - self._mark, step - self._mark_step
        self.trained_s += elapsed
        self.timed_steps += done
        self._window_s += elapsed
        self._window_steps += done
        self._mark, self._mark_step = now, step


def _rate(images: int, seconds: float) -> float:
    return images / seconds if images and seconds > 0 else 0.0
