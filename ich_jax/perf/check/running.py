"""Events while a compiled program is called repeatedly: compilations, launches, transfers, waits.

After the first calls, a step should compile nothing, make a constant number of launches, and cause no implicit
transfers from or to the device. Launches and transfers are taken from JAX's profile; if it does not report them, they
are absent.
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
# Names in JAX 0.10 to 0.12 on all PjRt backends.
_LAUNCHES = (
    "CommonPjRtLoadedExecutable::ExecuteHelperOnSingleDevice",
    "PjRtStreamExecutorLoadedExecutable::EnqueueExecution",
)
_PUTS = ("DevicePut", "BatchedDevicePut")


@dataclasses.dataclass(eq=False)
class _Events:
    """Durations that JAX reports. Listeners belong to the process and cannot be removed, so there is only one."""

    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def note(self, event: str, duration_secs: float, **_: str | int) -> None:
        self.counts[event] += 1
        self.seconds[event] = self.seconds.get(event, 0.0) + duration_secs


_EVENTS = _Events()


def listen() -> None:
    """Registers the listener for events of JAX; call once in a process."""
    jax.monitoring.register_event_duration_secs_listener(_EVENTS.note)


def measure(step: Callable[[], Any], steps: int) -> tuple[dict[str, float], list[str]]:
    """Takes warm steps and counts events.

    Args:
        step: Takes one step and returns once it is dispatched; the first steps have been taken before.
        steps: Number of steps.

    Returns:
        Counts per step, and for each retrace JAX's explanation of its cause.
    """
    before = Counter(_EVENTS.counts)
    with _explained() as causes, _reads() as reads:
        for _ in range(steps):
            step()
    after = _EVENTS.counts
    counts: dict[str, float] = {
        "compiles": float(after[_COMPILE] - before[_COMPILE]) / steps,
        "traces": float(after[_TRACE] - before[_TRACE]) / steps,
        "reads": reads["reads"] / steps,
        "waits": reads["waits"] / steps,
    }
    names = _profiled(step, steps)
    launches = [name for name in _LAUNCHES if names[name]]
    if launches:
        counts["launches"] = sum(names[name] for name in launches) / steps
        counts["puts"] = sum(names[name] for name in _PUTS) / steps
    return counts, causes


def compile_seconds() -> dict[str, float]:
    """Returns the seconds that tracing, lowering and compiling have taken so far in this process."""
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
    """Collects JAX's explanations of tracing cache misses."""
    causes: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if text.startswith("TRACING CACHE MISS"):
                causes.append(text)

    logger, handler = logging.getLogger("jax"), Handler()
    logger.addHandler(handler)
    config: Any = jax.config
    before = config.jax_explain_cache_misses
    jax.config.update("jax_explain_cache_misses", True)
    try:
        yield causes
    finally:
        jax.config.update("jax_explain_cache_misses", before)
        logger.removeHandler(handler)


@contextlib.contextmanager
def _reads() -> Iterator[Counter[str]]:
    """Counts reads of arrays by the host, and calls that wait for the device.

    JAX has no event for either, so the attributes that implement them are wrapped temporarily. If a release lacks such
    an attribute, the count stays 0 on both sides; the launches that a read needs still show.
    """
    counts: Counter[str] = Counter()
    kind: Any = type(jax.numpy.zeros(()))
    value, wait, wait_tree = kind.__dict__.get("_value"), kind.__dict__.get("block_until_ready"), jax.block_until_ready

    def read(array: Any) -> Any:
        if getattr(array, "_npy_value", None) is None:  # after the first read, the value is kept on the host
            counts["reads"] += 1
        assert value is not None
        return value.__get__(array)

    def wait_one(array: Any) -> Any:
        counts["waits"] += 1
        assert wait is not None
        return wait(array)

    def wait_all(tree: Any) -> Any:
        counts["waits"] += 1
        return wait_tree(tree)

    with contextlib.ExitStack() as restore:
        for name, original, wrapped in (("_value", value, property(read)), ("block_until_ready", wait, wait_one)):
            if original is not None:
                setattr(kind, name, wrapped)
                restore.callback(setattr, kind, name, original)
        jax.block_until_ready = wait_all
        restore.callback(setattr, jax, "block_until_ready", wait_tree)
        yield counts
