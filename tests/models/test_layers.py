"""Fixed maps against hand-computed values, initialisers against their definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.models import convolutions, layers
from ich_jax.types import Brief, DesignSpace, Element


def _picture(*shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(0), shape)


def test_space_to_depth_order() -> None:
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    y = convolutions.space_to_depth(x, 2)
    np.testing.assert_array_equal(y[0, 0, 0], [0, 1, 4, 5])
    np.testing.assert_array_equal(y[0, 1, 0], [8, 9, 12, 13])


@pytest.mark.parametrize("factor", [2, 4])
def test_depth_to_space_inverts(factor: int) -> None:
    x = _picture(2, 8, 8, 3)
    np.testing.assert_array_equal(convolutions.depth_to_space(convolutions.space_to_depth(x, factor), factor), x)


def test_upsample_and_pool() -> None:
    x = _picture(2, 3, 5, 4)
    up = convolutions.upsample_nearest(x)
    np.testing.assert_array_equal(up, np.repeat(np.repeat(x, 2, 1), 2, 2))
    np.testing.assert_allclose(convolutions.average_pool(up), x, rtol=1e-6)
    np.testing.assert_allclose(convolutions.average_pool(jnp.arange(4.0).reshape(1, 2, 2, 1))[0, 0, 0, 0], 1.5)


def test_conv_matches_brute_force() -> None:
    x = _picture(1, 4, 5, 2)
    conv = layers.Conv3x3(3)
    params = conv.init(jax.random.key(1), x)["params"]
    params = {**params, "bias": jnp.array([1.0, 2.0, 3.0])}
    kernel, padded = np.asarray(params["kernel"]), np.pad(np.asarray(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((1, 4, 5, 3)) + np.array([1.0, 2.0, 3.0])
    for i in range(4):
        for j in range(5):
            expected[0, i, j] += np.einsum("hwc,hwco->o", padded[0, i : i + 3, j : j + 3], kernel)
    np.testing.assert_allclose(conv.apply({"params": params}, x), expected, atol=1e-5)


def test_he_normal_deviation() -> None:
    kernel = layers.he_normal(0.5)(jax.random.key(0), (3, 3, 64, 128))
    np.testing.assert_allclose(np.std(kernel), 0.5 * (2 / (9 * 64)) ** 0.5, rtol=0.02)
    assert not np.any(layers.he_normal(0.0)(jax.random.key(0), (3, 3, 4, 4)))


def test_subpixel_starts_as_nearest_upsampling() -> None:
    x = _picture(2, 4, 4, 5)
    conv = layers.Conv3x3(4 * 3, layers.nearest_subpixel(2))
    y = convolutions.depth_to_space(conv.init_with_output(jax.random.key(1), x)[0], 2)
    assert y.shape == (2, 8, 8, 3)
    assert np.std(y) > 0.1
    np.testing.assert_allclose(y, convolutions.upsample_nearest(y[:, ::2, ::2]), atol=1e-6)


def test_brief_features_by_hand() -> None:
    space = DesignSpace(("a", "b"), (Element("e", ("x", "y", "z")),), ("width", "height"))
    brief = Brief(
        product=jnp.array([1, 1]),
        elements=jnp.array([[2], [2]]),
        axes=jnp.array([[3.0, -1.5], [3.0, -1.5]]),
        given=jnp.array([[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]]),
    )
    expected = [
        [0, 1, 0, 0, 1, 1, -0.5, 0, 0, 1, -0.5, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 0, -0.5, 0, 0, 0, 0, 0, 1, 0, 1],
    ]
    np.testing.assert_array_equal(layers.brief_features(brief, space), np.array(expected, np.float32))


def test_brief_features_of_products_only() -> None:
    brief = Brief(jnp.array([0]), jnp.zeros((1, 0), jnp.int32), jnp.zeros((1, 0)), jnp.ones((1, 1)))
    np.testing.assert_array_equal(layers.brief_features(brief, DesignSpace(("a", "b"))), [[1.0, 0.0, 1.0]])


def test_unknown_activation_names_the_nearest() -> None:
    with pytest.raises(errors.ConfigError, match="did you mean 'relu'"):
        layers.activation("rellu")


def test_pixel_noise_is_silent_at_first_and_a_function_of_the_first_column() -> None:
    z = jax.random.normal(jax.random.key(0), (3, 4))
    keys = layers.pixel_noise_keys(z)
    same = layers.pixel_noise_keys(z.at[:, 1:].set(0.0))
    np.testing.assert_array_equal(jax.random.key_data(keys), jax.random.key_data(same))
    x = jnp.zeros((3, 32, 32, 2))
    module = layers.PixelNoise(0)
    params = module.init(jax.random.key(1), x, keys)
    np.testing.assert_array_equal(module.apply(params, x, keys), x)
    loud = jax.tree.map(lambda p: p + jnp.array([1.0, 0.5]), params)
    noise = np.asarray(module.apply(loud, x, keys))
    np.testing.assert_allclose(noise[..., 1], 0.5 * noise[..., 0])  # one noise, a strength per channel
    assert abs(noise[..., 0].mean()) < 0.1
    assert noise[..., 0].std() == pytest.approx(1.0, abs=0.1)
    flat = noise[..., 0].reshape(3, -1)
    flat = np.concatenate([flat, layers.PixelNoise(1).apply(loud, x, keys)[..., 0].reshape(3, -1)])
    assert np.abs(np.corrcoef(flat) - np.eye(6)).max() < 0.15  # other rows and other places have other noise
    # A row's noise does not depend on its neighbours.
    np.testing.assert_array_equal(module.apply(loud, x[:1], keys[1:2]), noise[1:2])


def test_ramps_by_hand() -> None:
    style = jnp.array([[1.0, 0.0], [0.0, 2.0]])
    kernel = jnp.array([[3.0, 0.0, 0.0, 5.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 7.0, 1.0]])  # across, down, level of two
    params = {"params": {"coefficients": {"kernel": kernel, "bias": jnp.zeros((6,))}}}
    ramps = layers.Ramps().apply(params, jnp.ones((2, 3, 5, 2)), style)
    across, down = np.linspace(-1, 1, 5)[None, :], np.linspace(-1, 1, 3)[:, None]
    np.testing.assert_allclose(ramps[0, :, :, 0], 1 + 3 * across + 0 * down, atol=1e-6)
    np.testing.assert_allclose(ramps[0, :, :, 1], 1 + 5 * down + 0 * across, atol=1e-6)
    np.testing.assert_allclose(ramps[1], np.broadcast_to([1 + 14.0, 1 + 2.0], (3, 5, 2)), atol=1e-6)
