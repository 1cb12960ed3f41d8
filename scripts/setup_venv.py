"""Makes `.venv` and installs the project in it; does nothing when that is done already.

    python3.12 scripts/setup_venv.py [--extra=test] [--exact]

Called by `make`, with the standard library alone. An install that fails, is interrupted or is killed leaves things as
they were before it: no `.venv`, or the one that worked. An install counts as done for the text of setup.cfg and
pyproject.toml, the place of the checkout and, with `--exact`, the interpreter that runs this script; without `--exact`
a `.venv` of another interpreter is kept.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / "unfinished"  # stands in `.venv` while it is being changed
INSTALLED = VENV / "installed.json"  # {extra: key of the install}
SAVED = ROOT / ".venv.saved"  # what `.venv` was before the install in progress
STAGED = ROOT / ".venv.staged"  # becomes `.venv` or `.venv.saved` by a rename
IDENTITY = "import sys; print(sys.version_info >= (3, 11), sys.version, sys.base_prefix)"


class SetupError(Exception):
    """The environment cannot be made."""


def main() -> None:
    """Parses the command line and brings `.venv` up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extra", default="", help="extra of setup.cfg to install as well, for example test")
    parser.add_argument("--exact", action="store_true", help="rebuild a .venv that another interpreter made")
    args = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with _lock():
            _recover()
            if not _is_current(args.extra, args.exact):
                _install(args.extra, args.exact)
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; this attempt was undone.")


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Lets one install at a time work on this checkout; the system drops the lock when its holder dies."""
    with open(ROOT / ".venv.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("setup: waiting for another install in this checkout", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _recover() -> None:
    """Undoes an install that did not finish."""
    if SAVED.exists() and (UNFINISHED.exists() or not VENV.exists()):
        _remove(VENV)
        SAVED.rename(VENV)
    elif UNFINISHED.exists():
        _remove(VENV)
    _remove(SAVED)
    _remove(STAGED)


def _is_current(extra: str, exact: bool) -> bool:
    identity = _identity(PYTHON)
    if not identity or (exact and identity != _identity(sys.executable)):
        return False
    return INSTALLED.is_file() and json.loads(INSTALLED.read_text()).get(extra) == _key()


def _key() -> str:
    """Identifies what is installed: the metadata, and the place that the editable install points to."""
    texts = [(ROOT / name).read_bytes() for name in ("setup.cfg", "pyproject.toml")]
    return hashlib.sha256(b"\0".join([*texts, os.fsencode(ROOT)])).hexdigest()


def _identity(python: str | Path) -> str:
    """Returns what an interpreter and its virtual environments have in common; empty if it cannot serve."""
    try:
        done = subprocess.run([python, "-I", "-c", IDENTITY], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout if done.stdout.startswith("True") else ""


def _install(extra: str, exact: bool) -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise SetupError(
            f"{sys.executable} cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv. "
            "Or name another interpreter: make PYTHON=..."
        )
    try:
        _prepare(exact)
        target = f".[{extra}]" if extra else "."
        print(f"setup: installing {target} in .venv (takes minutes the first time)", flush=True)
        _run([str(PYTHON), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--editable", target])
        done = json.loads(INSTALLED.read_text()) if INSTALLED.is_file() else {}
        done = {name: key for name, key in done.items() if key == _key()} | {"": _key(), extra: _key()}
        INSTALLED.write_text(json.dumps(done, indent=1) + "\n")
        UNFINISHED.unlink()
    except BaseException:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not stop the cleaning up
        _recover()
        raise
    _remove(SAVED)


def _prepare(exact: bool) -> None:
    """Leaves a `.venv` that pip can work in, marked unfinished, and what was there before in `.venv.saved`."""
    identity = _identity(PYTHON)
    if identity and not (exact and identity != _identity(sys.executable)):
        shutil.copytree(VENV, STAGED, symlinks=True)
        STAGED.rename(SAVED)
        UNFINISHED.touch()
        return
    if VENV.exists() or VENV.is_symlink():
        VENV.rename(SAVED)
    STAGED.mkdir()
    (STAGED / UNFINISHED.name).touch()
    STAGED.rename(VENV)
    # A virtual environment must not hang on another one, which may be the `.venv` that is being replaced.
    _run([getattr(sys, "_base_executable", sys.executable), "-I", "-m", "venv", str(VENV)])


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
