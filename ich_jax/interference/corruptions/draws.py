"""Random fields for corruptions: each number is a hash of (key, counter), so that no draw depends on the batch.

Corruptions need many random numbers and little else: the twenty rounds of JAX's own generator would take most of their
time on a CPU. Here a number takes two rounds of an integer hash, with a word of the image's key added before each. Keys
come from `jax.random`; only the numbers under a key are made this way. They are unfit for cryptography.

References:
    The rounds are `lowbias32` of C. Wellons, hash-prospector (2018, public domain), a search for multipliers and shifts
    of least bias; keys and counter enter as in Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3.
"""

import math

import jax
import jax.numpy as jnp


def bits(words: jax.Array, shape: tuple[int, ...], stream: jax.Array | int = 0) -> jax.Array:
    """Returns uniform 32-bit words `[B, *shape]`.

    Args:
        words: The two words of each image's key, `[B, 2]` uint32.
        shape: Shape of the numbers of one image.
        stream: Streams of one key are independent of each other.
    """
    return bits_at(words, jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape), stream)


def bits_at(words: jax.Array, counter: jax.Array, stream: jax.Array | int = 0) -> jax.Array:
    """Returns the words of `bits` at given positions, `[*shape]` uint32, which may have any order."""
    first, second = (words[:, i].reshape(-1, *[1] * counter.ndim) for i in range(2))
    mixed = _mix(counter[None] + first + jnp.asarray(stream, jnp.uint32) * jnp.uint32(0x9E3779B9))
    return _mix(mixed + second)


def uniform(words: jax.Array, shape: tuple[int, ...], stream: jax.Array | int = 0) -> jax.Array:
    """Returns numbers uniform in the open interval (0, 1), `[B, *shape]` float32, on a grid of 2**-23."""
    return to_unit(bits(words, shape, stream))


def to_unit(words: jax.Array) -> jax.Array:
    """Turns 32-bit words into numbers in (0, 1): the middles of 2**23 equal cells."""
    return (words >> 9).astype(jnp.float32) * 2.0**-23 + 2.0**-24


def normal(words: jax.Array, shape: tuple[int, ...], stream: jax.Array | int = 0) -> jax.Array:
    """Returns standard normal numbers `[B, *shape]` float32."""
    return normal_quantile(uniform(words, shape, stream))


def normal_quantile(u: jax.Array) -> jax.Array:
    """Returns the standard normal quantile of u in (0, 1)."""
    return math.sqrt(2.0) * jax.lax.erf_inv(2.0 * u - 1.0)


def integers(words: jax.Array, shape: tuple[int, ...], n: jax.Array | int, stream: jax.Array | int = 0) -> jax.Array:
    """Returns whole numbers in 0..n-1, `[B, *shape]` int32: uniform up to a share of n / 2**16, n at most 2**16."""
    high = bits(words, shape, stream) >> 16
    return ((high * jnp.asarray(n).astype(jnp.uint32)) >> 16).astype(jnp.int32)


def _mix(x: jax.Array) -> jax.Array:
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
