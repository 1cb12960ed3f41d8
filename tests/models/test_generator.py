"""Shapes, precision, conditioning and arms of the generator."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.config import GeneratorConfig
from ich_jax.models import convolutions, generator
from ich_jax.types import ImageSpec
from tests import helpers

CONFIG = GeneratorConfig(z_dim=4, mapping=12, widths=(8, 6))


def _build(space, draw_brief, init, config=CONFIG, size=16, channels=3, dtype=jnp.float32):
    module = generator.create(config, ImageSpec(space, size, channels), dtype)
    z, brief = jax.random.normal(jax.random.key(3), (2, config.z_dim)), draw_brief(space, 2)
    params = init(module, z, brief)
    return module, params, z, brief


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (16, 3)])
def test_shapes(space, draw_brief, init, size, channels) -> None:
    module, params, z, brief = _build(space, draw_brief, init, size=size, channels=channels)
    images = module.apply(params, z, brief)
    assert images.shape == (2, size, size, channels)
    assert images.dtype == jnp.float32
    assert 0.05 < np.std(images) < 3


def test_starts_without_checkerboard(space, draw_brief, init) -> None:
    module, params, z, brief = _build(space, draw_brief, init)
    even = jax.tree.map(jnp.zeros_like, params["params"]["backdrop"])  # a real backdrop has the picture's resolution
    images = module.apply({"params": params["params"] | {"backdrop": even}}, z, brief)
    np.testing.assert_allclose(images, convolutions.upsample_nearest(images[:, ::2, ::2]), atol=1e-6)


def test_stated_parts_matter_and_open_ones_do_not(space, draw_brief, init) -> None:
    module, params, z, brief = _build(space, draw_brief, init)
    apply = jax.jit(module.apply)
    changes = {"product": (brief.product + 1) % 2}
    if space.elements:
        changes["elements"] = (brief.elements + 1) % jnp.asarray(space.cardinalities)[None]
        changes["axes"] = brief.axes * 0.5
    for name, value in changes.items():
        changed = brief._replace(**{name: value})
        assert np.abs(apply(params, z, brief) - apply(params, z, changed)).max() > 1e-3, name
        left_open, changed = (b._replace(given=jnp.zeros_like(b.given)) for b in (brief, changed))
        np.testing.assert_array_equal(apply(params, z, left_open), apply(params, z, changed), err_msg=name)


def test_noise_matters(space, draw_brief, init) -> None:
    module, params, z, brief = _build(space, draw_brief, init)
    assert np.abs(module.apply(params, z, brief) - module.apply(params, -z, brief)).max() > 1e-2


def test_pixel_noise_enters_at_every_stage(space, draw_brief, init) -> None:
    module, params, z, brief = _build(space, draw_brief, init)
    other = z.at[:, 0].add(2.0**-12)  # as good as the same noise, but another grain
    last_bits = z.at[:, 0].multiply(1 + 2e-7)
    apply = jax.jit(module.apply)
    assert np.abs(apply(params, z, brief) - apply(params, other, brief)).max() < 5e-3
    places = [name for name in params["params"] if name.startswith("noise")]
    assert len(places) == len(CONFIG.widths) + 1
    for name in places:
        strength = params["params"][name]["strength"]
        loud = {"params": params["params"] | {name: {"strength": strength + 0.5}}}
        assert np.abs(apply(loud, z, brief) - apply(loud, other, brief)).max() > 0.05, name
        np.testing.assert_allclose(apply(loud, z, brief), apply(loud, last_bits, brief), atol=1e-5)


def test_bfloat16_computes_close_to_float32(space, draw_brief, init) -> None:
    module, params, z, brief = _build(space, draw_brief, init)
    half, half_params, *_ = _build(space, draw_brief, init, dtype=jnp.bfloat16)
    helpers.assert_trees_equal(half_params, params)
    images, half_images = module.apply(params, z, brief), half.apply(params, z, brief)
    assert half_images.dtype == jnp.float32
    assert np.any(images != half_images)
    np.testing.assert_allclose(half_images, images, rtol=0.02, atol=0.1)


def _shapes(space, draw_brief, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    module = generator.create(config, ImageSpec(space, 16, 3), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), jnp.ones((2, config.z_dim)), draw_brief(space, 2))


def test_arms_share_every_parameter_shape(space, draw_brief) -> None:
    assert _shapes(space, draw_brief, arm="plain") == _shapes(space, draw_brief, arm="residual")


def test_depth_adds_blocks_of_equal_size(space, draw_brief) -> None:
    counts = [sum(math.prod(x.shape) for x in jax.tree.leaves(_shapes(space, draw_brief, blocks=n))) for n in (1, 2, 3)]
    # Per stage of width w: two 3x3 convolutions with bias and a FiLM layer from the 12 numbers of the style.
    per_depth = sum(2 * (9 * w * w + w) + 2 * w * (12 + 1) for w in CONFIG.widths)
    assert np.diff(counts).tolist() == [per_depth, per_depth]
