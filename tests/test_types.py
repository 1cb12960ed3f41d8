"""Briefs by name."""

import dataclasses

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
    assert [leaf.dtype for leaf in brief[:4]] == [np.int32, np.int32, np.float32, np.float32]
    assert not SPACE.brief().given.any()


def test_a_space_of_products_only() -> None:
    brief = DesignSpace(("a", "b")).brief(product="b")
    assert [leaf.shape for leaf in brief[:4]] == [(1,), (1, 0), (1, 0), (1, 1)]


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
    brief = Brief(*(np.repeat(each, 2, axis=0) for each in SPACE.brief(product="fan", width=3.0)[:4]))
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


def test_a_space_with_sketches_has_one_more_entry() -> None:
    space = dataclasses.replace(SPACE, sketches=True)
    assert (SPACE.n_given, space.n_given) == (5, 6)
    assert space.axes_given == SPACE.axes_given == slice(3, 5)
    page = np.linspace(0, 1, 16).reshape(1, 4, 4, 1)
    brief = space.with_sketch(space.brief(width=1.0), page)
    np.testing.assert_array_equal(brief.given, [[0, 0, 0, 1, 0, 1]])
    np.testing.assert_array_equal(brief.sketch, page.astype(np.float32))
    space.check(brief)
    bare = brief.without_sketch()
    assert bare.sketch is None
    np.testing.assert_array_equal(bare.given, [[0, 0, 0, 1, 0, 0]])
    assert bare.without_sketch() is bare


def test_sketches_that_are_none_are_refused() -> None:
    space, page = dataclasses.replace(SPACE, sketches=True), np.ones((1, 4, 4, 1))
    with pytest.raises(errors.ConfigError, match="trained without sketches"):
        SPACE.with_sketch(SPACE.brief(), page)
    for wrong in (page[..., 0], page * 255, page * np.nan, np.ones((1, 4, 4, 3))):
        with pytest.raises(errors.ConfigError, match="brief: sketch: got an array of shape"):
            space.with_sketch(space.brief(), wrong)
    stated = space.with_sketch(space.brief(), page)._replace(sketch=None)
    with pytest.raises(errors.ConfigError, match="a sketch is stated, but there is none"):
        space.check(stated)
