"""The command line: flags and their checks.

    python -m ich_jax.studies.interference --help

Equivalent to experiments/interference_sweep.py, which describes the study.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # first of all: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, during which Ctrl-C has to work

import sys
from collections.abc import Sequence

from absl import app, flags
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors, lock
from ich_jax.config import InterferenceConfig
from ich_jax.studies.console import keep_compiled_programs, parse_flags, refuse_arguments, show_log_lines
from ich_jax.studies.interference.run import run, run_pulses
from ich_jax.studies.shards import parse_shard

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags; not on import, so that several experiments can be imported at once."""
    config_flags.DEFINE_config_file("config", None, "Config file, such as configs/interference_sweep.py:quick.")
    flags.DEFINE_string("workdir", None, "Folder of the sweep; given again, the sweep resumes.")
    flags.DEFINE_string("checkpoint", None, "Training run, or one of its checkpoints; shipped: of the package.")
    flags.DEFINE_string("images", "", "Where the images of that run are now, if they were moved.")
    flags.DEFINE_string("reference", "", "Training run, or finished sweep, of the generator to compare with.")
    flags.DEFINE_string("shard", "", "i/n: do only every n-th job, from the i-th on, without a report.")
    for name in ("config", "workdir", "checkpoint"):
        flags.mark_flag_as_required(name)


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, "--workdir=runs/sweep")
    show_log_lines()
    try:
        config = config_lib.resolve(FLAGS.config, InterferenceConfig)
        if config.compilation_cache:
            keep_compiled_programs()
        if config.task == "pulse":
            if FLAGS.reference:
                raise errors.ConfigError("--reference belongs to a sweep; pulses are compared with their controls.")
            with lock.hold(FLAGS.workdir, shard=parse_shard(FLAGS.shard)):
                run_pulses(config, FLAGS.workdir, FLAGS.checkpoint, shard=FLAGS.shard, images=FLAGS.images)
        else:
            flags_of_run = {"reference": FLAGS.reference, "shard": FLAGS.shard, "images": FLAGS.images}
            with lock.hold(FLAGS.workdir, shard=parse_shard(FLAGS.shard)):
                run(config, FLAGS.workdir, FLAGS.checkpoint, **flags_of_run)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def start() -> None:
    """Runs the experiment as a program: reads the command line, and leaves when done."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
