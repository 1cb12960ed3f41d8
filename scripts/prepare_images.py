"""Turns folders of arbitrary pictures into an image folder that `config.data.source=folder` reads.

    python scripts/prepare_images.py --source=photos --output=prepared --size=64
    python scripts/prepare_images.py --source=fan=scans/fans --source=book=scans/books --output=prepared

A plain source is searched at any depth: its first level of folders are the classes, and pictures directly inside it
form a class named after the source. `class=folder` puts everything below that folder into one class. Pictures (PNG,
JPEG, WebP, GIF, BMP, TIFF) are composited over white, scaled by area with their aspect kept, and written as PNG to
`output/<class>/`, with a `metadata.csv` of their origins and measured axes; the columns of a `metadata.csv`
in a source are carried over. A contact sheet is written beside the output as `<output>_sheet.png`.

Every picture is checked before anything is written, and the output appears only when it is complete.
"""

if __name__ == "__main__":
    from ich_jax.perf import memory

    memory.set_up()

import csv
import dataclasses
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags, logging
from PIL import Image, ImageDraw

from ich_jax import errors, workdir
from ich_jax.data import decode, folder, measure, metadata
from ich_jax.studies.console import expand_home

_SOURCES = flags.DEFINE_multi_string("source", [], "Folder of pictures, or class=folder; may be repeated.")
_OUTPUT = flags.DEFINE_string("output", "", "Image folder to make; must not exist.")
_SIZE = flags.DEFINE_integer("size", 64, "Height and width of the pictures that are written.", lower_bound=4)
_MAX_BAD_SHARE = flags.DEFINE_float(
    "max_bad_share",
    0.01,
    "Pictures that cannot be read or are smaller than --size are left out up to this share; 1 leaves out any number.",
    lower_bound=0.0,
    upper_bound=1.0,
)

SUFFIXES = (*decode.SUFFIXES, ".gif", ".bmp", ".tif", ".tiff")
FORMATS = (*decode.FORMATS, "GIF", "BMP", "TIFF")
SHEET_COLUMNS = 16
LABEL_WIDTH = 112


@dataclasses.dataclass(frozen=True)
class Original:
    """A picture as it was found.

    Attributes:
        path: The file.
        name: `class/file.png` that it becomes.
        cells: Its row in the source's metadata.csv.
    """

    path: Path
    name: str
    cells: dict[str, str]


def main(argv: Sequence[str]) -> None:
    """Prepares the sources that the flags name."""
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected arguments {argv[1:]}; name folders with --source=FOLDER.")
    if not _SOURCES.value or not _OUTPUT.value:
        raise app.UsageError("State at least one --source=FOLDER and --output=FOLDER.")
    try:
        prepare(_SOURCES.value, Path(_OUTPUT.value), _SIZE.value, _MAX_BAD_SHARE.value)
    except errors.IchJaxError as error:
        sys.exit(f"error: {error}")


def prepare(sources: Sequence[str], output: Path, size: int, max_bad_share: float) -> None:
    """Reads, checks and writes all pictures.

    Args:
        sources: Values of --source.
        output: The image folder to make.
        size: Height and width of the pictures.
        max_bad_share: Share of pictures that may be left out.

    Raises:
        DataError: A source without pictures, or too many pictures that cannot be used; nothing has been written.
        WorkdirError: The output exists or cannot be written.
    """
    if output.exists():
        raise errors.WorkdirError(f"{output} exists; choose another --output, or remove it first.")
    originals = {original.name: original for original in find(sources)}
    read = folder.read_files([(n, o.path) for n, o in originals.items()], size, 3, keep=True, formats=FORMATS)
    refused = [*read.bad, *(f"{line}, smaller than --size={size}" for line in read.small)]
    if refused:
        report = f"{len(refused)} of {len(originals)} pictures cannot be used:{metadata.list_some(refused)}"
        if len(refused) > max_bad_share * len(originals) or not read.pictures:
            raise errors.DataError(
                f"{report}\nAllowed: a share of {max_bad_share:g}. Replace or remove them, lower --size, or leave them "
                "out with a larger --max_bad_share."
            )
        logging.warning("%s\nThey are left out.", report)
    sheet = output.parent / f"{output.name}_sheet.png"
    try:
        write(output, read.pictures, originals)
        draw_sheet(read.pictures).save(sheet)
    except OSError as error:
        raise errors.WorkdirError(workdir.explain(error, output)) from error
    classes = {picture.name.split("/")[0] for picture in read.pictures}
    print(f"Image folder {output}, contact sheet {sheet}")
    print(f"summary: images={len(read.pictures)} classes={len(classes)} left_out={len(refused)} size={size}")


def find(sources: Sequence[str]) -> list[Original]:
    """Lists the pictures of all sources with their new names."""
    listed: list[Original] = []
    taken: set[str] = set()
    for source in sources:
        label, separator, path = source.partition("=")
        root = Path(path if separator else source)
        if not root.is_dir():
            raise errors.DataError(
                f"--source={source}: {root} is no folder; give --source=FOLDER or --source=class=FOLDER."
            )
        relative = [file.relative_to(root) for file in sorted(root.rglob("*")) if file.suffix.lower() in SUFFIXES]
        relative = [file for file in relative if not any(part.startswith((".", "__MACOSX")) for part in file.parts)]
        if not relative:
            raise errors.DataError(f"--source={source}: no picture below {root}; allowed: {', '.join(SUFFIXES)}.")
        cells = metadata.read(root / metadata.FILE_NAME, [file.as_posix() for file in relative]).cells
        for file in relative:
            inner = file.parts if separator or len(file.parts) == 1 else file.parts[1:]
            group = label if separator else file.parts[0] if len(file.parts) > 1 else root.resolve().name
            stem = f"{_plain(group)}/{_plain('_'.join([*inner[:-1], file.stem]))}"
            name, n = f"{stem}.png", 1
            while name.lower() in taken:  # a.jpg beside a.png, or file systems that ignore case
                n += 1
                name = f"{stem}_{n}.png"
            taken.add(name.lower())
            listed.append(Original(root / file, name, cells.get(file.as_posix(), {})))
    return listed


def _plain(name: str) -> str:
    """Returns a name that every file system accepts and that does not hide the file."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "picture"


def write(output: Path, pictures: Sequence[folder.Picture], originals: dict[str, Original]) -> None:
    """Writes the image folder aside and renames it when it is complete."""
    output.parent.mkdir(parents=True, exist_ok=True)
    carried = dict.fromkeys(column for o in originals.values() for column in o.cells if column != "file_name")
    aside = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    try:
        rows = []
        for picture in pictures:
            path = aside / picture.name
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(_pixels(picture)).save(path)
            axes = {f"axis_{axis}": f"{value:.4f}" for axis, value in zip(measure.AXES, picture.axes, strict=True)}
            original = originals[picture.name]
            rows.append({**axes, **original.cells, "original": str(original.path), "file_name": picture.name})
        columns = dict.fromkeys(["file_name", *(f"axis_{axis}" for axis in measure.AXES), *carried, "original"])
        with (aside / metadata.FILE_NAME).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        aside.chmod(0o755)  # mkdtemp makes folders for their owner alone
        aside.rename(output)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _pixels(picture: folder.Picture) -> np.ndarray:
    assert picture.pixels is not None  # pictures are prepared with their pixels kept
    return picture.pixels


def draw_sheet(pictures: Sequence[folder.Picture]) -> Image.Image:
    """Draws one row per class, its pictures taken evenly over the class."""
    classes: dict[str, list[folder.Picture]] = {}
    for picture in pictures:
        classes.setdefault(picture.name.split("/")[0], []).append(picture)
    size = _pixels(pictures[0]).shape[0]
    cell = size + 4
    sheet = Image.new("RGB", (LABEL_WIDTH + SHEET_COLUMNS * cell, len(classes) * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (label, members) in enumerate(sorted(classes.items())):
        draw.text((4, row * cell + size // 2 - 6), f"{label[:14]} ({len(members)})", fill="black")
        chosen = np.unique(np.linspace(0, len(members) - 1, SHEET_COLUMNS).astype(int))
        for column, i in enumerate(chosen):
            sheet.paste(Image.fromarray(_pixels(members[i])), (LABEL_WIDTH + column * cell, row * cell))
    return sheet


if __name__ == "__main__":
    app.run(main, argv=expand_home(sys.argv))
