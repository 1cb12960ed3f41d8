import errno
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from absl import logging

from ich_jax import errors, workdir
from ich_jax.training import checkpoint
from ich_jax.training.state import TrainState
from tests import helpers


def make_state(step: int) -> TrainState:
    params = {"layer": {"kernel": jax.random.normal(jax.random.key(step), (40, 50)), "bias": jnp.zeros((50,))}}
    opt = optax.scale_by_adam().init(params)
    return TrainState(
        step=jnp.int32(step),
        seed=jnp.uint32(0),
        g_params=params,
        d_params={"kernel": jnp.full((3,), step, jnp.float32)},
        e_params={},
        ema_params=params,
        g_opt=opt,
        d_opt=opt,
        e_opt=optax.scale_by_adam().init({}),
        lr_scale=jnp.float32(1),
        skipped=jnp.int32(0),
        skipped_in_a_row=jnp.int32(0),
    )


def save(folder: Path, *steps: int, scores: dict[int, float] | None = None, keep: int = 2) -> None:
    with checkpoint.Checkpoints(folder, keep=keep) as checkpoints:
        for step in steps:
            checkpoints.save(step, make_state(step), side={"trained_s": float(step)}, score=(scores or {}).get(step))


def steps_on_disk(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_restore_gives_back_every_bit_of_the_newest(tmp_path: Path) -> None:
    save(tmp_path, 10, 20)
    with checkpoint.Checkpoints(tmp_path, keep=2) as checkpoints:
        restored = checkpoints.restore(make_state(0))
    assert restored is not None
    assert restored.step == 20
    assert restored.side == {"trained_s": 20.0}
    helpers.assert_trees_equal(restored.state, make_state(20))


def test_nothing_to_restore(tmp_path: Path) -> None:
    with checkpoint.Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.restore(make_state(0)) is None
        assert checkpoints.latest_step is None
        assert checkpoints.best_step is None


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 10, 20, 30, 40, 50, scores={10: 0.8, 20: 0.1, 30: 0.7, 50: float("nan")})
    assert steps_on_disk(tmp_path) == ["20", "40", "50"]
    save(tmp_path, 60)  # another process still knows the best
    assert steps_on_disk(tmp_path) == ["20", "50", "60"]
    with checkpoint.Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.best_step == 20


def test_among_equals_the_later_one_is_best(tmp_path: Path) -> None:
    save(tmp_path, 10, 20, scores={10: 0.5, 20: 0.5})
    with checkpoint.Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.best_step == 20


def test_a_state_may_be_donated_once_save_has_returned(tmp_path: Path) -> None:
    state = make_state(10)
    with checkpoint.Checkpoints(tmp_path, keep=2) as checkpoints:
        checkpoints.save(10, state, side={})
        jax.tree.map(lambda leaf: leaf.delete() if not leaf.is_deleted() else None, state)
        restored = checkpoints.restore(make_state(0))
    assert restored is not None
    helpers.assert_trees_equal(restored.state, make_state(10))


def _largest(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def _flip_a_bit(folder: Path) -> None:
    data = bytearray(_largest(folder).read_bytes())
    data[len(data) // 2] ^= 4
    _largest(folder).write_bytes(bytes(data))


def _truncate(folder: Path) -> None:
    _largest(folder).write_bytes(_largest(folder).read_bytes()[:100])


def _remove_a_file(folder: Path) -> None:
    (folder / "state" / "manifest.ocdbt").unlink()


def _spoil_metrics(folder: Path) -> None:
    (folder / "metrics" / "metrics").write_text("{")


def _remove_seal(folder: Path) -> None:
    (folder / "complete.json").unlink()


def _spoil_seal(folder: Path) -> None:
    (folder / "complete.json").write_text("[]")


@pytest.mark.parametrize("damage", [_flip_a_bit, _truncate, _remove_a_file, _spoil_metrics, _remove_seal, _spoil_seal])
def test_a_damaged_newest_is_set_aside_and_the_one_before_is_used(
    tmp_path: Path, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: warnings.append(text % values))
    save(tmp_path, 10, 20, scores={10: 0.1, 20: 0.2})
    damage(tmp_path / "checkpoints" / "20")
    with checkpoint.Checkpoints(tmp_path, keep=2) as checkpoints:
        restored = checkpoints.restore(make_state(0))
        assert restored is not None
        assert restored.step == 10
        helpers.assert_trees_equal(restored.state, make_state(10))
        checkpoints.save(20, make_state(20), side={})
    assert steps_on_disk(tmp_path) == ["10", "20", "20.damaged"]
    (text,) = [text for text in warnings if "is damaged (" in text]
    assert str(tmp_path / "checkpoints" / "20") in text
    assert "the one before it is used" in text


def _full_disk(*arguments: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_keeps_the_last_good_one_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 10, 20)
    monkeypatch.setattr(checkpoint.workdir, "write_json", _full_disk)
    with pytest.raises(errors.CheckpointError) as caught:
        save(tmp_path, 30, keep=1)
    assert "disk is full" in str(caught.value)
    assert "checkpoint of step 30" in str(caught.value)
    assert "last good checkpoint is of step 20" in str(caught.value)
    monkeypatch.undo()
    with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
        assert checkpoints.latest_step == 20
    assert "30" not in steps_on_disk(tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_failed_save_is_noticed_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_until_it_fails(checkpoints: checkpoint.Checkpoints) -> None:
        for _ in range(1000):
            checkpoints.check()
            time.sleep(0.01)

    monkeypatch.setattr(checkpoint.workdir, "write_json", _full_disk)
    with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(30, make_state(30), side={})
        with pytest.raises(errors.CheckpointError, match="no earlier checkpoint"):
            look_until_it_fails(checkpoints)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (
            {"d_params": {"kernel": jnp.zeros((4,))}},
            "d_params/kernel: float32[3] in the checkpoint, float32[4] in this",
        ),
        (
            {"d_params": {"kernel": jnp.zeros((3,), jnp.bfloat16)}},
            "d_params/kernel: float32[3] in the checkpoint, bfloat",
        ),
        ({"d_params": {"kernel": jnp.zeros((3,)), "bias": jnp.zeros(())}}, "d_params/bias: absent in the checkpoint"),
        ({"d_params": {}}, "d_params/kernel: float32[3] in the checkpoint, absent in this config"),
        ({"skipped": jnp.float32(0)}, "skipped: int32[] in the checkpoint, float32[] in this config"),
        (
            {"e_opt": make_state(0).e_opt._replace(count=jnp.uint8(0))},
            "e_opt/count: int32[] in the checkpoint, uint8[]",
        ),
    ],
)
def test_a_state_of_other_shapes_types_or_names_is_refused(
    tmp_path: Path, other: dict[str, Any], expected: str
) -> None:
    """Orbax casts to another type silently; flax takes other shapes and drops what has no place."""
    save(tmp_path, 10)
    match = re.escape(expected)
    with checkpoint.Checkpoints(tmp_path, keep=2) as checkpoints, pytest.raises(errors.CheckpointError, match=match):
        checkpoints.restore(make_state(0).replace(**other))


def test_a_step_that_exists_is_left_as_it_is_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    save(tmp_path, 10, scores={10: 0.5})
    before = (tmp_path / "checkpoints" / "10" / "complete.json").read_text()
    monkeypatch.setattr(logging, "warning", lambda text, *values: warnings.append(text % values))
    save(tmp_path, 10, scores={10: 0.1})
    assert (tmp_path / "checkpoints" / "10" / "complete.json").read_text() == before
    assert any("a checkpoint of step 10" in text and "left as it is" in text for text in warnings)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_finite_is_never_the_best(tmp_path: Path, bad: float) -> None:
    """Orbax ranks a NaN that comes last above all others, and deletes the best one."""
    save(tmp_path, 10, 20, 30, scores={10: 0.1, 20: 0.8, 30: bad}, keep=1)
    assert steps_on_disk(tmp_path) == ["10", "30"]
    with checkpoint.Checkpoints(tmp_path, keep=1) as checkpoints:
        assert checkpoints.best_step == 10
    save(tmp_path / "only", 10, scores={10: bad})
    with checkpoint.Checkpoints(tmp_path / "only", keep=1) as checkpoints:
        assert checkpoints.best_step is None


def test_there_is_no_pickle(tmp_path: Path) -> None:
    save(tmp_path, 10, scores={10: 1.0})
    for path in (tmp_path / "checkpoints").rglob("*"):
        assert path.suffix not in (".pkl", ".pickle")
        if path.is_file():
            assert not path.read_bytes().startswith(b"\x80\x04")


def test_inference_needs_a_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(errors.CheckpointError, match="no good checkpoint"):
        checkpoint.restore_for_inference(tmp_path)
    save(tmp_path, 10)
    _truncate(tmp_path / "checkpoints" / "10")
    with pytest.raises(errors.CheckpointError, match="cannot be used"):
        checkpoint.restore_for_inference(tmp_path / "checkpoints" / "10")
    assert steps_on_disk(tmp_path) == ["10"]  # reading changes nothing


def test_inference_needs_the_config_of_the_run(tmp_path: Path) -> None:
    save(tmp_path, 10)
    with pytest.raises(errors.WorkdirError, match=r"config\.json"):
        checkpoint.restore_for_inference(tmp_path)
    assert json.loads((tmp_path / "checkpoints" / "10" / "complete.json").read_text())["step"] == 10
    assert workdir.read_json(tmp_path / "checkpoints" / "10" / "complete.json")["score"] is None
