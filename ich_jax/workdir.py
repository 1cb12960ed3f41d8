"""The folder of one run: files are written completely or not at all, and a claim keeps other runs out.

Layout of a work directory: `config.json` (the config of the run), `lineage.json` (the run it started from, if any),
`checkpoints/`, `metrics.jsonl`, TensorBoard event files, `samples/`, `report/` and `results.json`.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from absl import logging

from ich_jax import config as config_lib
from ich_jax import errors

CONFIG_FILE = "config.json"
SEAL_FILE = "complete.json"
"""In each checkpoint: digests of its files, and the fingerprint of the config of its run."""

_CHECKPOINTS = "checkpoints"
_DATASET_FILE = "dataset.json"
_CONTENTS = "contents"
_DIGEST = "sha256"

PARTIAL = ".ich_jax_part"
"""End of the names of files that are being written: such a name is nobody else's, so that leftovers may be removed."""


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a file aside and renames it, so that readers see the old content or the new, never a part.

    Args:
        path: Where to write; missing parent folders are created.
        data: The content.

    Raises:
        WorkdirError: The folder cannot be written or the disk is full. An older file of that name is left as it was.
    """
    path = Path(path)
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner alone; a work directory is read by others, as the umask allows.
        Path(aside).chmod(0o666 & ~_umask())
        Path(aside).replace(path)
    except OSError as error:
        if aside is not None:
            with contextlib.suppress(OSError):
                Path(aside).unlink()
        raise errors.WorkdirError(explain(error, path)) from error


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, obj: Any) -> None:
    """Writes a JSON file as `write_bytes` does; see `json_text` for the types that it takes."""
    write_text(path, json_text(obj, indent=2) + "\n")


def json_text(obj: Any, indent: int | None = None) -> str:
    """Returns strict JSON: dataclasses, paths, arrays and their scalars become plain values, NaN and infinity null.

    Raises:
        TypeError: A value that JSON cannot hold.
    """
    return json.dumps(_plain(obj), indent=indent, allow_nan=False)


def read_json(path: str | Path) -> Any:
    """Reads a JSON file.

    Raises:
        WorkdirError: The file is missing, unreadable or not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.WorkdirError(explain(error, path, action="read")) from error
    except (ValueError, RecursionError) as error:
        raise errors.WorkdirError(
            f"{path} is not valid JSON ({error}); it is damaged. Restore it or remove it."
        ) from error


def read_object(path: str | Path, remedy: str = "Restore it or remove it.") -> dict[str, Any]:
    """Reads a JSON file that holds names and values.

    Args:
        path: The file.
        remedy: What to do if it does not, for the message.

    Raises:
        WorkdirError: The file is missing, unreadable or damaged.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise errors.WorkdirError(f"{path} holds {type(values).__name__} instead of names with values. {remedy}")
    return values


def write_record(path: str | Path, obj: Any) -> None:
    """Writes the result of a piece of work as JSON, with its SHA-256, for `read_record`."""
    values = json.loads(json_text(obj))
    write_json(path, values | {_DIGEST: _digest_of(values)})


def read_record(path: str | Path) -> dict[str, Any] | None:
    """Reads what `write_record` wrote, or a record of an older version, which has no digest.

    Returns:
        The values; None if there is no file. A damaged one is renamed to `NAME.damaged` with a warning and counts as
        none, so that its work is done again.

    Raises:
        WorkdirError: It cannot be read or renamed.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        values = read_object(path)
        if is_whole(values):
            return {name: value for name, value in values.items() if name != _DIGEST}
        fault = f"{path} differs from what was written."
    except errors.WorkdirError as error:
        if isinstance(error.__cause__, OSError):
            raise
        fault = str(error)
    aside = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(aside)
    except OSError as error:
        raise errors.WorkdirError(explain(error, path)) from error
    logging.warning("%s It was renamed to %s, and its work is done again.", fault, aside.name)
    return None


def is_whole(values: Mapping[str, Any]) -> bool:
    """Whether the content of a file is what `write_record` wrote, or has no digest to say so."""
    rest = {name: value for name, value in values.items() if name != _DIGEST}
    return _DIGEST not in values or values[_DIGEST] == _digest_of(rest)


def _digest_of(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def explain(error: OSError, path: str | Path, action: str = "write") -> str:
    """Returns a message about the failure of a file, and how to repair it.

    Args:
        error: The error of the system.
        path: The file or folder in question.
        action: `write` or `read`.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: cannot {action} {path}. Free some space and give the same command again to resume."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission to {action} {path}. Choose another --workdir or change its permissions."
    if error.errno == errno.ENAMETOOLONG:
        return f"Cannot {action} {str(path)[:80]}...: the name is too long. Choose a shorter one."
    if error.errno == errno.ENOENT:
        return f"Cannot {action} {path}: it does not exist."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"Cannot {action} {path}: a file stands where a folder is needed. Choose another --workdir."
    return f"Cannot {action} {path}: {error.strerror or error}."


def claim(workdir: str | Path, config: Any, contents: Mapping[str, str] | None = None) -> bool:
    """Marks a work directory as this run's, or refuses one that belongs to another run.

    A run is identified by the result fields of its configuration. Execution fields (devices, logging, progress) may
    differ from those of an earlier call; the newest ones are stored. So may a field that says where files lie, if the
    files are the same.

    Args:
        workdir: The folder; created if missing.
        config: The resolved configuration (a dataclass).
        contents: Digest of the files that a location names, by the dotted name of its field.

    Returns:
        True if the folder already belonged to this run, False if it was new.

    Raises:
        WorkdirError: The folder cannot be written, holds something else, or holds a run with other result fields; the
            message names them with both values.
    """
    resumed = check(workdir, config, contents)
    values = {"fingerprint": config_lib.fingerprint(config), **config_lib.to_dict(config)}
    known = stored_contents(workdir) | dict(contents or {})
    write_json(Path(workdir) / CONFIG_FILE, values | ({_CONTENTS: known} if known else {}))
    return resumed


def check(workdir: str | Path, config: Any, contents: Mapping[str, str] | None = None) -> bool:
    """Refuses a folder that belongs to another run, as `claim` does, and writes nothing.

    Returns:
        True if the folder belongs to this run, False if it is new.

    Raises:
        WorkdirError: The folder holds something else, or a run with other result fields.
    """
    workdir = Path(workdir)
    stored, path = None, workdir / CONFIG_FILE
    if path.exists() or (workdir / _CHECKPOINTS).exists():
        try:
            stored = read_config(workdir)
        except errors.WorkdirError as error:
            if config_lib.fingerprint(config, located=False) in _marks(workdir):
                logging.warning("%s It is written anew: the checkpoints beside it are of this very run.", error)
                return True
            if path.exists():
                raise
            raise errors.WorkdirError(
                f"{workdir} holds checkpoints but no {CONFIG_FILE}, so it cannot be known which run they belong to. "
                f"Choose another --workdir, or restore {CONFIG_FILE}."
            ) from error
    if stored is not None:
        before = stored_contents(workdir)
        same = {name for name, digest in (contents or {}).items() if before.get(name) == digest}
        _refuse_other_run(workdir, stored, config, same)
    return stored is not None


def digests(config: Any) -> dict[str, str]:
    """Returns the SHA-256 of the files that the locations of a config name, by field; of a folder, that of its tables.

    What is missing or cannot be read is left out: whoever reads it says so.
    """
    fields = config_lib.flatten(config)
    found = {}
    for name in sorted(config_lib.locations(config)):
        path = Path(fields[name])
        with contextlib.suppress(OSError):
            if fields[name] and path.is_dir():
                tables = [(file.name, _digest(file)) for file in sorted(path.glob("*.csv"))]
                found[name] = hashlib.sha256(json.dumps(tables).encode()).hexdigest()
            elif fields[name]:
                found[name] = _digest(path)
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_config(workdir: str | Path) -> dict[str, Any]:
    """Reads the configuration stored in a work directory, without its fingerprint.

    Raises:
        WorkdirError: There is none, or it is damaged.
    """
    path = Path(workdir) / CONFIG_FILE
    values = read_json(path)
    if not isinstance(values, dict):
        raise errors.WorkdirError(f"{path} does not hold a configuration. Restore it or choose another --workdir.")
    return {name: value for name, value in values.items() if name not in ("fingerprint", _CONTENTS)}


def stored_contents(workdir: str | Path) -> dict[str, str]:
    """Returns digests of the files that the locations of a run name, by field, as far as the work directory says."""
    workdir = Path(workdir)
    try:
        stored = read_json(workdir / CONFIG_FILE).get(_CONTENTS)
        if stored is None:  # the file of an older version; in that of a training run stands the fingerprint
            stored = {"data.path": read_json(workdir / _DATASET_FILE)["fingerprint"]}
        return {str(name): str(digest) for name, digest in stored.items()}
    except (errors.WorkdirError, AttributeError, KeyError, TypeError):
        return {}


def _marks(workdir: Path) -> set[str]:
    """Fingerprints of the configs under which the checkpoints of a work directory were written, as far as they say."""
    marks = set()
    for path in (workdir / _CHECKPOINTS).glob(f"*/{SEAL_FILE}"):
        with contextlib.suppress(errors.WorkdirError, AttributeError):
            marks.add(str(read_json(path).get("run")))
    return marks


def _refuse_other_run(workdir: Path, stored: dict[str, Any], config: Any, same_contents: Collection[str]) -> None:
    def comparable(values: Any) -> dict[str, Any]:
        return dict(json.loads(json.dumps(config_lib.flatten(values, "result"), default=list)))

    present, defaults = comparable(config), comparable(type(config)())
    # A field that a later version added has a default that means the behaviour before it existed.
    stored_values = {**defaults, **_dotted(stored)}
    unimportant = config_lib.flatten(config, "execution").keys() | set(same_contents)
    differing = [
        f"  {name}: {_shown(stored_values, name)} in {workdir}, {_shown(present, name)} now"
        for name in sorted(stored_values.keys() | present.keys())
        if name not in unimportant
        and (name not in present or name not in stored_values or stored_values[name] != present[name])
    ]
    if differing:
        fields = "\n".join(differing)
        locations = config_lib.locations(config)
        moved = any(f"  {name}:" in fields for name in locations)
        advice = f" To train longer or to fine-tune from {workdir}, give a new --workdir and --init_from={workdir}."
        raise errors.WorkdirError(
            f"{workdir} belongs to another run; these fields change the result and differ:\n{fields}\n"
            f"{'The files there are others, or it is not known that they are the same. ' if moved else ''}"
            f"Use another --workdir for this run.{advice if isinstance(config, config_lib.Config) else ''}"
        )


def _dotted(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _shown(values: dict[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "not stated"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy and jax arrays and scalars
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _umask() -> int:
    # The umask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
