"""Measures how fast something is, against other implementations in the same run.

    python scripts/benchmark.py train --output=runs/benchmark --versus=torch
    python scripts/benchmark.py econometrics --output=runs/benchmark --rows=S1,S3

Each subcommand is a module of scripts/benchmarks/, whose docstring says what it measures and which flags it has. It
writes benchmark.json and benchmark.md to --output.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()  # as experiments do, and as the other implementations do here

import importlib
import sys

from absl import app, logging

from ich_jax import errors

SUBCOMMANDS = {
    name: f"benchmarks.{name}"
    for name in (
        "train",
        "sample",
        "design",
        "finetune",
        "input",
        "penalty",
        "scaling",
        "lower",
        "econometrics",
        "kansei",
        "interference",
        "memory",
        "accelerator",
    )
}


def main(argv: list[str]) -> None:
    """Runs the subcommand that the first argument names."""
    if argv[1:2] in ([], ["--help"], ["-h"], ["help"]):
        print(f"{__doc__}\nSubcommands: {', '.join(SUBCOMMANDS)}; python scripts/benchmark.py SUBCOMMAND --help")
        return
    try:
        module = importlib.import_module(SUBCOMMANDS[errors.require(argv[1], SUBCOMMANDS, "benchmark: subcommand")])
    except errors.ConfigError as error:
        sys.exit(f"error: {error}")
    module.define_flags()

    def run(rest: list[str]) -> None:
        if len(rest) > 1:
            raise app.UsageError(
                f"Unexpected argument {' '.join(rest[1:])!r}: flags follow the subcommand, such as --output=DIR."
            )
        logging.set_verbosity(logging.WARNING)  # JAX reports each backend that it lacks
        try:
            module.run()
        except errors.IchJaxError as error:
            sys.exit(f"error: {error}")

    from ich_jax.studies.console import expand_home  # after the subcommand is known: it imports JAX

    app.run(run, argv=expand_home([argv[0], *argv[2:]]))


if __name__ == "__main__":
    main(sys.argv)
