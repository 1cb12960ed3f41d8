"""Batches of one shape: padding, and noise by key and position."""

import jax
import numpy as np

from ich_jax.data import pipeline
from ich_jax.evaluation import drawing
from tests.evaluation.made import SIZE, draw_brief, make_dataset, perfect, read_cells

N = drawing.BATCH + 3  # more than one batch, the last one padded


def test_every_design_is_drawn_once_whatever_the_batch() -> None:
    brief = drawing.on_host(draw_brief(make_dataset().space, jax.random.key(0), N))
    key = jax.random.key(1)
    images = drawing.draw(perfect, np.float32(1.0), key, brief)
    assert images.shape == (N, SIZE, SIZE, 1)
    assert images.dtype == np.uint8
    np.testing.assert_allclose(drawing.read_all(read_cells, images).axes, brief.axes, atol=3.0 / 127.5)
    # The noise of a design depends on key and position, not on what follows.
    fewer = drawing.draw(perfect, np.float32(1.0), key, drawing.rows(brief, slice(N - 2)))
    np.testing.assert_array_equal(fewer, images[: N - 2])
    other = drawing.draw(perfect, np.float32(1.0), jax.random.key(2), brief)
    assert (other[:, SIZE // 2 :] != images[:, SIZE // 2 :]).any(axis=(1, 2, 3)).all()


def test_scores_are_of_stored_pixels_in_order() -> None:
    images = np.arange(N, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    brief = drawing.on_host(draw_brief(make_dataset().space, jax.random.key(0), N))
    scores = drawing.score_all(lambda pixels, _: pixels[:, 0, 0, 0], images, brief)
    np.testing.assert_allclose(scores, np.asarray(pipeline.to_unit(images))[:, 0, 0, 0])


def test_keys_of_briefs_and_noise_differ_for_every_purpose() -> None:
    key = jax.random.key(0)
    noise = {np.asarray(jax.random.key_data(drawing.noise_key(key, purpose))).tobytes() for purpose in drawing.Purpose}
    assert len(noise) == len(drawing.Purpose)


def test_repeat_keeps_rows_together() -> None:
    brief = drawing.on_host(draw_brief(make_dataset().space, jax.random.key(0), 2))
    np.testing.assert_array_equal(drawing.repeat(brief, 3).product, np.repeat(brief.product, 3))
