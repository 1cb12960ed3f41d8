"""Work directories that an earlier revision made are resumed by this one, with the same networks.

`stored/make_work_directories.py` made them, at revision a004195 with JAX 0.12.0.1 and Python 3.12.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.experiments.stored.make_work_directories import ROOT, commands

ARCHIVE = Path(__file__).parent / "stored" / "work_directories.tar.xz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stored work directories, unpacked."""
    path = tmp_path_factory.mktemp("stored")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(path, filter="data")
    return path / "work_directories"


def test_each_is_resumed(folder: Path, tmp_path: Path) -> None:
    made = {path: path.read_bytes() for path in folder.rglob("*.json") if path.parent.name in ("cells", "courses")}
    history = (folder / "stopped" / "metrics.jsonl").read_text()
    whole = (folder / "trained" / "metrics.jsonl").read_bytes()
    trained = json.loads((folder / "trained" / "results.json").read_text())["summary"]
    assert {path.parent.parent.name for path in made} == {"sweep", "pulses"}

    for _, name, given in commands(str(folder)):
        done = subprocess.run(
            [sys.executable, f"experiments/{name}.py", *(flag for flag in given if "stop_after" not in flag)],
            cwd=ROOT,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1].startswith("summary: ")

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
