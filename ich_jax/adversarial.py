"""Adversarial objectives, per example: two functions and a row of `OBJECTIVES` each.

Scores are logits: D(x) = sigmoid(score) is the probability that x is real. Every function is minimised by the network
that it is named after; the caller averages over the batch. Softplus(t) = log(1 + exp(t)) keeps all of them finite for
scores of any size.

The table stands below `config`, which takes the allowed values of `--config.objective.loss` from it, so that an
objective is named in one place.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax


class Adversarial(NamedTuple):
    """The two sides of an objective.

    Attributes:
        discriminator: `(real_score [B], fake_score [B]) -> loss [B]`, minimised by the discriminator.
        generator: `(real_score [B], fake_score [B]) -> loss [B]`, minimised by the generator. Only the relativistic
            objective looks at the real score, of the pair with the same index.
    """

    discriminator: Callable[[jax.Array, jax.Array], jax.Array]
    generator: Callable[[jax.Array, jax.Array], jax.Array]


def logistic_d(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log D(x) - log(1 - D(G(z))) = softplus(-real) + softplus(fake).

    The discriminator maximises E[log D(x)] + E[log(1 - D(G(z)))] (the paper's equations 1 and 2), so it minimises this.

    References:
        Goodfellow et al., Generative adversarial nets, 2014, eq. 1.
    """
    return jax.nn.softplus(-real) + jax.nn.softplus(fake)


def minimax_g(real: jax.Array, fake: jax.Array) -> jax.Array:
    """log(1 - D(G(z))) = -softplus(fake), never positive.

    The paper prints its equation 3 as a maximum over G; the generator of a minimax game minimises it.

    References:
        Goodfellow et al., Generative adversarial nets, 2014, eq. 1.
    """
    del real
    return -jax.nn.softplus(fake)


def non_saturating_g(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log D(G(z)) = softplus(-fake): strongest where the discriminator is surest that the picture is generated.

    References:
        Goodfellow et al., Generative adversarial nets, 2014, section 3.
    """
    del real
    return jax.nn.softplus(-fake)


def hinge_d(real: jax.Array, fake: jax.Array) -> jax.Array:
    """max(0, 1 - real) + max(0, 1 + fake).

    References:
        Lim and Ye, Geometric GAN, 2017; Miyato et al., Spectral normalization, 2018, eq. 16.
    """
    return jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)


def wasserstein_d(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Fake - real: minus the critic's estimate of the distance; needs a penalty on its gradient.

    References:
        Arjovsky et al., Wasserstein GAN, 2017, eq. 2.
    """
    return fake - real


def linear_g(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-fake: the generator's side of the hinge and Wasserstein objectives."""
    del real
    return -fake


def relativistic_d(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(real - fake) = softplus(-(real - fake)) over pairs of equal index.

    References:
        Jolicoeur-Martineau, The relativistic discriminator, 2018, eq. 7; Huang et al., R3GAN, 2024.
    """
    return jax.nn.softplus(fake - real)


def relativistic_g(real: jax.Array, fake: jax.Array) -> jax.Array:
    """-log sigmoid(fake - real) = softplus(-(fake - real)): the pair in the other order, not minus `relativistic_d`."""
    return jax.nn.softplus(real - fake)


OBJECTIVES: Mapping[str, Adversarial] = {
    "minimax": Adversarial(logistic_d, minimax_g),
    "non_saturating": Adversarial(logistic_d, non_saturating_g),
    "hinge": Adversarial(hinge_d, linear_g),
    "wasserstein": Adversarial(wasserstein_d, linear_g),
    "relativistic": Adversarial(relativistic_d, relativistic_g),
}
