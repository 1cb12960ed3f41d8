"""The difference between the arms, and read-outs of spaces that lack parts."""

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.models import blocks
from ich_jax.types import DesignSpace, Element
from tests import helpers


def _inputs() -> tuple[jax.Array, jax.Array]:
    return jax.random.normal(jax.random.key(0), (2, 4, 4, 6)), jax.random.normal(jax.random.key(1), (2, 5))


def test_gain_zero_is_exactly_the_identity() -> None:
    x, style = _inputs()
    for inputs in ((x,), (x, style)):
        y, _ = blocks.Block("residual", 0.0).init_with_output(jax.random.key(2), *inputs)
        np.testing.assert_array_equal(y, x)
        y, _ = blocks.Block("plain", 0.0).init_with_output(jax.random.key(2), *inputs)
        np.testing.assert_array_equal(y, np.zeros_like(x))


def test_arms_differ_by_the_shortcut_alone() -> None:
    x, style = _inputs()
    plain, residual = blocks.Block("plain", 0.7), blocks.Block("residual", 0.7)
    params = plain.init(jax.random.key(2), x, style)
    helpers.assert_trees_equal(residual.init(jax.random.key(2), x, style), params)
    f = plain.apply(params, x, style)
    np.testing.assert_allclose(residual.apply(params, x, style), f + x, atol=1e-6)


def test_gain_scales_the_last_layer_alone() -> None:
    x, _ = _inputs()
    one = blocks.Block("plain", 1.0).init(jax.random.key(2), x)["params"]
    half = blocks.Block("plain", 0.5).init(jax.random.key(2), x)["params"]
    helpers.assert_trees_equal(half["conv1"], one["conv1"])
    np.testing.assert_allclose(half["conv2"]["kernel"], 0.5 * one["conv2"]["kernel"], rtol=1e-6)


def test_style_modulates() -> None:
    x, style = _inputs()
    block = blocks.Block("residual", 1.0)
    params = block.init(jax.random.key(2), x, style)
    assert np.abs(block.apply(params, x, style) - block.apply(params, x, -style)).max() > 0.01


def test_heads() -> None:
    features = jnp.ones((2, 8))
    space = DesignSpace(("a", "b"), (Element("e", ("x", "y", "z")), Element("f", ("x", "y"))), ("width",))
    reading, _ = blocks.Heads(space).init_with_output(jax.random.key(0), features)
    assert (reading.product.shape, [e.shape for e in reading.elements]) == ((2, 2), [(2, 3), (2, 2)])
    assert reading.axes.shape == (2, 1)
    reading, _ = blocks.Heads(DesignSpace(("a",))).init_with_output(jax.random.key(0), features.astype(jnp.bfloat16))
    assert (reading.product.shape, reading.elements, reading.axes.shape) == ((2, 1), (), (2, 0))
    assert reading.product.dtype == reading.axes.dtype == jnp.float32
