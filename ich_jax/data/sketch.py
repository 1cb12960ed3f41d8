"""Sketches: lines found in pictures, and line art as people bring it, as the pages that briefs hold.

A page is `[H, W, 1]` in [0, 1], 0 being ink and 1 paper.

Lines are found by one definition, per channel c of a picture x in [0, 1]:

    D_c = G_s * x_c - G_ks * x_c,    ink = max over c of tanh(phi max(-D_c, 0)),    page = 1 - ink,

where G_s is a Gaussian of s = 0.5 pixels, cut off at 2 pixels and normalised, over rows and columns whose border is
repeated, k = 1.6 and phi = 10. D is negative on the darker side of an edge, so a line lies there; a plain area has
none, however dark it is. Taking channels apart finds edges between colours of equal lightness.

References:
    Winnemoller, Kyprianidis and Olsen, XDoG: an extended difference-of-Gaussians compendium, 2012, eq. 2 and 5, here
    with tau = 1 and epsilon = 0.
"""

import dataclasses
import io
from types import ModuleType

import jax.numpy as jnp
import numpy as np
from PIL import Image, UnidentifiedImageError

from ich_jax import errors
from ich_jax.data import decode
from ich_jax.types import ArrayT

SIGMA = 0.5
"""Standard deviation of the narrower Gaussian in pixels."""
RATIO = 1.6
"""That of the wider one as a multiple of it."""
PHI = 10.0
"""How fast ink darkens with the strength of an edge."""
LINE = 0.5
"""A pixel of a page darker than this lies on a line."""
PREPARATION = 1
"""Part of the fingerprint of a set with sketches; raise it whenever the same files would give other pages."""

_RADIUS = 2
_MAX_BYTES = 64 * 2**20
_MAX_PIXELS = 50_000_000
_PLAIN = 0.12  # a difference from the ground, as a share of the full range, that is not ink: noise, yellowed paper
_BLANK = 2e-4  # least share of ink
_FULL = 0.7  # largest share of ink
_PHOTOGRAPH = 0.25  # share of a picture that is neither ground nor full ink, above which it is no line art


def derive(images: ArrayT, xp: ModuleType = jnp) -> ArrayT:
    """Finds lines in pictures.

    Args:
        images: `[B, H, W, C]` float32 in [-1, 1].
        xp: `jax.numpy` (may be traced) or `numpy`.

    Returns:
        Pages `[B, H, W, 1]` float32 in [0, 1].
    """
    x = (images + np.float32(1.0)) * np.float32(0.5)
    difference = _blur(x, SIGMA, xp) - _blur(x, RATIO * SIGMA, xp)
    ink = xp.tanh(np.float32(PHI) * xp.maximum(-difference, np.float32(0.0)))
    return np.float32(1.0) - xp.max(ink, axis=3, keepdims=True)


def _blur(x: ArrayT, sigma: float, xp: ModuleType) -> ArrayT:
    """Convolves rows and columns with a Gaussian."""
    offsets = range(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-(np.arange(-_RADIUS, _RADIUS + 1) ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (1, 2):
        n = x.shape[axis]
        # A border that is repeated: positions beyond it are those of the border.
        shifted = [xp.take(x, np.clip(np.arange(n) + offset, 0, n - 1), axis=axis) for offset in offsets]
        x = sum(weight * part for weight, part in zip(weights[1:], shifted[1:], strict=True)) + weights[0] * shifted[0]
    return x


@dataclasses.dataclass(frozen=True)
class Sketch:
    """A sketch as a brief holds it.

    Attributes:
        page: `[size, size, 1]` uint8, 0 ink and 255 paper.
        ground: What was taken for paper, in words.
        photograph: Whether it looked like no line art, so that lines were found in it by `derive`.
    """

    page: np.ndarray
    ground: str
    photograph: bool


def read(data: bytes, size: int) -> Sketch:
    """Reads line art of any size, ground and colour of line.

    The ground is the median colour of the border, or what is transparent; ink is what differs from it, whether darker
    or lighter. The picture is scaled as `decode.fit_square` does, then ink so that lines are full black, since thin
    lines of a large sketch come out pale. Where a picture has many tones, lines are found in it by `derive`.

    Call it within `decode.decoder_warnings()`, as `decode.decode`.

    Args:
        data: The bytes of an image file.
        size: Height and width of the page in pixels.

    Raises:
        DataError: The bytes are empty, too many, damaged or no image, the picture is of too many pixels, one plain
            colour, or nearly all ink. The message gives the reason only, since the caller knows the file.
    """
    pixels = _decode(data)
    pixels = pixels.repeat(factor := -(-size // max(pixels.shape[:2])), 0).repeat(factor, 1)
    colour, alpha = pixels[..., :3], pixels[..., 3]
    if (alpha < 128).mean() > _BLANK:
        distance, ground = alpha.astype(np.float32) / 255.0, "what is transparent"
        if (distance > 0.5).mean() > _FULL:  # a cut-out drawing: its lines lie within
            colour = np.where(alpha[..., None] < 128, np.uint8(255), colour)
            distance, ground = _from_ground(colour)
    else:
        distance, ground = _from_ground(colour)
    inked = distance > _PLAIN
    share = float(inked.mean())
    if share < _BLANK:
        raise errors.DataError("it is blank: one plain colour, without a line")
    strongest = float(np.quantile(distance[inked], 0.95))
    between = float((inked & (distance < 0.7 * strongest)).mean())
    if between > _PHOTOGRAPH:
        page = derive(_unit(decode.fit_square(colour, size)), np)[0]
        return Sketch(np.rint(page * 255.0).astype(np.uint8), ground, photograph=True)
    if share > _FULL:
        raise errors.DataError(f"it is nearly all ink ({share:.0%} of it); a sketch is lines on a plain ground")
    ink = np.rint(np.clip(distance / strongest, 0.0, 1.0) * 255.0).astype(np.uint8)[..., None]
    scaled = decode.fit_square(ink, size).astype(np.float32)
    full = np.quantile(scaled[scaled > 0.1 * scaled.max()], 0.75)
    return Sketch(np.rint(255.0 - np.clip(scaled / full, 0.0, 1.0) * 255.0).astype(np.uint8), ground, photograph=False)


def _decode(data: bytes) -> np.ndarray:
    """Returns `[h, w, 4]` uint8, colour and opacity; its size is checked before it is decoded."""
    if not data:
        raise errors.DataError("the file is empty (0 bytes)")
    if len(data) > _MAX_BYTES:
        raise errors.DataError(f"the file has {len(data) / 2**20:,.0f} MiB, more than {_MAX_BYTES // 2**20}")
    try:
        with Image.open(io.BytesIO(data), formats=decode.FORMATS) as opened:
            width, height = opened.size
            if width * height > _MAX_PIXELS:
                raise errors.DataError(
                    f"it has {width} x {height} pixels, more than {_MAX_PIXELS // 10**6} million; scale it down first"
                )
            if not opened.has_transparency_data:
                colour = decode.decode(data, 3)
                return np.concatenate([colour, np.full((*colour.shape[:2], 1), 255, np.uint8)], axis=2)
            return np.asarray(opened.convert("RGBA"))
    except errors.DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise errors.DataError(f"it has more than {_MAX_PIXELS // 10**6} million pixels; scale it down first") from None
    except UnidentifiedImageError:
        raise errors.DataError(f"it is no image in any of the formats {', '.join(decode.FORMATS)}") from None
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise errors.DataError(f"it is damaged: {error}") from error


def _from_ground(colour: np.ndarray) -> tuple[np.ndarray, str]:
    """Returns how far each pixel is from the ground, `[h, w]` in [0, 1], and the ground in words."""
    border = np.concatenate([colour[0], colour[-1], colour[:, 0], colour[:, -1]])
    ground = np.median(border, axis=0)
    distance = np.abs(colour.astype(np.float32) - ground.astype(np.float32)).max(axis=2) / np.float32(255.0)
    red, green, blue = (int(value) for value in ground)
    light = ground.mean() > 127.5
    return distance, f"{'light' if light else 'dark'} (#{red:02x}{green:02x}{blue:02x})"


def _unit(pixels: np.ndarray) -> np.ndarray:
    return pixels[None].astype(np.float32) / np.float32(127.5) - np.float32(1.0)
