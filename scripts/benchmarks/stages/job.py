"""The input of a stage: its size, its deadline, and the record that receives its results."""

import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.stages.record import Entry, Record
from benchmarks.stages.sizes import Size

Made = TypeVar("Made")


@dataclasses.dataclass(eq=False)
class Job:
    """One call of a stage.

    Attributes:
        name: Name of the stage.
        size: Sizes of the measurements.
        record: The run; every result is written at once.
        deadline: Time by which the stage has to be done, of `time.monotonic`.
        versus: Whether PyTorch is wanted beside ours.
        devices: Number of devices to exercise together; 0: none.
        shared: Objects that stages of one process pass on, such as compiled steps.
        goes_on: Why the stage is not done, if a later call can continue it; empty if it is done.
        late: Work for which there was no time.
    """

    name: str
    size: Size
    record: Record
    deadline: float
    versus: bool = True
    devices: int = 0
    shared: dict[str, Any] = dataclasses.field(default_factory=dict)
    goes_on: str = ""
    late: list[str] = dataclasses.field(default_factory=list)

    @property
    def entry(self) -> Entry:
        """Results of the stage so far."""
        return self.record.entries[self.name]

    @property
    def folder(self) -> Path:
        """Work directories, which a later call continues."""
        return self.record.folder / "work"

    def left_s(self) -> float:
        """Seconds to the deadline, negative after it."""
        return self.deadline - time.monotonic()

    def add(self, table: str, **cells: Any) -> None:
        """Writes a row, and shows it."""
        self.entry.add(table, **cells)
        self.record.write()
        shown = ", ".join(f"{key} {_shown(value)}" for key, value in cells.items() if value not in (None, ""))
        print(f"{self.name}: {shown}", flush=True)

    def has(self, table: str, first: Any) -> bool:
        """Whether a row is there already, from this call or from an earlier one."""
        return any(row["table"] == table and list(row.values())[1] == first for row in self.entry.rows)

    def out_of_time(self, what: str, why: str = "no time was left") -> None:
        """Records work that a later call can do: the stage is unfinished."""
        self.late.append(what)
        self.leave_out(what, why)

    def leave_out(self, what: str, why: str) -> None:
        """Records an omission and its reason, where a later call on the same machine could not do it either."""
        self.entry.leave_out(what, why)
        self.record.write()
        print(f"{self.name}: left out: {what}: {' '.join(why.split())}", flush=True)

    def figure(self, name: str, value: float) -> None:
        """Writes a headline figure."""
        self.entry.figures[name] = value
        self.record.write()

    def known(self, stage: str, figure: str) -> float | None:
        """Returns a headline figure of another stage; None if there is none."""
        entry = self.record.entries.get(stage)
        return None if entry is None else entry.figures.get(figure)

    def repeats(self, round_s: float, *, rounds: int, share: float = 0.8, most: int = 20) -> int:
        """Returns how often everything can be done in each round.

        Args:
            round_s: Seconds of doing everything once.
            rounds: Rounds.
            share: Share of the remaining time that may be spent.
            most: Never more often.

        Returns:
            0 if there is no time to do it even once.
        """
        return int(min(most, max(0.0, share * self.left_s()) // max(1e-9, rounds * round_s)))


def all_at_once(
    ways: Mapping[str, Callable[[], Made]], *, timeout_s: float, at_most: int = 8
) -> tuple[dict[str, Made], dict[str, str]]:
    """Does several things in threads, such as compiling programs, and abandons the late ones.

    Args:
        ways: The work, by name, the most important first.
        timeout_s: For all of them.
        at_most: Threads.

    Returns:
        The results that were ready in time, in the order given, and the reasons for the rest. A late thread cannot be
        stopped, and its work takes time from everything after it.
    """
    futures: dict[str, concurrent.futures.Future[Made]] = {name: concurrent.futures.Future() for name in ways}
    waiting = list(ways.items())
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                name, way = waiting.pop(0)
            try:
                futures[name].set_result(way())
            except BaseException as error:  # reported to the waiting thread
                futures[name].set_exception(error)

    for _ in range(min(at_most, len(ways))):
        threading.Thread(target=work, daemon=True).start()  # exit would wait for a pool of the library
    made: dict[str, Made] = {}
    late: dict[str, str] = {}
    until = time.monotonic() + timeout_s
    for name, future in futures.items():
        try:
            made[name] = future.result(max(0.0, until - time.monotonic()))
        except concurrent.futures.TimeoutError:
            late[name] = f"not ready within {timeout_s:.0f} s"
        except Exception as error:
            late[name] = f"{type(error).__name__}: {str(error)[:300]}"
    with lock:
        waiting.clear()
    return made, late


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
