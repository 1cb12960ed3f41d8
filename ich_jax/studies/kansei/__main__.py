"""The command line of the Kansei study: its flags and their checks.

    python -m ich_jax.studies.kansei --help

The same command as experiments/kansei_study.py, whose docstring describes the study.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # before anything else: it may start the command again
    liveness.start()  # before the imports below: they take seconds, and Ctrl-C must work meanwhile

import sys
from collections.abc import Sequence

from absl import app, flags
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors, lock
from ich_jax.config import KanseiConfig
from ich_jax.studies.console import keep_compiled_programs, parse_flags, refuse_arguments, show_log_lines
from ich_jax.studies.kansei import exchange
from ich_jax.studies.kansei.run import run
from ich_jax.studies.kansei.templates import write_templates

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Declares the flags; importing the module does not, so that several experiments can be imported together."""
    config_flags.DEFINE_config_file("config", None, "Config file, such as configs/kansei_study.py, or FILE:VARIANT.")
    flags.DEFINE_string("workdir", None, "Folder of the results.")
    flags.DEFINE_string("checkpoint", "", "For :loop, the run of the generator; empty: the shipped generator.")
    flags.DEFINE_string("axes_of", "", "Folder of the rated images; adds the factors as axes to its metadata.csv.")
    flags.DEFINE_string("write_templates", "", "Write examples of all files to this folder, then exit.")
    flags.DEFINE_string("make_sheets", "", "Write blinded sheets and their key to this folder, then exit.")
    flags.DEFINE_list(
        "works", [], "For --make_sheets: folders of images or of experiments/design.py; ARM=FOLDER names the arm."
    )
    flags.DEFINE_list("raters", ["5"], "For --make_sheets: names of the raters, or their number.")
    flags.DEFINE_list("words", [], "For --make_sheets: words to rate, such as cold|warm; without words: a review.")
    flags.DEFINE_list("levels", [], "For --make_sheets: lowest and highest score; 1,5 for a review, -3,3 for words.")
    flags.DEFINE_integer("sheet_seed", 0, "For --make_sheets: seed of codes and orders.", 0, errors.LARGEST_SEED)
    flags.DEFINE_string("read_sheets", "", "Read the filled sheets of this folder, write --answers, then exit.")
    flags.DEFINE_string("filled", "", "For --read_sheets: folder of filled .csv or .xlsx files; empty: its sheets/.")
    flags.DEFINE_string("answers", "", "For --read_sheets: folder of the files that configs/kansei_study.py:csv reads.")


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, "--workdir=runs/kansei_study")
    show_log_lines()
    try:
        if FLAGS.write_templates:
            write_templates(FLAGS.write_templates)
            return
        if FLAGS.make_sheets:
            exchange.make(
                FLAGS.make_sheets, FLAGS.works, FLAGS.raters, FLAGS.words, FLAGS.levels, seed=FLAGS.sheet_seed
            )
            return
        if FLAGS.read_sheets:
            exchange.read(FLAGS.read_sheets, FLAGS.filled, FLAGS.answers)
            return
        if FLAGS.config is None or FLAGS.workdir is None:
            raise app.UsageError(
                "Give --config=configs/kansei_study.py (or its variants :tiny, :csv, :loop) and --workdir=FOLDER; or "
                "--write_templates=FOLDER for examples of the input files, --make_sheets=FOLDER for rating sheets."
            )
        config = config_lib.resolve(FLAGS.config, KanseiConfig)
        if config.compilation_cache:
            keep_compiled_programs()
        if config.data.source == "loop":
            from ich_jax.studies.kansei import loop  # draws designs; the other variants need none of its imports

            with lock.hold(FLAGS.workdir):
                loop.go_round(config, FLAGS.workdir, FLAGS.checkpoint)
            return
        with lock.hold(FLAGS.workdir):
            run(config, FLAGS.workdir, FLAGS.axes_of)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def start() -> None:
    """Runs the experiment as a program: parses the command line, runs and exits."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
