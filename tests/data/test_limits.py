"""Size that follows a number in an input is bounded before memory is taken, and every fault has a message."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ich_jax import config as config_lib
from ich_jax import errors
from ich_jax.config import BenefitConfig, DataConfig, InterferenceConfig
from ich_jax.data import archive, decode, folder, metadata, npz
from ich_jax.econometrics import holidays
from ich_jax.studies import console
from ich_jax.studies.benefit import daily, reading, spreadsheet
from ich_jax.studies.kansei import files
from ich_jax.training import checkpoint_files
from tests import helpers

# ---------------------------------------------------------------- configs


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("evaluation__feature_seeds", 2**64),
        ("evaluation__feature_seeds", 10**400),
        ("evaluation__n_designs", 10**7),
        ("train__batch", 2**21),
        pytest.param("train__steps", 10**5000, id="train__steps of 5000 digits"),
        ("loop__log_every", 10**18),
        ("generator__widths", (4, 10**6)),
        ("generator__z_dim", 10**9),
        ("inspector__batch", 10**9),
        ("data__workers", 1000),
        ("data__size", 2**20),
    ],
)
def test_a_run_is_refused_what_it_cannot_need(field: str, value: Any) -> None:
    with pytest.raises(errors.ConfigError, match=rf"{field.replace('__', '[.]')}.*is of no use here") as caught:
        helpers.resolve(**{field: value})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("cls", "section", "name", "value"),
    [
        pytest.param(BenefitConfig, "plan", "ramp_days", 10**400, id="ramp_days"),
        pytest.param(BenefitConfig, "plan", "horizon_days", 10**400, id="horizon_days"),
        (InterferenceConfig, "pulse", "share", 1e308),
        (InterferenceConfig, "pulse", "n", 10**9),
    ],
)
def test_studies_are_refused_it_too(cls: type, section: str, name: str, value: Any) -> None:
    with pytest.raises(errors.ConfigError, match=rf"--config\.{section}\.{name}: got "):
        config_lib.resolve({section: {name: value}}, cls)


@pytest.mark.parametrize("seed", [2**32, 2**63, 2**64, 10**400, pytest.param(10**5000, id="huge"), -1, True, 1.5])
def test_seeds_that_repeat_others_are_refused(seed: Any) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        helpers.resolve(seed=seed)
    assert "--config.seed: got " in str(caught.value)
    assert len(str(caught.value)) < 300


def test_long_values_are_abbreviated() -> None:
    assert errors.abbreviated("ab") == "'ab'"
    assert errors.abbreviated("x" * 1000) == f"'{'x' * 39}...xxxxxxxxx' (1,002 characters)"
    assert errors.abbreviated(10**5000) == "a number of 16610 bits"
    with pytest.raises(errors.ConfigError, match="n: got 1000"):
        errors.require_within(10**400, 0, 10, "n")
    errors.require_within(10**400, 0, float("inf"), "n")


# ---------------------------------------------------------------- command lines


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    given = ["train.py", "--workdir=~/runs", "--merge_from=~/a,~/b,c~/d", "--output=~", "--brief=a=~b", "~/x"]
    assert console.expand_home(given) == [
        "train.py", "--workdir=/home/me/runs", "--merge_from=/home/me/a,/home/me/b,c~/d", "--output=/home/me",
        "--brief=a=~b", "~/x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "word",
    ["--workdir=", "--workdir= ", "--config.data.path=" + "a" * 300, "--checkpoint=" + "a/" * 3000, "--images=a\0b"],
)
def test_names_that_no_file_can_have_are_refused(word: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        console.check_paths(["train.py", word])
    assert word.split("=")[0] in str(caught.value) and len(str(caught.value)) < 250


def test_other_flags_and_good_names_pass() -> None:
    console.check_paths(["train.py", "--brief=" + "x" * 500, "--workdir=runs/a", "--workdir", "--config.data.path="])


# ---------------------------------------------------------------- archives


def _member(path: Path, name: str, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, data)
    return path


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_arrays_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(6).reshape(2, 3), y=np.array(["a", "b"]), z=np.float64(2.5))
    assert archive.listed(tmp_path / "a.npz") == ["x", "y", "z"]
    found = archive.read(tmp_path / "a.npz", ("x", "z", "w"))
    assert list(found) == ["x", "z"]
    np.testing.assert_array_equal(found["x"], [[0, 1, 2], [3, 4, 5]])
    assert float(found["z"]) == 2.5


def test_more_than_memory_is_refused_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10_000, np.uint8))
    monkeypatch.setattr(archive, "LARGEST", 1000)
    with pytest.raises(errors.DataError, match="of which this machine can hold"):
        archive.read(tmp_path / "a.npz")
    assert archive.read(tmp_path / "a.npz", ("y",)) == {}  # what is not needed costs nothing


@pytest.mark.parametrize("kind", ["header", "objects", "no array", "encrypted", "no zip", "truncated"])
def test_odd_members_are_refused_with_a_reason(kind: str, tmp_path: Path) -> None:
    whole, path = _npy(np.zeros(100, np.uint8)), tmp_path / "a.npz"
    if kind == "header":
        _member(path, "x.npy", whole.replace(b"(100,)", b"(999,)"))
    elif kind == "objects":
        np.savez(path, x=np.array([None, 1], object))
    elif kind == "no array":
        _member(path, "x.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((\n")
    elif kind == "encrypted":
        data = bytearray(_member(path, "x.npy", whole).read_bytes())
        data[data.index(b"PK\x01\x02") + 8] |= 1  # the mark of encryption
        data[6] |= 1
        path.write_bytes(data)
    else:
        path.write_bytes(b"text" if kind == "no zip" else _member(path, "x.npy", whole).read_bytes()[:150])
    with pytest.raises(errors.DataError) as caught:
        archive.read(path)
    assert 3 < len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 2_000_000_000, 1], "the largest of 'y' is 2000000000, but 3 images can be of 3 classes at most"),
        ([0, 1, 3], "allowed are 0 to 2"),
        ([0, 2, 2], "no image of class 1"),
    ],
)
def test_labels_take_no_memory(labels: list[int], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 4, 4), np.uint8), y=np.array(labels))
    with pytest.raises(errors.DataError, match=words) as caught:
        npz.make(DataConfig(source="npz", path=str(tmp_path / "a.npz"), size=4))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("names", [["a", "b\x1b[31m"], ["a", "a"], [["a", "b"]], ["a"] * 9, [1, 2]])
def test_odd_class_names_are_refused(names: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 4, 4), np.uint8), y=np.array([0, 1, 1]), class_names=np.array(names))
    with pytest.raises(errors.DataError) as caught:
        npz.make(DataConfig(source="npz", path=str(tmp_path / "a.npz"), size=4))
    assert errors.clean(str(caught.value).replace("\n", ""))


# ---------------------------------------------------------------- images and tables


def test_the_side_of_an_image_is_bounded_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.new("L", (40, 1)).save(buffer, "PNG")
    assert decode.decode(buffer.getvalue(), 1).shape == (1, 40, 1)
    monkeypatch.setattr(decode, "MAX_SIDE", 39)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(errors.DataError, match="40x1 px, a side of more than 39; scale it down first"):
        decode.decode(buffer.getvalue(), 1)


def test_columns_are_counted_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_COLUMNS", 3)
    monkeypatch.setattr(spreadsheet, "MAX_COLUMNS", 3)
    (tmp_path / "metadata.csv").write_text("file_name,a,b,c\n")
    with pytest.raises(errors.DataError, match="4 columns, allowed are 3"):
        metadata.read(tmp_path / "metadata.csv", ["a/b.png"])
    with pytest.raises(errors.DataError, match="4 columns, allowed are 3"):
        reading.load_daily(tmp_path / "metadata.csv")


@pytest.mark.parametrize("read", [holidays.load_calendar, reading.load_daily, files._read])
def test_a_cell_without_end_has_a_message(read: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('date,holiday\n2025-01-01,"' + "x" * 140_000 + '"\n')
    with pytest.raises(errors.DataError, match=r"cannot be read|no column") as caught:
        read(tmp_path / "a.csv")
    assert len(str(caught.value)) < 400


def test_control_characters_reach_neither_terminal_nor_figures(
    image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root" / "ca\x1bt").mkdir(parents=True)
    image_file.rename(tmp_path / "root" / "ca\x1bt" / "a.png")
    with pytest.raises(errors.DataError, match=r"'ca\\x1bt' has control characters"):
        folder.scan(tmp_path / "root")
    (tmp_path / "metadata.csv").write_text("file_name,element_kind\na/b.png,red\x07\n")
    with pytest.raises(errors.DataError, match=r"row 2, column 'element_kind': 'red\\x07' holds control"):
        metadata.read(tmp_path / "metadata.csv", ["a/b.png"])


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_template_that_cannot_be_written_has_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.WorkdirError, match="Cannot write"):
        daily.write_template(tmp_path / "file" / "sales.csv")
    daily.write_template(tmp_path / "new" / "sales.csv")
    assert reading.load_daily(tmp_path / "new" / "sales.csv").products == ("figurine",)


@pytest.mark.parametrize("name", ["²", "٣", "007", "9" * 40, "1.damaged", "-1"])
def test_folders_with_odd_names_are_no_checkpoints(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "12").mkdir()
    assert checkpoint_files.steps(tmp_path) == [12]
