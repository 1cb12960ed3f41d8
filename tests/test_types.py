"""Briefs by name."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.types import Brief, DesignSpace, Element

SPACE = DesignSpace(
    products=("book", "fan"),
    elements=(Element("palette", ("red", "indigo", "jade")), Element("motif", ("none", "wave"))),
    axes=("width", "height"),
)


def test_what_is_stated_and_what_is_left_open() -> None:
    brief = SPACE.brief(product="fan", motif="wave", height=-1.5)
    np.testing.assert_array_equal(brief.product, [1])
    np.testing.assert_array_equal(brief.elements, [[0, 1]])
    np.testing.assert_array_equal(brief.axes, [[0.0, -1.5]])
    np.testing.assert_array_equal(brief.given, [[1, 0, 1, 0, 1]])
    assert [leaf.dtype for leaf in brief] == [np.int32, np.int32, np.float32, np.float32]
    assert not SPACE.brief().given.any()


def test_a_space_of_products_only() -> None:
    brief = DesignSpace(("a", "b")).brief(product="b")
    assert [leaf.shape for leaf in brief] == [(1,), (1, 0), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("product", [0, -1], r"brief 1: product: got -1; expected a number from 0 to 1 \(book, fan\), also where"),
        ("product", [2, 0], "brief 0: product: got 2"),
        ("elements", [[0, 1], [3, 0]], r"brief 1: palette: got 3; expected a number from 0 to 2 \(red, indigo, jade\)"),
        ("elements", [[0, -1], [0, 0]], "brief 0: motif: got -1"),
        ("elements", [0, 1], r"expected \[\(2,\), \(2, 2\), \(2, 2\), \(2, 5\)\]"),
        ("axes", [[0.0, 0.0], [0.0, 3.5]], "brief 1: height: got 3.5; expected a number from -3 to 3"),
        ("axes", [[float("nan"), 0.0], [0.0, 0.0]], "brief 0: width: got nan"),
    ],
)
def test_numbers_that_stand_for_nothing_are_refused(part: str, value: list[float], message: str) -> None:
    brief = Brief(*(np.repeat(each, 2, axis=0) for each in SPACE.brief(product="fan", width=3.0)))
    SPACE.check(brief)
    with pytest.raises(errors.ConfigError, match=message):
        SPACE.check(brief._replace(**{part: np.array(value)}))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"colour": "red"}, "brief: got 'colour'; .*palette"),
        ({"palette": "indgo"}, "brief: palette: got 'indgo'; did you mean 'indigo'"),
        ({"product": 1}, "brief: product: got '1'"),
        ({"width": 3.1}, "brief: width: got 3.1; expected a number from -3 to 3"),
        ({"width": float("nan")}, "brief: width"),
        ({"width": "wide"}, "brief: width: got 'wide'; expected a number"),
    ],
)
def test_what_is_refused(stated: dict[str, str | float], message: str) -> None:
    with pytest.raises(errors.ConfigError, match=message):
        SPACE.brief(**stated)
