"""The contact sheet for print: size on paper, pages, equal bytes."""

import re
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from ich_jax.report import contact

IMAGES = list(np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), np.uint8))
PT_PER_MM = 72 / 25.4


def double(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image.repeat(2, axis=0).repeat(2, axis=1)


def made(n: int, *, side: int = 8, dpi: int = 8) -> bytes:
    group = contact.Group("Fans", IMAGES[:n], [f"{i}" for i in range(n)])
    return contact.contact_sheet([group], title="Sheet", foot="small", prepare=double, side=side, dpi=dpi)


def streams(pdf: bytes) -> list[bytes]:
    """The contents of a PDF file that are text, unpacked."""
    found = []
    for data in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S):
        try:
            found.append(zlib.decompress(data))
        except zlib.error:
            found.append(data)
    return found


def test_images_stand_on_paper_as_large_as_they_say() -> None:
    pdf = made(1)
    assert b"/MediaBox [ 0 0 595.27" in pdf  # A4
    placed = [float(side) for text in streams(pdf) for side in re.findall(rb"cm ([\d.]+) 0 0 -\1 0 \1 cm", text)]
    assert [round(side / PT_PER_MM, 1) for side in placed] == [25.4]  # 8 px at 8 dpi are an inch


def test_colours_stay_rgb() -> None:
    """Pillow's CMYK of black is three full inks and no black plate: how to separate is for the printer's profile."""
    pdf = made(1)
    assert b"/DeviceRGB" in pdf and b"CMYK" not in pdf


def test_pages_are_filled_and_equal_input_gives_equal_bytes() -> None:
    assert made(1).count(b"/Type /Page ") == 1
    per_row = int((contact.WIDEST_MM + 3) // (25.4 + 3))
    assert per_row == 6
    rows = int((297 - 14 - 14 - 8 - 11) // (25.4 + 5 + 3))
    assert rows == 7
    assert made(30).count(b"/Type /Page ") == 1
    assert made(30, side=16).count(b"/Type /Page ") == 3  # 3 in a row and 4 rows: 12, 12, 6
    assert made(5) == made(5)


def test_images_wider_than_a_page_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        made(1, side=80)
