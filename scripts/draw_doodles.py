"""Draws along doodles that a generator never saw, and measures how closely: a stress test, not something to tune to.

    python scripts/draw_doodles.py --checkpoint=runs/sketch_32 --doodles=quickdraw_sketches.npz --output=runs/doodles

The `.npz` holds `x` `[N, H, W]` uint8 and, optionally, `y` and `class_names`. The first doodles of each class are
taken; products and noise are drawn at random, everything else is left open. Leaves `sheet.png` and `doodles.json`.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging
from PIL import Image

from ich_jax import errors, workdir
from ich_jax.data import decode, sketch
from ich_jax.evaluation import drawing, sketches
from ich_jax.evaluation.drawing import Images
from ich_jax.report import provenance
from ich_jax.report import sheets as image_sheets
from ich_jax.studies.console import expand_home
from ich_jax.studies.design.sketches import require
from ich_jax.training import checkpoint, sampling
from ich_jax.training.checkpoint import TrainedModel
from ich_jax.types import Brief

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "A run with sketches, or one of its checkpoints.", required=True)
_DOODLES = flags.DEFINE_string("doodles", None, "The .npz file.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Folder of the results.", required=True)
_EACH = flags.DEFINE_integer("each", 40, "Doodles of each class that are measured.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of products and noise.", lower_bound=0)
_SHOWN = 2  # doodles of each class on the sheet


def read(path: str, each: int, size: int) -> tuple[Images, list[str]]:
    """Returns pages `[N, size, size, 1]` uint8 of the first doodles of each class, and the class of each.

    Raises:
        DataError: The file cannot be read, or holds a doodle that is no sketch.
    """
    try:
        with np.load(path) as arrays:
            x = arrays["x"]
            y = arrays["y"] if "y" in arrays else np.zeros(len(x), np.int64)
            names = [str(n) for n in arrays["class_names"]] if "class_names" in arrays else [str(n) for n in range(256)]
    except (OSError, ValueError, KeyError) as error:
        raise errors.DataError(f"{path} is no .npz file with an array x: {error}.") from error
    rows = np.concatenate([np.flatnonzero(y == label)[:each] for label in np.unique(y)])
    pages = []
    with decode.decoder_warnings():
        for row in rows:
            file = io.BytesIO()
            Image.fromarray(x[row]).save(file, "PNG")
            pages.append(sketch.read(file.getvalue(), size).page)
    return np.stack(pages), [names[int(y[row])] for row in rows]


def briefs(model: TrainedModel, pages: Images, seed: int) -> Brief:
    """Returns a brief for each page: its sketch and a product, nothing else."""
    space, n = model.space, len(pages)
    product = np.random.default_rng(seed).integers(0, len(space.products), n).astype(np.int32)
    given = np.zeros((n, space.n_given), np.float32)
    given[:, 0] = 1.0
    elements, axes = np.zeros((n, len(space.elements)), np.int32), np.zeros((n, len(space.axes)), np.float32)
    brief = Brief(*map(jnp.asarray, (product, elements, axes, given)))
    return drawing.on_host(space.with_sketch(brief, pages.astype(np.float32) / np.float32(255.0)))


def main(argv: Sequence[str]) -> None:
    """Draws, measures, writes."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument {' '.join(argv[1:])!r}: everything is given as a flag.")
    logging.set_verbosity(logging.WARNING)
    try:
        model = checkpoint.restore_for_inference(_CHECKPOINT.value)
        require(model.space, f"--checkpoint={_CHECKPOINT.value}")
        pages, classes = read(_DOODLES.value, _EACH.value, model.size)
        brief = briefs(model, pages, _SEED.value)
        sampler, key = sampling.make_sampler(model.config, model.spec), jax.random.key(_SEED.value)
        followed = drawing.draw(sampler, model.ema_params, key, brief)
        withheld = drawing.draw(sampler, model.ema_params, key, brief.without_sketch())
        lines = sketches.edges(pages)
        rows = {
            name: {
                "edge_f1": float(sketches.edge_f1(sketches.edges(drawn), lines).mean()),
                "chamfer_px": float(sketches.chamfer(sketches.edges(drawn), lines).mean()),
            }
            for name, drawn in (("followed", followed), ("withheld", withheld))
        }
        shown = np.concatenate(
            [[i for i, c in enumerate(classes) if c == name][:_SHOWN] for name in dict.fromkeys(classes)]
        )
        parts = [np.broadcast_to(part[shown], (*part[shown].shape[:3], 3)) for part in (pages, followed, withheld)]
        picture = image_sheets.sheet(
            {"": np.stack(parts, axis=1)},
            row_labels=[f"{classes[i]}\n{model.space.products[int(brief.product[i])]}" for i in shown],
            column_labels=["doodle", "along it", "without it"],
        )
        output = Path(_OUTPUT.value)
        workdir.write_bytes(output / "sheet.png", picture.data)
        values = {"n": len(pages), "run": model.config.name, "step": model.step, **rows}
        workdir.write_json(output / "doodles.json", values | {"provenance": provenance.provenance()})
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")
    print(
        f"summary: n={len(pages)} edge_f1={rows['followed']['edge_f1']:.3f} "
        f"edge_f1_withheld={rows['withheld']['edge_f1']:.3f} chamfer_px={rows['followed']['chamfer_px']:.2f}"
    )


if __name__ == "__main__":
    app.run(main, argv=expand_home(sys.argv))
