import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.models import generator
from ich_jax.training import sampling
from tests.training import tiny


def test_sampler_extrapolates_what_the_brief_changes() -> None:
    params, key = tiny.initial_state().g_params, jax.random.key(7)
    brief = jax.tree.map(lambda x: jnp.asarray(x[:5]), tiny.pictures()[1])
    plain = sampling.make_sampler(tiny.BASE, tiny.SPEC)
    strong = sampling.make_sampler(tiny.vary(evaluation={"style_strength": 2.5}), tiny.SPEC)
    given = plain(params, key, brief)
    assert given.shape == (5, tiny.SIZE, tiny.SIZE, 3)
    left_open = plain(params, key, brief._replace(given=jnp.zeros_like(brief.given)))
    assert np.abs(given - left_open).max() > 1e-2
    np.testing.assert_allclose(strong(params, key, brief), left_open + 2.5 * (given - left_open), atol=1e-5)
    np.testing.assert_array_equal(plain(params, key, brief), given)
    assert np.any(plain(params, jax.random.key(8), brief) != given)

    module = generator.create(tiny.BASE.generator, tiny.SPEC, jnp.float32)
    z = jax.random.normal(key, (5, tiny.BASE.generator.z_dim))
    np.testing.assert_allclose(given, module.apply({"params": params}, z, brief), atol=1e-5)


def test_sampler_costs_one_pass_at_strength_one() -> None:
    brief = jax.tree.map(lambda x: jnp.asarray(x[:5]), tiny.pictures()[1])
    n_convolutions = []
    for strength in (1.0, 2.0):
        sample = sampling.make_sampler(tiny.vary(evaluation={"style_strength": strength}), tiny.SPEC)
        n_convolutions.append(
            sample.lower(tiny.initial_state().g_params, jax.random.key(0), brief).as_text().count("convolution(")
        )
    assert n_convolutions == [3, 6]
