"""Time between programs: by hand, and of programs that are really kept waiting."""

import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from ich_jax.perf import dispatch


def event(name, start, end):
    return SimpleNamespace(name=name, start_ns=start * 1e9, duration_ns=(end - start) * 1e9)


def test_union_of_intervals_by_hand():
    assert dispatch.union([]) == 0
    assert dispatch.union([(5, 6), (0, 2), (1, 3), (2.5, 2.75)]) == 4


def test_an_accelerator_by_its_modules_and_a_processor_by_its_threads():
    modules = SimpleNamespace(name="XLA Modules", events=[event("jit_step", 0, 3), event("jit_step", 4, 8)])
    kernels = SimpleNamespace(name="Stream #1", events=[event("gemm", 1, 2)])
    device = SimpleNamespace(name="/device:GPU:0", lines=[kernels, modules])
    found = dispatch._gap_in_plane(device)
    assert found == dispatch.Gap(7.0, 8.0) and found.share == pytest.approx(0.125)
    wait = "ThunkExecutor::Execute (wait for completion)"
    thread = SimpleNamespace(
        name="tf_XLA/1", events=[event(wait, 1, 2), event("dot", 1, 9), event(wait, 3, 4), event(wait, 3, 3.5)]
    )
    assert dispatch._gap_in_plane(SimpleNamespace(name="/host:CPU", lines=[thread])) == dispatch.Gap(2.0, 3.0)
    assert dispatch._gap_in_plane(SimpleNamespace(name="/host:metadata", lines=[])) is None


def test_programs_that_wait_for_the_host_show_it():
    step = jax.jit(lambda x: jnp.tanh(x @ x))
    start = step(jnp.ones((400, 400))).block_until_ready()

    def back_to_back():
        x = start
        for _ in range(10):
            x = step(x)
        x.block_until_ready()

    def with_a_look_in_between():
        x = start
        for _ in range(10):
            x = step(x).block_until_ready()
            time.sleep(0.02)

    quick, slow = dispatch.gap(back_to_back), dispatch.gap(with_a_look_in_between)
    assert slow.span_s - slow.busy_s > 9 * 0.02 > quick.span_s - quick.busy_s
