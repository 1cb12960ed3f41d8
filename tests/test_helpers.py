import jax
import jax.numpy as jnp
import pytest

from tests import helpers

TREE = {"a": jnp.arange(3), "b": (jnp.ones((2, 2)), jax.random.key(0))}


def test_equal_trees_are_equal_and_a_changed_leaf_is_named() -> None:
    helpers.assert_trees_equal(TREE, jax.tree.map(lambda x: x, TREE))
    with pytest.raises(AssertionError, match=r"differ: \['b'\]\[1\]"):
        helpers.assert_trees_equal(TREE, TREE | {"b": (TREE["b"][0], jax.random.key(1))})


def test_structure_covers_shape_and_dtype() -> None:
    with pytest.raises(AssertionError, match=r"\['a'\]: float32\[3\] against int32\[3\]"):
        helpers.assert_trees_same_structure(TREE | {"a": jnp.ones(3)}, TREE)
    with pytest.raises(AssertionError):
        helpers.assert_trees_same_structure({"a": TREE["a"]}, TREE)


def test_close_trees_and_their_tolerance() -> None:
    x = {"w": jnp.ones(3)}
    helpers.assert_trees_close({"w": x["w"] + 1e-7}, x)
    with pytest.raises(AssertionError, match="w"):
        helpers.assert_trees_close({"w": x["w"] + 1e-2}, x)


def test_finite_and_differing_everywhere() -> None:
    helpers.assert_tree_finite({"x": jnp.ones(2)})
    with pytest.raises(AssertionError, match=r"not finite: \['x'\]"):
        helpers.assert_tree_finite({"x": jnp.array([1.0, jnp.nan])})
    with pytest.raises(AssertionError, match=r"unchanged: \['y'\]"):
        helpers.assert_trees_differ_everywhere(
            {"x": jnp.ones(2), "y": jnp.ones(2)}, {"x": jnp.zeros(2), "y": jnp.ones(2)}
        )


def test_count_compiles_counts_new_shapes_only() -> None:
    double = jax.jit(lambda x: x * 2)
    two, three = jnp.ones(2), jnp.ones(3)
    with helpers.count_compiles() as first:
        double(two)
    with helpers.count_compiles() as again:
        double(two)
    with helpers.count_compiles() as other_shape:
        double(three)
    assert (first.count, again.count, other_shape.count) == (1, 0, 1)
    assert "lambda" in first.functions[0]
