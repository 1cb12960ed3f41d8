"""Work directories that an earlier revision made are resumed by this one, with the same networks.

`stored/make_work_directories.py` made them, at revision a004195 with JAX 0.12.0.1 and Python 3.12.
"""

import ast
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ich_jax import config as config_lib
from ich_jax.studies.error_comparison import run as error_comparison
from ich_jax.studies.interference import run as interference
from ich_jax.studies.train import run as train
from tests.experiments.stored.make_work_directories import ROOT, commands

ARCHIVE = Path(__file__).parent / "stored" / "work_directories.tar.xz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stored work directories, unpacked."""
    path = tmp_path_factory.mktemp("stored")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(path, filter="data")
    return path / "work_directories"


def resume(name: str, given: Iterable[str]) -> None:
    """Gives a command again: its flags, without the one that stopped it, in this process, which has imported JAX."""
    words = dict(flag.removeprefix("--").split("=", 1) for flag in given if "stop_after" not in flag)
    fields = {key.removeprefix("config."): _value(text) for key, text in words.items() if key.startswith("config.")}
    if name == "interference_sweep":
        config = config_lib.load(words["config"], fields, config_lib.InterferenceConfig)
        start = interference.run_pulses if config.task == "pulse" else interference.run
        start(config, words["workdir"], words["checkpoint"])
        return
    fields |= {"compute.compilation_cache": False, "compute.devices": 1}  # neither changes results
    if name == "train":
        assert train.run(config_lib.load(words["config"], fields), words["workdir"]) is None
    else:
        comparison = config_lib.load(words["config"], fields, config_lib.ErrorComparisonConfig)
        assert error_comparison.run(comparison, words["workdir"]) is None


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def test_each_is_resumed(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    made = {path: path.read_bytes() for path in folder.rglob("*.json") if path.parent.name in ("cells", "courses")}
    history = (folder / "stopped" / "metrics.jsonl").read_text()
    whole = (folder / "trained" / "metrics.jsonl").read_bytes()
    trained = json.loads((folder / "trained" / "results.json").read_text())["summary"]
    assert {path.parent.parent.name for path in made} == {"sweep", "pulses"}

    for _, name, given in commands(str(folder)):
        resume(name, given)
        assert capsys.readouterr().out.splitlines()[-1].startswith("summary: ")

    # Nothing is trained anew, and parameters are read from the checkpoint bit for bit.
    assert (folder / "trained" / "metrics.jsonl").read_bytes() == whole
    assert (
        json.loads((folder / "trained" / "results.json").read_text())["summary"]["params_sha256"]
        == (trained["params_sha256"])
    )
    resumed = (folder / "stopped" / "metrics.jsonl").read_text().splitlines()
    assert resumed[0] == history.splitlines()[0]
    assert json.loads(resumed[-1])["step"] == 6
    assert all(path.read_bytes() == content for path, content in made.items())
    assert len(list((folder / "sweep" / "cells").iterdir())) > len([path for path in made if "sweep" in path.parts])
    assert len(list((folder / "pulses" / "courses").iterdir())) == 2
    assert len(list((folder / "comparison" / "cells").glob("*/cell.json"))) == 4
