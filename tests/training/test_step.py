"""The compiled step on a tiny set of random pictures whose brief is known: what moves, what is kept, what it costs."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.models import generator
from ich_jax.training import objective, optimiser, parallel, sampling
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.types import Batch, Brief, DesignSpace, Element
from tests import helpers

SPACE = DesignSpace(("a", "b"), (Element("tint", ("red", "green", "blue")),), ("light",))
SIZE, N = 8, 32
BASE = config_lib.Config(
    generator=config_lib.GeneratorConfig(z_dim=4, mapping=8, widths=(6,)),
    discriminator=config_lib.DiscriminatorConfig(widths=(6,)),
    train=config_lib.TrainConfig(steps=200, batch=8, warmup=4, beta1=0.0),
)


def _with(**sections: dict[str, Any]) -> config_lib.Config:
    return dataclasses.replace(
        BASE, **{name: dataclasses.replace(getattr(BASE, name), **values) for name, values in sections.items()}
    )


def _pictures() -> tuple[np.ndarray, Brief]:
    """Noise around a light level given by the axis, in a channel given by the tint, on a side given by the product."""
    rng = np.random.default_rng(0)
    product, tint = rng.integers(0, 2, N).astype(np.int32), rng.integers(0, 3, (N, 1)).astype(np.int32)
    axes = rng.uniform(-3, 3, (N, 1)).astype(np.float32)
    image = 128 + rng.normal(0, 20, (N, SIZE, SIZE, 3))
    for i in range(N):
        image[i, :, 4 * product[i] : 4 * product[i] + 4, tint[i, 0]] += 30 * axes[i, 0]
    return image.clip(0, 255).astype(np.uint8), Brief(product, tint, axes, np.ones((N, 3), np.float32))


def _index(step: int, batch: int) -> np.ndarray:
    words = np.asarray(jax.random.key_data(pipeline.data_key(BASE.seed)))
    return pipeline.batch_indices(words, step, batch, N, np)


def _dataset(*, on_device: bool = True) -> Dataset:
    images, brief = _pictures()

    def sample(arrays: Any, index: jax.Array) -> Batch:
        return Batch(*jax.tree.map(lambda x: x[index], arrays))

    return Dataset(
        space=SPACE,
        size=SIZE,
        channels=3,
        n_train=N,
        n_holdout=0,
        fingerprint="tiny",
        simulated=True,
        arrays=jax.device_put((pipeline.to_unit(images), brief)),
        sample=sample if on_device else None,
        host_batches=None,
        holdout=lambda split, n: None,
        train_images=lambda n: None,
        briefs=lambda key, n: None,
    )


def _state(config: config_lib.Config = BASE) -> state_lib.TrainState:
    return jax.tree.map(jnp.array, _initial(config))  # a copy: the step donates it


@functools.cache
def _initial(config: config_lib.Config) -> state_lib.TrainState:
    return state_lib.create_state(config, SPACE, SIZE, 3)


@functools.lru_cache(maxsize=6)  # all would hold more memory maps than a process may have
def _step(config: config_lib.Config, source: str = "device") -> Any:
    """The step, compiled ahead of time."""
    images, brief = _pictures()
    batch = jax.tree.map(lambda x: x[None, :8], Batch(images, brief))
    dataset = _dataset(on_device=source == "device")
    step = step_lib.make_step(config, dataset)
    return step.lower(
        _state(config), dataset.arrays if source == "device" else batch, window_lib.new_window()
    ).compile()


def _run(n: int, config: config_lib.Config = BASE, state: Any = None) -> tuple[state_lib.TrainState, dict[str, float]]:
    arrays, window = _dataset().arrays, window_lib.new_window()
    state = _state(config) if state is None else state
    for _ in range(n):
        state, window = _step(config)(state, arrays, window)
    return state, window_lib.read_window(window)


def test_everything_moves() -> None:
    state, window = _run(2)
    before = _state()
    for name in ("g_params", "d_params", "e_params", "ema_params"):
        after, start = (dict(getattr(of, name)) for of in (state, before))
        if name == "d_params":  # relativistic: the score's bias leaves every difference of scores as it is
            assert after.pop("score")["bias"] == start.pop("score")["bias"]
        helpers.assert_trees_differ_everywhere(after, start)
    helpers.assert_tree_finite(state)
    assert (state.step, state.skipped, state.skipped_in_a_row) == (2, 0, 0)
    assert (state.g_opt.count, state.d_opt.count, state.e_opt.count) == (2, 2, 2)
    assert set(window) == {*window_lib.MEANS, *window_lib.LAST}
    assert all(np.isfinite(v) for v in window.values())
    assert window["penalty"] > 0
    assert 0 <= window["real_beats_fake"] <= 1


def test_no_compilation_no_transfer_and_no_copy_after_the_first_call() -> None:
    step = step_lib.make_step(BASE, _dataset())
    arrays, state, window = _dataset().arrays, _state(), window_lib.new_window()
    state, window = step(state, arrays, window)
    with helpers.count_compiles() as compiles, jax.transfer_guard("disallow"):
        new_state, new_window = step(state, arrays, window)
        fresh = window_lib.new_window()
        jax.block_until_ready((new_state, new_window, fresh))
    assert compiles.count == 0, compiles.functions
    assert all(x.is_deleted() for x in jax.tree.leaves((state, window.sums, window.count)))


def test_state_and_window_are_donated_whole() -> None:
    state, window = _state(), window_lib.new_window()
    n_bytes = sum(x.nbytes for x in jax.tree.leaves((state, window.sums, window.count)))  # `last` is only written
    assert _step(BASE).memory_analysis().alias_size_in_bytes == n_bytes


def test_resumed_run_is_bit_identical() -> None:
    straight, _ = _run(4)
    half, _ = _run(2)
    resumed, _ = _run(2, state=jax.device_put(jax.device_get(half)))
    helpers.assert_trees_equal(resumed, straight)
    assert state_lib.params_sha256(resumed) == state_lib.params_sha256(straight)


def test_host_batches_give_the_same_step() -> None:
    images, brief = _pictures()
    state, window = _state(), window_lib.new_window()
    for i in range(2):
        part = jax.tree.map(lambda x, i=i: x[_index(i, 8)][None], Batch(images, brief))
        state, window = _step(BASE, "host")(state, part, window)
    expected, means = _run(2)
    helpers.assert_trees_close(state, expected, rtol=1e-4, atol=1e-5)
    for name, value in window_lib.read_window(window).items():
        np.testing.assert_allclose(value, means[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_average_and_step_size() -> None:
    state, window = _run(1)
    before = _state()
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
    before = _state()
    state, window = _run(1, state=_state().replace(lr_scale=jnp.zeros((), jnp.float32)))
    helpers.assert_trees_equal((state.g_params, state.d_params), (before.g_params, before.d_params))
    assert window["g_lr"] == window["d_lr"] == 0
    assert state.g_opt.count == 1


def test_gradients_are_clipped_by_global_norm() -> None:
    config = _with(train={"clip": 1e-3})
    state, window = _run(1, config)
    for opt, norm in ((state.g_opt, window["g_grad_norm"]), (state.d_opt, window["d_grad_norm"])):
        assert norm > 1e-2
        clipped = np.sqrt(sum(float(jnp.sum(m**2)) for m in jax.tree.leaves(opt.mu)))  # beta1 = 0: mu is the gradient
        np.testing.assert_allclose(clipped, 1e-3, rtol=1e-4)
    reference, _ = _run(1)
    scaled = jax.tree.map(lambda m: m * (1e-3 / window["d_grad_norm"]), _unclipped(reference.d_opt.mu))
    helpers.assert_trees_close(state.d_opt.mu, scaled, rtol=1e-3, atol=1e-8)


def _unclipped(mu: Any) -> Any:
    """The base config clips at 5, above the norms of this tiny net's first step."""
    assert sum(float(jnp.sum(m**2)) for m in jax.tree.leaves(mu)) < 25 * (1 - 1e-3)
    return mu


def test_each_loss_reaches_its_own_network_only() -> None:
    """Changing what only one side's loss holds leaves the gradient of the other alone (beta1 = 0: it is mu)."""
    base, _ = _run(1)
    g_side, _ = _run(1, _with(objective={"reading_g": 5.0}))
    helpers.assert_trees_close(_direction(g_side.d_opt), _direction(base.d_opt), rtol=1e-3, atol=1e-5)
    assert _distance(g_side.g_opt, base.g_opt) > 0.01
    d_side, _ = _run(1, _with(objective={"reading_d": 5.0, "penalty": "none"}))
    helpers.assert_trees_close(_direction(d_side.g_opt), _direction(base.g_opt), rtol=1e-3, atol=1e-5)
    assert _distance(d_side.d_opt, base.d_opt) > 0.01


def _direction(opt: Any) -> Any:
    norm = jnp.sqrt(sum(jnp.sum(m**2) for m in jax.tree.leaves(opt.mu)))
    return jax.tree.map(lambda m: m / norm, opt.mu)


def _distance(a: Any, b: Any) -> float:
    differences = jax.tree.map(lambda x, y: jnp.sum((x - y) ** 2), _direction(a), _direction(b))
    return float(jnp.sqrt(sum(jax.tree.leaves(differences))))


@pytest.mark.parametrize("where", ["image", "axes", "discriminator", "generator"])
def test_a_step_that_is_not_finite_changes_counters_only(where: str) -> None:
    images, brief = jax.tree.map(np.array, _dataset().arrays)
    state = _state().replace(step=jnp.asarray(3, jnp.int32))
    if where == "image":
        images[_index(3, 8)[0], 0, 0, 0] = np.nan
    elif where == "axes":
        brief.axes[_index(3, 8)[1]] = np.inf
    else:
        name = f"{where[0]}_params"
        state = state.replace(**{name: jax.tree.map(lambda x: x * jnp.float32(np.nan), getattr(state, name))})
    before = jax.device_get(state)
    window = window_lib.new_window()
    for _ in range(2):
        state, window = _step(BASE)(state, jax.device_put((images, brief)), window)
        state = state.replace(step=jnp.asarray(3, jnp.int32))
    assert (state.skipped, state.skipped_in_a_row) == (2, 2)
    kept = {"skipped": before.skipped, "skipped_in_a_row": before.skipped_in_a_row}
    helpers.assert_trees_equal(jax.device_get(state.replace(**kept)), before)
    read = window_lib.read_window(window)
    assert (read["skipped"], read["skipped_in_a_row"], read["step"]) == (2, 2, 4)
    assert all(np.isnan(read[name]) for name in window_lib.MEANS)

    clean = state.replace(g_params=_state().g_params, d_params=_state().d_params)
    state, window = _step(BASE)(clean, _dataset().arrays, window)
    assert (state.skipped, state.skipped_in_a_row) == (2, 0)
    assert all(np.isfinite(v) for v in window_lib.read_window(window).values())


def test_window_averages_over_its_steps() -> None:
    first_state, first = _run(1)
    _, second = _run(1, state=first_state)
    _, both = _run(2)
    for name in window_lib.MEANS:
        np.testing.assert_allclose(both[name], (first[name] + second[name]) / 2, rtol=1e-5, atol=1e-7, err_msg=name)
    for name in window_lib.LAST:
        assert both[name] == second[name]


def test_learns_to_read_and_to_be_read() -> None:
    state, first = _run(10)
    state, _ = _run(150, state=state)
    _, last = _run(10, state=state)
    assert last["reading_real"] < 0.5 * first["reading_real"]
    assert last["reading_fake"] < 0.6 * first["reading_fake"]


FROZEN = 1e-12  # a step size that moves nothing
NO_PENALTY = {"penalty": "none"}  # compiled in half the time


def test_alternate_discriminator_pulls_scores_apart() -> None:
    config = _with(
        objective={
            "update": "alternate",
            "d_steps": 2,
            "loss": "wasserstein",
            "penalty": "wgan_gp",
            "penalty_weight": 1.0,
            "reading_d": 0.0,
        },
        train={"g_lr": FROZEN},
    )
    assert step_lib.images_per_step(config) == 16
    state, first = _run(2, config)
    assert (state.step, state.d_opt.count, state.g_opt.count) == (2, 4, 2)
    state, last = _run(40, config, state)
    assert last["score_real"] - last["score_fake"] > first["score_real"] - first["score_fake"] + 0.5
    assert last["d_loss"] < first["d_loss"] - 0.5
    helpers.assert_trees_close(state.g_params, _state(config).g_params, atol=1e-8)


@pytest.mark.parametrize("update", ["simultaneous", "alternate"])
def test_real_images_are_drawn_again_from_the_noise_read_off_them(update: str) -> None:
    config = _with(
        objective=NO_PENALTY | {"reconstruction": 40.0, "noise_kl": 0.0, "update": update}, train={"d_lr": FROZEN}
    )
    state, first = _run(2, config)
    state, last = _run(60, config, state)
    assert last["reconstruction"] < 0.8 * first["reconstruction"]
    assert last["noise_kl"] > first["noise_kl"] > 0  # unless it costs something, the noise says more and more


def test_noise_that_costs_much_says_nothing() -> None:
    config = _with(
        objective=NO_PENALTY | {"reconstruction": 1e-3, "noise_kl": 10.0}, train={"d_lr": FROZEN, "g_lr": 0.02}
    )
    state, first = _run(2, config)
    _, last = _run(60, config, state)
    assert last["noise_kl"] < 0.2 * first["noise_kl"]


def test_noise_read_off_real_images_becomes_standard_normal() -> None:
    config = _with(
        objective=NO_PENALTY | {"reconstruction": 1e-3, "noise_kl": 0.0, "noise_mismatch": 10.0},
        train={"d_lr": FROZEN, "g_lr": 0.003},
    )
    state, first = _run(2, config)
    _, last = _run(200, config, state)
    assert first["noise_mismatch"] > 0.5  # it starts with a deviation of e^-1
    assert abs(last["noise_mismatch"]) < 0.5 * first["noise_mismatch"]


def test_without_reconstruction_there_is_no_encoder() -> None:
    config = _with(objective=NO_PENALTY | {"reconstruction": 0.0})
    state, window = _run(1, config)
    assert state.e_params == {}
    assert [window[name] for name in ("reconstruction", "noise_kl", "noise_mismatch")] == [0.0, 0.0, 0.0]


def test_relativistic_generator_climbs_in_bfloat16_under_augmentation() -> None:
    config = _with(
        data={"augment": "flip,color,translation,cutout"},
        objective={
            "loss": "relativistic",
            "penalty": "r1_r2",
            "reading_g": 0.0,
            "reconstruction": 0.0,
            "condition_dropout": 0.5,
        },
        train={"d_lr": FROZEN},
        compute={"dtype": "bfloat16"},
    )
    state, first = _run(2, config)
    state, last = _run(60, config, state)
    assert last["g_loss"] < first["g_loss"]
    assert last["score_fake"] > first["score_fake"]
    assert {x.dtype for x in jax.tree.leaves((state.g_params, state.g_opt.nu))} == {jnp.dtype(jnp.float32)}
    helpers.assert_trees_close(state.d_params, _state(config).d_params, atol=1e-8)


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


def test_sampler_extrapolates_what_the_brief_changes() -> None:
    params, key = _state().g_params, jax.random.key(7)
    brief = jax.tree.map(lambda x: jnp.asarray(x[:5]), _pictures()[1])
    plain = sampling.make_sampler(BASE, SPACE, SIZE, 3)
    strong = sampling.make_sampler(_with(evaluation={"style_strength": 2.5}), SPACE, SIZE, 3)
    given = plain(params, key, brief)
    assert given.shape == (5, SIZE, SIZE, 3)
    left_open = plain(params, key, brief._replace(given=jnp.zeros_like(brief.given)))
    assert np.abs(given - left_open).max() > 1e-2
    np.testing.assert_allclose(strong(params, key, brief), left_open + 2.5 * (given - left_open), atol=1e-5)
    np.testing.assert_array_equal(plain(params, key, brief), given)
    assert np.any(plain(params, jax.random.key(8), brief) != given)

    module = generator.create(BASE.generator, SPACE, SIZE, 3, jnp.float32)
    z = jax.random.normal(key, (5, BASE.generator.z_dim))
    np.testing.assert_allclose(given, module.apply({"params": params}, z, brief), atol=1e-5)


def test_sampler_costs_one_pass_at_strength_one() -> None:
    brief = jax.tree.map(lambda x: jnp.asarray(x[:5]), _pictures()[1])
    n_convolutions = []
    for strength in (1.0, 2.0):
        sample = sampling.make_sampler(_with(evaluation={"style_strength": strength}), SPACE, SIZE, 3)
        n_convolutions.append(sample.lower(_state().g_params, jax.random.key(0), brief).as_text().count("convolution("))
    assert n_convolutions == [3, 6]


# ---------------------------------------------------------------- networks, penalties, steps of a call


@pytest.mark.parametrize("network", ["sngan", "r3gan"])
def test_published_networks_train_alike_by_either_rule(network: str) -> None:
    """Both rules for R1 and R2 lead to the same gradients, through the whole step."""
    config = _with(
        generator={"network": network, "widths": (8, 8)},
        discriminator={"network": network, "widths": (8, 8)[: 1 + (network == "r3gan")], "activation": "leaky_relu"},
        objective={"penalty_share": 1.0, "reading_d": 0.0, "reading_g": 0.0, "reconstruction": 0.0},
    )
    states, windows = zip(
        *(
            _run(1, dataclasses.replace(config, compute=config_lib.ComputeConfig(penalty_rule=rule)))
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
    config = _with(objective={"penalty_interval": 3, "penalty_share": 1.0})
    every = _with(objective={"penalty_share": 0.999})  # of all images as well, in passes of its own
    first, last = _run(1, config)[1]["penalty"], _run(3, config)[1]["penalty"]
    np.testing.assert_allclose(first, 3 * _run(1, every)[1]["penalty"], rtol=1e-5)
    np.testing.assert_allclose(last, first / 3, rtol=1e-6)  # the mean over three steps, two of them without


@pytest.mark.parametrize(("on_device", "loops"), [(True, False), (True, True), (False, True)])
def test_several_steps_of_a_call_are_those_steps(monkeypatch: pytest.MonkeyPatch, on_device: bool, loops: bool) -> None:
    """Written out or as a loop on the device; from batches of the host as from images on the device."""
    config = _with(objective=NO_PENALTY | {"reconstruction": 0.0})
    images, brief = _pictures()
    host = [jax.tree.map(lambda x, i=i: x[None, _index(i, 8)], Batch(images, brief)) for i in range(2)]
    dataset = _dataset(on_device=on_device)
    one = step_lib.make_step(config, dataset)
    state, window = _state(config), window_lib.new_window()
    for i in range(2):
        state, window = one(state, dataset.arrays if on_device else host[i], window)
    monkeypatch.setattr(parallel.Layout, "loops", loops)
    several = step_lib.make_step(config, dataset, n_steps=2)
    source = dataset.arrays if on_device else jax.tree.map(lambda *x: np.concatenate(x), *host)
    new_state, new_window = several(_state(config), source, window_lib.new_window())
    assert (int(new_state.step), int(new_window.count)) == (2, 2)
    convolutions = [
        step.lower(new_state, source, new_window).as_text().count("stablehlo.convolution") for step in (one, several)
    ]
    assert convolutions[1] == convolutions[0] * (1 if loops else 2)
    for a, b in zip(jax.tree.leaves(new_state.d_opt.mu), jax.tree.leaves(state.d_opt.mu), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3 * max(1e-3, float(np.abs(b).max())))


def test_float32_products_keep_their_precision_unless_told() -> None:
    """What an accelerator may round is written into the program."""

    def text(**compute: Any) -> str:
        step = step_lib.make_step(_with(compute=compute), _dataset())
        return step.lower(_state(), _dataset().arrays, window_lib.new_window()).as_text()

    assert "precision = [HIGHEST, HIGHEST]" in text()
    assert "precision = [HIGHEST, HIGHEST]" not in text(tf32=True)
