"""The command line: flags and their checks.

    python -m ich_jax.studies.train --help

The same as experiments/train.py, which says what the study is for.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

import os
import sys
from collections.abc import Sequence

from absl import app, flags
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import make
from ich_jax.evaluation import designs
from ich_jax.studies.console import parse_flags, refuse_arguments, show_log_lines
from ich_jax.studies.describe import describe
from ich_jax.studies.train.run import run
from ich_jax.training import checks, parallel

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags; apart from importing this module, so that several experiments can be imported at once."""
    config_flags.DEFINE_config_file("config", None, "Config file, such as configs/quick.py, or FILE:VARIANT.")
    flags.DEFINE_string("workdir", None, "Folder of the run; given again, the run resumes.")
    flags.DEFINE_string(
        "init_from",
        "",
        "Run or checkpoint whose networks a new run starts from; shipped: those of the package.",
    )
    flags.DEFINE_integer("stop_after", 0, "Stop at this step as a preemption would; 0: do not.", lower_bound=0)
    flags.DEFINE_bool("dry_run", False, "Print config and parameter counts, then leave.")
    flags.DEFINE_bool("distributed", False, "One of several processes, as Slurm, Open MPI or Cloud TPU starts them.")
    flags.DEFINE_string("coordinator", "", "HOST:PORT of the first of several processes; with the next two flags.")
    flags.DEFINE_integer("num_processes", 0, "Number of processes that train together.")
    flags.DEFINE_integer("process_id", -1, "Index of this process, from 0.")
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, "--workdir=runs/quick")
    if FLAGS.workdir is None and not FLAGS.dry_run:
        raise app.UsageError("No --workdir is given: name the folder of this run, for example --workdir=runs/quick.")
    show_log_lines()
    try:
        config = config_lib.resolve(FLAGS.config)
        if not FLAGS.coordinator and (FLAGS.num_processes or FLAGS.process_id != -1):
            raise errors.ConfigError(
                "--num_processes and --process_id need --coordinator=HOST:PORT of the first process: without it each "
                "process would train a run of its own, in the same folder."
            )
        if FLAGS.distributed or FLAGS.coordinator:
            parallel.start_processes(FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id)
        if FLAGS.dry_run:
            designs.check(config)
            dataset = make.make(config.data, seed=config.seed)
            checks.check(config, FLAGS.workdir or os.devnull, dataset, init_from=FLAGS.init_from)
            describe(config, dataset)
            return
        stopped_by = run(config, FLAGS.workdir, init_from=FLAGS.init_from, stop_after=FLAGS.stop_after)
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
