import dataclasses
import json
from pathlib import Path

import jax
import pytest

from ich_jax.report import provenance


def test_command_line_holds_no_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    argv = [
        str(tmp_path / "experiments" / "train.py"),
        f"--config={tmp_path / 'configs' / 'folder.py'}:small",
        "--config.data.path=/home/someone/secret/icons4",
        "--workdir=runs/a b",
        "/somewhere/else/",
    ]
    assert provenance.command_line(argv) == (
        "python experiments/train.py --config=configs/folder.py:small --config.data.path=.../icons4 "
        "'--workdir=runs/a b' .../else"
    )


def test_provenance_names_versions_and_devices_and_fits_json() -> None:
    made = provenance.provenance(["train.py"])
    assert made.command == "python train.py"
    assert dict(made.versions)["jax"] == jax.__version__
    assert made.backend == "cpu"
    assert made.devices == f"{jax.device_count()} x cpu"
    assert made.cores >= 1
    assert json.loads(json.dumps(dataclasses.asdict(made)))["cpu"] == made.cpu


def test_revision_is_empty_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.provenance(["train.py"]).revision == ""


def test_revision_marks_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"ls-files": "provenance.py", "rev-parse": "0123456789ab", "status": " M a.py"}
    monkeypatch.setattr(provenance, "_git", lambda folder, command, *rest: answers[command])
    assert provenance.provenance(["train.py"]).revision == "0123456789ab+changes"
    answers["status"] = ""
    assert provenance.provenance(["train.py"]).revision == "0123456789ab"
