"""Image folders: `root/<class>/*.{png,jpg,jpeg,webp}` with an optional `metadata.csv`.

Classes may lie one level down, in `root/images`. Folders that hold the sketches of metadata.csv are no classes.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from absl import logging

from ich_jax import errors
from ich_jax.config import DataConfig, fingerprint
from ich_jax.data import decode, measure, metadata, pipeline, split
from ich_jax.data import sketch as sketch_lib
from ich_jax.data.dataset import Dataset
from ich_jax.types import Brief, DesignSpace

PREPARATION = 1
"""Part of the fingerprint; raise it whenever the same files would give other pixels, briefs or splits."""

_IMAGES = "images"
_PREPARE = "\nscripts/prepare_images.py brings other formats and arrangements into this form, and says what it omits."
_REPORT_EVERY = 5000  # images between log lines while a large set is read

_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclasses.dataclass(frozen=True)
class Folder:
    """The contents of an image folder.

    Attributes:
        root: The folder.
        classes: Names of its class folders, sorted.
        names: Paths of all images below the root, `class/file` or `images/class/file`, sorted.
    """

    root: Path
    classes: tuple[str, ...]
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image file that could be read.

    Attributes:
        name: Path below the root.
        digest: SHA-256 of its bytes.
        pixels: `[size, size, C]` uint8, or None if the file is decoded again when needed.
        axes: `[3]` float32, its measured width, height and mass.
    """

    name: str
    digest: str
    pixels: np.ndarray | None
    axes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Read:
    """The outcome of reading image files.

    Attributes:
        pictures: Usable images.
        bad: A line for each unreadable file: its name and the reason.
        small: Images smaller than required: `{line with name and size: longer side in pixels}`.
        changed: What was done to the values of pictures beyond the usual, by name; see `decode.decode`.
    """

    pictures: list[Picture]
    bad: list[str]
    small: dict[str, int]
    changed: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def make(config: DataConfig) -> Dataset:
    """Makes the dataset of an image folder.

    Every file is read and decoded once before anything else, so that damaged ones are known. Sets within
    `config.device_limit_mib` keep their pixels; images of larger sets are decoded again when a batch needs them.

    Raises:
        DataError: Images or metadata that cannot be used, naming file, row or field and how to repair it.
    """
    folder = scan(Path(config.path))
    table = folder.root / metadata.FILE_NAME
    cells = metadata.read(table, folder.names)
    # Columns are checked before the images: it takes no time, and decoding a large set does.
    metadata.read_elements(cells, folder.names, config.elements, config.keywords, warn=False)
    metadata.read_axes(cells, folder.names, config.axes)
    if config.sketches == "given":
        metadata.read_sketches(cells, folder.names)

    keep = pipeline.fits_device(len(folder.names), config.size, config.channels, config.device_limit_mib)
    pictures = read_pictures(folder, config.size, config.channels, config.max_bad_share, keep=keep)
    names = [picture.name for picture in pictures]
    digests = [picture.digest for picture in pictures]
    product = np.array([folder.classes.index(_class_of(name)) for name in names], np.int32)
    elements, categories, known_elements = metadata.read_elements(cells, names, config.elements, config.keywords)
    axes = metadata.read_axes(cells, names, config.axes)
    if axes is None:
        measured = np.stack([picture.axes for picture in pictures])
        axes = (measure.AXES, measured, np.ones_like(measured))
    axis_names, values, known_axes = axes
    pages, known_pages = None, np.zeros((len(names), 0), np.float32)
    sketch_digests: list[str] = []
    if config.sketches == "given":
        pages, known_pages, sketch_digests = read_sketches(metadata.read_sketches(cells, names), config.size)
    elif config.sketches == "derived":
        known_pages = np.ones((len(names), 1), np.float32)
    given = np.concatenate([np.ones((len(names), 1), np.float32), known_elements, known_axes, known_pages], axis=1)

    brief: tuple[Any, ...] = (product, categories, values, given, pages)  # on the host: numpy where Brief says jax

    def load(rows: np.ndarray) -> np.ndarray:
        if keep:
            return np.stack([pictures[row].pixels for row in rows])
        return np.stack([_decode_file(folder.root, names[row], config.size, config.channels) for row in rows])

    records = pipeline.Records(
        space=DesignSpace(folder.classes, elements, axis_names, sketches=config.sketches != "none"),
        size=config.size,
        channels=config.channels,
        brief=Brief(*brief),
        rows=split.split_rows(product, categories, known_elements, names, digests, config.holdout_share),
        load=load,
        fingerprint=fingerprint(
            [
                PREPARATION,
                list(zip(names, digests, strict=True)),
                hashlib.sha256(table.read_bytes()).hexdigest() if cells.columns else "",
                [config.size, config.channels, config.holdout_share, config.elements, config.axes, config.keywords],
                *([[sketch_lib.PREPARATION, sketch_digests]] if sketch_digests else []),
            ]
        ),
    )
    return pipeline.make_dataset(records, device_limit_mib=config.device_limit_mib, workers=config.workers)


def scan(root: Path) -> Folder:
    """Lists the images of a folder without opening them.

    Hidden files and folders are ignored; other kinds of file inside a class folder are ignored with a warning.

    Raises:
        DataError: The folder is missing or empty, holds images outside a class folder, or has a class without images.
    """
    layout = f"expected {root}/<class>/*{{{','.join(decode.SUFFIXES)}}}"
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        archive = root.suffix == ".npz" and root.exists()
        other = "Set --config.data.source=npz." if archive else "Correct --config.data.path."
        raise errors.DataError(f"The image folder {root} {state}; {layout}. {other}")
    ignored = metadata.sketch_folders(root / metadata.FILE_NAME)
    entries = [entry for entry in root.iterdir() if not entry.name.startswith(".") and entry.name not in ignored]
    prefix = ""
    if [entry.name for entry in entries if entry.is_dir()] == [_IMAGES] and not any(map(_is_image, entries)):
        inside = list((root / _IMAGES).iterdir())
        if any(entry.is_dir() for entry in inside) and not any(map(_is_image, inside)):
            prefix, entries = f"{_IMAGES}/", [entry for entry in inside if not entry.name.startswith(".")]
    entries.sort(key=lambda entry: entry.name)
    classes = tuple(entry.name for entry in entries if entry.is_dir() and entry.name != "__MACOSX")
    faults = [
        f"{root}: the class folder {errors.abbreviated(label)} has control characters or bytes that are not UTF-8 "
        "in its name, which can neither be printed nor drawn; rename it."
        for label in classes
        if not errors.clean(label)
    ]
    stray = [entry.name for entry in entries if _is_image(entry)]
    if stray:
        faults.append(
            f"{root} holds {len(stray)} images outside any class folder:{metadata.list_some(stray)}\n{layout}. Move "
            f"them into a folder named after their class, for example {root / 'all'} for a set without classes."
        )
    if not classes and not stray:
        raise errors.DataError(f"The image folder {root} is empty: no class folder in it; {layout}.{_PREPARE}")
    names, others = [], []
    for label in classes:
        inside = sorted((e for e in (root / prefix / label).iterdir() if e.name[0] != "."), key=lambda e: e.name)
        images = [f"{prefix}{label}/{entry.name}" for entry in inside if _is_image(entry)]
        others += (unread := [f"{label}/{entry.name}" for entry in inside if entry.is_file() and not _is_image(entry)])
        fault = _class_fault(root, label, layout, images, [entry.name for entry in inside if entry.is_dir()], unread)
        faults += [fault] if fault else []
        names += images
    if faults:
        raise errors.DataError("\n".join(faults) + _PREPARE)
    if others:
        logging.warning("%s: ignored %d files that are not images:%s", root, len(others), metadata.list_some(others))
    return Folder(root, classes, tuple(names))


def _class_fault(
    root: Path, label: str, layout: str, images: Sequence[str], folders: Sequence[str], others: Sequence[str]
) -> str:
    """Returns what is wrong with a class folder, or nothing."""
    if images and folders:
        return (
            f"{root / label} holds images and the folders {', '.join(folders[:5])}; {layout}. Move the folders "
            "away or up to where the classes are."
        )
    if images:
        return ""
    inner = ""
    if folders:
        inner = f" It holds the folders {', '.join(folders[:5])}; is {root / label} the folder you mean?"
    elif others:
        kinds = sorted({Path(name).suffix.lower() or "no suffix" for name in others})
        inner = f" It holds {len(others)} files that are not read ({', '.join(kinds[:5])}): convert pictures to PNG."
    return f"The class folder {root / label} has no image; {layout}. Add images or remove the folder.{inner}"


def read_pictures(folder: Folder, size: int, channels: int, max_bad_share: float, *, keep: bool) -> list[Picture]:
    """Reads every image of a folder once and leaves out the few that cannot be read.

    Args:
        folder: The images.
        size: Height and width to scale them to.
        channels: 3 or 1.
        max_bad_share: Up to this share, unreadable images are left out with a warning; more are an error.
        keep: Whether the pictures keep their pixels.

    Raises:
        DataError: Too many images are unreadable, a class has no readable one, or images are smaller than `size`; all
            are listed.
    """
    files = [(name, folder.root / name) for name in folder.names]
    read = read_files(files, size, channels, keep=keep)
    faults = []
    if read.small:
        faults.append(
            f"{folder.root}: {len(read.small)} of {len(files)} images are smaller than the model's {size} px on their "
            f"longer side, and are not enlarged:{metadata.list_some(list(read.small))}\nSet --config.data.size to "
            f"{min(read.small.values())} or less, or replace or remove these files."
        )
    if read.bad:
        share = len(read.bad) / len(files)
        report = f"{folder.root}: {len(read.bad)} of {len(files)} images ({share:.2%}) cannot be read"
        if share > max_bad_share:
            faults.append(
                f"{report}, allowed are up to {max_bad_share:.2%}:{metadata.list_some(read.bad)}\nReplace or remove "
                "these files, or raise --config.data.max_bad_share to continue without them."
            )
        elif not faults:
            logging.warning("%s:\n  %s\nThe run continues without them.", report, "\n  ".join(read.bad))
    if faults:
        raise errors.DataError("\n".join(faults) + _PREPARE)
    remaining = {_class_of(picture.name) for picture in read.pictures}
    for label in folder.classes:
        if label not in remaining:
            raise errors.DataError(
                f"The class folder {folder.root / label} has no readable image; replace its files or remove the folder."
            )
    return read.pictures


def read_sketches(files: Sequence[Path | None], size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Reads the sketches of N images, in threads; several images may share one.

    Returns:
        Pages `[N, size, size, 1]` uint8, blank where there is no sketch, whether there is one `[N, 1]` float32, and the
        SHA-256 of each file, empty where there is none.

    Raises:
        DataError: Sketches that cannot be used, all of them listed.
    """
    pages = np.full((len(files), size, size, 1), 255, np.uint8)
    known = np.zeros((len(files), 1), np.float32)
    digests, bad, photographs = [""] * len(files), [], []
    rows: dict[Path, list[int]] = {}
    for i, file in enumerate(files):
        if file is not None:
            rows.setdefault(file, []).append(i)

    def read(file: Path) -> tuple[str, sketch_lib.Sketch] | str:
        try:
            data = file.read_bytes()
            return hashlib.sha256(data).hexdigest(), sketch_lib.read(data, size)
        except (OSError, errors.DataError) as error:
            return f"{file}: {error}"

    with decode.decoder_warnings():
        for file, outcome in zip(rows, _map_threads(read, list(rows)), strict=True):
            if isinstance(outcome, str):
                bad.append(outcome)
                continue
            digest, sketch = outcome
            if sketch.photograph:
                photographs.append(str(file))
            for i in rows[file]:
                pages[i], known[i], digests[i] = sketch.page, 1.0, digest
    if bad:
        raise errors.DataError(
            f"{len(bad)} of {len(rows)} sketches cannot be used:{metadata.list_some(bad)}\nReplace these files, or "
            f"empty their cells of {metadata.SKETCH}."
        )
    if photographs:
        logging.warning(
            "%d of %d sketches are no line art; lines were found in them:%s",
            len(photographs),
            len(rows),
            metadata.list_some(photographs),
        )
    return pages, known, digests


def read_files(
    files: Sequence[tuple[str, Path]],
    size: int,
    channels: int,
    *,
    keep: bool,
    formats: tuple[str, ...] = decode.FORMATS,
) -> Read:
    """Reads, decodes and measures image files, in threads.

    Args:
        files: Name and path of each.
        size: Height and width to scale them to.
        channels: 3 or 1.
        keep: Whether the pictures keep their pixels.
        formats: Pillow's names of the formats that are read.
    """
    result = Read([], [], {})

    def read(file: tuple[str, Path]) -> Picture | str | tuple[str, int]:
        name, path = file
        try:
            data = path.read_bytes()
            said: list[str] = []
            pixels = decode.decode(data, channels, formats, said)
            if said:
                result.changed[name] = said
        except (OSError, errors.DataError) as error:
            return f"{name}: {error}"
        height, width, _ = pixels.shape
        if max(height, width) < size:
            return f"{name}: {width}x{height} px", max(height, width)
        pixels = decode.fit_square(pixels, size)
        axes = measure.measure(pipeline.to_unit(pixels[None]), np)[0]
        return Picture(name, hashlib.sha256(data).hexdigest(), pixels if keep else None, axes)

    with decode.decoder_warnings():
        for i, outcome in enumerate(_map_threads(read, files)):
            if isinstance(outcome, Picture):
                result.pictures.append(outcome)
            elif isinstance(outcome, str):
                result.bad.append(outcome)
            else:
                line, side = outcome
                result.small[line] = side
            if (i + 1) % _REPORT_EVERY == 0:
                logging.info("Read %d of %d images.", i + 1, len(files))
    return result


def _class_of(name: str) -> str:
    return name.split("/")[-2]


def _is_image(entry: Path) -> bool:
    return entry.suffix.lower() in decode.SUFFIXES and entry.is_file()


def _decode_file(root: Path, name: str, size: int, channels: int) -> np.ndarray:
    try:
        return decode.fit_square(decode.decode((root / name).read_bytes(), channels), size)
    except (OSError, errors.DataError) as error:
        raise errors.DataError(f"{root / name} was readable when the run started and is not now: {error}") from error


def _map_threads(fn: Callable[[_T], _U], items: Sequence[_T]) -> Iterator[_U]:
    """Applies fn in threads, in order; decoders release the interpreter lock."""
    block = 1024  # bounds the results that wait in memory
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for start in range(0, len(items), block):
            yield from pool.map(fn, items[start : start + block])
