"""The record of an `accelerator` run: one file, rewritten after every result, from which a later call resumes."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from ich_jax import errors, workdir
from ich_jax.report import tables

FILE, TABLES = "accelerator.json", "accelerator.md"
FORMAT = 1
RUNNING, DONE, UNFINISHED, FAILED, LEFT_OUT = "running", "done", "unfinished", "failed", "left out"
_STATES = (RUNNING, DONE, UNFINISHED, FAILED, LEFT_OUT)
_ROOT = Path(__file__).resolve().parents[3]


@dataclasses.dataclass
class Entry:
    """Results of a stage so far.

    Attributes:
        state: One of running, done, unfinished (`--resume` continues it), failed, left out.
        seconds: Time spent on it, over all calls.
        until: Its deadline in seconds since the epoch, while it runs; -1 after it has ended in this call.
        rows: Measurements: cells by column, and the name of their table under `table`.
        left_out: Omissions and their reasons.
        figures: Headline figures.
        reason: Why it is not done.
    """

    state: str
    seconds: float = 0.0
    until: float = 0.0
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    reason: str = ""

    def add(self, table: str, **cells: Any) -> None:
        """Adds a row; one of the same table whose first cell is the same is replaced."""
        first = next(iter(cells.values()))
        kept = [row for row in self.rows if row["table"] != table or list(row.values())[1] != first]
        self.rows = [*kept, {"table": table, **cells}]

    def leave_out(self, what: str, why: str) -> None:
        """Notes an omission and its reason."""
        if (line := f"{what}: {' '.join(why.split())}") not in self.left_out:
            self.left_out.append(line)


@dataclasses.dataclass
class Record:
    """A run of the command.

    Attributes:
        folder: Where it is kept.
        size: Name of the size.
        calls: Every call that worked on it: machine, versions and duration.
        entries: From names of stages.
    """

    folder: Path
    size: str
    calls: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    entries: dict[str, Entry] = dataclasses.field(default_factory=dict)

    def write(self) -> None:
        """Stores the run.

        Raises:
            WorkdirError: The folder cannot be written.
        """
        values = {"format": FORMAT, "size": self.size, "calls": self.calls, "stages": self.entries}
        workdir.write_json(self.folder / FILE, values)

    def write_tables(self) -> None:
        """Writes the results so far as Markdown, beside the record."""
        workdir.write_text(self.folder / TABLES, markdown(self))

    def begin(self, name: str, until: float) -> Entry:
        """Notes that a stage begins or continues; earlier omissions are tried again."""
        entry = self.entries.setdefault(name, Entry(RUNNING))
        entry.state, entry.until, entry.reason, entry.left_out = RUNNING, until, "", []
        self.write()
        return entry

    def end(self, name: str, state: str, seconds: float = 0.0, reason: str = "") -> None:
        """Notes how a stage ended."""
        entry = self.entries.setdefault(name, Entry(state))
        entry.state, entry.reason, entry.until = state, reason, -1.0
        entry.seconds += seconds
        self.write()
        self.write_tables()


def read(folder: Path) -> Record:
    """Reads the run of a folder; a stage that was under way when its process was killed is unfinished.

    Raises:
        WorkdirError: There is none, or it is not one that this version wrote.
    """
    path = folder / FILE
    if not path.is_file():
        raise errors.WorkdirError(f"--resume={folder}: it holds no {FILE}; begin a run there with --output={folder}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, not {FORMAT}")
        entries = {str(name): Entry(**entry) for name, entry in values["stages"].items()}
        if unknown := {entry.state for entry in entries.values()} - set(_STATES):
            raise ValueError(f"states {sorted(unknown)}")
        record = Record(folder, str(values["size"]), list(values["calls"]), entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.WorkdirError(
            f"{path} cannot be read as a run of this command ({error}); restore it, or begin anew in another --output."
        ) from error
    return record


def interrupted(record: Record, reason: str, *, state: str = UNFINISHED) -> list[str]:
    """Ends stages that were under way when their process ended; returns their names."""
    names = [name for name, entry in record.entries.items() if entry.state == RUNNING]
    for name in names:
        began = record.calls[-1].get("stage_began", 0.0) if record.calls else 0.0
        record.end(name, state, max(0.0, time.time() - began) if began else 0.0, reason)
    return names


def markdown(record: Record) -> str:
    """Returns the run as Markdown: how each stage ended, then its tables and omissions."""
    lines = []
    states = tables.Table(
        name="stages",
        title="Stages",
        columns=("stage", "state", "minutes", "figures", "why"),
        rows=tuple(
            (
                name,
                entry.state,
                entry.seconds / 60,
                ", ".join(f"{key} {value:.4g}" for key, value in entry.figures.items()),
                entry.reason,
            )
            for name, entry in record.entries.items()
        ),
        caption=f"Size: {record.size}.",
        digits=(("minutes", 2),),
    )
    lines.append(tables.to_markdown(states))
    for name, entry in record.entries.items():
        for title in dict.fromkeys(row["table"] for row in entry.rows):
            rows = [{k: v for k, v in row.items() if k != "table"} for row in entry.rows if row["table"] == title]
            columns = tuple(dict.fromkeys(key for row in rows for key in row))
            cells = tuple(tuple(row.get(column) for column in columns) for row in rows)
            lines.append(tables.to_markdown(tables.Table(name=name, title=title, columns=columns, rows=cells)))
        lines += [f"Left out of {name}: {line}\n" for line in entry.left_out]
    for call in record.calls:
        origin = call.get("provenance") or {}
        versions = ", ".join(f"{key} {value}" for key, value in call.get("versions", {}).items())
        lines.append(
            f"`{origin.get('command', '')}`: {origin.get('created', '')}, revision {origin.get('revision', '')}, "
            f"{origin.get('devices', '')}, {origin.get('cpu', '')}, {origin.get('cores', '')} core(s), "
            f"Python {origin.get('python', '')}, {versions}; {call.get('minutes', 0.0):.1f} minutes.\n"
        )
    return "\n".join(lines)


def sources() -> str:
    """Returns a fingerprint of everything that runs: the package, its scripts and its configs."""
    digest = hashlib.sha256()
    for folder in ("ich_jax", "scripts", "configs"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
