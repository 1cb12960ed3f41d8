"""Programs in which faults are planted, each in a function of its own; none is of use for anything else."""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

SIZE = 64
TABLE = np.linspace(0.0, 1.0, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)


def dense(x: jax.Array, w: jax.Array) -> jax.Array:
    """A layer."""
    return jnp.tanh(x @ w)


def update(state: jax.Array, batch: jax.Array) -> jax.Array:
    """A step whose state is donated."""
    return state - 0.1 * jnp.tanh(batch) * state


donated = jax.jit(update, donate_argnums=0)


def scaled(x: jax.Array, scale: Any) -> jax.Array:
    """Takes a number that changes in every step."""
    return x * scale


traced = jax.jit(scaled)


def looped(x: jax.Array) -> jax.Array:
    """Steps of a loop that leave everything on the device."""
    x = traced(x, jnp.float32(0.5))
    loss = x.sum()
    return loss


def precise(x: jax.Array) -> jax.Array:
    """Arithmetic in float32, where JAX may compute in float64."""
    return jnp.cumsum(x, axis=0)


def chained(x: jax.Array) -> jax.Array:
    """Several operations that one program holds."""
    return jnp.exp(jnp.sin(x) + jnp.cos(x))


drawn = jax.jit(chained)


def added(x: jax.Array, table: jax.Array) -> jax.Array:
    """Takes a table as an argument."""
    return x + table


def convolved(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution."""
    once = functools.partial(
        jax.lax.conv_general_dilated,
        window_strides=(1, 1),
        padding="SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return once(x, kernel)


def half(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution in bfloat16."""
    narrow = jnp.bfloat16
    return convolved(x.astype(narrow), kernel.astype(narrow)).astype(jnp.float32)


def enlarged(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of 1x1 before its result is enlarged: a quarter of the work of the other order."""
    y = convolved(x, kernel)
    return jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2)


def transferred(x: jax.Array, table: jax.Array) -> jax.Array:
    """Adds what is on the device already."""
    return drawn_with(x, table)


def multiplied(x: jax.Array, table: jax.Array) -> jax.Array:
    """Takes a table as an argument, too."""
    return x * table


drawn_with = jax.jit(multiplied)


def spin(seconds: float) -> None:
    """Keeps a core busy."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def five(x: jax.Array) -> jax.Array:
    """Takes 10 ms."""
    spin(0.0100)
    return drawn(x)


def two(x: jax.Array) -> jax.Array:
    """Takes 10 ms as well."""
    spin(0.01000)
    return drawn(x)


def answered(x: jax.Array) -> jax.Array:
    """A result."""
    return jnp.tanh(0.50 * x)


def unused(x: jax.Array) -> jax.Array:
    """No workload calls this."""
    return x + 1.0
