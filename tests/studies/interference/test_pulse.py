"""Pulses in the training of a run of a few steps on made-up images."""

import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import errors
from ich_jax.studies.interference import pulse as pulse_lib
from ich_jax.studies.interference.pulse import CONTROL, Pulse
from ich_jax.studies.interference.schedules import Window
from ich_jax.training import state as state_lib
from ich_jax.types import Reading
from tests import helpers
from tests.training import made

CONFIG = made.config(8)
DATASET = made.dataset()
WINDOW = Window(3, 5)


def read(images: Any) -> Reading:
    level = np.asarray(images).mean(axis=(1, 2, 3))
    return Reading(np.stack([-level, level], axis=1), (), np.zeros((len(level), 0)))


def start(seed: int) -> state_lib.TrainState:
    del seed
    return state_lib.create_state(CONFIG, DATASET.spec)


@pytest.fixture(scope="module")
def run() -> Any:
    return pulse_lib.make_runner(CONFIG, DATASET, start, read)


def test_a_pulse_changes_the_run_and_its_control_repeats(run: Any, tmp_path: Path) -> None:
    control, again = (run(Pulse(CONTROL, 0.0, 1), WINDOW, 2, 6, 20, like="label_flips") for _ in range(2))
    flipped = run(Pulse("label_flips", 1.0, 1), WINDOW, 2, 6, 20)
    assert control.params_sha256 == again.params_sha256 != flipped.params_sha256
    assert control.steps.tolist() == [0, 2, 4, 6, 8] and control.accuracy.shape == (5, 2)
    assert (control.accuracy[:2] == flipped.accuracy[:2]).all()  # before the window
    pulse_lib.save(tmp_path, flipped)
    stored = pulse_lib.load(tmp_path, flipped.pulse)
    assert stored is not None and stored.params_sha256 == flipped.params_sha256 and stored.window == WINDOW
    assert (stored.accuracy == flipped.accuracy).all()
    assert pulse_lib.load(tmp_path, control.pulse) is None


def test_nan_batches_are_refused_and_counted(run: Any) -> None:
    control = run(Pulse(CONTROL, 0.0, 1), WINDOW, 8, 6, 20, like="nan_batch")
    broken = run(Pulse("nan_batch", 1.0, 1), WINDOW, 8, 6, 20)
    assert (control.skipped, broken.skipped) == (0, 2)
    assert np.isfinite(broken.accuracy).all()


def test_step_sizes_rise_inside_the_window_only(run: Any) -> None:
    control = run(Pulse(CONTROL, 0.0, 1), WINDOW, 8, 6, 20, like="learning_rate")
    spike = run(Pulse("learning_rate", 8.0, 1), WINDOW, 8, 6, 20)
    assert spike.params_sha256 != control.params_sha256


def test_weight_noise_is_once(run: Any) -> None:
    assert run(Pulse("weight_noise", 0.1, 1), WINDOW, 8, 6, 20, like="learning_rate").skipped == 0


def test_a_frozen_network_stands_still() -> None:
    """It has the same values before and after each step of the window, and others after each step outside."""
    seen: dict[str, list[Any]] = {}
    make_step = pulse_lib.step_lib.make_step

    def spied(*arguments: Any, **named: Any) -> Any:
        step = make_step(*arguments, **named)

        def call(state: Any, source: Any, window: Any) -> Any:
            for name in ("g_params", "d_params", "ema_params"):
                seen.setdefault(name, []).append(np.asarray(jax.tree.leaves(getattr(state, name))[-1]).copy())
            return step(state, source, window)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulse_lib.step_lib, "make_step", spied)
        frozen_run = pulse_lib.make_runner(CONFIG, DATASET, start, read)
        for kind, still in (("frozen_generator", "g_params ema_params"), ("frozen_discriminator", "d_params")):
            seen.clear()
            frozen_run(Pulse(kind, 1.0, 1), WINDOW, 8, 6, 20, like="label_flips")
            for name, values in seen.items():
                same = [(a == b).all() for a, b in itertools.pairwise(values)]
                assert same == [name in still.split() and WINDOW.holds(i) for i in range(7)], (kind, name)


def test_bad_input_is_refused() -> None:
    with pytest.raises(errors.ConfigError, match="did you mean 'label_flips'"):
        pulse_lib.check((Pulse("label_flip", 0.5, 1),))
    with pytest.raises(errors.ConfigError, match="expected a number from 1e-09 to 1"):
        pulse_lib.check((Pulse("label_flips", 1.5, 1),))
    with pytest.raises(errors.DataError, match="lie on the device"):
        pulse_lib.make_runner(CONFIG, made.dataset(from_host=True), start, read)


def test_a_run_compiles_its_step_and_its_drawing_once() -> None:
    """Also from a state that a checkpoint has put on a device."""

    def placed(seed: int) -> state_lib.TrainState:
        return jax.device_put(start(seed), jax.devices()[0])

    fresh = pulse_lib.make_runner(CONFIG, DATASET, placed, read)
    with helpers.count_compiles() as compilations:
        fresh(Pulse("weight_noise", 0.1, 1), WINDOW, 4, 6, 20)
    names = " ".join(compilations.functions).replace("(", "_").replace(")", "").split()
    assert (names.count("jit_placed"), names.count("jit_draw")) == (1, 1), names


def test_least_accuracy_again_is_of_the_generator_that_had_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures show which parameters drew them, and the reader keeps what it saw."""
    seen: list[np.ndarray] = []

    def make_draw(*_: Any) -> Any:
        def draw(params: Any, z: jax.Array, brief: Any) -> jax.Array:
            level = jnp.sin(1e4 * sum(jnp.sum(leaf) for leaf in jax.tree.leaves(params)))
            return jnp.full((len(z), 8, 8, 3), level)

        return draw

    def keeping(images: Any) -> Reading:
        seen.append(np.asarray(images)[:, 0, 0, 0])
        guess = np.sin(1e3 * seen[-1] + np.arange(len(images)))
        return Reading(np.stack([-guess, guess], axis=1), (), np.zeros((len(images), 0)))

    monkeypatch.setattr(pulse_lib.sampling, "make_draw", make_draw)
    course = pulse_lib.make_runner(CONFIG, DATASET, start, keeping)(Pulse(CONTROL, 0.0, 1), Window(2, 3), 1, 6, 50)
    evaluations, again = seen[:9], seen[9:]
    levels = [float(level[0]) for level in evaluations]
    assert len(set(levels)) == 9 and len(again) == 2 * 2 * 5  # minimum and end, each product, 50 in batches of 12
    for p in range(2):
        least = 3 + int(course.accuracy[3:, p].argmin())
        assert all((level == levels[least]).all() for level in again[5 * p : 5 * p + 5])
    assert all((level == levels[-1]).all() for level in again[10:])
    # Of the last batch only two designs are new.
    wanted = [(np.sin(1e3 * levels[-1] + np.arange(12)) > 0) == p for p in range(2)]
    assert course.fresh_end.tolist() == [(4 * right.sum() + right[:2].sum()) / 50 for right in wanted]
