"""The stages of a comparison in order: trees and receipts, reach and lowered facts, compiled facts, counts, times."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_jax import errors
from ich_jax.perf.check import answers, attribution, pairs, processes, reach, trees, verdicts
from ich_jax.perf.check.processes import AbsentError, Worker, WorkerError
from ich_jax.perf.check.result import Result, Row
from ich_jax.perf.check.trees import Side

STAGES = ("lower", "compile", "run", "time")
SIDES = ("base", "head")
_LEAST_ROUNDS = 5  # in each restart


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a comparison.

    Attributes:
        root: Root of the checkout.
        table: File of workloads.
        base: Revision.
        head: Revision, or `trees.WORKTREE`.
        workloads: Names; empty: those marked in the table; `("all",)`: all.
        platforms: Platforms for which programs are lowered; the first is the one that runs them.
        stages: Stages to run, of `STAGES`.
        seconds: Time for timing, including the start of processes.
        limit_s: Time limit of a worker for one order in seconds.
        restarts: Number of times that processes are started for timing; with fewer than three, intervals say little.
        steps: Steps in which answers are compared and events counted.
        allow_receipts: Compare even if the sides declare different dependencies.
        log: Receives each line of progress.
    """

    root: Path
    table: Path
    base: str
    head: str
    workloads: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ("cpu",)
    stages: tuple[str, ...] = STAGES
    seconds: float = 180.0
    limit_s: float = 600.0
    restarts: int = pairs.LEAST_RESTARTS
    steps: int = 3
    allow_receipts: bool = False
    log: Callable[[str], None] = print


class Comparison:
    """Two sides under comparison; `compare` runs it."""

    def __init__(self, options: Options, scratch: Path, start: Callable[..., Worker]) -> None:
        """Args: options, a scratch folder, a function that starts workers."""
        self.options, self._scratch, self._start = options, scratch, start
        self._began = time.monotonic()
        self._n_workers = 0
        base = trees.extract(options.root, options.base, scratch, "base")
        head = trees.extract(options.root, options.head, scratch, "head")
        self.sides: dict[str, Side] = {"base": base, "head": head}
        self.changes = trees.changes(base, head)
        self._accepted = trees.accepted(options.root, base, head)
        self._lines: dict[str, dict[str, dict[str, set[int]]]] = {name: {} for name in SIDES}
        self._rows_by_line: dict[str, dict[str, Any]] = {}
        described = {name: {"revision": s.revision, "sha": s.sha, "digest": s.digest} for name, s in self.sides.items()}
        self.result = Result(
            described["base"], described["head"], {}, options.stages, options.platforms, [], [], [], {}, []
        )

    def receipts(self) -> dict[str, Worker]:
        """Starts a worker on each side, checks that the sides are comparable, and returns the workers."""
        if self.sides["base"].requirements != self.sides["head"].requirements:
            base, head = (set(self.sides[name].requirements) for name in SIDES)
            self._differ(
                [f"dependencies: only in the base {sorted(base - head)}, only in the head {sorted(head - base)}"]
            )
        started = self._both(dict.fromkeys(SIDES))
        receipts = processes.together({n: functools.partial(w.ask, "receipt", 60.0) for n, w in started.items()})
        if error := processes.first_error(list(receipts.values())):
            raise error
        self.result.receipts = receipts
        if different := trees.different_receipts(receipts["base"], receipts["head"]):
            self._differ(different)
        listed = started["head"].ask("workloads", 60.0)
        known: dict[str, bool] = listed["workloads"]
        asked = self.options.workloads or tuple(name for name, default in known.items() if default)
        if asked == ("all",):
            asked = tuple(known)
        for name in asked:
            errors.require(name, known, "--workloads")
        self._sources = tuple(listed["sources"])
        self.result.rows = [Row(name, accepted=self._accepted_of(name)) for name in asked]
        self._mark("receipts")
        return started

    def lower(self, workers: dict[str, Worker]) -> None:
        """Traces and lowers each workload on both sides for reach and facts."""
        changed = {name: self._changed(name) for name in SIDES}
        host: set[str] = set()
        for row in self.result.rows:
            platforms = list(self.options.platforms)
            replies = self._ask(
                workers, row, "lower", {n: {"platforms": platforms, "changed": changed[n]} for n in SIDES}
            )
            for name in SIDES:
                if isinstance(replies[name], dict):
                    self._lines[name][row.name] = {path: set(n) for path, n in replies[name].pop("lines").items()}
                    host |= {row.name} if replies[name].pop("host") else set()
            if row.missing:
                self.options.log(f"{row.name}: {verdicts.NOT_MEASURED}: {row.missing}")
                continue
            self._rows_by_line[row.name] = {name: replies[name].pop("by_line") for name in SIDES}
            self._compare_lowered(row, replies)
            self.options.log(f"{row.name}: {'identical program' if row.identical else 'program changed'}")
        self._judge_reach()
        for row in self.result.rows:
            # What a function does on the host is known only after it has run.
            row.reached |= row.name in host and bool(self.changes)
            if row.name in self._rows_by_line and not row.identical:
                table = self._rows_by_line[row.name]
                row.causes = attribution.attribute(table["base"], table["head"], self.changes)
        self._mark("lower")

    def compile(self, workers: dict[str, Worker]) -> dict[str, Worker]:
        """Compiles changed programs, each side twice in fresh processes; returns the second pair of workers."""
        again = self._both({name: self._scratch / f"cache-{name}" for name in SIDES})
        if "compile" in self.options.stages:
            for row in self._open_rows():
                if row.identical:
                    continue
                first = self._ask(workers, row, "compile", {name: {} for name in SIDES})
                second = self._ask(again, row, "compile", {name: {} for name in SIDES}) if not row.missing else {}
                if row.missing:
                    continue
                moved = [
                    fact for name in SIDES for fact in verdicts.unstable(first[name]["facts"], second[name]["facts"])
                ]
                if moved:
                    row.notes.append(
                        f"differ between two compilations of one side: {', '.join(sorted(set(moved))[:5])}"
                    )
                self._add(row, first["base"]["facts"], first["head"]["facts"], unstable=moved)
                seconds = " and ".join(f"{first[name]['compile_s']:.1f} s" for name in SIDES)
                row.notes.append(f"compiled in {seconds} (for information only: compile times vary by a third)")
                self.options.log(f"{row.name}: compiled twice on each side")
            self._mark("compile")
        for worker in workers.values():
            worker.end()
        return again

    def run(self, workers: dict[str, Worker]) -> None:
        """Takes a few steps on both sides, counts events and compares results."""
        for row in self._open_rows():
            files = {name: self._scratch / f"{row.name}-{name}.npz" for name in SIDES}
            orders = {name: {"steps": self.options.steps, "answers": str(files[name])} for name in SIDES}
            replies = self._ask(workers, row, "run", orders)
            if row.missing:
                continue
            row.counts = {name: replies[name]["counts"] for name in SIDES}
            row.causes_of_retracing = [self._plain(cause, "head") for cause in replies["head"]["causes"]]
            self._add(row, replies["base"]["counts"], replies["head"]["counts"])
            row.answer = answers.compare(files["base"], files["head"])
            for name in SIDES:
                for path, numbers in replies[name]["lines"].items():
                    self._lines[name][row.name].setdefault(path, set()).update(numbers)
            self.options.log(f"{row.name}: counted; answers {row.answer.kind}")
        self._judge_reach()
        for worker in workers.values():
            worker.end()
        self._mark("run")

    def time(self) -> None:
        """Times both sides and a second base in turns, in processes that are restarted several times."""
        rows = self._open_rows()
        until = time.monotonic() + self.options.seconds
        log_ratios: dict[str, list[list[float]]] = {row.name: [] for row in rows}
        control: dict[str, list[list[float]]] = {row.name: [] for row in rows}
        seconds: dict[str, list[float]] = {row.name: [] for row in rows}
        for restart in range(self.options.restarts):
            if time.monotonic() > until or not rows:
                break
            caches = {"base": "base", "head": "head", "second base": "base"}
            group = self._group({name: (side, self._scratch / f"cache-{side}") for name, side in caches.items()})
            for i, row in enumerate(rows):
                left = (self.options.restarts - restart) * len(rows) - i
                share = max(0.0, until - time.monotonic()) / left
                last = restart == self.options.restarts - 1
                try:
                    self._rounds(row, group, share, last, (log_ratios[row.name], control[row.name], seconds[row.name]))
                except WorkerError as error:
                    row.missing = str(error)
            for worker in group.values():
                worker.end()
            rows = [row for row in rows if not row.missing]
        for row in rows:
            if len(log_ratios[row.name]) < self.options.restarts:
                row.missing = f"timing did not fit into --seconds={self.options.seconds:g}"
                continue
            row.times = pairs.judge(log_ratios[row.name], control[row.name], seconds[row.name])
            self.options.log(f"{row.name}: timed, {row.times.verdict}")
        self._mark("time")

    def _rounds(
        self,
        row: Row,
        group: dict[str, Worker],
        share_s: float,
        last: bool,
        into: tuple[list[Any], list[Any], list[float]],
    ) -> None:
        """Takes the rounds of one restart."""
        ratios, control, seconds = into
        limit = self.options.limit_s
        until = time.monotonic() + share_s
        for worker in group.values():  # the second base uses programs that the first has compiled
            worker.ask("time", limit, name=row.name, calls=1)
        calls = pairs.calls_in_a_block(min(group["base"].ask("time", limit, name=row.name, calls=3)["seconds"]))
        blocks = [functools.partial(_call_seconds, worker, row.name, calls, limit) for worker in group.values()]
        ours: list[float] = []
        noise: list[float] = []
        while len(ours) < _LEAST_ROUNDS or time.monotonic() < until:
            base, head, second = pairs.take_round(len(ours), blocks)
            ours.append(pairs.log_ratio(head, base))
            noise.append(pairs.log_ratio(second, base))
            seconds.append(base)
            if last and len(ours) >= _LEAST_ROUNDS and pairs.precise([*ratios, ours], [*control, noise]):
                break
        ratios.append(ours)
        control.append(noise)

    def _judge_reach(self) -> None:
        """Updates the workloads that pass through each changed line, as far as they are known."""
        folders = {name: side.folder for name, side in self.sides.items()}
        self.result.reach, self.result.aside = reach.judge(self.changes, folders, self._lines, self._sources)
        for row in self.result.rows:
            row.touched = [reached for reached in self.result.reach if row.name in reached.workloads]
            row.reached = bool(row.touched)

    def _both(self, caches: Mapping[str, Path | None]) -> dict[str, Worker]:
        return self._group({name: (name, cache) for name, cache in caches.items()})

    def _group(self, wanted: Mapping[str, tuple[str, Path | None]]) -> dict[str, Worker]:
        group = {}
        for name, (side, cache) in wanted.items():
            self._n_workers += 1
            log = self._scratch / f"worker-{self._n_workers}.log"
            group[name] = self._start(name, self.sides[side].folder, self.options.table, log, cache=cache)
        ready = processes.together({n: functools.partial(w.ready, self.options.limit_s) for n, w in group.items()})
        if error := processes.first_error(list(ready.values())):
            raise error
        return group

    def _ask(
        self, workers: dict[str, Worker], row: Row, do: str, orders: Mapping[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """Asks both sides concurrently, notes failures in the row, and replaces a worker that has ended."""
        replies = processes.together(
            {
                name: functools.partial(workers[name].ask, do, self.options.limit_s, name=row.name, **order)
                for name, order in orders.items()
            }
        )
        for name, answer in replies.items():
            if isinstance(answer, WorkerError) and not workers[name].alive():
                workers[name] = self._group({name: (name, None)})[name]
        base, head = replies["base"], replies["head"]
        if isinstance(head, AbsentError):
            row.missing = f"the head has no such workload: {self._plain(str(head), 'head')}"
        elif isinstance(base, AbsentError):
            row.missing = f"new, nothing to compare with: {self._plain(str(base), 'base')}"
        elif error := processes.first_error([head, base]):
            row.missing = self._plain(self._plain(str(error), "head"), "base")
        return replies

    def _compare_lowered(self, row: Row, replies: Mapping[str, Any]) -> None:
        self._add(row, replies["base"]["facts"], replies["head"]["facts"])
        prints = {name: [] for name in SIDES}  # type: dict[str, list[str]]
        for platform in self.options.platforms:
            both = {name: dict(replies[name]["platforms"][platform]) for name in SIDES}
            for name in SIDES:
                prints[name].append(both[name].pop("fingerprint"))
            self._add(row, both["base"], both["head"], platform=platform)
        row.identical = prints["base"] == prints["head"]

    def _add(
        self,
        row: Row,
        base: Mapping[str, Any],
        head: Mapping[str, Any],
        platform: str = "",
        unstable: Sequence[str] = (),
    ) -> None:
        """Adds facts of both sides and their differences to a row; a fact that one side lacks is not measured."""
        suffix = f":{platform}" if platform else ""
        for name, facts in (("base", base), ("head", head)):
            row.facts.setdefault(name, {}).update({f"{key}{suffix}": value for key, value in facts.items()})
        if absent := verdicts.missing(base, head):
            row.missing = f"on one side only: {', '.join(absent)}"
        row.differences += verdicts.compare(base, head, platform=platform, accepted=row.accepted, unstable=unstable)

    def _open_rows(self) -> list[Row]:
        """Returns the rows whose programs alone do not decide the verdict."""
        return [
            row for row in self.result.rows if not row.missing and (row.reached or not row.identical or self._same())
        ]

    def _same(self) -> bool:
        """Returns whether the sides do not differ: such a comparison measures noise."""
        return not self.changes

    def _changed(self, side: str) -> dict[str, list[int]]:
        """Returns the lines of changed statements by file."""
        changed: dict[str, set[int]] = {}
        for change in self.changes:
            spans = reach.spans(self.sides[side].folder / change.path)
            for line in change.lines(side):
                changed.setdefault(change.path, set()).update(spans.get(line, ()))
        return {name: sorted(lines) for name, lines in changed.items() if lines}

    def _accepted_of(self, name: str) -> dict[str, str]:
        start = f"{name}."
        return {fact.removeprefix(start): why for fact, why in self._accepted.items() if fact.startswith(start)}

    def _differ(self, differences: Sequence[str]) -> None:
        text = "The sides cannot be compared in one environment: " + "; ".join(differences)
        if not self.options.allow_receipts:
            raise errors.MismatchError(f"{text}. --allow_receipts compares them anyway.")
        self.result.notes.append(text)

    def _plain(self, text: str, side: str) -> str:
        """Returns a text with paths relative to the root of the tree."""
        return text.replace(f"{self.sides[side].folder}/", "")

    def _mark(self, stage: str) -> None:
        self.result.seconds[stage] = round(time.monotonic() - self._began, 1)


def _call_seconds(worker: Worker, name: str, calls: int, limit_s: float) -> list[float]:
    seconds: list[float] = worker.ask("time", limit_s, name=name, calls=calls)["seconds"]
    return seconds


@contextlib.contextmanager
def comparison(options: Options) -> Iterator[Comparison]:
    """Yields a comparison whose copies and processes are removed when the block ends, even by an error."""
    with processes.signals_end_the_block(), trees.scratch() as scratch, processes.workers() as start:
        yield Comparison(options, scratch, start)


def compare(options: Options, finished: Callable[[str, Result], None] = lambda *_: None) -> Result:
    """Compares two revisions.

    Args:
        options: Options of the comparison.
        finished: Called after each stage with its name and the results so far.

    Raises:
        ConfigError: An option is not allowed.
        MismatchError: The sides cannot be compared.
        WorkerError: A side cannot be imported.
        WorkdirError: There is no space for copies.
    """
    for stage in options.stages:
        errors.require(stage, STAGES, "--stages")
    with comparison(options) as stages:
        workers = stages.receipts()
        finished("receipts", stages.result)
        stages.lower(workers)
        finished("lower", stages.result)
        if {"compile", "run"} & set(options.stages):
            workers = stages.compile(workers)
            finished("compile", stages.result)
        if "run" in options.stages:
            stages.run(workers)
            finished("run", stages.result)
        for worker in workers.values():
            worker.end()
        if "time" in options.stages:
            stages.time()
            finished("time", stages.result)
        return stages.result
