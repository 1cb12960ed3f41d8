"""Makes `.venv` and installs the project in it; does nothing if that has been done already.

    python3.12 scripts/setup_venv.py [--extra=test] [--exact] [--venv=.venv-3.12] [--where]

Called by `make`, with the standard library alone. An install that fails, is interrupted or is killed leaves the
previous state: no `.venv`, or the one that worked. A finished install is valid for the text of setup.cfg, setup.py and
pyproject.toml, the place of the checkout and, with `--exact`, the interpreter that runs this script; without `--exact`
a `.venv` of another interpreter is kept.

`--venv` names another folder than `.venv`; all of the above holds for each of them. `--venv=auto` takes `.venv` unless
it works and another interpreter made it, and then the folder named after this one's version, such as `.venv-3.12`.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAIN, AUTO = ".venv", "auto"
# One lock for all environments: every install of this checkout writes its metadata and build folder.
LOCK = ROOT / ".venv.lock"
IDENTITY = "import sys; print(sys.version_info >= (3, 11), sys.version, sys.base_prefix)"


class SetupError(Exception):
    """The environment cannot be made."""


@dataclasses.dataclass(frozen=True)
class Venv:
    """Paths of an environment.

    Attributes:
        name: Of its folder in the checkout.
    """

    name: str

    @property
    def folder(self) -> Path:
        """The environment itself."""
        return ROOT / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def unfinished(self) -> Path:
        """A mark inside it while it is being changed."""
        return self.folder / "unfinished"

    @property
    def installed(self) -> Path:
        """File of its installs: {extra: key of the install}."""
        return self.folder / "installed.json"

    @property
    def saved(self) -> Path:
        """Its copy from before the install in progress."""
        return ROOT / f"{self.name}.saved"

    @property
    def staged(self) -> Path:
        """Folder that a rename turns into the environment or its saved copy."""
        return ROOT / f"{self.name}.staged"


def main() -> None:
    """Parses the command line and brings the environment up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extra", default="", help="extra of setup.cfg to install as well, for example test")
    parser.add_argument("--exact", action="store_true", help="rebuild an environment that another interpreter made")
    parser.add_argument("--venv", default=MAIN, type=_venv_name, help="its folder: .venv, .venv-NAME or auto")
    parser.add_argument("--where", action="store_true", help="print the path of its interpreter in the end")
    args = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with _lock():
            venv = _choose(args.venv)
            _recover(venv)
            if not _is_current(venv, args.extra, args.exact):
                _install(venv, args.extra, args.exact)
        if args.where:
            print(venv.python)
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; this attempt was undone.")


def _venv_name(text: str) -> str:
    # Names with a further dot, such as .venv.saved, are taken by installs in progress.
    if not re.fullmatch(r"auto|\.venv(-\w+(\.\d+)*)?", text):
        raise argparse.ArgumentTypeError(f"expected .venv, .venv-NAME (such as .venv-3.12) or auto, got {text!r}")
    return text


def _choose(name: str) -> Venv:
    """The environment of that name; `auto`: `.venv`, or one named after this version if `.venv` is another's."""
    if name != AUTO:
        return Venv(name)
    main = Venv(MAIN)
    _recover(main)
    if _identity(main.python) in ("", _identity(sys.executable)):
        return main
    return Venv(f"{MAIN}-{sys.version_info.major}.{sys.version_info.minor}")


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Lets one install at a time work on this checkout; the system drops the lock when its holder dies."""
    with open(LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("setup: waiting for another install in this checkout", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _recover(venv: Venv) -> None:
    """Undoes an install that did not finish."""
    if venv.saved.exists() and (venv.unfinished.exists() or not venv.folder.exists()):
        _remove(venv.folder)
        venv.saved.rename(venv.folder)
    elif venv.unfinished.exists():
        _remove(venv.folder)
    _remove(venv.saved)
    _remove(venv.staged)


def _is_current(venv: Venv, extra: str, exact: bool) -> bool:
    identity = _identity(venv.python)
    if not identity or (exact and identity != _identity(sys.executable)):
        return False
    return venv.installed.is_file() and json.loads(venv.installed.read_text()).get(extra) == _key()


def _key() -> str:
    """Identifies an install: the metadata, and the place that the editable install points to."""
    texts = [(ROOT / name).read_bytes() for name in ("setup.cfg", "setup.py", "pyproject.toml")]
    return hashlib.sha256(b"\0".join([*texts, os.fsencode(ROOT)])).hexdigest()


def _identity(python: str | Path) -> str:
    """Returns a text that an interpreter and its virtual environments share; empty if it is unsuitable."""
    try:
        done = subprocess.run([python, "-I", "-c", IDENTITY], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout if done.stdout.startswith("True") else ""


def _install(venv: Venv, extra: str, exact: bool) -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise SetupError(
            f"{sys.executable} cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv. "
            "Or name another interpreter: make PYTHON=..."
        )
    try:
        _prepare(venv, exact)
        target = f".[{extra}]" if extra else "."
        print(f"setup: installing {target} in {venv.name} (takes minutes the first time)", flush=True)
        _run([str(venv.python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--editable", target])
        done = json.loads(venv.installed.read_text()) if venv.installed.is_file() else {}
        done = {name: key for name, key in done.items() if key == _key()} | {"": _key(), extra: _key()}
        venv.installed.write_text(json.dumps(done, indent=1) + "\n")
        venv.unfinished.unlink()
    except BaseException:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not stop the cleaning up
        _recover(venv)
        raise
    _remove(venv.saved)


def _prepare(venv: Venv, exact: bool) -> None:
    """Leaves an environment that pip can work in, marked unfinished, beside a copy of the previous one."""
    identity = _identity(venv.python)
    if identity and not (exact and identity != _identity(sys.executable)):
        shutil.copytree(venv.folder, venv.staged, symlinks=True)
        venv.staged.rename(venv.saved)
        venv.unfinished.touch()
        return
    if venv.folder.exists() or venv.folder.is_symlink():
        venv.folder.rename(venv.saved)
    venv.staged.mkdir()
    (venv.staged / venv.unfinished.name).touch()
    venv.staged.rename(venv.folder)
    # A virtual environment must not depend on another one, which may be the `.venv` that is being replaced.
    _run([getattr(sys, "_base_executable", sys.executable), "-I", "-m", "venv", str(venv.folder)])


def _run(command: list[str]) -> None:
    code = subprocess.run(command, cwd=ROOT).returncode
    if code:
        raise SetupError(f"`{' '.join(command)}` failed with exit code {code}, see above; this attempt was undone.")


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


if __name__ == "__main__":
    main()
