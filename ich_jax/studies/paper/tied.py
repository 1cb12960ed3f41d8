"""Runs a command that ends when the process that started it does, however that one ends.

    python -I tied.py LOCK COMMAND...

The starting process holds the other end of the standard input. When it closes, because that process has left or was
killed, the command is told to leave (SIGTERM), so that it can save its work, and is killed if it does not. LOCK keeps a
second command out of the same work directory until the first has gone. Standard library only: it starts in a moment.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 30.0
"""Seconds in which the command can save its work."""


def main() -> int:
    """Runs the command of the arguments; returns its exit code."""
    lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _tell(process, signal.SIGTERM))
    threading.Thread(target=_watch, args=(process,), daemon=True).start()
    code = process.wait()
    _tell(process, signal.SIGKILL)  # what the command has left behind
    return code if code >= 0 else 128 - code


def _watch(process: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 4096):
        pass
    _tell(process, signal.SIGTERM)
    time.sleep(GRACE_S)
    _tell(process, signal.SIGKILL)


def _tell(process: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


if __name__ == "__main__":
    sys.exit(main())
