"""Shapes, conditioning and arms of the discriminator; no convolution that is slow to differentiate."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.config import DiscriminatorConfig, GeneratorConfig
from ich_jax.models import discriminator, generator
from ich_jax.types import ImageSpec
from tests import helpers

CONFIG = DiscriminatorConfig(widths=(6, 8))


def _build(space, draw_brief, init, config=CONFIG, size=16, channels=3, dtype=jnp.float32):
    module = discriminator.create(config, space, dtype)
    images, brief = jax.random.normal(jax.random.key(3), (3, size, size, channels)), draw_brief(space, 3)
    params = init(module, images, brief)
    return module, params, images, brief


@pytest.mark.parametrize(("size", "channels", "dtype"), [(28, 1, jnp.float32), (16, 3, jnp.bfloat16)])
def test_shapes_and_precision(space, draw_brief, init, size, channels, dtype) -> None:
    module, params, images, brief = _build(space, draw_brief, init, size=size, channels=channels, dtype=dtype)
    score, reading = module.apply(params, images, brief)
    assert score.shape == (3,)
    assert reading.product.shape == (3, len(space.products))
    assert tuple(e.shape[1] for e in reading.elements) == space.cardinalities
    assert reading.axes.shape == (3, len(space.axes))
    assert {x.dtype for x in jax.tree.leaves((score, reading, params))} == {jnp.dtype(jnp.float32)}


def test_score_knows_the_brief_and_reading_does_not(space, draw_brief, init) -> None:
    module, params, images, brief = _build(space, draw_brief, init)
    other = brief._replace(product=(brief.product + 1) % 2)
    score, reading = module.apply(params, images, brief)
    other_score, other_reading = module.apply(params, images, other)
    assert np.all(score != other_score)
    helpers.assert_trees_equal(other_reading, reading)
    left_open = [b._replace(given=jnp.zeros_like(b.given)) for b in (brief, other)]
    np.testing.assert_array_equal(*(module.apply(params, images, b)[0] for b in left_open))


def test_images_are_judged_independently(space, draw_brief, init) -> None:
    module, params, images, brief = _build(space, draw_brief, init)
    score, _ = module.apply(params, images, brief)
    changed, _ = module.apply(params, images.at[0].mul(-1), brief)
    assert changed[0] != score[0]
    np.testing.assert_allclose(changed[1:], score[1:], rtol=1e-5)


def test_arms_share_every_parameter_shape(space, draw_brief) -> None:
    def shapes(arm):
        module = discriminator.create(dataclasses.replace(CONFIG, arm=arm), space, jnp.float32)
        return jax.eval_shape(module.init, jax.random.key(0), jnp.ones((2, 16, 16, 3)), draw_brief(space, 2))

    assert shapes("plain") == shapes("residual")


def test_every_convolution_is_dense_and_of_stride_one(space, draw_brief) -> None:
    d_module = discriminator.create(CONFIG, space, jnp.float32)
    g_module = generator.create(
        GeneratorConfig(z_dim=4, mapping=8, widths=(8, 6)), ImageSpec(space, 16, 3), jnp.float32
    )
    brief = draw_brief(space, 3)
    for module, x in ((d_module, jnp.ones((3, 16, 16, 3))), (g_module, jnp.ones((3, 4)))):
        params = jax.eval_shape(module.init, jax.random.key(0), x, brief)
        jaxpr = jax.make_jaxpr(module.apply)(params, x, brief).jaxpr
        convolutions = [e for e in jaxpr.eqns if e.primitive.name == "conv_general_dilated"]
        assert len(convolutions) == 5  # two stages of one block, and the stem or the sub-pixel output
        for e in convolutions:
            assert e.params["window_strides"] == e.params["lhs_dilation"] == e.params["rhs_dilation"] == (1, 1)
            assert e.params["feature_group_count"] == 1
            assert e.invars[1].aval.shape[:2] == (3, 3)
