"""Ctrl-C is answered at once, what is being saved is saved, and silence is explained."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ich_jax import liveness

ROOT = Path(__file__).resolve().parents[1]
HEAD = """
import os, signal, sys, threading, time
from ich_jax import liveness
def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)
def wait(what, seconds=30.0):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
"""


def run(code: str, before: signal.Handlers = signal.SIG_DFL) -> tuple[int, str, str]:
    """Runs a program whose first line starts to answer; returns exit code, standard output and standard error."""
    done = subprocess.run(
        # A test run in the background has SIGINT ignored, which its children inherit; not set between fork and exec,
        # where JAX warns of its threads.
        [sys.executable, "-c", f"{HEAD}signal.signal(signal.SIGINT, signal.Handlers({int(before)}))\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_leaves_at_once_while_the_main_thread_cannot_answer() -> None:
    code, out, err = run(
        "import ctypes\nliveness.start()\nliveness.keeps('finished jobs are kept')\nprint('shown', end='')\n"
        "threading.Timer(0.3, send).start()\n"
        # A call that never comes back to the interpreter, as a long compilation; it is not interrupted by signals.
        "lock = ctypes.create_string_buffer(64)\nlibc = ctypes.CDLL(None)\n"
        "libc.pthread_mutex_init(lock, None)\nlibc.pthread_mutex_lock(lock)\nlibc.pthread_mutex_lock(lock)\n"
    )
    assert (code, err) == (130, "Ctrl-C: leaving; finished jobs are kept.\n")
    assert out == "shown"


@pytest.mark.parametrize(("name", "number"), [("Ctrl-C", signal.SIGINT), ("SIGTERM", signal.SIGTERM)])
def test_before_anything_has_begun(name: str, number: signal.Signals) -> None:
    code, _, err = run(f"liveness.start()\nsend({int(number)})\ntime.sleep(60)")
    assert (code, err) == (128 + number, f"{name}: leaving; nothing has been made yet.\n")


def test_what_is_being_saved_is_saved_first() -> None:
    code, out, err = run(
        "liveness.start()\n"
        "with liveness.saving('a checkpoint in runs/a') as saving:\n"
        "    send()\n    wait(lambda: saving.received)\n    print('saved', saving.received)\n"
        "sys.exit(128 + saving.received)"
    )
    assert (code, out) == (130, "saved 2\n")
    assert err == "Ctrl-C: saving a checkpoint in runs/a, then leaving; once more to leave at once.\n"


def test_a_second_signal_leaves_at_once() -> None:
    code, out, err = run(
        "liveness.start()\n"
        "with liveness.saving('a checkpoint in runs/a') as saving:\n"
        "    send()\n    wait(lambda: saving.received)\n    send()\n    time.sleep(60)\n    print('not reached')\n"
    )
    assert (code, out) == (130, "")
    assert err.splitlines()[1].startswith("Ctrl-C: leaving at once; a checkpoint in runs/a is not complete")


def test_nothing_to_save_yet() -> None:
    code, _, err = run(
        "liveness.start()\n"
        "with liveness.saving('a checkpoint', needed=False) as saving:\n    send()\n    time.sleep(60)\n"
    )
    assert (code, err) == (130, "Ctrl-C: leaving; nothing has been made yet.\n")


def test_after_saving_a_signal_leaves_again() -> None:
    code, _, err = run("liveness.start()\nwith liveness.saving('x'):\n    pass\nsend()\ntime.sleep(60)")
    assert (code, err) == (130, "Ctrl-C: leaving; nothing has been made yet.\n")


def test_a_signal_that_a_shell_has_ignored_stays_so() -> None:
    code, out, err = run("liveness.start()\nsend()\ntime.sleep(0.3)\nprint('on')", before=signal.SIG_IGN)
    assert (code, out, err) == (0, "on\n", "")


@pytest.mark.parametrize("deaf", [False, True])
def test_children_are_not_left_behind(deaf: bool) -> None:
    code, out, _ = run(  # which waits for the end of the child, too: it holds the same standard output
        "import multiprocessing\nliveness.start()\ncontext = multiprocessing.get_context('fork')\n"
        "ready = context.Event()\n"
        f"def stay():\n    if {deaf}:\n        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    ready.set()\n    time.sleep(600)\n"
        f"child = context.Process(target=stay)\nchild.start()\nif {deaf}:\n    ready.wait()\n"
        "print('begun', flush=True)\nsend()\ntime.sleep(60)"
    )
    assert (code, out) == (130, "begun\n")


def test_silence_is_explained() -> None:
    code, _, err = run(
        "liveness.QUIET_S = 0.2\nliveness.start()\nliveness.stage('audit of all')\n"
        "stay = threading.Event()\n"
        "def work():\n    liveness.stage('audit of earrings')\n    stay.wait(60)\n"
        "thread = threading.Thread(target=work)\nthread.start()\n"
        "time.sleep(0.5)\nstay.set()\nthread.join()\nliveness.stage('page')\ntime.sleep(0.3)\n"
    )
    lines = err.splitlines()
    assert code == 0
    assert [line.rsplit(",", 1)[0] for line in lines] == ["still at: audit of earrings"] * 2 + ["still at: page"]


def test_no_word_while_things_move() -> None:
    code, _, err = run(
        "liveness.QUIET_S = 0.5\nliveness.start()\nfor i in range(8):\n"
        "    liveness.stage('step')\n    time.sleep(0.1)\n"
    )
    assert (code, err) == (0, "")


def test_a_program_that_did_not_ask_for_it_keeps_its_handlers() -> None:
    code, out, err = run(
        "def own(number, frame):\n    print('own', number)\n"
        "signal.signal(signal.SIGINT, own)\nsend()\n"
        "with liveness.saving('a checkpoint') as saving:\n    send()\n    print(saving.received)\n    send()\nsend()\n"
    )
    assert (code, out) == (0, "own 2\n2\nown 2\nown 2\n")
    assert err == "Ctrl-C: saving a checkpoint, then leaving; once more to leave at once.\n"


def test_importing_it_takes_nothing_that_is_slow() -> None:
    code, out, _ = run("print(*sorted({'jax', 'numpy', 'absl', 'rich'} & set(sys.modules)))")
    assert (code, out) == (0, "\n")


def test_the_names_are_those_of_the_signals_that_are_answered() -> None:
    assert set(liveness.NAMES) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
