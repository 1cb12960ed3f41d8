"""Parts that a brief leaves open, drawn for each candidate."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from ich_jax.evaluation import drawing
from ich_jax.studies.design import briefs, open_parts, plan
from ich_jax.studies.design.designer import Job
from ich_jax.studies.design.open_parts import OpenParts
from ich_jax.studies.design.recipes import Near, Noise, Recipe
from ich_jax.types import Brief, DesignSpace, Element

SPACE = DesignSpace(
    ("fan", "book"), (Element("palette", ("red", "blue")), Element("grip", ("long", "none"))), ("w", "h")
)


def pool(n: int = 600) -> Brief:
    """Fans have a long grip, books none; a fan's w is positive and a book's h is unknown."""
    rng = np.random.default_rng(0)
    product = rng.integers(0, 2, n)
    axes = rng.uniform(0.5, 2.0, (n, 2)) * np.where(product == 0, 1, -1)[:, None]
    given = np.ones((n, 5), np.float32)
    given[product == 1, 4] = 0
    elements = np.stack([rng.integers(0, 2, n), product], axis=1)
    parts = (product.astype(np.int32), elements.astype(np.int32), axes.astype(np.float32), given)
    return Brief(*parts)  # type: ignore[arg-type]  # numpy is welcome


OPEN_PARTS = OpenParts(pool(), SPACE)


def job(text: str, made: list[Recipe] | None = None) -> Job:
    (asked,) = briefs.read([text], "", SPACE)
    return plan.job(asked, list(made or [Noise(0, i) for i in range(40)]))


def filled(text: str, made: list[Recipe] | None = None) -> Brief:
    found = OPEN_PARTS.fill(job(text, made)).filled
    assert found is not None
    return found


def stated(brief: Brief) -> list[dict[str, str | float]]:
    return [
        dict(briefs.from_arrays(drawing.rows(brief, slice(i, i + 1)), SPACE))
        for i in range(len(np.asarray(brief.axes)))
    ]


def test_what_is_asked_stays_and_the_rest_comes_from_one_image() -> None:
    found = stated(filled("product=fan, w=-2"))
    assert all(one["product"] == "fan" and one["w"] == -2.0 and one["grip"] == "long" for one in found)
    images = stated(OPEN_PARTS.pool)
    for one in found:  # palette and h of one and the same fan
        assert any(
            image["product"] == "fan" and (image["palette"], image["h"]) == (one["palette"], one["h"])
            for image in images
        )
    assert {one["palette"] for one in found} == {"red", "blue"} and len({one["h"] for one in found}) > 20


def test_parts_that_images_do_not_know_stay_open() -> None:
    found = stated(filled("product=book"))
    assert all("h" not in one and float(one["w"]) < 0 and one["grip"] == "none" for one in found)


def test_the_product_counts_for_more_than_elements() -> None:
    found = stated(filled("product=book, grip=long"))  # no book has one; its other parts are those of books
    assert all(one["grip"] == "long" and float(one["w"]) < 0 for one in found)


def test_a_candidate_does_not_depend_on_how_many_there_are() -> None:
    few, many = (
        filled("palette=red", [Noise(3, i) for i in range(5)]),
        filled("palette=red", [Noise(3, i) for i in range(9)]),
    )
    for a, b in zip(few[:4], many[:4], strict=True):
        assert (np.asarray(a) == np.asarray(b)[:5]).all()
    other = filled("palette=red", [Noise(4, i) for i in range(5)])
    assert (np.asarray(other.axes) != np.asarray(few.axes)).any()


def test_nothing_to_fill_and_designs_that_are_there_are_left_alone() -> None:
    whole = job("product=fan, palette=red, grip=long, w=0, h=1")
    assert OPEN_PARTS.fill(whole) is whole and whole.drawn is whole.brief
    near = job("product=fan", [Near(Noise(0, 0), 0.3, Noise(1, i)) for i in range(4)])
    assert OPEN_PARTS.fill(near) is near


def test_along_a_sweep_the_open_parts_of_a_noise_stay() -> None:
    found = job("product=fan, w=-3", [Noise(0, 0)] * 3)
    values = np.array([[-3.0, 0.0], [0.0, 0.0], [3.0, 0.0]], np.float32)
    swept = dataclasses.replace(found, brief=found.brief._replace(axes=values))  # type: ignore[arg-type]
    drawn: npt.NDArray[np.float32] = np.asarray(OPEN_PARTS.fill(swept).drawn.axes)
    assert drawn[:, 0].tolist() == [-3.0, 0.0, 3.0] and len(set(drawn[:, 1].tolist())) == 1 and drawn[0, 1] != 0


def test_sketches_are_not_drawn_and_leave_their_briefs_alone() -> None:
    space = dataclasses.replace(SPACE, sketches=True)
    entry = np.zeros((600, 1), np.float32)
    drawn = OPEN_PARTS.pool._replace(given=np.concatenate([np.asarray(OPEN_PARTS.pool.given), entry], axis=1))  # type: ignore[arg-type]
    (asked,) = briefs.read(["product=fan"], "", space)
    without = plan.job(asked, [Noise(0, i) for i in range(4)])
    page = dataclasses.replace(without, brief=without.brief._replace(sketch=np.ones((4, 8, 8, 1), np.float32)))  # type: ignore[arg-type]
    assert OpenParts(drawn, space).fill(page) is page
    found = OpenParts(drawn, space).fill(without).filled
    assert found is not None and np.asarray(found.given).tolist() == [[1, 1, 1, 1, 1, 0]] * 4


def test_sets_give_the_same_pool_each_time() -> None:
    from ich_jax.config import DataConfig
    from ich_jax.data import make

    dataset = make.make(DataConfig(size=32))
    a, b = open_parts.draw_pool(dataset), open_parts.draw_pool(dataset)
    assert len(a.pool.axes) == 4096 and (np.asarray(a.pool.elements) == np.asarray(b.pool.elements)).all()


@pytest.mark.parametrize("text", ["product=fan", "w=1"])
def test_each_part_is_stated_once_filled(text: str) -> None:
    fans = [one for one in stated(filled(text)) if one["product"] == "fan"]
    assert fans and all(set(one) == {"product", "palette", "grip", "w", "h"} for one in fans)
