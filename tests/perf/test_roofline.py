"""Where a program stands under the roofline, and that the peak is one of this machine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.perf import roofline
from ich_jax.perf.roofline import Peak

PEAK = Peak("float32", flops_per_s=100e9, bytes_per_s=10e9)


def test_standing_by_hand():
    found = roofline.standing(2.0, flops=120e9, n_bytes=4e9, peak=PEAK)
    assert found.flops_per_s == 60e9 and found.peak_share == 0.6
    assert (found.compute_s, found.memory_s, found.bound) == (1.2, 0.4, "compute")
    assert found.roofline_share == 0.6


def test_what_moves_more_than_it_computes_is_bound_by_memory():
    found = roofline.standing(2.0, flops=10e9, n_bytes=15e9, peak=PEAK)
    assert found.bound == "memory" and found.roofline_share == 0.75 and found.peak_share == pytest.approx(0.05)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_peak_is_the_best_of_its_tries(monkeypatch, dtype):
    monkeypatch.setattr(roofline, "_CPU", ((64, 128), 2**20))
    slow = iter([0.5, 0.25, 2.0] * 3)
    ticks = [0.0]

    def clock():
        if len(ticks) % 2:
            ticks.append(ticks[-1] + next(slow))
            return ticks[-2]
        ticks.append(ticks[-1])
        return ticks[-1]

    monkeypatch.setattr(roofline.time, "perf_counter", clock)
    found = roofline.measure_peak(dtype, tries=3)
    assert found.dtype == dtype and found.flops_per_s == 2 * 128**3 / 0.25
    assert found.bytes_per_s == 2 * 2**20 / 0.25


def test_a_real_peak_is_not_beaten_by_a_product_of_the_same_kind(monkeypatch):
    monkeypatch.setattr(roofline, "_CPU", ((512,), 2**24))
    peak = roofline.measure_peak("float32", tries=7)
    assert 1e8 < peak.flops_per_s < 1e15 and 1e8 < peak.bytes_per_s < 1e13
    x = jnp.asarray(np.random.default_rng(0).normal(size=(512, 512)), jnp.float32)
    # 512 products that reuse nothing are far from it.
    seconds = roofline._best_s(lambda: jax.jit(lambda a: jnp.sum(a * a))(x), 5)
    assert roofline.standing(seconds, 2 * 512**2, 4 * 512**2, peak).peak_share < 1.0


def test_no_tries_are_refused():
    with pytest.raises(errors.ConfigError, match="tries: got 0"):
        roofline.measure_peak("float32", tries=0)
