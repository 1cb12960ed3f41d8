"""The user's cache folder: conveniences that are made again when they are missing, and never stop a run.

It lies below `$XDG_CACHE_HOME`, else `~/.cache`. Where it cannot be used (no home, a file in its place, no permission,
a full disk), one warning says so and the work goes on without it.
"""

import os
from pathlib import Path

from absl import logging

from ich_jax import errors, workdir

_WARNED: set[str] = set()
"""Kinds of contents about which this process has warned."""


def folder(kind: str) -> Path | None:
    """Returns the folder of one kind of contents, such as `inspectors`; None, with one warning, if there is no home."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "ich_jax" / kind
    except RuntimeError as error:  # no HOME, and the system does not know the user
        _warn(kind, str(error))
        return None


def find(kind: str, name: str) -> Path | None:
    """Returns a file of the cache if it is there and can be read; warns once if that cannot be known."""
    base = folder(kind)
    if base is None:
        return None
    try:
        with (base / name).open("rb"):
            return base / name
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _warn(kind, workdir.explain(error, base / name, action="read"))
        return None


def store(kind: str, name: str, data: bytes) -> None:
    """Writes a file of the cache; warns once if it cannot be written."""
    base = folder(kind)
    if base is None:
        return
    try:
        workdir.write_bytes(base / name, data)
    except errors.WorkdirError as error:
        _warn(kind, str(error))


def writable(kind: str) -> Path | None:
    """Returns a folder of the cache, made if it is missing; None, with one warning, if it cannot be written."""
    base = folder(kind)
    if base is None:
        return None
    try:
        base.mkdir(parents=True, exist_ok=True)
        if not os.access(base, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        _warn(kind, workdir.explain(error, base))
        return None
    return base


def _warn(kind: str, reason: str) -> None:
    if kind in _WARNED:
        return
    _WARNED.add(kind)
    reason = reason.replace("Choose another --workdir or change", "Change").replace("Choose another --workdir.", "")
    logging.warning(
        "The user's cache is not used for %s: %s Set XDG_CACHE_HOME to a folder that can be written; the run goes on "
        "without.",
        kind,
        reason.strip(),
    )
