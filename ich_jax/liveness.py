"""How a process behaves at the terminal: Ctrl-C is answered at once, and silence is explained.

Python runs its own signal handlers between two of its instructions, so that a process that compiles answers after half
a minute. Here the signal wakes a separate thread (`signal.set_wakeup_fd`), which prints one line at once. Where
something is being saved (`saving`), the process continues until it is saved and then leaves; everywhere else it leaves
immediately, which loses nothing: files are written completely or not at all (`workdir`). A second signal leaves at
once.

The same thread names the stage of the process (`stage`) when nothing has moved for a minute.

Experiments call `start` before they import anything that takes time, which is why only the standard library is imported
here. In a program that imports the package and does not call it, signals keep their handlers, except while something is
being saved.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Self

QUIET_S = 60.0
"""Seconds without a sign of life after which a line names the stage of the process."""

NAMES: Mapping[int, str] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "closed terminal"}
"""Signals that are answered, as people call them."""

NOTHING_YET = "nothing has been made yet"

BEFORE_LEAVING: list[Callable[[], None]] = []
"""Called before a signal ends the process at once, from another thread than the main one: to give back a folder."""


class Saving:
    """Context in which a first signal is remembered, so that work can be saved before the process leaves.

    Attributes:
        what: What is saved before the process leaves, for the message: "a checkpoint of runs/quick".
        needed: Whether there is anything to save yet; without, the process leaves at once.
        received: Number of the signal; None as long as there was none.
    """

    def __init__(self, what: str, *, needed: bool) -> None:
        """Args: as the attributes of that name."""
        self.what = what
        self.needed = needed
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if _WATCH.started:
            _WATCH.saving = self
        elif threading.current_thread() is threading.main_thread():  # Python allows handlers there only
            heard = [number for number in NAMES if signal.getsignal(number) is not signal.SIG_IGN]  # not under nohup
            self._before = {number: signal.signal(number, self._handle) for number in heard}
        return self

    def __exit__(self, *exception: object) -> None:
        if _WATCH.saving is self:
            _WATCH.saving = None
        self._restore()

    def receive(self, number: int) -> str:
        """Remembers a signal; returns the line to print."""
        self.received = number
        return f"{NAMES[number]}: saving {self.what}, then leaving; once more to leave at once."

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._restore()  # a second signal has its former effect
        # A signal may arrive in the middle of a print or a log call, so the line goes straight to the terminal.
        _print(self.receive(number))

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class _Watch:
    """The thread that answers, and its knowledge of the process."""

    def __init__(self) -> None:
        self.started = False
        self.saving: Saving | None = None
        self.kept = NOTHING_YET
        self.moved = time.monotonic()
        self.n_lines = 0  # about the present silence
        self.stages: dict[threading.Thread, tuple[str, float]] = {}  # by thread: its stage, since when

    def run(self, signals: int) -> None:
        while True:
            due = self.moved + (self.n_lines + 1) * QUIET_S - time.monotonic()
            if select.select([signals], [], [], max(due, 0.0))[0]:
                for number in os.read(signals, 64):
                    if number in NAMES:
                        self.answer(number)
            elif self.moved + (self.n_lines + 1) * QUIET_S <= time.monotonic():
                self.n_lines += 1
                _print(self.silence())

    def answer(self, number: int) -> None:
        """Prints the line that a signal is due, and leaves unless something is being saved."""
        saving = self.saving
        if saving is not None and saving.received is None and saving.needed:
            _print(saving.receive(number))
            if number == signal.SIGHUP:
                _leave_terminal()
        elif saving is not None and saving.needed:
            _print(f"{NAMES[number]}: leaving at once; {saving.what} is not complete, earlier saves stay.")
            _leave(number)
        else:
            _print(f"{NAMES[number]}: leaving; {self.kept}.")
            _leave(number)

    def silence(self) -> str:
        """The line that names the stages of the process."""
        now, main = time.monotonic(), threading.main_thread()
        stages = {thread: stage for thread, stage in self.stages.copy().items() if thread.is_alive()}
        # The main thread waits for the others where there are any.
        workers = {thread: stage for thread, stage in stages.items() if thread is not main} or stages
        texts = [f"{text}, {now - since:.0f} s" for text, since in workers.values()]
        return f"still at: {'; '.join(texts) or f'starting, {now - self.moved:.0f} s'}"


_WATCH = _Watch()


def start() -> None:
    """Answers the signals of `NAMES` from now on, and explains silence; for the main thread of a script.

    A signal that is ignored when the process starts, as in a shell's background job or under `nohup`, stays so.
    """
    if _WATCH.started:
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    answered = [number for number in NAMES if signal.getsignal(number) is not signal.SIG_IGN]
    for number in answered:
        signal.signal(number, _ignore)
    os.register_at_fork(after_in_child=lambda: _forget(answered))
    _WATCH.started = True
    _WATCH.moved = time.monotonic()
    threading.Thread(target=_WATCH.run, args=(reader,), name="liveness", daemon=True).start()


def stage(text: str) -> None:
    """Names the stage that this thread has reached; counts as a sign of life.

    Args:
        text: A noun or a phrase, such as "audit of earrings".
    """
    _WATCH.moved, _WATCH.n_lines = time.monotonic(), 0
    _WATCH.stages[threading.current_thread()] = (text, _WATCH.moved)


def keeps(text: str) -> None:
    """Describes the work that stays if the process leaves now, for the line that Ctrl-C prints.

    Args:
        text: A clause, such as "finished jobs are kept; the same command resumes".
    """
    _WATCH.kept = text


def saving(what: str, *, needed: bool = True) -> Saving:
    """Returns a context in which a first signal is remembered instead of ending the process.

    Args:
        what: What is saved before the process leaves, for the message: "a checkpoint of runs/quick".
        needed: Whether there is anything to save from the start; set the attribute of that name once there is.
    """
    return Saving(what, needed=needed)


def _forget(numbers: list[int]) -> None:
    """Restores the default signals in a forked process, which lacks the thread that answers."""
    signal.set_wakeup_fd(-1)
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    _WATCH.started = False


def _ignore(number: int, frame: FrameType | None) -> None:
    """The handler that Python runs in the main thread; the thread of `_Watch` has answered already."""


def _print(line: str) -> None:
    """Writes a line to standard error without any of its locks, over a progress bar if there is one."""
    start = "\r\x1b[K" if os.isatty(2) else ""
    with contextlib.suppress(OSError):
        os.write(2, f"{start}{line}\n".encode())


def _leave_terminal() -> None:
    """Sends what is still printed nowhere: to write to a terminal that is gone is an error, which would stop saving."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if os.isatty(stream):
            os.dup2(nowhere, stream)
    os.close(nowhere)


def _leave(number: int) -> None:
    """Ends the process with the exit code that a shell reports for a process ended by a signal."""
    # What is written to standard output must arrive; but its lock may be held by a thread that is stuck.
    flush = threading.Thread(target=_flush, daemon=True)
    flush.start()
    flush.join(timeout=1.0)
    for give_back in BEFORE_LEAVING:
        with contextlib.suppress(Exception):
            give_back()
    if "multiprocessing" in sys.modules:  # workers that read images
        children = sys.modules["multiprocessing"].active_children()
        for child in children:
            child.terminate()
        until = time.monotonic() + 1.0
        for child in children:
            child.join(max(0.0, until - time.monotonic()))
            if child.is_alive():  # it ignores the signal, or had inherited our handlers and not put them away yet
                child.kill()
    if os.isatty(2):
        with contextlib.suppress(OSError):
            os.write(2, b"\x1b[?25h")  # a live bar hides the cursor
    os._exit(128 + number)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
