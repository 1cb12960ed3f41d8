"""Facts of the last commits that touch the package: what became more or less, and with which commit."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perf_checks import page

from ich_jax import errors, workdir
from ich_jax.perf.check import processes, stages, trees, verdicts

_STEP = 0.01
_FACTS = (*page.SHOWN_FACTS, "donated")


def run(options: stages.Options, n: int, output: Path) -> dict[str, float]:
    """Measures the last n commits, prints a line each, and writes history.json and report/index.html.

    Args:
        options: Of which root, table, workloads and limits are used.
        n: Commits.
        output: Folder.

    Raises:
        ConfigError: No commit touches the package.
    """
    package = re.findall(r'^PACKAGE = "([\w.]+)"', options.table.read_text(), re.MULTILINE)
    text = trees.git(options.root, "log", "--format=%H %s", f"-n{n}", "HEAD", "--", *package)
    if not text:
        raise errors.ConfigError(
            f"--history={n}: no commit of {options.root} touches {' '.join(package) or 'a package'}."
        )
    found: list[dict[str, Any]] = []
    for line in reversed(text.splitlines()):
        sha, _, subject = line.partition(" ")
        facts, missing = _facts(options, sha)
        found.append({"sha": sha, "subject": subject, "facts": facts, "missing": missing})
        steps = moves(found[-2:])
        print(f"{sha[:10]} {subject[:70]}: {'; '.join(steps) or 'as before'}", flush=True)
        workdir.write_json(output / "history.json", {"commits": found})
    steps = moves(found)
    page.write_history(output / "report", found, steps)
    return {
        "commits": float(len(found)),
        "steps": float(len(steps)),
        "failed": float(sum(not c["facts"] for c in found)),
    }


def _facts(options: stages.Options, sha: str) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Facts of each workload of a commit, and why those that are missing are."""
    facts: dict[str, dict[str, float]] = {}
    missing: dict[str, str] = {}
    with processes.signals_end_the_block(), trees.scratch() as scratch, processes.workers() as start:
        side = trees.extract(options.root, sha, scratch, "head")
        worker = start("head", side.folder, options.table, scratch / "log", cache=None)
        try:
            worker.ready(options.limit_s)
            listed = worker.ask("workloads", 60.0)["workloads"]
            names = options.workloads or tuple(name for name, default in listed.items() if default)
            for name in tuple(listed) if names == ("all",) else names:
                try:
                    reply = worker.ask("lower", options.limit_s, name=name, platforms=["cpu"], changed={})
                except processes.WorkerError as error:
                    missing[name] = str(error).replace(f"{side.folder}/", "").splitlines()[0]
                    continue
                flat = verdicts.flat(reply["facts"] | reply["platforms"]["cpu"])
                facts[name] = {fact: flat[fact] for fact in _FACTS if fact in flat}
        except processes.WorkerError as error:
            missing["import"] = str(error).replace(f"{side.folder}/", "").splitlines()[0]
        worker.end()
        shutil.rmtree(side.folder, ignore_errors=True)
    return facts, missing


def moves(commits: Sequence[Mapping[str, Any]]) -> list[str]:
    """Says which facts moved by 1 % or more between commits that could be measured."""
    said = []
    last: dict[str, Mapping[str, float]] = {}
    for commit in commits:
        for name, facts in commit["facts"].items():
            before = last.get(name)
            parts = [
                f"{fact} {100.0 * (value / before[fact] - 1.0):+.1f} %"
                for fact, value in facts.items()
                if before and before.get(fact) and abs(value / before[fact] - 1.0) >= _STEP
            ]
            if parts:
                said.append(f"{commit['sha'][:10]} {name}: {', '.join(parts)} ({commit['subject']})")
            last[name] = facts
    return said
