"""The command line: flags, and what each refuses.

    python -m ich_jax.studies.market --help

The same as experiments/market.py, which says what it is for.
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
from ich_jax.config import MarketConfig
from ich_jax.studies.console import keep_compiled_programs, parse_flags, refuse_arguments, show_log_lines
from ich_jax.studies.market.run import run
from ich_jax.studies.market.templates import write_templates

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags; importing the module does not, so that several experiments can be imported together."""
    config_flags.DEFINE_config_file("config", None, "Config file, such as configs/market.py, or FILE:VARIANT.")
    flags.DEFINE_string("workdir", None, "Folder of the results.")
    flags.DEFINE_string("write_templates", "", "Write examples of all files to this folder, then exit.")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, "--workdir=runs/market")
    show_log_lines()
    try:
        if FLAGS.write_templates:
            write_templates(FLAGS.write_templates)
            return
        if FLAGS.config is None or FLAGS.workdir is None:
            raise app.UsageError(
                "Give --config=configs/market.py (or its variants :quick, :tiny, :csv) and --workdir=FOLDER; or "
                "--write_templates=FOLDER for examples of your own files."
            )
        config = config_lib.resolve(FLAGS.config, MarketConfig)
        if config.compilation_cache:
            keep_compiled_programs()
        with lock.hold(FLAGS.workdir):
            run(config, FLAGS.workdir)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def start() -> None:
    """Runs the experiment as a program: reads the command line, and leaves when done."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
