"""The top level agrees with itself: metadata, dependencies, documents, commands."""

import ast
import configparser
import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ich_jax

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = {"PIL": "pillow", "absl": "absl-py", "orbax": "orbax-checkpoint"}  # where the import has another name


@pytest.fixture(scope="module")
def metadata() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def names(requirements: str) -> set[str]:
    return {re.split(r"[<>=;\[]", line)[0].lower() for line in requirements.split()}


def imported(folder: str) -> set[str]:
    """Distributions that the modules of a folder import, standard library and this package aside."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).split(".")[0])
    found -= sys.stdlib_module_names | {"ich_jax", "experiments", "scripts"}
    return {DISTRIBUTIONS.get(name, name).lower() for name in found}


OPTIONAL = {
    "pandas",
    "openpyxl",
    "submitit",
}  # data frames, .xlsx sheets, clusters; without them a message says what to install


def test_what_is_imported_is_required_and_nothing_else(metadata: configparser.ConfigParser) -> None:
    required = names(metadata["options"]["install_requires"])
    used = imported("ich_jax") | imported("configs")
    assert used - OPTIONAL <= required, f"not in install_requires: {used - required}"
    assert used >= OPTIONAL and names(metadata["options.extras_require"]["test"]) >= OPTIONAL
    assert required <= used | imported("experiments"), "required but never imported"


def test_every_dependency_is_justified_in_contributing(metadata: configparser.ConfigParser) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    justified = {name.lower() for name in re.findall(r"`([\w-]+)`", text.split("## Dependencies")[1])}
    extras = metadata["options.extras_require"]
    for group in (metadata["options"]["install_requires"], extras["test"], extras["peers"], extras["bench"]):
        assert names(group) <= justified
    assert {"gpu", "tpu"} <= extras.keys()


def test_data_files_of_the_package_are_installed(metadata: configparser.ConfigParser) -> None:
    patterns = [p.strip() for p in metadata["options.package_data"]["ich_jax"].split(",")]
    for path in (ROOT / "ich_jax").rglob("*"):
        name = path.relative_to(ROOT / "ich_jax").as_posix()
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            assert any(fnmatch.fnmatch(name, p.replace("**/", "*")) for p in patterns), f"{name} would not be installed"


def test_every_folder_of_modules_is_a_package() -> None:
    for folder in {path.parent for path in (ROOT / "ich_jax").rglob("*.py")}:
        assert (folder / "__init__.py").is_file(), f"{folder} would not be installed"


def test_the_version_is_one_that_can_be_released() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", ich_jax.__version__)
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 80


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_links_and_commands_name_files_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    commands = re.findall(r"(?:python |--config=)((?:experiments|scripts|configs)/\w+\.py)", text)
    assert links
    for name in {*links, *commands}:
        assert (ROOT / name).exists(), f"{document} names {name}"


def test_commands_of_the_readme_run_one_after_another() -> None:
    """Whatever a row of the experiments starts from has been made by `make demo` or by a row above it."""
    makefile = (ROOT / "Makefile").read_text()
    made = set(re.findall(r"--workdir=(\S+)", makefile.split("\ndemo:")[1].split("\n\n")[0]))
    assert made == {"runs/demo", "runs/demo_designs"}
    section = (ROOT / "README.md").read_text().split("\n## Experiments\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| \w+ \| `(python experiments/[^`]+)` \|", section, re.MULTILINE)
    assert {row.split()[1] for row in rows} == {
        f"experiments/{path.name}" for path in (ROOT / "experiments").glob("*.py")
    }
    for row in rows:
        flags = dict(re.findall(r"--([\w.]+)=(\S+)", row))
        workdir = flags.pop("workdir")
        for name, value in flags.items():
            assert not value.startswith("runs/") or value in made, f"--{name}={value} of the README: nothing makes it"
        assert workdir not in made, f"{workdir} is made twice"
        made.add(workdir)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
class TestMakefile:
    """Which interpreter the targets take, without running them."""

    @pytest.fixture
    def commands(self, tmp_path: Path) -> Path:
        """A folder of commands in which nothing but these can be found; python3.13 is a shim that fails."""
        for tool in ("sh", "sed"):
            found = shutil.which(tool)
            assert found is not None
            (tmp_path / tool).symlink_to(found)
        self.add(tmp_path, "python3.13", "echo 'command not found' >&2; exit 127")
        return tmp_path

    def add(self, folder: Path, name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    def make(self, commands: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        make = shutil.which("make")
        assert make is not None
        environment = {"PATH": str(commands)}
        return subprocess.run([make, "-C", ROOT, *arguments], env=environment, capture_output=True, text=True)

    def test_the_newest_that_starts_is_taken(self, commands: Path) -> None:
        self.add(commands, "python3.11", f'exec "{sys.executable}" "$@"')
        self.add(commands, "python3.12", f'exec "{sys.executable}" "$@"')
        printed = self.make(commands, "-n", "demo").stdout
        assert '"python3.12" scripts/setup_venv.py' in printed
        assert "--exact" not in printed  # a .venv that is there already is kept

    def test_one_that_is_too_old_is_passed_over(self, commands: Path) -> None:
        self.add(commands, "python3", "exit 1")  # what an old one says when asked whether it is new enough
        done = self.make(commands, "demo")
        assert done.returncode != 0
        assert "None of python3.13 python3.12 python3.11 python3 is a Python of at least 3.11" in done.stderr
        assert "make PYTHON=" in done.stderr

    def test_the_one_that_is_given_is_taken_or_refused(self, commands: Path) -> None:
        self.add(commands, "python3.12", f'exec "{sys.executable}" "$@"')
        given = f"PYTHON={sys.executable}"
        assert f'"{sys.executable}" scripts/setup_venv.py --exact' in self.make(commands, "-n", "test", given).stdout
        refused = self.make(commands, "test", "PYTHON=python3.13")
        assert refused.returncode != 0
        assert "'python3.13' is not a Python of at least 3.11 that starts" in refused.stderr

    def test_smoke_leaves_the_venv_of_another_interpreter_alone(self, commands: Path) -> None:
        given = self.make(commands, "-n", "smoke", f"PYTHON={sys.executable}").stdout
        assert f'"{sys.executable}" scripts/setup_venv.py --exact --venv=auto --where)" scripts/smoke.py' in given
        self.add(commands, "python3.12", f'exec "{sys.executable}" "$@"')
        assert "--venv" not in self.make(commands, "-n", "smoke").stdout
