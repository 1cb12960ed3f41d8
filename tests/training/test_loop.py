import contextlib
import dataclasses
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from ich_jax import errors, liveness
from ich_jax.data.dataset import Dataset
from ich_jax.training import loop
from ich_jax.types import Batch
from tests import helpers
from tests.training import made

pytestmark = pytest.mark.usefixtures("compile_once")


def test_a_run_leaves_metrics_checkpoints_and_a_result(tmp_path: Path) -> None:
    sheets = []

    def validate(state: Any) -> dict[str, float]:
        return {"score": float(state.step), "axis_mae": 1.0}

    result = loop.train(
        made.config(),
        tmp_path,
        made.dataset(),
        validate=validate,
        sample_sheet=lambda state, step: sheets.append((int(state.step), step)),
    )
    assert (result.steps, int(result.state.step), result.resumed_from) == (8, 8, 0)
    assert not result.stopped
    assert result.signal is None
    assert sheets == [(4, 4), (8, 8)]
    assert result.best_step == 4
    rows = made.rows(tmp_path)
    assert [row["step"] for row in rows] == [2, 4, 4, 6, 8, 8]
    assert all(isinstance(row["step"], int) for row in rows)
    assert rows[2] == {"step": 4, "validation/score": 4.0, "validation/axis_mae": 1.0}
    assert {"d_loss", "g_loss", "g_grad_norm", "img_per_s"} <= rows[0].keys()
    assert result.history == rows
    assert result.first_step_s > 0
    assert result.img_per_s > 0
    assert json.loads((tmp_path / "dataset.json").read_text())["space"]["products"] == ["disc", "square"]


def test_the_loop_neither_compiles_nor_transfers_between_steps(tmp_path: Path) -> None:
    guarded = contextlib.ExitStack()
    seen = []

    def guard(state: Any, step: int) -> None:
        if step == 1:
            seen.append(guarded.enter_context(helpers.count_compiles()))
            guarded.enter_context(jax.transfer_guard("disallow"))
        if step == 7:  # logs at 2, 4 and 6 and a checkpoint at 4 lie in between
            guarded.close()

    with guarded:
        loop.train(made.config(loop={"sample_every": 1}), tmp_path, made.dataset(), sample_sheet=guard)
    assert seen[0].count == 0, seen[0].functions


def test_the_host_is_at_most_a_few_steps_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    @dataclasses.dataclass
    class Counter:
        step: int

        def block_until_ready(self) -> None:
            waited.append(self.step)

    monkeypatch.setattr(loop.jnp, "copy", Counter)
    ahead = loop.Ahead(2)
    for step in range(5):
        ahead.wait(SimpleNamespace(step=step))  # type: ignore[arg-type]
    assert waited == [0, 1, 2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves(tmp_path: Path, number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)

    def send(state: Any, step: int) -> None:
        if step == 4:
            os.kill(os.getpid(), number)

    result = loop.train(made.config(), tmp_path, made.dataset(), sample_sheet=send)
    assert result.stopped
    assert result.signal == number
    assert result.steps == 5
    assert (tmp_path / "checkpoints" / "5").is_dir()
    assert f"{liveness.NAMES[number]}: saving a checkpoint in {tmp_path}, then leaving" in capfd.readouterr().err
    assert signal.getsignal(number) is before


def test_a_second_signal_does_what_it_did_before() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with loop.StopSignals("a checkpoint") as stop:
        assert stop.received is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == signal.SIGTERM
        assert {number: signal.getsignal(number) for number in before} == before


def _with_bad_batches(dataset: Dataset, bad: dict[int, int]) -> Dataset:
    """The batch of step index i holds NaN the first `bad[i]` times that it is asked for."""

    def host_batches(seed: int, start: int, *others: Any) -> Iterator[Batch]:
        assert dataset.host_batches is not None
        for index, good in enumerate(dataset.host_batches(seed, start, *others), start=start):
            if bad.get(index, 0) > 0:
                bad[index] -= 1
                yield good._replace(image=np.full_like(good.image, np.nan))
            else:
                yield good

    return dataclasses.replace(dataset, host_batches=host_batches)


def test_one_bad_batch_is_skipped(tmp_path: Path) -> None:
    dataset = _with_bad_batches(made.dataset(from_host=True), {4: 1})
    result = loop.train(made.config(), tmp_path, dataset)
    assert int(result.state.skipped) == 1
    assert float(result.state.lr_scale) == 1.0
    assert [(alarm.name, alarm.step) for alarm in result.alarms] == [("non_finite", 6)]


def test_bad_steps_in_a_row_roll_back_once_with_half_the_step_size(tmp_path: Path) -> None:
    dataset = _with_bad_batches(made.dataset(from_host=True), {4: 1, 5: 1})
    result = loop.train(made.config(), tmp_path, dataset)
    assert result.steps == 8
    assert float(result.state.lr_scale) == 0.5
    assert int(result.state.skipped) == 0
    assert [row["step"] for row in made.rows(tmp_path)] == [2, 4, 6, 8]


def test_a_rollback_goes_on_with_the_steps_that_are_left(tmp_path: Path) -> None:
    dataset = _with_bad_batches(made.dataset(from_host=True), {6: 1, 7: 1})
    result = loop.train(made.config(), tmp_path, dataset)
    assert (result.steps, int(result.state.step), float(result.state.lr_scale)) == (8, 8, 0.5)


def test_without_a_checkpoint_it_rolls_back_to_the_start(tmp_path: Path) -> None:
    dataset = _with_bad_batches(made.dataset(from_host=True), {0: 1, 1: 1})
    result = loop.train(made.config(), tmp_path, dataset)
    assert (result.steps, float(result.state.lr_scale)) == (8, 0.5)


def test_a_second_divergence_stops_with_a_diagnosis(tmp_path: Path) -> None:
    dataset = _with_bad_batches(made.dataset(from_host=True), {4: 9, 5: 9})
    with pytest.raises(errors.TrainingDivergedError, match="since step 5"):
        loop.train(made.config(), tmp_path, dataset)


def test_no_checkpoint_of_a_state_whose_last_update_was_not_finite(tmp_path: Path) -> None:
    dataset = _with_bad_batches(made.dataset(from_host=True), {3: 1})
    result = loop.train(made.config(), tmp_path, dataset, stop_after=4)
    assert result.steps == 4
    assert not list((tmp_path / "checkpoints").glob("[0-9]*"))


def test_a_batch_larger_than_the_set_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match="larger than"):
        loop.train(made.config(train={"batch": made.N + 1}), tmp_path, made.dataset())
    assert not list(tmp_path.iterdir())


def test_several_steps_of_a_call(tmp_path: Path) -> None:
    """Calls of two steps and a single one at the end; logs and checkpoints where a call has passed their step."""
    config = made.config(compute={"steps_per_call": 2})
    result = loop.train(config, tmp_path, made.dataset(), stop_after=3)
    assert (result.steps, int(result.state.step)) == (3, 3)
    assert [row["step"] for row in made.rows(tmp_path)] == [2, 3]
    result = loop.train(config, tmp_path, made.dataset(), stop_after=6)
    assert (result.steps, int(result.state.step), result.resumed_from) == (6, 6, 3)
    assert [row["step"] for row in made.rows(tmp_path)] == [2, 3, 5, 6]
    result = loop.train(made.config(), tmp_path, made.dataset())
    assert (result.steps, int(result.state.step), result.resumed_from) == (8, 8, 6)


def test_what_the_penalty_rule_cannot_do_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="piecewise linear"):
        loop.train(made.config(compute={"penalty_rule": "exact"}), tmp_path, made.dataset())
    assert not list(tmp_path.iterdir())
