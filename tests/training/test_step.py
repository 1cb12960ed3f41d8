"""The compiled step: what moves, what is kept, what it costs."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax.training import parallel
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from ich_jax.types import Batch
from tests import helpers
from tests.training import tiny


def test_everything_moves() -> None:
    state, window = tiny.run(2)
    before = tiny.initial_state()
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
    step = step_lib.make_step(tiny.BASE, tiny.dataset())
    arrays, state, window = tiny.dataset().arrays, tiny.initial_state(), window_lib.new_window()
    state, window = step(state, arrays, window)
    with helpers.count_compiles() as compiles, jax.transfer_guard("disallow"):
        new_state, new_window = step(state, arrays, window)
        fresh = window_lib.new_window()
        jax.block_until_ready((new_state, new_window, fresh))
    assert compiles.count == 0, compiles.functions
    assert all(x.is_deleted() for x in jax.tree.leaves((state, window.sums, window.count)))


def test_state_and_window_are_donated_whole() -> None:
    state, window = tiny.initial_state(), window_lib.new_window()
    n_bytes = sum(x.nbytes for x in jax.tree.leaves((state, window.sums, window.count)))  # `last` is only written
    assert tiny.compiled_step(tiny.BASE).memory_analysis().alias_size_in_bytes == n_bytes


def test_resumed_run_is_bit_identical() -> None:
    straight, _ = tiny.run(4)
    half, _ = tiny.run(2)
    resumed, _ = tiny.run(2, state=jax.device_put(jax.device_get(half)))
    helpers.assert_trees_equal(resumed, straight)
    assert state_lib.params_sha256(resumed) == state_lib.params_sha256(straight)


def test_host_batches_give_the_same_step() -> None:
    images, brief = tiny.pictures()
    state, window = tiny.initial_state(), window_lib.new_window()
    for i in range(2):
        part = jax.tree.map(lambda x, i=i: x[tiny.batch_index(i, 8)][None], Batch(images, brief))
        state, window = tiny.compiled_step(tiny.BASE, "host")(state, part, window)
    expected, means = tiny.run(2)
    helpers.assert_trees_close(state, expected, rtol=1e-4, atol=1e-5)
    for name, value in window_lib.read_window(window).items():
        np.testing.assert_allclose(value, means[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("where", ["image", "axes", "discriminator", "generator"])
def test_a_step_that_is_not_finite_changes_counters_only(where: str) -> None:
    images, brief = jax.tree.map(np.array, tiny.dataset().arrays)
    state = tiny.initial_state().replace(step=jnp.asarray(3, jnp.int32))
    if where == "image":
        images[tiny.batch_index(3, 8)[0], 0, 0, 0] = np.nan
    elif where == "axes":
        brief.axes[tiny.batch_index(3, 8)[1]] = np.inf
    else:
        name = f"{where[0]}_params"
        state = state.replace(**{name: jax.tree.map(lambda x: x * jnp.float32(np.nan), getattr(state, name))})
    before = jax.device_get(state)
    window = window_lib.new_window()
    for _ in range(2):
        state, window = tiny.compiled_step(tiny.BASE)(state, jax.device_put((images, brief)), window)
        state = state.replace(step=jnp.asarray(3, jnp.int32))
    assert (state.skipped, state.skipped_in_a_row) == (2, 2)
    kept = {"skipped": before.skipped, "skipped_in_a_row": before.skipped_in_a_row}
    helpers.assert_trees_equal(jax.device_get(state.replace(**kept)), before)
    read = window_lib.read_window(window)
    assert (read["skipped"], read["skipped_in_a_row"], read["step"]) == (2, 2, 4)
    assert all(np.isnan(read[name]) for name in window_lib.MEANS)

    clean = state.replace(g_params=tiny.initial_state().g_params, d_params=tiny.initial_state().d_params)
    state, window = tiny.compiled_step(tiny.BASE)(clean, tiny.dataset().arrays, window)
    assert (state.skipped, state.skipped_in_a_row) == (2, 0)
    assert all(np.isfinite(v) for v in window_lib.read_window(window).values())


def test_window_averages_over_its_steps() -> None:
    first_state, first = tiny.run(1)
    _, second = tiny.run(1, state=first_state)
    _, both = tiny.run(2)
    for name in window_lib.MEANS:
        np.testing.assert_allclose(both[name], (first[name] + second[name]) / 2, rtol=1e-5, atol=1e-7, err_msg=name)
    for name in window_lib.LAST:
        assert both[name] == second[name]


@pytest.mark.parametrize(("on_device", "loops"), [(True, False), (True, True), (False, True)])
def test_several_steps_of_a_call_are_those_steps(monkeypatch: pytest.MonkeyPatch, on_device: bool, loops: bool) -> None:
    """Written out or as a loop on the device; from batches of the host as from images on the device."""
    config = tiny.vary(objective=tiny.NO_PENALTY | {"reconstruction": 0.0})
    images, brief = tiny.pictures()
    host = [jax.tree.map(lambda x, i=i: x[None, tiny.batch_index(i, 8)], Batch(images, brief)) for i in range(2)]
    dataset = tiny.dataset(on_device=on_device)
    one = step_lib.make_step(config, dataset)
    state, window = tiny.initial_state(config), window_lib.new_window()
    for i in range(2):
        state, window = one(state, dataset.arrays if on_device else host[i], window)
    monkeypatch.setattr(parallel.Layout, "loops", loops)
    several = step_lib.make_step(config, dataset, n_steps=2)
    source = dataset.arrays if on_device else jax.tree.map(lambda *x: np.concatenate(x), *host)
    new_state, new_window = several(tiny.initial_state(config), source, window_lib.new_window())
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
        step = step_lib.make_step(tiny.vary(compute=compute), tiny.dataset())
        return step.lower(tiny.initial_state(), tiny.dataset().arrays, window_lib.new_window()).as_text()

    assert "precision = [HIGHEST, HIGHEST]" in text()
    assert "precision = [HIGHEST, HIGHEST]" not in text(tf32=True)
