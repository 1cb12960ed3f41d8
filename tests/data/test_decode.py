"""Decoding of every kind of file, and scaling by area."""

import io

import numpy as np
import pytest
from PIL import Image

from ich_jax import errors
from ich_jax.data import decode


def _encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _noise(height: int = 40, width: int = 40, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_colour_comes_back_as_it_was(kind: str) -> None:
    pixels = _noise()
    np.testing.assert_array_equal(decode.decode(_encode(Image.fromarray(pixels), kind, lossless=True), 3), pixels)


def test_jpeg_grey_and_cmyk() -> None:
    flat = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    rgb = decode.decode(_encode(Image.fromarray(flat), "JPEG", quality=95), 3)
    assert np.abs(rgb.astype(int) - flat).max() <= 4
    cmyk = decode.decode(_encode(Image.fromarray(flat).convert("CMYK"), "JPEG", quality=95), 3)
    assert cmyk.shape == (16, 16, 3)
    assert np.abs(cmyk.astype(int) - flat).max() <= 6
    grey = decode.decode(_encode(Image.fromarray(flat[..., 0])), 3)
    np.testing.assert_array_equal(grey, np.repeat(flat[..., :1], 3, axis=2))


def test_grey_output_is_the_luma() -> None:
    pixels = decode.decode(_encode(Image.fromarray(np.full((4, 4, 3), (255, 0, 0), np.uint8))), 1)
    assert pixels.shape == (4, 4, 1)
    assert (pixels == 76).all()  # 0.299 * 255


def test_transparency_is_composited_over_white() -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[0, 0] = (255, 0, 0, 255)
    rgba[0, 1] = (0, 0, 0, 51)  # a fifth of black
    pixels = decode.decode(_encode(Image.fromarray(rgba)), 3)
    np.testing.assert_array_equal(pixels[0, 0], [255, 0, 0])
    np.testing.assert_array_equal(pixels[0, 1], [204, 204, 204])
    np.testing.assert_array_equal(pixels[3, 3], [255, 255, 255])


def test_palettes_with_and_without_transparency() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 0)
    opaque = decode.decode(_encode(image), 3)
    np.testing.assert_array_equal(opaque[0, 0], [10, 20, 30])
    np.testing.assert_array_equal(opaque[1, 1], [200, 100, 50])
    clear = decode.decode(_encode(image, transparency=0), 3)
    np.testing.assert_array_equal(clear[0, 0], [255, 255, 255])
    np.testing.assert_array_equal(clear[1, 1], [200, 100, 50])


def test_sixteen_bits_become_eight() -> None:
    levels = np.array([[0, 257, 32768, 65535]], np.uint16)
    pixels = decode.decode(_encode(Image.fromarray(levels)), 1)
    np.testing.assert_array_equal(pixels[0, :, 0], [0, 1, 128, 255])


def test_exif_orientation_is_applied() -> None:
    pixels = _noise(20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    turned = decode.decode(_encode(Image.fromarray(pixels), exif=exif), 3)
    np.testing.assert_array_equal(turned, np.rot90(pixels, -1))


def test_first_frame_of_an_animation() -> None:
    frames = [Image.fromarray(_noise()), Image.fromarray(255 - _noise())]
    data = _encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(decode.decode(data, 3), _noise())


def test_multi_picture_files_of_phones_are_read() -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (40, 200)]
    assert (decode.decode(_encode(frames[0], "MPO", save_all=True, append_images=frames[1:]), 3) == 40).all()


def test_empty_and_foreign_files_are_refused() -> None:
    with pytest.raises(errors.DataError, match=r"the file is empty \(0 bytes\)"):
        decode.decode(b"", 3)
    with pytest.raises(errors.DataError, match="no image in any of the formats PNG, JPEG"):
        decode.decode(b"hello, this is text", 3)
    with pytest.raises(errors.DataError, match="no image in any of the formats"):
        decode.decode(_encode(Image.fromarray(_noise()), "GIF"), 3)
    assert decode.decode(_encode(Image.fromarray(_noise()), "GIF"), 3, ("GIF",)).shape == (40, 40, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    data = _encode(Image.fromarray(_noise(64, 64)), kind)
    with pytest.raises(errors.DataError, match=r"damaged|no image"):
        decode.decode(data[: int(len(data) * share)], 3)


def test_absurdly_large_pictures_are_refused_without_being_decoded() -> None:
    data = _encode(Image.new("1", (20_000, 10_000)))  # 25 kB on disk, 600 MB as colour
    with (
        decode.decoder_warnings(),
        pytest.raises(errors.DataError, match="more than 89 million pixels; scale it down first"),
    ):
        decode.decode(data, 3)
    data = _encode(Image.new("1", (12_000, 8_000)))  # where pillow only warns
    with decode.decoder_warnings(), pytest.raises(errors.DataError, match="more than 89 million pixels"):
        decode.decode(data, 3)


# ---------------------------------------------------------------- scaling


def _area_by_brute_force(pixels: np.ndarray, size: int) -> np.ndarray:
    """Repeats every pixel so that whole copies fall into each output pixel."""
    height, width, channels = pixels.shape
    side = max(height, width)
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    fill = np.sort(border, axis=0)[(len(border) - 1) // 2]
    fine = np.tile(fill, (2 * size * side, 2 * size * side, 1)).astype(np.float64)
    top, left = (side - height) * size, (side - width) * size  # half-pixel offsets are whole here
    fine[top : top + 2 * size * height, left : left + 2 * size * width] = pixels.repeat(2 * size, 0).repeat(2 * size, 1)
    return fine.reshape(size, 2 * side, size, 2 * side, channels).mean(axis=(1, 3))


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(8, 8, 4), (6, 6, 4), (7, 7, 4), (5, 9, 4), (9, 4, 8), (3, 8, 8), (1, 9, 4), (9, 2, 5)],
)
def test_every_pixel_is_the_mean_over_its_area(height: int, width: int, size: int) -> None:
    pixels = _noise(height, width)
    got = decode.fit_square(pixels, size)
    assert got.shape == (size, size, 3)
    assert got.dtype == np.uint8
    assert np.abs(got - _area_by_brute_force(pixels, size)).max() <= 0.5 + 1e-4


def test_hand_computed_scaling() -> None:
    pixels = np.array([[0, 100, 200]] * 3, np.uint8)[..., None]
    # Three columns into two: (0 + 100 / 2) / 1.5 and (100 / 2 + 200) / 1.5.
    np.testing.assert_array_equal(decode.fit_square(pixels, 2)[..., 0], [[33, 167], [33, 167]])


def test_a_picture_of_the_right_size_is_untouched() -> None:
    pixels = _noise(16, 16)
    assert decode.fit_square(pixels, 16) is pixels


def test_aspect_is_kept_on_the_colour_of_the_border() -> None:
    pixels = np.full((8, 16, 3), 250, np.uint8)
    pixels[2:6, 4:12] = 10
    square = decode.fit_square(pixels, 8)[..., 0]
    expected = np.full((8, 8), 250)
    expected[3:5, 2:6] = 10  # 8 x 4 source pixels become 4 x 2: still twice as wide as high
    np.testing.assert_array_equal(square, expected)


def test_constant_pictures_stay_constant() -> None:
    for level in (0, 1, 254, 255):
        assert (decode.fit_square(np.full((1000, 777, 3), level, np.uint8), 28) == level).all()
