"""Shared parts of the command lines: flags checked before anything runs, log lines, the cache of compiled programs."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from logging import LogRecord
from typing import Any, Protocol

import jax
import ml_collections
import rich.console
import rich.progress
from absl import app, flags, logging

from ich_jax import cache, errors, liveness
from ich_jax import config as config_lib
from ich_jax.training import writer


def keep_compiled_programs() -> None:
    """Keeps compiled programs in the user's cache folder, so that the next start need not compile them again."""
    folder = cache.writable("compiled")
    if folder is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Half of a start's compilations take less than JAX's default of one second each, and together several seconds.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def show_log_lines() -> None:
    """Shows our own log lines, and warnings of others."""
    if flags.FLAGS["verbosity"].using_default_value:
        logging.set_verbosity(logging.INFO)

    def ours_or_serious(record: LogRecord) -> bool:
        # orbax reports each stage of each save as absl does, and its failures reach us as exceptions anyway.
        orbax = f"{os.sep}orbax{os.sep}" in record.pathname
        return not orbax and (record.name == "absl" or record.levelname != "INFO")

    logging.get_absl_handler().addFilter(ours_or_serious)


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; refuses a config or a config field that does not exist, naming the nearest.

    `--config` may name a config that comes with the package, such as `quick:tiny`.
    """
    argv = expand_home(argv)
    try:
        check_paths(argv)
        given = [word.partition("=") for word in argv]
        for i, (name, equals, value) in enumerate(given):
            if re.fullmatch("--?config", name):
                path = config_lib.locate(value if equals else "".join(argv[i + 1 : i + 2]))
                argv[i : i + (1 if equals else 2)] = [f"{name}={path}"] if equals else [name, path]
                check_fields(config_lib.load_editable(path), (name for name, _, _ in given))
    except errors.ConfigError as error:
        sys.exit(f"error: {error}")
    return app.parse_flags_with_usage(argv)


def expand_home(argv: Iterable[str]) -> list[str]:
    """Returns a command line with the home folder where a shell left `~`, as it does after `=` and `,`."""
    home = os.path.expanduser("~")
    if home == "~":
        return list(argv)
    return [re.sub(r"(?<=[=,])~(?=/|,|$)", lambda _: home, word) if word.startswith("-") else word for word in argv]


_PATHS = (
    *("workdir", "checkpoint", "images", "reference", "init_from", "merge_from", "output", "write_template", "sketch"),
    *("around", "redraw", "morph", "briefs", "axes_of", "write_templates", "make_sheets", "read_sheets", "answers"),
    *("config.data.path", "config.data.calendar", "config.inspector.path"),
)
"""Flags that name files and folders."""


def check_paths(argv: Iterable[str]) -> None:
    """Checks flags that name files: not empty where something is written, no name that the system refuses.

    Raises:
        ConfigError: The message names the flag.
    """
    for word in argv:
        flag, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or not equals or flag not in _PATHS:
            continue
        if flag == "workdir" and not value.strip():
            raise errors.ConfigError(
                "--workdir is empty: name the folder of the run, for example --workdir=runs/quick."
            )
        longest = max(len(os.fsencode(part)) for part in re.split("[/,]", value))
        if longest > 255 or len(os.fsencode(value)) > 4000 or "\0" in value:
            raise errors.ConfigError(
                f"--{flag}={value[:60]!r}...: no file can have this name: parts of up to 255 bytes, 4,000 in all."
            )


def refuse_arguments(argv: Sequence[str], example: str) -> None:
    """Refuses arguments of the command line that are not flags.

    Raises:
        UsageError: There are some; the message shows the example.
    """
    if len(argv) > 1:
        raise app.UsageError(
            f"Unexpected argument {' '.join(argv[1:])!r}: everything is given as a flag, such as {example}."
        )


def check_fields(config: ml_collections.ConfigDict, flag_names: Iterable[str]) -> None:
    """Checks that each `--config.section.field` exists.

    Raises:
        ConfigError: It does not; the message names the nearest ones that do.
    """
    for flag in flag_names:
        if not re.match(r"--?(no)?config\.", flag):
            continue
        node: Any = config
        for part in flag.split(".")[1:]:
            known = list(node) if isinstance(node, ml_collections.ConfigDict) else []
            if part not in known:
                raise errors.ConfigError(f"{flag}: there is no field {part!r}; {errors.nearest(part, known)}.")
            node = node[part]


def shown(value: object) -> str:
    """Returns a value in the form of the summary line: floats to six significant digits, nothing with a space."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace(" ", "") or "''"


class Show(Protocol):
    """Shows the progress of work."""

    def __call__(self, text: str, done: int | None = None) -> None:
        """Reports a finished piece and the number done so far; without a number, one more and the total is a guess."""


@contextmanager
def showing(total: int, *, live: bool) -> Iterator[Show]:
    """Yields a function that shows progress with the time left: a live bar on a terminal, log lines elsewhere.

    Args:
        total: Pieces of work.
        live: Whether a live bar is wanted, if there is a terminal.
    """
    console = rich.console.Console(stderr=True)
    liveness.stage("start")
    started, before = time.monotonic(), -1  # pieces of an earlier call took none of this call's time

    def line(text: str, done: int | None = None) -> None:
        nonlocal before
        liveness.stage(text)
        spent = time.monotonic() - started
        if done is None:
            logging.info("%s  %s", writer.duration(spent), text)
            return
        before = done - 1 if before < 0 else before
        left = spent / (done - before) * (total - done)
        logging.info("%d/%d  ETA %s  %s", done, total, writer.duration(left), text)

    if not (live and console.is_terminal):
        yield line
        return
    columns = (
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.description}"),
    )
    with rich.progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("start", total=total)

        def show(text: str, done: int | None = None) -> None:
            liveness.stage(text)
            if done is None:
                bar.update(task, advance=1, description=text)
            else:
                bar.update(task, completed=done, description=text)

        yield show
