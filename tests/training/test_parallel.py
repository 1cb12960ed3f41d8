"""One step on one device, divided by jit and run by pmap; layouts and what they refuse."""

import dataclasses
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.models import layers
from ich_jax.training import checkpoint, checks, loop, parallel
from ich_jax.training import state as state_lib
from ich_jax.training import step as step_lib
from ich_jax.training import window as window_lib
from tests import helpers
from tests.training import made

ROOT = Path(__file__).resolve().parents[2]


def _config(**sections: Any) -> config_lib.Config:
    """A run that uses every part of the step: augmentation, open briefs, encoder, both penalties on half the batch."""
    return made.config(
        **{
            "data": {"source": "npz", "path": "made.npz", "size": made.SIZE, "augment": "flip,color,translation"},
            "objective": made.WHOLE | {"penalty_share": 0.5, "condition_dropout": 0.3, "penalty": "r1_r2"},
            "train": {"steps": 4, "batch": 8},
        }
        | sections
    )


def _layouts(n: int) -> dict[str, parallel.Layout]:
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:n]), (parallel.AXIS,))
    return {
        "one": parallel.single(),
        "jit": parallel.Layout(mesh, "jit"),
        "jit, optimiser divided": parallel.Layout(mesh, "jit", shard_optimiser=True),
        "pmap": parallel.Layout(mesh, "pmap"),
    }


def _after_one_step(config: config_lib.Config, layout: parallel.Layout, *, from_host: bool) -> Any:
    """Returns state and metrics after one step; checks that a second one compiles nothing and moves no array."""
    dataset = made.dataset(from_host=from_host)
    step = step_lib.make_step(config, dataset, layout)
    state = layout.put_state(state_lib.create_state(config, dataset.spec))
    batches = loop._make_batches(config, dataset, layout, 0)
    source, after = batches(1), batches(1)
    state, window = step(state, source, layout.put(window_lib.new_window()))
    kept, metrics = jax.device_get(state), window_lib.read_window(window)
    places = jax.tree.map(lambda x: x.sharding, state)
    with helpers.count_compiles() as compiles:
        state, window = step(state, after, window)
        jax.block_until_ready(state)
    assert compiles.count == 0, compiles.functions
    assert jax.tree.map(lambda x: x.sharding, state) == places
    assert all(x.is_fully_replicated for x in jax.tree.leaves((state.g_params, state.d_params, state.ema_params)))
    divided = [x for x in jax.tree.leaves(state.d_opt) if not x.is_fully_replicated]
    assert bool(divided) == layout.shard_optimiser
    return kept, metrics


def _assert_same_gradients(actual: state_lib.TrainState, expected: state_lib.TrainState, tolerance: float) -> None:
    """Compares Adam's first moments, which are linear in the gradients, against the largest entry of each array."""
    for name in ("g_opt", "d_opt", "e_opt"):
        ours, theirs = (jax.device_get(getattr(state, name).mu) for state in (actual, expected))
        scale = jax.tree.map(lambda x: max(1e-4, float(np.abs(x).max())), theirs)
        helpers.assert_trees_close(
            jax.tree.map(np.divide, ours, scale), jax.tree.map(np.divide, theirs, scale), rtol=0.0, atol=tolerance
        )


@pytest.mark.parametrize(
    ("from_host", "objective"),
    [
        (False, {"update": "simultaneous"}),
        (True, {"update": "alternate", "d_steps": 2, "penalty": "wgan_gp"}),
    ],
)
def test_two_devices_compute_what_one_computes(from_host: bool, objective: dict[str, Any]) -> None:
    config = _config()
    config = dataclasses.replace(config, objective=dataclasses.replace(config.objective, **objective))
    layouts = _layouts(2)
    if from_host:
        del layouts["jit, optimiser divided"]
    one, expected = _after_one_step(config, layouts.pop("one"), from_host=from_host)
    for name, layout in layouts.items():
        state, metrics = _after_one_step(config, layout, from_host=from_host)
        _assert_same_gradients(state, one, 1e-4)
        for key, value in metrics.items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-3, atol=1e-4, err_msg=f"{name}: {key}")


def test_a_run_moves_from_eight_devices_to_two_and_to_one(tmp_path: Path) -> None:
    _succeed(_start("jax.config.update('jax_num_cpu_devices', 8); test_parallel.moves({!r})", str(tmp_path / "run")))


def moves(folder: str) -> None:
    """Begins on eight devices, goes on with two under pmap and with one; runs in a process with eight devices."""
    config = _config(objective={"penalty_share": 0.5, "condition_dropout": 0.3, "penalty": "r1_r2"})
    before = None
    for devices, mode, stop_after in ((8, "jit", 1), (2, "pmap", 2), (1, "jit", 3)):
        compute = config_lib.ComputeConfig(devices=devices, parallel=mode, shard_optimiser=devices == 8)
        run = dataclasses.replace(config, compute=compute)
        if before is not None:  # what is restored here is what was saved there
            with checkpoint.Checkpoints(folder, keep=2) as checkpoints:
                restored, step, _ = loop._newest(
                    checkpoints, run, Path(folder), made.dataset(), parallel.make_layout(run), ""
                )
            assert step == stop_after - 1
            helpers.assert_trees_equal(jax.device_get(restored), jax.device_get(before))
        result = loop.train(run, folder, made.dataset(), stop_after=stop_after)
        assert (result.resumed_from, result.steps) == (stop_after - 1, stop_after)
        helpers.assert_tree_finite(jax.device_get(result.state))
        before = result.state


def test_two_processes_train_save_and_resume(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for stop_after in (2, 4):  # the second pair finds what the first has compiled
        with socket.socket() as free:
            free.bind(("localhost", 0))
            address = f"localhost:{free.getsockname()[1]}"
        processes = [
            _start("test_parallel.one_of_two({!r}, {!r}, {!r}, {!r})", str(folder), address, index, stop_after)
            for index in range(2)
        ]
        for process in processes:
            _succeed(process)
    assert (folder / "checkpoints" / "4").is_dir()
    # Each keeps its notes, and they say the same: every process has the means over the whole batch.
    ours, theirs = made.rows(folder), made.rows(folder / "process_1")
    assert [row["step"] for row in ours] == [2, 4]
    for mine, other in zip(ours, theirs, strict=True):
        assert {k: v for k, v in mine.items() if k != "img_per_s"} == {
            k: v for k, v in other.items() if k != "img_per_s"
        }


def one_of_two(folder: str, address: str, index: int, stop_after: int) -> None:
    """Trains as one of two processes with a device each; batches come from the host, half from each."""
    parallel.start_processes(address, 2, index)
    config = _config(compute={"devices": 0})
    result = loop.train(config, folder, made.dataset(from_host=True), stop_after=stop_after)
    assert (jax.process_count(), jax.device_count()) == (2, 2)
    assert (result.resumed_from, result.steps) == (stop_after - 2, stop_after)
    parallel.wait_for_all("both have checked")


def _start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Starts a process that has imported jax and this module and runs a statement; the first argument is its folder."""
    cache = f"jax.config.update('jax_compilation_cache_dir', {str(arguments[0]) + '.cache'!r})\n"
    code = "import jax\n" + cache + "from tests.training import test_parallel\n" + program.format(*arguments)
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def _succeed(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]


def test_the_optimisation_level_that_the_environment_states_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, given = parallel.single(), {"xla_cpu_enable_fast_math": True}
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_min_max=true")
    assert layout.compiler_options(given) == given | parallel.CPU_OPTIONS
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_min_max=true --xla_backend_optimization_level=0")
    assert layout.compiler_options(given) == given
    assert layout.compiler_options(None) is None


def test_devices_exchange_sums_and_no_pictures() -> None:
    """Rows stay where they are: under jit no array of pictures or features travels, only sums over rows and noise."""
    config = _config()
    dataset, layout = made.dataset(), _layouts(2)["jit"]
    step = step_lib.make_step(config, dataset, layout)
    state = layout.put_state(state_lib.create_state(config, dataset.spec))
    compiled = step.lower(state, layout.put(dataset.arrays), layout.put(window_lib.new_window())).compile()
    gathered = re.findall(r"= (\S+) (?:all-gather|all-to-all|collective-permute)\(", compiled.as_text())
    sizes = [np.prod([int(n) for n in re.search(r"\[([\d,]*)\]", shape)[1].split(",") if n]) for shape in gathered]
    assert max(sizes, default=0) <= 8 * made.SIZE**2, gathered  # less than one channel of the batch's pictures


def test_interleave() -> None:
    a, b = jnp.arange(3), jnp.arange(10, 13)
    np.testing.assert_array_equal(layers.interleave(a, b), [0, 10, 1, 11, 2, 12])
    np.testing.assert_array_equal(layers.interleave(a, b[:2]), [0, 10, 1, 11, 2])


@pytest.mark.parametrize(
    ("compute", "batch", "message"),
    [
        ({"devices": 3}, 8, r"config.compute.devices is 3, but JAX sees 2 \(cpu\). Allowed: 1 to 2, or 0 for all"),
        ({}, 9, r"config.train.batch is 9, which 2 devices cannot share equally. Take a multiple of 2, or --config"),
        ({"parallel": "pmap", "shard_optimiser": True}, 8, r"shard_optimiser needs --config.compute.parallel=jit"),
        ({"parallel": "pmap"}, 2, r"The penalty is taken on 1 of 2 images .* Let them be a multiple of 2"),
    ],
)
def test_what_devices_cannot_do_is_refused(compute: dict[str, Any], batch: int, message: str, tmp_path: Path) -> None:
    config = _config(train={"steps": 4, "batch": batch})
    config = dataclasses.replace(config, compute=config_lib.ComputeConfig(**compute))
    with pytest.raises(errors.ConfigError, match=message):
        checks.check(config, tmp_path, made.dataset())
    assert not list(tmp_path.iterdir())


def test_processes_need_an_address_and_their_place() -> None:
    with pytest.raises(errors.ConfigError, match=r"needs --num_processes of at least 1 and --process_id from 0"):
        parallel.start_processes("localhost:1", 2, 2)
    with pytest.raises(errors.ConfigError, match=r"could not be joined: .* give --coordinator=HOST:PORT"):
        parallel.start_processes()
