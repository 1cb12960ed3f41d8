"""Briefs as people write them, on the command line and in files, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.studies.design import briefs
from ich_jax.types import DesignSpace, Element

SPACE = DesignSpace(
    ("fan", "book"),
    (Element("palette", ("indigo", "red")), Element("keyword_round", ("absent", "present"))),
    ("width", "height"),
)
WANTED = (("product", "fan"), ("palette", "red"), ("width", 1.5))


def only(*texts: str, file: str = "") -> briefs.Asked:
    (found,) = briefs.read(texts, file, SPACE)
    return found


def test_a_brief_of_the_command_line() -> None:
    found = only(" width=+1.5 , product = fan,palette=red,")
    assert found.stated == WANTED
    assert found.text == "product=fan, palette=red, width=+1.5"
    assert found.name == "01_fan_red_width+1.5"
    wanted = SPACE.brief(product="fan", palette="red", width=1.5)
    for part, same in zip(found.brief, wanted, strict=True):
        np.testing.assert_array_equal(part, same)
    assert briefs.from_arrays(found.brief, SPACE) == WANTED
    assert only(found.text).stated == WANTED
    assert only("width=\u22122").stated == (("width", -2.0),)  # a true minus, as pages write it


@pytest.mark.parametrize(
    "text",
    [
        "product,palette,width\nfan,red,1.5\n",
        "file_name,element_palette,axis_width,axis_height\nfan/a.png,red,+1.5,\n",
        "\ufeffproduct, palette ,width\n\nfan , red,1.5\n,,\n",
    ],
)
def test_rows_of_a_csv_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "briefs.csv"
    path.write_text(text, encoding="utf-8")
    assert only(file=str(path)).stated == WANTED


@pytest.mark.parametrize(
    "values",
    [
        {"product": "fan", "palette": "red", "width": 1.5, "height": None},
        [{"product": "fan", "element_palette": "red", "axis_width": 1.5}],
        {"briefs": [{"product": "fan", "elements": {"palette": "red"}, "axes": {"width": 1.5}}]},
    ],
)
def test_objects_of_a_json_file(tmp_path: Path, values: object) -> None:
    path = tmp_path / "briefs.json"
    path.write_text(json.dumps(values))
    assert only(file=str(path)).stated == WANTED


def test_keywords_are_elements_that_are_present(tmp_path: Path) -> None:
    path = tmp_path / "briefs.csv"
    path.write_text("keywords\nRound;\n")
    assert only(file=str(path)).stated == (("keyword_round", "present"),)


def test_several_briefs_have_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "briefs.csv"
    path.write_text("product\nbook\nbook\n")
    found = briefs.read(["product=fan"], str(path), SPACE)
    assert [one.name for one in found] == ["01_fan", "02_book", "03_book"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("product=fam", r"brief='product=fam': product: got 'fam'; did you mean 'fan'\? Allowed: fan, book"),
        ("pallete=red", "did you mean 'palette'.*Allowed: product, palette, keyword_round, width, height"),
        ("width=3.5", "width: got 3.5; expected a number from -3 to 3"),
        ("width=nan", "width: got nan"),
        ("width=wide", "width: got 'wide'; expected a number"),
        ("palette=red, palette=indigo", "palette is stated twice, as 'red' and as 'indigo'"),
        ("palette=red, element_palette=red", "palette is stated twice"),
        ("fan", "'fan' is not of the form name=value"),
        ("palette=", "not of the form"),
        (" , ", "the brief states nothing"),
    ],
)
def test_what_is_refused_on_the_command_line(text: str, wanted: str) -> None:
    with pytest.raises(errors.ConfigError, match=wanted):
        briefs.read([text], "", SPACE)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.csv", "", "holds no brief"),
        ("a.csv", "product,width\n", "holds no brief"),
        ("a.csv", "product,width\nfan\n", r"a.csv, row 2: 1 cells for 2 columns"),
        ("a.csv", "product,width\nfan,1\nbook,9\n", r"a.csv, row 3: width: got 9.0"),
        ("a.json", "", "holds no brief"),
        ("a.json", "[]", "holds no brief"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[1]", "expected an object for each brief"),
        ("a.json", '[{"palette": "red", "palette": "indigo"}]', "brief 1: palette is stated twice"),
        ("a.json", '[{"palette": ["red", "indigo"]}]', "one value for each part"),
        ("a.json", '[{"product": "fan"}, {"colour": "red"}]', "brief 2: got 'colour'"),
        ("a.json", '[{"width": true}]', "one value for each part"),
    ],
)
def test_what_is_refused_in_a_file(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(errors.IchJaxError, match=wanted):
        briefs.read([], str(path), SPACE)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "briefs.csv"
    path.write_bytes(b"\xff\xfe\x00")
    for wrong in (path, tmp_path / "absent.csv"):
        with pytest.raises(errors.DataError, match="cannot be read"):
            briefs.read([], str(wrong), SPACE)


def test_the_design_space_is_listed() -> None:
    assert briefs.describe_space(SPACE).splitlines() == [
        "product      fan, book",
        "palette      indigo, red",
        "keyword_round absent, present",
        "width        a number from -3 to +3",
        "height       a number from -3 to +3",
    ]
