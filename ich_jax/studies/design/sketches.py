"""The sketch of a design run: reading the user's file, and storing the sketch in the designs that follow it."""

import base64
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from absl import logging
from PIL import Image

from ich_jax import errors
from ich_jax.data import decode, sketch
from ich_jax.types import Brief, DesignSpace

Page = npt.NDArray[np.uint8]
"""`[H, W, 1]`; 0 is ink, 255 is paper."""


def read(path: str, space: DesignSpace, size: int) -> Page:
    """Reads the file of `--sketch`, and logs which ground was detected.

    Args:
        path: An image of any size, ground and colour of line.
        space: Design space of the run.
        size: Side of the designs in pixels.

    Raises:
        ConfigError: The run was trained without sketches.
        DataError: The file is missing or contains no sketch; see `data.sketch.read`.
    """
    require(space, f"--sketch={path}")
    try:
        with decode.decoder_warnings():
            drawn = sketch.read(Path(path).read_bytes(), size)
    except OSError as error:
        raise errors.DataError(f"--sketch={path} cannot be read: {error.strerror or error}.") from error
    except errors.DataError as error:
        raise errors.DataError(f"--sketch={path}: {error}.") from error
    share = float((drawn.page < 128).mean())
    logging.info("Sketch %s: the ground is %s; at %d px, %.0f %% is ink.", path, drawn.ground, size, 100 * share)
    if drawn.photograph:
        logging.warning(
            "%s has many tones, like a photograph, and is no line art; designs follow the lines that were detected in "
            "it. sketch.png in the work directory shows them.",
            path,
        )
    return drawn.page


def require(space: DesignSpace, what: str) -> None:
    """Checks that briefs of a run can contain sketches.

    Raises:
        ConfigError: The run was trained without sketches.
    """
    if not space.sketches:
        raise errors.ConfigError(
            f"{what}: this run was trained without sketches; give as --checkpoint a run of configs/sketch_32.py, or of "
            "another config with --config.data.sketches other than none."
        )


def with_page(space: DesignSpace, brief: Brief, page: Page) -> Brief:
    """Returns B briefs that ask for the same sketch."""
    n = len(np.asarray(brief.product))
    unit = page.astype(np.float32) * np.float32(1.0 / 255.0)
    return space.with_sketch(brief, np.repeat(unit[None], n, axis=0))


def to_png(page: Page) -> bytes:
    """Returns a page as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(page[..., 0]).save(buffer, "PNG")
    return buffer.getvalue()


def to_text(brief: Brief) -> str:
    """Returns the sketch of the first of B briefs as text, to be stored in a design; empty without a sketch."""
    if brief.sketch is None or not np.asarray(brief.given)[0, -1]:
        return ""
    page = np.rint(np.asarray(brief.sketch)[0] * 255.0).astype(np.uint8)
    return base64.b64encode(to_png(page)).decode("ascii")


def from_text(text: str) -> Page:
    """Reads the text that `to_text` returned.

    Raises:
        DataError: The text is damaged.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as file:
            return np.asarray(file.convert("L"))[..., None]
    except Exception as error:  # on damaged text, decoders raise exceptions of any type
        raise errors.DataError(
            f"the sketch that the design was drawn along is damaged ({error}), so the design cannot be drawn again"
        ) from error
