"""Noise: Gaussian, shot, impulse and speckle. Images are planes `[B, C, H, W]` in [0, 1]."""

import jax
import jax.numpy as jnp

from ich_jax.interference.corruptions import draws
from ich_jax.interference.corruptions.severities import scalar

TABLES = {
    "gaussian_noise": scalar("sd", (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": scalar("photons", (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse_noise": scalar("share", (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "speckle_noise": scalar("sd", (0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6)),
}
"""Parameters by severity."""

_FEW = 5.0  # photons; below this the Poisson distribution is summed, above it expanded
_TERMS = 19  # P(more than 18 photons | 5 expected) < 1e-6


def gaussian_noise(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Adds Gaussian noise to each channel independently."""
    sd = jnp.asarray(TABLES["gaussian_noise"].at(min(x.shape[2:]))["sd"])[level]
    return jnp.clip(x + sd * draws.normal(words, x.shape[1:]), 0.0, 1.0)


def speckle_noise(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Multiplies by one plus Gaussian noise."""
    sd = jnp.asarray(TABLES["speckle_noise"].at(min(x.shape[2:]))["sd"])[level]
    return jnp.clip(x + x * (sd * draws.normal(words, x.shape[1:])), 0.0, 1.0)


def impulse_noise(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Sets a share of the values to 0 or 1, in each channel independently."""
    share = jnp.asarray(TABLES["impulse_noise"].at(min(x.shape[2:]))["share"])[level]
    random = draws.bits(words, x.shape[1:])
    salt = (random & jnp.uint32(1)).astype(x.dtype)  # the lowest bit, which the comparison below does not use
    return jnp.where(draws.to_unit(random) < share, salt, x)


def shot_noise(x: jax.Array, words: jax.Array, level: jax.Array) -> jax.Array:
    """Counts photons: Poisson(photons x) / photons."""
    photons = jnp.asarray(TABLES["shot_noise"].at(min(x.shape[2:]))["photons"])[level]
    count = poisson_quantile(draws.uniform(words, x.shape[1:]), x * photons)
    return jnp.clip(count / photons, 0.0, 1.0)


def poisson_quantile(u: jax.Array, rate: jax.Array) -> jax.Array:
    """Returns the Poisson quantile of u: exact below 5 expected, and by expansion about the normal quantile above.

    References:
        Giles (2016), Algorithm 955: approximation of the inverse Poisson cumulative distribution function, eq. 12.
    """
    low = jnp.minimum(rate, _FEW)
    term = jnp.exp(-low)
    total, few = term, jnp.zeros_like(rate)
    for k in range(1, _TERMS):
        few += jnp.where(u > total, 1.0, 0.0)
        term = term * low * (1.0 / k)
        total += term
    high = jnp.maximum(rate, _FEW)
    w, root = draws.normal_quantile(u), jnp.sqrt(high)
    many = high + root * w + (1 / 3 + w * w / 6) - (w / 36 + w**3 / 72) / root
    many += (-8 / 405 + 7 / 810 * w * w + w**4 / 270) / high
    return jnp.where(rate < _FEW, few, jnp.maximum(jnp.floor(many), 0.0))
