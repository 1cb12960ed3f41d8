"""Designs as files: PNG images with all information needed to draw them again, and enlarged copies."""

import dataclasses
import importlib.metadata
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import PIL
from PIL import Image, PngImagePlugin

from ich_jax import __version__, errors, workdir
from ich_jax.evaluation.drawing import Images
from ich_jax.studies.design import recipes, sketches
from ich_jax.studies.design.recipes import Recipe
from ich_jax.types import Brief, DesignSpace

CHUNK = "ich_jax"
"""Keyword of the text chunk that holds a `Card` as JSON."""


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """The record of how a design was drawn.

    Attributes:
        stated: Stated parts of the brief that it was drawn from.
        recipe: Recipe of its noise.
        checkpoint: SHA-256 of the parameters.
        run: Name and step of the run, for people.
        style_strength: Strength of the brief.
        batch: Designs per call.
        row: Row of the design in its call.
        versions: Versions of the packages that drew it, by name.
        enlarged: Method and size of an enlarged copy, such as `nearest 384`; empty at native size.
        sketch: The sketch of the brief, as `sketches.to_text` writes it; empty without a sketch.
        open_parts: Names of stated parts that were not asked for but drawn for this design.
    """

    stated: tuple[tuple[str, str | float], ...]
    recipe: Recipe
    checkpoint: str
    run: str
    style_strength: float
    batch: int
    row: int
    versions: Mapping[str, str]
    enlarged: str = ""
    sketch: str = ""
    open_parts: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[tuple[str, str | float], ...]:
        """The parts that were asked for."""
        return tuple((name, value) for name, value in self.stated if name not in self.open_parts)

    def brief(self, space: DesignSpace) -> Brief:
        """Returns the brief that the design was drawn from.

        Raises:
            ConfigError: The space lacks a stated part or category.
            DataError: The sketch is damaged.
        """
        return self._brief(space, self.stated)

    def asked_brief(self, space: DesignSpace) -> Brief:
        """Returns the brief that was asked for; see `brief`."""
        return self._brief(space, self.asked)

    def _brief(self, space: DesignSpace, stated: tuple[tuple[str, str | float], ...]) -> Brief:
        brief = space.brief(**dict(stated))
        return sketches.with_page(space, brief, sketches.from_text(self.sketch)) if self.sketch else brief


def encode(image: Images, card: Card) -> bytes:
    """Returns a PNG file of an image `[H, W, C]` uint8 with its card in text chunks."""
    info = PngImagePlugin.PngInfo()
    noise = recipes.source(card.recipe)
    brief = ", ".join(
        f"{name}={value if isinstance(value, str) else format(value, '+g')}" for name, value in card.stated
    )
    for key, text in (
        ("Software", f"ich_jax {__version__}"),
        ("Brief", (brief or "open") + " (along a sketch)" * bool(card.sketch)),
        ("Seed", str(noise.seed)),
        ("Noise", str(noise.index)),
        ("Checkpoint", f"{card.run}, SHA-256 {card.checkpoint}"),
        (CHUNK, workdir.json_text(_values(card))),
    ):
        info.add_itxt(key, text)
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _values(card: Card) -> dict[str, Any]:
    values = dataclasses.asdict(card) | {"recipe": recipes.to_json(card.recipe)}
    for name in ("sketch", "open_parts"):
        if not values[name]:
            del values[name]  # earlier versions cannot read these fields
    return values


def decode(path: str | Path) -> tuple[Images, Card]:
    """Reads a PNG file made by `encode`: the image `[H, W, C]` uint8 and its card.

    Raises:
        DataError: The file is missing, is no PNG image, or contains no card.
    """
    try:
        with Image.open(path) as file:
            file.load()
            text = file.text.get(CHUNK, "") if isinstance(file, PngImagePlugin.PngImageFile) else ""
            image = np.asarray(file)
    except (OSError, ValueError, SyntaxError, PIL.UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise errors.DataError(f"{path} cannot be read as a PNG image: {error}.") from error
    if not text:
        raise errors.DataError(
            f"{path} does not say how it was drawn: it is no design of this package, or another program saved it "
            f"without its text. Take the file from designs/ of a work directory."
        )
    try:
        values = json.loads(text)
        card = Card(
            **values
            | {
                "stated": tuple((str(name), value) for name, value in values["stated"]),
                "recipe": recipes.from_json(values["recipe"]),
                "open_parts": tuple(map(str, values.get("open_parts", ()))),
            }
        )
    except (ValueError, TypeError, KeyError) as error:
        raise errors.DataError(f"{path}: the record of how it was drawn is damaged ({error}).") from error
    return image if image.ndim == 3 else image[..., None], card


def enlarge(image: Images, side: int, how: str) -> Images:
    """Returns an enlarged copy of an image `[H, W, C]` uint8.

    Args:
        image: The image.
        side: Wanted length of the longer side in pixels.
        how: `nearest`: every pixel becomes a square; the integer factor is the one that comes closest to `side`.
            `lanczos`: resampled to exactly `side`.
    """
    height, width = image.shape[:2]
    if how == "nearest":
        factor = max(1, round(side / max(height, width)))
        return image.repeat(factor, axis=0).repeat(factor, axis=1)
    scale = side / max(height, width)
    plain = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    larger = plain.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    return np.asarray(larger).reshape(round(height * scale), round(width * scale), image.shape[-1])


def enlarged_as(card: Card, image: Images) -> Images:
    """Makes the enlarged copy that a card describes from an image of native size."""
    if not card.enlarged:
        return image
    how, _, side = card.enlarged.partition(" ")
    return enlarge(image, int(side), how)


def versions() -> dict[str, Any]:
    """Returns the backend and the versions of the packages that determine the bits of a design."""
    return {
        "ich_jax": __version__,
        "jax": jax.__version__,
        "jaxlib": importlib.metadata.version("jaxlib"),
        "numpy": np.__version__,
        "backend": jax.default_backend(),
    }


def write_new(path: Path, data: bytes) -> None:
    """Writes a file unless it exists; existing files were delivered before and are kept."""
    if not path.exists():
        workdir.write_bytes(path, data)
