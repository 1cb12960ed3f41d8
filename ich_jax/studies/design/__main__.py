"""The command line: flags, and what each refuses.

    python -m ich_jax.studies.design --help

The same as experiments/design.py, which says what it is for.
"""

if __name__ == "__main__":
    from ich_jax import liveness
    from ich_jax.perf import memory

    memory.set_up()  # at the very first: it may run the command once more
    liveness.start()  # before the imports below: they take seconds, in which Ctrl-C has to be answered, too

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
"""Fields of the config that have a flag of their own: `--candidates=64` for `--config.candidates=64`."""


def define_flags() -> None:
    """Declares the flags; apart from importing this module, so that several experiments can be imported at once."""
    config_flags.DEFINE_config_file(
        "config", config_lib.locate("design"), "Config file, such as configs/design.py:quick."
    )
    flags.DEFINE_string("workdir", None, "Folder of the designs; given again, unfinished briefs resume.")
    flags.DEFINE_string(
        "checkpoint", "", "Work directory of a training run, or one of its checkpoints; empty: the shipped generator."
    )
    flags.DEFINE_string("images", "", "Where the images of that run are now, if they were moved.")
    flags.DEFINE_multi_string("brief", [], 'A brief, such as "product=fan, palette=indigo, width=+1.5"; repeatable.')
    flags.DEFINE_string("briefs", "", "File of briefs: CSV with a row for each, or JSON.")
    flags.DEFINE_integer("test_briefs", 0, "Design for so many of the run's own test briefs.", lower_bound=0)
    flags.DEFINE_bool("list", False, "Print what briefs of the run can state, then leave.")
    flags.DEFINE_bool("dry_run", False, "Check everything and print what would be drawn, then leave.")
    flags.DEFINE_string("seeds", "", "One design of each of these seeds instead of choosing, such as 0-9,12.")
    flags.DEFINE_string("redraw", "", "A design (PNG) to draw again and compare, to the bit.")
    flags.DEFINE_string("around", "", "A design (PNG) of which variations are wanted; see --spread.")
    flags.DEFINE_string("morph", "", "A.png,B.png: a path between two designs.")
    flags.DEFINE_string("sweep", "", "An axis along which each brief (or the design of --around) is drawn.")
    flags.DEFINE_string("sketch", "", "Line art (an image file) that the designs shall follow.")
    flags.DEFINE_integer("candidates", None, "Candidates drawn for a brief.", lower_bound=1)
    flags.DEFINE_integer("deliver", None, "Designs delivered of a brief, at most.", lower_bound=1)
    flags.DEFINE_string("select", None, "diverse, best or first: which of those that meet the brief are delivered.")
    flags.DEFINE_float("style_strength", None, "Strength of the brief; 1: as trained.")
    flags.DEFINE_integer("seed", None, "Seed of the noise.", lower_bound=0)
    flags.DEFINE_float("spread", None, "How far variations are from --around: 0 to 1.")
    flags.DEFINE_integer("print_size", None, "Pixels of the large copies.", lower_bound=1)


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
                "No --workdir is given: name the folder of the designs, such as --workdir=runs/fans."
            )
        if config.compilation_cache:
            keep_compiled_programs()
        if FLAGS.redraw:
            if request != Request():
                raise errors.ConfigError("--redraw draws one design again; leave briefs and other requests out.")
            redraw(config, FLAGS.checkpoint, FLAGS.redraw, FLAGS.workdir or "")
        elif FLAGS.dry_run:
            run(config, FLAGS.workdir or "", FLAGS.checkpoint, request, dry_run=True, images=FLAGS.images)
        else:
            with lock.hold(FLAGS.workdir):
                run(config, FLAGS.workdir, FLAGS.checkpoint, request, images=FLAGS.images)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def configured(edited: ml_collections.ConfigDict) -> DesignConfig:
    """Returns the config with the flags that stand for fields of it.

    Raises:
        ConfigError: A field or a flag has a value that it may not have.
    """
    values = edited.to_dict()
    values |= {name: FLAGS[name].value for name in SHORT if FLAGS[name].value is not None}
    if FLAGS.seeds:
        values["seeds"] = parse_seeds(FLAGS.seeds)
    config: DesignConfig = config_lib.resolve(values, DesignConfig)
    return config


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads `0-3,7`: ranges with both ends, and single seeds.

    Raises:
        ConfigError: It is not of that form.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]) or int(match[2] or 0) - int(match[1]) >= 10_000:
            raise errors.ConfigError(f"--seeds={text}: {part!r} is no seed or range of seeds, such as 0-9,12.")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)


def start() -> None:
    """Runs the experiment as a program: reads the command line, and leaves when done."""
    define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    start()
