"""Sketches in the networks: what is stated matters, what is open does not, and the reading never sees them."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.config import DiscriminatorConfig, GeneratorConfig
from ich_jax.models import discriminator, generator, layers
from ich_jax.types import Brief, ImageSpec
from tests.models.conftest import FULL

SPACE = dataclasses.replace(FULL, sketches=True)
SIZE = 16
LINES = np.random.default_rng(0).integers(0, 2, (2, SIZE, SIZE, 1)).astype(np.float32)


@pytest.fixture
def brief(draw_brief: Any) -> Brief:
    stated: Brief = draw_brief(SPACE, 2)._replace(sketch=jnp.asarray(LINES))
    return stated


def left_open(brief: Brief) -> Brief:
    return brief._replace(given=brief.given.at[:, -1].set(0.0))


def test_ink_is_what_is_stated(brief: Brief) -> None:
    np.testing.assert_array_equal(layers.ink(brief, SIZE), 1.0 - LINES)
    np.testing.assert_array_equal(layers.ink(left_open(brief), SIZE), np.zeros_like(LINES))
    np.testing.assert_array_equal(layers.ink(brief.without_sketch(), SIZE), np.zeros_like(LINES))
    with pytest.raises(errors.ConfigError, match=r"expected \(32, 32, 1\), the size of the pictures"):
        layers.ink(brief, 32)


def test_each_resolution_sees_means_of_the_ink() -> None:
    """One channel of the kernel lets through the mean of the upper left pixels, at a quarter of the size."""
    module = layers.SketchInput()
    x, lines = jnp.zeros((2, 4, 4, 1)), jnp.asarray(LINES)
    params = jax.tree.map(jnp.zeros_like, module.init(jax.random.key(0), x, lines, jnp.ones(2)))
    params["params"]["mix"]["kernel"] = params["params"]["mix"]["kernel"].at[1, 1, 0, 0].set(1.0)
    found = module.apply(params, x, lines, jnp.ones(2))
    pooled = LINES.reshape(2, 8, 2, 8, 2).mean((2, 4))
    np.testing.assert_allclose(found[..., 0], pooled[:, ::2, ::2], atol=1e-6)
    params["params"]["mix"]["kernel"] = jnp.zeros((3, 3, 5, 1)).at[1, 1, 4, 0].set(2.0)
    np.testing.assert_array_equal(module.apply(params, x, lines, jnp.array([1.0, 0.0]))[:, 0, 0, 0], [2.0, 0.0])


def test_the_generator_follows_stated_sketches_only(brief: Brief, init: Any) -> None:
    config = GeneratorConfig(z_dim=4, mapping=12, widths=(8, 6))
    module = generator.create(config, ImageSpec(SPACE, SIZE, 3), jnp.float32)
    z = jax.random.normal(jax.random.key(3), (2, 4))
    params = init(module, z, brief)
    apply = jax.jit(module.apply)
    drawn = apply(params, z, brief)
    turned = brief._replace(sketch=brief.sketch[:, ::-1])  # type: ignore[index]
    assert np.abs(drawn - apply(params, z, turned)).max() > 1e-2
    withheld = apply(params, z, left_open(brief))
    np.testing.assert_array_equal(withheld, apply(params, z, left_open(turned)))
    np.testing.assert_allclose(withheld, module.apply(params, z, brief.without_sketch()), atol=1e-5)
    blank = apply(params, z, brief._replace(sketch=jnp.ones_like(LINES)))
    assert np.abs(blank - withheld).max() > 1e-3
    plain = generator.create(config, ImageSpec(FULL, SIZE, 3), jnp.float32)
    known = init(plain, z, brief._replace(given=brief.given[:, :-1], sketch=None))["params"]
    assert {name for name in params["params"] if name not in known} == {"sketch_0", "sketch_1"}


def test_the_score_sees_sketches_and_the_reading_does_not(brief: Brief, init: Any) -> None:
    module = discriminator.create(DiscriminatorConfig(widths=(6, 6)), SPACE, jnp.float32)
    images = jax.random.normal(jax.random.key(6), (2, SIZE, SIZE, 3))
    params = init(module, images, brief)
    apply = jax.jit(module.apply)
    score, reading = apply(params, images, brief)
    other = brief._replace(sketch=brief.sketch[:, ::-1])  # type: ignore[index]
    other_score, other_reading = apply(params, images, other)
    assert np.abs(score - other_score).min() > 1e-4
    jax.tree.map(np.testing.assert_array_equal, reading, other_reading)
    jax.tree.map(
        np.testing.assert_array_equal,
        apply(params, images, left_open(brief)),
        apply(params, images, left_open(other)),
    )
