"""What the objective asks of the networks, seen through the compiled step."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax.training import objective, parallel
from ich_jax.training import step as step_lib
from ich_jax.types import Brief
from tests import helpers
from tests.training import tiny


def test_each_loss_reaches_its_own_network_only() -> None:
    """Changing what only one side's loss holds leaves the gradient of the other alone (beta1 = 0: it is mu)."""
    base, _ = tiny.run(1)
    g_side, _ = tiny.run(1, tiny.vary(objective={"reading_g": 5.0}))
    helpers.assert_trees_close(_direction(g_side.d_opt), _direction(base.d_opt), rtol=1e-3, atol=1e-5)
    assert _distance(g_side.g_opt, base.g_opt) > 0.01
    d_side, _ = tiny.run(1, tiny.vary(objective={"reading_d": 5.0, "penalty": "none"}))
    helpers.assert_trees_close(_direction(d_side.g_opt), _direction(base.g_opt), rtol=1e-3, atol=1e-5)
    assert _distance(d_side.d_opt, base.d_opt) > 0.01


def _direction(opt: Any) -> Any:
    mu = jax.device_get(opt.mu)  # numpy compiles nothing
    norm = np.sqrt(sum(np.sum(m**2) for m in jax.tree.leaves(mu)))
    return jax.tree.map(lambda m: m / norm, mu)


def _distance(a: Any, b: Any) -> float:
    differences = jax.tree.map(lambda x, y: np.sum((x - y) ** 2), _direction(a), _direction(b))
    return float(np.sqrt(sum(jax.tree.leaves(differences))))


def test_learns_to_read_and_to_be_read() -> None:
    state, first = tiny.run(10)
    state, _ = tiny.run(150, state=state)
    _, last = tiny.run(10, state=state)
    assert last["reading_real"] < 0.5 * first["reading_real"]
    assert last["reading_fake"] < 0.6 * first["reading_fake"]


def test_alternate_discriminator_pulls_scores_apart() -> None:
    config = tiny.vary(
        objective={
            "update": "alternate",
            "d_steps": 2,
            "loss": "wasserstein",
            "penalty": "wgan_gp",
            "penalty_weight": 1.0,
            "reading_d": 0.0,
        },
        train={"g_lr": tiny.FROZEN},
    )
    assert step_lib.images_per_step(config) == 16
    state, first = tiny.run(2, config)
    assert (state.step, state.d_opt.count, state.g_opt.count) == (2, 4, 2)
    state, last = tiny.run(40, config, state)
    assert last["score_real"] - last["score_fake"] > first["score_real"] - first["score_fake"] + 0.5
    assert last["d_loss"] < first["d_loss"] - 0.5
    helpers.assert_trees_close(state.g_params, tiny.initial_state(config).g_params, atol=1e-8)


@pytest.mark.parametrize("update", ["simultaneous", "alternate"])
def test_real_images_are_drawn_again_from_the_noise_read_off_them(update: str) -> None:
    config = tiny.vary(
        objective=tiny.NO_PENALTY | {"reconstruction": 40.0, "noise_kl": 0.0, "update": update},
        train={"d_lr": tiny.FROZEN},
    )
    state, first = tiny.run(2, config)
    state, last = tiny.run(60, config, state)
    assert last["reconstruction"] < 0.8 * first["reconstruction"]
    assert last["noise_kl"] > first["noise_kl"] > 0  # unless it costs something, the noise says more and more


def test_noise_that_costs_much_says_nothing() -> None:
    config = tiny.vary(
        objective=tiny.NO_PENALTY | {"reconstruction": 1e-3, "noise_kl": 10.0},
        train={"d_lr": tiny.FROZEN, "g_lr": 0.02},
    )
    state, first = tiny.run(2, config)
    _, last = tiny.run(60, config, state)
    assert last["noise_kl"] < 0.2 * first["noise_kl"]


def test_noise_read_off_real_images_becomes_standard_normal() -> None:
    config = tiny.vary(
        objective=tiny.NO_PENALTY | {"reconstruction": 1e-3, "noise_kl": 0.0, "noise_mismatch": 10.0},
        train={"d_lr": tiny.FROZEN, "g_lr": 0.003},
    )
    state, first = tiny.run(2, config)
    _, last = tiny.run(200, config, state)
    assert first["noise_mismatch"] > 0.5  # it starts with a deviation of e^-1
    assert abs(last["noise_mismatch"]) < 0.5 * first["noise_mismatch"]


def test_without_reconstruction_there_is_no_encoder() -> None:
    config = tiny.vary(objective=tiny.NO_PENALTY | {"reconstruction": 0.0})
    state, window = tiny.run(1, config)
    assert state.e_params == {}
    assert [window[name] for name in ("reconstruction", "noise_kl", "noise_mismatch")] == [0.0, 0.0, 0.0]


def test_relativistic_generator_climbs_in_bfloat16_under_augmentation() -> None:
    config = tiny.vary(
        data={"augment": "flip,color,translation,cutout"},
        objective={
            "loss": "relativistic",
            "penalty": "r1_r2",
            "reading_g": 0.0,
            "reconstruction": 0.0,
            "condition_dropout": 0.5,
        },
        train={"d_lr": tiny.FROZEN},
        compute={"dtype": "bfloat16"},
    )
    state, first = tiny.run(2, config)
    state, last = tiny.run(60, config, state)
    assert last["g_loss"] < first["g_loss"]
    assert last["score_fake"] > first["score_fake"]
    assert {x.dtype for x in jax.tree.leaves((state.g_params, state.g_opt.nu))} == {jnp.dtype(jnp.float32)}
    helpers.assert_trees_close(state.d_params, tiny.initial_state(config).d_params, atol=1e-8)


def test_condition_dropout_rates() -> None:
    n, p = 20_000, 0.2
    given = np.ones((n, 4), np.float32)
    given[:, 3] = 0  # not known in the data
    brief = Brief(jnp.zeros(n, jnp.int32), jnp.zeros((n, 1), jnp.int32), jnp.zeros((n, 2)), jnp.asarray(given))

    def leave_open(probability: float) -> np.ndarray:
        return np.asarray(objective.leave_open(parallel.single(), jax.random.key(0), brief, n, probability).given)

    kept = leave_open(p)
    np.testing.assert_allclose(1 - kept[:, :3].mean(0), [p] * 3, atol=0.012)  # four standard errors
    part = (p / 2) / (1 - p / 2)
    np.testing.assert_allclose((kept[:, :3] == 0).all(1).mean(), p / 2 + (1 - p / 2) * part**3, atol=0.009)
    assert not kept[:, 3].any()
    np.testing.assert_array_equal(leave_open(0.0), given)


def test_sketches_are_left_open_besides() -> None:
    n, layout, key = 20_000, parallel.single(), jax.random.key(0)
    brief = Brief(jnp.zeros(n, jnp.int32), jnp.zeros((n, 0), jnp.int32), jnp.zeros((n, 1)), jnp.ones((n, 3)))
    drawn = brief._replace(sketch=jnp.zeros((n, 1, 1, 1)))
    given = np.asarray(objective.leave_open(layout, key, drawn, n, 0.0, 0.5).given)
    assert given[:, :2].all()
    np.testing.assert_allclose(given[:, 2].mean(), 0.5, atol=0.015)  # four standard errors
    rest = objective.leave_open(layout, key, drawn, n, 0.2).given
    alike = objective.leave_open(layout, key, brief, n, 0.2, 0.5).given  # without sketches it is as it was
    np.testing.assert_array_equal(rest, alike)


@pytest.mark.parametrize("network", ["sngan", "r3gan"])
def test_published_networks_train_alike_by_either_rule(network: str) -> None:
    """Both rules for R1 and R2 lead to the same gradients, through the whole step."""
    config = tiny.vary(
        generator={"network": network, "widths": (8, 8)},
        discriminator={"network": network, "widths": (8, 8)[: 1 + (network == "r3gan")], "activation": "leaky_relu"},
        objective={"penalty_share": 1.0, "reading_d": 0.0, "reading_g": 0.0, "reconstruction": 0.0},
    )
    states, windows = zip(
        *(
            tiny.run(1, dataclasses.replace(config, compute=config_lib.ComputeConfig(penalty_rule=rule)))
            for rule in ("autodiff", "exact")
        ),
        strict=True,
    )
    for name in ("g_opt", "d_opt"):
        autodiff, exact = (getattr(state, name).mu for state in states)
        for a, b in zip(jax.tree.leaves(autodiff), jax.tree.leaves(exact), strict=True):
            np.testing.assert_allclose(b, a, atol=1e-4 * max(1e-3, float(np.abs(a).max())))
    assert windows[0]["penalty"] > 0
    for name, value in windows[0].items():
        np.testing.assert_allclose(windows[1][name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_lazy_penalty_counts_as_many_times() -> None:
    config = tiny.vary(objective={"penalty_interval": 3, "penalty_share": 1.0})
    every = tiny.vary(objective={"penalty_share": 0.999})  # of all images as well, in passes of its own
    first, last = tiny.run(1, config)[1]["penalty"], tiny.run(3, config)[1]["penalty"]
    np.testing.assert_allclose(first, 3 * tiny.run(1, every)[1]["penalty"], rtol=1e-5)
    np.testing.assert_allclose(last, first / 3, rtol=1e-6)  # the mean over three steps, two of them without
