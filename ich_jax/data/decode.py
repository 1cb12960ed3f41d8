"""From an image file to the square uint8 pixels of a model.

Every file goes through the same steps: EXIF orientation is applied; 16 bits become 8; palettes, CMYK and grey
become RGB; transparency is composited over white; the picture is scaled by exact area averaging so that its longer side
fits, and centred on a square in the median colour of its own border. Colour profiles are not applied: values are taken
as sRGB. Of an animation, the first frame counts.
"""

import io
import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ich_jax import errors

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_SIDE = 50_000
"""Pixels of the longer side: far above scans of any use here, far below what makes a file of a kilobyte costly."""

FORMATS = ("PNG", "JPEG", "WEBP")  # by content: the extension is not trusted


@contextmanager
def decoder_warnings() -> Iterator[None]:
    """Turns warnings about excessively large pictures into errors, and silences those about odd but readable files.

    Filters are global to the process: enter once around a pool of threads, not within it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        yield


def decode(data: bytes, channels: int, formats: tuple[str, ...] = FORMATS, said: list[str] | None = None) -> np.ndarray:
    """Decodes an encoded picture.

    Args:
        data: The bytes of an image file.
        channels: 3 for colour, 1 for grey.
        formats: Pillow's names of the formats that are read.
        said: Receives what was done to the values beyond the usual: their scale, a first frame of several.

    Returns:
        `[h, w, channels]` uint8 at the picture's own size, on white.

    Raises:
        DataError: The bytes are empty, damaged, of another format, or of more pixels than is sensible; the message
            gives the reason only, since the caller knows the file.
    """
    if not data:
        raise errors.DataError("the file is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as opened:
            if max(opened.size) > MAX_SIDE:  # before its pixels are decoded
                raise errors.DataError(
                    f"{opened.size[0]:,}x{opened.size[1]:,} px, a side of more than {MAX_SIDE:,}; scale it down first"
                )
            opened.load()
            notes = [] if said is None else said
            frames = int(getattr(opened, "n_frames", 1))
            if frames > 1:
                notes.append(f"the first of {frames} frames")
            image = _on_white(_eight_bits(ImageOps.exif_transpose(opened), notes, opened.format == "PNG"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise errors.DataError(f"more than {limit} million pixels; scale it down first") from None
    except errors.DataError:
        raise
    except MemoryError:
        raise errors.DataError("too large for the memory of this machine; scale it down first") from None
    except UnidentifiedImageError:
        raise errors.DataError(f"no image in any of the formats {', '.join(formats)}") from None
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise errors.DataError(f"damaged: {error}") from error
    pixels = np.asarray(image.convert("L") if channels == 1 else image)
    return pixels.reshape(*pixels.shape[:2], channels)


def _eight_bits(image: Image.Image, notes: list[str], png: bool) -> Image.Image:
    """Scales grey of more than 8 bits to 8 bits; pillow's own conversion would clip it.

    Which value is white follows from the format where it says so (16 bits; a PNG has no more), and from the values
    where they leave no doubt; otherwise the picture is refused.
    """
    if not image.mode.startswith("I") and image.mode != "F":
        return image
    values = np.asarray(image, np.float64)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16") or (png and image.mode == "I"):
        white, kind = 65535.0, "16 bits"
    elif image.mode == "F" and low >= 0 and high <= 1:
        white, kind = 1.0, "floats from 0 to 1"
    elif low >= 0 and high <= 255:
        white, kind = 255.0, f"{'floats' if image.mode == 'F' else '32 bits'} from 0 to 255"
    elif low >= 0 and high <= 65535:
        white, kind = 65535.0, f"{'floats' if image.mode == 'F' else '32 bits'} from 0 to 65535"
    else:
        raise errors.DataError(
            f"values from {low:g} to {high:g}, of which it is not known which is white; save it with 8 or 16 bits"
        )
    notes.append(f"{kind} scaled to 8 bits")
    return Image.fromarray(np.rint(np.clip(values / (white / 255.0), 0, 255)).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def fit_square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Scales a picture down to a square, its aspect kept.

    Every output pixel is the mean over the area that it covers, fractions of source pixels included; area outside the
    picture is filled with the median colour of its border.

    Args:
        pixels: `[h, w, C]` uint8 whose longer side is at least `size`.
        size: Height and width of the result.

    Returns:
        `[size, size, C]` uint8.
    """
    height, width, channels = pixels.shape
    if height == width == size:
        return pixels
    side = max(height, width)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    fill = np.sort(border, axis=0)[(len(border) - 1) // 2].astype(np.float32)
    down, covered_down = _average(pixels.reshape(height, -1), side, size)
    columns = down.reshape(size, width, channels).swapaxes(0, 1).reshape(width, -1)
    across, covered_across = _average(columns, side, size)
    scaled = across.reshape(size, size, channels).swapaxes(0, 1)
    uncovered = 1.0 - covered_down[:, None, None] * covered_across[None, :, None]
    return np.rint(scaled + uncovered * fill).astype(np.uint8)


def _average(x: np.ndarray, side: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Averages n rows, centred among `side` rows whose others are 0, over `size` intervals.

    Full rows are summed, and the fractions at both ends of an interval are corrected for. Additions in a fixed order
    give the same pixels everywhere; a matrix product would not, and its threads would compete with those that decode.

    Args:
        x: `[n, M]`.
        side: At least `size` and n.
        size: Number of intervals.

    Returns:
        The means, `[size, M]` float32, and the share of each interval that the n rows cover, `[size]`.
    """
    n, step = len(x), side / size
    edges = np.clip(np.arange(size + 1) * step - (side - n) / 2, 0, n)
    full = np.floor(edges).astype(int)
    sums = np.stack([x[a:b].astype(np.float32).sum(axis=0) for a, b in itertools.pairwise(full)])
    fraction = (edges - full).astype(np.float32)[:, None] * x[np.minimum(full, n - 1)]
    return (sums + np.diff(fraction, axis=0)) / np.float32(step), np.diff(edges).astype(np.float32) / np.float32(step)
