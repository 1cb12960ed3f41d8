import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from ich_jax import config as config_lib
from ich_jax import errors, workdir


def _config(**train: object) -> config_lib.Config:
    return config_lib.resolve({"train": {"steps": 100} | train})


def test_write_bytes_creates_folders_and_leaves_nothing_aside(tmp_path: Path) -> None:
    workdir.write_bytes(tmp_path / "a" / "b.bin", b"abc")
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"abc"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.bin"]


def test_written_files_follow_the_umask(tmp_path: Path) -> None:
    workdir.write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_write_json_takes_dataclasses_paths_and_numpy(tmp_path: Path) -> None:
    @dataclasses.dataclass
    class Point:
        x: float
        names: tuple[str, ...]

    workdir.write_json(
        tmp_path / "a.json", {"p": Point(1.5, ("a",)), "q": np.float32(0.5), "r": Path("x"), "s": np.arange(2)}
    )
    assert workdir.read_json(tmp_path / "a.json") == {"p": {"x": 1.5, "names": ["a"]}, "q": 0.5, "r": "x", "s": [0, 1]}
    with pytest.raises(TypeError, match="object"):
        workdir.write_json(tmp_path / "b.json", object())


@pytest.mark.parametrize(("code", "words"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "permission")])
def test_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    path = tmp_path / "a.txt"
    workdir.write_text(path, "old")

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(workdir.os, "fsync", fail)
    with pytest.raises(errors.WorkdirError, match=words) as caught:
        workdir.write_text(path, "new")
    assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(errors.WorkdirError, match="folder is needed"):
        workdir.claim(tmp_path / "file" / "run", _config())


def test_read_json_names_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(errors.WorkdirError, match="damaged"):
        workdir.read_json(tmp_path / "a.json")
    with pytest.raises(errors.WorkdirError, match="does not exist"):
        workdir.read_json(tmp_path / "b.json")


def test_claim_writes_a_config_from_which_the_run_can_be_rebuilt(tmp_path: Path) -> None:
    config = _config()
    assert workdir.claim(tmp_path / "run", config) is False
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert stored["fingerprint"] == config_lib.fingerprint(config)
    assert config_lib.resolve(workdir.read_config(tmp_path / "run")) == config


def test_claim_again_may_change_execution_fields(tmp_path: Path) -> None:
    workdir.claim(tmp_path, _config())
    other = config_lib.resolve({"train": {"steps": 100}, "loop": {"log_every": 3}})
    assert workdir.claim(tmp_path, other) is True
    assert workdir.read_config(tmp_path)["loop"]["log_every"] == 3


def test_claim_refuses_another_run_and_names_both_values(tmp_path: Path) -> None:
    workdir.claim(tmp_path, _config())
    before = (tmp_path / "config.json").read_text()
    other = config_lib.resolve(
        {"seed": 5, "train": {"steps": 100}, "generator": {"widths": (16, 8)}, "loop": {"keep": 9}}
    )
    with pytest.raises(errors.WorkdirError) as caught:
        workdir.claim(tmp_path, other)
    message = str(caught.value)
    assert "seed: 0 in" in message
    assert "5 now" in message
    assert "generator.widths: [96, 64, 32]" in message
    assert "loop.keep" not in message
    assert "--init_from=" in message
    assert (tmp_path / "config.json").read_text() == before


def test_a_field_that_came_later_stands_at_its_default(tmp_path: Path) -> None:
    workdir.claim(tmp_path, _config())
    stored = json.loads((tmp_path / "config.json").read_text())
    del stored["train"]["clip"]  # as an earlier version wrote it
    (tmp_path / "config.json").write_text(json.dumps(stored))
    other = _config(clip=7.5)
    with pytest.raises(errors.WorkdirError, match=r"train\.clip: .* in .*, 7\.5 now"):
        workdir.claim(tmp_path, other)
    assert workdir.claim(tmp_path, _config())


def test_claim_refuses_a_field_that_is_gone(tmp_path: Path) -> None:
    workdir.claim(tmp_path, _config())
    stored = json.loads((tmp_path / "config.json").read_text())
    stored["train"]["former"] = 3
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(errors.WorkdirError, match=r"train\.former: 3 in .*, not stated now"):
        workdir.claim(tmp_path, _config())


def test_claim_refuses_checkpoints_of_an_unknown_run(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(errors.WorkdirError, match="cannot be known"):
        workdir.claim(tmp_path, _config())


def test_check_refuses_as_claim_does_and_writes_nothing(tmp_path: Path) -> None:
    assert workdir.check(tmp_path / "new", _config()) is False and not (tmp_path / "new").exists()
    workdir.claim(tmp_path, _config(steps=8))
    before = (tmp_path / "config.json").read_bytes()
    other = config_lib.resolve({"train": {"steps": 8}, "loop": {"log_every": 3}})
    assert workdir.check(tmp_path, other) is True
    with pytest.raises(errors.WorkdirError, match="belongs to another run"):
        workdir.check(tmp_path, _config(steps=9))
    assert (tmp_path / "config.json").read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_claim_of_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(errors.WorkdirError, match="permission"):
        workdir.claim(tmp_path / "run", _config())
