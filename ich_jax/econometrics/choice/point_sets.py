"""Points behind simulated probabilities: Halton as peers draw it, scrambled Sobol, modified Latin hypercube."""

import numpy as np
from scipy import special
from scipy.stats import qmc

from ich_jax import errors
from ich_jax.uncertainty.float64 import Array

POINT_SETS = ("sobol", "halton", "latin_hypercube", "random")
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
_DROPPED = 100  # first points of a Halton sequence, which resemble each other in different dimensions


def uniforms(kind: str, persons: int, dimensions: int, n: int, *, seed: int = 0, antithetic: bool = False) -> Array:
    """Points inside (0, 1), n for each person.

    Halton points are those of xlogit and its kin: one sequence a dimension, cut into persons. Beyond a handful of
    dimensions its neighbours are correlated, so scrambled Sobol points are the default.

    Args:
        kind: One of `POINT_SETS`.
        persons: Number N.
        dimensions: Number D.
        n: Points R of a person.
        seed: Of the scrambling, the permutations or the draws; Halton has none.
        antithetic: Draws half of the points and mirrors them at 1/2.

    Returns:
        `[N, R, D]`.

    Raises:
        ConfigError: Another kind, more dimensions than Halton has primes for, or an odd number of antithetic points.

    References:
        Bhat (2001), Quasi-random maximum simulated likelihood estimation of the mixed multinomial logit model. Hess,
        Train and Polak (2006), On the use of a modified Latin hypercube sampling (MLHS) method.
    """
    errors.require(kind, POINT_SETS, "points")
    if antithetic:
        if n % 2:
            raise errors.ConfigError(f"points: antithetic points come in pairs; got n = {n}.")
        half = uniforms(kind, persons, dimensions, n // 2, seed=seed)
        return np.concatenate([half, 1.0 - half], axis=1)
    if kind == "halton":
        if dimensions > len(_PRIMES):
            raise errors.ConfigError(f"points: Halton has at most {len(_PRIMES)} dimensions here, got {dimensions}.")
        columns = [_halton(prime, persons * n) for prime in _PRIMES[:dimensions]]
        return np.stack(columns, axis=-1).reshape(persons, n, dimensions)
    rng = np.random.default_rng(seed)
    if kind == "sobol":
        points = qmc.Sobol(dimensions, scramble=True, rng=rng).random_base2(max(persons * n - 1, 1).bit_length())
        inside = np.clip(points[: persons * n], 1e-12, 1.0 - 1e-12)
        return np.asarray(inside.reshape(persons, n, dimensions))
    if kind == "random":
        return rng.uniform(1e-12, 1.0 - 1e-12, (persons, n, dimensions))
    cells = np.broadcast_to(np.arange(n)[None, :, None], (persons, n, dimensions))
    shift = rng.uniform(1e-12, 1.0 - 1e-12, (persons, 1, dimensions))
    return np.asarray(rng.permuted(cells, axis=1) + shift) / n


def _halton(prime: int, length: int) -> Array:
    """Radical inverses of _DROPPED, _DROPPED + 1, ... in base `prime`."""
    index = np.arange(_DROPPED, _DROPPED + length)
    value, scale = np.zeros(length), 1.0 / prime
    while index.any():
        index, digit = np.divmod(index, prime)
        value += scale * digit
        scale /= prime
    return value


def standardised(uniform: Array, kinds: tuple[str, ...]) -> Array:
    """Turns uniform points `[..., D]` into draws of mean 0 of each distribution.

    Args:
        uniform: `[..., D]`.
        kinds: D distributions: "normal", "lognormal" and "censored" are normal here, "uniform" and "triangular" lie in
            [-1, 1].
    """
    drawn = np.empty_like(uniform)
    for k, kind in enumerate(kinds):
        u = uniform[..., k]
        if kind == "uniform":
            drawn[..., k] = 2.0 * u - 1.0
        elif kind == "triangular":
            drawn[..., k] = np.where(u <= 0.5, np.sqrt(2.0 * u) - 1.0, 1.0 - np.sqrt(2.0 * (1.0 - u)))
        else:
            drawn[..., k] = special.ndtri(u)
    return drawn
