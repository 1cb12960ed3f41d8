"""The sketch of a design run: a file that somebody drew, and its text in the designs that follow it."""

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
"""`[H, W, 1]`, 0 ink and 255 paper."""


def read(path: str, space: DesignSpace, size: int) -> Page:
    """Reads the sketch of `--sketch`, and logs what was taken for paper.

    Args:
        path: An image of any size, ground and colour of line.
        space: What briefs of the run can hold.
        size: Pixels of the designs.

    Raises:
        ConfigError: The run has no sketches.
        DataError: The file is missing or holds no sketch; see `data.sketch.read`.
    """
    require(space, f"--sketch={path}")
    try:
        with decode.decoder_warnings():
            found = sketch.read(Path(path).read_bytes(), size)
    except OSError as error:
        raise errors.DataError(f"--sketch={path} cannot be read: {error.strerror or error}.") from error
    except errors.DataError as error:
        raise errors.DataError(f"--sketch={path}: {error}.") from error
    share = float((found.page < 128).mean())
    logging.info("Sketch %s: the ground is %s; at %d px, %.0f %% is ink.", path, found.ground, size, 100 * share)
    if found.photograph:
        logging.warning(
            "%s has many tones, like a photograph, and is no line art; the lines that were found in it are followed. "
            "sketch.png in the work directory shows them.",
            path,
        )
    return found.page


def require(space: DesignSpace, what: str) -> None:
    """Checks that briefs can hold sketches.

    Raises:
        ConfigError: They cannot.
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
    """Returns the sketch of the first of B briefs as text, to be kept in a design; empty if it states none."""
    if brief.sketch is None or not np.asarray(brief.given)[0, -1]:
        return ""
    page = np.rint(np.asarray(brief.sketch)[0] * 255.0).astype(np.uint8)
    return base64.b64encode(to_png(page)).decode("ascii")


def from_text(text: str) -> Page:
    """Reads what `to_text` returned.

    Raises:
        DataError: It is damaged.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as file:
            return np.asarray(file.convert("L"))[..., None]
    except Exception as error:  # a damaged text can make a decoder raise anything
        raise errors.DataError(
            f"the sketch that the design was drawn along is damaged ({error}), so it cannot be drawn again"
        ) from error
