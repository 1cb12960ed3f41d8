"""Says whether a change makes the compiled programs of this package slower: two revisions, compared fact by fact.

    python scripts/perf_check.py
    python scripts/perf_check.py --base=v0.1 --head=my_branch --workloads=step_quick,renderer --output=runs/perf_check
    python scripts/perf_check.py --stages=lower --platforms=cpu,cuda,tpu

Without arguments the working tree is compared with the merge base of its branch with the default branch. Stages print
as they finish: reach and facts from tracing and lowering first, then the optimised programs, what happens in a step,
whether the answers are the same, and times. Neither tree is written to. docs/guide/checking_speed.md has the rest.

Exit codes: 0 not slower, 1 the check could not be made, 2 slower or another answer, 3 undecided, 4 not measured.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()  # as experiments do; workers inherit it

import sys
from pathlib import Path

from absl import app, flags, logging
from perf_checks import command

from ich_jax import errors

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    """Runs what the flags ask for."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument {' '.join(argv[1:])!r}: flags only, such as --base=REV.")
    logging.set_verbosity(logging.WARNING)
    try:
        code = command.run(Path.cwd())
    except errors.IchJaxError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted: nothing is left behind", file=sys.stderr)
        sys.exit(130)
    sys.exit(code)


if __name__ == "__main__":
    command.define_flags()
    app.run(main)
