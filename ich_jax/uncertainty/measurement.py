"""Errors of the instrument: the value that a statistic would have if readings were free of error."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ich_jax import errors
from ich_jax.uncertainty import draws, float64, programs
from ich_jax.uncertainty.results import Result

FACTORS = (0.5, 1.0, 1.5, 2.0)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Simex(Result):
    """A statistic of shape `[...]` with and without the error of the instrument.

    Attributes:
        naive: `[...]` statistic of the values as read.
        corrected: `[...]` extrapolated to readings without error; may leave the range of the statistic.
        added: `[F, ...]` mean of the statistic after error of variance `factors` times the instrument's was added.
        factors: `[F]`.
    """

    columns = ("factors",)

    naive: float64.Array
    corrected: float64.Array
    added: float64.Array
    factors: tuple[float, ...]


def simex(
    key: jax.Array,
    statistic: Callable[[jax.Array], jax.Array],
    values: npt.ArrayLike,
    error_sd: npt.ArrayLike,
    *,
    factors: Sequence[float] = FACTORS,
    n_simulations: int = 200,
) -> Simex:
    """Simulation extrapolation: adds increasing error of the instrument's kind, and extrapolates back to none.

    Error of factor 1 doubles the variance that the instrument has added already, so a quadratic through the factors 0
    (the values as read) and `factors`, taken at -1, estimates the value without error. This holds for errors that are
    normal, independent of the true values and as large here as where `error_sd` was measured.

    Example:
        The variance of three readings, less the variance that the error of the instrument added.

        >>> import jax, numpy as np
        >>> from ich_jax.uncertainty import simex
        >>> readings = np.arange(400.0) % 4  # variance 1.25
        >>> result = simex(jax.random.key(0), lambda x: x.var(), readings, 0.5)
        >>> float(result.naive), round(float(result.corrected), 1)  # 1.25 - 0.5^2
        (1.25, 1.0)

    Args:
        key: Random key.
        statistic: `(values [N, ...]) -> [...]` in jnp; compiled once for each function object and shape.
        values: `[N, ...]` as read.
        error_sd: Standard deviation of the instrument's error, broadcast against `[...]`.
        factors: Variances that are added, in units of the instrument's; three or more, above 0.
        n_simulations: Draws for each factor.

    Raises:
        ConfigError: Fewer than two factors, or one that is not above 0.
        DataError: Values that are not finite, or a negative deviation.

    References:
        Cook and Stefanski (1994), Simulation-extrapolation estimation in parametric measurement error models.
    """
    if len(factors) < 2 or min(factors) <= 0:
        raise errors.ConfigError(f"simex: factors: expected two or more numbers above 0, got {tuple(factors)}.")
    array = float64.finite(values, "simex: values")
    sd = np.broadcast_to(float64.finite(error_sd, "simex: error_sd"), array.shape[1:])
    if (sd < 0).any():
        raise errors.DataError(f"simex: error_sd must not be negative, got {sd.min():g}.")
    with float64.enabled():
        naive, added = (
            np.asarray(part)
            for part in _added(
                key, array, sd, np.asarray(factors, np.float64), statistic=statistic, n_simulations=n_simulations
            )
        )
    points = np.array([0.0, *factors])
    powers = np.vander(points, 3)
    # Least squares: the prediction at -1 is a fixed combination of the values at the factors.
    weights = np.array([1.0, -1.0, 1.0]) @ np.linalg.pinv(powers)
    corrected = np.tensordot(weights, np.concatenate([naive[None], added]), axes=1)
    return Simex(naive, corrected, added, tuple(float(f) for f in factors))


@programs.jit(static_argnames=("statistic", "n_simulations"))
def _added(
    key: jax.Array,
    values: jax.Array,
    sd: jax.Array,
    factors: jax.Array,
    *,
    statistic: Callable[[jax.Array], jax.Array],
    n_simulations: int,
) -> tuple[jax.Array, jax.Array]:
    def simulate(index: jax.Array) -> jax.Array:
        # All factors share the draw, so that the curve over them is smooth.
        noise = jax.random.normal(jax.random.fold_in(key, index), values.shape, jnp.float64) * sd[None]
        return jax.vmap(lambda factor: statistic(values + jnp.sqrt(factor) * noise))(factors)

    work = values.size * factors.shape[0]
    return statistic(values), jnp.mean(draws.each(simulate, n_simulations, work), axis=0)
