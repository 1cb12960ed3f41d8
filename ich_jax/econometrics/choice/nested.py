"""Nested logit: alternatives of a nest are closer substitutes for each other than for the rest."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import errors
from ich_jax.econometrics.choice import logit
from ich_jax.econometrics.choice.data import Choices
from ich_jax.econometrics.choice.logit import ChoiceFit, Kernel
from ich_jax.econometrics.regression import m_estimation
from ich_jax.uncertainty.float64 import Array


def nested_logit(
    choices: Choices, nests: Mapping[str, str], *, covariance: str = "", confidence: float = 0.95
) -> ChoiceFit:
    """Fits a two-level nested logit with a dissimilarity of each nest, by maximum likelihood from the logit on.

    The probability is that of the nest, from its inclusive value times its dissimilarity, times that inside the nest,
    where utilities are divided by the dissimilarity. A dissimilarity of 1 makes a nest no nest; one outside (0, 1] is
    at odds with the maximisation of utility, and is noted.

    Args:
        choices: The data.
        nests: Nest of each alternative, by label; alternatives left out stand alone.
        covariance: As for `conditional_logit`.
        confidence: Of the intervals.

    Raises:
        ConfigError: A label that is not an alternative, or no nest of two.
        DataError: No finite estimate, or tasks that show a few of many alternatives.

    References:
        McFadden (1978), Modelling the choice of residential location. Train (2009), Discrete choice methods with
        simulation, chapter 4.
    """
    for label in nests:
        errors.require(label, choices.alternatives, "nested_logit: alternative")
    if not choices.labelled:
        raise errors.DataError("nested_logit: no task has all alternatives, so they are no labelled alternatives.")
    names = [nest for nest in dict.fromkeys(nests.values()) if list(nests.values()).count(nest) > 1]
    if not names:
        raise errors.ConfigError("nested_logit: there is no nest of at least two alternatives.")
    member = np.array([[nests.get(label) == nest for nest in names] for label in choices.alternatives], np.float64)
    inside = np.where((choices.alternative >= 0)[:, :, None], member[choices.alternative], 0.0)
    k, scale = len(choices.names), logit.scales(choices)
    start = np.concatenate([logit.conditional_logit(choices).theta * scale, np.ones(len(names))])
    rows: dict[str, Any] = {
        "x": choices.attributes / scale,
        "available": choices.available,
        "chosen": choices.chosen,
        "inside": inside,
    }
    labels = (*choices.names, *(f"dissimilarity: {nest}" for nest in names))
    found = m_estimation.minimise(_negative, start, rows, names=labels, weights=choices.weights)
    scale = np.concatenate([scale, np.ones(len(names))])
    theta = found.theta / scale
    notes = [
        f"The dissimilarity of nest {nest!r} is {value:.3g}, outside (0, 1]: the nests do not fit the choices."
        for nest, value in zip(names, theta[k:], strict=True)
        if not 0.0 < value <= 1.0
    ]
    return logit.finish(
        "nested logit",
        labels,
        theta,
        found.scores * scale,
        found.bread / np.outer(scale, scale),
        -found.objective,
        choices,
        kernel(member),
        covariance=covariance,
        confidence=confidence,
        notes=notes,
    )


def log_shares(theta: jax.Array, attributes: jax.Array, available: jax.Array, inside: jax.Array) -> jax.Array:
    """Kernel: log-probabilities `[J]` of one choice set, minus infinity where not available.

    Args:
        theta: `[K + M]` coefficients and dissimilarities.
        attributes: `[J, K]`.
        available: `[J]`.
        inside: `[J, M]` 1 where an alternative belongs to a nest, else 0.
    """
    utility, within, values = _levels(theta, attributes, available, inside)
    alone = inside.sum(axis=1) == 0.0
    nest_of = jnp.argmax(inside, axis=1)
    lifted = jnp.where(alone, utility, within[jnp.arange(len(nest_of)), nest_of] + values[nest_of])
    return jnp.where(available, lifted - _total(utility, alone, values), -jnp.inf)


def _levels(
    theta: jax.Array, attributes: jax.Array, available: jax.Array, inside: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Utilities `[J]`, log-probabilities `[J, M]` inside each nest, and nests' dissimilarity times inclusive value."""
    k, m = attributes.shape[-1], inside.shape[-1]
    dissimilarity = theta[k : k + m]
    v = attributes @ theta[:k]
    here = (inside > 0.0) & available[:, None]
    some = here.any(axis=0)
    # An empty nest has no inclusive value; a finite stand-in keeps derivatives finite, and it is taken out below.
    scaled = jnp.where(here | ~some[None, :], v[:, None] / dissimilarity[None, :], -jnp.inf)
    inclusive = jax.nn.logsumexp(scaled, axis=0)
    within = jnp.where(here, scaled - inclusive[None, :], 0.0)
    values = jnp.where(some, dissimilarity * inclusive, -jnp.inf)
    return jnp.where(available, v, -jnp.inf), within, values


def _total(utility: jax.Array, alone: jax.Array, values: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(jnp.concatenate([jnp.where(alone, utility, -jnp.inf), values]))


def kernel(member: Array) -> Kernel:
    """Predictions for choice sets whose alternatives are in the order of `member`.

    Args:
        member: `[J, M]` 1 where an alternative belongs to a nest.
    """

    def shares(theta: jax.Array, attributes: jax.Array, available: jax.Array) -> jax.Array:
        return jnp.exp(log_shares(theta, attributes, available, jnp.asarray(member, jnp.float64)))

    def surplus(theta: jax.Array, attributes: jax.Array, available: jax.Array, price: int) -> jax.Array:
        inside = jnp.asarray(member, jnp.float64)
        utility, _, values = _levels(theta, attributes, available, inside)
        return _total(utility, inside.sum(axis=1) == 0.0, values) / -theta[price]

    return Kernel(shares, surplus)


def _negative(theta: jax.Array, row: dict[str, jax.Array]) -> jax.Array:
    return -log_shares(theta, row["x"], row["available"], row["inside"])[row["chosen"]]
