"""Trains the inspector of a config and writes it where the package ships it, or to a folder of your own.

    python scripts/train_inspector.py --config=configs/procedural_32.py
    python scripts/train_inspector.py --config=configs/folder_32.py --config.data.path=PATH --output=runs/inspectors

An experiment trains the inspector that it needs by itself and keeps it in the user's cache; this script is for the one
that comes with the package, which every change of the renderer makes unusable, and for watching the training: after
each twentieth of it, the error on held-out real images is printed and the present state is kept as `*.unfinished`.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.data import make
from ich_jax.studies.console import expand_home
from ich_jax.training import inspector

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file with the images and the inspector.")
_OUTPUT = flags.DEFINE_string("output", str(inspector.SHIPPED), "Folder for inspector_<fingerprint>.npz.")


def main(argv: Sequence[str]) -> None:
    """Trains, checks after each twentieth, and saves."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument {' '.join(argv[1:])!r}: everything is given as a flag.")
    logging.set_verbosity(logging.INFO)
    try:
        config = config_lib.resolve(_CONFIG.value)
        dataset = make.make(config.data, seed=config.seed)
        path = Path(_OUTPUT.value) / f"inspector_{inspector.fingerprint(config.inspector, dataset)}.npz"
        started = time.perf_counter()

        def progress(step: int, loss: float, params: Any) -> None:
            read = inspector.make_reader(config.inspector, dataset, inspector.as_stored(params))
            report = inspector.check(read, config.inspector, dataset)
            unfinished = step < config.inspector.steps
            inspector.save(path.with_suffix(".unfinished") if unfinished else path, params, report)
            logging.info("step %d, loss %.4f: %s", step, loss, describe(report))

        inspector.train(config, dataset, report_progress=progress)
        path.with_suffix(".unfinished").unlink(missing_ok=True)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    _, report = inspector.load(path, dataset.space)
    print(f"{path}: {path.stat().st_size} bytes")
    print(f"summary: {describe(report)} steps={report.steps} seconds={time.perf_counter() - started:.0f}")


def describe(report: inspector.InspectorReport) -> str:
    """Returns the figures of a report as `name=value` pairs."""
    figures: dict[str, float] = {"product_accuracy": report.product_accuracy}
    figures |= {f"{name}_accuracy": value for name, value in report.element_accuracy.items()}
    for name, values in (("p999", report.axis_p999), ("max", report.axis_max)):
        figures |= {f"{axis}_{name}": value for axis, value in zip(report.axes, values, strict=True)}
    return " ".join(f"{name}={value:.4g}" for name, value in figures.items()) + f" n={report.n}"


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main, argv=expand_home(sys.argv))
