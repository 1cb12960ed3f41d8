"""What happens while a compiled program is called again and again: compilations, launches, transfers, waiting.

After the first calls a step should compile nothing, launch what it launches, and neither read from nor write to the
device unasked. Launches and transfers are read off JAX's profile; where it does not tell, they are absent.
"""

import contextlib
import dataclasses
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

_COMPILE = "/jax/core/compile/backend_compile_duration"
_TRACE = "/jax/core/compile/jaxpr_trace_duration"
# Names in JAX 0.10 to 0.12, on every backend that is reached through PjRt.
_LAUNCHES = (
    "CommonPjRtLoadedExecutable::ExecuteHelperOnSingleDevice",
    "PjRtStreamExecutorLoadedExecutable::EnqueueExecution",
)
_PUTS = ("DevicePut", "BatchedDevicePut")


@dataclasses.dataclass(eq=False)
class _Events:
    """Durations that JAX reports; its listeners are of the process and cannot be taken back, so there is one."""

    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def note(self, event: str, duration_secs: float, **_: str | int) -> None:
        self.counts[event] += 1
        self.seconds[event] = self.seconds.get(event, 0.0) + duration_secs


_EVENTS = _Events()


def listen() -> None:
    """Begins to hear what JAX reports; called once in a process."""
    jax.monitoring.register_event_duration_secs_listener(_EVENTS.note)


def measure(step: Callable[[], Any], steps: int) -> tuple[dict[str, float], list[str]]:
    """Takes warm steps and counts what happens.

    Args:
        step: Takes one step and returns when it has been asked for; the first ones have been taken.
        steps: How many to take.

    Returns:
        Counts a step, and for each retrace what JAX says of its cause.
    """
    before = Counter(_EVENTS.counts)
    with _explained() as causes, _reads() as reads:
        for _ in range(steps):
            step()
    after = _EVENTS.counts
    found: dict[str, float] = {
        "compiles": float(after[_COMPILE] - before[_COMPILE]) / steps,
        "traces": float(after[_TRACE] - before[_TRACE]) / steps,
        "reads": reads["reads"] / steps,
        "waits": reads["waits"] / steps,
    }
    names = _profiled(step, steps)
    launches = [name for name in _LAUNCHES if names[name]]
    if launches:
        found["launches"] = sum(names[name] for name in launches) / steps
        found["puts"] = sum(names[name] for name in _PUTS) / steps
    return found, causes


def compile_seconds() -> dict[str, float]:
    """Returns what tracing, lowering and compiling have taken so far in this process."""
    return {
        name.rsplit("/", 1)[-1]: round(seconds, 3) for name, seconds in _EVENTS.seconds.items() if "compile" in name
    }


def _profiled(step: Callable[[], Any], steps: int) -> Counter[str]:
    names: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with jax.profiler.trace(folder):
                for _ in range(steps):
                    jax.block_until_ready(step())
        except RuntimeError:  # another profile is being taken
            return names
        for path in Path(folder).rglob("*.xplane.pb"):
            for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
                for line in plane.lines:
                    names.update(event.name for event in line.events)
    return names


@contextlib.contextmanager
def _explained() -> Iterator[list[str]]:
    """Collects what JAX says of the argument that made it trace again."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if text.startswith("TRACING CACHE MISS"):
                found.append(text)

    logger, handler = logging.getLogger("jax"), Handler()
    logger.addHandler(handler)
    config: Any = jax.config
    before = config.jax_explain_cache_misses
    jax.config.update("jax_explain_cache_misses", True)
    try:
        yield found
    finally:
        jax.config.update("jax_explain_cache_misses", before)
        logger.removeHandler(handler)


@contextlib.contextmanager
def _reads() -> Iterator[Counter[str]]:
    """Counts arrays that are read by the host, and calls that wait for the device.

    JAX has no event for either: the attributes through which both go are wrapped for a moment. Where a release has no
    such attribute the count stays 0 on both sides, and the launches that a read needs still tell.
    """
    found: Counter[str] = Counter()
    kind: Any = type(jax.numpy.zeros(()))
    value, wait, wait_tree = kind.__dict__.get("_value"), kind.__dict__.get("block_until_ready"), jax.block_until_ready

    def read(array: Any) -> Any:
        if getattr(array, "_npy_value", None) is None:  # what has been read once is kept on the host
            found["reads"] += 1
        assert value is not None
        return value.__get__(array)

    def wait_one(array: Any) -> Any:
        found["waits"] += 1
        assert wait is not None
        return wait(array)

    def wait_all(tree: Any) -> Any:
        found["waits"] += 1
        return wait_tree(tree)

    with contextlib.ExitStack() as restore:
        for name, original, wrapped in (("_value", value, property(read)), ("block_until_ready", wait, wait_one)):
            if original is not None:
                setattr(kind, name, wrapped)
                restore.callback(setattr, kind, name, original)
        jax.block_until_ready = wait_all
        restore.callback(setattr, jax, "block_until_ready", wait_tree)
        yield found
