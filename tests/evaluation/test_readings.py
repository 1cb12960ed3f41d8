import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.evaluation import readings
from ich_jax.types import Brief, DesignSpace, Element, Reading
from ich_jax.uncertainty import intervals

SPACE = DesignSpace(("fan", "book"), (Element("trim", ("plain", "gold", "red")),), ("width", "depth"))


def one_hot(index, n):
    return 5.0 * np.eye(n, dtype=np.float32)[np.asarray(index)]


def brief(product, trim, axes, given=None):
    n = len(product)
    given = np.ones((n, 4), np.float32) if given is None else np.asarray(given, np.float32)
    return Brief(np.asarray(product), np.asarray(trim)[:, None], np.asarray(axes, np.float32), given)


def test_by_hand():
    asked = brief([0, 0, 1, 1], [0, 1, 2, 2], [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    read = Reading(
        jnp.asarray(one_hot([0, 1, 1, 1], 2)),
        (jnp.asarray(one_hot([0, 1, 2, 0], 3)),),
        jnp.asarray(asked.axes + np.array([[0.0, 0.1], [0.0, -0.1], [0.6, 0.7], [0.0, -0.8]], np.float32)),
    )
    found = readings.figures(SPACE, asked, read)
    assert found.n == 4
    assert (found.product.n, found.product.right, found.product.accuracy) == (4, 3, 0.75)
    assert found.product.interval == intervals.wilson(3, 4)
    assert found.confusion == ((1, 1), (0, 2))
    (trim,) = found.elements
    assert (trim.name, trim.right, trim.accuracy) == ("trim", 3, 0.75)
    assert found.axes.any_beyond == 2
    assert [axis.beyond for axis in found.axes.axes] == [1, 2]
    assert found.axes_by_product["fan"].any_beyond == 0
    assert found.axes_by_product["book"].any_beyond == 2
    assert found.axes_by_product["book"].axes[1].bias == pytest.approx(-0.05)

    pair = readings.pair(SPACE, asked, read)
    np.testing.assert_array_equal(pair.product_requested, [0, 0, 1, 1])
    np.testing.assert_array_equal(pair.product_read, [0, 1, 1, 1])
    np.testing.assert_allclose(pair.axes_read - pair.axes_requested, np.asarray(read.axes) - asked.axes)


def test_what_is_left_open_is_not_judged():
    given = [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    asked = brief([0, 0, 1], [0, 0, 0], np.zeros((3, 2)), given)
    wrong = Reading(one_hot([0, 1, 0], 2), (one_hot([1, 1, 1], 3),), np.full((3, 2), 9.0, np.float32))
    found = readings.figures(SPACE, asked, wrong)
    assert (found.product.n, found.product.right) == (2, 1)
    assert found.confusion == ((1, 0), (1, 0))
    assert [(e.n, e.right) for e in found.elements] == [(1, 0)]
    assert [(axis.name, axis.n) for axis in found.axes.axes] == [("width", 1)]
    assert set(found.axes_by_product) == {"fan"}
    np.testing.assert_array_equal(
        np.isnan(readings.pair(SPACE, asked, wrong).axes_requested), np.array(given)[:, 2:] == 0
    )


def test_nothing_stated_gives_no_figure():
    asked = brief([0], [0], np.zeros((1, 2)), np.zeros((1, 4)))
    found = readings.figures(SPACE, asked, Reading(one_hot([0], 2), (one_hot([0], 3),), np.zeros((1, 2), np.float32)))
    assert (found.product, found.elements, found.axes, found.axes_by_product) == (None, (), None, {})
    assert found.confusion == ((0, 0), (0, 0))


def test_space_of_products_alone():
    space = DesignSpace(("fan", "book"))
    asked = Brief(np.array([1, 0]), np.zeros((2, 0), int), np.zeros((2, 0), np.float32), np.ones((2, 1), np.float32))
    found = readings.figures(space, asked, Reading(one_hot([1, 1], 2), (), np.zeros((2, 0), np.float32)))
    assert (found.product.accuracy, found.elements, found.axes) == (0.5, (), None)
