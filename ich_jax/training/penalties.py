"""Penalties on the discriminator's gradient with respect to its input, per example.

A penalty is a gradient inside a loss, so differentiating it costs about as much as four more passes over the
discriminator. It is a mean over the batch, and the mean over any fixed part of an independently drawn batch has the
same expectation: `config.objective.penalty_share` takes it on the first images only. That is an unbiased estimate at
less memory and time, and unlike a penalty on every k-th step it makes all steps alike (no branch in the compiled step,
no pulses in Adam's moments).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ich_jax.models import layers

Score = Callable[[jax.Array], jax.Array]
"""`[B, H, W, C]` images to `[B]` scores, each of which depends on its own image only."""


def n_penalised(batch: int, share: float) -> int:
    """Returns how many images of a batch the penalty is taken on: the nearest whole number, at least one."""
    return min(batch, max(1, round(share * batch)))


def gradient_square(score: Score, images: jax.Array) -> jax.Array:
    """Returns |d score_i / d image_i|^2, `[B]`, summed over height, width and channels."""
    gradient = jax.grad(lambda x: jnp.sum(score(x)))(images)
    return jnp.sum(gradient**2, axis=(1, 2, 3))


def r1(score: Score, real: jax.Array) -> jax.Array:
    """(1/2) |grad_x D(x)|^2 on real images, `[B]`; times gamma it is the R1 penalty.

    References:
        Mescheder et al., Which training methods for GANs do actually converge?, 2018, eq. 9.
    """
    return 0.5 * gradient_square(score, real)


def r1_r2(score: Score, real: jax.Array, fake: jax.Array) -> jax.Array:
    """(1/2) (|grad_x D(x)|^2 + |grad_x D(G(z))|^2), `[B]`, for generated images that are constants.

    `score` is called once, on `[2B, H, W, C]`: real and generated images alternately. Two calls would compile the
    gradient of the discriminator's gradient twice.

    References:
        Mescheder et al., 2018, eq. 9 and 10; Huang et al., R3GAN, 2024 (both together).
    """
    both = r1(score, layers.interleave(real, jax.lax.stop_gradient(fake)))
    return both[::2] + both[1::2]


def wgan_gp(u: jax.Array, score: Score, real: jax.Array, fake: jax.Array) -> jax.Array:
    """(|grad_x D(x)| - 1)^2 at x = u real + (1 - u) fake, `[B]`; u `[B, 1, 1, 1]` is uniform in [0, 1].

    References:
        Gulrajani et al., Improved training of Wasserstein GANs, 2017, eq. 3.
    """
    between = u * real + (1.0 - u) * jax.lax.stop_gradient(fake)
    # The root has no derivative at 0; the summand keeps the gradient of a flat discriminator finite.
    norm = jnp.sqrt(gradient_square(score, between) + 1e-12)
    return (norm - 1.0) ** 2
