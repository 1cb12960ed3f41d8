"""One process at a time writes into a work directory.

`hold` leaves a file that says who holds the folder and since when. The lock of a process that has ended (its number is
gone or belongs to a later process), and one of another host that has not been renewed for minutes, are taken over.
"""

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from absl import logging

from ich_jax import errors, liveness, workdir

FILE = "lock.json"
RENEWED_S = 60.0
"""Seconds after which a holder renews the date of its lock."""

STALE_S = 600.0
"""Seconds without renewal after which the holder on another host counts as gone."""


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a work directory.

    Attributes:
        host: Name of its machine.
        boot: Identifies the machine's start; empty where the system does not say.
        pid: Its number.
        started: When it started, in the system's own count; empty where the system does not say.
        since: When it took the folder, for people.
    """

    host: str
    boot: str
    pid: int
    started: str
    since: str

    def __str__(self) -> str:
        """Names it in messages."""
        return f"process {self.pid} on {self.host}, since {self.since}"


def this_process() -> Holder:
    """Returns what `hold` writes down of this process."""
    now = datetime.datetime.now().astimezone()
    pid = os.getpid()
    return Holder(socket.gethostname(), _boot(), pid, _started(pid), now.isoformat(sep=" ", timespec="seconds"))


@contextlib.contextmanager
def hold(folder: str | Path, *, shard: tuple[int, int] = (0, 1)) -> Iterator[None]:
    """Keeps other processes out of a work directory, and removes what killed ones left half written.

    Args:
        folder: The work directory; made if it is missing, and removed again if nothing came of it.
        shard: Which of how many; shards of one study share a folder, and each is held by one process.

    Raises:
        WorkdirError: Another process holds it; the message says which and since when. Or the folder cannot be written.
    """
    folder = Path(folder)
    path = folder / (FILE if shard[1] == 1 else f"lock_{shard[0]}_of_{shard[1]}.json")
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _take(path)
        _remove_leftovers(folder, least_age_s=0.0 if shard[1] == 1 else 3600.0)
    except OSError as error:
        raise errors.WorkdirError(workdir.explain(error, path)) from error
    ended = threading.Event()
    threading.Thread(target=_renew, args=(path, ended), name="lock", daemon=True).start()

    def give_back() -> None:
        ended.set()
        _release(path)
        for parent in made:
            with contextlib.suppress(OSError):  # not empty: something came of it
                parent.rmdir()

    liveness.BEFORE_LEAVING.append(give_back)
    try:
        yield
    finally:
        liveness.BEFORE_LEAVING.remove(give_back)
        give_back()


def _take(path: Path) -> None:
    """Writes the lock, unless another process holds it."""
    own = this_process()
    with _opened(path) as file:
        holder = _read(file)
        if holder is not None and not _same(holder, own):
            if _is_alive(holder, own, renewed_s_ago=time.time() - path.stat().st_mtime):
                away = "" if holder.host == own.host else f" If that process is gone, remove {path}."
                raise errors.WorkdirError(
                    f"{path.parent} is in use by {holder}. Wait until it ends, stop it, or use another --workdir.{away}"
                )
            logging.info("The lock of %s was left by %s, which is gone; it is taken over.", path.parent, holder)
        file.seek(0)
        file.truncate()
        file.write(workdir.json_text(own))
        file.flush()


def _release(path: Path) -> None:
    with contextlib.suppress(OSError), _opened(path) as file:
        holder = _read(file)
        if holder is not None and _same(holder, this_process()):
            path.unlink()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Opens the file of a lock for this process alone; `flock` only orders those that look at it."""
    while True:
        with path.open("a+", encoding="utf-8", errors="replace") as file:
            with contextlib.suppress(OSError):  # file systems without it
                fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                continue  # its holder removed it meanwhile
            file.seek(0)
            yield file
            return


def _read(file: IO[str]) -> Holder | None:
    """Returns the holder; None if the file is empty or damaged, which a killed process may leave."""
    try:
        values = json.loads(file.read(10_000))
        return Holder(**{field.name: field.type(values[field.name]) for field in dataclasses.fields(Holder)})  # type: ignore[operator]
    except (ValueError, KeyError, TypeError):
        return None


def _same(a: Holder, b: Holder) -> bool:
    return (a.host, a.boot, a.pid, a.started) == (b.host, b.boot, b.pid, b.started)


def _is_alive(holder: Holder, own: Holder, *, renewed_s_ago: float) -> bool:
    if holder.host != own.host:
        return renewed_s_ago < STALE_S
    if holder.boot != own.boot:  # the machine was started anew
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # a process of another user; or no number of a process
        pass
    return _started(holder.pid) == holder.started


def _started(pid: int) -> str:
    try:
        # The name of the program, in brackets, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _renew(path: Path, ended: threading.Event) -> None:
    while not ended.wait(RENEWED_S):
        with contextlib.suppress(OSError):
            os.utime(path)


def _remove_leftovers(folder: Path, *, least_age_s: float) -> None:
    """Removes files that a killed process was writing aside."""
    now, removed = time.time(), 0
    for path in folder.rglob(f".*{workdir.PARTIAL}"):
        with contextlib.suppress(OSError):
            if path.is_file() and now - path.stat().st_mtime >= least_age_s:
                path.unlink()
                removed += 1
    if removed:
        logging.info("Removed %d files in %s that a process was writing when it was ended.", removed, folder)
