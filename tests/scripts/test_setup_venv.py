"""The environment script on a project of one file, with a build back end that needs no network."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "setup_venv.py"
BACKEND = """
import pathlib, time, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    text = pathlib.Path("setup.cfg").read_text()
    if "broken" in text:
        raise RuntimeError("this build is broken")
    if "slow" in text:
        pathlib.Path("building").touch()
        time.sleep(60)
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as wheel:
        wheel.writestr("tiny.py", f"TEXT = {text!r}")
        info = "tiny-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\nProvides-Extra: test\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", f"tiny.py,,\\n{info}METADATA,,\\n{info}WHEEL,,\\n{info}RECORD,,\\n")
    return name
"""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ensurepip") is None, reason="this Python cannot make virtual environments"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    (tmp_path / "backend.py").write_text(BACKEND)
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (tmp_path / "setup.cfg").write_text("first")
    (tmp_path / "setup.py").write_text("")
    return tmp_path


def run_setup(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/setup_venv.py", *options]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


def installed(project: Path, name: str = ".venv") -> str:
    command = [project / name / "bin" / "python", "-c", "import tiny; print(tiny.TEXT)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def leftovers(project: Path) -> set[str]:
    return {path.name for path in project.glob(".venv*")} - {".venv.lock"}


def test_installs_once_and_survives_a_failed_upgrade(project: Path) -> None:
    first = run_setup(project)
    assert first.returncode == 0, first.stderr
    assert "installing . in .venv" in first.stdout
    assert installed(project) == "first"

    second = run_setup(project, "--exact")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")

    extra = run_setup(project, "--extra=test")
    assert extra.returncode == 0, extra.stderr
    assert "installing .[test]" in extra.stdout
    assert run_setup(project).stdout == run_setup(project, "--extra=test").stdout == ""

    (project / "setup.cfg").write_text("broken")
    failed = run_setup(project)
    assert failed.returncode == 1
    assert "failed with exit code 1" in failed.stderr
    assert "this attempt was undone" in failed.stderr
    assert leftovers(project) == {".venv"}
    assert installed(project) == "first"
    (project / "setup.cfg").write_text("first")
    assert run_setup(project, "--extra=test").stdout == ""  # what was put back counts as installed

    (project / "setup.cfg").write_text("second")
    assert run_setup(project).returncode == 0
    assert installed(project) == "second"
    assert leftovers(project) == {".venv"}
    assert "installing" in run_setup(project, "--extra=test").stdout  # the extra belonged to the old metadata


def test_a_failed_first_install_leaves_nothing(project: Path) -> None:
    (project / "setup.cfg").write_text("broken")
    assert run_setup(project).returncode == 1
    assert leftovers(project) == set()


def test_an_interrupted_install_leaves_nothing(project: Path) -> None:
    (project / "setup.cfg").write_text("slow")
    process = subprocess.Popen(
        [sys.executable, "scripts/setup_venv.py"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not (project / "building").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert leftovers(project) == {".venv"}
    # The whole group, as a terminal does on Ctrl-C. Not SIGINT: a suite that runs in the background has it ignored, and
    # so have its children. Both signals take the same way through the script.
    os.killpg(process.pid, signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted" in stderr
    assert leftovers(project) == set()


def test_undoes_a_killed_install_and_replaces_a_venv_that_does_not_start(project: Path) -> None:
    (project / ".venv").mkdir()
    (project / ".venv" / "unfinished").touch()
    (project / ".venv" / "half-made").touch()
    (project / ".venv.staged").mkdir()
    (project / ".venv.saved" / "bin").mkdir(parents=True)
    (project / ".venv.saved" / "bin" / "python").symlink_to(project / "no-such-python")
    assert run_setup(project).returncode == 0
    assert installed(project) == "first"
    assert leftovers(project) == {".venv"}
    assert not (project / ".venv" / "half-made").exists()


def test_an_environment_of_another_name_keeps_the_same_promises(project: Path) -> None:
    (project / ".venv-9.9.staged").mkdir()
    (project / ".venv-9.9.saved" / "bin").mkdir(parents=True)
    (project / ".venv-9.9").mkdir()
    (project / ".venv-9.9" / "unfinished").touch()
    (project / ".venv.saved").mkdir()  # what is beside it is not its own
    first = run_setup(project, "--venv=.venv-9.9")
    assert first.returncode == 0, first.stderr
    assert "installing . in .venv-9.9" in first.stdout
    assert installed(project, ".venv-9.9") == "first"
    assert leftovers(project) == {".venv-9.9", ".venv.saved"}

    where = run_setup(project, "--venv=.venv-9.9", "--exact", "--where")
    assert where.stdout == f"{project / '.venv-9.9' / 'bin' / 'python'}\n"

    (project / "setup.cfg").write_text("broken")
    failed = run_setup(project, "--venv=.venv-9.9")
    assert failed.returncode == 1
    assert "this attempt was undone" in failed.stderr
    assert installed(project, ".venv-9.9") == "first"
    assert leftovers(project) == {".venv-9.9", ".venv.saved"}


def test_auto_takes_a_folder_of_its_own_beside_the_venv_of_another_interpreter(project: Path) -> None:
    python = project / ".venv" / "bin" / "python"
    own = f".venv-{sys.version_info.major}.{sys.version_info.minor}"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho True of another kind\n")
    python.chmod(0o755)
    first = run_setup(project, "--exact", "--venv=auto")
    assert first.returncode == 0, first.stderr
    assert f"installing . in {own}" in first.stdout
    assert leftovers(project) == {".venv", own}
    where = run_setup(project, "--exact", "--venv=auto", "--where")
    assert where.stdout == f"{project / own / 'bin' / 'python'}\n"
    assert list((project / ".venv").rglob("*.json")) == []  # the other one was left alone

    python.write_text("#!/bin/sh\nexit 1\n")  # one that does not start is nobody's
    second = run_setup(project, "--exact", "--venv=auto")
    assert "installing . in .venv (" in second.stdout
    assert run_setup(project, "--exact", "--venv=auto", "--where").stdout == f"{python}\n"
    assert leftovers(project) == {".venv", own}


@pytest.mark.parametrize("name", [".venv.saved", ".venv.lock", ".venv-3.12.staged", "venv", "../.venv", ""])
def test_names_that_are_taken_or_lead_elsewhere_are_refused(project: Path, name: str) -> None:
    refused = run_setup(project, f"--venv={name}")
    assert refused.returncode == 2
    assert "expected .venv, .venv-NAME (such as .venv-3.12) or auto" in refused.stderr
    assert set(project.glob(".venv*")) == set()
