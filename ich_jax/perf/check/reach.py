"""Reach: the lines of a tree that workloads pass through, and changed lines that no workload passes through.

There are two sources: the lines that run on the host while a program is built, traced and run, and the lines from
which the equations of its jaxpr come. The first finds code that shapes a program without appearing in it (a size, a
branch of Python); the second finds code that JAX took from a cache without running the function again.

A changed line is reached if its statement is reached, since Python reports only some lines of a call over several
lines. Lines that run at import (constants, decorators, heads of functions) count for a workload only if a function of
the same file runs as well: importing a module is not using it.
"""

import ast
import contextlib
import dataclasses
import inspect
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from jax.extend.core import Jaxpr, JaxprEqn  # type: ignore[attr-defined]  # both are public

from ich_jax import jaxprs
from ich_jax.perf.check.trees import Change

Lines = dict[str, set[int]]
"""File relative to the root of the tree -> lines."""

_MONITORING: Any = getattr(sys, "monitoring", None)  # from Python 3.12 on; a trace function replaces it before
_TOOL = 4  # id in sys.monitoring that neither coverage nor profilers use


@dataclasses.dataclass(frozen=True, slots=True)
class Reached:
    """Changed lines of one file and side, and the workloads that pass through them.

    Attributes:
        path: File.
        side: `base` (removed lines) or `head`.
        lines: The lines.
        workloads: Names of workloads; empty: not measured.
    """

    path: str
    side: str
    lines: tuple[int, ...]
    workloads: tuple[str, ...]


class Recorder:
    """Records the lines of a tree that run in this process.

    Attributes:
        imported: Lines that ran at import since the process began.
    """

    def __init__(self, folder: Path) -> None:
        """Args: the root of the tree; lines outside it cause almost no overhead."""
        self._prefix = f"{folder}/"
        self.imported: Lines = defaultdict(set)
        self._called: Lines = defaultdict(set)
        if _MONITORING is not None:
            _MONITORING.use_tool_id(_TOOL, "perf_check")
            _MONITORING.register_callback(_TOOL, _MONITORING.events.LINE, self._line)

    @contextlib.contextmanager
    def recording(self) -> Iterator[Lines]:
        """Context in which lines are recorded; the mapping that it yields is filled at its end."""
        self._called = defaultdict(set)
        lines: Lines = {}
        if _MONITORING is not None:
            _MONITORING.restart_events()
        self._switch(on=True)
        try:
            yield lines
        finally:
            self._switch(on=False)
            lines.update(self._called)

    def close(self) -> None:
        """Releases the tool id in sys.monitoring."""
        if _MONITORING is not None:
            _MONITORING.free_tool_id(_TOOL)

    def _switch(self, *, on: bool) -> None:
        if _MONITORING is not None:
            _MONITORING.set_events(_TOOL, _MONITORING.events.LINE if on else 0)
        else:
            threading.settrace(self._trace if on else None)  # type: ignore[arg-type]  # None is allowed
            sys.settrace(self._trace if on else None)

    def _note(self, code: CodeType, line: int) -> None:
        if code.co_filename.startswith(self._prefix):
            name = code.co_filename[len(self._prefix) :]
            kind = self._called if code.co_flags & inspect.CO_OPTIMIZED else self.imported
            kind[name].add(line)

    def _line(self, code: CodeType, line: int) -> Any:
        self._note(code, line)
        return _MONITORING.DISABLE  # each line is reported once

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._prefix):
            return None
        self._note(frame.f_code, frame.f_lineno)
        return self._trace


class Frames:
    """Finds the lines of a tree from which an equation comes, innermost first."""

    def __init__(self, folder: Path) -> None:
        """Args: the root of the tree."""
        self._prefix = f"{folder}/"
        self._known: dict[Any, tuple[tuple[str, int], ...]] = {}

    def calls(self, equation: JaxprEqn) -> tuple[tuple[str, int], ...]:
        """Returns (file, line) of each call on the stack of an equation that lies in the tree."""
        traceback: Any = equation.source_info.traceback
        if traceback is None:
            return ()
        if traceback not in self._known:
            self._known[traceback] = tuple(
                (frame.file_name[len(self._prefix) :], int(frame.line_num))
                for frame in traceback.frames
                if frame.file_name.startswith(self._prefix)
            )
        return self._known[traceback]

    def lines(self, program: Jaxpr) -> Lines:
        """Returns all lines from which equations of a program come."""
        lines: Lines = defaultdict(set)
        for equation in jaxprs.equations(program):
            for name, line in self.calls(equation):
                lines[name].add(line)
        return lines


def union(called: Lines, in_program: Lines, imported: Lines) -> dict[str, list[int]]:
    """Returns all lines that a workload passes through, ready for JSON."""
    reached: Lines = defaultdict(set)
    for lines in (called, in_program):
        for name, numbers in lines.items():
            reached[name] |= numbers
    for name in list(reached):
        reached[name] |= imported.get(name, set())
    return {name: sorted(numbers) for name, numbers in sorted(reached.items())}


def statements(text: str) -> dict[int, range]:
    """Returns for each line of code the lines of its statement, for a compound statement those of its head.

    Docstrings, comments and blank lines are not code.

    Args:
        text: Source of a module.

    Raises:
        SyntaxError: The text is not Python.
    """
    spans: dict[int, range] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            continue
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            first = min([getattr(node, "lineno", 0), *(d.lineno for d in getattr(node, "decorator_list", []))])
            last = getattr(node, "end_lineno", first)
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            if isinstance(node, ast.match_case):
                first, last = node.pattern.lineno, node.pattern.end_lineno
            elif isinstance(body, list):
                last = max(first, min(getattr(child, "lineno", first + 1) for child in body) - 1)
                last = max(last, first)
            for line in range(first, last + 1):
                spans[line] = range(first, last + 1)
    code = {i for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.strip().startswith("#")}
    return {line: span for line, span in spans.items() if line in code}


def judge(
    changes: Sequence[Change],
    folders: Mapping[str, Path],
    lines: Mapping[str, Mapping[str, Mapping[str, Collection[int]]]],
    sources: Sequence[str],
) -> tuple[list[Reached], list[str]]:
    """Finds the workloads that pass through each changed line.

    Args:
        changes: The changes between the sides.
        folders: Side -> root of its tree.
        lines: Side -> workload -> file -> lines that the workload passes through.
        sources: Folders whose files count; changed files elsewhere are only listed.

    Returns:
        The changed lines of code, grouped by the workloads that pass through them, and the changed files elsewhere.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], set[int]] = defaultdict(set)
    aside: dict[str, None] = {}
    spans: dict[tuple[str, str], dict[int, range] | None] = {}
    for change in changes:
        if change.path.split("/")[0] not in sources:
            aside[change.path] = None
            continue
        for side, folder in folders.items():
            if (side, change.path) not in spans:
                spans[side, change.path] = _statements_of(folder / change.path)
            known = spans[side, change.path]
            for line in change.lines(side):
                span = range(line, line + 1) if known is None else known.get(line)
                if span is None:
                    continue
                workloads = tuple(
                    name
                    for name, files in lines.get(side, {}).items()
                    if not set(span).isdisjoint(files.get(change.path, ()))
                )
                groups[change.path, side, workloads].add(line)
    reached = [Reached(path, side, tuple(sorted(n)), who) for (path, side, who), n in sorted(groups.items())]
    return reached, list(aside)


def spans(path: Path) -> dict[int, range]:
    """Returns the statements of a file, as `statements` does; if it is not Python, each line by itself."""
    statements_by_line = _statements_of(path)
    if statements_by_line is None:
        return {i: range(i, i + 1) for i in range(1, len(path.read_bytes().splitlines()) + 1)}
    return statements_by_line


def _statements_of(path: Path) -> dict[int, range] | None:
    """Returns the statements of a file; None if it is not Python, so that every line counts."""
    if not path.is_file():
        return {}
    if path.suffix != ".py":
        return None
    try:
        return statements(path.read_text())
    except (SyntaxError, UnicodeDecodeError):
        return None
