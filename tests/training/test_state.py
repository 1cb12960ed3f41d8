"""The state before the first step, and its hash."""

import dataclasses
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.training import state as state_lib
from ich_jax.types import DesignSpace, ImageSpec
from tests import helpers

SPEC = ImageSpec(DesignSpace(("a", "b"), (), ("width",)), 8, 3)
CONFIG = config_lib.Config(
    generator=config_lib.GeneratorConfig(z_dim=4, mapping=6, widths=(4,)),
    discriminator=config_lib.DiscriminatorConfig(widths=(4,)),
    train=config_lib.TrainConfig(steps=10, batch=4),
)


@pytest.fixture(scope="module")
def state() -> state_lib.TrainState:
    return state_lib.create_state(CONFIG, SPEC)


def test_is_a_pure_function_of_the_seed(state: state_lib.TrainState) -> None:
    helpers.assert_trees_equal(state_lib.create_state(CONFIG, SPEC), state)
    other = state_lib.create_state(dataclasses.replace(CONFIG, seed=1), SPEC)
    helpers.assert_trees_same_structure(other, state)
    assert np.any(other.g_params["base"]["kernel"] != state.g_params["base"]["kernel"])
    assert np.any(other.d_params["hidden"]["kernel"] != state.d_params["hidden"]["kernel"])


def test_arms_and_gains_share_a_program_and_differ_in_the_last_layers_only(state: state_lib.TrainState) -> None:
    compiled = state_lib._compiled_create.cache_info().misses
    plain = {
        "generator": dataclasses.replace(CONFIG.generator, arm="plain", plain_scale=0.7),
        "discriminator": dataclasses.replace(CONFIG.discriminator, arm="plain", plain_scale=1.6),
    }
    other = state_lib.create_state(dataclasses.replace(CONFIG, **plain), SPEC)
    assert state_lib._compiled_create.cache_info().misses == compiled
    for net, gain, ours, theirs in (
        (CONFIG.generator, 0.7, state.g_params, other.g_params),
        (CONFIG.discriminator, 1.6, state.d_params, other.d_params),
    ):
        at = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(theirs)}
        changed = []
        for path, leaf in jax.tree_util.tree_leaves_with_path(ours):
            where, value = jax.tree_util.keystr(path), at[jax.tree_util.keystr(path)]
            if not np.array_equal(leaf, value):
                changed.append(where)
                np.testing.assert_allclose(value / gain, leaf / net.residual_scale, rtol=1e-6)
        assert changed and all("['conv2']['kernel']" in where for where in changed)


def test_counters_average_and_optimisers(state: state_lib.TrainState) -> None:
    assert (state.step, state.skipped, state.skipped_in_a_row, state.lr_scale) == (0, 0, 0, 1.0)
    assert [x.dtype for x in (state.step, state.skipped, state.skipped_in_a_row)] == [jnp.int32] * 3
    helpers.assert_trees_equal(state.ema_params, state.g_params)
    assert (state.g_opt.count, state.d_opt.count) == (0, 0)
    helpers.assert_trees_same_structure(state.g_opt.mu, state.g_params)
    assert not any(np.any(x) for x in jax.tree.leaves((state.g_opt, state.d_opt)))


def test_parameters_are_float32_whatever_the_compute_type(state: state_lib.TrainState) -> None:
    half = dataclasses.replace(CONFIG, compute=config_lib.ComputeConfig(dtype="bfloat16"))
    helpers.assert_trees_equal(state_lib.create_state(half, SPEC), state)
    params = jax.tree.leaves((state.g_params, state.d_params, state.e_params, state.ema_params))
    assert {x.dtype for x in params} == {jnp.dtype(jnp.float32)}


def test_every_leaf_has_a_buffer_of_its_own(state: state_lib.TrainState) -> None:
    pointers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(state) if x.size]
    assert len(set(pointers)) == len(pointers)  # or the state could not be donated


def test_hash_sees_every_network_and_nothing_else(state: state_lib.TrainState) -> None:
    original = state_lib.params_sha256(state)
    assert len(original) == 64
    assert original == state_lib.params_sha256(jax.device_get(state).replace(step=np.int32(7), skipped=np.int32(1)))
    hashes = {original}
    for name in ("g_params", "d_params", "e_params", "ema_params"):
        params = getattr(state, name)
        last = jax.tree.leaves(params)[-1]
        changed = jax.tree.map(lambda x, last=last: jnp.nextafter(x, x + 1) if x is last else x, params)
        hashes.add(state_lib.params_sha256(state.replace(**{name: changed})))
    assert len(hashes) == 5


def test_digest_depends_on_every_parameter_and_on_paths_unless_they_are_left_out() -> None:
    params = {"a": jnp.zeros(2), "b": jnp.ones(3)}
    renamed = {"a": params["a"], "c": params["b"]}
    for paths in (True, False):
        digests = {state_lib.sha256(params | {name: params[name] + 1}, paths=paths) for name in params}
        assert len(digests | {state_lib.sha256(params, paths=paths)}) == 3
        assert (state_lib.sha256(renamed, paths=paths) == state_lib.sha256(params, paths=paths)) is not paths
    straight = hashlib.sha256(np.zeros(2, np.float32).tobytes() + np.ones(3, np.float32).tobytes())
    assert state_lib.sha256(params, paths=False) == straight.hexdigest()


def test_the_seed_of_the_state_makes_the_keys_of_its_integer() -> None:
    for seed in (1, 2**31 + 7, 2**32 - 1):
        state = state_lib.create_state(dataclasses.replace(CONFIG, seed=seed), SPEC)
        assert (jax.random.key_data(jax.random.key(state.seed)) == jax.random.key_data(jax.random.key(seed))).all()


@pytest.mark.parametrize("seed", [-1, 2**32, 2**33 + 5])
def test_a_config_that_nobody_checked_is_refused_where_its_seed_repeats_another(seed: int) -> None:
    with pytest.raises(errors.ConfigError, match=rf"config.seed: got {seed}; .* from 0 to 4,294,967,295"):
        state_lib.create_state(dataclasses.replace(CONFIG, seed=seed), SPEC)
