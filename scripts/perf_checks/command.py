"""Flags of `scripts/perf_check.py`, and what it prints and writes."""

import json
import math
import statistics
import time
from pathlib import Path

from absl import flags
from perf_checks import faults, history, page, self_test

from ich_jax import errors, workdir
from ich_jax.perf import lowering
from ich_jax.perf.check import show, stages, trees, verdicts
from ich_jax.perf.check.result import Result
from ich_jax.report import benchmark

FLAGS = flags.FLAGS
TABLE = Path(__file__).resolve().parent / "workloads.py"


def define_flags() -> None:
    """Declares the flags."""
    flags.DEFINE_string("base", "", "Revision to compare with; by default the merge base with the default branch.")
    flags.DEFINE_string("head", trees.WORKTREE, "Revision to judge; by default the working tree as it is.")
    flags.DEFINE_list("workloads", [], "Names, or `all`; by default those marked in scripts/perf_checks/workloads.py.")
    flags.DEFINE_list("platforms", ["cpu"], f"Platforms to lower for, of {', '.join(lowering.PLATFORMS)}.")
    flags.DEFINE_list("stages", list(stages.STAGES), f"Of {', '.join(stages.STAGES)}.")
    flags.DEFINE_float("seconds", 180.0, "Seconds for the times.")
    flags.DEFINE_float("limit", 600.0, "Seconds that one order may take a worker, such as compiling a program.")
    flags.DEFINE_bool("allow_receipts", False, "Compare even if the sides declare different dependencies.")
    flags.DEFINE_string("output", "", "Folder for perf_check.json, perf_check.md and report/index.html.")
    flags.DEFINE_string("markdown", "", "File for the report in Markdown, as for a pull request.")
    flags.DEFINE_bool("self_test", False, "Plant known faults, one at a time, and require each to be caught.")
    flags.DEFINE_integer("aa_runs", 0, "With --self_test: comparisons of the same with itself, which must be silent.")
    flags.DEFINE_integer(
        "history", 0, "Facts of the last so many commits that touch the package, instead of a comparison."
    )
    flags.DEFINE_string("table", str(TABLE), "File of workloads.")


def run(folder: Path) -> int:
    """Runs the check in a checkout and returns the exit code."""
    root = trees.root_of(folder)
    if FLAGS.self_test:
        return _self_test()
    if FLAGS.history:
        errors.require_within(FLAGS.history, 1, 100_000, "--history", whole=True)
        print(benchmark.summary(history.run(options(root, "HEAD"), FLAGS.history, _output())), flush=True)
        return verdicts.OK
    try:
        result = stages.compare(options(root, FLAGS.base or trees.default_base(root)), finished)
    except trees.MissingBaseError as error:
        print(f"verdict: {verdicts.NOT_MEASURED} (exit code {verdicts.NOT_MEASURED_CODE}): {error}", flush=True)
        return verdicts.NOT_MEASURED_CODE
    write(result)
    print(benchmark.summary(show.summary(result)), flush=True)
    return result.exit_code()


def options(root: Path, base: str) -> stages.Options:
    """Returns what the flags ask for, against a base.

    Raises:
        ConfigError: It cannot be.
    """
    errors.require_within(FLAGS.seconds, 1.0, 86_400.0, "--seconds")
    errors.require_within(FLAGS.limit, 1.0, 86_400.0, "--limit")
    for platform in FLAGS.platforms:
        errors.require(platform, lowering.PLATFORMS, "--platforms")
    for stage in FLAGS.stages:
        errors.require(stage, stages.STAGES, "--stages")
    if not Path(FLAGS.table).is_file():
        raise errors.ConfigError(f"--table={FLAGS.table}: no such file.")
    return stages.Options(
        root=root,
        table=Path(FLAGS.table).resolve(),
        base=base,
        head=FLAGS.head,
        workloads=tuple(FLAGS.workloads),
        platforms=tuple(FLAGS.platforms),
        stages=tuple(FLAGS.stages),
        seconds=FLAGS.seconds,
        limit_s=FLAGS.limit,
        allow_receipts=FLAGS.allow_receipts,
        log=lambda line: print(f"  {line}", flush=True),
    )


def finished(stage: str, result: Result) -> None:
    """Prints what is known after a stage."""
    if stage == "receipts":
        print(show.heading(result), flush=True)
    elif stage == "lower":
        lines = [*show.reach_lines(result), *(show.fact_line(row) for row in result.rows)]
        print("\n".join(lines), f"\nreach and lowered facts after {result.seconds['lower']:.0f} s", flush=True)


def write(result: Result) -> None:
    """Prints the verdicts and writes the files that were asked for."""
    print("\n".join(show.closing(result)), flush=True)
    if FLAGS.markdown:
        workdir.write_text(FLAGS.markdown, show.markdown(result))
    if FLAGS.output:
        output = Path(FLAGS.output)
        workdir.write_json(output / "perf_check.json", json.loads(workdir.json_text(result.to_json())))
        workdir.write_text(output / "perf_check.md", show.markdown(result))
        page.write(output / "report", result)


def _output() -> Path:
    if not FLAGS.output:
        raise errors.ConfigError("--output: name a folder for what --history and --self_test find.")
    return Path(FLAGS.output)


def _self_test() -> int:
    """Plants the faults, compares the same with itself, and writes benchmark.json and benchmark.md."""
    output, planted = _output(), []
    began = time.monotonic()
    for fault in faults.FAULTS:
        planted.append(self_test.plant(fault, seconds=FLAGS.seconds, limit_s=FLAGS.limit))
        each = planted[-1]
        outcome = "caught" if each.caught else "MISSED"
        print(f"{each.fault}: {outcome}, {each.verdict}, {each.found} ({each.seconds:.0f} s)", flush=True)
    silences = self_test.silent(FLAGS.aa_runs, seconds=FLAGS.seconds, limit_s=FLAGS.limit) if FLAGS.aa_runs else []
    alarms = [each for each in silences if each.alarm]
    bands = [each.band for each in silences if each.band is not None]
    summary = {
        "planted": float(len(planted)),
        "caught": float(sum(each.caught for each in planted)),
        "aa_runs": float(len(silences)),
        "aa_alarms": float(len(alarms)),
        "facts_s": statistics.median(each.seconds for each in planted if each.stage in ("reach", "lower")),
        "total_s": time.monotonic() - began,
        "aa_band": statistics.median(bands) if bands else math.nan,
    }
    receipt = {"summary": summary, "planted": planted, "silent": silences}
    benchmark.write(output, receipt, self_test.table_of(planted, silences))
    print(benchmark.summary(summary), flush=True)
    proven = summary["planted"] == summary["caught"] and not [each for each in alarms if each.kind == "facts"]
    return verdicts.OK if proven and len(alarms) <= 1 + len(silences) // 40 else verdicts.REGRESSION
