"""Image folders as datasets."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ich_jax.config import DataConfig
from ich_jax.data import folder, pipeline
from ich_jax.data.dataset import Dataset
from ich_jax.types import Batch, Element
from tests.helpers import assert_trees_equal

Make = Callable[..., Path]
Configure = Callable[..., DataConfig]


def everything(dataset: Dataset) -> Batch:
    """Returns all images of a dataset, ordered by their pixels and therefore comparable."""
    parts = [dataset.train_images(dataset.n_train), *(dataset.holdout(s, 1000) for s in ("validation", "test"))]
    batch = jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *parts)
    order = np.lexsort((batch.image.mean(axis=(1, 2, 3)), batch.brief.product))
    return jax.tree.map(lambda leaf: leaf[order], batch)


def test_classes_are_products_and_axes_are_measured(image_folder: Make, configure: Configure) -> None:
    dataset = folder.make(configure(image_folder()))
    assert dataset.space.products == ("book", "fan")
    assert dataset.space.elements == ()
    assert dataset.space.axes == ("width", "height", "mass")
    assert (dataset.size, dataset.channels, dataset.simulated) == (16, 3, False)
    assert dataset.n_train + dataset.n_holdout == 22
    batch = everything(dataset)
    for c, n in enumerate((12, 10)):
        rows = batch.brief.product == c
        assert rows.sum() == n
        widths = sorted(2 + i % 12 for i in range(n))
        np.testing.assert_allclose(sorted(batch.brief.axes[rows, 0]), [6 * w / 16 - 3 for w in widths])
        np.testing.assert_allclose(batch.brief.axes[rows, 1], 6 * (4 + 3 * c) / 16 - 3)
    assert (batch.brief.given == 1).all()
    assert batch.brief.given.shape == (22, 4)


def test_a_single_class_and_every_suffix(tmp_path: Path, configure: Configure) -> None:
    (tmp_path / "all").mkdir()
    for i, suffix in enumerate((".png", ".jpg", ".jpeg", ".webp", ".PNG", ".JPG")):
        Image.new("RGB", (16, 16), (40 * i, 0, 0)).save(tmp_path / "all" / f"{i}{suffix}")
    (tmp_path / "all" / ".hidden.png").write_bytes(b"")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    dataset = folder.make(configure(tmp_path))
    assert dataset.space.products == ("all",)
    assert dataset.n_train + dataset.n_holdout == 6


def test_grey_and_smaller_models(image_folder: Make, configure: Configure) -> None:
    dataset = folder.make(configure(image_folder(size=32), size=16, channels=1))
    assert dataset.train_images(3).image.shape == (3, 16, 16, 1)


def test_prefixed_columns_become_elements_and_axes(
    image_folder: Make, configure: Configure, table: Callable[..., str], names: list[str]
) -> None:
    text = table(
        names,
        element_kind=lambda i: ("line", "colour", "")[i % 3],
        axis_age=lambda i: "" if i == 4 else i / 10 - 1.05,
        note=lambda i: "ignored",
    )
    dataset = folder.make(configure(image_folder(metadata=text)))
    assert dataset.space.elements == (Element("kind", ("colour", "line")),)
    assert dataset.space.axes == ("age",)
    batch = everything(dataset)
    by_age = {
        round(float(a), 4): (int(e), g.tolist())
        for a, (e,), g in zip(batch.brief.axes[:, 0], batch.brief.elements, batch.brief.given, strict=True)
    }
    for i in range(22):
        if i == 4:
            continue
        category, given = by_age[round(i / 10 - 1.05, 4)]
        assert given == [1, float(i % 3 != 2), 1]
        assert category == (1, 0, 0)[i % 3]  # an open cell holds a valid category too
    assert (batch.brief.given[:, 2] == 0).sum() == 1


def test_named_columns_with_or_without_prefix_and_none(
    image_folder: Make, configure: Configure, table: Callable[..., str], names: list[str]
) -> None:
    text = table(names, kind=lambda i: i % 2, element_age=lambda i: i % 3, depth=lambda i: 0.5)
    root = image_folder(metadata=text)
    space = folder.make(configure(root, elements="kind, age", axes="depth")).space
    assert space.elements == (Element("kind", ("0", "1")), Element("age", ("0", "1", "2")))
    assert space.axes == ("depth",)
    assert folder.make(configure(root)).space.elements == (Element("age", ("0", "1", "2")),)
    bare = folder.make(configure(root, elements="none", axes="none"))
    assert bare.space.elements == ()
    assert bare.space.axes == ()
    assert bare.train_images(2).brief.given.shape == (2, 1)


def test_measured_axes_can_be_asked_for_beside_columns(
    image_folder: Make, configure: Configure, table: Callable[..., str], names: list[str]
) -> None:
    root = image_folder(metadata=table(names, axis_age=lambda i: 0))
    assert folder.make(configure(root, axes="measured")).space.axes == ("width", "height", "mass")


def test_frequent_keywords_become_elements(
    image_folder: Make, configure: Configure, table: Callable[..., str], names: list[str]
) -> None:
    # `every` is on all that have keywords and says nothing; `gold` (11) and `Cloud` (7) follow; cells of 3 are empty.
    words = [
        ";".join(["every"] + ["gold"] * (i % 2 == 0) + [" Cloud "] * (i % 3 == 0) + [f"own{i}"]) for i in range(22)
    ]
    for i in (1, 5, 7):
        words[i] = ""
    dataset = folder.make(configure(image_folder(metadata=table(names, keywords=lambda i: words[i])), keywords=2))
    states = ("absent", "present")
    assert dataset.space.elements == (Element("keyword_gold", states), Element("keyword_cloud", states))
    batch = everything(dataset)
    assert batch.brief.elements.sum(axis=0).tolist() == [11, 8]
    assert (batch.brief.given[:, 1] == 0).sum() == (batch.brief.given[:, 2] == 0).sum() == 3


def test_spreadsheet_habits_are_understood(image_folder: Make, configure: Configure, names: list[str]) -> None:
    rows = [f'".\\{name.replace("/", chr(92))}", {i % 2} ,"a, b"' for i, name in enumerate(names)]
    root = image_folder()
    text = "\r\n".join(["\ufefffile_name, element_kind ,note", *rows, "", ",,"])
    (root / "metadata.csv").write_bytes(text.encode())
    assert folder.make(configure(root)).space.elements == (Element("kind", ("0", "1")),)


def test_large_sets_are_decoded_lazily_into_the_same_batches(
    image_folder: Make, configure: Configure, table: Callable[..., str], names: list[str]
) -> None:
    root = image_folder(metadata=table(names, element_kind=lambda i: i % 2))
    small = folder.make(configure(root))
    large = folder.make(configure(root, device_limit_mib=0))
    assert large.sample is None
    assert small.fingerprint == large.fingerprint
    sample = jax.jit(small.sample)
    stream = large.host_batches(5, 3, 8)
    for step in range(3, 9):
        host = jax.tree.map(np.asarray, next(stream))
        index = pipeline.batch_indices(pipeline.data_key(5), jnp.int32(step), 8, small.n_train)
        assert_trees_equal(host, jax.tree.map(np.asarray, sample(small.arrays, index)))
    assert_trees_equal(small.holdout("test", 9), large.holdout("test", 9))


def test_fingerprint_follows_contents_metadata_and_preparation(
    image_folder: Make, configure: Configure, table: Callable[..., str], names: list[str]
) -> None:
    root = image_folder(metadata=table(names, element_kind=lambda i: i % 2))
    first = folder.make(configure(root)).fingerprint
    assert folder.make(configure(root, workers=3)).fingerprint == first
    prints = {first, folder.make(configure(root, channels=1)).fingerprint}
    prints.add(folder.make(configure(root, holdout_share=0.5)).fingerprint)
    prints.add(folder.make(configure(root, elements="none")).fingerprint)
    (root / "metadata.csv").write_text(table(names, element_kind=lambda i: i % 3))
    prints.add(folder.make(configure(root)).fingerprint)
    (root / "metadata.csv").unlink()
    prints.add(folder.make(configure(root)).fingerprint)
    Image.new("RGB", (16, 16), "red").save(root / "book" / "00.png")
    prints.add(folder.make(configure(root)).fingerprint)
    assert len(prints) == 7


def test_few_bad_files_are_left_out_and_listed(
    image_folder: Make, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    root = image_folder()
    (root / "book" / "03.png").write_bytes(b"")
    (root / "fan" / "04.png").write_bytes((root / "fan" / "04.png").read_bytes()[:60])
    dataset = folder.make(configure(root, max_bad_share=0.1))
    assert dataset.n_train + dataset.n_holdout == 20
    assert "2 of 22 images (9.09%) cannot be read" in caplog.text
    assert "book/03.png: the file is empty (0 bytes)" in caplog.text
    assert "fan/04.png: damaged" in caplog.text
    assert "The run continues without them" in caplog.text


def test_other_files_are_passed_over_with_a_warning(
    image_folder: Make, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    root = image_folder()
    (root / "book" / "notes.txt").write_text("hello")
    folder.make(configure(root))
    assert "ignored 1 files that are not images" in caplog.text
    assert "book/notes.txt" in caplog.text


def test_shared_icons_with_kind_and_keywords(shared_data: Path) -> None:
    dataset = folder.make(
        DataConfig(source="folder", path=str(shared_data / "icons4"), size=32, elements="kind", keywords=4)
    )
    assert dataset.space.products == ("book", "earrings", "fan", "figurine")
    assert dataset.space.elements[0] == Element("kind", ("colour", "sketch"))
    assert len(dataset.space.elements) == 5
    assert dataset.n_train + dataset.n_holdout == 628
    batch = jax.jit(dataset.sample)(dataset.arrays, jnp.arange(64, dtype=jnp.uint32))
    assert batch.image.shape == (64, 32, 32, 3)
    assert float(batch.image.max()) == 1.0  # the white ground
