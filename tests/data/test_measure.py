"""Form axes of shapes of known size."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ich_jax.config import DataConfig
from ich_jax.data import folder, measure, pipeline


def _box(width: int, height: int, left: int, top: int, size: int = 32, channels: int = 3) -> np.ndarray:
    image = np.ones((1, size, size, channels), np.float32)
    image[:, top : top + height, left : left + width] = -1.0
    return image


@pytest.mark.parametrize(
    ("width", "height", "left", "top"), [(1, 1, 5, 9), (16, 8, 4, 4), (30, 30, 1, 1), (7, 31, 12, 1), (32, 10, 0, 11)]
)
def test_a_box_has_the_axes_of_its_sides_and_area(width: int, height: int, left: int, top: int) -> None:
    axes = measure.measure(_box(width, height, left, top), np)
    expected = [6 * width / 32 - 3, 6 * height / 32 - 3, 6 * width * height / 32**2 - 3]
    np.testing.assert_array_equal(axes, np.array([expected], np.float32))


def test_nothing_is_minus_three() -> None:
    for level in (-1.0, 0.0, 1.0):
        blank = np.full((1, 16, 16, 3), level, np.float32)
        np.testing.assert_array_equal(measure.measure(blank, np), [[-3.0, -3.0, -3.0]])


def test_a_frame_spans_the_picture_but_has_little_mass() -> None:
    image = np.ones((1, 32, 32, 1), np.float32)
    image[:, 1:31, 1:31] = -1.0
    image[:, 2:30, 2:30] = 1.0
    width, height, mass = measure.measure(image, np)[0]
    assert width == height == 6 * 30 / 32 - 3
    assert mass == np.float32(6 * (30 * 30 - 28 * 28) / 1024 - 3)


def test_extent_reaches_from_the_first_to_the_last_part() -> None:
    image = _box(2, 2, 3, 5)
    image[:, 20:22, 25:29] = 0.0
    width, height, mass = measure.measure(image, np)[0]
    assert (width, height) == (6 * 26 / 32 - 3, 6 * 17 / 32 - 3)
    assert mass == np.float32(6 * 12 / 1024 - 3)


@settings(deadline=None, max_examples=25)
@given(width=st.integers(1, 30), height=st.integers(1, 30), left=st.integers(0, 2), top=st.integers(0, 2))
def test_the_full_picture_is_three_as_the_limit_of_growing_boxes(width: int, height: int, left: int, top: int) -> None:
    # Half of the border stays free for every box here, so the rule is exact.
    axes = measure.measure(_box(width, height, left, top), np)[0]
    shares = (axes + 3) / 6
    np.testing.assert_allclose(shares, [width / 32, height / 32, width * height / 1024], rtol=1e-6)


def test_non_square_pictures_are_measured_against_their_own_sides() -> None:
    image = np.zeros((1, 10, 20, 1), np.float32)
    image[:, 2:7, 5:15] = 1.0
    np.testing.assert_array_equal(measure.measure(image, np), np.array([[0.0, 0.0, -1.5]], np.float32))


def test_the_threshold_is_a_tenth_of_the_range_in_any_channel() -> None:
    levels = np.full((2, 8, 8, 3), 100, np.uint8)
    levels[0, 3, 3, 1] += 25
    levels[1, 3, 3, 1] += 26
    found = measure.find_foreground(pipeline.to_unit(levels), np)
    assert not found[0].any()
    assert found[1].sum() == 1


def test_the_ground_may_have_any_colour_and_specks_on_the_border_do_not_change_it() -> None:
    image = np.tile(np.array([0.2, -0.5, 0.9], np.float32), (1, 16, 16, 1))
    image[:, 4:12, 6:10] = [-0.8, 0.4, 0.0]
    image[:, 0, ::3] = [-0.8, 0.4, 0.0]
    found = measure.find_foreground(image, np)
    assert found.sum() == 8 * 4 + 6


def test_numpy_and_compiled_jax_agree() -> None:
    images = np.concatenate([_box(w, 33 - w - 2, 1, 1) for w in range(1, 30)])
    images = images + np.float32(0.05) * np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    np.testing.assert_allclose(jax.jit(measure.measure)(jnp.asarray(images)), measure.measure(images, np), atol=1e-6)
    assert measure.measure(images, np).dtype == np.float32


def test_shared_icons_spread_over_the_axes(shared_data: Path) -> None:
    dataset = folder.make(DataConfig(source="folder", path=str(shared_data / "icons4"), size=32))
    axes = np.asarray(dataset.train_images(dataset.n_train).brief.axes)
    assert dataset.space.axes == ("width", "height", "mass")
    assert np.abs(axes).max() <= 3
    assert (axes.std(axis=0) > 0.3).all()
    again = measure.measure(np.asarray(dataset.train_images(50).image), np)
    np.testing.assert_array_equal(again, axes[:50])
