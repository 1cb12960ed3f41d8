"""Files of a work directory that are damaged cost what they hold, not the run."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ich_jax import errors, workdir
from ich_jax.models.convolutions import Formulation
from ich_jax.studies.interference import generators
from ich_jax.training import checkpoint_files, checks, data_description, formulation, transfer
from tests.training import made

ODD: list[Any] = [None, 3, [1, 2], "text", {}, {"form": 3}, {"space": 3}, {"fingerprint": [1]}, {"files": {"a": 1}}]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_records_are_verified(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, values = tmp_path / "cell.json", {"read": [1.0, float("nan")], "n": 3}
    assert workdir.read_record(path) is None
    workdir.write_record(path, values)
    assert workdir.read_record(path) == {"read": [1.0, None], "n": 3}
    path.write_text(path.read_text().replace("3", "4"))
    assert workdir.read_record(path) is None
    assert "differs from what was written. It was renamed to cell.json.damaged" in caplog.text
    assert not path.exists()
    path.write_text('{"n": 3}')  # of a version that wrote no digest
    assert workdir.read_record(path) == {"n": 3}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"null", b"[" * 100_000])
def test_a_record_that_is_none_is_made_again(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "cell.json").write_bytes(content)
    assert workdir.read_record(tmp_path / "cell.json") is None
    assert (tmp_path / "cell.json.damaged").read_bytes() == content


@pytest.mark.parametrize("odd", ODD)
def test_odd_descriptions_of_images_do_not_stop_a_run(
    odd: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = made.dataset()
    workdir.write_json(tmp_path / data_description.FILE, data_description.describe(data))
    assert data_description.read_spec(tmp_path) == data.spec
    workdir.write_json(tmp_path / data_description.FILE, odd)
    with pytest.raises(errors.WorkdirError, match="the command that trained the run writes it anew"):
        data_description.read_spec(tmp_path)
    checks.check_images(tmp_path, data)
    assert "it is written anew" in caplog.text
    config = made.config()
    workdir.claim(tmp_path, config, {"data.path": "others"})
    with pytest.raises(errors.WorkdirError, match="images have changed"):  # the config remembers them as well
        checks.check_images(tmp_path, data)


@pytest.mark.parametrize("odd", [*ODD, {"platform": "cpu"}, {"platform": "cpu", "form": {"taps": "x"}, "options": {}}])
def test_an_odd_choice_of_convolutions_is_made_anew(odd: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workdir.write_json(tmp_path / formulation.FILE, odd)
    with caplog.at_level(logging.WARNING):
        choice = formulation.choose(made.config(), tmp_path)
    assert isinstance(choice.form, Formulation)
    assert json.loads((tmp_path / formulation.FILE).read_text())["platform"] == "cpu"


@pytest.mark.parametrize("odd", ODD)
def test_odd_seals_are_damage(odd: Any, tmp_path: Path) -> None:
    workdir.write_text(tmp_path / "4" / "state" / "array", "values")
    checkpoint_files.seal(tmp_path / "4", 4, 0.5, "run")
    assert checkpoint_files.damage(tmp_path / "4") == ""
    assert checkpoint_files.best_step(tmp_path) == 4
    workdir.write_json(tmp_path / "4" / workdir.SEAL_FILE, odd)
    assert checkpoint_files.damage(tmp_path / "4")
    assert checkpoint_files.whole_steps(tmp_path) == []
    checkpoint_files.set_aside_damaged(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["4.damaged"]


def test_every_flipped_bit_of_a_seal_is_damage(tmp_path: Path) -> None:
    workdir.write_text(tmp_path / "4" / "state" / "array", "values")
    checkpoint_files.seal(tmp_path / "4", 4, 0.5, "run")
    path = tmp_path / "4" / workdir.SEAL_FILE
    whole = path.read_bytes()
    for i in range(8 * len(whole)):
        data = bytearray(whole)
        data[i // 8] ^= 1 << i % 8
        path.write_bytes(data)
        if not checkpoint_files.damage(tmp_path / "4"):  # the name of the digest itself, as older versions had none
            assert json.loads(data)["score"] == 0.5 and json.loads(data)["files"] == json.loads(whole)["files"]


@pytest.mark.parametrize("odd", ODD)
def test_other_odd_files_have_messages(odd: Any, tmp_path: Path) -> None:
    for name in (generators.FILE, workdir.CONFIG_FILE, "lineage.json"):
        workdir.write_json(tmp_path / name, odd)
    if not isinstance(odd, dict):
        with pytest.raises(errors.WorkdirError, match="instead of names with values"):
            generators.read_identity(tmp_path)
        with pytest.raises(errors.WorkdirError, match="does not hold a configuration"):
            workdir.read_config(tmp_path)
    assert checks._began_from(tmp_path) is None
    assert transfer._noted(tmp_path / "lineage.json") == (odd if isinstance(odd, dict) else None)
    assert transfer._noted(tmp_path / workdir.CONFIG_FILE, "fingerprint") in (None, [1])
