"""Runs stages as processes, remembers how each ended, and resumes.

Layout of the work directory: `NAME/` is the work directory of a stage, `stages/NAME.json` how it ended, and
`stages/NAME.log` what it printed.
"""

import concurrent.futures
import dataclasses
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax import errors, liveness, workdir
from ich_jax.studies.paper import stages as stage_table
from ich_jax.studies.paper.stages import Stage

DONE, FAILED, MISSING, GIVEN, LEFT_OUT, WAITING = "done", "failed", "missing", "given", "left out", "not run"
RESULTS = "results.json"
_LAST_LINES = 3  # of a failed stage, for the page
_TIED = Path(__file__).with_name("tied.py")


@dataclasses.dataclass(frozen=True)
class Entry:
    """How a stage stands.

    Attributes:
        stage: Its name.
        state: done, failed, missing (no such experiment), given (taken from elsewhere), left out, or not run.
        seconds: Spent on it, over all calls.
        reason: Why it is not done.
        command: Arguments of the interpreter, paths below the work directory relative to it.
    """

    stage: str
    state: str
    seconds: float = 0.0
    reason: str = ""
    command: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether there are results to show."""
        return self.state in (DONE, GIVEN)


Work = tuple[str, tuple[str, ...]]
"""Name of a stage and the arguments of the interpreter that run it."""
Start = Callable[[Path, Sequence[Work]], "list[concurrent.futures.Future[Entry]]"]
"""Starts stages that need one another no longer, at once: root, work."""


def execute(root: Path, name: str, arguments: tuple[str, ...]) -> Entry:
    """Runs a stage in a process of its own, and remembers how it ended; for threads, and jobs of a cluster.

    Args:
        root: Work directory of the reproduction.
        name: Of the stage.
        arguments: Of the interpreter.
    """
    root = Path(root)
    record = root / "stages"
    record.mkdir(parents=True, exist_ok=True)
    (root / name).mkdir(exist_ok=True)
    before = read(root, name)
    liveness.stage(f"stage {name}; its output goes to {record / f'{name}.log'}")
    began = time.monotonic()
    with open(record / f"{name}.log", "ab") as log:
        start = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-I", str(_TIED), str(record / f".{name}.lock"), sys.executable, *arguments],
            stdin=subprocess.PIPE,  # closed when this process ends in any way; then the stage ends, too
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        code = process.wait()
        if process.stdin is not None:
            process.stdin.close()
    seconds = time.monotonic() - began + (before.seconds if before else 0.0)
    reason = ""
    if code:
        reason = f"exit code {code}: {_last_lines(record / f'{name}.log', start)}"
    elif not (root / name / RESULTS).exists():
        reason = f"it left no {RESULTS}"
    entry = Entry(name, FAILED if reason else DONE, seconds, reason, relative(arguments, root))
    workdir.write_json(record / f"{name}.json", entry)
    return entry


def read(root: Path, name: str) -> Entry | None:
    """Reads how a stage ended; None if it has not.

    Raises:
        WorkdirError: The file is damaged.
    """
    path = root / "stages" / f"{name}.json"
    if not path.exists():
        return None
    stored = workdir.read_json(path)
    try:
        return Entry(**{**stored, "command": tuple(stored["command"])})
    except (TypeError, KeyError) as error:
        raise errors.WorkdirError(f"{path} does not say how a stage ended ({error}); remove it.") from error


def relative(arguments: Sequence[str], root: Path) -> tuple[str, ...]:
    """Returns arguments with the work directory written as `.`, so that it can be moved."""
    return tuple(word.replace(f"{root}/", "./") for word in arguments)


def take(root: Path, name: str, source: Path) -> Entry:
    """Takes the results of a stage from another folder: its page and figures are copied, so the whole can be moved.

    Args:
        root: Work directory of the reproduction.
        name: Of the stage.
        source: Work directory of a run, or a folder of stored results.

    Raises:
        WorkdirError: It holds no results.
    """
    if not (source / RESULTS).exists():
        raise errors.WorkdirError(f"--from: {source} holds no {RESULTS}, so it is no finished run of {name}.")
    report = source / "report" if (source / "report").is_dir() else source
    workdir.write_bytes(root / name / RESULTS, (source / RESULTS).read_bytes())
    for path in sorted(report.iterdir()):
        if path.suffix in {".html", ".svg", ".png", ".md", ".csv"}:
            (root / name / "report").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, root / name / "report" / path.name)
    entry = Entry(name, GIVEN, reason=f"taken from {source.name}")
    workdir.write_json(root / "stages" / f"{name}.json", entry)
    return entry


def in_threads(pool: concurrent.futures.Executor) -> Start:
    """Returns the function that starts stages on this machine, as many at the same time as the pool has threads."""
    return lambda root, work: [pool.submit(execute, root, name, arguments) for name, arguments in work]


def run_all(
    table: Sequence[Stage],
    root: Path,
    size: str,
    start: Start,
    *,
    only: Sequence[str] = (),
    given: Mapping[str, Path] | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Entry, ...]:
    """Runs the stages that are not done, each after those that it needs.

    Args:
        table: The stages.
        root: Work directory.
        size: Of their configs.
        start: Starts stages.
        only: Names of those to run; empty: all.
        given: Finished runs elsewhere, by stage.
        say: Prints a line.

    Returns:
        How each stage stands, in the order of the table.
    """
    given = dict(given or {})
    folders = {stage.name: given.get(stage.name, root / stage.name) for stage in table}
    entries: dict[str, Entry] = {}
    waiting: list[Stage] = []
    for stage in table:
        entry = _stands(stage, root, size, folders, given, only)
        if entry is None:
            waiting.append(stage)
        else:
            entries[stage.name] = entry
            say(f"{stage.name}: {entry.state}" + (f": {entry.reason}" if entry.reason else ""))
    running: dict[concurrent.futures.Future[Entry], str] = {}
    while waiting or running:
        ready = [stage for stage in waiting if all(name in entries for name in stage.needs(size))]
        waiting = [stage for stage in waiting if stage not in ready]
        work: list[Work] = []
        for stage in ready:
            lacking = [name for name in stage.needs(size) if not entries[name].shown]
            if lacking:
                entries[stage.name] = Entry(stage.name, WAITING, reason=f"it needs {', '.join(lacking)}")
            else:
                work.append((stage.name, stage_table.arguments(stage, size, folders)))
            say(f"{stage.name}: " + (entries[stage.name].reason if lacking else "begun"))
        if work:
            running |= dict(zip(start(root, work), (name for name, _ in work), strict=True))
        if running:
            for future in concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                entry = future.result()
                entries[running.pop(future)] = entry
                why = f": {entry.reason}" if entry.reason else ""
                say(f"{entry.stage}: {entry.state} after {entry.seconds / 60:.1f} min{why}")
    return tuple(entries[stage.name] for stage in table)


def _stands(
    stage: Stage,
    root: Path,
    size: str,
    folders: Mapping[str, Path],
    given: Mapping[str, Path],
    only: Sequence[str],
) -> Entry | None:
    """How a stage stands without being run; None if it has to be."""
    if stage.name in given:
        return take(root, stage.name, given[stage.name])
    before = read(root, stage.name)
    if before is not None and (root / stage.name / RESULTS).exists():
        if before.state == GIVEN and folders[stage.name] == root / stage.name:
            return before
        command = () if stage_table.absent(stage, size) else stage_table.arguments(stage, size, folders)
        if before.state == DONE and before.command == relative(command, root):
            return before
    if why := stage_table.absent(stage, size):
        return Entry(stage.name, MISSING, reason=why)
    if only and stage.name not in only:
        return Entry(stage.name, LEFT_OUT, reason="not asked for in this call")
    return None


def results(root: Path, name: str) -> Any:
    """Reads the results of a stage.

    Raises:
        WorkdirError: They are damaged.
    """
    return workdir.read_json(root / name / RESULTS)


def _last_lines(log: Path, start: int) -> str:
    """The last lines that a log has from a byte on."""
    text = log.read_bytes()[start:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-_LAST_LINES:])
