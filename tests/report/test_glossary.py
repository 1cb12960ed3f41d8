from pathlib import Path

import pytest

from ich_jax.report import glossary, page, tables

ROOT = Path(__file__).resolve().parents[2]


def test_the_document_holds_the_same_words() -> None:
    assert (ROOT / "docs" / "glossary.md").read_text() == glossary.markdown()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two Arms, 20 briefs and one axis.", ["arm", "axis", "brief"]),
        ("over all axes of severities 1 to 5", ["axis", "severity"]),
        ("harm, taxis and debriefed are other words", []),
        ("a design element", ["design element"]),
    ],
)
def test_words_are_found_in_singular_and_plural(text: str, words: list[str]) -> None:
    assert [word for word, _ in glossary.used(text)] == words


def test_words_are_found_in_tables_and_captions_of_sections() -> None:
    table = tables.Table("t", "Title", ("donor", "value"), (("a", 1),), caption="Placebo launches.")
    section = page.Section("Panel", items=(table,))
    assert [word for word, _ in glossary.used([section])] == ["donor", "launch", "panel"]
