"""Arrays in one file as datasets."""

from pathlib import Path

import numpy as np
import pytest

from ich_jax import errors
from ich_jax.config import DataConfig
from ich_jax.data import measure, npz, pipeline

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 12, 12), dtype=np.uint8)
LABELS = np.arange(30) % 3


def _config(path: Path, **fields: object) -> DataConfig:
    return DataConfig(**{"source": "npz", "path": str(path), "size": 12, "channels": 1, **fields})


def _save(tmp_path: Path, **arrays: object) -> Path:
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("key", ["x", "image", "images"])
@pytest.mark.parametrize("label", ["y", "label", "labels"])
def test_names_of_arrays(tmp_path: Path, key: str, label: str) -> None:
    dataset = npz.make(_config(_save(tmp_path, **{key: IMAGES, label: LABELS, "class_names": ["cap", "mug", "pot"]})))
    assert dataset.space.products == ("cap", "mug", "pot")
    assert dataset.space.axes == ("width", "height", "mass")
    assert dataset.n_train + dataset.n_holdout == 30
    batch = dataset.train_images(dataset.n_train)
    assert batch.image.shape == (dataset.n_train, 12, 12, 1)
    for image, product, axes in zip(pipeline.to_uint8(np.asarray(batch.image)), *batch.brief[0:3:2], strict=True):
        (row,) = [i for i in range(30) if np.array_equal(IMAGES[i], image[..., 0])]
        assert product == LABELS[row]
        np.testing.assert_array_equal(axes, measure.measure(pipeline.to_unit(image[None]), np)[0])


def test_labels_are_optional_or_text(tmp_path: Path) -> None:
    assert npz.make(_config(_save(tmp_path, x=IMAGES))).space.products == ("image",)
    assert npz.make(_config(_save(tmp_path, x=IMAGES, y=LABELS))).space.products == ("0", "1", "2")
    named = npz.make(_config(_save(tmp_path, x=IMAGES, y=np.array(["b", "a", "c"])[LABELS])))
    assert named.space.products == ("a", "b", "c")


def test_channels_are_converted_and_axes_can_be_left_out(tmp_path: Path) -> None:
    colour = npz.make(_config(_save(tmp_path, x=IMAGES), channels=3, axes="none"))
    image = np.asarray(colour.train_images(2).image)
    assert image.shape == (2, 12, 12, 3)
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
    assert colour.space.axes == ()
    red = np.zeros((9, 12, 12, 3), np.uint8)
    red[..., 0] = 255
    red[:, 0, 0, 1] = np.arange(9)
    grey = npz.make(_config(_save(tmp_path, x=red)))
    assert (pipeline.to_uint8(np.asarray(grey.train_images(3).image))[:, 1:] == 76).all()


def test_larger_images_are_scaled_by_area(tmp_path: Path) -> None:
    dataset = npz.make(_config(_save(tmp_path, x=IMAGES), size=6))
    expected = {np.rint(i.reshape(6, 2, 6, 2).mean(axis=(1, 3))).astype(np.uint8).tobytes() for i in IMAGES}
    got = pipeline.to_uint8(np.asarray(dataset.train_images(30).image))
    assert {image.tobytes() for image in got} <= expected


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    first = npz.make(_config(_save(tmp_path, x=IMAGES, y=LABELS))).fingerprint
    assert npz.make(_config(_save(tmp_path, image=IMAGES, label=LABELS))).fingerprint == first
    assert npz.make(_config(_save(tmp_path, x=IMAGES, y=LABELS[::-1]))).fingerprint != first
    assert npz.make(_config(_save(tmp_path, x=255 - IMAGES, y=LABELS))).fingerprint != first


@pytest.mark.parametrize(
    ("arrays", "fields", "message"),
    [
        ({"pictures": IMAGES}, {}, r"expected an array named x or image or images, got \['pictures'\]"),
        ({"x": IMAGES / 255.0}, {}, r"array 'x' is float64; expected uint8 .*astype\('uint8'\)"),
        ({"x": IMAGES[0]}, {}, r"shape \(12, 12\); expected \[N, H, W\]"),
        ({"x": IMAGES.reshape(10, 3, 12, 12)}, {}, r"transpose \[N, C, H, W\] with"),
        ({"x": IMAGES[:0]}, {}, "at least one image"),
        (
            {"x": IMAGES},
            {"size": 16},
            r"12x12 px, smaller than the model's 16 px.*set --config.data.size to 12 or",
        ),
        ({"x": IMAGES, "y": LABELS[:-1]}, {}, r"array 'y' has shape \(29,\); expected \(30,\)"),
        ({"x": IMAGES, "y": LABELS / 2}, {}, "array 'y' is float64; expected integers from 0, or names"),
        ({"x": IMAGES, "y": LABELS - 1}, {}, r"y\[0\] is -1, and 9 more .* allowed: 0 to 1"),
        ({"x": IMAGES, "y": LABELS, "class_names": ["a", "b"]}, {}, r"y\[2\] is 2, .* allowed: 0 to 1 \(a, b\)"),
        ({"x": IMAGES, "y": LABELS, "class_names": list("abcd")}, {}, "no image of class d; every class needs one"),
        ({"x": IMAGES, "y": LABELS * 2}, {}, "no image of class 1, 3; every class needs one"),
        (
            {"x": IMAGES, "y": np.array(["cap", "mug", "pto"])[LABELS], "class_names": ["cap", "mug", "pot"]},
            {},
            r"y\[2\] is 'pto'; did you mean 'pot'\?",
        ),
        ({"x": IMAGES, "class_names": ["a", "b"]}, {}, "names 2 classes but holds no labels; add an array y"),
        ({"x": IMAGES}, {"elements": "kind"}, "need the metadata.csv of an image folder"),
        ({"x": IMAGES}, {"axes": "age"}, "config.data.axes='age' names columns"),
    ],
)
def test_bad_arrays_are_named_with_their_repair(
    tmp_path: Path, arrays: dict[str, object], fields: dict[str, object], message: str
) -> None:
    with pytest.raises(errors.DataError, match=message) as caught:
        npz.make(_config(_save(tmp_path, **arrays), **fields))
    assert "set.npz" in str(caught.value)


def test_files_that_are_no_plain_arrays_are_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.DataError, match=r"No \.npz file at .*absent\.npz; correct --config\.data\.path"):
        npz.make(_config(tmp_path / "absent.npz"))
    with pytest.raises(errors.DataError, match=r"it is a folder.*config.data.source=folder"):
        npz.make(_config(tmp_path))
    objects = _save(tmp_path, x=np.array([{}, {}], dtype=object))
    with pytest.raises(errors.DataError, match="Arrays of Python objects are refused"):
        npz.make(_config(objects))
    for content in (b"", b"not a zip", _save(tmp_path, x=IMAGES).read_bytes()[:2000]):
        (tmp_path / "set.npz").write_bytes(content)
        with pytest.raises(errors.DataError, match=r"set\.npz is not a readable \.npz file"):
            npz.make(_config(tmp_path / "set.npz"))
    with (tmp_path / "one.npy").open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(errors.DataError, match=r"one\.npy is not a readable \.npz file"):
        npz.make(_config(tmp_path / "one.npy"))


def test_shared_sets(shared_data: Path) -> None:
    sketches = npz.make(_config(shared_data / "quickdraw_sketches.npz", size=28))
    assert sketches.space.products == ("bowtie", "lollipop", "rainbow", "cat", "train")
    assert sketches.n_train + sketches.n_holdout == 3600
    assert sketches.holdout("test", 50).image.shape == (50, 28, 28, 1)
