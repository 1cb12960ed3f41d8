"""Makes the generator of a run the one that ships with the package, and measures what rounding it costs.

    python experiments/train.py --config=configs/procedural_32.py --workdir=runs/procedural_32
    python scripts/ship_generator.py --workdir=runs/procedural_32

The inspector judges the generator as trained and as stored, in float16, on the test briefs of the run; both rows are
kept beside the weights. Nothing is written if a figure moves by more than rounding may, unless --force is given.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import sys
from collections.abc import Sequence

import numpy as np
from absl import app, flags, logging

from ich_jax import errors
from ich_jax.api import Generator
from ich_jax.evaluation import designs
from ich_jax.report import provenance
from ich_jax.studies.console import expand_home
from ich_jax.training import checkpoint, shipped

_WORKDIR = flags.DEFINE_string("workdir", None, "Work directory of a run, or one of its checkpoints.", required=True)
_OUTPUT = flags.DEFINE_string("output", str(shipped.FOLDER), "Folder that receives it.")
_FORCE = flags.DEFINE_bool("force", False, "Write it although rounding made it worse.")
_WORSE = {"product_accuracy": 0.002, "axis_mae": 0.002, "axis_p95": 0.005, "exceed_half": 2}
"""Largest change of a figure that counts as rounding: of 1,000 designs, two."""


def main(argv: Sequence[str]) -> None:
    """Judges twice, compares, writes, reads back."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument {' '.join(argv[1:])!r}: everything is given as a flag.")
    logging.set_verbosity(logging.WARNING)
    try:
        trained = checkpoint.restore_for_inference(_WORKDIR.value)
        stored = shipped.rounded(trained)
        quality = {
            "as trained": designs.summary(Generator(trained).evaluate()),
            "as shipped": designs.summary(Generator(stored).evaluate()),
        }
        before, after = quality.values()
        for name in before:
            print(f"{name}: {before[name]:.4f} as trained, {after[name]:.4f} as shipped")
        lost = [name for name, limit in _WORSE.items() if name in before and abs(after[name] - before[name]) > limit]
        if lost and not _FORCE.value:
            raise errors.CheckpointError(
                f"Rounding to float16 loses {', '.join(lost)}; --force writes it all the same."
            )
        known = {
            "quality": quality,
            "command": f"python experiments/train.py --config=configs/{trained.config.name}.py",
            "provenance": provenance.provenance(),
        }
        sizes = shipped.save(stored, _OUTPUT.value, known)
        again = Generator(shipped.load(_OUTPUT.value))
        brief = again.space.brief(product=again.space.products[0])
        same = np.array_equal(again.draw(brief, n=8), Generator(stored).draw(brief, n=8))
        if not same:
            raise errors.MismatchError(f"{_OUTPUT.value} does not draw what was judged.")
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    print(f"summary: step={trained.step} bytes={sum(sizes.values())} largest_file={max(sizes.values())}")


if __name__ == "__main__":
    app.run(main, argv=expand_home(sys.argv))
