"""The gradients that the step tells against those of the same loss written out."""

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax.data import pipeline
from ich_jax.models import discriminator, generator
from ich_jax.training import gradients
from ich_jax.training import state as state_lib
from tests import helpers
from tests.training import made

CONFIG = made.config(
    objective={
        **{"loss": "wasserstein", "penalty": "none", "reading_d": 0.0, "reading_g": 0.0},
        **{"reconstruction": 0.0, "condition_dropout": 0.0},
    },
    train={"clip": 0.01, "beta1": 0.5},  # clipped, as the norms are larger
)


def test_against_the_loss_written_out() -> None:
    data = made.dataset()
    state = state_lib.create_state(CONFIG, made.SPEC)
    before = jax.device_get(state)
    of_g, of_d = gradients.make_gradients(CONFIG, data)(state)
    helpers.assert_trees_equal(jax.device_get(state), before)  # nothing was donated away

    g_module = generator.create(CONFIG.generator, made.SPEC, jnp.float32)
    d_module = discriminator.create(CONFIG.discriminator, made.SPACE, jnp.float32)
    index = pipeline.batch_indices(pipeline.data_key(CONFIG.seed), 0, CONFIG.train.batch, made.N)
    assert data.sample is not None
    batch = data.sample(data.arrays, index)
    z_key = jax.random.split(jax.random.fold_in(jax.random.key(CONFIG.seed), 0), 4)[0]
    z = jax.random.normal(z_key, (CONFIG.train.batch, CONFIG.generator.z_dim), jnp.float32)

    def scores(g_params: object, d_params: object) -> tuple[jax.Array, jax.Array]:
        fake = g_module.apply({"params": g_params}, z, batch.brief)
        return tuple(d_module.apply({"params": d_params}, images, batch.brief)[0] for images in (batch.image, fake))

    g_loss = lambda g: -jnp.mean(scores(g, state.d_params)[1])  # noqa: E731
    d_loss = lambda d: jnp.mean(scores(state.g_params, d)[1]) - jnp.mean(scores(state.g_params, d)[0])  # noqa: E731
    pairs = ((of_g, jax.jit(jax.grad(g_loss))(state.g_params)), (of_d, jax.jit(jax.grad(d_loss))(state.d_params)))
    for found, expected in pairs:
        norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(expected)))
        assert norm > CONFIG.train.clip
        helpers.assert_trees_close(found, expected, rtol=1e-3, atol=1e-5 * norm)
