"""Texts in a script that the bundled font lacks; another bundled font plays the installed one."""

import warnings
from collections.abc import Iterator

import pytest
from absl import logging
from matplotlib import figure as mpl_figure
from matplotlib import font_manager

from ich_jax.report import charts, fonts, style

TELEPHONE_RECORDER = "\u2315"  # a sign that STIXGeneral has and DejaVu Sans has not
STIX = font_manager.findfont("STIXGeneral")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths of the fonts that are installed."""
    paths: list[str] = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: paths)
    fonts._font_with.cache_clear()
    yield paths
    fonts._font_with.cache_clear()


def dots(*labels: str) -> style.Picture:
    return charts.dots([charts.Dot(label, float(i)) for i, label in enumerate(labels)], x_label="yuan")


def test_an_installed_font_lends_its_glyphs(installed: list[str]) -> None:
    """Only texts that need it change; the labels of an axis are among them."""
    with_boxes = dots(f"fan {TELEPHONE_RECORDER}", "book").data
    fonts._font_with.cache_clear()
    installed += [font_manager.findfont("cmr10"), STIX]
    assert dots(f"fan {TELEPHONE_RECORDER}", "book").data != with_boxes
    fig = mpl_figure.Figure()
    plain, sign = fig.text(0, 0, "book"), fig.text(0, 0, TELEPHONE_RECORDER, fontsize=17)
    fonts.complete(fig)
    assert plain.get_fontproperties().get_file() is None
    assert sign.get_fontproperties().get_file() == STIX and sign.get_fontsize() == 17
    # Matplotlib finds every glyph: it would warn.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fig.draw_without_rendering()


def test_what_no_font_has_is_said_once(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(logging, "warning", lambda text, *values: said.append(text % values))
    for _ in range(2):
        assert dots(f"fan {TELEPHONE_RECORDER}", "book").data
    assert len(said) == 1 and f"the characters {TELEPHONE_RECORDER}: figures show boxes" in said[0]
    dots("fan", "book")
    assert len(said) == 1
