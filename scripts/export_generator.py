"""Writes the generator of a run as a file that draws designs without this package, and checks that they are the same.

    python scripts/export_generator.py --workdir=runs/quick
    python scripts/export_generator.py --workdir=runs/quick --output=generator.jaxexport --platforms=cpu,cuda

Needs the extra `export` (`pip install -e ".[export]"`). Beside the file stands `<output>.json`: names and shapes of
what the function takes. To draw, with nothing but `jax` and `flatbuffers` installed:

    import jax, json, numpy as np
    draw = jax.export.deserialize(bytearray(open("generator.jaxexport", "rb").read())).call
    takes = json.load(open("generator.jaxexport.json"))["inputs"]
    n = 4
    z = np.random.normal(size=(n, takes["z"]["shape"][1])).astype("float32")
    rest = [np.zeros([n, *takes[name]["shape"][1:]], takes[name]["dtype"]) for name in ("product", "elements", "axes")]
    given = np.ones([n, takes["given"]["shape"][1]], "float32")
    images = np.clip(127.5 * np.asarray(draw(z, *rest, given)) + 127.5, 0, 255).round().astype("uint8")
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags, logging

from ich_jax import errors, workdir
from ich_jax.report import provenance
from ich_jax.studies.console import expand_home
from ich_jax.training import checkpoint, export

_WORKDIR = flags.DEFINE_string("workdir", None, "Work directory of a run, or one of its checkpoints.", required=True)
_OUTPUT = flags.DEFINE_string("output", "", "The file; by default generator.jaxexport in the work directory.")
_PLATFORMS = flags.DEFINE_list("platforms", ["cpu", "cuda", "tpu"], "Where it shall run.")
_BEST = flags.DEFINE_bool("best", True, "The checkpoint with the best validation score; --nobest: the newest.")


def main(argv: Sequence[str]) -> None:
    """Exports, reads back, compares."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument {' '.join(argv[1:])!r}: everything is given as a flag.")
    logging.set_verbosity(logging.WARNING)
    try:
        model = checkpoint.restore_for_inference(_WORKDIR.value, best=_BEST.value)
        path = Path(_OUTPUT.value or Path(_WORKDIR.value) / "generator.jaxexport")
        workdir.write_bytes(path, export.export_generator(model, _PLATFORMS.value))
        about = export.describe(model) | {"platforms": _PLATFORMS.value, "provenance": provenance.provenance()}
        workdir.write_json(path.with_name(f"{path.name}.json"), about)
        check = export.check(model, path)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    print(f"{path}: draws what step {model.step} draws, on {', '.join(_PLATFORMS.value)}")
    print(
        f"summary: step={model.step} bytes={check.bytes} checked={check.n} "
        f"largest_difference={check.largest_difference:.3g}"
    )


if __name__ == "__main__":
    app.run(main, argv=expand_home(sys.argv))
