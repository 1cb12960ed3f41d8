"""How malloc takes memory from the system: a fifth of the time of a training step on CPU depends on it.

XLA's CPU client takes the temporaries of a step from malloc at every call and frees them afterwards. glibc returns
blocks of this size to the system at once, so that the next step maps and clears them again, 4 KiB at a time: 17,500
page faults a step of `procedural_32`. glibc can ask for large pages (2 MiB) instead, of which a step takes a few
hundred. But it reads this setting (`GLIBC_TUNABLES`) only when a process starts. So an experiment begins with `set_up`,
which runs its command once more, in the same process, with that variable (docs/results/speed, "Memory").

Other programs get the same from

    python -m ich_jax.perf.memory -m jupyter lab

Only the standard library is imported here: nothing may have been computed, and no thread started, before `set_up`.

References:
    mallopt(3), execve(2), Linux man-pages; "Memory Allocation Tunables", The GNU C Library Reference Manual.
"""

import dataclasses
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

SWITCH = "ICH_JAX_MALLOC"
"""Environment variable for users: `system` leaves malloc as the system has it."""

TUNABLES = "GLIBC_TUNABLES"
LARGE_PAGES = "glibc.malloc.hugetlb=1"
"""Large pages where malloc maps memory, if the kernel gives them to those who ask."""

ASKED = "_ICH_JAX_LARGE_PAGES"
"""Set by `set_up` in the environment of the process that it starts, whose children inherit it."""
_GLIBC = (2, 35)  # the first that knows it
_KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def set_up() -> None:
    """Runs the command of this process once more with large pages, where that helps and the user has not refused.

    To be called first under `if __name__ == "__main__":` of a script. The process stays the same one (execve), with
    its arguments, open files, working directory and environment; only the variables above are added. It returns where
    nothing is to be done: see `reason`. A value of `SWITCH` that means nothing ends the process with a message.
    """
    value = os.environ.get(SWITCH, "")
    if value not in ("", "system"):
        sys.exit(f"error: {SWITCH}={value}: expected 'system', which leaves malloc as the system has it, or nothing.")
    if reason(os.environ) is None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, sys.orig_argv, environment(os.environ))


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment with large pages added, for a process that is to have them."""
    tunables = [word for word in environ.get(TUNABLES, "").split(":") if word]
    return {**environ, TUNABLES: ":".join([*tunables, LARGE_PAGES]), ASKED: "1"}


def undecided(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment without the variables that decide how memory is taken; a preloaded library stays."""
    variables = (TUNABLES, SWITCH, ASKED)
    return {name: value for name, value in environ.items() if name not in variables and not name.startswith("MALLOC_")}


def reason(environ: Mapping[str, str]) -> str | None:
    """Returns why a process that starts now is not to be run once more with large pages; None if it is to be.

    Args:
        environ: The environment, where users set malloc up.
    """
    return decided(environ) or _unfit() or _not_a_command()


def decided(environ: Mapping[str, str]) -> str | None:
    """Returns the setting in the environment that already decides how memory is taken; None if there is none."""
    if environ.get(SWITCH) == "system":
        return f"{SWITCH}=system"
    if ASKED in environ:
        return "large pages"
    if "glibc.malloc." in environ.get(TUNABLES, ""):
        return f"{TUNABLES}={environ[TUNABLES]}"
    named = sorted(name for name in environ if name.startswith("MALLOC_"))
    if named:
        return f"{named[0]}={environ[named[0]]}"
    if environ.get("LD_PRELOAD"):  # perhaps another allocator
        return f"LD_PRELOAD={Path(environ['LD_PRELOAD']).name}"  # without the folders, which are private to the machine
    return None


def _unfit() -> str | None:
    """Returns why large pages would have no effect here."""
    try:
        library, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (AttributeError, ValueError, OSError):  # Windows; macOS, musl
        return "no glibc"
    if tuple(int(part) for part in version.split(".")[:2]) < _GLIBC:
        return f"{library} {version} does not know {LARGE_PAGES}"
    mode = large_page_mode()
    return None if mode == "madvise" else f"large pages: {mode}"


def large_page_mode() -> str:
    """Returns whom the kernel gives large pages: `always`, `madvise` (those who ask), `never` or `unknown`."""
    try:
        return _KERNEL.read_text().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        return "unknown"


def _not_a_command() -> str | None:
    """Returns why this process cannot be run once more: its command line does not, or no longer, describe its work."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    named = sys.argv[0] if spec is None else spec.name.removesuffix(".__main__")
    runs_itself = spec is None or sys.argv[0] == spec.origin  # else a module that runs a script, such as a profiler
    if not runs_itself or named != _named(sys.orig_argv):
        return "not a command of its own"  # but `%run` of a notebook, or the work of a launcher
    if sys.gettrace() is not None:
        return "a debugger watches"
    if "jax" in sys.modules or threading.active_count() > 1:
        return "work has begun"
    return None


def _named(command: Sequence[str]) -> str | None:
    """Returns the script or module that a command line of Python names; None if it names neither."""
    words = iter(command[1:])
    for word in words:
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            next(words, None)
        elif re.fullmatch("-[a-zA-Z]*m", word):
            return next(words, None)
        elif re.fullmatch("-[a-zA-Z]*c", word):
            return None
        elif not word.startswith("-"):
            return word
    return None


def described(environ: Mapping[str, str] = os.environ) -> str:
    """Says in a few words how this process takes memory, for pages and receipts."""
    decision = decided(environ)
    if decision == "large pages":
        return f"large pages ({LARGE_PAGES})"
    if decision is not None and not decision.startswith(SWITCH):
        return f"as {decision} sets it"
    return f"as the system has it ({decision or _unfit() or 'not started as a command'})"


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """Memory that a process has used, as far as the system reports it.

    Attributes:
        faults: Page faults so far that needed no disk.
        resident_mib: Memory in use now.
        peak_mib: The most at any time.
        large_mib: Memory in use in large pages.
    """

    faults: int
    resident_mib: float
    peak_mib: float
    large_mib: float


def usage() -> Usage | None:
    """Returns the memory that this process has used; None where the system does not report it (not Linux)."""
    try:
        import resource

        rows = dict(_fields(Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]))
    except (ImportError, OSError):
        return None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(used.ru_minflt, rows["Rss"] / 1024, used.ru_maxrss / 1024, rows["AnonHugePages"] / 1024)


def _fields(lines: Sequence[str]) -> list[tuple[str, float]]:
    """Names and KiB of the lines of /proc/self/smaps_rollup."""
    return [(name, float(rest.split()[0])) for name, _, rest in (line.partition(":") for line in lines)]


if __name__ == "__main__":
    fit = decided(os.environ) is None and _unfit() is None
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], environment(os.environ) if fit else dict(os.environ))
