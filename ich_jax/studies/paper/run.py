"""The reproduction from its stages to its page."""

import concurrent.futures
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ich_jax import errors, liveness, workdir
from ich_jax.config import ReproduceConfig
from ich_jax.report import provenance
from ich_jax.studies.console import shown
from ich_jax.studies.paper import deciding, ours, page, running, submitting
from ich_jax.studies.paper import stages as stage_table
from ich_jax.studies.paper.claims import CLAIMS
from ich_jax.studies.paper.running import LEFT_OUT, Entry
from ich_jax.studies.paper.stages import STAGES, Stage


@dataclasses.dataclass(frozen=True)
class Request:
    """What a call asks for, besides its config.

    Attributes:
        only: Stages to run; empty: all.
        given: `STAGE=FOLDER`, or folders with a folder for each stage.
        jobs: Stages at the same time.
        submit: Cluster; empty: this machine.
        submit_options: `NAME=VALUE` of submitit.
        dry_run: Print the commands only.
    """

    only: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    jobs: int = 1
    submit: str = ""
    submit_options: tuple[str, ...] = ()
    dry_run: bool = False


def run(config: ReproduceConfig, folder: str, request: Request, table: Sequence[Stage] = STAGES) -> int:
    """Runs the stages that are not done, decides the claims and writes the page; prints the summary line.

    Args:
        config: The run.
        folder: Work directory.
        request: What this call asks for.
        table: The stages.

    Returns:
        Number of failed stages.

    Raises:
        ConfigError: A stage or an option that is not known.
        WorkdirError: The folder belongs to another run, or a given run is not finished.
    """
    root = Path(folder)
    names = [stage.name for stage in table]
    for name in (*request.only, *(name for name in config.stages if config.stages != ("all",))):
        errors.require(name, names, "stage")
    given = find_given(request.given, names)
    if request.dry_run:
        folders = {name: given.get(name, root / name) for name in names}
        for stage in table:
            why = stage_table.absent(stage, config.size)
            words = " ".join(stage_table.arguments(stage, config.size, folders))
            print(f"{stage.name}: " + (f"missing: {why}" if why else f"python {words}"))
        return 0
    workdir.claim(folder, config)
    liveness.keeps(f"finished stages in {folder} are kept, the running ones save their work, the same command resumes")
    belongs = names if config.stages == ("all",) else config.stages
    only = [name for name in (request.only or belongs) if name in belongs]
    threads = len(table) if request.submit else request.jobs
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        start = running.in_threads(pool)
        if request.submit:
            start = submitting.as_jobs(pool, request.submit, root, submitting.options(request.submit_options))
        entries = running.run_all(table, root, config.size, start, only=only, given=given, say=_say)
    return report(config, root, table, entries)


def find_given(words: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Returns the folders of finished runs by stage.

    Args:
        words: `STAGE=FOLDER`, or a folder that holds folders named after stages.
        names: Known stages.

    Raises:
        ConfigError: An unknown stage.
        WorkdirError: A folder that does not exist or holds no stage.
    """
    found: dict[str, Path] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if equals:
            errors.require(name, names, "--from")
            found[name] = Path(path)
            continue
        inside = {name: Path(word) / name for name in names if (Path(word) / name / running.RESULTS).exists()}
        if not inside:
            raise errors.WorkdirError(f"--from={word}: holds no finished run of a stage ({', '.join(names)}).")
        found |= inside
    return found


def report(config: ReproduceConfig, root: Path, table: Sequence[Stage], entries: Sequence[Entry]) -> int:
    """Decides the claims and writes page, `results.json` and summary line; returns the number of failed stages."""
    liveness.stage("claims")
    decided = deciding.decide_all(CLAIMS)
    results = {entry.stage: running.results(root, entry.stage) for entry in entries if entry.shown}
    seconds = ours.second_verdicts(results)
    liveness.stage("page")
    origin = provenance.provenance()
    path = page.write(
        root, config=config, table=table, entries=entries, decided=decided, seconds=seconds, results=results,
        provenance=origin,
    )  # fmt: skip
    failed = sum(entry.state == running.FAILED for entry in entries)
    summary = deciding.counts(decided) | {
        "stages": sum(entry.state != LEFT_OUT for entry in entries),
        "stages_failed": failed,
    }
    workdir.write_json(
        root / "results.json",
        {
            "summary": summary,
            "claims": [
                {
                    "id": item.claim.number,
                    "section": item.claim.section,
                    "claim": item.claim.statement,
                    "kind": item.claim.kind,
                    "finding": item.finding,
                    "second": seconds.get(item.claim.number),
                }
                for item in decided
            ],
            "stages": entries,
            "provenance": origin,
        },
    )
    print(f"Page: {path}")
    print("summary: " + " ".join(f"{name}={shown(value)}" for name, value in summary.items()), flush=True)
    return failed


def _say(line: str) -> None:
    print(line, flush=True)
