"""Differentiable augmentation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.data import augment

KEYS = jax.random.split(jax.random.key(0), 64)
IMAGES = jax.random.uniform(jax.random.key(1), (8, 16, 16, 3), minval=-1.0, maxval=1.0)


def test_empty_policy_is_the_identity() -> None:
    assert augment.make_augment("")(KEYS[:8], IMAGES) is IMAGES


def test_unknown_policy_names_the_nearest() -> None:
    with pytest.raises(errors.ConfigError, match=r"config.data.augment: got 'colour'; did you mean 'color'"):
        augment.make_augment("flip,colour")


def test_flip_mirrors_some_images_and_leaves_the_others() -> None:
    out = np.asarray(augment.make_augment("flip")(KEYS[:8], IMAGES))
    mirrored = [np.array_equal(o, i[:, ::-1]) for o, i in zip(out, np.asarray(IMAGES), strict=True)]
    kept = [np.array_equal(o, i) for o, i in zip(out, np.asarray(IMAGES), strict=True)]
    assert all(m or k for m, k in zip(mirrored, kept, strict=True))
    assert any(mirrored)
    assert any(kept)


@pytest.mark.parametrize("size", [8, 28])
def test_translation_shifts_by_whole_pixels_and_fills_with_grey(size: int) -> None:
    limit = round(size / 8)
    images = np.asarray(jax.random.uniform(jax.random.key(2), (64, size, size, 2), minval=0.5))
    out = np.asarray(jax.jit(augment.make_augment("translation"))(KEYS, jnp.asarray(images)))
    seen = set()
    for image, moved in zip(images, out, strict=True):
        padded = np.pad(image, ((limit, limit), (limit, limit), (0, 0)))
        fits = [
            (y, x)
            for y in range(2 * limit + 1)
            for x in range(2 * limit + 1)
            if np.array_equal(padded[y : y + size, x : x + size], moved)
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert {y for y, _ in seen} == {x for _, x in seen} == set(range(2 * limit + 1))


def test_cutout_is_a_square_of_half_the_side() -> None:
    ones = jnp.ones((64, 16, 16, 1))
    out = np.asarray(jax.jit(augment.make_augment("cutout"))(KEYS, ones))[..., 0]
    assert set(np.unique(out)) == {0.0, 1.0}
    for image in out:
        rows, columns = (image == 0).any(1).sum(), (image == 0).any(0).sum()
        assert (image == 0).sum() == rows * columns
        assert min(rows, columns) >= 4
        assert max(rows, columns) <= 8
    assert ((out == 0).sum((1, 2)) == 64).any()


def test_color_is_brightness_saturation_and_contrast() -> None:
    images = np.asarray(IMAGES)
    out = np.asarray(augment.make_augment("color")(KEYS[:8], IMAGES))
    own = [jax.random.uniform(jax.random.fold_in(key, 0), (3,)) for key in KEYS[:8]]
    draws = np.stack(own, axis=1)[..., None, None, None]
    expected = images + draws[0] - 0.5
    grey = expected.mean(3, keepdims=True)
    expected = (expected - grey) * 2 * draws[1] + grey
    mean = expected.mean((1, 2, 3), keepdims=True)
    expected = (expected - mean) * (draws[2] + 0.5) + mean
    np.testing.assert_allclose(out, expected, atol=1e-5)
    assert len(np.unique(np.round(out.mean((1, 2, 3)) - images.mean((1, 2, 3)), 4))) == 8  # every image its own draw


def test_grey_images_stay_grey() -> None:
    out = jax.jit(augment.make_augment("flip,color,translation,cutout"))(KEYS[:8], IMAGES[..., :1])
    assert out.shape == (8, 16, 16, 1)
    assert out.dtype == jnp.float32


def test_same_key_treats_two_batches_alike_and_another_key_does_not() -> None:
    fn = jax.jit(augment.make_augment("flip,translation,cutout"))
    np.testing.assert_allclose(fn(KEYS[:8], IMAGES) + fn(KEYS[:8], -IMAGES), jnp.zeros_like(IMAGES), atol=1e-6)
    assert not np.array_equal(fn(KEYS[:8], IMAGES), fn(KEYS[8:16], IMAGES))


def test_gradients_flow_to_exactly_the_pixels_that_remain() -> None:
    fn = jax.jit(augment.make_augment("flip,translation,cutout"))
    gradient = jax.jit(jax.grad(lambda x: fn(KEYS[:8], x).sum()))(IMAGES)
    kept = np.asarray(fn(KEYS[:8], jnp.ones_like(IMAGES))).sum((1, 2, 3))
    np.testing.assert_allclose(np.asarray(gradient).sum((1, 2, 3)), kept)
    assert set(np.unique(gradient)) == {0.0, 1.0}


def test_gradient_of_color_matches_finite_differences_and_has_a_second_order() -> None:
    fn = jax.jit(augment.make_augment("color,translation"))
    images = IMAGES[:2, :8, :8]
    direction = jax.random.normal(jax.random.key(3), images.shape)

    @jax.jit
    def loss(x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(fn(KEYS[:2], x)))

    slope = float(jnp.vdot(jax.jit(jax.grad(loss))(images), direction))
    step = 1e-2
    secant = float(loss(images + step * direction) - loss(images - step * direction)) / (2 * step)
    assert slope == pytest.approx(secant, rel=2e-2)
    penalty = jax.jit(jax.grad(lambda x: jnp.sum(jax.grad(loss)(x) ** 2)))(images)
    assert bool(jnp.all(jnp.isfinite(penalty)))
    assert float(jnp.abs(penalty).max()) > 0
