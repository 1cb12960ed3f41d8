"""Noise that can be written down and made again."""

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.studies.design import recipes
from ich_jax.studies.design.recipes import Between, Near, Noise

A, B = Noise(0, 3), Noise(7, 0)


def one(recipe: recipes.Recipe, width: int = 4000) -> np.ndarray:
    return recipes.noise([recipe], width)[0].astype(np.float64)


def test_noise_is_normal_and_a_function_of_seed_and_index_alone() -> None:
    both = recipes.noise([A, B], 4000)
    assert both.dtype == np.float32
    np.testing.assert_array_equal(both[1], recipes.noise([B], 4000)[0])
    assert abs(both.mean()) < 0.05 and abs(both.std() - 1) < 0.05
    assert abs(np.corrcoef(both)[0, 1]) < 0.05
    assert (one(Noise(3, 0)) != one(A)).any()


def test_a_variation_is_as_near_as_it_says_and_stays_normal() -> None:
    np.testing.assert_array_equal(one(Near(A, 0.0, B)), one(A))
    np.testing.assert_array_equal(one(Near(A, 1.0, B)), one(B))
    near = one(Near(A, 0.6, B))
    np.testing.assert_allclose(near, 0.8 * one(A) + 0.6 * one(B), atol=1e-6)
    assert abs(near.std() - 1) < 0.05


def test_a_path_keeps_the_length_and_divides_the_angle() -> None:
    a, b = one(A), one(B)
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    for share in (0.25, 0.5):
        z = one(Between(A, B, share))
        assert np.linalg.norm(z) == pytest.approx(np.linalg.norm(a), rel=0.05)
        cosine = a @ z / np.linalg.norm(a) / np.linalg.norm(z)
        assert np.arccos(cosine) == pytest.approx(share * angle, abs=0.03)
    np.testing.assert_allclose(one(Between(A, A, 0.5)), a, atol=1e-6)


def test_recipes_are_written_and_read() -> None:
    recipe = Between(Near(A, 0.3, B), Near(Between(A, B, 0.25), 0.1, A), 0.75)
    assert recipes.from_json(recipes.to_json(recipe)) == recipe
    assert recipes.source(Near(A, 0.3, B)) == B and recipes.source(Between(A, B, 0.5)) == A
    for wrong in ({}, {"seed": "x", "index": 0}, {"near": {"seed": 0, "index": 0}, "spread": 1}, {"between": 3}):
        with pytest.raises(errors.DataError, match="is no recipe of noise"):
            recipes.from_json(wrong)
