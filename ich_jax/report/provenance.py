"""Provenance of a result: command, machine, versions and revision, without anything private to the machine."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from ich_jax.perf import memory

_PACKAGES = ("ich_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy")


@dataclasses.dataclass(frozen=True, slots=True)
class Provenance:
    """Information needed to reproduce a result, and to judge its speed.

    Attributes:
        command: The command line, absolute paths shortened.
        created: Time in UTC, ISO 8601.
        python: Version of the interpreter.
        versions: Names and versions of the packages that compute.
        revision: Git revision of the code, with `+changes` if tracked files differ from it; empty if not under git.
        backend: `cpu`, `gpu` or `tpu`.
        devices: Kind and number of devices that JAX sees over all hosts.
        hosts: Number of JAX processes.
        cpu: Model of the processor.
        cores: Number of processor cores that this process may use.
        system: Operating system and architecture.
        memory: How malloc took memory, on which speed on CPU depends much.
    """

    command: str
    created: str
    python: str
    versions: tuple[tuple[str, str], ...]
    revision: str
    backend: str
    devices: str
    hosts: int
    cpu: str
    cores: int
    system: str
    memory: str


def provenance(argv: Sequence[str] | None = None) -> Provenance:
    """Describes this process.

    Args:
        argv: The command line; by default `sys.argv`.
    """
    kinds = [device.device_kind for device in jax.devices()]
    return Provenance(
        command=command_line(sys.argv if argv is None else argv),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        versions=tuple((name, version) for name in _PACKAGES if (version := _version(name))),
        revision=_revision(),
        backend=jax.default_backend(),
        devices=", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds)),
        hosts=jax.process_count(),
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        memory=memory.described(),
    )


def command_line(argv: Sequence[str]) -> str:
    """Returns a command line that reads the same on every machine.

    Absolute paths below the working directory become relative to it; of other paths only the last part is kept.
    """
    words = [shlex.quote(_shorten(word)) for word in argv]
    return " ".join(["python", *words])


def _shorten(word: str) -> str:
    flag, equals, value = word.rpartition("=")
    # A config file may be followed by its variant: /a/b/configs/quick.py:small.
    path = Path(value)
    if not path.is_absolute():
        return word
    try:
        shown = str(path.relative_to(Path.cwd()))
    except ValueError:
        shown = f".../{path.name}" if path.name else "..."
    return f"{flag}{equals}{shown}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _revision() -> str:
    folder = Path(__file__).resolve().parent
    # An environment may lie inside another repository: only a repository that tracks this very file counts.
    if _git(folder, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return ""
    revision = _git(folder, "rev-parse", "--short=12", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{revision}{'+changes' if changes else ''}" if revision else ""


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
