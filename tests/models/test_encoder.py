"""Shapes, limits and conditioning of the encoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.config import DiscriminatorConfig
from ich_jax.models import encoder

CONFIG = DiscriminatorConfig(widths=(8, 5))


@pytest.mark.parametrize(("size", "channels", "dtype"), [(28, 1, jnp.float32), (16, 3, jnp.bfloat16)])
def test_encoder(space, draw_brief, init, size, channels, dtype) -> None:
    module = encoder.create(CONFIG, space, 7, dtype)
    assert module.widths == (4, 3)
    images = jax.random.uniform(jax.random.key(0), (2, size, size, channels), jnp.float32, -1.0, 1.0)
    brief = draw_brief(space, 2)
    params = init(module, images, brief)
    mean, log_sd = module.apply(params, images, brief)
    assert mean.shape == log_sd.shape == (2, 7)
    assert mean.dtype == log_sd.dtype == jnp.float32
    np.testing.assert_array_equal(log_sd, -1.0)
    assert np.abs(mean - module.apply(params, -images, brief)[0]).max() > 1e-2
    told = brief._replace(product=(brief.product + 1) % 2)
    assert np.abs(mean - module.apply(params, images, told)[0]).max() > 1e-3
    loud = jax.tree.map(lambda p: p + 10.0, params)
    assert np.all(np.abs(module.apply(loud, images, brief)[1]) <= 6.0)
