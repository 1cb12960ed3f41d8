"""Bad image folders: one message each, naming path, row or field, what was allowed and the repair."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ich_jax import errors
from ich_jax.config import DataConfig
from ich_jax.data import folder, pipeline

Make = Callable[..., Path]
Configure = Callable[..., DataConfig]
Table = Callable[..., str]


def _fails(config: DataConfig, *fragments: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        folder.make(config)
    for fragment in fragments:
        assert fragment in str(caught.value)


# ---------------------------------------------------------------- files


def test_missing_folder_and_file_in_its_place(tmp_path: Path, configure: Configure) -> None:
    missing = tmp_path / "nowhere"
    _fails(
        configure(missing), f"{missing} does not exist", f"expected {missing}/<class>/", "Correct --config.data.path"
    )
    missing.write_text("")
    _fails(configure(missing), f"{missing} is a file")


def test_empty_folder(tmp_path: Path, configure: Configure) -> None:
    _fails(configure(tmp_path), f"{tmp_path} is empty", "no class folder", "/<class>/*")


def test_images_outside_class_folders(image_folder: Make, configure: Configure) -> None:
    root = image_folder()
    Image.new("RGB", (16, 16)).save(root / "loose.png")
    _fails(configure(root), "holds 1 images outside any class folder", "loose.png", "Move them into a folder")


def test_class_without_images(image_folder: Make, configure: Configure) -> None:
    root = image_folder()
    (root / "puppet").mkdir()
    (root / "puppet" / "readme.txt").write_text("none yet")
    _fails(configure(root), f"class folder {root / 'puppet'} has no image", "Add images or remove the folder")


def test_one_level_too_high_or_too_deep(image_folder: Make, configure: Configure) -> None:
    made = image_folder()
    root = made.rename(made.with_name("pictures"))  # classes may lie one level down in a folder called images
    _fails(configure(root.parent), "holds the folders book, fan", f"is {root} the folder you mean?")
    (root / "book" / "old").mkdir()
    _fails(configure(root), f"{root / 'book'} holds images and the folders old", "Move the folders away")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.04])
def test_unreadable_files_above_the_share_are_listed_with_their_reason(
    image_folder: Make, configure: Configure, share: float
) -> None:
    root = image_folder()
    (root / "book" / "05.png").write_bytes((root / "book" / "05.png").read_bytes()[:70])
    (root / "book" / "06.png").write_bytes(b"")
    (root / "fan" / "03.png").write_text("text")
    Image.new("1", (12_000, 8_000)).save(root / "fan" / "02.png")
    _fails(
        configure(root, max_bad_share=share),
        f"{root}: 4 of 22 images (18.18%) cannot be read, allowed are up to {share:.2%}",
        "book/05.png: damaged",
        "book/06.png: the file is empty (0 bytes)",
        "fan/02.png: more than 89 million pixels",
        "fan/03.png: no image in any of the formats PNG, JPEG, WEBP",
        "raise --config.data.max_bad_share",
    )


def test_a_class_of_which_nothing_is_readable(image_folder: Make, configure: Configure) -> None:
    root = image_folder({"book": 30, "fan": 1})
    (root / "fan" / "00.png").write_bytes(b"")
    _fails(configure(root, max_bad_share=0.5), f"class folder {root / 'fan'} has no readable image")


def test_long_lists_are_cut_and_counted(image_folder: Make, configure: Configure) -> None:
    root = image_folder({"book": 25})
    for path in (root / "book").iterdir():
        path.write_bytes(b"")
    _fails(configure(root), "25 of 25 images", "... and 15 more")


def test_images_smaller_than_the_model(image_folder: Make, configure: Configure) -> None:
    root = image_folder(size=40)
    Image.new("RGB", (20, 31)).save(root / "fan" / "02.png")
    Image.new("RGB", (12, 8)).save(root / "fan" / "03.png")
    Image.new("RGB", (12, 32)).save(root / "fan" / "04.png")  # padded, not enlarged
    _fails(
        configure(root, size=32, max_bad_share=1.0),
        "2 of 22 images are smaller than the model's 32 px on their longer side",
        "fan/02.png: 20x31 px",
        "fan/03.png: 12x8 px",
        "Set --config.data.size to 12 or less",
    )


def test_nothing_left_to_judge_by(image_folder: Make, configure: Configure) -> None:
    root = image_folder({"book": 2})
    _fails(configure(root), "2 images at --config.data.holdout_share=0.15", "none for the validation split")


def test_batch_larger_than_the_set(image_folder: Make, configure: Configure) -> None:
    dataset = folder.make(configure(image_folder()))
    pipeline.check_batch(dataset, dataset.n_train)
    with pytest.raises(errors.DataError, match=r"config\.train\.batch is 64, larger than the 18 training images"):
        pipeline.check_batch(dataset, 64)


def test_a_file_that_vanishes_during_the_run_is_named(image_folder: Make, configure: Configure) -> None:
    root = image_folder()
    dataset = folder.make(configure(root, device_limit_mib=0))
    for path in root.glob("*/*.png"):
        path.unlink()
    with pytest.raises(
        errors.DataError, match=r"/(book|fan)/\d+\.png was readable when the run started and is not now"
    ):
        dataset.train_images(1)


# ---------------------------------------------------------------- metadata.csv


def test_rows_without_a_file(image_folder: Make, configure: Configure, table: Table, names: list[str]) -> None:
    text = table([*names, "book/0O.png", "puppet/1.png"], note=lambda i: 0)
    root = image_folder(metadata=text)
    _fails(
        configure(root),
        f"{root / 'metadata.csv'}: 2 rows name no image file",
        "row 24: 'book/0O.png'",
        "row 25: 'puppet/1.png'",
        "did you mean 'book/",
        "delete the row",
    )


def test_files_without_a_row(image_folder: Make, configure: Configure, table: Table, names: list[str]) -> None:
    root = image_folder(metadata=table(names[2:], note=lambda i: 0))
    _fails(
        configure(root), "metadata.csv: 2 image files have no row", "book/00.png", "book/01.png", "Add a row for each"
    )


def test_two_rows_for_one_file(image_folder: Make, configure: Configure, table: Table, names: list[str]) -> None:
    root = image_folder(metadata=table([*names, names[3]], note=lambda i: 0))
    _fails(configure(root), "rows 5 and 24 are both for 'book/03.png'")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column 'file_name' (its columns: none)"),
        (b"name,kind\nbook/00.png,1\n", "has no column 'file_name' (its columns: name, kind)"),
        (b"file_name,a,a\n", "has several columns named a"),
        (b"File Name,a\n", "Call the column 'File Name' file_name"),
        (b"file_name,,\nbook/00.png,3,\n", "column 2 has cells but no name in the first line"),
        (b"file_name\n00.png\n01.png\n", "They lack the class: write 'fan/00.png' instead of '00.png'"),
        (b"file_name,a\nbook/00.png\nbook/01.png,1,2\n", "row 3: 3 cells for 2 columns"),
        (b"file_name,note\nbook/00.png,red, round\n", "row 2: 3 cells for 2 columns; quote cells that hold commas"),
        (b"file_name,note\nbook/00.png\n", "row 2: 1 cells for 2 columns"),
        ("file_name,note\nbook/00.png,grün\n".encode("latin-1"), "not readable as UTF-8"),
    ],
)
def test_malformed_files(image_folder: Make, configure: Configure, content: bytes, message: str) -> None:
    root = image_folder()
    (root / "metadata.csv").write_bytes(content)
    _fails(configure(root), str(root / "metadata.csv"), message)


def test_categories_that_only_one_image_has_are_left_open(
    image_folder: Make, configure: Configure, table: Table, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    text = table(names, element_kind=lambda i: "colur" if i == 7 else ("colour", "sketch")[i % 2])
    dataset = folder.make(configure(image_folder(metadata=text)))
    (element,) = dataset.space.elements
    assert element.categories == ("colour", "sketch")
    everything = [dataset.train_images(dataset.n_train), *(dataset.holdout(s, 9) for s in ("validation", "test"))]
    assert sum(int((batch.brief.given[:, 1] == 0).sum()) for batch in everything) == 1
    for fragment in (
        "column 'element_kind': 1 categories are on fewer than 2 images",
        "row 9 (book/07.png): 'colur'",
        "did you mean 'colour'? Allowed: colour, sketch",
    ):
        assert caplog.text.count(fragment) == 1


@pytest.mark.parametrize(("cell", "got"), [("same", "got same"), ("", "got only empty cells")])
def test_element_of_fewer_than_two_categories(
    image_folder: Make, configure: Configure, table: Table, names: list[str], cell: str, got: str
) -> None:
    root = image_folder(metadata=table(names, element_kind=lambda i: cell))
    _fails(configure(root), "column 'element_kind': an element needs two categories or more", got, "Leave it out")


@pytest.mark.parametrize("cell", ["wide", "nan", "inf", "3.01", "-7", "1,5"])
def test_axis_cells_that_are_no_number_in_range(
    image_folder: Make, configure: Configure, table: Table, names: list[str], cell: str
) -> None:
    quoted = f'"{cell}"' if "," in cell else cell
    root = image_folder(metadata=table(names, axis_age=lambda i: quoted if i == 4 else 1))
    _fails(
        configure(root),
        "metadata.csv: 1 axis cells are not numbers from -3 to 3",
        f"row 6 (book/04.png), column 'axis_age': {cell!r}",
        "Scale the axis to that range",
    )


def test_axis_without_any_number(image_folder: Make, configure: Configure, table: Table, names: list[str]) -> None:
    root = image_folder(metadata=table(names, axis_age=lambda i: ""))
    _fails(configure(root), "column 'axis_age': every cell is empty", "config.data.axes")


def test_columns_that_do_not_exist(image_folder: Make, configure: Configure, table: Table, names: list[str]) -> None:
    root = image_folder(metadata=table(names, kind=lambda i: i % 2))
    _fails(configure(root, elements="knd"), "config.data.elements", "no column 'knd'", "did you mean 'kind'?")
    _fails(configure(root, axes="kindness"), "config.data.axes", "no column 'kindness'")
    _fails(configure(root, keywords=3), "config.data.keywords=3 needs a column 'keywords'", "file_name, kind")
    (root / "metadata.csv").unlink()
    _fails(configure(root, elements="kind"), "config.data.elements='kind' names columns of metadata.csv", "has none")
    _fails(configure(root, keywords=3), "there is no such file")


def test_more_keywords_than_there_are(image_folder: Make, configure: Configure, table: Table, names: list[str]) -> None:
    root = image_folder(metadata=table(names, keywords=lambda i: "all;half" if i % 2 else f"all;own{i}"))
    _fails(configure(root, keywords=2), "only 1 keywords are on two images or more and not on all", "Allowed: 0 to 1")


def test_errors_come_before_any_image_is_decoded(
    image_folder: Make, configure: Configure, table: Table, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = image_folder(metadata=table(names, axis_age=lambda i: "old"))
    monkeypatch.setattr(folder.decode, "decode", lambda *_: pytest.fail("decoded"))
    _fails(configure(root), "axis cells are not numbers")
    assert np.all([path.suffix in (".png", ".csv", "") for path in root.rglob("*")])  # and nothing was written


def test_all_faults_of_a_folder_are_in_one_message(image_folder: Make, configure: Configure) -> None:
    root = image_folder()
    Image.new("RGB", (16, 16)).save(root / "loose.png")
    (root / "gifs").mkdir()
    Image.new("RGB", (16, 16)).save(root / "gifs" / "a.gif")
    (root / "fan" / "old").mkdir()
    _fails(
        configure(root),
        "holds 1 images outside any class folder",
        f"class folder {root / 'gifs'} has no image",
        "It holds 1 files that are not read (.gif): convert pictures to PNG",
        f"{root / 'fan'} holds images and the folders old",
        "scripts/prepare_images.py",
    )
    (root / "a.npz").write_bytes(b"")
    _fails(configure(root / "a.npz"), "is a file", "Set --config.data.source=npz")


def test_small_and_damaged_images_are_in_one_message(image_folder: Make, configure: Configure) -> None:
    root = image_folder(size=40)
    Image.new("RGB", (20, 31)).save(root / "fan" / "02.png")
    (root / "fan" / "03.png").write_text("text")
    _fails(configure(root, size=32), "fan/02.png: 20x31 px", "fan/03.png: no image in any", "scripts/prepare_images")


def test_columns_that_a_spreadsheet_left_behind_are_dropped(
    image_folder: Make, configure: Configure, table: Table, names: list[str]
) -> None:
    text = table(names, axis_age=lambda i: 1).replace("\n", ",,\n")
    assert folder.make(configure(image_folder(metadata=text))).space.axes == ("age",)


def test_what_r_writes_is_named(image_folder: Make, configure: Configure, table: Table, names: list[str]) -> None:
    root = image_folder(metadata=table(names, axis_age=lambda i: "NA" if i else 1))
    _fails(configure(root), "column 'axis_age': 'NA'", 'use write.csv(..., na = "")')


def test_decomposed_names_of_files_match_composed_rows(tmp_path: Path, configure: Configure) -> None:
    rows = ["file_name,element_kind"]
    for label in ("café", "thé"):
        apart = unicodedata.normalize("NFD", label)
        (tmp_path / apart).mkdir()
        for i in range(6):
            Image.new("RGB", (16, 16), (40 * i, 90, len(apart))).save(tmp_path / apart / f"{i}.png")
            rows.append(f"{unicodedata.normalize('NFC', label)}/{i}.png,{'ab'[i % 2]}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows), encoding="utf-8")
    dataset = folder.make(configure(tmp_path))
    assert [e.name for e in dataset.space.elements] == ["kind"]
    assert dataset.n_train + dataset.n_holdout == 12
