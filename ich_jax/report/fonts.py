"""Glyphs for names in any script: the font of matplotlib has none for Chinese, an installed font may."""

import functools
from pathlib import Path

from absl import logging
from matplotlib import figure as mpl_figure
from matplotlib import font_manager, ft2font
from matplotlib import text as mpl_text

FAMILY = "DejaVu Sans"


def complete(fig: mpl_figure.Figure) -> None:
    """Draws texts that `FAMILY` has no glyphs for in an installed font that has all of them.

    If there is none, the log says so, once for each set of characters, and the figure shows boxes.

    Args:
        fig: A finished figure that has not been drawn yet; its texts are changed.
    """
    for text in fig.findobj(mpl_text.Text):
        missing = frozenset(text.get_text()) - _known() - frozenset("\n\t")
        path = _font_with(missing) if missing else None
        if path is not None:
            properties = text.get_fontproperties().copy()
            # A file: matplotlib's list of families may be older than the font, and names one face of a collection.
            properties.set_file(path)
            text.set_fontproperties(properties)


def file_for(text: str) -> str:
    """Returns the file of a font that has the characters of a text: `FAMILY`, else an installed one if there is one."""
    missing = frozenset(text) - _known() - frozenset("\n\t")
    return (_font_with(missing) if missing else None) or font_manager.findfont(FAMILY)


@functools.cache
def _known() -> frozenset[str]:
    return _characters(font_manager.findfont(FAMILY))


@functools.cache
def _font_with(characters: frozenset[str]) -> str | None:
    """Path of an installed font that has the characters, upright sans-serif ones of normal weight first."""

    def rank(path: str) -> tuple[bool, bool, str]:
        name = Path(path).name.lower()
        heavy = any(word in name for word in ("bold", "black", "light", "thin", "italic", "oblique"))
        return "serif" in name or "mono" in name, heavy, name

    for path in sorted(font_manager.findSystemFonts(), key=rank):
        if characters <= _characters(path):
            return path
    logging.warning(
        "No installed font has the characters %s: figures show boxes instead. Install one that has, such as Noto Sans "
        "CJK for Chinese; tables and files are not affected.",
        "".join(sorted(characters)),
    )
    return None


@functools.cache
def _characters(path: str) -> frozenset[str]:
    if "LastResort" in path:  # has a box for everything
        return frozenset()
    try:
        return frozenset(map(chr, ft2font.FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):  # not a font that can be drawn: a bitmap, a damaged file
        return frozenset()
