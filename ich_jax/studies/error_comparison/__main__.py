"""The command line: flags and their checks.

    python -m ich_jax.studies.error_comparison --help

The same as experiments/error_comparison.py, which says what the study is for.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

import sys
from collections.abc import Sequence

from absl import app, flags
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import ErrorComparisonConfig
from ich_jax.studies.console import parse_flags, refuse_arguments, show_log_lines
from ich_jax.studies.error_comparison.run import plan, run

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags; apart from importing this module, so that several experiments can be imported at once."""
    config_flags.DEFINE_config_file(
        "config", None, "Config file, such as configs/error_comparison.py, or FILE:VARIANT."
    )
    flags.DEFINE_string("workdir", None, "Folder of the comparison; given again, the comparison resumes.")
    flags.DEFINE_string("shard", "", "i/n: compute every n-th piece of work, starting with the i-th (from 0).")
    flags.DEFINE_list("merge_from", [], "Work directories of the same comparison whose finished pieces are copied.")
    flags.DEFINE_integer("stop_after", 0, "Stop each training at this step as a preemption would.", lower_bound=0)
    flags.DEFINE_bool("dry_run", False, "Print config, pieces of work and parameter counts, then leave.")
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, "--workdir=runs/errors")
    if FLAGS.workdir is None and not FLAGS.dry_run:
        raise app.UsageError("No --workdir is given: name the folder of the comparison, such as --workdir=runs/errors.")
    show_log_lines()
    try:
        config = config_lib.resolve(FLAGS.config, ErrorComparisonConfig)
        if FLAGS.dry_run:
            plan(config)
            return
        stopped_by = run(
            config, FLAGS.workdir, shard=FLAGS.shard, merge_from=FLAGS.merge_from, stop_after=FLAGS.stop_after
        )
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    if stopped_by is not None:
        sys.exit(128 + stopped_by)  # as a shell reports a process that a signal ended


def start() -> None:
    """Runs the experiment as a program: reads the command line, and leaves when done."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
