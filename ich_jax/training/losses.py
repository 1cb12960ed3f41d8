"""Losses of reading a brief off pictures and of reading noise off them, per example."""

import jax
import jax.numpy as jnp
import optax

from ich_jax.types import Brief, Reading

_CLASS_WEIGHT = 0.3  # cross-entropies (nats) against axis errors (units of the 7-level scale)
_AXIS_ROUNDING = 0.01  # the absolute error is rounded off below 0.1 units, so that small errors still pull evenly
_LARGE_ERROR = 0.2  # axis error (units of the 7-level scale) that the inspector's 99.9th percentile must stay below


def reading_loss(reading: Reading, brief: Brief) -> jax.Array:
    """Distance of a reading from the stated parts of a brief.

    0.3 * (sum of the cross-entropies of product and elements) + sum over axes of sqrt(e^2 + 0.01) + 0.5 e^2, where e is
    the axis error. Parts that the brief leaves open do not count.

    Args:
        reading: Of B pictures.
        brief: Of the same pictures; `given` is the mask.

    Returns:
        `[B]` float32.
    """
    given = brief.given
    n_elements = len(reading.elements)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels
    classes = given[:, 0] * cross_entropy(reading.product, brief.product)
    for i, logits in enumerate(reading.elements):
        classes = classes + given[:, i + 1] * cross_entropy(logits, brief.elements[:, i])
    error = reading.axes - brief.axes
    axes = jnp.sqrt(error**2 + _AXIS_ROUNDING) + 0.5 * error**2
    return _CLASS_WEIGHT * classes + jnp.sum(given[:, 1 + n_elements : 1 + n_elements + error.shape[1]] * axes, axis=1)


def noise_kl(mean: jax.Array, log_sd: jax.Array) -> jax.Array:
    """KL(N(mean, sd^2) || N(0, 1)) in nats, summed over the dimensions: `[B, Z]` twice to `[B]`.

    References:
        Kingma and Welling, Auto-encoding variational Bayes, 2014, appendix B.
    """
    return jnp.sum(0.5 * (mean**2 + jnp.exp(2 * log_sd) - 1) - log_sd, axis=-1)


def noise_mismatch(z: jax.Array) -> jax.Array:
    """Distance of the first two moments of z, `[B, Z]`, from those of standard normal noise: a scalar.

    |E z|^2 + (1/2) |E z z^T - I|^2 (Frobenius), without bias: expectations of products run over pairs of different
    rows, so that a batch drawn from the prior gives 0 in the mean, and one batch can give less than 0. It is the
    squared maximum mean discrepancy for the kernel k(a, b) = a.b + (a.b)^2 / 2. Unlike `noise_kl` it does not penalise
    an informative row, as long as all rows together look like noise. For a single row it is 0: one row has no moments
    to compare.

    References:
        Gretton et al., A kernel two-sample test, 2012, eq. 3; Zhao et al., InfoVAE, 2019 (this place for it).
    """
    n, dimensions = z.shape
    if n < 2:
        return jnp.zeros((), z.dtype)
    dot = z @ z.T
    kernel = dot + 0.5 * dot**2
    pairs = (jnp.sum(kernel) - jnp.trace(kernel)) / (n * (n - 1))
    return pairs - jnp.mean(jnp.sum(z**2, axis=-1)) + 0.5 * dimensions


def large_error_loss(reading: Reading, brief: Brief) -> jax.Array:
    """Loss of large axis errors, `[B]` float32, for a reader that is judged by its worst readings.

    Sum over stated axes of 0.2 t^4 with t = |e| / 0.2, continued along its tangent beyond t = 1: next to nothing for
    the usual error, and the pull of `reading_loss` several times over for one that a tolerance of 0.5 would notice.
    """
    t = jnp.abs(reading.axes - brief.axes) / _LARGE_ERROR
    each = _LARGE_ERROR * jnp.where(t < 1.0, t**4, 4.0 * t - 3.0)
    first = 1 + len(reading.elements)
    return jnp.sum(brief.given[:, first : first + each.shape[1]] * each, axis=1)
