"""The command line: flags, and what each refuses.

    python -m ich_jax.studies.paper --help

The same as experiments/reproduce_paper.py, which says what it is for.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

import contextlib
import sys
from collections.abc import Sequence

from absl import app, flags
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors, lock
from ich_jax.config import ReproduceConfig
from ich_jax.studies.console import keep_compiled_programs, parse_flags, refuse_arguments, show_log_lines
from ich_jax.studies.paper import submitting
from ich_jax.studies.paper.run import Request, run

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags; importing the module does not, so that several experiments can be imported together."""
    config_flags.DEFINE_config_file(
        "config",
        "configs/reproduce_paper.py",
        "Config file, or FILE:VARIANT, such as configs/reproduce_paper.py:quick.",
    )
    flags.DEFINE_string("workdir", None, "Folder of the page and of the stages; given again, the run resumes.")
    flags.DEFINE_list("only", [], "Names of the stages to run; the others are shown as they are.")
    flags.DEFINE_list(
        "from", [], "Finished runs to show instead of running: STAGE=FOLDER, or a folder with a folder for each stage."
    )
    flags.DEFINE_integer("jobs", 1, "Stages that run at the same time on this machine.", lower_bound=1)
    flags.DEFINE_string("submit", "", f"Run stages as jobs of a cluster: {' or '.join(submitting.CLUSTERS)}.")
    flags.DEFINE_list("submit_options", [], "Of submitit, such as timeout_min=120,slurm_partition=gpu.")
    flags.DEFINE_bool("dry_run", False, "Print the stages with their commands, then exit.")
    flags.mark_flag_as_required("workdir")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, "--workdir=runs/reproduce_paper")
    show_log_lines()
    try:
        config = config_lib.resolve(FLAGS.config, ReproduceConfig)
        request = Request(
            only=tuple(FLAGS.only),
            given=tuple(FLAGS["from"].value or ()),
            jobs=FLAGS.jobs,
            submit=FLAGS.submit,
            submit_options=tuple(FLAGS.submit_options),
            dry_run=FLAGS.dry_run,
        )
        keep_compiled_programs()
        with contextlib.nullcontext() if FLAGS.dry_run else lock.hold(FLAGS.workdir):
            failed = run(config, FLAGS.workdir, request)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    sys.exit(1 if failed else 0)


def start() -> None:
    """Runs the experiment as a program: reads the command line, and leaves when done."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
