"""Step sizes, averages and clipping, seen through the compiled step."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ich_jax import config as config_lib
from ich_jax.training import optimiser
from tests import helpers
from tests.training import tiny


def test_average_and_step_size() -> None:
    state, window = tiny.run(1)
    before = tiny.initial_state()
    expected = jax.tree.map(lambda old, new: 0.1 * old + 0.9 * new, before.ema_params, state.g_params)
    helpers.assert_trees_close(state.ema_params, expected)  # (1 + 0) / (10 + 0) of the old one at step 0
    np.testing.assert_allclose((window["g_lr"], window["d_lr"]), 2e-3 / 4, rtol=1e-6)
    # With beta1 = 0 Adam's first step is lr * g / (|g| + eps): every parameter moves by at most lr.
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), state.d_params, before.d_params)
    np.testing.assert_allclose(max(jax.tree.leaves(moved)), 2e-3 / 4, rtol=1e-3)


def test_schedule() -> None:
    config = config_lib.TrainConfig(steps=100, warmup=10, final_lr=0.2)

    def share(step: int) -> float:
        return float(optimiser.lr_share(config, jnp.asarray(step, jnp.int32)))

    cosine_9 = 0.2 + 0.8 * 0.5 * (1 + np.cos(np.pi * 0.09))
    np.testing.assert_allclose([share(9), share(50), share(100)], [cosine_9, 0.6, 0.2], rtol=1e-5)
    np.testing.assert_allclose(share(0), 0.1, rtol=1e-5)
    short = dataclasses.replace(config, steps=4, warmup=200)
    np.testing.assert_allclose(float(optimiser.lr_share(short, jnp.asarray(1, jnp.int32))), 0.882843, rtol=1e-5)


def test_lr_scale_multiplies_both_step_sizes() -> None:
    before = tiny.initial_state()
    state, window = tiny.run(1, state=tiny.initial_state().replace(lr_scale=jnp.zeros((), jnp.float32)))
    helpers.assert_trees_equal((state.g_params, state.d_params), (before.g_params, before.d_params))
    assert window["g_lr"] == window["d_lr"] == 0
    assert state.g_opt.count == 1


def test_gradients_are_clipped_by_global_norm() -> None:
    config = tiny.vary(train={"clip": 1e-3})
    state, window = tiny.run(1, config)
    for opt, norm in ((state.g_opt, window["g_grad_norm"]), (state.d_opt, window["d_grad_norm"])):
        assert norm > 1e-2
        clipped = np.sqrt(sum(float(jnp.sum(m**2)) for m in jax.tree.leaves(opt.mu)))  # beta1 = 0: mu is the gradient
        np.testing.assert_allclose(clipped, 1e-3, rtol=1e-4)
    reference, _ = tiny.run(1)
    scaled = jax.tree.map(lambda m: m * (1e-3 / window["d_grad_norm"]), _unclipped(reference.d_opt.mu))
    helpers.assert_trees_close(state.d_opt.mu, scaled, rtol=1e-3, atol=1e-8)


def test_frozen_stages_keep_their_weights_and_others_move() -> None:
    config, before = dataclasses.replace(tiny.vary().train, freeze_d=1), tiny.initial_state()
    ones = jax.tree.map(jnp.ones_like, before.d_params)
    state, _ = jax.jit(lambda state: optimiser.descend_d(config, state, ones))(before)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), state.d_params, before.d_params)
    assert {name for name, part in same.items() if all(jax.tree.leaves(part))} == {"stem", "stage_0_block_0"}
    assert not any(any(jax.tree.leaves(part)) for name, part in same.items() if name not in ("stem", "stage_0_block_0"))


def _unclipped(mu: Any) -> Any:
    """The base config clips at 5, above the norms of this tiny net's first step."""
    assert sum(float(jnp.sum(m**2)) for m in jax.tree.leaves(mu)) < 25 * (1 - 1e-3)
    return mu
