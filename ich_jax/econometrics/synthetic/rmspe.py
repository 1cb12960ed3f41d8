"""How much worse a synthetic control fits after treatment than before: the ratio of root mean squared gaps."""

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.uncertainty import float64
from ich_jax.uncertainty.float64 import Array

_EXACT = 1e-10
"""Share of the size of the series up to which a gap is rounding."""


def ratio(before: jax.Array, after: jax.Array, size: jax.Array) -> jax.Array:
    """Root mean squared gap after treatment over that before; a kernel.

    Gaps that are rounding count as 0. A fit that is exact before and not after is infinitely worse, so that several of
    them tie; one that is exact throughout, such as that of a copied series, shows no effect and has the ratio 0.
    Neither is NaN, with which every comparison is false and a rank would be too small.

    Args:
        before: Mean squared gap before treatment.
        after: After treatment.
        size: Largest absolute value of the series.
    """
    least = jnp.square(_EXACT * size)
    exact = before <= least
    quotient = jnp.sqrt(after / jnp.where(exact, 1.0, before))
    return jnp.where(exact, jnp.where(after <= least, 0.0, jnp.inf), quotient)


def of_gap(gap: Array, start: int, series: Array) -> tuple[float, float, float]:
    """Returns root mean squared gaps before and after treatment, and their ratio.

    Args:
        gap: `[T]`.
        start: First treated period.
        series: `[T]`, of which the gap is.
    """
    before, after = (float(np.square(part).mean()) for part in (gap[:start], gap[start:]))
    with float64.enabled():
        found = float(ratio(jnp.asarray(before), jnp.asarray(after), jnp.asarray(np.abs(series).max())))
    return before**0.5, after**0.5, found
