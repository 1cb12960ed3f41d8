import io

import numpy as np
import pytest
from PIL import Image

from ich_jax.report import sheets, style
from ich_jax.types import Brief, DesignSpace, Element

SPACE = DesignSpace(("fan", "book"), (Element("palette", ("red", "sea_green")),), ("width", "depth"))


def images(*shape: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, channels), dtype=np.uint8)


def pixels(picture: style.Picture) -> np.ndarray:
    assert picture.format == "png"
    with Image.open(io.BytesIO(picture.data)) as image:
        return np.asarray(image.convert("RGB"))


def count(haystack: np.ndarray, needle: np.ndarray) -> int:
    """Number of places at which `needle` stands in `haystack`, pixel by pixel."""
    height, width = needle.shape[:2]
    corners = haystack[: haystack.shape[0] - height + 1, : haystack.shape[1] - width + 1]
    places = np.argwhere((corners == needle[0, 0]).all(axis=-1))
    return sum(bool((haystack[y : y + height, x : x + width] == needle).all()) for y, x in places)


def test_sheet_enlarges_every_image_by_whole_pixels_and_places_each_once() -> None:
    array = images(2, 3, 8, 8)
    picture = sheets.sheet({"": array}, row_labels=["a", "b"], column_labels=["1", "2", "3"], cell=24)
    drawn = pixels(picture)
    assert drawn.shape == (2 * picture.height, 2 * picture.width, 3)
    for image in array.reshape(6, 8, 8, 3):
        assert count(drawn, image.repeat(6, axis=0).repeat(6, axis=1)) == 1


def test_small_images_are_shown_at_three_pixels_a_pixel_at_least_even_when_there_are_many() -> None:
    drawn = pixels(sheets.sheet({"": images(1, 40, 16, 16)}))
    first = images(1, 40, 16, 16)[0, 0].repeat(3, axis=0).repeat(3, axis=1)
    assert count(drawn, first) == 1


def test_sheet_keeps_to_the_width_of_the_page() -> None:
    picture = sheets.sheet({"real": images(2, 6, 32, 32), "generated": images(2, 6, 32, 32)}, row_labels=["a", "b"])
    assert picture.width <= style.PAGE_WIDTH


def test_grey_images_are_drawn_grey() -> None:
    array = images(1, 1, 8, 8, channels=1)
    drawn = pixels(sheets.sheet({"": array}, cell=12))
    assert count(drawn, np.broadcast_to(array[0, 0].repeat(3, axis=0).repeat(3, axis=1), (24, 24, 3))) == 1


@pytest.mark.parametrize(
    "panels",
    [
        {},
        {"a": images(1, 1, 8, 8), "b": images(2, 1, 8, 8)},
        {"a": images(1, 1, 8, 8).astype(np.float32)},
        {"a": images(1, 1, 8, 8, channels=2)},
        {"a": images(1, 0, 8, 8)},
    ],
)
def test_sheet_refuses_what_it_cannot_draw(panels: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="sheet"):
        sheets.sheet(panels)


def test_sweeps_have_a_row_per_product_and_axis() -> None:
    one = sheets.sweeps(images(1, 1, 7, 8, 8), np.linspace(-3, 3, 7), products=["fan"], axes=["width"])
    readings = np.zeros((2, 3, 7))
    six = sheets.sweeps(
        images(2, 3, 7, 8, 8), np.linspace(-3, 3, 7), products=SPACE.products, axes=list("whd"), readings=readings
    )
    assert one.width <= six.width
    assert six.height > 5.5 * (one.height - 18)


def test_pairs_show_both_images() -> None:
    generated, nearest = images(3, 8, 8), images(3, 8, 8)[::-1]
    drawn = pixels(sheets.pairs(generated, nearest, [0.1, 0.2, 0.3]))
    scale = 96 * 2 // 8
    for image in generated:  # each stands once above and once, mirrored in order, below
        assert count(drawn, image.repeat(scale, axis=0).repeat(scale, axis=1)) == 2


def test_describe_names_what_a_brief_states() -> None:
    given = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]], np.float32)
    axes = np.array([[1.25, -3], [0.5, -0.04], [1, 1]], np.float32)
    brief = Brief(np.array([0, 1, 1]), np.array([[1], [0], [0]]), axes, given)  # type: ignore[arg-type]
    assert sheets.describe(brief, SPACE) == (
        "fan\nsea green\nwidth +1.2  depth \u22123.0",
        "book\ndepth 0.0",
        "any product",
    )


def test_describe_without_elements_and_axes() -> None:
    space = DesignSpace(("cup",))
    brief = Brief(np.zeros(1, int), np.zeros((1, 0), int), np.zeros((1, 0)), np.ones((1, 1)))  # type: ignore[arg-type]
    assert sheets.describe(brief, space) == ("cup",)


def test_equal_input_gives_equal_bytes() -> None:
    assert sheets.sheet({"": images(1, 2, 8, 8)}) == sheets.sheet({"": images(1, 2, 8, 8)})
