"""The command line of the design study: its flags and their checks.

    python -m ich_jax.studies.design --help

The same command as experiments/design.py, whose docstring describes the study.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # before anything else: it may start the command again
    liveness.start()  # before the imports below: they take seconds, and Ctrl-C must work meanwhile

import re
import sys
from collections.abc import Sequence

import ml_collections
from absl import app, flags
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors, lock
from ich_jax.config import DesignConfig
from ich_jax.studies.console import keep_compiled_programs, parse_flags, refuse_arguments, show_log_lines
from ich_jax.studies.design.plan import Request
from ich_jax.studies.design.run import list_space, redraw, run

FLAGS = flags.FLAGS
SHORT = ("candidates", "deliver", "select", "style_strength", "seed", "spread", "print_size")
"""Config fields with a short flag: `--candidates=64` for `--config.candidates=64`."""


def define_flags() -> None:
    """Declares the flags; importing the module does not, so that several experiments can be imported together."""
    config_flags.DEFINE_config_file(
        "config", config_lib.locate("design"), "Config file, such as configs/design.py:quick."
    )
    flags.DEFINE_string("workdir", None, "Folder of the designs; a folder in use resumes with its unfinished briefs.")
    flags.DEFINE_string(
        "checkpoint", "", "Work directory of a training run, or one of its checkpoints; empty: the shipped generator."
    )
    flags.DEFINE_string("images", "", "Where the images of that run are now, if they were moved.")
    flags.DEFINE_multi_string("brief", [], 'A brief, such as "product=fan, palette=indigo, width=+1.5"; repeatable.')
    flags.DEFINE_string("briefs", "", "File of briefs: CSV with a row for each brief, or JSON.")
    flags.DEFINE_integer("test_briefs", 0, "Design for this number of the run's own test briefs.", lower_bound=0)
    flags.DEFINE_bool("list", False, "Print the parts that a brief can state, then exit.")
    flags.DEFINE_bool("dry_run", False, "Check everything and print the designs that would be drawn, then exit.")
    flags.DEFINE_string("seeds", "", "Draw one design for each of these seeds, such as 0-9,12, without choosing.")
    flags.DEFINE_string("redraw", "", "A design (PNG) to draw again and compare bit for bit.")
    flags.DEFINE_string("around", "", "A design (PNG) to vary; see --spread.")
    flags.DEFINE_string("morph", "", "A.png,B.png: draw a path between two designs.")
    flags.DEFINE_string("sweep", "", "An axis along which each brief (or the design of --around) is drawn.")
    flags.DEFINE_string("sketch", "", "Line art (an image file) for the designs to follow.")
    flags.DEFINE_integer("candidates", None, "Candidates drawn for each brief.", lower_bound=1)
    flags.DEFINE_integer("deliver", None, "Largest number of designs delivered for each brief.", lower_bound=1)
    flags.DEFINE_string("select", None, "Rule that chooses among candidates that meet the brief: diverse, best, first.")
    flags.DEFINE_float("style_strength", None, "Strength of the brief; 1: as trained.")
    flags.DEFINE_integer("seed", None, "Seed of the noise.", lower_bound=0)
    flags.DEFINE_float("spread", None, "Distance of variations from the design of --around, from 0 to 1.")
    flags.DEFINE_integer("print_size", None, "Side of the large copies in pixels.", lower_bound=1)


def main(argv: Sequence[str]) -> None:
    """Runs the experiment that the flags describe."""
    refuse_arguments(argv, '--brief="product=fan"')
    show_log_lines()
    try:
        if FLAGS.list:
            list_space(FLAGS.checkpoint)
            return
        config = configured(FLAGS.config)
        request = Request(
            briefs=tuple(FLAGS.brief),
            file=FLAGS.briefs,
            around=FLAGS.around,
            morph=FLAGS.morph,
            sweep=FLAGS.sweep,
            test_briefs=FLAGS.test_briefs,
            sketch=FLAGS.sketch,
        )
        if FLAGS.workdir is None and not (FLAGS.dry_run or FLAGS.redraw):
            raise errors.ConfigError(
                "No --workdir is given: name a folder for the designs, such as --workdir=runs/fans."
            )
        if config.compilation_cache:
            keep_compiled_programs()
        if FLAGS.redraw:
            if request != Request():
                raise errors.ConfigError("--redraw draws one design again; leave out briefs and other requests.")
            redraw(config, FLAGS.checkpoint, FLAGS.redraw, FLAGS.workdir or "")
        elif FLAGS.dry_run:
            run(config, FLAGS.workdir or "", FLAGS.checkpoint, request, dry_run=True, images=FLAGS.images)
        else:
            with lock.hold(FLAGS.workdir):
                run(config, FLAGS.workdir, FLAGS.checkpoint, request, images=FLAGS.images)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def configured(edited: ml_collections.ConfigDict) -> DesignConfig:
    """Returns the config after the short flags of its fields have been applied.

    Raises:
        ConfigError: The value of a field or flag is not allowed.
    """
    values = edited.to_dict()
    values |= {name: FLAGS[name].value for name in SHORT if FLAGS[name].value is not None}
    if FLAGS.seeds:
        values["seeds"] = parse_seeds(FLAGS.seeds)
    config: DesignConfig = config_lib.resolve(values, DesignConfig)
    return config


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads seeds such as `0-3,7`: ranges, both ends included, and single seeds.

    Raises:
        ConfigError: The text does not have this form.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]) or int(match[2] or 0) - int(match[1]) >= 10_000:
            raise errors.ConfigError(
                f"--seeds={text}: {part!r} is neither a seed nor a range; write for example 0-9,12."
            )
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(seeds)


def start() -> None:
    """Runs the experiment as a program: parses the command line, runs and exits."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
