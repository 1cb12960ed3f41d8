"""Penalties against closed forms and finite differences, in float64."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.training import penalties


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _images(seed: int, n: int = 4) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (n, 2, 3, 2), jnp.float64)


def _between(n: int) -> jax.Array:
    return jax.random.uniform(jax.random.key(0), (n, 1, 1, 1), jnp.float64)


def _smooth(images: jax.Array) -> jax.Array:
    """A non-linear score of each image of its own."""
    weights = jnp.linspace(-1.0, 1.0, 12, dtype=jnp.float64).reshape(1, 2, 3, 2)
    return jnp.sum(jnp.sin(images * weights) + 0.1 * images**3, axis=(1, 2, 3)) ** 2


def test_gradient_square_matches_finite_differences() -> None:
    images, h = np.asarray(_images(0)), 1e-5
    total = np.zeros(4)
    for index in np.ndindex(2, 3, 2):
        step = np.zeros((1, 2, 3, 2))
        step[(0, *index)] = h
        slope = (np.asarray(_smooth(jnp.asarray(images + step))) - np.asarray(_smooth(jnp.asarray(images - step)))) / (
            2 * h
        )
        total += slope**2
    np.testing.assert_allclose(penalties.gradient_square(_smooth, jnp.asarray(images)), total, rtol=1e-7)


def test_r1_of_a_linear_score_is_half_its_squared_norm() -> None:
    slope = _images(1, 1)
    value = penalties.r1(lambda x: jnp.sum(slope * x, axis=(1, 2, 3)), _images(0))
    np.testing.assert_allclose(value, [0.5 * float(jnp.sum(slope**2))] * 4, rtol=1e-12)


def test_r1_r2_is_the_sum_on_real_and_generated() -> None:
    real, fake = _images(0), _images(1)
    expected = penalties.r1(_smooth, real) + penalties.r1(_smooth, fake)
    np.testing.assert_allclose(penalties.r1_r2(_smooth, real, fake), expected, rtol=1e-12)


def test_generated_images_are_constants() -> None:
    real = _images(0)
    for penalty in (
        lambda f: penalties.r1_r2(_smooth, real, f),
        lambda f: penalties.wgan_gp(_between(len(real)), _smooth, real, f),
    ):
        assert not np.any(jax.grad(lambda f, penalty=penalty: penalty(f).sum())(_images(1)))


def test_wgan_gp_of_a_linear_score() -> None:
    slope = 3.0 * _images(1, 1) / jnp.sqrt(jnp.sum(_images(1, 1) ** 2))
    value = penalties.wgan_gp(_between(4), lambda x: jnp.sum(slope * x, axis=(1, 2, 3)), _images(0), _images(2))
    np.testing.assert_allclose(value, [4.0] * 4, rtol=1e-9)  # (3 - 1)^2


def test_wgan_gp_is_taken_between_the_pair() -> None:
    """For the score |x|^2 / 2 the gradient is x itself, so the penalty tells where it was taken."""
    real, fake = jnp.full((64, 1, 1, 1), 5.0, jnp.float64), jnp.full((64, 1, 1, 1), 2.0, jnp.float64)
    value = penalties.wgan_gp(_between(64), lambda x: 0.5 * jnp.sum(x**2, axis=(1, 2, 3)), real, fake)
    place = 1 + np.sqrt(np.asarray(value))
    assert place.min() >= 2
    assert place.max() <= 5
    assert np.unique(place).size == 64
    np.testing.assert_allclose(place.mean(), 3.5, atol=0.4)


def test_a_flat_score_has_finite_gradients() -> None:
    def total(scale: jax.Array) -> jax.Array:
        def score(x: jax.Array) -> jax.Array:
            return scale * jnp.sum(x, axis=(1, 2, 3))

        return penalties.wgan_gp(_between(4), score, _images(0), _images(1)).sum()

    value, gradient = jax.value_and_grad(total)(jnp.zeros((), jnp.float64))
    np.testing.assert_allclose(value, 4.0, rtol=1e-5)
    assert np.isfinite(gradient)


def test_derivative_of_the_penalty_reaches_the_parameters() -> None:
    """d/dw of (1/2) |w a|^2 = w |a|^2: the penalty is differentiated, not a constant."""
    slope = _images(1, 1)

    def total(w: jax.Array) -> jax.Array:
        return penalties.r1(lambda x: w * jnp.sum(slope * x, axis=(1, 2, 3)), _images(0)).mean()

    gradient = jax.grad(total)(jnp.asarray(1.5, jnp.float64))
    np.testing.assert_allclose(gradient, 1.5 * float(jnp.sum(slope**2)), rtol=1e-12)


@pytest.mark.parametrize(
    ("batch", "share", "n"), [(32, 0.125, 4), (32, 1.0, 32), (8, 0.0, 1), (4, 0.3, 1), (1, 0.5, 1)]
)
def test_n_penalised(batch: int, share: float, n: int) -> None:
    assert penalties.n_penalised(batch, share) == n


def test_a_part_of_the_batch_is_unbiased() -> None:
    """Over all orders of the batch, here all rotations, the mean over the first images has the mean of the whole."""
    images = _images(3, 8)
    n = penalties.n_penalised(8, 0.25)
    parts = [penalties.r1(_smooth, jnp.roll(images, i, axis=0)[:n]).mean() for i in range(8)]
    np.testing.assert_allclose(np.mean(parts), penalties.r1(_smooth, images).mean(), rtol=1e-12)
