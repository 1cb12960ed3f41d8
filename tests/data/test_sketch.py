"""Lines found in pictures, and line art of any ground."""

import io
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from ich_jax import errors
from ich_jax.config import DataConfig
from ich_jax.data import augment, decode, folder, npz, pipeline, procedural, sketch
from ich_jax.data.procedural import renderer


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "PNG")
    return file.getvalue()


def read(data: bytes, size: int = 16) -> sketch.Sketch:
    with decode.decoder_warnings():
        return sketch.read(data, size)


def drawing(side: int = 64, width: int = 2) -> np.ndarray:
    """A square of black lines on white."""
    pixels = np.full((side, side), 255, np.uint8)
    low, high = side // 4, 3 * side // 4
    pixels[low : high + width, low : high + width] = 0
    pixels[low + width : high, low + width : high] = 255
    return pixels


def test_lines_of_an_upright_edge_are_those_of_the_formula() -> None:
    """White to the left, grey 0.4 to the right: ink on the darker side only, alike in every row."""
    image = np.full((1, 6, 8, 1), 1.0, np.float32)
    image[:, :, 4:] = -0.2  # 0.4 in [0, 1]
    page = sketch.derive(image, np)

    def step(sigma: float, distance: int) -> float:
        """A step from 1 to 0.4, blurred, so many pixels right of the first grey one."""
        weights = [math.exp(-(x**2) / (2 * sigma**2)) for x in range(-2, 3)]
        return sum(w * (1.0 if distance + x < 0 else 0.4) for w, x in zip(weights, range(-2, 3), strict=True)) / sum(
            weights
        )

    for column in range(8):
        difference = step(0.5, column - 4) - step(0.8, column - 4)
        wanted = 1.0 - math.tanh(10.0 * max(-difference, 0.0))
        np.testing.assert_allclose(page[0, :, column, 0], wanted, atol=1e-5)
    assert page[0, 0, 4, 0] < sketch.LINE < page[0, 0, 3, 0]
    np.testing.assert_allclose(jax.jit(sketch.derive)(image), page, atol=1e-6)


def test_a_plain_picture_has_no_line_and_colours_of_equal_lightness_have() -> None:
    assert (sketch.derive(np.full((2, 5, 5, 3), -0.7, np.float32), np) == 1.0).all()
    image = np.full((1, 6, 6, 3), -1.0, np.float32)
    image[:, :, :3, 0], image[:, :, 3:, 1] = 1.0, 1.0  # red beside green
    assert (sketch.derive(image, np)[0, :, 2:4, 0] < sketch.LINE).all()


@pytest.mark.parametrize("ground", ["white", "black", "coloured", "transparent", "white on transparent"])
def test_any_ground_gives_the_same_page(ground: str) -> None:
    lines = drawing()
    wanted = read(png(lines))
    assert not wanted.photograph and wanted.ground == "light (#ffffff)"
    if ground == "white":
        found = wanted
    elif ground == "black":
        found = read(png(255 - lines))
        assert found.ground == "dark (#000000)"
    elif ground == "coloured":
        found = read(png(np.where(lines[..., None] > 0, np.uint8([240, 220, 180]), np.uint8([20, 60, 120]))))
        assert found.ground == "light (#f0dcb4)"
    else:
        shade = np.zeros_like(lines) if ground == "transparent" else np.full_like(lines, 255)
        found = read(png(np.stack([shade, shade, shade, 255 - lines], axis=-1)))
        assert found.ground == "what is transparent"
    np.testing.assert_array_equal(found.page, wanted.page)
    assert found.page.shape == (16, 16, 1) and (found.page == 0).any() and (found.page[0] == 255).all()


def test_thin_lines_of_a_large_sketch_stay_black_and_small_sketches_are_enlarged() -> None:
    page = read(png(drawing(640, 3))).page[..., 0]
    assert (page < 64).sum() >= 24  # most of the 32 pixels that the square passes through
    assert read(png(drawing(8, 1)), 32).page.shape == (32, 32, 1)


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_what_is_no_sketch_is_refused_or_told() -> None:
    full = np.zeros((32, 32), np.uint8)
    full[[0, -1]] = full[:, [0, -1]] = 255
    for data, message in (
        (b"", r"empty \(0 bytes\)"),
        (b"no image at all", "no image in any of the formats"),
        (png(drawing())[:60], "damaged"),
        (png(np.full((20, 20), 255, np.uint8)), "blank"),
        (png(np.zeros((20, 20), np.uint8)), "blank"),
        (png(full), "nearly all ink"),
        (png(np.zeros((8000, 7000), np.uint8)), "7000 x 8000 pixels, more than 50 million"),
    ):
        with pytest.raises(errors.DataError, match=message):
            read(data)
    y, x = np.mgrid[:64, :64]
    scene = np.clip(np.stack([3 * y + x, 2 * x + y, 4 * (63 - y)], -1) + noise((64, 64, 1)) // 4, 0, 255)
    found = read(png(scene.astype(np.uint8)))
    assert found.photograph


def test_sketches_move_as_their_pictures() -> None:
    """A picture that is its own ink is augmented like the sketch, whatever `color` does between."""
    keys = jax.random.split(jax.random.key(0), 8)
    ink = np.random.default_rng(1).integers(0, 2, (8, 16, 16, 1)).astype(np.float32)
    moved = jax.jit(augment.make_augment("flip,translation,cutout"))(keys, ink)
    pages = jax.jit(augment.make_augment_sketch("flip,translation,cutout"))(keys, 1.0 - ink)
    np.testing.assert_array_equal(1.0 - pages, moved)
    same_places = jax.jit(augment.make_augment("flip,color,translation"))(keys, np.repeat(ink, 3, axis=3)) != 0
    pages = jax.jit(augment.make_augment_sketch("flip,color,translation"))(keys, 1.0 - ink)
    assert (np.asarray(same_places).any(-1) >= (np.asarray(pages) == 0)[..., 0]).all()
    assert augment.make_augment_sketch("color")(keys, ink) is ink


# ---------------------------------------------------------------- sources


def test_procedural_images_keep_their_pixels_and_gain_their_sketches() -> None:
    drawn, derived = (procedural.make(DataConfig(sketches=sketches)) for sketches in ("given", "derived"))
    plain = procedural.make(DataConfig())
    assert drawn.fingerprint == derived.fingerprint == plain.fingerprint  # the same images, so the same inspector
    assert drawn.space.sketches and derived.space.sketches and not plain.space.sketches
    batch, other = drawn.holdout("test", 6), derived.holdout("test", 6)
    np.testing.assert_array_equal(batch.image, other.image)
    np.testing.assert_array_equal(batch.brief.given, np.ones((6, 10)))
    brief, nuisance = procedural.designs("test", np.arange(6, dtype=np.uint32))
    outlines = renderer.draw_sketch(brief, 32, nuisance.position)
    np.testing.assert_allclose(batch.brief.sketch, outlines, atol=1e-5)
    np.testing.assert_allclose(other.brief.sketch, sketch.derive(np.asarray(batch.image), np), atol=1e-5)
    briefs = drawn.briefs(jax.random.key(0), 3)
    assert briefs.sketch is None
    np.testing.assert_array_equal(briefs.given[:, -1], 0)


def test_folders_with_sketches(
    image_folder: Callable[..., Path],
    configure: Callable[..., DataConfig],
    table: Callable[..., str],
    names: list[str],
) -> None:
    text = table(names, sketch_file_name=lambda i: "" if i == 3 else f"lines/{i % 2}.png")
    root = image_folder(metadata=text)
    (root / "lines").mkdir()
    for i in range(2):
        (root / "lines" / f"{i}.png").write_bytes(png(drawing(32 * (i + 1), 2)))
    dataset = folder.make(configure(root, sketches="given"))
    assert dataset.space.products == ("book", "fan") and dataset.space.sketches
    batch = dataset.train_images(dataset.n_train)
    assert batch.brief.sketch is not None and batch.brief.sketch.shape == (dataset.n_train, 16, 16, 1)
    pages = {page.tobytes() for page in np.asarray(batch.brief.sketch)[np.asarray(batch.brief.given)[:, -1] > 0]}
    wanted = {pipeline_page(read(png(drawing(32 * (i + 1), 2)), 16).page).tobytes() for i in range(2)}
    assert pages == wanted
    sampled = dataset.sample(dataset.arrays, np.arange(dataset.n_train, dtype=np.uint32))  # type: ignore[misc]
    np.testing.assert_array_equal(sampled.brief.sketch, batch.brief.sketch)
    assert folder.make(configure(root)).fingerprint != dataset.fingerprint
    lines = folder.make(configure(root, sketches="derived"))
    assert lines.fingerprint == folder.make(configure(root)).fingerprint
    found = lines.sample(lines.arrays, np.arange(4, dtype=np.uint32))  # type: ignore[misc]
    np.testing.assert_array_equal(found.brief.sketch, sketch.derive(found.image))

    (root / "lines" / "1.png").write_bytes(b"")
    with pytest.raises(errors.DataError, match=r"1 of 2 sketches cannot be used(.|\n)*1.png: .*empty"):
        folder.make(configure(root, sketches="given"))
    (root / "metadata.csv").write_text(table(names, sketch_file_name=lambda i: f"lines/{i}.png"))
    with pytest.raises(
        errors.DataError, match=r"20 cells name no file below(.|\n)*row 4 \(book/02.png\): 'lines/2.png'"
    ):
        folder.make(configure(root, sketches="given"))
    shutil.rmtree(root / "lines")
    (root / "metadata.csv").write_text(table(names, sketch_file_name=lambda i: ""))
    with pytest.raises(errors.DataError, match="every cell is empty"):
        folder.make(configure(root, sketches="given"))
    (root / "metadata.csv").unlink()
    with pytest.raises(errors.DataError, match="column 'sketch_file_name'"):
        folder.make(configure(root, sketches="given"))


def pipeline_page(page: np.ndarray) -> np.ndarray:
    return page.astype(np.float32) * np.float32(1.0 / 255.0)


def test_classes_below_a_folder_of_images(
    image_folder: Callable[..., Path], configure: Callable[..., DataConfig]
) -> None:
    root = image_folder()
    assert root.name == "images"
    below, plain = folder.make(configure(root.parent)), folder.make(configure(root))
    assert below.space == plain.space and below.n_train == plain.n_train


def test_a_set_of_arrays_has_its_lines_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.stack([np.roll(drawing(16, 1), i) for i in range(12)]))
    config = DataConfig(source="npz", path=str(tmp_path / "a.npz"), size=16, channels=1, sketches="derived")
    dataset = npz.make(config)
    batch = dataset.train_images(2)
    assert dataset.space.n_given == batch.brief.given.shape[1] == 5
    np.testing.assert_array_equal(batch.brief.sketch, sketch.derive(np.asarray(batch.image), np))
    host = next(pipeline.make_dataset(_records(config), device_limit_mib=0, workers=0).host_batches(0, 0, 2))  # type: ignore[misc]
    np.testing.assert_array_equal(host.brief.sketch, sketch.derive(np.asarray(host.image), np))


def _records(config: DataConfig) -> pipeline.Records:
    kept: list[pipeline.Records] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz.pipeline, "make_dataset", lambda records, **_: kept.append(records))
        npz.make(config)
    return kept[0]
