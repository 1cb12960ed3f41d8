"""The peak of this machine, measured on it, and how near a program comes to it.

The peak is that of one large matrix product in the type that the program computes in, not a figure from a data sheet:
that of a shared or throttled machine changes from day to day, so it is measured in the run that it is compared with.

References:
    Williams et al., Roofline: an insightful visual performance model, 2009; MaxText, performance metrics (model FLOPs
    utilisation).
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ich_jax import errors

# Large enough for the device, small enough for some tries in a few seconds: sides of the matrices, bytes of the array.
_CPU = (1024, 2048), 2**28
_ACCELERATOR = (4096, 8192), 2**31


@dataclasses.dataclass(frozen=True, slots=True)
class Peak:
    """Rates of a device in the best of several tries.

    Attributes:
        dtype: Type of the matrix product.
        flops_per_s: Of one large matrix product.
        bytes_per_s: Read and written by scaling an array far larger than any cache.
    """

    dtype: str
    flops_per_s: float
    bytes_per_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """Position of a program under the roofline.

    Attributes:
        flops_per_s: Operations of its matrix products and convolutions a second.
        peak_share: Of the measured peak (MFU, if the operations are those of the model).
        compute_s: Least time that its operations take.
        memory_s: Least time that its bytes take.
        bound: `compute` or `memory`: which of the two is longer.
        roofline_share: The longer of the two as a share of the time taken.
    """

    flops_per_s: float
    peak_share: float
    compute_s: float
    memory_s: float
    bound: str
    roofline_share: float


def measure_peak(
    dtype: str,
    *,
    tries: int = 5,
    device: jax.Device | None = None,
    sides: Sequence[int] = (),
    copied_bytes: int = 0,
) -> Peak:
    """Measures the peak of a device in a few seconds.

    Args:
        dtype: Type of the matrix product.
        tries: Tries, of which the best counts: whatever disturbs one makes it slower.
        device: The device; the first one by default.
        sides: Sides of the matrices; the fastest counts. By default large enough to fill the device.
        copied_bytes: Of the array that is scaled; by default far more than its caches hold.
    """
    errors.require_within(tries, 1, 1000, "tries", whole=True)
    device = device or jax.local_devices()[0]
    usual = _CPU if device.platform == "cpu" else _ACCELERATOR
    sides, n_bytes = sides or usual[0], copied_bytes or usual[1]
    product, scale = jax.jit(jnp.matmul), jax.jit(lambda x: x * 1.5)
    rates = []
    for side in sides:
        keys = jax.random.split(jax.random.key(0))
        left, right = (jax.device_put(jax.random.normal(k, (side, side), jnp.dtype(dtype)), device) for k in keys)
        rates.append(2.0 * side**3 / _best_s(functools.partial(product, left, right), tries))
    array = jax.device_put(jnp.ones((n_bytes // 4,), jnp.float32), device)
    return Peak(dtype, max(rates), 2.0 * n_bytes / _best_s(functools.partial(scale, array), tries))


def standing(seconds: float, flops: float, n_bytes: float, peak: Peak) -> Standing:
    """Places a program under the roofline.

    Args:
        seconds: Time of one call.
        flops: Its operations.
        n_bytes: Bytes that it must move at least.
        peak: Of the machine, in the type of the program.
    """
    compute_s, memory_s = flops / peak.flops_per_s, n_bytes / peak.bytes_per_s
    return Standing(
        flops_per_s=flops / seconds,
        peak_share=compute_s / seconds,
        compute_s=compute_s,
        memory_s=memory_s,
        bound="compute" if compute_s >= memory_s else "memory",
        roofline_share=max(compute_s, memory_s) / seconds,
    )


def _best_s(run: Callable[[], Any], tries: int) -> float:
    jax.block_until_ready(run())
    best = float("inf")
    for _ in range(tries):
        started = time.perf_counter()
        jax.block_until_ready(run())
        best = min(best, time.perf_counter() - started)
    return best
