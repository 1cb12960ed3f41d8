"""Many draws of one computation, in chunks: memory stays bounded, and one program is compiled."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.uncertainty.float64 import Array

_LIMIT = 2**22  # 4 million doubles, 32 MiB: near the caches of a CPU, and enough to fill a GPU


def each(compute: Callable[[jax.Array], Any], n: int, work: int) -> Any:
    """Stacks `compute(0), ..., compute(n - 1)`, computed in equal chunks.

    A draw takes its key as `jax.random.fold_in(key, index)`, so that it does not depend on n or on the chunks.

    Args:
        compute: From an index (scalar int64) to a pytree of arrays `[...]`.
        n: Number of draws.
        work: Numbers held for one draw; a chunk holds about four million.

    Returns:
        The same pytree of arrays `[n, ...]`.
    """
    # The last chunk is padded rather than shorter: a second shape would double the time to compile.
    chunks = -(-n // max(1, min(n, _LIMIT // max(work, 1), 4096)))
    size = -(-n // chunks)
    index = jnp.arange(chunks * size).reshape(chunks, size)
    stacked = jax.lax.map(jax.vmap(compute), index)
    return jax.tree.map(lambda leaf: leaf.reshape(chunks * size, *leaf.shape[2:])[:n], stacked)


def error_of_deviation(replicates: Array) -> float:
    """Returns the standard error of the standard deviation of B drawn numbers `[B]`, from their kurtosis.

    References:
        Cramér (1946), Mathematical methods of statistics, section 28.1.
    """
    deviation = float(np.std(replicates))
    if deviation == 0.0:
        return 0.0
    kurtosis = float(np.mean(((replicates - np.mean(replicates)) / deviation) ** 4))
    return deviation * math.sqrt((kurtosis - 1.0) / (4.0 * len(replicates)))
