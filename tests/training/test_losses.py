"""Losses of reading against numbers worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.training import losses
from ich_jax.types import Brief, Reading


def _reading() -> tuple[Reading, Brief]:
    reading = Reading(
        product=jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])),
        elements=(jnp.log(jnp.array([[0.75, 0.25], [0.5, 0.5]])),),
        axes=jnp.array([[1.0, -2.0], [0.0, 3.0]]),
    )
    brief = Brief(
        product=jnp.array([0, 2]),
        elements=jnp.array([[1], [0]]),
        axes=jnp.array([[1.0, 0.0], [0.5, 3.0]]),
        given=jnp.ones((2, 4)),
    )
    return reading, brief


def test_reading_loss_by_hand() -> None:
    reading, brief = _reading()
    classes = 0.3 * np.array([np.log(2) + np.log(4), np.log(10) + np.log(2)])
    axes = np.array([0.1 + np.sqrt(4.01) + 2.0, np.sqrt(0.26) + 0.125 + 0.1])
    np.testing.assert_allclose(losses.reading_loss(reading, brief), classes + axes, rtol=1e-5)


def test_reading_loss_counts_stated_parts_only() -> None:
    reading, brief = _reading()
    given = jnp.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    expected = [0.3 * np.log(4), np.sqrt(0.26) + 0.125]
    np.testing.assert_allclose(losses.reading_loss(reading, brief._replace(given=given)), expected, rtol=1e-5)
    left_open = brief._replace(given=jnp.zeros((2, 4)))
    np.testing.assert_array_equal(losses.reading_loss(reading, left_open), [0.0, 0.0])
    gradient = jax.grad(lambda r: losses.reading_loss(r, left_open).sum())(reading)
    assert not any(np.any(x) for x in jax.tree.leaves(gradient))


def test_reading_loss_of_products_only() -> None:
    reading = Reading(jnp.zeros((2, 4)), (), jnp.zeros((2, 0)))
    brief = Brief(jnp.array([0, 3]), jnp.zeros((2, 0), jnp.int32), jnp.zeros((2, 0)), jnp.ones((2, 1)))
    np.testing.assert_allclose(losses.reading_loss(reading, brief), [0.3 * np.log(4)] * 2, rtol=1e-6)


def test_noise_kl_by_hand() -> None:
    mean, log_sd = jnp.array([[0.0, 0.0], [1.0, 2.0]]), jnp.array([[0.0, 0.0], [np.log(2.0), -1.0]])
    by_hand = (0.5 * (1 + 4 - 1) - np.log(2.0)) + (0.5 * (4 + np.exp(-2.0) - 1) + 1.0)
    np.testing.assert_allclose(losses.noise_kl(mean, log_sd), [0.0, by_hand], rtol=1e-6, atol=1e-7)


def test_noise_mismatch_by_hand() -> None:
    # Rows (1, 0) and (1, 2): the only pair has the dot product 1, so 1 + 1/2; mean square 3; 2 dimensions.
    np.testing.assert_allclose(losses.noise_mismatch(jnp.array([[1.0, 0.0], [1.0, 2.0]])), 1.5 - 3.0 + 1.0, rtol=1e-6)
    assert losses.noise_mismatch(jnp.ones((1, 3))) == 0.0


def test_noise_mismatch_is_an_unbiased_distance_of_moments() -> None:
    mean, scale = np.array([0.5, 0.0, -1.0]), np.array([1.0, 2.0, 0.5])
    rows = mean + scale * np.random.default_rng(0).normal(size=(20_000, 8, 3))
    each = np.asarray(jax.vmap(losses.noise_mismatch)(jnp.asarray(rows, jnp.float32)))
    second = np.diag(np.square(scale)) + np.outer(mean, mean) - np.eye(3)
    expected = np.sum(np.square(mean)) + 0.5 * np.sum(second**2)
    assert abs(each.mean() - expected) < 4 * each.std() / len(each) ** 0.5
    prior = np.asarray(jax.vmap(losses.noise_mismatch)(jax.random.normal(jax.random.key(1), (20_000, 8, 3))))
    assert abs(prior.mean()) < 4 * prior.std() / len(prior) ** 0.5
    assert expected > 100 * prior.std() / len(prior) ** 0.5


def test_large_error_loss_by_hand() -> None:
    brief = Brief(jnp.array([0]), jnp.zeros((1, 0), jnp.int32), jnp.zeros((1, 4)), jnp.ones((1, 5)))
    each = jnp.array([0.1, -0.2, 0.4, -1.0])
    reading = Reading(jnp.zeros((1, 2)), (), each[None])
    by_hand = 0.2 * np.array([1 / 16, 1.0, 5.0, 17.0])
    np.testing.assert_allclose(losses.large_error_loss(reading, brief), [by_hand.sum()], rtol=1e-5)
    # One slope where the two pieces meet, and none beyond: an error of any size pulls with at most 4.
    slope = jax.grad(lambda axes: losses.large_error_loss(reading._replace(axes=axes), brief).sum())(reading.axes)
    np.testing.assert_allclose(slope[0], [0.5, -4.0, 4.0, -4.0], rtol=1e-5)
    some = brief._replace(given=jnp.array([[1.0, 0.0, 1.0, 0.0, 1.0]]))
    np.testing.assert_allclose(losses.large_error_loss(reading, some), [by_hand[1] + by_hand[3]], rtol=1e-5)
