"""The script that brings arbitrary pictures into the standard layout."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from absl import app, flags
from absl.testing import flagsaver
from PIL import Image

from ich_jax.config import DataConfig
from ich_jax.data import folder

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "prepare_images.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare_images_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    return module


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures as people keep them: mixed formats, transparency, folders in folders, names that clash."""
    root = tmp_path / "my photos"
    (root / "fans" / "round ones").mkdir(parents=True)
    (root / "books").mkdir()
    (root / ".thumbs").mkdir()
    Image.new("RGB", (10, 10)).save(root / ".thumbs" / "x.png")
    (root / "books" / "notes.txt").write_text("no picture")
    box = np.zeros((100, 200, 4), np.uint8)
    box[25:75, 50:150] = (200, 30, 30, 255)
    Image.fromarray(box).save(root / "fans" / "a.png")
    for i in range(6):
        Image.new("RGB", (80, 80), (40 * i, 10, 90)).save(root / "fans" / "round ones" / f"b {i}.jpg")
        Image.new("L", (64 + i, 70), 30 * i).save(root / "books" / f"c{i}.bmp")
    Image.new("RGB", (90, 90), "green").save(root / "books" / "c0.gif")
    return root


def run(script: ModuleType, *sources: object, output: Path, size: int = 32, max_bad_share: float = 0.01) -> None:
    with flagsaver.flagsaver(
        source=[str(s) for s in sources], output=str(output), size=size, max_bad_share=max_bad_share
    ):
        script.main(["prepare_images"])


def read_rows(root: Path) -> list[dict[str, str]]:
    with (root / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_folders(
    script: ModuleType, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / "set"
    run(script, photos, output=output)
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == "summary: images=14 classes=2 left_out=0 size=32"
    written = sorted(str(p.relative_to(output)) for p in output.rglob("*.png"))
    assert written[:3] == ["books/c0.png", "books/c0_2.png", "books/c1.png"]
    assert "fans/round_ones_b_3.png" in written
    rows = {row["file_name"]: row for row in read_rows(output)}
    assert sorted(rows) == written
    # 100 x 50 of 200 px: the box keeps its aspect on a white square.
    assert [float(rows["fans/a.png"][f"axis_{axis}"]) for axis in ("width", "height", "mass")] == [0.0, -1.5, -2.25]
    assert rows["fans/a.png"]["original"] == str(photos / "fans" / "a.png")
    pixels = np.asarray(Image.open(output / "fans" / "a.png"))
    assert pixels.shape == (32, 32, 3)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[16, 16].tolist() == [200, 30, 30]
    with Image.open(output.parent / "set_sheet.png") as sheet:
        assert sheet.size == (112 + 16 * 36, 2 * 36)
    assert sorted(p.name for p in output.parent.iterdir()) == ["set", "set_account.csv", "set_sheet.png"]


def test_the_result_is_an_image_folder(script: ModuleType, photos: Path, tmp_path: Path) -> None:
    run(script, photos, output=tmp_path / "set")
    dataset = folder.make(DataConfig(source="folder", path=str(tmp_path / "set"), size=32))
    assert dataset.space.products == ("books", "fans")
    assert dataset.space.axes == ("width", "height", "mass")
    assert dataset.n_train + dataset.n_holdout == 14


def test_several_sources_with_class_names_and_loose_pictures(script: ModuleType, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "set"
    run(script, f"fan={photos / 'fans'}", photos / "books", output=output)
    assert sorted(p.name for p in output.iterdir()) == ["books", "fan", "metadata.csv"]
    assert len(list((output / "fan").iterdir())) == 7


def test_columns_are_carried_over(script: ModuleType, photos: Path, tmp_path: Path) -> None:
    names = sorted(p.relative_to(photos).as_posix() for p in photos.glob("[a-z]*/**/*.*") if p.suffix != ".txt")
    lines = [f"{name},{i % 2},{i / 10}" for i, name in enumerate(names)]
    (photos / "metadata.csv").write_text("\n".join(["file_name,element_kind,axis_width", *lines]))
    run(script, photos, output=tmp_path / "set")
    rows = {row["original"]: row for row in read_rows(tmp_path / "set")}
    for i, name in enumerate(names):
        row = rows[str(photos / name)]
        assert (row["element_kind"], row["axis_width"]) == (str(i % 2), str(i / 10))
        assert -3 <= float(row["axis_height"]) <= 3


def test_bad_pictures_stop_it_before_anything_is_written(script: ModuleType, photos: Path, tmp_path: Path) -> None:
    (photos / "books" / "bad.png").write_bytes(b"oops")
    Image.new("RGB", (31, 20)).save(photos / "books" / "tiny.png")
    with pytest.raises(SystemExit) as stopped:
        run(script, photos, output=tmp_path / "set")
    message = str(stopped.value)
    assert "2 of 16 pictures cannot be used" in message
    assert "books/bad.png: no image" in message
    assert "books/tiny.png: 31x20 px, smaller than --size=32" in message
    assert "--max_bad_share" in message
    assert [p.name for p in tmp_path.iterdir()] == [photos.name]


def test_bad_pictures_can_be_left_out(
    script: ModuleType,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (photos / "books" / "bad.png").write_bytes(b"oops")
    run(script, photos, output=tmp_path / "set", max_bad_share=0.5)
    assert "summary: images=14 classes=2 left_out=1 size=32" in capsys.readouterr().out
    assert "books/bad.png" in caplog.text


def test_wrong_calls_are_explained(script: ModuleType, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(SystemExit, match="there exists; choose another --output"):
        run(script, photos, output=tmp_path / "there")
    with pytest.raises(SystemExit, match="nowhere is no folder; give --source=FOLDER"):
        run(script, "fan=nowhere", output=tmp_path / "set")
    with pytest.raises(SystemExit, match=r"no picture below .*there; allowed: \.png, \.jpg"):
        run(script, tmp_path / "there", output=tmp_path / "set")
    with pytest.raises(app.UsageError, match="--source=FOLDER"):
        run(script, output=tmp_path / "set")


def test_a_failed_write_leaves_nothing(
    script: ModuleType, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SystemExit, match="The disk is full"):
        run(script, photos, output=tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == [photos.name]


def _class_of(root: Path) -> dict[str, str]:
    """The class of each original: what a picture was called before decides what it is called after."""
    return {Path(row["original"]).parent.name: row["file_name"].split("/")[0] for row in read_rows(root)}


def test_classes_that_differ_stay_apart_and_renaming_is_said(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ("fan (old)", "fan old", "fan,old", "C", "C++", "काला", "कीला", "泥人")
    for k, label in enumerate(labels):
        (tmp_path / "src" / label).mkdir(parents=True)
        Image.new("RGB", (32, 32), (20 * k, 90, 120)).save(tmp_path / "src" / label / "0.png")
    run(script, tmp_path / "src", output=tmp_path / "set")
    names = _class_of(tmp_path / "set")
    assert len(set(names.values())) == len(labels)
    assert [names[label] for label in ("C", "C++", "काला", "कीला", "泥人")] == ["C", "C++", "काला", "कीला", "泥人"]
    told = capsys.readouterr().out
    for label in labels:
        assert (f"class {label!r} is called {names[label]!r}" in told) == (names[label] != label)


def test_every_file_is_accounted_for(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    root, rng = tmp_path / "src", np.random.default_rng(0)
    for label in ("cat", "empty"):
        (root / label).mkdir(parents=True)
    values = {
        "unit.tif": rng.random((40, 40)).astype(np.float32),
        "bytes.tif": rng.integers(0, 256, (40, 40)).astype(np.int32),
        "words.tif": rng.integers(0, 65536, (40, 40)).astype(np.int32),
        "wild.tif": (rng.random((40, 40)) * 1e6).astype(np.float32),
    }
    for name, array in values.items():
        Image.fromarray(array).save(root / "cat" / name)
    for name in ("photo.heic", "drawing.svg", "notes.txt"):
        (root / "cat" / name).write_bytes(b"")
    (root / "cat" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    run(script, root, output=tmp_path / "set", max_bad_share=1.0)
    told = capsys.readouterr().out
    with (tmp_path / "set_account.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert len(rows) == 8
    assert "8 files: 3 taken, of these 3 with other values; 5 left out" in told
    for words in (
        "floats from 0 to 1 scaled",
        "32 bits from 0 to 65535 scaled",
        ".heic is not read: export it as JPEG",
    ):
        assert words in told
    assert "no picture in the folder 'empty'" in told
    assert "src/cat/cut.jpg" in caplog.text  # by its own name, not that of the PNG that it would become
    assert rows["src/cat/wild.tif"]["why"].startswith("values from ")
    for name in ("unit", "bytes", "words"):
        white = {"unit": 1.0, "bytes": 255.0, "words": 65535.0}[name]
        written = np.asarray(Image.open(tmp_path / "set" / rows[f"src/cat/{name}.tif"]["becomes"])).mean()
        assert abs(written - 255 * values[f"{name}.tif"].mean() / white) < 2


def test_help_runs_as_a_script() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--helpfull"],
        capture_output=True,
        text=True,
        cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "/usr/bin:/bin"},
    )
    assert "--source" in done.stdout
    assert "Turns folders of arbitrary pictures" in done.stdout
