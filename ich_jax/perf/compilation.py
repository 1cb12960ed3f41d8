"""Time to compile a program, stage by stage, and the memory and operations that the compiled program reports."""

import contextlib
import dataclasses
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from ich_jax import errors
from ich_jax.types import PyTree


@dataclasses.dataclass(frozen=True, slots=True)
class Stages:
    """Seconds until a program is ready.

    Attributes:
        trace_s: From Python to a jaxpr.
        lower_s: From the jaxpr to StableHLO.
        backend_s: From StableHLO to machine code, or to the same from the cache.
    """

    trace_s: float
    lower_s: float
    backend_s: float

    @property
    def total_s(self) -> float:
        """All stages together."""
        return self.trace_s + self.lower_s + self.backend_s


@dataclasses.dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a compiled program, as XLA reports them; None where a backend does not.

    Attributes:
        argument_bytes: Arguments.
        output_bytes: Results.
        alias_bytes: Results that are written over arguments.
        temp_bytes: Temporary buffers.
        code_bytes: Machine code.
    """

    argument_bytes: int | None
    output_bytes: int | None
    alias_bytes: int | None
    temp_bytes: int | None
    code_bytes: int | None

    @property
    def total_bytes(self) -> int | None:
        """Memory that the device needs while the program runs."""
        parts = (self.argument_bytes, self.output_bytes, self.temp_bytes)
        if self.alias_bytes is None or None in parts:
            return None
        return sum(part for part in parts if part is not None) - self.alias_bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """Compilation times of one program, with an empty cache and again with the cache that this filled.

    Attributes:
        cold: With an empty persistent cache.
        warm: In the state of a new process, with the filled cache.
    """

    cold: Stages
    warm: Stages


def compile_in_stages(jitted: jax.stages.Wrapped, *arguments: PyTree) -> tuple[Stages, jax.stages.Compiled]:
    """Compiles a jitted function for arguments, or for their shapes, and times each stage.

    Returns:
        The seconds, and the compiled program.
    """
    times = [time.perf_counter()]
    traced = jitted.trace(*arguments)
    times.append(time.perf_counter())
    lowered = traced.lower()
    times.append(time.perf_counter())
    compiled = lowered.compile()
    times.append(time.perf_counter())
    return Stages(*(after - before for before, after in itertools.pairwise(times))), compiled


def split(jitted: jax.stages.Wrapped, *arguments: PyTree) -> tuple[Split, jax.stages.Compiled]:
    """Compiles a program twice, with an empty persistent cache and with a filled one.

    JAX's caches in memory are cleared in between, so every other program of this process compiles again at its next
    call.

    Returns:
        The seconds, and the compiled program.

    Raises:
        MismatchError: Nothing was cached, so there is no warm start to time.
    """
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        jax.clear_caches()
        cold, _ = compile_in_stages(jitted, *arguments)
        if not any(Path(folder).iterdir()):
            raise errors.MismatchError(
                "JAX left nothing in the persistent compilation cache, so a warm start cannot be timed; this backend "
                "may not support it. Leave the compile split out."
            )
        jax.clear_caches()
        warm, compiled = compile_in_stages(jitted, *arguments)
        return Split(cold, warm), compiled


def memory(compiled: jax.stages.Compiled) -> Memory:
    """Reads the memory use that a compiled program reports."""
    analysis = compiled.memory_analysis()

    def size(name: str) -> int | None:
        value = getattr(analysis, name, None)
        return int(value) if value is not None and value >= 0 else None

    return Memory(
        argument_bytes=size("argument_size_in_bytes"),
        output_bytes=size("output_size_in_bytes"),
        alias_bytes=size("alias_size_in_bytes"),
        temp_bytes=size("temp_size_in_bytes"),
        code_bytes=size("generated_code_size_in_bytes"),
    )


def xla_flops(compiled: jax.stages.Compiled) -> float | None:
    """Returns XLA's own count of operations, elementwise ones included; None where it has none.

    It counts the body of a loop once, and leaves out the work of custom calls.
    """
    analysis = compiled.cost_analysis()
    analysis = analysis[0] if isinstance(analysis, list) and analysis else analysis
    value = dict(analysis or {}).get("flops", -1.0)
    return float(value) if value > 0 else None


def device_peak_bytes(device: jax.Device | None = None) -> int | None:
    """Returns the most memory that a device has held so far; None where it does not report this (CPU)."""
    stats = (device or jax.local_devices()[0]).memory_stats()
    return int(stats["peak_bytes_in_use"]) if stats and "peak_bytes_in_use" in stats else None


@contextlib.contextmanager
def _cache_in(folder: str) -> Iterator[None]:
    changed = {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        "jax_enable_compilation_cache": True,
    }
    before = {name: getattr(jax.config, name) for name in changed}
    try:
        for name, value in changed.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
