"""Files of a checkpoint: sealed with their digests when written, verified before they are read.

A sealed checkpoint holds `complete.json` with the SHA-256 of every file, which orbax does not keep: it does not notice
a flipped bit in an array.
"""

import errno
import hashlib
import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from ich_jax import workdir

_COMPLETE_FILE = workdir.SEAL_FILE
_STEP = re.compile(r"0|[1-9][0-9]{0,18}")
"""Names of checkpoints; those with other digits or leading zeros are none of ours."""

_ITEMS = ("state", "side", "metrics")


def seal(checkpoint: Path, step: int, score: float | None, run: str = "") -> None:
    """Writes the digests of a checkpoint whose items are all written.

    Args:
        checkpoint: Its folder.
        step: The step of its state.
        score: Its validation score; None if it was not validated.
        run: Fingerprint of the config of its run.
    """
    files = {name: _digest(checkpoint / name) for name in _item_files(checkpoint)}
    workdir.write_record(checkpoint / _COMPLETE_FILE, {"step": step, "score": score, "run": run, "files": files})


def score(checkpoint: Path) -> float | None:
    """Returns the validation score of a sealed checkpoint; None if it was not validated."""
    value = workdir.read_json(checkpoint / _COMPLETE_FILE).get("score")
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None


def damage(checkpoint: Path) -> str:
    """Returns a description of the damage to a checkpoint, or an empty string."""
    try:
        seal = json.loads((checkpoint / _COMPLETE_FILE).read_text(encoding="utf-8"))
        files = seal["files"]
        if not workdir.is_whole(seal) or not any(name.startswith("state/") for name in files):
            return f"{_COMPLETE_FILE} is damaged"
        for name, digest in files.items():
            if _digest(checkpoint / name) != digest:
                return f"{name} differs from what was written"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{_COMPLETE_FILE} is damaged"
    except OSError as error:  # a folder in place of a file, a name that is too long, no permission
        return f"a file cannot be read ({error.strerror or error})"
    return ""


def is_step(name: str) -> bool:
    """Whether a folder of this name is a checkpoint."""
    return _STEP.fullmatch(name) is not None


def steps(folder: Path) -> list[int]:
    """Returns the steps of all checkpoints in a folder, whole or damaged, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if is_step(path.name) and path.is_dir())


def whole_steps(folder: Path) -> list[int]:
    """Returns the steps of the checkpoints in a folder that are not damaged, ascending."""
    return [step for step in steps(folder) if not damage(folder / str(step))]


def best_step(folder: Path) -> int | None:
    """Returns the step with the lowest validation score among the whole ones; None if none was validated."""
    scores = {step: score(folder / str(step)) for step in whole_steps(folder)}
    scored = {step: value for step, value in scores.items() if value is not None}
    # Among equals, the later one: it has been trained for longer.
    return min(scored, key=lambda step: (scored[step], -step)) if scored else None


def set_aside_damaged(folder: Path) -> None:
    """Renames damaged checkpoints to `<step>.damaged`, with a warning for each."""
    for step in steps(folder):
        path = folder / str(step)
        fault = damage(path)
        if fault:
            aside = folder / f"{step}.damaged"
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            logging.warning(
                "Checkpoint %s is damaged (%s). It was renamed to %s; the one before it is used, if there is one.",
                path,
                fault,
                aside.name,
            )


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, says that a disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # tensorstore reports it as text
        if "No space left on device" in str(error) or "Disk quota exceeded" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _item_files(folder: Path) -> Iterator[str]:
    for item in _ITEMS:
        for path in sorted((folder / item).rglob("*")):
            if path.is_file():
                yield str(path.relative_to(folder))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
