"""Other work on a machine while something is timed on it.

Times on a shared machine mean little without this. Only Linux reports it; elsewhere the figures are unknown, not zero.
"""

import dataclasses
import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")


@dataclasses.dataclass(frozen=True, slots=True)
class Neighbours:
    """Who used the processor over a stretch of time.

    Attributes:
        seconds: Length of that time.
        own_cores: Cores that this process and its finished children kept busy, on average.
        other_cores: Cores that everything else kept busy; None where the system does not report it.
        load: Runnable tasks, averaged over its last minute; None where the system does not report it.
        cores: Cores of the machine that are online.
    """

    seconds: float
    own_cores: float
    other_cores: float | None
    load: float | None
    cores: int

    @property
    def other_share(self) -> float | None:
        """Share of the machine's cores that everything else kept busy."""
        return None if self.other_cores is None else self.other_cores / self.cores


class Watch:
    """Watches from the moment it is made."""

    def __init__(self) -> None:
        self._started, self._own, self._all = time.perf_counter(), _own_s(), _busy_s()

    def read(self) -> Neighbours:
        """Returns who has used the processor since then."""
        seconds = max(time.perf_counter() - self._started, 1e-9)
        own_s = _own_s() - self._own
        now = _busy_s()
        other_share = None if now is None or self._all is None else max(0.0, now - self._all - own_s) / seconds
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        return Neighbours(seconds, own_s / seconds, other_share, load, os.cpu_count() or 1)


def _own_s() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _busy_s() -> float | None:
    """Processor seconds that all processes have used since the machine started, those of guests included once."""
    try:
        fields = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        user, nice, system, _, _, irq, softirq, *_ = (int(field) for field in fields)
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq) / float(os.sysconf("SC_CLK_TCK"))
