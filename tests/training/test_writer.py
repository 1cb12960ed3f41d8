import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from absl import logging

from ich_jax import errors
from ich_jax.training import writer


def test_rows_are_appended_and_kept(tmp_path: Path) -> None:
    with writer.MetricWriter(tmp_path, step=0, tensorboard=False) as log:
        log.write(1, {"loss": 0.5})
        log.write(2, {"loss": math.nan})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": null}\n'
    assert writer.read_history(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}]
    assert log.history[0] == {"step": 1, "loss": 0.5}


def test_resuming_drops_rows_beyond_the_step_and_a_torn_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    with writer.MetricWriter(tmp_path, step=2, tensorboard=False) as log:
        assert log.history == [{"step": 1}, {"step": 2}]
        log.write(3, {"loss": 1.0})
        log.rewind(1)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n'


@pytest.mark.parametrize(
    "line", [b'{"st', b"\xff\xfe", b"[1]", b"3", b'{"step": "2"}', b'{"loss": 1}', b'{"step": 2, "loss": "x"}', b"\x00"]
)
def test_damaged_lines_are_left_out_and_named(line: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "loss": null}\n' + line + b'\n{"step": 3}\n' + line)
    log = writer.MetricWriter(tmp_path, step=3, tensorboard=False)
    assert [row["step"] for row in log.history] == [1, 3]
    assert "line 2, 4 of 4 cannot be read" in caplog.text
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": null}\n{"step": 3}\n'


def test_tensorboard_hides_the_steps_that_a_rollback_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(writer, "_summary_writer", lambda folder, purge_step: opened.append(purge_step))
    with writer.MetricWriter(tmp_path, step=0, tensorboard=True) as log:
        for step in (1, 2, 3):
            log.write(step, {"d_loss": 0.5})
        log.rewind(1)
        log.write(2, {"d_loss": 0.25})
    assert opened == [None, 2]
    assert [row["d_loss"] for row in writer.read_history(tmp_path / writer.METRICS_FILE)] == [0.5, 0.25]


def test_a_run_goes_on_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorboardX.py").write_text("raise OSError('libcudart.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorboardX", raising=False)
    with writer.MetricWriter(tmp_path, step=0, tensorboard=True) as log:
        log.write(1, {"d_loss": 0.5})
    assert [row["d_loss"] for row in writer.read_history(tmp_path / writer.METRICS_FILE)] == [0.5]
    assert not list(tmp_path.glob("events*"))


def test_importing_the_rooms_imports_no_torch() -> None:
    code = "import sys, ich_jax.studies.train.run; print({'tensorboardX', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_tensorboard_gets_the_same_names(tmp_path: Path) -> None:
    with writer.MetricWriter(tmp_path, step=0, tensorboard=True) as log:
        log.write(1, {"d_loss": 0.5, "validation/score": math.inf})
    (events,) = tmp_path.glob("events.out.tfevents.*")
    assert b"d_loss" in events.read_bytes()
    assert b"validation/score" not in events.read_bytes()  # TensorBoard cannot plot infinity


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = writer.MetricWriter(tmp_path, step=0, tensorboard=False)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(errors.WorkdirError, match="disk is full"):
        log.write(1, {"loss": 0.5})


def test_progress_without_a_terminal_is_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    monkeypatch.setattr(logging, "info", lambda text, *values: lines.append(text % values))
    with writer.progress(100, live=True) as show:
        show(3, img_per_s=1.0, eta_s=0.0)
        show(10, img_per_s=12.34, eta_s=3723.0, text="d_loss 1.0")
    assert lines == ["step 10/100  d_loss 1.0  12.3 img/s  ETA 1:02:03"]


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with writer.progress(100, live=True) as show:
        show(10, img_per_s=12.34, eta_s=245.0, text="d_loss 1.0")
    shown = capsys.readouterr().err
    assert "12.3 img/s" in shown
    assert "4:05" in shown


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")])
def test_duration(seconds: float, text: str) -> None:
    assert writer.duration(seconds) == text
    assert json.dumps(text)
