import dataclasses
import functools
import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.training import loop, state, step
from ich_jax.training.state import params_sha256
from ich_jax.types import Batch, Brief, DesignSpace, Element

SPACE = DesignSpace(products=("disc", "square"), elements=(Element("fill", ("plain", "dotted")),), axes=("width",))
SIZE, N = 8, 12


def make_config(steps: int = 8, **loop_fields: Any) -> config_lib.Config:
    every = {"log_every": 2, "validate_every": 4, "checkpoint_every": 4, "sample_every": 4, "tensorboard": False}
    return config_lib.resolve(
        {
            "data": {"source": "npz", "path": "made.npz", "size": SIZE},
            "generator": {"z_dim": 3, "mapping": 6, "widths": (4, 4)},
            "discriminator": {"widths": (4, 4)},
            "train": {"steps": steps, "batch": 4, "warmup": 1, "max_skips": 2},
            "loop": every | loop_fields,
        }
    )


def make_dataset(*, from_host: bool = False, fingerprint: str = "made") -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, SIZE, SIZE, 3)).astype(np.uint8)
    brief = Brief(
        product=rng.integers(0, 2, (N,)).astype(np.int32),
        elements=rng.integers(0, 2, (N, 1)).astype(np.int32),
        axes=rng.uniform(-3, 3, (N, 1)).astype(np.float32),
        given=np.ones((N, 3), np.float32),
    )

    def batch_of(index: Any) -> Batch:
        return Batch(pipeline.to_unit(images[index]), Brief(*(x[index] for x in brief)))

    def sample(arrays: Any, key: jax.Array, at: jax.Array, batch: int) -> Batch:
        index = pipeline.batch_indices(key, at, batch, N)
        stored, known = arrays
        return Batch(pipeline.to_unit(stored[index]), Brief(*(x[index] for x in known)))

    def host_batches(seed: int, start: int, batch: int) -> Iterator[Batch]:
        words = np.asarray(jax.random.key_data(pipeline.data_key(seed)))
        for at in itertools.count(start):
            yield batch_of(pipeline.batch_indices(words, at, batch, N, np))

    return Dataset(
        space=SPACE,
        size=SIZE,
        channels=3,
        n_train=N,
        n_holdout=0,
        fingerprint=fingerprint,
        simulated=False,
        arrays=None if from_host else jax.tree.map(jnp.asarray, (images, brief)),
        sample=None if from_host else sample,
        host_batches=host_batches if from_host else None,
        holdout=lambda split, n: batch_of(np.arange(n)),
        train_images=lambda n: batch_of(np.arange(n)),
        briefs=lambda key, n: Brief(*(jnp.asarray(x[:n]) for x in brief)),
    )


@functools.cache
def _compiled_step(config: config_lib.Config, from_host: bool, make_step: Any = step.make_step) -> Any:
    return make_step(config, make_dataset(from_host=from_host))


@functools.cache
def _initial_state(*arguments: Any, create_state: Any = state.create_state) -> Any:
    return jax.device_get(create_state(*arguments))


@pytest.fixture(autouse=True)
def _compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs of one config share a compiled step: these tests are about what happens around it."""
    monkeypatch.setattr(step, "make_step", lambda config, data: _compiled_step(config, data.sample is None))
    monkeypatch.setattr(state, "create_state", lambda *args: jax.tree.map(jnp.array, _initial_state(*args)))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_metrics_checkpoints_and_a_result(tmp_path: Path) -> None:
    sheets = []

    def validate(trained: Any) -> dict[str, float]:
        return {"score": -float(trained.step), "axis_mae": 1.0}

    result = loop.train(
        make_config(),
        tmp_path,
        make_dataset(),
        validate=validate,
        sample_sheet=lambda trained, at: sheets.append((int(trained.step), at)),
    )
    assert (result.steps, int(result.state.step), result.resumed_from) == (8, 8, 0)
    assert not result.stopped
    assert result.signal is None
    assert sheets == [(4, 4), (8, 8)]
    assert result.best_step == 4
    assert [row["step"] for row in rows(tmp_path)] == [2, 4, 4, 6, 8, 8]
    assert rows(tmp_path)[2] == {"step": 4, "validation/score": -4.0, "validation/axis_mae": 1.0}
    assert {"d_loss", "g_loss", "g_grad_norm", "img_per_s"} <= rows(tmp_path)[0].keys()
    assert result.history == rows(tmp_path)
    assert result.first_step_s > 0
    assert result.img_per_s > 0
    assert json.loads((tmp_path / "dataset.json").read_text())["space"]["products"] == ["disc", "square"]


@pytest.mark.parametrize("from_host", [False, True])
@pytest.mark.parametrize("stop_after", [4, 5])
def test_stopped_and_resumed_ends_with_the_same_bits(tmp_path: Path, from_host: bool, stop_after: int) -> None:
    config, dataset = make_config(), make_dataset(from_host=from_host)
    straight = loop.train(config, tmp_path / "straight", dataset)
    first = loop.train(config, tmp_path / "halves", dataset, stop_after=stop_after)
    assert first.stopped
    assert first.steps == int(first.state.step) == stop_after
    second = loop.train(config, tmp_path / "halves", dataset)
    assert second.resumed_from == stop_after
    assert second.steps == 8
    assert params_sha256(second.state) == params_sha256(straight.state)
    steps = [row["step"] for row in rows(tmp_path / "halves")]
    assert steps == sorted(set(steps))
    assert second.history[-1]["d_loss"] == straight.history[-1]["d_loss"]


def test_device_and_host_feed_the_same_run(tmp_path: Path) -> None:
    device = loop.train(make_config(), tmp_path / "device", make_dataset())
    host = loop.train(make_config(), tmp_path / "host", make_dataset(from_host=True))
    np.testing.assert_allclose(
        np.asarray(jax.tree.leaves(device.state.g_params)[0]),
        np.asarray(jax.tree.leaves(host.state.g_params)[0]),
        rtol=1e-4,
        atol=1e-6,
    )


def test_rows_beyond_the_restored_step_are_written_again(tmp_path: Path) -> None:
    config, dataset = make_config(), make_dataset()
    loop.train(config, tmp_path, dataset, stop_after=4)
    with (tmp_path / "metrics.jsonl").open("a") as file:  # what a killed process had logged after its last checkpoint
        file.write('{"step": 6, "d_loss": 123.0}\n{"step": 7, "d_lo')
    loop.train(config, tmp_path, dataset)
    assert [row["step"] for row in rows(tmp_path)] == [2, 4, 6, 8]
    assert rows(tmp_path)[2]["d_loss"] != 123.0


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    config, dataset = make_config(), make_dataset()
    done = loop.train(config, tmp_path, dataset)
    again = loop.train(config, tmp_path, dataset)
    assert params_sha256(again.state) == params_sha256(done.state)
    assert again.steps == again.resumed_from == 8
    assert again.img_per_s == pytest.approx(done.img_per_s)
    assert again.first_step_s == done.first_step_s
    assert not again.stopped


def test_stop_after_a_step_that_is_past_stops_at_once(tmp_path: Path) -> None:
    config, dataset = make_config(), make_dataset()
    loop.train(config, tmp_path, dataset, stop_after=4)
    again = loop.train(config, tmp_path, dataset, stop_after=3)
    assert again.stopped
    assert again.steps == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves(tmp_path: Path, number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    config, dataset = make_config(), make_dataset()
    before = signal.getsignal(number)

    def send(trained: Any, at: int) -> None:
        if at == 4:
            os.kill(os.getpid(), number)

    result = loop.train(config, tmp_path, dataset, sample_sheet=send)
    assert result.stopped
    assert result.signal == number
    assert result.steps < 8
    assert number.name in capfd.readouterr().err
    assert signal.getsignal(number) is before
    resumed = loop.train(config, tmp_path, dataset)
    assert resumed.resumed_from == result.steps
    straight = loop.train(config, tmp_path / "straight", dataset)
    assert params_sha256(resumed.state) == params_sha256(straight.state)


def test_the_second_signal_acts_as_if_we_were_not_there() -> None:
    with loop.StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def _with_bad_batches(dataset: Dataset, bad: Any) -> Dataset:
    """Batches of the steps in `bad` hold NaN each time that `bad` still names them."""

    def host_batches(seed: int, start: int, batch: int) -> Iterator[Batch]:
        for at, made in enumerate(dataset.host_batches(seed, start, batch), start=start):
            if bad.get(at, 0) > 0:
                bad[at] -= 1
                made = made._replace(image=np.full_like(made.image, np.nan))
            yield made

    return dataclasses.replace(dataset, host_batches=host_batches)


def test_one_bad_batch_is_skipped(tmp_path: Path) -> None:
    dataset = _with_bad_batches(make_dataset(from_host=True), {4: 1})
    result = loop.train(make_config(), tmp_path, dataset)
    assert int(result.state.skipped) == 1
    assert float(result.state.lr_scale) == 1.0
    assert [(alarm.name, alarm.step) for alarm in result.alarms] == [("non_finite", 6)]


def test_bad_steps_in_a_row_roll_back_once_with_half_the_step_size(tmp_path: Path) -> None:
    dataset = _with_bad_batches(make_dataset(from_host=True), {4: 1, 5: 1})
    result = loop.train(make_config(), tmp_path, dataset)
    assert result.steps == 8
    assert float(result.state.lr_scale) == 0.5
    assert int(result.state.skipped) == 0
    assert [row["step"] for row in rows(tmp_path)] == [2, 4, 6, 8]


def test_without_a_checkpoint_it_rolls_back_to_the_start(tmp_path: Path) -> None:
    dataset = _with_bad_batches(make_dataset(from_host=True), {0: 1, 1: 1})
    result = loop.train(make_config(), tmp_path, dataset)
    assert (result.steps, float(result.state.lr_scale)) == (8, 0.5)


def test_a_second_divergence_stops_with_a_diagnosis(tmp_path: Path) -> None:
    dataset = _with_bad_batches(make_dataset(from_host=True), {4: 9, 5: 9})
    with pytest.raises(errors.TrainingDivergedError, match="since step 5"):
        loop.train(make_config(), tmp_path, dataset)


def test_no_checkpoint_of_a_state_whose_last_update_was_not_finite(tmp_path: Path) -> None:
    dataset = _with_bad_batches(make_dataset(from_host=True), {3: 1})
    result = loop.train(make_config(), tmp_path, dataset, stop_after=4)
    assert result.steps == 4
    assert not list((tmp_path / "checkpoints").glob("[0-9]*"))


def test_other_images_are_refused(tmp_path: Path) -> None:
    loop.train(make_config(), tmp_path, make_dataset(), stop_after=1)
    with pytest.raises(errors.WorkdirError, match="images have changed"):
        loop.train(make_config(), tmp_path, make_dataset(fingerprint="other"))


def test_a_batch_larger_than_the_set_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = make_config()
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, batch=N + 1))
    with pytest.raises(errors.DataError, match="larger than"):
        loop.train(config, tmp_path, make_dataset())
    assert not list(tmp_path.iterdir())
