"""Compilation stage by stage, its cache, and what a compiled program says of itself."""

import jax
import jax.numpy as jnp
import pytest

from ich_jax import errors
from ich_jax.perf import compilation
from ich_jax.perf.compilation import Memory, Stages


def step(x, kernel):
    for _ in range(8):
        x = jnp.tanh(x @ kernel)
    return x


SHAPES = [jax.ShapeDtypeStruct((32, 32), jnp.float32)] * 2


def test_each_stage_takes_its_time_and_the_program_runs():
    stages, compiled = compilation.compile_in_stages(jax.jit(step), *SHAPES)
    assert min(stages.trace_s, stages.lower_s, stages.backend_s) > 0
    assert stages.total_s == stages.trace_s + stages.lower_s + stages.backend_s
    assert compiled(jnp.ones((32, 32)), jnp.zeros((32, 32))).sum() == 0


def test_a_full_cache_saves_the_backend_its_work_and_settings_return():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    compiled = []

    def listen(event, **_):
        compiled.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        found, program = compilation.split(jax.jit(step), *SHAPES)
    finally:
        jax.monitoring.unregister_event_listener(listen)
    assert compiled.count("/jax/compilation_cache/cache_misses") == 1
    assert compiled.count("/jax/compilation_cache/cache_hits") == 1
    assert found.cold.trace_s > 0 and found.warm.trace_s > 0  # traced anew, as a new process would
    assert program(jnp.ones((32, 32)), jnp.zeros((32, 32))).sum() == 0
    assert [getattr(jax.config, name) for name in names] == before


def test_a_cache_that_stays_empty_is_refused(monkeypatch):
    monkeypatch.setattr(compilation, "compile_in_stages", lambda *_: (Stages(1.0, 1.0, 1.0), None))
    with pytest.raises(errors.MismatchError, match="nothing in the persistent compilation cache"):
        compilation.split(jax.jit(step), *SHAPES)


def test_memory_and_operations_of_a_program():
    n = 64 * 64 * 4
    shape = jax.ShapeDtypeStruct((64, 64), jnp.float32)
    compiled = jax.jit(lambda x, k: (x @ k, x + 1), donate_argnums=0).lower(shape, shape).compile()
    found = compilation.memory(compiled)
    assert found.argument_bytes == 2 * n and found.alias_bytes == n and found.output_bytes >= 2 * n
    assert found.total_bytes == found.argument_bytes + found.output_bytes + found.temp_bytes - n
    assert compilation.xla_flops(compiled) == pytest.approx(2 * 64**3, rel=0.05)


def test_what_a_backend_does_not_tell_is_unknown_not_zero():
    class Silent:
        def memory_analysis(self):
            return None

        def cost_analysis(self):
            return [{"flops": -1.0}]

    class Device:
        def memory_stats(self):
            return None

    assert compilation.memory(Silent()) == Memory(None, None, None, None, None)
    assert compilation.memory(Silent()).total_bytes is None
    assert compilation.xla_flops(Silent()) is None and compilation.device_peak_bytes(Device()) is None
