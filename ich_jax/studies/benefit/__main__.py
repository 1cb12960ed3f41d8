"""The command line: flags, and what each refuses.

    python -m ich_jax.studies.benefit --help

The same as experiments/economic_benefit.py, which says what it is for.
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
from ich_jax import errors, lock
from ich_jax.config import BenefitConfig
from ich_jax.studies.benefit.run import run, run_size_study, write_template
from ich_jax.studies.console import keep_compiled_programs, parse_flags, refuse_arguments, show_log_lines

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags; apart from importing this module, so that several experiments can be imported at once."""
    config_flags.DEFINE_config_file(
        "config", None, "Config file, such as configs/economic_benefit.py, or FILE:VARIANT."
    )
    flags.DEFINE_string("workdir", None, "Folder of the results.")
    flags.DEFINE_string("write_template", "", "Write an example of a file of daily sales to this path, then leave.")
    flags.DEFINE_bool("sales", False, "The template has units, price and cost instead of benefit.")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, "--workdir=runs/benefit")
    show_log_lines()
    try:
        if FLAGS.write_template:
            write_template(FLAGS.write_template, sales=FLAGS.sales)
            return
        if FLAGS.config is None or FLAGS.workdir is None:
            raise app.UsageError(
                "Give --config=configs/economic_benefit.py (or its variants :quick, :csv) and --workdir=FOLDER; or "
                "--write_template=FILE for an example of your own file."
            )
        config = config_lib.resolve(FLAGS.config, BenefitConfig)
        if config.compilation_cache:
            keep_compiled_programs()
        task = {"analyse": run, "size_study": run_size_study}[config.task]
        with lock.hold(FLAGS.workdir):
            task(config, FLAGS.workdir)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def start() -> None:
    """Runs the experiment as a program: reads the command line, and leaves when done."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
