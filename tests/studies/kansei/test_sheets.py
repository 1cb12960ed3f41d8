"""Blinded sheets: what raters see, what the key holds, and what comes back."""

import collections
import csv
import io
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from PIL import Image, PngImagePlugin

from ich_jax import errors
from ich_jax.studies.kansei import exchange, files, returned, sheets, works

RATERS = ("甲", "乙", "丙")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for arm, shade in (("ai", 200), ("hand", 60)):
        (root / arm).mkdir()
        for k in range(3):
            info = PngImagePlugin.PngInfo()
            info.add_text("brief", f"secret {arm}")
            image = Image.fromarray(np.full((8, 6, 3), shade + k, np.uint8))
            image.save(root / arm / f"work {k}.png", pnginfo=info)
    return root


@pytest.fixture(scope="module")
def made(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "made"
    exchange.make(str(folder), [f"ai={pictures / 'ai'}", f"hand={pictures / 'hand'}"], RATERS, [], [], seed=3)
    return folder


def fill(folder: Path, source: Path, change: tuple[str, str, str] | None = None) -> Path:
    """Fills in scores that depend on the work alone: 1 + position of its name among the works."""
    folder.mkdir(parents=True)
    place = {code: k for k, code in enumerate(sorted(returned.read_key(source)))}
    for path in sorted((source / "sheets").glob("*.csv")):
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
        for row in rows:
            row["score"] = str(1 + place[row["code"]] % 5)
        (folder / path.name).write_text(sheets.text_of(list(rows[0]), [list(row.values()) for row in rows]))
    if change:
        name, old, new = change
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))
    return folder


def test_raters_see_codes_and_nothing_else(made: Path) -> None:
    key = returned.read_key(made)
    assert len(key) == 6 and {row["arm"] for row in key.values()} == {"ai", "hand"}
    everything = b"".join(path.read_bytes() for path in (made / "sheets").rglob("*") if path.is_file())
    for secret in (b"secret", b"ai/work", b"hand", b"work 0"):
        assert secret not in everything
    page = (made / "sheets" / "sheet_01.html").read_text(encoding="utf-8")
    assert page.count("<section>") == 6 and "甲" in page and "http" not in page
    for code, row in key.items():
        assert code in page
        np.testing.assert_array_equal(
            np.asarray(Image.open(made / "sheets" / "images" / f"{code}.png")), np.asarray(Image.open(row["image"]))
        )


def test_orders_are_balanced_and_codes_are_those_of_the_seed(made: Path, pictures: Path, tmp_path: Path) -> None:
    places = collections.Counter()
    for path in (made / "sheets").glob("*.csv"):
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
        places.update((row["code"], row["place"]) for row in rows)
    assert max(places.values()) == 1  # three rows of a Latin square of six
    sources = [f"ai={pictures / 'ai'}", f"hand={pictures / 'hand'}"]
    exchange.make(str(tmp_path / "same"), sources, RATERS, [], [], seed=3)
    exchange.make(str(tmp_path / "other"), sources, RATERS, [], [], seed=4)
    assert (tmp_path / "same" / "key" / "key.csv").read_bytes() == (made / "key" / "key.csv").read_bytes()
    assert set(returned.read_key(tmp_path / "other")) != set(returned.read_key(made))


def test_filled_sheets_become_a_review(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled = fill(tmp_path / "filled", made)
    (filled / "sheet_03.csv").unlink()  # the third comes as a workbook, with a score left open
    rows = list(csv.reader(io.StringIO((made / "sheets" / "sheet_03.csv").read_text(encoding="utf-8-sig"))))
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(rows[0])
    for k, row in enumerate(rows[1:]):
        book.active.append([row[0], int(row[1]), row[2].lower(), None if k == 2 else 4.0])
    book.save(filled / "丙.xlsx")
    exchange.read(str(made), str(filled), str(tmp_path / "answers"))
    printed = capsys.readouterr().out
    assert "3 of 3 sheets were returned with scores" in printed and "丙: 1 of 6 scores are missing" in printed
    assert printed.splitlines()[-1] == "summary: scores=17 left_open=1"
    review = files.read_review(tmp_path / "answers" / "review.csv")
    assert review.arms == ("ai", "hand") and review.raters == 3
    assert review.dropped == (returned.read_key(made)[rows[3][2]]["work"],)
    with pytest.raises(errors.WorkdirError, match="not overwritten"):
        exchange.read(str(made), str(filled), str(tmp_path / "answers"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("code", "cipher", "no column 'code'"),
        ("甲", "丁", "unknown rater '丁'"),
        (",1,", ",1,Z", "is not in the key"),
        (",1,", ",9,", "a second time"),
    ],
)
def test_sheets_that_do_not_fit_the_key_are_refused(
    made: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    filled = fill(tmp_path / "filled", made, ("sheet_01.csv", old, new))
    if message == "a second time":
        (filled / "sheet_04.csv").write_text((filled / "sheet_01.csv").read_text())
    with pytest.raises(errors.DataError, match=message) as caught:
        returned.read(made, filled)
    assert "sheet_0" in str(caught.value)


@pytest.mark.parametrize("score", ["6", "0", "2.5", "good", "nan"])
def test_scores_off_the_scale_are_refused(made: Path, tmp_path: Path, score: str) -> None:
    filled = fill(tmp_path / "filled", made)
    text = (filled / "sheet_02.csv").read_text().splitlines()
    text[1] = text[1].rpartition(",")[0] + f",{score}"
    (filled / "sheet_02.csv").write_text("\n".join(text))
    with pytest.raises(errors.DataError, match=r"line 2: score is .*whole number from 1 to 5"):
        returned.read(made, filled)


def test_nothing_filled_in_and_other_encodings_are_said(made: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match="no score is filled in"):
        returned.read(made)
    filled = fill(tmp_path / "filled", made)
    text = (filled / "sheet_01.csv").read_text()
    (filled / "sheet_01.csv").write_bytes(text.encode("gb18030"))
    with pytest.raises(errors.DataError, match="not UTF-8"):
        returned.read(made, filled)
    (filled / "sheet_01.csv").write_text(text.replace(",", ";"))
    assert not returned.read(made, filled).left_open
    (filled / "sheet_02.xlsx").write_bytes(b"no workbook")
    with pytest.raises(errors.DataError, match="cannot be read as an Excel workbook"):
        returned.read(made, filled)


def test_words_have_two_ends(pictures: Path, tmp_path: Path) -> None:
    exchange.make(str(tmp_path / "words"), [str(pictures / "ai")], ["2"], ["冷|暖", "light"], [], seed=0)
    page = (tmp_path / "words" / "sheets" / "sheet_02.html").read_text(encoding="utf-8")
    assert "冷" in page and "not light" in page and "\u22123" in page
    for bad in (["a|b|c"], ["warm", "cold|warm"], ["code"]):
        with pytest.raises(errors.ConfigError, match="words"):
            exchange.make(str(tmp_path / "bad"), [str(pictures / "ai")], ["2"], bad, [], seed=0)


def test_what_cannot_be_judged_is_refused(pictures: Path, made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, message in ((tmp_path / "none", "no such folder"), (tmp_path / "empty", "neither an image")):
        with pytest.raises(errors.DataError, match=message):
            works.load([str(source)])
    with pytest.raises(errors.DataError, match="named twice"):
        works.load([str(pictures / "ai"), str(pictures / "ai")])
    with pytest.raises(errors.WorkdirError, match="not overwritten"):
        exchange.make(str(made), [str(pictures / "ai")], ["2"], [], [], seed=0)
    for options, message in ((([], ["2"]), "--works"), (([str(pictures / "ai")], ["a", "a"]), "raters")):
        with pytest.raises(errors.ConfigError, match=message):
            exchange.make(str(tmp_path / "x"), *options, [], [], seed=0)
    with pytest.raises(errors.ConfigError, match="--levels"):
        exchange.make(str(tmp_path / "x"), [str(pictures / "ai")], ["2"], [], ["5", "1"], seed=0)


def test_delivered_designs_carry_what_the_inspector_reads(tmp_path: Path) -> None:
    (tmp_path / "designs").mkdir()
    names = ("product", "palette", "width")
    head = ["brief", "rank", "file", *(f"{who}_{name}" for who in ("asked", "own", "inspector") for name in names)]
    rows = []
    for k, palette in enumerate(("indigo", "ink")):
        Image.new("RGB", (4, 4), (k, k, k)).save(tmp_path / "designs" / f"d{k}.png")
        seen = ["fan", palette, 1.25] if k else ["", "", ""]  # the first was not judged
        rows.append(["b", k + 1, f"designs/d{k}.png", "fan", "", "1.5", "fan", "celadon", "-0.5", *seen, 0.1, 0.2])
    text = sheets.text_of([*head, "error_own_width", "error_inspector_width"], rows)
    (tmp_path / "designs.csv").write_text(text)
    first, second = works.load([str(tmp_path)])
    assert first.elements == {"product": "fan", "palette": "celadon"} and first.axes == {"width": -0.5}
    assert second.elements == {"product": "fan", "palette": "ink"} and second.axes == {"width": 1.25}

    exchange.make(str(tmp_path / "made"), [str(tmp_path)], ["2"], ["warm"], [], seed=0)
    for path in (tmp_path / "made" / "sheets").glob("*.csv"):
        path.write_text(path.read_text(encoding="utf-8-sig").replace(",\n", ",2\n").replace("warm,2", "warm"))
    exchange.read(str(tmp_path / "made"), "", str(tmp_path / "answers"))
    elements, codes, fixed = files.read_elements(tmp_path / "answers" / "elements.csv", ["d0", "d1"])
    assert [element.name for element in elements] == ["palette", "width"] and fixed == {"product": "fan"}
    assert elements[1].categories == ("+0", "+1.5") and codes.tolist() == [[0, 0], [1, 1]]
    (tmp_path / "designs" / "d1.png").unlink()
    with pytest.raises(errors.DataError, match=r"d1\.png is missing"):
        works.load([str(tmp_path)])
